import { describe, expect, test } from '@jest/globals'
import { createAdmin, spiloHba } from '../../sandbox/postgres.ts'
import { identifier, literal, useBench } from '../support/bench.ts'

const bench = useBench()
const policies = ['refuse', 'adopt'] as const

describe.each(policies)('existing: %s', (existing) => {
  const adopting = existing === 'adopt'

  test('the same names from a second namespace do not take the role of the first', async () => {
    const first = await bench.established()
    const second = bench.application({ ...first.request, appNamespace: bench.otherNamespace, existing })
    const { outcome } = await second.refused('role-claimed')
    expect(outcome.failure?.message).toContain(`shop/${first.request.appSecret}`)
    expect(await first.login()).toBe('in')
  })

  test("a forged Secret does not take another application's role", async () => {
    const victim = await bench.established()
    const thief = bench.application({ appUsername: victim.role, appDatabase: victim.database, existing })
    thief.putSecret({ ...victim.secret, PGPASSWORD: 'chosen by the thief' })
    await thief.refused('role-claimed')
    expect(await victim.login()).toBe('in')
    expect(await thief.login()).toBe('28P01')
  })

  test('a Secret that knows the password of a claimed role does not take it either', async () => {
    const victim = await bench.established()
    const thief = bench.application({ appUsername: victim.role, appDatabase: victim.database, existing })
    thief.putSecret(victim.secret)
    await thief.refused('role-claimed')
  })

  test("a forged Secret does not take another application's database", async () => {
    const victim = await bench.established()
    const thief = bench.application({ appDatabase: victim.database, appUsername: bench.name(), existing })
    thief.putSecret({ ...victim.secret, PGUSER: thief.role, PGPASSWORD: 'chosen by the thief' })
    const { outcome } = await thief.refused('database-claimed')
    expect(outcome.failure?.hint.join('\n')).toContain(`"${victim.role}"`)
  })

  test.each(['admin', 'app', undefined] as const)(
    "another application's database is taken with no owner asked for: %s",
    async (databaseOwner) => {
      const victim = await bench.established({
        appDatabase: bench.name('the "base" o\''),
        appUsername: bench.name('the "role" o\''),
      })
      const names = { appDatabase: victim.database, appUsername: bench.name() }
      const thief = bench.application({ ...names, existing, databaseOwner })
      const { outcome } = await thief.refused('database-claimed')
      expect(outcome.failure?.message).toContain(`shop/${victim.request.appSecret}`)
      await thief.refused('database-claimed', { dryRun: true })
      expect(await victim.login()).toBe('in')
      // What the administrator is told to run is what releases it.
      await runPrinted(outcome.failure?.hint)
      expect(await thief.run({ existing: 'adopt' })).toMatchObject({ code: undefined })
    },
  )

  test('a database that another application has adopted, or is yet to make', async () => {
    const adopter = bench.application({ existing: 'adopt' })
    await bench.sqlAs(bench.admin.user, [`CREATE DATABASE ${identifier(adopter.database)}`])
    expect(await adopter.run()).toMatchObject({ code: undefined })
    const thief = { appUsername: bench.name(), databaseOwner: 'app', existing } as const
    await bench.application({ ...thief, appDatabase: adopter.database }).refused('database-claimed')
    await bench.sql(`DROP DATABASE ${identifier(adopter.database)}`)
    await bench.application({ ...thief, appDatabase: adopter.database }).refused('database-claimed')
  })

  test('a database that two others claim: both are named, and both have to release it', async () => {
    const one = await bench.established()
    const other = await bench.established()
    const second = JSON.stringify({ 'pg-app-user': 1, secret: 'crm/secret', database: one.database })
    await bench.sql(`COMMENT ON ROLE ${identifier(other.role)} IS ${literal(second)}`)
    const third = bench.application({ appDatabase: one.database, appUsername: bench.name(), existing })
    const { outcome } = await third.refused('database-claimed')
    expect(outcome.failure?.message).toContain(`shop/${one.request.appSecret} and crm/secret`)
    await bench.sql(`COMMENT ON ROLE ${identifier(one.role)} IS NULL`)
    await third.refused('database-claimed')
    expect(await one.login()).toBe('in')
  })

  test('a Secret that was edited to name a database of somebody else', async () => {
    const application = await bench.established()
    const owner = await somebodysDatabase()
    application.putSecret({ PGDATABASE: owner.database }, 'on top')
    const inputs = { appDatabase: owner.database, existing }
    if (adopting) {
      expect(await application.run(inputs)).toMatchObject({ code: undefined })
    } else {
      for (const databaseOwner of ['app', 'admin', undefined] as const) {
        await application.refused('database-not-ours', { ...inputs, databaseOwner })
      }
    }
    expect(await ownerOf(owner.database)).toBe(bench.admin.user)
  })

  test('a Secret that was edited to name a database that is yet to be made', async () => {
    const application = await bench.established()
    const appDatabase = bench.name('later')
    application.putSecret({ PGDATABASE: appDatabase }, 'on top')
    if (adopting) expect(await application.run({ appDatabase, existing })).toMatchObject({ code: undefined })
    else await application.refused('database-not-ours', { appDatabase, existing })
  })

  test.each(['with a role made by hand', 'with a role that is yet to be made'])(
    'a Secret that names a database of somebody else, %s',
    async (how) => {
      const owner = await somebodysDatabase()
      const application = bench.application({
        appDatabase: owner.database,
        appUsername: bench.name(),
        existing,
      })
      const byHand = how.includes('by hand')
      const password = byHand ? await bench.role(application.role) : 'chosen by the application'
      application.putSecret({
        PGHOST: 'postgresql1.postgres-system.svc.cluster.local',
        PGUSER: application.role,
        PGDATABASE: owner.database,
        PGPASSWORD: password,
      })
      if (!adopting) await application.refused('database-not-ours')
      else if (!byHand || bench.postgres.major < 16) {
        expect(await application.run()).toMatchObject({ code: undefined })
      }
      expect(await ownerOf(owner.database)).toBe(bench.admin.user)
    },
  )

  test('an owner that is asked for later, of a database that was adopted', async () => {
    const application = bench.application()
    await bench.sqlAs(bench.admin.user, [`CREATE DATABASE ${identifier(application.database)}`])
    expect(await application.run({ existing: 'adopt' })).toMatchObject({ code: undefined })
    const inputs = { databaseOwner: 'app', existing } as const
    if (adopting) expect(await application.run(inputs)).toMatchObject({ done: ['database owner-changed'] })
    else await application.refused('database-not-ours', inputs)
    expect(await ownerOf(application.database)).toBe(adopting ? application.role : bench.admin.user)
    expect(await application.run({ existing: 'refuse' })).toMatchObject({ code: undefined, done: [] })
  })

  test('a forged comment on a database says nothing', async () => {
    const application = bench.application({ existing })
    const { database, marker } = application
    await bench.role(`owner_of_${database}`)
    await bench.sql(`CREATE DATABASE ${identifier(database)} OWNER ${identifier(`owner_of_${database}`)}`)
    await bench.sql(`COMMENT ON DATABASE ${identifier(database)} IS ${literal(marker)}`)
    if (!adopting) {
      await application.refused('database-not-ours')
      return
    }
    const { code, outcome } = await application.run()
    expect({ code, changes: outcome.changes }).toEqual({ code: 'database-foreign-owner', changes: [] })
  })

  test('a database that came to belong to somebody else is used as it is, and not put right', async () => {
    const application = await bench.established()
    const { database, role } = application
    const owner = bench.name('owner')
    await bench.role(owner)
    await bench.sql(`ALTER DATABASE ${identifier(database)} OWNER TO ${owner}`)
    expect(await application.run({ existing })).toMatchObject({ code: undefined, done: [] })
    await bench.sql(`REVOKE ALL ON DATABASE ${identifier(database)} FROM ${identifier(role)}`)
    const { outcome } = await application.refused('database-foreign-owner', { existing })
    expect(outcome.failure?.message).toContain(`"${owner}"`)
  })

  test('a role that another admin made', async () => {
    const other = await createAdmin(bench.postgres, { name: bench.name('other_admin') })
    bench.password(other.password)
    const application = bench.application({ existing })
    await bench.sqlAs(other.user, [
      `CREATE ROLE ${identifier(application.role)} LOGIN PASSWORD 'made by another admin'`,
    ])
    if (!adopting) await application.refused('role-not-ours')
    else if (bench.postgres.major >= 16) {
      const { outcome } = await application.refused('admin-option-missing')
      expect(outcome.failure?.hint.join('\n')).toContain('WITH ADMIN OPTION')
      await runPrinted(outcome.failure?.hint)
      expect(await application.run()).toMatchObject({ code: undefined })
    } else expect(await application.run()).toMatchObject({ code: undefined })
  })

  test.each([
    ['SUPERUSER', 'LOGIN SUPERUSER'],
    ['CREATEROLE', 'LOGIN CREATEROLE'],
    ['CREATEDB', 'LOGIN CREATEDB'],
    ['REPLICATION', 'LOGIN REPLICATION'],
    ['BYPASSRLS', 'LOGIN BYPASSRLS'],
    ['member of pg_monitor', 'LOGIN IN ROLE pg_monitor'],
    ['member of pg_signal_backend', 'LOGIN IN ROLE pg_signal_backend'],
    ['member of pg_execute_server_program', 'LOGIN IN ROLE pg_execute_server_program'],
  ])('a role with %s', async (danger, attributes) => {
    const application = bench.application({ existing })
    await bench.role(application.role, attributes)
    const { outcome } = await application.refused(adopting ? 'role-privileged' : 'role-not-ours')
    if (adopting) expect(outcome.failure?.message).toContain(danger)
  })

  test('a role that is member of pg_monitor through another role', async () => {
    const application = bench.application({ existing })
    const group = bench.name('watchers')
    await bench.sql(`CREATE ROLE ${identifier(group)} IN ROLE pg_monitor`)
    await bench.role(application.role, `LOGIN IN ROLE ${identifier(group)}`)
    await application.refused(adopting ? 'role-privileged' : 'role-not-ours')
  })

  test('a role that has members', async () => {
    const application = bench.application({ existing })
    await bench.role(application.role)
    await bench.role(`in_${application.role}`, `LOGIN IN ROLE ${identifier(application.role)}`)
    const { outcome } = await application.refused(adopting ? 'role-privileged' : 'role-not-ours')
    if (adopting) expect(outcome.failure?.message).toContain(`has member in_${application.role}`)
  })

  test('the admin itself', async () => {
    const application = bench.application({ appUsername: bench.admin.user, existing })
    await application.refused(adopting ? 'role-privileged' : 'role-not-ours')
  })

  test('a role of ours that has become privileged gets no password any more', async () => {
    const application = await bench.established({ existing })
    await bench.sql(`ALTER ROLE ${identifier(application.role)} CREATEDB`)
    const { done, outcome } = await application.run()
    expect(done).toEqual([])
    expect(outcome.notes).toContainEqual(expect.stringContaining('CREATEDB'))
    application.removeSecret()
    await application.refused('role-privileged')
  })

  test('a database that belongs to another application', async () => {
    const victim = await bench.established()
    const names = { appDatabase: victim.database, appUsername: bench.name() }
    await bench.application({ ...names, existing }).refused('database-claimed')
  })
})

