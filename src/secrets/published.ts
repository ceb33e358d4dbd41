import { Failure } from '../lib/failure.ts'
import { input } from '../lib/spelling.ts'
import { capitalized, sentence } from '../lib/text.ts'
import { isSslMode, type SslMode } from '../postgres/sslmode.ts'
import type { ApplicationValues } from './application-secret.ts'
import type { WantedSecret } from './plan-secret.ts'
import { unfitValue } from './value.ts'

/** What the login that is proven depends on, and what every client reads. */
const needed = ['PGPORT', 'PGSSLMODE', 'ca.crt'] as const
const hosts = ['PGHOST', 'PGHOST_REPLICA'] as const

/** What applications are going to get, where it can be used. */
export interface Published {
  readonly sslMode: SslMode
  /** What was set by hand, cannot be right, and is not read by every application. */
  readonly notes: readonly string[]
}

/**
 * Judges what the application Secret is going to hold, values that were set by hand and stay included: what no client could
 * use is not published.
 *
 * @param accessSecret where the host comes from, as `namespace/name`
 * @throws Failure `secret-invalid` for what was set by hand; `access-secret-invalid` for a host that the mode cannot compare
 *   with a certificate
 */
export function judgePublished(
  values: ApplicationValues,
  wanted: WantedSecret,
  accessSecret: string,
): Published {
  const ref = `${wanted.namespace}/${wanted.name}`
  const sslMode = values.PGSSLMODE ?? ''
  const unfit = needed.flatMap((key) => {
    const value = values[key]
    const found = value === undefined ? undefined : unfitValue(key, value)
    return found === undefined ? [] : [{ key, ...found }]
  })
  if (unfit.length > 0 || !isSslMode(sslMode)) {
    const hints = unfit.flatMap(({ hint }) => hint ?? [])
    throw new Failure(
      'secret-invalid',
      `The application Secret ${ref} cannot be used: ${unfit.map(({ key, problem }) => `${key} ${problem}`).join('; ')}.`,
      [
        ...new Set(hints),
        `${sentence(unfit.map(({ key }) => key))} ${unfit.length === 1 ? 'was' : 'were'} set by hand. Correct or remove what is named: what is missing is filled in.`,
        ...(isSslMode(sslMode)
          ? []
          : [`${capitalized(input('app-sslmode'))} wins over what was set by hand.`]),
      ],
    )
  }
  const dotted = sslMode === 'verify-full' ? hosts.filter((key) => /\.(?:,|$)/.test(values[key] ?? '')) : []
  const [first] = dotted.filter((key) => values[key] === wanted.values[key])
  if (first !== undefined) {
    throw new Failure(
      'access-secret-invalid',
      `The access Secret ${accessSecret} cannot be used with sslmode verify-full: ${first} ends with a dot.`,
      [
        'libpq compares the host with the names in the certificate as it is written, and none of them ends with a dot.',
        `Ask the administrator to take the dot away, or set ${input('app-sslmode')} to verify-ca.`,
      ],
    )
  }
  const replica = unfitValue('PGHOST_REPLICA', values.PGHOST_REPLICA ?? 'none')
  const problem = dotted.length > 0 ? 'ends with a dot, which verify-full cannot compare' : replica?.problem
  return {
    sslMode,
    notes:
      problem === undefined
        ? []
        : [`PGHOST_REPLICA of ${ref} ${problem}; it was set by hand and stays: correct or remove it`],
  }
}
