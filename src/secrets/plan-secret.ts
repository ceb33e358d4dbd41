import { encodedBefore } from '../lib/encoded-text.ts'
import { Failure } from '../lib/failure.ts'
import { looksMadeAtRandom } from '../lib/made-at-random.ts'
import { input, inputs, setting } from '../lib/spelling.ts'
import { oneLine, sentence } from '../lib/text.ts'
import { isSslMode } from '../postgres/sslmode.ts'
import {
  applicationKeys,
  type ApplicationKey,
  type ApplicationSecret,
  type ApplicationValues,
} from './application-secret.ts'
import { beingDeleted } from './deletion.ts'
import {
  formatKeys,
  formats,
  isFormatKey,
  type Credential,
  type FormatKey,
  type FormatName,
} from './formats.ts'
import { unfitHost } from './host.ts'
import { record } from './secret-marks.ts'
import { encodedTwice, foreignForm, type Unfit, unfitPlaceholder } from './unfit.ts'

/** What an application Secret should hold. */
export interface WantedSecret {
  readonly namespace: string
  readonly name: string
  /** `PGPASSWORD` is used only where the Secret has none: a password that is there is the truth. */
  readonly values: ApplicationValues
  /** Keys whose value somebody asked for by an input, so that it wins over what was set by hand. */
  readonly explicit: ReadonlySet<ApplicationKey>
  /** The forms in which it is to hold the login too. */
  readonly formats: readonly FormatName[]
}

/** What stays in an application Secret although it is not what is wanted. */
interface Staying {
  /** Keys that differ and stay, because somebody set them by hand. */
  readonly kept: readonly ApplicationKey[]
  /** Keys that this tool wrote for a form which nobody asks for any more. */
  readonly left: readonly FormatKey[]
}

/** What is to be done with an application Secret. */
export type SecretPlan =
  | { readonly kind: 'create'; readonly values: ApplicationValues }
  | ({
      readonly kind: 'repair'
      /** The keys to write, and nothing else. */
      readonly values: ApplicationValues
      readonly missing: readonly ApplicationKey[]
      readonly replaced: readonly ApplicationKey[]
      /** Keys that nobody here wrote, where a new password is put beside them: they may hold another one. */
      readonly beside?: readonly string[]
    } & Staying)
  | ({ readonly kind: 'keep' } & Staying)

const optional: readonly ApplicationKey[] = ['PGHOST_REPLICA', 'ca.crt']
const naming = ['PGUSER', 'PGDATABASE', 'PGHOST'] as const

/**
 * Returns what a Secret needs, or the Failure that says why it may not have it: `secret-names-other`,
 * `secret-invalid`, `secret-managed-elsewhere` or `secret-immutable`.
 */
