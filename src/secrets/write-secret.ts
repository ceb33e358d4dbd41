import type { Api } from '../kubernetes/api.ts'
import { corePath, type Answer } from '../kubernetes/call.ts'
import { statusMessage } from '../kubernetes/heard.ts'
import type { SecretObject } from '../kubernetes/objects.ts'
import { Failure } from '../lib/failure.ts'
import type { ApplicationSecret, ApplicationValues } from './application-secret.ts'
import { marks, record } from './secret-marks.ts'

/** A version of a Secret in the cluster. */
export interface SecretVersion {
  readonly uid: string
  readonly resourceVersion: string
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

function encoded(values: ApplicationValues): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
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
      'A frequent cause is a quota, a policy (an admission webhook), or a namespace that is missing or being deleted.',
      'Once that is put right, run this again: it continues from here.',
    ],
  )
}
