import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { createAuthority } from '../../sandbox/certificate.ts'
import type { PostgresServer } from '../../sandbox/postgres.ts'
import type { Finding } from '../../src/go-live/finding.ts'
import type { RequirementId } from '../../src/go-live/requirement.ts'
import { useBench, type Application } from '../support/bench.ts'
import { findIn as find, until, useGate } from '../support/gate.ts'

const bench = useBench({
  postgres: {
    settings: {
      archive_mode: 'on',
      archive_command: '/bin/false',
      archive_timeout: '300',
      // As much as a subscriber of changes needs: such a one is no standby.
      wal_level: 'logical',
    },
  },
})

/** One that has not signed the server's certificate. */
const foreignAuthority = createAuthority('another').issue(['nobody']).certificate

const { folder, gate, judged, set } = useGate(bench)

async function finding(id: RequirementId, content = ''): Promise<Finding> {
  return find((await judged(application, content)).report, id)
}

async function archiver(): Promise<{
  failed_count: string
  last_archived_wal: string | null
  failing: boolean
}> {
  const [row] = await bench.sql<{ failed_count: string; last_archived_wal: string | null; failing: boolean }>(
    `select failed_count, last_archived_wal,
       last_failed_time is not null and (last_archived_time is null or last_failed_time > last_archived_time) as failing
     from pg_stat_archiver`,
  )
  if (row === undefined) throw new Error('pg_stat_archiver has one row')
  return row
}

/** How many finished segments wait to be archived. */
async function waiting(): Promise<number> {
  const [row] = await bench.sql<{ files: number }>(
    "select count(*)::int as files from pg_ls_archive_statusdir() where name like '%.ready'",
  )
  return row?.files ?? 0
}

async function switchSegment(): Promise<void> {
  await bench.sql("select pg_logical_emit_message(true, 'test', 'something to archive')")
  await bench.sql('select pg_switch_wal()')
}

function without(secret: Application['secret'], key: string): Record<string, string> {
  return Object.fromEntries(Object.entries(secret).filter(([name]) => name !== key))
}

let application: Application

beforeAll(async () => {
  application = await bench.established()
})

describe('archiving', () => {
  test('that was never seen to work is unknown', async () => {
    // Under way for as long as the test looks: neither a success nor a failure has been counted yet.
    await set({ archive_command: '/bin/sleep 4' })
    await switchSegment()
    await bench.sql("select pg_stat_reset_shared('archiver')")
    const seen = await finding('archiving')
    expect(seen).toMatchObject({ verdict: 'unknown', remedy: expect.stringContaining('rpo-probe') })
  })

  test('that is broken is not met, and met once it is mended', async () => {
    await set({ archive_command: '/bin/false' })
    await switchSegment()
    await until(async () => (await archiver()).failing)
    const broken = await judged(application)
    expect(find(broken.report, 'archiving')).toMatchObject({
      verdict: 'not met',
      seen: expect.stringContaining('failing:'),
    })
    expect(find(broken.report, 'rpo').verdict).toBe('not met')

    await set({ archive_command: `cp %p ${join(folder(), '%f')}` })
    await switchSegment()
    await until(async () => !(await archiver()).failing)
    const mended = await judged(application)
    expect(find(mended.report, 'archiving')).toMatchObject({
      verdict: 'met',
      warnings: [expect.stringContaining('failure')],
    })
    expect(find(mended.report, 'rpo')).toMatchObject({
      verdict: 'met',
      seen: expect.stringContaining('archive_timeout is 300 s'),
    })
  })

  test.each([
    '/bin/true',
    '"true" %p',
    'cd .',
    'test -f "%p"',
    'exit',
    'cp %p /dev/null',
    'cat %p > /dev/null',
    'dd if=%p of=/dev/null',
    '',
  ])('by the command "%s" is not met', async (command) => {
    await set({ archive_command: command })
    expect((await finding('archiving')).verdict).toBe('not met')
    await set({ archive_command: `cp %p ${join(folder(), '%f')}` })
  })

  test.each([
    'exit 1',
    'cp %p /dev/null && false',
    'cp %p /nowhere/%f 2>/dev/null',
    'cat %p > /nowhere/%f 2> /dev/null',
    'test ! -f /nowhere/%f && cp %p /nowhere/%f > /dev/null',
  ])('by the command "%s" is not taken for a pretence', async (command) => {
    await set({ archive_command: command })
    const { seen } = await finding('archiving')
    await set({ archive_command: `cp %p ${join(folder(), '%f')}` })
    expect(seen).not.toContain('archives nothing')
  })

  test('never shows the command, which may hold a credential', async () => {
    const secret = 'archive-key-4711-zebra'
    await set({ archive_command: `KEY=${secret} cp %p ${join(folder(), '%f')}` })
    const { report, log } = await judged(application)
    expect(find(report, 'archiving').verdict).toBe('met')
    expect(JSON.stringify(report) + log).not.toContain(secret)
    await set({ archive_command: `cp %p ${join(folder(), '%f')}` })
  })
})

