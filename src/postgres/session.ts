import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import pg from 'pg'
import type { Deadline } from '../deadline.ts'
import { Failure } from '../failure.ts'
import { oneLine } from '../text.ts'
import { underWay } from '../under-way.ts'
import { inTime, silence, tlsFailure, type Connection, type Connections, type Peer } from './connection.ts'
import { endsSession } from './severity.ts'
import { encryptions } from './sslmode.ts'

/** What a server let us in on: a completed exchange of the password, or nothing at all (`trust`, a certificate). */
export type Exchange = 'scram-sha-256' | 'md5' | 'none'

/** Who logs in, where, and in which TLS mode. */
export interface Login extends Peer {
  readonly user: string
  readonly password: string
  readonly database: string
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

/** What a login is to wait for, or to bring along. */
export type LoginOptions =
  | {
      /**
       * What has to be made before anybody can get in, such as the database: the answer to the server's challenge is held
       * back until then, because the server looks for the database only after it. Without success, or where it takes more
       * than a moment, the login ends.
       */
      readonly there?: Promise<unknown>
      readonly first?: never
    }
  | {
      readonly there?: never
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
/** `pg` stops at 100,000, which is less than some servers are set to (`scram_iterations`); this takes it seconds. */
const hashing = { scramMaxIterations: 5_000_000 }
/**
 * How long a login may stop half-way. It takes one of the server's connections, and whoever drops a database waits for it:
 * from PostgreSQL 15 on that takes an answer of every session (wait event ProcSignalBarrier).
 */
const halfWayMs = 1_000
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
 * @throws Failure of the tunnel, `tls-failed`, `cleartext-password-demanded`, `login-unsupported`, `tunnel-lost`, or the
 *   deadline's. What the server itself says against the login is no error here but the attempt's `refusal`.
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
  { there, first }: LoginOptions = {},
): Promise<Attempt> {
  const connection = await open()
  const { stream, tunnel } = connection
  const { deadline, applicationName } = connections.server
  let demanded: Exchange | 'password' | undefined
  let exchange: Exchange | undefined
  const client = new pg.Client({
    stream: () => stream,
    user: login.user,
    database: login.database,
    host: login.host,
    port: 5432,
    // The stream is encrypted already, if it is to be.
    ssl: false,
    client_encoding: 'UTF8',
    ...hashing,
    application_name: applicationName,
    // What is asked for before an answer has come is sent at once, because each answer may be far away.
    pipeline: true,
    // Sent with the start-up packet, so that they cost no round trip and hold from the first statement on.
    options: [
      '-c search_path=',
      '-c lock_timeout=10s',
      `-c statement_timeout=${Math.max(1, Math.ceil(deadline.remainingMs()))}`,
      '-c synchronous_commit=local',
    ].join(' '),
    password: () => {
      if (demanded === 'password') {
        throw new Failure(
          'cleartext-password-demanded',
          `PostgreSQL asks for the password of "${login.user}" in clear text.`,
          [
            'Such a pg_hba rule (password, ldap, pam, radius) shows the password to the server and is no proof of it.',
            'Ask the administrator for scram-sha-256 in pg_hba.conf.',
          ],
        )
      }
      return login.password
    },
  })
  // From the first moment on: a server may let somebody in and say goodbye in one breath. An idle connection that breaks is
  // found by its next query; without a listener it would end the process.
  const goodbye: Goodbye = { said: undefined }
  client.on('error', (error) => {
    if (error instanceof pg.DatabaseError) goodbye.said ??= error
  })
  const { connection: protocol } = client as unknown as { connection: Protocol }
  protocol.on('authenticationCleartextPassword', () => (demanded = 'password'))
  protocol.on('authenticationMD5Password', () => (demanded = 'md5'))
  protocol.on('authenticationSASLFinal', () => (demanded = 'scram-sha-256'))
  protocol.on('authenticationOk', () => {
    if (demanded !== 'password') exchange = demanded ?? 'none'
  })
  if (there !== undefined) holdBack(connection, protocol, there)
  const begun = first && sendAlong(client, protocol, stream, asOne(first))
  try {
    const session = await inTime(tunnel, deadline, async () => {
      const connected = client.connect()
      guardReading(stream)
      await connected
      return new Session(client, connection, deadline, goodbye, begun)
    })
    return { exchange, session }
  } catch (error) {
    const lost = tunnel.errored
    tunnel.destroy()
    if (error instanceof pg.DatabaseError) return { exchange, refusal: error }
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

/** The part of node-postgres that speaks the protocol, as far as it is used here. */
interface Protocol extends EventEmitter {
  sendSCRAMClientFinalMessage(data: string): void
  query(sql: string): void
}

/** Has the answer to the server's challenge wait until all is there, or ends the login. */
function holdBack({ stream, tunnel }: Connection, protocol: Protocol, there: Promise<unknown>): void {
  const hold = (): void => {
    stream.cork()
    const leash = setTimeout(() => tunnel.destroy(), halfWayMs)
    tunnel.once('close', () => {
      clearTimeout(leash)
    })
    there.then(
      () => {
        clearTimeout(leash)
        stream.uncork()
      },
      () => tunnel.destroy(),
    )
  }
  protocol.once('authenticationMD5Password', hold).once('authenticationSASLContinue', hold)
}

/** A script that is on its way before anybody asked for it. */
interface Begun {
  readonly sql: string
  /** Nothing where it was not sent after all. */
  results: Promise<pg.QueryResult[]> | undefined
}

/**
 * Has a script sent right behind the last message of SCRAM. node-postgres would wait for the server to be ready, which
 * nothing needs: a server reads one message after the other, and comes to this one only if it has let us in.
 */
function sendAlong(client: pg.Client, protocol: Protocol, stream: Duplex, sql: string): Begun {
  const begun: Begun = { sql, results: undefined }
  const sendLast = protocol.sendSCRAMClientFinalMessage.bind(protocol)
  protocol.sendSCRAMClientFinalMessage = (data) => {
    // In one piece: a server that refuses and leaves something unread breaks the connection, and its words may be lost.
    stream.cork()
    sendLast(data)
    protocol.query(sql)
    stream.uncork()
    const { promise, resolve, reject } = Promise.withResolvers<pg.QueryResult[]>()
    const query = new pg.Query(sql, (error, result) => {
      if (error) reject(error)
      else resolve([result].flat())
    })
    // It is sent already: what is left is to take the answer.
    query.submit = () => null
    client.query(query)
    begun.results = underWay(promise)
  }
  return begun
}

/** node-postgres throws at messages that it does not know, where nobody could catch it: here it ends the connection. */
function guardReading(stream: Duplex): void {
  for (const read of stream.listeners('data') as ((chunk: Buffer) => void)[]) {
    stream.off('data', read)
    stream.on('data', (chunk: Buffer) => {
      try {
        read(chunk)
      } catch (error) {
        stream.destroy(error as Error)
      }
    })
  }
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
  /** `TLS 1.3` or the like; nothing for clear text. */
  readonly encryption: string | undefined

  constructor(
    client: pg.Client,
    { stream, tunnel }: Connection,
    deadline: Deadline,
    goodbye: Goodbye,
    begun?: Begun,
  ) {
    this.client = client
    this.tunnel = tunnel
    this.deadline = deadline
    this.goodbye = goodbye
    this.begun = begun
    this.encryption =
      stream instanceof TLSSocket ? (stream.getProtocol() ?? 'TLS').replace('TLSv', 'TLS ') : undefined
    deadline.signal.addEventListener('abort', this.abort, { once: true })
  }

  /** The process the server says it serves us with; a pooler in between makes this one up. */
  get announcedPid(): number | null {
    return (this.client as unknown as { processID: number | null }).processID
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
    const { begun, goodbye, tunnel } = this
    this.begun = undefined
    if (begun?.results !== undefined && begun.sql !== sql)
      throw new Error(`Something else came first: ${begun.sql}`)
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

/** Puts statements into one message. */
function asOne(statements: readonly string[]): string {
  return statements.join(';\n')
}
