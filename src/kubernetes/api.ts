import { setTimeout as sleep } from 'node:timers/promises'
import WebSocket from 'ws'
import type { Obstacle } from '../lib/deadline.ts'
import { Failure } from '../lib/failure.ts'
import { oneLine } from '../lib/text.ts'
import { connectionFailure, refusal } from './api-failure.ts'
import type { Answer, Call, Reply } from './call.ts'
import { troubleWith } from './credential.ts'
import { serverName, type Credentials, type Endpoint } from './endpoint.ts'
import { failureOf, heard, waitOf, whoSpoke, type Heard, type Names } from './heard.ts'
import { identityFrom, selfReview, type Identity } from './identity.ts'
import { answerLimitBytes, send, type Sender } from './request.ts'
import { noCredential, type Meaning } from './what-it-means.ts'

/** An answer that the caller gets no use of: what it means, and when the same may be asked for again. */
interface Refused {
  readonly means: Meaning
  readonly failure: Failure
  readonly headers: Reply['headers']
}

/**
 * A Kubernetes API server, spoken to as one user over one keep-alive agent.
 *
 * Any call may fail with `api-server-unreachable`, `api-server-untrusted`, `api-server-error`, `token-rejected`, or
 * with the reason of the run's signal. What passes by waiting is waited for until then.
 */
export class Api {
  readonly #endpoint: Endpoint
  readonly #signal: AbortSignal
  #credentials: Credentials
  #renewal: Promise<Credentials> | undefined
  #waiting: (obstacle: Obstacle) => void = () => undefined
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

  /** Tells what is waited for from now on, each time that more time is asked for. */
  whenWaiting(tell: (obstacle: Obstacle) => void): void {
    this.#waiting = tell
  }

  /**
   * Returns any answer that is an API server's own and for the caller to judge: 2xx, and most of 4xx. What passes by
   * waiting is waited for.
   */
  async request(call: Call): Promise<Answer> {
    const asked = call.path.endsWith('/selfsubjectaccessreviews') ? 'review' : 'plain'
    let renewed = false
    let undone = true
    for (let turn = 0; ; turn++) {
      const reply = await send(this.#sender(), call)
      if (reply.status === 401 && this.#endpoint.renewable && !renewed) {
        renewed = true
        this.#renewal ??= this.#endpoint.authenticate(this.#signal).finally(() => (this.#renewal = undefined))
        this.#credentials = await this.#renewal
        continue
      }
      const said = heard(asked, reply)
      const { means } = whoSpoke(said)
      if (means === undefined) return { status: reply.status, body: said.parsed }
      // An earlier one may have been done, whatever is said about this one.
      undone &&= means.undone
      const { headers } = reply
      const failure = this.#failure(means, said, headers, { method: call.method }, undone)
      await this.waitOut({ means, failure, headers }, turn, call.optional)
    }
  }

  /**
   * Waits until the same may be asked for again.
   *
   * @throws Failure what was said, where it is not worth waiting for; the reason of the run's signal, marked with whether
   *   anything was done
   */
  async waitOut({ means, failure, headers }: Refused, turn: number, optional = false): Promise<void> {
    const ms = waitOf(means, headers, turn, optional)
    if (ms === undefined) throw failure
    const { message, hint, undone } = failure
    this.#waiting({ what: message.replace(/\.$/, ''), hint })
    await sleep(ms, undefined, { signal: this.#over }).catch(() => {
      const reason: unknown = this.#over.reason
      throw undone && reason instanceof Failure
        ? new Failure(reason.code, reason.message, reason.hint, { undone })
        : reason
    })
  }

  /** Returns what a refusal of the upgrade says. */
  refused(reply: Reply, names: Names): Refused {
    const said = heard('upgrade', reply)
    const { means } = whoSpoke(said)
    if (means === undefined) throw new Error('every answer to an upgrade has a meaning')
    return { means, failure: this.#failure(means, said, reply.headers, names), headers: reply.headers }
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

  /** Returns the error for a connection that did not come to an answer. */
  connectionFailure(error: unknown): Failure {
    return connectionFailure(this.#endpoint, error)
  }

  /** Returns whom the API server sees. */
  async identity(): Promise<Identity> {
    const identity = identityFrom(await this.request(selfReview), this.#credentials, this.#endpoint.user)
    if (identity.name === 'system:anonymous' && identity.certain) {
      throw this.#failure(noCredential, { status: 201, words: '' }, {})
    }
    return identity
  }

  /** Starts to open a WebSocket on the same agent. The caller listens for how that ends. */
  dial(path: string, subprotocol: string): WebSocket {
    const { agent, headers } = this.#credentials
    const { protocol, host, pathname } = this.#endpoint.server
    const address = `${protocol === 'http:' ? 'ws:' : 'wss:'}//${host}${pathname.replace(/\/$/, '')}${path}`
    const webSocket = new WebSocket(address, [subprotocol], {
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

  #failure(
    means: Meaning,
    said: Pick<Heard, 'status' | 'words'>,
    headers: Reply['headers'],
    names: Names = {},
    undone = false,
  ): Failure {
    const { user, proxy = '' } = this.#endpoint
    const now = new Date(Date.parse(headers.date ?? '') || Date.now())
    const hint = means.ofCredential === true ? troubleWith(this.#credentials, now) : undefined
    const known: Names = { ...names, server: this.server, user: oneLine(user), proxy }
    return failureOf(means, said, known, { hint, undone })
  }
}
