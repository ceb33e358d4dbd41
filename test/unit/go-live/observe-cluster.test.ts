import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { observeCluster, type ClusterSight } from '../../../src/go-live/observe-cluster.ts'
import { daysOf } from '../../../src/providers/backup-run.ts'
import { json, serve, type TestServer } from '../kubernetes/server.ts'

const namespace = 'postgres-system'
const scope = { accessNamespace: namespace, accessSecret: 'pg' }

/** What the API server holds, by path; a number is the status of a refusal. */
type Objects = Readonly<Record<string, object | 403 | 500>>

let server: TestServer
let objects: Objects = {}

beforeAll(async () => {
  server = await serve(({ url = '' }, response) => {
    const found = objects[decodeURIComponent(url)]
    if (typeof found === 'number') json(response, found, { message: 'no' })
    else json(response, found === undefined ? 404 : 200, found ?? { message: 'not found' })
  })
})

afterAll(async () => {
  await server.close()
})

async function observe(held: Objects, selector?: Readonly<Record<string, string>>): Promise<ClusterSight> {
  objects = held
  return await observeCluster(await server.api(), scope, { pod: 'pg1-0', port: 5432, selector })
}

function answers(evidence: ClusterSight['evidence']['pods']): readonly string[] {
  return evidence.map(({ answer }) => answer)
}

function pod(
  name: string,
  labels: object,
  env: Readonly<Record<string, string>> = {},
  node?: string,
): object {
  return {
    metadata: { name, labels },
    spec: {
      ...(node !== undefined && { nodeName: node }),
      containers: [{ env: Object.entries(env).map(([key, value]) => ({ name: key, value })) }],
    },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  }
}

const core = `/api/v1/namespaces/${namespace}`
const batch = `/apis/batch/v1/namespaces/${namespace}`
const spilo = { application: 'spilo', 'cluster-name': 'pg1' }
const logical = 'application=spilo-logical-backup,cluster-name=pg1'

const zalandoPods = [
  pod('pg1-0', { ...spilo, 'spilo-role': 'master' }, { BACKUP_SCHEDULE: '0 1 * * *' }, 'node-1'),
  pod('pg1-1', { ...spilo, 'spilo-role': 'replica' }, { BACKUP_NUM_TO_RETAIN: '8' }, 'node-2'),
  pod('a-job', { ...spilo, 'job-name': 'a-job' }),
]

const zalando: Objects = {
  [`${core}/pods/pg1-0`]: zalandoPods[0] ?? {},
  [`${core}/pods?labelSelector=application=spilo,cluster-name=pg1`]: { items: zalandoPods },
  '/api/v1/nodes/node-1': { metadata: { labels: { 'topology.kubernetes.io/zone': 'a' } } },
  '/api/v1/nodes/node-2': 403,
  [`/apis/acid.zalan.do/v1/namespaces/${namespace}/postgresqls/pg1`]: {
    spec: { numberOfInstances: 2, enableLogicalBackup: true, logicalBackupSchedule: '30 00 * * *' },
    status: { PostgresClusterStatus: 'Running' },
  },
  '/apis/batch': { versions: [{ version: 'v1' }] },
  '/apis/batch/v1': { resources: [{ name: 'cronjobs' }, { name: 'jobs' }] },
  [`${batch}/cronjobs/logical-backup-pg1`]: {
    spec: {
      schedule: '30 00 * * *',
      suspend: true,
      jobTemplate: {
        spec: {
          template: {
            spec: { containers: [{ env: [{ name: 'LOGICAL_BACKUP_S3_RETENTION_TIME', value: '2 weeks' }] }] },
          },
        },
      },
    },
    status: { lastScheduleTime: '2026-11-20T00:30:00Z', lastSuccessfulTime: '2026-11-20T00:34:00Z' },
  },
  [`${core}/pods?labelSelector=${logical}`]: {
    items: [
      {
        metadata: { name: 'logical-1-x', labels: { 'job-name': 'logical-1' } },
        status: {
          startTime: '2026-11-20T00:30:01Z',
          containerStatuses: [{ state: { terminated: { exitCode: 0, finishedAt: '2026-11-20T00:33:00Z' } } }],
        },
      },
      {
        metadata: { name: 'evicted' },
        status: { phase: 'Failed', startTime: '2026-11-19T00:30:01Z' },
      },
    ],
  },
  [`${batch}/jobs?labelSelector=${logical}`]: {
    items: [
      { metadata: { name: 'logical-1' } },
      {
        metadata: { name: 'logical-0' },
        status: {
          startTime: '2026-11-18T00:30:00Z',
          conditions: [{ type: 'Failed', status: 'True', lastTransitionTime: '2026-11-18T00:40:00Z' }],
        },
      },
    ],
  },
}

