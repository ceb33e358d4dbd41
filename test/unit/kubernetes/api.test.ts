import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { createAuthority } from '../../../sandbox/certificate.ts'
import { statusMessage } from '../../../src/kubernetes/api-failure.ts'
import { Api } from '../../../src/kubernetes/api.ts'
import { corePath } from '../../../src/kubernetes/call.ts'
import { Failure } from '../../../src/lib/failure.ts'
import { failureOf, json, serve, type TestServer } from './server.ts'

let server: TestServer | undefined
afterEach(async () => {
  jest.useRealTimers()
  await server?.close()
  server = undefined
})

const jwt = (claims: unknown): string =>
  `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2lnbmF0dXJl`

describe('answers', () => {
  test('one connection serves many requests', async () => {
    server = await serve((_, response) => {
      json(response, 200, { ok: true })
    })
    let connections = 0
    server.http.on('connection', () => connections++)
    const api = await server.api({ headers: { Authorization: 'Bearer abc' } })
    for (let i = 0; i < 5; i++) expect(await api.get('/x')).toEqual({ ok: true })
    expect(connections).toBe(1)
    expect(server.requests[0]?.headers).toMatchObject({
      authorization: 'Bearer abc',
      'user-agent': 'pg-app-user',
    })
  })

  test('404 is undefined, 403 and others are told', async () => {
    server = await serve((request, response) => {
      json(response, Number(request.url?.slice(1)), { kind: 'Status', message: 'line one\n::error::two' })
    })
    const api = await server.api()
    expect(await api.get('/404')).toBeUndefined()
    expect(await failureOf(api.get('/403'))).toMatchObject({
      code: 'permission-missing',
      message: expect.stringContaining('"line one ::error::two"'),
    })
    expect(await failureOf(api.get('/400'))).toMatchObject({ code: 'api-server-error' })
    expect(await failureOf(api.get('/500'))).toMatchObject({ code: 'api-server-error' })
  })

  test.each([
    [200, '<html>Log in</html>', 'a web page'],
    [502, '<html>Bad Gateway</html>', 'a web page'],
    [302, '', 'a redirect'],
    [200, 'OK', 'other text'],
  ])('%i %s is not an API server', async (status, body, what) => {
    server = await serve((_, response) => response.writeHead(status, { Location: 'https://login' }).end(body))
    const failure = await failureOf((await server.api()).get('/x'))
    expect(failure).toMatchObject({ code: 'api-server-error', message: expect.stringContaining(what) })
    expect((failure as Error).message).not.toContain('Log in')
  })

  test('an endless answer is cut off', async () => {
    server = await serve((_, response) => {
      const chunk = Buffer.alloc(1024 * 1024, ' ')
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
      }
      response.on('drain', more)
      more()
    })
    expect(await failureOf((await server.api()).get('/x'))).toMatchObject({ code: 'api-server-error' })
  })
})

