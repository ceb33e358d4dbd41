import type http from 'node:http'
import type { Failure } from '../lib/failure.ts'

/** How long one request may take, in milliseconds, and how long a WebSocket may take to open. */
export const answerWithinMs = 10_000

/** What every request and every WebSocket of one user carries. */
export interface Credentials {
  /** Holds the TLS settings, the client certificate and the proxy; keeps connections open. */
  readonly agent: http.Agent
  readonly headers: Readonly<Record<string, string | string[]>>
  /** PEM of the client certificate. */
  readonly certificate?: string
}

/** What people have to look at where an API server is not reached, as parts of a sentence. */
export interface Origin {
  readonly address: string
  readonly proxies: string
  readonly authority: string
}

export const ofKubeconfig: Origin = {
  address: 'the server address in the kubeconfig',
  proxies: 'proxy-url in the kubeconfig or HTTPS_PROXY',
  authority: 'certificate-authority-data of the kubeconfig',
}

/** One API server, and the way to authenticate to it. */
export interface Endpoint {
  readonly server: URL
  /** The kubeconfig's name for the user, or what stands in its place. */
  readonly user: string
  /** The proxy on the way, without its credential. */
  readonly proxy?: string
  /** Whether authenticating anew may give a fresh credential: an exec plugin, a token file. */
  readonly renewable: boolean
  /** Whether a fresh credential is there before the one at hand ends: a token that is mounted, a CI's issuer. */
  readonly ahead?: boolean
  /** Default: that of a kubeconfig. */
  readonly origin?: Origin
  /**
   * Returns what it means that the API server does not accept a credential, where that is known better than a kubeconfig's.
   *
   * @param now what the API server takes for the time
   */
  readonly rejected?: (credentials: Credentials, now: Date) => Failure
  authenticate(signal: AbortSignal): Promise<Credentials>
}

/** Returns the address of an API server, for messages. */
export function serverName(server: URL): string {
  return server.href.replace(/\/$/, '')
}
