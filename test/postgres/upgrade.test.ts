import { readFile } from 'node:fs/promises'
import { expect, test } from '@jest/globals'
import { identifier, useBench, type Application } from '../support/bench.ts'
import { findIn, useGate } from '../support/gate.ts'

// From PostgreSQL 16 on, CREATEROLE reaches only roles on which the admin has ADMIN OPTION. An upgrade takes memberships along
// as they were, and before that whoever made a role was no member of it.

const bench = useBench()
const { judged } = useGate(bench)

const warning = /(?<who>superuser|itself) can run: (?<command>GRANT .* WITH ADMIN OPTION)$/m

/** Gives the statement in the gate's warning, and who can run it. */
async function warned(application: Application): Promise<{ who?: string; command?: string } | undefined> {
  const { report, log } = await judged(application)
  const found = warning.exec(findIn(report, 'supported-version').warnings.join('\n'))?.groups
  expect(log.includes('ADMIN OPTION')).toBe(found !== undefined)
  return found
}

/** Leaves no more than the memberships that the admin of an older server has: none, or one of its own making. */
async function upgrade({ role }: Application, { helped }: { helped: boolean }): Promise<void> {
  const [of, to] = [identifier(role), identifier(bench.admin.user)]
  await bench.sql(`REVOKE ${of} FROM ${to} CASCADE`)
  if (helped) await bench.sql(`GRANT ${of} TO ${to} WITH ADMIN OPTION`)
}

/** Expects that another password can be set and another owner named, and that a second run has nothing to do. */
async function expectInHand(application: Application): Promise<void> {
  for (const databaseOwner of ['app', 'admin'] as const) {
    application.removeSecret()
    expect(await application.run({ databaseOwner })).toMatchObject({
      code: undefined,
      done: expect.arrayContaining(['role password-set', 'database owner-changed', 'secret created']),
    })
    expect(await application.login()).toBe('in')
    expect(await application.run({ databaseOwner })).toMatchObject({ code: undefined, done: [] })
  }
  expect(await warned(application)).toBeUndefined()
}

test('before an upgrade the gate says what the admin can run, and that costs nothing', async () => {
  const application = await bench.established()
  const said = await warned(application)
  if (bench.postgres.major >= 16) {
    expect(said).toBeUndefined()
    return
  }
  expect(said?.who).toBe('itself')
  await bench.sqlAs(bench.admin.user, [said?.command ?? ''])
  expect(await application.run()).toMatchObject({ code: undefined, done: [] })
  await expectInHand(application)
})

test('the statement of the documents does so for all roles of this tool, and no other', async () => {
  const [, sql = ''] =
    /```sql\n(SELECT [^]*?) \\gexec\n```/.exec(await readFile('docs/anywhere.md', 'utf8')) ?? []
  const application = await bench.established()
  const stranger = bench.name('stranger')
  await bench.role(stranger)
  if (bench.postgres.major >= 16) await upgrade(application, { helped: false })
  const statements = await bench.inDatabase('postgres', async (client) => {
    await client.query(`SET SESSION AUTHORIZATION ${identifier(bench.admin.user)}`)
    return (await client.query<{ format: string }>(sql)).rows.map(({ format }) => format)
  })
  expect(statements).toContain(`GRANT ${application.role} TO CURRENT_USER WITH ADMIN OPTION`)
  expect(statements.filter((statement) => statement.includes(stranger))).toEqual([])
  if (bench.postgres.major >= 16) return
  await bench.sqlAs(bench.admin.user, statements)
  expect(await warned(application)).toBeUndefined()
})

test('after an upgrade with that statement before it, all is in hand', async () => {
  if (bench.postgres.major < 16) return
  const application = await bench.established()
  await upgrade(application, { helped: true })
  await expectInHand(application)
})

test('after an upgrade without it, the gate and the error say what a superuser can run', async () => {
  if (bench.postgres.major < 16) return
  const application = await bench.established()
  await upgrade(application, { helped: false })
  expect(await application.run()).toMatchObject({ code: undefined, done: [] })
  const said = await warned(application)
  expect(said?.who).toBe('superuser')
  application.removeSecret('PGPASSWORD')
  for (const dryRun of [true, false]) {
    const { outcome } = await application.refused('admin-option-missing', { dryRun })
    expect(outcome.failure?.hint).toContain(`  ${said?.command ?? ''};`)
  }
  await bench.sql(said?.command ?? '')
  await expectInHand(application)
})
