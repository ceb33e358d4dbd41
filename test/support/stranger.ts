import { createServer } from 'node:net'
import type { Target } from '../../sandbox/api.ts'
import { listenOnLoopback } from '../../sandbox/host.ts'
import { errorResponse, message } from './message.ts'

/** Something that answers whoever logs in with the same bytes, and stops there. It speaks clear text. */
export async function startStranger(answer: Buffer): Promise<Target & { stop(): void }> {
  const server = createServer((client) => {
    client.on('error', () => undefined)
    client.once('data', () => client.write(answer))
  })
  const port = await listenOnLoopback(server)
  return { host: '127.0.0.1', port, stop: () => void server.close() }
}

/** AuthenticationGSS. */
export const gss = message('R', Buffer.from([0, 0, 0, 7]))

/** AuthenticationSASL with one mechanism that is not SCRAM. */
export const oauth = message('R', '\0\0\0\nOAUTHBEARER\0\0')

/** In the words of a PgBouncer that was not told to overlook `options`. */
export const pgbouncer = errorResponse({
  S: 'FATAL',
  C: '08P01',
  M: 'unsupported startup parameter: options',
})
