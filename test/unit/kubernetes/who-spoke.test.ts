import type http from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { heard, waitOf, whoSpoke } from '../../../src/kubernetes/heard.ts'
import { openTunnel } from '../../../src/kubernetes/tunnel.ts'
import { busy, noUpgradeAWhile, outOfOrder } from '../../../src/kubernetes/what-it-means.ts'
import { Failure } from '../../../src/lib/failure.ts'
import { failureOf, serve, type TestServer } from './server.ts'

/** What somebody sends, word for word as its sources have it, and what a run has to make of it. */
interface Case {
  readonly from: string
  readonly to?: 'plain' | 'review' | 'upgrade'
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
  readonly speaker: string
  /** Absent where the answer is for the caller to judge. */
  readonly code?: string
  /** What the run says of it, `URL` being the server's address. */
  readonly says?: string
  /** Words of the hint. */
  readonly hint?: string
  /** Whether it is asked again. */
  readonly waits?: true
}

const text = { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' }
const page = { 'Content-Type': 'text/html' }
/** Every answer of an API server bears one; what it passes on from a kubelet does not. */
const signed = { 'Audit-Id': '1e828c5f-c7a2-4739-8648-5cd517ba89ab' }
const flowschema = { 'X-Kubernetes-Pf-Flowschema-Uid': 'c6fbad10-e68e-4995-beb3-5269d8ece684' }
const json = { 'Content-Type': 'application/json' }
const status = (code: number, message: string, reason = ''): string =>
  JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code })
const nginx = (title: string): string =>
  `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n`
const path = '/api/v1/namespaces/db/secrets/x'
const tunnel = 'svc/pg → Pod pg-0'

const filters: readonly Case[] = [
  {
    from: 'WithMaxInFlightLimit',
    status: 429,
    headers: { ...text, ...signed, 'Retry-After': '1' },
    body: 'Too many requests, please try again later.\n',
    speaker: 'filter',
    code: 'api-server-error',
    says: 'URL is overloaded or restarting, and asks for more time: 429 "Too many requests, please try again later.".',
    waits: true,
  },
  {
    from: 'WithRetryAfter, of a server that shuts down',
    status: 429,
    headers: { ...text, 'Retry-After': '5', Connection: 'close' },
    body: 'The apiserver is shutting down, please try again later.\n',
    speaker: 'filter',
    code: 'api-server-error',
    says: 'URL is overloaded or restarting, and asks for more time: 429 "The apiserver is shutting down, please try again later.".',
    hint: 'upgrade of the control plane',
    waits: true,
  },
  {
    from: 'the same, on the upgrade',
    to: 'upgrade',
    status: 429,
    headers: { ...text, ...signed, 'Retry-After': '5', Connection: 'close' },
    body: 'The apiserver is shutting down, please try again later.\n',
    speaker: 'filter',
    code: 'api-server-error',
    says: 'URL is overloaded or restarting, and asks for more time: 429 "The apiserver is shutting down, please try again later.".',
    waits: true,
  },
  {
    from: 'an authorizer webhook that does not answer',
    status: 500,
    headers: { ...text, ...signed },
    body: `Internal Server Error: "${path}": Post "https://authz.example.com/": context deadline exceeded`,
    speaker: 'filter',
    code: 'api-server-error',
    says: `URL answered 500: "Internal Server Error: "${path}": Post "https://authz.example.com/": context deadline exceeded".`,
    waits: true,
  },
  {
    from: 'WithPanicRecovery',
    status: 500,
    headers: { ...text, ...signed },
    body: 'This request caused apiserver to panic. Look in the logs for details.\n',
    speaker: 'filter',
    code: 'api-server-error',
    says: 'URL answered 500: "This request caused apiserver to panic. Look in the logs for details.".',
    waits: true,
  },
  {
    from: 'the same, on the upgrade, from a server that signs nothing',
    to: 'upgrade',
    status: 500,
    headers: text,
    body: 'This request caused apiserver to panic. Look in the logs for details.\n',
    speaker: 'filter',
    code: 'api-server-error',
    says: 'URL answered 500: "This request caused apiserver to panic. Look in the logs for details.".',
    waits: true,
  },
  {
    from: 'WithTimeoutForNonLongRunningRequests: a Status that is called text',
    status: 504,
    headers: { ...text, ...signed },
    body: `${status(504, 'Timeout: request did not complete within the allotted timeout', 'Timeout')}\n`,
    speaker: 'API server',
    code: 'api-server-error',
    says: 'URL answered 504: "Timeout: request did not complete within the allotted timeout".',
    waits: true,
  },
  {
    from: 'a server that has just begun',
    status: 503,
    headers: { ...json, ...signed, 'Retry-After': '1' },
    body: status(
      503,
      'the request has been made before all known HTTP paths have been installed, please try again',
    ),
    speaker: 'API server',
    code: 'api-server-error',
    waits: true,
  },
  {
    from: 'an aggregated API without a server',
    status: 503,
    headers: { ...text, ...signed },
    body: 'service unavailable\n',
    speaker: 'filter',
    code: 'api-server-error',
    says: 'URL answered 503: "service unavailable".',
    waits: true,
  },
  {
    from: 'an API group that is not served',
    status: 404,
    headers: { ...text, ...signed },
    body: '404 page not found\n',
    speaker: 'filter',
  },
  {
    from: 'the same, from Kubernetes 1.20',
    status: 404,
    headers: { ...text, ...flowschema },
    body: '404 page not found\n',
    speaker: 'filter',
  },
  {
    from: 'a path that is none of the API',
    status: 404,
    headers: { ...json, ...signed },
    body: '{"paths":["/apis","/healthz"]}',
    speaker: 'proxy',
    code: 'api-server-error',
    says: 'URL answered GET as no API server does: it answered 404.',
  },
]

