import { describe, expect, test } from '@jest/globals'
import type { RoleComment } from '../../../src/postgres/marker.ts'
import {
  changesOf,
  effectOf,
  listed,
  statementsOf,
  wordsOf,
  type Change,
  type Stage,
} from '../../../src/provision/change.ts'
import { wanted as plain } from '../../support/provision.ts'

const wanted = { ...plain, username: 'it"s', database: 'my shop', binding: 'shop/app-postgresql-binding' }
const comment: RoleComment = {
  marker: { secret: wanted.secret, database: wanted.database, createdDatabase: true },
  note: undefined,
  kept: {},
}
const commented = `COMMENT ON ROLE "it""s" IS '{"pg-app-user":1,"secret":"shop/app-postgresql-secret","database":"my shop","createdDatabase":true}'`

/** A change, its step, what it is in the outputs, how it reads, and its statements. */
type Row = readonly [
  Change,
  Stage,
  effect: string,
  words: readonly [found: string, would: string, line: string, done: string],
  ...statements: readonly string[],
]

const rows: readonly Row[] = [
  [
    { kind: 'create-role', comment, again: false },
    'role',
    'role it"s created',
    ['not there', 'created', 'it"s created, SCRAM-SHA-256 verifier, no dangerous attribute', 'created'],
    `CREATE ROLE "it""s" LOGIN PASSWORD 'SCRAM-SHA-256$'`,
    commented,
  ],
  [
    { kind: 'create-role', comment, again: true },
    'role',
    'role it"s created',
    [
      'it was gone',
      'created',
      `it"s created, SCRAM-SHA-256 verifier, no dangerous attribute; it was gone, and got the Secret's password again`,
      'created',
    ],
    `CREATE ROLE "it""s" LOGIN PASSWORD 'SCRAM-SHA-256$'`,
    commented,
  ],
  [
    { kind: 'note-database', comment },
    'note',
    'role it"s noted',
    [
      'nothing says that a database is made for it',
      'given a note',
      'it"s is there: noted that database my shop is made for it',
      'given a note',
    ],
    commented,
  ],
  [
    { kind: 'create-database', owner: 'admin', again: false },
    'database',
    'database my shop created',
    ['not there', 'created', 'my shop created, owner admin', 'created'],
    'CREATE DATABASE "my shop"',
  ],
  [
    { kind: 'create-database', owner: 'admin', again: true },
    'database',
    'database my shop created',
    ['it was gone', 'created', 'my shop created, owner admin', 'created, and it is empty'],
    'CREATE DATABASE "my shop"',
  ],
  [
    { kind: 'create-extension', extension: 'uuid-ossp' },
    'extensions',
    'extension uuid-ossp created',
    ['not there', 'created in schema public', 'uuid-ossp created in schema public', 'created'],
    'CREATE EXTENSION IF NOT EXISTS "uuid-ossp" SCHEMA public',
  ],
  [
    { kind: 'grant-database' },
    'grants',
    'grants my shop granted',
    [
      'all on the database for it"s is missing',
      'granted',
      'it"s: all on the database',
      'it"s: all on the database',
    ],
    'GRANT ALL ON DATABASE "my shop" TO "it""s"',
  ],
  [
    { kind: 'grant-connect', roles: ['backup', 'it"s else'] },
    'grants',
    'grants my shop granted',
    [
      'CONNECT for backup and it"s else is missing',
      'granted',
      'backup and it"s else: CONNECT',
      'backup and it"s else: CONNECT',
    ],
    'GRANT CONNECT ON DATABASE "my shop" TO "backup", "it""s else"',
  ],
  [
    { kind: 'revoke-public', privileges: ['TEMPORARY'] },
    'grants',
    'grants my shop granted',
    [
      'TEMPORARY is open to PUBLIC',
      'taken away',
      'PUBLIC: TEMPORARY taken away',
      'PUBLIC: TEMPORARY taken away',
    ],
    'REVOKE CONNECT, TEMPORARY ON DATABASE "my shop" FROM PUBLIC',
  ],
  [
    { kind: 'revoke-public', privileges: ['CONNECT', 'TEMPORARY'] },
    'grants',
    'grants my shop granted',
    [
      'CONNECT and TEMPORARY are open to PUBLIC',
      'taken away',
      'PUBLIC: CONNECT and TEMPORARY taken away',
      'PUBLIC: CONNECT and TEMPORARY taken away',
    ],
    'REVOKE CONNECT, TEMPORARY ON DATABASE "my shop" FROM PUBLIC',
  ],
  [
    { kind: 'set-owner', from: 'admin', to: 'it"s', toApplication: true },
    'grants',
    'database my shop owner-changed',
    ['owner admin', 'given to it"s', 'owner changed to it"s', 'given to it"s'],
    'ALTER DATABASE "my shop" OWNER TO "it""s"',
    'GRANT CONNECT ON DATABASE "my shop" TO "admin"',
  ],
  [
    { kind: 'set-owner', from: 'it"s', to: 'admin', toApplication: false },
    'grants',
    'database my shop owner-changed',
    ['owner it"s', 'given to admin', 'owner changed to admin', 'given to admin'],
    'ALTER DATABASE "my shop" OWNER TO "admin"',
    'GRANT ALL ON DATABASE "my shop" TO "it""s"',
  ],
  [
    { kind: 'grant-schema' },
    'schema',
    'grants my shop granted',
    [
      'USAGE and CREATE on schema public for it"s are missing',
      'granted',
      'it"s: USAGE and CREATE on schema public',
      'it"s: USAGE and CREATE on schema public',
    ],
    'GRANT USAGE, CREATE ON SCHEMA public TO "it""s"',
  ],
  [
    { kind: 'set-setting', name: 'statement_timeout', value: '30s' },
    'settings',
    'setting statement_timeout set',
    ['not set', 'set to 30s', 'statement_timeout = 30s for it"s in my shop', 'set to 30s'],
    `ALTER ROLE "it""s" IN DATABASE "my shop" SET statement_timeout = '30s'`,
  ],
  [
    { kind: 'set-setting', name: 'statement_timeout', value: '30s', from: '1min' },
    'settings',
    'setting statement_timeout set',
    ['1min', 'set to 30s', 'statement_timeout = 30s for it"s in my shop', 'set to 30s'],
    `ALTER ROLE "it""s" IN DATABASE "my shop" SET statement_timeout = '30s'`,
  ],
  [
    { kind: 'set-password', reason: 'secret-gone' },
    'password',
    'role it"s password-set',
    [
      'the Secret holds no password for it',
      'given a new password',
      'it"s is there, the Secret holds no password for it: given a new password',
      'given a new password',
    ],
    `ALTER ROLE "it""s" PASSWORD 'SCRAM-SHA-256$'`,
  ],
  [
    { kind: 'set-password', reason: 'drift' },
    'password',
    'role it"s password-set',
    [
      'its password was not the one in the Secret',
      "set to the Secret's",
      `it"s is there, its password was not the one in the Secret: set to the Secret's`,
      "set to the Secret's",
    ],
    `ALTER ROLE "it""s" PASSWORD 'SCRAM-SHA-256$'`,
  ],
  [
    { kind: 'set-password', reason: 'literal', comment },
    'password',
    'role it"s password-set',
    [
      'its password was the text :APP_PASSWORD that the old manual procedure sets by mistake, and which is public',
      "set to the Secret's",
      `it"s is there, its password was the text :APP_PASSWORD that the old manual procedure sets by mistake, and which is public: set to the Secret's`,
      "set to the Secret's",
    ],
    `ALTER ROLE "it""s" PASSWORD 'SCRAM-SHA-256$'`,
    commented,
  ],
  [
    { kind: 'set-password', reason: 'adopted', comment },
    'password',
    'role it"s password-set',
    [
      'it was not ours',
      'adopted, its password set',
      'it"s is there, it was not ours: adopted, its password set',
      'adopted, its password set',
    ],
    `ALTER ROLE "it""s" PASSWORD 'SCRAM-SHA-256$'`,
    commented,
  ],
  [
    { kind: 'mark-role', comment },
    'password',
    'role it"s marked',
    [
      'nothing says whose it is',
      'marked as ours',
      'it"s is there and its login works: marked as belonging to shop/app-postgresql-secret',
      'marked as ours',
    ],
    commented,
  ],
  [
    { kind: 'create-secret', keys: ['PGHOST'] },
    'secret',
    'secret shop/app-postgresql-secret created',
    ['not there', 'created', 'shop/app-postgresql-secret created, 1 key', 'created'],
  ],
  [
    { kind: 'repair-secret', keys: ['PGHOST', 'PGPORT'] },
    'secret',
    'secret shop/app-postgresql-secret repaired',
    [
      'PGHOST and PGPORT missing or outdated',
      'written',
      'shop/app-postgresql-secret: PGHOST and PGPORT written, other keys kept',
      'written',
    ],
  ],
  [
    { kind: 'create-binding', keys: ['type', 'host'] },
    'secret',
    'binding shop/app-postgresql-binding created',
    ['not there', 'created', 'shop/app-postgresql-binding created, 2 keys', 'created'],
  ],
  [
    { kind: 'repair-binding', keys: ['host'] },
    'secret',
    'binding shop/app-postgresql-binding repaired',
    [
      'host missing or outdated',
      'written',
      'shop/app-postgresql-binding: host written, other keys kept',
      'written',
    ],
  ],
]

