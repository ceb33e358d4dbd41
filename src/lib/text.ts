/**
 * Returns foreign text (from the cluster, the server, a file) as one printable line: control characters and line
 * ends become spaces, and everything beyond `limit` characters is cut.
 */
export function oneLine(text: string, limit = 300): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ').trim()
  // A cut may go through a character that takes two places.
  return line.length > limit ? `${line.slice(0, limit - 1).replace(/[\ud800-\udbff]$/, '')}…` : line
}

/** Returns the password of a URL, as it is written and as it is meant; nothing where the text holds none. */
export function* urlPasswords(text: string | undefined): Generator<string> {
  // As the pattern of redaction has it: everything up to the last "@" before the host ends.
  const [, password = ''] =
    /^\s*(?:[a-z][a-z\d+.-]*:\/\/)?[^\s/?#\\:]*:([^\s/?#\\]*)@/i.exec(text ?? '') ?? []
  if (password === '') return
  yield password
  try {
    yield decodeURIComponent(password)
  } catch {
    // A stray percent sign: the password is what is written.
  }
}

/** Returns the items as a sentence part: `a`, `a and b`, `a, b and c`. */
export function sentence(items: readonly string[], word = 'and'): string {
  if (items.length < 2) return items.join('')
  return `${items.slice(0, -1).join(', ')} ${word} ${items.at(-1) ?? ''}`
}

/** Returns a text that begins with a capital letter. */
export function capitalized(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}

/** Returns a name as YAML takes it in the place of a value: in quotes, where it could mean something else. */
export function yamlText(name: string): string {
  const plain = /^[a-z_][\w-]*$/i.test(name) && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(name)
  return plain ? name : JSON.stringify(name)
}

/** Returns a number as people read it: `100,000`. */
export function figure(amount: number): string {
  return amount.toLocaleString('en-US')
}

/** Returns the count with its noun: `1 right`, `3 rights`. */
export function count(amount: number, noun: string): string {
  return `${amount} ${numbered(noun, amount)}`
}

/** Returns the noun in the number of the amount: `role`, `roles`. */
export function numbered(noun: string, amount: number): string {
  return amount === 1 ? noun : `${noun}s`
}

/** Returns a name as a code span of markdown, with a fence longer than any in it. */
export function codeSpan(name: string): string {
  const fence = '`'.repeat(longestFence(name) + 1)
  const space = name.startsWith('`') || name.endsWith('`') ? ' ' : ''
  return `${fence}${space}${name}${space}${fence}`
}

/** Returns the length of the longest run of backticks. */
export function longestFence(text: string): number {
  return Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length))
}

/** Returns a duration as people read it: `0.41 s`. */
export function formatSeconds(seconds: number): string {
  return `${seconds.toFixed(2)} s`
}

/** Returns an instant as people read it: `2026-11-22 14:03:11 UTC`. */
export function utc(instant: Date): string {
  return `${instant.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** Returns a fingerprint as it is compared: hex digits in lower case, without colons. */
export function plainFingerprint(text: string): string {
  return text.replaceAll(':', '').toLowerCase()
}
