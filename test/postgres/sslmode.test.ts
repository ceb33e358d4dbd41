import { describe, expect, test } from '@jest/globals'
import { createAuthority } from '../../sandbox/certificate.ts'
import { spiloHba } from '../../sandbox/postgres.ts'
import { sslModes } from '../../src/postgres/sslmode.ts'
import { useBench, type Application, type Bench } from '../support/bench.ts'

const encrypted = useBench({ postgres: { settings: { log_connections: 'on' } } })
const plainHba = ['host all all 127.0.0.1/32 md5']
const plain = useBench({ postgres: { settings: { log_connections: 'on' }, tls: false, hba: plainHba } })

/** How a login ends: encrypted, in clear text, or with a code. */
type End = 'TLS' | 'plain' | 'tls-failed' | 'input-invalid' | 'login-refused'

const tlsOnly = ['hostnossl all all all reject', 'hostssl all all all scram-sha-256']
const plainOnly = ['hostssl all all all reject', 'hostnossl all all all scram-sha-256']
const wrong = createAuthority('somebody else').pem

/** What libpq does, in the order of `sslModes`: disable, allow, prefer, require, verify-ca, verify-full, no-verify. */
const tables: readonly (readonly [
  server: string,
  bench: Bench,
  hba: readonly string[] | undefined,
  ca: 'no' | 'right' | 'wrong',
  ends: readonly End[],
])[] = [
  [
    'takes both',
    encrypted,
    undefined,
    'no',
    ['plain', 'plain', 'TLS', 'TLS', 'input-invalid', 'input-invalid', 'TLS'],
  ],
  ['takes both', encrypted, undefined, 'right', ['plain', 'plain', 'TLS', 'TLS', 'TLS', 'TLS', 'TLS']],
  [
    'takes both',
    encrypted,
    undefined,
    'wrong',
    ['plain', 'plain', 'plain', 'tls-failed', 'tls-failed', 'tls-failed', 'TLS'],
  ],
  [
    'takes TLS only',
    encrypted,
    tlsOnly,
    'no',
    ['login-refused', 'TLS', 'TLS', 'TLS', 'input-invalid', 'input-invalid', 'TLS'],
  ],
  [
    'takes TLS only',
    encrypted,
    tlsOnly,
    'right',
    ['login-refused', 'TLS', 'TLS', 'TLS', 'TLS', 'TLS', 'TLS'],
  ],
  [
    'takes TLS only',
    encrypted,
    tlsOnly,
    'wrong',
    ['login-refused', 'tls-failed', 'login-refused', 'tls-failed', 'tls-failed', 'tls-failed', 'TLS'],
  ],
  [
    'takes clear text only',
    encrypted,
    plainOnly,
    'right',
    ['plain', 'plain', 'plain', 'login-refused', 'login-refused', 'login-refused', 'login-refused'],
  ],
  [
    'has no TLS',
    plain,
    undefined,
    'no',
    ['plain', 'plain', 'plain', 'tls-failed', 'input-invalid', 'input-invalid', 'tls-failed'],
  ],
  [
    'has no TLS',
    plain,
    undefined,
    'wrong',
    ['plain', 'plain', 'plain', 'tls-failed', 'tls-failed', 'tls-failed', 'tls-failed'],
  ],
]

describe.each(tables)('a server that %s', (_, bench, hba, authority, ends) => {
  test.each(sslModes.map((mode, index) => [mode, ends[index]] as const))(
    `%s, with ${authority} authority: %s`,
    async (sslMode, end) => {
      const ca = { no: undefined, right: bench.postgres.ca, wrong }[authority]
      const accessSecret = bench.access({ sslMode, ...(ca && { ca }) })
      const application = await shared(bench)
      const inputs = { accessSecret, appSslMode: sslMode, dryRun: true }
      const mark = await bench.postgres.logSize()
      const { code } = hba
        ? await bench.withHba(hba, usualHba(bench), () => application.run(inputs))
        : await application.run(inputs)
      expect(code ?? (await authorized(bench, mark, application))).toBe(end)
    },
  )
})

describe('what is published is what was proven', () => {
  test('verify-full with the authority of the access Secret', async () => {
    const ca = encrypted.postgres.ca ?? ''
    const application = encrypted.application({
      accessSecret: encrypted.access({ sslMode: 'verify-full', ca }),
    })
    expect(await application.run()).toMatchObject({ code: undefined })
    expect(application.secret).toMatchObject({ PGSSLMODE: 'verify-full', 'ca.crt': ca })
    expect(await application.run()).toMatchObject({ code: undefined, done: [] })
  })

  test('verify-ca with the authority of the input, whatever the access Secret has', async () => {
    const application = encrypted.application({
      accessSecret: encrypted.access({ ca: wrong }),
      appSslMode: 'verify-ca',
      sslRootCert: encrypted.postgres.ca,
    })
    expect(await application.run()).toMatchObject({ code: undefined })
    expect(application.secret).toMatchObject({ PGSSLMODE: 'verify-ca', 'ca.crt': encrypted.postgres.ca })
  })
})

describe('a server that is not the one meant', () => {
  const elsewhere = { host: 'postgresql1.elsewhere.svc.cluster.local' }

  test('has another name: verify-full refuses it, verify-ca does not look', async () => {
    const ca = encrypted.postgres.ca ?? ''
    const refused = encrypted.application({
      accessSecret: encrypted.access({ ...elsewhere, ca, sslMode: 'verify-full' }),
    })
    const { outcome } = await refused.refused('tls-failed')
    expect(outcome.failure?.hint.join('\n')).toContain(elsewhere.host)
    const taken = encrypted.application({
      accessSecret: encrypted.access({ ...elsewhere, ca, sslMode: 'verify-ca' }),
    })
    expect(await taken.run()).toMatchObject({ code: undefined })
  })

  test('has a certificate of an authority that this system does not know', async () => {
    const accessSecret = encrypted.access({ sslMode: 'verify-full' })
    await encrypted.application({ accessSecret, sslRootCert: 'system' }).refused('tls-failed')
    // The admin's login looks at the name as well, although its Secret says no more than require.
    await encrypted.application({ sslRootCert: 'system', appSslMode: 'verify-full' }).refused('tls-failed')
  })

  test.each([
    ['a wrong authority', encrypted, 'verify-ca', wrong],
    ['no TLS at all', plain, 'require', undefined],
  ] as const)('has %s, and nothing was changed', async (_, bench, sslMode, ca) => {
    const accessSecret = bench.access({ sslMode, ...(ca && { ca }) })
    const { outcome } = await bench.application({ accessSecret }).refused('tls-failed')
    expect(outcome.failure?.hint.join('\n')).toMatch(ca ? /ca\.crt/ : /PGSSLMODE/)
  })
})

/** One application a server is enough: nothing is changed. */
const applications = new Map<Bench, Promise<Application>>()

function shared(bench: Bench): Promise<Application> {
  const application = applications.get(bench) ?? bench.established()
  applications.set(bench, application)
  return application
}

function usualHba(bench: Bench): readonly string[] {
  return bench === plain ? plainHba : spiloHba
}

/** Says how the sessions of a run since the mark came in, all of them: told by what no language translates. */
async function authorized(bench: Bench, mark: number, { request }: Application): Promise<string> {
  const log = await bench.postgres.logSince(mark)
  const named = `=${request.runName}`
  const lines = log.split('\n').filter((line) => line.includes(' 00000 ') && line.includes(named))
  const ways = new Set(lines.map((line) => (line.includes('=TLSv1') ? 'TLS' : 'plain')))
  return [...ways].join(' and ')
}
