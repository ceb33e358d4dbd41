import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { stringify } from 'yaml'
import { isAllowed, rulesFor, Tokens, type User } from './access.ts'
import { createAuthority } from './certificate.ts'
import { discoveryAnswers, publicAnswers } from './discovery.ts'
import { listenOnLoopback } from './host.ts'
import { Issuers, type TrustedIssuer } from './issuer.ts'
import type { KubeObject, Metadata } from './object.ts'
import { openApiAnswers } from './openapi.ts'
import { forward, subprotocol, type Target, type Tunnel } from './portforward.ts'
import { fromProtobuf, isProtobuf } from './protobuf.ts'
import { apiVersionOf, builtinResources, endpointSlices, type Resource } from './resources.ts'
import { nameInFields } from './selectors.ts'
import {
  badRequest,
  forbidden,
  methodNotAllowed,
  StatusError,
  unauthorized,
  unknownPath,
  type Attempt,
} from './status.ts'
import { Store } from './store.ts'

export type { Target } from './portforward.ts'
export type { KubeObject } from './object.ts'

/** How the stand-in may differ from a current API server. */
export interface ApiOptions {
  /** The version of EndpointSlices it serves; servers before 1.21 have `v1beta1` only. Default: `v1`. */
  readonly endpointSlices?: 'v1' | 'v1beta1'
  /** Whether it tells who one is (SelfSubjectReview); servers before 1.28 do not. Default: true. */
  readonly whoAmI?: boolean
  /** The verbs that a port-forward over WebSocket asks for; from 1.35 on also `create`. Default: `get`. */
  readonly portForwardVerbs?: readonly ('get' | 'create')[]
  /** Further kinds to keep, such as those of an operator. */
  readonly resources?: readonly Resource[]
}

/** A request as an interceptor sees it, before anything was decided about it. */
export interface ApiRequest {
  readonly method: string
  /** Without the query, but with `?dryRun=All` where nothing of it is kept. */
  readonly path: string
  readonly query: URLSearchParams
  /** The user's name; undefined when the token is none of this cluster. */
  readonly user: string | undefined
}

/** What an interceptor wants: go on, answer this, never answer, break the connection, or do so after acting. */
export type Interception =
  | undefined
  | { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }
  | 'hang'
  | 'reset'
  | 'act and reset'

export type Interceptor = (request: ApiRequest) => Interception | Promise<Interception>

/** One line of the audit log. */
interface AuditEntry {
  readonly method: string
  /** As an interceptor sees it. */
  readonly path: string
  readonly user: string | undefined
  /** What was answered; 101 for a tunnel, 0 when nothing was. */
  readonly status: number
  /** Whether it asked to create, change or delete an object. Reviews and token requests do not. */
  readonly write: boolean
}

/** An object to be stored as an administrator would; `apiVersion` may be left out of builtin kinds. */
interface ObjectInput {
  readonly apiVersion?: string
  readonly kind: string
  readonly metadata: Readonly<Partial<Metadata>> & { readonly name: string }
  readonly [field: string]: unknown
}

/** A stand-in Kubernetes API server on 127.0.0.1. */
export interface StandInApi {
  /** `https://127.0.0.1:<port>`. */
  readonly url: string
  /** Certificate of the authority that signed the server's own one, PEM. */
  readonly ca: string
  /** Bearer token of a user who may do everything. */
  readonly adminToken: string
  /** Everything that was asked, oldest first. */
  readonly requests: readonly AuditEntry[]
  /** How many TCP connections were accepted so far. */
  readonly connections: number
  /** Creates or replaces an object, status included, past RBAC and the audit log. */
  put(object: ObjectInput): KubeObject
  /** Gives an object; undefined when there is none. Namespace `''` is for kinds without one. */
  get(kind: string, namespace: string, name: string): KubeObject | undefined
  /** Removes an object, past RBAC and the audit log. */
  remove(kind: string, namespace: string, name: string): void
  /** Issues a token for a ServiceAccount that exists; one with a lifetime below 0 has expired. Default: an hour. */
  token(namespace: string, serviceAccount: string, lifetimeSeconds?: number): string
  /** Takes tokens of an issuer from now on: an entry of `jwt` in an AuthenticationConfiguration. */
  trust(issuer: TrustedIssuer): void
  /** A kubeconfig (YAML) of the administrator, without a namespace. */
  adminKubeconfig(): string
  /** A kubeconfig (YAML) with a fresh token of a ServiceAccount. Its one context is `sandbox`. */
  kubeconfig(options: KubeconfigOptions): string
  /** Leads a container's port to a target; to none, and it is as if nothing listened there. */
  route(namespace: string, pod: string, containerPort: number, target: Target | undefined): void
  /** The port-forwards that are open now. */
  tunnels(): readonly Tunnel[]
  /** Lets a function see every request first. Gives a function that takes it out again. */
  intercept(interceptor: Interceptor): () => void
  /** Breaks every connection and stops listening. */
  close(): Promise<void>
}

