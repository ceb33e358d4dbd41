import { describe, expect, test } from '@jest/globals'
import type { ProvisionRequest } from '../../src/input/request.ts'
import { identifier, literal, useBench, type Application } from '../support/bench.ts'

const bench = useBench()
const policies = ['refuse', 'adopt'] as const

type Spelling = readonly [how: string, spell: (marker: string) => string]

/** Other ways to write down what a marker says: some of those of the unit test, one of a kind. */
const readable: readonly Spelling[] = [
  ['with blanks as PostgreSQL writes jsonb', (marker) => marker.replace(/([:,])/g, '$1 ')],
  ['letters escaped', (marker) => marker.replaceAll('a', String.raw`\u0061`)],
  ['a key more', (marker) => marker.replace('}', ',"ticket":"OPS-12"}')],
]

/** What speaks of this tool, and is no marker of version 1: some of those of the unit test, one of a kind. */
const unreadable: readonly Spelling[] = [
  ['another version', (marker) => marker.replace(':1,', ':2,')],
  ['half of it', (marker) => marker.slice(0, -2)],
  ['words before it', (marker) => `do not drop: ${marker}`],
  ['a Secret that is a list', (marker) => marker.replace(/"secret":("[^"]*")/, '"secret":[$1]')],
]

test.each(readable)('a marker in other words is the claim: %s', async (_, spell) => {
  const application = await bench.established()
  await comment(application.role, spell(application.marker))
  expect(await application.run()).toMatchObject({ code: undefined, done: [] })
  for (const existing of policies) {
    await sameNames(application, { existing }).refused('role-claimed')
    await sameDatabase(application, { existing }).refused('database-claimed')
  }
})

describe.each(unreadable)('a comment that speaks of this tool: %s', (_, spell) => {
  test('is a claim on the role, also for the Secret that it may name', async () => {
    const application = await bench.established()
    const { role } = application
    await comment(role, spell(application.marker))
    for (const existing of policies) {
      await application.refused('role-claimed', { existing })
      await application.refused('role-claimed', { existing, dryRun: true })
      await sameNames(application, { existing }).refused('role-claimed')
    }
    const { outcome } = await application.refused('role-claimed')
    const hint = outcome.failure?.hint.join('\n')
    expect(hint).toContain(`shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = '${role}';`)
    expect(hint).toContain(`COMMENT ON ROLE ${identifier(role)} IS NULL;`)
    expect(await application.login()).toBe('in')
    await runPrinted(outcome.failure?.hint)
    expect(await application.run({ existing: 'adopt' })).toMatchObject({ code: undefined })
    expect(await application.run()).toMatchObject({ code: undefined, done: [] })
  })

  test('is a claim on the database that it names or was made for', async () => {
    const application = await bench.established()
    await comment(application.role, spell(application.marker))
    for (const existing of policies) {
      for (const databaseOwner of ['app', undefined] as const) {
        await sameDatabase(application, { existing, databaseOwner }).refused('database-claimed')
      }
    }
    await bench.sql(
      `REVOKE ALL ON DATABASE ${identifier(application.database)} FROM ${identifier(application.role)}`,
    )
    const thief = sameDatabase(application, { existing: 'adopt' })
    const { outcome } = await thief.refused('database-claimed')
    expect(outcome.failure?.message).toContain(`"${application.role}"`)
    await runPrinted(outcome.failure?.hint)
    expect(await thief.run()).toMatchObject({ code: undefined })
  })
})

test('a marker of which too little is left to name the database: the rights of its role do', async () => {
  for (const databaseOwner of ['admin', 'app'] as const) {
    const application = await bench.established({ databaseOwner })
    await comment(application.role, '{"pg-app-user":1,"secret":"shop/se')
    await sameDatabase(application, { existing: 'adopt' }).refused('database-claimed')
  }
})

test('an unreadable comment is no claim on databases that it has nothing to do with', async () => {
  const other = await bench.established()
  await comment(other.role, '{"pg-app-user":2,"database":"elsewhere"}')
  expect(await bench.application().run()).toMatchObject({ code: undefined })
  expect(await bench.application({ appDatabase: bench.name('else') }).run()).toMatchObject({
    code: undefined,
  })
})

test.each(['made for the shop, ask Kim', 'to be replaced by pg-app-user', '{"owner":"kim"}'])(
  'a comment made by hand claims nothing, and the marker keeps it: %s',
  async (text) => {
    const application = bench.application({ existing: 'adopt' })
    await handMade(application)
    await comment(application.role, text)
    await application.refused('role-not-ours', { existing: 'refuse' })
    const { code, outcome } = await application.run()
    expect(code).toBeUndefined()
    expect(outcome.notes).toContainEqual(expect.stringContaining('comment'))
    expect(await kept(application.role)).toBe(text)
    expect(await application.run()).toMatchObject({ code: undefined, done: [] })
  },
)

test('a comment made by hand stands where a run goes no further than to say that it makes the database', async () => {
  const application = bench.application({ existing: 'adopt', timeoutMs: 8_000 })
  await handMade(application)
  await comment(application.role, 'Kim\'s "shop"')
  // While somebody is in template1, nobody makes a database of it.
  const run = await bench.inDatabase('template1', () => application.run())
  expect(run).toMatchObject({ done: ['role noted'] })
  expect(await kept(application.role)).toBe('Kim\'s "shop"')
  expect(await application.run({ timeoutMs: 20_000 })).toMatchObject({ code: undefined })
  expect(await kept(application.role)).toBe('Kim\'s "shop"')
})

test('what a marker keeps stays when the application goes on with another database', async () => {
  const application = bench.application({ existing: 'adopt' })
  await handMade(application)
  await comment(application.role, 'made for the shop')
  await application.run()
  const appDatabase = bench.name('next')
  application.putSecret({ PGDATABASE: appDatabase }, 'on top')
  expect(await application.run({ appDatabase })).toMatchObject({ code: undefined })
  expect(await kept(application.role)).toBe('made for the shop')
})

async function comment(role: string, text: string): Promise<void> {
  await bench.sql(`COMMENT ON ROLE ${identifier(role)} IS ${literal(text)}`)
}

/** The comment made by hand that the marker of a role keeps. */
async function kept(role: string): Promise<unknown> {
  const [row] = await bench.sql<{ comment: string }>(
    `select shobj_description(oid, 'pg_authid') as comment from pg_roles where rolname = $1`,
    [role],
  )
  return (JSON.parse(row?.comment ?? '{}') as Record<string, unknown>)['comment']
}

/** A deployment of the same names from a second namespace. */
function sameNames({ request }: Application, inputs: Partial<ProvisionRequest>): Application {
  return bench.application({ ...request, appNamespace: bench.otherNamespace, ...inputs })
}

/** Another application that wants the same database. */
function sameDatabase({ database }: Application, inputs: Partial<ProvisionRequest>): Application {
  return bench.application({ appDatabase: database, appUsername: bench.name('thief'), ...inputs })
}

/** A role as the admin may have made it by hand. */
async function handMade({ role }: Application): Promise<void> {
  await bench.sqlAs(bench.admin.user, [`CREATE ROLE ${identifier(role)} LOGIN PASSWORD 'made by hand'`])
}

/** Runs the commands of a hint as the superuser it asks for. */
async function runPrinted(hint: readonly string[] = []): Promise<void> {
  for (const line of hint.filter((each) => each.endsWith(';'))) await bench.sql(line)
}
