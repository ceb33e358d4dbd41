/**
 * Returns the text behind base64 (RFC 4648), `undefined` where that is none or not UTF-8. A byte order mark stays in the
 * text, so that it is seen.
 */
export function decodedText(encoded: string): string | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(encoded)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(encoded, 'base64'))
  } catch {
    return undefined
  }
}

/**
 * Returns the text that a value was before somebody encoded it once more than needed. Short words are base64 of something
 * by chance, and hardly any longer one of nothing but printable ASCII.
 */
export function encodedBefore(value: string): string | undefined {
  if (value.length < 8) return undefined
  const text = decodedText(value.trim())?.replace(/\r?\n$/, '')
  return text !== undefined && /^[\x20-\x7e]+$/.test(text) ? text : undefined
}
