import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Session } from '../postgres/session.ts'
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

/** What a session of the admin sees of the server, from one moment. */
export interface SqlSight {
  /** The server's clock. */
  readonly at: Date
  readonly standby: boolean
  readonly readOnly: boolean
  readonly version: string
  readonly versionNumber: number
  /** Whether state and lag of standbys may be read. */
  readonly seesStatistics: boolean
  readonly senders: readonly WalSender[]
  /** Physical replication slots. */
  readonly slots: readonly { readonly name: string; readonly active: boolean }[]
  readonly archiveMode: string
  /** What archives: a command or library that does so, none at all, or a command that only says yes. */
  readonly archiveBy: 'something' | 'nothing' | 'pretence'
  readonly archiveTimeoutSeconds: number
  readonly archiver: ArchiverState
  /** The segment that is being written; absent on a standby. */
  readonly currentSegment: string | null
  /** How many bytes of it are used, and how many it holds. */
  readonly usedBytes: number
  readonly segmentBytes: number
  readonly tls: boolean
  /** Sessions of the admin other than those of this tool, by what they call themselves. */
  readonly adminSessions: readonly string[]
  /** How many sessions of the application are open, those of this tool left out. */
  readonly applicationSessions: number
  /** Absent without pg_monitor. */
  readonly monitor: MonitorSight | undefined
}

/** The query as people see it in the report; the one below puts its parts into a single statement. */
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

/**
 * The archive command may hold credentials, so only what it amounts to leaves the server. pg_settings shows it as
 * "(disabled)" while archive_mode is off.
 */
const sightSql = `
select json_build_object(
  'at', now(),
  'standby', pg_is_in_recovery(),
  'readOnly', current_setting('transaction_read_only') = 'on',
  'version', split_part(current_setting('server_version'), ' ', 1),
  'versionNumber', current_setting('server_version_num')::int,
  'seesStatistics', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
  'seesFiles', has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE')
    and has_function_privilege('pg_ls_waldir()', 'EXECUTE'),
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
  ),
  'archiveMode', current_setting('archive_mode'),
  'archiveBy', case
    when coalesce(current_setting('archive_library', true), '') <> '' then 'something'
    when command in ('', '(disabled)') then 'nothing'
    when command ~ '^\\s*(/(usr/)?bin/)?(true|:|exit 0|echo)(\\s[^;&|<>$\\x60]*)?$' then 'pretence'
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
    else (pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') % segment)::bigint end,
  'segmentBytes', segment,
  'tls', current_setting('ssl') = 'on',
  'adminSessions', array(
    select application_name from pg_stat_activity
    where usename = current_user and pid <> pg_backend_pid() and application_name !~ '^pg-app-user' order by 1
  ),
  'applicationSessions', (
    select count(*) from pg_stat_activity where usename = $1::text and application_name !~ '^pg-app-user'
  )
) as sight
from (
  select (select setting from pg_settings where name = 'archive_command') as command,
    pg_size_bytes(current_setting('wal_segment_size')) as segment
) as settings`

const monitorSql = `
select json_build_object(
  'waiting', (select count(*) from pg_ls_archive_statusdir() where name like '%.ready'),
  'oldestWaiting', (select min(modification) from pg_ls_archive_statusdir() where name like '%.ready'),
  'lastBackupEnd', (select max(modification) from pg_ls_waldir() where name like '%.backup')
) as sight`

type Raw<Type> = { readonly [Key in keyof Type]: Type[Key] extends Date | null ? string | null : Type[Key] }

interface RawSight extends Omit<SqlSight, 'at' | 'archiver' | 'monitor'> {
  readonly at: string
  readonly seesFiles: boolean
  readonly archiver: Raw<ArchiverState>
}

/** Reads everything in one statement, and what only pg_monitor may read in a second one where that is allowed. */
export async function observeSql(session: Session, username: string): Promise<SqlSight> {
  const [row] = await session.query<{ sight: RawSight }>(sightSql, [username])
  if (row === undefined) throw new Error('a select without a where gives one row')
  const { at, seesFiles, archiver, ...sight } = row.sight
  return {
    ...sight,
    at: new Date(at),
    archiver: {
      ...archiver,
      lastArchivedAt: instant(archiver.lastArchivedAt),
      lastFailedAt: instant(archiver.lastFailedAt),
      statsReset: instant(archiver.statsReset),
    },
    monitor: seesFiles && !sight.standby ? await observeFiles(session) : undefined,
  }
}

async function observeFiles(session: Session): Promise<MonitorSight | undefined> {
  const [row] = await session.query<{ sight: Raw<MonitorSight> }>(monitorSql)
  if (row === undefined) return undefined
  const { waiting, oldestWaiting, lastBackupEnd } = row.sight
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
