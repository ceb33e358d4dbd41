import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import { Failure } from '../lib/failure.ts'
import { connectionFailure, errorCode, silence } from './api-failure.ts'
import type { Call, Reply } from './call.ts'
import { answerWithinMs, serverName, type Credentials, type Endpoint } from './endpoint.ts'

/** The longest answer, and the longest message of a WebSocket. */
export const answerLimitBytes = 32 * 1024 * 1024

/** By what a request is sent, and what ends it. */
export interface Sender {
  readonly endpoint: Endpoint
  readonly credentials: Credentials
  /** Aborted when the run is over: its reason is thrown. */
  readonly run: AbortSignal
  /** Aborted when the run is over, or nothing more is to be sent. */
  readonly over: AbortSignal
}

/**
 * Sends a request and returns what comes back, whatever it is.
 *
 * @throws Failure `api-server-unreachable`, `api-server-untrusted`, `api-server-error`
 */
export async function send(sender: Sender, call: Call, again = false): Promise<Reply> {
  const { endpoint, credentials, run, over } = sender
  run.throwIfAborted()
  const { server } = endpoint
  const { agent, headers } = credentials
  const overdue = new AbortController()
  const signal = AbortSignal.any([over, overdue.signal])
  // Not as a text: Node.js would write the headers in front of it in UTF-8, where a character stands for a byte.
  const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body))
  const request = (server.protocol === 'http:' ? http : https).request({
    method: call.method,
    hostname: server.hostname.replace(/^\[|\]$/g, ''),
    port: server.port,
    path: server.pathname.replace(/\/$/, '') + call.path,
    agent,
    signal,
    headers: {
      ...headers,
      Accept: 'application/json',
      'User-Agent': 'pg-app-user',
      ...(body !== undefined && {
        'Content-Type': call.contentType ?? 'application/json',
        'Content-Length': body.length,
      }),
    },
  })
  let late: Failure | undefined
  const timer = setTimeout(() => {
    late = silence(endpoint, request.socket?.connecting === false)
    overdue.abort()
  }, answerWithinMs)
  // The loop below sees an error that comes after the head of the answer; without a listener it would end the process.
  request.on('error', () => undefined)
  request.end(body)
  try {
    // With the signal, because a request that has no connection yet says nothing when it is destroyed.
    const [response] = (await once(request, 'response', { signal })) as [http.IncomingMessage]
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text: await textOf(response, endpoint),
    }
  } catch (error) {
    run.throwIfAborted()
    if (late !== undefined) throw late
    if (error instanceof Failure) throw error
    // An idle connection that the server closed at this very moment. Writes may be repeated as well, because a
    // create meets its own 409 and a patch its own resourceVersion.
    if (request.reusedSocket && !again && errorCode(error) === 'ECONNRESET')
      return await send(sender, call, true)
    throw connectionFailure(endpoint, error)
  } finally {
    clearTimeout(timer)
  }
}

async function textOf(response: http.IncomingMessage, { server }: Endpoint): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > answerLimitBytes) {
      throw new Failure('api-server-error', `${serverName(server)} sent an answer of more than 32 MiB.`, [
        'A frequent cause is a namespace that holds a very large number of Pods.',
      ])
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
