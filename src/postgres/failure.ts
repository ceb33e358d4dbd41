import pg from 'pg'
import { asFailure, Failure } from '../failure.ts'
import { oneLine } from '../text.ts'

/**
 * SQLSTATEs after which it is worth to look and decide again: serialization failure, deadlock, object in use, lock not
 * available, a session that was ended on the server, and the duplicates that somebody else created in between.
 */
const passing = ['40001', '40P01', '55006', '55P03', '57P01', '42710', '42P04', '23505']

/** Says whether a server's error may be gone after another look. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return false
  // Two sessions that write the same row of a catalogue: an internal error without a SQLSTATE of its own.
  const collided = error.code === 'XX000' && error.message.includes('tuple concurrently updated')
  return collided || passing.includes(error.code ?? '')
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
