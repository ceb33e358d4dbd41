import { emptyFile, type GoLiveFile } from '../../src/go-live/file.ts'
import { holdingBack, type Evidence, type Finding, type GateReport } from '../../src/go-live/finding.ts'
import { judge, pictureOf } from '../../src/go-live/judge.ts'
import type { Observations, Rules } from '../../src/go-live/observations.ts'
import type { ApplicationSight, Workload } from '../../src/go-live/observe-application.ts'
import type { ClusterSight } from '../../src/go-live/observe-cluster.ts'
import type { Health } from '../../src/go-live/observe-health.ts'
import type { Inside } from '../../src/go-live/observe-inside.ts'
import type {
  Archiving,
  OpenSessions,
  Replication,
  SqlSight,
  WalSender,
} from '../../src/go-live/observe-sql.ts'
import { thresholdsOf, type RequirementId } from '../../src/go-live/requirement.ts'
import type { Profile } from '../../src/input/profile.ts'
import type { ServerCertificate } from '../../src/postgres/certificate.ts'
import type { ServerState } from '../../src/postgres/state.ts'
import type { ApplicationSecret } from '../../src/secrets/application-secret.ts'
import * as anything from './provision.ts'

/** The moment at which everything below was seen: a Sunday in winter, outside every backup window. */
export const now = new Date('2026-11-22T14:03:11Z')

const evidence: readonly Evidence[] = [{ query: 'GET /apis', answer: 'as a test says', at: now }]

export function minutesAgo(minutes: number): Date {
  return new Date(now.getTime() - minutes * 60_000)
}

/** Gives a moment of November 2026, UTC. */
export function night(day: number, hour: number, minute = 0): Date {
  return new Date(Date.UTC(2026, 10, day, hour, minute))
}

/** Gives a backup of ten minutes. */
export function run(started: Date, succeeded = true): object {
  return { what: 'Pod b', started, finished: new Date(started.getTime() + 600_000), succeeded }
}

/** What an administrator has taken from everybody. */
export const taken = { hidden: 'the right to read it is missing (42501)' }

/** What a session of the admin sees, the parts that may be hidden side by side. */
type Flat = Omit<SqlSight, 'replication' | 'archiving' | 'sessions'> & Replication & Archiving & OpenSessions

/** Its two standbys. */
export const senders: readonly [WalSender, WalSender] = [
  { name: 'postgresql1-1', state: 'streaming', lagSeconds: 0.2, replays: true, holdsSlot: true },
  { name: 'postgresql1-2', state: 'streaming', lagSeconds: null, replays: true, holdsSlot: true },
]

/** How its archiving goes. */
export const archiver: Archiving['archiver'] = {
  archivedCount: 4711,
  lastArchived: '0000000300000012000000A1',
  lastArchivedAt: minutesAgo(3),
  failedCount: 0,
  lastFailed: null,
  lastFailedAt: null,
  statsReset: minutesAgo(50_000),
}

const flat: Flat = {
  at: now,
  standby: false,
  readOnly: false,
  version: '16.15',
  versionNumber: 160_015,
  tls: true,
  archiveMode: 'on',
  segmentBytes: 16 * 1024 * 1024,
  seesStatistics: true,
  senders,
  slots: [
    { name: 'postgresql1_1', active: true },
    { name: 'postgresql1_2', active: true },
  ],
  archiveBy: 'something',
  archiveTimeoutSeconds: 300,
  archiver,
  currentSegment: '0000000300000012000000A2',
  usedBytes: 300_000,
  admin: [],
  application: 4,
  monitor: undefined,
}

/** What is seen of a primary with two standbys that archives well, but for what is said. */
export function sqlWith(changes: Partial<Flat> = {}): SqlSight {
  const all = { ...flat, ...changes }
  return { ...all, replication: { value: all }, archiving: { value: all }, sessions: { value: all } }
}

export const sql = sqlWith()

/** A server in good health. */
export const health: Health = {
  connections: { value: { server: { used: 12, limit: 97 }, role: null, database: null } },
  ages: { value: [{ database: 'shop', xids: 1_200_000, multixacts: 3 }] },
  autovacuum: { value: { autovacuum: 'on', trackCounts: 'on' } },
  checksums: { value: { on: true, failures: [] } },
  slots: { value: { total: 2, idle: [] } },
  identity: { value: { systemIdentifier: '7466412345678901234', oid: 16_412 } },
}

/** A database in good order, as the application's login sees it. */
export const inside: Inside = {
  timeouts: {
    value: { idle_in_transaction_session_timeout: 60_000, lock_timeout: 5_000, statement_timeout: 0 },
  },
  keyless: { value: { total: 12, wrong: 0, items: [] } },
  unvacuumed: { value: { total: 12, wrong: 0, items: [] } },
  invalidIndexes: { value: { total: 20, wrong: 0, items: [] } },
  collations: {
    value: {
      database: { recorded: '2.36', actual: '2.36' },
      objects: { total: 0, wrong: 0, items: [] },
    },
  },
  sessions: { value: { open: 4, plain: 0, from: [], local: 0, hidden: 0 } },
  sequences: {
    value: {
      total: 12,
      read: 12,
      hidden: 0,
      furthest: [{ name: 'public.orders_id_seq', last: '4711', end: '2147483647', used: 0 }],
    },
  },
}

const certificate: ServerCertificate = {
  ends: new Date('2027-02-20T00:00:00Z'),
  names: 'DNS:postgresql1.postgres-system.svc.cluster.local',
  issuer: 'postgresql1',
  checked: true,
  refused: undefined,
}

