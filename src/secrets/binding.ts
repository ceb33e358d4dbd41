import { createHash } from 'node:crypto'
import type { Api } from '../kubernetes/api.ts'
import { ask } from '../kubernetes/ask.ts'
import { corePath } from '../kubernetes/call.ts'
import type { SecretObject } from '../kubernetes/objects.ts'
import { manager, ownerOf } from '../kubernetes/owner.ts'
import { Failure } from '../lib/failure.ts'
import { input } from '../lib/spelling.ts'
import { oneLine, sentence, urlPasswords } from '../lib/text.ts'
import type { ApplicationSecret, ApplicationValues } from './application-secret.ts'
import { formats, type FormatName } from './formats.ts'
import { credentialOf } from './plan-secret.ts'
import { beingDeleted } from './deletion.ts'
import { lastWrittenOf } from './secret-marks.ts'

/** The type of a Secret that is a service binding. A Secret's type cannot be changed, so that it is one of its own. */
export const bindingType = 'servicebinding.io/postgresql'

/**
 * The keys of a service binding that can be ours; all others are left alone. `sslrootcert` is none of them, because some
 * libraries read a path there and others a name beside it.
 * Source: https://servicebinding.io/spec/core/1.1.0/#well-known-secret-entries
 */
const bindingKeys = [
  'type',
  'provider',
  'host',
  'port',
  'database',
  'username',
  'password',
  'sslmode',
  'uri',
  'certificates',
] as const
export type BindingKey = (typeof bindingKeys)[number]
export type BindingValues = Readonly<Partial<Record<BindingKey, string>>>

/** A service binding as it was found. */
export interface BindingSecret {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly type: string
  readonly immutable: boolean
  /** Whether it is being deleted, and only finalizers keep it for now. */
  readonly deleting?: boolean
  /** Whether this tool made it. */
  readonly ours: boolean
  /** Which other controller keeps it, in words. */
  readonly owner: string | undefined
  readonly values: BindingValues
}

/** What is to be done with a service binding. */
export type BindingPlan =
  | { readonly kind: 'create'; readonly values: BindingValues }
  | {
      readonly kind: 'repair'
      /** The keys to write, and nothing else. */
      readonly values: BindingValues
      /** Keys of ours that nothing stands for any more. */
      readonly stale: readonly BindingKey[]
    }
  | { readonly kind: 'keep' }

const suffix = '-binding'

/** The longest name of a Secret. Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ */
const longest = 253

/**
 * Returns the name of the service binding beside an application Secret, where one is asked for. What leaves no room for the
 * ending is cut, with a hash that keeps two from becoming one.
 */
export function bindingName(appSecret: string, names: readonly FormatName[]): string | undefined {
  if (!names.includes('servicebinding')) return undefined
  if (appSecret.length + suffix.length <= longest) return `${appSecret}${suffix}`
  const hash = createHash('sha256').update(appSecret).digest('hex').slice(0, 8)
  const room = longest - suffix.length - hash.length - 1
  return `${appSecret.slice(0, room).replace(/[-.]+$/, '')}-${hash}${suffix}`
}

/** Returns the service binding of this name, `undefined` where there is none. Its credentials are masked at once. */
export async function readBinding(
  api: Api,
  namespace: string,
  name: string,
  mask: (credential: string) => void,
): Promise<BindingSecret | undefined> {
  const secret = (await api.get(corePath(namespace, 'secrets', name))) as SecretObject | undefined
  if (secret === undefined) return undefined
  const values: BindingValues = Object.fromEntries(
    bindingKeys.flatMap((key) => {
      const value = secret.data?.[key]
      return value === undefined ? [] : [[key, Buffer.from(value, 'base64').toString()]]
    }),
  )
  for (const credential of credentialsOf(values)) mask(credential)
  const metadata = secret.metadata ?? {}
  return {
    namespace,
    name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    type: secret.type ?? 'Opaque',
    immutable: secret.immutable === true,
    ...(metadata.deletionTimestamp !== undefined && { deleting: true }),
    ours: isOurs(secret),
    owner: ownerOf(metadata),
    values,
  }
}

function isOurs({ metadata = {} }: SecretObject): boolean {
  return (
    metadata.labels?.['app.kubernetes.io/managed-by'] === manager && lastWrittenOf(metadata) !== undefined
  )
}

/**
 * Returns what people should know about a service binding that a run made and that nobody asks for any more; nothing where it
 * is gone. To look for it is no right that a run needs: without it, nobody knows.
 */
