import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { createAuthority } from '../../sandbox/certificate.ts'
import { spiloHba } from '../../sandbox/postgres.ts'
import { startDeadline } from '../../src/lib/deadline.ts'
import { Failure } from '../../src/lib/failure.ts'
import { logIn, type Login } from '../../src/postgres/attempt.ts'
import { Connections } from '../../src/postgres/connection.ts'
import { scramVerifier } from '../../src/postgres/scram.ts'
import { identifier, literal, useBench } from '../support/bench.ts'
import { judged, psql, psqlRows } from '../support/psql.ts'

const bench = useBench()

/** Says how our own login ends: `in`, or the code or SQLSTATE it is refused with. */
async function ours(login: Omit<Login, 'database'>): Promise<string> {
  const deadline = startDeadline(20_000, new AbortController().signal)
  const { host, port } = bench.postgres
  const dial = (): Promise<ReturnType<typeof connect>> => Promise.resolve(connect({ host, port }))
  try {
    const connections = new Connections({ dial, deadline, applicationName: 'test' })
    const { session, refusal } = await logIn(connections, { ...login, database: 'postgres' })
    await session?.end()
    return session === undefined ? (refusal?.code ?? '') : 'in'
  } catch (error) {
    if (error instanceof Failure) return error.code
    throw error
  } finally {
    deadline.stop()
  }
}

/** What leads to the server of the bench, whatever name it goes by. */
function atServer(): { readonly PGHOSTADDR: string; readonly PGPORT: string } {
  return { PGHOSTADDR: bench.postgres.host, PGPORT: String(bench.postgres.port) }
}

