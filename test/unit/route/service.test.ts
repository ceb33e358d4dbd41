import { afterEach, describe, expect, test } from '@jest/globals'
import type { PodObject } from '../../../src/kubernetes/objects.ts'
import { choosePod, choosePort, readService, resolvePod, type Service } from '../../../src/route/service.ts'
import { failureOf, json, serve, type TestServer } from '../kubernetes/server.ts'

const service: Service = {
  namespace: 'db',
  name: 'pg',
  selector: { app: 'pg' },
  headless: false,
  ports: [{ name: 'postgresql', port: 5432, target: 'pg' }],
}

describe('the port', () => {
  const port = (name: string, number: number): Service['ports'][number] => ({
    name,
    port: number,
    target: number,
  })
  test.each<[string, Service['ports'], number, number | string]>([
    ['the one PGPORT names', [port('a', 1), port('b', 5432)], 5432, 5432],
    ['the only one', [port('', 6432)], 5432, 6432],
    ['the one whose name says so', [port('metrics', 9187), port('postgres', 6432)], 5432, 6432],
    ['none', [], 5432, 'Service db/pg has no port 5432: it has no TCP port.'],
    [
      'none of several',
      [port('a', 1), port('', 2)],
      5432,
      'Service db/pg has no port 5432: it has 1 (a) and 2.',
    ],
  ])('%s', (_, ports, wanted, expected) => {
    const choose = (): number => choosePort({ ...service, ports }, wanted).port
    if (typeof expected === 'number') expect(choose()).toBe(expected)
    else expect(choose).toThrow(expected)
  })

  test('a headless Service needs none', () => {
    expect(choosePort({ ...service, headless: true, ports: [] }, 5432)).toMatchObject({
      port: 5432,
      target: 5432,
    })
  })
})

function pod(
  name: string,
  { labels = {}, age = 1, ready = 'True', phase = 'Running', deleted = false } = {},
): PodObject {
  return {
    metadata: {
      name,
      labels,
      creationTimestamp: `2026-01-0${age}T00:00:00Z`,
      ...(deleted && { deletionTimestamp: '2026-01-09T00:00:00Z' }),
    },
    spec: { containers: [{}, { ports: [{ name: 'pg', containerPort: 5433 }] }] },
    status: { phase, conditions: [{ type: 'Ready', status: ready }] },
  }
}

describe('the Pod', () => {
  test.each<[string, PodObject[], string]>([
    ['the oldest', [pod('young', { age: 3 }), pod('old', { age: 2 })], 'old'],
    ['a Ready one', [pod('old', { ready: 'False' }), pod('young', { age: 3 })], 'young'],
    ['one that stays', [pod('old', { deleted: true }), pod('young', { age: 3 })], 'young'],
    ['Spilo’s master', [pod('r'), pod('m', { age: 3, labels: { 'spilo-role': 'master' } })], 'm'],
    ['Patroni 4’s primary', [pod('r'), pod('m', { age: 3, labels: { 'spilo-role': 'primary' } })], 'm'],
    ['CloudNativePG’s', [pod('r'), pod('m', { age: 3, labels: { 'cnpg.io/instanceRole': 'primary' } })], 'm'],
    [
      'Crunchy’s',
      [pod('r'), pod('m', { age: 3, labels: { 'postgres-operator.crunchydata.com/role': 'master' } })],
      'm',
    ],
  ])('%s', (_, pods, name) => {
    expect(choosePod(service, pods).metadata?.name).toBe(name)
  })

  test('none: what was seen', () => {
    expect(() => choosePod(service, [])).toThrow('No Pod is behind svc/pg in db.')
    const crashing = {
      ...pod('c', { ready: 'False' }),
      status: {
        phase: 'Running',
        containerStatuses: [{ state: { waiting: { reason: 'CrashLoopBackOff' } } }],
      },
    }
    const many = [
      crashing,
      pod('d', { deleted: true }),
      ...['e', 'f', 'g', 'h'].map((name) => pod(name, { phase: 'Pending' })),
    ]
    expect(() => choosePod(service, many)).toThrow(
      'No Pod behind svc/pg in db is Ready, of 6 Pods: c runs and is not Ready (CrashLoopBackOff), d is being deleted, ' +
        'e is Pending, f is Pending, g is Pending, and 1 more.',
    )
  })
})

