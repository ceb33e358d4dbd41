import pg from 'pg'
import { Failure } from '../lib/failure.ts'
import { eventTriggerHint } from '../postgres/event-trigger.ts'
import { isPassing, unlessMade } from '../postgres/failure.ts'
import { aboutInside, type InsideState } from '../postgres/inside.ts'
import { asItBegins } from '../postgres/begins-as.ts'
import { proveWork } from '../postgres/proof.ts'
import { isSetReadOnly } from '../postgres/read-only.ts'
import { saidBy } from '../postgres/said.ts'
import { scramVerifier } from '../postgres/scram.ts'
import { noticeOurEnd, sqlState, type Session } from '../postgres/session.ts'
import { endsSession } from '../postgres/severity.ts'
import { aboutServer, type ServerState } from '../postgres/state.ts'
import {
  actAsApplication,
  actAsDatabaseOwner,
  actAsOwner,
  around,
  inherit,
  mayAct,
  type Around,
} from './borrow.ts'
import { changesOf, statementsOf, type Change, type ChangeOf } from './change.ts'
import { ineffective, schemaRefused } from './database-refusals.ts'
import { decideGrants, type Plan } from './plan.ts'
import { commandsOf } from './refusals.ts'
import type { Wanted } from './wanted.ts'

const identifier = pg.escapeIdentifier

/** What there already is: a column, a function, an object, a schema, a table, a type or another object. */
const duplicates = ['42701', '42723', '42710', '42P06', '42P07']

/**
 * Creates the role with its marker, sets its password, or writes its marker, in one transaction: a role without the
 * marker would be a stranger to the next run.
 *
 * @param mask told about the verifier of a password that is set: it lets nobody in, yet belongs into no log either
 * @param decisive called right before the step that makes the change last, here and below
 */
export async function changeRole(
  session: Session,
  change: ChangeOf<'create-role' | 'set-password' | 'mark-role'>,
  wanted: Wanted,
  password: string,
  mask: (credential: string) => void,
  decisive: () => void,
): Promise<void> {
  const verifier = change.kind === 'mark-role' ? '' : await scramVerifier(password)
  if (verifier !== '') mask(verifier)
  // Committed in a message of its own: a run that is cut off before it knows that nothing stands.
  const changing = session.transaction(statementsOf(change, wanted, verifier), () => undefined, decisive)
  await (change.kind === 'create-role' ? unlessMade('role', changing) : changing)
}

/** Writes the note into the role's comment, beside what that says already: the role stays whose it is. */
export async function writeNote(
  session: Session,
  change: ChangeOf<'note-database'>,
  wanted: Wanted,
  decisive: () => void,
): Promise<void> {
  await session.script(statementsOf(change, wanted), decisive)
}

/** Gives the role its settings, in one transaction. */
export async function changeSettings(
  session: Session,
  changes: readonly Change[],
  wanted: Wanted,
  decisive: () => void,
): Promise<void> {
  await session.script(
    changes.flatMap((change) => statementsOf(change, wanted)),
    decisive,
  )
}

/** Creates the database, owned by the admin. */
export async function createDatabase(
  session: Session,
  change: ChangeOf<'create-database'>,
  wanted: Wanted,
  decisive: () => void,
): Promise<void> {
  // In a message of its own, because no transaction may hold it.
  await unlessMade('database', session.script(statementsOf(change, wanted), decisive))
}

/**
 * Grants and revokes what differs on the database and hands it to its owner, in one transaction, and looks afterwards
 * whether it came to be: a GRANT by somebody who may not grant succeeds with a mere warning.
 *
 * @returns what the server looks like then
 * @throws Failure `grant-ineffective` with the commands for whoever can
 */
export async function changeGrants(
  session: Session,
  { changes, ours }: Plan,
  server: ServerState,
  wanted: Wanted,
  decisive: () => void,
): Promise<ServerState> {
  const statements = statementsOfGrants(changesOf('grants', changes), server, wanted)
  const question = aboutServer(wanted)
  return await session.transaction(
    [...statements, question.sql],
    (rows) => {
      const now = question.answer(rows.at(-1) ?? [])
      const left = decideGrants(now, wanted, ours, [])
      if (left.length === 0) return now
      throw ineffective(
        `the grants on database "${wanted.database}"`,
        'Its owner or a superuser can run:',
        commandsOf(left, wanted),
      )
    },
    decisive,
  )
}

/** Returns the statements of grants and a new owner, each as whoever may run it: the owner before, or the one after. */
function statementsOfGrants(
  changes: readonly Change[],
  server: ServerState,
  wanted: Wanted,
): readonly string[] {
  const handover = changes.find((change) => change.kind === 'set-owner')
  const grants = changes.filter((change) => change !== handover)
  const given = grants.flatMap((change) => statementsOf(change, wanted))
  if (handover === undefined) return around(planned(actAsOwner(server, wanted)), given)
  const [handOver = '', ...later] = statementsOf(handover, wanted)
  if (!handover.toApplication) {
    const borrowed = server.database?.owner === wanted.username ? planned(inherit(server, wanted)) : none
    return around(borrowed, [...given, handOver, ...later])
  }
  const acting = { ...server, membership: { ...server.membership, settable: true } }
  return [
    ...given,
    ...around(planned(mayAct(server, wanted)), [
      handOver,
      ...around(planned(actAsApplication(acting, wanted)), later),
    ]),
  ]
}

