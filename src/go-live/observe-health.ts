import type { Session } from '../postgres/session.ts'
import { literal } from '../postgres/state-sql.ts'
import { lookAt, type Seen } from './seen.ts'

/** A number of sessions, and how many there may be. */
export interface Share {
  readonly used: number
  readonly limit: number
}

/** How many sessions are open, those of this tool left out. */
export interface Connections {
  /** Of the whole server; what is reserved is no part of the limit. */
  readonly server: Share
  /** Of the application's role and database; absent where they have no limit of their own. */
  readonly role: Share | null
  readonly database: Share | null
}

/** How many transactions ago the oldest row of a database was frozen. */
export interface Age {
  readonly database: string
  readonly xids: number
  readonly multixacts: number
}

/** The settings without which no table is vacuumed by itself. */
export interface Autovacuum {
  readonly autovacuum: string
  readonly trackCounts: string
}

/** Whether pages carry checksums, and how many did not match. */
export interface Checksums {
  readonly on: boolean
  readonly failures: readonly { readonly database: string | null; readonly count: number }[]
}

/** A replication slot that nobody reads from and that keeps WAL beyond what the server is set to keep. */
export interface IdleSlot {
  readonly name: string
  readonly status: string
}

/** Replication slots: how many there are, and those that are in the way. */
export interface Slots {
  readonly total: number
  readonly idle: readonly IdleSlot[]
}

/** What tells this database from every other one, also from one of the same name after a restore. */
export interface DatabaseIdentity {
  /** Made by initdb, and the same on every member of a cluster: a number of 64 bits, as text. */
  readonly systemIdentifier: string
  /** Absent where there is no such database. */
  readonly oid: number | null
}

/** What the admin sees of the server's health, each in a statement of its own, so that one that fails hides no other. */
export interface Health {
  readonly connections: Seen<Connections>
  /** The oldest databases, the oldest first. */
  readonly ages: Seen<readonly Age[]>
  readonly autovacuum: Seen<Autovacuum>
  readonly checksums: Seen<Checksums>
  readonly slots: Seen<Slots>
  readonly identity: Seen<DatabaseIdentity>
}

/**
 * Sessions are told from workers by their user and database, because what kind they are is hidden from others. Walsenders
 * have slots of their own.
 * Source: https://www.postgresql.org/docs/current/runtime-config-connection.html
 */
const connectionsSql = (username: string, database: string): string => `
with session as (
  select usename, datname from pg_stat_activity
  where usesysid is not null and datid is not null and application_name !~ '^pg-app-user'
    and coalesce(backend_type, 'client backend') = 'client backend'
    and pid not in (select pid from pg_stat_replication)
)
select json_build_object(
  'server', json_build_object('used', (select count(*) from session), 'limit',
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
      - coalesce(current_setting('reserved_connections', true)::int, 0)),
  'role', (
    select json_build_object('used', (select count(*) from session where usename = rolname), 'limit', rolconnlimit)
    from pg_roles where rolname = ${username} and rolconnlimit >= 0 and not rolsuper
  ),
  'database', (
    select json_build_object('used', (select count(*) from session s where s.datname = d.datname), 'limit', datconnlimit)
    from pg_database d where d.datname = ${database} and datconnlimit >= 0
  )
) as state`

/** The server stops for all where one of its databases is too old. */
const agesSql = `
select coalesce(json_agg(oldest), '[]') as state from (
  select datname as database, age(datfrozenxid) as xids, mxid_age(datminmxid) as multixacts
  from pg_database order by greatest(age(datfrozenxid), mxid_age(datminmxid)) desc, datname limit 3
) as oldest`

const autovacuumSql = `
select json_build_object('autovacuum', current_setting('autovacuum'), 'trackCounts', current_setting('track_counts')) as state`

const checksumsSql = `
select json_build_object('on', current_setting('data_checksums') = 'on', 'failures', (
  select coalesce(json_agg(failed), '[]') from (
    select datname as database, checksum_failures as count from pg_stat_database
    where checksum_failures > 0 order by checksum_failures desc, datname limit 5
  ) as failed
)) as state`

const slotsSql = `
select json_build_object('total', (select count(*) from pg_replication_slots), 'idle', (
  select coalesce(json_agg(idle), '[]') from (
    select slot_name as name, wal_status as status from pg_replication_slots
    where not active and wal_status in ('extended', 'unreserved', 'lost') order by slot_name limit 20
  ) as idle
)) as state`

const identitySql = (database: string): string => `
select json_build_object(
  'systemIdentifier', (select system_identifier::text from pg_control_system()),
  'oid', (select oid::int8 from pg_database where datname = ${database})
) as state`

/** Reads it all in one round trip. */
export async function observeHealth(session: Session, username: string, database: string): Promise<Health> {
  const [connections, ages, autovacuum, checksums, slots, identity] = await Promise.all([
    lookAt<Connections>(session, connectionsSql(literal(username), literal(database))),
    lookAt<readonly Age[]>(session, agesSql),
    lookAt<Autovacuum>(session, autovacuumSql),
    lookAt<Checksums>(session, checksumsSql),
    lookAt<Slots>(session, slotsSql),
    lookAt<DatabaseIdentity>(session, identitySql(literal(database))),
  ])
  return { connections, ages, autovacuum, checksums, slots, identity }
}