const proper: readonly Case[] = [
  {
    from: 'an object that is not there',
    status: 404,
    headers: { ...json, ...signed },
    body: status(404, 'secrets "x" not found', 'NotFound'),
    speaker: 'API server',
  },
  {
    from: 'a credential that nobody knows',
    status: 401,
    headers: { ...json, ...signed },
    body: status(401, 'Unauthorized', 'Unauthorized'),
    speaker: 'API server',
    code: 'token-rejected',
    says: 'URL does not accept the credential of user "someone" (401).',
  },
  ...(['plain', 'review', 'upgrade'] as const).map((to): Case => ({
    from: `nobody in particular, to ${to}`,
    to,
    status: 403,
    headers: { ...json, ...signed },
    body: status(
      403,
      'secrets "x" is forbidden: User "system:anonymous" cannot get resource "secrets" in API group "" in the namespace "db"',
      'Forbidden',
    ),
    speaker: 'API server',
    code: 'token-rejected',
    says: 'No credential of user "someone" arrived at URL: it takes this run for system:anonymous.',
  })),
  {
    from: 'a cluster without the binding of system:basic-user',
    to: 'review',
    status: 403,
    headers: { ...json, ...signed },
    body: status(
      403,
      'selfsubjectaccessreviews.authorization.k8s.io is forbidden: User "system:serviceaccount:spoke:x" cannot create resource "selfsubjectaccessreviews" in API group "authorization.k8s.io" at the cluster scope',
      'Forbidden',
    ),
    speaker: 'API server',
    code: 'api-server-error',
    says: 'URL does not let user "someone" ask for its own rights: 403 "selfsubjectaccessreviews.authorization.k8s.io is forbidden: User "system:serviceaccount:spoke:x" cannot create resource "selfsubjectaccessreviews" in API group "authorization.k8s.io" at the cluster scope".',
    hint: 'system:basic-user',
  },
  {
    from: 'etcd that has no leader',
    status: 500,
    headers: { ...json, ...signed },
    body: status(500, 'etcdserver: leader changed', 'InternalError'),
    speaker: 'API server',
    code: 'api-server-error',
    says: 'URL answered 500: "etcdserver: leader changed".',
    waits: true,
  },
  {
    from: 'an admission webhook that does not answer',
    status: 500,
    headers: { ...json, ...signed },
    body: status(
      500,
      'Internal error occurred: failed calling webhook "validate.kyverno.svc-fail": failed to call webhook: Post "https://kyverno-svc.kyverno.svc:443/validate/fail?timeout=10s": context deadline exceeded',
      'InternalError',
    ),
    speaker: 'API server',
    code: 'api-server-error',
    says: 'URL does not reach an admission webhook that has to allow the request: 500 "Internal error occurred: failed calling webhook "validate.kyverno.svc-fail": failed to call webhook: Post "https://kyverno-svc.kyverno.svc:443/validate/fail?timeout=10s": context deadline exceeded".',
  },
  {
    from: 'a policy that says 401 of a write',
    status: 401,
    headers: { ...json, ...signed },
    body: status(
      401,
      `secrets "x" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`,
      'Unauthorized',
    ),
    speaker: 'API server',
  },
]

