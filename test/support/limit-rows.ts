import type { Row } from './health-rows.ts'
import {
  application,
  archiver,
  cluster,
  good,
  minutesAgo,
  night,
  now,
  run,
  senders,
  sql,
  sqlWith,
  taken,
  workload,
} from './sights.ts'

const right = { namespace: 'postgres-system', verb: 'list', group: '', purpose: 'the gate', asked: false }
const pods = [{ right: { ...right, resource: 'pods' } }]
const jobs = [{ right: { ...right, group: 'batch', resource: 'jobs' } }]
const operator = { ...cluster.operator, what: 'clusters.postgresql.cnpg.io pg1', status: 'healthy' }
const never = { ...archiver, archivedCount: 0, lastArchived: null, lastArchivedAt: null }
const since = (minutes: number): typeof archiver => ({ ...archiver, lastArchivedAt: minutesAgo(minutes) })
const copy = (lastBackupEnd: Date): object => ({
  monitor: { waiting: 0, oldestWaiting: null, lastBackupEnd },
})
const local = { monitor: { waiting: 0, oldestWaiting: null, lastBackupEnd: null } }
const scheduled = (...crons: readonly string[]): object => ({
  cluster: { ...cluster, schedules: crons.map((cron, index) => ({ what: `c${index}`, cron, zone: 'UTC' })) },
})
const physical = (physicalBackupsKept: number, physicalSchedule: string): object => ({
  cluster: { ...cluster, physicalBackupsKept, physicalSchedule },
})
/** A Service that selects the primary alone, as those of many charts do, and no operator. */
const alone = { ...cluster, operator: undefined, kept: false, pods: cluster.pods?.slice(0, 1) }
const veiled = senders.map((sender) => ({
  ...sender,
  state: null,
  lagSeconds: null,
  replays: null,
  holdsSlot: false,
}))
const { secret } = good
if (secret === undefined) throw new Error('it is there')
const holding = (values: object): object => ({
  secret: { ...secret, values: { ...secret.values, ...values } },
})
const without = (key: string): object => {
  const values = Object.entries(secret.values).filter(([name]) => name !== key)
  return { secret: { ...secret, values: Object.fromEntries(values) } }
}
const aged = (name: string, minutes: number): object => ({ name, node: 'n', created: minutesAgo(minutes) })

