import { looksMadeAtRandom } from '../lib/made-at-random.ts'
import { type Unfit, unfitPlaceholder } from './unfit.ts'

/**
 * Returns the name of the Service that a text names as kubectl takes it, absent where it names none. Kubernetes 1.34 lets the
 * name of a Service begin with a digit (KEP-5311).
 */
export function serviceOf(text: string): string | undefined {
  return /^(?:(?:svc|service)\/)?([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)$/.exec(text)?.[1]
}

/** Returns what is wrong with a text where the name of a Service was to come. */
export function unfitService(value: string): Unfit | undefined {
  if (serviceOf(value) !== undefined) return undefined
  const placeholder = unfitPlaceholder(value)
  if (placeholder !== undefined) return placeholder
  const quotable = /^(?:[a-z]+\/|\.\.\/)?[\w.:-]{1,80}$/i.test(value) && !looksMadeAtRandom(value)
  return { problem: `is ${quotable ? `"${value}", which is ` : ''}neither a Service's name nor svc/name` }
}
