import pg from 'pg'
import { asFailure, Failure } from '../failure.ts'
import { oneLine } from '../text.ts'

/** Thrown where somebody else was faster, so that everything has to be looked at again. */
export class StartAgain extends Error {}

/**
 * SQLSTATEs after which it is worth to look and decide again, whatever the statement: serialization failure, deadlock,
 * object in use, lock not available, a session that was ended on the server.
 */
const passing = ['40001', '40P01', '55006', '55P03', '57P01']

/**
 * The unique indexes that two sessions meet at which make the same role, database or extension at the same moment. Where the
 * other one was done a little earlier, the SQLSTATE is one of its own: 42710 (role) and 42P04 (database).
 */
const names = ['pg_authid_rolname_index', 'pg_database_datname_index', 'pg_extension_name_index']

/** Says whether a server's error may be gone after another look. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return false
  // Two sessions that write the same row of a catalogue: an internal error without a SQLSTATE of its own.
  const collided = error.code === 'XX000' && error.message.includes('tuple concurrently updated')
  return collided || passing.includes(error.code ?? '')
}

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
    if (met || error.code === duplicate) {
      throw new StartAgain(`the ${what} was made by somebody else meanwhile`, { cause: error })
    }
    throw error
  }
}

/**
 * Gives an error as a Failure. The message of a server's is quoted; its detail and statement are not, they may say more.
 */
export function postgresFailure(error: unknown): Failure {
  if (!(error instanceof pg.DatabaseError)) return asFailure(error)
  const code = error.code ?? 'no SQLSTATE'
  if (error.code === '25006') {
    return new Failure(
      'target-is-standby',
      'PostgreSQL became read-only during the run (25006).',
      ['A frequent cause is a switch of the primary. The next run goes to the new one.'],
      { cause: error },
    )
  }
  if (error.code === '08P01') return poolerFailure('A connection pooler refused a statement (08P01).', error)
  return new Failure(
    'postgres-error',
    `PostgreSQL refused a statement (${code}).`,
    [`The server said "${oneLine(error.message)}".`],
    { cause: error },
  )
}

/**
 * Gives the error for something that answers in the place of PostgreSQL. PgBouncer says 08P01 to all that it does not
 * support; from PostgreSQL that would be a message it cannot read, and none such is sent.
 */
export function poolerFailure(message: string, said?: pg.DatabaseError): Failure {
  return new Failure(
    'pooler-in-between',
    message,
    [
      ...(said === undefined ? [] : [`It said "${oneLine(said.message)}".`]),
      'Locks, settings and proofs belong to one session, which a pooler does not keep.',
      'Ask the administrator for a Service that leads to the primary: key USER_ACCESS of the access Secret.',
    ],
    { cause: said },
  )
}
