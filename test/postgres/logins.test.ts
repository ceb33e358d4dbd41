import { describe, expect, test } from '@jest/globals'
import { spiloHba } from '../../sandbox/postgres.ts'
import { scramVerifier } from '../../src/postgres/scram.ts'
import { identifier, literal, useBench } from '../support/bench.ts'
import { saslFinal } from '../support/message.ts'
import { startBetween, startStrict } from '../support/pooler.ts'

const bench = useBench()

const passwords: Record<string, string> = {
  'of letters and digits': 'Zx81 is not a password',
  'of all ASCII signs': Buffer.from(Array.from({ length: 95 }, (_, index) => 32 + index)).toString(),
  'with umlauts': 'Grüße aus Åmål',
  'in another script': 'пароль と パスワード',
  'with composed and combined marks': 'e\u0301 and \u00e9 are one',
  'with compatible characters': '\u2168 \ufb01 \u00bd \uff21',
  'with a soft hyphen and a no-break space': 'in\u00advisible\u00a0signs',
  'with an emoji': 'a 🐘 never forgets',
  'from right to left': 'סיסמה ארוכה',
  'in both directions, which SASLprep forbids': 'abc סיסמה abc',
  'with a character that is not assigned': 'not assigned: \u0378',
  'of 300 characters': 'p'.repeat(300),
}

describe('a verifier made here is the one that the server makes, and lets in', () => {
  test.each(Object.entries(passwords))('password %s', async (_, password) => {
    bench.password(password)
    const role = bench.name('role')
    await bench.sql(`CREATE ROLE ${role} LOGIN PASSWORD ${literal(password)}`)
    const stored = async (): Promise<string> => {
      const [row] = await bench.sql<{ verifier: string }>(
        'select rolpassword as verifier from pg_authid where rolname = $1',
        [role],
      )
      return row?.verifier ?? ''
    }
    const byServer = await stored()
    const salt = Buffer.from(/:([^$]+)\$/.exec(byServer)?.[1] ?? '', 'base64')
    expect(await scramVerifier(password, salt)).toBe(byServer)

    const own = await scramVerifier(password)
    await bench.sql(`ALTER ROLE ${role} PASSWORD ${literal(own)}`)
    expect(await stored()).toBe(own)
    for (const method of ['scram-sha-256', 'md5']) {
      await bench.withHba([`host all ${role} all ${method}`], spiloHba, async () => {
        expect([method, await bench.login(role, password, 'postgres')]).toEqual([method, 'in'])
        expect([method, await bench.login(role, `${password}!`, 'postgres')]).toEqual([method, '28P01'])
      })
    }
  })
})

test('a password that people chose is kept and proven, whatever its characters', async () => {
  const application = bench.application()
  const password = `Grüße: '"\\$%🐘 ${application.role}`
  application.putSecret({ PGPASSWORD: password })
  expect(await application.run()).toMatchObject({ code: undefined })
  expect(application.secret['PGPASSWORD']).toBe(password)
  expect(await application.login()).toBe('in')
  await bench.sql(`ALTER ROLE ${identifier(application.role)} PASSWORD 'something else'`)
  expect(await application.run()).toMatchObject({ code: undefined, done: ['role password-set'] })
  expect(await application.login()).toBe('in')
})

test('a password that the server hashes more often than drivers take for granted logs in all the same', async () => {
  const application = await bench.established()
  // Before PostgreSQL 16 there is no other number of rounds.
  const rounds = bench.postgres.major >= 16 ? ['SET scram_iterations = 150000'] : []
  const password = literal(application.secret['PGPASSWORD'] ?? '')
  const alter = `ALTER ROLE ${identifier(application.role)} PASSWORD ${password}`
  await bench.inDatabase('postgres', (client) => client.query([...rounds, alter].join('; ')))
  expect(await application.run()).toMatchObject({ code: undefined, done: [] })
})

test.each(['there', 'yet to be made'])(
  'a password that drivers take in two ways is what psql takes, role %s',
  async (role) => {
    const application = await bench.established()
    if (role === 'gone') await bench.sql(`ALTER ROLE ${application.role} RENAME TO ${bench.name('other')}`)
    const password = 'not assigned: \u0378 \u2168'
    application.putSecret({ PGPASSWORD: password }, 'on top')
    const { code, outcome } = await application.run()
    expect(code).toBeUndefined()
    expect(outcome.notes).toContainEqual(expect.stringContaining('drivers do not log in alike'))
    expect(application.secret['PGPASSWORD']).toBe(password)
    const again = await application.run()
    expect(again).toMatchObject({ code: undefined, done: [] })
    expect(again.outcome.notes).toContainEqual(expect.stringContaining('drivers do not log in alike'))
    // The way of node-postgres leads nowhere.
    expect(await application.login()).toBe('28P01')
  },
)

describe('what goes along with a login', () => {
  test('is asked after it, where something in between does not bear it', async () => {
    const strict = await startStrict(bench.postgres)
    try {
      const accessSecret = bench.access({ target: strict, sslMode: 'disable' })
      const application = bench.application({ accessSecret })
      expect(await application.run()).toMatchObject({ code: undefined })
      expect(await application.run()).toMatchObject({ code: undefined, done: [] })
      // The admin and the application, in both runs, and the admin in template1 in the first.
      expect(strict.refused()).toBe(5)
    } finally {
      strict.stop()
    }
  })

  test('is not the reason of a server that falls silent', async () => {
    const strict = await startStrict(bench.postgres, 'falls silent')
    try {
      const accessSecret = bench.access({ target: strict, sslMode: 'disable' })
      let refused = 0
      const onStep = ({ subject }: { subject: string }): void => {
        if (subject === 'waiting') refused = strict.refused()
      }
      const { outcome } = await bench
        .application()
        .refused('timeout', { accessSecret, timeoutMs: 15_000 }, { onStep })
      expect(outcome.failure?.message).toContain('did not answer within 10 s')
      // The admin and the application, once each.
      expect(refused).toBe(2)
    } finally {
      strict.stop()
    }
  })

  test('is not the reason of a server that does not know the password', async () => {
    let forged = 0
    const forger = await startBetween(bench.postgres, (client, upstream) => {
      client.once('close', () => upstream.destroy())
      client.on('data', (data) => upstream.write(data))
      upstream.on('data', (data) => {
        const signature = data.indexOf(saslFinal)
        if (signature !== -1) {
          data.write('forged', signature + saslFinal.length)
          forged += 1
        }
        client.write(data)
      })
    })
    try {
      const accessSecret = bench.access({ target: forger, sslMode: 'disable' })
      const { outcome } = await bench.application().refused('login-unsupported', { accessSecret })
      expect(outcome.failure?.message).toContain('server signature does not match')
      expect(forged).toBe(1)
    } finally {
      forger.stop()
    }
  })
})

test('a password that went into the log of the server would be found', async () => {
  const application = await bench.established()
  await application.work(`SELECT '${application.secret['PGPASSWORD'] ?? ''}'`)
  await expect(bench.expectNoLeak()).rejects.toThrow("the server's log")
})
