import { describe, expect, test } from '@jest/globals'
import { minorReleasesOf } from '../../../src/go-live/version.ts'
import { value, withInside } from '../../support/health-rows.ts'
import {
  application,
  cluster,
  findingOf,
  good,
  health,
  now,
  senders,
  sql,
  sqlWith,
  workload,
} from '../../support/sights.ts'

const day = 24 * 3_600_000
const { secret } = good
const { role } = good.server
if (secret === undefined || role === undefined) throw new Error('they are there')
const holding = (values: Readonly<Record<string, string>>): object => ({ secret: { ...secret, values } })
const version = (number: number, at: Date): object => ({
  at,
  sql: sqlWith({ version: 'x.y', versionNumber: number }),
})
const withPods = (pods: readonly object[]): object => ({ cluster: { ...cluster, pods } })

describe('the last day', () => {
  test.each([
    ['2026-11-11T23:59:59Z', 'met', ['PostgreSQL 14 gets its last fix in 1 day']],
    ['2026-11-12T00:00:00Z', 'met', ['PostgreSQL 14 gets its last fix today']],
    ['2026-11-12T23:59:59Z', 'met', ['PostgreSQL 14 gets its last fix today']],
    ['2026-11-13T00:00:00Z', 'not met', []],
  ])('of fixes for 14: on %s it is %s', (at, verdict, warnings) => {
    const found = findingOf('supported-version', version(140_020, new Date(at)))
    expect(found.verdict).toBe(verdict)
    expect(found.warnings).toEqual(warnings)
  })

  test.each([
    ['2027-05-15T00:00:00Z', 1],
    ['2027-05-14T00:00:00Z', 0],
  ])('of 15 is announced half a year ahead: on %s there are %d warnings', (at, warnings) => {
    expect(findingOf('supported-version', version(150_018, new Date(at))).warnings).toHaveLength(warnings)
  })

  test.each([
    [0, 'met'],
    [1, 'not met'],
  ])('to take a minor release: %d ms after it the server is %s', (late, verdict) => {
    const [, missed] = minorReleasesOf(16)
    if (missed === undefined) throw new Error('16 has two minor releases')
    const at = new Date(Date.parse(missed.day) + 90 * day + late)
    expect(findingOf('minor-version', version(160_000 + missed.minor - 1, at)).verdict).toBe(verdict)
  })

  test.each([
    [0, 'met'],
    [1, 'not met'],
  ])('of the age of a database: %d transaction more is %s', (more, verdict) => {
    const ages = [{ database: 'shop', xids: 5, multixacts: 1_000_000_000 + more }]
    expect(findingOf('xid-age', { health: { ...health, ages: { value: ages } } }).verdict).toBe(verdict)
  })
})

test.each([
  [['shop'], 'VACUUM (FREEZE), as the owner of the tables'],
  [['shop', 'other'], 'ask the administrator for VACUUM (FREEZE)'],
])('who can freeze %j: %s', (databases, who) => {
  const ages = databases.map((database) => ({ database, xids: 1_500_000_000, multixacts: 3 }))
  expect(findingOf('xid-age', { health: { ...health, ages: { value: ages } } }).remedy).toMatch(
    new RegExp(`^${who.replaceAll(/[()]/g, '\\$&')};`),
  )
})

test('a server of 16.0 itself is past the upgrade that takes ADMIN OPTION away', () => {
  const seen = {
    ...version(160_000, now),
    server: { ...good.server, role: { ...role, adminOption: false } },
  }
  expect(findingOf('supported-version', seen).warnings.join()).toContain('a superuser can run')
})

describe('timeouts', () => {
  const found = (timeouts: object): ReturnType<typeof findingOf> =>
    findingOf('timeouts', withInside({ timeouts: value(timeouts) }))

  test('are told in the order of their names, and a statement_timeout with what it does', () => {
    const timeouts = { statement_timeout: 90_000, lock_timeout: 1, idle_in_transaction_session_timeout: 2000 }
    expect(found(timeouts)).toMatchObject({
      verdict: 'met',
      seen: 'idle_in_transaction_session_timeout 2 s, lock_timeout 0.001 s, statement_timeout 90 s',
      warnings: ['statement_timeout ends every statement, those of migrations too, after 90 s'],
    })
  })

  test.each([
    [{ lock_timeout: 1, idle_in_transaction_session_timeout: 0 }, /^idle_\w+ is off$/, '=1min'],
    [{ lock_timeout: 0, idle_in_transaction_session_timeout: 1 }, /^lock_timeout is off$/, '=5s'],
    [{}, /^\w+ and \w+ are off$/, '=5s'],
  ])('%j', (timeouts, seen, remedy) => {
    expect(found(timeouts)).toMatchObject({
      verdict: 'not met',
      seen: expect.stringMatching(seen),
      remedy: expect.stringContaining(remedy),
      warnings: [],
    })
  })
})

test('sessions of which none is open are neither encrypted nor not', () => {
  const none = withInside({ sessions: value({ open: 0, plain: 0, from: [], local: 0, hidden: 0 }) })
  expect(findingOf('sessions-encrypted', none)).toMatchObject({
    verdict: 'not applicable',
    seen: 'none is open',
  })
})

