import { describe, expect, test } from '@jest/globals'
import { Failure, type FailureCode } from '../../../src/lib/failure.ts'
import type { InsideState, SchemaGrantors } from '../../../src/postgres/inside.ts'
import type { DatabaseState, RoleState, ServerState } from '../../../src/postgres/state.ts'
import type { Change } from '../../../src/provision/change.ts'
import type { Observed } from '../../../src/provision/observed.ts'
import { decideGrants, plan, type Plan } from '../../../src/provision/plan.ts'
import type { Wanted } from '../../../src/provision/wanted.ts'
import {
  adopting,
  allNames,
  database,
  foreign,
  found,
  inside,
  mark,
  markOfAnother,
  membership,
  newDatabase,
  noNames,
  note,
  role,
  server,
  strange,
  thrown,
  wanted,
} from '../../support/provision.ts'

/** Returns the plan. Throws what forbids it. */
function decide(given: Observed, want: Wanted): Plan {
  const planned = plan(given, want)
  if (planned instanceof Failure) throw planned
  return planned
}

function one<Kind extends Change['kind']>(
  { changes }: Plan,
  ...kinds: readonly Kind[]
): Extract<Change, { kind: Kind }> | undefined {
  return changes.find((change): change is Extract<Change, { kind: Kind }> =>
    (kinds as readonly string[]).includes(change.kind),
  )
}

/** Says in a few words what is decided: `set-password drift`, `role-claimed`. */
function decided(given: Observed, want: Wanted): string {
  try {
    return inWords(decide(given, want))
  } catch (error) {
    if (error instanceof Failure) return error.code
    throw error
  }
}

function inWords(planned: Plan): string {
  const password = one(planned, 'set-password')
  const connect = one(planned, 'grant-connect')
  const owner = one(planned, 'set-owner')
  return [
    one(planned, 'create-role') ? 'create' : password ? 'set-password' : 'keep',
    password?.reason,
    one(planned, 'note-database') && 'note',
    one(planned, 'create-role', 'set-password', 'mark-role')?.comment && 'mark',
    one(planned, 'create-database') && 'create-database',
    !planned.ours && 'not-ours',
    one(planned, 'grant-database') && 'grant',
    one(planned, 'revoke-public') && 'revoke-public',
    connect && `connect ${connect.roles.join(',')}`,
    owner && `owner ${owner.to}`,
  ]
    .filter((word) => typeof word === 'string')
    .join(' ')
}

const noSecret = { evidence: 'absent', secretHasPassword: false, secretNames: noNames } as const

describe('the rows of the convergence table', () => {
  test.each<[string, Observed, string]>([
    [
      'no role, no Secret',
      found({ ...noSecret, server: { role: undefined, database: undefined } }),
      'create mark create-database grant revoke-public',
    ],
    ['role that is ours, no Secret', found(noSecret), 'set-password secret-gone'],
    ['role that is not ours', found({ evidence: 'wrong', server: { role: strange } }), 'role-not-ours'],
    ['Secret, no role', found({ evidence: 'wrong', server: { role: undefined } }), 'create mark not-ours'],
    [
      'Secret, no database',
      found({ server: { database: undefined } }),
      'keep create-database grant revoke-public',
    ],
    ['Secret and role, login works', found(), 'keep'],
    ['Secret and role, wrong password', found({ evidence: 'wrong' }), 'set-password drift'],
    [
      'a crash between role and database',
      found({ ...noSecret, server: { database: undefined } }),
      'set-password secret-gone create-database grant revoke-public',
    ],
    [
      'a crash between database and REVOKE',
      found({
        ...noSecret,
        server: {
          database: { ...database, granted: false, publicConnects: true, publicTemporary: true },
        },
      }),
      'set-password secret-gone grant revoke-public',
    ],
  ])('%s', (_, given, words) => {
    expect(decided(given, wanted)).toBe(words)
  })

  test('a plan with nothing to do is empty, and only that', () => {
    const empty = (given: Observed, want = wanted): boolean => decide(given, want).changes.length === 0
    expect(empty(found())).toBe(true)
    expect(empty(found({ inside: { ...inside, schemaGranted: false } }))).toBe(false)
    expect(empty(found(), { ...wanted, extensions: ['citext'] })).toBe(false)
    expect(empty(found({ secret: { kind: 'repair', keys: ['PGPORT'] } }))).toBe(false)
    for (const given of [
      found({ evidence: 'wrong' }),
      found({ server: { database: undefined } }),
      found({ server: { role: undefined } }),
      found({
        server: { role: { ...role, marker: { ...mark, createdDatabase: false } }, database: undefined },
      }),
      found({ server: { role: { ...role, note } } }),
      found({ server: { database: { ...database, publicConnects: true } } }),
      found({ server: { database: { ...database, withoutConnect: ['backup'] } } }),
      found({ server: { database: { ...database, owner: 'shop' } } }),
    ]) {
      expect(empty(given)).toBe(false)
    }
  })
})

