import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { Api } from '../../../src/kubernetes/api.ts'
import type { Credentials } from '../../../src/kubernetes/endpoint.ts'

/** A small server that answers as a test wants it to, and an Api that speaks to it. */
export interface TestServer {
  readonly http: http.Server
  readonly url: URL
  readonly requests: { method: string; url: string; headers: http.IncomingHttpHeaders; body: string }[]
  readonly stop: AbortController
  api(credentials?: Partial<Credentials>, renewed?: Partial<Credentials>): Promise<Api>
  close(): Promise<void>
}

export async function serve(handler: http.RequestListener): Promise<TestServer> {
  const requests: TestServer['requests'] = []
  const server = http.createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
      handler(request, response)
    })
  })
  const sockets = new Set<Duplex>()
  server.on('connection', (socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const agent = new http.Agent({ keepAlive: true })
  const stop = new AbortController()
  return {
    http: server,
    url,
    requests,
    stop,
    api: (credentials, renewed) => {
      let first = true
      return Api.open(
        {
          server: url,
          user: 'someone',
          renewable: renewed !== undefined,
          authenticate: () => {
            const chosen = first ? credentials : renewed
            first = false
            return Promise.resolve({ agent, headers: {}, ...chosen })
          },
        },
        stop.signal,
      )
    },
    close: async () => {
      agent.destroy()
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Answers as an API server does: from 400 on with a Status. */
export function json(response: http.ServerResponse, status: number, body: object, headers = {}): void {
  const content = status < 400 ? body : { kind: 'Status', apiVersion: 'v1', status: 'Failure', ...body }
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(content))
}

/** Gives what a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => 'no failure',
    (error: unknown) => error,
  )
}