/** Whose kubeconfig to write. */
interface KubeconfigOptions {
  readonly namespace: string
  readonly serviceAccount: string
  /** The namespace of the context. Default: the ServiceAccount's; null for none. */
  readonly contextNamespace?: string | null
  readonly lifetimeSeconds?: number
}

/** Starts an empty stand-in. Throws a SandboxError where this machine refuses a port. */
export async function startApi(options: ApiOptions = {}): Promise<StandInApi> {
  const authority = createAuthority('sandbox Kubernetes')
  const { certificate, key } = authority.issue(['127.0.0.1', 'localhost'])
  // Clients keep connections for reuse; a server that closes them early makes their next request fail.
  const server = createServer({ cert: certificate, key, keepAliveTimeout: 120_000 })
  const api = new Api(server, authority.pem, options)
  await api.listen()
  return api
}

const hour = 60 * 60
const authorization = { group: 'authorization.k8s.io', version: 'v1', namespaced: false }
const accessReviews: Resource = {
  ...authorization,
  plural: 'selfsubjectaccessreviews',
  kind: 'SelfSubjectAccessReview',
}
const rulesReviews: Resource = {
  ...authorization,
  plural: 'selfsubjectrulesreviews',
  kind: 'SelfSubjectRulesReview',
}
const whoAmIReviews: Resource = {
  group: 'authentication.k8s.io',
  version: 'v1',
  namespaced: false,
  plural: 'selfsubjectreviews',
  kind: 'SelfSubjectReview',
}

