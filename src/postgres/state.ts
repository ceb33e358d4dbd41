import { oneLine } from '../lib/text.ts'
import { mayName, readComment, type RoleComment } from './marker.ts'
import type { Question } from './session.ts'
import { array, literal, stateOf } from './state-sql.ts'

/** What the admin is and may do. */
interface AdminState {
  readonly name: string
  readonly superuser: boolean
  readonly createRole: boolean
  readonly createDatabase: boolean
  /** The role that `ALTER ROLE … SET role` would have its sessions act as; they do not here. */
  readonly actsAs: string | null
}

/** The application role as it was found. */
export interface RoleState extends RoleComment {
  readonly canLogin: boolean
  readonly expired: boolean
  /** Why a password must never be set for it, in words such as `CREATEROLE` or `member of pg_monitor`. */
  readonly dangers: readonly string[]
  /** Whether the admin may change it: from PostgreSQL 16 on that takes ADMIN OPTION. */
  readonly alterable: boolean
  /** Whether its comment is a claim of this tool that nobody can read. */
  readonly unreadable: boolean
  readonly sessions: number
}

/**
 * What the admin is to a role. From PostgreSQL 16 on that is three things, before one membership and the admin's own INHERIT
 * and CREATEROLE.
 * Source: https://www.postgresql.org/docs/current/sql-grant.html (GRANT on Roles)
 */
export interface Membership {
  /** Whether it has the privileges of the role as it is. */
  readonly inherits: boolean
  /** Whether it may act as the role. */
  readonly settable: boolean
  /** Whether it may make itself a member. */
  readonly grantable: boolean
  /** Whether it would inherit as such a member. */
  readonly inheritable: boolean
  /** Whether it made itself a member before: its REVOKE would take that too. */
  readonly own: boolean
}

/** The application's database as it was found. */
export interface DatabaseState {
  readonly owner: string
  /** Whether the admin has the owner's privileges, by being it or as a member that inherits. */
  readonly adminOwns: boolean
  /** Whether the admin may act as the owner. */
  readonly adminActsAsOwner: boolean
  /** Whether the admin may create schemas and trusted extensions. */
  readonly adminCreates: boolean
  readonly acceptsConnections: boolean
  readonly publicConnects: boolean
  readonly publicTemporary: boolean
  /** Whether the application has CONNECT, CREATE and TEMPORARY, and keeps them when PUBLIC loses its own. */
  readonly granted: boolean
  /** Whether it has them at all. */
  readonly grantedOrPublic: boolean
  /** Roles that must keep CONNECT and would have none without PUBLIC. */
  readonly withoutConnect: readonly string[]
  /** Roles of input `connect-roles` that cannot connect now. */
  readonly shutOut: readonly string[]
}

/** A role whose marker says that a database is its own, or may say so. */
export interface Claim {
  readonly role: string
  /** The application Secret that it belongs to, as `namespace/name`; absent where the comment cannot be read. */
  readonly secret: string | undefined
}

/** Everything an admin session on database `postgres` sees, from one statement and so from one moment. */
export interface ServerState {
  readonly version: string
  /** Such as 160006. */
  readonly versionNumber: number
  readonly standby: boolean
  readonly backendPid: number
  readonly admin: AdminState
  readonly role: RoleState | undefined
  /** What the admin is to the application role; to one that is yet to be made, what CREATE ROLE will make of it. */
  readonly membership: Membership
  readonly database: DatabaseState | undefined
  /** What the database will be like right after it is made; absent where it is there. */
  readonly newDatabase: DatabaseState | undefined
  /** Other roles whose marker names the database, or whose comment cannot be read and has to do with it. */
  readonly claims: readonly Claim[]
  /** Roles of input `connect-roles` that do not exist. */
  readonly unknownRoles: readonly string[]
  /** Wanted extensions whose files the server does not have. */
  readonly unavailableExtensions: readonly string[]
  /** Wanted extensions that only a superuser may create: neither trusted nor on Spilo's list (pgextwlist). */
  readonly untrustedExtensions: readonly string[]
}

/**
 * Reads roles from pg_roles (pg_authid is not readable) and access control lists through aclexplode, because
 * has_database_privilege cannot tell what a role would keep once PUBLIC has lost its own. Everything in one statement:
 * one round trip, and a picture that no other session can change half-way.
 *
 * From PostgreSQL 16 on, whoever creates a role becomes a member of it with ADMIN OPTION alone, neither to inherit nor to
 * set it (columns that older servers do not have): such a member does not use the role, so it is none that counts.
 *
 * A database that is not there is shown as CREATE DATABASE by the admin would make it: with the default rights.
 *
 * Of the comments on other roles it gives all that may be markers, since JSON can be written in many ways.
 *
 * Which extensions there are, the server reads from a file for each: it is asked only where some are wanted.
 */
