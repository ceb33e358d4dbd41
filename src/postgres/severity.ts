/**
 * Says whether an error is a server's goodbye: then nobody knows what became of the statement.
 * Source: https://www.postgresql.org/docs/current/protocol-error-fields.html
 */
export function endsSession(error: unknown): boolean {
  return isFromServer(error) && ['FATAL', 'PANIC'].includes(String(error.severity))
}

/** Says whether an error is a server's. Its class is not needed for that, so that whoever asks need not load it. */
export function isFromServer(error: unknown): error is Error & { readonly severity: unknown } {
  return error instanceof Error && 'severity' in error
}
