import { describe, expect, test } from '@jest/globals'
import { holdingBack, type Finding } from '../../../src/go-live/finding.ts'
import { judge } from '../../../src/go-live/judge.ts'
import { clockNotes } from '../../../src/go-live/judges/clock.ts'
import type { Observations } from '../../../src/go-live/observations.ts'
import type { WalSender } from '../../../src/go-live/observe-sql.ts'
import { requirements, type RequirementId } from '../../../src/go-live/requirement.ts'
import { isAtOrAfter, segmentNumber } from '../../../src/go-live/wal.ts'
import { parseWindow } from '../../../src/go-live/window.ts'
import type { OptionalRight } from '../../../src/kubernetes/ask.ts'
import { healthRows, type Row } from '../../support/health-rows.ts'
import { limitRows } from '../../support/limit-rows.ts'
import {
  application,
  archiver,
  cluster,
  findingOf,
  good,
  health,
  inside,
  minutesAgo,
  night,
  now,
  rulesOf,
  run,
  senders,
  sql,
  sqlWith,
  taken,
  vouched,
  workload,
} from '../../support/sights.ts'
import { useTexts } from '../../support/texts.ts'

const right: OptionalRight = {
  namespace: 'postgres-system',
  verb: 'list',
  group: 'batch',
  resource: 'jobs',
  purpose: 'the go-live gate',
  asked: false,
}
const hidden = { ...cluster.unread, schedule: [{ right }], backups: [{ right }] }
const broken = { right, failed: '500: etcdserver: request timed out' }
const veil = (sender: WalSender): WalSender => ({ ...sender, state: null, lagSeconds: null, replays: null })
const veiled = [veil(senders[0]), veil(senders[1])] as const
const slotless = [
  { ...veiled[0], holdsSlot: false },
  { ...veiled[1], holdsSlot: false },
] as const
const standby = { state: 'streaming', lagSeconds: null, replays: true, holdsSlot: true }
const cnpg = {
  what: 'clusters.postgresql.cnpg.io pg1',
  wantedInstances: 3,
  readyInstances: 3,
  status: 'Cluster in healthy state',
}
const secret = good.secret
const role = good.server.role
const database = good.server.database
if (secret === undefined || role === undefined || database === undefined)
  throw new Error('they are all there')

