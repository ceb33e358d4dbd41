import { readFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { listenOnLoopback } from '../../sandbox/host.ts'
import { createAdmin, spiloHba, type PostgresServer } from '../../sandbox/postgres.ts'
import type { ProvisionRequest } from '../../src/input/request.ts'
import type { Failure, FailureCode } from '../../src/lib/failure.ts'
import { identifier, useBench, type Application } from '../support/bench.ts'
import { startPooler, type Between } from '../support/pooler.ts'
import { gss, oauth, pgbouncer, startStranger } from '../support/stranger.ts'

const bench = useBench()

/** Something that stops a run before it changes anything. */
interface Obstacle {
  readonly title: string
  readonly code: FailureCode
  readonly says: RegExp
  readonly hints: RegExp
  readonly given?: (application: Application) => Promise<void>
  readonly inputs?: () => Partial<ProvisionRequest> | Promise<Partial<ProvisionRequest>>
  /** Lines before those of pg_hba.conf. */
  readonly hba?: (application: Application) => readonly string[]
  /** Whether it stops the first run of an application, one that has been provisioned, or both. Default: both. */
  readonly stops?: 'first' | 'later'
}

const alter =
  (kind: 'ROLE' | 'DATABASE', how: string) =>
  async ({ role, database }: Application): Promise<void> => {
    await bench.sql(`ALTER ${kind} ${identifier(kind === 'ROLE' ? role : database)} ${how}`)
  }

const obstacles: readonly Obstacle[] = [
  {
    title: 'the access Secret is out of date',
    inputs: () => ({
      accessSecret: bench.access({ admin: { ...bench.admin, password: 'the one of last year' } }),
    }),
    code: 'admin-login-refused',
    says: /refused the admin "postgresql1_admin" of postgres-system\/access\d+: wrong password \(28P01\)/,
    hints: /out of date/,
  },
  {
    title: 'the Secret of the application would be the access Secret itself',
    // As a chart or a person writes it: nothing in it names another application.
    inputs: () => {
      const { api, accessNamespace: appNamespace, accessSecret } = bench.sandbox
      const { data = {} } = api.get('Secret', appNamespace, accessSecret) as { data?: Record<string, string> }
      const { PGHOST = '', PGUSER = '', PGPASSWORD = '', PGSSLMODE = '' } = data
      const name = bench.name('plain')
      const written = { host: PGHOST, username: PGUSER, password: PGPASSWORD, sslmode: PGSSLMODE }
      api.put({ kind: 'Secret', metadata: { name, namespace: appNamespace }, data: written })
      return {
        accessSecret: name,
        appSecret: name,
        appNamespace,
        access: { service: 'postgresql1-user-access' },
      }
    },
    code: 'input-invalid',
    says: /^Inputs "app-secret" and "access-secret" name the same Secret, postgres-system\/plain\d+\.$/,
    hints: /a Secret of its own/,
  },
  ...(['createrole', 'createdb'] as const).map((attribute): Obstacle => ({
    title: `the admin has no ${attribute.toUpperCase()}`,
    inputs: async () => {
      const admin = await createAdmin(bench.postgres, {
        name: bench.name('lesser_admin'),
        [attribute]: false,
      })
      return { accessSecret: bench.access({ admin }) }
    },
    code: 'admin-rights-missing',
    says: new RegExp(`"lesser_admin\\d+" has no ${attribute.toUpperCase()}`),
    hints: new RegExp(`ALTER ROLE "lesser_admin\\d+" ${attribute.toUpperCase()};`),
    stops: 'first',
  })),
  {
    title: 'a pooler answers',
    inputs: () => ({ accessSecret: bench.access({ target: pooler, sslMode: 'disable' }) }),
    code: 'pooler-in-between',
    says: /^A connection pooler answers behind svc\/access\d+/,
    hints: /USER_ACCESS/,
  },
  {
    title: 'a pooler answers that knows none of our settings',
    inputs: () => ({ accessSecret: bench.access({ target: strangers.pgbouncer, sslMode: 'disable' }) }),
    code: 'pooler-in-between',
    says: /^A connection pooler does not let "postgresql1_admin" in \(08P01\)/,
    hints: /"unsupported startup parameter: options"[^]*USER_ACCESS/,
  },
  {
    title: 'a pooler answers that knows single statements alone',
    inputs: () => ({ accessSecret: bench.access({ target: statementPooler, sslMode: 'disable' }) }),
    code: 'pooler-in-between',
    says: /^A connection pooler refused a statement \(08P01\)/,
    hints: /"transaction blocks not allowed in statement pooling mode"[^]*USER_ACCESS/,
    stops: 'first',
  },
  {
    title: 'the Service leads to a standby',
    inputs: () => ({ accessSecret: bench.access({ target: standby }), timeoutMs: 3_000 }),
    code: 'target-is-standby',
    says: /^svc\/access\d+ leads to a standby/,
    hints: /ask the administrator for what leads to the primary/,
  },
  {
    title: 'the role is NOLOGIN',
    given: alter('ROLE', 'NOLOGIN'),
    code: 'role-cannot-login',
    says: /NOLOGIN/,
    hints: /ALTER ROLE "app\d+" LOGIN;/,
    stops: 'later',
  },
  {
    title: "the role's password has expired",
    given: alter('ROLE', `VALID UNTIL '2020-01-01'`),
    code: 'role-cannot-login',
    says: /expired/,
    hints: /VALID UNTIL 'infinity'/,
    stops: 'later',
  },
  {
    title: 'the role has no connection left',
    given: alter('ROLE', 'CONNECTION LIMIT 0'),
    inputs: () => ({ timeoutMs: 3_000 }),
    code: 'connection-limit',
    says: /no connection left for "app\d+".*\(53300\)/,
    hints: /The server said ".*app\d+/,
    stops: 'later',
  },
  {
    title: 'the database has no connection left',
    given: alter('DATABASE', 'CONNECTION LIMIT 0'),
    inputs: () => ({ timeoutMs: 3_000 }),
    code: 'connection-limit',
    says: /in database "app\d+" \(53300\)/,
    hints: /The server said ".*app\d+/,
    stops: 'later',
  },
  {
    title: 'the database is closed',
    given: alter('DATABASE', 'ALLOW_CONNECTIONS false'),
    code: 'database-closed',
    says: /does not accept connections/,
    hints: /on purpose/,
    stops: 'later',
  },
  {
    title: 'a role that is to keep CONNECT does not exist',
    inputs: () => ({ connectRoles: ['pooler', 'backup'] }),
    code: 'connect-role-unknown',
    says: /no roles "pooler" and "backup"/,
    hints: /spelling/,
  },
  {
    title: 'the database has no schema public',
    given: async ({ database }) => {
      await bench.sql('DROP SCHEMA public', [], database)
    },
    code: 'grant-ineffective',
    says: /schema public, which database "app\d+" does not have/,
    hints: /CREATE SCHEMA public;/,
    stops: 'later',
  },
  {
    title: 'the schema belongs to somebody else, and the rights on it are taken away',
    given: async ({ role, database }) => {
      await bench.sql('ALTER SCHEMA public OWNER TO postgres', [], database)
      await bench.sql(`REVOKE ALL ON SCHEMA public FROM PUBLIC, ${identifier(role)}`, [], database)
    },
    code: 'grant-ineffective',
    says: /schema public of database "app\d+"/,
    hints: /owner "postgres" or a superuser[^]*GRANT USAGE, CREATE ON SCHEMA public TO "app\d+";/,
    stops: 'later',
  },
  {
    title: 'pg_hba.conf has no rule for the role',
    hba: ({ role }) => [`host all ${role} all reject`],
    code: 'login-refused',
    says: /does not let "app\d+" log in to database "app\d+" \(28000\)/,
    hints: /pg_hba\.conf/,
  },
  {
    title: 'pg_hba.conf has no rule for the admin',
    hba: () => [`host all ${bench.admin.user} all reject`],
    code: 'login-refused',
    says: /does not let "postgresql1_admin" log in/,
    hints: /pg_hba\.conf/,
  },
  {
    title: "the application's password is demanded in clear text",
    hba: ({ role }) => [`host all ${role} all password`],
    code: 'cleartext-password-demanded',
    says: /password of "app\d+" in clear text/,
    hints: /scram-sha-256/,
  },
  ...(['gss', 'oauth'] as const).map((way): Obstacle => ({
    title: `the server wants ${way}`,
    inputs: () => ({ accessSecret: bench.access({ target: strangers[way], sslMode: 'disable' }) }),
    code: 'login-unsupported',
    says: /"postgresql1_admin" for a kind of login that is not supported/,
    hints: /scram-sha-256/,
  })),
  {
    title: "the admin's password is demanded in clear text",
    hba: () => [`host all ${bench.admin.user} all password`],
    code: 'cleartext-password-demanded',
    says: /password of "postgresql1_admin" in clear text/,
    hints: /scram-sha-256/,
  },
]

let pooler: Between
let statementPooler: Between
let strangers: Record<'gss' | 'oauth' | 'pgbouncer', Awaited<ReturnType<typeof startStranger>>>
let standby: PostgresServer

beforeAll(async () => {
  pooler = await startPooler(bench.postgres)
  statementPooler = await startPooler(bench.postgres, 'statement')
  strangers = {
    gss: await startStranger(gss),
    oauth: await startStranger(oauth),
    pgbouncer: await startStranger(pgbouncer),
  }
  standby = await bench.postgres.standby()
})

afterAll(async () => {
  pooler.stop()
  statementPooler.stop()
  for (const stranger of Object.values(strangers)) stranger.stop()
  await standby.stop()
})

describe.each(['first', 'later'] as const)(
  '%s run: refused with a code, a hint, and nothing changed',
  (when) => {
    const met = obstacles.filter(({ stops = when }) => stops === when)
    test.each(met)('$title', async ({ given, inputs, hba, code, says, hints }) => {
      const application = when === 'first' ? bench.application() : await bench.established()
      await given?.(application)
      const refused = async (): Promise<Failure | undefined> =>
        (await application.refused(code, await inputs?.())).outcome.failure
      const failure = hba ? await bench.withHba(hba(application), spiloHba, refused) : await refused()
      expect(failure?.message).toMatch(says)
      expect(failure?.hint.join('\n')).toMatch(hints)
    })
  },
)

test.each(['createrole', 'createdb'] as const)(
  'an admin without %s suffices where nothing is to be done',
  async (attribute) => {
    const application = await bench.established()
    const admin = await createAdmin(bench.postgres, { name: bench.name('lesser_admin'), [attribute]: false })
    expect(await application.run({ accessSecret: bench.access({ admin }) })).toMatchObject({
      code: undefined,
      done: [],
    })
  },
)

test('a pooler that keeps its connections keeps none of our locks', async () => {
  const accessSecret = bench.access({ target: pooler, sslMode: 'disable' })
  await bench.application().refused('pooler-in-between', { accessSecret })
  expect(await bench.sql(`select from pg_locks where locktype = 'advisory'`)).toEqual([])
})

test('connections that are opened ahead and hang keep nobody waiting', async () => {
  let connections = 0
  const server = createServer((client) => {
    const upstream = connect(bench.postgres)
    for (const socket of [client, upstream]) {
      socket.on('error', () => undefined)
      socket.once('close', () => {
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream)
    // The first three are the logins of the first look: admin, application, and the admin in template1.
    if (++connections <= 3) upstream.pipe(client)
  })
  const target = { host: '127.0.0.1', port: await listenOnLoopback(server) }
  const application = bench.application({ accessSecret: bench.access({ target }) })
  await bench.sql(`CREATE ROLE ${identifier(application.role)}`)
  await application.refused('role-not-ours')
  expect(connections).toBeGreaterThan(3)
  server.close()
}, 8_000)

test('a schema that goes with the database: the hint names who owns that', async () => {
  if (bench.postgres.major < 15) return
  const application = bench.application({ existing: 'adopt' })
  const { role, database } = application
  const owner = bench.name('dba')
  await bench.role(owner)
  await bench.role(role)
  await bench.sql(`GRANT ${identifier(role)} TO ${identifier(bench.admin.user)} WITH ADMIN OPTION`)
  await bench.sql(`CREATE DATABASE ${identifier(database)} OWNER ${identifier(owner)}`)
  await bench.sql(`GRANT ALL ON DATABASE ${identifier(database)} TO ${identifier(role)}`)
  const { outcome } = await application.refused('grant-ineffective')
  const hint = outcome.failure?.hint.join('\n')
  expect(hint).toContain(`The owner of the database, "${owner}", or a superuser can run in that database:`)
  expect(hint).not.toContain('pg_database_owner')
})

test('what the hint prints puts the rights right', async () => {
  const application = await bench.established()
  await bench.sql('DROP SCHEMA public', [], application.database)
  const { outcome } = await application.refused('grant-ineffective')
  for (const command of outcome.failure?.hint.filter((line) => line.endsWith(';')) ?? []) {
    await bench.sql(command, [], application.database)
  }
  expect(await application.run()).toMatchObject({ code: undefined })
  await application.work('CREATE TABLE public.t ()')
})

/** Gives what makes the schema of a hardened template as PostgreSQL ships it. */
function asShipped(): readonly string[] {
  return [
    'GRANT USAGE ON SCHEMA public TO PUBLIC',
    bench.postgres.major >= 15
      ? 'ALTER SCHEMA public OWNER TO pg_database_owner'
      : 'GRANT CREATE ON SCHEMA public TO PUBLIC',
  ]
}

/** Works while schema `public` of template1 is as these statements make it. */
async function withTemplate<Result>(
  harden: readonly string[],
  soften: readonly string[],
  work: () => Promise<Result>,
): Promise<Result> {
  for (const statement of harden) await bench.sql(statement, [], 'template1')
  try {
    return await work()
  } finally {
    for (const statement of soften) await bench.sql(statement, [], 'template1')
  }
}

describe('a hardened template, of which nobody could give the rights away: refused before anything is made', () => {
  const closed = ['ALTER SCHEMA public OWNER TO postgres', 'REVOKE ALL ON SCHEMA public FROM PUBLIC']
  const templates: readonly (readonly [string, (admin: string) => readonly string[]])[] = [
    ['nothing for the admin', () => closed],
    [
      'a part of the rights',
      (admin) => [...closed, `GRANT USAGE ON SCHEMA public TO ${admin} WITH GRANT OPTION`],
    ],
    ['rights that it may not give away', (admin) => [...closed, `GRANT ALL ON SCHEMA public TO ${admin}`]],
    ['no schema', () => ['DROP SCHEMA public']],
  ]
  const inputs = [{}, { databaseOwner: 'app' }, { extensions: ['citext'] }] as const

  test.each(templates)('%s', async (_, harden) => {
    const admin = identifier(bench.admin.user)
    const soften = [
      'CREATE SCHEMA IF NOT EXISTS public',
      `REVOKE ALL ON SCHEMA public FROM ${admin}`,
      ...asShipped(),
    ]
    await withTemplate(harden(admin), soften, async () => {
      for (const given of inputs) {
        await bench.application(given).refused('grant-ineffective', { dryRun: true })
        await bench.application(given).refused('grant-ineffective')
      }
      const application = bench.application({ databaseOwner: 'app' })
      const { outcome } = await application.refused('grant-ineffective')
      expect(outcome.failure?.message).toContain('would be a copy of template1')
      for (const command of outcome.failure?.hint.filter((line) => line.endsWith(';')) ?? []) {
        await bench.sql(command, [], 'template1')
      }
      for (const given of [application, bench.application()]) {
        const dry = await given.run({ dryRun: true })
        const run = await given.run()
        expect(run.code).toBeUndefined()
        expect(dry.outcome.list).toEqual(run.outcome.list)
        expect(await given.run()).toMatchObject({ code: undefined, done: [] })
        await given.work('CREATE TABLE public.t ()')
      }
    })
  })

  test('of which the admin cannot see anything: what was done is said, and the next run continues once the rights are given', async () => {
    const harden = [...closed, 'REVOKE CONNECT ON DATABASE template1 FROM PUBLIC']
    const soften = ['GRANT CONNECT ON DATABASE template1 TO PUBLIC', ...asShipped()]
    const application = bench.application()
    const { code, done, log, outcome } = await withTemplate(harden, soften, () => application.run())
    // There everybody may create as PostgreSQL ships it: the proof is what finds out that nobody may here.
    expect({ code, done }).toEqual({
      code: 'grant-ineffective',
      done: ['role created', 'database created', 'grants granted'],
    })
    expect(log).toMatch(/^ {2}Role, database and grants were created\. The next run continues from here\.$/m)
    expect(application.secret).toEqual({})
    if (bench.postgres.major < 15) return
    const [grant = ''] = outcome.failure?.hint.filter((line) => line.endsWith(';')) ?? []
    await bench.sql(grant, [], application.database)
    expect(await application.run()).toMatchObject({
      code: undefined,
      done: ['role password-set', 'secret created'],
    })
  })
})

test('a template where the owner of the database can give what was taken from everybody', async () => {
  if (bench.postgres.major < 15) return
  const application = bench.application()
  const dry = await withTemplate(['REVOKE ALL ON SCHEMA public FROM PUBLIC'], asShipped(), async () => {
    const { outcome } = await application.run({ dryRun: true })
    expect((await application.run()).code).toBeUndefined()
    return outcome
  })
  expect(dry.failure).toBeUndefined()
  await application.work('CREATE TABLE public.t ()')
})

test('a template that came from an older server and lets everybody create: nothing is granted, and nothing is said', async () => {
  const upgraded = ['ALTER SCHEMA public OWNER TO postgres', 'GRANT CREATE ON SCHEMA public TO PUBLIC']
  const shipped =
    bench.postgres.major >= 15 ? ['REVOKE CREATE ON SCHEMA public FROM PUBLIC', ...asShipped()] : []
  const application = bench.application()
  for (const statement of upgraded) await bench.sql(statement, [], 'template1')
  const { code, done, log } = await application.run()
  for (const statement of shipped) await bench.sql(statement, [], 'template1')
  expect({ code, done }).toEqual({
    code: undefined,
    done: ['role created', 'database created', 'grants granted', 'secret created'],
  })
  expect(log).not.toContain('on schema public')
  await application.work('CREATE TABLE public.t ()')
})

test('a role that is gone is made again where everybody may create and the admin may give nothing away', async () => {
  const application = await bench.established()
  const { role } = application
  for (const statement of [
    'ALTER SCHEMA public OWNER TO postgres',
    'GRANT CREATE ON SCHEMA public TO PUBLIC',
  ]) {
    await bench.sql(statement, [], role)
  }
  await bench.sql(`DROP OWNED BY ${role}`, [], role)
  await bench.sql(`DROP ROLE ${role}`)
  expect(await application.run({ dryRun: true })).toMatchObject({ code: undefined })
  expect(await application.run()).toMatchObject({ code: undefined, done: ['role created', 'grants granted'] })
  await application.work('CREATE TABLE public.t ()')
  expect(await application.run()).toMatchObject({ code: undefined, done: [] })
})

describe('sessions that are set to change nothing: refused beforehand, with where that is set', () => {
  const on = 'SET default_transaction_read_only = on'
  const reset = 'RESET default_transaction_read_only'
  const admin = (): string => identifier(bench.admin.user)

  async function readOnlyNow(): Promise<boolean> {
    const { rows } = await bench.inDatabase('postgres', (client) =>
      client.query<{ on: boolean }>(`select current_setting('default_transaction_read_only') = 'on' as on`),
    )
    return rows[0]?.on === true
  }

  test.each<[string, () => string, RegExp]>([
    ['the admin', () => `ROLE ${admin()}`, /for role "postgresql1_admin"\.$/],
    [
      'the admin in this database',
      () => `ROLE ${admin()} IN DATABASE postgres`,
      /for role "postgresql1_admin" in database "postgres"/,
    ],
    ['database postgres', () => 'DATABASE postgres', /for database "postgres"/],
    ['all roles', () => 'ROLE ALL', /for all roles/],
    ['the server', () => 'SYSTEM', /in the server's configuration/],
  ])('%s', async (_, what, says) => {
    const established = await bench.established()
    const application = bench.application()
    const alter = async (how: string): Promise<void> => {
      await bench.inDatabase('postgres', async (client) => {
        await client.query('SET default_transaction_read_only = off')
        await client.query(`ALTER ${what()} ${how}`)
        await client.query('SELECT pg_reload_conf()')
      })
      // Only what affects the server itself takes a moment to reach new sessions.
      while (what() === 'SYSTEM' && (await readOnlyNow()) !== how.endsWith('on'));
    }
    await alter(on)
    try {
      await application.refused('database-read-only', { dryRun: true })
      const { outcome } = await application.refused('database-read-only')
      expect(outcome.failure?.message).toMatch(says)
      expect(await established.run()).toMatchObject({ code: undefined, done: [] })
    } finally {
      await alter(reset)
    }
  })

  test('what the hint prints lets a run go on, whoever it is set for', async () => {
    const application = await bench.established({ databaseOwner: 'app' })
    const { role, database } = application
    application.removeSecret()
    for (const what of [
      `DATABASE ${identifier(database)}`,
      `ROLE ${identifier(role)}`,
      `ROLE ${identifier(role)} IN DATABASE ${identifier(database)}`,
      `ROLE ${admin()} IN DATABASE ${identifier(database)}`,
    ]) {
      await bench.sql(`ALTER ${what} ${on}`)
      await application.refused('database-read-only', { dryRun: true })
      const { outcome } = await application.refused('database-read-only')
      const [command = ''] = outcome.failure?.hint.filter((line) => line.endsWith(';')) ?? []
      await bench.sql(command)
    }
    expect(await application.run()).toMatchObject({ code: undefined })
  })

  test('a setting that is meant more closely wins', async () => {
    const application = await bench.established()
    const { role, database } = application
    application.removeSecret()
    await bench.sql(`ALTER DATABASE ${identifier(database)} ${on}`)
    for (const who of [identifier(role), admin()]) {
      await bench.sql(
        `ALTER ROLE ${who} IN DATABASE ${identifier(database)} SET default_transaction_read_only = off`,
      )
    }
    expect(await application.run()).toMatchObject({
      code: undefined,
      done: ['role password-set', 'secret created'],
    })
  })
})

test('a server that does not take sessions yet or any more', async () => {
  const server = await bench.postgres.standby()
  try {
    const accessSecret = bench.access({ target: server })
    const client = new pg.Client({
      host: server.socketDirectory,
      port: server.port,
      ...server.superuser,
      database: 'postgres',
    })
    client.on('error', () => undefined)
    await client.connect()
    // A smart shutdown waits for the sessions there are, and lets no other one in.
    process.kill(
      Number((await readFile(join(server.dataDirectory, 'postmaster.pid'), 'utf8')).split('\n')[0]),
      'SIGTERM',
    )
    const { outcome } = await bench
      .application()
      .refused('server-not-ready', { accessSecret, timeoutMs: 3_000 })
    expect(outcome.failure?.message).toContain('57P03')
    expect(outcome.failure?.hint.join('\n')).toMatch(/The server said ".+"/)
    await client.end()
  } finally {
    await server.stop()
  }
})
