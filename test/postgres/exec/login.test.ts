import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { moveOnMs } from '../../../src/exec/login.ts'
import { loginComment } from '../../../src/postgres/marker.ts'
import {
  identifier,
  literal,
  useBench,
  type Application,
  type Run,
  type RunOptions,
} from '../../support/bench.ts'

const bench = useBench()

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exec-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const pgModule = import.meta.resolve('pg')

/** Runs lines of JavaScript as a command, with a client of node-postgres that is logged in; gives what they say. */
async function exec(
  application: Application,
  lines: string,
  overrides: Parameters<Application['run']>[0] = {},
  more: object = {},
  options: RunOptions = {},
): Promise<Run & { said: string }> {
  const file = join(folder, randomBytes(6).toString('hex'))
  const program = `
    import { existsSync, writeFileSync } from 'node:fs'
    import pg from ${JSON.stringify(pgModule)}
    const client = new pg.Client()
    client.on('error', () => undefined)
    await client.connect()
    const sql = async (text) => (await client.query(text)).rows
    const say = (value) => writeFileSync(${JSON.stringify(file)}, JSON.stringify(value))
    ${lines}
    await client.end()`
  const what = [process.execPath, '--input-type=module', '-e', program] as const
  const command = { what, environment: process.env, ...more }
  const run = await application.run({ provision: false, command, ...overrides }, options)
  const said = await readFile(file, 'utf8').catch(() => '')
  return { ...run, said }
}

async function logins(): Promise<string[]> {
  const rows = await bench.sql<{ rolname: string }>(
    `select rolname from pg_roles where shobj_description(oid, 'pg_authid') = ${literal(loginComment)} order by 1`,
  )
  return rows.map(({ rolname }) => rolname)
}

async function owners(database: string): Promise<string[]> {
  const rows = await bench.sql<{ owner: string }>(
    "select distinct relowner::regrole::text as owner from pg_class where relname like 'made%' order by 1",
    [],
    database,
  )
  return rows.map(({ owner }) => owner)
}

test('a command works as the role, by a login of its own that is gone afterwards; nothing was changed', async () => {
  const application = await bench.established()
  const before = await bench.picture(application)
  const { outcome, said, code, log } = await exec(
    application,
    `await sql('create table made (id serial)')
     say(await sql(\`select current_user as acts, session_user as login, current_setting('lock_timeout') as lock, r.*
       from pg_roles r where rolname = session_user\`))`,
    {},
    { lockTimeoutMs: 5_000 },
  )
  expect(code).toBeUndefined()
  const [row] = JSON.parse(said) as [Record<string, unknown>]
  expect(row).toMatchObject({
    acts: application.role,
    login: expect.stringMatching(new RegExp(`^${application.role}_exec_[0-9a-f]{8}$`)),
    lock: '5s',
    rolinherit: false,
    rolconnlimit: 100,
    rolcreatedb: false,
  })
  const minutes = (Date.parse(String(row['rolvaliduntil'])) - Date.now()) / 60_000
  expect(minutes).toBeGreaterThan(5)
  expect(minutes).toBeLessThan(11)
  expect(await owners(application.database)).toEqual([application.role])
  expect(await logins()).toEqual([])
  expect(outcome.changes).toEqual([])
  expect(outcome.command).toMatchObject({ exitCode: 0, connections: 1 })
  expect(log).toMatch(/\+ login +\S+_exec_\S+, for this command alone; acts as/)
  expect(log).toMatch(/✓ command +exit code 0 after .* 1 connection · login \S+ dropped/)
  await bench.sql('drop table made', [], application.database)
  expect(await bench.picture(application)).toEqual(before)
})

test.each([0, 2])(
  'the end of a login is moved on while its command lives, also after %i times in which that failed',
  async (times) => {
    const application = await bench.established()
    let moves = 0
    let started = false
    // What is waited for three minutes comes at once; what is waited for after a failure, too.
    const real = globalThis.setTimeout
    const hurry = (work: (...given: unknown[]) => void, ms?: number, ...given: unknown[]): NodeJS.Timeout =>
      real(work, ms === moveOnMs || (started && ms === 20_000) ? 100 : ms, ...given)
    const clock = jest.spyOn(globalThis, 'setTimeout').mockImplementation(hurry as typeof setTimeout)
    const stop = bench.sandbox.api.intercept(({ path }) => {
      if (!path.includes('/portforward')) return undefined
      return started && (moves += 1) <= times ? 'reset' : undefined
    })
    const begun = join(folder, randomBytes(6).toString('hex'))
    const over = `${begun}-over`
    const watch = setInterval(() => {
      started ||= existsSync(begun)
      // One that was on its way before the faults began tells nothing.
      if (moves > times) writeFileSync(over, '')
    }, 5)
    try {
      const { code, said } = await exec(
        application,
        `const until = async () => (await sql('select rolvaliduntil::text as until from pg_roles where rolname = session_user'))[0].until
         const first = await until()
         writeFileSync(${JSON.stringify(begun)}, '')
         let last = first
         while (last === first || !existsSync(${JSON.stringify(over)})) last = (await sql('select pg_sleep(0.05)')) && (await until())
         say([first < last, (await sql('select rolconnlimit from pg_roles where rolname = session_user'))[0].rolconnlimit])`,
      )
      expect([code, said]).toEqual([undefined, '[true,100]'])
      expect(await logins()).toEqual([])
    } finally {
      clearInterval(watch)
      stop()
      clock.mockRestore()
    }
  },
)

