import pg from 'pg'
import type { Deadline } from '../lib/deadline.ts'
import { Failure } from '../lib/failure.ts'
import { oneLine } from '../lib/text.ts'
import type { Exchange } from './authentication.ts'
import { inTime, silence, tlsFailure, type Connection, type Connections, type Peer } from './connection.ts'
import { asOne, Session, type Goodbye } from './session.ts'
import { connectWith, type Begun } from './wire.ts'

/** Who logs in, where, and in which TLS mode. */
export interface Login extends Peer {
  readonly user: string
  readonly password: string
  readonly database: string
  /** Whether the session is to act as the user itself, whatever `ALTER ROLE` or `ALTER DATABASE … SET role` say. */
  readonly asItself?: boolean
  /** Whether the session is to have the timeouts that the server gives the user, and none of this tool's. */
  readonly asConfigured?: boolean
  /** Whether it only logs in where that is bound to the TLS connection, which no common pooler offers. */
  readonly boundOnly?: boolean
}

/**
 * What came of a login. `exchange` is set as soon as the server is satisfied with who we are, even if it then refuses
 * the session for another reason (a database that does not exist, a role that may not log in): a completed exchange
 * proves the password either way.
 */
export interface Attempt {
  readonly exchange: Exchange | undefined
  readonly session?: Session
  /** The server's answer where there is no session. */
  readonly refusal?: pg.DatabaseError
}

/** What a login is to bring along. */
export interface LoginOptions {
  /**
   * The script with which the session is going to begin: it is sent right behind the last message of SCRAM, so that its
   * answer comes along with the login's. It may be run in vain, or twice, and is sent before the server has shown that it
   * knows the password too: it changes nothing that outlasts the session, and holds names alone.
   */
  readonly first?: readonly string[]
}

/** What node-postgres says of a connection that ended while it logged in. */
const brokenOff = 'Connection terminated unexpectedly'
/**
 * Logs in on a connection of its own, in the ways the sslmode allows.
 *
 * @throws Failure of the tunnel, `tls-failed`, `cleartext-password-demanded`, `channel-binding-failed`,
 *   `login-unsupported`, `tunnel-lost`, or the deadline's. What the server itself says against the login is no error here
 *   but the attempt's `refusal`.
 */
export async function logIn(
  connections: Connections,
  login: Login,
  options: LoginOptions = {},
): Promise<Attempt> {
  return await connections.inEachWay(login, async (open, last) => {
    const attempt = await logInOn(open, connections, login, options)
    const rejectedUnheard = attempt.refusal?.code === '28000' && attempt.exchange === undefined
    return last || !rejectedUnheard ? attempt : undefined
  })
}

async function logInOn(
  open: () => Promise<Connection>,
  connections: Connections,
  login: Login,
  { first }: LoginOptions = {},
): Promise<Attempt> {
  const connection = await open()
  const { stream, tunnel } = connection
  const { deadline, applicationName } = connections.server
  const client = new pg.Client({
    stream: () => stream,
    user: login.user,
    database: login.database,
    host: login.host,
    port: 5432,
    // The stream is encrypted already, if it is to be.
    ssl: false,
    client_encoding: 'UTF8',
    application_name: applicationName,
    // What is asked for before an answer has come is sent at once, because each answer may be far away.
    pipeline: true,
    // Sent with the start-up packet, so that they cost no round trip and hold from the first statement on.
    options: [
      '-c search_path=',
      // Backslashes in texts mean themselves, whatever an old application has made the server take them for.
      '-c standard_conforming_strings=on',
      ...(login.asConfigured
        ? []
        : ['-c lock_timeout=10s', `-c statement_timeout=${Math.max(1, Math.ceil(deadline.remainingMs()))}`]),
      '-c synchronous_commit=local',
      ...(login.asItself ? ['-c role=none'] : []),
    ].join(' '),
    // It has none: whoever asks is answered by `connectWith`.
    password: () => {
      throw new Error('node-postgres is given no password')
    },
  })
  // From the first moment on: a server may let somebody in and say goodbye in one breath. An idle connection that breaks is
  // found by its next query; without a listener it would end the process.
  const goodbye: Goodbye = { said: undefined }
  client.on('error', (error) => {
    if (error instanceof pg.DatabaseError) goodbye.said ??= error
  })
  const begun: Begun | undefined = first && { sql: asOne(first), results: undefined }
  const { authentication, connected, refused } = connectWith(client, connection, login, begun)
  try {
    await inTime(tunnel, deadline, () => connected)
    // A server may let somebody in and ask for the password in one breath.
    const { exchange } = authentication
    if (exchange === undefined) throw refused() ?? new Error('the server is ready, and let nobody in')
    return { exchange, session: new Session(client, connection, deadline, goodbye, exchange, begun) }
  } catch (error) {
    const lost = tunnel.errored
    tunnel.destroy()
    const ended = refused()
    if (ended !== undefined) throw ended
    if (error instanceof pg.DatabaseError) {
      const { exchange, underWay } = authentication
      if (underWay && error.code === '28000') throw bindingFailure(login, error)
      return { exchange, refusal: error }
    }
    // Something in between may not bear what no other client does.
    if (begun?.results !== undefined && isBrokenOff(lost ?? error))
      return await logInOn(open, connections, login)
    throw loginFailure(lost ?? error, login, deadline)
  }
}

/** Says whether the other side ended the connection, and said nothing. */
function isBrokenOff(error: unknown): boolean {
  if (error instanceof Failure) return error.code === 'tunnel-lost' && error !== silence
  return (error as Error).message === brokenOff
}

/**
 * The error for a server that takes no exchange of SCRAM that is bound to another TLS connection than its own. Nothing else is
 * 28000 while the exchange is under way.
 */
function bindingFailure({ user, host }: Login, refusal: pg.DatabaseError): Failure {
  return new Failure(
    'channel-binding-failed',
    `The TLS connection of "${oneLine(user)}" does not end at PostgreSQL (${host}): it refuses the channel binding (28000).`,
    [
      `The server said "${oneLine(refusal.message)}". psql refuses such a connection too.`,
      'Something in between has TLS of its own, and could read and change what is sent: a proxy, a sidecar, or an attacker.',
      'Ask the administrator what is between the Service and PostgreSQL.',
    ],
    { cause: refusal },
  )
}

/** The error for a login to which the server gave no answer that node-postgres could make sense of. */
function loginFailure(error: unknown, login: Login, deadline: Deadline): Failure {
  if (deadline.signal.aborted) return deadline.signal.reason as Failure
  if (error instanceof Failure) return error
  const { code, message } = error as NodeJS.ErrnoException
  // An alert of TLS: the server has read the rest of the handshake only now.
  if (code?.startsWith('ERR_SSL_')) return tlsFailure(login, error)
  if (message === brokenOff) {
    return new Failure(
      'tunnel-lost',
      'The connection to PostgreSQL was lost while logging in.',
      ['A frequent cause is a Pod that is restarting. The next run starts afresh.'],
      { cause: error },
    )
  }
  return new Failure(
    'login-unsupported',
    `PostgreSQL asks "${login.user}" for a kind of login that is not supported: "${oneLine(message)}".`,
    [
      'A frequent cause is a pg_hba rule with gss, sspi or oauth, or something other than PostgreSQL behind this port.',
      'Ask the administrator for scram-sha-256 in pg_hba.conf.',
    ],
    { cause: error },
  )
}
