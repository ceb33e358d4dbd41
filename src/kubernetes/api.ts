import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import WebSocket from 'ws'
import { Failure } from '../failure.ts'
import { oneLine, utc } from '../text.ts'

/** How long one request may take, in milliseconds, and how long a WebSocket may take to open. */
export const answerWithinMs = 10_000

const answerLimitBytes = 32 * 1024 * 1024
const waitsForRetryAfter = 4

/** What every request and every WebSocket of one user carries. */
export interface Credentials {
  /** Holds the TLS settings, the client certificate and the proxy; keeps connections open. */
  readonly agent: http.Agent
  readonly headers: Readonly<Record<string, string | string[]>>
  /** PEM of the client certificate. */
  readonly certificate?: string
}

/** One API server, and the way to authenticate to it. */
export interface Endpoint {
  readonly server: URL
  /** The kubeconfig's name for the user. */
  readonly user: string
  /** The proxy on the way, without its credential. */
  readonly proxy?: string
  /** Whether authenticating anew may give a fresh credential: an exec plugin, a token file. */
  readonly renewable: boolean
  authenticate(signal: AbortSignal): Promise<Credentials>
}

/** One request. `path` starts with a slash and is encoded already; `body` becomes JSON. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH'
  readonly path: string
  readonly body?: unknown
  /** Default: `application/json`. */
  readonly contentType?: string
}

/** What the API server answered: its status and the parsed JSON. */
export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** Whom the API server sees. `certain` is false where it may know this user by another name. */
export interface Identity {
  readonly name: string
  readonly certain: boolean
}

interface Reply {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
}

/** Gives the path of core objects: all of a resource in a namespace, one of them, or a part of one. */
export function corePath(namespace: string, resource: string, name?: string, subresource?: string): string {
  return ['/api/v1/namespaces', namespace, resource, name, subresource]
    .filter((part) => part !== undefined)
    .map((part, index) => (index === 0 ? part : encodeURIComponent(part)))
    .join('/')
}

/**
 * Does what reads objects of an API server. That they are built as objects.ts says is the server's promise; where
 * something else answers in its place, it shows here.
 *
 * @throws Failure `api-server-error` where an object turns out to be built in another way
 */
export async function trusting<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    // Of another type than promised, or a text that is no text (half a character, which no URL can hold).
    if (!(error instanceof TypeError || error instanceof URIError)) throw error
    throw new Failure(
      'api-server-error',
      'The API server answered with an object that is not built as Kubernetes builds it.',
      [
        'A frequent cause is something else at this address than an API server: check the server in the kubeconfig.',
        'If it is one, run this again with debug logging and report what it shows: it holds no credential.',
      ],
      { cause: error },
    )
  }
}