test('a command that fails says so, and its login is gone', async () => {
  const application = await bench.established()
  const { code, outcome } = await exec(application, 'process.exit(3)')
  expect(code).toBe('command-failed')
  expect(outcome.failure?.message).toBe('The command ended with exit code 3.')
  expect(await logins()).toEqual([])
})

test('a command that does not end in its time is ended', async () => {
  const application = await bench.established()
  const { code } = await exec(application, "await sql('select pg_sleep(600)')", {}, { timeoutMs: 1_500 })
  expect(code).toBe('command-timeout')
  expect(await logins()).toEqual([])
})

test('cancelled once the login is there: it is gone all the same, and nothing was started', async () => {
  const application = await bench.established()
  const cancelling = new AbortController()
  const onStep: RunOptions['onStep'] = ({ subject }) => {
    if (subject === 'login') cancelling.abort()
  }
  const { signal } = cancelling
  const { code, said, log } = await exec(application, "say('started')", {}, {}, { signal, onStep })
  expect([code, said]).toEqual(['cancelled', ''])
  expect(log).toMatch(/! login +login \S+ dropped/)
  expect(await logins()).toEqual([])
})

test('an admin that may have one connection alone has enough of them', async () => {
  const application = await bench.established()
  const limit = async (most: number): Promise<unknown> =>
    await bench.sql(`ALTER ROLE ${identifier(bench.admin.user)} CONNECTION LIMIT ${most}`)
  await limit(1)
  try {
    expect(await exec(application, "say('in')")).toMatchObject({ code: undefined, said: '"in"' })
    expect(await logins()).toEqual([])
  } finally {
    await limit(-1)
  }
})

describe.each(['INHERIT', 'NOINHERIT'])('with an admin that is %s', (inherit) => {
  test.each(['admin', 'app'] as const)(
    'strays become those of the role, database owned by %s',
    async (owner) => {
      const application = await bench.established({ databaseOwner: owner })
      const { database, role } = application
      await bench.sql(`ALTER ROLE ${identifier(bench.admin.user)} ${inherit}`)
      await bench.sql(`GRANT CREATE ON SCHEMA public TO PUBLIC`, [], database)
      const { code, log } = await exec(
        application,
        `await sql('set role none')
       await sql('create table made_by_login (id int)')
       await sql('create function made_too() returns int language sql as $$ select 1 $$')
       await sql('select lo_create(4711)')
       await sql('alter default privileges grant select on tables to ${role}')
       await sql('reset role')
       await sql('create table made_by_role (id int)')
       const [{ login }] = await sql('select session_user as login')
       await sql('grant select on made_by_role to ' + login)`,
      )
      await bench.sql(`ALTER ROLE ${identifier(bench.admin.user)} INHERIT`)
      expect([code, log]).toEqual([undefined, expect.stringContaining('dropped')])
      expect(await logins()).toEqual([])
      expect(await owners(database)).toEqual([role])
      const [rest] = await bench.sql(
        `select (select count(*)::int from pg_default_acl) as defaults,
        (select lomowner::regrole::text from pg_largeobject_metadata where oid = 4711) as large`,
        [],
        database,
      )
      expect(rest).toEqual({ defaults: 0, large: role })
    },
  )
})

test('a login that a killed run left behind is swept by any later run, and no other is', async () => {
  const application = await bench.established()
  const other = await bench.established()
  const leave = async (name: string, until: string, comment = loginComment): Promise<void> => {
    await bench.sqlAs(bench.admin.user, [
      `CREATE ROLE ${name} LOGIN NOINHERIT VALID UNTIL '${until}'`,
      `COMMENT ON ROLE ${name} IS ${literal(comment)}`,
      `GRANT ${identifier(application.role)} TO ${name}`,
      `GRANT CONNECT ON DATABASE ${identifier(application.database)} TO ${name}`,
    ])
  }
  const [old, fresh, foreign] = [bench.name('old'), bench.name('fresh'), bench.name('foreign')]
  await leave(old, '2020-01-01')
  await leave(fresh, new Date(Date.now() - 300_000).toISOString())
  await leave(foreign, '2020-01-01', 'somebody else’s')
  await bench.sql('GRANT CREATE ON SCHEMA public TO PUBLIC', [], application.database)
  await bench.sqlAs(old, ['create table made_by_killed ()'], application.database)
  // A dry run changes nothing.
  await other.run({ dryRun: true })
  expect(await logins()).toContain(old)
  const { code, outcome, log } = await other.run()
  expect([code, outcome.changes]).toEqual([undefined, []])
  expect(log).toContain(`dropped 1 login that an earlier run had left behind: ${old}`)
  expect(await logins()).toEqual([fresh])
  expect(await owners(application.database)).toEqual([application.role])
  await bench.sql(`ALTER ROLE ${fresh} VALID UNTIL '2020-01-01'`)
  expect((await exec(application, '')).log).toContain(
    `dropped 1 login that an earlier run had left behind: ${fresh}`,
  )
  expect(await logins()).toEqual([])
  await bench.sql(`REVOKE CONNECT ON DATABASE ${identifier(application.database)} FROM ${foreign}`)
  await bench.sql(`DROP ROLE ${foreign}`)
})

