import type { Profile } from '../input/profile.ts'
import { dayMs, minuteMs } from '../lib/units.ts'
import { parseWindow, type BackupWindow } from './window.ts'

/** Where a requirement comes from. */
export interface Source {
  readonly text: string
  readonly url: string
}

/** How a requirement comes to be known. */
export interface Requirement {
  readonly id: string
  readonly title: string
  readonly source: Source
  /**
   * Whether a person may vouch for it where it could not be seen. What can always be seen cannot be attested; an
   * exception from it can be waived.
   */
  readonly attestable: boolean
  /** One of the checklist's items that only people can do. */
  readonly checklist?: true
  /** Where it can hold a release back, if not in both profiles; elsewhere it warns. */
  readonly counts?: Profile | 'nowhere'
  /** Judged only where the go-live file asks for it. */
  readonly optional?: true
}

const terms: Source = {
  text: 'Terms of service, appendix 3: plan of Managed PostgreSQL',
  url: 'https://elastisys.com/legal/terms-of-service/#appendix-3-managed-additional-service-specification-managed-services-only',
}
const manual: Source = {
  text: 'Welkin user guide: PostgreSQL',
  url: 'https://elastisys.io/welkin/user-guide/additional-services/postgresql/',
}
const checklist: Source = {
  text: 'Welkin go-live checklist',
  url: 'https://elastisys.io/welkin/user-guide/go-live/',
}
const versions: Source = {
  text: 'PostgreSQL versioning policy',
  url: 'https://www.postgresql.org/support/versioning/',
}
/** A chapter of PostgreSQL's manual. */
function chapter(title: string, page: string): Source {
  return { text: `PostgreSQL manual: ${title}`, url: `https://www.postgresql.org/docs/current/${page}.html` }
}

/** The one table of requirements, in the order of importance. */
export const requirements = [
  { id: 'primary', title: 'A writable primary is behind the Service', source: manual, attestable: false },
  { id: 'instances', title: 'There are as many instances as in the plan', source: terms, attestable: false },
  { id: 'streaming', title: 'The standbys stream', source: terms, attestable: false },
  { id: 'spread', title: 'Every instance is on its own Node', source: terms, attestable: true },
  { id: 'archiving', title: 'Archiving is on and does not fail', source: terms, attestable: false },
  {
    id: 'rpo',
    title: 'Data loss stays within the recovery point objective',
    source: terms,
    attestable: false,
  },
  {
    id: 'backup-schedule',
    title: 'A full backup is scheduled in every backup window',
    source: terms,
    attestable: true,
  },
  {
    id: 'last-backup',
    title: 'The last full backup is recent, and was taken in the window',
    source: terms,
    attestable: true,
  },
  { id: 'retention', title: 'Backups are kept long enough', source: terms, attestable: true },
  {
    id: 'pitr',
    title: 'Point-in-time recovery reaches back far enough',
    source: terms,
    attestable: true,
  },
  { id: 'off-site', title: 'A copy of the backups is kept off-site', source: checklist, attestable: true },
  { id: 'app-user', title: 'The application does not use the admin', source: manual, attestable: false },
  {
    id: 'role-attributes',
    title: "The application's role has no dangerous attribute",
    source: manual,
    attestable: false,
  },
  { id: 'public-connect', title: 'PUBLIC cannot connect to the database', source: manual, attestable: false },
  { id: 'tls', title: 'The application connects with TLS', source: manual, attestable: false },
  {
    id: 'supported-version',
    title: 'The major version is supported',
    source: versions,
    attestable: false,
  },
  {
    id: 'minor-version',
    title: 'The minor releases are installed',
    source: versions,
    attestable: false,
  },
  {
    id: 'xid-age',
    title: 'No database is close to running out of transaction IDs',
    source: chapter('preventing transaction ID wraparound', 'routine-vacuuming'),
    attestable: false,
  },
  {
    id: 'autovacuum',
    title: 'Autovacuum is on, for every table',
    source: chapter('the autovacuum daemon', 'routine-vacuuming'),
    attestable: false,
  },
  {
    id: 'slots',
    title: 'No abandoned replication slot fills the disk',
    source: chapter('pg_replication_slots', 'view-pg-replication-slots'),
    attestable: false,
  },
  {
    id: 'sequences',
    title: 'No sequence is about to run out',
    source: chapter('numeric types', 'datatype-numeric'),
    attestable: false,
  },
  {
    id: 'indexes',
    title: 'Every index is valid',
    source: chapter('building indexes concurrently', 'sql-createindex'),
    attestable: false,
  },
  {
    id: 'collation',
    title: 'Collations have the version that was recorded',
    source: chapter('collation versions', 'sql-altercollation'),
    attestable: false,
  },
  {
    id: 'sessions-encrypted',
    title: 'Every open session of the application is encrypted',
    source: chapter('pg_stat_ssl', 'monitoring-stats'),
    attestable: false,
  },
  {
    id: 'certificate',
    title: "The server's certificate does not expire soon, and passes verify-full",
    source: chapter('verification of the server', 'libpq-ssl'),
    attestable: true,
    counts: 'premium',
  },
  {
    id: 'checksums',
    title: 'Page checksums are on, and none failed',
    source: chapter('data checksums', 'checksums'),
    attestable: false,
    counts: 'premium',
  },
  {
    id: 'timeouts',
    title: 'Timeouts for locks and idle transactions are set',
    source: chapter('client connection defaults', 'runtime-config-client'),
    attestable: false,
    counts: 'premium',
  },
  {
    id: 'primary-keys',
    title: 'Every table has a primary key',
    source: chapter('logical replication', 'logical-replication-publication'),
    attestable: false,
    counts: 'premium',
  },
  {
    id: 'connections',
    title: 'There are enough free connections',
    source: chapter('connections', 'runtime-config-connection'),
    attestable: false,
    counts: 'nowhere',
  },
  {
    id: 'app-replicas',
    title: 'The application has enough ready replicas',
    source: checklist,
    attestable: true,
  },
  {
    id: 'app-spread',
    title: 'Every replica of the application is on its own Node',
    source: checklist,
    attestable: true,
  },
  {
    id: 'app-resources',
    title: 'The application has requests and limits',
    source: checklist,
    attestable: true,
  },
  {
    id: 'app-restarted',
    title: 'All Pods of the application use the current credential',
    source: manual,
    attestable: true,
  },
  {
    id: 'backup-window-now',
    title: 'The backup window is not open now',
    source: terms,
    attestable: false,
    optional: true,
  },
  {
    id: 'load-test',
    title: 'A load test was done',
    source: checklist,
    attestable: true,
    checklist: true,
    counts: 'premium',
  },
  {
    id: 'load-test-update',
    title: 'A load test was done during an update',
    source: checklist,
    attestable: true,
    checklist: true,
    counts: 'premium',
  },
  {
    id: 'load-test-reboot',
    title: 'A load test was done during a rolling reboot of the Nodes',
    source: checklist,
    attestable: true,
    checklist: true,
    counts: 'premium',
  },
  {
    id: 'load-test-zone',
    title: 'A load test was done with a Zone failing',
    source: checklist,
    attestable: true,
    checklist: true,
    counts: 'premium',
  },
  {
    id: 'recovery-test',
    title: 'Disaster recovery was tested',
    source: checklist,
    attestable: true,
    checklist: true,
    counts: 'premium',
  },
  {
    id: 'redeployment-test',
    title: 'Redeployment from scratch was tested',
    source: checklist,
    attestable: true,
    checklist: true,
    counts: 'premium',
  },
] as const satisfies readonly Requirement[]

