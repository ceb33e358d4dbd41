import { placeholderIn } from '../lib/placeholder.ts'

/** What is wrong with a value, to follow the name of its key, and what helps to put it right. */
export interface Unfit {
  readonly problem: string
  readonly hint?: string
}

/** Returns what is wrong with a text that stands where a value was to come; `undefined` for any other. */
export function unfitPlaceholder(value: string): Unfit | undefined {
  const placeholder = placeholderIn(value)
  return placeholder && { problem: `is ${placeholder.what}`, hint: placeholder.from }
}

/** What is said of a value that is base64 of what was meant. */
export const encodedTwice: Unfit = {
  problem: 'was encoded twice',
  hint: 'Text goes under stringData, base64 of it under data: whoever makes the Secret did both.',
}

/** What is said of a character that nobody sees. */
export const unseen = 'holds a character that is not seen, such as a byte order mark'

/**
 * Returns in which other form than the plain one a value is written, to follow the name of its key; `undefined` for a value
 * in none of them. Nothing of it is quoted but the scheme of a URL, since a password may stand behind it.
 *
 * @param wanted what the value was to be
 */
export function foreignForm(value: string, wanted: string): string | undefined {
  if (/^\p{Cf}|\p{Cf}$/u.test(value)) return unseen
  const scheme = /^([a-z][a-z\d+.-]{0,15}(?::[a-z]{2,15})?):\/\//i.exec(value)?.[1]
  if (scheme !== undefined) return `is a URL (${scheme.toLowerCase()}://…), not a ${wanted}`
  if (/(?:^|\s)\w+\s*=/.test(value)) return `is a connection string, not a ${wanted}`
  if (/^(["'`‘’“”]).*["'`‘’“”]$/.test(value)) return 'has quotes around it'
  return /^\s|\s$/.test(value) ? 'has a space around it' : undefined
}