test('a login that another session keeps from being dropped: the run ends, says so, and the next one sweeps it', async () => {
  const application = await bench.established()
  const [name, go] = ['name', 'go'].map((file) => join(folder, `kept-${file}`)) as [string, string]
  const keeping = (async () => {
    while (!existsSync(name)) await sleep(20)
    await bench.inDatabase('postgres', async (client) => {
      await client.query('BEGIN')
      await client.query(`ALTER ROLE ${identifier(await readFile(name, 'utf8'))} CONNECTION LIMIT 7`)
      writeFileSync(go, '')
      while (existsSync(go)) await sleep(20)
      await client.query('ROLLBACK')
    })
  })()
  const { code, outcome, log } = await exec(
    application,
    `const [{ login }] = await sql('select session_user as login')
     writeFileSync(${JSON.stringify(name)}, login)
     while (!existsSync(${JSON.stringify(go)})) await new Promise((resolve) => setTimeout(resolve, 20))`,
  )
  await rm(go)
  await keeping
  expect(code).toBeUndefined()
  expect(outcome.command).toMatchObject({ exitCode: 0 })
  const [login = ''] = await logins()
  expect(log).toMatch(
    new RegExp(`login ${login} could not be dropped: it cannot be used after .*, and a later run drops it`),
  )
  await application.run()
  expect(await logins()).toEqual([login])
  await bench.sql(`ALTER ROLE ${identifier(login)} VALID UNTIL '2026-01-01'`)
  const next = await application.run()
  expect(next.log).toContain(`dropped 1 login that an earlier run had left behind: ${login}`)
  expect(await logins()).toEqual([])
})

test('two commands at once are fine', async () => {
  const application = await bench.established()
  const runs = await Promise.all(
    ['one', 'other'].map((name) =>
      exec(application, `await sql('create table made_${name} ()')`, { runName: `pg-app-user test ${name}` }),
    ),
  )
  expect(runs.map(({ code }) => code)).toEqual([undefined, undefined])
  expect(await logins()).toEqual([])
})

describe('refused before anything starts', () => {
  const started = "say('started')"
  test('a role or a database that is not there', async () => {
    const { request } = bench.application()
    const none = bench.application({ ...request })
    expect(await exec(none, started)).toMatchObject({ code: 'role-not-found', said: '' })
    const application = await bench.established()
    await bench.sql(`DROP DATABASE ${identifier(application.database)}`)
    expect(await exec(application, started)).toMatchObject({ code: 'database-not-found', said: '' })
  })

  test('a role that is not ours, or is more than an application', async () => {
    const application = await bench.established()
    const role = identifier(application.role)
    await bench.sql(`ALTER ROLE ${role} CREATEDB`)
    expect(await exec(application, started)).toMatchObject({ code: 'role-privileged', said: '' })
    await bench.sql(`ALTER ROLE ${role} NOCREATEDB`)
    await bench.sql(`COMMENT ON ROLE ${role} IS NULL`)
    expect(await exec(application, started)).toMatchObject({ code: 'role-not-ours', said: '' })
    const other = await bench.established()
    const stolen = { appUsername: other.role, appDatabase: other.database }
    expect(await exec(application, started, stolen)).toMatchObject({ code: 'role-claimed', said: '' })
  })

  test('a role on which the admin has no ADMIN OPTION', async () => {
    const application = await bench.established()
    if (bench.postgres.major < 16) return
    await bench.sql(`REVOKE ${identifier(application.role)} FROM ${identifier(bench.admin.user)}`)
    const { code, said } = await exec(application, started)
    expect([code, said]).toEqual(['admin-option-missing', ''])
  })

  test('a dry run, a release that is held back, and a program that is not there', async () => {
    const application = await bench.established()
    const dry = await exec(application, started, { dryRun: true, provision: true })
    expect([dry.code, dry.said]).toEqual([undefined, ''])
    expect(dry.log).toContain('not run: this is a dry run')
    const goLive = {
      enforcement: { enforced: true, why: 'test' },
      profile: 'premium' as const,
      file: join(folder, 'none.yaml'),
      fileNamed: false,
    }
    const held = await exec(application, started, { goLive })
    expect([held.code, held.said]).toEqual(['go-live-held-back', ''])
    expect(held.log).toContain('not run: the release is held back')
    const absent = await exec(application, started, {}, { what: ['no-such-program'] })
    expect(absent.code).toBe('command-not-started')
    expect(await logins()).toEqual([])
  })
})