describe('patience', () => {
  test('waits as long as it is asked to, and no more than a few times', async () => {
    let calls = 0
    server = await serve((request, response) => {
      calls++
      if (request.url === '/once' && calls === 2) json(response, 200, { calls })
      else json(response, 429, { message: 'too many requests' }, { 'Retry-After': '0' })
    })
    const api = await server.api()
    expect(await api.get('/once')).toEqual({ calls: 2 })
    calls = 0
    expect(await failureOf(api.get('/always'))).toMatchObject({ code: 'api-server-error' })
    expect(calls).toBe(5)
  })

  test('an idle connection that the server closes at that moment is no failure', async () => {
    let calls = 0
    server = await serve((request, response) => {
      calls++
      if (calls === 2) request.socket.resetAndDestroy()
      else json(response, 200, { calls })
    })
    const api = await server.api()
    await api.get('/x')
    expect(await api.get('/x')).toEqual({ calls: 3 })
  })

  test('a new connection that is reset is one', async () => {
    server = await serve((request) => request.socket.resetAndDestroy())
    expect(await failureOf((await server.api()).get('/x'))).toMatchObject({ code: 'api-server-unreachable' })
    expect(server.requests).toHaveLength(1)
  })

  test('nobody answers', async () => {
    const asked = Promise.withResolvers<undefined>()
    server = await serve(() => {
      asked.resolve(undefined)
    })
    const api = await server.api()
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] })
    const failure = failureOf(api.get('/x'))
    await asked.promise
    jest.advanceTimersByTime(10_000)
    expect(await failure).toMatchObject({
      code: 'api-server-unreachable',
      message: `${api.server} accepted the connection and did not answer within 10 s.`,
    })
  })

  test('the end of the run ends a request', async () => {
    server = await serve(() => undefined)
    const api = await server.api()
    const failure = failureOf(api.get('/x'))
    server.stop.abort('the reason')
    expect(await failure).toBe('the reason')
  })

  test('and one that waits for a connection', async () => {
    server = await serve(() => undefined)
    const api = await server.api({ agent: new http.Agent({ keepAlive: true, maxSockets: 1 }) })
    const failures = [failureOf(api.get('/x')), failureOf(api.get('/y'))]
    server.stop.abort('the reason')
    expect(await Promise.all(failures)).toEqual(['the reason', 'the reason'])
  })

  test('closing ends every request, those that wait for a connection too', async () => {
    const asked = Promise.withResolvers<undefined>()
    server = await serve(() => {
      asked.resolve(undefined)
    })
    const api = await server.api({ agent: new http.Agent({ keepAlive: true, maxSockets: 1 }) })
    const failures = [failureOf(api.get('/x')), failureOf(api.get('/y'))]
    await asked.promise
    api.close()
    for (const failure of await Promise.all(failures)) expect(failure).toBeInstanceOf(Failure)
    await sleep(100)
    expect(server.requests.map(({ url }) => url)).toEqual(['/x'])
  })
})

describe('credentials', () => {
  test('an expired token says when it expired', async () => {
    server = await serve((_, response) => {
      json(response, 401, { message: 'Unauthorized' })
    })
    const expired = await server.api({ headers: { Authorization: `Bearer ${jwt({ exp: 1_700_000_000 })}` } })
    expect(await failureOf(expired.get('/x'))).toMatchObject({
      code: 'token-rejected',
      message: `${expired.server} does not accept the credential of user "someone" (401).`,
      hint: expect.arrayContaining(['Its token expired 2023-11-14 22:13:20 UTC.']),
    })
    const opaque = await server.api({ headers: { Authorization: 'Bearer opaque' } })
    expect(await failureOf(opaque.get('/x'))).toMatchObject({ code: 'token-rejected' })
  })

  test.each([null, [], 7, 'text', { exp: -1e300 }, { exp: '1' }, { exp: null }])(
    'a token with the claims %j is refused like any other',
    async (claims) => {
      server = await serve((_, response) => {
        json(response, 401, { message: 'Unauthorized' })
      })
      const api = await server.api({ headers: { Authorization: `Bearer ${jwt(claims)}` } })
      expect(await failureOf(api.get('/x'))).toMatchObject({ code: 'token-rejected' })
    },
  )

  test('a credential that can be renewed is, once', async () => {
    server = await serve((request, response) => {
      const accepted = request.headers.authorization === 'Bearer new'
      json(response, accepted ? 200 : 401, {})
    })
    const api = await server.api(
      { headers: { Authorization: 'Bearer old' } },
      { headers: { Authorization: 'Bearer new' } },
    )
    expect(await Promise.all([api.get('/x'), api.get('/y')])).toEqual([{}, {}])
    const hopeless = await server.api({}, {})
    expect(await failureOf(hopeless.get('/x'))).toMatchObject({ code: 'token-rejected' })
  })

  test('the identity is the best that is known', async () => {
    let served = true
    server = await serve((_, response) => {
      if (served) json(response, 201, { status: { userInfo: { username: 'seen' } } })
      else json(response, 404, { message: 'not found' })
    })
    expect(await (await server.api()).identity()).toEqual({ name: 'seen', certain: true })
    served = false
    const token = { Authorization: `Bearer ${jwt({ sub: 'system:serviceaccount:shop:ci' })}` }
    expect(await (await server.api({ headers: token })).identity()).toEqual({
      name: 'system:serviceaccount:shop:ci',
      certain: true,
    })
    expect(await (await server.api({ headers: { ...token, 'Impersonate-User': 'kim' } })).identity()).toEqual(
      {
        name: 'kim',
        certain: true,
      },
    )
    const { pem } = createAuthority('kim')
    expect(await (await server.api({ certificate: pem })).identity()).toEqual({ name: 'kim', certain: true })
    const oidc = { Authorization: `Bearer ${jwt({ sub: '1234' })}` }
    expect(await (await server.api({ headers: oidc })).identity()).toEqual({ name: '1234', certain: false })
    expect(await (await server.api()).identity()).toEqual({ name: 'someone', certain: false })
  })
})

