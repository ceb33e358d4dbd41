import { placeholderIn } from '../lib/placeholder.ts'
import { oneLine } from '../lib/text.ts'

type Parsed = { readonly value: string } | { readonly problem: string }

/** Names that PostgreSQL keeps for itself; `pg_` as a beginning is another. */
const reservedNames = ['postgres', 'template0', 'template1', 'public', 'none']

/** Reads Kubernetes names: RFC 1123 labels for namespaces, subdomains for Secrets. */
export function parseName(text: string, namespace: boolean): Parsed {
  const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
  const pattern = new RegExp(namespace ? `^${label}$` : `^${label}(\\.${label})*$`)
  if (pattern.test(text) && text.length <= (namespace ? 63 : 253)) return { value: text }
  return {
    problem: `${shown(text)} is no ${namespace ? 'namespace' : 'name of a Secret'}: lower case letters, digits and "-"${
      namespace ? ', 63 characters at most' : ' or ".", 253 characters at most'
    }`,
  }
}

/**
 * Reads the name of a role or database to be made: 63 bytes (NAMEDATALEN - 1), any characters but NUL. Other control characters are refused too:
 * the name becomes an environment variable of the application, and a line end there is nearly always a mistake.
 */
export function parseIdentifier(text: string): Parsed {
  if (reservedNames.includes(text) || text.startsWith('pg_')) {
    return { problem: `${shown(text)} is reserved by PostgreSQL: choose a name of the application's own` }
  }
  // It would be another name than the one that everybody reads: of a new database, empty, beside the one that was meant.
  if (/^[\p{White_Space}\p{Cf}]|[\p{White_Space}\p{Cf}]$/u.test(text)) {
    return { problem: 'begins or ends with a blank, or with another character that nobody sees' }
  }
  if (text.includes('\uFFFD')) {
    return { problem: `${shown(text)} holds U+FFFD, which stands for bytes that are no UTF-8` }
  }
  return parseExisting(text)
}

/** Reads a name that somebody else has chosen, which may be one of PostgreSQL's own. */
export function parseExisting(text: string): Parsed {
  const bytes = Buffer.byteLength(text)
  if (text.includes('\0')) return { problem: 'holds a NUL character, which no PostgreSQL name may' }
  if (/\p{Cc}/u.test(text)) return { problem: 'holds a control character, such as a line end' }
  if (!text.isWellFormed()) return { problem: 'holds half a character (a lone surrogate)' }
  if (bytes > 63) {
    return {
      problem: `${shown(text)} has ${bytes} bytes in UTF-8; PostgreSQL takes 63 and would cut the rest`,
    }
  }
  // Pipelines leave a variable that they do not know as it is written.
  const placeholder = placeholderIn(text)
  if (placeholder !== undefined) return { problem: `${shown(text)} is ${placeholder.what}` }
  return { value: text }
}

/** Returns what somebody has written, in quotes. */
export function shown(text: string): string {
  return `"${oneLine(text, 80)}"`
}
