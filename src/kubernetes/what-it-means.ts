import type { FailureCode } from '../lib/failure.ts'

/** How long a run asks again: not at all, a few times, or until its time is over. */
type Waits = 'no' | 'a few times' | 'until the end'

/**
 * What an answer means for a run. In its texts `{server}`, `{proxy}`, `{user}`, `{tunnel}`, `{service}`, `{pod}` and
 * `{port}` stand for names, `{method}` and `{status}` for the request and its answer. `{said}` is the status with the
 * quoted words, where there are any that may be quoted, `{answer}` the same after a colon, `{quote}` the words alone.
 */
export interface Meaning {
  readonly code: FailureCode
  readonly says: string
  readonly hint: readonly string[]
  readonly waits: Waits
  /** Whether it says of a plain request that nothing was done. */
  readonly undone: boolean
  /** Whether what is known of the credential makes a better hint. */
  readonly ofCredential?: true
}

const told = { code: 'api-server-error', waits: 'no', undone: true } as const

/** Something that passes by waiting, as long as the run has time. */
function lasting(meaning: Meaning): Meaning {
  return { ...meaning, waits: 'until the end' }
}

/** Something that may pass, and often does not. */
function briefly(meaning: Meaning): Meaning {
  return { ...meaning, waits: 'a few times' }
}

const gatewayHint = [
  'A frequent cause is a proxy or a login page in front of the API server, or an address that is not its own.',
  'Check {address}, and {proxies} where there is a proxy.',
]

export const webPage: Meaning = {
  ...told,
  says: '{server} answered {method} with {status} and a web page instead of JSON.',
  hint: gatewayHint,
}
export const redirect: Meaning = {
  ...webPage,
  says: '{server} answered {method} with {status} and a redirect instead of JSON.',
}
export const otherText: Meaning = {
  ...webPage,
  says: '{server} answered {method} with other text instead of JSON: {answer}.',
}
export const otherJson: Meaning = {
  ...webPage,
  says: '{server} answered {method} as no API server does: {answer}.',
}
export const deniedInFront: Meaning = {
  ...told,
  says: 'Something in front of {server} denied a request: {answer}.',
  hint: [
    'A frequent cause is an access gateway or a firewall for web applications: no API server answers in this form.',
    ...gatewayHint.slice(1),
  ],
}
export const plainHttp: Meaning = {
  ...told,
  says: '{server} speaks TLS alone: {answer}.',
  hint: ['The server in the kubeconfig begins with http:// where https:// is meant.'],
}

export const busy: Meaning = lasting({
  ...told,
  says: '{server} is overloaded or restarting, and asks for more time: {answer}.',
  hint: [
    'A frequent cause is an upgrade of the control plane, which takes some minutes, or too many requests of others.',
    'Run this again later; if the error remains, send this line to the administrator.',
  ],
})
export const rationed: Meaning = {
  ...busy,
  says: 'Something in front of {server} limits the number of requests: {answer}.',
}
export const noServerBehind: Meaning = lasting({
  ...told,
  says: 'A load balancer or proxy in front of {server} has no API server behind it at the moment: {answer}.',
  hint: [
    'A frequent cause is an upgrade or a restart of the control plane.',
    'If the error remains, ask the administrator whether the API server is up, and whether this is its address.',
  ],
  undone: false,
})

export const outOfOrder: Meaning = {
  ...told,
  says: '{server} answered {said}.',
  hint: [
    'The API server, or something that it asks in turn, is overloaded or out of order.',
    'Run this again later; if the error remains, send this line to the administrator.',
  ],
  undone: false,
}
export const outOfOrderAWhile = briefly(outOfOrder)
export const notServing = lasting(outOfOrder)

export const brokenWebhook: Meaning = {
  ...told,
  says: '{server} does not reach an admission webhook that has to allow the request: {answer}.',
  hint: ['The program behind the webhook is down, or out of reach. Send this line to the administrator.'],
}

export const rejected: Meaning = {
  ...told,
  code: 'token-rejected',
  says: '{server} does not accept the credential of user "{user}" (401).',
  hint: [
    'A frequent cause is a ServiceAccount or token that was deleted or recreated since the kubeconfig was stored.',
    'Store a kubeconfig with a fresh credential, and check that it is for this cluster.',
  ],
  ofCredential: true,
}
export const noCredential: Meaning = {
  ...told,
  code: 'token-rejected',
  says: 'No credential of user "{user}" arrived at {server}: it takes this run for system:anonymous.',
  hint: [
    'A frequent cause is a proxy in between that opens TLS connections: a client certificate does not pass it.',
    'Use a credential that is a token, or an address that leads to the API server itself.',
  ],
  ofCredential: true,
}
export const noReview: Meaning = {
  ...told,
  says: '{server} does not let user "{user}" ask for its own rights: {answer}.',
  hint: [
    'The Roles for this run do not include this right: the ClusterRole system:basic-user gives it to every user.',
    'Ask the administrator to bind that again to the group system:authenticated.',
  ],
}

