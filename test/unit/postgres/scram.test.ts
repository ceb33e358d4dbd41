import { createHash, createHmac } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { isAmbiguous, scramVerifier } from '../../../src/postgres/scram.ts'

describe('the known answer of RFC 7677, section 3', () => {
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
  const clientFirst = 'n=user,r=rOprNGfwEbeRWgbNEkqO'
  const serverFirst = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'
  const clientFinal = 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
  const exchange = [clientFirst, serverFirst, clientFinal].join(',')
  const proof = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64')
  const signature = '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='

  test('the verifier tells this proof from others and signs as this server does', async () => {
    const verifier = await scramVerifier('pencil', salt)
    const [, iterations, foundSalt, storedKey = '', serverKey = ''] =
      /^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)$/.exec(verifier) ?? []
    expect([iterations, foundSalt]).toEqual(['4096', salt.toString('base64')])
    const hmac = (key: string): Buffer =>
      createHmac('sha256', Buffer.from(key, 'base64')).update(exchange).digest()
    // StoredKey = H(ClientKey), and ClientProof = ClientKey XOR ClientSignature: RFC 5802, section 3.
    const clientKey = hmac(storedKey).map((byte, index) => byte ^ (proof[index] ?? 0))
    expect(createHash('sha256').update(clientKey).digest('base64')).toBe(storedKey)
    expect(hmac(serverKey).toString('base64')).toBe(signature)
  })
})

test('the verifier of one password differs from time to time', async () => {
  expect(await scramVerifier('pencil')).not.toBe(await scramVerifier('pencil'))
})

describe('SASLprep (RFC 4013)', () => {
  const salt = Buffer.alloc(16)

  test.each([
    ['a soft hyphen is dropped', 'I\u00adX', 'IX'],
    ['a no-break space is a space', 'a\u00a0b', 'a b'],
    ['compatible characters are one', '\u00aa', 'a'],
    ['a roman numeral is letters', '\u2168', 'IX'],
    ['letters and marks are composed', 'e\u0301', '\u00e9'],
  ])('%s', async (_, one, other) => {
    expect(await scramVerifier(one, salt)).toBe(await scramVerifier(other, salt))
  })

  test.each([
    ['a control character', 'a\u0007b'],
    ['right-to-left next to left-to-right', '\u0627\u0031a'],
  ])('%s is forbidden, so the password is taken as it is', async (_, password) => {
    await expect(scramVerifier(password, salt)).resolves.toMatch(/^SCRAM-SHA-256\$4096:A{22}==\$.{44}:.{44}$/)
  })
})

describe('drivers', () => {
  test.each([
    ['allowed, and normalised by all', '\u2168 e\u0301 in\u00advisible', false],
    ['forbidden, and nothing to normalise', 'abc \u05e1\u05d9\u05e1 abc', false],
    ['forbidden, with a compatible character', 'not assigned: \u0378 \u2168', true],
    ['forbidden, with a no-break space', 'not assigned: \u0378\u00a0', true],
    ['forbidden, with a soft hyphen', 'not assigned: \u0378\u00ad', true],
  ])('disagree about a password or not: %s', async (_, password, disagree) => {
    expect(await isAmbiguous(password)).toBe(disagree)
  })
})