describe('who may set the password of a role', () => {
  const someoneElses = { secretNames: noNames, evidence: 'wrong' } as const
  const byHand = { ...foreign, granted: true }

  test.each<[string, Observed, Wanted, string]>([
    ['the marker names this Secret', found({ evidence: 'wrong' }), wanted, 'set-password drift'],
    [
      '(a) the password of the Secret logs in: only the marker is written',
      found({ server: { role: strange, database: byHand } }),
      wanted,
      'keep mark not-ours',
    ],
    [
      '(b) the literal of the old page logs in, and the Secret names everything',
      found({ evidence: 'wrong', literalLogsIn: true, server: { role: strange, database: byHand } }),
      wanted,
      'set-password literal mark not-ours',
    ],
    [
      '(c) somebody adopts it',
      found({ ...someoneElses, server: { role: strange, database: byHand } }),
      adopting,
      'set-password adopted mark not-ours',
    ],
    [
      '(c) without a Secret too',
      found({ ...noSecret, server: { role: strange, database: byHand } }),
      adopting,
      'set-password adopted mark not-ours',
    ],
    ['none of these', found({ ...someoneElses, server: { role: strange } }), wanted, 'role-not-ours'],
    [
      'none of these, and no Secret',
      found({ ...noSecret, server: { role: strange } }),
      wanted,
      'role-not-ours',
    ],
    [
      'a login that was let in without a password proves nothing',
      found({ evidence: 'unproven', server: { role: strange } }),
      wanted,
      'role-not-ours',
    ],
  ])('%s', (_, given, want, words) => {
    expect(decided(given, want)).toBe(words)
  })

  describe('a marker that names another Secret, or that cannot be read, always refuses', () => {
    const claimed = [
      { ...role, marker: markOfAnother },
      { ...strange, unreadable: true },
    ]
    test.each(['proven', 'unproven', 'wrong', 'absent'] as const)('evidence %s', (evidence) => {
      for (const existing of ['refuse', 'adopt'] as const) {
        for (const literalLogsIn of [true, false]) {
          for (const role of claimed) {
            const given = found({ evidence, literalLogsIn, server: { role } })
            expect(decided(given, { ...wanted, existing })).toBe('role-claimed')
          }
        }
      }
    })

    test('the same name of a Secret in another namespace is another Secret', () => {
      const elsewhere = { ...wanted, secret: 'staging/app-postgresql-secret' }
      expect(decided(found(), elsewhere)).toBe('role-claimed')
      expect(decided(found(), { ...elsewhere, existing: 'adopt' })).toBe('role-claimed')
    })
  })

  describe('never of one that is more than an application role', () => {
    const dangers = ['SUPERUSER', 'CREATEROLE', 'member of pg_monitor', 'the admin itself']
    test.each(dangers)('%s', (danger) => {
      const ours = { ...role, dangers: [danger] }
      const theirs = { ...strange, dangers: [danger] }
      for (const existing of ['refuse', 'adopt'] as const) {
        const want = { ...wanted, existing }
        expect(decided(found({ evidence: 'wrong', server: { role: ours } }), want)).toBe('role-privileged')
        expect(decided(found({ ...noSecret, server: { role: ours } }), want)).toBe('role-privileged')
        expect(
          decided(found({ literalLogsIn: true, evidence: 'wrong', server: { role: theirs } }), want),
        ).toBe('role-privileged')
      }
      expect(decided(found({ evidence: 'wrong', server: { role: theirs } }), adopting)).toBe(
        'role-privileged',
      )
      expect(decided(found({ evidence: 'unproven', server: { role: theirs } }), adopting)).toBe(
        'role-privileged',
      )
    })

    test('has members: none of its own, yet an adopted one would give them what it gets', () => {
      const members = ['kim']
      expect(decided(found({ evidence: 'wrong', server: { role: { ...role, members } } }), wanted)).toBe(
        'set-password drift',
      )
      const theirs = { ...strange, members }
      expect(decided(found({ evidence: 'wrong', server: { role: theirs } }), adopting)).toBe(
        'role-privileged',
      )
    })

    test('a login that works is not stopped by it, is told, and leaves no marker on such a role', () => {
      const plan = decide(found({ server: { role: { ...role, dangers: ['CREATEDB'] } } }), wanted)
      expect(inWords(plan)).toBe('keep')
      expect(plan.notes).toEqual([expect.stringContaining('more than an application role: CREATEDB')])
      const unmarked = { ...strange, dangers: ['CREATEDB'] }
      expect(decided(found({ server: { role: unmarked } }), adopting)).toBe('keep not-ours')
    })
  })

  describe('where the admin has no ADMIN OPTION (from PostgreSQL 16 on)', () => {
    const beyond = { alterable: false }
    test.each<[string, Observed, Wanted, string]>([
      ['nothing to do', found({ server: { role: { ...role, ...beyond } } }), wanted, 'keep'],
      [
        'a login that works, without a marker',
        found({ server: { role: { ...strange, ...beyond }, database: foreign } }),
        wanted,
        'keep not-ours',
      ],
      [
        'a wrong password',
        found({ evidence: 'wrong', server: { role: { ...role, ...beyond } } }),
        wanted,
        'admin-option-missing',
      ],
      [
        'adopting',
        found({ evidence: 'wrong', server: { role: { ...strange, ...beyond } } }),
        adopting,
        'admin-option-missing',
      ],
      [
        'a database to create, which has to be marked first',
        found({ server: { role: { ...strange, ...beyond }, database: undefined } }),
        wanted,
        'admin-option-missing',
      ],
    ])('%s', (_, given, want, words) => {
      expect(decided(given, want)).toBe(words)
    })

    test('says that the marker could not be written', () => {
      const given = found({ server: { role: { ...strange, ...beyond }, database: foreign } })
      expect(decide(given, wanted).notes).toContainEqual(
        'role shop cannot be marked as belonging to shop/app-postgresql-secret: the admin has no ADMIN OPTION on it',
      )
    })
  })

  test.each<[string, Partial<RoleState>]>([
    ['NOLOGIN', { canLogin: false }],
    ['an expired password', { expired: true }],
  ])('%s is never answered with a new password', (_, state) => {
    for (const evidence of ['proven', 'wrong', 'absent'] as const) {
      for (const existing of ['refuse', 'adopt'] as const) {
        const given = found({ evidence, server: { role: { ...role, ...state } } })
        expect(decided(given, { ...wanted, existing })).toBe('role-cannot-login')
      }
    }
  })

  test.each<FailureCode>(['connection-limit', 'connect-denied', 'server-not-ready', 'database-closed'])(
    'a login that was refused for another reason (%s) is that error',
    (code) => {
      const evidence = new Failure(code, 'as the server says', [])
      for (const state of [role, undefined]) {
        expect(decided(found({ evidence, server: { role: state } }), adopting)).toBe(code)
      }
    },
  )

  test('an unproven login of ours keeps the password that the Secret has, and gets one where it has none', () => {
    expect(decided(found({ evidence: 'unproven' }), wanted)).toBe('keep')
    expect(decided(found({ evidence: 'unproven', secretHasPassword: false }), wanted)).toBe(
      'set-password secret-gone',
    )
  })

  test('says how many sessions are open, and what adopting would do', () => {
    const hint = (sessions: number, given: Partial<Observed>): string => {
      const failure = thrown(() =>
        decide(found({ evidence: 'wrong', ...given, server: { role: { ...strange, sessions } } }), wanted),
      )
      return failure.hint.join('\n')
    }
    expect(hint(0, {})).toContain('no sessions are open as "shop" now')
    expect(hint(1, {})).toContain('1 session is open as "shop" now')
    expect(hint(3, {})).toContain('3 sessions are open as "shop" now')
    expect(hint(3, {})).toContain("set existing: adopt. It gets the Secret's password")
    expect(hint(3, noSecret)).toContain('set existing: adopt. It gets a new password')
  })
})

