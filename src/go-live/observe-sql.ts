import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Session } from '../postgres/session.ts'
import { literal } from '../postgres/state-sql.ts'
import { lookAt, type Seen } from './seen.ts'
import { isAtOrAfter } from './wal.ts'

/** One connection over which the server sends WAL as it is, decoded for nobody. */
export interface WalSender {
  readonly name: string
  /** `streaming`, `catchup`, `backup`; absent without pg_read_all_stats. */
  readonly state: string | null
  /** How far behind the standby is, in seconds; absent where it is not, or may not be seen. */
  readonly lagSeconds: number | null
  /** Whether it tells how far it has replayed, as standbys do and mere receivers do not; absent as the state is. */
  readonly replays: boolean | null
  /** Whether it holds a physical slot: everybody may see that. */
  readonly holdsSlot: boolean
}

/** What pg_stat_archiver says. */
interface ArchiverState {
  readonly archivedCount: number
  /** Name of a segment, or of a backup history file. */
  readonly lastArchived: string | null
  readonly lastArchivedAt: Date | null
  readonly failedCount: number
  readonly lastFailed: string | null
  readonly lastFailedAt: Date | null
  readonly statsReset: Date | null
}

/** What only members of pg_monitor see. */
interface MonitorSight {
  /** Finished segments that wait to be archived, and since when the oldest does. */
  readonly waiting: number
  readonly oldestWaiting: Date | null
  /** When the newest physical backup that this node took had ended. */
  readonly lastBackupEnd: Date | null
}

/** Who takes WAL from the server. */
export interface Replication {
  /** Whether state and lag of standbys may be read. */
  readonly seesStatistics: boolean
  readonly senders: readonly WalSender[]
  /** Physical replication slots. */
  readonly slots: readonly { readonly name: string; readonly active: boolean }[]
}

/** What becomes of WAL. */
export interface Archiving {
  /** What archives: a command or library that does so, none at all, or a command that reports success and archives nothing. */
  readonly archiveBy: 'something' | 'nothing' | 'pretence'
  readonly archiveTimeoutSeconds: number
  readonly archiver: ArchiverState
  /** The segment that is being written; absent on a standby. */
  readonly currentSegment: string | null
  /** How many bytes of it are used. */
  readonly usedBytes: number
}

/** Sessions other than those of this tool. */
export interface OpenSessions {
  /** Those of the admin, by what they call themselves. */
  readonly admin: readonly string[]
  /** How many the application has. */
  readonly application: number
}

/** What every session may see. */
interface Basics {
  /** The server's clock. */
  readonly at: Date
  readonly standby: boolean
  readonly readOnly: boolean
  readonly version: string
  readonly versionNumber: number
  readonly tls: boolean
  readonly archiveMode: string
  /** How many bytes a segment of WAL holds. */
  readonly segmentBytes: number
}

/**
 * What a session of the admin sees of the server. What an administrator can take from everybody is looked at in a statement
 * of its own, so that what is hidden hides nothing else.
 */
export interface SqlSight extends Basics {
  readonly replication: Seen<Replication>
  readonly archiving: Seen<Archiving>
  readonly sessions: Seen<OpenSessions>
  /** Absent without pg_monitor. */
  readonly monitor: MonitorSight | undefined
}

/** Returns when archiving was done and when it failed, as far as that is known: null where it is hidden, too. */
export function archiverOf({
  archiving,
}: SqlSight): Pick<ArchiverState, 'lastArchived' | 'lastArchivedAt' | 'lastFailedAt'> {
  return 'hidden' in archiving
    ? { lastArchived: null, lastArchivedAt: null, lastFailedAt: null }
    : archiving.value.archiver
}