const upgrades: readonly Case[] = [
  {
    from: 'an admission webhook, which has 400 where it names no code',
    to: 'upgrade',
    status: 400,
    headers: { ...json, ...signed },
    body: status(400, 'admission webhook "no-tunnels.example.com" denied the request: tunnels are closed'),
    speaker: 'API server',
    code: 'port-forward-denied',
    says: `The API server denied the port-forward of ${tunnel}: "admission webhook "no-tunnels.example.com" denied the request: tunnels are closed".`,
    hint: 'a policy of the cluster refuses it',
  },
  ...([422, 403, 401, 413] as const).map((code): Case => ({
    from: `a ValidatingAdmissionPolicy, with ${code}`,
    to: 'upgrade',
    status: code,
    headers: { ...json, ...signed },
    body: status(
      code,
      `pods "pg-0" is forbidden: ValidatingAdmissionPolicy 'no-tunnels' with binding 'all' denied request: tunnels are closed`,
    ),
    speaker: 'API server',
    code: 'port-forward-denied',
    says: `The API server denied the port-forward of ${tunnel}: "pods "pg-0" is forbidden: ValidatingAdmissionPolicy 'no-tunnels' with binding 'all' denied request: tunnels are closed".`,
    hint: 'a policy of the cluster refuses it',
  })),
  {
    from: 'RBAC',
    to: 'upgrade',
    status: 403,
    headers: { ...json, ...signed },
    body: status(403, 'pods "pg-0" is forbidden: User "ci" cannot create resource "pods/portforward"'),
    speaker: 'API server',
    code: 'port-forward-denied',
    hint: 'get and create on pods/portforward',
  },
  ...(
    [
      'error dialing backend: dial tcp 10.0.0.5:10250: connect: connection refused',
      'error dialing backend: dial tcp 10.0.0.5:10250: i/o timeout',
      'error dialing backend: remote error: tls: internal error',
      'error dialing backend: No agent available',
      'error dialing backend: proxy error from 127.0.0.1:9345 while dialing 10.0.0.5:10250, code 502: 502 Bad Gateway',
    ] as const
  ).map((words): Case => ({
    from: 'an API server without a way to the Node',
    to: 'upgrade',
    status: 500,
    headers: { ...json, ...signed },
    body: status(500, words),
    speaker: 'API server',
    code: 'node-unreachable',
    says: `The API server does not reach Pod pg-0's Node for the port-forward of ${tunnel}: 500 "${words}".`,
    hint: 'port 10250',
  })),
  {
    from: 'a kubelet, of the API server',
    to: 'upgrade',
    status: 401,
    headers: { 'Content-Type': 'text/plain; charset=utf-8' },
    body: 'Unauthorized',
    speaker: 'kubelet',
    code: 'port-forward-denied',
    says: `The kubelet of Pod pg-0's Node denied the API server the port-forward of ${tunnel}: 401 "Unauthorized".`,
    hint: 'This is not about user "someone"',
  },
  ...['resource=nodes, subresource=proxy', 'resource=nodes, subresource(s)=[proxy]'].map((what): Case => ({
    from: 'a kubelet, of what the API server may',
    to: 'upgrade',
    status: 403,
    headers: { 'Content-Type': 'text/plain; charset=utf-8' },
    body: `Forbidden (user=kube-apiserver-kubelet-client, verb=get, ${what})`,
    speaker: 'kubelet',
    code: 'port-forward-denied',
    says: `The kubelet of Pod pg-0's Node denied the API server the port-forward of ${tunnel}: 403 "Forbidden (user=kube-apiserver-kubelet-client, verb=get, ${what})".`,
    hint: 'nodes/proxy',
  })),
  {
    from: 'a Node that is gone',
    to: 'upgrade',
    status: 404,
    headers: { ...json, ...signed },
    body: status(404, 'nodes "worker-3" not found', 'NotFound'),
    speaker: 'API server',
    code: 'tunnel-lost',
    says: `The tunnel ${tunnel} port 5432 could not be opened: the Node of the Pod is gone.`,
  },
  {
    from: 'an API server that was asked for another path',
    to: 'upgrade',
    status: 404,
    headers: { ...json, ...signed },
    body: status(404, 'the server could not find the requested resource', 'NotFound'),
    speaker: 'proxy',
    code: 'upgrade-refused',
  },
  {
    from: 'a runtime without socat',
    to: 'upgrade',
    status: 500,
    headers: { 'Content-Type': 'text/plain; charset=utf-8' },
    body: 'rpc error: code = Unknown desc = unable to do port forwarding: socat not found',
    speaker: 'kubelet',
    code: 'port-forward-denied',
    says: `Pod pg-0's Node cannot forward ports: "rpc error: code = Unknown desc = unable to do port forwarding: socat not found".`,
  },
  {
    from: 'a runtime with too much to do',
    to: 'upgrade',
    status: 429,
    headers: { 'Content-Type': 'text/plain; charset=utf-8', 'Retry-After': '60' },
    body: 'rpc error: code = ResourceExhausted desc = maximum number of in-flight requests exceeded',
    speaker: 'kubelet',
    code: 'api-server-error',
    waits: true,
  },
  {
    from: 'a gateway that passes no WebSockets',
    to: 'upgrade',
    status: 502,
    headers: page,
    body: nginx('502 Bad Gateway'),
    speaker: 'proxy',
    code: 'upgrade-refused',
    says: `URL did not open a WebSocket for the port-forward of ${tunnel}: it answered 502.`,
    waits: true,
  },
  {
    from: 'Envoy',
    to: 'upgrade',
    status: 403,
    headers: { 'Content-Type': 'text/plain', Server: 'envoy' },
    body: 'RBAC: access denied',
    speaker: 'proxy',
    code: 'upgrade-refused',
    says: `URL did not open a WebSocket for the port-forward of ${tunnel}: 403 "RBAC: access denied".`,
  },
]

