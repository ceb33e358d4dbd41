import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { Failure } from '../lib/failure.ts'
import { setting } from '../lib/spelling.ts'
import { oneLine } from '../lib/text.ts'
import type { Connections } from './connection.ts'
import { poolerFailure } from './failure.ts'
import { logIn, type Attempt, type Login, type LoginOptions, type Session } from './session.ts'

const retryMs = 500
const momentMs = 2_000
/** The server ends every session, crashed, or is not up yet. */
const notUp = ['57P01', '57P02', '57P03'] as const

/**
 * Logs in, and tries again for a moment while the server is not up or has no connection left (53300). No longer: the primary
 * may be another Pod meanwhile, and others may be waiting for a connection that this run holds. Gives the last attempt in the
 * end.
 */
export async function logInPatiently(
  connections: Connections,
  login: Login,
  options?: LoginOptions,
): Promise<Attempt> {
  const { deadline } = connections.server
  const start = performance.now()
  for (;;) {
    const attempt = await logIn(connections, login, options)
    const patient = ['53300', ...notUp].includes(attempt.refusal?.code ?? '')
    if (!patient || performance.now() - start > momentMs) return attempt
    if (deadline.remainingMs() < 4 * retryMs) return attempt
    await sleep(retryMs, undefined, { signal: deadline.signal }).catch(() => undefined)
  }
}

/**
 * What a login as the application role showed about the Secret's password: it completed an exchange, the server let it
 * in without one, the password is wrong (SQLSTATE 28P01), or there is none in the Secret to try. Any other refusal is a
 * Failure of its own and never leads to a new password.
 */
export type Evidence = 'proven' | 'unproven' | 'wrong' | 'absent' | Failure

/** Says what an attempt to log in as the application role proves about the Secret's password. */
export function weigh(attempt: Attempt, login: Login, passwordKnown: boolean): Evidence {
  if (attempt.exchange === 'none') return 'unproven'
  if (attempt.exchange !== undefined) return 'proven'
  if (attempt.refusal?.code === '28P01') return passwordKnown ? 'wrong' : 'absent'
  return refusalFailure(attempt.refusal, login)
}

/**
 * Gives the session of an attempt.
 *
 * @throws Failure for what the server said against it
 */
export function sessionOf(attempt: Attempt, login: Login): Session {
  if (attempt.session !== undefined) return attempt.session
  throw refusalFailure(attempt.refusal, login)
}

/** Gives the Failure for what a server said against a login. The SQLSTATEs are those of PostgreSQL's appendix A. */
export function refusalFailure(refusal: pg.DatabaseError | undefined, login: Login): Failure {
  const { user, database } = login
  const said = `The server said "${oneLine(refusal?.message ?? '')}" (${refusal?.code ?? 'no SQLSTATE'}).`
  const cause = { cause: refusal }
  switch (refusal?.code) {
    case '08P01':
      return poolerFailure(`A connection pooler does not let "${user}" in (08P01).`, refusal)
    case '28P01':
      return new Failure(
        'login-refused',
        `PostgreSQL refused the password of "${user}" that was right a moment ago (28P01).`,
        ['Somebody is changing it at the same time. The next run looks afresh.'],
        cause,
      )
    case '28000':
      return new Failure(
        'login-refused',
        `PostgreSQL does not let "${user}" log in to database "${database}" (28000).`,
        [
          said,
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
          said,
          'Raise the limit that was reached, close sessions, or put a pooler between application and server.',
        ],
        cause,
      )
    case '55000':
      return new Failure(
        'database-closed',
        `Database "${database}" does not accept connections (55000).`,
        [said, 'Somebody closed it, most likely on purpose. Ask the administrator.'],
        cause,
      )
    case '57P01':
    case '57P02':
    case '57P03':
      return new Failure(
        'server-not-ready',
        `PostgreSQL is not ready to accept connections (${refusal.code}).`,
        [said, 'It is starting up, shutting down or recovering. Run again when it is ready.'],
        cause,
      )
    default:
      return new Failure(
        'postgres-error',
        `PostgreSQL did not let "${user}" into database "${database}" (${refusal?.code ?? 'no SQLSTATE'}).`,
        [said],
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
        'The server that holds that verifier has no use for MD5. A frequent cause is something that answers in its place,',
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

/** Returns what is to be said about the login of an admin that proves less than SCRAM does; nothing about any other. */
export function doubtAbout({ exchange }: Session, admin: string): string | undefined {
  if (exchange === 'none') {
    return `unproven: PostgreSQL let the admin "${admin}" in without a password, so that anything may have answered in its place`
  }
  if (exchange === 'md5') {
    return `the admin "${admin}" logs in with MD5, which does not prove the server: ask the administrator for scram-sha-256`
  }
  return undefined
}

/** As `refusalFailure`, with what a wrong password means for the admin of the access Secret. */
export function adminRefusalFailure(
  refusal: pg.DatabaseError | undefined,
  login: Login,
  accessSecret: string,
): Failure {
  if (refusal?.code !== '28P01') return refusalFailure(refusal, login)
  return new Failure(
    'admin-login-refused',
    `PostgreSQL refused the admin "${login.user}" of ${accessSecret}: wrong password (28P01).`,
    [
      'The access Secret is probably out of date: this password was changed in the database,',
      'and nothing carries such a change back into the Secret.',
      'Ask the administrator to put the current password into the Secret, or to set it anew.',
    ],
    { cause: refusal },
  )
}
