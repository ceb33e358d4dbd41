import { describe, expect, test } from '@jest/globals'
import type { ProvisionRequest } from '../../src/input/request.ts'
import type { FailureCode } from '../../src/lib/failure.ts'
import { run } from '../../src/run/run.ts'
import { identifier, literal, useBench, type Application } from '../support/bench.ts'
import { Recorder } from '../support/recorder.ts'

const bench = useBench()

/** Why a role that is there would get another password. */
interface Reason {
  readonly why: string
  readonly inputs?: Partial<ProvisionRequest>
  /** Makes a role and its database, and gives the password that works. */
  readonly given: (application: Application) => Promise<string>
}

const reasons: readonly Reason[] = [
  {
    why: 'it is adopted',
    inputs: { existing: 'adopt' },
    given: async (application) => {
      const password = await roleByHand(application)
      await bench.sqlAs(bench.admin.user, [
        `CREATE DATABASE ${identifier(application.database)}`,
        `GRANT ALL ON DATABASE ${identifier(application.database)} TO ${identifier(application.role)}`,
      ])
      await openSchema(application)
      return password
    },
  },
  {
    why: 'its Secret is gone',
    given: async (application) => {
      await application.run({ extensions: [] })
      const password = application.secret['PGPASSWORD'] ?? ''
      application.removeSecret()
      return password
    },
  },
  {
    why: "it is not the Secret's",
    given: async (application) => {
      await application.run({ extensions: [] })
      const password = bench.password('set by hand, and in use by now')
      await bench.sql(`ALTER ROLE ${identifier(application.role)} PASSWORD ${literal(password)}`)
      return password
    },
  },
]

/** What is refused after the role was looked at. */
interface Refusal {
  readonly what: string
  readonly code: FailureCode
  readonly inputs?: Partial<ProvisionRequest>
  readonly given: (application: Application) => Promise<void>
  readonly hints?: RegExp
  /** Takes away what was in the way of any login. */
  readonly then?: (application: Application) => Promise<void>
  /** Whether it is known beforehand, so that a dry run refuses as well. */
  readonly foreseen: boolean
}

const inside =
  (...statements: readonly string[]) =>
  async ({ database }: Application): Promise<void> => {
    for (const statement of statements) await bench.sql(statement, [], database)
  }

/** Has sessions begin as a group that the role is in, which works in a schema of its own. */
async function actsAs(application: Application, whose: string): Promise<string> {
  const { role } = application
  const group = identifier(bench.name('owners'))
  await bench.sql(`CREATE ROLE ${group} NOLOGIN`)
  await bench.sql(`GRANT ${group} TO ${identifier(role)}`)
  await inside(
    'REVOKE CREATE ON SCHEMA public FROM PUBLIC',
    `GRANT USAGE, CREATE ON SCHEMA public TO ${identifier(role)}`,
  )(application)
  await alter(`${whose} SET role = ${group}`)
  return group
}

/** Leaves schema public to a superuser alone. */
async function closeSchema(application: Application): Promise<void> {
  await inside(
    'ALTER SCHEMA public OWNER TO postgres',
    `REVOKE ALL ON SCHEMA public FROM PUBLIC, ${identifier(application.role)}`,
  )(application)
}

