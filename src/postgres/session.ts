import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import pg from 'pg'
import type { Deadline } from '../lib/deadline.ts'
import { Failure } from '../lib/failure.ts'
import { oneLine } from '../lib/text.ts'
import type { Exchange } from './authentication.ts'
import { inTime, silence, tlsFailure, type Connection, type Connections, type Peer } from './connection.ts'
import { endsSession } from './severity.ts'
import { encryptions } from './sslmode.ts'
import { announcedPid, connectWith, type Begun } from './wire.ts'

/** Who logs in, where, and in which TLS mode. */
export interface Login extends Peer {
  readonly user: string
  readonly password: string
  readonly database: string
  /** Whether the session is to act as the user itself, whatever `ALTER ROLE` or `ALTER DATABASE … SET role` say. */
  readonly asItself?: boolean
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

/** A statement that only reads, and what its rows mean. */
export interface Question<Answer> {
  readonly sql: string
  readonly answer: (rows: readonly pg.QueryResultRow[]) => Answer
}

/** What node-postgres says of a connection that ended while it logged in. */
const brokenOff = 'Connection terminated unexpectedly'
/** How long a statement that is under way may go on after the run was cancelled, before its connection is cut. */
const graceMs = 2_000

/**
 * Makes the server end a session when our end is gone, even while a statement waits or works: else the locks of a run
 * that was cut off would outlive it. PostgreSQL 13 does not have this setting, and waits for as long as `lock_timeout`.
 */
export const noticeOurEnd =
  "select set_config('client_connection_check_interval', '500', false) where current_setting('client_connection_check_interval', true) is not null"

/** Gives the SQLSTATE of an error the server sent, or nothing for any other error. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

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
  const ways = encryptions(login.sslMode, login.ca)
  for (const [index, encryption] of ways.entries()) {
    const last = index === ways.length - 1
    try {
      const open = (): Promise<Connection> => connections.open(login, encryption, index === 0)
      const attempt = await logInOn(open, connections, login, options)
      const rejectedUnheard = attempt.refusal?.code === '28000' && attempt.exchange === undefined
      if (last || !rejectedUnheard) return attempt
    } catch (error) {
      if (last || !(error instanceof Failure && error.code === 'tls-failed')) throw error
    }
  }
  throw new Error('every sslmode has at least one way to connect')
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
      '-c lock_timeout=10s',
      `-c statement_timeout=${Math.max(1, Math.ceil(deadline.remainingMs()))}`,
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
    `PostgreSQL asks "${login.user}" to log in in a way that is not supported: "${oneLine(message)}".`,
    [
      'A frequent cause is a pg_hba rule with gss, sspi or oauth, or something else than PostgreSQL behind this port.',
      'Ask the administrator for scram-sha-256 in pg_hba.conf.',
    ],
    { cause: error },
  )
}

/** What the server said when it ended the session, which may be before there is one. */
interface Goodbye {
  said: pg.DatabaseError | undefined
}

/** A connection to PostgreSQL that is logged in. */
export class Session {
  private readonly client: pg.Client
  private readonly tunnel: Duplex
  private readonly deadline: Deadline
  /** What was sent along with the login, until it is asked for. */
  private begun: Begun | undefined
  private readonly goodbye: Goodbye
  private readonly abort = (): void => {
    this.cut = setTimeout(() => this.tunnel.destroy(this.deadline.signal.reason as Error), graceMs)
  }
  private cut: NodeJS.Timeout | undefined
  /** How many answers are yet to come, and since when none came. */
  private readonly owed = { answers: 0, since: 0 }
  /** How the server was satisfied. */
  readonly exchange: Exchange
  /** `TLS 1.3`, `TLS 1.3, not bound` where the login was not bound to it; nothing for clear text. */
  readonly encryption: string | undefined

  constructor(
    client: pg.Client,
    { stream, tunnel }: Connection,
    deadline: Deadline,
    goodbye: Goodbye,
    exchange: Exchange,
    begun?: Begun,
  ) {
    this.client = client
    this.tunnel = tunnel
    this.deadline = deadline
    this.goodbye = goodbye
    this.begun = begun
    this.exchange = exchange
    this.encryption = stream instanceof TLSSocket ? encryptionOf(stream, exchange) : undefined
    deadline.signal.addEventListener('abort', this.abort, { once: true })
  }

  /** The process the server says it serves us with; a pooler in between makes this one up. */
  get announcedPid(): number | null {
    return announcedPid(this.client)
  }

