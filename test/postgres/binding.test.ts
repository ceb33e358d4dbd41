import { execFile, execFileSync } from 'node:child_process'
import { chownSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { spiloHba } from '../../sandbox/postgres.ts'
import { useBench } from '../support/bench.ts'
import { startMiddle, type Ends } from '../support/middle.ts'

const bench = useBench()
const psql = installed('psql')

/** Whether a login ends in a session; libpq by default refuses what ours does. */
const rows: readonly (readonly [
  front: Ends['front'],
  back: Ends['back'],
  hides: boolean,
  end: 'in, bound' | 'in, not bound' | 'in, no TLS' | 'channel-binding-failed',
])[] = [
  ['plain', 'plain', false, 'in, no TLS'],
  ['plain', 'TLS', false, 'channel-binding-failed'],
  ['plain', 'TLS', true, 'in, no TLS'],
  ['TLS', 'plain', false, 'in, not bound'],
  ['TLS', 'TLS', false, 'channel-binding-failed'],
  ['TLS', 'TLS', true, 'channel-binding-failed'],
]

describe('something between client and server', () => {
  test.each(rows)('%s in front, %s behind, hides the offer: %s: %s', async (front, back, hides, end) => {
    const middle = await startMiddle(bench.postgres, { front, back, hides })
    try {
      const sslMode = front === 'TLS' ? 'require' : 'disable'
      const accessSecret = bench.access({ target: middle, sslMode })
      const run = await bench.application({ accessSecret }).run({ dryRun: true })
      expect(run.code ?? how(run.log)).toBe(end)
      if (psql) expect(await judge(middle.port, sslMode)).toBe(end.startsWith('in'))
    } finally {
      middle.stop()
    }
  })

  test('is told from the server itself', async () => {
    const accessSecret = bench.access({ sslMode: 'require' })
    const run = await bench.application({ accessSecret }).run({ dryRun: true })
    expect(run.code ?? how(run.log)).toBe('in, bound')
  })
})

describe('a certificate whose signature has another hash', () => {
  const openssl = installed('openssl', 'version')
  const signatures: readonly (readonly [name: string, end: string, options: readonly string[]])[] = [
    ['RSA-PSS', 'in, bound', ['rsa-pss']],
    ['RSA with SHA-512', 'in, bound', ['rsa:2048', '-sha512']],
    ['ECDSA with SHA-384', 'in, bound', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha384']],
    // It has no hash of its own, and neither libpq nor the server takes one in its place.
    ['Ed25519', 'postgres-error', ['ed25519']],
  ]

  const each = openssl ? test.each(signatures) : test.skip.each(signatures)
  each('%s: %s', async (_, end, options) => {
    const { dataDirectory } = bench.postgres
    const [key, certificate] = ['test.key', 'test.crt'].map((name) => join(dataDirectory, name)) as [
      string,
      string,
    ]
    const subject = ['-days', '1', '-subj', '/CN=postgresql1', '-keyout', key, '-out', certificate]
    execFileSync('openssl', ['req', '-x509', '-nodes', '-newkey', ...options, ...subject], {
      stdio: 'ignore',
    })
    const { uid, gid } = statSync(dataDirectory)
    for (const file of [key, certificate]) chownSync(file, uid, gid)
    const settings = await ownCertificate()
    await bench.postgres.restart({ ssl_key_file: key, ssl_cert_file: certificate })
    try {
      const accessSecret = bench.access({ sslMode: 'require' })
      const run = await bench.application({ accessSecret }).run({ dryRun: true })
      expect(run.code ?? how(run.log)).toBe(end)
      if (psql) expect(await judge(bench.postgres.port, 'require')).toBe(end.startsWith('in'))
    } finally {
      await bench.postgres.restart(settings)
    }
  })
})

/** The files of the server's own certificate. */
async function ownCertificate(): Promise<Record<string, string>> {
  const rows = await bench.sql<{ name: string; setting: string }>(
    "select name, setting from pg_settings where name in ('ssl_key_file', 'ssl_cert_file')",
  )
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))
}

test('a hash of MD5 lets in without a binding, and says so', async () => {
  const admin = bench.name('md5admin')
  await bench.sql(
    `SET password_encryption = md5; CREATE ROLE ${admin} LOGIN CREATEDB CREATEROLE PASSWORD 'from long ago'`,
  )
  bench.password('from long ago')
  await bench.withHba([`host all ${admin} all md5`, ...spiloHba], spiloHba, async () => {
    const accessSecret = bench.access({ admin: { user: admin, password: 'from long ago' } })
    const run = await bench.application({ accessSecret }).run({ dryRun: true })
    expect(run).toMatchObject({ code: undefined })
    expect(run.outcome.notes).toEqual([expect.stringContaining('MD5, which does not prove the server')])
  })
})

function how(log: string): string {
  const line = /^✓ PostgreSQL .*$/m.exec(log)?.[0] ?? ''
  if (line.includes('no TLS')) return 'in, no TLS'
  return line.includes('not bound') ? 'in, not bound' : 'in, bound'
}

/** Says whether psql logs in there. */
async function judge(port: number, sslMode: string): Promise<boolean> {
  const { user, password } = bench.admin
  const target = `host=127.0.0.1 port=${port} user=${user} dbname=postgres sslmode=${sslMode}`
  try {
    await promisify(execFile)('psql', ['-X', '-c', 'select 1', target], {
      env: { PATH: process.env['PATH'] ?? '', PGPASSWORD: password },
    })
    return true
  } catch {
    return false
  }
}

function installed(command: string, version = '--version'): boolean {
  try {
    execFileSync(command, [version], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
