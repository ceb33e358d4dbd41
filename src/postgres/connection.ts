import { once } from 'node:events'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import type { Deadline } from '../lib/deadline.ts'
import { Failure } from '../lib/failure.ts'
import { input } from '../lib/spelling.ts'
import { oneLine } from '../lib/text.ts'
import { underWay } from '../lib/under-way.ts'
import { encryptions, type Encryption, type SslMode } from './sslmode.ts'

/** How connections reach the server, and how sessions show there. */
export interface Server {
  /** Opens a new tunnel, or what takes its place. */
  dial(): Promise<Carrier>
  readonly deadline: Deadline
  /** Printable ASCII; the server cuts it at 63 bytes. */
  readonly applicationName: string
}

/** What carries a connection; the name of the host, where it is that host alone which it leads to. */
export type Carrier = Duplex & { readonly host?: string }

/** What a connection has to be like, whoever logs in on it. */
export interface Peer {
  /** The name inside the cluster: what the certificate is checked against. */
  readonly host: string
  readonly sslMode: SslMode
  /** PEM of the certificate authority, or `system`. */
  readonly ca: string | undefined
}

/** A connection on which somebody can log in. */
export interface Connection {
  /** What node-postgres speaks on. */
  readonly stream: Duplex
  /** What carries it: to destroy it is to end both, and its error is the reason of both. */
  readonly tunnel: Duplex
}

/** How long the server may take to agree on TLS, and then to let somebody in, in milliseconds. */
const connectTimeoutMs = 10_000
/** PostgreSQL closes a connection on which nobody logs in, after a minute by default (`authentication_timeout`). */
const freshMs = 20_000
/** SSLRequest. Source: https://www.postgresql.org/docs/current/protocol-message-formats.html */
const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

/** The error for a server that accepts a connection and then says nothing. */
export const silence = new Failure(
  'tunnel-lost',
  `PostgreSQL did not answer within ${connectTimeoutMs / 1000} s.`,
  [
    'It accepted the connection and then said nothing. A frequent cause is a server that hangs or is overloaded.',
  ],
)

interface Prepared {
  readonly peer: Peer
  readonly since: number
  readonly connection: Promise<Connection>
}

/** Opens connections on which somebody can log in; some of them before they are needed. */
export class Connections {
  readonly server: Server
  private readonly ready: Prepared[] = []
  /** Those that somebody waits for. */
  private readonly opening = new Set<Promise<unknown>>()

  constructor(server: Server) {
    this.server = server
  }

  /**
   * Opens one that is going to be needed, as soon as it is in nobody's way. It takes no session of the server until somebody
   * logs in on it.
   */
  prepare(peer: Peer): void {
    const connection = underWay(
      Promise.allSettled(this.opening).then(() => {
        const [encryption] = encryptions(peer.sslMode, peer.ca)
        return openConnection(this.server, peer, encryption)
      }),
    )
    this.ready.push({ peer, since: performance.now(), connection })
  }

  /**
   * Returns a connection: one that was prepared, if it still stands and is encrypted this way.
   *
   * @param first whether this is the first way that the sslmode allows, which is what is prepared
   * @throws Failure of the tunnel, `tls-failed`, `server-not-ready`, `tunnel-lost`, or the deadline's
   */
  async open(peer: Peer, encryption: Encryption, first: boolean): Promise<Connection> {
    const opening = this.take(peer, encryption, first)
    this.opening.add(opening)
    try {
      return await opening
    } finally {
      this.opening.delete(opening)
    }
  }

  private async take(peer: Peer, encryption: Encryption, first: boolean): Promise<Connection> {
    const index = first ? this.ready.findIndex((each) => isSame(each.peer, peer)) : -1
    const [prepared] = index === -1 ? [] : this.ready.splice(index, 1)
    // A head start and no more: what went wrong with it goes wrong again, or did not matter.
    const connection = await prepared?.connection.catch(() => undefined)
    const fresh = prepared !== undefined && performance.now() - prepared.since < freshMs
    if (fresh && connection?.tunnel.destroyed === false) return connection
    connection?.tunnel.destroy()
    return await openConnection(this.server, peer, encryption)
  }

  /**
   * Tries the ways to connect that the sslmode allows, one after another, until something comes of one.
   *
   * @param attempt gives nothing where another way is worth a try; `last` where there is none
   * @throws what the attempt throws; `tls-failed` of the last way alone
   */
  async inEachWay<Result>(
    peer: Peer,
    attempt: (open: () => Promise<Connection>, last: boolean) => Promise<Result | undefined>,
  ): Promise<Result> {
    const ways = encryptions(peer.sslMode, peer.ca)
    for (const [index, encryption] of ways.entries()) {
      const last = index === ways.length - 1
      try {
        const result = await attempt(() => this.open(peer, encryption, index === 0), last)
        if (result !== undefined) return result
      } catch (error) {
        if (last || !(error instanceof Failure && error.code === 'tls-failed')) throw error
      }
    }
    throw new Error('every sslmode has at least one way to connect')
  }

