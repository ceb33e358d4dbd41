import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { createAuthority } from '../../../sandbox/certificate.ts'
import { credentialParts, Redactor } from '../../../src/report/redactor.ts'
import { escapedSigns, writtenForms } from '../../support/canary.ts'

function redactorFor(...credentials: string[]): Redactor {
  const redactor = new Redactor()
  for (const credential of credentials) redactor.add(credential)
  return redactor
}

const secrets = [
  `Kq7${escapedSigns}9Zt`,
  'YI8EUMwiFBKwTDh4BS79aUxjvmL2ENLB',
  'pass word with  spaces',
  `it's a "quoted" \\ back|slash & <tag> 100%`,
  'pässwörd-商店-😀',
  'a+b/c=d?e#f',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjaSJ9.EhETCWEA9H2bxpqrnh3RN3VYjWI_pkJBSyn0fAuzUqQ',
  'SCRAM-SHA-256$4096:KfOEOauCpPn2YG866nvrUw==$wOzcrQxqFhEZWA4sHgRJkYJ6VJ4=:9YDtJscj+bJXZwNaPqMYNhK6yTHn8c6Q=',
]

describe('takes out', () => {
  describe.each(secrets)('%j', (secret) => {
    test.each([...new Set(writtenForms(secret))])('as %j', (form) => {
      expect(redactorFor(secret).redact(`before ${form} after`)).toBe('before *** after')
    })

    test.each([
      ['in the middle of base64', (bytes: Buffer) => bytes.toString('base64')],
      ['in the middle of base64url', (bytes: Buffer) => bytes.toString('base64url')],
      ['in the middle of hex', (bytes: Buffer) => bytes.toString('hex')],
    ])('%s, whatever stands around it', (_, encode) => {
      for (const before of ['', 'a', 'ab', 'abc']) {
        for (const after of ['', 'x', 'xy', 'xyz']) {
          const text = redactorFor(secret).redact(encode(Buffer.from(`${before}${secret}${after}`)))
          expect(text).toContain('***')
          // What is left is what stood around, and the digits that are shared with it.
          expect(text.replace('***', '').length).toBeLessThanOrEqual(14)
        }
      }
    })

    test.each([
      ['of Go', /[<>&\u2028\u2029]/g],
      ['of Python', /[^\0-\x7f]/g],
      ['of both', /[<>&]|[^\0-\x7f]/g],
    ])('in JSON %s', (_, signs) => {
      const json = JSON.stringify(secret).replace(signs, (sign) =>
        sign.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
      )
      expect(redactorFor(secret).redact(json)).toBe('"***"')
    })

    test('in a command line of a shell', () => {
      expect(redactorFor(secret).redact(`'${secret.replaceAll("'", `'\\''`)}'`)).not.toContain(secret)
    })
  })

  test('every occurrence', () => {
    expect(redactorFor('credential').redact('credential, credential')).toBe('***, ***')
  })

  test('the longer of two before the shorter, so that nothing of it remains', () => {
    for (const order of [
      ['credential', 'credential-of-kim'],
      ['credential-of-kim', 'credential'],
    ]) {
      expect(redactorFor(...order).redact('credential-of-kim')).toBe('***')
    }
  })

  test.each([8, 16, 31])('the beginning of one that was cut off after %d characters', (length) => {
    const [secret = ''] = secrets
    const redactor = redactorFor(secret)
    expect(redactor.redact(`said "${secret.slice(0, length)}…" here`)).toBe('said "***…" here')
    const encoded = Buffer.from(secret).toString('base64').slice(0, length)
    expect(redactor.redact(`${encoded}…`)).toBe('***…')
  })

  test('one whose spaces were made one', () => {
    expect(redactorFor('two  spaces').redact('two spaces')).toBe('***')
  })
})

describe('leaves alone', () => {
  test('everything else, dots of an ellipsis included', () => {
    const text = 'Role "shop" … in postgres-system/postgresql1-access, as before…'
    expect(redactorFor(...secrets).redact(text)).toBe(text)
  })

  test('a text when it knows no credential, or only an empty one', () => {
    expect(redactorFor().redact('as it is')).toBe('as it is')
    expect(redactorFor('', '  ', '\n').redact('as it is')).toBe('as it is')
  })

  test.each(['a', '0', ':', '"', 'true', 'null', 'hi', 'Pa55!'])(
    'words that the short credential %j is in',
    (short) => {
      const text = `password ${short}: {"a":true,"b":null,"c":0} Pa55!`
      expect(redactorFor(short).canHide(short)).toBe(false)
      expect(redactorFor(short).redact(text)).toBe(text)
    },
  )

  test.each(['webshop', 'WebShop', 'eu-webshop'])(
    'the public name eu-webshop-db, which %j is a part of',
    (part) => {
      const redactor = new Redactor()
      redactor.publish(['eu-webshop-db'])
      redactor.add(part)
      expect(redactor.canHide(part)).toBe(false)
      expect(redactor.redact(`database eu-webshop-db, ${part}`)).toBe(`database eu-webshop-db, ${part}`)
    },
  )
})

describe('a credential of several lines', () => {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })

  test('is taken out as a whole, line by line, and as base64 of the file', () => {
    const redactor = redactorFor(privateKey)
    expect(redactor.redact(`a ${privateKey.trim()} b`)).toBe('a *** b')
    const lines = privateKey.trim().split('\n').slice(1, -1)
    expect(lines.map((line) => redactor.redact(`| ${line}`))).toEqual(lines.map(() => '| ***'))
    expect(redactor.redact(Buffer.from(privateKey).toString('base64')).length).toBeLessThan(8)
    expect(redactor.redact(JSON.stringify(privateKey.trim()))).toBe('"***"')
  })

  test('leaves the frame of PEM, and so certificates, readable', () => {
    const certificate = createAuthority('one').pem
    expect(redactorFor(privateKey).redact(certificate)).toBe(certificate)
    expect(redactorFor(privateKey).redact('-----BEGIN PRIVATE KEY-----')).toBe('-----BEGIN PRIVATE KEY-----')
  })

  test.each([
    ['one line', ['one line']],
    [' trimmed \n', ['trimmed']],
    ['two\r\nlines', ['two\r\nlines', 'two', 'lines']],
    ['a\n\n  b\n', ['a\n\n  b', 'a', 'b']],
    ['-----BEGIN X-----\nAA\n-----END X-----', ['-----BEGIN X-----\nAA\n-----END X-----', 'AA']],
    ['', []],
    [' \n ', []],
  ])('has the parts: %j', (credential, parts) => {
    expect(credentialParts(credential)).toEqual(parts)
  })
})

describe('a text that was made to take long is soon read', () => {
  test.each([
    "'Sup3rSecretPass",
    "p'Sup3rSecretPass",
    '$up3rSecret!Pass',
    '\\Sup3r\\Secret',
    ' x\nSup3r secret',
  ])('with the credential %j', (credential) => {
    const redactor = redactorFor(credential)
    const [begin = ''] = credential
    const texts = [
      '\\\\\\u005c',
      '\\\\\\u0027',
      '\\',
      "'",
      "\\'",
      '&amp;',
      '%25',
      'a',
      'a.',
      '\\n',
      ' ',
    ].flatMap((piece) => [piece.repeat(2_000), `${begin}${piece.repeat(2_000)}`])
    for (const text of texts) expect(redactor.redact(`${text}\u0001`)).toBe(`${text}\u0001`)
  })
})