test('a role of another admin whose login works is nothing to do', async () => {
  const other = await createAdmin(bench.postgres, { name: bench.name('other_admin') })
  const application = await bench.established({ accessSecret: bench.access({ admin: other }) })
  const { code, done } = await application.run({
    accessSecret: bench.sandbox.accessSecret,
    existing: 'adopt',
  })
  expect({ code, done }).toEqual({ code: undefined, done: [] })
})

test('an adopted role keeps what it owns, and the old password ends', async () => {
  const application = bench.application()
  const old = await bench.role(application.role)
  await bench.sql(
    `GRANT ${identifier(application.role)} TO ${identifier(bench.admin.user)} WITH ADMIN OPTION`,
  )
  const session = await bench.connect(application.role, old, 'postgres')
  const refusal = await application.refused('role-not-ours')
  expect(refusal.outcome.failure?.hint.join('\n')).toContain('1 session is open')
  const { outcome, done } = await application.run({ existing: 'adopt' })
  await session.end()
  expect(done).toContain('role password-set')
  expect(outcome.notes).toContainEqual(expect.stringContaining('1 session'))
  expect(await bench.login(application.role, old, application.database)).toBe('28P01')
  expect(await application.login()).toBe('in')
  expect(await application.run()).toMatchObject({ done: [], code: undefined })
})

