import type { Duplex } from 'node:stream'
import type { CommandRequest } from '../input/request.ts'
import { endless } from '../lib/deadline.ts'
import { Failure } from '../lib/failure.ts'
import { count, formatSeconds, oneLine, utc } from '../lib/text.ts'
import { passingOf } from '../postgres/failure.ts'
import { lockScript, takeLock } from '../postgres/lock.ts'
import { aboutServer } from '../postgres/state.ts'
import { checkServer } from '../provision/check-server.ts'
import type { Run } from '../run/context.ts'
import { stopwatch } from '../run/journal.ts'
import { Caretaker } from './caretaker.ts'
import { runChild, Signals, type ChildEnd } from './child.ts'
import { environmentOf } from './environment.ts'
import { Listener } from './listener.ts'
import { dropLogin, lifetimeMs, makeLogin, moveLoginOn, moveOnMs, type CommandLogin } from './login.ts'
import { message } from './protocol.ts'
import { failureOfCommand, refuseCommand } from './refusals.ts'
import { sweepLeftovers } from './sweep.ts'
import { Refused } from './upstream.ts'
import { Way } from './way.ts'

/** How soon to try again to move the end of the login on, where that failed. */
const againMs = 20_000

/**
 * Runs a command against the database of the application: with a login that lives as long as it, through a listener on
 * 127.0.0.1 that alone knows the login's password.
 *
 * @param takeSignals called when signals are for the command from here on
 * @throws Failure, pg.DatabaseError; `command-failed` where the command ended with another exit code than 0
 */
export async function execute(run: Run, command: CommandRequest, takeSignals: () => void): Promise<void> {
  const { cluster, sessions, journal, deadline, wanted } = run
  deadline.enter('the login of the command')
  const timer = stopwatch()
  // The lock of what came before is given back: others may provision while the command runs.
  await sessions.endAll()
  const caretaker = new Caretaker(run)
  const made = new Set<string>()
  let login: CommandLogin
  try {
    login = await cluster.patience.insist(() => prepare(run, command, caretaker, made), {
      passing: passingOf,
      giveBack: () => sessions.endAll(),
    })
  } catch (error) {
    await drop(run, caretaker, async () => (await cluster.way.dial()).stream, made)
    await caretaker.relieve()
    throw error
  }
  const life = new AbortController()
  const end = (): void => {
    life.abort(deadline.signal.reason)
  }
  deadline.signal.addEventListener('abort', end)
  const way = wayOf(run, login, life.signal)
  let listener: Listener | undefined
  let keeper: Keeper | undefined
  let signals: Signals | undefined
  let relieved: Promise<void> | undefined
  let ended: ChildEnd | undefined
  try {
    await prove(way, login)
    const { username: user, database } = wanted
    listener = await Listener.open({ user, database }, way)
    const { port, password } = listener
    journal.mask(password)
    journal.step('created', 'login', `${login.name}, for this command alone; acts as ${user}`, timer())
    journal.step('right', 'listening', `127.0.0.1 port ${port}, for the command; its own output follows`)
    const environment = environmentOf(command.environment, { port, user, password, database })
    deadline.signal.throwIfAborted()
    // From here to the command nothing is waited for: a signal is the run's, or the command's.
    deadline.stop()
    signals = new Signals()
    takeSignals()
    journal.reporter.rest?.()
    relieved = caretaker.relieve()
    const dial = (): Promise<Duplex> => way.dial()
    keeper = new Keeper(() => caretaker.work(dial, (_, session) => moveLoginOn(session, login)))
    const running = stopwatch()
    ended = await runChild(command.what, environment, command.timeoutMs, signals)
    const { connections } = listener.counts
    journal.command = { exitCode: ended.exitCode, seconds: running(), connections }
  } finally {
    keeper?.stop()
    const counts = listener?.counts
    await listener?.close()
    const became = await drop(run, caretaker, () => way.dial(), made)
    await (relieved ?? caretaker.relieve())
    if (listener !== undefined) tellEnd(run, became, counts?.turnedAway ?? 0)
    deadline.signal.removeEventListener('abort', end)
    way.close()
    life.abort()
    signals?.release()
  }
  const failure = failureOfCommand(ended, command)
  if (failure !== undefined) throw failure
}

