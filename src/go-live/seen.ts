import pg from 'pg'
import type { Session } from '../postgres/session.ts'
import { endsSession } from '../postgres/severity.ts'
import { stateOf } from '../postgres/state-sql.ts'

/** What a statement showed, or why it showed nothing. */
export type Seen<Value> = { readonly value: Value } | { readonly hidden: string }

/** How long one statement of the gate may take. */
const mostSeconds = 5

/**
 * Returns what a statement gives in its column `state`. One that takes too long, or that this role may not run, shows
 * nothing, and fails no run; a session that ends is another matter.
 *
 * Sent at once, whatever was asked before: many of them cost one round trip.
 */
export async function lookAt<Value>(session: Session, sql: string): Promise<Seen<Value>> {
  try {
    const results = await session.script([`SET LOCAL statement_timeout = '${mostSeconds}s'`, sql])
    return { value: stateOf(results.at(-1) ?? []) as Value }
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || endsSession(error)) throw error
    return { hidden: reasonOf(error.code ?? 'no SQLSTATE') }
  }
}

function reasonOf(code: string): string {
  if (code === '57014') return `the server took longer than ${mostSeconds} s to tell (${code})`
  if (code === '42501') return `the right to read it is missing (${code})`
  return `the server refused to tell (${code})`
}
