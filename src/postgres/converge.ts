import pg from 'pg'
import { Failure } from '../failure.ts'
import {
  decideGrants,
  decideInside,
  type GrantPlan,
  type InsidePlan,
  type RolePlan,
  type Wanted,
} from './decide.ts'
import { formatMarker } from './marker.ts'
import { scramVerifier } from './scram.ts'
import { sqlState, type Session } from './session.ts'
import { readInside, readServer, type InsideState, type ServerState } from './state.ts'

const identifier = pg.escapeIdentifier
const literal = pg.escapeLiteral

/**
 * Creates the role with its marker, sets its password, or writes its marker, in one transaction: a role without the
 * marker would be a stranger to the next run.
 *
 * @param mask told about the verifier, which lets nobody in, yet belongs into no log either
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
  const verifier = await scramVerifier(password)
  mask(verifier)
  await session.transaction(async () => {
    if (plan.action === 'create')
      await session.query(`CREATE ROLE ${role} LOGIN PASSWORD ${literal(verifier)}`)
    if (plan.action === 'set-password')
      await session.query(`ALTER ROLE ${role} PASSWORD ${literal(verifier)}`)
    if (plan.mark !== undefined) {
      await session.query(`COMMENT ON ROLE ${role} IS ${literal(formatMarker(plan.mark))}`)
    }
  }, decisive)
}

/** Creates the database, owned by the admin. CREATE DATABASE cannot run in a transaction. */
export async function createDatabase(session: Session, wanted: Wanted, decisive: () => void): Promise<void> {
  await session.command(`CREATE DATABASE ${identifier(wanted.database)}`, decisive)
}

/**
 * Gives and takes the grants on the database and hands it to its owner, in one transaction, and looks afterwards
 * whether it came to be: a GRANT by somebody who may not grant succeeds with a mere warning.
 *
 * @throws Failure `grant-ineffective` with the commands for whoever can
 */
export async function convergeGrants(
  session: Session,
  plan: GrantPlan,
  server: ServerState,
  wanted: Wanted,
  ours: boolean,
  decisive: () => void,
): Promise<void> {
  const database = identifier(wanted.database)
  const application = identifier(wanted.username)
  await session.transaction(async () => {
    const throughApplication = plan.owner !== undefined || server.database?.owner === wanted.username
    await asOwner(session, throughApplication, wanted, async () => {
      if (plan.application) await session.query(`GRANT ALL ON DATABASE ${database} TO ${application}`)
      if (plan.connect.length > 0) {
        await session.query(
          `GRANT CONNECT ON DATABASE ${database} TO ${plan.connect.map(identifier).join(', ')}`,
        )
      }
      if (plan.revokePublic) {
        await session.query(`REVOKE CONNECT, TEMPORARY ON DATABASE ${database} FROM PUBLIC`)
      }
      if (plan.owner === 'app') {
        await session.query(`ALTER DATABASE ${database} OWNER TO ${application}`)
        await session.query(`GRANT CONNECT ON DATABASE ${database} TO CURRENT_USER`)
      }
      if (plan.owner === 'admin') {
        await session.query(`ALTER DATABASE ${database} OWNER TO CURRENT_USER`)
        await session.query(`GRANT ALL ON DATABASE ${database} TO ${application}`)
      }
    })
    const left = decideGrants(await readServer(session, wanted), wanted, ours, [])
    const commands = [
      ...(left.application ? [`GRANT ALL ON DATABASE ${database} TO ${application};`] : []),
      ...left.connect.map((role) => `GRANT CONNECT ON DATABASE ${database} TO ${identifier(role)};`),
      ...(left.revokePublic ? [`REVOKE CONNECT, TEMPORARY ON DATABASE ${database} FROM PUBLIC;`] : []),
    ]
    if (commands.length > 0) {
      throw ineffective(
        `the grants on database "${wanted.database}"`,
        'Its owner or a superuser can run:',
        commands,
      )
    }
  }, decisive)
}

