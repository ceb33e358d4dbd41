import { beforeAll, describe, expect, test } from '@jest/globals'
import { readFile } from 'node:fs/promises'
import { createAdmin, type Login } from '../../sandbox/postgres.ts'
import { allBlocks } from '../support/blocks.ts'
import { identifier, literal, useBench, type Application } from '../support/bench.ts'

const bench = useBench()

/** From PostgreSQL 16 on a membership is three things: INHERIT, SET and ADMIN. */
let options: boolean

beforeAll(() => {
  options = bench.postgres.major >= 16
})

/** What sets an admin apart from the usual one. */
interface Kind {
  readonly what: string
  readonly attributes?: string
  /** What it is to a role that it makes, beside ADMIN: the setting `createrole_self_grant`. */
  readonly selfGrant?: string
  /** A further setting of its own. */
  readonly setting?: string
}

const kinds: readonly Kind[] = [
  { what: 'is NOINHERIT', attributes: 'NOINHERIT' },
  { what: 'may act as the roles that it makes', selfGrant: 'set' },
  { what: 'has the privileges of the roles that it makes', selfGrant: 'inherit' },
  { what: 'may act as the roles that it makes, and has their privileges', selfGrant: 'set, inherit' },
  { what: 'is NOINHERIT and may act as the roles that it makes', attributes: 'NOINHERIT', selfGrant: 'set' },
  {
    what: 'may act as the roles that it makes, and has backslashes in texts read as of old',
    selfGrant: 'set, inherit',
    setting: 'standard_conforming_strings = off',
  },
]

/** Makes an admin. A setting that the server does not have is left out: older ones make nobody a member. */
async function adminThat({ attributes, selfGrant, setting }: Kind): Promise<Login> {
  const admin = await createAdmin(bench.postgres, { name: bench.name('admin') })
  const name = identifier(admin.user)
  if (attributes !== undefined) await bench.sql(`ALTER ROLE ${name} ${attributes}`)
  if (setting !== undefined) await bench.sql(`ALTER ROLE ${name} SET ${setting}`)
  if (selfGrant !== undefined && options) {
    await bench.sql(`ALTER ROLE ${name} SET createrole_self_grant = ${literal(selfGrant)}`)
  }
  return admin
}

/** Returns all memberships in a role, with all that the server says about each. */
async function membersOf(role: string): Promise<readonly unknown[]> {
  const rows = await bench.sql<{ row: Record<string, unknown> }>(
    `select to_jsonb(m) - 'oid' || jsonb_build_object('member', m.member::regrole, 'grantor', m.grantor::regrole) as row
     from pg_auth_members m where m.roleid = $1::regrole order by m.member, m.grantor`,
    [identifier(role)],
  )
  return rows.map(({ row: { roleid, ...rest } }) => {
    expect(roleid).toBeDefined()
    return rest
  })
}

async function ownerOf({ database }: Application): Promise<string | undefined> {
  const [row] = await bench.sql<{ owner: string }>(
    'select r.rolname as owner from pg_database d join pg_roles r on r.oid = d.datdba where datname = $1',
    [database],
  )
  return row?.owner
}

/** Runs as a superuser what an error prints, in the database that it is printed for. */
async function runPrinted(hint: readonly string[] = [], database = 'postgres'): Promise<void> {
  const commands = hint.filter((line) => line.startsWith('  '))
  expect(commands).not.toEqual([])
  for (const command of commands) await bench.sql(command, [], database)
}

/** Expects a run to do something, namely what its dry run lists, and the next one nothing. */
async function expectFulfilled(
  application: Application,
  overrides: Parameters<Application['run']>[0] = {},
): Promise<void> {
  const dry = await application.run({ ...overrides, dryRun: true })
  const { code, outcome } = await application.run(overrides)
  expect({ code, message: outcome.failure?.message }).toEqual({ code: undefined, message: undefined })
  expect(outcome.list).toEqual(dry.outcome.list)
  expect(outcome.list).not.toEqual([])
  expect((await application.run(overrides)).outcome.list).toEqual([])
}

