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
    const thief = bench.application({
      appDatabase: victim.database,
      appUsername: bench.name(),
      existing: 'refuse',
    })
    thief.putSecret({ ...victim.secret, PGUSER: thief.role, PGPASSWORD: 'chosen by the thief' })
    const { outcome } = await thief.refused('database-not-ours')
    expect(outcome.failure?.hint.join('\n')).toContain(`"${victim.role}"`)
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
    const application = bench.application({
      appDatabase: victim.database,
      appUsername: bench.name(),
      existing: 'refuse',
    })
    await application.refused('database-not-ours')
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

/** Runs the commands of a hint as the superuser it asks for. */
async function runPrinted(hint: readonly string[] = [], database = 'postgres'): Promise<void> {
  for (const line of hint.filter((each) => each.endsWith(';'))) await bench.sql(line, [], database)
}