describe('verify-full takes and refuses what libpq does', () => {
  const authority = createAuthority('of the judge')
  let folder = ''
  let rootCertificate = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pg-app-user-test-'))
    rootCertificate = join(folder, 'ca.crt')
    await writeFile(rootCertificate, authority.pem)
  })
  afterAll(() => rm(folder, { recursive: true }))

  const name = 'db.shop.example'
  const dns = (...names: string[]): ReturnType<typeof authority.issue> => authority.issue(names)
  const common = (commonName: string, ...names: string[]): ReturnType<typeof authority.issue> =>
    authority.issue(names, { commonName })
  const address = '127.0.0.1'

  const certificates = [
    ['the name', dns(name), name, 'in'],
    ['another name', dns('db.other.example'), name, 'tls-failed'],
    ['one of several names', dns('db.other.example', name), name, 'in'],
    ['the name in upper case', dns('DB.Shop.Example'), name, 'in'],
    ['the name, the host in upper case', dns(name), 'DB.SHOP.EXAMPLE', 'in'],
    ['the sign of Kelvin for a K', common('db.shop.e\u212aample'), 'db.shop.ekample', 'tls-failed'],
    ['the name, the host with a dot at its end', dns(name), `${name}.`, 'tls-failed'],
    ['the name with a dot at its end', dns(`${name}.`), name, 'tls-failed'],
    ['the name with a dot at its end, and the host as well', dns(`${name}.`), `${name}.`, 'in'],
    ['a wildcard for the first part', dns('*.shop.example'), name, 'in'],
    ['a wildcard in upper case', dns('*.SHOP.example'), name, 'in'],
    ['a wildcard with a dot at its end', dns('*.shop.example.'), name, 'tls-failed'],
    ['a wildcard, the host with a dot at its end', dns('*.shop.example'), `${name}.`, 'tls-failed'],
    ['a wildcard, the host with a part more', dns('*.shop.example'), `a.${name}`, 'tls-failed'],
    ['a wildcard, the host without a first part', dns('*.shop.example'), 'shop.example', 'tls-failed'],
    ['a wildcard for a part of the first part', dns('d*.shop.example'), name, 'tls-failed'],
    ['a wildcard and an end of the first part', dns('*b.shop.example'), name, 'tls-failed'],
    ['a wildcard in the second part', dns('db.*.example'), name, 'tls-failed'],
    ['two wildcards', dns('*.*.example'), name, 'tls-failed'],
    ['a wildcard for the top', dns('*.example'), 'db.example', 'in'],
    ['a wildcard for a name of two parts, the host of three', dns('*.example'), name, 'tls-failed'],
    ['a wildcard alone', dns('*'), 'db', 'tls-failed'],
    ['Punycode', dns('xn--bcher-kva.example'), 'xn--bcher-kva.example', 'in'],
    ['a wildcard for Punycode', dns('*.example'), 'xn--bcher-kva.example', 'in'],
    ['a comma in a name', dns('db.other.example, DNS:db.shop.example'), name, 'tls-failed'],
    ['a NUL in a name', dns(`${name}\0.other.example`), name, 'tls-failed'],
    ['a NUL in a name, and the name', dns('a\0b', name), name, 'tls-failed'],
    ['the common name alone', common(name), name, 'in'],
    ['a wildcard as the common name alone', common('*.shop.example'), name, 'in'],
    ['the common name beside another name', common(name, 'db.other.example'), name, 'tls-failed'],
    ['the common name beside an address', common(name, address), name, 'in'],
    ['the address', dns(address), address, 'in'],
    ['another address', dns('127.0.0.2'), address, 'tls-failed'],
    ['the address as a name', authority.issue([address], { addressesAsNames: true }), address, 'in'],
    ['the address as a name, in a wildcard', dns('*.0.0.1'), address, 'in'],
    ['the address as the common name alone', common(address), address, 'in'],
    ['the address as the common name beside a name', common(address, name), address, 'in'],
    [
      'the address as the common name beside another address',
      common(address, '127.0.0.2'),
      address,
      'tls-failed',
    ],
    ['the address of IPv6', dns('2001:db8::1'), '2001:db8::1', 'in'],
    ['the address of IPv6, the host written in another way', dns('2001:db8::1'), '2001:0DB8:0::1', 'in'],
    ['another address of IPv6', dns('2001:db8::2'), '2001:db8::1', 'tls-failed'],
  ] as const

  async function present({ certificate, key }: ReturnType<typeof dns>): Promise<void> {
    const [files] = await bench.sql<{ certificate: string; key: string }>(
      `select current_setting('ssl_cert_file') as certificate, current_setting('ssl_key_file') as key`,
    )
    await writeFile(files?.certificate ?? '', certificate)
    await writeFile(files?.key ?? '', key)
    await bench.postgres.setHba(spiloHba)
  }

  test.each(certificates)('a certificate with %s', async (_, certificate, host, end) => {
    await present(certificate)
    const { superuser } = bench.postgres
    expect(await ours({ ...superuser, host, sslMode: 'verify-full', ca: authority.pem })).toBe(end)
  })

  // libpq knows addresses in certificates from 15 on.
  judged(15).each(certificates)('psql and a certificate with %s', async (_, certificate, host, end) => {
    await present(certificate)
    const { superuser } = bench.postgres
    const login = { PGUSER: superuser.user, PGPASSWORD: superuser.password, PGDATABASE: 'postgres' }
    const tls = { PGSSLMODE: 'verify-full', PGSSLROOTCERT: rootCertificate }
    const said = await psql({ ...atServer(), PGHOST: host, ...login, ...tls })
    expect(said).toMatch(end === 'in' ? /^in$/ : /server certificate|certificate's name/)
  })
})

