import { loginComment } from './marker.ts'
import { roleSettings } from './role-setting.ts'
import { array, literal } from './state-sql.ts'

/** The setting that counts is the one that is meant most closely. */
const readOnly = (role: string, database: string): string => `(
      select case when value::boolean then level end from (
        select value, level from setting
        where (setrole = 0 or setrole = ${role}) and (setdatabase = 0 or setdatabase = ${database})
        order by array_position(array['both', 'role', 'database', 'all', 'server'], level) limit 1
      ) closest
    )`

/** How many roles get a grant of their own because they watch all databases: each takes a lock of the server's. */
const mostWatchers = 100

/**
 * Returns the statement that reads everything about one application. Roles come from pg_roles (pg_authid is not readable) and access control lists through aclexplode, because
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
 * Of those who watch all databases there may be very many: past a bound their groups stand for them.
 *
 * What kind of process a session of another role is, the server may hide: those of superusers, which may be workers and count
 * for no limit, are left out then.
 *
 * Which extensions there are, the server reads from a file for each: it is asked only where some are wanted.
 */
export const serverSql = (
  app: string,
  database: string,
  connectRoles: string,
  poolers: string,
  extensions: string,
): string => `
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
  setting as (
    select setrole, setdatabase, substring(c from '=(.*)') as value, case
      when setrole <> 0 and setdatabase <> 0 then 'both' when setrole <> 0 then 'role' when setdatabase <> 0 then 'database'
      else 'all' end as level
    from pg_db_role_setting, unnest(setconfig) c where starts_with(c, 'default_transaction_read_only=')
    union all
    select 0, 0, setting, 'server' from pg_settings
    where name = 'default_transaction_read_only'
      and source not in ('global', 'database', 'user', 'database user', 'client', 'session')
  ),
  privilege as (
    select a.grantee, a.privilege_type as kind from db, aclexplode(db.acl) a
  ),
  client as (
    select datid, usesysid from pg_stat_activity a left join pg_roles r on r.oid = a.usesysid
    where backend_type = 'client backend' or backend_type is null and not r.rolsuper
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
  watching as (
    select r.oid as id from pg_roles r join watcher on watcher.id = r.oid where r.rolcanlogin limit ${mostWatchers + 1}
  ),
  keeper as (
    select r.oid as id, r.rolname as name, r.rolname = any (${connectRoles}) as asked
    from pg_roles r
    where r.rolname <> ${app} and not r.rolsuper
      and (r.rolname = current_user or r.rolname = any (${connectRoles})
           or r.oid in (select id from watching) and (select count(*) from watching) <= ${mostWatchers})
    union all
    select oid, rolname, false from pg_roles
    where rolname in ('pg_monitor', 'pg_read_all_data') and rolname <> all (${connectRoles})
      and (select count(*) from watching) > ${mostWatchers}
  ),
  pooler as (
    select oid as id, rolname as name from pg_roles
    where rolname = any (${poolers}) and rolcanlogin and not rolsuper and rolname <> ${app}
      and oid not in (select id from keeper)
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
      ),
      'members', array(
        select distinct g.rolname from pg_auth_members m join pg_roles g on g.oid = m.member
        where m.roleid = app.id and g.rolname <> current_user
          and shobj_description(g.oid, 'pg_authid') is distinct from ${literal(loginComment)}
          and coalesce((to_jsonb(m) ->> 'inherit_option')::boolean or (to_jsonb(m) ->> 'set_option')::boolean, true)
        order by 1
      ),
      'alterable', (
        select rolsuper or rolcreaterole and (not options or pg_has_role(id, app.id, 'MEMBER WITH ADMIN OPTION')) from me
      ),
      'adminOption', pg_has_role(app.id, 'MEMBER WITH ADMIN OPTION'),
      'comment', shobj_description(app.id, 'pg_authid'),
      'settings', (
        select coalesce(json_object_agg(name, value), '{}') from (
          select distinct on (name) split_part(c, '=', 1) as name, substring(c from '=(.*)') as value
          from pg_db_role_setting, unnest(setconfig) c
          where setrole = app.id and (setdatabase = 0 or setdatabase = (select id from db))
            and split_part(c, '=', 1) = any (${array(Object.keys(roleSettings))})
          order by name, setdatabase desc
        ) own
      ),
      'sessions', (select count(*) from pg_stat_activity where usesysid = app.id),
      'full', case
        when rolsuper then null
        when rolconnlimit between 0 and (select count(*) from client where usesysid = app.id) then 'role'
        when (select datconnlimit from pg_database where oid = (select id from db)) between 0 and (
          select count(*) from client where datid = (select id from db)
        ) then 'database'
      end
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
      ),
      'poolers', array(
        select name from pooler where not exists (
          select from privilege where grantee <> 0 and kind = 'CONNECT' and pg_has_role(pooler.id, grantee, 'USAGE')
        ) order by 1
      ),
      'otherEncoding', (
        select name from (
          select pg_encoding_to_char(encoding) as name from pg_database
          where oid = db.id or db.id is null and datname = 'template1'
        ) e where name <> getdatabaseencoding() and 'SQL_ASCII' not in (name, getdatabaseencoding())
      )
    ) from db
  ),
  'homeEncoding', case when getdatabaseencoding() not in ('UTF8', 'SQL_ASCII') then getdatabaseencoding() end,
  'readOnly', json_build_object(
    'admin', ${readOnly('(select id from me)', '(select oid from pg_database where datname = current_database())')},
    'inside', ${readOnly('(select id from me)', '(select id from db)')},
    'application', ${readOnly('(select id from app)', '(select id from db)')}
  ),
  'claims', array(
    select json_build_object('role', r.rolname, 'comment', c.description, 'holds', r.rolname <> current_user
      and r.oid in (select grantee from privilege where kind = 'CREATE' union select datdba from db))
    from pg_shdescription c join pg_roles r on r.oid = c.objoid
    where c.classoid = 'pg_authid'::regclass and r.rolname <> ${app}
      and (c.description ~* 'pg-app-user' or strpos(c.description, ${literal('\\u')}) > 0)
    order by r.rolname
  ),
  'leftovers', array(
    select r.rolname from pg_roles r join pg_shdescription c on c.objoid = r.oid and c.classoid = 'pg_authid'::regclass, me
    where c.description = ${literal(loginComment)} and r.rolvaliduntil < now() - interval '10 minutes'
      and (me.rolsuper or me.rolcreaterole and (not options or pg_has_role(me.id, r.oid, 'MEMBER WITH ADMIN OPTION')))
      and not exists (select from pg_stat_activity where usesysid = r.oid)
    order by 1
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
