import type { Duplex } from 'node:stream'

/** Thrown where the other side is gone before it has said what was to come. */
export class HungUp extends Error {}

/** Thrown at what is none of the protocol. */
export class Malformed extends Error {}

/** A message as it came. */
export interface Received {
  readonly type: string
  readonly body: Buffer
  /** The whole of it, with its head. */
  readonly raw: Buffer
}

/** Reads one piece after the other, and no byte more: what comes behind stays in the stream. */
export class Reader {
  readonly #stream: Duplex

  constructor(stream: Duplex) {
    this.#stream = stream
  }

  /**
   * Returns the packet with which a client begins, without its length.
   *
   * @throws HungUp, Malformed
   */
  async first(most: number): Promise<Buffer> {
    const length = (await this.#take(4)).readInt32BE()
    if (length < 8 || length > most) throw new Malformed('invalid length of startup packet')
    return await this.#take(length - 4)
  }

  /**
   * Returns the next message.
   *
   * @throws HungUp, Malformed
   */
  async message(most: number): Promise<Received> {
    const head = await this.#take(5)
    const length = head.readInt32BE(1)
    if (length < 4 || length > most) throw new Malformed('invalid message length')
    const body = await this.#take(length - 4)
    return { type: head.toString('latin1', 0, 1), body, raw: Buffer.concat([head, body]) }
  }

  async #take(length: number): Promise<Buffer> {
    if (length === 0) return Buffer.alloc(0)
    for (;;) {
      const chunk = this.#stream.read(length) as Buffer | null
      if (chunk?.length === length) return chunk
      // At the end a stream hands out what there is, however little.
      if (chunk !== null || this.#stream.readableEnded || this.#stream.destroyed) throw new HungUp()
      await this.#more()
    }
  }

  async #more(): Promise<void> {
    const stream = this.#stream
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const events = ['readable', 'end', 'close', 'error'] as const
    const happened = (): void => {
      resolve(undefined)
    }
    for (const event of events) stream.on(event, happened)
    await promise
    for (const event of events) stream.off(event, happened)
  }
}