/** The queries as people see them in the report; the statements below ask for the same, several at once. */
export const queries = {
  recovery: "select pg_is_in_recovery(), current_setting('transaction_read_only')",
  replication: 'select application_name, state, replay_lsn, replay_lag from pg_stat_replication',
  slots: "select slot_name, active from pg_replication_slots where slot_type = 'physical'",
  archiving:
    "select name, setting from pg_settings where name in ('archive_mode', 'archive_command', 'archive_library')",
  timeout: "select setting from pg_settings where name = 'archive_timeout'",
  archiver: 'select * from pg_stat_archiver',
  segment: 'select pg_walfile_name(pg_current_wal_insert_lsn())',
  archiveStatus: 'select name, modification from pg_ls_archive_statusdir()',
  walDirectory: "select name, modification from pg_ls_waldir() where name like '%.backup'",
  version: "select current_setting('server_version')",
  sessions: 'select usename, application_name from pg_stat_activity',
  tls: "select current_setting('ssl')",
} as const

const basicsSql = `
select json_build_object(
  'at', now(),
  'standby', pg_is_in_recovery(),
  'readOnly', current_setting('transaction_read_only') = 'on',
  'version', split_part(current_setting('server_version'), ' ', 1),
  'versionNumber', current_setting('server_version_num')::int,
  'tls', current_setting('ssl') = 'on',
  'archiveMode', current_setting('archive_mode'),
  'segmentBytes', pg_size_bytes(current_setting('wal_segment_size')),
  'seesFiles', has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE')
    and has_function_privilege('pg_ls_waldir()', 'EXECUTE')
) as basics`

const replicationSql = `
select json_build_object(
  'seesStatistics', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
  'senders', (
    select coalesce(json_agg(json_build_object('name', application_name, 'state', state,
      'lagSeconds', extract(epoch from replay_lag),
      'replays', case when state is not null then replay_lsn is not null end,
      'holdsSlot', slot_type is not null) order by application_name), '[]')
    from pg_stat_replication left join pg_replication_slots on active_pid = pid
    where slot_type is distinct from 'logical'
  ),
  'slots', (
    select coalesce(json_agg(json_build_object('name', slot_name, 'active', active) order by slot_name), '[]')
    from pg_replication_slots where slot_type = 'physical'
  )
) as state`

/**
 * The archive command may hold credentials, so only what it amounts to leaves the server. pg_settings shows it as
 * "(disabled)" while archive_mode is off.
 */
const archivingSql = `
select json_build_object(
  'archiveBy', case
    when coalesce(current_setting('archive_library', true), '') <> '' then 'something'
    when command in ('', '(disabled)') then 'nothing'
    when command ~ '^\\s*(/(usr/)?bin/)?(("?true"?|:|echo|cd|test)(\\s[^;&|<>$\\x60]*)?|exit( 0)?\\s*)$' then 'pretence'
    when command ~ '^\\s*(/(usr/)?bin/)?(cp\\s[^;&|<>$\\x60]*\\s|dd\\s[^;&|<>$\\x60]*of=|cat\\s[^;&|<>$\\x60]*>\\s*)/dev/null\\s*$'
      then 'pretence'
    else 'something'
  end,
  'archiveTimeoutSeconds', (select setting::int from pg_settings where name = 'archive_timeout'),
  'archiver', (
    select json_build_object('archivedCount', archived_count, 'lastArchived', last_archived_wal,
      'lastArchivedAt', last_archived_time, 'failedCount', failed_count, 'lastFailed', last_failed_wal,
      'lastFailedAt', last_failed_time, 'statsReset', stats_reset)
    from pg_stat_archiver
  ),
  'currentSegment', case when not pg_is_in_recovery() then pg_walfile_name(pg_current_wal_insert_lsn()) end,
  'usedBytes', case when pg_is_in_recovery() then 0
    else (pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')
      % pg_size_bytes(current_setting('wal_segment_size')))::bigint end
) as state
from (select (select setting from pg_settings where name = 'archive_command') as command) as settings`

const sessionsSql = (username: string): string => `
select json_build_object(
  'admin', array(
    select application_name from pg_stat_activity
    where usename = current_user and pid <> pg_backend_pid() and application_name !~ '^pg-app-user' order by 1
  ),
  'application', (
    select count(*) from pg_stat_activity where usename = ${username} and application_name !~ '^pg-app-user'
  )
) as state`

const monitorSql = `
select json_build_object(
  'waiting', (select count(*) from pg_ls_archive_statusdir() where name like '%.ready'),
  'oldestWaiting', (select min(modification) from pg_ls_archive_statusdir() where name like '%.ready'),
  'lastBackupEnd', (select max(modification) from pg_ls_waldir() where name like '%.backup')
) as state`