describe.each(kinds)('an admin that $what', (kind) => {
  test('gives the database to the application and takes it back, and stays the member that it was', async () => {
    const admin = await adminThat(kind)
    const control = bench.name('control')
    const settings =
      kind.selfGrant !== undefined && options
        ? [`SET createrole_self_grant = ${literal(kind.selfGrant)}`]
        : []
    await bench.sqlAs(admin.user, [...settings, `CREATE ROLE ${identifier(control)}`])
    const made = await membersOf(control)
    const application = bench.application({
      accessSecret: bench.access({ admin }),
      databaseOwner: 'app',
      extensions: ['citext'],
    })
    const { role, database } = application
    await expectFulfilled(application)
    expect(await ownerOf(application)).toBe(role)
    expect(await membersOf(role)).toEqual(made)
    expect(await bench.login(admin.user, admin.password, database)).toBe('in')

    // Inside of a database that is the application's.
    const watcher = bench.name('watcher')
    await bench.role(watcher, 'LOGIN IN ROLE pg_monitor')
    await bench.sql(`REVOKE USAGE, CREATE ON SCHEMA public FROM ${identifier(role)}`, [], database)
    await expectFulfilled(application, { extensions: ['citext', 'hstore'] })
    expect(await membersOf(role)).toEqual(made)

    const back = { databaseOwner: 'admin' } as const
    if (!options && kind.attributes === 'NOINHERIT') {
      await application.refused('admin-rights-missing', { ...back, dryRun: true })
      const { outcome } = await application.refused('admin-rights-missing', back)
      await runPrinted(outcome.failure?.hint)
      expect(await application.run(back)).toMatchObject({ code: undefined, done: [] })
    } else await expectFulfilled(application, back)
    expect(await ownerOf(application)).toBe(admin.user)
    expect(await membersOf(role)).toEqual(made)
    await expectFulfilled(application)
    expect(await ownerOf(application)).toBe(role)
    await application.work('CREATE TABLE public.t (name public.citext)')
  })

  test('rehearses what the application does before it sets another password', async () => {
    const accessSecret = bench.access({ admin: await adminThat(kind) })
    const application = await bench.established({ accessSecret })
    const made = await membersOf(application.role)
    application.removeSecret()
    await expectFulfilled(application)
    expect(await membersOf(application.role)).toEqual(made)
    expect(await application.login()).toBe('in')
  })
})

test('an admin that is NOINHERIT removes an application that owns its database, in the words of the recipe', async () => {
  const admin = await adminThat({ what: '', attributes: 'NOINHERIT' })
  const application = await bench.established({ accessSecret: bench.access({ admin }), databaseOwner: 'app' })
  const page = await readFile(new URL('../../docs/recipes.md', import.meta.url), 'utf8')
  expect(page).toContain('put `SET ROLE shop;` before `DROP DATABASE` and `RESET ROLE;` after it')
  const recipe = (await allBlocks()).find(({ text }) => text.includes('DROP ROLE shop'))?.text ?? ''
  expect(application.database).toBe(application.role)
  const statements = recipe.replaceAll('shop', identifier(application.role)).trim().split('\n')
  await expect(bench.sqlAs(admin.user, statements)).rejects.toMatchObject({ code: '42501' })
  const database = statements.findIndex((statement) => statement.startsWith('DROP DATABASE'))
  const acting = [`SET ROLE ${identifier(application.role)}`, statements[database] ?? '', 'RESET ROLE']
  await bench.sqlAs(admin.user, statements.toSpliced(database, 1, ...acting))
  const left = `select rolname from pg_roles where rolname = $1 union all select datname from pg_database where datname = $1`
  expect(await bench.sql(left, [application.role])).toEqual([])
})