/**
 * Gives the application its rights on schema `public` (PostgreSQL 15 took CREATE away from PUBLIC) and creates the
 * extensions, in one transaction in a session inside the database.
 *
 * @throws Failure `grant-ineffective`, `extension-not-trusted`, `extension-unavailable`
 */
export async function convergeInside(
  session: Session,
  plan: InsidePlan,
  server: ServerState,
  wanted: Wanted,
  decisive: () => void,
): Promise<void> {
  await session.transaction(async () => {
    await asOwner(session, server.database?.owner === wanted.username, wanted, async () => {
      if (plan.grantSchema) await grantSchema(session, await readInside(session, wanted), wanted)
      for (const extension of plan.extensions) await createExtension(session, extension, wanted)
    })
    const inside = await readInside(session, wanted)
    if (decideInside(inside, server, wanted).grantSchema) throw schemaRefused(inside, wanted)
  }, decisive)
}

function schemaGrant(wanted: Wanted): string {
  return `GRANT USAGE, CREATE ON SCHEMA public TO ${identifier(wanted.username)}`
}

/** An admin without any right on the schema gets an error; one with some of them a mere warning, which is seen later. */
async function grantSchema(session: Session, inside: InsideState, wanted: Wanted): Promise<void> {
  if (!inside.schemaExists) throw schemaRefused(inside, wanted)
  try {
    await session.query(schemaGrant(wanted))
  } catch (error) {
    throw sqlState(error) === '42501' ? schemaRefused(inside, wanted, error) : error
  }
}

function schemaRefused(inside: InsideState, wanted: Wanted, cause?: unknown): Failure {
  const grant = `${schemaGrant(wanted)};`
  return inside.schemaExists
    ? ineffective(
        `the rights of "${wanted.username}" on schema public of database "${wanted.database}"`,
        `Its owner "${inside.schemaOwner ?? ''}" or a superuser can run in that database:`,
        [grant],
        cause,
      )
    : ineffective(
        `the rights of "${wanted.username}" on schema public, which database "${wanted.database}" does not have`,
        'Whoever owns the database can run in it:',
        ['CREATE SCHEMA public;', grant],
      )
}

async function createExtension(session: Session, extension: string, wanted: Wanted): Promise<void> {
  try {
    await session.query(`CREATE EXTENSION IF NOT EXISTS ${identifier(extension)} SCHEMA public`)
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error
    const command = `  CREATE EXTENSION ${identifier(extension)};`
    if (error.code === '42501') {
      throw new Failure(
        'extension-not-trusted',
        `The admin may not create extension "${extension}" in database "${wanted.database}" (42501).`,
        ['It is not trusted, or it needs one that is not. A superuser can run in that database:', command],
        { cause: error },
      )
    }
    throw new Failure(
      'extension-unavailable',
      `Extension "${extension}" cannot be created in schema public of database "${wanted.database}" (${error.code ?? 'no SQLSTATE'}).`,
      ['It may need another extension first (list that one before it), or a schema of its own:', command],
      { cause: error },
    )
  }
}

/**
 * Runs the work as a member of the application role where that role owns the database: only an owner can grant on it
 * or hand it over. A plain GRANT is what works on PostgreSQL 13 to 18 alike.
 */
async function asOwner(
  session: Session,
  needed: boolean,
  wanted: Wanted,
  work: () => Promise<void>,
): Promise<void> {
  const application = identifier(wanted.username)
  const [membership] = await session.query<{ held: boolean }>(
    `select pg_has_role(oid, 'USAGE') as held from pg_roles where rolname = $1::text`,
    [wanted.username],
  )
  const borrow = needed && membership?.held !== true
  if (borrow) await session.query(`GRANT ${application} TO CURRENT_USER`)
  await work()
  if (borrow) await session.query(`REVOKE ${application} FROM CURRENT_USER`)
}

function ineffective(what: string, who: string, commands: readonly string[], cause?: unknown): Failure {
  return new Failure(
    'grant-ineffective',
    `The admin may not give ${what}.`,
    [
      'PostgreSQL granted nothing. A frequent cause is a hardened template or another owner.',
      who,
      ...commands.map((command) => `  ${command}`),
    ],
    { cause },
  )
}
