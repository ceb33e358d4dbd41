import { looksMadeAtRandom } from './made-at-random.ts'

/** The longest name that a file system takes: what is longer is no path, and may be a credential. */
const longestName = 255

/**
 * Says whether a text that was to be the path of a file may be shown: people also put there what belongs into the file, a
 * token or a key.
 */
export function looksLikePath(text: string): boolean {
  const names = text.split(/[/\\]/)
  if (/[\r\n]/.test(text) || names.some((name) => name.length > longestName)) return false
  if (/^(?:~?\/|\.{1,2}[/\\]|[a-z]:[/\\]|\\\\)/i.test(text)) return true
  return names.every((name) => /^[\w .-]+$/.test(name) && !looksMadeAtRandom(name))
}
