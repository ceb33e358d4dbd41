import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import type { RequirementId } from '../../src/go-live/requirement.ts'
import type { ProvisionRequest } from '../../src/input/request.ts'
import { useBench, type Application } from '../support/bench.ts'
import { findIn, until, useGate } from '../support/gate.ts'

const bench = useBench({
  postgres: {
    settings: {
      max_slot_wal_keep_size: '1MB',
      max_wal_size: '32MB',
      archive_mode: 'on',
      archive_command: 'test -f %p',
    },
  },
})
const { judged, set } = useGate(bench)

let application: Application
let recorded: boolean

beforeAll(async () => {
  application = await bench.established()
  recorded = bench.postgres.major >= 15
})

/** Runs statements in the application's database, each in a transaction of its own, as the application or a superuser. */
async function asApplication(...statements: readonly string[]): Promise<void> {
  await bench.sqlAs(application.role, statements, application.database)
}
async function inside(...statements: readonly string[]): Promise<void> {
  for (const statement of statements) await bench.sql(statement, [], application.database)
}

/** Judges the application, and gives of some requirements the verdict with what was seen. */
async function seen(
  ids: readonly RequirementId[],
  content = '',
  overrides: Partial<ProvisionRequest> = {},
): Promise<Record<string, string>> {
  const { report, outcome } = await judged(application, content, {}, overrides)
  expect(outcome.failure).toBeUndefined()
  return Object.fromEntries(
    ids.map((id) => {
      const finding = findIn(report, id)
      const shown = finding.evidence.every(({ query, answer }) => query !== '' && answer !== '')
      const said = finding.verdict === 'met' || finding.verdict === 'not applicable' || finding.remedy !== ''
      expect([id, shown, said]).toEqual([id, true, true])
      return [id, `${finding.verdict}: ${finding.seen}`]
    }),
  )
}

test('what there is none of yet is not applicable', async () => {
  expect(await seen(['primary-keys', 'sequences', 'sessions-encrypted', 'collation'])).toEqual({
    'primary-keys': 'not applicable: there is no table yet',
    sequences: 'not applicable: there is no sequence that can run out',
    'sessions-encrypted': 'not applicable: none is open',
    collation: recorded
      ? 'not applicable: no collation in use has a version'
      : 'not applicable: PostgreSQL records no version of a database before 15',
  })
})

test('the report names the database so that no other one can be taken for it', async () => {
  const { report } = await judged(application)
  const [row] = await bench.sql<{ system: string; oid: number }>(
    'select system_identifier::text as system, oid::int as oid from pg_control_system(), pg_database where datname = $1',
    [application.database],
  )
  expect(report.identity).toEqual({ systemIdentifier: row?.system, oid: row?.oid })
})