const rows: readonly Row[] = [
  ...healthRows,
  ...limitRows,
  ['primary', 'a primary', {}, 'met', 'PostgreSQL 16.15'],
  ['primary', 'a standby', { sql: sqlWith({ standby: true }) }, 'not met', 'a standby'],
  ['primary', 'a read-only primary', { sql: sqlWith({ readOnly: true }) }, 'not met', 'read-only'],
  [
    'instances',
    'three that are ready',
    {},
    'met',
    '3 ready: postgresql1-0 (primary), postgresql1-1 (standby), postgresql1-2 (standby); SQL says the same',
  ],
  ['instances', 'two', { cluster: { ...cluster, pods: cluster.pods?.slice(0, 2) } }, 'not met', '2 ready'],
  [
    'instances',
    'a Service that selects the primary alone, and no operator',
    { cluster: { ...cluster, operator: undefined, kept: false, pods: cluster.pods?.slice(0, 1) } },
    'met',
    '3 ready (SQL)',
  ],
  [
    'instances',
    'Pods that no operator keeps, all of them',
    {
      cluster: { ...cluster, operator: undefined, kept: false, pods: cluster.pods?.slice(0, 2) },
      sql: sqlWith({ senders: senders.slice(0, 1) }),
    },
    'not met',
    '2 ready: postgresql1-0 (primary), postgresql1-1 (standby)',
  ],
  [
    'spread',
    'a Service that selects the primary alone, and no operator',
    { cluster: { ...cluster, operator: undefined, kept: false, pods: cluster.pods?.slice(0, 1) } },
    'unknown',
    'cannot be told apart',
  ],
  [
    'instances',
    'one that starts',
    {
      cluster: {
        ...cluster,
        pods: cluster.pods?.map((pod, index) => (index === 2 ? { ...pod, state: 'starting' } : pod)),
      },
    },
    'not met',
    '2 ready',
  ],
  [
    'instances',
    'no Pods in sight',
    { cluster: { ...cluster, pods: undefined, operator: undefined } },
    'met',
    '3 ready (SQL)',
  ],
  [
    'instances',
    'neither Pods nor state',
    {
      cluster: { ...cluster, pods: undefined, operator: undefined },
      sql: sqlWith({
        seesStatistics: false,
        slots: [],
        senders: slotless,
      }),
    },
    'unknown',
    'cannot be told apart',
  ],
  [
    'instances',
    'no Pods in sight, hidden state, too few connections',
    {
      cluster: { ...cluster, pods: undefined, operator: undefined },
      sql: sqlWith({ seesStatistics: false, senders: slotless.slice(1) }),
    },
    'not met',
    'at most 2 ready (SQL)',
  ],
  [
    'instances',
    'no Pods in sight, hidden state, more slots than are wanted',
    {
      cluster: { ...cluster, pods: undefined, operator: undefined },
      sql: sqlWith({ seesStatistics: false, senders: [...veiled, slotless[0]] }),
    },
    'met',
    'at least 3 ready (SQL)',
  ],
  [
    'instances',
    'no Pods in sight, and a standby',
    { cluster: { ...cluster, pods: undefined, operator: undefined }, sql: sqlWith({ standby: true }) },
    'unknown',
    'a standby does not tell',
  ],
  ['streaming', 'two that stream', {}, 'met', '2 streaming'],
  [
    'streaming',
    'one that catches up',
    {
      sql: sqlWith({ senders: [senders[0], { ...standby, name: 'b', state: 'catchup', lagSeconds: 90 }] }),
    },
    'not met',
    '1 streaming',
  ],
  [
    'streaming',
    'one that lags',
    { sql: sqlWith({ senders: [senders[0], { ...standby, name: 'b', lagSeconds: 900 }] }) },
    'not met',
    '1 streaming',
  ],
  [
    'streaming',
    'a receiver of WAL, which is no standby',
    {
      sql: sqlWith({
        senders: [senders[0], { ...standby, name: 'pg_receivewal' }],
      }),
    },
    'not met',
    '1 streaming',
  ],
  [
    'streaming',
    'hidden state, active slots',
    { cluster: { ...cluster, pods: [] }, sql: sqlWith({ seesStatistics: false, senders: veiled }) },
    'met',
    '2 streaming',
  ],
  [
    'streaming',
    'one that only receives WAL, under a name of its own',
    { sql: sqlWith({ senders: [senders[0], { ...standby, name: 'archive', replays: false }] }) },
    'not met',
    '1 streaming',
  ],
  [
    'streaming',
    'hidden state, a receiver with a slot',
    {
      cluster: { ...cluster, pods: [] },
      sql: sqlWith({
        seesStatistics: false,
        senders: [veiled[0], { ...veiled[1], name: 'barman_receive_wal' }],
      }),
    },
    'not met',
    '1 streaming',
  ],
  [
    'streaming',
    'hidden state, one connection without a slot where two are wanted',
    {
      cluster: { ...cluster, pods: [] },
      sql: sqlWith({ seesStatistics: false, senders: slotless.slice(1) }),
    },
    'not met',
    'at most 1 streaming',
  ],
  [
    'streaming',
    'nobody connected, whatever Patroni said before',
    { sql: sqlWith({ seesStatistics: false, senders: [], slots: [] }) },
    'not met',
    '0 streaming',
  ],
  [
    'streaming',
    'a standby behind the Service',
    { sql: sqlWith({ standby: true, senders: [], slots: [] }) },
    'unknown',
    'a standby, which does not show it',
  ],
  [
    'streaming',
    'hidden state, no slots',
    {
      cluster: { ...cluster, pods: [] },
      sql: sqlWith({ seesStatistics: false, slots: [], senders: slotless }),
    },
    'unknown',
    '2 walsenders, whose state is hidden',
  ],
  [
    'streaming',
    'hidden state, no slots, and Patroni',
    { sql: sqlWith({ seesStatistics: false, slots: [], senders: slotless }) },
    'met',
    'says Patroni',
  ],
  [
    'streaming',
    'hidden state, nobody connected',
    { cluster: { ...cluster, pods: [] }, sql: sqlWith({ seesStatistics: false, slots: [], senders: [] }) },
    'not met',
    '0 streaming',
  ],
  ['spread', 'three Nodes', {}, 'met', '3 Nodes'],
  [
    'spread',
    'two on one Node',
    {
      cluster: {
        ...cluster,
        pods: cluster.pods?.map((pod) => ({ ...pod, node: pod.node === 'node-3' ? 'node-2' : pod.node })),
      },
    },
    'not met',
    '2 Nodes',
  ],
  [
    'spread',
    'no Pods in sight',
    { cluster: { ...cluster, pods: undefined } },
    'unknown',
    'cannot be told apart',
  ],
  [
    'spread',
    'Pods that could not be read',
    {
      cluster: {
        ...cluster,
        pods: undefined,
        unread: { ...cluster.unread, pods: [{ ...broken, right: { ...right, resource: 'pods' } }] },
      },
    },
    'unknown',
    'pods could not be read (500: etcdserver',
  ],
  ['archiving', 'archiving', {}, 'met', 'last archived 2026-11-22 14:00:11 UTC'],
  ['archiving', 'off', { sql: sqlWith({ archiveMode: 'off' }) }, 'not met', 'archive_mode is off'],
  [
    'archiving',
    'a command that reports success and archives nothing',
    { sql: sqlWith({ archiveBy: 'pretence' }) },
    'not met',
    'reports success and archives nothing',
  ],
  ['archiving', 'no command', { sql: sqlWith({ archiveBy: 'nothing' }) }, 'not met', 'no command or library'],
  [
    'archiving',
    'failing now',
    {
      sql: sqlWith({
        archiver: { ...archiver, failedCount: 3, lastFailed: 'A', lastFailedAt: minutesAgo(1) },
      }),
    },
    'not met',
    'failing: A at',
  ],
  [
    'archiving',
    'failed before',
    {
      sql: sqlWith({
        archiver: { ...archiver, failedCount: 3, lastFailed: 'A', lastFailedAt: minutesAgo(60) },
      }),
    },
    'met',
    'on; last archived',
  ],
  [
    'archiving',
    'nothing archived yet',
    {
      sql: sqlWith({ archiver: { ...archiver, archivedCount: 0, lastArchived: null, lastArchivedAt: null } }),
    },
    'unknown',
    'nothing was archived since the statistics began',
  ],
  [
    'archiving',
    'failing, says the operator',
    { cluster: { ...cluster, operator: { ...cnpg, archives: false } } },
    'not met',
    'clusters.postgresql.cnpg.io pg1 says that it fails',
  ],
  [
    'archiving',
    'nothing archived yet, and the operator vouches',
    {
      cluster: { ...cluster, operator: { ...cnpg, archives: true } },
      sql: sqlWith({ archiver: { ...archiver, archivedCount: 0, lastArchived: null, lastArchivedAt: null } }),
    },
    'met',
    'says that it works',
  ],
  [
    'rpo',
    'archiving that falls behind, although it goes on',
    { sql: sqlWith({ currentSegment: '0000000300000012000000F0' }) },
    'unknown',
    '78 finished segments after the last one known to be archived',
  ],
  [
    'rpo',
    'a backup that was archived last, and segments after its begin',
    {
      sql: sqlWith({
        currentSegment: '0000000300000012000000A4',
        archiver: {
          ...archiver,
          lastArchived: '0000000300000012000000A1.00000028.backup',
          lastArchivedAt: minutesAgo(60),
        },
      }),
    },
    'unknown',
    '2 finished segments after the last one known',
  ],
  [
    'rpo',
    'a history file a moment ago, after a switch of the primary',
    { sql: sqlWith({ archiver: { ...archiver, lastArchived: '00000003.history' } }) },
    'unknown',
    'says nothing about WAL',
  ],
  ['rpo', 'within 5 minutes', {}, 'met', 'archive_timeout is 300 s'],
  [
    'rpo',
    "Spilo's default",
    { sql: sqlWith({ archiveTimeoutSeconds: 1800 }) },
    'not met',
    'archive_timeout is 1800 s',
  ],
  ['rpo', 'no timeout', { sql: sqlWith({ archiveTimeoutSeconds: 0 }) }, 'not met', 'which means never'],
  [
    'rpo',
    'idle for a day',
    { sql: sqlWith({ usedBytes: 400, archiver: { ...archiver, lastArchivedAt: minutesAgo(1440) } }) },
    'met',
    'idle since',
  ],
  [
    'rpo',
    'busy again after a day',
    { sql: sqlWith({ usedBytes: 4_000_000, archiver: { ...archiver, lastArchivedAt: minutesAgo(1440) } }) },
    'unknown',
    'just become busy',
  ],
  [
    'rpo',
    'two finished segments that wait',
    {
      sql: sqlWith({
        currentSegment: '0000000300000012000000A4',
        archiver: { ...archiver, lastArchivedAt: minutesAgo(9) },
      }),
    },
    'not met',
    '2 finished segments not archived',
  ],
  [
    'rpo',
    'one that waits, seen in the directory',
    { sql: sqlWith({ monitor: { waiting: 1, oldestWaiting: minutesAgo(9), lastBackupEnd: null } }) },
    'not met',
    '1 segment waiting',
  ],
  [
    'rpo',
    'a segment of an older timeline',
    {
      sql: sqlWith({
        currentSegment: '0000000400000012000000A2',
        usedBytes: 200,
        archiver: { ...archiver, lastArchivedAt: minutesAgo(60) },
      }),
    },
    'met',
    'idle since',
  ],
  [
    'rpo',
    'nothing but a history file',
    {
      sql: sqlWith({
        archiver: { ...archiver, lastArchived: '00000003.history', lastArchivedAt: minutesAgo(60) },
      }),
    },
    'unknown',
    'says nothing about WAL',
  ],
  [
    'rpo',
    'a probe that came through',
    { probe: { segment: 'A', seconds: 41, waitedSeconds: 41, at: now } },
    'met',
    'archived 41 s after it was written',
  ],
  [
    'rpo',
    'a probe that did not',
    { probe: { segment: 'A', seconds: undefined, waitedSeconds: 301, at: now } },
    'not met',
    'not archived within 301 s',
  ],
  [
    'rpo',
    'a probe that had no time',
    { probe: { segment: 'A', seconds: undefined, waitedSeconds: 20, at: now } },
    'unknown',
    'when the time of the run was over',
  ],
  ['backup-schedule', 'one at night', {}, 'met', 'CronJob logical-backup-postgresql1: "0 1 * * *" (UTC)'],
  [
    'backup-schedule',
    'one at noon',
    { cluster: { ...cluster, schedules: [{ what: 'c', cron: '0 12 * * *', zone: 'UTC' }] } },
    'not met',
    '366 of 366 windows',
  ],
  [
    'backup-schedule',
    'six fields, seconds first',
    { cluster: { ...cluster, schedules: [{ what: 'c', cron: '0 30 1 * * *', zone: 'UTC', seconds: true }] } },
    'met',
    '0 30 1 * * *',
  ],
  [
    'backup-schedule',
    'five fields where seconds come first: every hour, and not at noon',
    { cluster: { ...cluster, schedules: [{ what: 'c', cron: '0 12 * * *', zone: 'UTC', seconds: true }] } },
    'met',
    '0 12 * * *',
  ],
  [
    'backup-schedule',
    'six fields where minutes come first: the first of each month',
    { cluster: { ...cluster, schedules: [{ what: 'c', cron: '0 0 1 * * *', zone: 'UTC' }] } },
    'unknown',
    'does not have five fields',
  ],
  [
    'backup-schedule',
    'one that is suspended',
    {
      cluster: {
        ...cluster,
        schedules: [{ what: 'c', cron: '0 1 * * *', zone: 'UTC', off: 'it is suspended' }],
      },
    },
    'not met',
    'but it is suspended',
  ],
  [
    'backup-schedule',
    'one that is suspended, and one at noon',
    {
      cluster: {
        ...cluster,
        schedules: [
          { what: 'c', cron: '0 1 * * *', zone: 'UTC', off: 'it is suspended' },
          { what: 'd', cron: '0 12 * * *', zone: 'UTC' },
        ],
      },
    },
    'not met',
    'but it is suspended; d: "0 12 * * *" (UTC)',
  ],
  [
    'backup-schedule',
    'one that cannot be read',
    { cluster: { ...cluster, schedules: [{ what: 'c', cron: 'nightly', zone: 'UTC' }] } },
    'unknown',
    'does not have five fields',
  ],
  [
    'backup-schedule',
    'one that says how often only',
    { cluster: { ...cluster, schedules: [{ what: 'c', cron: '@every 24h', zone: 'UTC' }] } },
    'unknown',
    'says how often, and not at what time of the day',
  ],
  [
    'backup-schedule',
    'one at noon, others unread',
    {
      cluster: {
        ...cluster,
        schedules: [{ what: 'c', cron: '0 12 * * *', zone: 'UTC' }],
        unread: { ...cluster.unread, schedule: [broken] },
      },
    },
    'unknown',
    'jobs could not be read (500',
  ],
  [
    'backup-schedule',
    'one at noon, others hidden',
    { cluster: { ...cluster, schedules: [{ what: 'c', cron: '0 12 * * *', zone: 'UTC' }], unread: hidden } },
    'unknown',
    'no permission to read jobs',
  ],
  [
    'backup-schedule',
    'none in sight',
    { cluster: { ...cluster, schedules: [] } },
    'unknown',
    'no schedule is in sight',
  ],
  [
    'backup-schedule',
    'a good one beside one at noon',
    {
      cluster: {
        ...cluster,
        schedules: [...cluster.schedules, { what: 'c', cron: '0 12 * * *', zone: 'UTC' }],
      },
    },
    'met',
    '0 1 * * *',
  ],
  [
    'last-backup',
    'one that ended after the window, and may have begun in it',
    {
      cluster: {
        ...cluster,
        backups: [{ what: 'CronJob c', finished: night(22, 6, 20), succeeded: true }],
      },
    },
    'unknown',
    'when it began is not told: CronJob c, finished 2026-11-22 06:20:00',
  ],
  [
    'last-backup',
    'the last one failed, says the operator',
    {
      cluster: {
        ...cluster,
        operator: { ...cnpg, backupFailure: { at: night(22, 1), message: 'no space left' } },
      },
    },
    'not met',
    'says that the last one failed, 2026-11-22 01:00:00 UTC: no space left',
  ],
  ['last-backup', 'one last night', {}, 'met', 'started 2026-11-22 01:00:04 UTC'],
  [
    'last-backup',
    'one two nights ago',
    { cluster: { ...cluster, backups: [run(night(21, 1))] } },
    'not met',
    'too old',
  ],
  [
    'last-backup',
    'one at noon',
    { cluster: { ...cluster, backups: [run(night(22, 12))] } },
    'not met',
    'outside the window',
  ],
  [
    'last-backup',
    'one at noon and one at night',
    { cluster: { ...cluster, backups: [run(night(22, 12)), run(night(22, 1))] } },
    'met',
    '2026-11-22 01:00:00',
  ],
  [
    'last-backup',
    'one that failed',
    { cluster: { ...cluster, backups: [run(night(22, 1), false)] } },
    'not met',
    'no backup has succeeded',
  ],
  [
    'last-backup',
    'none',
    { cluster: { ...cluster, backups: [] } },
    'unknown',
    'no finished backup can be seen',
  ],
  [
    'last-backup',
    'none, and rights missing',
    { cluster: { ...cluster, backups: [], unread: hidden } },
    'unknown',
    'no permission to read jobs',
  ],
  [
    'last-backup',
    'a physical one, by its history file',
    {
      cluster: { ...cluster, backups: [] },
      sql: sqlWith({
        archiver: {
          ...archiver,
          lastArchived: '0000000300000012000000A1.00000028.backup',
          lastArchivedAt: night(22, 2),
        },
      }),
    },
    'met',
    'physical backup',
  ],
  [
    'last-backup',
    'one that failed, beside what may be the copy for a new standby',
    {
      cluster: { ...cluster, backups: [run(night(22, 1), false)] },
      sql: sqlWith({ monitor: { waiting: 0, oldestWaiting: null, lastBackupEnd: night(22, 2) } }),
    },
    'unknown',
    'may be no more than the copy for a new standby: physical backup on this node',
  ],
  [
    'last-backup',
    'one that failed, beside a copy for a new standby outside the window',
    {
      cluster: { ...cluster, backups: [run(night(22, 1), false)] },
      sql: sqlWith({ monitor: { waiting: 0, oldestWaiting: null, lastBackupEnd: night(22, 12) } }),
    },
    'not met',
    'the last backup was outside the window: physical backup on this node',
  ],
  [
    'last-backup',
    'an old one of this node, which may have been another one since',
    {
      cluster: { ...cluster, backups: [] },
      sql: sqlWith({ monitor: { waiting: 0, oldestWaiting: null, lastBackupEnd: night(18, 2) } }),
    },
    'unknown',
    'too old',
  ],
  ['retention', '30 days', {}, 'met', '30 days'],
  ['retention', '14 days', { cluster: { ...cluster, logicalRetention: '2 weeks' } }, 'not met', '14 days'],
  [
    'retention',
    'nothing in sight',
    { cluster: { ...cluster, logicalRetention: undefined } },
    'unknown',
    'nothing visible shows',
  ],
  ['pitr', 'eight daily backups', {}, 'met', 'keeps 8 backups'],
  [
    'pitr',
    'five daily backups',
    { cluster: { ...cluster, physicalBackupsKept: 5 } },
    'not met',
    'BACKUP_NUM_TO_RETAIN keeps 5 backups',
  ],
  [
    'pitr',
    'eight backups, four of them a day',
    { cluster: { ...cluster, physicalSchedule: '0 */6 * * *' } },
    'unknown',
    'takes up to 28 in 7 days',
  ],
  [
    'pitr',
    'two backups, one a week',
    { cluster: { ...cluster, physicalBackupsKept: 2, physicalSchedule: '0 1 * * 0' } },
    'met',
    'takes up to 1 in 7 days',
  ],
  [
    'pitr',
    'eight backups, nobody knows how often',
    { cluster: { ...cluster, physicalSchedule: undefined } },
    'unknown',
    'not in sight',
  ],
  [
    'streaming',
    'a catalog that may not be read',
    { cluster: { ...cluster, pods: [] }, sql: { ...sql, replication: taken } },
    'unknown',
    'the right to read it is missing',
  ],
  [
    'streaming',
    'the same, and Patroni',
    { sql: { ...sql, replication: taken } },
    'met',
    '2 streaming, says Patroni',
  ],
  [
    'instances',
    'a catalog that may not be read',
    { sql: { ...sql, replication: taken } },
    'met',
    '3 ready: postgresql1-0',
  ],
  [
    'instances',
    'neither catalog nor Pods',
    { cluster: { ...cluster, pods: undefined, operator: undefined }, sql: { ...sql, replication: taken } },
    'unknown',
    'and of SQL the right to read it is missing',
  ],
  [
    'archiving',
    'a catalog that may not be read',
    { sql: { ...sql, archiving: taken } },
    'unknown',
    'the right to',
  ],
  [
    'archiving',
    'the same, and off',
    { sql: { ...sql, archiveMode: 'off', archiving: taken } },
    'not met',
    'archive_mode is off',
  ],
  [
    'archiving',
    'the same, and an operator that says so',
    { cluster: { ...cluster, operator: { ...cnpg, archives: true } }, sql: { ...sql, archiving: taken } },
    'met',
    'says that it works',
  ],
  [
    'archiving',
    'the same, and an operator that says no',
    { cluster: { ...cluster, operator: { ...cnpg, archives: false } }, sql: { ...sql, archiving: taken } },
    'not met',
    'says that it fails',
  ],
  ['rpo', 'a catalog that may not be read', { sql: { ...sql, archiving: taken } }, 'unknown', 'the right to'],
  [
    'rpo',
    'the same, and off',
    { sql: { ...sql, archiveMode: 'off', archiving: taken } },
    'not met',
    'archive_mode is off',
  ],
  [
    'app-user',
    'sessions that may not be read',
    { sql: { ...sql, sessions: taken } },
    'met',
    'it uses "shop"',
  ],
  [
    'app-replicas',
    'sessions that may not be read',
    { sql: { ...sql, sessions: taken } },
    'met',
    '2 of 2 ready',
  ],
  [
    'app-replicas',
    'the same, and no application',
    { application: { ...application, workloads: [] }, sql: { ...sql, sessions: taken } },
    'unknown',
    'its sessions are not in sight',
  ],
  ['pitr', 'no archiving', { sql: sqlWith({ archiveMode: 'off' }) }, 'not met', 'archive_mode is off'],
  [
    'pitr',
    'as many days as the operator keeps',
    { cluster: { ...cluster, operator: { ...cnpg, retention: { days: 30, setting: 'retentionPolicy' } } } },
    'met',
    '30 days, says retentionPolicy',
  ],
  [
    'pitr',
    'a day more than the operator keeps',
    { cluster: { ...cluster, operator: { ...cnpg, retention: { days: 1, setting: 'retentionPolicy' } } } },
    'not met',
    '1 day, says retentionPolicy',
  ],
  [
    'rpo',
    'a segment that was archived in the last moment',
    { probe: { segment: 'A2', seconds: 300, waitedSeconds: 300, at: now } },
    'met',
    'a row was archived 300 s after it was written',
  ],
  [
    'rpo',
    'a segment that was archived a second later',
    { probe: { segment: 'A2', seconds: 301, waitedSeconds: 301, at: now } },
    'not met',
    'a row was archived 301.0 s after it was written, which is too late',
  ],
  [
    'rpo',
    'a segment that is not archived in the last moment',
    { probe: { segment: 'A2', waitedSeconds: 300, at: now } },
    'not met',
    'a row was not archived within 300 s',
  ],
  [
    'rpo',
    'a segment that was not waited for long enough',
    { probe: { segment: 'A2', waitedSeconds: 299, at: now } },
    'unknown',
    'a row was not archived within 299 s, when the time of the run was over',
  ],
  [
    'rpo',
    'nothing archived yet',
    { sql: sqlWith({ archiver: { ...archiver, lastArchived: null, lastArchivedAt: null } }) },
    'unknown',
    'nothing was archived yet',
  ],
  [
    'app-restarted',
    'six Pods that are older, and one of the same moment',
    {
      application: {
        ...application,
        workloads: [
          {
            ...workload,
            pods: [
              ...[1, 2, 3, 4, 5, 6].map((each) => ({
                name: `shop-${each}`,
                node: 'n',
                created: minutesAgo(6000),
              })),
              { name: 'shop-7', node: 'n', created: minutesAgo(5000) },
            ],
          },
        ],
      },
    },
    'not met',
    'shop-1, shop-2, shop-3, shop-4 and shop-5 and 1 more',
  ],
  [
    'app-restarted',
    'a Pod of the same moment',
    {
      application: {
        ...application,
        workloads: [{ ...workload, pods: [{ name: 'shop-7', node: 'n', created: minutesAgo(5000) }] }],
      },
    },
    'met',
    'all younger than',
  ],
  ['off-site', 'nothing shows it', {}, 'unknown', 'nothing in the cluster shows it'],
  ['app-user', 'a role of its own', {}, 'met', 'it uses "shop"'],
  [
    'app-user',
    'the admin',
    { secret: { ...secret, values: { ...secret.values, PGUSER: 'postgresql1_admin' } } },
    'not met',
    'holds the admin',
  ],
  ['app-user', 'no Secret', { secret: undefined }, 'not met', 'does not exist'],
  [
    'app-user',
    'a Secret that does not log in',
    { loginRefused: 'the server refused it (28P01)' },
    'not met',
    'does not let it log in: the server refused it (28P01)',
  ],
  [
    'app-user',
    'a Secret with another host than that of the server that was looked at',
    { secret: { ...secret, values: { ...secret.values, PGHOST: 'postgresql2.postgres-system' } } },
    'unknown',
    'holds "postgresql2.postgres-system", and "postgresql1.postgres-system.svc.cluster.local" was looked at',
  ],
  [
    'app-user',
    'a Secret with a short form of the host',
    { secret: { ...secret, values: { ...secret.values, PGHOST: 'postgresql1.postgres-system.svc' } } },
    'met',
    'it uses "shop"',
  ],
  [
    'app-user',
    'a Secret with a name that leads to another namespace',
    { secret: { ...secret, values: { ...secret.values, PGHOST: 'postgresql1' } } },
    'unknown',
    'holds "postgresql1", and',
  ],
  [
    'role-attributes',
    'a Secret with another role than the one that was looked at',
    { secret: { ...secret, values: { ...secret.values, PGUSER: 'other' } } },
    'unknown',
    'holds "other", and "shop" was looked at',
  ],
  [
    'public-connect',
    'a Secret with another database than the one that was looked at',
    { secret: { ...secret, values: { ...secret.values, PGDATABASE: 'other' } } },
    'unknown',
    'holds "other", and "shop" was looked at',
  ],
  ['role-attributes', 'none', {}, 'met', 'only its granted rights'],
  [
    'role-attributes',
    'CREATEDB',
    { server: { ...good.server, role: { ...role, dangers: ['CREATEDB'] } } },
    'not met',
    'CREATEDB',
  ],
  [
    'role-attributes',
    'no role',
    { server: { ...good.server, role: undefined } },
    'not met',
    'does not exist',
  ],
  [
    'role-attributes',
    'no login',
    { server: { ...good.server, role: { ...role, canLogin: false } } },
    'not met',
    'may not log in',
  ],
  ['public-connect', 'closed', {}, 'met', 'only roles with a grant'],
  [
    'public-connect',
    'open',
    { server: { ...good.server, database: { ...database, publicConnects: true } } },
    'not met',
    'every role may connect',
  ],
  [
    'public-connect',
    'no database',
    { server: { ...good.server, database: undefined } },
    'not met',
    'does not exist',
  ],
  ['tls', 'require', {}, 'met', 'require'],
  [
    'tls',
    'prefer',
    { secret: { ...secret, values: { ...secret.values, PGSSLMODE: 'prefer' } } },
    'not met',
    'may go on without TLS',
  ],
  ['tls', 'a server without', { sql: sqlWith({ tls: false }) }, 'not met', 'the server offers no TLS'],
  ['supported-version', '16', {}, 'met', 'supported until 2028-11-09'],
  [
    'supported-version',
    '14, ten days too late',
    { sql: sqlWith({ version: '14.23', versionNumber: 140_023 }) },
    'not met',
    'got its last fix on 2026-11-12',
  ],
  [
    'supported-version',
    '12',
    { sql: sqlWith({ version: '12.1', versionNumber: 120_001 }) },
    'not met',
    'long ago',
  ],
  [
    'supported-version',
    '42',
    { sql: sqlWith({ version: '42.0', versionNumber: 420_000 }) },
    'unknown',
    'newer than what this release knows',
  ],
  ['app-replicas', 'two of two', {}, 'met', 'Deployment shop: 2 of 2 ready'],
  [
    'app-replicas',
    'one',
    { application: { ...application, workloads: [{ ...workload, replicas: 1, ready: 1 }] } },
    'not met',
    '1 of 1 ready',
  ],
  [
    'app-replicas',
    'one of two ready',
    { application: { ...application, workloads: [{ ...workload, ready: 1 }] } },
    'not met',
    '1 of 2 ready',
  ],
  [
    'app-replicas',
    'one of two ready, and another with one',
    {
      application: {
        ...application,
        workloads: [
          { ...workload, ready: 1 },
          { ...workload, replicas: 1, ready: 1 },
        ],
      },
    },
    'not met',
    '1 of 2 ready; Deployment shop: 1 of 1 ready',
  ],
  [
    'app-replicas',
    'nothing uses the Secret',
    { application: { ...application, workloads: [] }, sql: sqlWith({ application: 0 }) },
    'not applicable',
    'uses shop/app-postgresql-secret yet',
  ],
  [
    'app-replicas',
    'nothing in sight uses the Secret, yet somebody is connected',
    { application: { ...application, workloads: [] } },
    'unknown',
    'yet 4 sessions of "shop" are open',
  ],
  [
    'app-replicas',
    'two of two, and others that may not be read',
    { application: { ...application, unread: [{ right }] } },
    'unknown',
    '2 of 2 ready; no permission to read jobs',
  ],
  [
    'app-resources',
    'all of them, and others that could not be read',
    { application: { ...application, unread: [broken] } },
    'unknown',
    'jobs could not be read (500',
  ],
  [
    'app-replicas',
    'nothing uses it, as far as may be seen',
    { application: { ...application, workloads: [], unread: [{ right }] } },
    'unknown',
    'no permission to read jobs',
  ],
  [
    'app-replicas',
    'nothing may be seen',
    { application: { ...application, workloads: undefined, unread: [{ right }] } },
    'unknown',
    'no permission to read jobs',
  ],
  ['app-spread', 'two Nodes', {}, 'met', '2 Nodes'],
  [
    'app-spread',
    'one Node',
    {
      application: {
        ...application,
        workloads: [{ ...workload, pods: workload.pods?.map((pod) => ({ ...pod, node: 'node-4' })) }],
      },
    },
    'not met',
    '1 Node',
  ],
  [
    'app-spread',
    'more replicas than Nodes',
    {
      application: {
        ...application,
        workloads: [
          {
            ...workload,
            pods: [
              ...(workload.pods ?? []),
              { name: 'shop-5d9-klmno', node: 'node-5', created: minutesAgo(100), address: '10.0.2.6' },
            ],
          },
        ],
      },
    },
    'met',
    '2 Nodes',
  ],
  [
    'app-spread',
    'Pods hidden, a rule in sight',
    { application: { ...application, workloads: [{ ...workload, pods: undefined }] } },
    'met',
    'kept apart by a rule',
  ],
  [
    'app-spread',
    'Pods hidden, no rule',
    { application: { ...application, workloads: [{ ...workload, pods: undefined, keptApart: false }] } },
    'unknown',
    'may not be listed',
  ],
  ['app-resources', 'all of them', {}, 'met', 'every container has them'],
  [
    'app-resources',
    'no limit',
    { application: { ...application, workloads: [{ ...workload, unlimited: ['app has no memory limit'] }] } },
    'not met',
    'app has no memory limit',
  ],
  ['app-restarted', 'younger Pods', {}, 'met', 'all younger'],
  [
    'app-restarted',
    'an older Pod',
    { secret: { ...secret, credentialChanged: minutesAgo(50) } },
    'not met',
    'shop-5d9-abcde and shop-5d9-fghij',
  ],
  [
    'app-restarted',
    'the run that wrote the Secret',
    { secretChangedNow: true, secret: { ...secret, credentialChanged: now } },
    'not applicable',
    'this very run',
  ],
  [
    'app-restarted',
    'no time',
    { secret: { ...secret, credentialChanged: undefined } },
    'unknown',
    'does not tell',
  ],
  [
    'app-spread',
    'replicas in two zones',
    {
      application: {
        ...application,
        zones: new Map([
          ['node-4', 'a'],
          ['node-5', 'b'],
        ]),
      },
    },
    'met',
    'Deployment shop: 2 Nodes in 2 zones',
  ],
  ['load-test', 'nobody vouches', {}, 'unknown', 'only people can do this'],
]

