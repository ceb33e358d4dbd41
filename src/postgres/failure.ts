import pg from 'pg'
import { asFailure, Failure } from '../lib/failure.ts'
import { passingFailure, switchOf, type Passing } from '../lib/passing.ts'
import { oneLine } from '../lib/text.ts'

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
  switch (error.code) {
    // The primary became a standby.
    case '25006':
      return passingFailure('switch', postgresFailure(error))
    // The session was ended on the server, with all others or alone, or the server crashed.
    case '57P01':
    case '57P02':
      return {
        kind: 'switch',
        code: 'server-not-ready',
        what: `PostgreSQL ended the session (${error.code})`,
        hint: ['A frequent cause is a restart or a switch of the primary. The next run starts afresh.'],
      }
    case '55006':
      return blocked('another session uses what this run needs for itself (55006)')
    case '55P03':
      return blocked('another session holds a lock that this run needs (55P03)')
    // Serialization failure, deadlock.
    case '40001':
    case '40P01':
      return collision(error.code)
    case 'XX000':
      // Two sessions that write the same row of a catalogue: an internal error without a SQLSTATE of its own.
      return error.message.includes('tuple concurrently updated') ? collision(error.code) : undefined
    default:
      return undefined
  }
}

/** Says whether a server's error may be gone after another look. */
export function isPassing(error: unknown): boolean {
  return passingOf(error) !== undefined
}

const others = ['Somebody else keeps changing the same role, database or Secret.']

function collision(code: string): Passing {
  const what = `another session changed the same at the same time (${code})`
  return { kind: 'race', code: 'timeout', what, hint: others }
}

function blocked(what: string): Passing {
  return { kind: 'blocked', code: 'timeout', what, hint: ['Wait until that session ends, or end it.'] }
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
      throw new StartAgain(`the ${what} was made by another session in the meantime`, { cause: error })
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
