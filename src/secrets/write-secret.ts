import type { Api } from '../kubernetes/api.ts'
import { corePath, type Answer } from '../kubernetes/call.ts'
import { statusMessage } from '../kubernetes/heard.ts'
import type { Metadata, SecretObject } from '../kubernetes/objects.ts'
import { Failure } from '../lib/failure.ts'
import { input } from '../lib/spelling.ts'
import type { ApplicationSecret, ApplicationValues } from './application-secret.ts'
import { bindingType, type BindingKey, type BindingSecret, type BindingValues } from './binding.ts'
import { bindingMark, marks, record } from './secret-marks.ts'

type Values = Readonly<Partial<Record<string, string>>>

/** What writes a Secret: an API server, or a rehearsal of it. */
export type Writer = Pick<Api, 'get' | 'request'>

/** A version of a Secret in the cluster. */
export interface SecretVersion {
  readonly uid: string
  readonly resourceVersion: string
}

/**
 * Returns a writer whose writes the API server checks as any other, with its quotas and its policies, and does not keep.
 * A policy that cannot be asked without being done counts as one that allows it.
 * Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run
 */
export function rehearsing(api: Pick<Writer, 'request'>): Writer {
  return {
    // Whose work a conflict is with matters to a write alone.
    get: () => Promise.resolve(undefined),
    request: async (call) => {
      const answer = await api.request({ ...call, path: `${call.path}?dryRun=All` })
      const unasked = answer.status === 400 && statusMessage(answer.body).includes('does not support dry run')
      return unasked ? { status: 200, body: null } : answer
    },
  }
}

/**
 * Creates the Secret; `conflict` where somebody else has done so meanwhile.
 *
 * @param binding the name of the service binding that is made of it, if one is
 * @throws Failure `secret-write-refused`
 */
export function createApplicationSecret(
  api: Writer,
  namespace: string,
  name: string,
  values: ApplicationValues,
  binding?: string,
): Promise<SecretVersion | 'conflict'> {
  return create(api, { name, namespace, ...marks(record(values), false, binding) }, 'Opaque', values)
}

/**
 * Creates a service binding; `conflict` where somebody else has done so meanwhile.
 *
 * @throws Failure `secret-write-refused`
 */
export function createBinding(
  api: Writer,
  namespace: string,
  name: string,
  values: BindingValues,
): Promise<SecretVersion | 'conflict'> {
  return create(api, { name, namespace, ...marks({}) }, bindingType, values)
}

async function create(
  api: Writer,
  metadata: Metadata & { readonly name: string; readonly namespace: string },
  type: string,
  values: Values,
): Promise<SecretVersion | 'conflict'> {
  const { namespace, name } = metadata
  const answer = await api.request({
    method: 'POST',
    path: corePath(namespace, 'secrets'),
    body: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata,
      type,
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
 * @param binding the name of the service binding that is made of it, if one is
 * @throws Failure `secret-write-refused`
 */
export function repairApplicationSecret(
  api: Writer,
  current: ApplicationSecret,
  values: ApplicationValues,
  binding?: string,
): Promise<SecretVersion | 'conflict'> {
  const recorded = { ...current.lastWritten, ...record(values) }
  return repair(api, current, marks(recorded, values.PGPASSWORD !== undefined, binding), values)
}

/**
 * Notes in an application Secret that was read, and that holds all it should, which service binding is made of it.
 *
 * @throws Failure `secret-write-refused`
 */
export function noteBinding(
  api: Writer,
  current: ApplicationSecret,
  binding: string,
): Promise<SecretVersion | 'conflict'> {
  return repair(api, current, { annotations: bindingMark(binding) }, {})
}

/**
 * Writes the given keys into the service binding that was read, as `repairApplicationSecret` does, and takes others out.
 *
 * @throws Failure `secret-write-refused`
 */
export function repairBinding(
  api: Writer,
  current: BindingSecret,
  values: BindingValues,
  stale: readonly BindingKey[],
): Promise<SecretVersion | 'conflict'> {
  return repair(api, current, marks({}), values, stale)
}

async function repair(
  api: Writer,
  { namespace, name, uid, resourceVersion, values: found }: ApplicationSecret | BindingSecret,
  written: Metadata,
  values: Values,
  stale: readonly string[] = [],
): Promise<SecretVersion | 'conflict'> {
  const answer = await api.request({
    method: 'PATCH',
    path: corePath(namespace, 'secrets', name),
    contentType: 'application/merge-patch+json',
    body: {
      metadata: { uid, resourceVersion, ...written },
      data: { ...encoded(values), ...Object.fromEntries(stale.map((key) => [key, null])) },
    },
  })
  if (answer.status === 404) return 'conflict'
  if (answer.status === 409)
    return await ownWork(api, namespace, name, { ...without(found, stale), ...values })
  return version(answer, `${namespace}/${name}`, 'patch')
}

function without(values: Values, keys: readonly string[]): Values {
  return Object.fromEntries(Object.entries(values).filter(([key]) => !keys.includes(key)))
}

/** A write that was sent again because its connection broke meets a conflict with itself: all is as it was to become. */
async function ownWork(
  api: Writer,
  namespace: string,
  name: string,
  values: Values,
): Promise<SecretVersion | 'conflict'> {
  const secret = (await api.get(corePath(namespace, 'secrets', name))) as SecretObject | undefined
  const { uid = '', resourceVersion = '' } = secret?.metadata ?? {}
  const own = Object.entries(encoded(values)).every(([key, value]) => secret?.data?.[key] === value)
  return own ? { uid, resourceVersion } : 'conflict'
}

function encoded(values: Values): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value = '']) => [key, Buffer.from(value).toString('base64')]),
  )
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
      // Nothing but a namespace can be missing: a Secret that was to be patched and is gone is a conflict.
      status === 404
        ? `The namespace does not exist: check ${input('app-namespace')}, or create the namespace.`
        : 'A frequent cause is a quota, a policy (an admission webhook), or a namespace that is being deleted.',
      'Once that is put right, run this again: it continues from here.',
    ],
  )
}
