import type { Failure, FailureCode } from '../lib/failure.ts'

/** What the exit code of the command line says. Pipelines branch on these, so they never change their meaning. */
export const exitCodes = {
  done: { code: 0, meaning: 'done: everything is up to date, whether or not something had to be changed' },
  internal: {
    code: 1,
    meaning: 'internal error: an unexpected situation, or the result of the run could not be written',
  },
  usage: { code: 2, meaning: 'wrong usage: an option, a variable, or the content of a file that they name' },
  gate: { code: 3, meaning: 'the go-live gate held the release back' },
  cluster: {
    code: 4,
    meaning: 'cluster or rights: kubeconfig, API server, permissions, connection to PostgreSQL',
  },
  database: {
    code: 5,
    meaning: 'database: PostgreSQL refused something, or its state does not allow the run',
  },
  secret: { code: 6, meaning: 'Secret: the application Secret is in conflict, or cannot be written' },
  timeout: { code: 7, meaning: 'timeout: the run or its wait for another one took too long' },
  command: {
    code: 125,
    meaning: 'exec: this tool itself failed; otherwise the code is that of the command',
  },
  cancelled: { code: 130, meaning: 'cancelled: by Ctrl-C, by a signal, or by "no" to the question' },
} as const

/** The outcomes that have an exit code of their own. */
export type ExitKind = keyof typeof exitCodes

const kinds: Record<FailureCode, ExitKind> = {
  'input-invalid': 'usage',
  'kubeconfig-missing': 'cluster',
  'kubeconfig-invalid': 'cluster',
  'context-unknown': 'cluster',
  'namespace-missing': 'cluster',
  'server-unexpected': 'cluster',
  'cluster-credential-failed': 'cluster',
  'api-server-unreachable': 'cluster',
  'api-server-untrusted': 'cluster',
  'api-server-error': 'cluster',
  'token-rejected': 'cluster',
  'identity-token-missing': 'cluster',
  'identity-token-invalid': 'cluster',
  'identity-token-expired': 'cluster',
  'identity-token-early': 'cluster',
  'identity-token-audience': 'cluster',
  'identity-token-issuer': 'cluster',
  'identity-token-foreign': 'cluster',
  'identity-not-trusted': 'cluster',
  'permission-missing': 'cluster',
  'access-secret-not-found': 'cluster',
  'access-secret-invalid': 'cluster',
  'service-not-found': 'cluster',
  'service-port-unknown': 'cluster',
  'pod-not-ready': 'cluster',
  'port-forward-denied': 'cluster',
  'upgrade-refused': 'cluster',
  'host-unknown': 'cluster',
  'database-unreachable': 'cluster',
  'port-closed': 'cluster',
  'tunnel-lost': 'cluster',
  'node-unreachable': 'cluster',
  'tls-failed': 'database',
  'cleartext-password-demanded': 'database',
  'channel-binding-failed': 'database',
  'login-unsupported': 'database',
  'admin-login-refused': 'database',
  'access-database-missing': 'database',
  'admin-rights-missing': 'database',
  'target-is-standby': 'database',
  'pooler-in-between': 'database',
  'server-version-unsupported': 'database',
  'server-not-ready': 'database',
  'connection-limit': 'database',
  'postgres-error': 'database',
  'role-not-ours': 'database',
  'role-claimed': 'database',
  'role-privileged': 'database',
  'role-cannot-login': 'database',
  'admin-option-missing': 'database',
  'database-not-ours': 'database',
  'database-claimed': 'database',
  'database-foreign-owner': 'database',
  'database-closed': 'database',
  'database-read-only': 'database',
  'connect-denied': 'database',
  'connect-role-unknown': 'database',
  'grant-ineffective': 'database',
  'extension-not-trusted': 'database',
  'extension-unavailable': 'database',
  'login-refused': 'database',
  'login-unproven': 'database',
  'password-unreadable': 'database',
  'secret-names-other': 'secret',
  'secret-managed-elsewhere': 'secret',
  'secret-immutable': 'secret',
  'secret-invalid': 'secret',
  'secret-write-refused': 'secret',
  'go-live-file-missing': 'usage',
  'go-live-file-invalid': 'usage',
  'go-live-held-back': 'gate',
  'role-not-found': 'database',
  'database-not-found': 'database',
  'command-not-started': 'usage',
  'command-failed': 'command',
  'command-timeout': 'timeout',
  'lock-held': 'timeout',
  timeout: 'timeout',
  cancelled: 'cancelled',
  'outputs-unwritable': 'internal',
  'report-unwritable': 'internal',
  'internal-error': 'internal',
}

/** Returns the exit code for a way in which a run stopped. */
export function exitCodeOf(code: FailureCode): number {
  return exitCodes[kinds[code]].code
}

/**
 * Returns the exit code of command `exec`: what the command ended with, as a shell gives it, and one of its own for what this
 * tool could not do.
 *
 * @param ended the exit code of the command, where it ended by itself
 */
export function exitCodeOfExec(failure: Failure, ended: number | undefined): number {
  if (failure.code === 'command-failed' && ended !== undefined) return ended
  if (failure.code === 'command-not-started') {
    return (failure.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT' ? 127 : 126
  }
  return failure.code === 'cancelled' ? exitCodes.cancelled.code : exitCodes.command.code
}