/** Cases at the last moment of a limit, and of what is only in part in sight: archiving, backups, the application. */
export const limitRows: readonly Row[] = [
  [
    'archiving',
    'a standby',
    { sql: sqlWith({ standby: true }) },
    'unknown',
    'a standby, which does not show it',
  ],
  [
    'archiving',
    'a failure at the moment of the last success',
    {
      sql: sqlWith({
        archiver: { ...archiver, failedCount: 1, lastFailed: 'A', lastFailedAt: minutesAgo(3) },
      }),
    },
    'met',
    'on; last archived',
  ],
  [
    'archiving',
    'failures, and nothing ever archived',
    {
      sql: sqlWith({ archiver: { ...never, failedCount: 7, lastFailed: 'A', lastFailedAt: minutesAgo(9) } }),
    },
    'not met',
    'nothing was ever archived',
  ],
  [
    'archiving',
    'failures of an unknown time',
    { sql: sqlWith({ archiver: { ...archiver, failedCount: 2 } }) },
    'met',
    'on; last archived',
  ],
  [
    'archiving',
    'nothing archived yet, and statistics that never began anew',
    { sql: sqlWith({ archiver: { ...never, statsReset: null } }) },
    'unknown',
    'nothing was archived since the statistics began',
  ],
  [
    'archiving',
    'nothing archived yet, and no operator',
    { cluster: { ...cluster, operator: undefined }, sql: sqlWith({ archiver: never }) },
    'unknown',
    'nothing was archived since the statistics began',
  ],
  [
    'archiving',
    'a catalog that may not be read, and no operator',
    { cluster: { ...cluster, operator: undefined }, sql: { ...sql, archiving: taken } },
    'unknown',
    'the right to read it is missing',
  ],
  [
    'rpo',
    'a standby',
    { sql: sqlWith({ standby: true, currentSegment: null, usedBytes: 0 }) },
    'unknown',
    'a standby, which does not show it',
  ],
  [
    'rpo',
    'a catalog that may not be read, and an operator that says that it works',
    { cluster: { ...cluster, operator: { ...operator, archives: true } }, sql: { ...sql, archiving: taken } },
    'unknown',
    'the right to read it is missing',
  ],
  [
    'rpo',
    'archiving that fails',
    {
      sql: sqlWith({
        archiver: { ...archiver, failedCount: 1, lastFailed: 'A', lastFailedAt: minutesAgo(1) },
      }),
    },
    'not met',
    'failing: A at',
  ],
  [
    'rpo',
    'as much time as is left, and none more',
    { sql: sqlWith({ archiveTimeoutSeconds: 301 }) },
    'not met',
    'archive_timeout is 301 s',
  ],
  [
    'rpo',
    'a segment that has waited for as long as it may',
    { sql: sqlWith({ monitor: { waiting: 1, oldestWaiting: minutesAgo(5), lastBackupEnd: null } }) },
    'met',
    'last archived',
  ],
  [
    'rpo',
    'nothing that waits, and a segment far ahead',
    {
      sql: sqlWith({
        currentSegment: '0000000300000012000000F0',
        monitor: { waiting: 0, oldestWaiting: null, lastBackupEnd: null },
      }),
    },
    'met',
    'last archived',
  ],
  [
    'rpo',
    'as many segments on their way as usual',
    { sql: sqlWith({ currentSegment: '0000000300000012000000A6' }) },
    'met',
    'last archived',
  ],
  [
    'rpo',
    'a segment more on its way than usual',
    { sql: sqlWith({ currentSegment: '0000000300000012000000A7' }) },
    'unknown',
    '5 finished segments after the last one known',
  ],
  [
    'rpo',
    'a success as long ago as may be, and a segment that waits',
    { sql: sqlWith({ currentSegment: '0000000300000012000000A3', archiver: since(5) }) },
    'met',
    'last archived',
  ],
  [
    'rpo',
    'a success longer ago, and a segment that waits',
    { sql: sqlWith({ currentSegment: '0000000300000012000000A3', archiver: since(5.1) }) },
    'not met',
    '1 finished segment not archived',
  ],
  [
    'rpo',
    'much written, and the minute of grace not over',
    { sql: sqlWith({ usedBytes: 4_000_000, archiver: since(6) }) },
    'met',
    'last archived 2026-11-22 13:57:11 UTC',
  ],
  [
    'rpo',
    'much written, and the minute of grace over',
    { sql: sqlWith({ usedBytes: 4_000_000, archiver: since(6.1) }) },
    'unknown',
    'just become busy',
  ],
  [
    'rpo',
    'what an idle server writes, for a day',
    { sql: sqlWith({ usedBytes: 65_536, archiver: since(1_440) }) },
    'met',
    'idle since',
  ],
  [
    'rpo',
    'a byte more than an idle server writes, for a day',
    { sql: sqlWith({ usedBytes: 65_537, archiver: since(1_440) }) },
    'unknown',
    'just become busy',
  ],
  [
    'rpo',
    'little written, and the last success not long ago',
    { sql: sqlWith({ usedBytes: 400 }) },
    'met',
    'archive_timeout is 300 s; last archived 2026-11-22 14:00:11 UTC',
  ],
  [
    'rpo',
    'much written, a timeout of a minute, and the last success a moment too long ago',
    { sql: sqlWith({ archiveTimeoutSeconds: 60, usedBytes: 4_000_000, archiver: since(5.5) }) },
    'met',
    'last archived 2026-11-22 13:57:41 UTC',
  ],
  [
    'backup-schedule',
    'one every second day, where a day is often enough',
    scheduled('0 1 */2 * *'),
    'not met',
    'windows of the coming year have no run',
  ],
  [
    'backup-schedule',
    'one with quotation marks in it',
    scheduled('a" b'),
    'unknown',
    'c0: "a" b" (UTC), which does not have five fields',
  ],
  [
    'backup-schedule',
    'none in sight, and rights missing',
    { cluster: { ...cluster, schedules: [], unread: { ...cluster.unread, schedule: jobs } } },
    'unknown',
    'no permission to read jobs',
  ],
  [
    'last-backup',
    'none anywhere, this node included',
    { cluster: { ...cluster, backups: [] }, sql: sqlWith(local) },
    'unknown',
    'no finished backup can be seen',
  ],
  [
    'last-backup',
    'the last one failed, says the operator, and not when',
    { cluster: { ...cluster, operator: { ...operator, backupFailure: { at: undefined, message: 'full' } } } },
    'not met',
    'says that the last one failed: full',
  ],
  [
    'last-backup',
    'a mark on this node alone, of what ended outside the window',
    { cluster: { ...cluster, backups: [] }, sql: sqlWith(copy(night(22, 12))) },
    'unknown',
    'when it began is not told: physical backup on this node, finished 2026-11-22 12:00:00 UTC',
  ],
  [
    'last-backup',
    'one that is under way, beside what may be the copy for a new standby',
    {
      cluster: { ...cluster, backups: [{ what: 'Pod b', started: night(22, 14), succeeded: false }] },
      sql: sqlWith(copy(night(22, 2))),
    },
    'unknown',
    'has not ended: Pod b, started 2026-11-22 14:00:00 UTC; what may be no more than the copy',
  ],
  [
    'backup-schedule',
    'one that cannot be read beside one at noon',
    {
      cluster: {
        ...cluster,
        schedules: [
          { what: 'c', cron: 'nightly', zone: 'UTC' },
          { what: 'd', cron: '0 12 * * *', zone: 'UTC' },
        ],
      },
    },
    'unknown',
    'does not have five fields; d: "0 12 * * *" (UTC)',
  ],
  [
    'backup-schedule',
    'the best of three, in whatever order',
    {
      cluster: {
        ...cluster,
        schedules: [
          { what: 'c', cron: '0 12 * * *', zone: 'UTC' },
          { what: 'd', cron: '30 4 * * *', zone: 'UTC' },
          { what: 'e', cron: '0 1 * * *', zone: 'UTC' },
        ],
      },
    },
    'met',
    'e: "0 1 * * *"',
  ],
  [
    'last-backup',
    'one as old as may be, to the second',
    { at: night(22, 7, 0), cluster: { ...cluster, backups: [run(night(21, 1))] } },
    'met',
    'started 2026-11-21 01:00:00 UTC',
  ],
  [
    'last-backup',
    'one a minute older than may be',
    { at: night(22, 7, 1), cluster: { ...cluster, backups: [run(night(21, 1))] } },
    'not met',
    'the last backup in the window is too old',
  ],
  [
    'last-backup',
    'one that is told apart, beside a later copy for a new standby',
    { cluster: { ...cluster, backups: [run(night(22, 1))] }, sql: sqlWith(copy(night(22, 2))) },
    'met',
    'Pod b, started 2026-11-22 01:00:00 UTC',
  ],
  [
    'last-backup',
    'an old one that is told apart, beside a later copy for a new standby',
    { cluster: { ...cluster, backups: [run(night(20, 1))] }, sql: sqlWith(copy(night(22, 2))) },
    'unknown',
    'too old or outside the window: Pod b',
  ],
  [
    'last-backup',
    'one that is under way, after one that failed',
    {
      cluster: {
        ...cluster,
        backups: [{ what: 'Pod b', started: night(22, 14), succeeded: false }, run(night(22, 1), false)],
      },
    },
    'not met',
    'no backup has succeeded; the last, which is under way: Pod b, started 2026-11-22 14:00:00 UTC',
  ],
  [
    'last-backup',
    'one that is under way alone',
    { cluster: { ...cluster, backups: [{ what: 'Pod b', started: night(22, 14), succeeded: false }] } },
    'unknown',
    'no backup has succeeded; the last, which is under way: Pod b',
  ],
  [
    'last-backup',
    'one that ended outside the window at a time nobody knows the begin of, too long ago',
    { cluster: { ...cluster, backups: [{ what: 'c', finished: night(20, 12), succeeded: true }] } },
    'not met',
    'the last backup was outside the window: c, finished 2026-11-20 12:00:00',
  ],
  [
    'retention',
    'nothing but physical backups that are counted',
    { cluster: { ...cluster, logicalRetention: undefined, physicalBackupsKept: undefined } },
    'unknown',
    'nothing visible shows how long backups are kept',
  ],
  [
    'pitr',
    'a day less than the operator keeps',
    {
      cluster: { ...cluster, operator: { ...operator, retention: { days: 7, setting: 'retentionPolicy' } } },
    },
    'met',
    '7 days, says retentionPolicy',
  ],
  [
    'pitr',
    'as many backups as are taken',
    { cluster: { ...cluster, physicalBackupsKept: 7 } },
    'unknown',
    'keeps 7 backups and the WAL since the oldest; BACKUP_SCHEDULE "0 1 * * *" takes up to 7 in 7 days',
  ],
  [
    'pitr',
    'a schedule of physical backups that cannot be read',
    { cluster: { ...cluster, physicalSchedule: 'nightly' } },
    'unknown',
    'and how often one is taken is not in sight',
  ],
  [
    'pitr',
    'one backup, taken twice a month: none in most weeks',
    physical(1, '0 1 1,16 * *'),
    'not met',
    'keeps 1 backup and the WAL since the oldest; BACKUP_SCHEDULE "0 1 1,16 * *" takes up to 1 in 7 days',
  ],
  ['pitr', 'two backups, taken twice a month', physical(2, '0 1 1,16 * *'), 'met', 'takes up to 1 in 7 days'],
  [
    'pitr',
    'a backup that is not taken in the coming year',
    physical(8, '0 1 29 2 *'),
    'unknown',
    'takes up to 0 in 7 days',
  ],
  [
    'pitr',
    'nothing at all',
    { cluster: { ...cluster, operator: undefined, physicalBackupsKept: undefined } },
    'unknown',
    'nothing visible shows how far recovery reaches back',
  ],
  [
    'pitr',
    'nothing at all, and rights missing',
    {
      cluster: {
        ...cluster,
        operator: undefined,
        physicalBackupsKept: undefined,
        unread: { ...cluster.unread, operator: jobs },
      },
    },
    'unknown',
    'nothing visible shows how far recovery reaches back',
  ],
  [
    'app-spread',
    'Pods hidden, no rule, and the right that would show them',
    {
      application: {
        ...application,
        workloads: [{ ...workload, pods: undefined, keptApart: false }],
        unread: [...pods, ...jobs],
      },
    },
    'unknown',
    'its Pods may not be listed',
  ],
  [
    'app-spread',
    'Pods hidden of one, and another on two Nodes',
    {
      application: {
        ...application,
        workloads: [workload, { ...workload, what: 'Deployment b', pods: undefined }],
      },
    },
    'met',
    'Deployment shop: 2 Nodes; Deployment b: kept apart by a rule',
  ],
  [
    'app-spread',
    'Pods on two Nodes, and no rule that keeps them apart',
    { application: { ...application, workloads: [{ ...workload, keptApart: false }] } },
    'met',
    'Deployment shop: 2 Nodes',
  ],
  [
    'app-replicas',
    'one, and a second one of a rollout',
    { application: { ...application, workloads: [{ ...workload, replicas: 1, ready: 2 }] } },
    'not met',
    '2 of 1 ready',
  ],
  [
    'app-replicas',
    'one that is not ready',
    { application: { ...application, workloads: [{ ...workload, replicas: 1, ready: 0 }] } },
    'not met',
    '0 of 1 ready',
  ],
  [
    'app-resources',
    'two that lack something',
    {
      application: {
        ...application,
        workloads: [{ ...workload, unlimited: ['app has no memory limit', 'job has no cpu request'] }],
      },
    },
    'not met',
    'Deployment shop: app has no memory limit; Deployment shop: job has no cpu request',
  ],
  [
    'app-resources',
    'all of them, and others of three kinds, of which one could not be read',
    {
      application: {
        ...application,
        unread: [
          ...['deployments', 'daemonsets', 'statefulsets'].map((resource) => ({
            right: { ...right, group: 'apps', resource },
          })),
          { right: { ...right, group: 'apps', resource: 'replicasets' }, failed: '500: etcdserver' },
        ],
      },
    },
    'unknown',
    'no permission to read daemonsets, deployments and statefulsets; replicasets could not be read (500: etcdserver)',
  ],
  [
    'app-spread',
    'Pods that no Node has taken yet',
    {
      application: {
        ...application,
        workloads: [
          {
            ...workload,
            pods: [
              { name: 'a', node: undefined },
              { name: 'b', node: 'node-4' },
            ],
          },
        ],
      },
    },
    'not met',
    '1 Node',
  ],
  [
    'app-restarted',
    'Pods that may not be listed, and the right that would show them',
    {
      application: { ...application, workloads: [{ ...workload, pods: undefined }], unread: pods },
    },
    'unknown',
    'the Pods of the application may not be listed',
  ],
  [
    'app-restarted',
    'Pods that may not be listed, and nothing says why',
    { application: { ...application, workloads: [{ ...workload, pods: undefined }] } },
    'unknown',
    'the Pods of the application may not be listed',
  ],
  [
    'app-restarted',
    'five Pods that are older',
    {
      application: {
        ...application,
        workloads: [{ ...workload, pods: [1, 2, 3, 4, 5].map((each) => aged(`shop-${each}`, 6000)) }],
      },
    },
    'not met',
    'shop-1, shop-2, shop-3, shop-4 and shop-5',
  ],
  [
    'app-replicas',
    'nothing in sight uses the Secret, yet one is connected',
    { application: { ...application, workloads: [] }, sql: sqlWith({ application: 1 }) },
    'unknown',
    'yet 1 session of "shop" is open',
  ],
  [
    'app-replicas',
    'nothing may be listed, and nothing says why',
    { application: { ...application, workloads: undefined } },
    'unknown',
    'neither Deployments, StatefulSets nor DaemonSets could be listed',
  ],
  [
    'app-replicas',
    'two of two, and Pods that may not be read, which say nothing about it',
    { application: { ...application, unread: pods } },
    'met',
    '2 of 2 ready',
  ],
  [
    'app-restarted',
    'a Secret that is gone',
    { secret: undefined, at: now, username: good.username },
    'unknown',
    'does not tell when it was written',
  ],
  [
    'instances',
    'a Service that selects the primary alone, and hidden state',
    { cluster: alone, sql: sqlWith({ seesStatistics: false, slots: [], senders: veiled }) },
    'unknown',
    'cannot be told apart, and what 2 walsenders may be is hidden',
  ],
  [
    'spread',
    'a Service that selects the primary alone, and hidden state',
    { cluster: alone, sql: sqlWith({ seesStatistics: false, slots: [], senders: veiled }) },
    'unknown',
    'cannot be told apart',
  ],
  [
    'instances',
    'a Service that selects the primary alone, and a catalog that may not be read',
    { cluster: alone, sql: { ...sql, replication: taken } },
    'unknown',
    'and of SQL the right to read it is missing',
  ],
  [
    'instances',
    'one Pod, and nothing that is connected to it',
    { cluster: alone, sql: sqlWith({ seesStatistics: false, slots: [], senders: [] }) },
    'not met',
    '1 ready: postgresql1-0 (primary)',
  ],
  [
    'instances',
    'as many Pods as are wanted, and hidden state of what may be more',
    {
      cluster: { ...alone, pods: cluster.pods },
      sql: sqlWith({ seesStatistics: false, slots: [], senders: [...veiled, ...veiled] }),
    },
    'met',
    '3 ready: postgresql1-0',
  ],
  [
    'instances',
    'as many Pods as are wanted, of which one starts, and hidden state of what may be more',
    {
      cluster: {
        ...alone,
        pods: cluster.pods?.map((pod, index) => (index === 2 ? { ...pod, state: 'starting' } : pod)),
      },
      sql: sqlWith({ seesStatistics: false, slots: [], senders: [...veiled, ...veiled] }),
    },
    'unknown',
    'cannot be told apart, and what 4 walsenders may be is hidden',
  ],
  [
    'instances',
    'no Pods that could be told apart, and no operator',
    { cluster: { ...alone, pods: undefined } },
    'met',
    '3 ready (SQL)',
  ],
  [
    'streaming',
    'one that streams, and a slot that nobody reads from',
    {
      sql: sqlWith({
        senders: senders.slice(0, 1),
        slots: [
          { name: 'a', active: true },
          { name: 'b', active: false },
        ],
      }),
    },
    'not met',
    '1 streaming',
  ],
  [
    'app-user',
    'a Secret without a user',
    without('PGUSER'),
    'not met',
    'shop/app-postgresql-secret holds no PGUSER',
  ],
  [
    'app-user',
    'a Secret with the short name of a host of its own namespace',
    { ...holding({ PGHOST: 'db' }), host: 'db.shop.svc.cluster.local' },
    'met',
    'it uses "shop"',
  ],
  [
    'app-user',
    'a Secret with a longer form of the host, in capitals',
    {
      ...holding({ PGHOST: 'DB.postgres-system.svc.cluster.local' }),
      host: 'db.postgres-system',
    },
    'met',
    'it uses "shop"',
  ],
  [
    'app-user',
    'a Secret with a short form of the host and the dot of a full name',
    holding({ PGHOST: 'postgresql1.postgres-system.' }),
    'met',
    'it uses "shop"',
  ],
  [
    'role-attributes',
    'two of them',
    {
      server: {
        ...good.server,
        role: good.server.role && { ...good.server.role, dangers: ['CREATEDB', 'SUPERUSER'] },
      },
    },
    'not met',
    '"shop" is or has: CREATEDB and SUPERUSER',
  ],
  [
    'tls',
    'a Secret that says nothing of it',
    without('PGSSLMODE'),
    'not met',
    'shop/app-postgresql-secret holds no PGSSLMODE',
  ],
]
