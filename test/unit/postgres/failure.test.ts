import { describe, expect, test } from '@jest/globals'
import { Failure, failureCodes } from '../../../src/lib/failure.ts'
import { switchOf, type Passing } from '../../../src/lib/passing.ts'
import {
  isPassing,
  passingOf,
  postgresFailure,
  StartAgain,
  unlessMade,
} from '../../../src/postgres/failure.ts'
import { endsSession, isFromServer } from '../../../src/postgres/severity.ts'
import { detailed } from '../../../src/postgres/sqlstate.ts'
import { errorOf } from '../../support/said.ts'

const said = 'The server said "as it says".'
const afresh = 'A frequent cause is a restart or a switch of the primary. The next run starts afresh.'
const idle = 'It was idle for longer than idle_session_timeout allows. The next run starts afresh.'
const changing = 'Another process keeps changing the same role, database or Secret.'
const wait = 'Wait until that session ends, or end it.'
const credcheck = [
  'A frequent cause is the extension credcheck, which wants to read passwords. The server never sees one here.',
  'The administrator can let verifiers in:',
  '  ALTER SYSTEM SET credcheck.encrypted_password_allowed = on;',
  '  SELECT pg_reload_conf();',
]
const readOnly = 'A frequent cause is a switch of the primary. The next run goes to the new one.'
const pooler = [
  'It said "as it says".',
  'Locks, settings and proofs belong to one session, which a pooler does not keep.',
  'Ask the administrator for a Service that leads to the primary, and name it: input "access-service", or USER_ACCESS of the access Secret. With via: direct, it is PGHOST that has to lead there.',
]

/** A SQLSTATE in the answer to a statement, the failure that it is, and what a run waits for, where it waits. */
type Row = readonly [sqlstate: string, failure: readonly string[], waits?: Passing]

const blocked = (what: string): Passing => ({ kind: 'blocked', code: 'timeout', what, hint: [wait] })
const race = (code: string): Passing => ({
  kind: 'race',
  code: 'timeout',
  what: `another session changed the same at the same time (${code})`,
  hint: [changing],
})
const ended = (code: string, hint = afresh): Row => [
  code,
  ['server-not-ready', `PostgreSQL ended the session (${code}).`, said, hint],
  {
    kind: 'switch',
    code: 'server-not-ready',
    what: `PostgreSQL ended the session (${code})`,
    hint: [hint],
  },
]
const refused = (code: string): readonly string[] => [
  'postgres-error',
  `PostgreSQL refused a statement (${code}).`,
  said,
]

const rows: readonly Row[] = [
  [
    '25006',
    ['target-is-standby', 'PostgreSQL became read-only during the run (25006).', said, readOnly],
    {
      kind: 'switch',
      code: 'target-is-standby',
      what: 'PostgreSQL became read-only during the run (25006)',
      hint: [readOnly],
    },
  ],
  [
    '22P05',
    [
      'postgres-error',
      'PostgreSQL cannot convert a character between UTF8 and the encoding of the database (22P05).',
      said,
      'A frequent cause is an application with a name that this encoding does not have.',
      'Choose names of ASCII characters alone.',
    ],
  ],
  [
    '28000',
    ['password-unreadable', 'PostgreSQL refused the verifier of a password (28000).', said, ...credcheck],
  ],
  ['40001', refused('40001'), race('40001')],
  ['40P01', refused('40P01'), race('40P01')],
  ['55006', refused('55006'), blocked('another session uses what this run needs for itself (55006)')],
  ['55P03', refused('55P03'), blocked('another session holds a lock that this run needs (55P03)')],
  ended('57P01'),
  ended('57P02'),
  ended('57P05', idle),
  ['08P01', ['pooler-in-between', 'A connection pooler refused a statement (08P01).', ...pooler]],
  ['53100', refused('53100')],
  ['XX000', refused('XX000')],
]

