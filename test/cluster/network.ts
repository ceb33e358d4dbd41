import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** The network between the runner and the API server, with handles to break it in the ways networks do. */
export class Network {
  readonly #server: Server
  readonly #pairs = new Map<Socket, Socket>()
  #frozen = false
  #cut = false

  private constructor(target: URL) {
    this.#server = createServer((client) => {
      const upstream = connect({ host: target.hostname, port: Number(target.port || 443) })
      this.#pairs.set(client, upstream)
      for (const socket of [client, upstream]) {
        socket.on('error', () => undefined)
        socket.once('close', () => {
          this.#pairs.delete(client)
          client.destroy()
          upstream.destroy()
        })
      }
      client.pipe(upstream).pipe(client)
      if (this.#cut) client.resetAndDestroy()
      else if (this.#frozen) this.#hold(client, upstream)
    })
  }

  static async open(target: URL): Promise<Network> {
    const network = new Network(target)
    network.#server.listen(0, '127.0.0.1')
    await once(network.#server, 'listening')
    return network
  }

  /** The API server's address as seen from this side of the network. */
  get address(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Nothing passes any more, and nobody is told: a black hole. */
  freeze(): void {
    this.#frozen = true
    for (const [client, upstream] of this.#pairs) this.#hold(client, upstream)
  }

  /** Everything that was held passes again. */
  thaw(): void {
    // What is piped twice arrives twice.
    if (!this.#frozen) return
    this.#frozen = false
    for (const [client, upstream] of this.#pairs) client.pipe(upstream).pipe(client)
  }

  /** Breaks every connection. New ones are taken. */
  reset(): void {
    for (const client of this.#pairs.keys()) client.resetAndDestroy()
  }

  /** Breaks every connection, and each new one at once. */
  cut(): void {
    this.#cut = true
    this.reset()
  }

  /** New connections are taken again. */
  mend(): void {
    this.#cut = false
  }

  async close(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #hold(client: Socket, upstream: Socket): void {
    client.unpipe(upstream).pause()
    upstream.unpipe(client).pause()
  }
}
