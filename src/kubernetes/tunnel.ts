import type { IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import type WebSocket from 'ws'
import { Failure } from '../lib/failure.ts'
import { oneLine } from '../lib/text.ts'
import { errorCode } from './api-failure.ts'
import type { Api } from './api.ts'
import { corePath, type Reply } from './call.ts'
import { answerWithinMs } from './endpoint.ts'
import { failureOf, heardAside, whoSpoke, type Names } from './heard.ts'
import { lost as cutOff, notOpened, noUpgrade, type Meaning } from './what-it-means.ts'

/** Where a tunnel leads. */
export interface TunnelTarget {
  readonly namespace: string
  readonly pod: string
  readonly port: number
  /** The Service's name, for messages. */
  readonly service: string
}

/** Source: https://pkg.go.dev/k8s.io/apiserver/pkg/util/httpstream/wsstream, and kubelet's port-forward server. */
const subprotocol = 'v4.channel.k8s.io'
const dataChannel = 0
const errorChannel = 1

/** A kubelet takes a message whole before it hands it on; in larger ones the channel byte costs no less. */
const frameBytes = 64 * 1024
const pingEveryMs = 10_000
const bodyWithinMs = 2_000

/**
 * Opens a connection to a port of a Pod, inside this process: no local port is opened. The signal ends the opening;
 * a tunnel that stands outlives it, so that a session can still end what it has begun.
 *
 * @throws Failure `port-forward-denied` (with what the API server or the kubelet says), `upgrade-refused` (something on
 *   the way does not let WebSockets through), `tunnel-lost` (the Pod is gone, or there was no answer within 10 s),
 *   `node-unreachable`, or any that `Api` throws
 */
export async function openTunnel(api: Api, target: TunnelTarget, signal: AbortSignal): Promise<Tunnel> {
  let renewed = false
  for (let turn = 0; ; turn++) {
    await api.renew()
    // Only now: while it was renewed, the run may have ended.
    signal.throwIfAborted()
    const opened = await openOrAgain(api, target, signal)
    if (opened instanceof Tunnel) return opened
    // What a plugin gave may have ended while a run waited: for a lock, or for a person.
    if (opened.status === 401 && !renewed && (await api.replace())) {
      renewed = true
      continue
    }
    await api.waitOut(api.refused(opened, namesOf(target)), turn)
  }
}

async function openOrAgain(api: Api, target: TunnelTarget, signal: AbortSignal): Promise<Tunnel | Reply> {
  try {
    return await open(api, target, signal)
  } catch (error) {
    // An idle connection that the server closed at this very moment: a new one tells whether there is more to it.
    if (errorCode(error) !== 'ECONNRESET') throw asFailure(api, error)
  }
  return await open(api, target, signal).catch((error: unknown) => {
    throw asFailure(api, error)
  })
}

function asFailure(api: Api, error: unknown): Failure {
  return error instanceof Failure ? error : api.connectionFailure(error)
}

/** Returns a tunnel, or the answer that came in its place. Rejects with a Failure, or the error of the connection. */
function open(api: Api, target: TunnelTarget, signal: AbortSignal): Promise<Tunnel | Reply> {
  const { namespace, pod, port } = target
  const { promise, resolve, reject } = Promise.withResolvers<Tunnel | Reply>()
  const socket = api.dial(`${corePath(namespace, 'pods', pod, 'portforward')}?ports=${port}`, subprotocol)
  const cancel = (): void => {
    reject(signal.reason as Error)
    socket.terminate()
  }
  const timer = setTimeout(() => {
    reject(failedOpening(target, `there was no answer within ${answerWithinMs / 1000} s`))
    socket.terminate()
  }, answerWithinMs)
  signal.addEventListener('abort', cancel, { once: true })
  const settled = (): void => {
    clearTimeout(timer)
    signal.removeEventListener('abort', cancel)
  }
  socket.once('open', () => {
    settled()
    resolve(new Tunnel(socket, target))
  })
  socket.once('unexpected-response', (_, response) => {
    // Under the same end as the opening: a body may never come to its own.
    void replyOf(response).then(resolve).finally(settled)
  })
  // The Tunnel has its own listener; this one stays, because terminate() on an unfinished handshake emits one more.
  socket.on('error', (error) => {
    settled()
    reject(isHandshakeProblem(error) ? handshakeFailure(api, target, error.message) : error)
  })
  return promise
}

/** Errors without a code are ws's own words on what the other side answered. */
function isHandshakeProblem(error: Error): boolean {
  return /^(Server sent|Invalid (Upgrade|Sec-WebSocket))/.test(error.message)
}

/** Waits for no more of a body than a message needs: what has come by then is what was said. */
async function replyOf(response: IncomingMessage): Promise<Reply> {
  const { statusCode: status = 0, headers } = response
  let text = ''
  const timer = setTimeout(() => response.destroy(), bodyWithinMs)
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      text += chunk.toString()
      if (text.length > 64 * 1024) break
    }
  } catch {
    // It broke off: what has come is what was said.
  } finally {
    clearTimeout(timer)
    response.destroy()
  }
  return { status, headers, text }
}

function namesOf({ service, pod, port }: TunnelTarget): Names {
  return {
    tunnel: `svc/${service} → Pod ${pod}`,
    service: `svc/${service}`,
    pod: `Pod ${pod}`,
    port: String(port),
  }
}

function handshakeFailure(api: Api, target: TunnelTarget, what: string): Failure {
  return said(noUpgrade, { ...namesOf(target), server: api.server }, what)
}

function failedOpening(target: TunnelTarget, what: string): Failure {
  return said(notOpened, namesOf(target), what)
}

