import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Target } from '../../sandbox/api.ts'
import { listenOnLoopback } from '../../sandbox/host.ts'

/** How a network treats what passes through it. */
export interface Weather {
  readonly latencyMs?: number
  /** Up to so much more, at random. */
  readonly jitterMs?: number
  /** The largest piece that arrives at once. */
  readonly pieceBytes?: number
  /** What happens once so many bytes have passed, in both directions and over all connections. */
  readonly trouble?: {
    readonly afterBytes: number
    /** Nothing passes any more, anywhere; one connection is closed from the server's side, or reset. */
    readonly kind: 'stall' | 'half close' | 'reset'
  }
}

/** A network between a client and one server, in which anything may happen. */
export interface Network extends Target {
  weather: Weather
  /** How many bytes have passed since this was set to zero. */
  passed: number
  close(): Promise<void>
}

/** Opens a network in front of a server. */
export async function openNetwork(target: Target, random: () => number): Promise<Network> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    // Half closed is what the other side may leave us: only then is it passed on.
    const upstream = connect({ ...target, allowHalfOpen: true })
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      // Whoever breaks off is followed by its 'close'.
      socket.on('error', () => undefined)
      socket.once('close', () => sockets.delete(socket))
      socket.setNoDelay(true)
    }
    client.once('close', () => upstream.destroy())
    upstream.once('close', () => client.end())
    void pump(client, upstream).catch(() => upstream.destroy())
    void pump(upstream, client).catch(() => client.destroy())
  })

  async function pump(from: Socket, to: Socket): Promise<void> {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      const { latencyMs = 0, jitterMs = 0, pieceBytes = chunk.length } = network.weather
      if (latencyMs + jitterMs > 0) await sleep(latencyMs + jitterMs * random())
      for (let at = 0; at < chunk.length; at += pieceBytes) {
        const piece = chunk.subarray(at, at + pieceBytes)
        const { trouble } = network.weather
        const before = network.passed
        network.passed += piece.length
        if (trouble !== undefined && network.passed > trouble.afterBytes) {
          if (trouble.kind === 'stall') return
          if (before <= trouble.afterBytes) {
            if (trouble.kind === 'half close') (from.remotePort === target.port ? to : from).end()
            else for (const socket of [from, to]) socket.resetAndDestroy()
            return
          }
        }
        if (!to.write(piece)) await once(to, 'drain')
        if (pieceBytes < chunk.length) await new Promise((resolve) => setImmediate(resolve))
      }
    }
    to.end()
  }

  const network: Network = {
    host: '127.0.0.1',
    port: await listenOnLoopback(server),
    weather: {},
    passed: 0,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
  return network
}
