import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Target } from '../../sandbox/api.ts'
import { listenOnLoopback } from '../../sandbox/host.ts'
import { spiloHba } from '../../sandbox/postgres.ts'
import { startDeadline } from '../../src/lib/deadline.ts'
import { Failure } from '../../src/lib/failure.ts'
import { logIn, type Login } from '../../src/postgres/attempt.ts'
import { Connections } from '../../src/postgres/connection.ts'
import { sqlState } from '../../src/postgres/session.ts'
import { encodings } from '../../src/report/redactor.ts'
import { identifier, literal, useBench } from '../support/bench.ts'
import { groupings, moves, startImpostor, type Grouping, type Move } from '../support/impostor.ts'
import { message } from '../support/message.ts'
import { startBetween } from '../support/pooler.ts'
import { prove } from '../support/property.ts'

const password = 'Correct-Horse_Battery<Staple>&"99'
const login: Login = {
  user: 'shop_admin',
  password,
  database: 'postgres',
  host: 'postgresql1.example.svc',
  sslMode: 'disable',
  ca: undefined,
}

/** What became of one login with an impostor: the code of the failure, or how it was let in. */
async function logInWith(impostor: Target): Promise<string | undefined> {
  const deadline = startDeadline(10_000, new AbortController().signal)
  const dial = async () => {
    const socket = connect(impostor)
    await once(socket, 'connect')
    // As a tunnel: it stands already, and node-postgres is told so.
    return Object.assign(socket, { connect: () => setImmediate(() => socket.emit('connect')) })
  }
  try {
    const attempt = await logIn(new Connections({ dial, deadline, applicationName: 'test' }), login)
    // Whoever is let in goes on, and may be asked then.
    if (attempt.exchange === 'none') await attempt.session?.query('select 1')
    await attempt.session?.end()
    return attempt.exchange ?? attempt.refusal?.code ?? 'nothing'
  } catch (error) {
    return error instanceof Failure ? error.code : sqlState(error)
  } finally {
    deadline.stop()
  }
}

/** Gives the messages in which a client answers for its password, as their contents. */
function answersIn(received: Buffer): readonly string[] {
  const answers: string[] = []
  // The start-up message has no type; each login of these tests is one connection.
  let rest = received.subarray(received.length >= 4 ? received.readInt32BE(0) : received.length)
  while (rest.length >= 5) {
    const end = 1 + rest.readInt32BE(1)
    if (rest[0] === 'p'.charCodeAt(0)) answers.push(rest.subarray(5, end).toString('latin1'))
    rest = rest.subarray(end)
  }
  return answers
}

/** What an answer to the question for a password may be: the begin of SCRAM, its proof, or a response to `salt`. */
const harmless =
  /^SCRAM-SHA-256\0[\0-\xff]{4}n,,n=[^,]*,r=[^,]+$|^c=biws,r=[^,]+,p=[A-Za-z0-9+/=]+$|^md5[0-9a-f]{32}\0$/

async function play(names: readonly (keyof typeof moves)[], grouping: Grouping) {
  const impostor = await startImpostor(
    names.map((name): Move => moves[name]),
    grouping,
  )
  try {
    const end = await logInWith(impostor)
    const received = impostor.received()
    return { end, received, answers: answersIn(received) }
  } finally {
    impostor.stop()
  }
}

function expectNoPassword(received: Buffer): void {
  const text = received.toString('latin1')
  expect(encodings(password).filter((form) => text.includes(form))).toEqual([])
}