  /** How long an answer has been waited for, in milliseconds. */
  get silentMs(): number {
    return this.owed.answers === 0 ? 0 : performance.now() - this.owed.since
  }

  /**
   * Runs one statement and gives its rows. The next one may be asked for before: it is sent at once, and runs after this
   * one, even if this one fails.
   *
   * @throws pg.DatabaseError for what the server says (see `sqlState`), the Failure of the tunnel or of the deadline
   */
  async query<Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]> {
    const [result] = await this.results(sql, values)
    return (result?.rows ?? []) as Row[]
  }

  /** Asks, and gives the answer. */
  async ask<Answer>({ sql, answer }: Question<Answer>): Promise<Answer> {
    return answer(await this.query(sql))
  }

  /**
   * Runs statements in one message, and gives the rows of each. Unless they begin one themselves, they are one
   * transaction: where one fails, none has happened.
   * Source: https://www.postgresql.org/docs/current/protocol-flow.html (multiple statements in a simple query)
   *
   * @param decisive called right before they are sent
   */
  async script(statements: readonly string[], decisive?: () => void): Promise<pg.QueryResultRow[][]> {
    const results = await this.results(asOne(statements), undefined, decisive)
    return results.map(({ rows }) => rows as pg.QueryResultRow[])
  }

  /**
   * Runs statements and then the work in one transaction, which is rolled back if the work throws.
   *
   * @param work given the rows of each of the statements
   * @param decisive called right before the transaction is committed
   */
  async transaction<Result>(
    statements: readonly string[],
    work: (rows: pg.QueryResultRow[][]) => Promise<Result> | Result,
    decisive: () => void,
  ): Promise<Result> {
    try {
      const [, ...rows] = await this.script(['BEGIN', ...statements])
      const result = await work(rows)
      await this.script(['COMMIT'], decisive)
      return result
    } catch (error) {
      // A connection that is gone has rolled back by itself; the first error is the one that counts.
      if (!this.deadline.signal.aborted) await this.query('ROLLBACK').catch(() => undefined)
      throw error
    }
  }

  private async results(
    sql: string,
    values?: readonly unknown[],
    decisive?: () => void,
  ): Promise<pg.QueryResult[]> {
    this.deadline.signal.throwIfAborted()
    decisive?.()
    const { begun, goodbye, owed, tunnel } = this
    this.begun = undefined
    if (begun?.results !== undefined && begun.sql !== sql)
      throw new Error(`Something else came first: ${begun.sql}`)
    if (owed.answers === 0) owed.since = performance.now()
    owed.answers += 1
    try {
      const result: pg.QueryResult | pg.QueryResult[] = await (begun?.results ??
        this.client.query(sql, values && [...values]))
      return Array.isArray(result) ? result : [result]
    } catch (error) {
      if (error instanceof pg.DatabaseError) {
        // Said once, and meant for whatever was asked behind this as well.
        if (endsSession(error)) goodbye.said ??= error
        throw error
      }
      if (this.deadline.signal.aborted) throw this.deadline.signal.reason
      if (goodbye.said !== undefined) throw goodbye.said
      if (tunnel.errored instanceof Failure) throw tunnel.errored
      throw new Failure(
        'tunnel-lost',
        'The connection to PostgreSQL was lost.',
        ['A frequent cause is a Pod that is restarting or a primary that moved. The next run starts afresh.'],
        { cause: tunnel.errored ?? error },
      )
    } finally {
      owed.answers -= 1
      owed.since = performance.now()
    }
  }

  /** Says goodbye, which rolls back and releases whatever the session held; waits a second at most until it is said. */
  async end(): Promise<void> {
    this.deadline.signal.removeEventListener('abort', this.abort)
    clearTimeout(this.cut)
    const waited = new AbortController()
    await Promise.race([
      this.client.end().catch(() => undefined),
      sleep(1_000, undefined, { signal: waited.signal }).catch(() => undefined),
    ])
    waited.abort()
    this.tunnel.destroy()
  }
}

function encryptionOf(stream: TLSSocket, exchange: Exchange): string {
  const version = (stream.getProtocol() ?? 'TLS').replace('TLSv', 'TLS ')
  return exchange === 'scram-sha-256-plus' ? version : `${version}, not bound`
}

/** Puts statements into one message. */
function asOne(statements: readonly string[]): string {
  return statements.join(';\n')
}
