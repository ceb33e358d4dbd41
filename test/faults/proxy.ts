import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http'
import { connect, createServer as createTcpServer, type Server } from 'node:net'
import type { Duplex } from 'node:stream'
import { listenOnLoopback } from '../../sandbox/host.ts'
import { changed } from '../process/action.ts'

/** A proxy that leads to anywhere. */
export interface Proxy {
  /** With user and password, where it asks for them. */
  readonly url: string
  readonly host: string
  /** Where it was asked to lead to, and how it answered. */
  readonly asked: { readonly to: string; readonly status: 200 | 407 }[]
  close(): Promise<void>
}

/** Opens an HTTP proxy that lets through whoever knows its password. */
export async function openProxy(user: string, password: string): Promise<Proxy> {
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const asked: Proxy['asked'] = []
  const carry = carrier()
  const server = createServer()
  server.on('connect', (request: IncomingMessage, client: Duplex) => {
    const to = request.url ?? ''
    const status = request.headers['proxy-authorization'] === expected ? 200 : 407
    asked.push({ to, status })
    if (status === 407) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n')
      return
    }
    carry(client, new URL(`http://${to}`), 'HTTP/1.1 200 Connection established\r\n\r\n')
  })
  const credentials = `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`
  return await listening('http', credentials, server, asked, carry)
}

/** A name of the API server that only these proxies know. */
export const farName = 'api.far.test'

/** Gives a kubeconfig whose API server is known by that name: one on loopback is reached without any proxy. */
export function distant(kubeconfig: string): string {
  return changed(kubeconfig, ({ clusters }) => {
    for (const { cluster } of clusters) {
      cluster['server'] = String(cluster['server']).replace('127.0.0.1', farName)
      cluster['tls-server-name'] = 'localhost'
    }
  })
}

/** Opens a SOCKS proxy that lets through anybody. Source: RFC 1928 */
export async function openSocksProxy(): Promise<Proxy> {
  const asked: Proxy['asked'] = []
  const carry = carrier()
  const server = createTcpServer((client) => {
    client.once('data', () => {
      client.write(Buffer.from([5, 0]))
      client.once('data', (request) => {
        // 3 is a name, with its length before it.
        const end = request[3] === 3 ? 5 + (request[4] ?? 0) : 8
        const host =
          request[3] === 3 ? request.toString('latin1', 5, end) : request.subarray(4, end).join('.')
        const to = `${host}:${request.readUInt16BE(end)}`
        asked.push({ to, status: 200 })
        carry(client, new URL(`http://${to}`), Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
      })
    })
  })
  return await listening('socks5', '', server, asked, carry)
}

interface Carrier {
  (client: Duplex, to: URL, answer: string | Buffer): void
  readonly sockets: Set<Duplex>
}

/** Gives what connects a client with where it wants to go, and tells it so. */
function carrier(): Carrier {
  const sockets = new Set<Duplex>()
  const carry = (client: Duplex, { hostname, port }: URL, answer: string | Buffer): void => {
    const upstream = connect(Number(port), hostname === farName ? '127.0.0.1' : hostname, () => {
      client.write(answer)
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
  }
  return Object.assign(carry, { sockets })
}

async function listening(
  protocol: string,
  credentials: string,
  server: HttpServer | Server,
  asked: Proxy['asked'],
  { sockets }: Carrier,
): Promise<Proxy> {
  const host = `127.0.0.1:${await listenOnLoopback(server)}`
  return {
    url: `${protocol}://${credentials}${host}`,
    host,
    asked,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