test('a short password is warned of before it is set', async () => {
  const application = bench.application({ existing: 'adopt' })
  await bench.sqlAs(bench.admin.user, [
    `CREATE ROLE ${identifier(application.role)} LOGIN PASSWORD 'made by hand'`,
  ])
  application.putSecret({ PGPASSWORD: 'short1' })
  const { outcome } = await application.run()
  expect(outcome.notes).toContainEqual(expect.stringContaining('6 characters'))
})

describe('a server that lets anyone in without a password', () => {
  const trusting = <Result>(work: () => Promise<Result>, who = 'all'): Promise<Result> =>
    bench.withHba([`host all ${who} 127.0.0.1/32 trust`], spiloHba, work)

  test('publishes nothing and changes nothing', async () => {
    await trusting(async () => {
      const { outcome } = await bench.application().refused('login-unproven')
      expect(outcome.failure?.hint.join('\n')).toContain('whoever may port-forward')
      expect(outcome.failure?.hint.join('\n')).toContain('unproven: accept')
    })
  })

  test('publishes nothing for a role of ours whose Secret is gone either', async () => {
    const application = await bench.established()
    application.removeSecret()
    await trusting(() => application.refused('login-unproven'), application.role)
  })

  test('publishes a password set in this very run, if that is accepted, and warns', async () => {
    const application = bench.application({ unproven: 'accept' })
    const first = await trusting(() => application.run())
    expect(first).toMatchObject({
      code: undefined,
      done: ['role created', 'database created', 'grants granted', 'secret created'],
    })
    expect(first.outcome.notes).toContainEqual(expect.stringContaining('the server asks for no password'))
    expect(await application.login()).toBe('in')

    const second = await trusting(() => application.run())
    expect(second.done).toEqual([])
    expect(second.log).toMatch(/^Nothing to do: .* but the login could not be checked\./m)
    const third = await application.run({ unproven: 'refuse' })
    expect(third.log).toMatch(/^Nothing to do: .* and the login works\./m)
  })

  test('does not hand over a role that is not ours, although anybody may log in as it', async () => {
    const application = bench.application({ unproven: 'accept' })
    await bench.role(application.role)
    application.putSecret({ PGUSER: application.role, PGPASSWORD: 'chosen by the thief' })
    await trusting(() => application.refused('role-not-ours'))
  })
})

/** A database that the admin made by hand for somebody whom this tool knows nothing of. */
async function somebodysDatabase(): Promise<{ database: string }> {
  const database = bench.name('by_hand')
  await bench.sqlAs(bench.admin.user, [`CREATE DATABASE ${identifier(database)}`])
  return { database }
}

async function ownerOf(database: string): Promise<string | undefined> {
  const [row] = await bench.sql<{ owner: string }>(
    'select o.rolname as owner from pg_database d join pg_roles o on o.oid = d.datdba where datname = $1',
    [database],
  )
  return row?.owner
}

/** Runs the commands of a hint as the superuser it asks for. */
async function runPrinted(hint: readonly string[] = [], database = 'postgres'): Promise<void> {
  for (const line of hint.filter((each) => each.endsWith(';'))) await bench.sql(line, [], database)
}