/** The error for a grant on the schema that an event trigger keeps from being given. */
function triggerRefused(error: unknown, hint: readonly string[], wanted: Wanted): Failure {
  return new Failure(
    'grant-ineffective',
    `The rights of "${wanted.username}" on schema public of database "${wanted.database}" could not be given (${sqlState(error) ?? 'no SQLSTATE'}).`,
    [...(error instanceof pg.DatabaseError ? saidBy(error) : []), ...hint],
    { cause: error },
  )
}

const none: Around = { before: [], after: [] }

/** @throws Error for a change that the plan should have refused */
function planned(borrowed: Around | undefined): Around {
  if (borrowed === undefined) throw new Error('a plan has no change that the admin cannot make')
  return borrowed
}

/**
 * Grants the application its rights on schema `public` (PostgreSQL 15 took CREATE away from PUBLIC), in one transaction in
 * a session inside the database, of which nothing stays if they did not come to be.
 *
 * @returns whether anything changed: a template may let everybody create, and nobody give that away
 * @throws Failure `grant-ineffective`
 */
export async function grantSchema(
  session: Session,
  change: ChangeOf<'grant-schema'>,
  server: ServerState,
  { schemaGrantors }: InsideState,
  wanted: Wanted,
  decisive: () => void,
): Promise<boolean> {
  const question = aboutInside(wanted)
  const privileges = `select nspacl::text as privileges from pg_namespace where nspname = 'public'`
  const came = `select 1 / (state ->> 'schemaGranted' = 'true')::int from (${question.sql}) now`
  const act = schemaGrantors.owner ? actAsDatabaseOwner : actAsOwner
  const borrowed = schemaGrantors.admin ? none : (act(server, wanted) ?? none)
  try {
    const statements = around(borrowed, statementsOf(change, wanted))
    const rows = await session.script([privileges, noticeOurEnd, ...statements, came, privileges], decisive)
    return rows[0]?.[0]?.['privileges'] !== rows.at(-1)?.[0]?.['privileges']
  } catch (error) {
    // An admin without any right on the schema, a database without it, or one with some of the rights: then GRANT ends
    // with a mere warning, and the last statement divides by zero.
    const trigger = error instanceof pg.DatabaseError ? await eventTriggerHint(session, error) : []
    if (trigger.length > 0) throw triggerRefused(error, trigger, wanted)
    if (!['42501', '3F000', '22012'].includes(sqlState(error) ?? '')) throw error
    const now = await session.ask(question).catch(() => undefined)
    throw now === undefined ? error : schemaRefused(now, server, wanted, error)
  }
}

/**
 * Creates an extension in schema `public`, in one transaction in a session inside the database.
 *
 * @throws Failure `extension-not-trusted`, `extension-unavailable`
 */
export async function createExtension(
  session: Session,
  change: ChangeOf<'create-extension'>,
  server: ServerState,
  wanted: Wanted,
  decisive: () => void,
): Promise<void> {
  const { extension } = change
  const borrowed = server.database?.adminCreates === false ? planned(actAsOwner(server, wanted)) : none
  try {
    await unlessMade(
      'extension',
      session.transaction(
        [noticeOurEnd, ...around(borrowed, statementsOf(change, wanted))],
        () => undefined,
        decisive,
      ),
    )
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || endsSession(error)) throw error
    if (isPassing(error) && !(await isSetReadOnly(session, error))) throw error
    const command = `  CREATE EXTENSION ${identifier(extension)};`
    const said = [...saidBy(error), ...(await eventTriggerHint(session, error))]
    if (error.code === '42501') {
      throw new Failure(
        'extension-not-trusted',
        `The admin may not create extension "${extension}" in database "${wanted.database}" (42501).`,
        [
          ...said,
          'It is not trusted, or it needs an extension that is not. A superuser can run in that database:',
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
            ...said,
            'It is in schema public and no part of the extension. Whoever owns it can rename or drop it.',
            'Or give the extension a schema of its own, in that database:',
            `  CREATE SCHEMA ${identifier(extension)};`,
            `  CREATE EXTENSION ${identifier(extension)} SCHEMA ${identifier(extension)};`,
          ]
        : [
            ...said,
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
export async function rehearse(session: Session, server: ServerState, wanted: Wanted): Promise<void> {
  const borrowed = actAsApplication(server, wanted)
  // An admin that may set the password and cannot act as the role finds out by the proof.
  if (borrowed === undefined) return
  await proveWork(session, wanted, [...borrowed.before, ...asItBegins(wanted.username)])
}
