import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import { connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { WebSocketServer } from 'ws'
import { createAuthority } from '../../../sandbox/certificate.ts'
import type { ClusterRequest, KubeconfigSources } from '../../../src/input/request.ts'
import { loadCluster, type ClusterAccess } from '../../../src/kubeconfig/kubeconfig.ts'
import { openTunnel } from '../../../src/kubernetes/tunnel.ts'
import { plainFingerprint } from '../../../src/lib/text.ts'
import { failureOf } from '../kubernetes/server.ts'

const kubeconfig = (
  parts: { server?: string; user?: object; cluster?: object; context?: object } = {},
): string =>
  JSON.stringify({
    clusters: [
      { name: 'c', cluster: { server: parts.server ?? 'https://api.example.com:6443', ...parts.cluster } },
    ],
    users: [{ name: 'u', user: parts.user ?? { token: 'a-token' } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'shop', ...parts.context } }],
  })

const signal = new AbortController().signal
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'kubeconfig-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function file(name: string, content: string): Promise<string> {
  const full = path.join(folder, name)
  await writeFile(full, content)
  return full
}

function load(
  sources: Partial<KubeconfigSources>,
  request: Partial<ClusterRequest> = {},
  masks: string[] = [],
): Promise<ClusterAccess> {
  const given = { ...request, kubeconfig: { absenceHint: ['the reason'], ...sources } }
  // A Promise, so that what it throws is met in the one way that matchers know.
  return Promise.resolve().then(() => loadCluster(given, (credential) => masks.push(credential)))
}

describe('sources', () => {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')

  test('text, base64, base64 in lines, a path, a path to base64', async () => {
    const text = kubeconfig()
    for (const input of [
      text,
      base64(text),
      base64(text).replace(/.{76}/g, '$&\n'),
      await file('plain', text),
      await file('encoded', base64(text)),
    ]) {
      expect(await load({ input })).toMatchObject({
        server: 'https://api.example.com:6443',
        context: 'x',
        namespace: 'shop',
        source: 'input "kubeconfig"',
      })
    }
  })

  test('the first that is there counts, and blanks are not there', async () => {
    const text = kubeconfig()
    const sources = {
      input: ' \n',
      KUBECONFIG: text,
      KUBECONFIG_CONTENTS_B64: base64(text),
      homeFile: '/nowhere',
    }
    expect((await load(sources)).source).toBe('KUBECONFIG')
    expect((await load({ ...sources, KUBECONFIG: '' })).source).toBe('KUBECONFIG_CONTENTS_B64')
    const homeFile = await file('home', text)
    expect((await load({ homeFile })).source).toBe(homeFile)
  })

  test('none', async () => {
    expect(await failureOf(load({}))).toMatchObject({
      code: 'kubeconfig-missing',
      message:
        'No kubeconfig: input "kubeconfig" is empty, and neither KUBECONFIG nor KUBECONFIG_CONTENTS_B64 is set.',
      hint: ['the reason', expect.stringContaining('kubeconfig: in-cluster')],
    })
    expect(await failureOf(load({ homeFile: '/nowhere' }))).toMatchObject({
      code: 'kubeconfig-missing',
      message: expect.stringContaining('and there is no /nowhere'),
    })
  })

  test('a list of paths is merged as kubectl does it', async () => {
    const first = await file(
      'first',
      'users: []\ncontexts: [{name: x, context: {cluster: c, user: u, namespace: first}}]',
    )
    const second = await file('second', kubeconfig({ context: { namespace: 'second' } }))
    const KUBECONFIG = ['/nowhere', first, second].join(path.delimiter)
    expect(await load({ KUBECONFIG })).toMatchObject({
      namespace: 'first',
      server: 'https://api.example.com:6443',
    })
    expect(await failureOf(load({ KUBECONFIG: `/nowhere${path.delimiter}/neither` }))).toMatchObject({
      code: 'kubeconfig-invalid',
      message: expect.stringContaining('it names 2 files, and none of them exists'),
    })
  })

  const secret = 'c2VjcmV0LXRoYXQtbXVzdC1ub3QtYmUtc2hvd24tYW55d2hlcmU'
  test.each([
    [`eyJhbGciOiJSUzI1NiJ9.${secret}.${secret}`, 'bearer token'],
    // As long as they are in reality: longer than the name of any file.
    [`eyJhbGciOiJSUzI1NiJ9.${secret.repeat(8)}.${secret.repeat(7)}`, 'bearer token'],
    [base64(base64(kubeconfig({ user: { token: secret } }))), 'base64 of something'],
    [secret.repeat(100), 'base64 of something'],
    [`-----BEGIN CERTIFICATE-----\n${secret}\n`, 'a certificate or a key'],
    [`-----BEGIN RSA PRIVATE KEY-----\n${secret}\n`, 'a certificate or a key'],
    [secret, 'base64 of something'],
    ['***', 'a masked text'],
    ['$KUBECONFIG', 'name of a variable'],
    ['/no/such/file', 'no file has this name'],
    [`apiVersion: v1\nkind: Secret\ndata: {x: ${secret}}`, 'a manifest of kind Secret'],
    [`clusters: []\nusers:\n- name: u\n  user: {token: "${secret}`, 'no valid YAML (line'],
    [`clusters: []\nusers: [{name: u, user: {token: *${secret}}}]`, 'YAML aliases'],
    [`{"clusters": "${secret}"}`, 'its clusters are no list'],
    ['clusters: []', 'an empty kubeconfig, which has no context'],
  ])('%s is refused, and not repeated', async (input, words) => {
    const failure = await failureOf(load({ input }))
    expect(failure).toMatchObject({ code: 'kubeconfig-invalid', message: expect.stringContaining(words) })
    expect(JSON.stringify([(failure as Error).message, (failure as { hint: unknown }).hint])).not.toContain(
      secret,
    )
    expect(inspect(failure, { depth: 9 })).not.toContain(secret)
  })

  test('what is no path is masked whole, and a path is not', async () => {
    for (const [KUBECONFIG, masked] of [
      [secret.repeat(8), true],
      [`kubeconfig-u-abcde:${secret}`, true],
      ['/no/such/file', false],
      ['~/.kube/config:build/kube-config.yaml', false],
    ] as const) {
      const masks: string[] = []
      await failureOf(load({ KUBECONFIG }, {}, masks))
      expect(masks).toEqual(masked ? [KUBECONFIG] : [])
    }
  })
})

