import { sqlState, type Session } from './session.ts'

/**
 * Says whether a statement was refused (25006) because a setting of the database or the role makes sessions read-only: that is
 * so on every primary, and does not pass by waiting. No transaction may be under way.
 */
export async function isSetReadOnly(session: Session, error: unknown): Promise<boolean> {
  if (sqlState(error) !== '25006') return false
  const [row] = await session
    .query<{ standby: boolean }>('select pg_is_in_recovery() as standby')
    .catch(() => [])
  return row?.standby === false
}
