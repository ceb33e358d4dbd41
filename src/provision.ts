import { setTimeout as sleep } from 'node:timers/promises'
import { Failure } from './failure.ts'
import { isInPlace, Looker, type Look } from './look.ts'
import { isPassing, StartAgain } from './postgres/failure.ts'
import { takeLock } from './postgres/lock.ts'
import type { Session } from './postgres/session.ts'
import { aboutServer } from './postgres/state.ts'
import { apply } from './provision/apply.ts'
import { stepsToCome } from './provision/render.ts'
import { tellDryRun, tellInPlace } from './provision/tell.ts'
import type { Run } from './run.ts'

const pauseMs = 250
const longestPauseMs = 4_000

/**
 * Gives an application its PostgreSQL role, database and Secret, or puts right what differs, and proves the login.
 * Looks again from the start as often as somebody else was faster, while there is time.
 *
 * @returns the admin's session, which is still open
 * @throws Failure, pg.DatabaseError
 */
export async function provision(run: Run): Promise<Session> {
  const { request, cluster, sessions, journal, deadline, wanted } = run
  const looker = new Looker(request, cluster, sessions, journal, wanted)
  let rest = pauseMs
  for (;;) {
    try {
      const session = await convergeOnce(run, looker)
      journal.settle()
      return session
    } catch (error) {
      const again = error instanceof StartAgain || isPassing(error) || isShortage(error)
      // What is in short supply has been waited for already: without time to wait once more, that is the answer.
      const needed = isShortage(error) ? longestPauseMs + 2 * rest : 4 * pauseMs
      if (!again) throw error
      if (deadline.remainingMs() < needed) throw error instanceof StartAgain ? noTimeLeft(error) : error
      journal.reporter.debug(`looking again: ${(error as Error).message}`)
      await sessions.endAll()
      rest = isShortage(error) ? Math.min(2 * rest, longestPauseMs) : pauseMs
      // At random, so that runs which are in each other's way do not stay there.
      await sleep(rest * (0.5 + Math.random()), undefined, { signal: deadline.signal }).catch(() => undefined)
    }
  }
}

function noTimeLeft(error: StartAgain): Failure {
  return new Failure('timeout', `No time is left to look again: ${error.message}.`, [
    'Somebody else keeps changing the same role, database or Secret. Give it more time: input "timeout".',
  ])
}

/** Runs side by side may need more connections together than there are: each gives its own back and begins again. */
function isShortage(error: unknown): boolean {
  return error instanceof Failure && error.code === 'connection-limit'
}

async function convergeOnce(run: Run, looker: Looker): Promise<Session> {
  const { request, sessions, journal, deadline, wanted } = run
  deadline.enter('the first look')
  const first = await looker.look()
  if (isInPlace(first)) {
    tellInPlace(first, wanted, journal)
    return first.admin
  }
  if (request.dryRun) {
    tellDryRun(first, wanted, journal)
    return first.admin
  }
  await sessions.end(first.attempt.session)
  await agree(first, run)
  deadline.enter('the wait for the lock')
  const lock =
    first.lock ??
    (await takeLock(sessions, first.admin, wanted, aboutServer(wanted), deadline, journal.reporter))
  deadline.enter('the second look')
  const look = await looker.lookAgain(first, lock)
  if (isInPlace(look)) {
    tellInPlace(look, wanted, journal)
    return look.admin
  }
  await sessions.end(look.attempt.session)
  await apply(look, lock, run)
  return look.admin
}

/** Asks, where there is a person to ask. What they agree to is looked at once more under the lock. */
async function agree(look: Look, { cluster, journal, deadline, wanted }: Run): Promise<void> {
  const question = {
    server: journal.cluster?.server ?? '',
    namespace: cluster.namespace,
    steps: stepsToCome(look.plan.changes, wanted),
  }
  deadline.enter('the question whether to go on')
  const agreed = (await journal.reporter.confirm?.(question, deadline.signal)) ?? true
  deadline.signal.throwIfAborted()
  if (!agreed) throw new Failure('cancelled', 'The answer to the question was no.', [])
}
