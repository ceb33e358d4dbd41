import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { createAuthority } from '../../../sandbox/certificate.ts'
import type { KubeconfigSources } from '../../../src/input/request.ts'
import { loadCluster, type ClusterAccess } from '../../../src/kubeconfig/kubeconfig.ts'
import { Failure } from '../../../src/lib/failure.ts'
import { failureOf } from '../kubernetes/server.ts'

const { signal } = new AbortController()
const authority = createAuthority('a cluster')
let podRoot: string
let folder: string
let server: Server
/** The token that the server takes, and what it was shown. */
let accepted = 'first-token'
const shown: (string | undefined)[] = []

beforeAll(async () => {
  const { certificate, key } = authority.issue(['127.0.0.1'])
  server = createServer({ cert: certificate, key }, ({ headers: { authorization } }, response) => {
    shown.push(authorization)
    const right = authorization === `Bearer ${accepted}`
    const body = right ? {} : { kind: 'Status', message: 'Unauthorized' }
    response.writeHead(right ? 200 : 401, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
})
afterAll(() => server[Symbol.asyncDispose]())

beforeEach(async () => {
  podRoot = await mkdtemp(join(tmpdir(), 'pod-'))
  folder = join(podRoot, 'var/run/secrets/kubernetes.io/serviceaccount')
  await mkdir(folder, { recursive: true })
  accepted = 'first-token'
  await put({ token: accepted, 'ca.crt': authority.pem, namespace: 'jobs\n' })
  process.env['KUBERNETES_SERVICE_HOST'] = '127.0.0.1'
  process.env['KUBERNETES_SERVICE_PORT'] = String((server.address() as AddressInfo).port)
})
afterEach(async () => {
  delete process.env['KUBERNETES_SERVICE_HOST']
  delete process.env['KUBERNETES_SERVICE_PORT']
  await rm(podRoot, { recursive: true })
})

async function put(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
}

const masks: string[] = []
function load(sources: Partial<KubeconfigSources>): Promise<ClusterAccess> {
  const kubeconfig = { absenceHint: ['the reason'], podRoot, ...sources }
  return Promise.resolve().then(() => loadCluster({ kubeconfig }, (credential) => masks.push(credential)))
}

describe('the identity of the Pod', () => {
  test.each<[string, Partial<KubeconfigSources>]>([
    ['where input kubeconfig says so', { input: ' in-cluster\n' }],
    ['where variable KUBECONFIG says so', { KUBECONFIG: 'in-cluster' }],
    ['where nothing at all is given, outside a CI', { orPod: true }],
  ])('%s', async (_, sources) => {
    const found = await load(sources)
    expect(found).toMatchObject({
      server: `https://127.0.0.1:${process.env['KUBERNETES_SERVICE_PORT'] ?? ''}`,
      namespace: 'jobs',
      identity: 'ServiceAccount of this Pod',
    })
    expect(masks).toContain('first-token')
    const api = await found.connect(signal)
    expect(await api.get('/version')).toEqual({})
    api.close()
  })

  test.each<[string, Partial<KubeconfigSources>]>([
    ['in a CI, where nothing is given', {}],
    ['in a CI, where a secret did not arrive', { input: '', KUBECONFIG: ' ', KUBECONFIG_CONTENTS_B64: '' }],
  ])('is not taken %s: an error that names the way out', async (_, sources) => {
    const failure = await failureOf(load(sources))
    expect(failure).toMatchObject({ code: 'kubeconfig-missing' })
    expect((failure as Failure).hint.at(-1)).toContain('kubeconfig: in-cluster')
    expect((failure as Failure).hint[0]).toBe('the reason')
  })

  test('a kubeconfig that is given comes first', async () => {
    const given = '{clusters: [], contexts: [], users: []}'
    expect(await failureOf(load({ KUBECONFIG: given, orPod: true }))).toMatchObject({
      code: 'kubeconfig-invalid',
    })
  })

  test('its token is read again when it was renewed', async () => {
    const api = await (await load({ input: 'in-cluster' })).connect(signal)
    await api.get('/version')
    accepted = 'second-token'
    await put({ token: `${accepted}\n` })
    shown.length = 0
    expect(await api.get('/version')).toEqual({})
    expect(shown).toEqual(['Bearer first-token', 'Bearer second-token'])
    expect(masks).toContain('second-token')
    api.close()
  })

  test('a token that is about to end is not sent once there is another', async () => {
    const ending = (seconds: number): string => {
      const claims = { exp: Math.floor(Date.now() / 1000) + seconds }
      return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.sig`
    }
    await put({ token: ending(5) })
    const api = await (await load({ input: 'in-cluster' })).connect(signal)
    accepted = ending(3600)
    await put({ token: accepted })
    shown.length = 0
    expect(await api.get('/version')).toEqual({})
    expect(shown).toEqual([`Bearer ${accepted}`])
    api.close()
  })

  test('one that is refused is no matter of a kubeconfig', async () => {
    accepted = 'another'
    const api = await (await load({ input: 'in-cluster' })).connect(signal)
    const failure = await failureOf(api.get('/version'))
    expect(failure).toMatchObject({ code: 'token-rejected', message: expect.stringContaining('this Pod') })
    expect((failure as Failure).hint.join('\n')).not.toContain('kubeconfig')
    api.close()
  })

  test('is missing where nothing is mounted, or this is no Pod', async () => {
    await rm(join(folder, 'token'))
    expect(await failureOf(load({ input: 'in-cluster' }))).toMatchObject({
      code: 'kubeconfig-missing',
      message: expect.stringContaining('there is no token'),
    })
    expect(await failureOf(load({ orPod: true }))).toMatchObject({ code: 'kubeconfig-missing' })
    delete process.env['KUBERNETES_SERVICE_HOST']
    expect(await failureOf(load({ input: 'in-cluster' }))).toMatchObject({
      code: 'kubeconfig-missing',
      message: expect.stringContaining('KUBERNETES_SERVICE_HOST'),
    })
  })
})
