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

  test.each<[string, Partial<Service['ports'][number]>[], number]>([
    ['its name with a mesh’s prefix', [{ name: 'http-metrics' }, { name: 'tcp-postgresql' }], 1],
    ['and another one', [{ name: 'tcp-pg' }, { name: 'tcp-metrics' }], 0],
    [
      'its appProtocol',
      [
        { name: 'a', protocol: 'http' },
        { name: 'b', protocol: 'postgresql' },
      ],
      1,
    ],
    ['one of a domain', [{ name: 'a', protocol: 'example.com/postgres' }, { name: 'b' }], 0],
    ['rather than a name', [{ name: 'pg-metrics', protocol: 'http' }, { protocol: 'postgresql' }], 1],
  ])('says so by %s', (_, ports, index) => {
    const all = ports.map((one, at) => ({ name: '', port: at + 1, target: at + 1, ...one }))
    expect(choosePort({ ...service, ports: all }, 5432)).toBe(all[index])
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
        containerStatuses: [{ name: 'postgres', state: { waiting: { reason: 'CrashLoopBackOff' } } }],
      },
    }
    const many = [
      crashing,
      pod('d', { deleted: true }),
      ...['e', 'f', 'g', 'h'].map((name) => pod(name, { phase: 'Pending' })),
    ]
    expect(() => choosePod(service, many)).toThrow(
      'No Pod behind svc/pg in db is Ready, of 6 Pods: c runs and is not Ready (container postgres waits: CrashLoopBackOff), d is being deleted, ' +
        'e is Pending, f is Pending, g is Pending, and 1 more.',
    )
  })
})