/** Pages and texts that say there is no server behind: the page is not quoted, the text is. */
const gateways: readonly Case[] = (
  [
    ['nginx', 502, page, nginx('502 Bad Gateway')],
    ['nginx', 504, page, nginx('504 Gateway Time-out')],
    [
      'HAProxy',
      503,
      page,
      '<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n',
    ],
    [
      'AWS ELB',
      503,
      { 'Content-Type': 'text/html', Server: 'awselb/2.0' },
      '<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n',
    ],
    ['Envoy', 503, { 'Content-Type': 'text/plain', Server: 'envoy' }, 'no healthy upstream'],
    [
      'Envoy',
      503,
      { 'Content-Type': 'text/plain', Server: 'envoy' },
      'upstream connect error or disconnect/reset before headers. reset reason: connection failure',
    ],
    ['Envoy', 504, { 'Content-Type': 'text/plain', Server: 'envoy' }, 'upstream request timeout'],
    [
      'Cloudflare',
      521,
      { 'Content-Type': 'text/plain; charset=UTF-8', Server: 'cloudflare' },
      'error code: 521',
    ],
    ['Traefik', 502, { 'Content-Type': 'text/plain; charset=utf-8' }, 'Bad Gateway'],
    ['a page that is called text', 502, text, nginx('502 Bad Gateway')],
    ['nobody, without a word', 503, {}, ''],
  ] as const
).map(([from, code, headers, body]): Case => ({
  from: `${from} ${code}`,
  status: code,
  headers,
  body,
  speaker: 'proxy',
  code: 'api-server-error',
  says: `A load balancer or proxy in front of URL has no API server behind it at the moment: ${
    body === '' || body.startsWith('<') ? `it answered ${code}` : `${code} "${body}"`
  }.`,
  waits: true,
}))

