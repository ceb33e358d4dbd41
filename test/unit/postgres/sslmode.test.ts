import type { ConnectionOptions, PeerCertificate } from 'node:tls'
import { describe, expect, test } from '@jest/globals'
import { Failure } from '../../../src/lib/failure.ts'
import {
  encryptions,
  isSslMode,
  sslModes,
  type Encryption,
  type SslMode,
} from '../../../src/postgres/sslmode.ts'

const pem = '-----BEGIN CERTIFICATE-----'

const other = { subject: { CN: 'other' }, subjectaltname: 'DNS:other' } as PeerCertificate

/** What a way to connect checks of the server's certificate. */
function checks(encryption: Encryption): string {
  if (encryption === false) return 'plain'
  if (encryption.rejectUnauthorized === false) return 'nothing'
  return encryption.checkServerIdentity?.('one', other) === undefined ? 'chain' : 'chain and name'
}

describe('encryptions', () => {
  test.each<[SslMode, string | undefined, string[]]>([
    ['disable', undefined, ['plain']],
    ['disable', pem, ['plain']],
    ['allow', undefined, ['plain', 'nothing']],
    ['allow', pem, ['plain', 'chain']],
    ['prefer', undefined, ['nothing', 'plain']],
    ['prefer', pem, ['chain', 'plain']],
    ['require', undefined, ['nothing']],
    ['require', pem, ['chain']],
    ['verify-ca', pem, ['chain']],
    ['verify-full', pem, ['chain and name']],
    ['verify-full', 'system', ['chain and name']],
    ['no-verify', undefined, ['nothing']],
    ['no-verify', pem, ['nothing']],
  ])('%s with authority %j', (mode, ca, ways) => {
    expect(encryptions(mode, ca).map(checks)).toEqual(ways)
  })

  test.each<[SslMode, string | undefined]>([
    ['verify-ca', undefined],
    ['verify-full', undefined],
    ['allow', 'system'],
    ['prefer', 'system'],
    ['require', 'system'],
    ['verify-ca', 'system'],
  ])('%s with authority %j is an input error', (mode, ca) => {
    const attempt = (): unknown => encryptions(mode, ca)
    expect(attempt).toThrow(Failure)
    expect(attempt).toThrow(mode)
    expect(attempt).toThrow(expect.objectContaining({ code: 'input-invalid' }))
  })

  test('trusts the given authority alone', () => {
    const [way] = encryptions('verify-full', pem) as [ConnectionOptions]
    expect(way.ca).toEqual([pem])
    expect(way.rejectUnauthorized).toBe(true)
  })

  test('trusts the authorities of the system where that is asked for', () => {
    const [way] = encryptions('verify-full', 'system') as [ConnectionOptions]
    expect(Array.isArray(way.ca)).toBe(true)
    expect(way.ca).not.toContain('system')
  })
})

test('isSslMode takes the seven words and no other', () => {
  expect(sslModes.every(isSslMode)).toBe(true)
  for (const word of ['', 'Require', 'required', 'verify_full', 'true']) expect(isSslMode(word)).toBe(false)
})
