import { decodedText } from '../lib/encoded-text.ts'

/** What a Secret holds under some keys, as text, and what is wrong with it: one line for each key that is broken. */
export interface DecodedData {
  readonly values: ReadonlyMap<string, string>
  readonly problems: readonly string[]
}

/**
 * Decodes the given keys of a Secret's `data`; one that is absent or empty is neither a value nor a problem.
 * A password is handed to `onPassword` before anything else is done with it, decodable or not.
 *
 * @param passwordKeys which keys hold one
 */
export function decodeData(
  data: Readonly<Record<string, string>> | undefined,
  keys: readonly string[],
  onPassword: (password: string) => void,
  passwordKeys: readonly string[] = ['PGPASSWORD'],
): DecodedData {
  const values = new Map<string, string>()
  const problems: string[] = []
  for (const key of keys) {
    const encoded = data?.[key]
    if (encoded === undefined || encoded === '') continue
    const text = decodedText(encoded)
    if (passwordKeys.includes(key)) onPassword(text ?? encoded)
    if (text === undefined) problems.push(`${key} is not base64 of UTF-8 text`)
    else if (text.includes('\0')) problems.push(`${key} holds a NUL character`)
    else values.set(key, text)
  }
  return { values, problems }
}