  /** Closes what was prepared and not used, what is still being opened as soon as it stands. */
  closeUnused(): void {
    for (const { connection } of this.ready.splice(0)) {
      void connection.then(({ tunnel }) => tunnel.destroy()).catch(() => undefined)
    }
  }
}

function isSame(one: Peer, other: Peer): boolean {
  return one.host === other.host && one.sslMode === other.sslMode && one.ca === other.ca
}

async function openConnection(server: Server, peer: Peer, encryption: Encryption): Promise<Connection> {
  const tunnel = await server.dial()
  if (encryption === false) return { stream: tunnel, tunnel }
  try {
    return { stream: await inTime(tunnel, server.deadline, () => encrypt(tunnel, peer, encryption)), tunnel }
  } catch (error) {
    const lost = tunnel.errored
    tunnel.destroy()
    server.deadline.signal.throwIfAborted()
    throw lost ?? (error instanceof Failure ? error : tlsFailure(peer, error))
  }
}

/**
 * Does what is to come before somebody is in. A server that stays silent, and the end of the run, cut the tunnel, whose
 * error is the reason then.
 */
export async function inTime<Result>(
  tunnel: Duplex,
  { signal }: Deadline,
  work: () => Promise<Result>,
): Promise<Result> {
  const abort = (): void => void tunnel.destroy(signal.reason as Error)
  const timer = setTimeout(() => tunnel.destroy(silence), connectTimeoutMs)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    return await work()
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}

/** Asks for TLS as PostgreSQL wants it to be asked for, and gives the encrypted stream. */
async function encrypt(tunnel: Carrier, peer: Peer, encryption: tls.ConnectionOptions): Promise<Duplex> {
  const gone = new AbortController()
  tunnel.once('close', () => {
    gone.abort()
  })
  // What came after the answer and before TLS could be anybody's, and is not to be read as if it were encrypted.
  tunnel.once('data', () => tunnel.pause())
  tunnel.write(sslRequest)
  // While the answer is on its way. A name that is an address must not be sent (RFC 6066, section 3), and is checked all the
  // same.
  const host = tunnel.host ?? peer.host
  const servername = isIP(host) === 0 ? { servername: host } : {}
  const secureContext = tls.createSecureContext(encryption)
  const [answer] = (await once(tunnel, 'data', { signal: gone.signal })) as [Buffer]
  if (answer.toString('latin1') === 'N') {
    throw new Failure(
      'tls-failed',
      `PostgreSQL does not offer TLS, and sslmode ${peer.sslMode} requires it.`,
      ['Ask the administrator to turn TLS on, or to correct PGSSLMODE of the access Secret.'],
    )
  }
  // What it says was not encrypted, and could be anybody's: libpq does not show it either (CVE-2024-10977).
  if (answer.toString('latin1', 0, 1) === 'E') {
    throw new Failure('server-not-ready', 'PostgreSQL answered with an error when it was asked for TLS.', [
      'A frequent cause is a server that is ending or was killed, or one that has no process left for this connection.',
      'Run this again when the database is up; if the error remains, ask the administrator.',
    ])
  }
  if (answer.toString('latin1') !== 'S') {
    throw new Failure('tls-failed', 'PostgreSQL answered neither yes nor no when it was asked for TLS.', [
      'A frequent cause is another service on this port.',
    ])
  }
  const stream = tls.connect({ socket: tunnel, host, ...servername, ...encryption, secureContext })
  // Whoever uses it listens from then on; until then, one that breaks is found by being destroyed.
  stream.on('error', () => undefined)
  await once(stream, 'secureConnect', { signal: gone.signal })
  tunnel.once('close', () => stream.destroy(tunnel.errored ?? undefined))
  return standing(stream)
}

/** node-postgres connects for itself: to a stream that stands already, it is told later, as a socket would. */
function standing(stream: tls.TLSSocket): Duplex {
  return Object.assign(stream, {
    connect: () => {
      setImmediate(() => stream.emit(stream.destroyed ? 'close' : 'connect'))
      return stream
    },
  })
}

/** The error for TLS that did not come about. */
export function tlsFailure({ sslMode, host }: Peer, error: unknown): Failure {
  return new Failure(
    'tls-failed',
    `TLS with PostgreSQL failed: "${oneLine((error as Error).message)}".`,
    [
      `The certificate has to pass sslmode ${sslMode} for the host ${host}.`,
      `Check ${input('ssl-root-cert')} and the key ca.crt of the access Secret against the authority in use.`,
    ],
    { cause: error },
  )
}