/** Three instances on three Nodes, with a logical backup every night. */
export const cluster: ClusterSight = {
  pods: [
    { name: 'postgresql1-0', ready: true, role: 'primary', state: 'running', node: 'node-1' },
    { name: 'postgresql1-1', ready: true, role: 'standby', state: 'streaming', node: 'node-2' },
    { name: 'postgresql1-2', ready: true, role: 'standby', state: 'streaming', node: 'node-3' },
  ],
  kept: true,
  zones: new Map(),
  entrance: undefined,
  operator: {
    what: 'postgresqls.acid.zalan.do postgresql1',
    wantedInstances: 3,
    readyInstances: undefined,
    status: 'Running',
  },
  schedules: [{ what: 'CronJob logical-backup-postgresql1', cron: '0 1 * * *', zone: 'UTC' }],
  backups: [20, 21, 22].map((day) => ({
    what: `Pod logical-backup-postgresql1-${day}`,
    started: new Date(`2026-11-${day}T01:00:04Z`),
    finished: new Date(`2026-11-${day}T01:21:40Z`),
    succeeded: true,
  })),
  logicalRetention: '30 days',
  physicalBackupsKept: 8,
  physicalSchedule: '0 1 * * *',
  evidence: { pods: evidence, zones: [], operator: evidence, schedule: evidence, backups: evidence },
  unread: { pods: [], zones: [], operator: [], schedule: [], backups: [] },
  rights: [],
}

export const workload: Workload = {
  what: 'Deployment shop',
  replicas: 2,
  ready: 2,
  labels: { app: 'shop' },
  unlimited: [],
  keptApart: true,
  pods: [
    { name: 'shop-5d9-abcde', node: 'node-4', created: minutesAgo(100), address: '10.0.1.4' },
    { name: 'shop-5d9-fghij', node: 'node-5', created: minutesAgo(100), address: '10.0.2.5' },
  ],
}

export const application: ApplicationSight = {
  workloads: [workload],
  zones: new Map(),
  evidence,
  unread: [],
  rights: [],
}

const owner = 'postgresql1_admin'
const server: ServerState = {
  ...anything.server,
  version: '16.15',
  versionNumber: 160_015,
  admin: { ...anything.server.admin, name: owner },
  role: { ...anything.strange, sessions: 4 },
  database: { ...anything.database, owner },
}

const secret: ApplicationSecret = {
  namespace: 'shop',
  name: 'app-postgresql-secret',
  uid: 'u',
  resourceVersion: '1043',
  immutable: false,
  values: {
    PGHOST: 'postgresql1.postgres-system.svc.cluster.local',
    PGUSER: 'shop',
    PGDATABASE: 'shop',
    PGSSLMODE: 'require',
  },
  credentialChanged: minutesAgo(5000),
}

/** Everything as it should be on the premium plan. */
export const good: Observations = {
  at: now,
  sql,
  server,
  health,
  inside,
  certificate: { value: certificate },
  cluster,
  application,
  secret,
  secretRef: 'shop/app-postgresql-secret',
  secretChangedNow: false,
  username: 'shop',
  database: 'shop',
  host: 'postgresql1.postgres-system.svc.cluster.local',
  login: { query: 'log in as shop', answer: 'works, scram-sha-256', at: now },
  loginRefused: undefined,
  probe: undefined,
}

/** Gives the rules of a profile, with what a go-live file says. */
export function rulesOf(profile: Profile, file: Partial<GoLiveFile> = {}): Rules {
  return {
    profile,
    thresholds: thresholdsOf(profile, file.thresholds),
    file: { ...emptyFile, ...file },
  }
}

/** Judges one requirement. */
export function findingOf(
  id: RequirementId,
  seen: Partial<Observations>,
  profile: Profile = 'premium',
  file: Partial<GoLiveFile> = {},
): Finding {
  const observations = { ...good, ...seen }
  // To go through a year of windows or backups takes its time, and concerns one requirement each.
  const schedules = id === 'backup-schedule' ? observations.cluster.schedules : []
  const physicalSchedule = id === 'pitr' ? observations.cluster.physicalSchedule : undefined
  const quick = { ...observations, cluster: { ...observations.cluster, schedules, physicalSchedule } }
  const found = judge(quick, rulesOf(profile, file)).find((finding) => finding.id === id)
  if (found === undefined) throw new Error(`${id} was not judged`)
  return found
}

/** Gives the report of a gate that saw this. */
export function reportOf(
  seen: Partial<Observations>,
  rules: Rules,
  more: Partial<GateReport> = {},
): GateReport {
  const observations = { ...good, ...seen }
  const findings = judge(observations, rules)
  return {
    verdict: holdingBack(findings).length === 0 ? 'met' : 'held-back',
    enforced: true,
    why: 'because `refs/heads/release/2.4` matches `release/**`',
    profile: rules.profile,
    file: '.pg-app-user/go-live.yaml',
    fileRead: true,
    at: observations.at,
    commit: '3f786850e387550fdab836ed7e6dc881de23001b',
    identity: { systemIdentifier: '7466412345678901234', oid: 16_412 },
    findings,
    picture: pictureOf(observations, rules),
    manifest: '',
    ...more,
  }
}

/** What has to be attested, because nothing shows it. */
export const vouched: Partial<GoLiveFile> = {
  attestations: (
    [
      'off-site',
      'load-test',
      'load-test-update',
      'load-test-reboot',
      'load-test-zone',
      'recovery-test',
      'redeployment-test',
    ] as const
  ).map((requirement) => ({
    requirement,
    statement: 'ticket 4711',
    by: 'Kim Berg',
    validUntil: '2027-02-20',
  })),
}
