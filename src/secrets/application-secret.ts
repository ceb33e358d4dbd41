import type { Api } from '../kubernetes/api.ts'
import { corePath } from '../kubernetes/call.ts'
import type { SecretObject } from '../kubernetes/objects.ts'
import { ownerOf } from '../kubernetes/owner.ts'
import { Failure } from '../lib/failure.ts'
import { credentialsIn, formatKeys, type FormatKey } from './formats.ts'
import { decodeData } from './secret-data.ts'
import { credentialChange, lastWrittenOf, markedBinding } from './secret-marks.ts'

/** The keys of an application Secret that hold the login in the names of libpq, and what they are read from. */
const loginKeys = [
  'PGHOST',
  'PGPORT',
  'PGUSER',
  'PGPASSWORD',
  'PGDATABASE',
  'PGSSLMODE',
  'PGHOST_REPLICA',
  'ca.crt',
] as const

/** The keys of an application Secret that can be ours; all others are left alone. */
export const applicationKeys = [...loginKeys, ...formatKeys] as const
export type ApplicationKey = (typeof applicationKeys)[number]
export type ApplicationValues = Readonly<Partial<Record<ApplicationKey, string>>>

function isApplicationKey(key: string): boolean {
  return applicationKeys.some((ours) => ours === key)
}

/** An application Secret as it was found. */
export interface ApplicationSecret {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly immutable: boolean
  /** Whether it is being deleted, and only finalizers keep it for now. */
  readonly deleting?: boolean
  /** Which other controller keeps it, in words: `Helm release "shop"`. */
  readonly owner?: string
  /** What it holds; an empty value counts as missing. */
  readonly values: ApplicationValues
  /** The names of keys that are never ours. */
  readonly others?: readonly string[]
  /** What this tool last wrote, without the password, `ca.crt` as a digest: values that nobody has changed by hand. */
  readonly lastWritten?: Readonly<Record<string, string>>
  /**
   * When its password was written last, in whole seconds, as far as that can be told: Pods older than that have another
   * one.
   */
  readonly credentialChanged?: Date
  /** The service binding that a run made of it, by its name; it may be gone. */
  readonly binding?: string
}

/**
 * Returns the application Secret, `undefined` where there is none. Its password is masked at the moment it is decoded.
 *
 * @throws Failure `secret-invalid`, which names every key of ours that cannot be read
 */
export async function readApplicationSecret(
  api: Api,
  namespace: string,
  name: string,
  mask: (credential: string) => void,
): Promise<ApplicationSecret | undefined> {
  const secret = (await api.get(corePath(namespace, 'secrets', name))) as SecretObject | undefined
  return secret && parseApplicationSecret(namespace, name, secret, mask)
}

/** Returns what `readApplicationSecret` has read as an application Secret. */
export function parseApplicationSecret(
  namespace: string,
  name: string,
  secret: SecretObject,
  mask: (credential: string) => void,
): ApplicationSecret {
  const { values, problems } = decodeData(secret.data, loginKeys, mask)
  const unfit = [...values]
    .filter(([key, value]) => key !== 'ca.crt' && /\p{Cc}/u.test(value))
    .map(
      ([key, value]) =>
        `${key} ${/^[^\p{Cc}]*[\r\n]+$/u.test(value) ? 'ends with a line end' : 'holds a control character'}`,
    )
  if (problems.length + unfit.length > 0) {
    throw new Failure(
      'secret-invalid',
      `The application Secret ${namespace}/${name} cannot be used: ${[...problems, ...unfit].join('; ')}.`,
      [
        'Applications receive these values as they are. A frequent cause is "echo" instead of "echo -n" before base64.',
        'Correct or remove the named keys: what is missing is filled in.',
      ],
    )
  }
  const metadata = secret.metadata ?? {}
  const owner = ownerOf(metadata)
  const lastWritten = lastWrittenOf(metadata)
  const credentialChanged = credentialChange(metadata)
  const binding = markedBinding(metadata)
  const others = Object.keys(secret.data ?? {}).filter((key) => !isApplicationKey(key))
  return {
    namespace,
    name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    immutable: secret.immutable === true,
    ...(metadata.deletionTimestamp !== undefined && { deleting: true }),
    ...(owner !== undefined && { owner }),
    values: { ...Object.fromEntries(values), ...derivedValues(secret.data, mask) },
    ...(others.length > 0 && { others }),
    ...(lastWritten !== undefined && { lastWritten }),
    ...(credentialChanged !== undefined && { credentialChanged }),
    ...(binding !== undefined && { binding }),
  }
}

/** Returns what the keys of further forms hold. They are made of the others, so that one which cannot be read is no fault. */
function derivedValues(
  data: SecretObject['data'],
  mask: (credential: string) => void,
): Partial<Record<FormatKey, string>> {
  const derived = Object.fromEntries(
    formatKeys.flatMap((key) => {
      const value = data?.[key]
      return value === undefined || value === '' ? [] : [[key, Buffer.from(value, 'base64').toString()]]
    }),
  )
  for (const credential of credentialsIn(derived)) mask(credential)
  return derived
}