function lost(target: TunnelTarget, what: string, cause?: unknown): Failure {
  return said(cutOff, namesOf(target), what, cause)
}

/** What this side has to say of it, rather than another one. */
function said(means: Meaning, names: Names, what: string, cause?: unknown): Failure {
  const answer = oneLine(what)
  return failureOf(means, { status: 0, words: '' }, { ...names, answer, quote: answer }, { cause })
}

function fromErrorChannel(target: TunnelTarget, text: string): Failure {
  const words = heardAside('stream', 0, text)
  const { means = cutOff } = whoSpoke(words)
  return failureOf(means, words, namesOf(target))
}

/**
 * One connection to a Pod's port over a WebSocket, with what node-postgres expects of a socket.
 *
 * It ends with an `error`, always a Failure, unless it was ended or destroyed from this side: a database connection
 * that the other side closes is lost, whatever the reason. What had arrived before is still read. There is no half
 * close: to end the writable side ends the connection.
 */
export class Tunnel extends Duplex {
  readonly #socket: WebSocket
  readonly #target: TunnelTarget
  readonly #heartbeat: NodeJS.Timeout
  readonly #headed = new Set<number>()
  /** Used again for each message, once the one before is on its way: to allocate each costs more than to send it. */
  readonly #frame = Buffer.allocUnsafeSlow(1 + frameBytes)
  #unanswered = 0
  #ending = false
  #lost: Failure | undefined

  constructor(socket: WebSocket, target: TunnelTarget) {
    // Nothing is buffered beyond what has arrived: a reader that pauses pauses the WebSocket at once, and _read is
    // called when there is nothing left to read.
    super({ readableHighWaterMark: 1, writableHighWaterMark: frameBytes, allowHalfOpen: false })
    this.#socket = socket
    this.#target = target
    // Before a client listens, nobody else may: a tunnel that is lost by then tells so in connect().
    this.on('error', () => undefined)
    socket.on('message', (data: Buffer) => {
      this.#receive(data)
    })
    socket.on('pong', () => {
      this.#unanswered = 0
    })
    socket.on('error', (error) => {
      this.#lose(lost(target, 'the WebSocket failed', error))
    })
    socket.on('close', (code) => {
      this.#lose(
        lost(target, code === 1000 ? 'the Pod closed the connection' : `the WebSocket closed (${code})`),
      )
    })
    this.#heartbeat = setInterval(() => {
      this.#beat()
    }, pingEveryMs)
  }

  /** The connection stands already; it is told later, as a socket would. */
  connect(): this {
    setImmediate(() => {
      if (!this.destroyed) return this.emit('connect')
      this.emit('error', this.errored ?? lost(this.#target, 'it was closed before it was used'))
      return this.emit('close')
    })
    return this
  }

  /** The WebSocket sends at once anyway. */
  setNoDelay(): this {
    return this
  }

  /** Pings do this. */
  setKeepAlive(): this {
    return this
  }

  ref(): this {
    this.#heartbeat.ref()
    return this
  }

  unref(): this {
    this.#heartbeat.unref()
    return this
  }

  override _read(): void {
    if (this.#lost === undefined) this.#socket.resume()
    // Not at once: what this read is about to hand out would be dropped.
    else setImmediate(() => this.destroy(this.#lost))
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send([chunk], done)
  }

  /** What has piled up behind a write goes out in one piece: TLS hands over small ones, and each costs a round. */
  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      done,
    )
  }

  /** Sends message after message until nothing is left of the chunks. */
  #send(chunks: readonly Buffer[], done: (error?: Error | null) => void): void {
    const frame = this.#frame
    frame[0] = dataChannel
    let end = 1
    const rest: Buffer[] = []
    for (const chunk of chunks) {
      const taken = chunk.copy(frame, end)
      end += taken
      if (taken < chunk.length) rest.push(chunk.subarray(taken))
    }
    this.#socket.send(frame.subarray(0, end), { binary: true, fin: true }, (error) => {
      if (error) done(this.#lost ?? lost(this.#target, 'it was closed while something was written', error))
      else if (rest.length > 0) this.#send(rest, done)
      else done()
    })
  }

  /** Everything is written by now, and what the other side says to a goodbye is of no use to anybody. */
  override _final(done: () => void): void {
    this.#ending = true
    if (this.#lost === undefined) this.#socket.close(1000)
    setImmediate(() => this.destroy())
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearInterval(this.#heartbeat)
    this.#socket.terminate()
    // Not at once: node-postgres would take a refused certificate for a connection that ended by itself.
    setImmediate(done, error)
  }

  #receive(message: Buffer): void {
    this.#unanswered = 0
    const channel = message[0] ?? errorChannel
    // The first message on each channel repeats the port.
    if (!this.#headed.has(channel)) {
      this.#headed.add(channel)
      return
    }
    if (channel === errorChannel) this.#lose(fromErrorChannel(this.#target, message.toString('utf8', 1)))
    else if (!this.push(message.subarray(1))) this.#socket.pause()
  }

  /** The first reason counts. What has arrived is read before the error is told; after our own end, nothing is. */
  #lose(reason: Failure): void {
    if (this.#lost !== undefined) return
    if (this.#ending) {
      this.destroy()
      return
    }
    this.#lost = reason
    if (this.readableLength === 0) this.destroy(reason)
  }

  /** A pong cannot arrive while the reader pauses, nor before what is still to be sent. */
  #beat(): void {
    if (this.#socket.isPaused || this.#socket.bufferedAmount > 0) return
    if (this.#unanswered === 2) this.destroy(lost(this.#target, 'two pings in a row had no answer'))
    this.#unanswered++
    this.#socket.ping()
  }
}
