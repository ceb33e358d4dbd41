import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { Listener } from '../../../src/exec/listener.ts'
import { Way } from '../../../src/exec/way.ts'
import { startDeadline } from '../../../src/lib/deadline.ts'
import { ScramClient } from '../../../src/postgres/scram.ts'
import type { SslMode } from '../../../src/postgres/sslmode.ts'
import { useBench } from '../../support/bench.ts'
import { message, query } from '../../support/message.ts'
import { startMiddle } from '../../support/middle.ts'
import { judged, psqlRows } from '../../support/psql.ts'

const bench = useBench()

let listener: Listener
let way: Way
let dialled = 0
let password: string

/** Opens a listener whose sessions go to a server, and what leads there. */
async function start({
  target,
  sslMode,
}: {
  target: { host: string; port: number }
  sslMode: SslMode
}): Promise<[Listener, Way]> {
  const { host, port } = target
  const deadline = startDeadline(600_000, new AbortController().signal)
  deadline.stop()
  const leading = {
    dial: async () => {
      dialled += 1
      const socket = connect({ host, port })
      await once(socket, 'connect')
      return { stream: socket, words: '' }
    },
    renew: () => undefined,
  }
  const login = {
    user: 'login_of_command',
    password,
    database: 'shop',
    host: 'postgresql1.postgres-system.svc',
    sslMode,
    ca: bench.postgres.ca,
  }
  const entry = { login, role: 'shop', unproven: 'refuse' as const }
  const leads = new Way({ deadline, applicationName: 'pg-app-user test' }, leading, entry)
  const opened = await Listener.open({ user: 'shop', database: 'shop' }, leads)
  bench.password(opened.password)
  return [opened, leads]
}

beforeAll(async () => {
  password = await bench.role('login_of_command', 'LOGIN NOINHERIT')
  await bench.role('shop', 'NOLOGIN')
  await bench.sql('CREATE DATABASE shop')
  await bench.sql('GRANT shop TO login_of_command')
  await bench.sql('GRANT CREATE ON SCHEMA public TO shop', [], 'shop')
  ;[listener, way] = await start({ target: bench.postgres, sslMode: 'require' })
})

afterAll(async () => {
  await listener.close()
  way.close()
})

function variables(): Record<string, string> {
  return {
    PGHOST: '127.0.0.1',
    PGPORT: String(listener.port),
    PGUSER: 'shop',
    PGPASSWORD: listener.password,
    PGDATABASE: 'shop',
    PGSSLMODE: 'disable',
  }
}

async function client(overrides: pg.ClientConfig = {}): Promise<pg.Client> {
  const { port, password } = listener
  const each = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'shop',
    password,
    database: 'shop',
    ssl: false,
    ...overrides,
  })
  each.on('error', () => undefined)
  await each.connect()
  return each
}

/** Returns what the login comes to: `in`, or the SQLSTATE. */
async function attempt(overrides: pg.ClientConfig): Promise<string> {
  try {
    const each = await client(overrides)
    await each.end()
    return 'in'
  } catch (error) {
    return (error as pg.DatabaseError).code ?? String(error)
  }
}

/** Sends bytes, and returns what comes back until the listener closes. */
async function raw(...packets: readonly Buffer[]): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: listener.port })
  socket.on('error', () => undefined)
  const heard: Buffer[] = []
  socket.on('data', (chunk) => heard.push(chunk))
  for (const packet of packets) socket.write(packet)
  await once(socket, 'close')
  return Buffer.concat(heard).toString('latin1')
}

function first(code: number, text = ''): Buffer {
  const body = Buffer.from(text, 'latin1')
  const head = Buffer.alloc(8)
  head.writeInt32BE(body.length + 8)
  head.writeInt32BE(code, 4)
  return Buffer.concat([head, body])
}

const startUp = first(196_608, 'user\0shop\0database\0shop\0\0')
const initial = (text: string, mechanism = 'SCRAM-SHA-256'): Buffer => {
  const length = Buffer.alloc(4)
  length.writeInt32BE(text.length)
  return message('p', Buffer.concat([Buffer.from(`${mechanism}\0`), length, Buffer.from(text)]))
}