test('an application that owns its database and is NOINHERIT is given what does not come with the ownership', async () => {
  // Before PostgreSQL 14 there is no role that stands for the owner of a database, and before 15 it owns no schema.
  if (bench.postgres.major < 14) return
  const application = await bench.established({ databaseOwner: 'app' })
  const { role, database } = application
  await bench.sql('ALTER SCHEMA public OWNER TO pg_database_owner', [], database)
  await bench.sql(`ALTER ROLE ${identifier(role)} NOINHERIT`)
  await bench.sql('REVOKE ALL ON SCHEMA public FROM PUBLIC', [], database)
  await bench.sql(`REVOKE ALL ON SCHEMA public FROM ${identifier(role)}`, [], database)
  await expectFulfilled(application)
  await application.work('CREATE TABLE public.t ()')
})

describe('a membership that was there before stays as it was', () => {
  const given: readonly (readonly [string, string, 'superuser' | 'admin'])[] = [
    ['a plain one by a superuser', '', 'superuser'],
    ['one with ADMIN OPTION by a superuser', 'WITH ADMIN OPTION', 'superuser'],
    ['SET alone by a superuser', 'WITH INHERIT FALSE, SET TRUE', 'superuser'],
    ['INHERIT alone by a superuser', 'WITH INHERIT TRUE, SET FALSE', 'superuser'],
    ['a plain one by the admin itself', '', 'admin'],
    ['SET alone by the admin itself', 'WITH INHERIT FALSE, SET TRUE', 'admin'],
    ['INHERIT alone by the admin itself', 'WITH INHERIT TRUE, SET FALSE', 'admin'],
    ['neither, by the admin itself', 'WITH INHERIT FALSE, SET FALSE', 'admin'],
  ]
  test.each(given)('%s', async (_, how, by) => {
    if (!options && how.includes('SET')) return
    const application = await bench.established()
    const { role } = application
    const grant = `GRANT ${identifier(role)} TO ${identifier(bench.admin.user)} ${how}`
    if (by === 'superuser') await bench.sql(grant)
    else await bench.sqlAs(bench.admin.user, [grant])
    const before = await membersOf(role)
    for (const databaseOwner of ['app', 'admin'] as const) {
      await expectFulfilled(application, { databaseOwner })
      expect(await membersOf(role)).toEqual(before)
    }
    application.removeSecret()
    await expectFulfilled(application)
    expect(await membersOf(role)).toEqual(before)
  })
})

describe('where the admin has no ADMIN OPTION on a role of ours (from PostgreSQL 16 on)', () => {
  /** As an upgrade from PostgreSQL 15 leaves it, or an operator that looks after memberships. */
  async function withoutAdminOption(how?: string): Promise<Application> {
    const application = await bench.established()
    const [role, admin] = [identifier(application.role), identifier(bench.admin.user)]
    await bench.sql(`REVOKE ${role} FROM ${admin}`)
    if (how !== undefined) await bench.sql(`GRANT ${role} TO ${admin} ${how}`)
    return application
  }

  const needs: readonly (readonly [string, (application: Application) => void, object])[] = [
    [
      'another password',
      (application) => {
        application.removeSecret()
      },
      {},
    ],
    ['another owner', () => undefined, { databaseOwner: 'app' }],
  ]
  test.each(needs)(
    '%s is refused, with what may have happened, and what a superuser can run',
    async (_, given, inputs) => {
      if (!options) return
      const application = await withoutAdminOption()
      given(application)
      await application.refused('admin-option-missing', { ...inputs, dryRun: true })
      const { outcome } = await application.refused('admin-option-missing', inputs)
      const hint = outcome.failure?.hint.join('\n')
      expect(hint).toContain('upgrade from PostgreSQL 15')
      expect(hint).toContain('CloudNativePG')
      await runPrinted(outcome.failure?.hint)
      await expectFulfilled(application, inputs)
    },
  )

  test('nothing to do is nothing to do', async () => {
    const application = await withoutAdminOption()
    expect(await application.run()).toMatchObject({ code: undefined, done: [] })
  })

  test('what each of the other options suffices for is done', async () => {
    if (!options) return
    const setting = await withoutAdminOption('WITH INHERIT FALSE, SET TRUE')
    const before = await membersOf(setting.role)
    await expectFulfilled(setting, { databaseOwner: 'app' })
    await setting.refused('admin-option-missing', { databaseOwner: 'admin', dryRun: true })
    await setting.refused('admin-option-missing', { databaseOwner: 'admin' })
    await bench.sql(
      `REVOKE CONNECT ON DATABASE ${identifier(setting.database)} FROM ${identifier(bench.admin.user)}`,
    )
    await expectFulfilled(setting, { databaseOwner: 'app' })
    expect(await membersOf(setting.role)).toEqual(before)

    const inheriting = await withoutAdminOption('WITH INHERIT TRUE, SET FALSE')
    const { database, role } = inheriting
    await inheriting.refused('admin-option-missing', { databaseOwner: 'app', dryRun: true })
    await inheriting.refused('admin-option-missing', { databaseOwner: 'app' })
    await bench.sql(`ALTER DATABASE ${identifier(database)} OWNER TO ${identifier(role)}`)
    await expectFulfilled(inheriting, { databaseOwner: 'admin' })
    expect(await ownerOf(inheriting)).toBe(bench.admin.user)
  })
})

