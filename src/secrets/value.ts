import { encodedBefore } from '../lib/encoded-text.ts'
import { isSslMode, sslModes } from '../postgres/sslmode.ts'
import { unfitHost } from './host.ts'
import { certificatesOf } from './pem.ts'
import { encodedTwice, foreignForm, type Unfit, unfitPlaceholder } from './unfit.ts'

/** The keys whose values have one form wherever they stand, in the access Secret and in the application's. */
export type CheckedKey = 'PGHOST' | 'PGPORT' | 'PGSSLMODE' | 'PGHOST_REPLICA' | 'ca.crt'

/**
 * Returns what is wrong with a value that applications get or that leads to PostgreSQL. Of an unfit one nothing is quoted
 * that may be a credential, because people put values under the wrong key.
 */
export function unfitValue(key: CheckedKey, value: string): Unfit | undefined {
  switch (key) {
    case 'PGHOST':
    case 'PGHOST_REPLICA':
      return unfitHost(value)
    case 'PGPORT':
      return isPort(value) ? undefined : (common(value, isPort) ?? { problem: portProblem(value) })
    case 'PGSSLMODE':
      return isSslMode(value) ? undefined : (common(value, isSslMode) ?? { problem: modeProblem(value) })
    case 'ca.crt':
      return certificatesOf(value) === undefined
        ? (common(value, (text) => text.includes('-----BEGIN')) ?? {
            problem: 'holds no certificate in PEM',
          })
        : undefined
  }
}

/** Says whether a text is the number of a port. */
function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535
}

/** What a value of any kind may be instead. */
function common(value: string, isMeant: (text: string) => boolean): Unfit | undefined {
  const placeholder = unfitPlaceholder(value)
  if (placeholder !== undefined) return placeholder
  return isMeant(encodedBefore(value) ?? '') ? encodedTwice : undefined
}

function portProblem(value: string): string {
  if (/^[\d.,:-]{1,20}$/.test(value) || value.length <= 3) return `is "${value}", which is no port`
  return foreignForm(value, 'port') ?? 'is no port'
}

function modeProblem(value: string): string {
  const none = `is none of ${sslModes.join(', ')}`
  const word = /^(?:\w{1,5}|(?:verify|require|prefer|allow|disable|enable|no)[\w-]{0,8})$/i.test(value)
  if (word) return `is "${value}", which ${none}`
  const form = foreignForm(value, 'word')
  return form === undefined ? none : `${form}: it ${none}`
}