/** Reads until the text is there. */
async function until(socket: Socket, heard: { text: string }, what: RegExp): Promise<RegExpExecArray> {
  for (;;) {
    const found = what.exec(heard.text)
    if (found !== null) return found
    await Promise.race([once(socket, 'data'), once(socket, 'close')])
    if (socket.destroyed && what.exec(heard.text) === null) throw new Error(`closed after ${heard.text}`)
  }
}

/** Begins a statement that lasts, and resolves when the server is at it: before that, nothing can be cancelled. */
async function sleepIn(each: pg.Client): Promise<{ ended: Promise<unknown> }> {
  const ended = each.query('select pg_sleep(60)').catch((error: unknown) => error)
  const asleep = async (): Promise<boolean> =>
    (await bench.sql("select from pg_stat_activity where state = 'active' and query = 'select pg_sleep(60)'"))
      .length > 0
  while (!(await asleep())) await sleep(20)
  return { ended }
}

describe('clients of all kinds', () => {
  test('node-postgres is in the database, as the role, under the name of the run and its own', async () => {
    const each = await client({ application_name: 'migrate' })
    const { rows } = await each.query<Record<string, string>>(
      "select current_user, session_user, current_database() as db, current_setting('application_name') as name",
    )
    await each.end()
    expect(rows).toEqual([
      {
        current_user: 'shop',
        session_user: 'login_of_command',
        db: 'shop',
        name: 'pg-app-user test migrate',
      },
    ])
  })

  test('the role is none that options lead elsewhere, and RESET and DISCARD come back to it', async () => {
    const each = await client({ options: '-c role=none -c lock_timeout=3s' })
    await each.query('RESET ROLE')
    await each.query('DISCARD ALL')
    const { rows } = await each.query<Record<string, string>>(
      "select current_user, current_setting('lock_timeout') as lock",
    )
    await each.end()
    expect(rows).toEqual([{ current_user: 'shop', lock: '3s' }])
  })

  judged(13).each(['disable', 'prefer', 'allow'])('psql gets in with sslmode %s', async (PGSSLMODE) => {
    const env = { ...variables(), PGSSLMODE, PGGSSENCMODE: 'prefer' }
    expect(await psqlRows(env, 'select current_user')).toEqual(['shop'])
  })

  judged(13)('psql is told why where it insists on TLS, and by the server what is wrong', async () => {
    expect(await psqlRows({ ...variables(), PGSSLMODE: 'require' }, 'select 1')).toEqual([
      expect.stringContaining('server does not support SSL, but SSL was required'),
    ])
    expect(await psqlRows(variables(), 'select no_such_column')).toEqual([
      expect.stringContaining('no_such_column'),
    ])
    const options = { ...variables(), PGOPTIONS: '-c no_such_setting=1' }
    expect(await psqlRows(options, 'select 1')).toEqual([expect.stringContaining('no_such_setting')])
  })

  test('a client of a later protocol is told which one is spoken, and goes on', async () => {
    const scram = new ScramClient(listener.password, 'n,,')
    const socket = connect({ host: '127.0.0.1', port: listener.port })
    const heard = { text: '' }
    socket.on('data', (chunk) => (heard.text += chunk.toString('latin1')))
    socket.write(first(196_610, 'user\0shop\0database\0shop\0_pq_.new\0on\0\0'))
    await until(socket, heard, /^v\0\0\0\x15\0\x03\0\0\0\0\0\x01_pq_\.new\0R/)
    socket.write(initial(scram.first))
    const [, challenge = ''] = await until(socket, heard, /(r=[^,]+,s=[^,]+,i=4096)/)
    // What is sent behind the last message of SCRAM reaches the server too.
    socket.write(Buffer.concat([message('p', await scram.prove(challenge)), query("select 'early'")]))
    const [, signature = ''] = await until(socket, heard, /R\0\0\0.\0\0\0\x0c(v=[\w+/]+=)R/)
    expect(() => {
      scram.verify(signature)
    }).not.toThrow()
    await until(socket, heard, /early/)
    socket.destroy()
  })

  test('a statement is cancelled with the key of its session, and with no other', async () => {
    const each = await client()
    const { processID, secretKey } = each as unknown as { processID: number; secretKey: number }
    const sleeping = await sleepIn(each)
    const before = dialled
    const foreign = Buffer.alloc(8)
    foreign.writeInt32BE(processID)
    foreign.writeInt32BE(secretKey ^ 1, 4)
    expect(await raw(first(80_877_102, foreign.toString('latin1')))).toBe('')
    expect(dialled).toBe(before)
    foreign.writeInt32BE(secretKey, 4)
    expect(await raw(first(80_877_102, foreign.toString('latin1')))).toBe('')
    expect(await sleeping.ended).toMatchObject({ code: '57014' })
    await each.end()
    // Nor with one that is no longer alive. The client is gone before its session is.
    let gone: number
    do {
      gone = dialled
      expect(await raw(first(80_877_102, foreign.toString('latin1')))).toBe('')
    } while (dialled !== gone)
  })

  test.each(['prefer', 'allow'] as const)(
    'a statement is cancelled under sslmode %s, where the server has no TLS',
    async (sslMode) => {
      const middle = await startMiddle(bench.postgres, { front: 'plain', back: 'TLS', hides: true })
      const [other, otherWay] = await start({ target: middle, sslMode })
      const each = await client({ port: other.port, password: other.password })
      const { processID, secretKey } = each as unknown as { processID: number; secretKey: number }
      const sleeping = await sleepIn(each)
      const key = Buffer.alloc(8)
      key.writeInt32BE(processID)
      key.writeInt32BE(secretKey, 4)
      const socket = connect({ host: '127.0.0.1', port: other.port })
      socket.write(first(80_877_102, key.toString('latin1')))
      expect(await sleeping.ended).toMatchObject({ code: '57014' })
      await each.end()
      await other.close()
      otherWay.close()
      middle.stop()
    },
  )

  test('twenty at once each have a session of their own', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => client()))
    const pids = await Promise.all(
      all.map(
        async (each) => (await each.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid,
      ),
    )
    expect(new Set(pids).size).toBe(20)
    await Promise.all(all.map((each) => each.end()))
  })

  judged(13)('megabytes go both ways, whole', async () => {
    const env = { PATH: process.env['PATH'], LC_ALL: 'C', ...variables() }
    const select = 'select n, repeat(md5(n::text), 30) from generate_series(1, 20000) n'
    const one = spawn('psql', ['-Xqc', `copy (${select}) to stdout`], { env })
    const other = spawn(
      'psql',
      [
        '-XAtqc',
        'create temp table t (n int, words text)',
        '-c',
        'copy t from stdin',
        '-c',
        "select count(*), md5(string_agg(words, '' order by n)) from t",
      ],
      { env },
    )
    one.stdout.pipe(other.stdin)
    let said = ''
    other.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await once(other, 'close')
    const [row] = await bench.sql<{ hash: string }>(
      `select md5(string_agg(words, '' order by n)) as hash from (${select}) as t (n, words)`,
    )
    expect(said.trim()).toBe(`20000|${row?.hash}`)
  })

  test('a backend that is terminated says so itself', async () => {
    const each = await client()
    const told = once(each, 'error') as Promise<[pg.DatabaseError]>
    const { rows } = await each.query<{ pid: number }>('select pg_backend_pid() as pid')
    await bench.sql('select pg_terminate_backend($1)', [rows[0]?.pid])
    expect((await told)[0]).toMatchObject({ code: '57P01' })
  })

  test('what a client sent before it left arrives', async () => {
    const each = await client()
    void each.query('create table left_behind ()').catch(() => undefined)
    void each.end()
    await once(each, 'end')
    let there: unknown[] = []
    for (let tries = 0; tries < 200 && there.length === 0; tries++) {
      await sleep(20)
      there = await bench.sql("select from pg_class where relname = 'left_behind'", [], 'shop')
    }
    expect(there).toHaveLength(1)
  })
})