describe('whose database it is', () => {
  test.each<[string, Observed, Wanted, string]>([
    ['ours, owned by the admin', found(), wanted, 'keep'],
    [
      'ours, owned by the application',
      found({ server: { database: { ...database, owner: 'shop' } } }),
      { ...wanted, databaseOwner: 'app' },
      'keep',
    ],
    [
      'to be made by us, and made by somebody else since',
      found({ server: { database: { ...foreign, granted: false } } }),
      wanted,
      'database-foreign-owner',
    ],
    [
      'made by somebody, and nothing names it',
      found({ ...noSecret, server: { role: undefined, database: foreign } }),
      wanted,
      'database-not-ours',
    ],
    [
      'made by somebody, and the Secret names it with a password that logs in',
      found({ server: { role: strange, database: foreign } }),
      wanted,
      'keep mark not-ours',
    ],
    [
      'made by somebody, and the Secret does not name it',
      found({ secretNames: noNames, server: { role: strange, database: foreign } }),
      wanted,
      'database-not-ours',
    ],
    [
      'adopted: nothing is taken from PUBLIC, and the owner stays',
      found({ server: { role: strange, database: foreign } }),
      adopting,
      'keep mark not-ours',
    ],
    [
      'adopted before',
      found({
        server: { role: { ...role, marker: { ...mark, createdDatabase: false } }, database: foreign },
      }),
      wanted,
      'keep not-ours',
    ],
    [
      'adopted before, and owned by the admin',
      found({ server: { role: { ...role, marker: { ...mark, createdDatabase: false } } } }),
      wanted,
      'keep not-ours',
    ],
    [
      'ours, given to somebody else since, and granted',
      found({ server: { database: { ...foreign, granted: true } } }),
      wanted,
      'keep not-ours',
    ],
    [
      'ours, given to somebody else since, not granted and adopted',
      found({ server: { database: { ...foreign, granted: false } } }),
      adopting,
      'keep not-ours',
    ],
    [
      'owned by somebody else and closed, the Secret names it, and the role is gone',
      found({
        evidence: 'wrong',
        server: { role: undefined, database: { ...foreign, publicConnects: false } },
      }),
      wanted,
      'database-not-ours',
    ],
    [
      'noted by a run that made another one',
      found({
        server: {
          role: { ...strange, note: { ...note, database: 'other' } },
          database: { ...database, granted: false },
        },
      }),
      wanted,
      'database-not-ours',
    ],
    [
      'closed',
      found({ server: { database: { ...database, acceptsConnections: false } } }),
      adopting,
      'database-closed',
    ],
    [
      'made by somebody, owned by the application',
      found({ server: { role: strange, database: { ...foreign, owner: 'shop', granted: false } } }),
      wanted,
      'keep mark not-ours',
    ],
    [
      'made by somebody, and nothing but a login and the Secret names it',
      found({ server: { role: strange, database: { ...foreign, granted: false } } }),
      wanted,
      'database-not-ours',
    ],
    [
      'made by somebody, and nothing but the literal of the old page and the Secret names it',
      found({
        evidence: 'wrong',
        literalLogsIn: true,
        server: { role: strange, database: { ...database, granted: false } },
      }),
      wanted,
      'database-not-ours',
    ],
    [
      'owned by the admin and open to all, the Secret names it, and the role is gone',
      found({
        evidence: 'wrong',
        server: { role: undefined, database: { ...database, publicConnects: true } },
      }),
      wanted,
      'database-not-ours',
    ],
    [
      'noted by a run that made it and went no further',
      found({ server: { role: { ...strange, note }, database: { ...database, granted: false } } }),
      wanted,
      'keep mark grant',
    ],
    [
      'noted, and somebody else has made it',
      found({ server: { role: { ...strange, note }, database: { ...foreign, granted: false } } }),
      wanted,
      'database-not-ours',
    ],
    [
      'noted by a run of another Secret',
      found({
        server: {
          role: { ...strange, note: { ...note, secret: 'other/secret' } },
          database: { ...database, granted: false },
        },
      }),
      wanted,
      'database-not-ours',
    ],
  ])('%s', (_, given, want, words) => {
    expect(decided(given, want)).toBe(words)
  })

  test('says who owns it', () => {
    const server = { role: undefined, database: foreign }
    const given = found({ evidence: 'wrong', secretNames: noNames, server })
    expect(thrown(() => decide(given, wanted)).hint.join('\n')).toContain('It is owned by "dba"')
  })

  describe('a claim of another application always refuses', () => {
    const claim = { role: 'crm', secret: 'crm/secret' }
    const roles = { 'the role is new': undefined, 'it is not ours': strange, 'it is ours': role }
    const databases = {
      'it is gone': undefined,
      'the admin owns it': database,
      'somebody else owns it': foreign,
      'the application owns it': { ...database, owner: 'shop' },
    }
    const cases = Object.entries(roles).flatMap(([who, role]) =>
      Object.entries(databases).map(([what, database]) => [who, what, { role, database }] as const),
    )

    test.each(cases)('%s, %s', (_, __, state) => {
      for (const existing of ['refuse', 'adopt'] as const) {
        for (const databaseOwner of [undefined, 'admin', 'app'] as const) {
          const given = found({ server: { ...state, claims: [claim] } })
          expect(decided(given, { ...wanted, existing, databaseOwner })).toBe('database-claimed')
        }
      }
    })

    test('all of them are named, and how to release each', () => {
      const claims = [claim, { role: 'it"s', secret: 'hr/secret' }]
      const { message, hint } = thrown(() => decide(found({ server: { claims } }), adopting))
      expect(message).toBe('Database "shop" belongs to crm/secret and hr/secret.')
      expect(hint).toContain('  COMMENT ON ROLE "crm" IS NULL;')
      expect(hint).toContain('  COMMENT ON ROLE "it""s" IS NULL;')
    })

    test('one that cannot be read is named by its role, with the command that shows it', () => {
      const claims = [claim, { role: "it's", secret: undefined }]
      const { message, hint } = thrown(() => decide(found({ server: { claims } }), adopting))
      expect(message).toBe('Database "shop" belongs to crm/secret and the application of role "it\'s".')
      const looks = hint.filter((line) => line.includes('SELECT'))
      expect(looks).toEqual([
        "  SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = 'it''s';",
      ])
      expect(hint).toContain('  COMMENT ON ROLE "it\'s" IS NULL;')
    })

    test('one of another role of this Secret gives way to adopt alone', () => {
      const given = found({ server: { claims: [{ role: 'former', secret: wanted.secret }] } })
      expect(decided(given, wanted)).toBe('database-not-ours')
      expect(decided(given, adopting)).toBe('keep')
    })
  })

  describe('where our marker names another database', () => {
    const elsewhere = { ...role, marker: { ...mark, database: 'old' } }
    test.each<[string, DatabaseState | undefined, string]>([
      ['this one is yet to be made', undefined, 'keep note mark create-database grant revoke-public'],
      ['this one is the admin’s', database, 'keep mark not-ours'],
      ['this one is the application’s', { ...database, owner: 'shop' }, 'keep mark not-ours'],
      ['this one is somebody else’s', foreign, 'keep mark not-ours'],
    ])('%s: only adopt goes on', (_, state, words) => {
      for (const evidence of ['proven', 'wrong'] as const) {
        const given = found({ evidence, server: { role: elsewhere, database: state } })
        expect(decided(given, wanted)).toBe('database-not-ours')
        expect(decided(given, adopting)).toBe(
          evidence === 'proven' ? words : words.replace('keep', 'set-password drift'),
        )
      }
    })
  })

  test('what others wrote into a comment is kept wherever it is written anew, and said once', () => {
    const kept = { comment: 'ask Kim' }
    const planOf = (given: Partial<RoleState>): Plan =>
      decide(found({ server: { role: { ...strange, kept, ...given } } }), adopting)
    const said = expect.stringContaining('comment')
    const marked = { kind: 'mark-role', comment: { kept } }
    expect(planOf({})).toMatchObject({ changes: [marked], notes: [said] })
    const elsewhere = { ...mark, database: 'old' }
    expect(planOf({ marker: elsewhere })).toMatchObject({ changes: [marked], notes: [] })
    expect(planOf({ kept: {} }).notes).toEqual([])
    expect(planOf({ marker: mark }).changes).toEqual([])
  })

  test('a database to make is noted at a role that is there, unless something says so already', () => {
    const gone = { database: undefined }
    const adopted = (given: Partial<RoleState>): string =>
      decided(found({ evidence: 'wrong', server: { ...gone, role: { ...strange, ...given } } }), adopting)
    expect(adopted({})).toBe('set-password adopted note mark create-database grant revoke-public')
    expect(adopted({ note })).toBe('set-password adopted mark create-database grant revoke-public')
    expect(decided(found({ server: gone }), wanted)).toBe('keep create-database grant revoke-public')
    const unmade = { ...role, marker: { ...mark, createdDatabase: false } }
    expect(decided(found({ server: { ...gone, role: unmade } }), wanted)).toBe(
      'keep note mark create-database grant revoke-public',
    )
  })

  test('the notes and marks say for which Secret and which database they are', () => {
    const claim = { secret: 'shop/app-postgresql-secret', database: 'shop' }
    const kept = { comment: 'ask Kim' }
    const gone = { database: undefined }
    const { changes } = decide(found({ ...noSecret, server: { ...gone, role: undefined } }), wanted)
    expect(changes[0]).toMatchObject({
      comment: { marker: { ...claim, createdDatabase: true }, note: undefined, kept: {} },
    })
    const adopted = decide(found({ server: { ...gone, role: { ...strange, kept } } }), adopting)
    expect(adopted.changes[0]).toEqual({
      kind: 'note-database',
      comment: { marker: undefined, note: claim, kept },
    })
    expect(adopted.changes.at(-1)).toEqual({
      kind: 'mark-role',
      comment: { marker: { ...claim, createdDatabase: true }, note: undefined, kept },
    })
  })

  test('a role of ours says so anew where it has to, also where its login proves nothing', () => {
    const unproven = { evidence: 'unproven' } as const
    const elsewhere = { ...role, marker: { ...mark, database: 'old' } }
    const noted = { ...role, note }
    expect(decided(found({ ...unproven, server: { role: noted } }), wanted)).toBe('keep mark')
    expect(decided(found({ ...unproven, server: { role: elsewhere } }), adopting)).toBe('keep mark not-ours')
    const given = found({ ...unproven, server: { role: elsewhere, database: undefined } })
    expect(decided(given, adopting)).toBe('keep note mark create-database grant revoke-public')
  })

  test('a database is not made for a role that is more than an application role', () => {
    const dangerous = { ...strange, dangers: ['CREATEDB', 'REPLICATION'] }
    expect(decided(found({ server: { role: dangerous, database: undefined } }), adopting)).toBe(
      'role-privileged',
    )
    expect(decide(found({ server: { role: dangerous } }), adopting).notes).toEqual([
      'role shop is more than an application role: CREATEDB, REPLICATION; a password is never set for such a role',
    ])
  })

  test('an adopted one that is open to PUBLIC is reported, ours is closed', () => {
    const given = found({ server: { role: strange, database: foreign } })
    expect(decide(given, adopting).notes).toContainEqual(expect.stringContaining('is open to PUBLIC'))
    const ours = decide(found({ server: { database: { ...database, publicConnects: true } } }), wanted)
    expect(ours.changes).toEqual([{ kind: 'revoke-public', privileges: ['CONNECT'] }])
    expect(ours.notes).toEqual([])
  })
})

