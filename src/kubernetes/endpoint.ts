import type http from 'node:http'

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

/** Returns the address of an API server, for messages. */
export function serverName(server: URL): string {
  return server.href.replace(/\/$/, '')
}