export async function noteOnLeft(
  api: Api,
  { namespace, binding: name }: ApplicationSecret,
): Promise<string | undefined> {
  if (name === undefined) return undefined
  const left = await lookForLeft(api, namespace, name)
  if (left === 'gone') return undefined
  return `Secret ${namespace}/${oneLine(name)}, the service binding, ${left} and is no longer kept up to date: ${input('secret-format')} no longer asks for it; once nothing uses it: kubectl -n ${namespace} delete secret ${oneLine(name)}`
}

async function lookForLeft(
  api: Api,
  namespace: string,
  name: string,
): Promise<'stays' | 'may still be there' | 'gone'> {
  const right = { namespace, verb: 'get', group: '', resource: 'secrets', name, purpose: 'a note' }
  const { body, unread } = await ask<SecretObject>(api, corePath(namespace, 'secrets', name), right)
  if (unread !== undefined) return 'may still be there'
  // Another Secret may be in its place since, which nobody should delete for this: an application Secret of ours too.
  const itself = body !== undefined && isOurs(body) && body.type === bindingType
  return itself && body.metadata?.deletionTimestamp === undefined ? 'stays' : 'gone'
}

/** Returns every credential in a service binding. */
export function credentialsOf({ password, uri }: BindingValues): readonly string[] {
  return [password, uri, ...(uri === undefined ? [] : urlPasswords(uri))].filter(
    (each) => each !== undefined && each !== '',
  ) as readonly string[]
}

/** Returns what a service binding says about a login. Where it gets mounted is not known, so that its URL names no file. */
export function bindingValues(login: ApplicationValues): BindingValues {
  const credential = credentialOf(login)
  if (credential === undefined) return {}
  const { host, port, user, password, database, sslMode } = credential
  const { DATABASE_URL: uri = '' } = formats.url.write({ ...credential, ca: 'system' })
  const ca = login['ca.crt']
  return {
    type: 'postgresql',
    provider: manager,
    host,
    port,
    database,
    username: user,
    password,
    sslmode: sslMode,
    uri,
    ...(ca !== undefined && { certificates: ca }),
  }
}

/**
 * Returns what a service binding needs, or the Failure that says why it may not have it: `secret-managed-elsewhere` or
 * `secret-immutable`.
 */
export function planBinding(
  current: BindingSecret | undefined,
  ref: string,
  values: BindingValues,
): BindingPlan | Failure {
  if (current === undefined) return { kind: 'create', values }
  if (!current.ours || current.owner !== undefined) {
    const whose = current.owner === undefined ? 'was not made by this tool' : `is managed by ${current.owner}`
    return new Failure(
      'secret-managed-elsewhere',
      `Secret ${ref} is where the service binding of this run belongs, and it ${whose}.`,
      [
        `Take servicebinding out of ${input('secret-format')}, or give this run another ${input('app-secret')}: the binding is called after it.`,
        'If nobody needs that Secret, delete it; it is then created again.',
      ],
    )
  }
  if (current.type !== bindingType) {
    return new Failure(
      'secret-managed-elsewhere',
      `Secret ${ref} is where the service binding of this run belongs, and its type is "${oneLine(current.type, 80)}".`,
      [
        'The type of a Secret cannot be changed. A frequent cause is another run whose application Secret has this name.',
        `Give this run another ${input('app-secret')}, or delete that Secret if nobody needs it; it is then created again.`,
      ],
    )
  }
  const differing = bindingKeys.filter(
    (key) => values[key] !== undefined && values[key] !== current.values[key],
  )
  const stale = bindingKeys.filter((key) => values[key] === undefined && current.values[key] !== undefined)
  const changing = [...differing, ...stale]
  if (changing.length === 0) return { kind: 'keep' }
  if (current.deleting === true) return beingDeleted(current, changing)
  if (current.immutable) {
    return new Failure(
      'secret-immutable',
      `${ref} would need a change of ${sentence(changing)}, and it is immutable.`,
      ['Delete it when its applications allow it: everything in it is then created again.'],
    )
  }
  return {
    kind: 'repair',
    values: Object.fromEntries(differing.map((key) => [key, values[key]])),
    stale,
  }
}

/** Returns the keys that a plan changes, in their order. */
export function keysOf(plan: BindingPlan): readonly BindingKey[] {
  if (plan.kind === 'keep') return []
  const stale = plan.kind === 'repair' ? plan.stale : []
  return bindingKeys.filter((key) => key in plan.values || stale.includes(key))
}