/** What a cluster says of a Pod that is not Ready, as kubelet and scheduler word it. */
describe('why a Pod is not Ready', () => {
  type Status = NonNullable<PodObject['status']>
  const unready = { type: 'Ready', status: 'False', reason: 'ContainersNotReady' }
  const waiting = (reason: string, message?: string): object => ({
    state: { waiting: { reason, ...(message !== undefined && { message }) } },
  })
  const init = [{ name: 'init-chown' }, { name: 'restore' }]
  const sidecar = { name: 'proxy', restartPolicy: 'Always' }

  test.each<[string, Pick<PodObject, 'spec'> & { status: Status }, string]>([
    [
      'no Node takes it',
      {
        status: {
          phase: 'Pending',
          conditions: [
            {
              type: 'PodScheduled',
              status: 'False',
              reason: 'Unschedulable',
              message: '0/3 nodes are available: 3 Insufficient memory.\n::error::forged',
            },
          ],
        },
      },
      'is Pending (Unschedulable: "0/3 nodes are available: 3 Insufficient memory. ::error::forged")',
    ],
    [
      'a gate keeps it from being scheduled',
      {
        status: {
          phase: 'Pending',
          conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
        },
      },
      'is Pending (SchedulingGated)',
    ],
    [
      'its second init container crashes',
      {
        spec: { initContainers: init },
        status: {
          phase: 'Pending',
          conditions: [unready],
          initContainerStatuses: [
            { name: 'init-chown', ready: true, state: { terminated: { exitCode: 0, reason: 'Completed' } } },
            {
              name: 'restore',
              ready: false,
              restartCount: 5,
              state: {
                waiting: {
                  reason: 'CrashLoopBackOff',
                  message: 'back-off 2m40s restarting failed container',
                },
              },
              lastState: { terminated: { exitCode: 3, reason: 'Error' } },
            },
          ],
          containerStatuses: [{ name: 'postgres', ready: false, ...waiting('PodInitializing') }],
        },
      },
      'is Pending (init container restore waits: CrashLoopBackOff: "back-off 2m40s restarting failed container", ended 5 times, last with exit code 3)',
    ],
    [
      'an init container is running',
      {
        spec: { initContainers: init },
        status: {
          phase: 'Pending',
          initContainerStatuses: [{ name: 'init-chown', ready: false, state: { running: {} } }],
        },
      },
      'is Pending (init container init-chown is running)',
    ],
    [
      'the image of the container that matters is missing, and another one runs',
      {
        status: {
          phase: 'Pending',
          conditions: [unready],
          containerStatuses: [
            { name: 'exporter', ready: true, state: { running: {} } },
            {
              name: 'postgres',
              ready: false,
              ...waiting('ImagePullBackOff', 'Back-off pulling image "pg:99"'),
            },
          ],
        },
      },
      'is Pending (container postgres waits: ImagePullBackOff: "Back-off pulling image "pg:99"")',
    ],
    [
      'one container cannot be made, and the others wait for nothing',
      {
        status: {
          phase: 'Pending',
          containerStatuses: [
            { name: 'exporter', ready: false, ...waiting('ContainerCreating') },
            {
              name: 'postgres',
              ready: false,
              ...waiting('CreateContainerConfigError', 'secret "gone" not found'),
            },
          ],
        },
      },
      'is Pending (container postgres waits: CreateContainerConfigError: "secret "gone" not found")',
    ],
    [
      'nothing but a start',
      {
        status: {
          phase: 'Pending',
          containerStatuses: [{ name: 'postgres', ready: false, ...waiting('ContainerCreating') }],
        },
      },
      'is Pending (container postgres waits: ContainerCreating)',
    ],
    [
      'it was killed for its memory',
      {
        status: {
          phase: 'Running',
          containerStatuses: [
            {
              name: 'postgres',
              ready: false,
              restartCount: 1,
              ...waiting('CrashLoopBackOff'),
              lastState: { terminated: { exitCode: 137, reason: 'OOMKilled' } },
            },
          ],
        },
      },
      'runs and is not Ready (container postgres waits: CrashLoopBackOff, ended before, last with exit code 137 (OOMKilled))',
    ],
    [
      'its probe fails, beside a sidecar that has started',
      {
        spec: { initContainers: [sidecar], containers: [{ name: 'postgres' }] },
        status: {
          phase: 'Running',
          initContainerStatuses: [{ name: 'proxy', ready: true, started: true, state: { running: {} } }],
          containerStatuses: [{ name: 'postgres', ready: false, started: true, state: { running: {} } }],
        },
      },
      'runs and is not Ready (container postgres is running, its readiness probe does not succeed)',
    ],
    [
      'its sidecar does not start',
      {
        spec: { initContainers: [sidecar] },
        status: {
          phase: 'Pending',
          initContainerStatuses: [
            { name: 'proxy', ready: false, started: false, ...waiting('ErrImagePull') },
          ],
          containerStatuses: [{ name: 'postgres', ready: false, ...waiting('PodInitializing') }],
        },
      },
      'is Pending (init container proxy waits: ErrImagePull)',
    ],
    [
      'a readiness gate is closed',
      {
        spec: {
          readinessGates: [{ conditionType: 'example.com/open' }, { conditionType: 'example.com/gate' }],
        },
        status: {
          phase: 'Running',
          conditions: [
            { type: 'ContainersReady', status: 'True' },
            { type: 'example.com/open', status: 'True' },
            { type: 'Ready', status: 'False', reason: 'ReadinessGatesNotReady' },
          ],
          containerStatuses: [{ name: 'postgres', ready: true, state: { running: {} } }],
        },
      },
      'runs and is not Ready (its readiness gate example.com/gate is closed)',
    ],
    [
      'it was evicted',
      { status: { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' } },
      'is Failed (Evicted: "The node was low on resource: memory.")',
    ],
    ['nobody says', { status: { phase: 'Running', conditions: [unready] } }, 'runs and is not Ready'],
  ])('%s', (_, state, says) => {
    const unreadyPod = { metadata: { name: 'p' }, ...state }
    expect(() => choosePod(service, [unreadyPod])).toThrow(
      `No Pod behind svc/pg in db is Ready, of 1 Pod: p ${says}.`,
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

  test.each([
    [
      'a sidecar',
      [{ name: 'a', restartPolicy: 'Always', ports: [{ name: 'pg', containerPort: 6432 }] }],
      6432,
    ],
    [
      'an init container, which is over by then',
      [{ name: 'a', ports: [{ name: 'pg', containerPort: 6432 }] }],
      0,
    ],
  ])('a named target port in %s', async (_, initContainers, port) => {
    const withSidecar = { ...pod('pg-0'), spec: { initContainers, containers: [{}] } }
    const api = await (
      await answers({
        '/api/v1/namespaces/db/services/1pg': {
          spec: { selector: { app: 'pg' }, ports: [{ port: 5432, targetPort: 'pg' }] },
        },
        '/api/v1/namespaces/db/pods?labelSelector=app=pg': { items: [withSidecar] },
      })
    ).api()
    const found = resolvePod(api, await readService(api, 'db', '1pg'), 5432)
    if (port > 0) expect(await found).toEqual({ pod: 'pg-0', port })
    else expect(await failureOf(found)).toMatchObject({ code: 'service-port-unknown' })
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
