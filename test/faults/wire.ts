import { connect, createServer, type Socket } from 'node:net'
import type { Target } from '../../sandbox/api.ts'
import { listenOnLoopback } from '../../sandbox/host.ts'
import { errorResponse, query } from '../support/message.ts'

/** What a client asks of PostgreSQL: to let it in, or to run a statement. */
interface Asked {
  readonly kind: 'start-up' | 'statement'
  readonly text: string
}

/**
 * What becomes of it: pass it on; cut the connection before it gets there, or after it was done and before the answer
 * gets back; or answer with an error of this SQLSTATE in the server's place.
 */
export type Verdict = 'pass' | 'cut' | 'act and cut' | { readonly sqlState: string }

type Judge = (asked: Asked) => Verdict | Promise<Verdict>

/** A TCP proxy in front of a PostgreSQL that speaks no TLS: it knows what its clients ask for, message by message. */
export interface Wire extends Target {
  /** Lets a function decide about everything that is asked from now on. */
  judge: Judge
  close(): Promise<void>
}

/** Opens a wire to a server. */
export async function openWire(target: Target): Promise<Wire> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(target)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      // Whoever breaks off is followed by its 'close'.
      socket.on('error', () => undefined)
      socket.once('close', () => sockets.delete(socket))
      socket.setNoDelay(true)
    }
    void carry(client, upstream, (asked) => wire.judge(asked))
  })
  const wire: Wire = {
    host: '127.0.0.1',
    port: await listenOnLoopback(server),
    judge: () => 'pass',
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
  return wire
}

async function carry(client: Socket, upstream: Socket, judge: Judge): Promise<void> {
  let cutting = false
  let answer = Buffer.alloc(0)
  let end: { readonly type: string; readonly seen: () => void } | undefined
  const check = (): void => {
    if (end !== undefined && typesOf(answer).includes(end.type)) end.seen()
  }
  upstream.on('data', (data) => {
    if (!cutting) client.write(data)
    answer = Buffer.concat([answer, data])
    check()
  })
  upstream.once('close', () => {
    client.destroy()
    end?.seen()
  })
  const answered = (type: string): Promise<void> =>
    new Promise((seen) => {
      end = { type, seen }
      if (upstream.destroyed) seen()
      else check()
    })
  // One thing at a time, also where the client does not wait: then what comes back belongs to what was asked last.
  const ask = async (bytes: Buffer, type: string): Promise<void> => {
    answer = Buffer.alloc(0)
    if (!upstream.destroyed) upstream.write(bytes)
    await answered(type)
  }
  let ready = false
  try {
    for await (const { bytes, asked } of frontend(client)) {
      if (asked?.kind === 'statement' && !ready) {
        await answered('Z')
        // Asked along with a login that was refused, it never was a statement.
        if (upstream.destroyed) break
        ready = true
      }
      const verdict = asked === undefined ? 'pass' : await judge(asked)
      if (verdict === 'cut') break
      if (asked === undefined) {
        upstream.write(bytes)
      } else if (asked.kind === 'start-up') {
        if (typeof verdict === 'object') client.write(refusal(verdict.sqlState))
        else {
          cutting = verdict === 'act and cut'
          await ask(bytes, 'R')
        }
      } else {
        cutting = verdict === 'act and cut'
        await ask(typeof verdict === 'object' ? raising(verdict.sqlState) : bytes, 'Z')
      }
      if (cutting) break
    }
  } catch {
    // The client is gone. What it had sent is still delivered, as a network would.
  }
  client.destroy()
  upstream.end()
}

/**
 * Takes what a client sends apart into what it asks for; other messages, such as those of the password exchange, come
 * without. From Parse to Sync is one statement.
 * Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
async function* frontend(client: Socket): AsyncGenerator<{ bytes: Buffer; asked?: Asked }> {
  let rest = Buffer.alloc(0)
  let started = false
  let statement: { parts: Buffer[]; text: string } | undefined
  for await (const chunk of client as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk])
    for (;;) {
      // The first message has no type.
      const head = started ? 1 : 0
      const size = rest.length < head + 4 ? Infinity : head + rest.readInt32BE(head)
      if (rest.length < size) break
      const bytes = rest.subarray(0, size)
      rest = rest.subarray(size)
      const type = started ? String.fromCharCode(bytes[0] ?? 0) : ''
      if (!started) {
        started = true
        yield { bytes, asked: { kind: 'start-up', text: 'start-up' } }
      } else if (type === 'Q') {
        yield { bytes, asked: { kind: 'statement', text: bytes.toString('utf8', 5, size - 1) } }
      } else if (type === 'P') {
        const [, text = ''] = bytes.toString('utf8', 5).split('\0')
        statement = { parts: [bytes], text }
      } else if (statement) {
        statement.parts.push(bytes)
        if (type !== 'S') continue
        yield { bytes: Buffer.concat(statement.parts), asked: { kind: 'statement', text: statement.text } }
        statement = undefined
      } else {
        yield { bytes }
      }
    }
  }
}

/** The types of the messages in what a server sent, which begins with the first byte of one. */
function typesOf(data: Buffer): string[] {
  const types: string[] = []
  for (let at = 0; at + 5 <= data.length; at += 1 + data.readInt32BE(at + 1)) {
    types.push(String.fromCharCode(data[at] ?? 0))
  }
  return types
}

function refusal(sqlState: string): Buffer {
  return errorResponse({ S: 'ERROR', V: 'ERROR', C: sqlState, M: 'made up by a test' })
}

/** A statement that fails, so that the server's transaction knows about it. */
function raising(sqlState: string): Buffer {
  return query(`do $$ begin raise sqlstate '${sqlState}' using message = 'made up by a test'; end $$`)
}
