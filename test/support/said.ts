import pg from 'pg'

/** Returns the error that a server says: a SQLSTATE, its message, and what else it brings along. */
export function errorOf(
  code: string | undefined,
  message: string,
  more: Partial<Pick<pg.DatabaseError, 'constraint' | 'detail' | 'hint' | 'where'>> = {},
): pg.DatabaseError {
  const error = new pg.DatabaseError(message, message.length, 'error')
  error.code = code
  return Object.assign(error, more)
}