describe('no password leaves but as a proof', () => {
  test.each(
    groupings.flatMap((grouping) =>
      (
        [
          [['cleartext'], 'cleartext-password-demanded'],
          [['sasl', 'cleartext'], 'cleartext-password-demanded'],
          [['md5', 'cleartext'], 'cleartext-password-demanded'],
          [['sasl', 'saslContinue', 'cleartext'], 'cleartext-password-demanded'],
          [['cleartext', 'md5'], 'cleartext-password-demanded'],
          [['cleartext', 'ok', 'ready'], 'cleartext-password-demanded'],
          [['ok', 'ready', 'cleartext'], 'cleartext-password-demanded'],
          [['ok', 'cleartext', 'ready'], 'cleartext-password-demanded'],
          [['sasl', 'ok', 'ready', 'cleartext'], 'cleartext-password-demanded'],
          [['sasl', 'saslContinue', 'saslFinal', 'cleartext'], undefined],
          [['cleartext', 'refusal'], 'cleartext-password-demanded'],
          [['sasl', 'md5'], 'login-unsupported'],
          [['md5', 'sasl'], 'login-unsupported'],
          [['md5', 'md5'], 'login-unsupported'],
          [['sasl', 'sasl'], 'login-unsupported'],
          [['sasl', 'saslContinue', 'md5'], 'login-unsupported'],
          [['saslContinue'], 'login-unsupported'],
          [['saslFinal', 'ok', 'ready'], 'login-unsupported'],
          [['sasl', 'saslContinue', 'saslContinue'], 'login-unsupported'],
          [['saslPlus'], 'channel-binding-failed'],
        ] as const
      ).map(([names, end]) => [names.join(', '), grouping, names, end] as const),
    ),
  )('%s, %s', async (_, grouping, names, expected) => {
    const { end, received, answers } = await play(names, grouping)
    expectNoPassword(received)
    expect(answers.filter((answer) => !harmless.test(answer))).toEqual([])
    if (expected !== undefined) expect(end).toBe(expected)
  })

  test('whatever a server sends, in whatever order and grouping', async () => {
    const names = Object.keys(moves) as (keyof typeof moves)[]
    await prove(
      'test',
      fc.asyncProperty(
        fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 6 }),
        fc.constantFrom(...groupings),
        async (order, grouping) => {
          const { received, answers } = await play(order, grouping)
          expectNoPassword(received)
          expect(answers.filter((answer) => !harmless.test(answer))).toEqual([])
          // One challenge is answered once: a second response would be one to an offline attack of its choosing.
          expect(answers.filter((answer) => answer.startsWith('md5')).length).toBeLessThan(2)
          expect(answers.filter((answer) => answer.startsWith('c=')).length).toBeLessThan(2)
        },
      ),
      { numRuns: 150 },
    )
  })
})

describe('in a whole run', () => {
  const bench = useBench()

  test.each(['admin', 'application'] as const)('the password of the %s stays here', async (whose) => {
    const application = await bench.established()
    const victim =
      whose === 'admin'
        ? bench.admin
        : { user: application.role, password: application.secret['PGPASSWORD'] ?? '' }
    const heard: Buffer[] = []
    const thief = await startBetween(bench.postgres, (client, upstream) => {
      client.once('close', () => upstream.destroy())
      upstream.on('data', (data) => client.write(data))
      let stealing = false
      client.on('data', (data) => {
        heard.push(data)
        stealing ||= data.includes(`user\0${victim.user}\0`)
        if (!stealing) upstream.write(data)
        // The first answer is taken, then the password is asked for.
        else client.write(data[0] === 'p'.charCodeAt(0) ? moves.cleartext() : moves.sasl())
      })
    })
    try {
      const accessSecret = bench.access({ target: thief, sslMode: 'disable' })
      const { code, outcome } = await application.run({ accessSecret, appSslMode: 'disable' })
      const text = Buffer.concat(heard).toString('latin1')
      expect(encodings(victim.password).filter((form) => text.includes(form))).toEqual([])
      expect(code).toBe('cleartext-password-demanded')
      expect(outcome.failure?.message).toContain(`"${victim.user}" in clear text`)
    } finally {
      thief.stop()
    }
  })
})

