import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import pg from 'pg'
import type { Deadline } from '../lib/deadline.ts'
import { Failure } from '../lib/failure.ts'
import type { Exchange } from './authentication.ts'
import type { Connection } from './connection.ts'
import { endsSession } from './severity.ts'
import { announcedPid, type Begun } from './wire.ts'

/** A statement that only reads, and what its rows mean. */
export interface Question<Answer> {
  readonly sql: string
  readonly answer: (rows: readonly pg.QueryResultRow[]) => Answer
}

/** How long a statement that is under way may go on after the run was cancelled, before its connection is cut. */
const graceMs = 2_000

/**
 * Makes the server end a session when our end is gone, even while a statement waits or works: else the locks of a run
 * that was cut off would outlive it. PostgreSQL 13 does not have this setting, and waits for as long as `lock_timeout`.
 */
export const noticeOurEnd =
  "select set_config('client_connection_check_interval', '500', false) where current_setting('client_connection_check_interval', true) is not null"

/** Returns the SQLSTATE of an error the server sent, or nothing for any other error. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

/** What the server said when it ended the session, which may be before there is one. */
export interface Goodbye {
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
export function asOne(statements: readonly string[]): string {
  return statements.join(';\n')
}
