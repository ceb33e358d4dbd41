import { describe, expect, test } from '@jest/globals'
import { useBench } from '../support/bench.ts'
import { startBetween } from '../support/pooler.ts'

const bench = useBench()

/** A goodbye that takes the place of the answer to a statement, which was carried out all the same. */
function goodbye(severity: string): Buffer {
  const fields = [`S${severity}`, 'VFATAL', 'C53200', 'Mslut p\u00e5 minne', 'HSe loggen.', '', '']
  const body = Buffer.from(fields.join('\0'))
  const head = Buffer.alloc(5)
  head.write('E')
  head.writeUInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

describe('a session that the server ends leaves in doubt what it was asked for, in any language', () => {
  test.each([
    ['English', 'FATAL'],
    ['Swedish', 'FATALT'],
    ['Russian', '\u0412\u0410\u0416\u041d\u041e'],
    ['Chinese', '\u81f4\u547d\u9519\u8bef'],
    ['a word that is an error elsewhere', 'ERROR'],
  ])('%s', async (_, severity) => {
    const between = await startBetween(bench.postgres, (client, upstream) => {
      let asked = false
      client.once('close', () => upstream.destroy())
      client.on('data', (data) => {
        asked ||= data.includes('CREATE DATABASE')
        upstream.write(data)
      })
      upstream.on('data', (data) => {
        if (asked) client.end(goodbye(severity))
        else client.write(data)
      })
    })
    try {
      const accessSecret = bench.access({ target: between, sslMode: 'disable' })
      const application = bench.application({ accessSecret })
      const { outcome, code, done } = await application.run()
      expect({ code, done }).toEqual({ code: 'postgres-error', done: ['role created'] })
      expect(outcome.doubts).toContainEqual(
        expect.objectContaining({ object: 'database', action: 'created' }),
      )
      expect(outcome.failure?.hint.join('\n')).toContain('Se loggen.')
    } finally {
      between.stop()
    }
  })
})

describe('what the server says is shown, one line each', () => {
  test.each([
    ['a detail that may hold rows is left out', 'P0001', false],
    ['a detail of a duplicate is left out', '23505', false],
    ['a detail of a right that is missing is shown', '42501', true],
  ])('by a trigger that forbids tables: %s', async (_, code, shown) => {
    const application = await bench.established()
    const database = application.database
    await bench.sql(
      `CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
         RAISE EXCEPTION E'no tables\nhere' USING ERRCODE = '${code}', DETAIL = 'row of Kim', HINT = E'ask\nLena';
       END $$`,
      [],
      database,
    )
    await bench.sql(
      'CREATE EVENT TRIGGER refuse ON ddl_command_start EXECUTE FUNCTION public.refuse()',
      [],
      database,
    )
    application.removeSecret()
    const { code: end, outcome } = await application.run()
    expect(end).toBe('grant-ineffective')
    const hint = outcome.failure?.hint ?? []
    expect(hint[0]).toBe('The server said "no tables here".')
    expect(hint).toContain('Its hint: "ask Lena"')
    expect(hint.includes('Its detail: "row of Kim"')).toBe(shown)
  })
})

describe('a login that is refused is told for what it is', () => {
  test.each([
    ['may not log in', 'NOLOGIN', 'role-cannot-login', /LOGIN is off/],
    ['has a password that has expired', `LOGIN VALID UNTIL '2020-01-01'`, 'admin-login-refused', /expired/],
  ] as const)('an admin that %s', async (_, attribute, code, words) => {
    const user = bench.name('admin')
    const password = await bench.role(user, 'LOGIN CREATEDB CREATEROLE')
    await bench.sql(`ALTER ROLE ${user} ${attribute}`)
    const accessSecret = bench.access({ admin: { user, password } })
    const { outcome } = await bench.application({ accessSecret }).refused(code)
    const { message = '', hint = [] } = outcome.failure ?? {}
    expect([message, ...hint].join('\n')).toMatch(words)
    expect(hint.join('\n')).not.toContain('pg_hba')
  })
})
