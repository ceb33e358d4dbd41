import type { RequirementId } from '../../src/go-live/requirement.ts'
import { good, health, inside, minutesAgo, sql, taken as hidden } from './sights.ts'

/** What is seen, what it is judged to be, and words in which that is said. */
export type Row = readonly [id: RequirementId, what: string, seen: object, verdict: string, words: string]

const withHealth = (more: object): object => ({ health: { ...health, ...more } })
export const withInside = (more: object): object => ({ inside: { ...inside, ...more } })
export const value = <Value>(what: Value): { value: Value } => ({ value: what })
const connections = (more: object): object =>
  withHealth({ connections: value({ server: { used: 12, limit: 97 }, role: null, database: null, ...more }) })
const versions = (recorded: string | null, actual: string | null, objects: object = {}): object =>
  withInside({
    collations: value({
      database: { recorded, actual },
      objects: { total: 0, wrong: 0, items: [], ...objects },
    }),
  })
export const sequences = (more: object): object =>
  withInside({ sequences: value({ total: 3, read: 3, hidden: 0, furthest: [], ...more }) })
const certificate = (more: object): object => {
  if (good.certificate === undefined || 'hidden' in good.certificate) throw new Error('it is there')
  return { certificate: value({ ...good.certificate.value, ...more }) }
}
const server = (versionNumber: number): object => ({ sql: { ...sql, versionNumber, version: 'x.y' } })
const day = 24 * 60

