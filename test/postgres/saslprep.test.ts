import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { expect, test } from '@jest/globals'
import { saslprep } from '../../src/postgres/saslprep.ts'
import { literal, useBench } from '../support/bench.ts'

const bench = useBench()

/** Whether every code point is tried, which takes some minutes, or those alone that fare in another way than the one before, or that NFKC changes. */
const every = process.env['PG_APP_USER_EVERY_CODE_POINT'] !== undefined

/**
 * Each shows a table of its own: whether a character is forbidden at all; whether it goes from right to left, so that a Roman
 * numeral, which has letters, cannot come last; whether it goes from left to right and cannot stand between two of Arabic.
 */
const probes: readonly ((character: string) => string)[] = [
  (character) => character,
  (character) => `${character}\u00b2${character}`,
  (character) => `${character}\u2168`,
  (character) => `\u0627\u00b2${character}\u0627`,
]

/** How a character fares in each of the probes. */
function fate(character: string): string {
  return probes.map((probe) => Number(saslprep(probe(character)) === undefined)).join('')
}

/** Says whether a code point is far within the planes that hold nothing, or what is private. */
function isEmpty(point: number): boolean {
  const inPlane = point & 0xffff
  const emptyPlane = point >= 0x30000 && (point < 0xe0000 || point > 0xe01ff)
  return emptyPlane && inPlane > 1 && inPlane < 0xfffd
}

function* passwordsToTry(): Generator<string> {
  let before = ''
  for (let point = 0x80; point <= 0x10ffff; point++) {
    if (point >= 0xd800 && point <= 0xdfff) continue
    if (!every && isEmpty(point)) continue
    const character = String.fromCodePoint(point)
    const now = fate(character)
    // The last one that fares as the one before is as telling as the first one that does not.
    if (now !== before && point > 0x80) yield* probes.map((probe) => probe(String.fromCodePoint(point - 1)))
    if (now !== before || every) yield* probes.map((probe) => probe(character))
    else if (character.normalize('NFKC') !== character) yield `${character}\u00b2${character}`
    before = now
  }
}

test('the server makes the same of each character of Unicode as is made here', async () => {
  const all = new Set(passwordsToTry())
  expect(all.size).toBeGreaterThan(8_000)
  // Before PostgreSQL 16 there is one number of rounds, and they take their time.
  const many = bench.postgres.major >= 16
  const passwords = [...all].filter((_, index) => many || index % 20 === 0)
  const role = bench.name('role')
  await bench.sql(`CREATE ROLE ${role} LOGIN`)
  const differing: string[] = []
  await bench.inDatabase('postgres', async (client) => {
    if (many) await client.query('SET scram_iterations = 1')
    for (let begun = 0; begun < passwords.length; begun += 50) {
      const some = passwords.slice(begun, begun + 50)
      const statements = some.map(
        (password) => `ALTER ROLE ${role} PASSWORD ${literal(password)};
          SELECT rolpassword AS verifier FROM pg_authid WHERE rolname = ${literal(role)}`,
      )
      const results = [await client.query<{ verifier: string }>(statements.join(';'))].flat()
      const verifiers = results.flatMap(({ rows }) => rows.map(({ verifier }) => verifier))
      for (const [index, password] of some.entries()) {
        if (!isOf(verifiers[index] ?? '', saslprep(password) ?? password)) differing.push(escape(password))
      }
    }
  })
  expect(differing).toEqual([])
}, 1_800_000)

/** Says whether a verifier is the one of these very bytes. */
function isOf(verifier: string, password: string): boolean {
  const [, rounds = '', salt = '', stored = ''] =
    /^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):/.exec(verifier) ?? []
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(rounds), 32, 'sha256')
  const clientKey = createHmac('sha256', salted).update('Client Key').digest()
  return createHash('sha256').update(clientKey).digest('base64') === stored
}

function escape(text: string): string {
  return Array.from(text, (character) => `U+${character.codePointAt(0)?.toString(16).toUpperCase()}`).join(
    ' ',
  )
}