test('segments that wait are not met, seen by their numbers, and with pg_monitor by their files', async () => {
  await switchSegment()
  await until(async () => !(await archiver()).failing)
  // Neither a success nor a failure, for as long as the test looks.
  await set({ archive_command: '/bin/sleep 12', archive_timeout: '1' })
  await switchSegment()
  await switchSegment()
  await sleep(2_500)
  const strict = 'rpo: 2s\n'
  expect(await finding('archiving')).toMatchObject({ verdict: 'met' })
  expect(await finding('rpo', strict)).toMatchObject({
    verdict: 'not met',
    seen: expect.stringMatching(/^\d+ finished segments not archived/),
  })
  await bench.sql(`GRANT pg_monitor TO ${bench.admin.user}`)
  const open = await finding('rpo', strict)
  await bench.sql(`REVOKE pg_monitor FROM ${bench.admin.user}`)
  expect(open).toMatchObject({
    verdict: 'not met',
    seen: expect.stringMatching(/^\d+ segments waiting, the oldest since /),
  })
  await set({ archive_command: `cp %p ${join(folder(), '%f')}`, archive_timeout: '300' })
  await until(async () => (await waiting()) === 0)
}, 90_000)

test('many segments on their way are unknown, however recent the last success is', async () => {
  // So slow that most are on their way still when the test looks, however long that takes.
  await set({ archive_command: `sleep 3; cp %p ${join(folder(), '%f')}` })
  for (let segment = 0; segment < 8; segment++) await switchSegment()
  const before = (await archiver()).last_archived_wal
  await until(async () => (await archiver()).last_archived_wal !== before)
  expect(await finding('rpo')).toMatchObject({
    verdict: 'unknown',
    seen: expect.stringContaining('finished segments after the last one known to be archived'),
  })
  await set({ archive_command: `cp %p ${join(folder(), '%f')}` })
  await until(async () => (await waiting()) === 0)
})

describe('a physical backup', () => {
  /** A window of three hours around now, or of one that has just passed. */
  const window = (from: number, to: number): string => {
    const at = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16)
    return `backup-window: ${at(from)}-${at(to)} UTC\n`
  }

  /** As WAL-G and others do it; the copy of the files in between is of no interest here. */
  async function takeBackup(): Promise<void> {
    const [start, stop] =
      bench.postgres.major < 15
        ? ["pg_start_backup('test', true, false)", 'pg_stop_backup(false)']
        : ["pg_backup_start('test', true)", 'pg_backup_stop()']
    await bench.inDatabase('postgres', async (client) => {
      await client.query(`select ${start}`)
      await client.query(`select ${stop}`)
    })
  }

  test('leaves its mark in what was archived last, and with pg_monitor on the node that took it', async () => {
    await set({ archive_command: `cp %p ${join(folder(), '%f')}` })
    expect(await finding('last-backup', window(-1, 2))).toMatchObject({
      verdict: 'unknown',
      seen: expect.stringContaining('no finished backup can be seen'),
    })
    await takeBackup()
    await until(async () => (await waiting()) === 0)
    await bench.sql(`GRANT pg_monitor TO ${bench.admin.user}`)
    const inside = await finding('last-backup', window(-1, 2))
    const after = await finding('last-backup', window(-5, -4))
    await bench.sql(`REVOKE pg_monitor FROM ${bench.admin.user}`)
    expect(inside).toMatchObject({
      verdict: 'met',
      seen: expect.stringContaining('physical backup'),
      warnings: expect.arrayContaining(['the copy that a new standby is made from leaves the same mark']),
    })
    expect(inside.evidence.map(({ query }) => query).join()).toContain('pg_ls_waldir')
    expect(after).toMatchObject({
      verdict: 'unknown',
      seen: expect.stringContaining('when it began is not told'),
    })
  })
})

