import { createHash } from 'node:crypto'
import { Failure } from '../failure.ts'
import { oneLine, sentence } from '../text.ts'
import { statusMessage } from './api-failure.ts'
import type { Api } from './api.ts'
import { corePath, type Answer } from './call.ts'
import type { Metadata, SecretObject } from './objects.ts'
import { decodeData } from './secret-data.ts'

/** The keys of an application Secret that are ours; all others are left alone. */
export const applicationKeys = [
  'PGHOST',
  'PGPORT',
  'PGUSER',
  'PGPASSWORD',
  'PGDATABASE',
  'PGSSLMODE',
  'PGHOST_REPLICA',
  'ca.crt',
] as const
export type ApplicationKey = (typeof applicationKeys)[number]
export type ApplicationValues = Readonly<Partial<Record<ApplicationKey, string>>>

/** An application Secret as it was found. */
export interface ApplicationSecret {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly immutable: boolean
  /** Which other controller keeps it, in words: `Helm release "shop"`. */
  readonly owner?: string
  /** What it holds; an empty value counts as missing. */
  readonly values: ApplicationValues
  /** What this tool last wrote, without the password, `ca.crt` as a digest: values that nobody has changed by hand. */
  readonly lastWritten?: Readonly<Record<string, string>>
  /**
   * When its password was written last, in whole seconds, as far as that can be told: Pods older than that have another
   * one.
   */
  readonly credentialChanged?: Date
}

/** A version of a Secret in the cluster. */
export interface SecretVersion {
  readonly uid: string
  readonly resourceVersion: string
}

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

const manager = 'pg-app-user'
const lastWrittenAnnotation = 'pg-app-user.elastisys.io/last-written'
const credentialChangedAnnotation = 'pg-app-user.elastisys.io/credential-changed'
const optional: readonly ApplicationKey[] = ['PGHOST_REPLICA', 'ca.crt']
const naming = ['PGUSER', 'PGDATABASE', 'PGHOST'] as const

/**
 * Reads the application Secret, `undefined` where there is none. Its password is masked at the moment it is decoded.
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

/** Parses what `readApplicationSecret` has read. */
export function parseApplicationSecret(
  namespace: string,
  name: string,
  secret: SecretObject,
  mask: (credential: string) => void,
): ApplicationSecret {
  const { values, problems } = decodeData(secret.data, applicationKeys, mask)
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
        'Put the named keys right, or take them out: what is missing is filled in.',
      ],
    )
  }
  const metadata = secret.metadata ?? {}
  const owner = ownerOf(metadata)
  const lastWritten = parseLastWritten(metadata.annotations?.[lastWrittenAnnotation])
  const credentialChanged = credentialChange(metadata)
  return {
    namespace,
    name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    immutable: secret.immutable === true,
    ...(owner !== undefined && { owner }),
    values: Object.fromEntries(values),
    ...(lastWritten !== undefined && { lastWritten }),
    ...(credentialChanged !== undefined && { credentialChanged }),
  }
}

/**
 * Decides what a Secret needs, or gives the Failure that says why it may not have it: `secret-names-other`,
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
        'Change the value where the Secret comes from, or give this run a Secret of its own: input "app-secret".',
      ],
    )
  }
  if (current.immutable) {
    return new Failure(
      'secret-immutable',
      `${ref} would need a new ${sentence(needed)}, and it is immutable.`,
      [
        'An immutable Secret can only be deleted and made anew; its password is lost with it, and a new one is made.',
        'Give this run a Secret of its own, input "app-secret", or delete this one when its applications allow it.',
      ],
    )
  }
  const values = Object.fromEntries(changing.map((key) => [key, wanted.values[key]])) as ApplicationValues
  return { kind: 'repair', values, missing, replaced, kept }
}

/**
 * Creates the Secret; `conflict` where somebody else has done so meanwhile.
 *
 * @throws Failure `secret-write-refused`
 */
export async function createApplicationSecret(
  api: Api,
  namespace: string,
  name: string,
  values: ApplicationValues,
): Promise<SecretVersion | 'conflict'> {
  const answer = await api.request({
    method: 'POST',
    path: corePath(namespace, 'secrets'),
    body: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace, ...marks(record(values)) },
      type: 'Opaque',
      data: encoded(values),
    },
  })
  if (answer.status === 409) return await ownWork(api, namespace, name, values)
  return version(answer, `${namespace}/${name}`, 'create')
}

/**
 * Writes the given keys into the Secret that was read, and into no other; `conflict` where it was changed or deleted
 * meanwhile. A merge-patch (RFC 7386) with uid and resourceVersion, since server-side apply would make a deleted Secret
 * anew with these keys alone.
 *
 * @throws Failure `secret-write-refused`
 */
export async function repairApplicationSecret(
  api: Api,
  current: ApplicationSecret,
  values: ApplicationValues,
): Promise<SecretVersion | 'conflict'> {
  const { namespace, name, uid, resourceVersion } = current
  const answer = await api.request({
    method: 'PATCH',
    path: corePath(namespace, 'secrets', name),
    contentType: 'application/merge-patch+json',
    body: {
      metadata: {
        uid,
        resourceVersion,
        ...marks({ ...current.lastWritten, ...record(values) }, values.PGPASSWORD !== undefined),
      },
      data: encoded(values),
    },
  })
  if (answer.status === 404) return 'conflict'
  if (answer.status === 409) return await ownWork(api, namespace, name, { ...current.values, ...values })
  return version(answer, `${namespace}/${name}`, 'patch')
}

