import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'

/** A certificate and its private key, both PEM. */
interface ServerCertificate {
  readonly certificate: string
  readonly key: string
}

/** A private certificate authority, good for a month, that lives in memory only. */
export interface CertificateAuthority {
  /** Its own certificate, PEM: what a client has to trust. */
  readonly pem: string
  /** Signs a certificate for a server that is known by these DNS names and IP addresses, valid from now on. */
  issue(names: readonly string[], unusual?: Unusual): ServerCertificate
  /** Signs a certificate for a client of this name. It is valid from and to so many days from now. */
  introduce(commonName: string, fromDay?: number, toDay?: number): ServerCertificate
}

/** What sets a certificate apart from those that authorities sign today. */
interface Unusual {
  /** Default: the first of the names. */
  readonly commonName?: string
  /** Whether addresses are told as if they were DNS names. */
  readonly addressesAsNames?: boolean
  readonly valid?: Validity
}

/** From when until when a certificate is valid. */
interface Validity {
  readonly from: Date
  readonly until: Date
}

/** Makes a certificate authority with the given common name; all keys are ECDSA P-256. */
export function createAuthority(commonName: string): CertificateAuthority {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const authority = { name: commonName, key: own.privateKey, keyId: keyIdOf(own.publicKey) }
  return {
    pem: certify(authority, commonName, own.publicKey, [
      extension(oids.basicConstraints, sequence(der(tags.boolean, [0xff])), 'critical'),
      // keyCertSign and cRLSign, the sixth and the seventh bit.
      extension(oids.keyUsage, der(tags.bitString, [1, 0b0000_0110]), 'critical'),
      extension(oids.subjectKeyIdentifier, der(tags.octetString, authority.keyId)),
    ]),
    issue(names, { commonName: subject = names[0] ?? 'server', addressesAsNames = false, valid } = {}) {
      const server = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const generalNames = names.map((name) => (addressesAsNames ? dnsName(name) : generalName(name)))
      const extensions = [
        ...(names.length === 0 ? [] : [extension(oids.subjectAltName, sequence(...generalNames))]),
        // digitalSignature, the first bit.
        extension(oids.keyUsage, der(tags.bitString, [7, 0b1000_0000]), 'critical'),
        extension(oids.extendedKeyUsage, sequence(oid(oids.serverAuth))),
      ]
      const certificate = certify(authority, subject, server.publicKey, extensions, valid)
      return { certificate, key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
    },
    introduce(commonName, fromDay = -1, toDay = 1) {
      const client = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const certificate = certify(
        authority,
        commonName,
        client.publicKey,
        [extension(oids.extendedKeyUsage, sequence(oid(oids.clientAuth)))],
        { from: inDays(fromDay), until: inDays(toDay) },
      )
      return { certificate, key: client.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
    },
  }
}

interface Issuer {
  readonly name: string
  readonly key: KeyObject
  readonly keyId: Buffer
}

const hour = 60 * 60 * 1000

function inDays(days: number): Date {
  return new Date(Date.now() + days * 24 * hour)
}

/** Begins an hour ago, because clocks of virtual machines disagree. */
function thisMonth(): Validity {
  return { from: new Date(Date.now() - hour), until: inDays(30) }
}

/** Gives a signed X.509 v3 certificate (RFC 5280, section 4.1) as PEM. */
function certify(
  issuer: Issuer,
  subject: string,
  key: KeyObject,
  extensions: readonly Buffer[],
  { from, until } = thisMonth(),
): string {
  const algorithm = sequence(oid(oids.ecdsaWithSha256))
  const body = sequence(
    der(tags.context0, der(tags.integer, [2])),
    // A serial number is positive and its first octet must not be redundant.
    der(tags.integer, [0x40], randomBytes(15)),
    algorithm,
    distinguishedName(issuer.name),
    sequence(utcTime(from.getTime()), utcTime(until.getTime())),
    distinguishedName(subject),
    key.export({ type: 'spki', format: 'der' }),
    der(
      tags.context3,
      sequence(
        ...extensions,
        extension(oids.authorityKeyIdentifier, sequence(der(tags.keyIdentifier, issuer.keyId))),
      ),
    ),
  )
  const signature = sign('sha256', body, issuer.key)
  const lines = sequence(body, algorithm, der(tags.bitString, [0], signature))
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

const oids = {
  commonName: [2, 5, 4, 3],
  subjectKeyIdentifier: [2, 5, 29, 14],
  keyUsage: [2, 5, 29, 15],
  subjectAltName: [2, 5, 29, 17],
  basicConstraints: [2, 5, 29, 19],
  authorityKeyIdentifier: [2, 5, 29, 35],
  extendedKeyUsage: [2, 5, 29, 37],
  serverAuth: [1, 3, 6, 1, 5, 5, 7, 3, 1],
  clientAuth: [1, 3, 6, 1, 5, 5, 7, 3, 2],
  ecdsaWithSha256: [1, 2, 840, 10045, 4, 3, 2],
} as const

const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  keyIdentifier: 0x80,
  dnsName: 0x82,
  ipAddress: 0x87,
  context0: 0xa0,
  context3: 0xa3,
} as const

type Octets = Uint8Array | readonly number[]

/** One DER element: tag, length, content. */
function der(tag: number, ...content: readonly Octets[]): Buffer {
  const value = Buffer.concat(content.map((part) => Uint8Array.from(part)))
  const size = value.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Uint8Array.from([tag, ...length]), value])
}

function sequence(...content: readonly Octets[]): Buffer {
  return der(tags.sequence, ...content)
}

function oid([first = 0, second = 0, ...rest]: readonly number[]): Buffer {
  return der(tags.objectIdentifier, [40 * first + second, ...rest.flatMap(base128)])
}

/** The arcs of an object identifier: seven bits an octet, all but the last one marked. */
function base128(arc: number): number[] {
  const octets = [arc & 0x7f]
  for (let rest = arc >> 7; rest > 0; rest >>= 7) octets.unshift((rest & 0x7f) | 0x80)
  return octets
}

function extension(id: readonly number[], value: Buffer, critical?: 'critical'): Buffer {
  const flag = critical ? [der(tags.boolean, [0xff])] : []
  return sequence(oid(id), ...flag, der(tags.octetString, value))
}

function distinguishedName(commonName: string): Buffer {
  const value = der(tags.utf8String, Buffer.from(commonName))
  return sequence(der(tags.set, sequence(oid(oids.commonName), value)))
}

function generalName(name: string): Buffer {
  if (isIPv4(name)) return der(tags.ipAddress, name.split('.').map(Number))
  return isIPv6(name) ? der(tags.ipAddress, octetsOf(name)) : dnsName(name)
}

function dnsName(name: string): Buffer {
  return der(tags.dnsName, Buffer.from(name, 'latin1'))
}

/** The sixteen octets of an IPv6 address that ends in no IPv4 one. */
function octetsOf(address: string): number[] {
  const [head = [], tail = []] = address.split('::').map((half) => half.split(':').filter(Boolean))
  const zeros = Array<string>(8 - head.length - tail.length).fill('0')
  return [...head, ...zeros, ...tail]
    .map((group) => parseInt(group, 16))
    .flatMap((word) => [word >> 8, word & 0xff])
}

/** `YYMMDDhhmmssZ`. */
function utcTime(instant: number): Buffer {
  const digits = new Date(instant).toISOString().replace(/\D/g, '').slice(2, 14)
  return der(tags.utcTime, Buffer.from(`${digits}Z`))
}

function keyIdOf(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
}