describe('the recovery point', () => {
  test('is not met with archive_timeout 1800, and met with 300', async () => {
    await set({ archive_timeout: '1800' })
    expect(await finding('rpo')).toMatchObject({ verdict: 'not met', seen: 'archive_timeout is 1800 s' })
    expect((await finding('rpo', 'rpo: 30m\n')).verdict).toBe('met')
    await set({ archive_timeout: '300' })
    await switchSegment()
    expect((await finding('rpo')).verdict).toBe('met')
  })

  test('of an idle server is met: it has nothing to archive', async () => {
    await switchSegment()
    await until(async () => !(await archiver()).failing)
    await sleep(1_500)
    const seen = await finding('rpo', 'rpo: 1s\n')
    // Only the time is looked at here: archive_timeout is far above one second.
    expect(seen.verdict).toBe('not met')
    await set({ archive_timeout: '1' })
    await until(async () => {
      const { seen: words } = await finding('rpo', 'rpo: 1s\n')
      return words.includes('idle since')
    })
    expect((await finding('rpo', 'rpo: 1s\n')).verdict).toBe('met')
    await set({ archive_timeout: '300' })
  })

  test('is probed where the file asks for it, and nothing is left behind', async () => {
    await set({ archive_timeout: '1' })
    const mark = await bench.postgres.logSize()
    const { report } = await judged(application, 'rpo-probe: true\n')
    expect(find(report, 'rpo')).toMatchObject({
      verdict: 'met',
      seen: expect.stringContaining('a row was archived'),
    })
    const sent = await bench.statementsSince(mark)
    const writing = sent
      .flatMap((statements) => statements.split(/;\s+/))
      .filter((statement) => /^(create|insert|drop|alter|grant|revoke|comment)/i.test(statement))
    expect(writing.map((statement) => statement.split(' ')[0])).toEqual(['CREATE', 'INSERT', 'DROP'])
    expect(await probeTables()).toEqual([])
    await set({ archive_timeout: '300' })
  })

  test('is probed for no longer than the run has time, and says so first', async () => {
    await set({ archive_timeout: '300' })
    // Ten seconds of it are kept for what comes after, and what comes before may take some on a busy machine.
    const more = { timeoutMs: 18_000 }
    const { report, outcome, log } = await judged(application, 'rpo-probe: true\n', {}, more)
    expect(outcome.failure).toBeUndefined()
    expect(log).toMatch(/rpo-probe +writes a row and waits until it is archived: \d s at most, which is all/)
    expect(find(report, 'rpo')).toMatchObject({
      verdict: 'unknown',
      remedy: 'more time: input "timeout" (7 minutes)',
    })
    expect(await probeTables()).toEqual([])
  })

  test('is not probed where there is no time for it', async () => {
    const more = { timeoutMs: 9_000 }
    const { report } = await judged(application, 'rpo-probe: true\n', {}, more)
    expect(find(report, 'rpo').warnings).toContain('no live probe: the time of the run is over')
  })

  test('is not probed where the application may make no table', async () => {
    const bare = await bench.established()
    const revoke = `REVOKE CREATE ON SCHEMA public FROM PUBLIC, ${bare.role}`
    await bench.sql(revoke, [], bare.database)
    const { report } = await judged(bare, 'rpo-probe: true\n')
    expect(find(report, 'rpo').warnings).toContain('no live probe: the server refused it (42501)')
  })

  test('leaves nothing behind where the run is cancelled while it waits', async () => {
    await set({ archive_timeout: '300' })
    const goLive = await gate('rpo-probe: true\n')
    const cancelled = new AbortController()
    const { code } = await bench.run(
      { ...application.request, timeoutMs: 60_000, provision: false, goLive },
      {
        signal: cancelled.signal,
        onStep: ({ subject }) => {
          if (subject === 'rpo-probe')
            setTimeout(() => {
              cancelled.abort()
            }, 1_500)
        },
      },
    )
    expect(code).toBe('cancelled')
    expect(await probeTables()).toEqual([])
  })

  test('that a probe does not see in time is unknown or not met', async () => {
    await set({ archive_timeout: '300' })
    const { report } = await judged(application, 'rpo-probe: true\nrpo: 2s\nmin-instances: 1\n')
    expect(find(report, 'rpo')).toMatchObject({ verdict: 'not met' })
  })
})

