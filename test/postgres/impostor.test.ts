import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { once } from 'node:events'
import { connect } from 'node:net'
import { startDeadline } from '../../src/deadline.ts'
import { Failure } from '../../src/failure.ts'
import { Connections } from '../../src/postgres/connection.ts'
import { logIn, sqlState, type Login } from '../../src/postgres/session.ts'
import { encodings } from '../../src/report/redactor.ts'
import { useBench } from '../support/bench.ts'
import {
  groupings,
  moves,
  startImpostor,
  type Grouping,
  type Impostor,
  type Move,
} from '../support/impostor.ts'
import { startBetween } from '../support/pooler.ts'

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
async function logInWith(impostor: Impostor): Promise<string | undefined> {
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
    await fc.assert(
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
