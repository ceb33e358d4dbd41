import { describe, expect, test } from '@jest/globals'
import pg from 'pg'
import type { Failure } from '../../../src/lib/failure.ts'
import type { Login } from '../../../src/postgres/attempt.ts'
import { poolerFailure } from '../../../src/postgres/failure.ts'
import {
  adminRefusalFailure,
  refusalFailure,
  unproven,
  type Introduced,
} from '../../../src/postgres/refusal.ts'
import { errorOf } from '../../support/said.ts'

const login = { user: 'it"s', database: 'my shop' } as Login
const told = ({ code, message, hint }: Failure): readonly string[] => [code, message, ...hint]
const said = 'The server said "as it says".'
const closed = [
  'A frequent cause is a pg_hba.conf without a rule for this login, or one that wants a client certificate.',
  'Ask the administrator for a rule with scram-sha-256 for connections through port-forward (127.0.0.1).',
]

/** A SQLSTATE, how far the login came, and all that is said to that. */
type Row = readonly [
  sqlstate: string | undefined,
  exchange: 'scram-sha-256' | undefined,
  ...told: readonly string[],
]

const rows: readonly Row[] = [
  [
    '08P01',
    undefined,
    'pooler-in-between',
    'A connection pooler does not let "it"s" in (08P01).',
    'It said "as it says".',
    'Locks, settings and proofs belong to one session, which a pooler does not keep.',
    'Ask the administrator for a Service that leads to the primary, and name it: input "access-service", or USER_ACCESS of the access Secret. With via: direct, it is PGHOST that has to lead there.',
  ],
  [
    '28P01',
    'scram-sha-256',
    'login-refused',
    'PostgreSQL refused the password of "it"s" that was right a moment ago (28P01).',
    'It is being changed at the same time. The next run looks again.',
  ],
  [
    '28000',
    'scram-sha-256',
    'role-cannot-login',
    'Role "it"s" may not log in: its attribute LOGIN is off (28000).',
    said,
    'Most likely it was taken away on purpose: ask first. An administrator can give it back:',
    '  ALTER ROLE "it""s" LOGIN;',
  ],
  [
    '28000',
    undefined,
    'login-refused',
    'PostgreSQL does not let "it"s" log in to database "my shop" (28000).',
    said,
    ...closed,
  ],
  [
    '42501',
    'scram-sha-256',
    'connect-denied',
    '"it"s" has no CONNECT on database "my shop" (42501).',
    'Its owner can grant it:',
    '  GRANT CONNECT ON DATABASE "my shop" TO "it""s";',
  ],
  [
    '53300',
    undefined,
    'connection-limit',
    'PostgreSQL has no connection left for "it"s" in database "my shop" (53300).',
    said,
    'Raise the limit that was reached, close sessions, or put a pooler between application and server.',
  ],
  [
    '55000',
    undefined,
    'database-closed',
    'Database "my shop" does not accept connections (55000).',
    said,
    'It was closed, most likely on purpose. Ask the administrator.',
  ],
  ...['57P01', '57P02', '57P03'].map((state): Row => [
    state,
    undefined,
    'server-not-ready',
    `PostgreSQL is not ready to accept connections (${state}).`,
    said,
    'It is starting up, shutting down or recovering. Run again when it is ready.',
  ]),
  [
    '53200',
    undefined,
    'postgres-error',
    'PostgreSQL did not let "it"s" into database "my shop" (53200).',
    said,
  ],
]

describe('a login that the server refuses', () => {
  test.each(rows)('%s, exchange %s', (sqlstate, exchange, ...words) => {
    const refusal = errorOf(sqlstate, 'as it says')
    const failure = refusalFailure({ exchange, refusal }, login)
    expect(told(failure)).toEqual(words)
    expect(failure.cause).toBe(refusal)
  })

  test('without an answer, or without a SQLSTATE', () => {
    const message = 'PostgreSQL did not let "it"s" into database "my shop" (no SQLSTATE).'
    expect(told(refusalFailure({ exchange: undefined }, login))).toEqual(['postgres-error', message])
    const refusal = errorOf(undefined, 'as it says')
    expect(told(refusalFailure({ exchange: undefined, refusal }, login))).toEqual([
      'postgres-error',
      message,
      said,
    ])
  })
})

