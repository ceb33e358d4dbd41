import { closest, distance } from 'fastest-levenshtein'

/** Returns the known word that somebody may have meant by one that is not known; nothing where none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined
  const found = closest(word, known)
  // Every short word is close to every other one, so half of it has to be right.
  return distance(word, found) <= Math.min(3, found.length / 2) ? found : undefined
}

/** Returns the question whether it was meant, to follow a problem: ` (did you mean require?)`; empty where none is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  const found = nearest(word, known)
  return found === undefined ? '' : ` (did you mean ${found}?)`
}