describe('contexts', () => {
  const several = (current?: string): string =>
    JSON.stringify({
      clusters: [{ name: 'c', cluster: { server: 'https://c' } }],
      users: [{ name: 'u', user: { token: 't' } }],
      contexts: [
        { name: 'a', context: { cluster: 'c', user: 'u' } },
        { name: 'b', context: { cluster: 'gone', user: 'u' } },
        { name: 'd', context: { cluster: 'c', user: 'gone' } },
        { name: 'e', context: { cluster: 'c' } },
      ],
      'current-context': current,
    })

  test.each([
    ['a', undefined, 'a'],
    ['b', 'a', 'a'],
  ])('current %s, requested %s', async (current, context, chosen) => {
    const cluster = await load({ input: several(current) }, context === undefined ? {} : { context })
    expect(cluster).toMatchObject({ context: chosen, server: 'https://c' })
    expect(cluster.namespace).toBeUndefined()
  })

  test.each([
    [undefined, undefined, 'context-unknown', 'has 4 contexts and no current one'],
    ['zzz', undefined, 'context-unknown', 'the current context "zzz"'],
    ['a', 'zzz', 'context-unknown', 'context "zzz"'],
    [
      'b',
      undefined,
      'kubeconfig-invalid',
      'its context "b" names the cluster "gone", which it does not have',
    ],
    ['d', undefined, 'kubeconfig-invalid', 'its context "d" names the user "gone"'],
    ['e', undefined, 'kubeconfig-invalid', 'its context "e" names no user'],
  ])('current %s, requested %s: %s', async (current, context, code, words) => {
    const failure = await failureOf(
      load({ input: several(current) }, context === undefined ? {} : { context }),
    )
    expect(failure).toMatchObject({ code, message: expect.stringContaining(words) })
    if (code === 'context-unknown')
      expect(failure).toMatchObject({ hint: expect.arrayContaining(['It has a, b, d and e.']) })
  })
})

