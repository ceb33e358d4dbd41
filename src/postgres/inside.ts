import type { Question } from './session.ts'
import { array, literal, stateOf } from './state-sql.ts'

/** Who may give USAGE and CREATE on schema `public` away, each in its own right. */
export interface SchemaGrantors {
  readonly admin: boolean
  readonly application: boolean
  /** Whoever owns the database, whether that is one of these or not. */
  readonly owner: boolean
}

/** What can be seen only from inside the database. */
export interface InsideState {
  readonly schemaExists: boolean
  readonly schemaOwner: string | null
  /** USAGE and CREATE on schema `public`, for a role that is yet to be made those of everybody; `as owner` where they go with the ownership of the database. */
  readonly schemaGranted: boolean | 'as owner'
  readonly schemaGrantors: SchemaGrantors
  readonly extensions: readonly string[]
  /** Other roles that own tables, views or sequences here. */
  readonly otherOwners: readonly string[]
}

/** What may be granted comes from the lists alone, because what goes with the ownership of the database moves with it. */
const insideSql = (app: string, admin: string, extensions: string): string => `
with
  public as (select oid as id, nspowner, coalesce(nspacl, acldefault('n', nspowner)) as acl from pg_namespace where nspname = 'public'),
  owning as (select oid as id from pg_roles where rolname = 'pg_database_owner'),
  privilege as (
    select grantee, privilege_type as kind, is_grantable from public, aclexplode(acl)
    where privilege_type in ('USAGE', 'CREATE')
    union all
    select nspowner, kind, true from public, unnest(array['USAGE', 'CREATE']) kind
  ),
  grantor as (
    select r.rolname, count(distinct p.kind) = 2 as may
    from pg_roles r, privilege p
    where r.rolname in (${admin}, ${app}) and p.is_grantable and p.grantee <> 0
      and (r.rolsuper or p.grantee not in (select id from owning)) and pg_has_role(r.oid, p.grantee, 'USAGE')
    group by r.rolname
  )
select json_build_object(
  'schemaExists', exists (select from public),
  'schemaOwner', (select o.rolname from public join pg_roles o on o.oid = nspowner),
  'schemaGranted', coalesce((
    select case
      when not (has_schema_privilege(r.oid, n.id, 'USAGE') and has_schema_privilege(r.oid, n.id, 'CREATE'))
        then to_json(false)
      when (
        select count(distinct a.privilege_type) = 2 from aclexplode(n.acl) a
        where a.privilege_type in ('USAGE', 'CREATE') and (a.grantee = 0 or pg_has_role(r.oid, a.grantee, 'USAGE')
          and a.grantee not in (select id from owning))
      ) then to_json(true)
      else to_json('as owner'::text)
    end
    from pg_roles r, public n where r.rolname = ${app}
  ), (
    select to_json(count(distinct a.privilege_type) = 2)
    from public n, aclexplode(n.acl) a where a.grantee = 0 and a.privilege_type in ('USAGE', 'CREATE')
  )),
  'schemaGrantors', json_build_object(
    'admin', coalesce((select may from grantor where rolname = ${admin}), false),
    'application', coalesce((select may from grantor where rolname = ${app}), false),
    'owner', (
      select count(distinct kind) = 2 from privilege where is_grantable and grantee in (select id from owning)
    )
  ),
  'extensions', array(select extname from pg_extension where extname = any (${extensions})),
  'otherOwners', array(
    select distinct o.rolname
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_roles o on o.oid = c.relowner
    where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and o.rolname <> ${app}
      and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
      and not exists (select from pg_depend d where d.objid = c.oid and d.classid = 'pg_class'::regclass
                      and d.deptype = 'e')
    order by 1
  )
) as state`

/** Asks for what a session inside the application's database sees; the session may be the admin's or the application's. */
export function aboutInside(wanted: {
  readonly username: string
  readonly admin: string
  readonly extensions: readonly string[]
}): Question<InsideState> {
  return {
    sql: insideSql(literal(wanted.username), literal(wanted.admin), array(wanted.extensions)),
    answer: (rows) => stateOf(rows) as InsideState,
  }
}
