import type { Socket } from 'node:net'
import { Failure } from '../lib/failure.ts'
import type { Connection } from '../postgres/connection.ts'
import { fatal } from './protocol.ts'

/** Follows where the messages of a server end, without keeping them. */
class Boundaries {
  /** Of the message that comes or came last. */
  #type = 0
  /** What is still to come of it. */
  #left = 0
  #head = Buffer.alloc(0)

  read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at)
        this.#left -= taken
        at += taken
        continue
      }
      if (this.#head.length === 0 && chunk.length - at >= 5) {
        this.#type = chunk[at] ?? 0
        this.#left = chunk.readInt32BE(at + 1) - 4
        at += 5
        continue
      }
      const piece = chunk.subarray(at, at + 5 - this.#head.length)
      this.#head = Buffer.concat([this.#head, piece])
      at += piece.length
      if (this.#head.length < 5) continue
      this.#type = this.#head[0] ?? 0
      this.#left = this.#head.readInt32BE(1) - 4
      this.#head = Buffer.alloc(0)
    }
  }

  /** Whether a message may be put behind what came. An error that nothing followed is the server's own goodbye. */
  get mayAdd(): boolean {
    return this.#left === 0 && this.#head.length === 0 && this.#type !== 'E'.charCodeAt(0)
  }
}

/**
 * Carries bytes both ways until one side has enough. Who reads slowly slows down the other side.
 *
 * @returns settles when both connections are closed; with why, where that was none of the client's doing
 */
export async function relay(socket: Socket, { stream, tunnel }: Connection): Promise<Failure | undefined> {
  const boundaries = new Boundaries()
  const closed = Promise.withResolvers<Failure | undefined>()
  let left = false
  stream.on('data', (chunk: Buffer) => {
    boundaries.read(chunk)
    if (!socket.write(chunk)) stream.pause()
  })
  socket.on('drain', () => stream.resume())
  const send = (chunk: Buffer): void => {
    if (!stream.write(chunk)) socket.pause()
  }
  socket.on('data', send)
  stream.on('drain', () => socket.resume())
  // What the client has said last is still sent.
  const leave = (): void => {
    left = true
    if (!stream.writableEnded) stream.end()
  }
  socket.once('end', leave).once('close', leave)
  stream.once('end', () => socket.end())
  const over = (): void => {
    const reason = tunnel.errored ?? stream.errored
    const lost = !left && !stream.readableEnded && reason instanceof Failure ? reason : undefined
    if (lost !== undefined && boundaries.mayAdd) {
      socket.end(fatal('08006', `pg-app-user: ${lost.message}`))
    } else socket.end()
    tunnel.destroy()
    const gone = (): void => {
      closed.resolve(lost)
    }
    if (socket.destroyed) gone()
    else socket.once('close', gone)
    // What else the client says is for nobody.
    socket.off('data', send).resume()
  }
  if (stream.destroyed) over()
  else {
    stream.once('close', over).resume()
    socket.resume()
  }
  return await closed.promise
}