describe('the expected server', () => {
  test.each([
    ['https://api.example.com:6443', true],
    ['https://API.example.com:6443/', true],
    ['api.example.com', true],
    ['API.EXAMPLE.COM', true],
    ['api.example.com:6443', true],
    ['api.example.com/', true],
    ['api.example.com:6443/', true],
    ['api.example.com:443', false],
    ['api.example.com:443/', false],
    ['api.example.com/k8s/clusters/c-1', false],
    ['api.example.com:6443/k8s/clusters/c-1', false],
    ['https://api.example.com', false],
    ['http://api.example.com:6443', false],
    ['https://api.example.com:6443/k8s/clusters/c-1', false],
    ['staging.example.com', false],
    ['::', false],
  ])('%s: %p', async (expectServer, same) => {
    const outcome = await load({ input: kubeconfig() }, { expectServer }).catch((error: unknown) => error)
    if (same) expect(outcome).toMatchObject({ context: 'x' })
    else {
      expect(outcome).toMatchObject({
        code: 'server-unexpected',
        message: `Context "x" leads to https://api.example.com:6443, and expect-server is "${expectServer}".`,
      })
    }
  })
})

test('a host with a path is one of several clusters behind it', async () => {
  const cluster = { server: 'https://rancher.example.com/k8s/clusters/c-1' }
  const expecting = async (expectServer: string): Promise<unknown> =>
    await load({ input: kubeconfig({ cluster }) }, { expectServer }).catch((error: unknown) => error)
  expect(await expecting('rancher.example.com/k8s/clusters/c-1')).toMatchObject({ context: 'x' })
  expect(await expecting('rancher.example.com/k8s/clusters/c-2')).toMatchObject({ code: 'server-unexpected' })
})

describe('the expected authority', () => {
  const [own, other] = [createAuthority('own').pem, createAuthority('other').pem]
  const [print, otherPrint] = [own, other].map((pem) =>
    plainFingerprint(new X509Certificate(pem).fingerprint256),
  )
  const trusting = (...pems: readonly string[]): object => ({
    'certificate-authority-data': Buffer.from(pems.join('')).toString('base64'),
  })
  // OpenSSL reads this as well, as the certificate of an authority.
  const disguised = other.replaceAll(' CERTIFICATE-', ' X509 CERTIFICATE-')

  test.each<[string, object, (string | undefined)[], boolean]>([
    ['the one', trusting(own), [print], true],
    ['another one', trusting(other), [print], false],
    ['the one and another one', trusting(own, other), [print], false],
    ['both of two', trusting(own, other), [otherPrint, print], true],
    ['one of two', trusting(own), [otherPrint, print], true],
    ['none', {}, [print], false],
    ['the one, and another one under another name', trusting(own, disguised), [print], true],
    ['the one, with no verification', { 'insecure-skip-tls-verify': true }, [print], false],
    [
      'a URL and a proxy that agree, with another one',
      { ...trusting(other), 'proxy-url': 'http://p' },
      [print],
      false,
    ],
  ])('%s', async (_, cluster, prints, same) => {
    const expectCa = prints.filter((each) => each !== undefined)
    const expectServer = 'https://api.example.com:6443'
    const outcome = await load({ input: kubeconfig({ cluster }) }, { expectCa, expectServer }).catch(
      (error: unknown) => error,
    )
    expect(outcome).toMatchObject(
      same ? { compared: ['expect-server', 'expect-ca'] } : { code: 'server-unexpected' },
    )
  })

  describe('with the name that its certificate is checked for', () => {
    const both = { expectCa: [print ?? ''], expectServer: 'https://api.example.com:6443' }
    test.each<[string, object, string, Partial<typeof both>, boolean]>([
      ['the one of the address', {}, 'api.example.com', both, true],
      ['the same, in capitals', {}, 'API.Example.com', both, true],
      ['another one', {}, 'staging.example.com', both, false],
      ['another one of the same domain', {}, 'example.com', both, false],
      ['another one, through a proxy', { 'proxy-url': 'http://p' }, 'staging.example.com', both, false],
      ['another one, of a bare host', {}, 'kubernetes', { ...both, expectServer: 'api.example.com' }, false],
      ['another one, of any address', {}, 'kubernetes', { expectCa: both.expectCa }, true],
      ['another one, of any authority', {}, 'kubernetes', { expectServer: both.expectServer }, true],
    ])('%s', async (_, more, name, expected, same) => {
      const cluster = { ...trusting(own), ...more, 'tls-server-name': name }
      const outcome = await load({ input: kubeconfig({ cluster }) }, expected).catch(
        (error: unknown) => error,
      )
      if (same) expect(outcome).toMatchObject({ compared: expect.any(Array) })
      else {
        expect(outcome).toMatchObject({
          code: 'server-unexpected',
          message: expect.stringContaining(`"${name}"`),
        })
      }
    })
  })

  test('is told along with the proxy, without its credential', async () => {
    const cluster = { ...trusting(own), 'proxy-url': 'http://kim:secret@proxy.example.com:3128' }
    expect(await load({ input: kubeconfig({ cluster }) })).toMatchObject({
      proxy: 'proxy.example.com:3128',
      compared: [],
    })
  })
})

