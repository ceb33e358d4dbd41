import type { Api } from '../kubernetes/api.ts'
import { allOf } from '../lib/under-way.ts'
import type { ApplicationSecret } from './application-secret.ts'
import type { BindingPlan, BindingSecret } from './binding.ts'
import type { SecretPlan } from './plan-secret.ts'
import {
  createApplicationSecret,
  createBinding,
  noteBinding,
  rehearsing,
  repairApplicationSecret,
  repairBinding,
  type SecretVersion,
  type Writer,
} from './write-secret.ts'

/** Where a run writes. */
export interface Place {
  readonly namespace: string
  /** The application Secret. */
  readonly name: string
  /** The service binding beside it, where one is asked for. */
  readonly binding?: string | undefined
}

/** What was found there, and what is to become of it. */
export interface Publication {
  readonly secret: ApplicationSecret | undefined
  readonly secretPlan: SecretPlan
  readonly binding: BindingSecret | undefined
  readonly bindingPlan: BindingPlan | undefined
}

/** What a write came to: the version that is there now, `kept` where there was nothing to write. */
type Written = SecretVersion | 'conflict' | 'kept'

/**
 * Writes the application Secret as planned. Returns `conflict` where it was changed or deleted after it was read.
 *
 * @throws Failure `secret-write-refused`
 */
export async function publishSecret(
  api: Writer,
  { namespace, name, binding }: Place,
  { secret, secretPlan }: Publication,
): Promise<Written> {
  if (secretPlan.kind === 'keep') return 'kept'
  return secret === undefined
    ? await createApplicationSecret(api, namespace, name, secretPlan.values, binding)
    : await repairApplicationSecret(api, secret, secretPlan.values, binding)
}

/**
 * Notes a service binding in an application Secret that is otherwise as it should be. Returns `conflict` where that was
 * changed or deleted after it was read.
 *
 * @throws Failure `secret-write-refused`
 */
export async function publishNote(
  api: Writer,
  { binding }: Place,
  { secret, secretPlan, bindingPlan }: Publication,
): Promise<Written> {
  if (bindingPlan === undefined || bindingPlan.kind === 'keep') return 'kept'
  if (secret === undefined || secretPlan.kind !== 'keep') return 'kept'
  // Whoever else keeps the application Secret would take the note out again.
  if (binding === undefined || secret.owner !== undefined || secret.binding === binding) return 'kept'
  return await noteBinding(api, secret, binding)
}

/**
 * Writes the service binding as planned. Returns `conflict` where it was changed or deleted after it was read.
 *
 * @throws Failure `secret-write-refused`
 */
export async function publishBinding(
  api: Writer,
  { namespace, binding: name }: Place,
  { binding, bindingPlan }: Publication,
): Promise<Written> {
  if (name === undefined || bindingPlan === undefined || bindingPlan.kind === 'keep') return 'kept'
  return binding === undefined || bindingPlan.kind === 'create'
    ? await createBinding(api, namespace, name, bindingPlan.values)
    : await repairBinding(api, binding, bindingPlan.values, bindingPlan.stale)
}

/**
 * Asks the API server whether it would let all of that be written, and writes nothing. What was changed meanwhile is no
 * reason against it: it is read again before it is written.
 *
 * @throws Failure `secret-write-refused`
 */
export async function rehearsePublication(api: Api, place: Place, publication: Publication): Promise<void> {
  const writer = rehearsing(api)
  await allOf(
    publishSecret(writer, place, publication),
    publishNote(writer, place, publication),
    publishBinding(writer, place, publication),
  )
}