/** The stable id of a requirement, used in file, reports and documents. */
export type RequirementId = (typeof requirements)[number]['id']

/** What is demanded, in numbers. */
export interface Thresholds {
  /** The primary included. */
  readonly minInstances: number
  readonly minStandbys: number
  /** Distinct Nodes below the instances. */
  readonly minNodes: number
  /** Distinct zones below the instances; 1 asks for nothing. */
  readonly minZones: number
  /** Recovery point objective: how much work may be lost, in milliseconds. */
  readonly rpoMs: number
  readonly backupWindow: BackupWindow
  /** How old the last full backup may be, not counting the length of the window, in milliseconds. */
  readonly backupEveryMs: number
  readonly retentionDays: number
  readonly recoveryDays: number
  readonly minAppReplicas: number
  /** Sessions in use, in percent of those there may be. */
  readonly maxConnectionsUsed: number
  /** How many transactions ago the oldest row may have been frozen. */
  readonly maxXidAge: number
  /** How far sequences may have come, in percent. */
  readonly maxSequenceUsed: number
  /** How long the server's certificate has to last. */
  readonly minCertificateDays: number
  /** How long ago a minor release may have come out that is not installed. */
  readonly minorReleaseDays: number
}

/** Returns what a profile demands, with the values of the go-live file in place of its own. */
export function thresholdsOf(profile: Profile, given: Partial<Thresholds> = {}): Thresholds {
  const minInstances = given.minInstances ?? (profile === 'premium' ? 3 : 2)
  const window = parseWindow('00:00-06:00 CET')
  if ('problem' in window) throw new Error(window.problem)
  return {
    minInstances,
    minStandbys: minInstances - 1,
    minNodes: minInstances,
    minZones: 1,
    rpoMs: 5 * minuteMs,
    backupWindow: window,
    backupEveryMs: dayMs,
    retentionDays: 30,
    recoveryDays: 7,
    minAppReplicas: 2,
    maxConnectionsUsed: 80,
    maxXidAge: 1_000_000_000,
    maxSequenceUsed: 80,
    minCertificateDays: 5,
    minorReleaseDays: 90,
    ...given,
  }
}