test('every credential is masked, and names are not', async () => {
  const masks: string[] = []
  const { key } = createAuthority('a').issue(['x'])
  const input = `
clusters: [{name: c, cluster: {server: https://c, proxy-url: 'http://kim:p%40ss@proxy:3128'}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
users:
- {name: u, user: {token: the-token}}
- {name: v, user: {username: kim, password: 0123, client-key-data: ${Buffer.from(key).toString('base64')}}}
- name: w
  user:
    exec:
      command: login --token command-token
      args: [get, --client-secret=arg-secret, --token, arg-token, --region, eu]
      env: [{name: AWS_SECRET_ACCESS_KEY, value: short}, {name: MODE, value: ci}, {name: X, value: long-enough}]
- name: z
  user: {auth-provider: {name: oidc, config: {id-token: i, refresh-token: r, client-secret: s, scope: a}}}
`
  await load({ input }, {}, masks)
  const masked = new Set(masks.filter((mask) => mask !== ''))
  expect([...masked].sort()).toEqual(
    [
      'the-token',
      '0123',
      key,
      'arg-secret',
      'arg-token',
      'command-token',
      'short',
      'long-enough',
      'i',
      'r',
      's',
      'p%40ss',
      'p@ss',
    ].sort(),
  )
})

test('what names a profile, a region or an issuer is masked no more than other names', async () => {
  const masks: string[] = []
  const input = `
clusters: [{name: c, cluster: {server: https://c}}]
contexts: [{name: production, context: {cluster: c, user: u, namespace: production}}]
users:
- name: u
  user:
    exec:
      command: aws
      apiVersion: client.authentication.k8s.io/v1beta1
      args: [eks, get-token, --cluster-name, production]
      env:
      - {name: AWS_PROFILE, value: production}
      - {name: AWS_REGION, value: eu-north-1}
      - {name: AWS_STS_REGIONAL_ENDPOINTS, value: regional}
- name: v
  user:
    auth-provider:
      name: oidc
      config: {client-id: production, idp-issuer-url: 'https://kim:pass-word@dex.example.com'}
`
  await load({ input }, {}, masks)
  expect(new Set(masks.filter((mask) => mask !== ''))).toEqual(new Set(['pass-word']))
})