async function probeTables(): Promise<unknown[]> {
  const tables = "select relname from pg_class where relname like 'pg_app_user%'"
  return await bench.sql(tables, [], application.database)
}

describe('a gate alone', () => {
  test('writes nothing: no statement that changes anything, no transaction id, no write to the API server', async () => {
    const { api } = bench.sandbox
    const next = async (): Promise<string> =>
      (await bench.sql<{ next: string }>('select pg_snapshot_xmax(pg_current_snapshot())::text as next'))[0]
        ?.next ?? ''
    const before = { next: await next(), requests: api.requests.length, version: application.resourceVersion }
    const mark = await bench.postgres.logSize()
    await judged(application)
    const statements = await bench.statementsSince(mark)
    expect(statements.length).toBeGreaterThan(0)
    expect(statements.filter((statement) => !/^(select|with|set|begin|rollback)/i.test(statement))).toEqual(
      [],
    )
    expect(await next()).toBe(before.next)
    expect(api.requests.slice(before.requests).filter(({ write }) => write)).toEqual([])
    expect(application.resourceVersion).toBe(before.version)
  })

  test('needs no right to write Secrets', async () => {
    const { api, appNamespace, appRole } = bench.sandbox
    const metadata = { name: appRole, namespace: appNamespace }
    const role = api.get('Role', appNamespace, appRole)
    const rules = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }]
    api.put({ kind: 'Role', metadata, rules })
    const { outcome } = await judged(application)
    expect(outcome.failure).toBeUndefined()
    api.put({ ...role, kind: 'Role', metadata })
  })

  test('of an application that is not there names what is missing', async () => {
    const absent = bench.application()
    const { report } = await judged(absent)
    for (const id of ['app-user', 'role-attributes', 'public-connect', 'tls'] as const) {
      expect([id, find(report, id).verdict]).toEqual([id, 'not met'])
    }
  })

  test('that enforces fails with its code, and says that nothing was changed', async () => {
    const enforcement = { enforced: true, why: 'because `refs/heads/main` matches `main`' }
    const { code, outcome, log } = await judged(application, '', { enforcement })
    expect(code).toBe('go-live-held-back')
    expect(outcome.changes).toEqual([])
    expect(log).toContain('standard · enforced because refs/heads/main matches main')
    expect(log).toContain('Nothing was changed.')
  })

  test('with a file that is wrong stops before anything is read', async () => {
    const requests = bench.sandbox.api.requests.length
    const goLive = await gate('min-instances: two\n')
    const { code } = await bench.run({ ...application.request, provision: false, goLive })
    expect(code).toBe('go-live-file-invalid')
    expect(bench.sandbox.api.requests).toHaveLength(requests)
  })
})

test('after provisioning, the gate judges what there is now; the Pods are not judged in that run', async () => {
  const fresh = bench.application()
  const { outcome } = await bench.run({ ...fresh.request, goLive: await gate() })
  expect(outcome.failure).toBeUndefined()
  expect(outcome.changes.map(({ object }) => object)).toContain('secret')
  const { goLive: report } = outcome
  if (report === undefined) throw new Error('there is no report')
  expect(find(report, 'app-user').verdict).toBe('met')
  expect(find(report, 'app-restarted')).toMatchObject({
    verdict: 'not applicable',
    seen: expect.stringContaining('this very run'),
  })
})