describe('whoever does not know the password opens nothing', () => {
  test.each<[string, pg.ClientConfig, string]>([
    ['a wrong password', { password: 'wrong' }, '28P01'],
    ['an empty password', { password: '0' }, '28P01'],
    ['another user', { user: 'postgres' }, '28P01'],
    ['the login itself', { user: 'login_of_command' }, '28P01'],
    ['replication', { replication: 'database' } as pg.ClientConfig, '0A000'],
  ])('%s', async (_, overrides, sqlState) => {
    const before = dialled
    expect(await attempt(overrides)).toBe(sqlState)
    expect(dialled).toBe(before)
  })

  test('another database is refused with the right password too, not as one that can be made', async () => {
    const before = dialled
    expect(await attempt({ database: 'postgres' })).toBe('42501')
    expect(await attempt({ database: 'shop_shadow' })).toBe('42501')
    expect(dialled).toBe(before)
  })

  const header = Buffer.from('n,,').toString('base64')
  test.each<[string, Buffer[], RegExp]>([
    ['HTTP', [Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')], /08P01/],
    ['a huge length', [Buffer.from('7fffffff00030000', 'hex')], /08P01/],
    ['a negative length', [Buffer.from('ffffffff00030000', 'hex')], /08P01/],
    ['a length without a body', [Buffer.from('00000004', 'hex')], /08P01/],
    ['protocol 2.0', [first(131_072, 'x'.repeat(292))], /0A000/],
    ['protocol 4.0', [first(262_144, 'user\0shop\0\0')], /0A000/],
    ['TLS asked for twice', [first(80_877_103), first(80_877_103)], /^N.*08P01/s],
    ['a start-up packet without an end', [first(196_608, 'user\0shop')], /08P01/],
    ['a name without a value', [first(196_608, 'user\0shop\0database\0\0')], /08P01/],
    ['no user', [first(196_608, 'database\0shop\0\0')], /28000/],
    ['a cancel request that is too long', [first(80_877_102, 'x'.repeat(40))], /08P01/],
    ['a query in place of the password', [startUp, query('select 1')], /08P01/],
    ['a password in clear text', [startUp, message('p', 'secret\0')], /08P01/],
    ['another mechanism', [startUp, initial('n,,n=,r=abc', 'SCRAM-SHA-256-PLUS')], /08P01/],
    ['channel binding', [startUp, initial('p=tls-server-end-point,,n=,r=abc')], /08P01/],
    ['an authorization identity', [startUp, initial('n,a=postgres,n=,r=abc')], /08P01/],
    ['an extension of SCRAM', [startUp, initial('n,,m=x,n=,r=abc')], /08P01/],
    ['an empty nonce', [startUp, initial('n,,n=,r=')], /08P01/],
    ['a message that is too long', [startUp, message('p', 'x'.repeat(9000))], /08P01/],
    [
      'a last message for another nonce',
      [startUp, initial('n,,n=,r=abc'), message('p', `c=${header},r=abc,p=${'A'.repeat(43)}=`)],
      /08P01/,
    ],
  ])('%s', async (_, packets, answer) => {
    const before = dialled
    expect(await raw(...packets)).toMatch(answer)
    expect(dialled).toBe(before)
  })

  test('an exchange that was overheard is worth nothing', async () => {
    const scram = new ScramClient(listener.password, 'n,,')
    const sniffed: Buffer[] = []
    const play = async (replayed?: readonly Buffer[]): Promise<string> => {
      const socket = connect({ host: '127.0.0.1', port: listener.port })
      socket.on('error', () => undefined)
      const heard = { text: '' }
      socket.on('data', (chunk) => (heard.text += chunk.toString('latin1')))
      socket.write(startUp)
      socket.write(replayed?.[0] ?? initial(scram.first))
      const [, challenge = ''] = await until(socket, heard, /(r=[^,]+,s=[^,]+,i=4096)/)
      const last = replayed?.[1] ?? message('p', await scram.prove(challenge))
      sniffed.push(initial(scram.first), last)
      socket.write(last)
      const [sign = ''] = await until(socket, heard, /Z\0\0\0\x05I|08P01|28P01/)
      socket.destroy()
      return sign
    }
    expect(await play()).toMatch(/^Z/)
    const before = dialled
    expect(await play(sniffed)).toBe('08P01')
    expect(dialled).toBe(before)
  })

  test('a flood of those who say nothing keeps nobody out, and opens nothing', async () => {
    const before = dialled
    const silent = Array.from({ length: 500 }, () => {
      const socket = connect({ host: '127.0.0.1', port: listener.port })
      socket.on('error', () => undefined)
      return socket
    })
    await Promise.all(silent.map((socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')])))
    expect(dialled).toBe(before)
    expect(await attempt({})).toBe('in')
    for (const socket of silent) socket.destroy()
  })
})
