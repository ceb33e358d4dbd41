import { describe, expect, test } from '@jest/globals'
import { parseRequest, type RawInputs } from '../../src/input/parse.ts'
import { useBench } from '../support/bench.ts'

const bench = useBench()

const names: Record<string, string> = {
  'with a space': 'my shop',
  'with single quotes': `o'shop''s`,
  'with double quotes': 'the "shop"',
  'with a dollar quote': '$$shop$tag$',
  'with per cent signs': '100%s %I %',
  'with backslashes': 'back\\slash\\n\\\\',
  'with unicode': 'bütik-商店-🛒',
  'in upper case': 'SHOP',
  'in mixed case': 'ShOp',
  'like a workflow command': '::add-mask::shop',
  'like another workflow command': '##[error]shop',
  'like SQL': `x'; DROP TABLE t; --`,
  'like a pattern': 'sh_p%|*(a)',
  'like a keyword': 'select',
  'like an option': '--host=elsewhere',
  'like a connection string': 'dbname=postgres host=/tmp',
  'like a path': '../../etc/passwd',
  'like markdown': '`shop` | <b>',
  'of digits': '42',
  'of 63 bytes': 'n'.repeat(63),
  'of 63 bytes in 32 characters': `${'é'.repeat(31)}n`,
}

describe('names work for role and database, and the second run changes nothing', () => {
  test.each(Object.entries(names))('%s', async (_, name) => {
    const { appDatabase, appUsername } = inputs({ 'app-database': name })
    const application = bench.application({ appDatabase, appUsername })
    const { code, log, done } = await application.run()
    expect({ code, done }).toEqual({
      code: undefined,
      done: ['role created', 'database created', 'grants granted', 'secret created'],
    })
    expect(application.secret).toMatchObject({ PGUSER: name, PGDATABASE: name })
    expect(
      await bench.sql(
        'select rolname, datname from pg_roles, pg_database where rolname = $1 and datname = $1',
        [name],
      ),
    ).toEqual([{ rolname: name, datname: name }])
    expect(await application.login()).toBe('in')
    const again = await application.run()
    expect(again).toMatchObject({ code: undefined, done: [] })
    expect(`${log}\n${again.log}`).not.toMatch(/^\s*::|##\[/m)
  })

  test('two names that differ in their last byte only are two', async () => {
    const stem = 's'.repeat(62)
    const [one, other] = [
      await bench.established({ appDatabase: `${stem}1`, appUsername: `${stem}1` }),
      await bench.established({ appDatabase: `${stem}2`, appUsername: `${stem}2` }),
    ]
    expect(await one.login(other.database)).toBe('42501')
    expect(await one.run()).toMatchObject({ done: [] })
  })

  test('as names of roles that keep CONNECT, and of an owner', async () => {
    const pooler = `the "pooler" o'$1\\`
    const password = await bench.role(pooler)
    const application = bench.application({
      appDatabase: `o'data "base" $2\\`,
      connectRoles: [pooler],
      databaseOwner: 'app',
      extensions: ['uuid-ossp'],
    })
    expect(await application.run()).toMatchObject({ code: undefined })
    expect(await bench.login(pooler, password, application.database)).toBe('in')
    expect(await application.run()).toMatchObject({ code: undefined, done: [] })
    expect(await application.run({ databaseOwner: 'admin' })).toMatchObject({
      done: ['database owner-changed'],
    })
  })
})

describe('names that PostgreSQL would not take as they are are refused', () => {
  test.each([
    ['64 bytes', 'n'.repeat(64), '64 bytes'],
    ['64 bytes in 32 characters', 'é'.repeat(32), '64 bytes'],
    ['NUL', 'shop\0', 'NUL'],
    ['a line end', 'sh\nop', 'control character'],
    ['spaces around', ' shop ', 'begins or ends with a blank'],
    ['half a character', 'shop\ud83d', 'surrogate'],
    ...['postgres', 'template0', 'template1', 'pg_shop', 'public', 'none'].map((name) => [
      name,
      name,
      'reserved',
    ]),
  ])('%s', (_, name, says) => {
    for (const input of ['app-database', 'app-username'] as const) {
      expect(() => inputs({ 'app-database': 'shop', [input]: name })).toThrow(
        expect.objectContaining({
          code: 'input-invalid',
          message: expect.stringMatching(new RegExp(`"${input}".*${says}`)) as unknown,
        }),
      )
    }
  })

  test.each(['', ' ', '\n'])('an empty one: %j', (name) => {
    expect(() => inputs({ 'app-database': name })).toThrow(
      expect.objectContaining({
        code: 'input-invalid',
        message: expect.stringContaining('is required') as unknown,
      }),
    )
  })
})

function inputs(given: RawInputs): { appDatabase: string; appUsername: string } {
  return parseRequest(
    { 'access-secret': 'a', 'access-namespace': 'b', ...given },
    { kubeconfig: { absenceHint: [] }, runName: 'test' },
  )
}