/** Receives WAL over a connection of its own until the work is done, as programs do that are no standbys. */
async function withReceiver(
  options: { readonly slot?: 'physical' | 'logical' },
  work: () => Promise<void>,
): Promise<void> {
  const { socketDirectory: host, port, superuser } = bench.postgres
  const slot = bench.name('receiver')
  if (options.slot === 'physical') await bench.sql(`select pg_create_physical_replication_slot('${slot}')`)
  if (options.slot === 'logical') {
    await bench.sql(`select pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
  }
  const [row] = await bench.sql<{ at: string }>('select pg_current_wal_flush_lsn()::text as at')
  const replication = options.slot === 'logical' ? 'database' : 'true'
  const client = new pg.Client({
    ...superuser,
    host,
    port,
    database: 'postgres',
    ssl: false,
    application_name: slot,
    replication,
  } as pg.ClientConfig)
  client.on('error', () => undefined)
  await client.connect()
  const what =
    options.slot === 'logical'
      ? `SLOT ${slot} LOGICAL ${row?.at ?? ''} (proto_version '1', publication_names 'none')`
      : `${options.slot === undefined ? '' : `SLOT ${slot} `}PHYSICAL ${row?.at ?? ''}`
  // It answers with a stream that has no end.
  client.query(`START_REPLICATION ${what}`).catch(() => undefined)
  const streams = `select 1 from pg_stat_replication where application_name = '${slot}' and state = 'streaming'`
  try {
    await until(async () => (await bench.sql(streams)).length === 1)
    await work()
  } finally {
    await bench.sql(
      `select pg_terminate_backend(pid) from pg_stat_replication where application_name = '${slot}'`,
    )
    await client.end().catch(() => undefined)
    if (options.slot !== undefined) {
      await until(
        async () =>
          (await bench.sql(`select 1 from pg_replication_slots where slot_name = '${slot}' and active`))
            .length === 0,
      )
      await bench.sql(`select pg_drop_replication_slot('${slot}')`)
    }
  }
}

describe('what receives WAL and is no standby', () => {
  test.each([{ slot: 'physical' }, {}] as const)(
    'is told by what it does not replay, with pg_monitor: %j',
    async (options) => {
      await bench.sql(`GRANT pg_monitor TO ${bench.admin.user}`)
      try {
        await withReceiver(options, async () => {
          expect(await finding('streaming')).toMatchObject({ verdict: 'not met', seen: '0 streaming' })
        })
      } finally {
        await bench.sql(`REVOKE pg_monitor FROM ${bench.admin.user}`)
      }
    },
  )

  test('is told by its slot where it decodes, without any right', async () => {
    await withReceiver({ slot: 'logical' }, async () => {
      expect(await finding('streaming')).toMatchObject({ verdict: 'not met', seen: '0 streaming' })
    })
  })

  test('leaves it unknown without a slot and without any right', async () => {
    await withReceiver({}, async () => {
      expect((await finding('streaming')).verdict).toBe('unknown')
      expect(await finding('streaming', 'min-instances: 3\n')).toMatchObject({
        verdict: 'not met',
        seen: 'at most 1 streaming',
      })
    })
  })
})

describe('standbys', () => {
  let standby: PostgresServer

  beforeAll(async () => {
    standby = await bench.postgres.standby()
  })

  afterAll(async () => {
    await standby.stop()
  })

  const alone = 'min-nodes: 1\n'

  test('that stream are seen through their slots without pg_monitor, and by their state with it', async () => {
    await until(
      async () =>
        (await bench.sql("select 1 from pg_stat_replication where state = 'streaming'")).length === 1,
    )
    const hidden = find((await judged(application, alone)).report, 'streaming')
    expect(hidden).toMatchObject({ verdict: 'met', seen: '1 streaming' })
    expect(hidden.warnings.join()).toContain('state and lag are hidden')
    await bench.sql(`GRANT pg_monitor TO ${bench.admin.user}`)
    const open = find((await judged(application, alone)).report, 'streaming')
    expect(open).toMatchObject({ verdict: 'met', warnings: [] })
    expect(open.evidence[0]?.answer).toContain('standby1: streaming')
    await bench.sql(`REVOKE pg_monitor FROM ${bench.admin.user}`)
  })

  test('without a slot and without pg_monitor are unknown', async () => {
    const [slot] = await bench.sql<{ pid: number }>(
      'select active_pid as pid from pg_replication_slots where active',
    )
    expect(slot).toBeDefined()
    await standby.restart({ primary_slot_name: '' })
    await until(
      async () =>
        (await bench.sql("select 1 from pg_stat_replication where state = 'streaming'")).length === 1,
    )
    expect(await finding('streaming', alone)).toMatchObject({
      verdict: 'unknown',
      remedy: expect.stringContaining('pg_monitor'),
    })
    await standby.restart({ primary_slot_name: 'standby1' })
    await until(
      async () =>
        (await bench.sql("select 1 from pg_stat_replication where state = 'streaming'")).length === 1,
    )
  })

  test('that are stopped are gone at once, and back when started', async () => {
    await standby.halt()
    await until(async () => (await bench.sql('select 1 from pg_stat_replication')).length === 0)
    expect(await finding('streaming', alone)).toMatchObject({ verdict: 'not met', seen: '0 streaming' })
    await standby.start()
    await until(
      async () =>
        (await bench.sql("select 1 from pg_stat_replication where state = 'streaming'")).length === 1,
    )
    expect((await finding('streaming', alone)).verdict).toBe('met')
  })

  test('behind the Service make the primary not met', async () => {
    const accessSecret = bench.access({ target: standby })
    const { report } = await judged(application, '', {}, { accessSecret })
    expect(find(report, 'primary')).toMatchObject({
      verdict: 'not met',
      seen: 'a standby, which takes no writes',
    })
    expect(find(report, 'archiving').verdict).toBe('unknown')
    expect(find(report, 'rpo').verdict).toBe('unknown')
  })
})

describe('role, database and TLS', () => {
  test('that drifted are not met', async () => {
    const drifting = await bench.established()
    await bench.sql(`ALTER ROLE ${drifting.role} CREATEDB`)
    await bench.sql(`GRANT CONNECT ON DATABASE ${drifting.database} TO PUBLIC`)
    drifting.putSecret({ PGSSLMODE: 'prefer' }, 'on top')
    const { report } = await judged(drifting)
    expect(find(report, 'role-attributes')).toMatchObject({
      verdict: 'not met',
      seen: expect.stringContaining('CREATEDB'),
    })
    expect(find(report, 'public-connect').verdict).toBe('not met')
    expect(find(report, 'tls')).toMatchObject({ verdict: 'not met', seen: expect.stringContaining('prefer') })
  })

  test('a Secret that does not log in is not met', async () => {
    const stale = await bench.established()
    stale.putSecret({ PGPASSWORD: 'an-old-password-of-some-length' }, 'on top')
    const { report } = await judged(stale)
    expect(find(report, 'app-user')).toMatchObject({
      verdict: 'not met',
      seen: expect.stringContaining('the server refused it (28P01)'),
    })
  })

  test.each([
    ['PGPASSWORD', undefined, 'it holds no PGPASSWORD'],
    ['PGDATABASE', undefined, 'it holds no PGDATABASE'],
    ['PGSSLMODE', 'required', 'PGSSLMODE is "required", which is none of'],
  ])('a Secret that nobody can log in with is not met: %s is %s', async (key, value, words) => {
    const broken = await bench.established()
    broken.putSecret(without(broken.secret, key))
    if (value !== undefined) broken.putSecret({ [key]: value }, 'on top')
    const { report } = await judged(broken)
    expect(find(report, 'app-user')).toMatchObject({
      verdict: 'not met',
      seen: expect.stringContaining(`does not let it log in: ${words}`),
    })
  })

  test('a Secret without PGSSLMODE logs in as libpq does', async () => {
    const plain = await bench.established()
    plain.putSecret(without(plain.secret, 'PGSSLMODE'))
    const { report } = await judged(plain)
    expect(find(report, 'app-user').verdict).toBe('met')
    expect(find(report, 'tls')).toMatchObject({ verdict: 'not met' })
    expect(find(report, 'indexes').verdict).toBe('met')
  })

  test('a Secret whose TLS does not stand is not met, and the rest is judged', async () => {
    const strict = await bench.established()
    strict.putSecret({ PGSSLMODE: 'verify-full', 'ca.crt': foreignAuthority }, 'on top')
    const { report, outcome } = await judged(strict)
    expect(outcome.failure).toBeUndefined()
    expect(find(report, 'app-user')).toMatchObject({
      verdict: 'not met',
      seen: expect.stringContaining('TLS with PostgreSQL failed'),
    })
    expect(find(report, 'primary').verdict).toBe('met')
  })

  test('a Secret about something else than the run is not taken for it', async () => {
    const other = await bench.established()
    const own = await bench.established()
    own.putSecret(other.secret)
    const { report } = await judged(own)
    expect(find(report, 'role-attributes')).toMatchObject({
      verdict: 'unknown',
      seen: expect.stringContaining(`holds "${other.role}", and "${own.role}" was looked at`),
    })
    expect(find(report, 'public-connect').verdict).toBe('unknown')
  })

  test('an admin in the application Secret is not met', async () => {
    const careless = await bench.established()
    careless.putSecret({ PGUSER: bench.admin.user, PGPASSWORD: bench.admin.password }, 'on top')
    const { report } = await judged(careless)
    expect(find(report, 'app-user')).toMatchObject({
      verdict: 'not met',
      seen: expect.stringContaining(`holds the admin "${bench.admin.user}"`),
    })
  })

  test('a primary whose sessions are read-only is not met', async () => {
    await bench.sql(`ALTER ROLE ${bench.admin.user} SET default_transaction_read_only = on`)
    const seen = await finding('primary')
    await bench.sql(`ALTER ROLE ${bench.admin.user} RESET default_transaction_read_only`)
    expect(seen).toMatchObject({ verdict: 'not met', seen: 'a primary whose sessions are read-only' })
  })

  test('a server without TLS is not met', async () => {
    await bench.postgres.restart({ ssl: 'off' })
    try {
      const accessSecret = bench.access({ sslMode: 'disable' })
      const { report } = await judged(application, '', {}, { accessSecret })
      expect(find(report, 'tls')).toMatchObject({ verdict: 'not met', seen: 'the server offers no TLS' })
    } finally {
      await bench.postgres.restart({ ssl: 'on' })
    }
  })

  test('as provisioned are met', async () => {
    const { report } = await judged(application)
    for (const id of [
      'primary',
      'app-user',
      'role-attributes',
      'public-connect',
      'tls',
      'supported-version',
    ] as const) {
      expect([id, find(report, id).verdict]).toEqual([
        id,
        bench.postgres.major < 15 && id === 'supported-version' ? 'not met' : 'met',
      ])
    }
    expect(find(report, 'role-attributes').evidence.at(-1)?.answer).toBe('works, scram-sha-256-plus')
  })

  test('an admin that is used elsewhere needs a look', async () => {
    const client = await bench.connect(bench.admin.user, bench.admin.password, 'postgres')
    expect((await finding('app-user')).warnings).toEqual(['1 other session of the admin is open: "bench"'])
    await client.end()
  })
})

describe('the application in its namespace', () => {
  const lists = [
    { apiGroups: ['apps'], resources: ['deployments', 'statefulsets', 'daemonsets'], verbs: ['list'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
    { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'create', 'patch'] },
  ]
  const withoutLists = lists.slice(2)

  function allow(rules: readonly object[]): void {
    const { api, appNamespace: namespace, appRole: name } = bench.sandbox
    api.put({ kind: 'Role', metadata: { name, namespace }, rules })
  }

  function deploy(
    kind: string,
    name: string,
    container: object,
    replicas = 2,
    nodes = ['node-1', 'node-2'],
  ): void {
    const { api, appNamespace: namespace } = bench.sandbox
    const labels = { app: name }
    api.put({
      kind,
      metadata: { name, namespace },
      spec: {
        ...(kind !== 'DaemonSet' && { replicas }),
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
      status:
        kind === 'DaemonSet'
          ? { desiredNumberScheduled: replicas, numberReady: replicas }
          : { readyReplicas: replicas },
    })
    for (const [index, nodeName] of nodes.slice(0, replicas).entries()) {
      api.put({
        kind: 'Pod',
        metadata: { name: `${name}-${index}`, namespace, labels },
        spec: { nodeName },
        status: { phase: 'Running' },
      })
    }
  }

  const resources = { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '128Mi' } }
  const ids = ['app-replicas', 'app-spread', 'app-resources', 'app-restarted'] as const

  afterAll(() => {
    allow(withoutLists)
  })

  test('that may not be read is unknown, and Roles that only read are printed whole', async () => {
    allow(withoutLists)
    const { report } = await judged(application)
    for (const id of ids) expect([id, find(report, id).verdict]).toEqual([id, 'unknown'])
    expect(find(report, 'app-replicas').remedy).toContain(
      'the right to list daemonsets, deployments and statefulsets (apps)',
    )
    expect(report.manifest).toContain('resources: [deployments]')
    expect(report.manifest).toContain('resources: [postgresqls]')
    expect(report.manifest).not.toMatch(/secrets]|create|patch/)
  })

  test('that does not use the Secret is not applicable', async () => {
    allow(lists)
    const { report } = await judged(application)
    for (const id of ids) expect([id, find(report, id).verdict]).toEqual([id, 'not applicable'])
  })

  test('that somebody else connects as is unknown, as long as nothing in sight uses the Secret', async () => {
    allow(lists)
    const own = await bench.established()
    const { PGUSER = '', PGPASSWORD = '', PGDATABASE = '' } = own.secret
    const client = await bench.connect(PGUSER, PGPASSWORD, PGDATABASE)
    const { report } = await judged(own)
    await client.end()
    for (const id of ids) {
      expect(find(report, id)).toMatchObject({
        verdict: 'unknown',
        seen: expect.stringContaining(`yet 1 session of "${own.role}" is open`),
      })
    }
  })

  test('that may be read in part is unknown where that part is up to date', async () => {
    allow([{ apiGroups: ['apps'], resources: ['deployments'], verbs: ['list'] }, ...lists.slice(1)])
    const own = await bench.established()
    const use = { envFrom: [{ secretRef: { name: own.request.appSecret } }] }
    deploy('Deployment', own.role, { name: 'app', resources, ...use })
    const { report } = await judged(own)
    for (const id of ids) {
      expect(find(report, id)).toMatchObject({
        verdict: 'unknown',
        seen: expect.stringContaining('no permission to read daemonsets and statefulsets'),
      })
    }
  })

  test.each([
    ['Deployment', 'envFrom', (name: string) => ({ envFrom: [{ secretRef: { name } }] })],
    ['DaemonSet', 'envFrom', (name: string) => ({ envFrom: [{ secretRef: { name } }] })],
    [
      'Deployment',
      'env',
      (name: string) => ({ env: [{ name: 'URL', valueFrom: { secretKeyRef: { name, key: 'PGHOST' } } }] }),
    ],
  ])('that uses it in a %s by %s is met', async (kind, _, use) => {
    allow(lists)
    const own = await bench.established()
    deploy(kind, own.role, { name: 'app', resources, ...use(own.request.appSecret) })
    const { report } = await judged(own)
    for (const id of ids) expect([id, find(report, id).verdict]).toEqual([id, 'met'])
    expect(find(report, 'app-replicas').warnings.join()).toContain('nothing seems to connect')
  })

  test('is told which label its Pods lack, where the policies of the database may be read', async () => {
    allow(lists)
    const { api, accessNamespace: namespace, accessRole } = bench.sandbox
    const own = await bench.established()
    deploy('Deployment', own.role, { name: 'app', envFrom: [{ secretRef: { name: own.request.appSecret } }] })
    const label = { 'elastisys.io/postgresql1-access': 'allow' }
    const from = [{ namespaceSelector: {}, podSelector: { matchLabels: label } }]
    const policy = { kind: 'NetworkPolicy', metadata: { name: 'access', namespace } }
    api.put({ ...policy, spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from }] } })
    const unread = await judged(own)
    const role = { ...api.get('Role', namespace, accessRole), kind: 'Role' }
    const metadata = { name: accessRole, namespace }
    const rules = [...((role as { rules?: readonly object[] }).rules ?? [])]
    const rule = { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: ['list'] }
    api.put({ ...role, metadata, rules: [...rules, rule] })
    const { outcome, log } = await judged(own)
    api.put({ ...role, metadata })
    api.remove('NetworkPolicy', namespace, 'access')
    const words = `NetworkPolicy ${namespace}/access lets in only Pods with the label "elastisys.io/postgresql1-access: allow", and Deployment ${own.role} does not have it in the Pod template: such Pods do not reach the database`
    expect(outcome.notes).toContain(words)
    expect(log).toContain(words)
    expect(JSON.stringify([unread.outcome.notes, unread.report.findings])).not.toMatch(/network ?polic/i)
  })

  test('that is alone, on one Node, unlimited and old is not met', async () => {
    allow(lists)
    const own = await bench.established()
    const use = { envFrom: [{ secretRef: { name: own.request.appSecret } }] }
    deploy('StatefulSet', own.role, { name: 'app', ...use }, 1)
    const { api, appNamespace: namespace } = bench.sandbox
    await sleep(1_100)
    own.putSecret({}, 'on top', {
      metadata: {
        name: own.request.appSecret,
        namespace,
        annotations: { 'pg-app-user.elastisys.io/credential-changed': new Date().toISOString() },
      },
    })
    const { report } = await judged(own)
    for (const id of ids) expect([id, find(report, id).verdict]).toEqual([id, 'not met'])
    expect(find(report, 'app-resources').seen).toContain(
      'app has no cpu request, no memory request, no memory limit',
    )
    api.remove('StatefulSet', namespace, own.role)
  })
})