describe('a database whose owner is a third role', () => {
  /** An adopted one, with nothing granted on it yet. */
  async function ownedBy(owner: string): Promise<Application> {
    const application = bench.application({ existing: 'adopt' })
    const { database } = application
    await bench.sql(`CREATE DATABASE ${identifier(database)} OWNER ${identifier(owner)}`)
    return application
  }

  test.each(['admin', 'app', undefined] as const)(
    'with which the admin has nothing to do, owner %s',
    async (databaseOwner) => {
      const owner = bench.name('dba')
      await bench.role(owner)
      const application = await ownedBy(owner)
      const admin = identifier(bench.admin.user)
      const inputs = { databaseOwner }
      await bench.sql(`REVOKE ALL ON DATABASE ${identifier(application.database)} FROM PUBLIC`)
      await bench.sql(`GRANT CONNECT ON DATABASE ${identifier(application.database)} TO ${admin}`)
      await bench.role(application.role)
      await bench.sql(`GRANT ${identifier(application.role)} TO ${admin} WITH ADMIN OPTION`)
      await bench.sql('GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC', [], application.database)
      await application.refused('database-foreign-owner', { ...inputs, dryRun: true })
      const { outcome } = await application.refused('database-foreign-owner', inputs)
      await runPrinted(outcome.failure?.hint)
      expect(await application.run(inputs)).toMatchObject({ code: undefined })
      expect(await application.login()).toBe('in')
      expect(await ownerOf(application)).toBe(
        { admin: bench.admin.user, app: application.role, '': owner }[databaseOwner ?? ''],
      )
    },
  )

  test('as which the admin may act, without its privileges', async () => {
    const [owner, admin] = [bench.name('dba'), await adminThat({ what: '', attributes: 'NOINHERIT' })]
    await bench.role(owner)
    await bench.sql(`GRANT ${identifier(owner)} TO ${identifier(admin.user)}`)
    const application = await ownedBy(owner)
    const before = await membersOf(owner)
    await expectFulfilled(application, { accessSecret: bench.access({ admin }), extensions: ['citext'] })
    expect(await ownerOf(application)).toBe(owner)
    expect(await membersOf(owner)).toEqual(before)
    await application.work('CREATE TABLE public.t ()')
  })

  test('which never lends itself, although CREATEROLE would do for that on older servers', async () => {
    const owner = bench.name('dba')
    await bench.role(owner)
    const application = await ownedBy(owner)
    await application.refused('database-foreign-owner')
    expect(await membersOf(owner)).toEqual([])
  })
})
