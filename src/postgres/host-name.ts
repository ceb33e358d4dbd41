import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { PeerCertificate } from 'node:tls'

/**
 * Says whether a certificate is one of this host, as libpq compares the two (15 and later, which know addresses). Node.js has
 * rules of its own: a dot at the end counts for nothing there, a `*` may stand for a part of a name, an address is never a
 * name, and common names count in other cases.
 *
 * Sources: src/interfaces/libpq/fe-secure-openssl.c, fe-secure-common.c
 */
export function isCertificateOf(certificate: PeerCertificate, host: string): boolean {
  const names = alternativeNames(certificate.subjectaltname ?? '')
  // Made to be read in two ways: libpq goes no further.
  if (names.some(({ name }) => name.includes('\0'))) return false
  const isNamed = names.some(({ type, name }) => type === 'DNS' && isName(name, host))
  if (isNamed) return true
  const address = isIP(host) !== 0
  if (address && new X509Certificate(certificate.raw).checkIP(host) !== undefined) return true
  const sameType = address ? 'IP Address' : 'DNS'
  if (names.some(({ type }) => type === sameType)) return false
  const [commonName = ''] = [certificate.subject.CN].flat()
  return isName(commonName, host)
}

interface AlternativeName {
  readonly type: string
  readonly name: string
}

/**
 * Takes apart what Node.js tells of the alternative names: `DNS:one, IP Address:127.0.0.1`, a name in the form of JSON where
 * it could be mistaken.
 * Source: https://nodejs.org/api/crypto.html#x509subjectaltname
 */
function alternativeNames(text: string): AlternativeName[] {
  return [...text.matchAll(/(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/gy)].map(
    ([, type = '', name = '']) => ({
      type,
      name: name.startsWith('"') ? String(JSON.parse(name)) : name,
    }),
  )
}

/** Says whether a name in a certificate stands for a host: the same, or `*.` instead of the first part and its dot. */
function isName(name: string, host: string): boolean {
  const [pattern, text] = [inLowerCase(name), inLowerCase(host)]
  if (pattern === text) return true
  if (!pattern.startsWith('*.') || pattern.length < 3 || pattern.length > text.length) return false
  return text.endsWith(pattern.slice(1)) && text.indexOf('.') >= text.length - pattern.length
}

/** Letters of ASCII alone: others, such as the sign of Kelvin, are letters of ASCII in lower case. */
function inLowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