describe('what the answer to a statement means', () => {
  test.each(rows.map(([sqlstate, words, waits]) => [sqlstate, words, waits] as const))(
    '%s',
    (sqlstate, words, waits) => {
      const error = errorOf(sqlstate, 'as it says')
      const failure = postgresFailure(error)
      expect([failure.code, failure.message, ...failure.hint]).toEqual(words)
      expect(failure.cause).toBe(error)
      expect(passingOf(error)).toEqual(waits)
      expect(isPassing(error)).toBe(waits !== undefined)
    },
  )

  test('two sessions at the same row of a catalogue', () => {
    const met = 'tuple concurrently updated'
    expect(passingOf(errorOf('XX000', met))).toEqual(race('XX000'))
    expect(passingOf(errorOf('P0001', met))).toBeUndefined()
  })

  test('no SQLSTATE', () => {
    const error = errorOf(undefined, 'as it says')
    expect(postgresFailure(error).message).toBe('PostgreSQL refused a statement (no SQLSTATE).')
    expect(passingOf(error)).toBeUndefined()
  })

  test('an error of another kind stays what it is', () => {
    const failure = new Failure('lock-held', 'It is held.', [])
    expect(postgresFailure(failure)).toBe(failure)
    expect(postgresFailure(new TypeError('x is undefined')).code).toBe('internal-error')
    expect(passingOf(new TypeError('x is undefined'))).toBeUndefined()
  })

  test('the DETAIL of those alone that hold nothing from rows', () => {
    expect(detailed).toEqual(['0A000', '2BP01', '42501', '53300', '55000', '55006', '58P01', 'XX000'])
  })
})

describe('what a run waits for', () => {
  const failed = (code: Failure['code']): Failure => new Failure(code, 'It is. So.', ['A hint.'])

  test('is what a switch of the primary looks like, and no other failure', () => {
    expect(failureCodes.filter((code) => switchOf(failed(code)) !== undefined).toSorted()).toEqual([
      'database-unreachable',
      'node-unreachable',
      'pod-not-ready',
      'port-closed',
      'server-not-ready',
      'target-is-standby',
      'tunnel-lost',
    ])
    expect(passingOf(failed('port-closed'))).toEqual({
      kind: 'switch',
      code: 'port-closed',
      what: 'It is. So',
      hint: ['A hint.'],
    })
    expect(switchOf(new Error('pod-not-ready'))).toBeUndefined()
    expect(passingOf(failed('lock-held'))).toBeUndefined()
  })

  test('is a connection that is free', () => {
    expect(passingOf(failed('connection-limit'))).toEqual({
      kind: 'shortage',
      code: 'connection-limit',
      what: 'It is. So',
      hint: ['A hint.'],
    })
  })

  test('is another look, where somebody else was faster', () => {
    expect(passingOf(new StartAgain('the role was made'))).toEqual({
      kind: 'race',
      code: 'timeout',
      what: 'the role was made',
      hint: [changing],
    })
  })
})

describe('what somebody else makes at the same moment', () => {
  test.each([
    ['role', '42710', undefined],
    ['database', '42P04', undefined],
    ['role', '23505', 'pg_authid_rolname_index'],
    ['database', '23505', 'pg_database_datname_index'],
    ['extension', '23505', 'pg_extension_name_index'],
  ] as const)('%s: %s %s is looked at again', async (what, code, constraint) => {
    const error = errorOf(code, 'exists', constraint && { constraint })
    const caught: unknown = await unlessMade(what, Promise.reject(error)).catch((thrown: unknown) => thrown)
    expect(caught).toBeInstanceOf(StartAgain)
    expect(caught).toMatchObject({
      message: `the ${what} was made by another session in the meantime`,
      cause: error,
    })
  })

  test.each([
    ['role', errorOf('42P04', 'exists')],
    ['extension', errorOf('42710', 'exists')],
    ['extension', errorOf(undefined, 'odd', { constraint: 'pg_extension_name_index' })],
    ['role', errorOf('23505', 'a row', { constraint: 'orders_pkey' })],
    ['role', errorOf('23505', 'a row')],
    ['role', Object.assign(new Error('not of a server'), { code: '42710' })],
  ] as const)('%s: %s is thrown as it is', async (what, error) => {
    await expect(unlessMade(what, Promise.reject(error))).rejects.toBe(error)
  })

  test('is made where nobody does', async () => {
    expect(await unlessMade('role', Promise.resolve('made'))).toBe('made')
  })
})

test.each([
  ['FATAL', true],
  ['PANIC', true],
  ['ERROR', false],
  [undefined, false],
])('a server that says %s ends the session: %s', (severity, ends) => {
  const error = Object.assign(new Error('as it says'), { severity })
  expect([isFromServer(error), endsSession(error)]).toEqual([true, ends])
})

test.each([new Error('FATAL'), { severity: 'FATAL' }, undefined])('%p is no word of a server', (error) => {
  expect([isFromServer(error), endsSession(error)]).toEqual([false, false])
})