describe('a login that an event trigger refuses, whatever its SQLSTATE means elsewhere', () => {
  const once =
    'Whoever made it can put it right. A superuser gets in all the same with PGOPTIONS="-c event_triggers=off".'
  const calls = (called: string): string =>
    `It comes from ${called}, which an event trigger of that database calls at each login.`

  test.each([
    [
      '42P01',
      'PL/pgSQL function public.note() line 1 at SQL statement',
      calls('public.note()'),
      'Sessions of this tool have an empty search_path, for safety. The function has to name its objects with their schema, or set search_path itself:',
      '  ALTER FUNCTION public.note() SET search_path = public;',
      once,
    ],
    [
      '42501',
      `SQL statement "INSERT INTO public.log VALUES (now(), 'secret')"\nPL/pgSQL函数"my audit"."note it"()第1行的SQL语句`,
      calls('"my audit"."note it"()'),
      once,
    ],
    ['28000', 'PL/pgSQL-funktion note() rad 3 vid RAISE', calls('note()'), once],
  ])('%s in %s', (sqlstate, where, ...hint) => {
    const refusal = errorOf(sqlstate, 'as it says', { where })
    expect(told(refusalFailure({ exchange: 'scram-sha-256', refusal }, login))).toEqual([
      'postgres-error',
      `PostgreSQL did not let "it"s" into database "my shop" (${sqlstate}).`,
      said,
      ...hint,
    ])
  })

  test('a context without a function is none', () => {
    const refusal = errorOf('42501', 'as it says', { where: 'while it looks (twice)' })
    expect(refusalFailure({ exchange: 'scram-sha-256', refusal }, login).code).toBe('connect-denied')
  })
})

