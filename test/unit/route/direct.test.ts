import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from '@jest/globals'
import { Failure } from '../../../src/lib/failure.ts'
import { dialDirectly, dialFailure, type Direct } from '../../../src/route/direct.ts'

const { signal } = new AbortController()
const servers: Server[] = []
const peers: Socket[] = []

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.destroy()
  await Promise.all(servers.splice(0).map((server) => server[Symbol.asyncDispose]()))
})

/** Listens on loopback, and gives the port. */
async function listen(host = '127.0.0.1', serve: (peer: Socket) => void = () => undefined): Promise<number> {
  const server = createServer((peer) => {
    peers.push(peer.on('error', () => undefined))
    serve(peer)
  })
  servers.push(server)
  await once(server.listen(0, host), 'listening')
  return (server.address() as AddressInfo).port
}

/** Gives a port on which nobody listens. */
async function closedPort(): Promise<number> {
  const port = await listen()
  await servers.pop()?.[Symbol.asyncDispose]()
  return port
}

async function failure(work: Promise<unknown>): Promise<Failure> {
  const thrown: unknown = await work.then(
    () => 'no failure',
    (error: unknown) => error,
  )
  if (thrown instanceof Failure) return thrown
  throw new Error('no Failure', { cause: thrown })
}

/** What is read of a connection until its end, and the error of that end. */
async function end(direct: Direct): Promise<readonly [read: string, error: unknown]> {
  const errors: unknown[] = []
  direct.on('error', (error) => errors.push(error))
  let read = ''
  try {
    for await (const chunk of direct) read += String(chunk)
  } catch {
    // It is among the errors.
  }
  return [read, errors[0]]
}

const hasIPv6 = Object.values(networkInterfaces()).some((each) =>
  each?.some(({ address }) => address === '::1'),
)

describe('a host that takes the connection', () => {
  test.each([['127.0.0.1'], ['localhost'], ...(hasIPv6 ? [['::1']] : [])])('%s', async (host) => {
    const echo = (peer: Socket): void => void peer.pipe(peer)
    const port = await listen(host, echo)
    const direct = await dialDirectly({ host, port }, signal)
    expect(direct.host).toBe(host)
    expect(direct.address).toMatch(/^(127\.0\.0\.1|\[::1\]):\d+$/)
    direct.write('one ')
    direct.write('two')
    const [heard] = (await once(direct, 'data')) as [Buffer]
    expect('one two').toContain(String(heard))
    direct.destroy()
  })

  test('is the first of several that does, whatever is wrong with those before', async () => {
    const port = await listen()
    const direct = await dialDirectly({ host: 'nowhere.invalid,127.0.0.1,localhost', port }, signal)
    expect(direct.host).toBe('127.0.0.1')
    direct.destroy()
  })

  test('what was written before the end arrives', async () => {
    const heard = Promise.withResolvers<string>()
    const port = await listen('127.0.0.1', (peer) => {
      void text(peer).then(heard.resolve)
    })
    const direct = await dialDirectly({ host: '127.0.0.1', port }, signal)
    direct.end('goodbye')
    expect(await heard.promise).toBe('goodbye')
  })
})

describe('a host that takes none', () => {
  test('refuses it', async () => {
    const port = await closedPort()
    const refused = await failure(dialDirectly({ host: '127.0.0.1', port }, signal))
    expect(refused).toMatchObject({
      code: 'port-closed',
      message: `Nothing listens at 127.0.0.1:${port} (ECONNREFUSED).`,
    })
  })

  test('has a name that does not resolve: says so, and which way there is from outside', async () => {
    const unknown = await failure(dialDirectly({ host: 'nowhere.invalid', port: 5432 }, signal))
    expect(unknown.code).toBe('host-unknown')
    expect(unknown.message).toMatch(
      /^PGHOST nowhere\.invalid of the access Secret does not resolve here \(E\w+\)\.$/,
    )
    expect(unknown.hint.join('\n')).toContain('via: port-forward')
  })

  test('is one of several: each is told', async () => {
    const port = await closedPort()
    const none = await failure(dialDirectly({ host: 'nowhere.invalid,127.0.0.1', port }, signal))
    expect(none.code).toBe('port-closed')
    expect(none.hint[0]).toContain('PGHOST nowhere.invalid of the access Secret does not resolve')
  })

  test.each([
    ['ETIMEDOUT', 'database-unreachable', 'db.example.com:5432 did not answer within 10 s.'],
    ['EHOSTUNREACH', 'database-unreachable', 'There is no route to db.example.com:5432 (EHOSTUNREACH).'],
    ['EACCES', 'database-unreachable', 'There is no route to db.example.com:5432 (EACCES).'],
    [
      'EAI_AGAIN',
      'host-unknown',
      'PGHOST db.example.com of the access Secret does not resolve here (EAI_AGAIN).',
    ],
  ])('%s is %s', (code, known, message) => {
    expect(dialFailure(code, { host: 'db.example.com', port: 5432 })).toMatchObject({ code: known, message })
  })

  test('an IPv6 address is told from its port', () => {
    expect(dialFailure('ECONNREFUSED', { host: '::1', port: 1 }).message).toContain('[::1]:1')
  })

  test('a run that is over ends the opening, with its own reason', async () => {
    const over = AbortSignal.abort(new Failure('cancelled', 'cancelled', []))
    const port = await listen()
    expect((await failure(dialDirectly({ host: '127.0.0.1', port }, over))).code).toBe('cancelled')
  })
})

describe('a connection that stands and is lost', () => {
  test.each<[string, (peer: Socket) => void]>([
    ['is closed by the other side', (peer) => peer.end('last words')],
    ['is reset', (peer) => peer.once('data', () => peer.resetAndDestroy())],
  ])('%s: what came before is read, and its error is a Failure', async (_, serve) => {
    const port = await listen('127.0.0.1', serve)
    const direct = await dialDirectly({ host: '127.0.0.1', port }, signal)
    direct.write('anything')
    const [read, error] = await end(direct)
    expect('last words').toContain(read)
    expect(error).toMatchObject({ code: 'tunnel-lost', message: expect.stringContaining('127.0.0.1') })
  })

  test('is no error where this side ended it', async () => {
    const port = await listen()
    const direct = await dialDirectly({ host: '127.0.0.1', port }, signal)
    direct.end()
    await once(direct, 'close')
    expect(direct.errored).toBeNull()
  })
})