const named = rows.map(([change, ...rest]) => [JSON.stringify(change), change, ...rest] as const)

describe('a change', () => {
  test.each(named)('%s', (_, change, stage, effect, [found, would, line, done], ...statements) => {
    const { object, name, action } = effectOf(change, wanted)
    expect(`${object} ${name} ${action}`).toBe(effect)
    expect(wordsOf(change, wanted)).toEqual({ found, would, line, done })
    expect(statementsOf(change, wanted, 'SCRAM-SHA-256$')).toEqual(statements)
    expect(changesOf(stage, [change])).toEqual([change])
  })

  test('is of one step alone', () => {
    const changes = rows.map(([change]) => change)
    for (const stage of new Set(rows.map((row) => row[1]))) {
      expect(changesOf(stage, changes)).toEqual(
        rows.filter((row) => row[1] === stage).map(([change]) => change),
      )
    }
  })

  test('shows no verifier where a person is told what to run', () => {
    expect(statementsOf({ kind: 'set-password', reason: 'drift' }, wanted)).toEqual([
      `ALTER ROLE "it""s" PASSWORD ''`,
    ])
  })

  test('is listed with what it is in the outputs', () => {
    expect(listed([{ kind: 'grant-schema' }], wanted)).toEqual([
      { change: { kind: 'grant-schema' }, effect: { object: 'grants', name: 'my shop', action: 'granted' } },
    ])
  })
})
