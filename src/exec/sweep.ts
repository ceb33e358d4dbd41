import { count } from '../lib/text.ts'
import { sqlState, type Session } from '../postgres/session.ts'
import type { Sessions } from '../postgres/sessions.ts'
import type { Run } from '../run/context.ts'
import { dropLogin } from './login.ts'

/** Drops what killed runs left behind, and says so. It is no change of anything that an application has. */
export async function sweepLeftovers(
  { sessions, journal }: Pick<Run, 'sessions' | 'journal'>,
  session: Session,
  names: readonly string[],
): Promise<void> {
  const gone = await sweep(sessions, session, names)
  if (gone.length > 0) {
    journal.note(
      `dropped ${count(gone.length, 'login')} that an earlier run had left behind: ${gone.join(', ')}`,
    )
  }
}

/**
 * Drops the logins of commands whose run was killed. What cannot be dropped stays for a later run.
 *
 * @returns those that are gone
 */
async function sweep(
  sessions: Sessions,
  session: Session,
  names: readonly string[],
): Promise<readonly string[]> {
  const gone: string[] = []
  for (const name of names) {
    try {
      await dropLogin(sessions, session, name)
      gone.push(name)
    } catch (error) {
      // The next run meets it as well, with as much time; a session that is lost is of no use to the others.
      if (sqlState(error) === undefined) break
    }
  }
  return gone
}
