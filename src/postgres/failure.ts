import pg from 'pg'
import { asFailure, Failure } from '../lib/failure.ts'
import { passingFailure, switchOf, type Passing } from '../lib/passing.ts'
import { input, setting } from '../lib/spelling.ts'
import { oneLine } from '../lib/text.ts'
import { saidBy } from './said.ts'
import { meaningOf } from './sqlstate.ts'

/** Thrown where somebody else was faster, so that everything has to be looked at again. */
export class StartAgain extends Error {}

/**
 * The unique indexes that two sessions meet at which make the same role, database or extension at the same moment. Where the
 * other one was done a little earlier, the SQLSTATE is one of its own: 42710 (role) and 42P04 (database).
 */
const names = ['pg_authid_rolname_index', 'pg_database_datname_index', 'pg_extension_name_index']

/** Returns what may be gone at another look, whatever the statement; nothing for an error that stays one. */
export function passingOf(error: unknown): Passing | undefined {
  if (error instanceof StartAgain) return { kind: 'race', code: 'timeout', what: error.message, hint: others }
  if (error instanceof Failure) {
    return error.code === 'connection-limit' ? passingFailure('shortage', error) : switchOf(error)
  }
  if (!(error instanceof pg.DatabaseError)) return undefined
  const meaning = meaningOf(error.code, error.message)
  if (meaning?.passes === undefined) return undefined
  const { passes: kind, code, known, hint } = meaning
  return { kind, code, what: `${known} (${error.code ?? ''})`, hint }
}

/** Says whether a server's error may be gone after another look. */
export function isPassing(error: unknown): boolean {
  return passingOf(error) !== undefined
}

const others = ['Another process keeps changing the same role, database or Secret.']

/**
 * Waits for the making of a role, a database or an extension, of which there can be one of a name alone.
 *
 * @throws StartAgain where somebody else has made it meanwhile; anything else as it is, because a duplicate of another kind
 *   stays one for as long as anybody waits
 */
export async function unlessMade<Result>(
  what: 'role' | 'database' | 'extension',
  making: Promise<Result>,
): Promise<Result> {
  try {
    return await making
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error
    const met = error.code === '23505' && names.includes(error.constraint ?? '')
    const duplicate = { role: '42710', database: '42P04', extension: undefined }[what]
    if (met || (duplicate !== undefined && error.code === duplicate)) {
      throw new StartAgain(`the ${what} was made by another session in the meantime`, { cause: error })
    }
    throw error
  }
}

/**
 * Returns an error as a Failure. What a server says is quoted, but for what may hold rows (`saidBy`).
 */
export function postgresFailure(error: unknown): Failure {
  if (!(error instanceof pg.DatabaseError)) return asFailure(error)
  const code = error.code ?? 'no SQLSTATE'
  const meaning = meaningOf(error.code, error.message)
  if (meaning !== undefined && meaning.code !== 'timeout') {
    const hint = [...saidBy(error), ...meaning.hint]
    return new Failure(meaning.code, `${meaning.known} (${code}).`, hint, { cause: error })
  }
  if (error.code === '08P01') return poolerFailure('A connection pooler refused a statement (08P01).', error)
  return new Failure('postgres-error', `PostgreSQL refused a statement (${code}).`, saidBy(error), {
    cause: error,
  })
}

/**
 * Returns the error for something that answers in the place of PostgreSQL. PgBouncer says 08P01 to all that it does not
 * support; from PostgreSQL that would be a message it cannot read, and none such is sent.
 */
export function poolerFailure(message: string, said?: pg.DatabaseError): Failure {
  return new Failure(
    'pooler-in-between',
    message,
    [
      ...(said === undefined ? [] : [`It said "${oneLine(said.message)}".`]),
      'Locks, settings and proofs belong to one session, which a pooler does not keep.',
      `Ask the administrator for a Service that leads to the primary, and name it: ${input('access-service')}, or USER_ACCESS of the access Secret. With ${setting('via', 'direct')}, it is PGHOST that has to lead there.`,
    ],
    { cause: said },
  )
}