const refusals: readonly Refusal[] = [
  {
    what: 'the grant on schema public',
    code: 'grant-ineffective',
    given: closeSchema,
    foreseen: true,
  },
  {
    what: 'a part of the grant on schema public',
    code: 'grant-ineffective',
    given: async (application) => {
      await closeSchema(application)
      await inside(`GRANT USAGE ON SCHEMA public TO ${identifier(bench.admin.user)} WITH GRANT OPTION`)(
        application,
      )
    },
    foreseen: true,
  },
  {
    what: 'a schema that is not there',
    code: 'grant-ineffective',
    given: inside('DROP SCHEMA public CASCADE'),
    foreseen: true,
  },
  {
    what: 'an extension that is not trusted',
    code: 'extension-not-trusted',
    inputs: { extensions: ['pageinspect'] },
    given: () => Promise.resolve(),
    foreseen: true,
  },
  {
    what: 'an extension in whose way a type is',
    code: 'extension-unavailable',
    inputs: { extensions: ['citext'] },
    given: inside('CREATE TYPE public.citext AS (t text)'),
    foreseen: false,
  },
  {
    what: 'work in a database that is read-only',
    code: 'database-read-only',
    given: ({ database }) => alter(`DATABASE ${identifier(database)} SET default_transaction_read_only = on`),
    foreseen: true,
  },
  {
    what: 'work by a role that is read-only',
    code: 'database-read-only',
    given: ({ role }) => alter(`ROLE ${identifier(role)} SET default_transaction_read_only = on`),
    foreseen: true,
  },
  {
    what: 'work by a role that is read-only in this database',
    code: 'database-read-only',
    given: ({ role, database }) =>
      alter(
        `ROLE ${identifier(role)} IN DATABASE ${identifier(database)} SET default_transaction_read_only = true`,
      ),
    foreseen: true,
  },
  {
    what: 'work by a role that acts as another one',
    code: 'grant-ineffective',
    given: async (application) => {
      await actsAs(application, `ROLE ${identifier(application.role)}`)
    },
    hints: /act as role "owners\d+"/,
    foreseen: false,
  },
  {
    what: 'work by a role that acts as another one in this database',
    code: 'grant-ineffective',
    given: async (application) => {
      const { role, database } = application
      await alter(`ROLE ${identifier(role)} SET role = none`)
      await actsAs(application, `ROLE ${identifier(role)} IN DATABASE ${identifier(database)}`)
    },
    hints: /act as role "owners\d+"/,
    foreseen: false,
  },
  {
    what: 'work in a database that has everybody act as another role',
    code: 'grant-ineffective',
    given: async (application) => {
      await actsAs(application, `DATABASE ${identifier(application.database)}`)
    },
    hints: /act as role "owners\d+"/,
    foreseen: false,
  },
  {
    what: 'work by a role whose tables land where it has no right',
    code: 'grant-ineffective',
    given: ({ role }) => alter(`ROLE ${identifier(role)} SET default_tablespace = pg_global`),
    foreseen: false,
  },
  {
    what: 'a login beyond the limit of the role',
    code: 'connection-limit',
    inputs: { timeoutMs: 3_000 },
    given: ({ role }) => alter(`ROLE ${identifier(role)} CONNECTION LIMIT 0`),
    then: ({ role }) => alter(`ROLE ${identifier(role)} CONNECTION LIMIT -1`),
    foreseen: true,
  },
  {
    what: 'a login beyond the limit of the database',
    code: 'connection-limit',
    inputs: { timeoutMs: 3_000 },
    given: ({ database }) => alter(`DATABASE ${identifier(database)} CONNECTION LIMIT 0`),
    then: ({ database }) => alter(`DATABASE ${identifier(database)} CONNECTION LIMIT -1`),
    foreseen: true,
  },
  {
    what: 'work that an event trigger keeps it from',
    code: 'grant-ineffective',
    given: inside(
      `CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not here'; END $$`,
      `CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION refuse()`,
    ),
    foreseen: false,
  },
  {
    what: 'a grant that an event trigger keeps from being given',
    code: 'grant-ineffective',
    given: async (application) => {
      await inside(
        ...(bench.postgres.major < 15 ? ['REVOKE CREATE ON SCHEMA public FROM PUBLIC'] : []),
        `REVOKE ALL ON SCHEMA public FROM ${identifier(application.role)}`,
        `GRANT ALL ON SCHEMA public TO ${identifier(bench.admin.user)} WITH GRANT OPTION`,
        `CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not here'; END $$`,
        `CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('GRANT') EXECUTE FUNCTION refuse()`,
      )(application)
    },
    foreseen: false,
  },
]

describe.each(reasons)('the password of a role that is there is set last: $why', (reason) => {
  test.each(refusals)('after $what', async ({ code, given, foreseen, hints, then, ...refusal }) => {
    const application = bench.application({ ...reason.inputs, ...refusal.inputs })
    const password = await reason.given(application)
    await given(application)
    const comment = await commentOn(application.role)
    const { resourceVersion } = application
    if (foreseen) {
      await application.refused(code, { dryRun: true })
      await application.refused(code)
    } else {
      const { code: ended, outcome } = await application.run()
      expect({ ended, message: outcome.failure?.message }).toEqual({
        ended: code,
        message: expect.any(String),
      })
      expect(outcome.changes.filter(({ object }) => object === 'role')).toEqual([])
      if (hints !== undefined) expect(outcome.failure?.hint.join('\n')).toMatch(hints)
    }
    await then?.(application)
    expect(await bench.login(application.role, password, application.database)).toBe('in')
    expect(await commentOn(application.role)).toBe(comment)
    expect(application.resourceVersion).toBe(resourceVersion)
  })
})

test('a database that cannot be made leaves the password of an adopted role, and no claim on it', async () => {
  const application = bench.application({ existing: 'adopt', timeoutMs: 8_000 })
  const password = await roleByHand(application)
  const run = await bench.inDatabase('template1', () => application.run())
  expect(run.code).not.toBeUndefined()
  expect(run.done).toEqual(['role noted'])
  expect(await bench.login(application.role, password, 'postgres')).toBe('in')
  // What a run has only begun is no claim: whoever adopts next may have it.
  const other = bench.application({
    ...application.request,
    appSecret: bench.name('secret'),
    timeoutMs: 20_000,
  })
  await other.refused('role-not-ours', { existing: 'refuse' })
  expect(await other.run()).toMatchObject({ code: undefined })
})

test('an owner that may not be changed leaves the password', async () => {
  const application = await bench.established()
  const { role, database } = application
  const password = application.secret['PGPASSWORD'] ?? ''
  application.removeSecret()
  await bench.sql(`ALTER ROLE ${identifier(bench.admin.user)} NOCREATEDB`)
  try {
    await application.refused('admin-rights-missing', { databaseOwner: 'app', dryRun: true })
    await application.refused('admin-rights-missing', { databaseOwner: 'app' })
  } finally {
    await bench.sql(`ALTER ROLE ${identifier(bench.admin.user)} CREATEDB`)
  }
  expect(await bench.login(role, password, database)).toBe('in')
})