describe('what stands in the place of a path', () => {
  const { certificate, key } = createAuthority('a').issue(['x'])
  const encoded = Buffer.from(key).toString('base64')
  const token = `eyJhbGciOiJSUzI1NiJ9.${'c2VjcmV0'.repeat(9)}.${'c2VjcmV0'.repeat(9)}`
  const data = Buffer.from(certificate).toString('base64')

  test.each([
    [{ tokenFile: token }, token, 'belongs into the field token'],
    [{ tokenFile: 'kubeconfig-u-abcde:kq2v9xk7w8z4p6m2' }, 'kq2v9xk7w8z4p6m2', 'the field token'],
    [{ 'client-certificate-data': data, 'client-key': encoded }, encoded.slice(40, 90), 'client-key-data'],
    [{ 'client-certificate-data': data, 'client-key': key }, key.split('\n')[1] ?? '', 'client-key-data'],
  ])('is not shown where it may be a credential, and is masked: %#', async (user, secret, hint) => {
    const masks: string[] = []
    const failure = await failureOf(
      load({ input: kubeconfig({ user }) }, {}, masks).then((it) => it.connect(signal)),
    )
    expect(failure).toMatchObject({ code: 'kubeconfig-invalid' })
    expect(inspect(failure, { depth: 9 })).not.toContain(secret)
    expect(inspect(failure, { depth: 9 })).toContain(hint)
    expect(masks.join()).toContain(secret)
  })

  test.each(['/run/secrets/t0k3n-4b5c6', 'certs/ci.token', './a1B2c3d4e5', 'C:\\Users\\kim\\token'])(
    'is shown where it is a path: %s',
    async (tokenFile) => {
      const access = load({ input: kubeconfig({ user: { tokenFile } }) }).then((it) => it.connect(signal))
      expect(await failureOf(access)).toMatchObject({
        message: expect.stringContaining(`${tokenFile}, cannot be read`),
      })
    },
  )
})

describe('what cannot be used', () => {
  test.each([
    [{ server: 'http://api.example.com' }, 'is an http:// address'],
    [{ server: 'http://x', cluster: { 'insecure-skip-tls-verify': true } }, 'is an http:// address'],
    [{ cluster: { 'certificate-authority-data': 'cnViYmlzaA==' } }, 'is no PEM certificate'],
    [{ server: 'api.example.com' }, 'is no https:// address'],
    [
      { cluster: { 'certificate-authority': 'none.pem' } },
      'the certificate-authority of cluster "c", none.pem, cannot be read (ENOENT)',
    ],
    [{ cluster: { 'proxy-url': 'proxy:3128' } }, 'the proxy-url of its cluster "c"'],
    [{ cluster: { 'proxy-url': 'socks6://proxy:1080' } }, 'is no http://, https:// or socks5:// address'],
    [
      { user: { 'client-certificate-data': 'bm8=', 'client-key-data': 'bm8=' } },
      'cannot be used: the certificate is no PEM certificate',
    ],
    [
      { user: { 'auth-provider': { name: 'magic' } } },
      'the auth-provider "magic" of user "u" is not known, here as in kubectl',
    ],
  ])('%j', async (parts, words) => {
    expect(await failureOf(load({ input: kubeconfig(parts) }))).toMatchObject({
      code: 'kubeconfig-invalid',
      message: expect.stringContaining(words),
    })
  })
})

