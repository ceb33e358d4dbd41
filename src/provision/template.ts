import { Failure, type FailureCode } from '../lib/failure.ts'
import { aboutInside, type InsideState } from '../postgres/inside.ts'
import type { Session } from '../postgres/session.ts'
import type { Sessions } from '../postgres/sessions.ts'
import type { ServerState } from '../postgres/state.ts'
import type { Wanted } from './wanted.ts'

/** PostgreSQL 15 took CREATE on schema `public` from PUBLIC. Source: its release notes. */
const createTakenFrom = 150_000

/** What the server may say against a login in one database alone. */
const refusals: readonly FailureCode[] = [
  'connect-denied',
  'login-refused',
  'database-closed',
  'connection-limit',
  'postgres-error',
]

/**
 * Has the server end the session by itself where the way to it fails before it is left: nobody could make a database for as
 * long. From PostgreSQL 14 on.
 */
const soonOver = `select set_config(name, '2s', false) from pg_settings where name = 'idle_session_timeout'`

/**
 * Returns what is inside of template1, of which a database that is yet to be made will be a copy; `refused` where the admin
 * may not enter it, and a database can be made from it all the same.
 *
 * @param when `ahead` is before it is known who answers, and ends as `later` where that may be a pooler: it would keep a
 *   session in template1, and nobody could make a database for as long
 */
export async function insideTemplate(
  sessions: Sessions,
  wanted: Wanted,
  when: 'ahead' | 'now' = 'now',
): Promise<InsideState | 'refused' | 'later'> {
  const question = aboutInside(wanted)
  const script = [soonOver, question.sql]
  const options = { first: script }
  let session: Session
  try {
    session = await sessions.asAdmin('template1', options, { boundOnly: when === 'ahead' })
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    if (when === 'ahead' && error.code === 'login-unsupported') return 'later'
    if (refusals.includes(error.code)) return 'refused'
    throw error
  }
  const [, rows = []] = await session.script(script)
  // Left at once: CREATE DATABASE wants template1 for itself.
  void sessions.end(session)
  return question.answer(rows)
}

/** Returns what is inside of a template1 that is as PostgreSQL ships it. */
export function asShipped({ versionNumber }: ServerState): InsideState {
  const owned = versionNumber >= createTakenFrom
  return {
    schemaExists: true,
    schemaOwner: owned ? 'pg_database_owner' : null,
    schemaGranted: !owned,
    schemaGrantors: { admin: false, application: false, owner: owned },
    extensions: [],
    otherOwners: [],
  }
}