const others: readonly Case[] = [
  {
    from: 'a proxy that wants a password',
    status: 407,
    headers: {
      ...page,
      'Proxy-Authenticate': 'Basic realm="squid"',
      'X-Squid-Error': 'ERR_CACHE_ACCESS_DENIED 0',
    },
    body: '<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01//EN">\n<html><head>\n<title>ERROR: Cache Access Denied</title>',
    speaker: 'proxy',
    code: 'api-server-unreachable',
    says: 'URL cannot be reached: the proxy answered 407.',
    hint: 'It asks for a user and a password',
  },
  {
    from: 'nginx with a limit of its own',
    status: 429,
    headers: page,
    body: nginx('429 Too Many Requests'),
    speaker: 'proxy',
    code: 'api-server-error',
    says: 'Something in front of URL limits the number of requests: it answered 429.',
    waits: true,
  },
  {
    from: 'Traefik without a route',
    status: 404,
    headers: text,
    body: '404 page not found\n',
    speaker: 'proxy',
    code: 'api-server-error',
    says: 'URL answered GET with other text instead of JSON: 404 "404 page not found".',
  },
  {
    from: 'a gateway that has JSON of its own',
    status: 404,
    headers: json,
    body: '{"message":"no Route matched with those values"}',
    speaker: 'proxy',
    code: 'api-server-error',
    says: 'URL answered GET as no API server does: 404 "no Route matched with those values".',
  },
  {
    from: 'Rancher, of a token that it does not know',
    status: 401,
    headers: json,
    body: '{"type":"error","status":"401","message":"must authenticate"}',
    speaker: 'proxy',
    code: 'token-rejected',
  },
  {
    from: 'a login page',
    status: 401,
    headers: page,
    body: nginx('401 Authorization Required'),
    speaker: 'proxy',
    code: 'api-server-error',
    says: 'URL answered GET with 401 and a web page instead of JSON.',
  },
  {
    from: 'a firewall for web applications',
    status: 403,
    headers: { 'Content-Type': 'text/plain; charset=UTF-8', Server: 'cloudflare' },
    body: 'error code: 1020',
    speaker: 'proxy',
    code: 'api-server-error',
    says: 'Something in front of URL denied a request: 403 "error code: 1020".',
  },
  {
    from: 'a port that speaks TLS alone',
    status: 400,
    headers: text,
    body: 'Client sent an HTTP request to an HTTPS server.\n',
    speaker: 'proxy',
    code: 'api-server-error',
    says: 'URL speaks TLS alone: 400 "Client sent an HTTP request to an HTTPS server.".',
    hint: 'https://',
  },
]

