import { Failure } from '../lib/failure.ts'
import { spoken } from '../lib/spelling.ts'
import { oneLine, utc } from '../lib/text.ts'
import type { Answer } from './call.ts'
import { answerWithinMs, ofKubeconfig, serverName, type Endpoint, type Origin } from './endpoint.ts'
import { failureOf, heardAside, statusMessage, whoSpoke } from './heard.ts'

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
        'A frequent cause is that something other than an API server answers at this address: check the address.',
        `If it is one, run this again ${spoken().debugging} and report what it shows: it holds no credential.`,
      ],
      { cause: error },
    )
  }
}

/** Returns the error for an answer that nothing can be done with. */
export function refusal(endpoint: Endpoint, answer: Answer): Failure {
  const said = statusMessage(answer.body)
  if (answer.status === 403) {
    return new Failure('permission-missing', `${serverName(endpoint.server)} denied a request: "${said}".`, [
      'Send this to the administrator. The check of the rights had found this right, or could not ask about it.',
    ])
  }
  return new Failure(
    'api-server-error',
    `${serverName(endpoint.server)} answered ${answer.status}: "${said}".`,
    ['The API server rejected a request that every supported version accepts.'],
  )
}

/** Returns the code that Node.js gives an error, empty where there is none. */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

function originOf({ origin = ofKubeconfig }: Endpoint): Origin {
  return origin
}

function proxyHint({ proxies }: Origin): string {
  return `If the server sits behind a proxy, set ${proxies}.`
}

function way(endpoint: Endpoint): string {
  return endpoint.proxy === undefined ? '' : ` through the proxy ${endpoint.proxy}`
}

/** Returns the error for a request that nobody answered in time. */
export function silence(endpoint: Endpoint, connected: boolean): Failure {
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
    proxyHint(originOf(endpoint)),
  ])
}

// Source: https://nodejs.org/api/tls.html#x509-certificate-error-codes
const distrust =
  /^(CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH)/

/** Returns the error for a connection that did not come to an answer. */
export function connectionFailure(endpoint: Endpoint, error: unknown): Failure {
  const code = errorCode(error)
  const name = serverName(endpoint.server)
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = oneLine(
      (error as { cert?: { subjectaltname?: string } }).cert?.subjectaltname ?? 'no name at all',
    )
    const { host } = error as { host?: string }
    const asked = host === undefined || host === endpoint.server.hostname ? '' : ` than "${oneLine(host)}"`
    return new Failure(
      'api-server-untrusted',
      `${name} is not trusted: its certificate is for another name${asked}.`,
      [
        `The certificate is for ${names}.`,
        endpoint.origin === undefined
          ? 'Use one of these names as the server in the kubeconfig, or name one of them as its tls-server-name.'
          : `Use one of these names in ${endpoint.origin.address}.`,
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
      `${name} is not trusted: no authority in ${originOf(endpoint).authority} has signed its certificate (${code}).`,
      [
        'A frequent cause is an authority from before the cluster was recreated, or a proxy that opens TLS connections.',
        `Ask the administrator for the current one: ${originOf(endpoint).authority} must hold the authority of this server.`,
      ],
      { cause: error },
    )
  }
  const proxied = /^Bad response: (\d+)$/.exec((error as Error).message)?.[1]
  if (proxied !== undefined) {
    const said = heardAside('connect', Number(proxied), '')
    const { means } = whoSpoke(said)
    if (means !== undefined)
      return failureOf(means, said, { ...originOf(endpoint), server: name + way(endpoint) })
  }
  const [seen, ...hint] =
    (endpoint.proxy === undefined ? undefined : proxyProblem(code, endpoint.proxy, originOf(endpoint))) ??
    connectionProblem(code, originOf(endpoint))
  return new Failure('api-server-unreachable', `${name}${way(endpoint)} ${seen}.`, hint, { cause: error })
}

/** Before it has let the run through, a proxy is the only one that there can be trouble with. */
function proxyProblem(code: string, proxy: string, { proxies }: Origin): Problem | undefined {
  const check = `Check ${proxies}.`
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return [`cannot be reached: the name of the proxy does not resolve (${code})`, check]
    case 'ECONNREFUSED':
      return [
        `cannot be reached: the proxy refused the connection (${code})`,
        `Nothing listens at ${proxy}. This says nothing about the API server.`,
        check,
      ]
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return [`cannot be reached: there is no way to the proxy (${code})`, check]
    default:
      return undefined
  }
}

/** What was seen, as the end of a sentence, and what to do. */
type Problem = readonly [string, ...string[]]

function connectionProblem(code: string, origin: Origin): Problem {
  const { address } = origin
  const proxy = proxyHint(origin)
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return [
        `cannot be reached: its name does not resolve (${code})`,
        'A frequent cause is a name that only resolves inside a private network, or that is misspelt.',
        proxy,
      ]
    case 'ECONNREFUSED':
      return [
        'refused the connection (ECONNREFUSED)',
        'A frequent cause is a local address, such as 127.0.0.1, in a kubeconfig from another machine.',
        `Check ${address}, and its port.`,
      ]
    case 'ECONNRESET':
    case 'EPIPE':
      return [
        `closed the connection before it answered (${code})`,
        "A frequent cause is an IP allowlist or a firewall that does not know this runner's address.",
        proxy,
      ]
    case 'EPROTO':
      return [
        'does not complete a TLS handshake (EPROTO)',
        'A frequent cause is a port that speaks no TLS, or a client certificate that the server does not accept.',
        `Check ${address}, and its port.`,
      ]
    default:
      return [
        `cannot be reached${code === '' ? '' : ` (${code})`}`,
        "A frequent cause is an IP allowlist in front of the API server: this runner's address is not on it.",
        'Use a runner with an allowed address, or ask the administrator to allow this one.',
        proxy,
      ]
  }
}
