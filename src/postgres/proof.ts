import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { Failure } from '../lib/failure.ts'
import { actsAsHint } from './begins-as.ts'
import { eventTriggerHint } from './event-trigger.ts'
import { isPassing } from './failure.ts'
import { isSetReadOnly } from './read-only.ts'
import { saidBy } from './said.ts'
import type { Session } from './session.ts'
import { endsSession } from './severity.ts'

/**
 * Does as the application would: creates a table in schema `public`, writes a row and reads it, and rolls back.
 *
 * @param before what makes somebody else's session work as the application does
 * @throws Failure `grant-ineffective` when the server refuses one of these
 */
export async function proveWork(
  session: Session,
  { username, database }: { readonly username: string; readonly database: string },
  before: readonly string[] = [],
): Promise<void> {
  const table = `public.${pg.escapeIdentifier(`pg_app_user_proof_${randomBytes(6).toString('hex')}`)}`
  try {
    await session.script([
      'BEGIN',
      ...before,
      `CREATE TABLE ${table} (proof int)`,
      `INSERT INTO ${table} VALUES (1)`,
      `SELECT proof FROM ${table}`,
      'ROLLBACK',
    ])
  } catch (error) {
    // A transaction that failed would be in the way of whatever comes next in this session.
    await session.query('ROLLBACK').catch(() => undefined)
    if (!(error instanceof pg.DatabaseError) || endsSession(error)) throw error
    if (isPassing(error) && !(await isSetReadOnly(session, error))) throw error
    throw new Failure(
      'grant-ineffective',
      `The application ${before.length === 0 ? 'logs in, yet cannot' : 'could not'} work in schema public of database "${database}" (${error.code ?? 'no SQLSTATE'}).`,
      [
        ...saidBy(error),
        ...(await eventTriggerHint(session, error)),
        ...(await actsAsHint(session, username)),
        'Ask the administrator what keeps it from creating a table there.',
      ],
      { cause: error },
    )
  }
}