export function planSecret(
  current: ApplicationSecret | undefined,
  wanted: WantedSecret,
): SecretPlan | Failure {
  if (current === undefined) {
    return { kind: 'create', values: { ...wanted.values, ...derived(wanted.values, wanted.formats) } }
  }
  const found = current.values
  const others = naming.filter((key) => found[key] !== undefined && found[key] !== wanted.values[key])
  if (others.length > 0) return namesOther(current, wanted, others)

  const login = differences(current, wanted.values, wanted.explicit)
  // What an application can do without is no reason to quarrel with whoever manages the Secret, or is deleting it.
  const fixed = current.owner !== undefined || current.immutable || current.deleting === true
  const filled = fixed ? login.missing.filter((key) => !optional.includes(key)) : login.missing
  // What is made of the login follows what the Secret will hold, not what was there or what is wanted.
  const published = { ...found, ...only([...filled, ...login.replaced], wanted.values) }
  const values = { ...wanted.values, ...derived(published, wanted.formats) }
  const { missing, replaced, kept } = differences(current, values, wanted.explicit)
  const changing = [...missing, ...replaced]
  const written = formatKeys.filter(
    (key) =>
      values[key] === undefined && found[key] !== undefined && current.lastWritten?.[key] !== undefined,
  )
  // Where nothing can be made of the login, that is no word on what is asked for.
  const left = credentialOf(published) === undefined ? [] : written
  const needed = changing.filter((key) => replaced.includes(key) || !optional.includes(key))
  if (changing.length === 0 || (fixed && needed.length === 0)) return { kind: 'keep', kept, left }

  const ref = `${current.namespace}/${current.name}`
  if (current.owner !== undefined) {
    return new Failure(
      'secret-managed-elsewhere',
      `${ref} would need a change of ${sentence(needed)}, and ${current.owner} manages this Secret.`,
      [
        'The two would overwrite each other.',
        `Change the value at the source of the Secret, or give this run a Secret of its own: ${input('app-secret')}.`,
      ],
    )
  }
  if (current.deleting === true) return beingDeleted(current, needed)
  if (current.immutable) {
    return new Failure(
      'secret-immutable',
      `${ref} would need a change of ${sentence(needed)}, and it is immutable.`,
      [
        'An immutable Secret can only be deleted and created again. Its password is lost with it, and a new one is made.',
        `Give this run a Secret of its own, ${input('app-secret')}, or delete this one when its applications allow it.`,
      ],
    )
  }
  const strangers = formatKeys.filter(
    (key) => found[key] !== undefined && values[key] === undefined && !written.includes(key),
  )
  const beside = missing.includes('PGPASSWORD') ? [...strangers, ...(current.others ?? [])] : []
  return {
    kind: 'repair',
    values: only(changing, values),
    missing,
    replaced,
    kept,
    left,
    ...(beside.length > 0 && { beside }),
  }
}

/** Returns what people should know about keys of further forms that stay as they are. */
export function notesOn(plan: SecretPlan, { namespace, name }: WantedSecret): readonly string[] {
  if (plan.kind === 'create') return []
  const ref = `${namespace}/${name}`
  const foreign = plan.kept.filter(isFormatKey)
  return [
    ...(foreign.length > 0
      ? [
          `${sentence(foreign)} of ${ref} ${foreign.length === 1 ? 'was' : 'were'} set by hand and ${foreign.length === 1 ? 'differs' : 'differ'} from what ${input('secret-format')} asks for; to have this tool write ${foreign.length === 1 ? 'it, remove it' : 'them, remove them'}`,
        ]
      : []),
    ...(plan.left.length > 0
      ? [
          `${sentence(plan.left)} of ${ref} ${plan.left.length === 1 ? 'stays, and is' : 'stay, and are'} not kept up to date: ${input('secret-format')} no longer asks for ${plan.left.length === 1 ? 'it' : 'them'}`,
        ]
      : []),
    ...(plan.kind === 'repair' && plan.beside !== undefined
      ? [
          `${ref} holds other keys too (${fewOf(plan.beside)}), which stay as they are: whoever reads a password there does not get the new one`,
        ]
      : []),
  ]
}

/** Returns the first of some names, and how many more there are. */
function fewOf(names: readonly string[]): string {
  const shown = names.slice(0, 4).map((name) => oneLine(name))
  return names.length > shown.length
    ? `${shown.join(', ')} and ${names.length - shown.length} more`
    : sentence(shown)
}

interface Differences {
  readonly missing: readonly ApplicationKey[]
  /** Differing, and what this tool last wrote, or asked for by an input. */
  readonly replaced: readonly ApplicationKey[]
  /** Differing, and set by hand. */
  readonly kept: readonly ApplicationKey[]
}