describe('grants', () => {
  const state = (given: Partial<DatabaseState>, rest: Partial<ServerState> = {}): ServerState => ({
    ...server,
    ...rest,
    database: { ...database, ...given },
  })
  const grant = { kind: 'grant-database' }
  const connect = (role: string): object => ({ kind: 'grant-connect', roles: [role] })

  test.each<[string, ServerState, boolean, readonly object[]]>([
    ['up to date', state({}), true, []],
    ['only PUBLIC has CONNECT: the application gets its own', state({ granted: false }), true, [grant]],
    ['the same on an adopted one', state({ granted: false }), false, []],
    ['none at all on an adopted one', state({ grantedOrPublic: false }), false, [grant]],
    [
      'PUBLIC may make temporary tables',
      state({ publicTemporary: true }),
      true,
      [{ kind: 'revoke-public', privileges: ['TEMPORARY'] }],
    ],
    ['PUBLIC may connect to an adopted one', state({ publicConnects: true }), false, []],
    ['who would be shut out', state({ withoutConnect: ['backup'] }), true, [connect('backup')]],
    ['who is shut out of an adopted one', state({ shutOut: ['pooler'] }), false, [connect('pooler')]],
    ['who would be shut out of an adopted one stays', state({ withoutConnect: ['backup'] }), false, []],
  ])('%s', (_, given, ours, expected) => {
    expect(decideGrants(given, wanted, ours, [])).toEqual(expected)
  })

  test.each<[string, string, Wanted['databaseOwner'], boolean, string | undefined]>([
    ['stays with the admin', 'admin', undefined, true, undefined],
    ['stays with the admin', 'admin', 'admin', true, undefined],
    ['goes to the application', 'admin', 'app', true, 'app'],
    ['stays with the application', 'shop', 'app', true, undefined],
    ['goes back to the admin', 'shop', 'admin', true, 'admin'],
    ['goes back to the admin, the default', 'shop', undefined, true, 'admin'],
    ['stays as found where it was adopted', 'shop', undefined, false, undefined],
    ['changes where it is adopted and somebody asks', 'shop', 'admin', false, 'admin'],
    ['changes where it is adopted and somebody asks', 'admin', 'app', false, 'app'],
  ])('the owner %s (owner %s, input %s, ours %s)', (_, owner, databaseOwner, ours, change) => {
    const grants = decideGrants(state({ owner }), { ...adopting, databaseOwner }, ours, [])
    const to = change === 'app' ? 'shop' : 'admin'
    expect(grants).toEqual(
      change === undefined ? [] : [{ kind: 'set-owner', from: owner, to, toApplication: change === 'app' }],
    )
  })

  test.each(['admin', 'app'] as const)(
    'one that is not ours goes to no %s without adopt',
    (databaseOwner) => {
      const given = state({ owner: databaseOwner === 'app' ? 'admin' : 'shop' })
      const failure = thrown(() => decideGrants(given, { ...wanted, databaseOwner }, false, []))
      expect(failure.code).toBe('database-not-ours')
    },
  )

  test.each<[string, ServerState, Wanted, boolean, FailureCode]>([
    [
      'a foreign owner, and something to grant',
      state({ owner: 'dba', adminOwns: false, adminActsAsOwner: false, grantedOrPublic: false }),
      wanted,
      false,
      'database-foreign-owner',
    ],
    [
      'a foreign owner, and somebody to let in',
      state({ owner: 'dba', adminOwns: false, adminActsAsOwner: false, shutOut: ['pooler'] }),
      wanted,
      false,
      'database-foreign-owner',
    ],
    [
      'the owner changes, and the admin may not act as the role',
      state({}, { membership: { ...membership, grantable: false } }),
      { ...wanted, databaseOwner: 'app' },
      true,
      'admin-option-missing',
    ],
    [
      'the owner changes back, and the admin cannot inherit from the role',
      state({ owner: 'shop' }, { membership: { ...membership, settable: true, grantable: false } }),
      wanted,
      true,
      'admin-option-missing',
    ],
    [
      'the owner changes back, and the admin never inherits (before PostgreSQL 16)',
      state({ owner: 'shop' }, { membership: { ...membership, inheritable: false } }),
      wanted,
      true,
      'admin-rights-missing',
    ],
    [
      'something to grant on a database of the application, and the admin may not act as it',
      state(
        { owner: 'shop', adminOwns: false, granted: false },
        { membership: { ...membership, grantable: false } },
      ),
      { ...wanted, databaseOwner: 'app' },
      true,
      'admin-option-missing',
    ],
    [
      'the owner changes, and the admin has no CREATEDB',
      state({}, { admin: { ...server.admin, createDatabase: false } }),
      { ...wanted, databaseOwner: 'app' },
      true,
      'admin-rights-missing',
    ],
  ])('%s: an error', (_, given, want, ours, code) => {
    expect(thrown(() => decideGrants(given, want, ours, [])).code).toBe(code)
  })

  const ofRole = { owner: 'dba', adminOwns: false, grantedOrPublic: false }
  const givenAway = (to: string): object => ({
    kind: 'set-owner',
    from: 'dba',
    to,
    toApplication: to === 'shop',
  })
  test.each<[string, Partial<DatabaseState>, Wanted['databaseOwner'], readonly object[] | FailureCode]>([
    ['the admin may act as it', { ...ofRole, adminActsAsOwner: true }, undefined, [grant]],
    ['the admin has what it has', { ...ofRole, adminOwns: true }, undefined, [grant]],
    ['the admin gives it away', { ...ofRole, adminOwns: true }, 'app', [grant, givenAway('shop')]],
    ['the admin takes it', { ...ofRole, adminOwns: true }, 'admin', [grant, givenAway('admin')]],
    [
      'the admin may act as it, which gives nothing away',
      { ...ofRole, adminActsAsOwner: true },
      'app',
      'database-foreign-owner',
    ],
  ])('a foreign owner, and %s', (_, given, databaseOwner, expected) => {
    const grants = (): readonly Change[] =>
      decideGrants(state(given), { ...adopting, databaseOwner }, false, [])
    if (typeof expected === 'string') expect(thrown(grants).code).toBe(expected)
    else expect(grants()).toEqual(expected)
  })

  test('an owner that the admin inherits from gives the database back, although nobody may act as it', () => {
    const member = { ...membership, inherits: true, settable: false, grantable: false }
    expect(decideGrants(state({ owner: 'shop' }, { membership: member }), wanted, true, [])).toEqual([
      { kind: 'set-owner', from: 'shop', to: 'admin', toApplication: false },
    ])
  })

  test('of two things that the admin lacks for another owner, CREATEDB is told', () => {
    const given = state(
      { owner: 'shop', adminOwns: false },
      {
        admin: { ...server.admin, createDatabase: false },
        membership: { ...membership, grantable: false },
      },
    )
    const { message } = thrown(() => decideGrants(given, wanted, true, []))
    expect(message).toBe(
      'The admin "admin" has no CREATEDB, so it cannot create a database or change its owner.',
    )
  })

  test('an admin that may act as the application, and does not inherit, gives it the database', () => {
    const member = { ...membership, inherits: false, settable: true, grantable: false }
    const given = state({}, { membership: member })
    expect(decideGrants(given, { ...wanted, databaseOwner: 'app' }, true, [])).toEqual([
      { kind: 'set-owner', from: 'admin', to: 'shop', toApplication: true },
    ])
  })

  test('what somebody else owns is closed to PUBLIC by nobody else', () => {
    const given = state({
      owner: 'dba',
      adminOwns: false,
      adminActsAsOwner: false,
      granted: false,
      publicConnects: true,
    })
    expect(thrown(() => decideGrants(given, { ...wanted, databaseOwner: 'app' }, true, [])).hint).toEqual([
      'The admin "admin" can grant nothing on it. A superuser can run:',
      '  GRANT ALL ON DATABASE "shop" TO "shop";',
      '  ALTER DATABASE "shop" OWNER TO "shop";',
      '  GRANT CONNECT ON DATABASE "shop" TO "admin";',
    ])
  })

  test('a foreign owner with nothing to grant is none', () => {
    const given = state({ owner: 'dba', adminOwns: false, adminActsAsOwner: false })
    expect(decideGrants(given, wanted, false, [])).toEqual([])
  })

  test('names are quoted in what the owner is to run', () => {
    const given = state({ owner: 'dba', adminOwns: false, adminActsAsOwner: false, grantedOrPublic: false })
    const want = { ...wanted, username: 'it"s', database: 'my shop' }
    expect(thrown(() => decideGrants(given, want, false, [])).hint).toContain(
      '  GRANT ALL ON DATABASE "my shop" TO "it""s";',
    )
  })
})

