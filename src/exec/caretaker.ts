import type { Duplex } from 'node:stream'
import { startDeadline, type Deadline } from '../lib/deadline.ts'
import type { Session } from '../postgres/session.ts'
import { Sessions } from '../postgres/sessions.ts'
import type { Run } from '../run/context.ts'

/** What a look at the login may take while the command runs, and its end. */
const choreMs = 10_000

/**
 * Works as the admin on the login of a command, whatever has become of the run's own time. Once that is over or cancelled,
 * nothing is dialled any more: for what is to be done then, a session stands by.
 */
export class Caretaker {
  readonly #run: Run
  readonly #life = new AbortController()
  readonly #time: Deadline
  readonly #standby: Sessions
  #session: Session | undefined
  /** Why none stands by. */
  #absence: unknown

  constructor(run: Run) {
    this.#run = run
    const { request, admin, cluster, deadline } = run
    this.#time = startDeadline(deadline.remainingMs() + choreMs, this.#life.signal)
    const dial = async (): Promise<Duplex> => (await cluster.way.dial()).stream
    const server = { deadline: this.#time, applicationName: request.runName, dial }
    this.#standby = new Sessions(server, admin)
  }

  /**
   * Opens the session that stands by, unless it does already. Never fails: a server may have no further connection for it, so
   * this is for when the run has the one that it needs.
   */
  async standBy(): Promise<void> {
    if (this.#session !== undefined) return
    const { signal } = this.#run.deadline
    const giveUp = (): void => {
      this.#life.abort(signal.reason)
    }
    signal.addEventListener('abort', giveUp)
    try {
      this.#session = await this.#standby.asAdmin(this.#standby.home)
    } catch (error) {
      this.#absence = error
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  /** Sends the session away that stood by. Never fails. */
  async relieve(): Promise<void> {
    await this.#standby.endAll()
    this.#time.stop()
  }

  /**
   * Does something as the admin.
   *
   * @throws Failure, pg.DatabaseError
   */
  async work<Result>(
    dial: () => Promise<Duplex>,
    what: (sessions: Sessions, session: Session) => Promise<Result>,
  ): Promise<Result> {
    const { request, admin, deadline } = this.#run
    if (deadline.signal.aborted) {
      if (this.#session === undefined) throw this.#absence
      return await what(this.#standby, this.#session)
    }
    const own = startDeadline(choreMs, new AbortController().signal)
    const sessions = new Sessions({ deadline: own, applicationName: request.runName, dial }, admin)
    try {
      return await what(sessions, await sessions.asAdmin(sessions.home))
    } finally {
      own.stop()
      await sessions.endAll()
    }
  }
}