describe('authentication', () => {
  const servers: https.Server[] = []
  const { certificate: cert, key } = createAuthority('echo').issue(['127.0.0.1'])
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      server.close()
    }
  })

  /** A server that answers with the credential it got. */
  async function echo(): Promise<string> {
    const server = https.createServer({ cert, key }, (request, response) => {
      const { authorization, ...headers } = request.headers
      response.end(
        JSON.stringify({
          authorization,
          user: headers['impersonate-user'],
          groups: headers['impersonate-group'],
        }),
      )
    })
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  async function seen(user: object, masks: string[] = [], source?: string): Promise<unknown> {
    const content = kubeconfig({ server: await echo(), cluster: { 'insecure-skip-tls-verify': true }, user })
    const input = source === undefined ? content : await file(source, content)
    const api = await (await load({ input }, {}, masks)).connect(signal)
    try {
      return await api.get('/x')
    } finally {
      api.close()
    }
  }

  test('token, password, impersonation', async () => {
    expect(await seen({ token: 't' })).toEqual({ authorization: 'Bearer t' })
    expect(await seen({ username: 'kim', password: 'pw' })).toEqual({
      authorization: `Basic ${Buffer.from('kim:pw').toString('base64')}`,
    })
    expect(await seen({ token: 't', as: 'bob', 'as-groups': ['g'] })).toEqual({
      authorization: 'Bearer t',
      user: 'bob',
      groups: 'g',
    })
  })

  test('a token file beside the kubeconfig, read without its line end', async () => {
    const masks: string[] = []
    await file('token', 'from-a-file\n')
    expect(await seen({ tokenFile: 'token', token: 'older' }, masks, 'with-token-file')).toEqual({
      authorization: 'Bearer from-a-file',
    })
    expect(masks).toContain('from-a-file')
    expect(await failureOf(seen({ tokenFile: 'none' }))).toMatchObject({ code: 'kubeconfig-invalid' })
  })

  const apiVersion = 'client.authentication.k8s.io/v1'
  const plugin = (script: string): object => ({
    exec: { apiVersion, command: process.execPath, args: ['-e', script], interactiveMode: 'IfAvailable' },
  })

  test('a plugin learns what is wanted, and its token is masked', async () => {
    const masks: string[] = []
    const script = `
      const { apiVersion, spec } = JSON.parse(process.env.KUBERNETES_EXEC_INFO)
      console.log(JSON.stringify({ apiVersion, kind: 'ExecCredential', status: { token: 'plugin-' + spec.interactive } }))`
    expect(await seen(plugin(script), masks)).toEqual({ authorization: 'Bearer plugin-false' })
    expect(masks).toContain('plugin-false')
  })

  test.each([
    ['fails', plugin('console.error("the secret"); process.exit(3)'), 'failed with exit code 3'],
    ['prints nonsense', plugin('console.log("the secret")'), 'printed something other than JSON'],
    [
      'prints another object',
      plugin('console.log(JSON.stringify({ kind: "Secret", status: { token: "the secret" } }))'),
      `did not answer with an ExecCredential of ${apiVersion}`,
    ],
    ['is killed', plugin('process.kill(process.pid, "SIGKILL")'), 'was ended by a signal'],
    [
      'is not there',
      { exec: { apiVersion, command: 'no-such-plugin', interactiveMode: 'Never' } },
      'is not installed here',
    ],
    ['is an auth-provider without a token', { 'auth-provider': { name: 'oidc' } }, 'has no id-token'],
  ])('a plugin that %s', async (_, user, words) => {
    const failure = (await failureOf(seen(user))) as Error
    expect(failure).toMatchObject({
      code: 'cluster-credential-failed',
      message: expect.stringContaining(words),
    })
    expect(failure.message).not.toContain('the secret')
    expect(failure.cause instanceof SyntaxError).toBe(false)
  })

  describe('an auth-provider oidc', () => {
    const jwt = (exp: number): string =>
      ['{}', JSON.stringify({ exp })].map((part) => Buffer.from(part).toString('base64url')).join('.') + '.x'
    const [past, future] = [jwt(1), jwt(4_000_000_000)]
    const authority = createAuthority('identity provider')

    /**
     * An identity provider that has a new id-token for one refresh-token, and for others an error.
     *
     * @param takes whether it takes what a client logs in with
     */
    async function provider(
      takes: (header: string | undefined, form: string) => boolean = () => true,
      given: object = { id_token: future },
    ): Promise<{ issuer: string; asked: string[] }> {
      const asked: string[] = []
      const { certificate, key: own } = authority.issue(['127.0.0.1', 'provider.example.com'])
      const server = https.createServer({ cert: certificate, key: own }, (request, response) => {
        void (async () => {
          const form = await text(request)
          asked.push([request.method, request.url, request.headers.authorization, form].join(' '))
          const taken = takes(request.headers.authorization, form)
          const known = request.method === 'GET' || (form.includes('refresh_token=known') && taken)
          const answer = request.method === 'GET' ? { token_endpoint: `${issuer}/token` } : given
          response.writeHead(known ? 200 : 400).end(JSON.stringify(known ? answer : { error: 'the secret' }))
        })()
      })
      servers.push(server)
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const issuer = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
      return { issuer, asked }
    }
    const user = (issuer: string, config: object): object => ({
      'auth-provider': {
        name: 'oidc',
        config: {
          'idp-issuer-url': issuer,
          'client-id': 'kubernetes',
          'client-secret': 'cs',
          'idp-certificate-authority-data': Buffer.from(authority.pem).toString('base64'),
          ...config,
        },
      },
    })

    test('has an id-token that is valid: it is sent, and nobody is asked', async () => {
      const { issuer, asked } = await provider()
      const config = { 'id-token': future, 'refresh-token': 'known' }
      expect(await seen(user(issuer, config))).toEqual({ authorization: `Bearer ${future}` })
      expect(asked).toEqual([])
    })

    test.each([
      ['has expired', { 'id-token': past }],
      ['is not there', {}],
    ])('has an id-token that %s: a new one is fetched, and masked', async (_, config) => {
      const { issuer, asked } = await provider()
      const masks: string[] = []
      expect(await seen(user(issuer, { ...config, 'refresh-token': 'known' }), masks)).toEqual({
        authorization: `Bearer ${future}`,
      })
      const basic = Buffer.from('kubernetes:cs').toString('base64')
      expect(asked).toEqual([
        'GET /.well-known/openid-configuration  ',
        `POST /token Basic ${basic} grant_type=refresh_token&refresh_token=known&client_id=kubernetes`,
      ])
      expect(masks).toContain(future)
    })

    test.each([
      ['takes a secret in the form alone', 'cs', 'client_id=kubernetes&client_secret=cs'],
      ['has a client without a secret', '', 'client_id=kubernetes'],
    ])('has a provider that %s', async (_, secret, login) => {
      const { issuer } = await provider(
        (header, form) => header === undefined && form.endsWith(`refresh_token=known&${login}`),
      )
      const config = { 'refresh-token': 'known', 'client-secret': secret }
      expect(await seen(user(issuer, config))).toEqual({ authorization: `Bearer ${future}` })
    })

    test('is reached through the proxy of the environment, which alone may know the way', async () => {
      const { issuer } = await provider()
      const asked: (string | undefined)[] = []
      const masks: string[] = []
      const proxy = http.createServer().listen(0, '127.0.0.1')
      await once(proxy, 'listening')
      proxy.on('connect', (request: http.IncomingMessage, socket: Duplex) => {
        asked.push(request.url)
        const onward = connect(Number(new URL(issuer).port), '127.0.0.1', () => {
          socket.write('HTTP/1.1 200 OK\r\n\r\n')
          socket.pipe(onward).pipe(socket)
        })
        for (const one of [socket, onward]) one.on('error', () => undefined)
      })
      const named = issuer.replace('127.0.0.1', 'provider.example.com')
      process.env['https_proxy'] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
      process.env['no_proxy'] = 'api.example.com'
      try {
        const input = kubeconfig({ user: user(named, { 'refresh-token': 'known' }) })
        const api = await (await load({ input }, {}, masks)).connect(signal)
        api.close()
      } finally {
        delete process.env['https_proxy']
        delete process.env['no_proxy']
        proxy.close()
      }
      expect(asked).toEqual([new URL(named).host])
      expect(masks).toContain(future)
    })

    test('has a refresh-token that is good for one use: the next one is used in its place, and masked', async () => {
      const { issuer, asked } = await provider(undefined, { id_token: past, refresh_token: 'known-next' })
      const masks: string[] = []
      const cluster = await load(
        { input: kubeconfig({ user: user(issuer, { 'refresh-token': 'known' }) }) },
        {},
        masks,
      )
      for (let turn = 0; turn < 2; turn++) (await cluster.connect(signal)).close()
      const used = asked.flatMap((each) => /refresh_token=([\w-]+)/g.exec(each)?.[1] ?? [])
      expect(used).toEqual(['known', 'known-next'])
      expect(masks).toContain('known-next')
    })

    test('has a refresh-token that is no longer known', async () => {
      const { issuer } = await provider()
      const failure = await failureOf(seen(user(issuer, { 'refresh-token': 'old' })))
      expect(failure).toMatchObject({
        code: 'cluster-credential-failed',
        message: expect.stringContaining('answered 400'),
      })
      expect(JSON.stringify(failure)).not.toContain('the secret')
    })
  })
})

