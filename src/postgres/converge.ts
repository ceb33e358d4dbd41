import pg from 'pg'
import { Failure } from '../failure.ts'
import { oneLine } from '../text.ts'
import { underWay } from '../under-way.ts'
import {
  decideGrants,
  ineffective,
  schemaGrant,
  schemaRefused,
  type GrantPlan,
  type RolePlan,
  type Wanted,
} from './decide.ts'
import { isPassing, unlessMade } from './failure.ts'
import { formatComment, type RoleComment } from './marker.ts'
import { proveWork } from './proof.ts'
import { scramVerifier } from './scram.ts'
import { endsSession } from './severity.ts'
import { noticeOurEnd, sqlState, type Session } from './session.ts'
import { aboutInside, aboutServer, type ServerState } from './state.ts'

const identifier = pg.escapeIdentifier
const literal = pg.escapeLiteral

/** What there already is: a column, a function, an object, a schema, a table, a type or another object. */
const duplicates = ['42701', '42723', '42710', '42P06', '42P07']

/**
 * Creates the role with its marker, sets its password, or writes its marker, in one transaction: a role without the
 * marker would be a stranger to the next run.
 *
 * @param mask told about the verifier of a password that is set: it lets nobody in, yet belongs into no log either
 * @param decisive called right before the step that makes the change last, here and below
 */
export async function convergeRole(
  session: Session,
  plan: RolePlan,
  wanted: Wanted,
  password: string,
  mask: (credential: string) => void,
  decisive: () => void,
): Promise<void> {
  const role = identifier(wanted.username)
  const setting = async (statement: string): Promise<readonly string[]> => {
    const verifier = await scramVerifier(password)
    mask(verifier)
    return [`${statement} PASSWORD ${literal(verifier)}`]
  }
  const statements = [
    ...(plan.action === 'create' ? await setting(`CREATE ROLE ${role} LOGIN`) : []),
    ...(plan.action === 'set-password' ? await setting(`ALTER ROLE ${role}`) : []),
    ...(plan.mark === undefined
      ? []
      : [commentOn(wanted, { marker: plan.mark, note: undefined, kept: plan.kept ?? {} })]),
  ]
  // Committed in a message of its own: a run that is cut off before it knows that nothing stands.
  const changing = session.transaction(statements, () => undefined, decisive)
  await (plan.action === 'create' ? unlessMade('role', changing) : changing)
}

/** Writes the note into the role's comment, beside what that says already: the role stays whose it is. */
export async function writeNote(
  session: Session,
  comment: RoleComment,
  wanted: Wanted,
  decisive: () => void,
): Promise<void> {
  await session.script([commentOn(wanted, comment)], decisive)
}

function commentOn(wanted: Wanted, comment: RoleComment): string {
  return `COMMENT ON ROLE ${identifier(wanted.username)} IS ${literal(formatComment(comment))}`
}

/** Creates the database, owned by the admin, and gives what is to come: what the server looks like with it. */
export async function createDatabase(
  session: Session,
  wanted: Wanted,
  decisive: () => void,
): Promise<{ readonly server: Promise<ServerState> }> {
  // In a message of its own, because no transaction may hold it.
  const created = session.script([`CREATE DATABASE ${identifier(wanted.database)}`], decisive)
  const server = underWay(session.ask(aboutServer(wanted)))
  // The database stands from here on, also if the look at it fails.
  await unlessMade('database', created)
  return { server }
}

/**
 * Gives and takes the grants on the database and hands it to its owner, in one transaction, and looks afterwards
 * whether it came to be: a GRANT by somebody who may not grant succeeds with a mere warning.
 *
 * @returns what the server looks like then
 * @throws Failure `grant-ineffective` with the commands for whoever can
 */
export async function convergeGrants(
  session: Session,
  plan: GrantPlan,
  server: ServerState,
  wanted: Wanted,
  ours: boolean,
  decisive: () => void,
): Promise<ServerState> {
  const database = identifier(wanted.database)
  const application = identifier(wanted.username)
  const throughApplication = plan.owner !== undefined || server.database?.owner === wanted.username
  const question = aboutServer(wanted)
  const statements = asOwner(throughApplication, server, wanted, [
    ...(plan.application ? [`GRANT ALL ON DATABASE ${database} TO ${application}`] : []),
    ...(plan.connect.length > 0
      ? [`GRANT CONNECT ON DATABASE ${database} TO ${plan.connect.map(identifier).join(', ')}`]
      : []),
    ...(plan.revokePublic ? [`REVOKE CONNECT, TEMPORARY ON DATABASE ${database} FROM PUBLIC`] : []),
    ...(plan.owner === 'app'
      ? [
          `ALTER DATABASE ${database} OWNER TO ${application}`,
          `GRANT CONNECT ON DATABASE ${database} TO CURRENT_USER`,
        ]
      : []),
    ...(plan.owner === 'admin'
      ? [
          `ALTER DATABASE ${database} OWNER TO CURRENT_USER`,
          `GRANT ALL ON DATABASE ${database} TO ${application}`,
        ]
      : []),
  ])
  return await session.transaction(
    [...statements, question.sql],
    (rows) => {
      const now = question.answer(rows.at(-1) ?? [])
      const left = decideGrants(now, wanted, ours, [])
      const commands = [
        ...(left.application ? [`GRANT ALL ON DATABASE ${database} TO ${application};`] : []),
        ...left.connect.map((role) => `GRANT CONNECT ON DATABASE ${database} TO ${identifier(role)};`),
        ...(left.revokePublic ? [`REVOKE CONNECT, TEMPORARY ON DATABASE ${database} FROM PUBLIC;`] : []),
      ]
      if (commands.length === 0) return now
      throw ineffective(
        `the grants on database "${wanted.database}"`,
        'Its owner or a superuser can run:',
        commands,
      )
    },
    decisive,
  )
}