const serverSql = (app: string, database: string, connectRoles: string, extensions: string): string => `
with recursive
  app as (select r.*, r.oid as id from pg_roles r where r.rolname = ${app}),
  me as (
    select r.*, r.oid as id, current_setting('server_version_num')::int >= 160000 as options,
      case when r.rolsuper then '' else coalesce(current_setting('createrole_self_grant', true), '') end as self_grant
    from pg_roles r where r.rolname = current_user
  ),
  db as (
    select d.oid as id, d.datdba, o.rolname as owner, coalesce(d.datacl, acldefault('d', d.datdba)) as acl,
      d.datallowconn and d.datconnlimit <> -2 as open
    from pg_database d join pg_roles o on o.oid = d.datdba where d.datname = ${database}
    union all
    select null, oid, rolname, acldefault('d', oid), true from pg_roles
    where rolname = current_user and not exists (select from pg_database where datname = ${database})
  ),
  privilege as (
    select a.grantee, a.privilege_type as kind from db, aclexplode(db.acl) a
  ),
  above(id) as (
    select m.roleid from pg_auth_members m join app on m.member = app.id
    union
    select m.roleid from pg_auth_members m join above on m.member = above.id
  ),
  watcher(id) as (
    select oid from pg_roles where rolname in ('pg_monitor', 'pg_read_all_data')
    union
    select m.member from pg_auth_members m join watcher on m.roleid = watcher.id
  ),
  keeper as (
    select r.oid as id, r.rolname as name, r.rolname = any (${connectRoles}) as asked
    from pg_roles r
    where r.rolname <> ${app} and not r.rolsuper and r.rolname !~ '^pg_'
      and (r.rolname = current_user or r.rolname = any (${connectRoles})
           or r.rolcanlogin and r.oid in (select id from watcher))
  )
select json_build_object(
  'version', split_part(current_setting('server_version'), ' ', 1),
  'versionNumber', current_setting('server_version_num')::int,
  'standby', pg_is_in_recovery(),
  'backendPid', pg_backend_pid(),
  'admin', (
    select json_build_object('name', rolname, 'superuser', rolsuper,
      'createRole', rolcreaterole or rolsuper, 'createDatabase', rolcreatedb or rolsuper,
      'actsAs', (select min(substring(c from '^role=(.*)')) from pg_db_role_setting s, unnest(s.setconfig) c
                 where s.setrole = pg_roles.oid and c like 'role=%' and c <> 'role=none'))
    from pg_roles where rolname = current_user
  ),
  'role', (
    select json_build_object(
      'canLogin', rolcanlogin,
      'expired', coalesce(rolvaliduntil <= now(), false),
      'dangers', array_remove(array[
        case when rolsuper then 'SUPERUSER' end,
        case when rolcreaterole then 'CREATEROLE' end,
        case when rolcreatedb then 'CREATEDB' end,
        case when rolreplication then 'REPLICATION' end,
        case when rolbypassrls then 'BYPASSRLS' end,
        case when rolname = current_user then 'the admin itself' end
      ], null) || array(
        select 'member of ' || g.rolname from pg_roles g join above on above.id = g.oid
        where g.rolname ~ '^pg_' or g.rolsuper or g.rolcreaterole or g.rolcreatedb or g.rolreplication
          or g.rolbypassrls
        order by 1
      ) || array(
        select distinct 'has member ' || g.rolname from pg_auth_members m join pg_roles g on g.oid = m.member
        where m.roleid = app.id and g.rolname <> current_user
          and coalesce((to_jsonb(m) ->> 'inherit_option')::boolean or (to_jsonb(m) ->> 'set_option')::boolean, true)
        order by 1
      ),
      'alterable', (
        select rolsuper or rolcreaterole and (not options or pg_has_role(id, app.id, 'MEMBER WITH ADMIN OPTION')) from me
      ),
      'comment', shobj_description(app.id, 'pg_authid'),
      'sessions', (select count(*) from pg_stat_activity where usesysid = app.id)
    ) from app
  ),
  'membership', (
    select json_build_object(
      'inherits', coalesce(pg_has_role(app.id, 'USAGE'), rolsuper or self_grant ~* '\\minherit\\M'),
      'settable', coalesce(
        pg_has_role(app.id, case when options then 'SET' else 'MEMBER' end), rolsuper or self_grant ~* '\\mset\\M'
      ),
      'grantable', rolsuper or not options and rolcreaterole and app.super is not true or options and app.id is null
        or exists (
          select from pg_auth_members m where m.roleid = app.id and m.admin_option and pg_has_role(m.member, 'USAGE')
        ),
      'inheritable', options or rolinherit,
      'own', case when app.id is null then self_grant <> '' else exists (
        select from pg_auth_members m
        where m.roleid = app.id and m.member = me.id and pg_has_role(m.grantor, 'USAGE')
      ) end
    ) from me left join (select id, rolsuper as super from app) app on true
  ),
  'database', (
    select json_build_object(
      'owner', owner,
      'adminOwns', pg_has_role(datdba, 'USAGE'),
      'adminActsAsOwner', pg_has_role(datdba, (select case when options then 'SET' else 'MEMBER' end from me)),
      'adminCreates', id is null or has_database_privilege(id, 'CREATE'),
      'there', id is not null,
      'acceptsConnections', open,
      'publicConnects', exists (select from privilege where grantee = 0 and kind = 'CONNECT'),
      'publicTemporary', exists (select from privilege where grantee = 0 and kind = 'TEMPORARY'),
      'granted', (
        select count(distinct kind) = 3 from privilege, app
        where grantee <> 0 and kind in ('CONNECT', 'CREATE', 'TEMPORARY') and pg_has_role(app.id, grantee, 'USAGE')
      ),
      'grantedOrPublic', coalesce((
        select has_database_privilege(app.id, db.id, 'CONNECT') and has_database_privilege(app.id, db.id, 'CREATE')
          and has_database_privilege(app.id, db.id, 'TEMPORARY') from app
      ), false),
      'withoutConnect', array(
        select name from keeper where not exists (
          select from privilege where grantee <> 0 and kind = 'CONNECT' and pg_has_role(keeper.id, grantee, 'USAGE')
        ) order by 1
      ),
      'shutOut', array(
        select name from keeper where asked and not has_database_privilege(keeper.id, db.id, 'CONNECT') order by 1
      )
    ) from db
  ),
  'claims', array(
    select json_build_object('role', r.rolname, 'comment', c.description, 'holds', r.rolname <> current_user
      and r.oid in (select grantee from privilege where kind = 'CREATE' union select datdba from db))
    from pg_shdescription c join pg_roles r on r.oid = c.objoid
    where c.classoid = 'pg_authid'::regclass and r.rolname <> ${app}
      and (c.description ~* 'pg-app-user' or strpos(c.description, ${literal('\\u')}) > 0)
    order by r.rolname
  ),
  'unknownRoles', array(
    select wanted from unnest(${connectRoles}) wanted where wanted not in (select rolname from pg_roles)
  ),
  'unavailableExtensions', case when ${extensions} = '{}' then '{}' else array(
    select wanted from unnest(${extensions}) wanted where wanted not in (select name from pg_available_extensions)
  ) end,
  'untrustedExtensions', case when ${extensions} = '{}' then '{}' else array(
    select e.name from unnest(${extensions}) wanted
      join pg_available_extensions e on e.name = wanted
      join pg_available_extension_versions v on v.name = e.name and v.version = e.default_version
    where v.superuser and not v.trusted
      and wanted <> all (regexp_split_to_array(coalesce(current_setting('extwlist.extensions', true), ''), '\\s*,\\s*'))
      and not (select rolsuper from pg_roles where rolname = current_user)
  ) end
) as state`

