import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { afterEach, expect, test } from '@jest/globals'
import { relay } from '../../../src/exec/relay.ts'
import { Failure } from '../../../src/lib/failure.ts'
import { errorResponse, message } from '../../support/message.ts'

/** A connection to a server that says what a test gives it. */
class Tunnel extends Duplex {
  readonly sent: Buffer[] = []
  hold: (() => void) | undefined
  slow = false
  override _read(): void {
    // A test pushes what is to come.
  }
  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.sent.push(chunk)
    if (this.slow) this.hold = done
    else done()
  }
}

const open: Socket[] = []
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy()
})

async function joined(): Promise<{ client: Socket; tunnel: Tunnel; over: Promise<Failure | undefined> }> {
  const server = createServer({ pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.on('error', () => undefined)
  const [socket] = (await once(server, 'connection')) as [Socket]
  server.close()
  socket.on('error', () => undefined)
  open.push(client, socket)
  const tunnel = new Tunnel()
  tunnel.on('error', () => undefined)
  return { client, tunnel, over: relay(socket, { stream: tunnel, tunnel }) }
}

const lost = new Failure('tunnel-lost', 'The tunnel was lost: the node restarts.', [])
const ready = message('Z', 'I')
const row = message('D', 'x'.repeat(70_000))

/** In pieces of every size, so that messages begin and end anywhere in them. */
const pieces = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  )

test.each([
  ['between two messages', Buffer.concat([row, ready]), true],
  ['in the body of one', Buffer.concat([ready, row.subarray(0, 40_000)]), false],
  ['in the head of one', Buffer.concat([ready, row.subarray(0, 3)]), false],
  [
    'behind the goodbye of the server',
    Buffer.concat([ready, errorResponse({ S: 'FATAL', C: '57P01' })]),
    false,
  ],
  ['before anything came', Buffer.alloc(0), false],
])('a connection that is lost %s is told where that can be read', async (_, said, told) => {
  for (const size of [1, 4, 5, 6, 70_000]) {
    if (size === 1 && said.length > 1000) continue
    const { client, tunnel, over } = await joined()
    const heard: Buffer[] = []
    client.on('data', (chunk) => heard.push(chunk))
    for (const piece of pieces(said, size)) tunnel.push(piece)
    await new Promise(setImmediate)
    const received = async (): Promise<void> => {
      while (Buffer.concat(heard).length < said.length) await once(client, 'data')
    }
    await received()
    tunnel.destroy(lost)
    await once(client, 'close')
    const rest = Buffer.concat(heard).subarray(said.length).toString()
    const words =
      told || said.length === 0
        ? /^E.*FATAL.*C08006\0Mpg-app-user: The tunnel was lost: the node restarts\./s
        : /^$/
    expect([size, rest]).toEqual([size, expect.stringMatching(words)])
    expect(await over).toBe(lost)
  }
})

test('a client that reads nothing, and a server that reads nothing, hold up the other side', async () => {
  const { client, tunnel, over } = await joined()
  client.pause()
  let taken = 0
  while (tunnel.push(Buffer.alloc(32 * 1024)) && taken < 4_000) {
    taken += 1
    await new Promise(setImmediate)
  }
  // Some MiB go into the buffers of the system.
  expect(taken).toBeLessThan(1_000)
  tunnel.slow = true
  let held = 0
  while (client.write(Buffer.alloc(64 * 1024)) || held < 300) {
    held += 1
    if (held > 2_000) break
    await new Promise(setImmediate)
  }
  expect(Buffer.concat(tunnel.sent).length).toBeLessThan(1024 * 1024)
  client.destroy()
  tunnel.destroy()
  expect(await over).toBeUndefined()
})