/** What is sent back. */
interface Answer {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** A path below a group's version, taken apart. */
interface Place {
  readonly resource: Resource
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly subresource: string | undefined
}

class Api implements StandInApi {
  url = ''
  readonly ca: string
  readonly requests: AuditEntry[] = []
  connections = 0
  readonly #server: Server
  readonly #options: ApiOptions
  readonly #resources: readonly Resource[]
  readonly #reviews: readonly Resource[]
  readonly #discovery: ReadonlyMap<string, unknown>
  readonly #store = new Store()
  readonly #tokens = new Tokens(this.#store)
  readonly #issuers = new Issuers()
  readonly #routes = new Map<string, Target>()
  readonly #tunnels = new Set<Tunnel>()
  readonly #interceptors = new Set<Interceptor>()
  readonly #sockets = new Set<Duplex>()
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    handleProtocols: () => subprotocol,
  })

  constructor(server: Server, ca: string, options: ApiOptions) {
    this.ca = ca
    this.#server = server
    this.#options = options
    this.#resources = [
      ...builtinResources,
      endpointSlices(options.endpointSlices ?? 'v1'),
      ...(options.resources ?? []),
    ]
    this.#reviews = [accessReviews, rulesReviews, ...((options.whoAmI ?? true) ? [whoAmIReviews] : [])]
    this.#discovery = new Map([
      ...discoveryAnswers(this.#resources, this.#reviews),
      ...openApiAnswers(this.#resources),
    ])
    server.on('connection', (socket: Duplex) => {
      this.connections += 1
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#serve(request, response).catch((thrown: unknown) => {
        // Also a client that breaks off in the middle of its request ends here; it reads no answer any more.
        const { status, body } = internalError(thrown)
        const { content, headers } = rendered({ status, body })
        response.writeHead(status, headers).end(content)
      })
    })
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgrade(request, socket, head).catch((thrown: unknown) => {
        refuseUpgrade(socket, internalError(thrown))
      })
    })
  }

  async listen(): Promise<void> {
    this.url = `https://127.0.0.1:${await listenOnLoopback(this.#server)}`
  }

  get adminToken(): string {
    return this.#tokens.admin
  }

  put(object: ObjectInput): KubeObject {
    const resource = this.#kind(object.kind, object.apiVersion)
    const { name, namespace } = object.metadata
    return this.#store.find(resource, namespace, name)
      ? this.#store.replace(resource, namespace, name, object)
      : this.#store.create(resource, namespace, object)
  }

  get(kind: string, namespace: string, name: string): KubeObject | undefined {
    return this.#store.find(this.#kind(kind), namespace || undefined, name)
  }

  remove(kind: string, namespace: string, name: string): void {
    this.#remove(this.#kind(kind), namespace || undefined, name)
  }

  token(namespace: string, serviceAccount: string, lifetimeSeconds = hour): string {
    return this.#tokens.issue(namespace, serviceAccount, lifetimeSeconds).token
  }

  trust(issuer: TrustedIssuer): void {
    this.#issuers.trust(issuer)
  }

  adminKubeconfig(): string {
    return this.#kubeconfig('admin', this.adminToken, undefined)
  }

  kubeconfig(options: KubeconfigOptions): string {
    const { namespace, serviceAccount, contextNamespace = namespace, lifetimeSeconds } = options
    const token = this.token(namespace, serviceAccount, lifetimeSeconds)
    return this.#kubeconfig(serviceAccount, token, contextNamespace ?? undefined)
  }

  route(namespace: string, pod: string, containerPort: number, target: Target | undefined): void {
    const port = `${namespace}/${pod}:${containerPort}`
    if (target) this.#routes.set(port, target)
    else this.#routes.delete(port)
  }

  tunnels(): readonly Tunnel[] {
    return [...this.#tunnels]
  }

  intercept(interceptor: Interceptor): () => void {
    this.#interceptors.add(interceptor)
    return () => {
      this.#interceptors.delete(interceptor)
    }
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #kind(kind: string, apiVersion?: string): Resource {
    const found = this.#resources.find(
      (resource) =>
        resource.kind === kind && (apiVersion === undefined || apiVersionOf(resource) === apiVersion),
    )
    if (!found) throw new Error(`The stand-in keeps no ${kind}${apiVersion ? ` of ${apiVersion}` : ''}.`)
    return found
  }

  /** A Pod takes the connections into it along. */
  #remove(resource: Resource, namespace: string | undefined, name: string): KubeObject {
    const removed = this.#store.remove(resource, namespace, name)
    for (const tunnel of this.#tunnels) {
      if (resource.kind === 'Pod' && tunnel.namespace === namespace && tunnel.pod === name) tunnel.end()
    }
    return removed
  }

  #kubeconfig(user: string, token: string, namespace: string | undefined): string {
    const name = 'sandbox'
    const authority = Buffer.from(this.ca).toString('base64')
    return stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: { server: this.url, 'certificate-authority-data': authority } }],
      users: [{ name: user, user: { token } }],
      contexts: [{ name, context: { cluster: name, user, ...(namespace ? { namespace } : {}) } }],
      'current-context': name,
    })
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { request, user } = await this.#identify(message)
    const interception = await this.#intercepted(request)
    if (interception === 'hang' || interception === 'reset') {
      this.#audit(request, 0)
      if (interception === 'reset') message.socket.destroy()
      return
    }
    const answer =
      interception === undefined || interception === 'act and reset'
        ? await this.#answer(request, user, message)
        : { body: '', ...interception }
    this.#audit(request, answer.status)
    if (interception === 'act and reset') {
      message.socket.destroy()
      return
    }
    const { content, headers } = rendered(answer)
    response.writeHead(answer.status, headers)
    response.end(content)
  }

  async #upgrade(message: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // The client may break off while this decides; what it left is cleaned up by 'close'.
    socket.on('error', () => undefined)
    const { request, user } = await this.#identify(message)
    const interception = await this.#intercepted(request)
    if (interception === 'hang' || interception === 'reset') {
      this.#audit(request, 0)
      if (interception === 'reset') socket.destroy()
      return
    }
    const refusal =
      interception === undefined || interception === 'act and reset'
        ? attempted(() => this.#forwardRefusal(request, user, message))
        : { body: '', ...interception }
    this.#audit(request, refusal?.status ?? 101)
    if (refusal) {
      refuseUpgrade(socket, refusal)
      return
    }
    const { namespace = '', name: pod = '' } = this.#placeOf(request.path) ?? {}
    const port = Number(request.query.get('ports'))
    const target = this.#routes.get(`${namespace}/${pod}:${port}`)
    this.#webSockets.handleUpgrade(message, socket, head, (client) => {
      const tunnel = forward(client, target, { namespace, pod, port, username: request.user ?? '' })
      this.#tunnels.add(tunnel)
      client.once('close', () => this.#tunnels.delete(tunnel))
      if (interception === 'act and reset') tunnel.destroy()
    })
  }

  async #identify(message: IncomingMessage): Promise<{ request: ApiRequest; user: User | undefined }> {
    const url = new URL(message.url ?? '/', this.url)
    const token = /^Bearer (.+)$/i.exec(message.headers.authorization ?? '')?.[1]
    const user =
      token === undefined ? undefined : (this.#tokens.userOf(token) ?? (await this.#issuers.userOf(token)))
    return {
      user,
      request: {
        method: message.method ?? 'GET',
        path: `${decodeURI(url.pathname)}${url.searchParams.has('dryRun') ? '?dryRun=All' : ''}`,
        query: url.searchParams,
        user: user?.username,
      },
    }
  }

  async #intercepted(request: ApiRequest): Promise<Interception> {
    for (const interceptor of this.#interceptors) {
      const interception = await interceptor(request)
      if (interception !== undefined) return interception
    }
    return undefined
  }

  #audit(request: ApiRequest, status: number): void {
    const { method, path, user } = request
    const place = this.#placeOf(path)
    const kept =
      place !== undefined &&
      this.#resources.includes(place.resource) &&
      !place.subresource &&
      !path.endsWith('?dryRun=All')
    this.requests.push({ method, path, user, status, write: kept && method !== 'GET' && method !== 'HEAD' })
  }

  async #answer(request: ApiRequest, user: User | undefined, message: IncomingMessage): Promise<Answer> {
    const body = await bodyOf(message)
    return attempted(() => {
      const open = publicAnswers[request.path]
      if (open !== undefined) return { status: 200, body: open }
      if (!user) throw unauthorized()
      const document = this.#discovery.get(request.path)
      if (document !== undefined && request.method === 'GET') return { status: 200, body: document }
      const place = this.#placeOf(request.path)
      if (!place) throw unknownPath()
      if (this.#reviews.includes(place.resource)) {
        if (request.method !== 'POST') throw methodNotAllowed()
        return { status: 201, body: this.#review(place.resource, user, parsed(body)) }
      }
      return this.#operate(request, user, place, body, message.headers['content-type'] ?? '')
    })
  }

  /** Takes `/api/v1/namespaces/<namespace>/<plural>/<name>/<subresource>` and its shorter forms apart. */
  #placeOf(path: string): Place | undefined {
    const parts = path.replace('?dryRun=All', '').split('/').slice(1)
    const group = parts[0] === 'apis' ? parts[1] : parts[0] === 'api' ? '' : undefined
    const [version, ...rest] = parts.slice(group ? 2 : 1)
    const inNamespace = rest[0] === 'namespaces' && rest.length > 2
    const [plural, name, subresource, ...beyond] = inNamespace ? rest.slice(2) : rest
    const resource = [...this.#resources, ...this.#reviews].find(
      (each) => each.group === group && each.version === version && each.plural === plural,
    )
    if (!resource || beyond.length > 0 || (inNamespace && !resource.namespaced)) return undefined
    return { resource, namespace: inNamespace ? rest[1] : undefined, name, subresource }
  }

  #demand(user: User, attempt: Attempt): void {
    if (!isAllowed(this.#store, user, attempt)) throw forbidden(user.username, attempt)
  }

  #operate(request: ApiRequest, user: User, place: Place, body: Buffer, contentType: string): Answer {
    const { resource, namespace, name, subresource } = place
    const fieldSelector = request.query.get('fieldSelector') ?? undefined
    const verb = verbOf(request, name)
    this.#demand(user, {
      verb,
      group: resource.group,
      resource: resource.plural,
      subresource,
      namespace: resource.kind === 'Namespace' ? name : namespace,
      name: name ?? nameInFields(fieldSelector),
    })
    if (subresource) return this.#operateOn(request, place, body)
    if (resource.namespaced && namespace === undefined && verb !== 'list') throw methodNotAllowed()
    const persist = !request.query.has('dryRun')
    if (name === undefined) {
      switch (verb) {
        case 'list': {
          const labelSelector = request.query.get('labelSelector') ?? undefined
          const items = this.#store.list(resource, namespace, { labelSelector, fieldSelector })
          return { status: 200, body: listOf(resource, items, this.#store.resourceVersion) }
        }
        case 'create':
          return { status: 201, body: this.#store.create(resource, namespace, parsed(body), persist) }
        default:
          throw methodNotAllowed()
      }
    }
    switch (verb) {
      case 'get':
        return { status: 200, body: this.#store.get(resource, namespace, name) }
      case 'update':
        return { status: 200, body: this.#store.replace(resource, namespace, name, parsed(body), persist) }
      case 'patch':
        requirePatchType(contentType)
        return { status: 200, body: this.#store.patch(resource, namespace, name, parsed(body), persist) }
      case 'delete': {
        const { uid } = this.#remove(resource, namespace, name).metadata
        const details = {
          name,
          ...(resource.group ? { group: resource.group } : {}),
          kind: resource.plural,
          uid,
        }
        return {
          status: 200,
          body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details },
        }
      }
      default:
        throw methodNotAllowed()
    }
  }

  #operateOn(request: ApiRequest, place: Place, body: Buffer): Answer {
    const { resource, namespace = '', name = '', subresource } = place
    if (resource.kind === 'Pod' && subresource === 'portforward') {
      this.#store.get(resource, namespace, name)
      throw badRequest('Upgrade request required')
    }
    if (resource.kind !== 'ServiceAccount' || subresource !== 'token') throw unknownPath()
    if (request.method !== 'POST') throw methodNotAllowed()
    const { spec = {} } = parsed(body) as { spec?: { expirationSeconds?: number } }
    const { token, expires } = this.#tokens.issue(namespace, name, spec.expirationSeconds ?? hour)
    const expirationTimestamp = new Date(expires).toISOString().replace(/\.\d+Z$/, 'Z')
    return {
      status: 201,
      body: {
        kind: 'TokenRequest',
        apiVersion: 'authentication.k8s.io/v1',
        metadata: { name, namespace },
        spec,
        status: { token, expirationTimestamp },
      },
    }
  }

  #review(review: Resource, user: User, given: unknown): Record<string, unknown> {
    const { spec = {} } = given as { spec?: { resourceAttributes?: Partial<Attempt>; namespace?: string } }
    const head = { kind: review.kind, apiVersion: apiVersionOf(review), metadata: {} }
    switch (review) {
      case accessReviews: {
        const asked = spec.resourceAttributes
        const allowed =
          asked !== undefined &&
          isAllowed(this.#store, user, {
            verb: asked.verb ?? '',
            group: asked.group ?? '',
            resource: asked.resource ?? '',
            subresource: asked.subresource,
            namespace: asked.namespace || undefined,
            name: asked.name || undefined,
          })
        return { ...head, spec, status: { allowed } }
      }
      case rulesReviews: {
        const resourceRules = rulesFor(this.#store, user, spec.namespace)
        return { ...head, spec, status: { resourceRules, nonResourceRules: [], incomplete: false } }
      }
      default:
        return { ...head, status: { userInfo: user } }
    }
  }

  /** Throws what keeps a port-forward from being opened, and gives an answer where that is no Status. */
  #forwardRefusal(request: ApiRequest, user: User | undefined, message: IncomingMessage): Answer | undefined {
    if (!user) throw unauthorized()
    const place = this.#placeOf(request.path)
    const name = place?.name
    if (place?.resource.kind !== 'Pod' || place.subresource !== 'portforward' || name === undefined) {
      throw unknownPath()
    }
    const { resource, namespace } = place
    for (const verb of this.#options.portForwardVerbs ?? ['get']) {
      const attempt = { verb, group: '', resource: 'pods', subresource: 'portforward', namespace, name }
      this.#demand(user, attempt)
    }
    const ports = request.query.getAll('ports')
    for (const port of ports) {
      if (/^\d+$/.test(port) && Number(port) < 65536) continue
      const problem = /^\d+$/.test(port) ? 'value out of range' : 'invalid syntax'
      throw badRequest(`cannot convert to []int32: strconv.ParseUint: parsing "${port}": ${problem}`)
    }
    const pod = this.#store.get(resource, namespace, name)
    if ((pod['spec'] as { nodeName?: string } | undefined)?.nodeName === undefined) {
      throw badRequest(`pod ${name} does not have a host assigned`)
    }
    const { phase } = (pod['status'] ?? {}) as { phase?: string }
    if (phase === 'Succeeded' || phase === 'Failed') {
      return { status: 500, body: `pod not found ("${name}_${namespace ?? ''}")` }
    }
    const isWebSocket = message.headers.upgrade?.toLowerCase() === 'websocket'
    if (message.headers.upgrade !== undefined && !isWebSocket) {
      throw badRequest(
        `this stand-in forwards ports over WebSocket with subprotocol ${subprotocol} alone, which kubectl does not speak`,
      )
    }
    if (ports.length === 0) return { status: 400, body: 'query parameter "port" is required' }
    if (ports.length > 1) throw badRequest('this stand-in forwards one port a connection')
    if (!isWebSocket) throw badRequest('this stand-in forwards ports over WebSocket only')
    const offered = (message.headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim())
    return offered.includes(subprotocol) ? undefined : { status: 403, body: '' }
  }
}

