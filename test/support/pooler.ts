import { connect, createServer, type Socket } from 'node:net'
import type { Target } from '../../sandbox/api.ts'
import { listenOnLoopback } from '../../sandbox/host.ts'
import { errorResponse, message, query } from './message.ts'

const backendKeyData = 'K'.charCodeAt(0)
const readyForQuery = 'Z'.charCodeAt(0)
const password = 'p'.charCodeAt(0)
const terminate = message('X', '')
/** In the words of PgBouncer. */
const noTransaction = errorResponse({
  S: 'FATAL',
  C: '08P01',
  M: 'transaction blocks not allowed in statement pooling mode',
})

/** Something between client and server. It needs clear text. */
export interface Between extends Target {
  stop(): void
}

/**
 * Makes process ids up and keeps its own connections when a client goes, as PgBouncer does.
 *
 * @param per what a client has a connection of the server for
 */
export async function startPooler(
  target: Target,
  per: 'session' | 'statement' = 'session',
): Promise<Between> {
  return await startBetween(target, (client, upstream) => {
    const renumber = renumbering()
    let refuse = false
    client.once('close', () => upstream.write(query("set application_name = 'pooled'")))
    client.on('data', (data) => {
      if (data.equals(terminate)) return
      const begin = per === 'statement' ? data.indexOf('BEGIN') : -1
      if (begin === -1) upstream.write(data)
      else {
        upstream.write(data.subarray(0, begin - 5))
        refuse = true
      }
    })
    upstream.on('data', (data) => {
      client.write(renumber(data))
      if (refuse && data.at(-6) === readyForQuery) client.end(noTransaction)
    })
  })
}

/**
 * Breaks off, or falls silent, where a client sends more than its answer to the question for its password before it is let
 * in.
 */
export async function startStrict(
  target: Target,
  how: 'breaks off' | 'falls silent' = 'breaks off',
): Promise<Between & { refused(): number }> {
  let refused = 0
  const between = await startBetween(target, (client, upstream) => {
    client.once('close', () => upstream.destroy())
    upstream.on('data', (data) => client.write(data))
    client.on('data', (data) => {
      if (data[0] !== password || data.length === 1 + data.readInt32BE(1)) {
        upstream.write(data)
        return
      }
      refused += 1
      if (how === 'breaks off') client.destroy()
    })
  })
  return { ...between, refused: () => refused }
}

/** Puts something between, which is told of every connection. */
export async function startBetween(
  target: Target,
  carry: (client: Socket, upstream: Socket) => void,
): Promise<Between> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(target)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    upstream.once('close', () => client.destroy())
    carry(client, upstream)
  })
  return {
    host: '127.0.0.1',
    port: await listenOnLoopback(server),
    stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Cuts what a server sends into messages (type, length, content) and changes the process id where one is told. */
function renumbering(): (data: Buffer) => Buffer {
  let rest = Buffer.alloc(0)
  return (data) => {
    rest = Buffer.concat([rest, data])
    const whole: Buffer[] = []
    while (rest.length >= 5 && rest.length >= 1 + rest.readInt32BE(1)) {
      const next = rest.subarray(0, 1 + rest.readInt32BE(1))
      rest = rest.subarray(next.length)
      if (next[0] === backendKeyData) next.writeInt32BE(next.readInt32BE(5) + 1, 5)
      whole.push(next)
    }
    return Buffer.concat(whole)
  }
}
