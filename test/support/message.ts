/**
 * Puts a message of PostgreSQL's protocol together: type, length, content.
 * Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export function message(type: string, content: string | Buffer): Buffer {
  const body = Buffer.from(content)
  const head = Buffer.from(`${type}\0\0\0\0`)
  head.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

/** Query. */
export function query(sql: string): Buffer {
  return message('Q', `${sql}\0`)
}

/** ErrorResponse with fields by their letter: S and V severity, C SQLSTATE, M message. */
export function errorResponse(fields: Readonly<Record<string, string>>): Buffer {
  const content = Object.entries(fields).map(([letter, words]) => `${letter}${words}\0`)
  return message('E', `${content.join('')}\0`)
}

/** What an AuthenticationSASLFinal has in it: its number, and the begin of the server's signature. */
export const saslFinal = '\0\0\0\fv='
