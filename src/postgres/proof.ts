import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { Failure } from '../failure.ts'
import { oneLine } from '../text.ts'
import type { Session } from './session.ts'

/**
 * Does as the application would: creates a table in schema `public`, writes a row and reads it, and rolls back.
 *
 * @throws Failure `grant-ineffective` when the server refuses one of these
 */
export async function proveWork(session: Session, database: string): Promise<void> {
  const table = `public.${pg.escapeIdentifier(`pg_app_user_proof_${randomBytes(6).toString('hex')}`)}`
  try {
    await session.script([
      'BEGIN',
      `CREATE TABLE ${table} (proof int)`,
      `INSERT INTO ${table} VALUES (1)`,
      `SELECT proof FROM ${table}`,
      'ROLLBACK',
    ])
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error
    throw new Failure(
      'grant-ineffective',
      `The application logs in, yet cannot work in schema public of database "${database}" (${error.code ?? 'no SQLSTATE'}).`,
      [
        `The server said "${oneLine(error.message)}".`,
        'Ask the administrator what keeps it from creating a table there.',
      ],
      { cause: error },
    )
  }
}