/** A finding as it stands in `findings.txt`, with all that a report shows of it. */
function told({ verdict, wanted, seen, remedy, warnings, evidence }: Finding): string {
  return [
    `  ${verdict}: ${seen}`,
    `  wanted: ${wanted}`,
    ...(remedy === '' ? [] : [`  remedy: ${remedy}`]),
    ...warnings.map((warning) => `  warning: ${warning}`),
    ...evidence.map(({ query, answer }) => `  ${query} → ${answer}`),
  ].join('\n')
}

describe('findings.txt shows, word for word, what is said', () => {
  const compare = useTexts(new URL('findings.txt', import.meta.url))

  test.each(rows)('%s: %s', (id, what, seen) => {
    compare(`${id}: ${what}`, told(findingOf(id, seen)))
  })
})

describe('each requirement', () => {
  test('is in the rows under a name of its own', () => {
    expect(new Set(rows.map(([id, what]) => `${id}: ${what}`)).size).toBe(rows.length)
  })

  test.each(rows)('%s: %s', (id, _, seen, verdict, words) => {
    const finding = findingOf(id, seen)
    expect([finding.verdict, finding.seen]).toEqual([verdict, expect.stringContaining(words)])
    if (verdict === 'not met' || verdict === 'unknown') expect(finding.remedy).not.toBe('')
  })

  test('is in the table above as met or not applicable, not met, and unknown where it can be', () => {
    const always = [
      'off-site',
      'load-test',
      'load-test-update',
      'load-test-reboot',
      'load-test-zone',
      'recovery-test',
      'redeployment-test',
      'backup-window-now',
    ]
    for (const { id } of requirements.filter((each) => !always.includes(each.id))) {
      const verdicts = rows.filter(([name]) => name === id).map(([, , , verdict]) => verdict)
      expect([id, verdicts.includes('met'), verdicts.includes('not met')]).toEqual([id, true, true])
    }
  })
})