/** Gives what the work gives, or the answer that a refusal stands for. */
function attempted<T>(work: () => T): T | Answer {
  try {
    return work()
  } catch (thrown) {
    if (thrown instanceof StatusError) return { status: thrown.code, body: thrown }
    throw thrown
  }
}

function internalError(thrown: unknown): Answer {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  return { status: 500, body: new StatusError(500, 'InternalError', `Internal error occurred: ${text}`) }
}

/** Answers an upgrade request in plain HTTP. */
function refuseUpgrade(socket: Duplex, answer: Answer): void {
  const { content, headers } = rendered(answer)
  const lines = Object.entries({ ...headers, connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}`,
  )
  const reason = STATUS_CODES[answer.status] ?? ''
  socket.end(`HTTP/1.1 ${answer.status} ${reason}\r\n${lines.join('\r\n')}\r\n\r\n${content}`)
}

function rendered({ body, headers }: Answer): { content: string; headers: Record<string, string> } {
  const content = typeof body === 'string' ? body : JSON.stringify(body)
  const type = typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json'
  return {
    content,
    headers: { 'content-type': type, 'content-length': String(Buffer.byteLength(content)), ...headers },
  }
}

function listOf(
  { group, version, kind }: Resource,
  items: readonly KubeObject[],
  resourceVersion: string,
): Record<string, unknown> {
  return {
    kind: `${kind}List`,
    apiVersion: apiVersionOf({ group, version }),
    metadata: { resourceVersion },
    // Items of a list do not repeat what the list says about all of them.
    items: items.map((item) => ({ ...item, apiVersion: undefined, kind: undefined })),
  }
}

function verbOf({ method, query }: ApiRequest, name: string | undefined): string {
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (['true', '1'].includes(query.get('watch') ?? '')) return 'watch'
      return name === undefined ? 'list' : 'get'
    case 'POST':
      return 'create'
    case 'PUT':
      return 'update'
    case 'PATCH':
      return 'patch'
    case 'DELETE':
      return name === undefined ? 'deletecollection' : 'delete'
    default:
      throw methodNotAllowed()
  }
}

const patchTypes = ['application/merge-patch+json', 'application/strategic-merge-patch+json']

function requirePatchType(contentType: string): void {
  if (patchTypes.includes(contentType.split(';')[0]?.trim() ?? '')) return
  throw new StatusError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${patchTypes.join(', ')}`,
  )
}

function parsed(body: Buffer): unknown {
  if (isProtobuf(body)) return fromProtobuf(body)
  try {
    return JSON.parse(body.toString('utf8')) as unknown
  } catch {
    throw badRequest('the object provided is unrecognized: json parse error')
  }
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
