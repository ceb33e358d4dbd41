import type { Session } from '../postgres/session.ts'
import { lookAt, type Seen } from './seen.ts'

/** Settings in milliseconds by their names, those alone that this server knows. */
export type Timeouts = Readonly<Record<string, number>>

/** How many there are in all, and the first few of those that are not as they should be. */
export interface Found<Item> {
  readonly total: number
  readonly wrong: number
  readonly items: readonly Item[]
}

/** An index that queries do not use. */
export interface InvalidIndex {
  readonly name: string
  /** Whether it is being built now. */
  readonly building: boolean
}

/** The version of a collation when its order was relied on first, and that of the library that sorts now. */
export interface CollationVersions {
  readonly recorded: string | null
  readonly actual: string | null
}

/** The collations that the database's own objects rely on. */
export interface Collations {
  readonly database: CollationVersions
  readonly objects: Found<CollationVersions & { readonly name: string }>
}

/** Open sessions of the application, those of this tool left out. */
export interface OwnSessions {
  readonly open: number
  /** Over the network and in clear text, and where from. */
  readonly plain: number
  readonly from: readonly string[]
  /** Over a Unix socket, which no network carries. */
  readonly local: number
  /** Whose encryption this login may not see. */
  readonly hidden: number
}

/** How far a sequence has come. */
export interface UsedSequence {
  readonly name: string
  readonly last: string
  readonly end: string
  /** Percent of the way from its start to its end, or that of the column which it numbers. */
  readonly used: number
}

/** Sequences that have an end. */
export interface Sequences {
  readonly total: number
  readonly read: number
  /** Whose value this login may not read. */
  readonly hidden: number
  /** The ones that have come furthest, the furthest first. */
  readonly furthest: readonly UsedSequence[]
}

interface SequencesRead extends Sequences {
  /** By their ids, those that are yet to be read. */
  readonly rest: readonly number[]
}

/** What the application's own login sees of its database. */
export interface Inside {
  readonly timeouts: Seen<Timeouts>
  readonly keyless: Seen<Found<string>>
  readonly unvacuumed: Seen<Found<string>>
  readonly invalidIndexes: Seen<Found<InvalidIndex>>
  /** Absent before PostgreSQL 15, which records no version of a database. */
  readonly collations: Seen<Collations> | undefined
  readonly sessions: Seen<OwnSessions>
  readonly sequences: Seen<Sequences>
}

/**
 * Says whether a relation `c` in schema `n` is the application's: not the system's, an extension's or a session's. What
 * belongs to extensions is looked up in one list, because to search for each of very many tables takes its time.
 */
const own = `n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and c.relpersistence <> 't'
    and c.oid not in (select objid from pg_depend where deptype = 'e' and classid = 'pg_class'::regclass)
    and n.oid not in (select objid from pg_depend where deptype = 'e' and classid = 'pg_namespace'::regclass)`

/** As the session began with them, whatever bounds it has now. */
const timeoutsSql = `
select coalesce(json_object_agg(name, reset_val::int), '{}') as state from pg_settings
where name in ('lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout',
  'transaction_timeout')`

/** What this tool gives its sessions with the login, and gives this one only after it has looked. */
const limitsSql = (milliseconds: number): string => `
select json_build_array(set_config('lock_timeout', '10s', false),
  set_config('statement_timeout', '${milliseconds}', false)) as state`

const keylessSql = `
select json_build_object('total', count(*), 'wrong', count(*) filter (where not keyed),
  'items', coalesce((array_agg(name order by name) filter (where not keyed))[1:5], '{}')) as state
from (
  select format('%I.%I', n.nspname, c.relname) as name,
    exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary) as keyed
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p' and ${own}
) as tables`

/** Spelled in any of the ways in which PostgreSQL takes "off". */
const switchedOff = (options: string): string => `exists (
      select from pg_options_to_table(${options})
      where option_name = 'autovacuum_enabled' and lower(option_value) ~ '^(f|n|0|of)'
    )`