describe('what to do', () => {
  test('is to turn on what is off, and nothing else', () => {
    const off = (autovacuum: string, trackCounts: string): string =>
      findingOf('autovacuum', { health: { ...health, autovacuum: { value: { autovacuum, trackCounts } } } })
        .remedy
    expect([off('off', 'on'), off('on', 'off'), off('off', 'off')]).toEqual([
      'ask the administrator for ALTER SYSTEM SET autovacuum = on, and a reload',
      'ask the administrator for ALTER SYSTEM SET track_counts = on, and a reload',
      'ask the administrator for ALTER SYSTEM SET autovacuum = on and ALTER SYSTEM SET track_counts = on, and a reload',
    ])
  })

  test('is to ask for standbys where there are none, and why they do not stream where there are', () => {
    const remedy = (pods: typeof cluster.pods): string =>
      findingOf('streaming', { cluster: { ...cluster, pods }, sql: sqlWith({ slots: [], senders: [] }) })
        .remedy
    expect([remedy([]), remedy(cluster.pods?.slice(0, 2)), remedy(cluster.pods)]).toEqual([
      'ask the administrator for 2 standbys',
      'ask the administrator for 2 standbys',
      'ask the administrator why the standbys do not stream',
    ])
    const nobody = { cluster: { ...cluster, pods: undefined }, sql: sqlWith({ slots: [], senders: [] }) }
    expect(findingOf('streaming', nobody, 'standard').remedy).toBe('ask the administrator for 1 standby')
    // What only receives WAL, such as a backup, is no standby.
    const [one, other] = senders
    const backups = [
      { ...one, name: 'barman_receive_wal' },
      { ...other, name: 'pg_basebackup' },
    ]
    expect(
      findingOf('streaming', {
        cluster: { ...cluster, pods: [] },
        sql: sqlWith({ slots: [], senders: backups }),
      }).remedy,
    ).toBe('ask the administrator for 2 standbys')
  })

  test('names the role that needs pg_monitor', () => {
    const sql = sqlWith({ seesStatistics: false, slots: [], senders: slotless })
    expect(findingOf('streaming', { cluster: { ...cluster, pods: [] }, sql }).remedy).toBe(
      'ask the administrator to run GRANT pg_monitor TO "postgresql1_admin"',
    )
  })
})