const passwords = {
  'of letters and digits': 'Zx81 is not a password',
  'of all ASCII signs': Buffer.from(Array.from({ length: 95 }, (_, index) => 32 + index)).toString(),
  'with control characters of ASCII': 'tab\tbell\u0007delete\u007f',
  'with a line end': 'two\nlines\r\n',
  'with umlauts': 'Grüße aus Åmål',
  'in another script': 'пароль と パスワード',
  'with composed and combined marks': 'e\u0301 and \u00e9 are one',
  'with compatible characters': '\u2168 \ufb01 \u00bd \uff21',
  'with a raised letter that came later than Unicode 3.2': 'p\u1d2cssword',
  'with a lowered digit': 'water is H\u2082O',
  'with a grave accent that is prohibited (U+0340)': 'a\u0340 la carte',
  'with an era that came later (U+32FF)': '\u32ff of the new emperor',
  'with letters in brackets that came later (U+1F110)': '\u{1f110}\u{1f111}',
  'with a soft hyphen and a no-break space': 'in\u00advisible\u00a0signs',
  'with a zero-width space, which is a space': 'zero\u200bwidth',
  'of which nothing is left after mapping': '\u00ad\u200d\ufe0f',
  'with an emoji': 'a 🐘 never forgets',
  'with characters beyond the first plane': '\u{1d400}\u{20000}\u{2f800}',
  'from right to left': 'סיסמה ארוכה',
  'in both directions': 'abc סיסמה abc',
  'from right to left with a digit at its end': 'סיסמה 1',
  'with a ligature of Arabic, which NFKC takes apart': '\ufefb\u0627',
  'with a ligature of Arabic that takes a letter from left to right along': '\u{1f150}\u0627',
  'with a character that is not assigned': 'not assigned: \u0378',
  'with a character that is not assigned, and one to normalise': 'not assigned: \u0378 \u2168',
  'with a private character': 'private: \ue000 \u2168',
  'with a control character beyond ASCII': 'next line: \u0085 \u2168',
  'with a replacement character': 'replaced: \ufffd \u2168',
  'with syllables of Hangul in parts': '\u1100\u1161\u11a8',
  'of 1,500 bytes': 'пароль'.repeat(125),
} satisfies Record<string, string>

describe.each([
  ['set by the server', (password: string) => Promise.resolve(password)],
  ['set by the verifier made here', (password: string) => scramVerifier(password)],
])('a password %s', (_, secretOf) => {
  async function role(password: string): Promise<string> {
    // A canary as short as some of these would be found by chance.
    if (password.length >= 6) bench.password(password)
    const user = bench.name('role')
    await bench.sql(`CREATE ROLE ${user} LOGIN PASSWORD ${literal(await secretOf(password))}`)
    return user
  }

  /** Source: `pg_saslprep` of PostgreSQL 13, which makes no verifier of more than 1,024 bytes. */
  async function takes(password: string): Promise<boolean> {
    const long = bench.postgres.major < 14 && Buffer.byteLength(await secretOf(password)) > 1024
    if (long) await expect(role(password)).rejects.toThrow()
    return !long
  }

  test.each(Object.entries(passwords))('%s is what logs in', async (__, password) => {
    if (!(await takes(password))) return
    const user = await role(password)
    const login = { user, host: bench.postgres.host, sslMode: 'require', ca: undefined } as const
    expect(await ours({ ...login, password })).toBe('in')
    expect(await ours({ ...login, password: `${password}!` })).toBe('28P01')
  })

  judged(13).each(Object.entries(passwords))('%s is what psql logs in with', async (__, password) => {
    if (!(await takes(password))) return
    const PGUSER = await role(password)
    const login = { ...atServer(), PGUSER, PGDATABASE: 'postgres', PGSSLMODE: 'require' }
    expect(await psql({ ...login, PGPASSWORD: password })).toBe('in')
    const mark = await bench.postgres.logSize()
    expect(await psql({ ...login, PGPASSWORD: `${password}!` })).not.toBe('in')
    expect(await bench.postgres.logSince(mark)).toContain(` 28P01 ${PGUSER}@`)
  })
})

describe('names that are published lead psql to where they should', () => {
  judged(13).each([
    ['in upper case', 'Shop'],
    ['with blanks', ' a shop '],
    ['with quotes', `"it's"`],
    ['with a backslash', 'back\\slash'],
    ['that is a keyword', 'select'],
    ['that looks like settings', 'host=elsewhere user=nobody'],
    ['that looks like an address', 'postgresql://elsewhere/nothing'],
    ['beyond ASCII', 'Äpfel 🐘'],
    ['in parts that could be one', 'e\u0301'],
    ['of 63 bytes', 'n'.repeat(63)],
  ])('%s', async (_, name) => {
    const application = await bench.established({ appDatabase: name, appUsername: name })
    // As an environment takes it over from the Secret, but for the way there.
    const rows = await psqlRows(
      { ...application.secret, ...atServer() },
      'select current_user; select current_database()',
    )
    expect(rows).toEqual([name, name])
    await bench.sql(`DROP DATABASE ${identifier(name)}`)
    await bench.sql(`DROP ROLE ${identifier(name)}`)
  })
})
