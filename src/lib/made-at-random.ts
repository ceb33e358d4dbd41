/**
 * Says whether a text is rather a password than a name: names are words, and neither have all kinds of characters nor
 * change between letters and digits all the time.
 */
export function looksMadeAtRandom(text: string): boolean {
  if (/\s/.test(text) || text.length < 10) return false
  const changes = text.match(/[a-z](?=\d)|\d(?=[a-z])/gi)?.length ?? 0
  return changes >= 4 || (/[a-z]/.test(text) && /[A-Z]/.test(text) && /\d/.test(text))
}