function differences(
  { values: found, lastWritten }: ApplicationSecret,
  wanted: ApplicationValues,
  explicit: WantedSecret['explicit'],
): Differences {
  const keys = applicationKeys.filter((key) => wanted[key] !== undefined)
  const differing = keys.filter(
    (key) => key !== 'PGPASSWORD' && found[key] !== undefined && found[key] !== wanted[key],
  )
  const ours = record(found)
  const isOurs = (key: ApplicationKey): boolean =>
    explicit.has(key) || (ours[key] !== undefined && lastWritten?.[key] === ours[key])
  return {
    missing: keys.filter((key) => found[key] === undefined),
    replaced: differing.filter(isOurs),
    kept: differing.filter((key) => !isOurs(key)),
  }
}

function only(keys: readonly ApplicationKey[], values: ApplicationValues): ApplicationValues {
  return Object.fromEntries(keys.map((key) => [key, values[key]]))
}

/** Returns the login in further forms. */
function derived(login: ApplicationValues, names: readonly FormatName[]): ApplicationValues {
  const credential = credentialOf(login)
  if (credential === undefined) return {}
  return Object.assign({}, ...names.map((name) => formats[name].write(credential))) as ApplicationValues
}

/** Returns what forms are made of; `undefined` where the Secret's sslmode is no word, which stops the run anyway. */
export function credentialOf(login: ApplicationValues): Credential | undefined {
  const { PGHOST = '', PGPORT = '', PGUSER = '', PGPASSWORD = '', PGDATABASE = '', PGSSLMODE = '' } = login
  if (!isSslMode(PGSSLMODE)) return undefined
  return {
    host: PGHOST,
    port: PGPORT,
    user: PGUSER,
    password: PGPASSWORD,
    database: PGDATABASE,
    sslMode: PGSSLMODE,
    ca: login['ca.crt'] === undefined ? 'system' : 'mounted',
  }
}

/** What is no name of anything is not the name of something else; and what it is may be a credential. */
function noName(
  { namespace, name, values }: ApplicationSecret,
  wanted: WantedSecret,
  keys: readonly (typeof naming)[number][],
): Failure | undefined {
  if (keys.includes('PGUSER') && values.PGPASSWORD === wanted.values.PGUSER) {
    return new Failure(
      'secret-invalid',
      `The application Secret ${namespace}/${name} cannot be used: PGUSER and PGPASSWORD are swapped.`,
      ['Swap them, or remove both keys: what is missing is filled in, with a new password.'],
    )
  }
  const unfit = keys.flatMap((key) => {
    const found = unfitName(key, values[key] ?? '', wanted.values[key])
    return found === undefined ? [] : [{ key, ...found }]
  })
  if (unfit.length === 0) return undefined
  return new Failure(
    'secret-invalid',
    `The application Secret ${namespace}/${name} cannot be used: ${unfit.map(({ key, problem }) => `${key} ${problem}`).join('; ')}.`,
    [
      ...new Set(unfit.flatMap(({ hint }) => hint ?? [])),
      'Applications receive these values as they are. Correct or remove the named keys: what is missing is filled in.',
    ],
  )
}

function unfitName(
  key: (typeof naming)[number],
  value: string,
  wanted: string | undefined,
): Unfit | undefined {
  if (encodedBefore(value) === wanted) return encodedTwice
  if (key === 'PGHOST') return unfitHost(value)
  const placeholder = unfitPlaceholder(value)
  if (placeholder !== undefined) return placeholder
  const form = foreignForm(value, 'name')
  return form === undefined ? undefined : { problem: form }
}

function namesOther(
  current: ApplicationSecret,
  wanted: WantedSecret,
  keys: readonly (typeof naming)[number][],
): Failure {
  const unnamed = noName(current, wanted, keys)
  if (unnamed !== undefined) return unnamed
  const shown = (value: string | undefined): string => `"${oneLine(value ?? '', 80)}"`
  const found = (key: (typeof naming)[number]): string => {
    const value = current.values[key]
    return key === 'PGUSER' && looksMadeAtRandom(value ?? '')
      ? 'looks like a password and is not shown'
      : shown(value)
  }
  const differences = keys.map((key) => `${key} ${found(key)}, this run ${shown(wanted.values[key])}`)
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
