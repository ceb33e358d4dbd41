import { describe, expect, test } from '@jest/globals'
import { Failure } from '../../../src/lib/failure.ts'
import type { Effect } from '../../../src/provision/effect.ts'
import { hasChanged, lastLine, standing } from '../../../src/run/outcome.ts'
import { inPlace, provisioned } from '../../support/outcomes.ts'

const change = (object: Effect['object'], action: Effect['action'], name = 'shop'): Effect => ({
  object,
  name,
  action,
})
const role = change('role', 'created')
const database = change('database', 'created')
const grants = change('grants', 'granted')
const secret = change('secret', 'created', 'shop/app-postgresql-secret')

describe('the last line', () => {
  test.each<[Effect[], string]>([
    [[role, database, grants, secret], 'Created role, database, grants and Secret for shop. 0.55 s'],
    [[secret], 'Created Secret for shop. 0.55 s'],
    [
      [role, database, grants, change('extension', 'created', 'citext'), secret],
      'Created role, database, grants, extension citext and Secret for shop. 0.55 s',
    ],
    [[grants], 'Put grants right for shop. 0.55 s'],
    [[change('role', 'password-set')], 'Set the password of the role for shop. 0.55 s'],
    [
      [change('role', 'password-set'), secret],
      'Set the password of the role and created Secret for shop. 0.55 s',
    ],
    [[change('role', 'marked')], 'Marked the role as ours for shop. 0.55 s'],
    [[change('database', 'owner-changed')], 'Changed the owner of the database for shop. 0.55 s'],
    [
      [change('setting', 'set', 'lock_timeout'), change('setting', 'set', 'statement_timeout')],
      'Set lock_timeout and statement_timeout for shop. 0.55 s',
    ],
    [[change('secret', 'repaired')], 'Put the Secret right for shop. 0.55 s'],
  ])('after %j', (changes, line) => {
    expect(lastLine({ ...provisioned, changes })).toBe(line)
  })

  test('with nothing to do', () => {
    expect(lastLine(inPlace)).toBe(
      'Nothing to do: role, database, grants and Secret are right, and the login works. 0.31 s',
    )
    expect(lastLine({ ...inPlace, loginUnchecked: true })).toBe(
      'Nothing to do: role, database, grants and Secret are right, but the login could not be checked. 0.31 s',
    )
  })

  test.each<[Effect[], string]>([
    [[role, database, grants, secret], 'role, database, grants and Secret would be created'],
    [[grants, secret], 'grants would be put right; Secret would be created'],
    [[change('role', 'password-set')], 'role would be given a password'],
  ])('of a dry run that would have done %j', (changes, text) => {
    expect(lastLine({ ...provisioned, dryRun: true, changes })).toBe(
      `Dry run for shop, nothing was changed: ${text}. 0.55 s`,
    )
  })
})

describe('what stands after a failure', () => {
  const failure = new Failure('tunnel-lost', 'The connection to PostgreSQL was lost.', [])

  test.each<[Effect[], RegExp]>([
    [[], /^Nothing was changed\.$/],
    [[role], /^Role was created\b.* The next run continues from here\.$/],
    [[role, database], /^Role and database were created\b/],
    [[role, database, grants], /^Role, database and grants were created\b/],
    [[grants], /^Grants were put right\b/],
    [[change('role', 'password-set')], /^Role was given a password\b/],
    [[change('role', 'password-set'), grants], /^Role was given a password; grants were put right\b/],
    [[change('database', 'owner-changed')], /^Database was given to another owner\b/],
  ])('%j', (changes, says) => {
    expect(standing({ ...provisioned, failure, changes })).toMatch(says)
  })

  test.each<[Effect[], Effect[], string]>([
    [[], [role], 'Whether role was created is not known: no answer came.'],
    [
      [role, database],
      [secret],
      'Role and database were created. Whether Secret was created is not known: no answer came.',
    ],
  ])('%j, and an answer to %j that did not come', (changes, doubts, says) => {
    const outcome = { ...provisioned, failure, changes, doubts }
    expect(standing(outcome)).toBe(`${says} The next run continues from here.`)
    expect(hasChanged(outcome)).toBe(true)
  })

  test('an answer that does not say whether it was done is no silence', () => {
    const answered = new Failure('api-server-error', 'It answered 500.', [])
    expect(standing({ ...provisioned, failure: answered, changes: [role], doubts: [secret] })).toBe(
      'Role was created. Whether Secret was created is not known: the answer does not say it. The next run continues from here.',
    )
  })

  test('a dry run changes nothing, whatever it would have done', () => {
    const outcome = { ...provisioned, failure, dryRun: true }
    expect(standing(outcome)).toBe('Nothing was changed.')
    expect(hasChanged(outcome)).toBe(false)
    expect(hasChanged(provisioned)).toBe(true)
    expect(hasChanged(inPlace)).toBe(false)
  })
})