/** Says that a command is not run, and why. */
export function leaveOut({ journal }: Pick<Run, 'journal'>, why: string): void {
  journal.step('attention', 'command', `not run: ${why}`)
  journal.row({ subject: 'Command', now: `not run: ${why}` })
}

/** Makes the login, under the lock of provisioning. */
async function prepare(
  run: Run,
  { lockTimeoutMs }: CommandRequest,
  caretaker: Caretaker,
  made: Set<string>,
): Promise<CommandLogin> {
  const { cluster, sessions, journal, deadline, wanted } = run
  const question = aboutServer(wanted)
  const timer = stopwatch()
  const first = await sessions.asAdmin(sessions.home, { first: lockScript(wanted, question) })
  const { session, seen } = await takeLock(sessions, first, wanted, question, deadline, journal.reporter)
  checkServer(session, seen, cluster, journal, timer())
  const refusal = refuseCommand(seen, wanted)
  if (refusal !== undefined) throw refusal
  await sweepLeftovers(run, session, seen.leftovers)
  // From the moment that there is a login, somebody can drop it.
  await caretaker.standBy()
  const login = await makeLogin(session, seen, wanted, lockTimeoutMs, journal.mask, made)
  await sessions.endAll()
  return login
}

function wayOf({ request, admin, cluster }: Run, { name, password }: CommandLogin, signal: AbortSignal): Way {
  const { host, sslMode, ca, unproven } = admin
  const login = { user: name, password, database: request.appDatabase, host, sslMode, ca }
  const server = { deadline: endless(signal), applicationName: request.runName }
  return new Way(server, cluster.way, { login, role: request.appUsername, unproven })
}

/** Logs in once before the command does: what keeps the login out is told here, and not by each client in its own words. */
async function prove(way: Way, { name }: CommandLogin): Promise<void> {
  try {
    const { connection } = await way.open(new Map())
    connection.stream.end(message('X'))
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    throw new Failure('login-refused', `PostgreSQL refused the login of the command, "${name}".`, [
      `The server said "${oneLine(error.said)}".`,
      'A frequent cause is a pg_hba.conf that names the roles it lets in. Ask the administrator for a rule for all roles',
      'that log in by scram-sha-256.',
    ])
  }
}

/** Moves the end of a login on for as long as the command lives. */
class Keeper {
  readonly #work: () => Promise<void>
  #timer: NodeJS.Timeout
  #stopped = false

  constructor(work: () => Promise<void>) {
    this.#work = work
    this.#timer = setTimeout(() => void this.#turn(), moveOnMs)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #turn(): Promise<void> {
    const done = await this.#work().then(
      () => true,
      () => false,
    )
    // The command may have ended meanwhile.
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#turn(), done ? moveOnMs : againMs)
  }
}

/** Drops the logins that were made, or may have been, and returns what became of the last, in words. */
async function drop(
  { journal }: Run,
  caretaker: Caretaker,
  dial: () => Promise<Duplex>,
  made: ReadonlySet<string>,
): Promise<string> {
  let became = ''
  for (const name of made) {
    became = `login ${name} dropped`
    try {
      await caretaker.work(dial, (sessions, session) => dropLogin(sessions, session, name))
    } catch (error) {
      const until = utc(new Date(Date.now() + lifetimeMs))
      became = `login ${name} could not be dropped`
      journal.note(
        `${became}: it cannot be used after ${until}, and a later run drops it (${oneLine((error as Error).message)})`,
      )
    }
  }
  return became
}

/** Tells how the command ended, and its login. */
function tellEnd({ journal }: Run, became: string, turnedAway: number): void {
  const { command } = journal
  if (command === undefined) {
    journal.step('attention', 'login', became)
    return
  }
  const { exitCode, seconds, connections } = command
  const ended = `exit code ${exitCode} after ${formatSeconds(seconds)} · ${count(connections, 'connection')}`
  const away = turnedAway === 0 ? '' : ` · ${count(turnedAway, 'client')} turned away`
  journal.step(exitCode === 0 ? 'right' : 'stopped', 'command', `${ended}${away} · ${became}`)
  journal.row({
    subject: 'Command',
    now: `${ended}${away}; its login is ${became.replace(/^login \S+ /, '')}`,
  })
}