const unvacuumedSql = `
select json_build_object('total', count(*), 'wrong', count(*) filter (where off),
  'items', coalesce((array_agg(name order by name) filter (where off))[1:5], '{}')) as state
from (
  select format('%I.%I', n.nspname, c.relname) as name,
    ${switchedOff('c.reloptions')} or ${switchedOff('t.reloptions')} as off
  from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_class t on t.oid = c.reltoastrelid
  where c.relkind in ('r', 'm') and ${own}
) as tables`

const invalidIndexesSql = `
select json_build_object('total', (select count(*) from pg_index where indexrelid >= 16384),
  'wrong', coalesce(max(amount), 0), 'items', coalesce(json_agg(json_build_object('name', name, 'building', building)
    order by building desc, name), '[]')) as state
from (
  select format('%I.%I', n.nspname, c.relname) as name, count(*) over () as amount, exists (
    select from pg_stat_progress_create_index p where p.datname = current_database() and p.index_relid = c.oid
  ) as building
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
  where not (i.indisvalid and i.indisready) and i.indexrelid >= 16384 and c.relpersistence <> 't'
  order by building desc, name limit 20
) as invalid`

/** To ask for the actual version of each of some 800 collations would take its time: those in use are few. */
const collationsSql = `
with used as materialized (
  select c.oid, format('%I.%I', n.nspname, c.collname) as name, c.collversion as recorded
  from pg_collation c join pg_namespace n on n.oid = c.collnamespace
  where c.collversion is not null and exists (
    select from pg_depend d where d.refclassid = 'pg_collation'::regclass and d.refobjid = c.oid
      and d.classid in ('pg_class'::regclass, 'pg_type'::regclass, 'pg_constraint'::regclass)
  )
),
version as materialized (select name, recorded, pg_collation_actual_version(oid) as actual from used),
mismatch as (select * from version where recorded is distinct from actual)
select json_build_object(
  'database', (
    select json_build_object('recorded', datcollversion, 'actual', pg_database_collation_actual_version(oid))
    from pg_database where datname = current_database()
  ),
  'objects', json_build_object('total', (select count(*) from version), 'wrong', (select count(*) from mismatch),
    'items', (select coalesce(json_agg(m), '[]') from (select * from mismatch order by name limit 5) as m))
) as state`

/** Only this login sees them in full. One that acts as another role (`ALTER ROLE … SET role`) sees of itself no more than others. */
const sessionsSql = `
with own as (
  select a.backend_start is null as hidden, a.client_addr, coalesce(s.ssl, false) or coalesce(g.encrypted, false) as secure
  from pg_stat_activity a left join pg_stat_ssl s using (pid) left join pg_stat_gssapi g using (pid)
  where a.usename = session_user and a.application_name !~ '^pg-app-user' and a.pid <> pg_backend_pid()
    and (a.backend_start is null or a.client_port is not null)
)
select json_build_object('open', count(*), 'hidden', count(*) filter (where hidden),
  'local', count(*) filter (where not hidden and client_addr is null),
  'plain', count(*) filter (where not hidden and not secure and client_addr is not null),
  'from', coalesce((
    array_agg(distinct host(client_addr)) filter (where not hidden and not secure and client_addr is not null)
  )[1:5], '{}')) as state
from own`

/**
 * How many sequences are read at once: each is locked until its statement has ended, and a server has room for some
 * thousand locks only, for all together.
 */
const batch = 500
const mostBatches = 20

/**
 * The ones with the least room come first. A sequence that is older than PostgreSQL 10 reaches further than the integer
 * column that it numbers, so that the nearer end of the two counts.
 */
