import * as it from './what-it-means.ts'
import type { Meaning } from './what-it-means.ts'

/** Who spoke. A filter is a part of the API server that answers before the API itself is asked. */
export type Speaker = 'proxy' | 'filter' | 'API server' | 'kubelet'

/**
 * What was asked for: a plain request, a review of this user's own rights, the upgrade to a port-forward, what comes on
 * the channel for errors of a port-forward that stands, or a proxy's CONNECT.
 */
export type Asked = 'plain' | 'review' | 'upgrade' | 'stream' | 'connect'

/** What came: a Status object, other JSON, a web page, plain text, or nothing. */
export type Body = 'Status' | 'JSON' | 'page' | 'text' | 'none'

/** A row of the table: what was heard, who spoke, and what it means; no meaning where that is for the caller to judge. */
export type Row = readonly [
  asked: readonly Asked[],
  status: number | readonly number[] | '2xx' | '3xx' | '4xx' | '5xx' | 'any',
  /** `signed`: any body, with a header that API servers alone give to what they say themselves. */
  body: Body | 'signed' | 'any',
  /** Only where one party says several things alike. */
  words: RegExp | undefined,
  speaker: Speaker,
  means: Meaning | undefined,
]

const requests = ['plain', 'review'] as const
const anything = ['plain', 'review', 'upgrade'] as const
const plain = ['plain'] as const
const review = ['review'] as const
const upgrade = ['upgrade'] as const
const stream = ['stream'] as const
const connect = ['connect'] as const
/** With those that Cloudflare has for a server that is down, out of reach or too slow. */
const gateway = [502, 503, 504, 520, 521, 522, 523, 524] as const

const policy =
  /^admission webhook ".*" denied the request|ValidatingAdmissionPolicy '.*' with binding '.*' denied request/
const webhook = /failed calling (admission )?webhook|failed to call webhook/
const anonymous = /User "system:anonymous" cannot /
/** kubelet, containerd and CRI-O of a Pod that they have let go of, while the API server still knows it. */
const letGo =
  /^(pod (not found|does not exist)|failed to find sandbox|rpc error: .*(find sandbox|sandbox .*is not running))/
const missingProgram = /(socat|nsenter)\W* not found|unable to do port forwarding/
/** What a server that is not ready, lost its store, or has a new leader there says: all of it passes. */
const store = /etcdserver: |leader changed|storage is \(re\)initializing/
const filter = /^(Internal Server Error: |This request caused apiserver to panic)/

/**
 * The one table of who said what, and what it means. The first row that fits counts; the last ones fit everything.
 *
 * Sources: the filters of k8s.io/apiserver (`http.Error`, `responsewriters`), its `admission` and `proxy`; kubelet's
 * `server` and the streaming server of CRI; the error pages of nginx, HAProxy, Envoy, AWS ELB, Cloudflare and squid.
 */
