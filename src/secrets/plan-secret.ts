import { Failure } from '../lib/failure.ts'
import { input, inputs, setting } from '../lib/spelling.ts'
import { oneLine, sentence } from '../lib/text.ts'
import {
  applicationKeys,
  type ApplicationKey,
  type ApplicationSecret,
  type ApplicationValues,
} from './application-secret.ts'
import { record } from './secret-marks.ts'

/** What an application Secret should hold. */
export interface WantedSecret {
  readonly namespace: string
  readonly name: string
  /** `PGPASSWORD` is used only where the Secret has none: a password that is there is the truth. */
  readonly values: ApplicationValues
  /** Keys whose value somebody asked for by an input, so that it wins over what was set by hand. */
  readonly explicit: ReadonlySet<ApplicationKey>
}

/** What is to be done with an application Secret. */
export type SecretPlan =
  | { readonly kind: 'create'; readonly values: ApplicationValues }
  | {
      readonly kind: 'repair'
      /** The keys to write, and nothing else. */
      readonly values: ApplicationValues
      readonly missing: readonly ApplicationKey[]
      readonly replaced: readonly ApplicationKey[]
      /** Keys that differ and stay, because somebody set them by hand. */
      readonly kept: readonly ApplicationKey[]
    }
  | { readonly kind: 'keep'; readonly kept: readonly ApplicationKey[] }

const optional: readonly ApplicationKey[] = ['PGHOST_REPLICA', 'ca.crt']
const naming = ['PGUSER', 'PGDATABASE', 'PGHOST'] as const

/**
 * Returns what a Secret needs, or the Failure that says why it may not have it: `secret-names-other`,
 * `secret-managed-elsewhere` or `secret-immutable`.
 */
export function planSecret(
  current: ApplicationSecret | undefined,
  wanted: WantedSecret,
): SecretPlan | Failure {
  if (current === undefined) return { kind: 'create', values: wanted.values }
  const found = current.values
  const others = naming.filter((key) => found[key] !== undefined && found[key] !== wanted.values[key])
  if (others.length > 0) return namesOther(current, wanted, others)

  const keys = applicationKeys.filter((key) => wanted.values[key] !== undefined)
  const missing = keys.filter((key) => found[key] === undefined)
  const differing = keys.filter(
    (key) => key !== 'PGPASSWORD' && found[key] !== undefined && found[key] !== wanted.values[key],
  )
  const ours = record(found)
  const replaced = differing.filter(
    (key) =>
      wanted.explicit.has(key) || (ours[key] !== undefined && current.lastWritten?.[key] === ours[key]),
  )
  const kept = differing.filter((key) => !replaced.includes(key))
  const changing = [...missing, ...replaced]
  // What an application can do without is no reason to quarrel with whoever manages the Secret.
  const needed = changing.filter((key) => replaced.includes(key) || !optional.includes(key))
  const fixed = current.owner !== undefined || current.immutable
  if (changing.length === 0 || (fixed && needed.length === 0)) return { kind: 'keep', kept }

  const ref = `${current.namespace}/${current.name}`
  if (current.owner !== undefined) {
    return new Failure(
      'secret-managed-elsewhere',
      `${ref} would need a new ${sentence(needed)}, and ${current.owner} manages this Secret.`,
      [
        'What is written here would be undone there, or the other way round.',
        `Change the value where the Secret comes from, or give this run a Secret of its own: ${input('app-secret')}.`,
      ],
    )
  }
  if (current.immutable) {
    return new Failure(
      'secret-immutable',
      `${ref} would need a new ${sentence(needed)}, and it is immutable.`,
      [
        'An immutable Secret can only be deleted and made anew; its password is lost with it, and a new one is made.',
        `Give this run a Secret of its own, ${input('app-secret')}, or delete this one when its applications allow it.`,
      ],
    )
  }
  const values = Object.fromEntries(changing.map((key) => [key, wanted.values[key]])) as ApplicationValues
  return { kind: 'repair', values, missing, replaced, kept }
}

function namesOther(
  current: ApplicationSecret,
  wanted: WantedSecret,
  keys: readonly (typeof naming)[number][],
): Failure {
  const shown = (value: string | undefined): string => `"${oneLine(value ?? '', 80)}"`
  const differences = keys.map(
    (key) => `${key} ${shown(current.values[key])}, this run ${shown(wanted.values[key])}`,
  )
  const message = `${current.namespace}/${current.name} names something else: ${differences.join('; ')}.`
  if (keys.length === 1 && keys[0] === 'PGHOST') {
    return new Failure('secret-names-other', message, [
      'A frequent cause is a server that was moved or replaced: applications with this Secret still use the old one.',
      `If the data has moved too, set PGHOST in the Secret by hand. If not, check ${inputs('access-secret', 'access-namespace')}.`,
    ])
  }
  const slug = (wanted.values.PGDATABASE ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
  const suggestion = `${slug}-postgresql-secret`
  return new Failure('secret-names-other', message, [
    'A frequent cause is a second application in this namespace that uses the same name for its Secret.',
    slug === '' || suggestion === current.name
      ? `Give this run a Secret of its own: ${input('app-secret')}.`
      : `Give this run a Secret of its own: ${setting('app-secret', suggestion)}`,
  ])
}
