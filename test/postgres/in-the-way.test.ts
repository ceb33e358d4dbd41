import { describe, expect, test } from '@jest/globals'
import type pg from 'pg'
import { identifier, useBench, type Application } from '../support/bench.ts'

const bench = useBench()

/** Somebody else's session that is in the way of runs. */
interface Other {
  readonly session: pg.Client
  /** As runs have to name it. */
  readonly who: string
}

interface Case {
  readonly title: string
  readonly given: () => Promise<Application>
  readonly other: (application: Application) => Promise<Other>
  readonly says: string
  readonly timeoutMs: number
}

async function connected(user: string, password: string, database: string): Promise<Other> {
  const session = await bench.connect(user, password, database)
  await session.query("set application_name = 'psql'")
  const { rows } = await session.query<{ pid: number }>('select pg_backend_pid() as pid')
  return { session, who: `session ${rows[0]?.pid ?? ''} of role "${user}" ("psql")` }
}

async function inTemplate(): Promise<Other> {
  const user = bench.name("somebody's ")
  return await connected(user, await bench.role(user), 'template1')
}

async function lockingRoles(): Promise<Other> {
  const { user, password } = bench.postgres.superuser
  const other = await connected(user, password, 'postgres')
  await other.session.query('BEGIN')
  await other.session.query('LOCK TABLE pg_catalog.pg_authid IN SHARE MODE')
  return other
}

/** Has a grant on the same database that is not committed. */
async function granting({ database, role }: Application): Promise<Other> {
  const { user, password } = bench.admin
  const other = await connected(user, password, 'postgres')
  await other.session.query('BEGIN')
  await other.session.query(`GRANT CONNECT ON DATABASE ${identifier(database)} TO ${identifier(role)}`)
  return other
}

async function ungranted(): Promise<Application> {
  const application = await bench.established()
  await bench.sql(
    `REVOKE ALL ON DATABASE ${identifier(application.database)} FROM ${identifier(application.role)}`,
  )
  return application
}

const fresh = (): Promise<Application> => Promise.resolve(bench.application())

const cases: readonly Case[] = [
  {
    title: 'is in template1 (55006)',
    given: fresh,
    other: inTemplate,
    says: ' is in template1, so no database can be made from it now',
    timeoutMs: 11_000,
  },
  {
    title: 'locks the table of roles',
    given: fresh,
    other: lockingRoles,
    says: ' in database "postgres" holds a lock that this run needs',
    timeoutMs: 6_000,
  },
  {
    title: 'locks the table of roles for longer than a statement waits (55P03)',
    given: fresh,
    other: lockingRoles,
    says: ' in database "postgres" holds a lock that this run needs',
    timeoutMs: 14_000,
  },
  {
    title: 'changes the same database',
    given: ungranted,
    other: granting,
    says: ' in database "postgres" holds a lock that this run needs',
    timeoutMs: 6_000,
  },
]

describe('a session of somebody else', () => {
  test.each(cases)(
    'that $title is named, and how to end it',
    async ({ given, other, says, timeoutMs }) => {
      const application = await given()
      const { session, who } = await other(application)
      const { code, log, outcome } = await application.run({ timeoutMs })
      expect(code).toBe('timeout')
      expect(outcome.failure?.message).toContain(`${who}${says}.`)
      expect(log).toMatch(
        /^! waiting +session \d+ of role .*;\n +this run waits until .* \(input "timeout"\)$/m,
      )
      const command = outcome.failure?.hint.find((line) => line.endsWith(';')) ?? ''
      expect(command).toContain('pg_terminate_backend')
      expect(await bench.sql(command)).toHaveLength(1)
      expect(await application.run()).toMatchObject({ code: undefined })
      await application.work('CREATE TABLE public.t ()')
      await session.end().catch(() => undefined)
    },
    60_000,
  )

  test.each(cases.filter(({ title }) => !title.includes('55P03')))(
    'that $title, and goes away, is waited for',
    async ({ given, other, says }) => {
      const application = await given()
      const { session, who } = await other(application)
      let left: Promise<void> | undefined
      const onStep = ({ subject }: { subject: string }): void => {
        if (subject === 'waiting') left ??= session.end()
      }
      const run = await application.run({}, { onStep })
      await (left ?? session.end())
      expect(run).toMatchObject({ code: undefined })
      expect(run.log).toContain(`${who}${says};`)
      expect(await application.run()).toMatchObject({ code: undefined, done: [] })
    },
    60_000,
  )
})