test('what is wrong is not met, and met once it is mended', async () => {
  const ids = [
    'primary-keys',
    'indexes',
    'sequences',
    'collation',
    'timeouts',
    'autovacuum',
    'xid-age',
    'connections',
    'slots',
    'sessions-encrypted',
    'certificate',
    'minor-version',
  ] as const
  await asApplication(
    'CREATE SCHEMA "odd ""one"',
    'CREATE TABLE "odd ""one"."Table; --" (a int)',
    'CREATE TABLE measured (at date, value int) PARTITION BY RANGE (at)',
    "CREATE TABLE measured_1 PARTITION OF measured FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    'CREATE TABLE numbered (id serial PRIMARY KEY, old int, name text)',
    'CREATE SEQUENCE former AS bigint OWNED BY numbered.old',
    "SELECT setval('numbered_id_seq', 2000000000), setval('former', 1900000000)",
    'CREATE SEQUENCE round MAXVALUE 10 CYCLE',
    "SELECT setval('round', 10)",
    'CREATE SEQUENCE down AS int INCREMENT -1',
    "SELECT setval('down', -2000000000)",
    'INSERT INTO numbered (old) VALUES (1), (1)',
    'ALTER TABLE numbered SET (toast.autovacuum_enabled = f)',
    'ALTER TABLE measured_1 SET (autovacuum_enabled = OFF)',
    // None of these has to have a key.
    'CREATE UNLOGGED TABLE passing (a int)',
    'CREATE MATERIALIZED VIEW seen AS SELECT 1 AS a',
  )
  await expect(
    asApplication('CREATE UNIQUE INDEX CONCURRENTLY left_behind ON numbered (old)'),
  ).rejects.toThrow('left_behind')
  await inside('CREATE FOREIGN DATA WRAPPER far', 'CREATE SERVER far FOREIGN DATA WRAPPER far')
  await inside('CREATE FOREIGN TABLE public.far (a int) SERVER far')
  if (recorded) {
    await asApplication(
      "CREATE COLLATION german (provider = icu, locale = 'de')",
      'CREATE TABLE sorted (name text COLLATE german PRIMARY KEY)',
    )
    await inside("UPDATE pg_collation SET collversion = '0.0' WHERE collname = 'german'")
  }
  await bench.sql("SELECT pg_create_physical_replication_slot('abandoned', true)")
  for (let segment = 0; segment < 4; segment++) {
    await bench.sql("SELECT pg_logical_emit_message(true, 'test', 'something')")
    await bench.sql('SELECT pg_switch_wal()')
  }
  await bench.sql('CHECKPOINT')
  const { PGUSER: user = '', PGPASSWORD: password = '' } = application.secret
  const { host, port } = bench.postgres
  const plain = new pg.Client({ host, port, user, password, database: application.database, ssl: false })
  await plain.connect()
  const secure = await bench.connect(user, password, application.database)

  const { ca } = bench.postgres
  const withAuthority = { ...(ca !== undefined && { sslRootCert: ca }) }
  const { PGHOST: right = '' } = application.secret
  application.putSecret({ PGHOST: 'elsewhere.example.com' }, 'on top')
  const strict = ['max-xid-age: 1', 'max-connections-used: 1%', 'minor-release-within: 1d', ''].join('\n')
  expect(await seen(ids, strict, withAuthority)).toEqual({
    'primary-keys': expect.stringMatching(
      /^not met: 2 of \d tables have none: "odd ""one"\."Table; --" and public\.measured$/,
    ),
    indexes: 'not met: invalid: public.left_behind',
    sequences: expect.stringMatching(
      /^not met: public\.(numbered_id_seq|down) 93\.1 % .*, public\.former 88\.5 % \(1900000000 of 2147483647\)$/,
    ),
    collation: recorded
      ? expect.stringMatching(/^not met: public\.german \(recorded 0\.0, now /)
      : expect.stringMatching(/^not applicable/),
    timeouts: 'not met: idle_in_transaction_session_timeout and lock_timeout are off',
    autovacuum: 'not met: autovacuum off, track_counts on',
    'xid-age': expect.stringMatching(/^not met: the oldest: "\w+" [\d,]+ transactions, \d+ multixacts$/),
    connections: expect.stringMatching(/^not met: \d+ of 97 connections in use, reserved ones left out$/),
    slots: expect.stringMatching(/^not met: inactive: abandoned \((lost|unreserved|extended)\)$/),
    'sessions-encrypted': 'not met: 1 of 2 sessions in clear text, from 127.0.0.1',
    certificate: expect.stringMatching(/^not met: verify-full refuses it: .*elsewhere\.example\.com$/),
    'minor-version': expect.stringMatching(
      bench.postgres.major === 13 ? /^met/ : /^not met: PostgreSQL [\d.]+; [\d.]+ was released on 20/,
    ),
  })
  await set({ autovacuum: 'on' })
  expect(await seen(['autovacuum'])).toEqual({
    autovacuum: 'not met: off for public.measured_1 and public.numbered',
  })

  await plain.end()
  await asApplication(
    'ALTER TABLE "odd ""one"."Table; --" ADD PRIMARY KEY (a)',
    'ALTER TABLE measured ADD PRIMARY KEY (at)',
    'DROP INDEX CONCURRENTLY left_behind',
    'ALTER TABLE numbered ALTER id TYPE bigint, ALTER old TYPE bigint',
    'ALTER SEQUENCE numbered_id_seq AS bigint',
    'DROP SEQUENCE down',
    'ALTER TABLE numbered RESET (toast.autovacuum_enabled)',
    'ALTER TABLE measured_1 RESET (autovacuum_enabled)',
    ...(recorded ? ['ALTER COLLATION german REFRESH VERSION'] : []),
  )
  await bench.sql("SELECT pg_drop_replication_slot('abandoned')")
  await bench.sql(`ALTER ROLE ${application.role} SET lock_timeout = '5s'`)
  await bench.sql(
    `ALTER ROLE ${application.role} IN DATABASE ${application.database} SET idle_in_transaction_session_timeout = '1min'`,
  )
  application.putSecret({ PGHOST: right }, 'on top')
  const lenient = 'minor-release-within: 9999d\n'
  const mended = await seen(ids, lenient, withAuthority)
  await secure.end()
  expect(mended).toEqual({
    'primary-keys': expect.stringMatching(/^met: \d tables, each has one$/),
    indexes: expect.stringMatching(/^met: /),
    sequences: expect.stringMatching(/^met: the furthest: public\./),
    collation: recorded ? expect.stringMatching(/^met: /) : expect.stringMatching(/^not applicable/),
    timeouts: expect.stringMatching(
      /^met: idle_in_transaction_session_timeout 60 s, .*lock_timeout 5 s, statement_timeout off/,
    ),
    autovacuum: expect.stringMatching(/^met: on, and off for none of \d tables$/),
    'xid-age': expect.stringMatching(/^met: /),
    connections: expect.stringMatching(/^met: /),
    slots: 'met: 0 slots, none abandoned',
    'sessions-encrypted': 'met: 1 session, none in clear text',
    certificate: expect.stringMatching(/^met: it ends in \d+ days; it passes verify-full$/),
    'minor-version': expect.stringMatching(/^met: /),
  })
  await set({ autovacuum: 'off' })
}, 120_000)

test('what may not be read is unknown, and the rest is judged', async () => {
  await inside('CREATE SEQUENCE public.of_somebody_else')
  const insideRights = [
    'SELECT ON pg_settings',
    'SELECT ON pg_index',
    'SELECT ON pg_stat_ssl',
    'EXECUTE ON FUNCTION pg_options_to_table(text[])',
    'EXECUTE ON FUNCTION pg_collation_actual_version(oid)',
  ]
  const serverRights = ['SELECT ON pg_stat_database', 'EXECUTE ON FUNCTION mxid_age(xid)']
  await inside(...insideRights.map((right) => `REVOKE ${right} FROM PUBLIC`))
  for (const right of serverRights) await bench.sql(`REVOKE ${right} FROM PUBLIC`)
  await set({ autovacuum: 'on' })
  const missing = 'unknown: the right to read it is missing (42501)'
  expect(
    await seen([
      'timeouts',
      'primary-keys',
      'indexes',
      'sessions-encrypted',
      'autovacuum',
      'collation',
      'sequences',
      'checksums',
      'xid-age',
      'certificate',
      'primary',
    ]),
  ).toEqual({
    timeouts: missing,
    'primary-keys': missing,
    indexes: missing,
    'sessions-encrypted': missing,
    autovacuum: expect.stringMatching(/^unknown: .*of the tables: the right to read it is missing/),
    collation: recorded ? missing : expect.stringMatching(/^not applicable/),
    sequences: expect.stringMatching(/^unknown: no permission to read 1 of \d sequences$/),
    checksums: missing,
    'xid-age': missing,
    certificate: expect.stringMatching(
      /^unknown: it ends in \d+ days; without the CA certificate, verify-full cannot be checked/,
    ),
    primary: expect.stringMatching(/^met/),
  })
  await inside(...insideRights.map((right) => `GRANT ${right} TO PUBLIC`))
  for (const right of serverRights) await bench.sql(`GRANT ${right} TO PUBLIC`)
  await inside('DROP SEQUENCE public.of_somebody_else')
  await set({ autovacuum: 'off' })
})

test.each<[string, RequirementId[]]>([
  ['SELECT ON pg_stat_replication', ['streaming']],
  ['SELECT ON pg_replication_slots', ['streaming', 'slots']],
  ['SELECT ON pg_stat_archiver', ['archiving', 'rpo']],
  ['EXECUTE ON FUNCTION pg_walfile_name(pg_lsn)', ['archiving', 'rpo']],
])('%s may be taken from everybody: what needs it is unknown', async (right, ids) => {
  await bench.sql(`REVOKE ${right} FROM PUBLIC`)
  try {
    const found = await seen([...ids, 'primary', 'tls'])
    expect(found).toEqual({
      ...Object.fromEntries(ids.map((id) => [id, expect.stringMatching(/^unknown/)])),
      primary: expect.stringMatching(/^met/),
      tls: expect.stringMatching(/^met/),
    })
    expect(Object.values(found).join('\n')).toContain('the right to read it is missing (42501)')
  } finally {
    await bench.sql(`GRANT ${right} TO PUBLIC`)
  }
})

test('what takes too long is unknown, and fails no run', async () => {
  await bench.inDatabase(application.database, async (client) => {
    await client.query('BEGIN')
    await client.query('LOCK TABLE pg_catalog.pg_sequence IN ACCESS EXCLUSIVE MODE')
    expect(await seen(['primary-keys', 'sequences'])).toEqual({
      'primary-keys': expect.stringMatching(/^(met|not applicable)/),
      sequences: 'unknown: the server took longer than 5 s to tell (57014)',
    })
    await client.query('ROLLBACK')
  })
}, 60_000)

test('a page that does not match its checksum is not met', async () => {
  expect(await seen(['checksums'])).toEqual({ checksums: 'met: on, no failure counted' })
  await asApplication('CREATE TABLE damaged AS SELECT 1 AS a')
  const [row] = await bench.sql<{ path: string }>(
    "SELECT pg_relation_filepath('public.damaged') AS path",
    [],
    application.database,
  )
  await bench.postgres.halt()
  const file = await open(join(bench.postgres.dataDirectory, row?.path ?? ''), 'r+')
  await file.write(Buffer.alloc(8, 0xff), 0, 8, 8_000)
  await file.close()
  await bench.postgres.start()
  await expect(asApplication('SELECT * FROM damaged')).rejects.toThrow()
  await until(async () => {
    const counted = 'SELECT 1 FROM pg_stat_database WHERE checksum_failures > 0'
    return (await bench.sql(counted)).length > 0
  })
  expect(await seen(['checksums'])).toEqual({ checksums: `not met: 1 failure in "${application.database}"` })
})

describe('a database with very many objects', () => {
  test('is judged within bounds, and holds few locks at a time', async () => {
    const large = await bench.established()
    // As many as fill more than one batch of sequences.
    await bench.sqlAs(
      large.role,
      [
        `DO $$ BEGIN FOR n IN 1..600 LOOP
           EXECUTE format('CREATE TABLE t%s (id serial)', n);
         END LOOP; END $$`,
        "SELECT setval('t599_id_seq', 2147483647)",
      ],
      large.database,
    )
    const { report } = await judged(large)
    expect(findIn(report, 'primary-keys').seen).toBe(
      '600 of 600 tables have none: public.t1, public.t10, public.t100 and 597 more',
    )
    expect(findIn(report, 'sequences')).toMatchObject({
      verdict: 'not met',
      seen: 'public.t599_id_seq 100 % (2147483647 of 2147483647)',
    })
    expect(findIn(report, 'sequences').evidence[0]?.answer).toContain('600 sequences, 600 looked at')
  })
})