/** Gives what a Status object says, as one line fit to be quoted. Other bodies say nothing. */
export function statusMessage(body: unknown): string {
  const message = (body as { message?: unknown } | null)?.message
  return typeof message === 'string' ? oneLine(message) : ''
}

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

  /** Gives any answer that is an API server's own: 2xx, and 4xx other than 401 and 429. */
  async request(call: Call): Promise<Answer> {
    let reply = await this.#patiently(call)
    if (reply.status === 401 && this.#endpoint.renewable) {
      this.#renewal ??= this.#endpoint.authenticate(this.#signal).finally(() => (this.#renewal = undefined))
      this.#credentials = await this.#renewal
      reply = await this.#patiently(call)
    }
    return this.#judge(call, reply)
  }

  /**
   * Gives the object or list at a path, `undefined` where there is none (404).
   * A 403 is `permission-missing`; anything else but 200 is `api-server-error`.
   */
  async get(path: string): Promise<unknown> {
    const answer = await this.request({ method: 'GET', path })
    if (answer.status === 200) return answer.body
    if (answer.status === 404) return undefined
    throw this.refusal(answer)
  }

  /** Turns an answer that nothing can be done with into the error to throw. */
  refusal(answer: Answer): Failure {
    const said = statusMessage(answer.body)
    if (answer.status === 403) {
      return new Failure('permission-missing', `${this.server} denied a request: "${said}".`, [
        'Send this to the administrator: the right was there when it was asked for, or it cannot be asked for.',
      ])
    }
    return new Failure('api-server-error', `${this.server} answered ${answer.status}: "${said}".`, [
      'The API server did not take a request that pg-app-user expects any of them to take.',
    ])
  }

  /** The error for a 401. */
  unauthorized(): Failure {
    const { user, server } = this.#endpoint
    const message = `${serverName(server)} does not accept the credential of user "${oneLine(user)}" (401).`
    const expiry = this.#claims()['exp']
    if (typeof expiry === 'number' && expiry * 1000 < Date.now()) {
      return new Failure('token-rejected', message, [
        `Its token expired ${utc(new Date(expiry * 1000))}.`,
        'Make a new token for the same ServiceAccount or user, and store the new kubeconfig.',
      ])
    }
    return new Failure('token-rejected', message, [
      'A frequent cause is a ServiceAccount or token that was deleted or made anew since the kubeconfig was stored.',
      'Store a kubeconfig with a fresh credential, and check that it is for this cluster.',
    ])
  }

  /** The error for a connection that did not come to an answer. */
  connectionFailure(error: unknown): Failure {
    return connectionFailure(this.#endpoint, error)
  }

  /**
   * Gives whom the API server sees: as it says itself (SelfSubjectReview, served from Kubernetes 1.28 on), else the
   * token's subject, else the client certificate's common name, else the kubeconfig's name for the user.
   */
  async identity(): Promise<Identity> {
    const review = await this.request({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    })
    const seen = (review.body as { status?: { userInfo?: { username?: string } } } | null)?.status?.userInfo
    if (review.status === 201 && seen?.username !== undefined) {
      return { name: oneLine(seen.username), certain: true }
    }
    const { headers, certificate } = this.#credentials
    const subject = this.#claims()['sub']
    const known = headers['Impersonate-User'] ?? subject ?? commonName(certificate)
    if (typeof known !== 'string') return { name: oneLine(this.#endpoint.user), certain: false }
    // Only for ServiceAccounts is the subject the name; for others the API server may take another claim or a prefix.
    return { name: oneLine(known), certain: known !== subject || known.startsWith('system:serviceaccount:') }
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

  /** The claims of a bearer token that is a JWT (RFC 7519), none for any other credential. */
  #claims(): Record<string, unknown> {
    const authorization = this.#credentials.headers['Authorization']
    const payload =
      typeof authorization === 'string' ? /^Bearer [^.]+\.([^.]+)\./.exec(authorization)?.[1] : ''
    try {
      return JSON.parse(Buffer.from(payload ?? '', 'base64url').toString()) as Record<string, unknown>
    } catch {
      return {}
    }
  }

  /** Sends, and sends again after the wait that an API server under load asks for: it has not acted until then. */
  async #patiently(call: Call): Promise<Reply> {
    for (let waits = 0; ; waits++) {
      const reply = await this.#send(call)
      const asked = /^\d+$/.exec(reply.headers['retry-after'] ?? '')?.[0]
      const busy = reply.status === 429 || reply.status === 503
      if (!busy || asked === undefined || waits === waitsForRetryAfter) return reply
      const waitMs = Math.min(Number(asked) * 1000, answerWithinMs)
      await sleep(waitMs, undefined, { signal: this.#over }).catch(() => {
        this.#over.throwIfAborted()
      })
    }
  }

  async #send(call: Call, again = false): Promise<Reply> {
    this.#signal.throwIfAborted()
    const { server } = this.#endpoint
    const { agent, headers } = this.#credentials
    const overdue = new AbortController()
    const signal = AbortSignal.any([this.#over, overdue.signal])
    const body = call.body === undefined ? undefined : JSON.stringify(call.body)
    const request = (server.protocol === 'http:' ? http : https).request({
      method: call.method,
      hostname: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port,
      path: server.pathname.replace(/\/$/, '') + call.path,
      agent,
      signal,
      headers: {
        ...headers,
        Accept: 'application/json',
        'User-Agent': 'pg-app-user',
        ...(body !== undefined && {
          'Content-Type': call.contentType ?? 'application/json',
          'Content-Length': Buffer.byteLength(body),
        }),
      },
    })
    let late: Failure | undefined
    const timer = setTimeout(() => {
      late = silence(this.#endpoint, request.socket?.connecting === false)
      overdue.abort()
    }, answerWithinMs)
    // The loop below sees an error that comes after the head of the answer; without a listener it would end the process.
    request.on('error', () => undefined)
    request.end(body)
    try {
      // With the signal, because a request that has no connection yet says nothing when it is destroyed.
      const [response] = (await once(request, 'response', { signal })) as [http.IncomingMessage]
      return { status: response.statusCode ?? 0, headers: response.headers, text: await this.#read(response) }
    } catch (error) {
      this.#signal.throwIfAborted()
      if (late !== undefined) throw late
      if (error instanceof Failure) throw error
      // An idle connection that the server closed at this very moment. Writes may be repeated as well, because a
      // create meets its own 409 and a patch its own resourceVersion.
      if (request.reusedSocket && !again && errorCode(error) === 'ECONNRESET')
        return await this.#send(call, true)
      throw connectionFailure(this.#endpoint, error)
    } finally {
      clearTimeout(timer)
    }
  }

  async #read(response: http.IncomingMessage): Promise<string> {
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > answerLimitBytes) {
        throw new Failure('api-server-error', `${this.server} sent an answer of more than 32 MiB.`, [
          'A frequent cause is a namespace that holds a very large number of Pods.',
        ])
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString()
  }

  #judge(call: Call, { status, headers, text }: Reply): Answer {
    if (status === 401) throw this.unauthorized()
    const body = parsed(text)
    if (body === undefined || status < 200 || (status >= 300 && status < 400)) {
      const what = /^\s*</.test(text)
        ? 'a web page'
        : status >= 300 && status < 400
          ? 'a redirect'
          : 'other text'
      throw new Failure(
        'api-server-error',
        `${this.server} answered ${call.method} with ${status} and ${what} instead of JSON.`,
        [
          'A frequent cause is a proxy or a login page in front of the API server, or an address that is not its own.',
          'Check the server address in the kubeconfig, and proxy-url or HTTPS_PROXY where there is a proxy.',
        ],
      )
    }
    if (status === 429 || status >= 500) {
      const wait = headers['retry-after'] === undefined ? '' : ' It kept asking for more time.'
      throw new Failure(
        'api-server-error',
        `${this.server} answered ${status}: "${statusMessage(body)}".${wait}`,
        [
          'The API server, or something that it asks in turn, is overloaded or out of order.',
          'Run this again later; if it stays, send this line to the administrator.',
        ],
      )
    }
    return { status, body }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function commonName(certificate: string | undefined): string | undefined {
  if (certificate === undefined) return undefined
  return /^CN=(.+)$/m.exec(new X509Certificate(certificate).subject)?.[1]
}

function serverName(server: URL): string {
  return server.href.replace(/\/$/, '')
}

/** Gives the code that Node.js gives an error, empty where there is none. */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

function way(endpoint: Endpoint): string {
  return endpoint.proxy === undefined ? '' : ` through the proxy ${endpoint.proxy}`
}

/** The error for a request that nobody answered in time. */
function silence(endpoint: Endpoint, connected: boolean): Failure {
  const name = serverName(endpoint.server) + way(endpoint)
  const seconds = answerWithinMs / 1000
  if (connected) {
    return new Failure(
      'api-server-unreachable',
      `${name} accepted the connection and did not answer within ${seconds} s.`,
      [
        'A frequent cause is an API server under load, or a proxy in front of it that waits for something else.',
      ],
    )
  }
  return new Failure('api-server-unreachable', `${name} did not answer within ${seconds} s.`, [
    "A frequent cause is an IP allowlist in front of the API server: this runner's address is not on it.",
    'Use a runner with an allowed address, or ask the administrator to allow this one.',
    'If the server sits behind a proxy, set proxy-url in the kubeconfig or HTTPS_PROXY.',
  ])
}

// Source: https://nodejs.org/api/tls.html#x509-certificate-error-codes
const distrust =
  /^(CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH)/

function connectionFailure(endpoint: Endpoint, error: unknown): Failure {
  const code = errorCode(error)
  const name = serverName(endpoint.server)
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = oneLine(
      (error as { cert?: { subjectaltname?: string } }).cert?.subjectaltname ?? 'no name at all',
    )
    return new Failure(
      'api-server-untrusted',
      `${name} is not trusted: its certificate is for another name.`,
      [
        `The certificate is for ${names}.`,
        'Use one of these names as the server in the kubeconfig, or name one of them as its tls-server-name.',
      ],
      { cause: error },
    )
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    const state = code === 'CERT_HAS_EXPIRED' ? 'has expired' : 'is not valid yet'
    return new Failure(
      'api-server-untrusted',
      `${name} is not trusted: its certificate ${state}.`,
      [
        `This machine's clock says ${utc(new Date())}. If that is right, the administrator has to renew the certificate.`,
      ],
      { cause: error },
    )
  }
  if (distrust.test(code)) {
    return new Failure(
      'api-server-untrusted',
      `${name} is not trusted: no authority that the kubeconfig names has signed its certificate (${code}).`,
      [
        'A frequent cause is a kubeconfig from before the cluster was made anew, or a proxy that opens TLS connections.',
        'Ask the administrator for the current kubeconfig; certificate-authority-data must hold the authority of this server.',
      ],
      { cause: error },
    )
  }
  const proxied = /^Bad response: (\d+)$/.exec((error as Error).message)?.[1]
  const [seen, ...hint] = connectionProblem(code, proxied)
  return new Failure('api-server-unreachable', `${name}${way(endpoint)} ${seen}.`, hint, { cause: error })
}

/** What was seen, as the end of a sentence, and what to do. */
function connectionProblem(code: string, proxied: string | undefined): [string, ...string[]] {
  const proxyHint = 'If the server sits behind a proxy, set proxy-url in the kubeconfig or HTTPS_PROXY.'
  if (proxied !== undefined) {
    return [
      `cannot be reached: the proxy answered ${proxied}`,
      'The proxy has to allow CONNECT to the API server; 407 asks for a user and password in the proxy address.',
    ]
  }
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return [
        `cannot be reached: its name does not resolve (${code})`,
        'A frequent cause is a name that only resolves inside a private network, or a misspelt server in the kubeconfig.',
        proxyHint,
      ]
    case 'ECONNREFUSED':
      return [
        'refused the connection (ECONNREFUSED)',
        'A frequent cause is a kubeconfig for a cluster on another machine: nothing listens at this address here.',
        'Check the server address and port in the kubeconfig.',
      ]
    case 'ECONNRESET':
    case 'EPIPE':
      return [
        `closed the connection before it answered (${code})`,
        "A frequent cause is an IP allowlist or a firewall that does not know this runner's address.",
        proxyHint,
      ]
    case 'EPROTO':
      return [
        'does not complete a TLS handshake (EPROTO)',
        'A frequent cause is a port that speaks no TLS, or a client certificate that the server does not accept.',
        'Check the server address and port in the kubeconfig.',
      ]
    default:
      return [
        `cannot be reached${code === '' ? '' : ` (${code})`}`,
        "A frequent cause is an IP allowlist in front of the API server: this runner's address is not on it.",
        'Use a runner with an allowed address, or ask the administrator to allow this one.',
        proxyHint,
      ]
  }
}
