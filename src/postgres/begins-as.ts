import { oneLine } from '../lib/text.ts'
import type { Session } from './session.ts'
import { literal } from './state-sql.ts'

/** What of a role's settings decides about its work: as whom it works, where its tables land, whether it may change anything. */
type Deciding = 'role' | 'default_tablespace' | 'default_transaction_read_only'

/** The one that counts is the one that is meant most closely. One that a login could not take is left out by the server, too. */
const settingsOf = (user: string, name: Deciding): string => `(
    select substring(c from '=(.*)') as value, r.id as app
    from (select oid as id from pg_roles where rolname = ${literal(user)}) r, pg_db_role_setting s, unnest(s.setconfig) c
    where s.setrole in (0, r.id) and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
      and starts_with(c, '${name}=')
    order by s.setrole = 0, s.setdatabase = 0 limit 1
  ) own`

const actedAs = (
  user: string,
): string => `${settingsOf(user, 'role')} join pg_roles g on g.rolname = own.value
  where pg_has_role(own.app, g.oid, case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end)`

/**
 * Returns statements that make a transaction of somebody who acts as the role be what one of its own sessions is: its settings
 * do not come with SET ROLE.
 */
export function asItBegins(user: string): readonly string[] {
  return [
    `select set_config('default_tablespace', value, true) from ${settingsOf(user, 'default_tablespace')}
    where value in (select spcname from pg_tablespace)`,
    `select set_config('transaction_read_only', 'on', true) from ${settingsOf(user, 'default_transaction_read_only')}
    where value::boolean`,
    `select set_config('role', g.rolname, true) from ${actedAs(user)}`,
  ]
}

/** Returns a hint at the role that the sessions of a role act as, where that is another one. No transaction may be under way. */
export async function actsAsHint(session: Session, user: string): Promise<readonly string[]> {
  const [row] = await session
    .query<{ name: string }>(`select g.rolname as name from ${actedAs(user)} and g.oid <> own.app`)
    .catch(() => [])
  return row === undefined
    ? []
    : [`Its sessions act as role "${oneLine(row.name)}" (a setting "role"): the rights of that one count.`]
}
