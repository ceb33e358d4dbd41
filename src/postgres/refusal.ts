import pg from 'pg'
import { Failure } from '../lib/failure.ts'
import { input, setting } from '../lib/spelling.ts'
import { oneLine } from '../lib/text.ts'
import type { Attempt, Login } from './attempt.ts'
import { loginTriggerHint } from './event-trigger.ts'
import { poolerFailure } from './failure.ts'
import { saidBy } from './said.ts'

/** Returns the Failure for what a server said against a login. The SQLSTATEs are those of PostgreSQL's appendix A. */
export function refusalFailure({ refusal, exchange }: Attempt, login: Login): Failure {
  const { user, database } = login
  const said = refusal === undefined ? [] : saidBy(refusal)
  const cause = { cause: refusal }
  const trigger = refusal === undefined ? [] : loginTriggerHint(refusal)
  // Whatever its SQLSTATE means at a login, here it is about what the function does.
  switch (trigger.length > 0 ? undefined : refusal?.code) {
    case '08P01':
      return poolerFailure(`A connection pooler does not let "${user}" in (08P01).`, refusal)
    case '28P01':
      return new Failure(
        'login-refused',
        `PostgreSQL refused the password of "${user}" that was right a moment ago (28P01).`,
        ['It is being changed at the same time. The next run looks again.'],
        cause,
      )
    case '28000':
      // The server is satisfied with who it is, and looks at the role only then.
      if (exchange !== undefined) {
        return new Failure(
          'role-cannot-login',
          `Role "${user}" may not log in: its attribute LOGIN is off (28000).`,
          [
            ...said,
            'Most likely it was taken away on purpose: ask first. An administrator can give it back:',
            `  ALTER ROLE ${pg.escapeIdentifier(user)} LOGIN;`,
          ],
          cause,
        )
      }
      return new Failure(
        'login-refused',
        `PostgreSQL does not let "${user}" log in to database "${database}" (28000).`,
        [
          ...said,
          'A frequent cause is a pg_hba.conf without a rule for this login, or one that wants a client certificate.',
          'Ask the administrator for a rule with scram-sha-256 for connections through port-forward (127.0.0.1).',
        ],
        cause,
      )
    case '42501':
      return new Failure(
        'connect-denied',
        `"${user}" has no CONNECT on database "${database}" (42501).`,
        [
          'Its owner can grant it:',
          `  GRANT CONNECT ON DATABASE ${pg.escapeIdentifier(database)} TO ${pg.escapeIdentifier(user)};`,
        ],
        cause,
      )
    case '53300':
      return new Failure(
        'connection-limit',
        `PostgreSQL has no connection left for "${user}" in database "${database}" (53300).`,
        [
          ...said,
          'Raise the limit that was reached, close sessions, or put a pooler between application and server.',
        ],
        cause,
      )
    case '55000':
      return new Failure(
        'database-closed',
        `Database "${database}" does not accept connections (55000).`,
        [...said, 'It was closed, most likely on purpose. Ask the administrator.'],
        cause,
      )
    case '57P01':
    case '57P02':
    case '57P03':
      return new Failure(
        'server-not-ready',
        `PostgreSQL is not ready to accept connections (${refusal?.code ?? ''}).`,
        [...said, 'It is starting up, shutting down or recovering. Run again when it is ready.'],
        cause,
      )
    default:
      return new Failure(
        'postgres-error',
        `PostgreSQL did not let "${user}" into database "${database}" (${refusal?.code ?? 'no SQLSTATE'}).`,
        [...said, ...trigger],
        cause,
      )
  }
}

/**
 * Returns the error for a server whose word for a password counts for nothing, where that was not accepted: it asked for
 * none, or for a response of MD5 where it got a verifier of SCRAM.
 */
export function unproven({ user }: Login, exchange: 'none' | 'md5' = 'none'): Failure {
  if (exchange === 'md5') {
    return new Failure(
      'login-unproven',
      `PostgreSQL asked "${oneLine(user)}" for a response of MD5, although this run set a verifier of SCRAM.`,
      [
        'A server with such a verifier does not ask for MD5. A frequent cause is something that answers in its place,',
        'such as a proxy or a pooler, and that may not be PostgreSQL at all.',
        `Ask the administrator what stands in between. To go on unproven: set ${setting('unproven', 'accept')}.`,
      ],
    )
  }
  return new Failure(
    'login-unproven',
    `PostgreSQL let "${oneLine(user)}" in without proof that it knows its password.`,
    [
      'A trust rule for 127.0.0.1 in pg_hba.conf does that; the official image has one. No password can be proven there,',
      'and whoever may port-forward to the Pod may be any role, the superuser included. Something else that answers',
      'in the place of PostgreSQL does it too.',
      `Ask the administrator for scram-sha-256 in that rule. To go on unproven: set ${setting('unproven', 'accept')}.`,
    ],
  )
}

/** As `refusalFailure`, with what a wrong password means for the admin of the access Secret, and a closed door at its home. */
export function adminRefusalFailure(attempt: Attempt, login: Login, admin: Introduced): Failure {
  const { refusal, exchange } = attempt
  const { ref, named, doubts, home } = admin
  if (refusal?.code === '3D000' && login.database === home) return homeless(admin, refusal)
  if (refusal?.code !== '28P01') {
    const failure = refusalFailure(attempt, login)
    const closed = refusal?.code === '42501' || (refusal?.code === '28000' && exchange === undefined)
    if (!closed || login.database !== home) return failure
    const { code, message, hint } = failure
    return new Failure(code, message, [...hint, elsewhere(admin)], { cause: refusal })
  }
  const hint =
    doubts.length > 0
      ? [...doubts, 'Ask the administrator to put the access Secret right.']
      : [
          'The access Secret is probably out of date: this password was changed in the database,',
          'and nothing carries such a change back into the Secret.',
          'A server gives the same answer for a password that has expired (VALID UNTIL), and for a role that is gone.',
          'Ask the administrator to put the current password into the Secret, or to set it anew.',
        ]
  return new Failure(
    'admin-login-refused',
    `PostgreSQL refused the admin ${named ? `"${login.user}" ` : ''}of ${ref}: wrong password (28P01).`,
    hint,
    // The server's words have the name in them.
    named ? { cause: refusal } : {},
  )
}

/** What is told of an admin that is not let in. */
export interface Introduced {
  /** The access Secret, as `namespace/name`. */
  readonly ref: string
  /** Whether its name is shown where PostgreSQL refuses it: it may be a credential. */
  readonly named: boolean
  /** What looks wrong with its name and password, one thought a line. */
  readonly doubts: readonly string[]
  /** The database of its sessions that are for no particular one. */
  readonly home: string
  /** The database that the access Secret names. */
  readonly itsDatabase?: string
}

function homeless(admin: Introduced, cause: pg.DatabaseError): Failure {
  return new Failure(
    'access-database-missing',
    `There is no database "${admin.home}" on this server (3D000), from which the admin creates others.`,
    [
      'Nearly every server has a database "postgres" for that; it may have been dropped or renamed here.',
      elsewhere(admin),
    ],
    { cause },
  )
}

/** Which other database to begin in. */
function elsewhere({ ref, home, itsDatabase }: Introduced): string {
  const named = itsDatabase === undefined || itsDatabase === home ? undefined : oneLine(itsDatabase)
  const other =
    named === undefined
      ? 'another database that the admin may enter'
      : `another one that the admin may enter, such as "${named}", which ${ref} names`
  return `To begin in ${other}: ${input('access-database')}.`
}