test.each([
  ['10.0.0.1', '10.0.0.1', undefined],
  ['10.0.0.1', '10.0.0.2', 'api-server-untrusted'],
  ['::1', '10.0.0.1', 'api-server-untrusted'],
])('tls-server-name %s is compared with a certificate of %s, and not sent', async (name, of, code) => {
  const authority = createAuthority('a')
  const { certificate, key } = authority.issue([of])
  const sent: unknown[] = []
  const server = https.createServer(
    {
      cert: certificate,
      key,
      SNICallback: (servername, done) => {
        sent.push(servername)
        done(null)
      },
    },
    (_, response) => response.end('{}'),
  )
  new WebSocketServer({ server })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cluster = {
    'tls-server-name': name,
    'certificate-authority-data': Buffer.from(authority.pem).toString('base64'),
  }
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const api = await (await load({ input: kubeconfig({ server: address, cluster }) })).connect(signal)
  try {
    const target = { namespace: 'n', pod: 'p', port: 1, service: 's' }
    const opening = openTunnel(api, target, signal).then((tunnel) => {
      tunnel.destroy()
      return {}
    })
    const asked = [api.get('/x'), opening].map((each) => each.catch((error: unknown) => error))
    const answer = code === undefined ? {} : expect.objectContaining({ code })
    expect(await Promise.all(asked)).toEqual([answer, answer])
  } finally {
    api.close()
    server.closeAllConnections()
    server.close()
  }
  expect(sent).toEqual([])
})