export const rows: readonly Row[] = [
  // A proxy that is asked for a connection.
  [connect, 407, 'any', undefined, 'proxy', it.proxyLogin],
  [connect, gateway, 'any', undefined, 'proxy', it.proxyFails],
  [connect, [403, 405], 'any', undefined, 'proxy', it.proxyDenies],
  [connect, 'any', 'any', undefined, 'proxy', it.proxyOdd],
  [anything, 407, 'any', undefined, 'proxy', it.proxyLogin],

  // A port-forward that stands.
  [stream, 'any', 'any', /connection refused/i, 'kubelet', it.portClosed],
  [stream, 'any', 'any', missingProgram, 'kubelet', it.noForwarder],
  [stream, 'any', 'any', undefined, 'kubelet', it.lost],

  // Too many requests, or a server that shuts down.
  [upgrade, 429, 'text', /^rpc error: /, 'kubelet', it.busy],
  [anything, 429, 'Status', undefined, 'API server', it.busy],
  [anything, 429, 'signed', undefined, 'filter', it.busy],
  [anything, 429, 'text', undefined, 'filter', it.busy],
  [anything, 429, 'any', undefined, 'proxy', it.rationed],

  // Nobody is there to answer.
  [requests, gateway, 'Status', webhook, 'API server', it.brokenWebhook],
  [requests, gateway, 'Status', undefined, 'API server', it.notServing],
  [requests, gateway, 'signed', undefined, 'filter', it.notServing],
  [requests, gateway, 'any', undefined, 'proxy', it.noServerBehind],

  // A credential that is not accepted.
  [upgrade, 401, 'Status', policy, 'API server', it.deniedByPolicy],
  [plain, 401, 'Status', policy, 'API server', undefined],
  [anything, 401, 'Status', undefined, 'API server', it.rejected],
  [anything, 401, 'page', undefined, 'proxy', it.webPage],
  [upgrade, 401, 'text', /^Unauthorized\s*$/, 'kubelet', it.deniedByKubelet],
  [anything, 401, 'any', undefined, 'proxy', it.rejected],

  // One that is known, and may not do this.
  [anything, 403, 'Status', anonymous, 'API server', it.noCredential],
  [review, 403, 'Status', undefined, 'API server', it.noReview],
  [upgrade, 403, 'Status', policy, 'API server', it.deniedByPolicy],
  [upgrade, 403, 'Status', undefined, 'API server', it.denied],
  [upgrade, 403, 'text', /^Forbidden \(user=/, 'kubelet', it.deniedByKubelet],

  // The upgrade to a port-forward.
  [upgrade, '4xx', 'Status', policy, 'API server', it.deniedByPolicy],
  [upgrade, 422, 'Status', undefined, 'API server', it.deniedByPolicy],
  [upgrade, 400, 'Status', /does not have a host assigned/, 'API server', it.noNode],
  [upgrade, 404, 'Status', /^pods? "/, 'API server', it.podGone],
  [upgrade, 404, 'Status', /^nodes? "/, 'API server', it.nodeGone],
  [upgrade, '5xx', 'Status', /^error dialing backend/, 'API server', it.nodeUnreachable],
  [upgrade, '5xx', 'Status', webhook, 'API server', it.brokenWebhook],
  [upgrade, '5xx', 'Status', undefined, 'API server', it.notOpened],
  [upgrade, '5xx', 'signed', undefined, 'filter', it.outOfOrderAWhile],
  [upgrade, '5xx', 'text', filter, 'filter', it.outOfOrderAWhile],
  [upgrade, 'any', 'text', letGo, 'kubelet', it.podGone],
  [upgrade, 'any', 'text', missingProgram, 'kubelet', it.noForwarder],
  [upgrade, 'any', 'text', /^rpc error: /, 'kubelet', it.notOpened],
  [upgrade, 500, 'text', undefined, 'kubelet', it.notOpened],
  [upgrade, gateway, 'any', undefined, 'proxy', it.noUpgradeAWhile],
  [upgrade, 'any', 'any', undefined, 'proxy', it.noUpgrade],

  // Plain requests. A Status is the API server's word, for whoever asked.
  [requests, '2xx', 'Status', undefined, 'API server', undefined],
  [requests, '2xx', 'JSON', undefined, 'API server', undefined],
  [requests, '3xx', 'any', undefined, 'proxy', it.redirect],
  [requests, '4xx', 'Status', undefined, 'API server', undefined],
  [requests, 404, 'signed', /^404 page not found/, 'filter', undefined],
  [requests, 500, 'Status', webhook, 'API server', it.brokenWebhook],
  [requests, 500, 'Status', store, 'API server', it.outOfOrderAWhile],
  [requests, '5xx', 'Status', undefined, 'API server', it.outOfOrder],
  [requests, '5xx', 'text', undefined, 'filter', it.outOfOrderAWhile],
  [requests, 400, 'any', /HTTP request (was sent )?to (an )?HTTPS/, 'proxy', it.plainHttp],
  [requests, 403, 'any', undefined, 'proxy', it.deniedInFront],
  [requests, 'any', 'page', undefined, 'proxy', it.webPage],
  [requests, 'any', 'JSON', undefined, 'proxy', it.otherJson],
  [requests, 'any', 'any', undefined, 'proxy', it.otherText],
]
