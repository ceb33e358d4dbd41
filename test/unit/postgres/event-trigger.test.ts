import { expect, test } from '@jest/globals'
import { isCalledIn } from '../../../src/postgres/event-trigger.ts'

test.each([
  ['English', 'PL/pgSQL function audit.note_ddl() line 3 at INSERT'],
  ['Swedish', 'PL/pgSQL-funktion audit.note_ddl() rad 3 vid INSERT'],
  ['German', 'PL/pgSQL-Funktion audit.note_ddl() Zeile 3 bei INSERT'],
  ['Japanese', 'PL/pgSQL関数audit.note_ddl()の3行目 INSERT'],
  [
    'below another one',
    'PL/pgSQL function helper() line 1 at RAISE\nPL/pgSQL function audit.note_ddl() line 3 at PERFORM',
  ],
])('a function is recognised in the CONTEXT of a server that speaks %s', (_, context) => {
  expect(isCalledIn(context, 'audit.note_ddl')).toBe(true)
})

test.each([
  ['another function', 'PL/pgSQL function other() line 3 at INSERT'],
  ['a name that ends like it', 'PL/pgSQL function not_audit.note_ddl() line 3 at INSERT'],
  ['one of the same name in another schema', 'PL/pgSQL function x.audit.note_ddl() line 3 at INSERT'],
  ['its name alone', 'SQL statement "SELECT audit.note_ddl"'],
])('%s is not taken for it', (_, context) => {
  expect(isCalledIn(context, 'audit.note_ddl')).toBe(false)
})