interface RawServerState extends Omit<ServerState, 'role' | 'database' | 'newDatabase' | 'claims'> {
  readonly role: (Omit<RoleState, keyof RoleComment | 'unreadable'> & { comment: string | null }) | null
  readonly database: DatabaseState & { readonly there: boolean }
  /** `holds`: whether the role owns the database, or was granted all on it. */
  readonly claims: readonly { role: string; comment: string; holds: boolean }[]
}

/** Asks for everything an admin session sees of one application, in one statement and without a lock. */
export function aboutServer(wanted: {
  readonly username: string
  readonly database: string
  readonly connectRoles: readonly string[]
  readonly extensions: readonly string[]
}): Question<ServerState> {
  const { username, database, connectRoles, extensions } = wanted
  return {
    sql: serverSql(literal(username), literal(database), array(connectRoles), array(extensions)),
    answer(rows) {
      const { role, database: here, claims, ...state } = stateOf(rows) as RawServerState
      const { there, ...found } = here
      return {
        ...state,
        version: oneLine(state.version, 40),
        role: role === null ? undefined : roleOf(role),
        database: there ? found : undefined,
        newDatabase: there ? undefined : found,
        claims: claims.flatMap(({ role, comment, holds }): readonly Claim[] => {
          const said = readComment(comment)
          if (said === 'unreadable') {
            return holds || mayName(comment, database) ? [{ role, secret: undefined }] : []
          }
          return said.marker?.database === database ? [{ role, secret: said.marker.secret }] : []
        }),
      }
    },
  }
}

function roleOf({ comment, ...role }: NonNullable<RawServerState['role']>): RoleState {
  const said = readComment(comment)
  return said === 'unreadable'
    ? { ...role, marker: undefined, note: undefined, kept: {}, unreadable: true }
    : { ...role, ...said, unreadable: false }
}
