import { Failure } from '../lib/failure.ts'
import { oneLine } from '../lib/text.ts'
import { fromBase64 } from './text.ts'

/** Returns the error for a kubeconfig that cannot be used. */
export function invalid(
  source: string,
  what: string,
  hint = [
    'A frequent cause is a kubeconfig that was copied in part, or that refers to files on another machine.',
  ],
): Failure {
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
  return invalid(
    source,
    `the ${key} of ${owner}, ${oneLine(file)}, cannot be read (${code ?? 'unknown reason'})`,
  )
}

/** What else a text may be, and what has probably gone wrong then. The first that fits counts. */
const likenesses = [
  {
    fits: (value: string) => value.trim() === '',
    what: 'nothing',
    cause: 'A frequent cause is a step before this one that was to write it, and failed.',
  },
  {
    fits: (value: string) => /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(value),
    what: 'what looks like a bearer token, not a kubeconfig',
    cause: 'A token does not say which cluster it is for: store the whole kubeconfig that it belongs to.',
  },
  {
    fits: (value: string) => value.includes('-----BEGIN '),
    what: 'what looks like a certificate or a key, not a kubeconfig',
    cause: 'Store the whole kubeconfig that it belongs to.',
  },
  {
    fits: (value: string) => /^\*+$/.test(value),
    what: 'a masked text (only asterisks)',
    cause:
      'It was probably copied from a log or a settings page, which show no credential: store the original.',
  },
  {
    fits: (value: string) => /^\$|^%\w+%$/.test(value),
    what: 'what looks like the name of a variable that nothing has replaced',
    cause:
      'A frequent cause is a variable that this job does not have, or quotes that keep it from being replaced.',
  },
  {
    fits: (value: string) => fromBase64(value) !== '',
    what: 'what looks like base64 of something that is no kubeconfig',
    cause: 'A frequent cause is a text that was encoded twice, or was cut: encode the file once more.',
  },
  {
    fits: (value: string) => /^\s*(apiVersion|kind)\s*:/m.test(value),
    what: 'a YAML text without clusters and contexts',
    cause: 'It is probably another manifest, such as the Secret in which the kubeconfig is kept.',
  },
  {
    fits: (value: string) => !value.includes('\n'),
    what: 'neither a kubeconfig nor base64 of one, and no file has this name',
    cause: 'A path counts from the folder in which this runs.',
  },
]

/** Returns the error for a text that is no kubeconfig. It repeats none of it, which may be a credential. */
export function unlike(source: string, where: string, value: string): Failure {
  const { what, cause } = likenesses.find(({ fits }) => fits(value)) ?? {
    what: 'neither a kubeconfig nor base64 of one',
    cause: 'A frequent cause is a file of another kind, or a part of one.',
  }
  return invalid(source, `${where} ${what}`, [
    cause,
    'It may be the text of a kubeconfig, base64 of it, or a path to one.',
  ])
}
