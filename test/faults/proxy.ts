import { createServer, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { listenOnLoopback } from '../../sandbox/host.ts'

/** An HTTP proxy that lets through whoever knows its password, to anywhere. */
export interface Proxy {
  /** With user and password. */
  readonly url: string
  readonly host: string
  /** Where it was asked to lead to, and how it answered. */
  readonly asked: { readonly to: string; readonly status: 200 | 407 }[]
  close(): Promise<void>
}

/** Opens a proxy. */
export async function openProxy(user: string, password: string): Promise<Proxy> {
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const asked: Proxy['asked'] = []
  const sockets = new Set<Duplex>()
  const server = createServer()
  server.on('connect', (request: IncomingMessage, client: Duplex) => {
    const to = request.url ?? ''
    const status = request.headers['proxy-authorization'] === expected ? 200 : 407
    asked.push({ to, status })
    if (status === 407) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n')
      return
    }
    const { hostname, port } = new URL(`http://${to}`)
    const upstream = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(upstream).pipe(client)
    })
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one)
      // Whoever breaks off is followed by its 'close'.
      one.on('error', () => undefined)
      one.once('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  const host = `127.0.0.1:${await listenOnLoopback(server)}`
  return {
    url: `http://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${host}`,
    host,
    asked,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
