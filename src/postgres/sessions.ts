import type { Attempt, Login, LoginOptions } from './attempt.ts'
import { examineCertificate, type ServerCertificate } from './certificate.ts'
import { Connections, type Peer, type Server } from './connection.ts'
import { logInPatiently } from './login.ts'
import { adminRefusalFailure, unproven, type Introduced } from './refusal.ts'
import type { Session } from './session.ts'

/** The admin, and where to find out about it. */
export interface Admin extends Omit<Login, 'database'>, Introduced {
  /** Whether a server that asks for no password is taken for the one that is meant. */
  readonly unproven: 'refuse' | 'accept'
}

/** Opens the sessions of a run, and ends every one of them. */
export class Sessions {
  private readonly connections: Connections
  private readonly admin: Admin
  private readonly open = new Set<Session>()
  private readonly arriving = new Set<Promise<Attempt>>()

  /** The database to log in to as the admin for all that is done outside the application's. */
  get home(): string {
    return this.admin.home
  }

  constructor(server: Server, admin: Admin) {
    this.connections = new Connections(server)
    this.admin = admin
  }

  /**
   * Returns a session of the admin.
   *
   * @throws Failure `admin-login-refused` and others for what the server says against it, `login-unproven` where it asks for
   *   no password: anything could then play it, and take what is sent to it
   */
  async asAdmin(
    database: string,
    options?: LoginOptions,
    ways: Pick<Login, 'boundOnly'> = {},
  ): Promise<Session> {
    const login = { ...this.admin, ...ways, database, asItself: true }
    const attempt = await this.tryAs(login, options)
    if (attempt.session === undefined) throw adminRefusalFailure(attempt, login, this.admin)
    if (attempt.exchange === 'none' && this.admin.unproven === 'refuse') throw unproven(login)
    return attempt.session
  }

  /** Returns what comes of a login as somebody else; a session there is will be ended with the others. */
  async tryAs(login: Login, options: LoginOptions = {}): Promise<Attempt> {
    const arriving = logInPatiently(this.connections, login, options)
    this.arriving.add(arriving)
    try {
      const attempt = await arriving
      if (attempt.session !== undefined) this.open.add(attempt.session)
      return attempt
    } finally {
      this.arriving.delete(arriving)
    }
  }

  /** Returns what the server shows of itself before anybody logs in; see `examineCertificate`. */
  async certificate(host: string, ca: string | undefined): Promise<ServerCertificate> {
    return await examineCertificate(this.connections, host, ca)
  }

  /** Opens the connections of logins that are to come: of the application, or of the admin. */
  prepare(...peers: readonly (Peer | 'admin')[]): void {
    for (const peer of peers) this.connections.prepare(peer === 'admin' ? this.admin : peer)
  }

  /** Returns the server processes that have not answered a statement for some time: each may be waiting for a lock. */
  silentFor(ms: number): number[] {
    return [...this.open]
      .filter((session) => session.silentMs > ms)
      .map(({ announcedPid }) => announcedPid)
      .filter((pid) => pid !== null)
  }

  /** Ends one session now. */
  async end(session: Session | undefined): Promise<void> {
    if (session === undefined || !this.open.delete(session)) return
    await session.end()
  }

  /** Ends all that are open or about to be. */
  async endAll(): Promise<void> {
    this.connections.closeUnused()
    await Promise.allSettled(this.arriving)
    await Promise.all([...this.open].map(async (session) => this.end(session)))
  }
}