export const denied: Meaning = {
  ...told,
  code: 'port-forward-denied',
  says: 'The API server denied the port-forward of {tunnel}: {quote}.',
  hint: [
    'It needs the verbs get and create on pods/portforward in this namespace.',
    'If these were there when the run began, a policy (an admission webhook) may be the cause: ask the administrator.',
  ],
}
export const deniedByPolicy: Meaning = {
  ...denied,
  hint: [
    'No right is missing: a policy of the cluster refuses it (an admission webhook or a ValidatingAdmissionPolicy).',
    'Ask the administrator to let this user port-forward to this Pod.',
  ],
}
export const deniedByKubelet: Meaning = {
  ...denied,
  says: "The kubelet of {pod}'s Node denied the API server the port-forward of {tunnel}: {answer}.",
  hint: [
    'This is not about user "{user}": the Node does not let the API server itself in.',
    'Send this line to the administrator. A frequent cause is the certificate that the API server shows to kubelets, or its right to nodes/proxy.',
  ],
}
export const noForwarder: Meaning = {
  ...denied,
  says: "{pod}'s Node cannot forward ports: {quote}.",
  hint: [
    'A program that its container runtime needs for that is missing: ask the administrator to install it.',
  ],
}

export const nodeUnreachable: Meaning = {
  ...told,
  code: 'node-unreachable',
  says: "The API server does not reach {pod}'s Node for the port-forward of {tunnel}: {answer}.",
  hint: [
    'If the Node is down, this passes once the database runs on another one.',
    'Otherwise running this again does not help: ask the administrator to check the way from the API server to the kubelet (port 10250, a firewall, konnectivity, the certificate of the kubelet).',
  ],
}

export const noUpgrade: Meaning = {
  ...told,
  code: 'upgrade-refused',
  says: '{server} did not open a WebSocket for the port-forward of {tunnel}: {answer}.',
  hint: [
    'A frequent cause is something between here and the API server that lets no WebSockets through:',
    'an agent, a proxy or an access gateway such as Teleport or Rancher.',
    'Allow WebSocket upgrades there, or use an address that leads to the API server itself.',
  ],
}
export const noUpgradeAWhile = briefly(noUpgrade)

const failoverHint = [
  'A frequent cause is a Pod that was restarted or moved, as in a failover or an update of the database.',
  'Run this again when the database is up: it continues from what is there.',
]
export const notOpened: Meaning = {
  ...told,
  code: 'tunnel-lost',
  says: 'The tunnel {tunnel} port {port} could not be opened: {answer}.',
  hint: failoverHint,
}
export const podGone: Meaning = {
  ...notOpened,
  says: 'The tunnel {tunnel} port {port} could not be opened: the Pod is gone.',
}
export const nodeGone: Meaning = {
  ...notOpened,
  says: 'The tunnel {tunnel} port {port} could not be opened: the Node of the Pod is gone.',
}
export const noNode: Meaning = {
  ...notOpened,
  says: 'The tunnel {tunnel} port {port} could not be opened: the Pod runs on no Node yet.',
}
export const lost: Meaning = {
  ...notOpened,
  says: 'The tunnel {tunnel} port {port} was lost: {quote}.',
  undone: false,
}
export const portClosed: Meaning = {
  ...told,
  code: 'port-closed',
  says: 'Nothing listens on port {port} of {pod}, behind {service}.',
  hint: [
    'A frequent cause is a PostgreSQL that is still starting, or a Service with a wrong targetPort.',
    'Run this again when the database is up; if the error remains, ask the administrator to check the Service.',
  ],
}

export const proxyLogin: Meaning = {
  ...told,
  code: 'api-server-unreachable',
  says: '{server} cannot be reached: the proxy answered {said}.',
  hint: [
    'It asks for a user and a password: write them into the proxy address, as in http://USER:PASSWORD@HOST:PORT.',
  ],
}
export const proxyDenies: Meaning = {
  ...proxyLogin,
  hint: [
    'It does not allow CONNECT to this host and port; many allow port 443 alone.',
    'Ask whoever runs the proxy to allow it, or name the host in NO_PROXY where it can be reached without.',
  ],
}
export const proxyFails: Meaning = {
  ...proxyLogin,
  hint: [
    'The proxy itself does not reach the API server: its name may not resolve there, or an IP allowlist does not know the proxy.',
    'Check {address}, and ask whoever runs the proxy.',
  ],
}
export const proxyOdd: Meaning = {
  ...proxyLogin,
  hint: ['The proxy has to allow CONNECT to the API server. Check {proxies}.'],
}