describe('profiles', () => {
  test.each([
    ['standard', 2],
    ['premium', 3],
  ] as const)('%s wants %d instances', (profile, wanted) => {
    expect(findingOf('instances', {}, profile).wanted).toBe(`${wanted} ready`)
    expect(findingOf('streaming', {}, profile).wanted).toBe(
      `${wanted - 1} standby${wanted > 2 ? 's' : ''} streaming`,
    )
  })

  test('a value of the file wins, and what follows from it', () => {
    const file = { thresholds: { minInstances: 1 } }
    expect(findingOf('instances', {}, 'premium', file).wanted).toBe('1 ready')
    expect(findingOf('streaming', {}, 'premium', file).wanted).toBe('0 standbys streaming')
    expect(findingOf('spread', {}, 'premium', file).wanted).toBe('1 Node')
  })

  test('the checklist counts in premium, and warns in standard', () => {
    expect(findingOf('load-test', {}, 'premium').counts).toBe(true)
    expect(findingOf('load-test', {}, 'standard').counts).toBe(false)
    const holding = holdingBack(judge(good, rulesOf('standard'))).map(({ id }) => id)
    expect(holding).toEqual(['off-site'])
  })

  test('everything seen and vouched for is met', () => {
    expect(holdingBack(judge(good, rulesOf('premium', vouched)))).toEqual([])
  })
})

