import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import { connect, type AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import tls, { TLSSocket } from 'node:tls'

/** An API server that serves whoever has its token. */
export interface Upstream {
  readonly url: string
  readonly ca: string
  readonly token: string
}

/** A server's certificate and key, and the authority that it takes client certificates of, all PEM. */
export interface WitnessTls {
  readonly certificate: string
  readonly key: string
  readonly ca: string
}

/** One request as it arrived. */
interface Arrival {
  /** Such as `ci`, `cert:kim`, `basic:kim`, `ci user=kim`, `anonymous in clear text`. */
  readonly who: string
  /** Whether it carried a credential, a right one or not. */
  readonly credential: boolean
}

/** Stands in front of an API server and notes as whom every request arrives. */
export interface Witness {
  readonly log: readonly Arrival[]
  readonly port: number
  /** Where it speaks HTTP without TLS, as `kubectl proxy` does. */
  readonly clearPort: number
  /** An HTTP proxy. */
  readonly proxyPort: number
  forget(): void
  close(): Promise<void>
}

interface Caller {
  readonly who: string
  readonly known: boolean
  readonly halfImpersonated: boolean
}

/**
 * Starts a witness. It takes what a stand-in does not know (client certificates, passwords, impersonation) and passes on
 * as the one user of the API server what a real one would let in.
 *
 * @param users whom each bearer token stands for
 */
export async function startWitness(
  upstream: Upstream,
  identity: WitnessTls,
  users: Readonly<Record<string, string>>,
): Promise<Witness> {
  const log: Arrival[] = []
  const proxied = new Set<number>()
  const sockets = new Set<Duplex>()
  const target = new URL(upstream.url)

  const identify = (request: IncomingMessage): Caller => {
    const { socket } = request
    const secure = socket instanceof TLSSocket
    const certificate = secure ? socket.getPeerCertificate() : undefined
    const header = Buffer.from(request.headers.authorization ?? '', 'latin1').toString()
    const bearer = /^Bearer (\S+)$/.exec(header)?.[1]
    const named = bearer === undefined ? undefined : users[bearer]
    let [who, known] = ['anonymous', true]
    const isTrusted = secure && socket.authorized
    if (certificate?.subject && (isTrusted || named === undefined)) {
      ;[who, known] = [`cert:${String(certificate.subject.CN)}`, isTrusted]
    } else if (header.startsWith('Basic ')) {
      const [name = '', password = ''] = Buffer.from(header.slice(6), 'base64').toString().split(':')
      ;[who, known] = [`basic:${name}`, ['tr0ub4dor-dummy', 'lösenord-dummy'].includes(password)]
    } else if (header !== '') [who, known] = [named ?? 'a stranger', named !== undefined]
    const wishes = Object.entries(request.headers).filter(([name]) => name.startsWith('impersonate-'))
    const wished = wishes
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, value]) => ` ${name.slice(12)}=${Buffer.from(String(value), 'latin1').toString()}`)
    const route = `${proxied.has(socket.remotePort ?? 0) ? ' through the proxy' : ''}${secure ? '' : ' in clear text'}`
    log.push({ who: who + wished.join('') + route, credential: who !== 'anonymous' })
    return { who, known, halfImpersonated: wishes.length > 0 && !('impersonate-user' in request.headers) }
  }

  /** What a real API server answers to those whom it does not serve. */
  const refusal = (request: IncomingMessage): [number, string, string] | undefined => {
    const { who, known, halfImpersonated } = identify(request)
    if (!known) return [401, 'Unauthorized', 'Unauthorized']
    if (halfImpersonated) {
      return [
        500,
        'InternalError',
        'Internal error occurred: requested attributes without impersonating a user',
      ]
    }
    // Behind http:// stands what `kubectl proxy` is, which adds a credential of its own.
    if (who === 'anonymous' && request.socket instanceof TLSSocket) {
      const what =
        'User "system:anonymous" cannot create resource "selfsubjectreviews" in API group "authentication.k8s.io" at the cluster scope'
      return [403, 'Forbidden', `selfsubjectreviews.authentication.k8s.io is forbidden: ${what}`]
    }
    const { url = '' } = request
    return url.startsWith('//')
      ? [404, 'NotFound', 'the server could not find the requested resource']
      : undefined
  }
  const onward = (request: IncomingMessage): http.OutgoingHttpHeaders => ({
    ...Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => !/^(host$|impersonate-)/.test(name)),
    ),
    authorization: `Bearer ${upstream.token}`,
  })
  /** What Rancher puts before the paths of a cluster. */
  const withoutPrefix = ({ url = '' }: IncomingMessage): string =>
    url.replace(/^\/k8s\/clusters\/c-m-corpus(?=\/)/, '')

  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const refused = refusal(request)
    if (refused !== undefined) {
      const [code, reason, message] = refused
      response.writeHead(code, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code }),
      )
      return
    }
    const { hostname, port } = target
    const options = {
      hostname,
      port,
      ca: upstream.ca,
      method: request.method ?? '',
      path: withoutPrefix(request),
    }
    const passedOn = https.request({ ...options, agent: false, headers: onward(request) }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers)
      answer.pipe(response)
    })
    passedOn.on('error', () => response.destroy())
    request.pipe(passedOn)
  }
  const join = (one: Duplex, other: Duplex): void => {
    one.pipe(other).pipe(one)
    one.on('error', () => other.destroy())
    other.on('error', () => one.destroy())
  }
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (refusal(request) !== undefined) {
      socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n')
      return
    }
    const up = tls.connect({ host: target.hostname, port: Number(target.port), ca: upstream.ca })
    const headers = Object.entries(onward(request)).map(([name, value]) => `${name}: ${String(value)}\r\n`)
    up.write(`GET ${withoutPrefix(request)} HTTP/1.1\r\nHost: ${target.host}\r\n${headers.join('')}\r\n`)
    up.write(head)
    join(up, socket)
  }
  const secure = https.createServer({
    cert: identity.certificate,
    key: identity.key,
    ca: identity.ca,
    requestCert: true,
    rejectUnauthorized: false,
  })
  const clear = http.createServer()
  for (const server of [secure, clear]) server.on('request', serve).on('upgrade', upgrade)
  const proxy = http
    .createServer()
    .on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const { port } = new URL(`http://${request.url ?? ''}`)
      const up = connect(Number(port), '127.0.0.1', () => {
        const { localPort = 0 } = up
        proxied.add(localPort)
        up.once('close', () => proxied.delete(localPort))
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        up.write(head)
        join(up, socket)
      })
      up.once('error', () => socket.destroy())
    })
  const servers = [secure, clear, proxy]
  for (const server of servers) {
    server.on('connection', (socket: Duplex) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  const portOf = (server: http.Server | https.Server): number => (server.address() as AddressInfo).port
  return {
    log,
    port: portOf(secure),
    clearPort: portOf(clear),
    proxyPort: portOf(proxy),
    forget: () => {
      log.length = 0
    },
    close: async () => {
      const closed = servers.map((server) => once(server.close(), 'close'))
      for (const socket of sockets) socket.destroy()
      await Promise.all(closed)
    },
  }
}
