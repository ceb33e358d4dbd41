import { createServer, type Socket } from 'node:net'
import type { Target } from '../../sandbox/api.ts'
import { listenOnLoopback } from '../../sandbox/host.ts'
import { errorResponse, message } from './message.ts'

/** What a server may send while somebody logs in, given what it was sent. */
export type Move = (received: Buffer) => Buffer

const authentication = (number: number, content: string | Buffer = ''): Buffer =>
  message('R', Buffer.concat([Buffer.from([0, 0, 0, number]), Buffer.from(content)]))

/** `r=` of the first message of SCRAM, so that an impostor can go on with it; made up where there was none. */
function nonceIn(received: Buffer): string {
  return /r=([^,\0]+)/.exec(received.toString('latin1'))?.[1] ?? 'none'
}

/** The moves of a server that asks for a password, each by the word of the protocol's documentation. */
export const moves = {
  cleartext: () => authentication(3),
  md5: () => authentication(5, 'salt'),
  sasl: () => authentication(10, 'SCRAM-SHA-256\0\0'),
  saslPlus: () => authentication(10, 'SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0'),
  saslContinue: (received) => authentication(11, `r=${nonceIn(received)}more,s=c2FsdHNhbHRzYWx0,i=1`),
  saslFinal: () => authentication(12, `v=${Buffer.alloc(32, 'v').toString('base64')}`),
  ok: () => authentication(0),
  ready: () => message('Z', 'I'),
  refusal: () => errorResponse({ S: 'FATAL', V: 'FATAL', C: '28P01', M: 'password authentication failed' }),
} as const satisfies Record<string, Move>

/** How an impostor sends its moves. */
export const groupings = ['each when something was sent to it', 'all at once', 'byte by byte'] as const
export type Grouping = (typeof groupings)[number]

/** Something that plays PostgreSQL, and keeps all that it was sent. It speaks clear text. */
export interface Impostor extends Target {
  /** What came on all connections. */
  received(): Buffer
  stop(): void
}

/** Starts something that makes these moves once somebody wants to log in, and then ends the connection. */
export async function startImpostor(play: readonly Move[], grouping: Grouping): Promise<Impostor> {
  const heard: Buffer[] = []
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    sockets.add(client)
    client.on('error', () => undefined)
    client.setNoDelay(true)
    const own: Buffer[] = []
    const left = [...play]
    let turn: NodeJS.Timeout | undefined
    client.on('data', (data) => {
      heard.push(data)
      own.push(data)
      void answer()
    })
    client.once('close', () => {
      clearTimeout(turn)
    })
    const next = (): Buffer => left.shift()?.(Buffer.concat(own)) ?? Buffer.alloc(0)
    async function answer(): Promise<void> {
      clearTimeout(turn)
      if (grouping === 'all at once') {
        const rest = left.splice(0).map((move) => move(Buffer.concat(own)))
        client.write(Buffer.concat(rest))
      } else if (grouping === 'byte by byte') {
        for (const byte of next()) {
          client.write(Buffer.from([byte]))
          await new Promise(setImmediate)
        }
      } else client.write(next())
      // Where nothing is sent to it, it goes on all the same; what it was sent last may be on its way yet.
      turn = setTimeout(() => {
        if (left.length === 0) client.end()
        else void answer()
      }, 20)
    }
  })
  const port = await listenOnLoopback(server)
  return {
    host: '127.0.0.1',
    port,
    received: () => Buffer.concat(heard),
    stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
