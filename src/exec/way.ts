import type { Duplex } from 'node:stream'
import type { Failure } from '../lib/failure.ts'
import { switchOf } from '../lib/passing.ts'
import type { Login } from '../postgres/attempt.ts'
import { Connections, type Server } from '../postgres/connection.ts'
import type { Way as Leads } from '../route/way.ts'
import type { Behind } from './listener.ts'
import { carryCancel, openUpstream, type Upstream } from './upstream.ts'

/** The way to PostgreSQL, which can be looked for afresh. */
type Leading = Pick<Leads, 'dial' | 'renew'>

/** For so long a way that was found is taken to lead to the primary still. */
const freshMs = 5_000
/** The length of a name in PostgreSQL, in bytes. */
const mostName = 63

/** As whom the sessions of a command log in, and as which role they begin. */
export interface Entry {
  readonly login: Login
  readonly role: string
  /** Whether a server that asks for no password is taken for the one that is meant. */
  readonly unproven: 'refuse' | 'accept'
}

/** Leads the clients of a listener to PostgreSQL, each to a session of its own on whatever is the primary then. */
export class Way implements Behind {
  readonly #connections: Connections
  readonly #entry: Entry
  readonly #name: string
  readonly #leading: Leading
  #found = performance.now()

  /** @param server how long it goes on, and what its sessions are called */
  constructor(server: Omit<Server, 'dial'>, leading: Leading, entry: Entry) {
    this.#entry = entry
    this.#leading = leading
    this.#name = server.applicationName
    this.#connections = new Connections({ ...server, dial: () => this.#dial(leading) })
    // So that the first connection is as fast as the others.
    this.#connections.prepare(entry.login)
  }

  async open(parameters: ReadonlyMap<string, string>): Promise<Upstream> {
    const { login, role, unproven } = this.#entry
    return await openUpstream(this.#connections, login, this.#merged(parameters, role), unproven)
  }

  async cancel(packet: Buffer): Promise<void> {
    await carryCancel(this.#connections, this.#entry.login, packet)
  }

  lost(reason: Failure): void {
    if (switchOf(reason) !== undefined) this.#found = -Infinity
  }

  /** Closes what was opened ahead and not used. */
  close(): void {
    this.#connections.closeUnused()
  }

  /** Opens a connection to whatever is the primary then. */
  async dial(): Promise<Duplex> {
    return await this.#dial(this.#leading)
  }

  async #dial(leading: Leading): Promise<Duplex> {
    if (performance.now() - this.#found > freshMs) this.#renew(leading)
    try {
      return (await leading.dial()).stream
    } catch (error) {
      if (switchOf(error) === undefined) throw error
      this.#renew(leading)
      return (await leading.dial()).stream
    }
  }

  #renew(leading: Leading): void {
    this.#found = performance.now()
    leading.renew()
  }

  /**
   * What a client asks for holds, but for the role and the name that people find in pg_stat_activity. A parameter of its own
   * wins over what a client puts into `options`.
   */
  #merged(parameters: ReadonlyMap<string, string>, role: string): ReadonlyMap<string, string> {
    const merged = new Map(parameters)
    merged.delete('replication')
    merged.set('role', Buffer.from(role).toString('latin1'))
    const name = [this.#name, parameters.get('application_name') ?? ''].filter((part) => part !== '')
    return merged.set('application_name', name.join(' ').slice(0, mostName))
  }
}