describe('against a server', () => {
  let server: TestServer
  afterEach(() => server.close())

  async function answers(paths: Record<string, unknown>): Promise<TestServer> {
    return (server = await serve((request, response) => {
      const path = decodeURIComponent(request.url ?? '')
      const body = paths[path]
      if (typeof body === 'number') json(response, body, { message: 'no' })
      else json(response, body === undefined ? 404 : 200, body ?? {})
    }))
  }

  test('a Service with a named target port', async () => {
    const api = await (
      await answers({
        '/api/v1/namespaces/db/services/pg': {
          spec: {
            selector: { app: 'pg', tier: 'db' },
            ports: [
              { port: 5432, targetPort: 'pg' },
              { port: 53, protocol: 'UDP' },
            ],
          },
        },
        '/api/v1/namespaces/db/pods?labelSelector=app=pg,tier=db': { items: [pod('pg-0')] },
      })
    ).api()
    expect(await resolvePod(api, await readService(api, 'db', 'pg'), 5432)).toEqual({
      pod: 'pg-0',
      port: 5433,
    })
  })

  test('a headless Service translates no port', async () => {
    const api = await (
      await answers({
        '/api/v1/namespaces/db/services/pg': {
          spec: { clusterIP: 'None', selector: { app: 'pg' }, ports: [{ port: 5432, targetPort: 'pg' }] },
        },
        '/api/v1/namespaces/db/pods?labelSelector=app=pg': { items: [pod('pg-0')] },
      })
    ).api()
    expect(await resolvePod(api, await readService(api, 'db', 'pg'), 5432)).toEqual({
      pod: 'pg-0',
      port: 5432,
    })
  })

  test('no Service, or a mere name', async () => {
    const api = await (
      await answers({
        '/api/v1/namespaces/db/services/alias': {
          spec: { type: 'ExternalName', externalName: 'db.example.com' },
        },
      })
    ).api()
    expect(await failureOf(readService(api, 'db', 'pg'))).toMatchObject({ code: 'service-not-found' })
    expect(await failureOf(readService(api, 'db', 'alias'))).toMatchObject({
      code: 'service-not-found',
      message: expect.stringContaining('db.example.com'),
    })
  })

  const bare: Service = {
    namespace: 'db',
    name: 'pg',
    headless: false,
    ports: [{ name: 'pg', port: 5432, target: 5432 }],
  }
  const target = { kind: 'Pod', namespace: 'db', name: 'pg-0' }
  const slices = (version: string): string =>
    `/apis/discovery.k8s.io/${version}/namespaces/db/endpointslices?labelSelector=kubernetes.io/service-name=pg`
  const discovery = (...versions: string[]): object => ({
    versions: versions.map((version) => ({ version })),
  })
  const slice = (targetRef: object | undefined, ready?: boolean): object => ({
    items: [{ endpoints: [{ targetRef, conditions: { ready } }], ports: [{ name: 'pg', port: 5433 }] }],
  })
  const endpoints = { subsets: [{ addresses: [{ targetRef: target }], ports: [{ name: 'pg', port: 5434 }] }] }
  const endpointsPath = '/api/v1/namespaces/db/endpoints/pg'

  test.each<[string, Record<string, unknown>, object]>([
    [
      'v1',
      { '/apis/discovery.k8s.io': discovery('v1beta1', 'v1'), [slices('v1')]: slice(target) },
      { pod: 'pg-0', port: 5433 },
    ],
    [
      'v1beta1',
      { '/apis/discovery.k8s.io': discovery('v1beta1'), [slices('v1beta1')]: slice(target) },
      { pod: 'pg-0', port: 5433 },
    ],
    ['Endpoints of an old server', { [endpointsPath]: endpoints }, { pod: 'pg-0', port: 5434 }],
    [
      'Endpoints, where slices are denied',
      { '/apis/discovery.k8s.io': discovery('v1'), [slices('v1')]: 403, [endpointsPath]: endpoints },
      { pod: 'pg-0', port: 5434 },
    ],
    [
      'Endpoints, where there are no slices',
      {
        '/apis/discovery.k8s.io': discovery('v1'),
        [slices('v1')]: { items: [] },
        [endpointsPath]: endpoints,
      },
      { pod: 'pg-0', port: 5434 },
    ],
    [
      'nothing',
      { '/apis/discovery.k8s.io': discovery('v1'), [slices('v1')]: { items: [] }, [endpointsPath]: 403 },
      { code: 'pod-not-ready' },
    ],
    [
      'both denied',
      { '/apis/discovery.k8s.io': discovery('v1'), [slices('v1')]: 403, [endpointsPath]: 403 },
      { code: 'permission-missing' },
    ],
    [
      'not ready',
      { '/apis/discovery.k8s.io': discovery('v1'), [slices('v1')]: slice(target, false) },
      { code: 'pod-not-ready', message: 'No ready address is behind svc/pg in db.' },
    ],
    [
      'an address outside',
      { '/apis/discovery.k8s.io': discovery('v1'), [slices('v1')]: slice(undefined) },
      { code: 'service-not-found', hint: expect.arrayContaining([expect.stringContaining('only a Pod')]) },
    ],
    [
      'a Pod of another namespace',
      { '/apis/discovery.k8s.io': discovery('v1'), [slices('v1')]: slice({ ...target, namespace: 'x' }) },
      { code: 'service-not-found' },
    ],
  ])('without a selector: %s', async (_, paths, expected) => {
    const api = await (await answers(paths)).api()
    expect(await resolvePod(api, bare, 5432).catch((error: unknown) => error)).toMatchObject(expected)
  })
})