const sequencesSql = (ids?: readonly number[]): string => `
with sequence as materialized (
  select s.seqrelid as id, format('%I.%I', n.nspname, c.relname) as name, s.seqincrement > 0 as up,
    greatest(s.seqmin, case coalesce(nullif(t.typbasetype, 0), t.oid) when 'int2'::regtype then -32768
      when 'int4'::regtype then -2147483648 end)::numeric as low,
    least(s.seqmax, case coalesce(nullif(t.typbasetype, 0), t.oid) when 'int2'::regtype then 32767
      when 'int4'::regtype then 2147483647 end)::numeric as high
  from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
    left join lateral (
      select a.atttypid from pg_depend d join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
      where d.classid = 'pg_class'::regclass and d.objid = s.seqrelid and d.refclassid = 'pg_class'::regclass
        and d.deptype in ('a', 'i') and d.refobjsubid > 0 limit 1
    ) as numbered on true
    left join pg_type t on t.oid = numbered.atttypid
  where not s.seqcycle and (c.relpersistence = 'p' or not pg_is_in_recovery())
    and ${ids === undefined ? own : `s.seqrelid in (${ids.join(', ')})`}
),
batch as materialized (select * from sequence order by high - low, id limit ${batch}),
told as materialized (
  select *, has_sequence_privilege(id, 'USAGE, SELECT') as told from batch
),
read as materialized (
  select *, case when told then pg_sequence_last_value(id) end::numeric as last from told
)
select json_build_object('rest', (
    select coalesce(json_agg(id::bigint), '[]') from (
      select id from sequence order by high - low, id offset ${batch} limit ${batch * (mostBatches - 1)}
    ) as rest
  ),
  'total', (select count(*) from sequence), 'read', (select count(*) from read),
  'hidden', (select count(*) from read where not coalesce(told, false)),
  'furthest', (
    select coalesce(json_agg(furthest), '[]') from (
      select name, last::text, (case when up then high else low end)::text as end,
        round(100 * (case when up then last - low else high - last end) / nullif(high - low, 0), 1)::float as used
      from read where last is not null and high > low order by used desc, name limit 5
    ) as furthest
  )) as state`

/**
 * Reads it all in one round trip, and in a second one what has more sequences than are read at once.
 *
 * @param session the application's own, with the timeouts that the server gives it
 */
export async function observeInside(
  session: Session,
  versionNumber: number,
  remainingMs: number,
): Promise<Inside> {
  const [timeouts, , keyless, unvacuumed, invalidIndexes, collations, sessions, sequences] =
    await Promise.all([
      lookAt<Timeouts>(session, timeoutsSql),
      lookAt(session, limitsSql(Math.max(1, Math.ceil(remainingMs)))),
      lookAt<Found<string>>(session, keylessSql),
      lookAt<Found<string>>(session, unvacuumedSql),
      lookAt<Found<InvalidIndex>>(session, invalidIndexesSql),
      versionNumber < 150_000 ? undefined : lookAt<Collations>(session, collationsSql),
      lookAt<OwnSessions>(session, sessionsSql),
      observeSequences(session),
    ])
  return { timeouts, keyless, unvacuumed, invalidIndexes, collations, sessions, sequences }
}

async function observeSequences(session: Session): Promise<Seen<Sequences>> {
  const first = await lookAt<SequencesRead>(session, sequencesSql())
  if ('hidden' in first) return first
  const { rest } = first.value
  const others = await Promise.all(
    Array.from({ length: Math.ceil(rest.length / batch) }, (_, index) =>
      lookAt<SequencesRead>(session, sequencesSql(rest.slice(index * batch, (index + 1) * batch))),
    ),
  )
  const seen = [first, ...others].flatMap((each) => ('value' in each ? [each.value] : []))
  const sum = (key: 'read' | 'hidden'): number => seen.reduce((total, each) => total + each[key], 0)
  return {
    value: {
      total: first.value.total,
      read: sum('read'),
      hidden: sum('hidden'),
      furthest: seen
        .flatMap(({ furthest }) => furthest)
        .toSorted((one, other) => other.used - one.used)
        .slice(0, 5),
    },
  }
}
