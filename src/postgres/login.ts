import { setTimeout as sleep } from 'node:timers/promises'
import type { Failure } from '../lib/failure.ts'
import { logIn, type Attempt, type Login, type LoginOptions } from './attempt.ts'
import type { Connections } from './connection.ts'
import { refusalFailure } from './refusal.ts'
import type { Session } from './session.ts'

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
  return refusalFailure(attempt, login)
}

/**
 * Returns the session of an attempt.
 *
 * @throws Failure for what the server said against it
 */
export function sessionOf(attempt: Attempt, login: Login): Session {
  if (attempt.session !== undefined) return attempt.session
  throw refusalFailure(attempt, login)
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
