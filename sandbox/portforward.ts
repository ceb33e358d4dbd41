import { connect } from 'node:net'
import type { WebSocket } from 'ws'

/** Where a Pod's port leads on this machine. */
export interface Target {
  readonly host: string
  readonly port: number
}

/** A port-forward that is open, with handles to break it in the ways a network does. */
export interface Tunnel {
  readonly namespace: string
  readonly pod: string
  /** The container's port. */
  readonly port: number
  readonly username: string
  /** Cuts the connection to the client, without a word. */
  destroy(): void
  /** Stops passing data and answering pings, for good, while the connection stays open: a black hole. */
  freeze(): void
  /** Ends the tunnel as the Pod's side would: whatever is under way is delivered, then the WebSocket is closed. */
  end(): void
}

/** The only subprotocol spoken here; a message is a channel's number and its data. */
export const subprotocol = 'v4.channel.k8s.io'

const dataChannel = 0
const errorChannel = 1
const normalClosure = 1000
const highWater = 1024 * 1024

/**
 * Carries one port between a client's WebSocket and the target in the way of the kubelet: the port on both
 * channels first, then data; when the target cannot be reached or breaks, why on the error channel; then close.
 * Without a target it is as if nothing listened in the Pod. Neither side can make the other one's data pile up here.
 */
export function forward(
  client: WebSocket,
  target: Target | undefined,
  tunnel: Pick<Tunnel, 'namespace' | 'pod' | 'port' | 'username'>,
): Tunnel {
  let frozen = false
  const number = Buffer.alloc(2)
  number.writeUInt16LE(tunnel.port)
  client.send(message(dataChannel, number))
  client.send(message(errorChannel, number))

  const socket = target ? connect(target) : undefined
  const fail = (reason: string): void => {
    client.send(message(errorChannel, Buffer.from(failureText(tunnel, reason))))
    client.close(normalClosure)
  }
  if (!socket) fail('connect: connection refused')

  socket?.setNoDelay(true)
  socket?.on('data', (data) => {
    client.send(message(dataChannel, data), () => {
      if (!frozen && client.bufferedAmount <= highWater) socket.resume()
    })
    if (client.bufferedAmount > highWater) socket.pause()
  })
  socket?.once('end', () => {
    client.close(normalClosure)
  })
  socket?.once('error', (error: NodeJS.ErrnoException) => {
    fail(error.code === 'ECONNREFUSED' ? 'connect: connection refused' : error.message)
  })

  client.on('message', (received: Buffer) => {
    if (received[0] !== dataChannel || received.length === 1 || socket?.writable !== true) return
    if (socket.write(received.subarray(1))) return
    client.pause()
    socket.once('drain', () => {
      if (!frozen) client.resume()
    })
  })
  // A client that is paused does not notice its own end.
  socket?.once('close', () => {
    if (!frozen) client.resume()
  })
  client.once('close', () => socket?.destroy())
  // A client that breaks off is followed by its 'close'.
  client.on('error', () => undefined)

  return {
    ...tunnel,
    destroy() {
      client.terminate()
    },
    freeze() {
      frozen = true
      client.pause()
      socket?.pause()
    },
    end() {
      client.close(normalClosure)
    },
  }
}

function message(channel: number, data: Buffer): Buffer {
  return Buffer.concat([Uint8Array.of(channel), data])
}

/** The words of containerd, which the kubelet passes on. */
function failureText(tunnel: Pick<Tunnel, 'port' | 'pod'>, reason: string): string {
  const { port, pod } = tunnel
  const sandbox = Buffer.from(pod).toString('hex').padEnd(64, '0').slice(0, 64)
  return (
    `error forwarding port ${port} to pod ${sandbox}, uid : failed to execute portforward in network namespace ` +
    `"/var/run/netns/cni-${sandbox.slice(0, 8)}": failed to connect to localhost:${port} inside namespace ` +
    `"${sandbox}", IPv4: dial tcp4 127.0.0.1:${port}: ${reason} IPv6 dial tcp6: address localhost: no suitable address found `
  )
}