test('a role and a database that a superuser made, where the application works in a schema of its own', async () => {
  const application = bench.application({ existing: 'adopt' })
  const { role, database } = application
  const password = await bench.role(role)
  await bench.sql(`GRANT ${identifier(role)} TO ${identifier(bench.admin.user)} WITH ADMIN OPTION`)
  await bench.sql(`CREATE DATABASE ${identifier(database)}`)
  await bench.sql(`GRANT ALL ON DATABASE ${identifier(database)} TO ${identifier(role)}`)
  await bench.sql('REVOKE CREATE ON SCHEMA public FROM PUBLIC', [], database)
  for (const dryRun of [true, false]) {
    const { outcome } = await application.refused('grant-ineffective', { dryRun })
    expect(outcome.failure?.hint).toContain(`  GRANT USAGE, CREATE ON SCHEMA public TO ${identifier(role)};`)
  }
  expect(await bench.login(role, password, database)).toBe('in')
  await bench.sql(`GRANT USAGE, CREATE ON SCHEMA public TO ${identifier(role)}`, [], database)
  expect(await application.run()).toMatchObject({ done: ['role password-set', 'secret created'] })
  expect(await application.login()).toBe('in')
})

test.each([
  ['default_transaction_read_only', 'database-read-only'],
  // What an application may set for itself, and PostgreSQL gives no meaning.
  ['default.transaction_read_only', undefined],
  ['default_transaction.read_only', undefined],
  ['default_transaction_read.only', undefined],
])('the setting %s of the role itself', async (setting, code) => {
  for (const value of ['on', 'neither'].slice(0, code === undefined ? 2 : 1)) {
    const application = await bench.established()
    application.removeSecret()
    const { role } = application
    const name = setting.split('.').map(identifier).join('.')
    await alter(`ROLE ${identifier(role)} SET ${name} = ${literal(value)}`)
    expect((await application.run()).code).toBe(code)
  }
})

test('a role that acts as one that may work, or is set to act as one that it is not in, gets its password', async () => {
  const application = await bench.established({ existing: 'adopt' })
  const { role } = application
  const group = await actsAs(application, `ROLE ${identifier(role)}`)
  await inside(`GRANT USAGE, CREATE ON SCHEMA public TO ${group}`)(application)
  application.removeSecret()
  expect(await application.run()).toMatchObject({ done: ['role password-set', 'secret created'] })
  await inside(`REVOKE ALL ON SCHEMA public FROM ${group}`)(application)
  await bench.sql(`REVOKE ${group} FROM ${identifier(role)}`)
  application.removeSecret()
  expect(await application.run()).toMatchObject({ done: ['role password-set', 'secret created'] })
  expect(await application.login()).toBe('in')
})

test('a role whose only session is taken keeps its password until that one ends', async () => {
  const application = await bench.established({ timeoutMs: 3_000 })
  const { role, database } = application
  const { PGPASSWORD = '' } = application.secret
  await alter(`ROLE ${identifier(role)} CONNECTION LIMIT 1`)
  application.removeSecret()
  const session = await bench.connect(role, PGPASSWORD, database)
  await application.refused('connection-limit')
  await alter(`ROLE ${identifier(role)} CONNECTION LIMIT 2`)
  expect(await bench.login(role, PGPASSWORD, database)).toBe('in')
  await session.end()
  expect(await application.run({ timeoutMs: 20_000 })).toMatchObject({
    done: ['role password-set', 'secret created'],
  })
})

test('a role that keeps its password gets no verifier', async () => {
  const application = await bench.established()
  const { role, request } = application
  await bench.sql(`COMMENT ON ROLE ${identifier(role)} IS NULL`)
  const recorder = new Recorder()
  const outcome = await run(request, recorder, new AbortController().signal)
  expect(outcome.changes).toEqual([{ object: 'role', name: role, action: 'marked' }])
  expect([...recorder.masked].filter((credential) => credential.startsWith('SCRAM'))).toEqual([])
})

/** A role that somebody with the admin's password made. */
async function roleByHand({ role }: Application): Promise<string> {
  const password = bench.password(`made by hand for ${role}`)
  await bench.sqlAs(bench.admin.user, [`CREATE ROLE ${identifier(role)} LOGIN PASSWORD ${literal(password)}`])
  return password
}

async function openSchema({ role, database }: Application): Promise<void> {
  await bench.sql(`GRANT USAGE, CREATE ON SCHEMA public TO ${identifier(role)}`, [], database)
}

async function alter(what: string): Promise<void> {
  await bench.sql(`ALTER ${what}`)
}

async function commentOn(role: string): Promise<string | null | undefined> {
  const [row] = await bench.sql<{ comment: string | null }>(
    `select shobj_description(oid, 'pg_authid') as comment from pg_roles where rolname = $1`,
    [role],
  )
  return row?.comment
}
