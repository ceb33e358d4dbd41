import { spoken } from './spelling.ts'

/**
 * Every way in which a run can stop. Each code is the anchor of its entry in docs/troubleshooting.md.
 */
export const failureCodes = [
  'input-invalid',
  'kubeconfig-missing',
  'kubeconfig-invalid',
  'context-unknown',
  'namespace-missing',
  'server-unexpected',
  'cluster-credential-failed',
  'api-server-unreachable',
  'api-server-untrusted',
  'api-server-error',
  'token-rejected',
  'identity-token-missing',
  'identity-token-invalid',
  'identity-token-expired',
  'identity-token-early',
  'identity-token-audience',
  'identity-token-issuer',
  'identity-token-foreign',
  'identity-not-trusted',
  'permission-missing',
  'access-secret-not-found',
  'access-secret-invalid',
  'service-not-found',
  'service-port-unknown',
  'pod-not-ready',
  'port-forward-denied',
  'upgrade-refused',
  'host-unknown',
  'database-unreachable',
  'port-closed',
  'tunnel-lost',
  'node-unreachable',
  'tls-failed',
  'cleartext-password-demanded',
  'channel-binding-failed',
  'login-unsupported',
  'admin-login-refused',
  'access-database-missing',
  'admin-rights-missing',
  'target-is-standby',
  'pooler-in-between',
  'server-version-unsupported',
  'server-not-ready',
  'connection-limit',
  'postgres-error',
  'role-not-ours',
  'role-claimed',
  'role-privileged',
  'role-cannot-login',
  'admin-option-missing',
  'database-not-ours',
  'database-claimed',
  'database-foreign-owner',
  'database-closed',
  'database-read-only',
  'connect-denied',
  'connect-role-unknown',
  'grant-ineffective',
  'extension-not-trusted',
  'extension-unavailable',
  'login-refused',
  'login-unproven',
  'password-unreadable',
  'secret-names-other',
  'secret-managed-elsewhere',
  'secret-immutable',
  'secret-invalid',
  'secret-write-refused',
  'lock-held',
  'go-live-file-missing',
  'go-live-file-invalid',
  'go-live-held-back',
  'role-not-found',
  'database-not-found',
  'command-not-started',
  'command-failed',
  'command-timeout',
  'outputs-unwritable',
  'report-unwritable',
  'timeout',
  'cancelled',
  'internal-error',
] as const

/** One of the closed set of codes a run can stop with. */
export type FailureCode = (typeof failureCodes)[number]

/**
 * The one error class: what is wrong, and what to do about it.
 *
 * `message` is a single line that says what is wrong, with full names; it is what an annotation shows.
 * `hint` says what was seen or is suspected and what to do, one thought a line.
 * `cause` is what the library or server said. It may hold foreign text, so only debug output shows it, redacted.
 */
export class Failure extends Error {
  readonly code: FailureCode
  readonly hint: readonly string[]
  /** Whether this is the other side's word that it has not done what it was asked for. */
  readonly undone: boolean

  constructor(
    code: FailureCode,
    message: string,
    hint: readonly string[],
    options?: { cause?: unknown; undone?: boolean },
  ) {
    super(inOneLine(message), options)
    this.name = 'Failure'
    this.code = code
    this.hint = hint.map(inOneLine)
    this.undone = options?.undone ?? false
  }
}

/** Names of PostgreSQL may hold line ends, and messages show them. */
function inOneLine(text: string): string {
  return text.replace(/[\r\n\u2028\u2029\0]+/g, ' ')
}

/** Returns anything thrown as a Failure; what is none already becomes `internal-error`. */
export function asFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown
  return new Failure(
    'internal-error',
    'pg-app-user met a situation it was not written for.',
    [`Run it again ${spoken().debugging} and report what it shows: it holds no credential.`],
    { cause: thrown },
  )
}
