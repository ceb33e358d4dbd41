import type { FailureCode } from '../lib/failure.ts'
import type { Passing } from '../lib/passing.ts'

/** What a SQLSTATE in the answer to a statement means here. */
interface Meaning {
  /** What is certain, as a sentence without a full stop. */
  readonly known: string
  /** What is likely, and what to do: marked as a suspicion where it is one. */
  readonly hint: readonly string[]
  /** What a run ends with. `timeout` where it ends only because there is no time left to wait. */
  readonly code: FailureCode
  /** Whether it passes by waiting, and what is waited for. */
  readonly passes?: Passing['kind']
}

const ended: Meaning = {
  known: 'PostgreSQL ended the session',
  hint: ['A frequent cause is a restart or a switch of the primary. The next run starts afresh.'],
  code: 'server-not-ready',
  passes: 'switch',
}
const collision: Meaning = {
  known: 'another session changed the same at the same time',
  hint: ['Another process keeps changing the same role, database or Secret.'],
  code: 'timeout',
  passes: 'race',
}
const waitForSession = ['Wait until that session ends, or end it.']

/**
 * The SQLSTATEs that a statement of this tool meets and that mean one thing. All others stay `postgres-error`, in the words of
 * the server.
 * Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const meanings = new Map<string, Meaning>(
  Object.entries({
    '25006': {
      known: 'PostgreSQL became read-only during the run',
      hint: ['A frequent cause is a switch of the primary. The next run goes to the new one.'],
      code: 'target-is-standby',
      passes: 'switch',
    },
    '22P05': {
      known: 'PostgreSQL cannot convert a character between UTF8 and the encoding of the database',
      hint: [
        'A frequent cause is an application with a name that this encoding does not have.',
        'Choose names of ASCII characters alone.',
      ],
      code: 'postgres-error',
    },
    // Only a hook for passwords says that to a statement.
    '28000': {
      known: 'PostgreSQL refused the verifier of a password',
      hint: [
        'A frequent cause is the extension credcheck, which wants to read passwords. The server never sees one here.',
        'The administrator can let verifiers in:',
        '  ALTER SYSTEM SET credcheck.encrypted_password_allowed = on;',
        '  SELECT pg_reload_conf();',
      ],
      code: 'password-unreadable',
    },
    '40001': collision,
    '40P01': collision,
    '55006': {
      known: 'another session uses what this run needs for itself',
      hint: waitForSession,
      code: 'timeout',
      passes: 'blocked',
    },
    '55P03': {
      known: 'another session holds a lock that this run needs',
      hint: waitForSession,
      code: 'timeout',
      passes: 'blocked',
    },
    // The server stops, crashed, or closed what was idle for too long, such as while a person was asked.
    '57P01': ended,
    '57P02': ended,
    '57P05': {
      ...ended,
      hint: ['It was idle for longer than idle_session_timeout allows. The next run starts afresh.'],
    },
  }),
)

/** Returns what a SQLSTATE means, nothing for one that may mean much. */
export function meaningOf(code: string | undefined, message: string): Meaning | undefined {
  // Two sessions that write the same row of a catalogue: an internal error, which no server translates.
  if (code === 'XX000' && message.includes('tuple concurrently updated')) return collision
  return code === undefined ? undefined : meanings.get(code)
}

/**
 * The SQLSTATEs whose DETAIL is shown: what may not be done, what is in the way, what is missing, which version of a collation
 * is which. Those of others may hold what is in rows.
 */
export const detailed: readonly string[] = [
  '0A000',
  '2BP01',
  '42501',
  '53300',
  '55000',
  '55006',
  '58P01',
  'XX000',
]