describe('the Secret', () => {
  test('without a user is of no use', () => {
    expect(findingOf('app-user', holding({ PGHOST: 'h' }))).toMatchObject({
      verdict: 'not met',
      seen: 'shop/app-postgresql-secret holds no PGUSER',
    })
  })

  test.each([
    ['verify-full', 'met', 'verify-full'],
    ['verify-ca', 'met', 'verify-ca, which encrypts but does not verify the host'],
    ['no-verify', 'met', 'no-verify, which encrypts but does not verify the host'],
    ['allow', 'not met', 'allow, which may go on without TLS'],
    [undefined, 'not met', 'shop/app-postgresql-secret holds no PGSSLMODE'],
  ])('with PGSSLMODE %s', (mode, verdict, seen) => {
    const found = findingOf('tls', holding({ PGUSER: 'shop', ...(mode && { PGSSLMODE: mode }) }))
    expect([found.verdict, found.seen]).toEqual([verdict, seen])
  })
})

test.each([
  [['a'], '1 other session of the admin is open: "a"'],
  [['', 'a', 'a'], '3 other sessions of the admin are open: without a name and "a"'],
  [['a', 'b', 'c', 'd'], '4 other sessions of the admin are open: "a", "b" and "c"'],
])('sessions of the admin are named, the first three: %j', (admin, warning) => {
  expect(findingOf('app-user', { sql: sqlWith({ admin }) }).warnings).toEqual([warning])
})

test('a role that has expired cannot be used, whatever else it may', () => {
  const seen = { server: { ...good.server, role: { ...role, expired: true } } }
  expect(findingOf('role-attributes', seen)).toMatchObject({ verdict: 'not met', seen: '"shop" has expired' })
})

describe('instances', () => {
  const asked = { what: 'clusters.postgresql.cnpg.io pg1', wantedInstances: 3, status: 'healthy' }

  test('are counted in all places, and those that agree are named', () => {
    const operator = { ...asked, readyInstances: 3 }
    expect(findingOf('instances', { cluster: { ...cluster, operator } }).seen).toMatch(
      /; clusters\.postgresql\.cnpg\.io pg1 and SQL say the same$/,
    )
    const other = { ...asked, readyInstances: 2, wantedInstances: 2 }
    expect(findingOf('instances', { cluster: { ...cluster, operator: other } }).warnings).toEqual([
      'the Pods say 3, clusters.postgresql.cnpg.io pg1 says 2',
      'clusters.postgresql.cnpg.io pg1 asks for 2 only',
    ])
  })

  test('are told by name where no role is known', () => {
    const pods = ['a', 'b', 'c'].map((name) => ({ name, ready: true, node: name }))
    expect(findingOf('instances', withPods(pods)).seen).toMatch(/^3 ready: a, b, c;/)
  })

  test('of one place alone agree with nobody', () => {
    const seen = {
      cluster: { ...cluster, operator: undefined },
      sql: { ...sql, replication: { hidden: 'no right (42501)' } },
    }
    expect(findingOf('instances', seen).seen).not.toContain('the same')
  })

  test('are in the plan, unless the file asks for a number of its own', () => {
    const one = withPods(cluster.pods?.slice(0, 1) ?? [])
    expect(findingOf('instances', one).remedy).toBe('3 are in the premium plan: ask the administrator')
    const file = { thresholds: { minInstances: 2 } }
    expect(findingOf('instances', one, 'premium', file).remedy).toBe('ask the administrator')
  })
})

describe('standbys', () => {
  const hidden = { ...sql, replication: { hidden: 'no right (42501)' } }

  test('are not known where neither Pods nor SQL show them', () => {
    const seen = { cluster: { ...cluster, pods: undefined }, sql: hidden }
    expect(findingOf('streaming', seen, 'standard').verdict).toBe('unknown')
  })

  test('that nobody wants may be hidden', () => {
    const seen = { sql: sqlWith({ seesStatistics: false, slots: [], senders: [] }) }
    const file = { thresholds: { minInstances: 1 } }
    expect(findingOf('streaming', seen, 'premium', file)).toMatchObject({ verdict: 'met', warnings: [] })
  })

  const lagging = (lagSeconds: number): object => ({
    sql: sqlWith({ senders: [senders[0], { ...senders[1], lagSeconds }] }),
  })

  test('may be as far behind as work may be lost', () => {
    expect(findingOf('streaming', lagging(300))).toMatchObject({ verdict: 'met', warnings: [] })
    expect(findingOf('streaming', lagging(300.4))).toMatchObject({
      verdict: 'not met',
      warnings: [
        'postgresql1-2 is 300 s behind, and is not counted',
        'Patroni says that 2 stream: its word may be old',
      ],
    })
  })

  test.each([
    [{ role: 'primary', ready: true, state: 'streaming' }],
    [{ role: 'standby', ready: false, state: 'streaming' }],
    [{ role: 'standby', ready: true, state: 'running' }],
  ])('Patroni vouches for none that is %j', (other) => {
    const pods = [cluster.pods?.[0], cluster.pods?.[1], { name: 'c', node: 'n', ...other }]
    const hidden = { ...sql, replication: { hidden: 'no right (42501)' } }
    expect(findingOf('streaming', { cluster: { ...cluster, pods }, sql: hidden } as object).verdict).toBe(
      'unknown',
    )
  })

  test('are none of what receives WAL under a name of those programs, and may have one that only contains it', () => {
    const named = (name: string): object => ({
      sql: sqlWith({ senders: [senders[0], { ...senders[1], name }] }),
    })
    expect(findingOf('streaming', named('barman_receive_wal')).verdict).toBe('not met')
    expect(findingOf('streaming', named('no-barman')).verdict).toBe('met')
  })
})

