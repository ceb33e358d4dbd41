import { expect, test } from '@jest/globals'
import type { RoleSetting, RoleSettingName } from '../../src/postgres/role-setting.ts'
import { roleSettings } from '../../src/postgres/role-setting.ts'
import { useBench, type Application } from '../support/bench.ts'
import { findIn, useGate } from '../support/gate.ts'

const bench = useBench()
const { judged } = useGate(bench)

const wanted: readonly RoleSetting[] = [
  { name: 'lock_timeout', value: '5s' },
  { name: 'idle_in_transaction_session_timeout', value: '1min' },
]

/** What a session of the application gets. */
async function seenBy({ secret, database }: Application, name: RoleSettingName): Promise<string> {
  const client = await bench.connect(secret['PGUSER'] ?? '', secret['PGPASSWORD'] ?? '', database)
  const { rows } = await client.query<{ value: string }>('select current_setting($1) as value', [name])
  await client.end()
  return rows[0]?.value ?? ''
}

async function stored({ role }: Application): Promise<unknown[]> {
  return await bench.sql(
    `select datname, setconfig from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase
     where setrole = $1::text::regrole`,
    [role],
  )
}

test('a new application gets its settings; they are told, proven, and nothing is left to do', async () => {
  const application = bench.application({ roleSettings: wanted })
  const { database, role } = application
  const dry = await application.run({ dryRun: true })
  expect(dry.log).toContain('lock_timeout: not set; would be set to 5s')
  expect(await bench.sql('select 1 from pg_roles where rolname = $1', [role])).toEqual([])
  const run = await application.run()
  expect(run.code).toBeUndefined()
  expect(dry.outcome.list).toEqual(run.outcome.list)
  expect(run.outcome.changes).toContainEqual({ object: 'setting', name: 'lock_timeout', action: 'set' })
  expect(run.log).toContain(`lock_timeout = 5s for ${role} in ${database}`)
  expect(await stored(application)).toEqual([
    { datname: database, setconfig: ['lock_timeout=5s', 'idle_in_transaction_session_timeout=1min'] },
  ])
  expect(await seenBy(application, 'idle_in_transaction_session_timeout')).toBe('1min')
  const again = await application.run()
  expect([again.code, again.done]).toEqual([undefined, []])
  const { report } = await judged(application)
  expect(findIn(report, 'timeouts').verdict).toBe('met')
})

test('a role that is there: what it has in other words stays, what differs is set, what is not named is kept', async () => {
  const application = await bench.established()
  const { role, database } = application
  const remedy = findIn((await judged(application)).report, 'timeouts').remedy
  expect(remedy).toBe('set role-settings: idle_in_transaction_session_timeout=1min, lock_timeout=5s')
  // For the role everywhere; in the database a setting of its own wins.
  await bench.sql(`ALTER ROLE ${role} SET lock_timeout = 5000`)
  await bench.sql(`ALTER ROLE ${role} SET work_mem = '8MB'`)
  await bench.sql(`ALTER ROLE ${role} SET idle_in_transaction_session_timeout = '60s'`)
  await bench.sql(`ALTER ROLE ${role} IN DATABASE ${database} SET statement_timeout = '1h'`)
  expect((await application.run({ roleSettings: wanted })).done).toEqual([])

  await bench.sql(`ALTER ROLE ${role} IN DATABASE ${database} SET lock_timeout = 0`)
  const settings: readonly RoleSetting[] = [...wanted, { name: 'statement_timeout', value: '60 min' }]
  const { done, log } = await application.run({ roleSettings: settings })
  expect(done).toEqual(['setting set'])
  expect(log).toContain(`lock_timeout = 5s for ${role} in ${database}`)
  expect(await seenBy(application, 'lock_timeout')).toBe('5s')
  expect((await application.run({ roleSettings: settings })).done).toEqual([])
  // What nobody asks for is left alone.
  expect((await application.run()).done).toEqual([])
  expect(await seenBy(application, 'statement_timeout')).toBe('1h')
})

test('each setting that this server has can be set by an admin that is no superuser, and none that it has not', async () => {
  const names = Object.keys(roleSettings) as RoleSettingName[]
  const here = names.filter((name) => roleSettings[name] <= bench.postgres.major)
  const application = await bench.established()
  const all = here.map((name) => ({ name, value: '2h' }))
  expect((await application.run({ roleSettings: all })).done).toEqual(here.map(() => 'setting set'))
  for (const name of names.filter((each) => !here.includes(each))) {
    const before = await bench.picture(application)
    const { code, outcome } = await application.run({ roleSettings: [{ name, value: '1h' }] })
    expect([code, outcome.failure?.message]).toEqual([
      'input-invalid',
      expect.stringContaining(`has no setting "${name}", which input "role-settings" names.`),
    ])
    expect(await bench.picture(application)).toEqual(before)
  }
})

test('values are compared as the server reads them', async () => {
  const { settingMs } = await import('../../src/postgres/role-setting.ts')
  for (const value of [
    '5s',
    '5000',
    '5000ms',
    ' 5 s ',
    '0.5min',
    '1.4',
    '1500us',
    '0',
    '1.5 h',
    '24d',
    '2147483647',
  ]) {
    const [row] = await bench.sql<{ setting: string }>(
      `with made as materialized (select set_config('lock_timeout', $1, true))
       select setting from made, lateral (select setting from pg_settings where name = 'lock_timeout' and made is not null) s`,
      [value],
    )
    expect([value, settingMs(value)]).toEqual([value, Number(row?.setting)])
  }
  for (const value of ['5x', '5S', 'soon', '-1', '', '25d', '2147483648', '5 min 3 s']) {
    await expect(bench.sql(`select set_config('lock_timeout', $1, true)`, [value])).rejects.toMatchObject({
      code: '22023',
    })
    expect([value, settingMs(value)]).toEqual([value, undefined])
  }
})