describe('a login of the admin that the server refuses', () => {
  const ref = 'postgres-system/postgresql1-access'
  const admin: Introduced = { ref, named: true, doubts: [], home: 'my shop' }
  const elsewhere = 'To begin in another database that the admin may enter: input "access-database".'
  const fresh = [
    'The access Secret is probably out of date: this password was changed in the database,',
    'and nothing carries such a change back into the Secret.',
    'A server gives the same answer for a password that has expired (VALID UNTIL), and for a role that is gone.',
    'Ask the administrator to put the current password into the Secret, or to set it anew.',
  ]
  const homeless = [
    'access-database-missing',
    'There is no database "my shop" on this server (3D000), from which the admin creates others.',
    'Nearly every server has a database "postgres" for that; it may have been dropped or renamed here.',
  ]
  const wrong = `PostgreSQL refused the admin "it"s" of ${ref}: wrong password (28P01).`
  const unknown = 'PostgreSQL did not let "it"s" into database "my shop" (3D000).'
  const grant = [
    'connect-denied',
    '"it"s" has no CONNECT on database "my shop" (42501).',
    'Its owner can grant it:',
    '  GRANT CONNECT ON DATABASE "my shop" TO "it""s";',
  ]
  const ruled = ['login-refused', 'PostgreSQL does not let "it"s" log in to database "my shop" (28000).']
  const off = 'Role "it"s" may not log in: its attribute LOGIN is off (28000).'

  test.each<[string, string, 'scram-sha-256' | undefined, Partial<Introduced>, readonly string[]]>([
    ['a wrong password', '28P01', 'scram-sha-256', {}, ['admin-login-refused', wrong, ...fresh]],
    [
      'a wrong password that looks odd, of a name that is not shown',
      '28P01',
      'scram-sha-256',
      { named: false, doubts: ['It ends in a line break.'] },
      [
        'admin-login-refused',
        `PostgreSQL refused the admin of ${ref}: wrong password (28P01).`,
        'It ends in a line break.',
        'Ask the administrator to put the access Secret right.',
      ],
    ],
    ['no database to begin in', '3D000', 'scram-sha-256', {}, [...homeless, elsewhere]],
    [
      'no database to begin in, and the Secret names another one',
      '3D000',
      'scram-sha-256',
      { itsDatabase: 'defaultdb' },
      [
        ...homeless,
        `To begin in another one that the admin may enter, such as "defaultdb", which ${ref} names: input "access-database".`,
      ],
    ],
    [
      'no database to begin in, and the Secret names the same',
      '3D000',
      'scram-sha-256',
      { itsDatabase: 'my shop' },
      [...homeless, elsewhere],
    ],
    [
      'no such database elsewhere',
      '3D000',
      'scram-sha-256',
      { home: 'postgres' },
      ['postgres-error', unknown, said],
    ],
    ['no CONNECT where it begins', '42501', 'scram-sha-256', {}, [...grant, elsewhere]],
    ['no CONNECT elsewhere', '42501', 'scram-sha-256', { home: 'postgres' }, grant],
    ['no rule where it begins', '28000', undefined, {}, [...ruled, said, ...closed, elsewhere]],
    ['no rule elsewhere', '28000', undefined, { home: 'postgres' }, [...ruled, said, ...closed]],
    [
      'NOLOGIN, which is so in every database',
      '28000',
      'scram-sha-256',
      {},
      [
        'role-cannot-login',
        off,
        said,
        'Most likely it was taken away on purpose: ask first. An administrator can give it back:',
        '  ALTER ROLE "it""s" LOGIN;',
      ],
    ],
    [
      'a server that is full',
      '53300',
      undefined,
      {},
      [
        'connection-limit',
        'PostgreSQL has no connection left for "it"s" in database "my shop" (53300).',
        said,
        'Raise the limit that was reached, close sessions, or put a pooler between application and server.',
      ],
    ],
  ])('%s', (_, sqlstate, exchange, given, words) => {
    const refusal = errorOf(sqlstate, 'as it says')
    const failure = adminRefusalFailure({ exchange, refusal }, login, { ...admin, ...given })
    expect(told(failure)).toEqual(words)
    // What the server said of a wrong password has the name in it.
    expect(failure.cause).toBe(given.named === false ? undefined : refusal)
  })

  test('without an answer', () => {
    expect(told(adminRefusalFailure({ exchange: undefined }, login, admin))).toEqual([
      'postgres-error',
      'PostgreSQL did not let "it"s" into database "my shop" (no SQLSTATE).',
    ])
  })
})

test.each([
  [
    'none',
    'login-unproven',
    'PostgreSQL let "it"s" in without proof that it knows its password.',
    'A trust rule for 127.0.0.1 in pg_hba.conf does that; the official image has one. No password can be proven there,',
    'and whoever may port-forward to the Pod may be any role, the superuser included. Something else that answers',
    'in the place of PostgreSQL does it too.',
    'Ask the administrator for scram-sha-256 in that rule. To go on unproven: set unproven: accept.',
  ],
  [
    'md5',
    'login-unproven',
    'PostgreSQL asked "it"s" for a response of MD5, although this run set a verifier of SCRAM.',
    'A server with such a verifier does not ask for MD5. A frequent cause is something that answers in its place,',
    'such as a proxy or a pooler, and that may not be PostgreSQL at all.',
    'Ask the administrator what stands in between. To go on unproven: set unproven: accept.',
  ],
] as const)('a login that is not proven: exchange %s', (exchange, ...words) => {
  expect(told(unproven(login, exchange))).toEqual(words)
  if (exchange === 'none') expect(told(unproven(login))).toEqual(words)
})

test('a pooler that said nothing is quoted with nothing', () => {
  const failure = poolerFailure('A connection pooler answers.')
  expect([failure.hint[0], failure.cause]).toEqual([
    'Locks, settings and proofs belong to one session, which a pooler does not keep.',
    undefined,
  ])
  const said = new pg.DatabaseError('no', 2, 'error')
  expect(poolerFailure('A connection pooler answers.', said).cause).toBe(said)
})
