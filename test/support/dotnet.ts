/** Reads a connection string as DbConnectionStringBuilder does: quoted values double their quotes. */
export function readDotnet(text: string): Record<string, string> {
  const pair = /([^=;]+)=("(?:[^"]|"")*"|'(?:[^']|'')*'|[^;]*)(?:;|$)/y
  const pairs: [string, string][] = []
  while (pair.lastIndex < text.length) {
    const [, key = '', value = ''] = pair.exec(text) ?? []
    const [quote = ''] = /^["']/.exec(value) ?? []
    pairs.push([
      key.trim(),
      quote === '' ? value.trim() : value.slice(1, -1).replaceAll(quote + quote, quote),
    ])
  }
  return Object.fromEntries(pairs)
}
