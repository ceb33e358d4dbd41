/**
 * Returns the YAML or JSON that a value holds, as it is or in base64, if it is the content of a kubeconfig or is meant to
 * be; `undefined` for anything else, such as a path. The one place that tells content from paths: by what it is, before
 * any file system is asked, on which a file may be called like the beginning of a content.
 */
export function kubeconfigText(value: string): string | undefined {
  return [value, fromBase64(value)].find(
    (text) => /^\s*["']?(clusters|contexts|users)["']?\s*:/m.test(text) || text.trimStart().startsWith('{'),
  )
}

/** Returns what a text is base64 of, empty where it is none. */
export function fromBase64(content: string): string {
  const packed = content.replace(/\s+/g, '')
  return /^[A-Za-z0-9+/_-]{40,}={0,2}$/.test(packed) ? textOf(Buffer.from(packed, 'base64')) : ''
}

/**
 * Returns the text of a file, in the encoding that its byte order mark says (YAML 1.2, 5.2): PowerShell 5 writes UTF-16
 * where output is redirected, and base64 made in it has no mark.
 */
export function textOf(bytes: Buffer): string {
  const [first, second] = bytes
  const bigEndian = first === 0xfe && second === 0xff
  const littleEndian = (first === 0xff && second === 0xfe) || (first !== 0 && second === 0)
  return new TextDecoder(bigEndian ? 'utf-16be' : littleEndian ? 'utf-16le' : 'utf-8').decode(bytes)
}