describe('what was there before is what the Secret names', () => {
  const gone = { role: undefined, database: undefined }
  test.each<[string, Observed['secretNames'], boolean, boolean]>([
    ['all', allNames, true, true],
    ['the database alone', { ...noNames, database: true }, false, true],
    ['the role alone', { ...noNames, role: true }, true, false],
    ['nothing, as one that was made beforehand', noNames, false, false],
  ])('%s', (_, secretNames, role, database) => {
    const given = found({
      evidence: 'wrong',
      secretNames,
      secret: { kind: 'repair', keys: ['PGHOST'] },
      server: gone,
    })
    const { changes } = decide(given, wanted)
    const again = changes.flatMap((change) => ('again' in change ? [[change.kind, change.again]] : []))
    expect(again).toEqual([
      ['create-role', role],
      ['create-database', database],
    ])
  })
})

test('poolers that lose CONNECT are named, with the input', () => {
  const open = { ...database, publicConnects: true, poolers: ['pooler'] }
  const said = expect.stringMatching(
    /^CONNECT on database shop is revoked from PUBLIC, and so from the pooler "pooler": .* input "connect-roles"$/,
  )
  expect(decide(found({ server: { database: open } }), wanted).notes).toContainEqual(said)
  const closed = { ...open, publicConnects: false }
  expect(decide(found({ server: { database: closed } }), wanted).notes).toEqual([])
  const { notes } = decide(found({ server: { role: strange, database: { ...open, owner: 'dba' } } }), wanted)
  expect(notes).not.toContainEqual(said)
})