let server: TestServer
let reply: Case
beforeEach(async () => {
  server = await serve((_, response) => {
    response.writeHead(reply.status, reply.headers).end(reply.body)
  })
  server.http.on('upgrade', (_: http.IncomingMessage, socket) => {
    const headers = Object.entries(reply.headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`)
    const length = Buffer.byteLength(reply.body)
    socket.end(
      `HTTP/1.1 ${reply.status} No\r\n${headers.join('')}Content-Length: ${length}\r\n\r\n${reply.body}`,
    )
  })
})
afterEach(() => server.close())

/** Gives what a run would end with or wait for. */
async function outcome(to: Case['to']): Promise<{ waits: boolean; failure: unknown }> {
  const api = await server.api({ headers: { Authorization: 'Bearer abc' } })
  let waits = false
  api.whenWaiting(({ what, hint }) => {
    waits = true
    server.stop.abort(new Failure('timeout', `${what}.`, hint))
  })
  const review = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
  const asked =
    to === 'upgrade'
      ? openTunnel(api, { namespace: 'db', pod: 'pg-0', port: 5432, service: 'pg' }, server.stop.signal)
      : to === 'review'
        ? api.request({ method: 'POST', path: review, body: {} })
        : api.request({ method: 'GET', path })
  return { failure: await failureOf(asked), waits }
}

describe.each([
  ['filters of the API server', filters],
  ['the API server', proper],
  ['the upgrade', upgrades],
  ['no API server behind', gateways],
  ['other proxies', others],
])('%s', (_, cases) => {
  test.each(cases)('$from: $status', async (one) => {
    reply = one
    const { failure, waits } = await outcome(one.to)
    const headers = Object.fromEntries(
      Object.entries(one.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
    )
    const spoke = whoSpoke(heard(one.to ?? 'plain', { status: one.status, headers, text: one.body }))
    expect({ speaker: spoke.speaker, code: spoke.means?.code }).toEqual({
      speaker: one.speaker,
      code: one.code,
    })
    expect(waits).toBe(one.waits ?? false)
    if (one.code === undefined) expect(failure).toBe('no failure')
    else expect(failure).toMatchObject({ code: waits ? 'timeout' : one.code })
    if (!(failure instanceof Failure)) return
    expect(failure.message).not.toMatch(/<|\n/)
    if (one.says !== undefined) {
      expect(failure.message.replaceAll(server.url.href.replace(/\/$/, ''), 'URL')).toBe(one.says)
    }
    expect(failure.hint.join('\n')).toContain(one.hint ?? '')
  })
})

test('what is said may hold line ends, braces and commands: it is one line, word for word', async () => {
  reply = {
    from: 'anybody',
    status: 403,
    headers: text,
    body: '{server}\n::error::forged\r\n\u202e{proxy}',
    speaker: 'proxy',
  }
  const { failure } = await outcome('plain')
  expect((failure as Error).message).toMatch(
    /denied a request: 403 "\{server\} ::error::forged \{proxy\}"\.$/,
  )
})

describe('how long is waited', () => {
  const date = 'Sat, 28 Nov 2026 11:00:00 GMT'
  test.each<[string, Record<string, string>, number]>([
    ['seconds', { 'retry-after': '7' }, 7_000],
    ['a date, by the clock of who sent it', { 'retry-after': 'Sat, 28 Nov 2026 11:00:07 GMT', date }, 7_000],
    ['a date that is past', { 'retry-after': 'Sat, 28 Nov 2026 10:00:00 GMT', date }, 0],
    ['very long: asked again in between', { 'retry-after': '3600' }, 30_000],
    ['nothing that is known', { 'retry-after': 'soon' }, 500],
    ['nothing', {}, 500],
  ])('%s', (_, headers, ms) => {
    expect(waitOf(busy, headers, 0)).toBe(ms)
  })

  test('who says 0 again and again is not asked all the time', () => {
    expect(waitOf(busy, { 'retry-after': '0' }, 3)).toBe(0)
    expect(waitOf(busy, { 'retry-after': '0' }, 100)).toBe(5_000)
  })

  test.each([
    ['nothing for what does not pass', outOfOrder, 0, false, false],
    ['a few times for what may pass', noUpgradeAWhile, 3, false, true],
    ['and no more', noUpgradeAWhile, 4, false, false],
    ['to the end for what passes', busy, 1000, false, true],
    ['but not where the run can do without', busy, 4, true, false],
  ])('%s', (_, means, turn, optional, waits) => {
    expect(waitOf(means, {}, turn, optional) !== undefined).toBe(waits)
  })
})
