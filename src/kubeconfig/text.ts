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
  return /^[A-Za-z0-9+/_-]{40,}={0,2}$/.test(packed) ? Buffer.from(packed, 'base64').toString() : ''
}