describe('zones, where the file asks for them', () => {
  const file = { thresholds: { minZones: 2 } }
  const zones = (names: readonly string[]): object => ({
    cluster: { ...cluster, zones: new Map(names.map((name, index) => [`node-${index + 1}`, name])) },
  })

  test.each([
    [['a', 'b', 'c'], 'met'],
    [['a', 'b'], 'met'],
    [['a', 'a', 'a'], 'not met'],
    [['a', 'a'], 'unknown'],
    [[], 'unknown'],
  ] as const)('%j is %s', (names, verdict) => {
    expect(findingOf('spread', zones(names), 'premium', file).verdict).toBe(verdict)
  })

  test('are to be more where all of them are known', () => {
    expect(findingOf('spread', zones(['a', 'a', 'a']), 'premium', file).remedy).toBe(
      'ask the administrator to spread the instances over zones',
    )
  })

  test('a Node without the label is no missing right', () => {
    expect(findingOf('spread', zones(['a', 'a']), 'premium', file)).toMatchObject({
      seen: expect.stringContaining('node-3 has no zone label'),
      remedy: 'an attestation',
    })
  })
})

describe('the backup window, where the file asks for it', () => {
  const file = { holdBackInBackupWindow: true }

  test('is left out otherwise', () => {
    expect(judge(good, rulesOf('premium')).some(({ id }) => id === 'backup-window-now')).toBe(false)
  })

  test.each([
    [now, 'met', '2026-11-22 14:03:11 UTC'],
    [night(22, 2), 'not met', 'is within it'],
    [new Date('2026-07-15T04:30:00Z'), 'not met', '(CET all year (UTC+1))'],
  ])('%s is %s', (at, verdict, words) => {
    const finding = findingOf('backup-window-now', { at }, 'premium', file)
    expect([finding.verdict, finding.seen]).toEqual([verdict, expect.stringContaining(words)])
  })

  test('says when it ends', () => {
    const finding = findingOf('backup-window-now', { at: night(22, 2) }, 'premium', file)
    expect(finding.remedy).toBe('run again after 2026-11-22 05:00:00 UTC')
  })

  test('says when it ends by each way to read it, where these differ', () => {
    const at = new Date('2026-07-15T02:00:00Z')
    const finding = findingOf('backup-window-now', { at }, 'premium', file)
    expect(finding.remedy).toBe('run again after 2026-07-15 05:00:00 UTC')
  })

  test('shows what is wanted, and what was seen when', () => {
    expect(findingOf('backup-window-now', { at: night(22, 2) }, 'premium', file)).toMatchObject({
      wanted: 'not within 00:00-06:00 CET',
      seen: '2026-11-22 02:00:00 UTC is within it',
      evidence: [{ query: 'the clock', answer: '2026-11-22 02:00:00 UTC', at: night(22, 2) }],
    })
  })
})

describe('only one reading of CET', () => {
  test('of a schedule warns', () => {
    const schedules = [{ what: 'c', cron: '30 4 * * *', zone: 'UTC' }]
    const finding = findingOf('backup-schedule', { cluster: { ...cluster, schedules } })
    expect(finding.verdict).toBe('met')
    expect(finding.warnings.join()).toContain(
      'right for CET all year (UTC+1), wrong for CET with summer time',
    )
  })

  test('of a backup warns', () => {
    const at = new Date('2026-07-15T12:00:00Z')
    const backups = [run(new Date('2026-07-15T04:30:00Z'))]
    const finding = findingOf('last-backup', { at, cluster: { ...cluster, backups } } as object)
    expect(finding.verdict).toBe('met')
    expect(finding.warnings).toEqual(['it is inside one reading of the zone only: CET all year (UTC+1)'])
  })

  test('is not asked about a window that says which it means', () => {
    const window = parseWindow('00:00-06:00 Europe/Stockholm')
    if ('problem' in window) throw new Error(window.problem)
    const schedules = [{ what: 'c', cron: '30 4 * * *', zone: 'UTC' }]
    const finding = findingOf('backup-schedule', { cluster: { ...cluster, schedules } }, 'premium', {
      thresholds: { backupWindow: window },
    })
    expect(finding.verdict).toBe('not met')
  })
})

describe('a full backup that is not due every day', () => {
  const weekly = { thresholds: { backupEveryMs: 7 * 24 * 3_600_000 } }
  const scheduled = (cron: string): object => ({
    cluster: { ...cluster, schedules: [{ what: 'c', cron, zone: 'UTC' }] },
  })

  test.each([
    ['0 1 * * 0', 'met'],
    ['0 1 1 * *', 'not met'],
    ['0 12 * * 0', 'not met'],
  ])('%s is %s where a week is often enough', (cron, verdict) => {
    const finding = findingOf('backup-schedule', scheduled(cron), 'premium', weekly)
    expect([finding.verdict, finding.wanted]).toEqual([verdict, 'every 7 days within 00:00-06:00 CET'])
  })

  test('is not met where a day is', () => {
    expect(findingOf('backup-schedule', scheduled('0 1 * * 0')).verdict).toBe('not met')
  })
})