/** A write that was sent again because its connection broke meets a conflict with itself: all is as it was to become. */
async function ownWork(
  api: Api,
  namespace: string,
  name: string,
  values: ApplicationValues,
): Promise<SecretVersion | 'conflict'> {
  const secret = (await api.get(corePath(namespace, 'secrets', name))) as SecretObject | undefined
  const { uid = '', resourceVersion = '' } = secret?.metadata ?? {}
  const own = Object.entries(encoded(values)).every(([key, value]) => secret?.data?.[key] === value)
  return own ? { uid, resourceVersion } : 'conflict'
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
      'If the data has moved too, set PGHOST in the Secret by hand. If not, check inputs "access-secret" and "access-namespace".',
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
      ? 'Give this run a Secret of its own: input "app-secret".'
      : `Give this run a Secret of its own: app-secret: ${suggestion}`,
  ])
}

function encoded(values: ApplicationValues): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  )
}

/** What the annotation keeps of values: no password, and a digest for what is long. */
function record(values: ApplicationValues): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values)
      .filter(([key]) => key !== 'PGPASSWORD')
      .map(([key, value]) => [
        key,
        key === 'ca.crt' ? `sha256:${createHash('sha256').update(value).digest('hex')}` : value,
      ]),
  )
}

/** @param newCredential whether an existing Secret gets another password; that of a new one is as old as the Secret */
function marks(written: Record<string, string>, newCredential = false): Metadata {
  return {
    labels: { 'app.kubernetes.io/managed-by': manager },
    annotations: {
      [lastWrittenAnnotation]: JSON.stringify(written),
      ...(newCredential && { [credentialChangedAnnotation]: new Date().toISOString() }),
    },
  }
}

/**
 * Where somebody else wrote the password, the time of their last change to the Secret is the best there is; we note
 * our own, because a repair of another key leaves the password alone. Gives whole seconds, because a Pod's age has no
 * finer ones: a Pod that was made right after the change would seem to be older.
 */
function credentialChange({
  annotations,
  creationTimestamp,
  managedFields = [],
}: Metadata): Date | undefined {
  const others = managedFields
    .filter(
      (entry) => entry.manager !== manager && entry.fieldsV1?.['f:data']?.['f:PGPASSWORD'] !== undefined,
    )
    .map(({ time }) => time)
  const times = [creationTimestamp, annotations?.[credentialChangedAnnotation], ...others]
    .map((time) => Date.parse(time ?? ''))
    .filter((time) => !Number.isNaN(time))
  return times.length === 0 ? undefined : new Date(Math.floor(Math.max(...times) / 1_000) * 1_000)
}

function parseLastWritten(annotation: string | undefined): Record<string, string> | undefined {
  try {
    const parsed = JSON.parse(annotation ?? '') as unknown
    if (typeof parsed !== 'object' || parsed === null) return undefined
    return Object.fromEntries(Object.entries(parsed).filter(([, value]) => typeof value === 'string'))
  } catch {
    // Nobody's word on what was written: then every difference counts as made by hand.
    return undefined
  }
}

function version({ status, body }: Answer, ref: string, verb: string): SecretVersion {
  const metadata = (body as SecretObject | null)?.metadata
  if (status === 200 || status === 201) {
    return { uid: metadata?.uid ?? '', resourceVersion: metadata?.resourceVersion ?? '' }
  }
  throw new Failure(
    'secret-write-refused',
    `The API server did not ${verb} Secret ${ref} (${status}): "${statusMessage(body)}".`,
    [
      'A frequent cause is a quota, a policy (an admission webhook), or a namespace that is missing or being deleted.',
      'Once that is put right, run this again: it continues from here.',
    ],
  )
}

const ownerAnnotations: readonly (readonly [key: string, words: string])[] = [
  ['meta.helm.sh/release-name', 'Helm release'],
  ['argocd.argoproj.io/tracking-id', 'Argo CD application'],
  ['sealedsecrets.bitnami.com/managed', 'Sealed Secrets'],
  ['reconcile.external-secrets.io/data-hash', 'External Secrets'],
  ['reflector.v1.k8s.emberstack.com/reflects', 'Reflector, from'],
  ['replicator.v1.mittwald.de/replicate-from', 'Replicator, from'],
  ['replicator.v1.mittwald.de/replicated-from-version', 'Replicator'],
]

const ownerLabels: readonly (readonly [key: string, words: string])[] = [
  ['argocd.argoproj.io/instance', 'Argo CD application'],
  ['kustomize.toolkit.fluxcd.io/name', 'Flux Kustomization'],
  ['helm.toolkit.fluxcd.io/name', 'Flux HelmRelease'],
  ['reconcile.external-secrets.io/managed', 'External Secrets'],
  ['reconcile.external-secrets.io/created-by', 'External Secrets'],
]

/** Marks whose value says nothing to people: `true`, a digest, a version. */
const withoutName = /managed$|created-by$|data-hash$|version$/

/** Gives who keeps an object, in words, by the marks that controllers leave on what they keep. */
function ownerOf({ ownerReferences = [], annotations = {}, labels = {} }: Metadata): string | undefined {
  const reference = ownerReferences.find((owner) => owner.controller === true) ?? ownerReferences[0]
  if (reference !== undefined) return `${oneLine(reference.kind ?? '')} "${oneLine(reference.name ?? '')}"`
  const marked = [
    ...ownerAnnotations.map(([key, words]) => [key, words, annotations[key]] as const),
    ...ownerLabels.map(([key, words]) => [key, words, labels[key]] as const),
  ].find(([, , value]) => value !== undefined)
  if (marked !== undefined) {
    const [key, words, value = ''] = marked
    return withoutName.test(key) ? words : `${words} "${oneLine(value, 120)}"`
  }
  const managedBy = labels['app.kubernetes.io/managed-by']
  return managedBy === undefined || managedBy === manager ? undefined : `"${oneLine(managedBy, 80)}"`
}
