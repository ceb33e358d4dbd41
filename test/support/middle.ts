import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import tls from 'node:tls'
import type { Target } from '../../sandbox/api.ts'
import { createAuthority } from '../../sandbox/certificate.ts'
import { listenOnLoopback } from '../../sandbox/host.ts'

/** How the two ends of something in between are: towards the client, towards the server. */
export interface Ends {
  readonly front: 'plain' | 'TLS'
  readonly back: 'plain' | 'TLS'
  /** Whether it takes SCRAM-SHA-256-PLUS out of what the server offers. */
  readonly hides: boolean
}

const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
const offer = Buffer.from('SCRAM-SHA-256-PLUS\0')

/** Starts something between client and server that ends TLS, or begins it, with a certificate of its own. */
export async function startMiddle(
  server: Target,
  { front, back, hides }: Ends,
): Promise<Target & { stop(): void }> {
  const { certificate, key } = createAuthority('in between').issue(['postgresql1', '127.0.0.1'])
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    return socket.on('error', () => undefined)
  }
  async function reach(): Promise<Duplex> {
    const socket = keep(connect(server))
    if (back === 'plain') return socket
    socket.write(sslRequest)
    await once(socket, 'data')
    const secure = tls.connect({ socket, rejectUnauthorized: false })
    await once(
      secure.on('error', () => undefined),
      'secureConnect',
    )
    return secure
  }
  async function carry(socket: Socket): Promise<void> {
    let client: Duplex = socket
    let [begin] = (await once(socket, 'data')) as [Buffer]
    if (begin.equals(sslRequest) && front === 'plain') {
      socket.write('N')
      ;[begin] = (await once(socket, 'data')) as [Buffer]
    } else if (begin.equals(sslRequest)) {
      socket.write('S')
      client = new tls.TLSSocket(socket, { isServer: true, key, cert: certificate })
      client.on('error', () => undefined)
      begin = Buffer.alloc(0)
    }
    client.pause()
    const upstream = await reach()
    upstream.write(begin)
    client.on('data', (data: Buffer) => upstream.write(data)).resume()
    upstream.on('data', (data: Buffer) => client.write(hides ? withoutOffer(data) : data))
    upstream.once('close', () => client.end())
    client.once('close', () => upstream.destroy())
  }
  const listener = createServer((socket) => {
    carry(keep(socket)).catch(() => socket.destroy())
  })
  const port = await listenOnLoopback(listener)
  return {
    host: '127.0.0.1',
    port,
    stop() {
      listener.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

function withoutOffer(data: Buffer): Buffer {
  const at = data.indexOf(offer)
  if (at === -1) return data
  const rest = Buffer.concat([data.subarray(0, at), data.subarray(at + offer.length)])
  rest.writeInt32BE(rest.readInt32BE(1) - offer.length, 1)
  return rest
}