describe('spread', () => {
  test('is told of Nodes that share instances', () => {
    const pods = ['1', '2', '3', '3'].map((node, index) => ({
      name: `p${index}`,
      ready: true,
      node: `node-${node}`,
    }))
    expect(findingOf('spread', withPods(pods)).warnings).toEqual(['some instances share a Node'])
  })

  test('is nothing that one instance alone could be better at', () => {
    const one = { ...cluster, pods: cluster.pods?.slice(0, 1), zones: new Map([['node-1', 'a']]) }
    const file = { thresholds: { minInstances: 1 } }
    expect(findingOf('spread', { cluster: one }, 'premium', file)).toMatchObject({
      verdict: 'met',
      warnings: [],
    })
  })

  test('counts no instance that does not work, and no Node that is not known', () => {
    const [one, two, three] = cluster.pods ?? []
    const starting = { ...three, ready: false }
    expect(findingOf('spread', withPods([{ ...one }, { ...two }, starting])).seen).toBe(
      '2 Nodes: node-1 and node-2',
    )
    expect(findingOf('spread', withPods([{ ...one, node: undefined }])).seen).toBe('0 Nodes: none')
  })

  test('asks for zones where the file does, and says which it is in', () => {
    const file = { thresholds: { minZones: 2 } }
    const zones = new Map([
      ['node-1', 'a'],
      ['node-2', 'b'],
      ['node-3', 'b'],
    ])
    expect(findingOf('spread', { cluster: { ...cluster, zones } }, 'premium', file)).toMatchObject({
      verdict: 'met',
      wanted: '3 Nodes in 2 zones',
      seen: '3 Nodes: node-1, node-2 and node-3; 2 zones: a and b',
    })
    const unknown = findingOf('spread', {}, 'premium', file)
    expect(unknown).toMatchObject({
      verdict: 'unknown',
      seen: '3 Nodes: node-1, node-2 and node-3; node-1, node-2 and node-3 have no zone label',
      remedy: 'an attestation',
    })
  })
})

test.each([
  [3_600_000, '1 hour'],
  [7_200_000, '2 hours'],
  [5_400_000, '90 minutes'],
  [60_000, '1 minute'],
  [30_000, '30 s'],
  [90_000, '90 s'],
  [3_660_000, '61 minutes'],
  [0, '0 s'],
])('%d ms are %s', (rpoMs, words) => {
  expect(findingOf('rpo', {}, 'premium', { thresholds: { rpoMs } }).wanted).toBe(`archived within ${words}`)
})

test.each([
  [1, 1, ['node-4'], 'met'],
  [3, 3, ['node-4', 'node-4', 'node-5'], 'met'],
  [3, 3, ['node-4', 'node-4', 'node-4'], 'not met'],
])('%d replicas of the application, of which %d are wanted, on %j: %s', (replicas, least, nodes, verdict) => {
  const pods = nodes.map((node) => ({ name: 'p', node, created: now, address: undefined }))
  const workloads = [{ ...workload, replicas, ready: replicas, pods }]
  const file = { thresholds: { minAppReplicas: least } }
  expect(
    findingOf('app-spread', { application: { ...application, workloads } }, 'premium', file).verdict,
  ).toBe(verdict)
})

describe('sequences and collations', () => {
  const far = (...used: readonly number[]): object =>
    withInside({
      sequences: value({
        total: 9,
        read: 9,
        hidden: 0,
        furthest: used.map((each, index) => ({ name: `s${index}`, last: 'l', end: 'e', used: each })),
      }),
    })

  test.each([
    [[80], 'met', 'the furthest: s0 80 % (l of e)'],
    [[81, 80], 'not met', 's0 81 % (l of e)'],
    [[99, 98, 97, 96], 'not met', 's0 99 % (l of e), s1 98 % (l of e), s2 97 % (l of e)'],
  ])('%j %% of sequences are used: %s', (used, verdict, seen) => {
    const found = findingOf('sequences', far(...used), 'premium', { thresholds: { maxSequenceUsed: 80 } })
    expect([found.verdict, found.seen]).toEqual([verdict, seen])
  })

  test('PostgreSQL 15 itself records versions of databases', () => {
    expect(findingOf('collation', { sql: sqlWith({ versionNumber: 150_000 }) }).verdict).toBe('met')
    expect(findingOf('collation', { sql: sqlWith({ versionNumber: 149_999 }) }).verdict).toBe(
      'not applicable',
    )
  })
})