describe('the policies of the namespace', () => {
  const path = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`

  test('are read with the Pod that they may be about', async () => {
    const { entrance, rights } = await observe({
      ...zalando,
      [path]: { items: [{ metadata: { name: 'p' } }] },
    })
    expect(entrance).toMatchObject({
      namespace,
      port: 5432,
      pod: { metadata: { name: 'pg1-0' } },
      policies: [{ metadata: { name: 'p' } }],
    })
    expect(rights).toContainEqual(
      expect.objectContaining({ verb: 'list', resource: 'networkpolicies', namespace }),
    )
  })

  test.each([403, 500] as const)('are not missed where they may not be read: %d', async (status) => {
    const { entrance, unread, evidence } = await observe({ ...zalando, [path]: status })
    expect(entrance).toBeUndefined()
    expect(JSON.stringify([unread, evidence])).not.toContain('networkpolicies')
  })

  test('are read of a database that no operator keeps', async () => {
    const plain = { [`${core}/pods/pg1-0`]: pod('pg1-0', { app: 'db' }), [path]: { items: [] } }
    expect((await observe(plain)).entrance?.policies).toEqual([])
  })
})

describe('the operator by Zalando', () => {
  test('shows its Pods, their schedule and its logical backups', async () => {
    const seen = await observe(zalando)
    expect(seen.pods).toEqual([
      { name: 'pg1-0', ready: true, role: 'primary', state: undefined, node: 'node-1' },
      { name: 'pg1-1', ready: true, role: 'standby', state: undefined, node: 'node-2' },
    ])
    expect([...seen.zones]).toEqual([['node-1', 'a']])
    expect(seen).toMatchObject({
      operator: { what: 'postgresqls.acid.zalan.do pg1', wantedInstances: 2, status: 'Running' },
      schedules: [
        { what: 'variable BACKUP_SCHEDULE of the Pods', cron: '0 1 * * *', zone: 'UTC' },
        {
          what: 'CronJob logical-backup-pg1',
          cron: '30 00 * * *',
          zone: 'UTC',
          off: 'it is suspended',
        },
        { what: 'custom resource pg1', cron: '30 00 * * *', zone: 'UTC' },
      ],
      logicalRetention: '2 weeks',
      physicalBackupsKept: 8,
      physicalSchedule: '0 1 * * *',
    })
    expect(seen.backups.map(({ what, succeeded }) => [what, succeeded])).toEqual([
      ['CronJob logical-backup-pg1', true],
      ['Pod logical-1-x', true],
      ['Pod evicted', false],
      ['Job logical-0', false],
    ])
    expect(seen.rights.map(({ resource, name }) => [resource, name])).toEqual([
      ['postgresqls', 'pg1'],
      ['cronjobs', 'logical-backup-pg1'],
      ['jobs', undefined],
      ['networkpolicies', undefined],
    ])
    expect(answers(seen.evidence.schedule)).toEqual([
      'BACKUP_SCHEDULE=0 1 * * *',
      'schedule 30 00 * * *, time zone not set, so UTC, suspended, last started 2026-11-20T00:30:00Z, last successful 2026-11-20T00:34:00Z',
      'logical backup on, schedule 30 00 * * *',
    ])
    expect(seen.unread.zones).toEqual([
      {
        right: expect.objectContaining({ resource: 'nodes', name: 'node-2', namespace: 'the whole cluster' }),
      },
    ])
  })

  test('shows the CronJob of an old API server', async () => {
    const { [`${batch}/cronjobs/logical-backup-pg1`]: cronJob = {}, ...rest } = zalando
    const seen = await observe({
      ...rest,
      '/apis/batch': { versions: [{ version: 'v1' }, { version: 'v1beta1' }] },
      '/apis/batch/v1': { resources: [{ name: 'jobs' }] },
      '/apis/batch/v1beta1': { resources: [{ name: 'cronjobs' }] },
      [`/apis/batch/v1beta1/namespaces/${namespace}/cronjobs/logical-backup-pg1`]: cronJob,
    })
    expect(seen.logicalRetention).toBe('2 weeks')
  })

  test('is known to be there and unread where the rights are missing', async () => {
    const seen = await observe({
      ...zalando,
      [`/apis/acid.zalan.do/v1/namespaces/${namespace}/postgresqls/pg1`]: 403,
      [`${batch}/cronjobs/logical-backup-pg1`]: 403,
      [`${batch}/jobs?labelSelector=${logical}`]: 500,
    })
    expect(seen.operator).toBeUndefined()
    expect(seen.unread.operator.map(({ right }) => right.resource)).toEqual(['postgresqls'])
    expect(seen.unread.schedule.map(({ right }) => right.resource)).toEqual(['cronjobs', 'postgresqls'])
    expect(seen.unread.backups.map(({ right, failed }) => [right.resource, failed === undefined])).toEqual([
      ['cronjobs', true],
      ['jobs', false],
    ])
  })
})

const cnpg = `/apis/postgresql.cnpg.io/v1/namespaces/${namespace}`
const cnpgPods = [
  pod('pg1-0', { 'cnpg.io/cluster': 'main', 'cnpg.io/instanceRole': 'primary', role: 'database' }),
  pod('pg1-rw', { 'cnpg.io/cluster': 'main', 'cnpg.io/poolerName': 'rw' }),
]

test('CloudNativePG shows its instances, schedules, backups and archiving', async () => {
  const seen = await observe({
    [`${core}/pods/pg1-0`]: cnpgPods[0] ?? {},
    [`${core}/pods?labelSelector=cnpg.io/cluster=main`]: { items: cnpgPods },
    [`${cnpg}/clusters/main`]: {
      spec: { instances: 3, backup: { barmanObjectStore: {}, retentionPolicy: '4w' } },
      status: {
        readyInstances: 2,
        phase: 'Cluster in healthy state',
        lastSuccessfulBackup: '2026-11-20T00:33:00Z',
        conditions: [
          { type: 'ContinuousArchiving', status: 'True' },
          { type: 'LastBackupSucceeded', status: 'False', reason: 'Gone', message: 'no space' },
        ],
      },
    },
    [`${cnpg}/scheduledbackups`]: {
      items: [
        {
          metadata: { name: 'nightly' },
          spec: { schedule: '0 0 1 * * *', suspend: true, cluster: { name: 'main' } },
        },
        { metadata: { name: 'other' }, spec: { schedule: '0 0 2 * * *', cluster: { name: 'other' } } },
      ],
    },
    [`${cnpg}/backups`]: {
      items: [
        {
          metadata: { name: 'b1', creationTimestamp: '2026-11-21T00:00:00Z' },
          spec: { cluster: { name: 'main' } },
          status: { phase: 'failed' },
        },
        { metadata: { name: 'b2' }, spec: { cluster: { name: 'other' } }, status: { phase: 'completed' } },
      ],
    },
  })
  expect(seen.pods?.map(({ name, role }) => [name, role])).toEqual([['pg1-0', 'primary']])
  expect(seen.operator).toEqual({
    what: 'clusters.postgresql.cnpg.io main',
    wantedInstances: 3,
    readyInstances: 2,
    status: 'Cluster in healthy state',
    retention: { days: 28, setting: 'retentionPolicy' },
    archives: true,
    backupFailure: { at: undefined, message: 'no space' },
  })
  expect(seen.schedules).toEqual([
    {
      what: 'ScheduledBackup nightly',
      cron: '0 0 1 * * *',
      zone: 'UTC',
      seconds: true,
      off: 'it is suspended',
    },
  ])
  expect(seen.backups).toEqual([
    { what: 'status of cluster main', finished: new Date('2026-11-20T00:33:00Z'), succeeded: true },
    { what: 'Backup b1', finished: new Date('2026-11-21T00:00:00Z'), succeeded: false },
  ])
  expect(answers(seen.evidence.operator)).toEqual([
    'instances 3, ready 2, retentionPolicy 4w, ContinuousArchiving True',
  ])
})

test.each([
  ['30d', [{ days: 30, setting: 'retentionPolicy of the ObjectStore' }, []]],
  [403, [undefined, ['objectstores']]],
  [404, [undefined, []]],
] as const)('CloudNativePG with the plugin keeps backups as its ObjectStore says: %s', async (kept, told) => {
  const seen = await observe({
    [`${core}/pods/pg1-0`]: cnpgPods[0] ?? {},
    [`${core}/pods?labelSelector=cnpg.io/cluster=main`]: { items: cnpgPods },
    [`${cnpg}/clusters/main`]: {
      spec: {
        // Left over from before the plugin.
        backup: { barmanObjectStore: {}, retentionPolicy: '60d' },
        plugins: [
          { name: 'another.example.com', parameters: { barmanObjectName: 'no' } },
          { name: 'barman-cloud.cloudnative-pg.io', parameters: { barmanObjectName: 'store' } },
        ],
      },
    },
    ...(kept !== 404 && {
      [`/apis/barmancloud.cnpg.io/v1/namespaces/${namespace}/objectstores/store`]:
        kept === 403 ? kept : { spec: { retentionPolicy: kept } },
    }),
  })
  expect([seen.operator?.retention, seen.unread.operator.map(({ right }) => right.resource)]).toEqual(told)
})

test('CloudNativePG keeps no snapshots by its retentionPolicy', async () => {
  const seen = await observe({
    [`${core}/pods/pg1-0`]: cnpgPods[0] ?? {},
    [`${core}/pods?labelSelector=cnpg.io/cluster=main`]: { items: cnpgPods },
    [`${cnpg}/clusters/main`]: { spec: { backup: { volumeSnapshot: {}, retentionPolicy: '60d' } } },
  })
  expect(seen.operator).not.toHaveProperty('retention')
})

test.each([
  ['30d', 30],
  ['4w', 28],
  ['2m', 60],
  ['30 days', 30],
  ['1 week', 7],
  ['3 months', 90],
  ['90 minutes', undefined],
  ['90 mins', undefined],
  ['1 decade', undefined],
  ['30', undefined],
])('%s are so many days: %s', (text, days) => {
  expect(daysOf(text)).toBe(days)
})

test('Crunchy shows all of it in one resource', async () => {
  const group = 'postgres-operator.crunchydata.com'
  const labels = { [`${group}/cluster`]: 'main', [`${group}/instance`]: 'a', [`${group}/role`]: 'replica' }
  const seen = await observe({
    [`${core}/pods/pg1-0`]: pod('pg1-0', labels),
    [`${core}/pods?labelSelector=${group}/cluster=main`]: {
      items: [pod('pg1-0', labels), pod('repo', { [`${group}/cluster`]: 'main' })],
    },
    [`/apis/${group}/v1beta1/namespaces/${namespace}/postgresclusters/main`]: {
      spec: {
        instances: [{ replicas: 2 }, {}],
        backups: {
          pgbackrest: {
            repos: [
              { name: 'repo1', schedules: { full: '0 1 * * *' } },
              { name: 'repo2' },
              { name: 'repo3' },
            ],
            global: {
              'repo1-retention-full': '14',
              'repo1-retention-full-type': 'time',
              'repo2-retention-full': '90',
              'repo3-retention-full': '90',
              'repo3-retention-full-type': 'time',
            },
          },
        },
      },
      status: {
        instances: [{ readyReplicas: 2 }],
        pgbackrest: {
          scheduledBackups: [
            { cronJobName: 'full', type: 'full', startTime: '2026-11-20T01:00:00Z', failed: 1 },
            { cronJobName: 'incr', type: 'incr' },
          ],
        },
      },
    },
  })
  expect(seen.pods?.map(({ name, role }) => [name, role])).toEqual([['pg1-0', 'standby']])
  expect(seen.operator).toEqual({
    what: `postgresclusters.${group} main`,
    wantedInstances: 3,
    readyInstances: 2,
    status: 'no status',
    retention: { days: 14, setting: 'repo1-retention-full' },
  })
  expect(seen.schedules).toEqual([{ what: 'full backup to repo1', cron: '0 1 * * *', zone: 'UTC' }])
  const started = new Date('2026-11-20T01:00:00Z')
  expect(seen.backups).toEqual([{ what: 'CronJob full', started, finished: started, succeeded: false }])
  expect(answers(seen.evidence.operator)).toEqual(['instances 3, ready 2, repo1-retention-full 14'])
})

describe('a database without an operator', () => {
  const labels = { app: 'db' }
  const held = {
    [`${core}/pods/pg1-0`]: pod('pg1-0', labels),
    [`${core}/pods?labelSelector=app=db`]: {
      items: [pod('pg1-0', { ...labels, role: 'master' }, { BACKUP_SCHEDULE: '0 2 * * *' })],
    },
  }

  test('shows its Pods by the selector of the Service, and what Spilo is told', async () => {
    const seen = await observe(held, { ...labels, role: 'master' })
    expect(seen.pods?.map(({ name, role }) => [name, role])).toEqual([['pg1-0', 'primary']])
    expect(seen).toMatchObject({
      operator: undefined,
      kept: false,
      physicalSchedule: '0 2 * * *',
      rights: [],
    })
  })

  test('shows nothing without a selector', async () => {
    const seen = await observe(held)
    expect(seen).toMatchObject({ pods: undefined, schedules: [], backups: [] })
  })
})

describe('a run that goes to PostgreSQL itself', () => {
  const path = `${core}/services/pg-access`
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io/service-name=pg-access`
  const pods = `${core}/pods?labelSelector=app=pg`

  test.each<[string, Objects, Readonly<Record<string, string>> | undefined, string]>([
    ['the Service', { [path]: 403 }, undefined, 'get services pg-access pg-app-user-pg-direct-go-live'],
    [
      'the Pods behind it',
      { [path]: { spec: {} }, [pods]: 403 },
      { app: 'pg' },
      'list pods  pg-app-user-pg-direct-go-live',
    ],
    [
      'what names them, where it has no selector',
      { [path]: { spec: {} }, [slices]: 403 },
      undefined,
      'list endpointslices  pg-app-user-pg-endpoints',
    ],
  ])('says which right it lacks to read %s', async (_, held, selector, lacking) => {
    objects = held
    const where = { pod: undefined, port: undefined, selector, service: 'pg-access' }
    const { unread, rights } = await observeCluster(await server.api(), { ...scope, via: 'direct' }, where)
    for (const topic of ['pods', 'operator', 'schedule', 'backups'] as const) {
      const words = unread[topic].map(
        ({ right: { verb, resource, name = '', role = '' } }) => `${verb} ${resource} ${name} ${role}`,
      )
      expect(new Set(words)).toEqual(new Set([lacking]))
    }
    expect(rights.map(({ verb, resource }) => `${verb} ${resource}`)).toEqual(
      expect.arrayContaining(['get services', 'get pods', 'list pods']),
    )
  })

  test('asks for nothing more where the Pods are known, or nothing names the Service', async () => {
    objects = {}
    for (const service of ['pg-access', undefined]) {
      const where = { pod: service && 'pg1-0', port: 5432, selector: undefined, service }
      const { unread } = await observeCluster(await server.api(), { ...scope, via: 'direct' }, where)
      expect(Object.values(unread).flat()).toEqual([])
    }
  })
})