describe('a server that asks for no password may be any server', () => {
  const bench = useBench()

  const trusting = async (work: () => Promise<void>): Promise<void> => {
    await bench.withHba([`host all ${bench.admin.user} all trust`, ...spiloHba], spiloHba, work)
  }

  test('the admin is let in by trust: nothing is created, nothing published', async () => {
    await trusting(async () => {
      const accessSecret = bench.access({ admin: { user: bench.admin.user, password: 'a wrong password' } })
      const { outcome } = await bench.application().refused('login-unproven', { accessSecret })
      expect(outcome.failure?.message).toContain(`"${bench.admin.user}"`)
    })
  })

  test('a login that worked before is not looked at either, nor a dry run', async () => {
    const application = await bench.established()
    await trusting(async () => {
      expect(await application.run()).toMatchObject({ code: 'login-unproven', done: [] })
      expect(await application.run({ dryRun: true })).toMatchObject({ code: 'login-unproven' })
    })
  })

  test('it may be accepted, and is a note then', async () => {
    await trusting(async () => {
      const run = await bench.application({ unproven: 'accept' }).run()
      expect(run).toMatchObject({ code: undefined })
      expect(run.outcome.notes).toEqual([expect.stringContaining('without a password')])
    })
  })

  test.each(['trust', 'md5'] as const)('the gate alone says how the admin was let in: %s', async (method) => {
    const name = bench.name('admin')
    const admin = { user: name, password: bench.password(`md5 or not, of ${name}`) }
    await bench.inDatabase('postgres', async (client) => {
      await client.query("SET password_encryption = 'md5'")
      await client.query(
        `CREATE ROLE ${identifier(name)} LOGIN CREATEDB CREATEROLE PASSWORD ${literal(admin.password)}`,
      )
    })
    const application = bench.application({ unproven: 'accept', accessSecret: bench.access({ admin }) })
    const goLive = {
      enforcement: { enforced: false, why: 'go-live is "warn"' },
      profile: 'standard',
      file: 'go-live.yaml',
      fileNamed: false,
    } as const
    const lines = [`host all ${name} all ${method}`]
    const { outcome } = await bench.withHba(lines, spiloHba, () =>
      application.run({ provision: false, goLive }),
    )
    expect(outcome.notes).toContainEqual(
      expect.stringContaining(method === 'trust' ? 'without a password' : 'logs in with MD5'),
    )
  })

  test('a server that asks for MD5 where this run set a verifier of SCRAM is another one', async () => {
    const application = bench.application()
    let created = false
    const thief = await startBetween(bench.postgres, (client, upstream) => {
      client.once('close', () => upstream.destroy())
      upstream.on('data', (data) => client.write(data))
      let playing = false
      client.on('data', (data) => {
        created ||= data.includes('CREATE ROLE')
        playing ||= created && data.includes(`user\0${application.role}\0`)
        if (!playing) upstream.write(data)
        else if (data[0] === 'p'.charCodeAt(0)) client.write(Buffer.concat([moves.ok(), moves.ready()]))
        else if (data[0] === 0) client.write(moves.md5())
      })
    })
    try {
      const accessSecret = bench.access({ target: thief, sslMode: 'disable' })
      const { code, outcome } = await application.run({ accessSecret, appSslMode: 'disable' })
      expect([code, outcome.secret.resourceVersion]).toEqual(['login-unproven', undefined])
      const said = [outcome.failure?.message, ...(outcome.failure?.hint ?? [])].join('\n')
      expect(said).toContain('MD5')
      expect(said).not.toMatch(/trust rule|without a password/)
    } finally {
      thief.stop()
    }
  })

  test('where that is accepted, it is told as what it was', async () => {
    const application = bench.application({ unproven: 'accept' })
    let created = false
    const thief = await startBetween(bench.postgres, (client, upstream) => {
      client.once('close', () => upstream.destroy())
      let held: Buffer[] | undefined
      upstream.on('data', (data) => {
        if (held === undefined) client.write(data)
        else held.push(data)
      })
      client.on('data', (data) => {
        created ||= data.includes('CREATE ROLE')
        if (created && data.includes(`user\0${application.role}\0`)) {
          held = []
          upstream.write(data)
          client.write(moves.md5())
        } else if (held !== undefined && data[0] === 'p'.charCodeAt(0)) {
          for (const each of held) client.write(each)
          held = undefined
          upstream.write(data.subarray(1 + data.readInt32BE(1)))
        } else upstream.write(data)
      })
    })
    try {
      const accessSecret = bench.access({ target: thief, sslMode: 'disable' })
      const lines = [`host all ${application.role} all trust`]
      const { code, outcome } = await bench.withHba(lines, spiloHba, () =>
        application.run({ accessSecret, appSslMode: 'disable' }),
      )
      expect(code).toBeUndefined()
      const login = outcome.rows.find(({ subject }) => subject === 'Login')
      for (const text of [outcome.notes.join('\n'), login?.now]) {
        expect(text).toContain('MD5')
        expect(text).not.toMatch(/no password|without a password/)
      }
    } finally {
      thief.stop()
    }
  })
})

