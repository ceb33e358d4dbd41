import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type http from 'node:http'
import { Agent as HttpsAgent, createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { WebSocketServer, type WebSocket } from 'ws'
import { createAuthority } from '../../../sandbox/certificate.ts'
import { Api } from '../../../src/kubernetes/api.ts'
import type { Credentials } from '../../../src/kubernetes/endpoint.ts'
import { openTunnel, type Tunnel } from '../../../src/kubernetes/tunnel.ts'
import { failureOf, json, serve, type TestServer } from './server.ts'

const target = { namespace: 'db', pod: 'pg-0', port: 5432, service: 'pg' }

let server: TestServer

beforeEach(async () => {
  server = await serve((_, response) => {
    json(response, 404, {})
  })
})
afterEach(async () => {
  jest.useRealTimers()
  await server.close()
})

/** A Pod behind a port-forward: announces the port on both channels, as kubelet does. */
function pod(act: (socket: WebSocket) => void, options = {}): void {
  new WebSocketServer({ server: server.http, ...options }).on('connection', (socket) => {
    for (const channel of [0, 1]) socket.send(Buffer.from([channel, 5432 & 0xff, 5432 >> 8]))
    act(socket)
  })
}

/** Answers the upgrade without one. */
function refuse(status: string, body: string): void {
  server.http.on('upgrade', (_: http.IncomingMessage, socket) => {
    socket.end(
      `HTTP/1.1 ${status}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    )
  })
}

async function open(): Promise<Tunnel> {
  return await openTunnel(await server.api(), target, server.stop.signal)
}

const data = (text: string): Buffer => Buffer.from(`\0${text}`)
const fault = (text: string): Buffer => Buffer.from(`\u0001${text}`)

describe('opening', () => {
  test('asks for the port with the subprotocol', async () => {
    const asked = Promise.withResolvers<http.IncomingMessage>()
    server.http.on('upgrade', (request: http.IncomingMessage) => {
      asked.resolve(request)
    })
    pod(() => undefined)
    const tunnel = await open()
    const { url, headers } = await asked.promise
    expect(url).toBe('/api/v1/namespaces/db/pods/pg-0/portforward?ports=5432')
    expect(headers['sec-websocket-protocol']).toBe('v4.channel.k8s.io')
    expect(headers['sec-websocket-extensions']).toBeUndefined()
    tunnel.destroy()
  })

  test('with a credential that has ended meanwhile, gets another one, once', async () => {
    const asked: (string | undefined)[] = []
    pod(() => undefined, {
      verifyClient: ({ req }: { req: http.IncomingMessage }) => {
        asked.push(req.headers.authorization)
        return req.headers.authorization === 'Bearer new'
      },
    })
    const [old, fresh] = ['old', 'new'].map((token) => ({ headers: { Authorization: `Bearer ${token}` } }))
    const tunnel = await openTunnel(await server.api(old, fresh), target, server.stop.signal)
    tunnel.destroy()
    expect(asked).toEqual(['Bearer old', 'Bearer new'])
    const hopeless = await server.api(old, old)
    expect(await failureOf(openTunnel(hopeless, target, server.stop.signal))).toMatchObject({
      message: `${hopeless.server} answered GET with 401 and a web page instead of JSON.`,
    })
    expect(asked).toHaveLength(4)
  })

  const status = (message: string): string => JSON.stringify({ kind: 'Status', message })
  test.each([
    [
      '403 Forbidden',
      status('pods "pg-0" is forbidden'),
      'port-forward-denied',
      '"pods "pg-0" is forbidden"',
    ],
    ['403 Forbidden', '<html>', 'upgrade-refused', 'it answered 403'],
    ['404 Not Found', status('pods "pg-0" not found'), 'tunnel-lost', 'the Pod is gone'],
    ['404 Not Found', '<html>', 'upgrade-refused', 'it answered 404'],
    ['401 Unauthorized', status('Unauthorized'), 'token-rejected', '401'],
    ['200 OK', '<html>', 'upgrade-refused', 'it answered 200'],
    ['500 Internal Server Error', 'pod not found ("pg-0_db")', 'tunnel-lost', 'the Pod is gone'],
    ['404 Not Found', 'pod does not exist', 'tunnel-lost', 'the Pod is gone'],
    ['500 Internal Server Error', 'failed to find sandboxID for pod pg-0', 'tunnel-lost', 'the Pod is gone'],
    [
      '500 Internal Server Error',
      'rpc error: code = Unknown desc = sandbox container is not running',
      'tunnel-lost',
      'the Pod is gone',
    ],
    [
      '404 Not Found',
      'rpc error: code = NotFound desc = could not find sandbox "f00"',
      'tunnel-lost',
      'the Pod is gone',
    ],
    [
      '500 Internal Server Error',
      'rpc error: code = DeadlineExceeded desc = context deadline exceeded',
      'tunnel-lost',
      '500 "rpc error: code = DeadlineExceeded desc = context deadline exceeded"',
    ],
    ['500 Internal Server Error', '<html>', 'upgrade-refused', 'it answered 500'],
    [
      '400 Bad Request',
      status('pod pg-0 does not have a host assigned'),
      'tunnel-lost',
      'runs on no Node yet',
    ],
    ['400 Bad Request', status('Upgrade request required'), 'upgrade-refused', 'Upgrade request required'],
  ])('%s %s: %s', async (line, body, code, words) => {
    refuse(line, body)
    expect(await failureOf(open())).toMatchObject({ code, message: expect.stringContaining(words) })
  })

  test('a server that does not know the subprotocol', async () => {
    pod(() => undefined, { handleProtocols: () => false })
    expect(await failureOf(open())).toMatchObject({ code: 'upgrade-refused' })
  })

  test('an idle connection that was closed meanwhile is no failure', async () => {
    let upgrades = 0
    server.http.on('upgrade', ({ socket }: http.IncomingMessage) => {
      if (upgrades++ === 0) socket.resetAndDestroy()
    })
    pod(() => undefined)
    ;(await open()).destroy()
    expect(upgrades).toBe(2)
  })

  test('a black hole', async () => {
    const asked = Promise.withResolvers<undefined>()
    server.http.on('upgrade', () => {
      asked.resolve(undefined)
    })
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] })
    const failure = failureOf(open())
    await asked.promise
    jest.advanceTimersByTime(10_000)
    expect(await failure).toMatchObject({
      code: 'tunnel-lost',
      message: expect.stringContaining('no answer within 10 s'),
    })
  })

  test('a refusal whose body never ends: what it says is known, and nobody waits for more', async () => {
    server.http.on('upgrade', ({ socket }: http.IncomingMessage) => {
      socket.on('error', () => undefined)
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\n<html>')
    })
    expect(await failureOf(open())).toMatchObject({ code: 'upgrade-refused' })
  })

  test('the end of the run', async () => {
    const reason = new Error('over')
    server.http.on('upgrade', () => {
      server.stop.abort(reason)
    })
    await failureOf(open())
    expect(await failureOf(open())).toBe(reason)
  })
})

/** Waits until a count goes up no more: how long that takes is up to the machine, how far it gets is not. */
async function stopped(count: () => number): Promise<void> {
  for (let before = -1; before !== count();) {
    before = count()
    await sleep(300)
  }
}

describe('carrying', () => {
  test('what is written comes back, in frames of a bounded size', async () => {
    let largest = 0
    pod((socket) => {
      socket.on('message', (message: Buffer) => {
        largest = Math.max(largest, message.length)
        socket.send(message)
      })
    })
    const tunnel = await open()
    const sent = Buffer.alloc(3_000_001, 'abcdefg')
    const received: Buffer[] = []
    let size = 0
    tunnel.on('data', (chunk: Buffer) => {
      received.push(chunk)
      size += chunk.length
      if (size === sent.length) tunnel.end()
    })
    tunnel.write(sent)
    await once(tunnel, 'close')
    expect(Buffer.concat(received).equals(sent)).toBe(true)
    expect(largest).toBe(64 * 1024 + 1)
  })

  test('a reader that pauses stops the sender', async () => {
    let sent = 0
    pod((socket) => {
      const chunk = Buffer.alloc(64 * 1024)
      const more = (): void => {
        if (sent > 200_000_000) return
        sent += chunk.length
        socket.send(chunk, more)
      }
      more()
    })
    const tunnel = await open()
    await stopped(() => sent)
    expect(sent).toBeLessThan(50_000_000)
    expect(tunnel.readableLength).toBeLessThan(1_000_000)
    tunnel.destroy()
  })

  test('a sender that is not read has to wait', async () => {
    pod((socket) => {
      socket.pause()
    })
    const tunnel = await open()
    let written = 0
    const write = (): void => {
      while (written < 200_000_000 && tunnel.write(Buffer.alloc(64 * 1024))) written += 64 * 1024
    }
    tunnel.on('drain', write)
    write()
    await stopped(() => written)
    expect(written).toBeLessThan(50_000_000)
    tunnel.destroy()
  })

  test('what node-postgres does with a socket', async () => {
    pod(() => undefined)
    const tunnel = await open()
    expect(tunnel.setNoDelay().setKeepAlive().unref().ref().connect()).toBe(tunnel)
    await once(tunnel, 'connect')
    tunnel.end()
    await once(tunnel, 'close')
  })

  test('the end closes with 1000, and ends for good', async () => {
    const closed = Promise.withResolvers<number>()
    pod((socket) => {
      socket.on('close', (code) => {
        closed.resolve(code)
      })
    })
    const tunnel = await open()
    tunnel.end()
    await once(tunnel, 'close')
    expect(await closed.promise).toBe(1000)
  })
})

describe('inside TLS', () => {
  const { certificate, key } = createAuthority('unit').issue(['127.0.0.1'])
  const https = createHttpsServer({ cert: certificate, key })
  const agent = new HttpsAgent({ ca: certificate, rejectUnauthorized: false })
  beforeAll(async () => {
    https.listen(0, '127.0.0.1')
    await once(https, 'listening')
  })
  afterEach(() => {
    https.removeAllListeners('upgrade')
  })
  afterAll(() => {
    agent.destroy()
    https.close()
  })

  async function openInside(): Promise<Tunnel> {
    const url = new URL(`https://127.0.0.1:${(https.address() as AddressInfo).port}`)
    const authenticate = (): Promise<Credentials> => Promise.resolve({ agent, headers: {} })
    const api = await Api.open(
      { server: url, user: 'someone', renewable: false, authenticate },
      server.stop.signal,
    )
    return await openTunnel(api, target, server.stop.signal)
  }

  /** Returns the mask of the first message that a server is sent. */
  async function maskOn(http: http.Server, opening: () => Promise<Tunnel>): Promise<string> {
    const heard = Promise.withResolvers<Buffer>()
    http.once('upgrade', ({ headers }: http.IncomingMessage, socket: Duplex) => {
      const accept = createHash('sha1')
        .update(`${headers['sec-websocket-key'] ?? ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest('base64')
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      )
      socket.on('error', () => undefined).once('data', heard.resolve)
    })
    const tunnel = await opening()
    tunnel.write('hello')
    const message = await heard.promise
    tunnel.destroy()
    // Masked, with six bytes.
    expect(message[1]).toBe(0x86)
    return message.toString('hex', 2, 6)
  }

  test('a message has no mask, and over plain HTTP it has one', async () => {
    expect(await maskOn(https, openInside)).toBe('00000000')
    expect(await maskOn(server.http, open)).not.toBe('00000000')
  })

  test('many writes of every size arrive as they were, at a server that reads late', async () => {
    const arrived = createHash('sha256')
    const sent = createHash('sha256')
    let left = 0
    const all = Promise.withResolvers<undefined>()
    const sockets = new WebSocketServer({ server: https })
    sockets.once('connection', (socket) => {
      for (const channel of [0, 1]) socket.send(Buffer.from([channel, 5432 & 0xff, 5432 >> 8]))
      socket.pause()
      setTimeout(() => {
        socket.resume()
      }, 200)
      socket.on('message', (message: Buffer) => {
        expect(message[0]).toBe(0)
        arrived.update(message.subarray(1))
        left -= message.length - 1
        if (left === 0) all.resolve(undefined)
      })
    })
    const tunnel = await openInside()
    for (const size of [1, 65_535, 65_536, 65_537, 200_000, 7, 1_000_000, 3, 131_072, 5_000_000]) {
      const chunk = randomBytes(size)
      sent.update(chunk)
      left += size
      tunnel.write(chunk)
    }
    await all.promise
    tunnel.destroy()
    sockets.close()
    expect(arrived.digest('hex')).toBe(sent.digest('hex'))
  })
})

describe('losing', () => {
  /** What a reader sees, in order. */
  async function story(tunnel: Tunnel): Promise<string[]> {
    const seen: string[] = []
    tunnel.on('data', (chunk: Buffer) => seen.push(chunk.toString()))
    tunnel.on('error', (error: Error & { code?: string }) => seen.push(error.code ?? error.message))
    await new Promise((resolve) => tunnel.once('close', resolve))
    return [...seen, 'close']
  }

  test.each<[string, (socket: WebSocket) => void, string[]]>([
    [
      'nothing listens',
      (socket) => {
        socket.send(fault('dial tcp4 127.0.0.1:5432: connect: connection refused'))
      },
      ['port-closed', 'close'],
    ],
    [
      'nothing listens, in the many words of containerd',
      (socket) => {
        const sandbox = '798496c56c861ddca9fc0c98d0ae42219064a56cc2f662a615e8bba1b12b711c'
        socket.send(
          fault(
            `error forwarding port 5432 to pod ${sandbox}, uid : failed to execute portforward in network namespace ` +
              `"/var/run/netns/cni-ace124f8-7c76-925a-dde3-e13d41351ec3": failed to connect to localhost:5432 inside ` +
              `namespace "${sandbox}", IPv4: dial tcp4 127.0.0.1:5432: connect: connection refused IPv6 dial tcp6: ` +
              'address localhost: no suitable address found ',
          ),
        )
      },
      ['port-closed', 'close'],
    ],
    [
      'the runtime lacks a program',
      (socket) => {
        socket.send(fault('unable to do port forwarding: socat not found'))
      },
      ['port-forward-denied', 'close'],
    ],
    [
      'another fault',
      (socket) => {
        socket.send(fault('container not running'))
      },
      ['tunnel-lost', 'close'],
    ],
    [
      'the Pod closes',
      (socket) => {
        socket.close(1000)
      },
      ['tunnel-lost', 'close'],
    ],
    [
      'the socket is lost',
      (socket) => {
        socket.terminate()
      },
      ['tunnel-lost', 'close'],
    ],
    [
      'what came before is read before',
      (socket) => {
        socket.send(data('FATAL'))
        socket.send(fault('broken pipe'))
        socket.close(1000)
      },
      ['FATAL', 'tunnel-lost', 'close'],
    ],
  ])('%s', async (_, act, expected) => {
    pod((socket) => setTimeout(act, 20, socket))
    expect(await story(await open())).toEqual(expected)
  })

  test('a fault after writes, while the reader pauses', async () => {
    pod((socket) => {
      socket.once('message', () => {
        socket.send(data('one'))
        socket.send(data('two'))
        socket.send(fault('gone'))
        socket.close(1000)
      })
    })
    const tunnel = await open()
    tunnel.write('x')
    await sleep(50)
    expect(await story(tunnel)).toEqual(['one', 'two', 'tunnel-lost', 'close'])
  })

  test('a tunnel that is lost before it is used tells whoever uses it', async () => {
    pod((socket) => {
      socket.send(fault('connection refused'))
    })
    const tunnel = await open()
    await sleep(50)
    expect(await story(tunnel.connect())).toEqual(['port-closed', 'close'])
  })

  test('nothing is told after our own end', async () => {
    pod((socket) => {
      socket.once('message', () => {
        socket.send(fault('broken pipe'))
      })
    })
    const tunnel = await open()
    tunnel.end('bye')
    expect(await story(tunnel)).toEqual(['close'])
  })

  test('the end of the run loses nothing: a session may still end what it has begun', async () => {
    pod((socket) => {
      socket.on('message', (message: Buffer) => {
        socket.send(message)
      })
    })
    const tunnel = await open()
    server.stop.abort(new Error('over'))
    tunnel.write('rollback')
    expect(String((await once(tunnel, 'data'))[0])).toBe('rollback')
    tunnel.end()
    await once(tunnel, 'close')
  })

  test('pings without an answer', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] })
    let pings = 0
    pod((socket) => socket.on('ping', () => pings++), { autoPong: false })
    const tunnel = await open()
    await new Promise((resolve) => setImmediate(resolve))
    const seen = story(tunnel)
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setImmediate(resolve))
      jest.advanceTimersByTime(10_000)
    }
    expect(await seen).toEqual(['tunnel-lost', 'close'])
    expect(pings).toBeGreaterThan(0)
  })
})
