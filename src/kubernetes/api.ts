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
import { expiryOf, identityFrom, selfReview, type Identity } from './identity.ts'
import { answerLimitBytes, send, type Sender } from './request.ts'
import { noCredential, rejected, type Meaning } from './what-it-means.ts'

/** An answer that the caller gets no use of: what it means, and when the same may be asked for again. */
interface Refused {
  readonly means: Meaning
  readonly failure: Failure
  readonly headers: Reply['headers']
}

/** How long before its end a credential is not worth beginning with, in milliseconds. */
const renewBeforeMs = 30_000

function endsSoon(credentials: Credentials): boolean {
  const expiry = expiryOf(credentials)
  return expiry !== undefined && expiry.getTime() - Date.now() < renewBeforeMs
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
  #isLast = false
  readonly #webSockets = new Set<WebSocket>()
  /** Of earlier credentials: something may still be under way on them. */
  readonly #agents = new Set<Credentials['agent']>()
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
    await this.renew()
    for (let turn = 0; ; turn++) {
      const reply = await send(this.#sender(), call)
      if (reply.status === 401 && !renewed && (await this.replace())) {
        renewed = true
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

  /** Gets a new credential in time, where the one at hand says when it ends and there may be another. */
  async renew(): Promise<void> {
    if (this.#endpoint.ahead !== true || this.#isLast) return
    if (!endsSoon(this.#credentials)) return
    await this.#authenticate()
    // Where the clocks differ, or no better one is there, asking again and again gives nothing.
    this.#isLast = endsSoon(this.#credentials)
  }

  /** Gets another credential in the place of one that was not accepted; gives `false` where there can be none. */
  async replace(): Promise<boolean> {
    if (this.#endpoint.renewable) await this.#authenticate()
    return this.#endpoint.renewable
  }

  async #authenticate(): Promise<void> {
    this.#renewal ??= this.#endpoint.authenticate(this.#signal).finally(() => (this.#renewal = undefined))
    const { agent } = this.#credentials
    this.#credentials = await this.#renewal
    this.#agents.add(agent)
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
    return {
      means,
      failure: this.#failure(means, said, reply.headers, { method: 'GET', ...names }),
      headers: reply.headers,
    }
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
      // A mask is there for proxies that read along (RFC 6455, section 10.3), and costs more than all else that is done to
      // a byte. Nobody reads along inside TLS, and a mask of zeros, which ws makes of this, costs nothing.
      ...(protocol === 'https:' && { generateMask: () => undefined }),
      maxPayload: answerLimitBytes,
    })
    this.#webSockets.add(webSocket)
    webSocket.once('close', () => this.#webSockets.delete(webSocket))
    return webSocket
  }

  /** Closes the idle connections, and ends the requests and WebSockets that are still there. */
  close(): void {
    this.#closing.abort()
    for (const agent of [...this.#agents, this.#credentials.agent]) agent.destroy()
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
    const { user, proxy = '', origin, rejected: because } = this.#endpoint
    const now = new Date(Date.parse(headers.date ?? '') || Date.now())
    if (means === rejected && because !== undefined) return because(this.#credentials, now)
    const hint = means.ofCredential === true ? troubleWith(this.#credentials, now) : undefined
    const known: Names = { ...names, ...origin, server: this.server, user: oneLine(user), proxy }
    return failureOf(means, said, known, { hint, undone })
  }
}