describe('what a server may send before it has let somebody in', () => {
  test.each([
    ['one long message', (): Buffer => Buffer.from('E\x7f\0\0\0')],
    ['a long challenge', (): Buffer => Buffer.from('R\x7f\0\0\0')],
    ['notices without end', (): Buffer => message('N', `SNOTICE\0M${'n'.repeat(20_000)}\0\0`)],
  ])('%s is cut off', async (_, begin) => {
    let taken = 0
    const flood = createServer((client) => {
      client.on('error', () => undefined)
      client.once('data', () => {
        const pour = (): void => {
          while (!client.destroyed && taken < 400 * 1024 * 1024) {
            const piece = taken === 0 || begin().length > 100 ? begin() : Buffer.alloc(64 * 1024, 'x')
            taken += piece.length
            if (!client.write(piece)) return void client.once('drain', pour)
          }
        }
        pour()
      })
    })
    const port = await listenOnLoopback(flood)
    try {
      const end = await logInWith({ host: '127.0.0.1', port })
      expect(end).toBe('login-unsupported')
      // What the sockets of the system hold comes on top.
      expect(taken).toBeLessThan(40 * 1024 * 1024)
    } finally {
      flood.close()
    }
  })
})

describe('a session of the admin acts as the admin', () => {
  const bench = useBench()

  test.each(['DATABASE', 'ROLE'] as const)('whatever ALTER %s … SET role says', async (what) => {
    const application = await bench.established({ databaseOwner: 'app' })
    const superuser = bench.access({ admin: bench.postgres.superuser })
    const subject = what === 'DATABASE' ? application.role : bench.postgres.superuser.user
    await bench.sql(`ALTER ${what} ${identifier(subject)} SET role = ${literal(application.role)}`)
    try {
      const run = await application.run({
        accessSecret: superuser,
        databaseOwner: 'app',
        extensions: ['file_fdw'],
      })
      expect(run).toMatchObject({ code: undefined, done: expect.arrayContaining(['extension created']) })
    } finally {
      await bench.sql(`ALTER ${what} ${identifier(subject)} RESET role`)
    }
  })

  test('and one that has its rights through that role alone is told so', async () => {
    const [admin, group] = [bench.name('admin'), bench.name('group')]
    const password = 'Only the group may'
    bench.password(password)
    await bench.sql(
      `CREATE ROLE ${group} CREATEDB CREATEROLE; CREATE ROLE ${admin} LOGIN PASSWORD ${literal(password)} IN ROLE ${group}`,
    )
    await bench.sql(`ALTER ROLE ${admin} SET role = ${literal(group)}`)
    const accessSecret = bench.access({ admin: { user: admin, password } })
    const { outcome } = await bench.application().refused('admin-rights-missing', { accessSecret })
    expect(outcome.failure?.hint.join('\n')).toContain(`set to act as "${group}"`)
  })
})
