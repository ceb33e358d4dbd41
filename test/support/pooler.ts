import { connect, createServer, type Socket } from 'node:net'
import type { Target } from '../../sandbox/api.ts'
import { listenOnLoopback } from '../../sandbox/host.ts'

const backendKeyData = 'K'.charCodeAt(0)

const terminate = Buffer.from([88, 0, 0, 0, 4])

/**
 * Something between client and server that makes process ids up and keeps its own connections when a client goes, as
 * PgBouncer does. It needs clear text.
 */
export async function startPooler(target: Target): Promise<Target & { stop(): void }> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(target)
    const renumber = renumbering()
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    upstream.once('close', () => client.destroy())
    client.once('close', () => upstream.write(query("set application_name = 'pooled'")))
    client.on('data', (data) => {
      if (!data.equals(terminate)) upstream.write(data)
    })
    upstream.on('data', (data) => client.write(renumber(data)))
  })
  const port = await listenOnLoopback(server)
  return {
    host: '127.0.0.1',
    port,
    stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

function query(text: string): Buffer {
  const message = Buffer.from(`Q\0\0\0\0${text}\0`)
  message.writeInt32BE(message.length - 1, 1)
  return message
}

/** Cuts what a server sends into messages (type, length, content) and changes the process id where one is told. */
function renumbering(): (data: Buffer) => Buffer {
  let rest = Buffer.alloc(0)
  return (data) => {
    rest = Buffer.concat([rest, data])
    const whole: Buffer[] = []
    while (rest.length >= 5 && rest.length >= 1 + rest.readInt32BE(1)) {
      const message = rest.subarray(0, 1 + rest.readInt32BE(1))
      rest = rest.subarray(message.length)
      if (message[0] === backendKeyData) message.writeInt32BE(message.readInt32BE(5) + 1, 5)
      whole.push(message)
    }
    return Buffer.concat(whole)
  }
}
