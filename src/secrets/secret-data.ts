/** What a Secret holds under some keys, as text, and what is wrong with it: one line for each key that is broken. */
export interface DecodedData {
  readonly values: ReadonlyMap<string, string>
  readonly problems: readonly string[]
}

/**
 * Decodes the given keys of a Secret's `data`; one that is absent or empty is neither a value nor a problem.
 * A password is handed to `onPassword` before anything else is done with it, decodable or not.
 */
export function decodeData(
  data: Readonly<Record<string, string>> | undefined,
  keys: readonly string[],
  onPassword: (password: string) => void,
): DecodedData {
  const values = new Map<string, string>()
  const problems: string[] = []
  for (const key of keys) {
    const encoded = data?.[key]
    if (encoded === undefined || encoded === '') continue
    const text = decoded(encoded)
    if (key === 'PGPASSWORD') onPassword(text ?? encoded)
    if (text === undefined) problems.push(`${key} is not base64 of UTF-8 text`)
    else if (text.includes('\0')) problems.push(`${key} holds a NUL character`)
    else values.set(key, text)
  }
  return { values, problems }
}

/** Gives the text behind base64 (RFC 4648), `undefined` where it is none or not UTF-8. */
function decoded(encoded: string): string | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(encoded)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(encoded, 'base64'))
  } catch {
    return undefined
  }
}