describe('what the admin lacks', () => {
  const without = (given: Partial<ServerState['admin']>): Partial<ServerState> => ({
    admin: { ...server.admin, ...given },
  })
  test.each<[string, Observed, string]>([
    [
      'CREATEROLE, with a role to make',
      found({
        ...noSecret,
        server: { ...without({ createRole: false }), role: undefined, database: undefined },
      }),
      'admin-rights-missing',
    ],
    [
      'CREATEDB, with a database to make',
      found({ server: { ...without({ createDatabase: false }), database: undefined } }),
      'admin-rights-missing',
    ],
    [
      'CREATEROLE, with a password to set',
      found({
        evidence: 'wrong',
        server: { ...without({ createRole: false }), role: { ...role, alterable: false } },
      }),
      'admin-rights-missing',
    ],
    [
      'both, with nothing to do',
      found({ server: without({ createRole: false, createDatabase: false }) }),
      'keep',
    ],
  ])('%s', (_, given, words) => {
    expect(decided(given, wanted)).toBe(words)
  })
})

describe('inside of the database', () => {
  test.each<[string, Partial<InsideState>, Partial<ServerState>, readonly string[], readonly object[]]>([
    ['nothing', {}, {}, [], []],
    ['the schema', { schemaGranted: false }, {}, [], [{ kind: 'grant-schema' }]],
    [
      'extensions that are missing',
      { extensions: ['citext'] },
      {},
      ['citext', 'pgcrypto'],
      [{ kind: 'create-extension', extension: 'pgcrypto' }],
    ],
    [
      'one that is there, trusted or not',
      { extensions: ['dblink'] },
      { untrustedExtensions: ['dblink'], unavailableExtensions: ['dblink'] },
      ['dblink'],
      [],
    ],
  ])('%s', (_, state, rest, extensions, changes) => {
    const given = found({ inside: { ...inside, ...state }, server: rest })
    expect(decide(given, { ...wanted, extensions }).changes).toEqual(changes)
  })

  test.each<[FailureCode, Partial<ServerState>]>([
    ['extension-unavailable', { unavailableExtensions: ['dblink'] }],
    ['extension-not-trusted', { untrustedExtensions: ['dblink'] }],
  ])('%s', (code, rest) => {
    const want = { ...wanted, extensions: ['citext', 'dblink'] }
    const failure = thrown(() => decide(found({ server: rest }), want))
    expect(failure.code).toBe(code)
    expect(failure.message).toContain('"dblink"')
    expect(failure.message).not.toContain('citext')
  })

  const nobody = { admin: false, application: false, owner: false }
  test.each<[string, SchemaGrantors, Partial<ServerState>, Partial<Wanted>, string]>([
    ['nobody', nobody, {}, {}, 'grant-ineffective'],
    [
      'nobody, in a database that is yet to be made',
      nobody,
      { database: undefined },
      {},
      'grant-ineffective',
    ],
    ['the admin', { ...nobody, admin: true }, {}, {}, 'keep'],
    [
      'the admin, in a database of the application that it may not act as',
      { ...nobody, admin: true },
      {
        database: { ...database, owner: 'shop', adminOwns: false },
        membership: { ...membership, grantable: false },
      },
      { databaseOwner: 'app' },
      'keep',
    ],
    ['the owner, which is the admin', { ...nobody, owner: true }, {}, {}, 'keep'],
    [
      'the owner, which the admin makes',
      { ...nobody, owner: true },
      { database: undefined },
      {},
      'keep create-database grant revoke-public',
    ],
    [
      'the owner, which is the application',
      { ...nobody, owner: true },
      { database: { ...database, owner: 'shop', adminOwns: false } },
      { databaseOwner: 'app' },
      'keep',
    ],
    [
      'the owner, which is the application that the admin may not act as',
      { ...nobody, owner: true },
      {
        database: { ...database, owner: 'shop', adminOwns: false },
        membership: { ...membership, grantable: false },
      },
      { databaseOwner: 'app' },
      'grant-ineffective',
    ],
    ['the application, which owns nothing', { ...nobody, application: true }, {}, {}, 'grant-ineffective'],
    [
      'the application, once it owns the database',
      { ...nobody, application: true },
      {},
      { databaseOwner: 'app' },
      'keep owner shop',
    ],
  ])('rights on the schema that may be given by %s', (_, schemaGrantors, rest, want, words) => {
    const given = found({ inside: { ...inside, schemaGranted: false, schemaGrantors }, server: rest })
    expect(decided(given, { ...wanted, ...want })).toBe(words)
  })

  test.each<[string, boolean, readonly string[]]>([
    ['are granted beside it where that is possible', true, ['grant-schema']],
    ['are enough where nothing can be granted', false, []],
  ])('rights on the schema that the owner has as such %s', (_, owner, kinds) => {
    const seen = { ...inside, schemaGranted: 'as owner', schemaGrantors: { ...nobody, owner } } as const
    expect(decide(found({ inside: seen }), wanted).changes.map(({ kind }) => kind)).toEqual(kinds)
  })

  test('an extension where the admin may create, and may not act as the owner', () => {
    const open = { ...foreign, granted: true, publicConnects: false, adminCreates: true }
    const given = found({ server: { role: { ...role, marker: undefined }, database: open } })
    expect(decided(given, { ...wanted, extensions: ['citext'] })).toBe('keep mark not-ours')
  })

  test('an extension where the admin may create none, and may not act as the owner', () => {
    const closed = { ...foreign, granted: true, publicConnects: false, shutOut: [] }
    const want = { ...wanted, extensions: ['citext'] }
    expect(decided(found({ server: { role: { ...role, marker: undefined }, database: closed } }), want)).toBe(
      'extension-not-trusted',
    )
    const acting = { ...closed, adminActsAsOwner: true }
    expect(decided(found({ server: { role: { ...role, marker: undefined }, database: acting } }), want)).toBe(
      'keep mark not-ours',
    )
  })
})

