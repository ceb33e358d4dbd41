import { ignorable, leftToRight, prohibited, rightToLeft, spaces, unassigned } from './stringprep.ts'

/**
 * Returns a password as SASLprep (RFC 4013) has it, nothing where that forbids it, as PostgreSQL and libpq judge: they look
 * for what is forbidden after mapping and before normalising, where the RFC looks afterwards.
 *
 * Source: src/common/saslprep.c
 */
export function saslprep(password: string): string | undefined {
  const mapped = mappedFrom(password)
  const characters = Array.from(mapped)
  if (characters.length === 0 || prohibited.test(mapped) || unassigned.test(mapped)) return undefined
  const ends = [characters[0] ?? '', characters.at(-1) ?? '']
  const mixed = leftToRight.test(mapped) || !ends.every((character) => rightToLeft.test(character))
  if (rightToLeft.test(mapped) && mixed) return undefined
  return mapped.normalize('NFKC')
}

/** Returns what drivers make of a password that do not look for what is forbidden, node-postgres among them. */
export function unjudged(password: string): string {
  return mappedFrom(password).normalize('NFKC')
}

/** A zero-width space is in both tables, and a space comes first. */
function mappedFrom(password: string): string {
  return Array.from(password, (character) => {
    if (spaces.test(character)) return ' '
    return ignorable.test(character) ? '' : character
  }).join('')
}