test('a schedule that the clock leaps over twice in the year ahead is met, and said', () => {
  const at = new Date('2026-03-28T12:00:00Z')
  const schedules = [{ what: 'c', cron: '30 2 * * *', zone: 'Europe/Stockholm' }]
  const finding = findingOf('backup-schedule', { at, cluster: { ...cluster, schedules } })
  expect(finding.verdict).toBe('met')
  expect(finding.warnings.filter((warning) => warning.includes('the clock leaps'))).toHaveLength(4)
})

describe('what is wrong beside the verdict', () => {
  test.each<[RequirementId, object, string]>([
    ['instances', { cluster: { ...cluster, pods: cluster.pods?.slice(0, 2) } }, 'the Pods say 2, SQL says 3'],
    [
      'instances',
      { cluster: { ...cluster, operator: { ...cluster.operator, wantedInstances: 2 } } },
      'asks for 2 only',
    ],
    [
      'streaming',
      { cluster: { ...cluster, pods: [] }, sql: sqlWith({ seesStatistics: false }) },
      'state and lag are hidden',
    ],
    [
      'backup-schedule',
      { cluster: { ...cluster, schedules: [{ what: 'c', cron: '0 1,13 * * *', zone: 'UTC' }] } },
      'also runs outside the window, next 2026-11-23 13:00:00 UTC',
    ],
    [
      'backup-schedule',
      { cluster: { ...cluster, schedules: [{ what: 'c', cron: '30 2 * * *', zone: 'Europe/Stockholm' }] } },
      'the clock leaps over the time',
    ],
    [
      'last-backup',
      { cluster: { ...cluster, backups: [...cluster.backups, run(night(22, 3), false)] } },
      'the newest backup did not succeed',
    ],
    ['app-user', { sql: sqlWith({ admin: ['psql'] }) }, '1 other session of the admin is open: "psql"'],
    ['app-replicas', { sql: sqlWith({ application: 0 }) }, 'no session of "shop" is open'],
    [
      'supported-version',
      { sql: sqlWith({ version: '15.18', versionNumber: 150_018 }), at: new Date('2027-10-01T12:00:00Z') },
      'gets its last fix in 41 days',
    ],
    ...(
      [
        ['15.18', 150_018, 'before the upgrade "postgresql1_admin" itself can run'],
        ['13.23', 130_023, 'before the upgrade "postgresql1_admin" itself can run'],
        ['16.15', 160_015, 'a superuser can run'],
        ['19.0', 190_000, 'a superuser can run'],
      ] as const
    ).map(([version, versionNumber, who]): [RequirementId, Partial<Observations>, string] => [
      'supported-version',
      {
        sql: sqlWith({ version, versionNumber }),
        server: { ...good.server, role: good.server.role && { ...good.server.role, adminOption: false } },
      },
      `${who}: GRANT "shop" TO "postgresql1_admin" WITH ADMIN OPTION`,
    ]),
    ['rpo', { probe: { reason: 'this is a dry run' } }, 'no live probe: this is a dry run'],
  ])('%s', (id, seen, warning) => {
    expect(findingOf(id, seen).warnings.join('; ')).toContain(warning)
  })
})

