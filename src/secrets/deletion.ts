import { Failure } from '../lib/failure.ts'
import { sentence } from '../lib/text.ts'

/** A Secret as it was found. */
interface Found {
  readonly namespace: string
  readonly name: string
  readonly deleting?: boolean
}

/** Returns what people should know about a Secret that is up to date and being deleted; nothing about any other. */
export function noteOnDeletion(secret: Found | undefined): string | undefined {
  if (secret?.deleting !== true) return undefined
  const { namespace, name } = secret
  return `Secret ${namespace}/${name} is being deleted, and is there only until its finalizers are gone; the next run then makes it anew`
}

/** Returns the error for a Secret that would have to change, and of which nothing will be left. */
export function beingDeleted({ namespace, name }: Found, keys: readonly string[]): Failure {
  return new Failure(
    'secret-invalid',
    `${namespace}/${name} would need a change of ${sentence(keys)}, and it is being deleted.`,
    [
      'Whatever is written into it is lost with it. Only its finalizers keep it for now:',
      `  kubectl -n ${namespace} get secret ${name} -o jsonpath='{.metadata.finalizers}'`,
      'Let whoever set them finish. A run then makes the Secret anew.',
    ],
  )
}
