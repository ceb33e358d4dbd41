import type http from 'node:http'

/** One request. `path` starts with a slash and is encoded already; `body` becomes JSON. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH'
  readonly path: string
  readonly body?: unknown
  /** Default: `application/json`. */
  readonly contentType?: string
  /** Whether the run can do without the answer, so that it is not worth waiting for long. */
  readonly optional?: boolean
}

/** What the API server answered: its status and the parsed JSON. */
export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** What came back, before anybody has looked at it. */
export interface Reply {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
}

/** Returns the path of core objects: all of a resource in a namespace, one of them, or a part of one. */
export function corePath(namespace: string, resource: string, name?: string, subresource?: string): string {
  return ['/api/v1/namespaces', namespace, resource, name, subresource]
    .filter((part) => part !== undefined)
    .map((part, index) => (index === 0 ? part : encodeURIComponent(part)))
    .join('/')
}
