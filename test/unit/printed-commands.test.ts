import { expect, test } from '@jest/globals'
import pg from 'pg'
import { refusalFailure } from '../../src/postgres/refusal.ts'

const peer = { host: 'db', sslMode: 'require', ca: undefined } as const

test.each([
  ['a" TO evil; ALTER ROLE evil SUPERUSER; --', '"a"" TO evil; ALTER ROLE evil SUPERUSER; --"'],
  ['"', '""""'],
  ['shop', '"shop"'],
  ['Größe $x', '"Größe $x"'],
])('the command for the owner of a database quotes the name %j as SQL does', (name, quoted) => {
  const refusal = new pg.DatabaseError('permission denied', 1, 'error')
  refusal.code = '42501'
  const asDatabase = refusalFailure(
    { refusal, exchange: undefined },
    { user: 'kim', password: '', database: name, ...peer },
  )
  expect(asDatabase.hint).toContain(`  GRANT CONNECT ON DATABASE ${quoted} TO "kim";`)
  const asUser = refusalFailure(
    { refusal, exchange: undefined },
    { user: name, password: '', database: 'shop', ...peer },
  )
  expect(asUser.hint).toContain(`  GRANT CONNECT ON DATABASE "shop" TO ${quoted};`)
})
