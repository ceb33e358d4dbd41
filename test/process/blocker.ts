import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { ApiRequest } from '../../sandbox/api.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'

/** Stops runs where a test wants them to be, in the sandbox's PostgreSQL and in front of its API server. */
export class Blocker {
  readonly #sandbox: Sandbox
  readonly #watcher: Client
  readonly #holder: Client

  private constructor(sandbox: Sandbox, watcher: Client, holder: Client) {
    this.#sandbox = sandbox
    this.#watcher = watcher
    this.#holder = holder
  }

  static async open(sandbox: Sandbox): Promise<Blocker> {
    return new Blocker(sandbox, await connected(sandbox), await connected(sandbox))
  }

  async close(): Promise<void> {
    await this.#watcher.end()
    await this.#holder.end()
  }

  /** Holds a request for ever, and tells when it came. */
  request(matches: (request: ApiRequest) => boolean): { came: Promise<void>; release: () => void } {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const release = this.#sandbox.api.intercept((request) => {
      if (!matches(request)) return undefined
      resolve(undefined)
      return 'hang'
    })
    return { came: promise, release }
  }

  /** Keeps runs from writing to a table of the catalog, while everybody may still read; gives what lets them go on. */
  async writes(table: 'pg_shdescription' | 'pg_database'): Promise<() => Promise<void>> {
    await this.#holder.query('BEGIN')
    await this.#holder.query(`LOCK TABLE pg_catalog.${table} IN EXCLUSIVE MODE`)
    return async () => {
      await this.#holder.query('ROLLBACK')
    }
  }

  /** Waits until a run has come to where `writes` keeps it: to a statement with this word. */
  async blocked(word: string): Promise<void> {
    await until(async () => {
      const { rows } = await this.#watcher.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ILIKE $1`,
        [`%${word}%`],
      )
      return rows.length > 0
    })
  }

  /** Waits until no run has left a session, and so neither a transaction nor a lock. */
  async sessionsGone(): Promise<void> {
    await until(async () => {
      const { rows } = await this.#watcher.query(
        `SELECT FROM pg_stat_activity WHERE application_name <> $1 AND backend_type = 'client backend'`,
        [applicationName],
      )
      return rows.length === 0
    })
  }

  async roleExists(name: string): Promise<boolean> {
    return (await this.#watcher.query('SELECT FROM pg_roles WHERE rolname = $1', [name])).rows.length > 0
  }
}

const applicationName = 'the test'

async function connected({ postgres }: Sandbox): Promise<Client> {
  const { superuser: login, host, port } = postgres
  const ssl = { rejectUnauthorized: false }
  const client = new Client({
    ...login,
    host,
    port,
    database: 'postgres',
    application_name: applicationName,
    ssl,
  })
  await client.connect()
  return client
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await condition()) return
    await sleep(25)
  }
  throw new Error('what was waited for did not come')
}