describe('attestations and waivers', () => {
  const attested = (validUntil: string, requirement: RequirementId = 'recovery-test'): object => ({
    attestations: [{ requirement, statement: 'restored on 2026-09-01', by: 'Kim Berg', validUntil }],
  })
  const waived = (validUntil: string, requirement: RequirementId = 'instances'): object => ({
    waivers: [{ requirement, reason: 'ordered, comes in January', owner: 'Alex Lund', validUntil }],
  })
  const two = { cluster: { ...cluster, pods: cluster.pods?.slice(0, 2) } }

  test('hold until their last day', () => {
    const finding = findingOf('recovery-test', {}, 'premium', attested('2026-11-22'))
    expect([finding.verdict, finding.seen]).toEqual([
      'attested',
      'by Kim Berg, ends today: restored on 2026-09-01',
    ])
    expect(finding.warnings).toEqual(['the attestation ends today, on 2026-11-22'])
  })

  test('count as absent from the day after', () => {
    const finding = findingOf('recovery-test', {}, 'premium', attested('2026-11-21'))
    expect([finding.verdict, finding.seen]).toEqual([
      'unknown',
      'the attestation of Kim Berg ended on 2026-11-21',
    ])
    expect(finding.attestable).toBe(true)
  })

  test.each([
    ['2026-12-06', ['the attestation ends in 14 days, on 2026-12-06']],
    ['2026-12-07', []],
  ])('that end on %s warn: %j', (until, warnings) => {
    expect(findingOf('recovery-test', {}, 'premium', attested(until)).warnings).toEqual(warnings)
  })

  test('what can be seen cannot be attested', () => {
    const noon = { cluster: { ...cluster, schedules: [{ what: 'c', cron: '0 12 * * *', zone: 'UTC' }] } }
    const finding = findingOf('backup-schedule', noon, 'premium', attested('2027-01-01', 'backup-schedule'))
    expect([finding.verdict, finding.attestable]).toEqual(['not met', false])
    expect(finding.seen).toMatch(/^c: "0 12 /)
    expect(finding.warnings).toContain('it was seen, so the attestation has no effect')
  })

  test.each<[string, RequirementId, object, string, string, readonly string[]]>([
    ['is met', 'spread', {}, '2027-01-01', 'met', ['it was seen, so the attestation has no effect']],
    ['is unknown', 'recovery-test', {}, '2026-11-21', 'unknown', []],
    ['does not apply', 'app-restarted', { secretChangedNow: true }, '2027-01-01', 'not applicable', []],
  ])('an attestation of what %s', (_, id, seen, until, verdict, warnings) => {
    const finding = findingOf(id, seen, 'premium', attested(until, id))
    expect([finding.verdict, finding.warnings]).toEqual([verdict, warnings])
  })

  test('leave nothing to do while they hold, and say until when', () => {
    const attestation = findingOf('recovery-test', {}, 'premium', attested('2027-01-31'))
    expect([attestation.seen, attestation.remedy]).toEqual([
      'by Kim Berg, until 2027-01-31: restored on 2026-09-01',
      '',
    ])
    const waiver = findingOf('instances', two, 'premium', waived('2026-11-23'))
    expect([waiver.seen, waiver.remedy]).toEqual([
      '2 ready: postgresql1-0 (primary), postgresql1-1 (standby). Waived by Alex Lund, ends in 1 day: ordered, comes in January',
      '',
    ])
    expect(waiver.warnings).toContain('the waiver ends in 1 day, on 2026-11-23')
  })

  test.each<[string, RequirementId, object, string, string]>([
    ['has ended', 'instances', two, '2026-11-01', 'not met'],
    [
      'is for what does not apply',
      'app-restarted',
      { secretChangedNow: true },
      '2027-01-01',
      'not applicable',
    ],
  ])('a waiver that %s is not said to be needless', (_, id, seen, until, verdict) => {
    const finding = findingOf(id, seen, 'premium', waived(until, id))
    expect(finding.verdict).toBe(verdict)
    expect(finding.warnings.join()).not.toContain('needs no waiver')
  })

  test('what can be seen can be waived, and shows what was seen', () => {
    const finding = findingOf('instances', two, 'premium', waived('2027-01-31'))
    expect(finding.verdict).toBe('waived')
    expect(finding.seen).toContain('2 ready')
    expect(finding.exception).toEqual({
      by: 'Alex Lund',
      until: '2027-01-31',
      text: 'ordered, comes in January',
    })
  })

  test('an expired waiver counts as absent', () => {
    const finding = findingOf('instances', two, 'premium', waived('2026-11-01'))
    expect([finding.verdict, finding.seen]).toEqual([
      'not met',
      'the waiver of Alex Lund ended on 2026-11-01; 2 ready: postgresql1-0 (primary), postgresql1-1 (standby)',
    ])
  })

  test('a waiver that is not needed can go', () => {
    const finding = findingOf('instances', {}, 'premium', waived('2027-01-31'))
    expect([finding.verdict, finding.warnings]).toEqual([
      'met',
      ['it needs no waiver: it can be taken out of the file'],
    ])
  })

  test('the one that lasts longest holds', () => {
    const entries = {
      attestations: ['2026-10-01', '2027-01-01', '2026-12-01'].map((validUntil) => ({
        requirement: 'recovery-test' as const,
        statement: 's',
        by: 'Kim',
        validUntil,
      })),
    }
    expect(findingOf('recovery-test', {}, 'premium', entries).exception?.until).toBe('2027-01-01')
  })
})

test('what is in one zone alone needs a look, where zones can be seen', () => {
  const zones = new Map(
    ['node-1', 'node-2', 'node-3', 'node-4', 'node-5'].map((node) => [node, 'a'] as const),
  )
  const inOne = { cluster: { ...cluster, zones }, application: { ...application, zones } }
  expect(findingOf('spread', inOne)).toMatchObject({
    verdict: 'met',
    warnings: ['all of them are in zone a'],
  })
  expect(findingOf('app-spread', inOne)).toMatchObject({
    verdict: 'met',
    warnings: ['Deployment shop: all of it is in zone a'],
  })
  const half = new Map([['node-1', 'a']])
  expect(findingOf('spread', { cluster: { ...cluster, zones: half } }).warnings).toEqual([])
})

test('what holds back comes first, what is met last', () => {
  const two = { ...good, cluster: { ...cluster, pods: cluster.pods?.slice(0, 1), backups: [] } }
  const order = judge(two, rulesOf('standard', vouched)).map(({ verdict }) => verdict)
  expect(order[0]).toBe('not met')
  expect(order.indexOf('unknown')).toBeLessThan(order.indexOf('attested'))
  expect(order.indexOf('attested')).toBeLessThan(order.indexOf('met'))
})

describe('names of WAL segments', () => {
  const size = 16 * 1024 * 1024
  test.each([
    ['0000000300000012000000A1', 0x12 * 256 + 0xa1],
    ['0000000400000012000000A1', 0x12 * 256 + 0xa1],
    ['0000000300000012000000A1.partial', 0x12 * 256 + 0xa1],
    ['0000000300000012000000A1.00000028.backup', 0x12 * 256 + 0xa1],
    ['00000003.history', undefined],
  ])('%s is number %s', (name, number) => {
    expect(segmentNumber(name, size)).toBe(number)
  })

  test('are ordered whatever their timelines', () => {
    expect(isAtOrAfter('000000040000001200000001', '0000000300000011000000FF')).toBe(true)
    expect(isAtOrAfter('000000040000001200000001', '000000030000001200000002')).toBe(false)
    expect(isAtOrAfter('00000004.history', '000000030000001200000002')).toBe(false)
  })
})

test('what may not be read is named in the same order, whichever answer came first', () => {
  const both = ['statefulsets', 'deployments'].map((resource) => ({ right: { ...right, resource } }))
  const remedies = [both, both.toReversed()].map(
    (unread) => findingOf('app-replicas', { application: { ...application, unread } }).remedy,
  )
  expect(remedies).toEqual(
    Array(2).fill(
      'ask for the right to list deployments and statefulsets (batch) in postgres-system, or attest it',
    ),
  )
})

test.each([
  [8, 'at least 2000 in 99999 days', 'not met'],
  [1_000_000, 'at least 2000 in 99999 days', 'unknown'],
])('a backup every minute is not counted through very many days: %d kept', (kept, words, verdict) => {
  const seen = { cluster: { ...cluster, physicalBackupsKept: kept, physicalSchedule: '* * * * *' } }
  const { seen: said, ...found } = findingOf('pitr', seen, 'premium', {
    thresholds: { recoveryDays: 99_999 },
  })
  expect(found.verdict).toBe(verdict)
  expect(said).toContain(words)
})

test('whatever is foreign in a finding is one line that turns no text around', () => {
  const odd = 'a\nb\u202ec\u0000d\r\n::error::e\u2028f'
  for (const { id, seen, remedy, evidence, warnings } of judge(hostile(odd), rulesOf('premium', vouched))) {
    const texts = [seen, remedy, ...warnings, ...evidence.flatMap(({ query, answer }) => [query, answer])]
    expect([id, texts.filter((text) => /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text))]).toEqual([id, []])
  }
})

/** Everything that a server and a cluster name, by the same name. */
function hostile(odd: string): Observations {
  const { secret } = good
  if (secret === undefined) throw new Error('it is there')
  return {
    ...good,
    username: odd,
    database: odd,
    secretRef: odd,
    loginRefused: odd,
    login: { query: odd, answer: odd, at: now },
    secret: { ...secret, values: { PGUSER: odd, PGDATABASE: odd, PGSSLMODE: odd } },
    sql: sqlWith({
      version: odd,
      senders: senders.map((sender) => ({ ...sender, name: odd, state: odd })),
      slots: [{ name: odd, active: false }],
      archiver: { ...archiver, lastArchived: odd, lastFailed: odd, lastFailedAt: now },
      admin: [odd],
    }),
    health: {
      ...health,
      ages: { value: [{ database: odd, xids: 1_500_000_000, multixacts: 0 }] },
      checksums: { value: { on: true, failures: [{ database: odd, count: 1 }] } },
      slots: { value: { total: 1, idle: [{ name: odd, status: odd }] } },
    },
    inside: {
      ...inside,
      keyless: { value: { total: 1, wrong: 1, items: [odd] } },
      unvacuumed: { hidden: odd },
      invalidIndexes: { value: { total: 1, wrong: 1, items: [{ name: odd, building: true }] } },
      collations: {
        value: {
          database: { recorded: odd, actual: null },
          objects: { total: 1, wrong: 1, items: [{ name: odd, recorded: odd, actual: odd }] },
        },
      },
      sessions: { value: { open: 1, plain: 1, from: [odd], local: 0, hidden: 0 } },
      sequences: {
        value: { total: 1, read: 1, hidden: 0, furthest: [{ name: odd, last: odd, end: odd, used: 99 }] },
      },
    },
    certificate: { hidden: odd },
    cluster: {
      ...cluster,
      pods: [{ name: odd, ready: false, role: undefined, state: odd, node: odd }],
      operator: { what: odd, wantedInstances: 3, readyInstances: 1, status: odd },
      schedules: [{ what: odd, cron: odd, zone: odd, off: odd }],
      backups: [{ what: odd, started: now, finished: now, succeeded: false }],
      logicalRetention: odd,
      physicalSchedule: odd,
    },
    application: {
      ...application,
      workloads: [{ ...workload, what: odd, unlimited: [odd], pods: [] }],
    },
    probe: { reason: odd },
  }
}

test.each([
  [24 * 60, 'the clock of this runner is 24 hours behind PostgreSQL'],
  [-24 * 60, 'the clock of this runner is 24 hours ahead of PostgreSQL'],
  [61, 'the clock of this runner is 61 minutes behind PostgreSQL'],
  [10, 'the clock of this runner is 10 minutes behind PostgreSQL'],
  [9.99, undefined],
  [1, undefined],
  [-1, undefined],
])("a runner's clock that PostgreSQL's is %d minutes ahead of", (minutes, words) => {
  const [note, ...others] = clockNotes({ ...good, sql: sqlWith({ at: minutesAgo(-minutes) }) })
  expect(others).toEqual([])
  expect(note?.slice(0, words?.length)).toBe(words)
})
