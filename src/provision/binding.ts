import type { ProvisionRequest } from '../input/request.ts'
import { Failure } from '../lib/failure.ts'
import type { ApplicationValues } from '../secrets/application-secret.ts'
import {
  bindingName,
  bindingValues,
  credentialsOf,
  planBinding,
  type BindingPlan,
  type BindingSecret,
} from '../secrets/binding.ts'

/**
 * Returns what is to be done with the service binding of a run, `undefined` where none is asked for.
 *
 * @param published what the application Secret is going to hold
 * @throws Failure `secret-managed-elsewhere`, `secret-immutable`
 */
export function bindingPlan(
  { appSecret, secretFormats }: ProvisionRequest,
  namespace: string,
  current: BindingSecret | undefined,
  published: ApplicationValues,
  mask: (credential: string) => void,
): BindingPlan | undefined {
  const name = bindingName(appSecret, secretFormats)
  if (name === undefined) return undefined
  const values = bindingValues(published)
  for (const credential of credentialsOf(values)) mask(credential)
  const planned = planBinding(current, `${namespace}/${name}`, values)
  if (planned instanceof Failure) throw planned
  return planned
}