/**
 * Gives the application its rights on schema `public` (PostgreSQL 15 took CREATE away from PUBLIC), in one transaction in
 * a session inside the database, of which nothing stays if they did not come to be.
 *
 * @returns whether anything changed: a template may let everybody create, and nobody give that away
 * @throws Failure `grant-ineffective`
 */
export async function grantSchema(
  session: Session,
  server: ServerState,
  wanted: Wanted,
  decisive: () => void,
): Promise<boolean> {
  const question = aboutInside(wanted)
  const privileges = `select nspacl::text as privileges from pg_namespace where nspname = 'public'`
  const came = `select 1 / (state ->> 'schemaGranted' = 'true')::int from (${question.sql}) now`
  const owned = server.database?.owner === wanted.username
  try {
    const rows = await session.script(
      [privileges, noticeOurEnd, ...asOwner(owned, server, wanted, [schemaGrant(wanted)]), came, privileges],
      decisive,
    )
    return rows[0]?.[0]?.['privileges'] !== rows.at(-1)?.[0]?.['privileges']
  } catch (error) {
    // An admin without any right on the schema, a database without it, or one with some of the rights: then GRANT ends
    // with a mere warning, and the last statement divides by zero.
    if (!['42501', '3F000', '22012'].includes(sqlState(error) ?? '')) throw error
    const now = await session.ask(question).catch(() => undefined)
    throw now === undefined ? error : schemaRefused(now, wanted, error)
  }
}

/**
 * Creates an extension in schema `public`, in one transaction in a session inside the database.
 *
 * @throws Failure `extension-not-trusted`, `extension-unavailable`
 */
export async function createExtension(
  session: Session,
  extension: string,
  server: ServerState,
  wanted: Wanted,
  decisive: () => void,
): Promise<void> {
  const statement = `CREATE EXTENSION IF NOT EXISTS ${identifier(extension)} SCHEMA public`
  const owned = server.database?.owner === wanted.username
  try {
    await unlessMade(
      'extension',
      session.transaction(
        [noticeOurEnd, ...asOwner(owned, server, wanted, [statement])],
        () => undefined,
        decisive,
      ),
    )
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || isPassing(error) || endsSession(error)) throw error
    const command = `  CREATE EXTENSION ${identifier(extension)};`
    const said = `The server said "${oneLine(error.message)}".`
    if (error.code === '42501') {
      throw new Failure(
        'extension-not-trusted',
        `The admin may not create extension "${extension}" in database "${wanted.database}" (42501).`,
        [
          said,
          'It is not trusted, or it needs one that is not. A superuser can run in that database:',
          command,
        ],
        { cause: error },
      )
    }
    throw new Failure(
      'extension-unavailable',
      `Extension "${extension}" cannot be created in schema public of database "${wanted.database}" (${error.code ?? 'no SQLSTATE'}).`,
      duplicates.includes(error.code ?? '')
        ? [
            said,
            'It is in schema public and no part of the extension. Whoever owns it can rename or drop it.',
            'Or give the extension a schema of its own, in that database:',
            `  CREATE SCHEMA ${identifier(extension)};`,
            `  CREATE EXTENSION ${identifier(extension)} SCHEMA ${identifier(extension)};`,
          ]
        : [
            said,
            'It may need another extension first (list that one before it), or a schema of its own:',
            command,
          ],
      { cause: error },
    )
  }
}

/**
 * Does as the application would, before its password is set: what keeps it from working, such as a database that takes no
 * changes or an event trigger, is to be found while the old password still logs in. Nothing of it stays.
 *
 * @throws Failure `grant-ineffective`
 */
export async function rehearse(session: Session, wanted: Wanted): Promise<void> {
  const application = identifier(wanted.username)
  // The role's own setting does not come with SET ROLE. The one for this database wins over the one for all.
  const setting = `select set_config('transaction_read_only', 'on', true) from (
    select substring(c from '=(.*)') as value
    from pg_db_role_setting s join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) c
    where r.rolname = ${literal(wanted.username)} and starts_with(c, 'default_transaction_read_only=')
      and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
    order by s.setdatabase desc limit 1
  ) own where value::boolean`
  await proveWork(session, wanted.database, [
    `GRANT ${application} TO CURRENT_USER`,
    `SET LOCAL ROLE ${application}`,
    setting,
  ])
}

/**
 * Gives statements that are run as a member of the application role where that role owns the database: only an owner can
 * grant on it or hand it over. A plain GRANT is what works on PostgreSQL 13 to 18 alike.
 */
function asOwner(
  needed: boolean,
  server: ServerState,
  wanted: Wanted,
  statements: readonly string[],
): readonly string[] {
  if (!needed || server.role?.held === true || statements.length === 0) return statements
  const application = identifier(wanted.username)
  return [`GRANT ${application} TO CURRENT_USER`, ...statements, `REVOKE ${application} FROM CURRENT_USER`]
}