describe('settings of the role', () => {
  const settings = [
    { name: 'lock_timeout', value: '5s' },
    { name: 'statement_timeout', value: '1min' },
  ] as const
  const lock = { kind: 'set-setting', name: 'lock_timeout', value: '5s' }
  const statement = { kind: 'set-setting', name: 'statement_timeout', value: '1min' }

  test.each<[string, RoleState | undefined, readonly object[]]>([
    ['of a role that is new', undefined, [lock, statement]],
    ['that it does not have', role, [lock, statement]],
    [
      'that it has otherwise, or written otherwise',
      { ...role, settings: { lock_timeout: '5min', statement_timeout: '60000' } },
      [{ ...lock, from: '5min' }],
    ],
    ['that it has', { ...role, settings: { lock_timeout: '5s', statement_timeout: '1min' } }, []],
    [
      'that it has, where the admin may not change it',
      { ...role, alterable: false, settings: { lock_timeout: '5s', statement_timeout: '1min' } },
      [],
    ],
  ])('%s', (_, state, changes) => {
    const planned = decide(found({ server: { role: state } }), { ...wanted, settings })
    expect(planned.changes.filter(({ kind }) => kind === 'set-setting')).toStrictEqual(changes)
  })

  test('that came with a major version are there in its first release', () => {
    const timeout = [{ name: 'transaction_timeout', value: '5s' }] as const
    const on = (versionNumber: number): string =>
      decided(found({ server: { versionNumber } }), { ...wanted, settings: timeout })
    expect([on(169_999), on(170_000)]).toEqual(['input-invalid', 'keep'])
  })

  const superuser = { ...role, dangers: ['SUPERUSER'] }
  const powerful = { admin: { ...server.admin, superuser: true } }
  test.each<[string, Partial<ServerState>, string]>([
    ['a role that the admin may not change', { role: { ...role, alterable: false } }, 'admin-option-missing'],
    ['a superuser', { role: superuser }, 'admin-option-missing'],
    ['a superuser, by one', { role: superuser, ...powerful }, 'keep'],
    ['a role with CREATEDB', { role: { ...role, dangers: ['CREATEDB'] } }, 'keep'],
  ])('of %s', (_, state, words) => {
    expect(decided(found({ server: state }), { ...wanted, settings })).toBe(words)
  })
})

