import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { Failure } from '../lib/failure.ts'
import { passingOf } from '../postgres/failure.ts'
import { loginComment } from '../postgres/marker.ts'
import { scramVerifier } from '../postgres/scram.ts'
import { sqlState, type Session } from '../postgres/session.ts'
import type { Sessions } from '../postgres/sessions.ts'
import type { ServerState } from '../postgres/state.ts'
import { literal, stateOf } from '../postgres/state-sql.ts'
import { actAsOwner, around } from '../provision/borrow.ts'
import type { Wanted } from '../provision/wanted.ts'
import { mostInside } from './listener.ts'

const identifier = pg.escapeIdentifier

/** A login that lives as long as a command. */
export interface CommandLogin {
  readonly name: string
  readonly password: string
}

/** For so long it lets in, from when that was said last. */
export const lifetimeMs = 600_000
/** How often that is said anew while the command lives. */
export const moveOnMs = 180_000
/** How often a statement is tried that met another session at the same row of a catalogue. */
const mostTries = 5
const pauseMs = 100

/**
 * Makes a login for one command: it may become the application's role, and has nothing of it by itself.
 *
 * @param server what is there, seen under the lock
 * @param made is given the name, before it is known whether the server has taken it
 * @throws Failure `connect-denied` where it would not be let into the database; pg.DatabaseError
 */
export async function makeLogin(
  session: Session,
  server: ServerState,
  wanted: Wanted,
  lockTimeoutMs: number | undefined,
  mask: (credential: string) => void,
  made: Set<string>,
): Promise<CommandLogin> {
  const password = randomBytes(24).toString('hex')
  mask(password)
  const verifier = await scramVerifier(password)
  mask(verifier)
  const name = nameFor(wanted.username)
  const login = identifier(name)
  const database = identifier(wanted.database)
  const grant = `GRANT CONNECT ON DATABASE ${database} TO ${login}`
  const settings = [
    // The server notices within half a second when whoever ran the command is gone, even in the middle of a statement.
    ...(server.versionNumber >= 140_000 ? ['client_connection_check_interval = 500'] : []),
    ...(lockTimeoutMs === undefined ? [] : [`lock_timeout = ${lockTimeoutMs}`]),
  ]
  const rows = await session.script([
    'BEGIN',
    'SET LOCAL client_min_messages = error',
    `CREATE ROLE ${login} LOGIN NOINHERIT CONNECTION LIMIT ${mostInside} PASSWORD ${pg.escapeLiteral(verifier)}`,
    moveOn(name),
    `COMMENT ON ROLE ${login} IS ${pg.escapeLiteral(loginComment)}`,
    `GRANT ${identifier(wanted.username)} TO ${login}`,
    ...around(actAsOwner(server, wanted) ?? { before: [], after: [] }, [grant]),
    ...settings.map((setting) => `ALTER ROLE ${login} SET ${setting}`),
    `select has_database_privilege(${literal(name)}, ${literal(wanted.database)}, 'CONNECT') as connects`,
  ])
  if (rows.at(-1)?.[0]?.['connects'] !== true) {
    await session.script(['ROLLBACK'])
    throw new Failure(
      'connect-denied',
      `The login of the command cannot connect to database "${wanted.database}": the admin may not grant CONNECT on it.`,
      [
        'Its owner can let the admin do that:',
        `  GRANT CONNECT ON DATABASE ${database} TO ${identifier(wanted.admin)} WITH GRANT OPTION;`,
      ],
    )
  }
  made.add(name)
  await session.script(['COMMIT'])
  return { name, password }
}

/** Says anew how long a login lets in, by the clock of the server. */
export async function moveLoginOn(session: Session, { name }: CommandLogin): Promise<void> {
  await insist(() => session.script([moveOn(name)]))
}

function moveOn(name: string): string {
  const statement = `format('ALTER ROLE %I VALID UNTIL %L', ${pg.escapeLiteral(name)}, now() + interval '${lifetimeMs / 1000} seconds')`
  return `DO ${pg.escapeLiteral(`BEGIN EXECUTE ${statement}; END`)}`
}

/**
 * Drops a login. What it made without the role is given to the role before.
 *
 * @param session of the admin, in any database
 * @throws pg.DatabaseError, Failure
 */
