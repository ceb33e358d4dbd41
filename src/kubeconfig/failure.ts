import { Failure } from '../lib/failure.ts'
import { looksLikePath } from '../lib/path-like.ts'
import { placeholderIn } from '../lib/placeholder.ts'
import { oneLine } from '../lib/text.ts'

/** Returns the error for a kubeconfig that cannot be used. */
export function invalid(source: string, what: string, hint: readonly string[] = []): Failure {
  return new Failure('kubeconfig-invalid', `The kubeconfig from ${source} cannot be used: ${what}.`, [
    ...hint,
    'This prints a complete one: kubectl config view --raw --flatten --minify',
  ])
}

/** Returns the error for a file that a kubeconfig names and that cannot be read. */
export function unreadable(
  error: unknown,
  file: string,
  key: string,
  owner: string,
  source: string,
): Failure {
  const { code } = error as NodeJS.ErrnoException
  if (!looksLikePath(file)) {
    return invalid(source, `the ${key} of ${owner} is no path of a file that is there`, [
      key === 'tokenFile'
        ? 'It is not shown, because it may be a token: a token itself belongs into the field token.'
        : `It is not shown, because it may be a credential: base64 of the PEM text belongs into the field ${key}-data.`,
    ])
  }
  return invalid(
    source,
    `the ${key} of ${owner}, ${oneLine(file)}, cannot be read (${code ?? 'unknown reason'})`,
    [
      'A frequent cause is a kubeconfig from another machine: it refers to files that exist only there.',
      'The command below puts them into the kubeconfig.',
    ],
  )
}

/**
 * Throws where a field holds what stands for a value that is yet to come. The text itself is not repeated, which may be a
 * credential all the same.
 *
 * @throws Failure `kubeconfig-invalid`
 */
export function refusePlaceholder(value: string, key: string, owner: string, source: string): void {
  const found = placeholderIn(value)
  const fromView = /^\s*(DATA\+OMITTED|REDACTED)\s*$/.test(value)
  // A word may be a poor password, and a path.
  if (found === undefined || (!fromView && /^[\w.-]+$/.test(value.trim()))) return
  throw invalid(source, `the ${key} of ${owner} is a placeholder: ${found.what}`, [
    fromView
      ? `It is ${value.trim()}, which kubectl config view writes in place of a credential. With --raw, it shows the credential.`
      : found.from,
  ])
}