/** Cases of what SQL shows of the server's health and of the application's database. */
export const healthRows: readonly Row[] = [
  ['connections', 'few sessions', {}, 'met', '12 of 97 connections'],
  ['connections', '80 %', connections({ server: { used: 80, limit: 100 } }), 'met', '80 of 100'],
  [
    'connections',
    'more than 80 %',
    connections({ server: { used: 81, limit: 100 } }),
    'not met',
    '81 of 100',
  ],
  [
    'connections',
    'a role that is at its limit',
    connections({ role: { used: 5, limit: 5 } }),
    'not met',
    'role "shop" 5 of 5 connections',
  ],
  [
    'connections',
    'a database that is at its limit',
    connections({ database: { used: 0, limit: 0 } }),
    'not met',
    'database "shop" 0 of 0 connections',
  ],
  ['connections', 'a limit with room', connections({ role: { used: 4, limit: 5 } }), 'met', '4 of 5'],
  ['connections', 'what is hidden', withHealth({ connections: hidden }), 'unknown', '42501'],

  ['xid-age', 'young databases', {}, 'met', '1,200,000 transactions'],
  [
    'xid-age',
    'an old one',
    withHealth({ ages: value([{ database: 'shop', xids: 1_000_000_001, multixacts: 0 }]) }),
    'not met',
    '"shop" 1,000,000,001',
  ],
  [
    'xid-age',
    'old multixacts in another one',
    withHealth({ ages: value([{ database: 'other', xids: 5, multixacts: 1_500_000_000 }]) }),
    'not met',
    '1,500,000,000 multixacts',
  ],
  [
    'xid-age',
    'two databases',
    withHealth({
      ages: value([
        { database: 'other', xids: 7, multixacts: 2 },
        { database: 'shop', xids: 5, multixacts: 1 },
      ]),
    }),
    'met',
    'the oldest: "other" 7 transactions, 2 multixacts',
  ],
  ['xid-age', 'what is hidden', withHealth({ ages: hidden }), 'unknown', '42501'],

  ['autovacuum', 'on', {}, 'met', 'on, and off for none of 12 tables'],
  [
    'autovacuum',
    'what counts nothing',
    withHealth({ autovacuum: value({ autovacuum: 'on', trackCounts: 'off' }) }),
    'not met',
    'track_counts off',
  ],
  [
    'autovacuum',
    'off for many tables',
    withInside({ unvacuumed: value({ total: 9, wrong: 5, items: ['a', 'b', 'c', 'd', 'e'] }) }),
    'not met',
    'off for a, b, c and 2 more',
  ],
  ['autovacuum', 'tables that nobody shows', { inside: undefined }, 'unknown', 'the tables'],
  ['autovacuum', 'what is hidden', withHealth({ autovacuum: hidden }), 'unknown', '42501'],

  ['checksums', 'on', {}, 'met', 'on'],
  ['checksums', 'off', withHealth({ checksums: value({ on: false, failures: [] }) }), 'not met', 'off'],
  [
    'checksums',
    'failures',
    withHealth({ checksums: value({ on: true, failures: [{ database: null, count: 2 }] }) }),
    'not met',
    '2 failures in what all databases share',
  ],

  [
    'checksums',
    'failures in two databases',
    withHealth({
      checksums: value({
        on: true,
        failures: [
          { database: 'shop', count: 2 },
          { database: 'other', count: 1 },
        ],
      }),
    }),
    'not met',
    '2 failures in "shop" and 1 failure in "other"',
  ],

  ['slots', 'slots that are read', {}, 'met', '2 slots, none abandoned'],
  [
    'slots',
    'one that is not',
    withHealth({ slots: value({ total: 1, idle: [{ name: 'old', status: 'lost' }] }) }),
    'not met',
    'inactive: old (lost)',
  ],
  [
    'slots',
    'two that are not',
    withHealth({
      slots: value({
        total: 3,
        idle: [
          { name: 'old', status: 'lost' },
          { name: 'older', status: 'extended' },
        ],
      }),
    }),
    'not met',
    'inactive: old (lost) and older (extended)',
  ],
  ['slots', 'what is hidden', withHealth({ slots: hidden }), 'unknown', '42501'],

  ['minor-version', 'the newest that is known', {}, 'met', 'the newest known here is 16.15'],
  ['minor-version', 'one that nobody knows here yet', server(160_020), 'met', 'the newest known'],
  ['minor-version', 'a major version that nobody knows here', server(190_002), 'met', 'knows no newer one'],
  ['minor-version', 'one that is behind', server(160_014), 'not met', '16.15 was released on 2026-08-13'],
  ['minor-version', 'the last one of 13', server(130_023), 'met', '13.23'],
  [
    'minor-version',
    'one before the last of 13',
    server(130_022),
    'not met',
    '13.23 was released on 2025-11-13',
  ],
  [
    'minor-version',
    'one that is behind for less than 90 days',
    { ...server(160_014), at: new Date('2026-09-01T00:00:00Z') },
    'met',
    '16.15',
  ],

  ['timeouts', 'both', {}, 'met', 'lock_timeout 5 s'],
  [
    'timeouts',
    'one of both',
    withInside({ timeouts: value({ idle_in_transaction_session_timeout: 1, lock_timeout: 0 }) }),
    'not met',
    'lock_timeout is off',
  ],
  [
    'timeouts',
    'none, in another order',
    withInside({ timeouts: value({ lock_timeout: 0, idle_in_transaction_session_timeout: 0 }) }),
    'not met',
    'idle_in_transaction_session_timeout and lock_timeout are off',
  ],
  [
    'timeouts',
    'both, and one for every statement',
    withInside({
      timeouts: value({
        statement_timeout: 30_000,
        lock_timeout: 5000,
        idle_in_transaction_session_timeout: 60_000,
      }),
    }),
    'met',
    'idle_in_transaction_session_timeout 60 s, lock_timeout 5 s, statement_timeout 30 s',
  ],
  ['timeouts', 'no login', { inside: undefined }, 'unknown', "only the application's own login"],

  ['primary-keys', 'tables with', {}, 'met', '12 tables, each has one'],
  [
    'primary-keys',
    'tables without',
    withInside({ keyless: value({ total: 4, wrong: 1, items: ['public.a'] }) }),
    'not met',
    '1 of 4 tables has none: public.a',
  ],
  [
    'primary-keys',
    'two tables without',
    withInside({ keyless: value({ total: 4, wrong: 2, items: ['public.a', 'public.b'] }) }),
    'not met',
    '2 of 4 tables have none: public.a and public.b',
  ],
  [
    'primary-keys',
    'no table',
    withInside({ keyless: value({ total: 0, wrong: 0, items: [] }) }),
    'not applicable',
    '',
  ],

  ['indexes', 'none that is invalid', {}, 'met', '20 indexes, 0 invalid'],
  [
    'indexes',
    'one alone',
    withInside({ invalidIndexes: value({ total: 1, wrong: 0, items: [] }) }),
    'met',
    '1 index, 0 invalid, 0 being built',
  ],
  [
    'indexes',
    'one that is being built',
    withInside({
      invalidIndexes: value({ total: 4, wrong: 1, items: [{ name: 'public.i', building: true }] }),
    }),
    'met',
    '1 being built',
  ],
  [
    'indexes',
    'one that was left behind, and one that is being built',
    withInside({
      invalidIndexes: value({
        total: 4,
        wrong: 2,
        items: [
          { name: 'public.h', building: false },
          { name: 'public.i', building: true },
        ],
      }),
    }),
    'not met',
    'invalid: public.h',
  ],

  ['collation', 'the same version', {}, 'met', '2.36'],
  ['collation', 'another one', versions('2.31', '2.36'), 'not met', 'recorded 2.31, now 2.36'],
  ['collation', 'none that was recorded', versions(null, '2.36'), 'not met', 'recorded nothing'],
  [
    'collation',
    'no version at all',
    versions(null, null),
    'not applicable',
    'no collation in use has a version',
  ],
  [
    'collation',
    'a collation of its own',
    versions(null, null, { total: 1, wrong: 1, items: [{ name: 'public.c', recorded: '1', actual: '2' }] }),
    'not met',
    'public.c (recorded 1, now 2)',
  ],
  [
    'collation',
    'a database without a version, and a collation that has its own',
    versions(null, null, { total: 1, wrong: 0, items: [] }),
    'met',
    'the database: has no version; 0 of 1 collation in use differ',
  ],
  ['collation', 'a version that is gone', versions('2.31', null), 'not met', 'recorded 2.31, now nothing'],
  [
    'collation',
    'another version of the database, and of more collations than are named',
    versions('1', '2', {
      total: 4,
      wrong: 3,
      items: ['a', 'b', 'c'].map((name) => ({ name, recorded: '1', actual: '2' })),
    }),
    'not met',
    'the database (recorded 1, now 2), a (recorded 1, now 2), b (recorded 1, now 2) and 1 more',
  ],
  ['collation', 'PostgreSQL 14', server(140_024), 'not applicable', 'before 15'],

  ['sequences', 'none', sequences({ total: 0, read: 0 }), 'not applicable', ''],
  ['sequences', 'none in use', sequences({}), 'met', '3 sequences, none in use'],
  [
    'sequences',
    'one at 80 %',
    sequences({ furthest: [{ name: 's', last: '80', end: '100', used: 80 }] }),
    'met',
    's 80 % (80 of 100)',
  ],
  [
    'sequences',
    'one beyond, among hidden ones',
    sequences({ hidden: 1, furthest: [{ name: 's', last: '81', end: '100', used: 81 }] }),
    'not met',
    's 81 %',
  ],
  [
    'sequences',
    'two in use',
    sequences({
      furthest: [
        { name: 's', last: '8', end: '100', used: 8 },
        { name: 't', last: '2', end: '100', used: 2 },
      ],
    }),
    'met',
    'the furthest: s 8 % (8 of 100)',
  ],
  ['sequences', 'hidden ones', sequences({ hidden: 2 }), 'unknown', 'no permission to read 2 of 3 sequences'],
  ['sequences', 'too many', sequences({ total: 20_000 }), 'unknown', 'only 3 of 20000'],

  [
    'sessions-encrypted',
    'none',
    withInside({ sessions: value({ open: 0, plain: 0, from: [], local: 0, hidden: 0 }) }),
    'not applicable',
    'none is open',
  ],
  ['sessions-encrypted', 'encrypted ones', {}, 'met', '4 sessions, none in clear text'],
  [
    'sessions-encrypted',
    'one over a socket',
    withInside({ sessions: value({ open: 2, plain: 0, from: [], local: 1, hidden: 0 }) }),
    'met',
    '1 over a Unix socket',
  ],
  [
    'sessions-encrypted',
    'one in clear text',
    withInside({ sessions: value({ open: 2, plain: 1, from: ['10.0.0.7'], local: 0, hidden: 1 }) }),
    'not met',
    'from 10.0.0.7',
  ],
  [
    'sessions-encrypted',
    'hidden ones',
    withInside({ sessions: value({ open: 2, plain: 0, from: [], local: 0, hidden: 2 }) }),
    'unknown',
    'no permission to see 2 of 2 sessions',
  ],

  ['certificate', 'one that lasts', {}, 'met', 'ends in 89 days; it passes verify-full'],
  [
    'certificate',
    'one that ends in 5 days',
    certificate({ ends: minutesAgo(-5 * day) }),
    'met',
    'ends in 5 days; it passes verify-full',
  ],
  [
    'certificate',
    'one that ends in a minute less than 5 days',
    certificate({ ends: minutesAgo(-5 * day + 1) }),
    'not met',
    'ends in 4 days',
  ],
  [
    'certificate',
    'one that ends today',
    certificate({ ends: minutesAgo(-1) }),
    'not met',
    'ends within a day',
  ],
  ['certificate', 'one that has ended', certificate({ ends: minutesAgo(5 * day) }), 'not met', 'it ended on'],
  [
    'certificate',
    'one that verify-full refuses',
    certificate({ refused: 'the certificate is not one of db' }),
    'not met',
    'verify-full refuses it: the certificate is not one of db',
  ],
  [
    'certificate',
    'one without its authority',
    certificate({ checked: false }),
    'unknown',
    'without the CA certificate',
  ],
  ['certificate', 'no TLS', { certificate: undefined }, 'not applicable', 'no TLS'],
  [
    'certificate',
    'a handshake that failed',
    { certificate: { hidden: 'TLS failed' } },
    'unknown',
    'TLS failed',
  ],
]
