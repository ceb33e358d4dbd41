import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { listenOnLoopback } from '../sandbox/host.ts'

/** What has gone through a distance. */
export interface Traffic {
  readonly connections: number
  readonly bytes: number
  /** Answers that had to be waited for one after the other, the opening of a connection included. */
  readonly roundTrips: number
}

/** A TCP proxy that makes a server far away, and counts what that costs. */
export interface Distance {
  readonly port: number
  /** Gives what has gone through the connections that were opened since the last call. */
  take(): Traffic
  close(): Promise<void>
}

/**
 * Opens a distance of so many milliseconds there and back to a server on this machine.
 *
 * Round trips are counted as Lamport's clock does: what a client sends carries the number of answers that it had waited
 * for by then; what comes back is one more. With a delay that is long against what the client and the server themselves
 * need, that is exact; without one, it is not counted.
 * Source: https://doi.org/10.1145/359545.359563
 */
export async function openDistance(
  target: { host: string; port: number },
  roundTripMs: number,
): Promise<Distance> {
  const sockets = new Set<Socket>()
  let traffic = { connections: 0, bytes: 0, roundTrips: 0 }
  const server = createServer((client) => {
    const upstream = connect(target)
    const own = traffic
    own.connections += 1
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true)
      // Whoever breaks off is followed by its 'close'.
      socket.on('error', () => undefined)
      socket.once('close', () => sockets.delete(socket))
    }
    // A handshake of TCP is a round trip of its own.
    let asked = own.roundTrips + 1
    const open = performance.now() + roundTripMs
    const there = queue(roundTripMs / 2, open)
    const back = queue(roundTripMs / 2, open)
    client.on('data', (data) => {
      const clock = Math.max(asked, own.roundTrips)
      there(() => {
        asked = clock
        upstream.write(data)
      })
      own.bytes += data.length
    })
    upstream.on('data', (data) => {
      const answered = asked + 1
      back(() => {
        // An answer that nobody waits for any more costs nothing.
        if (client.destroyed) return
        own.roundTrips = Math.max(own.roundTrips, answered)
        client.write(data)
      })
      own.bytes += data.length
    })
    client.once('close', () => {
      there(() => upstream.end())
    })
    upstream.once('close', () => {
      back(() => client.end())
    })
  })
  return {
    port: await listenOnLoopback(server),
    take() {
      const taken = traffic
      traffic = { connections: 0, bytes: 0, roundTrips: 0 }
      return taken
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** Runs what it is given after a delay, in the order in which it was given. */
function queue(delayMs: number, notBefore: number): (work: () => void) => void {
  if (delayMs === 0) {
    return (work) => {
      work()
    }
  }
  let last = Promise.resolve()
  return (work) => {
    const due = Math.max(performance.now(), notBefore) + delayMs
    last = last.then(async () => {
      const rest = due - performance.now()
      if (rest > 0) await sleep(rest)
      work()
    })
  }
}
