import { describe, expect, test } from '@jest/globals'
import type { Membership, ServerState } from '../../../src/postgres/state.ts'
import {
  actAsApplication,
  actAsDatabaseOwner,
  actAsOwner,
  around,
  inherit,
  type Around,
} from '../../../src/provision/borrow.ts'
import { database, membership, server, wanted as plain } from '../../support/provision.ts'

const wanted = { ...plain, username: 'it"s' }
const ofApplication = { ...database, owner: 'it"s', adminOwns: false }
const ofRole = { ...database, owner: 'd"ba', adminOwns: false }

const on = (
  versionNumber: number,
  given: Partial<Membership>,
  rest: Partial<ServerState> = {},
): ServerState => ({
  ...server,
  ...rest,
  versionNumber,
  membership: { ...membership, ...given },
})

/** Returns the statements in their order, with three dots for those of the admin in the middle. */
const told = (given: Around | undefined): readonly string[] | undefined => given && around(given, ['…'])

const asApplication = ['SET LOCAL ROLE "it""s"', '…', 'RESET ROLE']

describe('what the admin runs around its statements, so that it may', () => {
  test.each<[string, ServerState, readonly string[] | undefined]>([
    ['is able to already', on(160_000, { settable: true }), asApplication],
    [
      'becomes a member',
      on(160_000, {}),
      ['GRANT "it""s" TO CURRENT_USER WITH SET TRUE', ...asApplication, 'REVOKE "it""s" FROM CURRENT_USER'],
    ],
    [
      'is a member by its own grant',
      on(160_000, { own: true }),
      [
        'GRANT "it""s" TO CURRENT_USER WITH SET TRUE',
        ...asApplication,
        'REVOKE SET OPTION FOR "it""s" FROM CURRENT_USER',
      ],
    ],
    [
      'becomes a member, before PostgreSQL 16',
      on(159_999, { own: true }),
      ['GRANT "it""s" TO CURRENT_USER', ...asApplication, 'REVOKE "it""s" FROM CURRENT_USER'],
    ],
    ['cannot become one', on(160_000, { grantable: false }), undefined],
  ])('act as the application: %s', (_, given, statements) => {
    expect(told(actAsApplication(given, wanted))).toEqual(statements)
  })

  test.each<[string, ServerState, readonly string[] | undefined]>([
    ['does already', on(160_000, { inherits: true, grantable: false }), ['…']],
    [
      'becomes a member',
      on(160_000, {}),
      ['GRANT "it""s" TO CURRENT_USER WITH INHERIT TRUE', '…', 'REVOKE "it""s" FROM CURRENT_USER'],
    ],
    [
      'is a member by its own grant',
      on(160_000, { own: true }),
      [
        'GRANT "it""s" TO CURRENT_USER WITH INHERIT TRUE',
        '…',
        'REVOKE INHERIT OPTION FOR "it""s" FROM CURRENT_USER',
      ],
    ],
    ['cannot become one', on(160_000, { grantable: false }), undefined],
    ['is NOINHERIT, before PostgreSQL 16', on(150_000, { inheritable: false }), undefined],
  ])('have what the application has: %s', (_, given, statements) => {
    expect(told(inherit(given, wanted))).toEqual(statements)
  })

  const none = { settable: false, grantable: false }
  test.each<[string, ServerState, readonly string[] | undefined]>([
    ['the database is yet to be made', on(160_000, none, { database: undefined }), ['…']],
    ['the admin owns it', on(160_000, none, { database: { ...database, adminOwns: false } }), ['…']],
    [
      'the admin has what the owner has',
      on(160_000, none, { database: { ...ofRole, adminOwns: true } }),
      ['…'],
    ],
    ['the application does', on(160_000, { settable: true }, { database: ofApplication }), asApplication],
    [
      'the application does, and the admin inherits',
      on(160_000, { settable: true, inherits: true }, { database: ofApplication }),
      ['…'],
    ],
    [
      'another role does, as which it may act',
      on(160_000, none, { database: { ...ofRole, adminActsAsOwner: true } }),
      ['SET LOCAL ROLE "d""ba"', '…', 'RESET ROLE'],
    ],
    ['another role does', on(160_000, {}, { database: { ...ofRole, adminActsAsOwner: false } }), undefined],
  ])('do what the owner can: %s', (_, given, statements) => {
    expect(told(actAsOwner(given, wanted))).toEqual(statements)
  })

  const borrowed = { ...ofRole, adminActsAsOwner: true }
  const asOwner = 'SET LOCAL ROLE "d""ba"'
  test.each<[string, ServerState, readonly string[] | undefined]>([
    ['from PostgreSQL 16 on', on(160_000, {}, { database: borrowed }), [asOwner, '…', 'RESET ROLE']],
    [
      'before',
      on(159_999, {}, { database: borrowed }),
      [asOwner, 'SET LOCAL ROLE "pg_database_owner"', '…', 'RESET ROLE', 'RESET ROLE'],
    ],
    [
      'before, where it cannot',
      on(159_999, {}, { database: { ...borrowed, adminActsAsOwner: false } }),
      undefined,
    ],
  ])('give away what goes with the ownership: %s', (_, given, statements) => {
    expect(told(actAsDatabaseOwner(given, wanted))).toEqual(statements)
  })

  test('is nothing where there are no statements', () => {
    expect(around({ before: ['BEFORE'], after: ['AFTER'] }, [])).toEqual([])
  })
})