describe('a server that cannot be trusted or reached', () => {
  async function ask(url: string, agent: http.Agent = new https.Agent()): Promise<unknown> {
    const api = await Api.open(
      {
        server: new URL(url),
        user: 'someone',
        renewable: false,
        authenticate: () => Promise.resolve({ agent, headers: {} }),
      },
      new AbortController().signal,
    )
    return await failureOf(api.get('/x'))
  }

  test.each([
    ['unknown authority', 'localhost', false, 'no authority that the kubeconfig names'],
    ['another name', 'db.example.com', true, 'its certificate is for another name'],
  ])('%s', async (_, name, trusted, words) => {
    const authority = createAuthority('authority')
    const { certificate: cert, key } = authority.issue([name])
    const tls = https.createServer({ cert, key }, (_, response) => response.end('{}')).listen(0)
    await once(tls, 'listening')
    const agent = new https.Agent(trusted ? { ca: authority.pem } : {})
    expect(await ask(`https://localhost:${(tls.address() as AddressInfo).port}`, agent)).toMatchObject({
      code: 'api-server-untrusted',
      message: expect.stringContaining(words),
    })
    tls.close()
  })

  test('an expired certificate', async () => {
    server = await serve(() => undefined)
    const api = await server.api()
    expect(api.connectionFailure(Object.assign(new Error(), { code: 'CERT_HAS_EXPIRED' }))).toMatchObject({
      code: 'api-server-untrusted',
      message: `${api.server} is not trusted: its certificate has expired.`,
    })
  })

  test('a port that speaks no TLS, a closed port, a name that does not resolve', async () => {
    server = await serve((_, response) => response.end())
    const { port } = server.url
    expect(await ask(`https://127.0.0.1:${port}`)).toMatchObject({
      code: 'api-server-unreachable',
      message: expect.stringContaining('TLS handshake'),
    })
    await server.close()
    server = undefined
    expect(await ask(`https://127.0.0.1:${port}`)).toMatchObject({
      message: `https://127.0.0.1:${port} refused the connection (ECONNREFUSED).`,
    })
    expect(await ask('https://nowhere.invalid')).toMatchObject({
      code: 'api-server-unreachable',
      message: expect.stringContaining('does not resolve'),
    })
  })
})

test('paths are encoded', () => {
  expect(corePath('a b', 'secrets', 'x/y')).toBe('/api/v1/namespaces/a%20b/secrets/x%2Fy')
  expect(corePath('db', 'pods', 'p', 'portforward')).toBe('/api/v1/namespaces/db/pods/p/portforward')
  expect(corePath('db', 'pods')).toBe('/api/v1/namespaces/db/pods')
})

test.each([null, 'text', {}, { message: 1 }])('a body without a message says nothing: %p', (body) => {
  expect(statusMessage(body)).toBe('')
})
