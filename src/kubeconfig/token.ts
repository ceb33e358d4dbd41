/**
 * Returns what keeps a token from going into a header, to follow "it"; `undefined` where nothing does. Whatever else a
 * token holds is for the API server to judge.
 */
export function tokenProblem(token: string): string | undefined {
  if (/^bearer\s/i.test(token)) return 'begins with the word Bearer, which belongs to the header'
  if (/^(["']).*\1$/s.test(token)) return 'stands in quotes of its own'
  const [other] = /[^\x21-\x7e]/u.exec(token) ?? []
  if (other === undefined) return undefined
  if (/[\r\n]/.test(other)) return 'has several lines, which no header takes'
  if (other === ' ') return 'holds a blank, and no token does'
  const code = (other.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  return `holds the character U+${code}, and a header takes printable ASCII only`
}
