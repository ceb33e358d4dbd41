import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { createAuthority } from '../../../sandbox/certificate.ts'
import { Api } from '../../../src/kubernetes/api.ts'
import { corePath } from '../../../src/kubernetes/call.ts'
import type { Credentials } from '../../../src/kubernetes/endpoint.ts'
import { statusMessage } from '../../../src/kubernetes/heard.ts'
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
    [404, '<html>Not Found</html>', 'a web page'],
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
  const busy = (response: http.ServerResponse): void => {
    json(response, 429, { message: 'too many requests' }, { 'Retry-After': '0' })
  }

  test('asks again for as long as more time is asked for, and tells what for', async () => {
    let calls = 0
    server = await serve((_, response) => {
      if (++calls < 7) busy(response)
      else json(response, 200, { calls })
    })
    const api = await server.api()
    const told: string[] = []
    api.whenWaiting(({ what }) => told.push(what))
    expect(await api.get('/x')).toEqual({ calls: 7 })
    expect(told).toHaveLength(6)
    expect(new Set(told)).toEqual(
      new Set([`${api.server} is overloaded or restarting, and asks for more time: 429 "too many requests"`]),
    )
  })

  test('gives up after a few times where the run can do without', async () => {
    server = await serve((_, response) => {
      busy(response)
    })
    const api = await server.api()
    const failure = await failureOf(api.request({ method: 'GET', path: '/x', optional: true }))
    expect(failure).toMatchObject({ code: 'api-server-error', undone: true })
    expect(server.requests).toHaveLength(5)
  })

  test('the end of the run ends the wait, and leaves no doubt where nothing was done', async () => {
    server = await serve((_, response) => {
      json(response, 429, { message: 'too many requests' }, { 'Retry-After': '600' })
    })
    const api = await server.api()
    const { stop } = server
    api.whenWaiting(() => {
      stop.abort(new Failure('timeout', 'The run did not end within its 1 s.', ['more time']))
    })
    expect(await failureOf(api.request({ method: 'POST', path: '/x', body: {} }))).toMatchObject({
      code: 'timeout',
      message: 'The run did not end within its 1 s.',
      hint: ['more time'],
      undone: true,
    })
  })

  test('an earlier request that may have been done leaves the doubt', async () => {
    let calls = 0
    server = await serve((_, response) => {
      if (++calls === 1) response.writeHead(502).end('bad gateway')
      else busy(response)
    })
    const api = await server.api()
    const { stop } = server
    api.whenWaiting(() => {
      if (calls > 1) stop.abort(new Failure('timeout', 'over', []))
    })
    expect(await failureOf(api.request({ method: 'POST', path: '/x', body: {} }))).toMatchObject({
      code: 'timeout',
      undone: false,
    })
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

  const day = 24 * 60 * 60 * 1000
  /** Gives the hint for a credential that a server with this clock does not accept. */
  async function hintFor(credentials: Partial<Credentials>, clock = new Date()): Promise<string> {
    server = await serve((_, response) => {
      json(response, 401, { message: 'Unauthorized' }, { Date: clock.toUTCString() })
    })
    const failure = await failureOf((await server.api(credentials)).get('/x'))
    expect(failure).toMatchObject({ code: 'token-rejected' })
    return (failure as Failure).hint.join('\n')
  }
  const bearer = (claims: unknown): Partial<Credentials> => ({
    headers: { Authorization: `Bearer ${jwt(claims)}` },
  })

  test.each<[string, () => Partial<Credentials>, Date, RegExp]>([
    [
      'a token that is not valid yet',
      () => bearer({ nbf: 1_700_000_000 }),
      new Date('2023-11-14T22:00:00Z'),
      /^Its token is not valid before 2023-11-14 22:13:20 UTC, and the clock of the API server says 2023-11-14 22:00:00 UTC\.\n.*clock/,
    ],
    [
      'a token that has expired for the server alone, whose clock counts',
      () => bearer({ nbf: 1_700_000_000, exp: 4_000_000_000 }),
      new Date('2096-11-14T22:00:00Z'),
      /^Its token expired 2096-10-02 07:06:40 UTC\./,
    ],
    [
      'a token that is valid',
      () => bearer({ nbf: 1_700_000_000, exp: 4_000_000_000 }),
      new Date('2026-11-14T22:00:00Z'),
      /deleted or recreated/,
    ],
    [
      'a certificate that has expired',
      () => clientCertificate(-2, -1),
      new Date(),
      /^Its client certificate expired \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\.\n.*new certificate/,
    ],
    [
      'a certificate that is not valid yet',
      () => clientCertificate(1, 2),
      new Date(),
      /^Its client certificate is not valid before .*\n.*clock/,
    ],
    ['a certificate that is valid', () => clientCertificate(-1, 1), new Date(), /deleted or recreated/],
    [
      'a token beside a certificate that has expired',
      () => ({ ...bearer({}), ...clientCertificate(-2, -1) }),
      new Date(),
      /deleted or recreated/,
    ],
    ['none at all', () => ({}), new Date(), /^This user of the kubeconfig has no credential/],
  ])('%s', async (_, credentials, clock, says) => {
    expect(await hintFor(credentials(), clock)).toMatch(says)
  })

  function clientCertificate(fromDays: number, untilDays: number): Partial<Credentials> {
    const valid = {
      from: new Date(Date.now() + fromDays * day),
      until: new Date(Date.now() + untilDays * day),
    }
    return { certificate: createAuthority('people').issue(['kim'], { valid }).certificate }
  }

  test('a cluster that lets anybody in does not hide that no credential arrived', async () => {
    server = await serve((_, response) => {
      json(response, 201, { status: { userInfo: { username: 'system:anonymous' } } })
    })
    const anybody = await server.api()
    expect(await failureOf(anybody.identity())).toMatchObject({
      code: 'token-rejected',
      message: `No credential of user "someone" arrived at ${anybody.server}: it takes this run for system:anonymous.`,
      hint: expect.arrayContaining([expect.stringContaining('has no credential')]),
    })
    const robbed = await server.api({ headers: { Authorization: 'Bearer abc' } })
    expect(await failureOf(robbed.identity())).toMatchObject({
      code: 'token-rejected',
      hint: expect.arrayContaining([expect.stringContaining('a proxy in between')]),
    })
  })

  test.each([null, [], 7, 'text', { exp: -1e300 }, { nbf: 1e300 }, { exp: '1' }, { exp: null }])(
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
    [
      'unknown authority',
      'localhost',
      false,
      'no authority in certificate-authority-data of the kubeconfig has signed',
    ],
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

  test.each([
    ['ECONNREFUSED', 'the proxy refused the connection (ECONNREFUSED)'],
    ['ENOTFOUND', 'the name of the proxy does not resolve (ENOTFOUND)'],
    ['ETIMEDOUT', 'there is no way to the proxy (ETIMEDOUT)'],
  ])('trouble with the proxy is the proxy’s: %s', async (code, words) => {
    const api = await Api.open(
      {
        server: new URL('https://api.example.com:6443'),
        user: 'someone',
        proxy: '10.0.0.1:3128',
        renewable: false,
        authenticate: () => Promise.resolve({ agent: new https.Agent(), headers: {} }),
      },
      new AbortController().signal,
    )
    const failure = api.connectionFailure(Object.assign(new Error(), { code }))
    expect(failure).toMatchObject({
      code: 'api-server-unreachable',
      message: `https://api.example.com:6443 through the proxy 10.0.0.1:3128 cannot be reached: ${words}.`,
    })
    expect(failure.hint.join('\n')).not.toContain('the server address')
  })

  test.each([
    [407, 'It asks for a user and a password'],
    [403, 'does not allow CONNECT'],
    [503, 'The proxy itself does not reach the API server'],
    [418, 'The proxy has to allow CONNECT'],
  ])('what a proxy answers to CONNECT: %i', async (status, words) => {
    server = await serve(() => undefined)
    const api = await server.api()
    expect(api.connectionFailure(new Error(`Bad response: ${status}`))).toMatchObject({
      code: 'api-server-unreachable',
      message: `${api.server} cannot be reached: the proxy answered ${status}.`,
      hint: expect.arrayContaining([expect.stringContaining(words)]),
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
