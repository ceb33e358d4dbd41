import { setTimeout as sleep } from 'node:timers/promises'
import WebSocket from 'ws'
import { Failure } from '../lib/failure.ts'
import { answerOf, connectionFailure, refusal, unauthorized } from './api-failure.ts'
import type { Answer, Call, Reply } from './call.ts'
import { answerWithinMs, serverName, type Credentials, type Endpoint } from './endpoint.ts'
import { identityFrom, selfReview, type Identity } from './identity.ts'
import { answerLimitBytes, send, type Sender } from './request.ts'

const waitsForRetryAfter = 4

/**
 * A Kubernetes API server, spoken to as one user over one keep-alive agent.
 *
 * Any call may fail with `api-server-unreachable`, `api-server-untrusted`, `api-server-error`, `token-rejected`, or
 * with the reason of the run's signal.
 */
export class Api {
  readonly #endpoint: Endpoint
  readonly #signal: AbortSignal
  #credentials: Credentials
  #renewal: Promise<Credentials> | undefined
  readonly #webSockets = new Set<WebSocket>()
  readonly #closing = new AbortController()
  /** Aborted when the run is over, or this is closed. */
  readonly #over: AbortSignal

  private constructor(endpoint: Endpoint, credentials: Credentials, signal: AbortSignal) {
    this.#endpoint = endpoint
    this.#credentials = credentials
    this.#signal = signal
    this.#over = AbortSignal.any([signal, this.#closing.signal])
  }

  /** Authenticates. Nothing is sent to the API server yet. */
  static async open(endpoint: Endpoint, signal: AbortSignal): Promise<Api> {
    return new Api(endpoint, await endpoint.authenticate(signal), signal)
  }

  /** The API server's address, for messages. */
  get server(): string {
    return serverName(this.#endpoint.server)
  }

  /** Returns any answer that is an API server's own: 2xx, and 4xx other than 401 and 429. */
  async request(call: Call): Promise<Answer> {
    let reply = await this.#patiently(call)
    if (reply.status === 401 && this.#endpoint.renewable) {
      this.#renewal ??= this.#endpoint.authenticate(this.#signal).finally(() => (this.#renewal = undefined))
      this.#credentials = await this.#renewal
      reply = await this.#patiently(call)
    }
    const answer = answerOf(this.#endpoint, this.#credentials, call, reply)
    if (answer instanceof Failure) throw answer
    return answer
  }

  /**
   * Returns the object or list at a path, `undefined` where there is none (404).
   * A 403 is `permission-missing`; anything else but 200 is `api-server-error`.
   */
  async get(path: string): Promise<unknown> {
    const answer = await this.request({ method: 'GET', path })
    if (answer.status === 200) return answer.body
    if (answer.status === 404) return undefined
    throw this.refusal(answer)
  }

  /** Returns the error for an answer that nothing can be done with. */
  refusal(answer: Answer): Failure {
    return refusal(this.#endpoint, answer)
  }

  /** Returns the error for a 401. */
  unauthorized(): Failure {
    return unauthorized(this.#endpoint, this.#credentials)
  }

  /** Returns the error for a connection that did not come to an answer. */
  connectionFailure(error: unknown): Failure {
    return connectionFailure(this.#endpoint, error)
  }

  /** Returns whom the API server sees. */
  async identity(): Promise<Identity> {
    return identityFrom(await this.request(selfReview), this.#credentials, this.#endpoint.user)
  }

  /** Starts to open a WebSocket on the same agent. The caller listens for how that ends. */
  dial(path: string, subprotocol: string): WebSocket {
    const { agent, headers } = this.#credentials
    const url = new URL(this.#endpoint.server)
    url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:'
    const webSocket = new WebSocket(`${url.href.replace(/\/$/, '')}${path}`, [subprotocol], {
      agent,
      headers: { ...headers, 'User-Agent': 'pg-app-user' },
      // Compressing what TLS has encrypted costs time and saves nothing.
      perMessageDeflate: false,
      maxPayload: answerLimitBytes,
    })
    this.#webSockets.add(webSocket)
    webSocket.once('close', () => this.#webSockets.delete(webSocket))
    return webSocket
  }

  /** Closes the idle connections, and ends the requests and WebSockets that are still there. */
  close(): void {
    this.#closing.abort()
    this.#credentials.agent.destroy()
    for (const webSocket of this.#webSockets) webSocket.terminate()
  }

  #sender(): Sender {
    return {
      endpoint: this.#endpoint,
      credentials: this.#credentials,
      run: this.#signal,
      over: this.#over,
    }
  }

  /** Sends, and sends again after the wait that an API server under load asks for: it has not acted until then. */
  async #patiently(call: Call): Promise<Reply> {
    for (let waits = 0; ; waits++) {
      const reply = await send(this.#sender(), call)
      const asked = /^\d+$/.exec(reply.headers['retry-after'] ?? '')?.[0]
      const busy = reply.status === 429 || reply.status === 503
      if (!busy || asked === undefined || waits === waitsForRetryAfter) return reply
      const waitMs = Math.min(Number(asked) * 1000, answerWithinMs)
      await sleep(waitMs, undefined, { signal: this.#over }).catch(() => {
        this.#over.throwIfAborted()
      })
    }
  }
}
