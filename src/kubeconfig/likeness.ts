import type { Failure } from '../lib/failure.ts'
import { placeholderIn } from '../lib/placeholder.ts'
import { invalid } from './failure.ts'
import { fromBase64, kubeconfigText } from './text.ts'

interface Likeness {
  readonly what: string
  readonly cause: string
}

/** What a text may be that was to be a kubeconfig, and what has probably gone wrong then. The first that fits counts. */
const likenesses: readonly (Likeness & { readonly fits: (value: string) => boolean })[] = [
  {
    fits: (value) => value.trim() === '',
    what: 'nothing: it is empty',
    cause: 'A frequent cause is an earlier step that should have written it and failed.',
  },
  {
    fits: (value) => /^\s*\$ANSIBLE_VAULT;/.test(value),
    what: 'a text that ansible-vault has encrypted',
    cause: 'Decrypt it before this step: ansible-vault view FILE.',
  },
  {
    fits: (value) =>
      /^\s*-----BEGIN (PGP MESSAGE|AGE ENCRYPTED FILE)-----|^\0GITCRYPT|^age-encryption\.org\//.test(value),
    what: 'an encrypted text',
    cause: 'Decrypt it before this step.',
  },
  {
    fits: (value) => /^\s*<<[-~]?\s*["']?\w+["']?\s*$/m.test(value.trimStart().split('\n', 1)[0] ?? ''),
    what: 'a text between the marks of a heredoc (such as <<EOT)',
    cause:
      'A frequent cause is terraform output without -raw: terraform output -raw NAME prints the text alone.',
  },
  {
    fits: (value) => quoted(value) !== undefined,
    what: 'a JSON text in quotes, with its line ends escaped',
    cause: 'A frequent cause is toJSON(secrets.NAME) in a workflow, or jq without -r: pass the value itself.',
  },
  {
    fits: (value) => /^\s*[\w-]+:.*\\n\s*[\w-]+:/.test(value) && !/\n./.test(value.trim()),
    what: 'a text on one line with \\n in place of line ends: it was escaped once too often',
    cause: 'Store it in base64, which survives every variable and every template.',
  },
  {
    fits: (value) =>
      !value.trim().includes('\n') &&
      /(^|\s)clusters:\s.*\susers:\s|(^|\s)users:\s.*\sclusters:\s/.test(value),
    what: 'a text on one line: its line ends are lost',
    cause: 'A frequent cause is echo $VARIABLE without quotes. Store it in base64, which survives that.',
  },
  {
    fits: (value) => /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(value.trim()),
    what: 'what looks like a bearer token, not a kubeconfig',
    cause: 'A token does not say which cluster it is for: store the whole kubeconfig that it belongs to.',
  },
  {
    fits: (value) => value.trimStart().startsWith('-----BEGIN '),
    what: 'what looks like a certificate or a key, not a kubeconfig',
    cause: 'Store the whole kubeconfig that it belongs to.',
  },
  {
    fits: (value) => /^\s*<(!doctype|html|\?xml)/i.test(value),
    what: 'a web page',
    cause: 'A frequent cause is a download that ended on a login page or an error page.',
  },
  {
    fits: (value) => /^\*+$/.test(value.trim()),
    what: 'a masked text (only asterisks)',
    cause:
      'It was probably copied from a log or a settings page, which show no credential: store the original.',
  },
  {
    fits: (value) => /^\$|^%\w+%$/.test(value.trim()),
    what: 'what looks like the name of a variable that nothing has replaced',
    cause:
      'A frequent cause is a variable that this job does not have, or quotes that keep it from being replaced.',
  },
  {
    fits: (value) => /^(["']).*\1$/.test(value.trim()),
    what: 'a text in quotes',
    cause: 'A frequent cause is a .env file whose reader keeps the quotes: write the value without them.',
  },
  {
    fits: (value) => fromBase64(value) !== '',
    what: 'what looks like base64 of something that is no kubeconfig',
    cause: 'A frequent cause is a text that was encoded twice, or was cut: encode the file once more.',
  },
]

/** Returns what a text is instead of a kubeconfig, where that shows; `undefined` for anything else. */
export function likenessOf(value: string): Likeness | undefined {
  const seen = likenesses.find(({ fits }) => fits(value))
  if (seen !== undefined || value.trim().includes('\n')) return seen
  const placeholder = placeholderIn(value)
  return placeholder && { what: placeholder.what, cause: placeholder.from }
}

/** Returns the error for a text that is no kubeconfig. It repeats none of it, which may be a credential. */
export function unlike(source: string, where: string, value: string, otherwise: Likeness): Failure {
  const { what, cause } = likenessOf(value) ?? otherwise
  return invalid(source, `${where} ${what}`, [
    cause,
    'It may be the text of a kubeconfig, base64 of it, or a path to one.',
  ])
}

/** Returns the text that a JSON text in quotes stands for, if that is a kubeconfig. */
function quoted(value: string): string | undefined {
  if (!value.trimStart().startsWith('"')) return undefined
  try {
    const text: unknown = JSON.parse(value)
    return typeof text === 'string' ? kubeconfigText(text) : undefined
  } catch {
    return undefined
  }
}