export async function dropLogin(sessions: Sessions, session: Session, name: string): Promise<void> {
  const [state] = await session.query(aboutLogin(name))
  const login = stateOf(state === undefined ? [] : [state]) as LoginState | null
  // Somebody else was faster.
  if (login === null) return
  // PostgreSQL 13 goes on with a statement whose client is gone.
  if (login.sessions > 0) {
    const terminate = `select pg_terminate_backend(pid) from pg_stat_activity where usename = ${literal(name)}`
    await insist(() => session.script(asLogin(name, login.options, [terminate])))
  }
  try {
    await drop(session, name, login)
  } catch (error) {
    if (sqlState(error) !== '2BP01' || login.role === null) throw error
    for (const database of login.touched) {
      const inside = await sessions.asAdmin(database)
      await insist(() => inside.script(handingOver(name, login.role ?? '', login.options)))
      await sessions.end(inside)
    }
    await drop(session, name, login)
  }
}

/** What a login has, and where. */
interface LoginState {
  /** The role it may become. */
  readonly role: string | null
  /** Databases that it was let into, each with how the admin does what its owner can. */
  readonly databases: readonly { readonly name: string; readonly owner: string; readonly acts: boolean }[]
  /** Databases in which something is its own, or was granted to it. */
  readonly touched: readonly string[]
  readonly sessions: number
  /** Whether memberships have options. */
  readonly options: boolean
}

const aboutLogin = (name: string): string => `
  select (
    select json_build_object(
      'role', (
        select min(g.rolname) from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid
      ),
      'databases', array(
        select json_build_object('name', d.datname, 'owner', o.rolname,
          'acts', not pg_has_role(d.datdba, 'USAGE') and pg_has_role(d.datdba, case when options then 'SET' else 'MEMBER' end))
        from pg_database d join pg_roles o on o.oid = d.datdba
        where exists (select from aclexplode(d.datacl) a where a.grantee = r.oid)
      ),
      'touched', array(
        select distinct d.datname from pg_shdepend s join pg_database d on d.oid = s.dbid
        where s.refclassid = 'pg_authid'::regclass and s.refobjid = r.oid order by 1
      ),
      'sessions', (select count(*) from pg_stat_activity where usesysid = r.oid),
      'options', options
    )
    from pg_roles r, (select current_setting('server_version_num')::int >= 160000 as options) version
    where r.rolname = ${literal(name)} and shobj_description(r.oid, 'pg_authid') = ${literal(loginComment)}
  ) as state`

async function drop(session: Session, name: string, { databases }: LoginState): Promise<void> {
  const revokes = databases.flatMap(({ name: database, owner, acts }) =>
    around(
      acts
        ? { before: [`SET LOCAL ROLE ${identifier(owner)}`], after: ['RESET ROLE'] }
        : { before: [], after: [] },
      [`REVOKE ALL ON DATABASE ${identifier(database)} FROM ${identifier(name)}`],
    ),
  )
  // One message is one transaction.
  await insist(() => session.script([...revokes, `DROP ROLE ${identifier(name)}`]))
}

/** Takes what is its own, and what it was granted, from a login for good. */
function handingOver(name: string, role: string, options: boolean): readonly string[] {
  const [login, owner] = [identifier(name), identifier(role)]
  return [
    "SET LOCAL lock_timeout = '2s'",
    `ALTER ROLE ${login} INHERIT`,
    ...(options ? [`GRANT ${owner} TO ${login} WITH INHERIT TRUE`] : []),
    ...asLogin(name, options, [`REASSIGN OWNED BY ${login} TO ${owner}`, `DROP OWNED BY ${login}`]),
  ]
}

/**
 * Returns statements that are run as the login itself. It has what is its own and, as a member that inherits, what is the
 * role's: an admin that is NOINHERIT has neither.
 */
function asLogin(name: string, options: boolean, statements: readonly string[]): readonly string[] {
  const login = identifier(name)
  return [
    `GRANT ${login} TO CURRENT_USER${options ? ' WITH SET TRUE' : ''}`,
    `SET LOCAL ROLE ${login}`,
    ...statements,
    'RESET ROLE',
    `REVOKE ${login} FROM CURRENT_USER`,
  ]
}

/** Tries again where another session changed the same row of a catalogue at that moment, such as that of the database. */
async function insist<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (passingOf(error)?.kind !== 'race' || tries === mostTries) throw error
      await sleep(pauseMs * tries * (0.5 + Math.random()))
    }
  }
}

/** With the role in front, as far as it can be read everywhere: people meet it in pg_stat_activity. */
function nameFor(role: string): string {
  const readable = role.replace(/[^\w-]+/g, '').slice(0, 40)
  return `${readable}_exec_${randomBytes(4).toString('hex')}`
}