describe('sessions that are set to change nothing', () => {
  const on = (readOnly: Partial<ServerState['readOnly']>, given: Partial<Observed>, state = {}): string =>
    decided(
      found({
        ...given,
        server: { readOnly: { admin: null, inside: null, application: null, ...readOnly }, ...state },
      }),
      { ...wanted, extensions: given.inside?.extensions.length === 0 ? ['citext'] : [] },
    )
  const repair = { secret: { kind: 'repair', keys: ['PGPORT'] } } as const
  const drift = { evidence: 'wrong' } as const
  const ungranted = { inside: { ...inside, extensions: ['citext'], schemaGranted: false } }
  const grants = { database: { ...database, granted: false } }

  test('stop nothing where there is nothing to do', () => {
    expect(on({ admin: 'all', inside: 'all', application: 'all' }, {})).toBe('keep')
  })

  test('stop a Secret where the application is to log in, and only there', () => {
    expect(on({ admin: 'role', inside: 'role' }, repair)).toBe('keep')
    expect(on({ application: 'role' }, repair)).toBe('database-read-only')
  })

  test.each<[string, Partial<Observed>, object, string]>([
    ['a password', drift, {}, 'database-read-only'],
    ['rights on the schema', ungranted, {}, 'database-read-only'],
    ['an extension', { inside }, {}, 'database-read-only'],
    ['rights on the database', {}, grants, 'keep grant'],
  ])('in the database, stop %s or not: it is made there or elsewhere', (_, given, state, words) => {
    expect(on({ inside: 'database' }, given, state)).toBe(words)
    expect(on({ admin: 'role' }, given, state)).toBe('database-read-only')
    expect(on({ application: 'role' }, given, state)).toBe('database-read-only')
  })

  test('stop what is made there, also beside what is not', () => {
    expect(on({ inside: 'database' }, { ...drift, ...repair }, grants)).toBe('database-read-only')
  })
})

describe('a service binding', () => {
  test.each([
    ['create', [{ kind: 'create-binding', keys: ['type'] }]],
    ['repair', [{ kind: 'repair-binding', keys: ['type'] }]],
    ['keep', []],
  ] as const)('%s', (kind, changes) => {
    expect(decide(found({ binding: { kind, keys: ['type'] } }), wanted).changes).toEqual(changes)
  })
})

describe('a name that is not ASCII', () => {
  test.each([
    ['åsa', 'LATIN1', 'input-invalid'],
    ['åsa', null, 'role-not-ours'],
    ['asa', 'LATIN1', 'role-not-ours'],
  ])('%s where the database has the encoding %s', (username, otherEncoding, words) => {
    const given = found({
      evidence: 'wrong',
      server: { role: undefined, database: { ...database, otherEncoding } },
    })
    const want = { ...wanted, username }
    expect(decided(given, want)).toBe(words === 'role-not-ours' ? 'create mark not-ours' : words)
  })
})

describe('a server that does not begin in UTF8', () => {
  test.each([
    ['åsa', 'shop', 'input-invalid'],
    ['shop', 'bütik', 'input-invalid'],
    ['shop', 'shop', 'keep'],
  ])('role %s, database %s', (username, name, code) => {
    const want = { ...wanted, username, database: name }
    expect(decided(found({ server: { homeEncoding: 'LATIN1' } }), want)).toBe(code)
  })
})

describe('tables of a role that is gone', () => {
  const owned = { ...inside, otherOwners: ['12345', '12346'] }
  const note =
    'tables in database shop belong to 12345 and 12346: a role that is created again does not own the tables of the role before it'
  test.each<[string, Partial<ServerState>, InsideState, readonly string[]]>([
    ['are told', { role: undefined }, owned, [note]],
    ['are none of a role that is there', {}, owned, []],
    ['are none of a database that is new', { role: undefined, database: undefined }, owned, []],
    ['are none', { role: undefined }, inside, []],
  ])('%s', (_, state, seen, notes) => {
    const given = found({ evidence: 'wrong', inside: seen, server: state })
    expect(decide(given, wanted).notes).toEqual(notes)
  })
})

test('an error of this program is no refusal', () => {
  const { database: none, newDatabase: unknown, ...unseen } = found().server
  expect([none?.owner, unknown]).toEqual(['admin', undefined])
  const given = { ...found(), server: { ...unseen, database: undefined, newDatabase: undefined } }
  expect(() => plan(given, wanted)).toThrow('a database is there, or it is known what a new one is like')
})

describe('the plan as a whole', () => {
  const first = found({
    ...noSecret,
    secret: { kind: 'create', keys: ['PGHOST', 'PGPASSWORD'] },
    inside: { ...inside, schemaGranted: false },
    server: {
      role: undefined,
      database: undefined,
      newDatabase: { ...newDatabase, withoutConnect: ['backup'] },
    },
  })

  test('says of a database that is yet to be made all that will be done to it, in order', () => {
    const planned = decide(first, { ...wanted, extensions: ['citext'], databaseOwner: 'app' })
    expect(planned.changes.map(({ kind }) => kind)).toEqual([
      'create-role',
      'create-database',
      'create-extension',
      'grant-database',
      'grant-connect',
      'revoke-public',
      'set-owner',
      'grant-schema',
      'create-secret',
    ])
  })

  test('can be written and read again, and holds no credential', () => {
    const planned = decide(first, wanted)
    expect(JSON.parse(JSON.stringify(planned))).toEqual(planned)
    expect(JSON.stringify(planned)).not.toMatch(/SCRAM|values/)
  })

  test('leaves out what depends on what nobody has looked at yet', () => {
    const { inside: seen, ...unseen } = first
    expect(seen).toBeDefined()
    const kinds = decide(unseen, { ...wanted, extensions: ['citext'] }).changes.map(({ kind }) => kind)
    expect(kinds).not.toContain('create-extension')
    expect(kinds).not.toContain('grant-schema')
  })

  test('changes on a role that is there end with its password, before the Secret', () => {
    const given = found({
      evidence: 'wrong',
      inside: { ...inside, schemaGranted: false },
      secret: { kind: 'repair', keys: ['PGPORT'] },
      server: { role: strange, database: undefined },
    })
    const kinds = decide(given, { ...adopting, extensions: ['citext'] }).changes.map(({ kind }) => kind)
    expect(kinds).toEqual([
      'note-database',
      'create-database',
      'create-extension',
      'grant-database',
      'revoke-public',
      'grant-schema',
      'set-password',
      'repair-secret',
    ])
  })
})

test('roles to let in that do not exist are all named', () => {
  const failure = thrown(() => decide(found({ server: { unknownRoles: ['a', 'b'] } }), wanted))
  expect(failure.code).toBe('connect-role-unknown')
  expect(failure.message).toBe('PostgreSQL has no roles "a" and "b", which input "connect-roles" names.')
})
