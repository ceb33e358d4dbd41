import { createServer } from 'node:net'
import type { Target } from '../../sandbox/api.ts'
import { listenOnLoopback } from '../../sandbox/host.ts'

/** Something that answers whoever logs in with the same bytes, and stops there. It speaks clear text. */
export async function startStranger(answer: Buffer): Promise<Target & { stop(): void }> {
  const server = createServer((client) => {
    client.on('error', () => undefined)
    client.once('data', () => client.write(answer))
  })
  const port = await listenOnLoopback(server)
  return { host: '127.0.0.1', port, stop: () => void server.close() }
}

/** AuthenticationGSS. Source: https://www.postgresql.org/docs/current/protocol-message-formats.html */
export const gss = Buffer.from([82, 0, 0, 0, 8, 0, 0, 0, 7])

/** AuthenticationSASL with one mechanism that is not SCRAM. */
export const oauth = Buffer.concat([
  Buffer.from([82, 0, 0, 0, 21, 0, 0, 0, 10]),
  Buffer.from('OAUTHBEARER\0\0'),
])

/** ErrorResponse, in the words of a PgBouncer that was not told to overlook `options`. */
export const pgbouncer = Buffer.from('E\0\0\0\0SFATAL\0C08P01\0Munsupported startup parameter: options\0\0')
pgbouncer.writeInt32BE(pgbouncer.length - 1, 1)
