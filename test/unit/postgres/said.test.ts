import { describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { passingOf, postgresFailure } from '../../../src/postgres/failure.ts'

function error(code: string, more: Partial<pg.DatabaseError> = {}): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError('it does not work', 0, 'error'), { code, ...more })
}

describe('a SQLSTATE', () => {
  test.each([
    ['28000', 'password-unreadable', undefined, 'credcheck.encrypted_password_allowed'],
    ['25006', 'target-is-standby', 'switch', 'switch of the primary'],
    ['57P01', 'server-not-ready', 'switch', 'restart'],
    ['57P05', 'server-not-ready', 'switch', 'idle_session_timeout'],
    ['55006', 'postgres-error', 'blocked', ''],
    ['40P01', 'postgres-error', 'race', ''],
    ['58P01', 'postgres-error', undefined, ''],
    ['08P01', 'pooler-in-between', undefined, ''],
    // What a hostile server may call it: a name that every object has.
    ['constructor', 'postgres-error', undefined, ''],
    ['__proto__', 'postgres-error', undefined, ''],
  ])('%s is %s, and is waited for as a %s', (code, end, kind, words) => {
    const failure = postgresFailure(error(code))
    expect(failure.code).toBe(end)
    expect(failure.message).toContain(code)
    expect(failure.hint.join('\n')).toContain('said "it does not work"')
    expect(failure.hint.join('\n')).toContain(words)
    expect(passingOf(error(code))?.kind).toBe(kind)
  })
})

test('the statement, and the detail of a row, are never shown', () => {
  const said = { detail: 'Key (name)=(Kim)', hint: 'Try\nagain.', internalQuery: 'SELECT 1', where: 'SQL' }
  const { message, hint } = postgresFailure(error('23505', said))
  expect([message, ...hint]).toEqual([
    'PostgreSQL refused a statement (23505).',
    'The server said "it does not work".',
    'Its hint: "Try again."',
  ])
})
