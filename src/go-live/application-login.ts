import { Failure, type FailureCode } from '../lib/failure.ts'
import type { Login } from '../postgres/attempt.ts'
import type { Exchange } from '../postgres/authentication.ts'
import { refusalFailure } from '../postgres/refusal.ts'
import type { Session } from '../postgres/session.ts'
import { isSslMode } from '../postgres/sslmode.ts'
import type { Run } from '../run/context.ts'
import type { ApplicationSecret } from '../secrets/application-secret.ts'
import { unfitValue } from '../secrets/value.ts'
import type { Evidence } from './finding.ts'

/** As the application logs in, with nothing but its Secret; or why nobody can. */
export function loginOf(
  { request, cluster }: Pick<Run, 'request' | 'cluster'>,
  { values }: Pick<ApplicationSecret, 'values'>,
): Login | { readonly unfit: string } {
  // Without one, libpq prefers TLS.
  const { PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE = 'prefer' } = values
  if (PGUSER === undefined || PGPASSWORD === undefined || PGDATABASE === undefined) {
    const missing = (['PGUSER', 'PGPASSWORD', 'PGDATABASE'] as const).find((key) => values[key] === undefined)
    return { unfit: `it holds no ${missing ?? ''}` }
  }
  if (!isSslMode(PGSSLMODE)) {
    return { unfit: `PGSSLMODE ${unfitValue('PGSSLMODE', PGSSLMODE)?.problem ?? 'is no mode'}` }
  }
  return {
    user: PGUSER,
    password: PGPASSWORD,
    database: PGDATABASE,
    host: cluster.access.host,
    sslMode: PGSSLMODE,
    ca: request.sslRootCert ?? values['ca.crt'],
    asConfigured: true,
  }
}

/** What came of a login as the application. */
export interface LoginAttempt {
  readonly session?: Session | undefined
  readonly exchange?: Exchange | undefined
  /** Why there is no session. */
  readonly refused?: string
}

/** Ways in which a login fails that concern nobody but whom it is for. */
const ownCodes: readonly FailureCode[] = [
  'tls-failed',
  'cleartext-password-demanded',
  'channel-binding-failed',
  'login-unsupported',
]

/** Logs in as the application does. */
export async function attemptAs(
  { sessions }: Pick<Run, 'sessions'>,
  login: ReturnType<typeof loginOf>,
): Promise<LoginAttempt> {
  if ('unfit' in login) return { refused: login.unfit }
  try {
    const attempt = await sessions.tryAs(login)
    const { session, exchange, refusal } = attempt
    if (session !== undefined) return { session, exchange }
    const failure = refusalFailure(attempt, login)
    // It is the server that is not up, and no word about this login.
    if (failure.code === 'server-not-ready') throw failure
    return { refused: `the server refused it (${refusal?.code ?? 'no SQLSTATE'})` }
  } catch (error) {
    if (!(error instanceof Failure && ownCodes.includes(error.code))) throw error
    return { refused: error.message }
  }
}

/** Returns what the application's own login showed, as evidence beside what the admin sees of its role. */
export function loginEvidence(
  { values }: Pick<ApplicationSecret, 'values'> = { values: {} },
  attempt: LoginAttempt | undefined,
  at: Date,
): Evidence {
  const query = `log in as ${values.PGUSER ?? 'the application'}`
  if (attempt === undefined) return { query, answer: 'there is no Secret', at }
  const exchange = attempt.exchange === 'none' ? 'the server asked for no password' : attempt.exchange
  return { query, answer: attempt.refused ?? `works, ${exchange ?? ''}`, at }
}