/** As JSON has it, which knows no instants. */
type Raw<Type> = {
  readonly [Key in keyof Type]: Type[Key] extends Date
    ? string
    : Type[Key] extends Date | null
      ? string | null
      : Type[Key]
}

/** Reads everything in one round trip, and what only pg_monitor may read in a second one where that is allowed. */
export async function observeSql(session: Session, username: string): Promise<SqlSight> {
  const [[row], replication, archiving, sessions] = await Promise.all([
    session.query<{ basics: Raw<Basics> & { readonly seesFiles: boolean } }>(basicsSql),
    lookAt<Replication>(session, replicationSql),
    lookAt<Omit<Archiving, 'archiver'> & { readonly archiver: Raw<ArchiverState> }>(session, archivingSql),
    lookAt<OpenSessions>(session, sessionsSql(literal(username))),
  ])
  if (row === undefined) throw new Error('a select without a where gives one row')
  const { at, seesFiles, ...basics } = row.basics
  return {
    ...basics,
    at: new Date(at),
    replication,
    archiving:
      'hidden' in archiving
        ? archiving
        : { value: { ...archiving.value, archiver: archiverState(archiving.value.archiver) } },
    sessions,
    monitor: seesFiles && !basics.standby ? await observeFiles(session) : undefined,
  }
}

function archiverState(raw: Raw<ArchiverState>): ArchiverState {
  return {
    ...raw,
    lastArchivedAt: instant(raw.lastArchivedAt),
    lastFailedAt: instant(raw.lastFailedAt),
    statsReset: instant(raw.statsReset),
  }
}

async function observeFiles(session: Session): Promise<MonitorSight | undefined> {
  const seen = await lookAt<Raw<MonitorSight>>(session, monitorSql)
  if ('hidden' in seen) return undefined
  const { waiting, oldestWaiting, lastBackupEnd } = seen.value
  return { waiting, oldestWaiting: instant(oldestWaiting), lastBackupEnd: instant(lastBackupEnd) }
}

function instant(text: string | null): Date | null {
  return text === null ? null : new Date(text)
}

/** How the live probe of the recovery point ended. */
export interface RpoProbe {
  /** The segment that holds the row. */
  readonly segment: string
  /** How long it took until it was archived, in seconds; absent where it was not in the time there was. */
  readonly seconds: number | undefined
  readonly waitedSeconds: number
  readonly at: Date
}

const pollMs = 1_000

/**
 * Writes a row into a table of its own and sees how long it takes until the WAL that holds it is archived. The table is
 * made and dropped in the same transaction, so that nothing of it is left whatever happens.
 *
 * @param application a session that may create a table in schema `public`
 * @param patienceMs how long to wait at most
 * @param signal ends the waiting
 */
export async function probeRpo(
  application: Session,
  admin: Session,
  patienceMs: number,
  signal: AbortSignal,
): Promise<RpoProbe> {
  const table = `public.${pg.escapeIdentifier(`pg_app_user_rpo_probe_${randomBytes(6).toString('hex')}`)}`
  await application.script([
    `CREATE TABLE ${table} (written timestamptz)`,
    `INSERT INTO ${table} VALUES (clock_timestamp())`,
    `DROP TABLE ${table}`,
  ])
  const at = new Date()
  const start = performance.now()
  const elapsed = (): number => (performance.now() - start) / 1000
  const [written] = await admin.query<{ segment: string }>(`${queries.segment} as segment`)
  const segment = written?.segment ?? ''
  for (;;) {
    const [row] = await admin.query<{ last: string | null }>(
      'select last_archived_wal as last from pg_stat_archiver',
    )
    if (row?.last && isAtOrAfter(row.last, segment)) {
      return { segment, seconds: elapsed(), waitedSeconds: elapsed(), at }
    }
    if (elapsed() * 1000 > patienceMs) {
      return { segment, seconds: undefined, waitedSeconds: elapsed(), at }
    }
    await sleep(pollMs, undefined, { signal })
  }
}
