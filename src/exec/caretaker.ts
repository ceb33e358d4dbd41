import type { Duplex } from 'node:stream'
import { startDeadline, type Deadline } from '../lib/deadline.ts'
import { underWay } from '../lib/under-way.ts'
import type { Session } from '../postgres/session.ts'
import { Sessions } from '../postgres/sessions.ts'
import type { Run } from '../run/context.ts'

/** What a look at the login may take while the command runs, and its end. */
const choreMs = 10_000

/** Works as the admin on the login of a command, whatever has become of the run's own time. */
export class Caretaker {
  readonly #run: Run
  readonly #life = new AbortController()
  readonly #time: Deadline
  readonly #standby: Sessions
  readonly #session: Promise<Session>
  #stands = false

  /** Opens a session to stand by: once a run is over or cancelled, nothing is dialled any more. */
  constructor(run: Run) {
    this.#run = run
    const { request, admin, cluster, deadline } = run
    this.#time = startDeadline(deadline.remainingMs() + choreMs, this.#life.signal)
    const dial = async (): Promise<Duplex> => (await cluster.way.dial()).stream
    const server = { deadline: this.#time, applicationName: request.runName, dial }
    this.#standby = new Sessions(server, admin)
    this.#session = underWay(this.#standUp())
  }

  async #standUp(): Promise<Session> {
    const session = await this.#standby.asAdmin(this.#standby.home)
    this.#stands = true
    return session
  }

  /** Waits until the session stands by, or cannot. */
  async ready(): Promise<void> {
    await this.#session.catch(() => undefined)
  }

  /** Sends the session away that stood by. Never fails. */
  async relieve(): Promise<void> {
    if (!this.#stands) this.#life.abort()
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
    if (deadline.signal.aborted) return await what(this.#standby, await this.#session)
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
