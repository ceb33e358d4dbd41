import { once } from 'node:events'
import { isIP, Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { Failure } from '../lib/failure.ts'
import { setting } from '../lib/spelling.ts'

/** Where a database listens, as the access Secret has it. */
export interface Address {
  /** PGHOST: a name, an address, or several with commas between, of which libpq takes the first that answers. */
  readonly host: string
  readonly port: number
}

/** How long one host may take to answer, in milliseconds: as long as a tunnel may. */
const connectWithinMs = 10_000
/** How long one of several addresses of a name may take before the next is tried as well: Node.js' own time is too short for a slow network. */
const nextAddressMs = 2_000

/**
 * Opens a TCP connection to the first of the hosts that takes one, as libpq does. The signal ends the opening; a connection
 * that stands outlives it, so that a session can still end what it has begun.
 *
 * @throws Failure `host-unknown` for a name that does not resolve, `port-closed` where the connection is refused,
 *   `database-unreachable` where there is no answer or no way, or the reason of the signal
 */
export async function dialDirectly({ host, port }: Address, signal: AbortSignal): Promise<Direct> {
  const failures: Failure[] = []
  for (const one of host.split(',')) {
    signal.throwIfAborted()
    const opened = await open(one, port, signal)
    if (opened instanceof Direct) return opened
    failures.push(opened)
  }
  signal.throwIfAborted()
  const [last, ...others] = failures.reverse()
  if (last === undefined) throw new Error('there is at least one host')
  const before = others.reverse().map(({ message }) => `Tried before it: ${message}`)
  throw before.length === 0 ? last : new Failure(last.code, last.message, [...before, ...last.hint])
}

async function open(host: string, port: number, signal: AbortSignal): Promise<Direct | Failure> {
  const socket = new Socket()
  const overdue = AbortSignal.timeout(connectWithinMs)
  // One that ends the opening may be followed by an error that nobody waits for.
  socket.on('error', () => undefined)
  socket.connect({
    host,
    port,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: nextAddressMs,
  })
  try {
    await once(socket, 'connect', { signal: AbortSignal.any([signal, overdue]) })
    return new Direct(socket, host, port)
  } catch (error) {
    socket.destroy()
    signal.throwIfAborted()
    return dialFailure(overdue.aborted ? 'ETIMEDOUT' : codeOf(error), { host, port })
  }
}

/** Returns the code of an error; of several addresses of one name, that of the first. */
function codeOf(error: unknown): string {
  const { code, errors } = error as { code?: string; errors?: readonly unknown[] }
  const [first] = errors ?? []
  return first === undefined ? (code ?? '') : codeOf(first)
}

const outside = (): string =>
  `Names and addresses of Services are known only inside the cluster. Elsewhere, set ${setting('via', 'port-forward')}.`

/** Returns the error for a host that takes no connection, by the code that Node.js gives it. */
export function dialFailure(code: string, { host, port }: Address): Failure {
  const where = placeOf(host, port)
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new Failure(
        'host-unknown',
        `PGHOST ${host} of the access Secret does not resolve here (${code}).`,
        [
          outside(),
          'In the cluster, a frequent cause is a misspelt name, or a policy that keeps this Pod from DNS.',
        ],
      )
    case 'ECONNREFUSED':
      return new Failure('port-closed', `Nothing listens at ${where} (${code}).`, [
        'A frequent cause is a PostgreSQL that is still starting, or a PGPORT of the access Secret that is not its port.',
        'Run this again when the database is up; if the error remains, ask the administrator to check PGHOST and PGPORT.',
      ])
    case 'ETIMEDOUT':
      return unreachable(`${where} did not answer within ${connectWithinMs / 1000} s.`)
    default:
      return unreachable(`There is no route to ${where}${code === '' ? '' : ` (${code})`}.`)
  }
}

function unreachable(what: string): Failure {
  return new Failure('database-unreachable', what, [
    'A frequent cause is a NetworkPolicy or a firewall that keeps this run from the database.',
    outside(),
  ])
}

function placeOf(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * A TCP connection that stands, with what node-postgres expects of a socket. Like a tunnel it ends with an `error`, always
 * a Failure, unless it was ended or destroyed from this side; what had arrived before is still read.
 */
export class Direct extends Duplex {
  /** The one of the hosts that answered: what a certificate has to be for. */
  readonly host: string
  /** The address and the port that it was reached at. */
  readonly address: string
  readonly #socket: Socket
  #ending = false
  #lost: Failure | undefined

  constructor(socket: Socket, host: string, port: number) {
    super({ readableHighWaterMark: 1, allowHalfOpen: false })
    this.host = host
    this.address = placeOf(socket.remoteAddress ?? host, port)
    this.#socket = socket
    // Before a client listens, nobody else may.
    this.on('error', () => undefined)
    socket.on('data', (chunk) => {
      if (!this.push(chunk)) socket.pause()
    })
    socket.on('error', (error) => {
      this.#lose(`it broke (${codeOf(error)})`, error)
    })
    socket.on('close', () => {
      this.#lose('the other side closed it')
    })
  }

  /** The connection stands already; it is told later, as a socket would. */
  connect(): this {
    setImmediate(() => this.emit(this.destroyed ? 'close' : 'connect'))
    return this
  }

  setNoDelay(): this {
    this.#socket.setNoDelay()
    return this
  }

  setKeepAlive(): this {
    this.#socket.setKeepAlive(true)
    return this
  }

  ref(): this {
    this.#socket.ref()
    return this
  }

  unref(): this {
    this.#socket.unref()
    return this
  }

  override _read(): void {
    if (this.#lost === undefined) this.#socket.resume()
    // Not at once: what this read is about to hand out would be dropped.
    else setImmediate(() => this.destroy(this.#lost))
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, (error) => {
      done(error && (this.#lost ?? this.#lostTo(`it broke (${codeOf(error)})`, error)))
    })
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', done)
  }

  override _final(done: () => void): void {
    this.#ending = true
    this.#socket.end()
    setImmediate(() => this.destroy())
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroySoon()
    // Not at once: node-postgres would take a refused certificate for a connection that ended by itself.
    setImmediate(done, error)
  }

  /** The first reason counts. What has arrived is read before the error is told; after our own end, nothing is. */
  #lose(what: string, cause?: unknown): void {
    if (this.#lost !== undefined) return
    if (this.#ending) {
      this.destroy()
      return
    }
    this.#lost = this.#lostTo(what, cause)
    if (this.readableLength === 0) this.destroy(this.#lost)
  }

  #lostTo(what: string, cause?: unknown): Failure {
    return new Failure(
      'tunnel-lost',
      `The connection to ${this.host} (${this.address}) was lost: ${what}.`,
      [
        'A frequent cause is a Pod that was restarted or moved, as in a failover or an update of the database.',
        'Run this again when the database is up: it continues from what is there.',
      ],
      { cause },
    )
  }
}
