import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Failure } from '../lib/failure.ts'
import { scramKeys } from '../postgres/scram.ts'
import { letIn, TurnedAway, type Caller, type Lock } from './door.ts'
import { authenticate, authentication, fatal } from './protocol.ts'
import { Reader } from './reader.ts'
import { relay } from './relay.ts'
import { Refused, type Upstream } from './upstream.ts'

/** What is behind the listener. Nothing of it is asked for before a client has shown that it knows the password. */
export interface Behind {
  /** @throws Refused, Failure */
  open(parameters: ReadonlyMap<string, string>): Promise<Upstream>
  cancel(packet: Buffer): Promise<void>
  /** A session was lost, and not by the client's doing. */
  lost(reason: Failure): void
}

/** Beyond so many that have not logged in, the oldest goes: who floods the door keeps nobody out. */
const mostWaiting = 256
/** How many may be logged in; the login of a command has this connection limit too. */
export const mostInside = 100
const patienceMs = 10_000
/** With less, bursts of a few hundred stay half open at the client. */
const backlog = 511
/** How long what is under way may take when the command has ended, and those that do not go by themselves. */
const farewellMs = { all: 1_000, lingering: 150 } as const

/**
 * A PostgreSQL server on 127.0.0.1 for one command: it lets in who knows its one-time password, and joins each client to a
 * session of its own on the real server. Without TLS, because nothing leaves this machine.
 */
export class Listener {
  /** Letters and digits alone, so that it needs no escape wherever it is put. */
  readonly password = randomBytes(24).toString('hex')
  readonly #behind: Behind
  readonly #server: Server
  readonly #waiting = new Set<Socket>()
  readonly #inside = new Map<Socket, Promise<unknown>>()
  readonly #tunnels = new Set<Duplex>()
  readonly #keys = new Set<string>()
  #connections = 0
  #turnedAway = 0

  private constructor(behind: Behind) {
    this.#behind = behind
    this.#server = createServer({ pauseOnConnect: true, noDelay: true })
  }

  /** Returns a listener on a random port. */
  static async open(who: Omit<Lock, 'keys'>, behind: Behind): Promise<Listener> {
    const listener = new Listener(behind)
    const lock: Lock = { ...who, keys: await scramKeys(listener.password) }
    const server = listener.#server
    server.on('connection', (socket: Socket) => void listener.#receive(socket, lock))
    server.listen({ host: '127.0.0.1', port: 0, backlog, exclusive: true })
    await once(server, 'listening')
    server.on('error', () => undefined)
    return listener
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** How many clients were let in, and how many were not. */
  get counts(): { readonly connections: number; readonly turnedAway: number } {
    return { connections: this.#connections, turnedAway: this.#turnedAway }
  }

  /** Lets nobody in any more. What a client sent before it left still arrives; who stays is cut off. */
  async close(): Promise<void> {
    this.#server.close()
    for (const socket of this.#waiting) socket.destroy()
    const gone = Promise.all(this.#inside.values())
    const over = new AbortController()
    const { signal } = over
    const pause = async (ms: number): Promise<void> => {
      await sleep(ms, undefined, { signal }).catch(() => undefined)
    }
    await Promise.race([gone, pause(farewellMs.lingering)])
    for (const socket of this.#inside.keys()) {
      if (!socket.readableEnded) socket.destroy()
    }
    await Promise.race([gone, pause(farewellMs.all - farewellMs.lingering)])
    for (const end of [...this.#inside.keys(), ...this.#tunnels]) end.destroy()
    over.abort()
  }

  async #receive(socket: Socket, lock: Lock): Promise<void> {
    socket.on('error', () => undefined)
    const [oldest] = this.#waiting
    if (this.#waiting.size >= mostWaiting) oldest?.destroy()
    this.#waiting.add(socket)
    const impatience = setTimeout(() => socket.destroy(), patienceMs)
    const known = (): void => {
      clearTimeout(impatience)
      this.#waiting.delete(socket)
    }
    socket.once('close', known)
    try {
      const caller = await letIn(socket, new Reader(socket), lock)
      if (socket.destroyed) return
      known()
      await this.#serve(socket, caller)
    } catch (error) {
      if (error instanceof TurnedAway) {
        this.#turnedAway += 1
        socket.end(error.answer)
      } else socket.destroy()
    } finally {
      // Whoever goes on talking to a closed door is not listened to.
      if (!this.#inside.has(socket)) socket.resume()
    }
  }

  async #serve(socket: Socket, caller: Caller): Promise<void> {
    if (caller.wants === 'cancel') {
      const known = this.#keys.has(caller.packet.toString('hex', 8))
      if (known) await this.#behind.cancel(caller.packet).catch(() => undefined)
      else this.#turnedAway += 1
      socket.destroy()
      return
    }
    if (this.#inside.size >= mostInside) {
      const text = `pg-app-user: too many connections of the command: ${mostInside} are open`
      socket.end(Buffer.concat([caller.proof, fatal('53300', text)]))
      return
    }
    const session = this.#join(socket, caller.parameters, caller.proof)
    this.#inside.set(socket, session)
    await session
    this.#inside.delete(socket)
  }

  async #join(socket: Socket, parameters: ReadonlyMap<string, string>, proof: Buffer): Promise<void> {
    this.#connections += 1
    const ok = authenticate(authentication.ok)
    let upstream: Upstream
    try {
      upstream = await this.#behind.open(parameters)
    } catch (error) {
      const answer =
        error instanceof Refused ? error.answer : fatal('08006', `pg-app-user: ${wordsOf(error)}`)
      socket.end(Buffer.concat([proof, ok, answer]))
      return
    }
    const { connection, greeting, key } = upstream
    if (socket.destroyed) {
      connection.stream.end()
      return
    }
    if (key !== undefined) this.#keys.add(key)
    socket.write(Buffer.concat([proof, ok, greeting]))
    this.#tunnels.add(connection.tunnel)
    const lost = await relay(socket, connection)
    this.#tunnels.delete(connection.tunnel)
    if (key !== undefined) this.#keys.delete(key)
    if (lost !== undefined) this.#behind.lost(lost)
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Failure ? error.message : 'PostgreSQL could not be reached.'
}