test('a proxy carries requests and tunnels alike, over TLS with a private authority', async () => {
  const authority = createAuthority('authority')
  const { certificate: cert, key } = authority.issue(['api.example.com'])
  const tls = https.createServer({ cert, key }, (_, response) => response.end('{"ok":true}')).listen(0)
  await once(tls, 'listening')
  new WebSocketServer({ server: tls }).on('connection', (socket) => {
    socket.on('message', (message: Buffer) => {
      socket.send(Buffer.from([0, 0, 0]))
      socket.send(message)
    })
  })
  const asked: (string | undefined)[] = []
  const proxy = http.createServer().listen(0, '127.0.0.1')
  const sockets = new Set<Duplex>()
  proxy.on('connection', (socket) => sockets.add(socket))
  tls.on('connection', (socket: Duplex) => sockets.add(socket))
  await once(proxy, 'listening')
  proxy.on('connect', (request: http.IncomingMessage, socket: Duplex) => {
    asked.push(request.url, request.headers['proxy-authorization'])
    const upstream = connect((tls.address() as AddressInfo).port, 'localhost', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(upstream).pipe(socket)
    })
    for (const end of [socket, upstream]) end.on('error', () => undefined)
  })
  const authorization = `Basic ${Buffer.from('kim:p@ss').toString('base64')}`
  const address = `127.0.0.1:${(proxy.address() as AddressInfo).port}`
  process.env['https_proxy'] = `http://kim:p%40ss@${address}`
  const masks: string[] = []
  try {
    const cluster = { 'certificate-authority-data': Buffer.from(authority.pem).toString('base64') }
    const access = await load({ input: kubeconfig({ cluster }) }, {}, masks)
    const api = await access.connect(signal)
    expect(await api.get('/x')).toEqual({ ok: true })
    expect(await api.get('/x')).toEqual({ ok: true })
    expect(asked).toEqual(['api.example.com:6443', authorization])
    const tunnel = await openTunnel(api, { namespace: 'db', pod: 'p', port: 1, service: 's' }, signal)
    tunnel.write('through')
    expect(String((await once(tunnel, 'data'))[0])).toBe('through')
    tunnel.end()
    await once(tunnel, 'close')
    api.close()
    expect(masks).toContain('p@ss')

    proxy
      .removeAllListeners('connect')
      .on('connect', (_: http.IncomingMessage, socket: Duplex) => socket.end('HTTP/1.1 407 No\r\n\r\n'))
    const refused = await access.connect(signal)
    expect(await failureOf(refused.get('/x'))).toMatchObject({
      code: 'api-server-unreachable',
      message: `https://api.example.com:6443 through the proxy ${address} cannot be reached: the proxy answered 407.`,
    })
  } finally {
    delete process.env['https_proxy']
    for (const socket of sockets) socket.destroy()
    for (const one of [proxy, tls]) one.close()
  }
})
