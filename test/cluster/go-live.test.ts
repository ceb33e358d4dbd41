import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '../contract/admin.ts'
import { until } from '../contract/admin.ts'
import {
  cnpgBackup,
  cnpgCluster,
  cnpgSchedule,
  crunchy,
  define,
  putResource,
  undefine,
  zalando,
} from './operators.ts'
import {
  accessRole,
  accessService,
  cluster,
  Scene,
  secretName,
  serviceAccount,
  type Inputs,
} from './scene.ts'
import { mainFlavor, podPhase, pullPolicy, readyPod } from './spilo.ts'

/** A finding as go-live.json has it. */
interface Seen {
  readonly id: string
  readonly verdict: string
  readonly seen: string
  readonly remedy: string
  readonly warnings: readonly string[]
}

interface Judged {
  readonly verdict: string
  readonly code: number | null
  readonly summary: string
  readonly log: string
  readonly of: (id: string) => Seen
}

const name = 'shop'
const dayMs = 24 * 3600 * 1000

let scene: Scene
let folder: string
let file: string
let definitions: readonly string[]

/** A window of three hours around now, since no test can wait for the night. */
function window(hours = 0): string {
  const at = (offset: number): string =>
    new Date(Date.now() + (offset + hours) * 3_600_000).toISOString().slice(11, 16)
  return `${at(-1)}-${at(2)} UTC`
}

async function judge(profile: 'standard' | 'premium', inputs: Inputs = {}): Promise<Judged> {
  const run = await scene.run(name, {
    provision: 'false',
    'go-live': 'enforce',
    'go-live-profile': profile,
    'go-live-file': file,
    ...inputs,
  })
  const report = run.reports['go-live.json']
  if (report === undefined) throw new Error(run.log)
  const { requirements } = JSON.parse(report) as { requirements: Seen[] }
  return {
    verdict: run.outputs['go-live-verdict'] ?? '',
    code: run.code,
    summary: run.summary,
    log: run.log,
    of: (id) => {
      const found = requirements.find((requirement) => requirement.id === id)
      if (found === undefined) throw new Error(`${id} was not judged`)
      return found
    },
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'go-live-'))
  file = join(folder, 'go-live.yaml')
  await writeFile(file, `backup-window: ${window()}\n`)
  scene = await Scene.open()
  definitions = await define(scene.admin, [zalando, cnpgCluster, cnpgSchedule, cnpgBackup, crunchy])
  await scene.pass(name)
}, 180_000)

afterAll(async () => {
  await undefine(scene.admin, definitions)
  await scene.close()
  await rm(folder, { recursive: true })
}, 60_000)

test('with the rights of provisioning alone, what may not be read is unknown and names its right', async () => {
  const held = await judge('standard')
  print('standard, rights of provisioning alone', held)
  const { code, verdict, of } = held
  expect([code, verdict]).toEqual([1, 'held-back'])
  expect(of('instances')).toMatchObject({ verdict: 'not met', seen: expect.stringContaining('1 ready') })
  expect(of('streaming').verdict).toBe('not met')
  expect(of('backup-schedule')).toMatchObject({
    verdict: 'unknown',
    remedy: expect.stringContaining(`get cronjobs logical-backup-${cluster} (batch) in ${scene.database}`),
  })
  expect(of('last-backup').verdict).toBe('unknown')
  expect(of('app-replicas')).toMatchObject({
    verdict: 'unknown',
    remedy: expect.stringContaining('list daemonsets, deployments and statefulsets (apps)'),
  })
  for (const id of ['primary', 'app-user', 'role-attributes', 'public-connect', 'tls', 'supported-version']) {
    expect([id, of(id).verdict]).toEqual([id, 'met'])
  }
})

test('the Roles that it prints make all of it readable', async () => {
  const { summary } = await judge('standard')
  const yaml = /```yaml\n(# Adds to [^]*?)```/.exec(summary)?.[1] ?? ''
  const roles = parseAllDocuments(yaml).map((document) => document.toJS() as KubeObject)
  expect(roles).toHaveLength(4)
  for (const role of roles) await scene.admin.apply(role)
  await until(
    'the API server acts on them',
    async () => !(await judge('standard')).of('backup-schedule').seen.includes('no permission to read'),
  )
  const { of } = await judge('standard')
  expect(of('backup-schedule')).toMatchObject({ verdict: 'unknown', seen: 'no schedule is in sight' })
  expect(of('last-backup')).toMatchObject({ verdict: 'unknown', seen: 'no finished backup can be seen' })
  expect(of('app-replicas').verdict).toBe('not applicable')
})

test('a CronJob in the version that is served, outside the window and inside it', async () => {
  const hour = new Date().getUTCHours()
  const cronJob = `logical-backup-${cluster}`
  const pod = {
    restartPolicy: 'Never',
    containers: [
      {
        name: 'b',
        image: mainFlavor.image,
        imagePullPolicy: pullPolicy,
        command: ['true'],
      },
    ],
  }
  const kept = (value: string): object => {
    const env = [{ name: 'LOGICAL_BACKUP_S3_RETENTION_TIME', value }]
    const containers = pod.containers.map((container) => ({ ...container, env }))
    return { spec: { template: { spec: { ...pod, containers } } } }
  }
  expect((await judge('standard')).of('retention').verdict).toBe('unknown')
  await scene.admin.create({
    kind: 'CronJob',
    metadata: { name: cronJob, namespace: scene.database },
    spec: { schedule: `0 ${(hour + 12) % 24} * * *`, jobTemplate: kept('2 weeks') },
  })
  const wrong = await judge('standard')
  expect(wrong.of('backup-schedule')).toMatchObject({
    verdict: 'not met',
    seen: expect.stringContaining('366 of 366 windows'),
  })
  expect(wrong.of('retention')).toMatchObject({
    verdict: 'not met',
    seen: expect.stringContaining('14 days'),
  })
  const schedule = { spec: { schedule: `30 ${hour} * * *`, jobTemplate: kept('30 days') } }
  await scene.admin.patch('CronJob', scene.database, cronJob, schedule)
  const { of } = await judge('standard')
  expect(of('backup-schedule')).toMatchObject({
    verdict: 'met',
    seen: expect.stringContaining(`CronJob ${cronJob}`),
  })
  expect(of('retention')).toMatchObject({
    verdict: 'met',
    seen: '30 days, says LOGICAL_BACKUP_S3_RETENTION_TIME',
  })
})

test('a Job that failed, and one that succeeded, whose Pods are gone', async () => {
  const labels = { application: 'spilo-logical-backup', 'cluster-name': cluster }
  const path = `/apis/batch/v1/namespaces/${scene.database}/jobs`
  /** As a CronJob makes it: the labels are on the template, and the API server puts them on the Job. */
  const run = async (job: string, command: string, ends: string): Promise<void> => {
    const container = { name: 'b', image: mainFlavor.image, imagePullPolicy: pullPolicy, command: [command] }
    const template = { metadata: { labels }, spec: { restartPolicy: 'Never', containers: [container] } }
    const spec = { backoffLimit: 0, template }
    const object = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: job }, spec }
    expect((await scene.admin.call('POST', path, object)).status).toBe(201)
    await until(`Job ${job} is ${ends}`, async () => {
      const { body } = await scene.admin.call('GET', `${path}/${job}`)
      const { conditions = [] } = (body as { status: { conditions?: { type: string }[] } }).status
      return conditions.some(({ type }) => type === ends)
    })
    const pods = `/api/v1/namespaces/${scene.database}/pods?labelSelector=job-name%3D${job}`
    const { items } = (await scene.admin.call('GET', pods)).body as { items: KubeObject[] }
    for (const { metadata } of items) await scene.admin.remove('Pod', scene.database, metadata.name)
  }
  await run('logical-backup-a', 'false', 'Failed')
  expect((await judge('standard')).of('last-backup')).toMatchObject({
    verdict: 'not met',
    seen: expect.stringContaining('no backup has succeeded; the last: Job logical-backup-a'),
  })
  await run('logical-backup-b', 'true', 'Complete')
  expect((await judge('standard')).of('last-backup')).toMatchObject({
    verdict: 'met',
    seen: expect.stringContaining('Job logical-backup-b, started'),
  })
  for (const job of ['logical-backup-a', 'logical-backup-b']) {
    await scene.admin.call('DELETE', `${path}/${job}`, { propagationPolicy: 'Background' })
  }
  await until('both Jobs are gone', async () => {
    const { items } = (await scene.admin.call('GET', path)).body as { items: KubeObject[] }
    return items.every(({ metadata }) => !/^logical-backup-[ab]$/.test(metadata.name))
  })
})

test('how far recovery reaches back, by the variables of the Pods', async () => {
  const hour = new Date().getUTCHours()
  const withVariables = async (kept: string, schedule: string): Promise<Seen> => {
    const env = Object.entries({ BACKUP_NUM_TO_RETAIN: kept, BACKUP_SCHEDULE: schedule })
    const container = { name: 'postgres', image: mainFlavor.image, imagePullPolicy: pullPolicy }
    await scene.admin.create({
      kind: 'Pod',
      metadata: {
        name: 'postgresql1-9',
        namespace: scene.database,
        labels: { application: 'spilo', 'cluster-name': cluster, 'spilo-role': 'replica' },
      },
      spec: {
        // It is looked at, and never runs.
        nodeSelector: { nowhere: 'at-all' },
        containers: [{ ...container, env: env.map(([name, value]) => ({ name, value })) }],
      },
    })
    const seen = (await judge('standard')).of('pitr')
    await scene.admin.remove('Pod', scene.database, 'postgresql1-9')
    return seen
  }
  expect((await judge('standard')).of('pitr')).toMatchObject({
    verdict: 'unknown',
    seen: 'nothing visible shows how far recovery reaches back',
  })
  expect(await withVariables('8', `30 ${hour} * * *`)).toMatchObject({ verdict: 'met' })
  expect(await withVariables('5', `30 ${hour} * * *`)).toMatchObject({
    verdict: 'not met',
    seen: expect.stringContaining('keeps 5 backups'),
  })
  expect(await withVariables('8', '30 */6 * * *')).toMatchObject({
    verdict: 'unknown',
    seen: expect.stringContaining('takes up to 28 in 7 days'),
  })
})

test('a backup Pod that failed, and one that succeeded', async () => {
  const labels = { application: 'spilo-logical-backup', 'cluster-name': cluster }
  const backup = (pod: string, command: string): KubeObject => ({
    kind: 'Pod',
    metadata: { name: pod, namespace: scene.database, labels },
    spec: {
      restartPolicy: 'Never',
      containers: [{ name: 'b', image: mainFlavor.image, imagePullPolicy: pullPolicy, command: [command] }],
    },
  })
  await scene.admin.create(backup('logical-backup-1', 'false'))
  await podPhase(scene.admin, scene.database, 'logical-backup-1', 'Failed')
  expect((await judge('standard')).of('last-backup')).toMatchObject({
    verdict: 'not met',
    seen: expect.stringContaining('no backup has succeeded'),
  })
  await scene.admin.create(backup('logical-backup-2', 'true'))
  await podPhase(scene.admin, scene.database, 'logical-backup-2', 'Succeeded')
  expect((await judge('standard')).of('last-backup')).toMatchObject({
    verdict: 'met',
    seen: expect.stringContaining('Pod logical-backup-2, started'),
  })
  // The same Pods, judged by a window that was twelve hours ago.
  const elsewhere = join(folder, 'elsewhere.yaml')
  await writeFile(elsewhere, `backup-window: ${window(12)}\n`)
  expect((await judge('standard', { 'go-live-file': elsewhere })).of('last-backup')).toMatchObject({
    verdict: 'not met',
    seen: expect.stringContaining('outside the window'),
  })
})

test("the operator's custom resource is compared with what runs", async () => {
  await putResource(scene.admin, zalando, scene.database, cluster, {
    spec: { numberOfInstances: 1, enableLogicalBackup: true, logicalBackupSchedule: '30 00 * * *' },
    status: { PostgresClusterStatus: 'Running' },
  })
  const { of } = await judge('standard')
  expect(of('instances').warnings).toContain(`postgresqls.acid.zalan.do ${cluster} asks for 1 only`)
})

test('an application that uses the Secret', async () => {
  const labels = { app: name }
  const path = `/apis/apps/v1/namespaces/${scene.namespace}/deployments`
  const container = {
    name: 'app',
    image: mainFlavor.image,
    imagePullPolicy: pullPolicy,
    command: ['sleep', '3600'],
    envFrom: [{ secretRef: { name: secretName(name) } }],
  }
  const put = await scene.admin.call('POST', path, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: scene.namespace },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers: [container] } },
    },
  })
  expect(put.status).toBe(201)
  const alone = await judge('standard')
  expect(alone.of('app-replicas').verdict).toBe('not met')
  expect(alone.of('app-resources')).toMatchObject({
    verdict: 'not met',
    seen: expect.stringContaining('app has no cpu request'),
  })
  const resources = { requests: { cpu: '1m', memory: '8Mi' }, limits: { memory: '64Mi' } }
  const better = { spec: { replicas: 2, template: { spec: { containers: [{ ...container, resources }] } } } }
  await scene.admin.call('PATCH', `${path}/${name}`, better, 'application/merge-patch+json')
  await until(
    'both replicas are ready',
    async () => (await judge('standard')).of('app-replicas').verdict === 'met',
  )
  const label = { 'elastisys.io/postgresql1-access': 'allow' }
  const from = [{ namespaceSelector: {}, podSelector: { matchLabels: label } }]
  const policies = `/apis/networking.k8s.io/v1/namespaces/${scene.database}/networkpolicies`
  const policy = await scene.admin.call('POST', policies, {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'access' },
    spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from }] },
  })
  expect(policy.status).toBe(201)
  const { of, log } = await judge('standard')
  await scene.admin.call('DELETE', `${policies}/access`)
  expect(log).toContain(
    `NetworkPolicy ${scene.database}/access lets in only Pods with the label "elastisys.io/postgresql1-access: allow", and Deployment shop does not have it`,
  )
  expect(of('app-resources').verdict).toBe('met')
  expect(of('app-restarted').verdict).toBe('met')
  // There is one Node.
  expect(of('app-spread')).toMatchObject({ verdict: 'not met', seen: 'Deployment shop: 1 Node' })
})

test('a new password makes the Pods too old', async () => {
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  await scene.admin.patch('Secret', scene.namespace, secretName(name), { data: { PGPASSWORD: null } })
  const run = await scene.run(name, {
    'go-live': 'warn',
    'go-live-profile': 'standard',
    'go-live-file': file,
  })
  expect(run.code).toBe(0)
  expect(run.summary).toMatch(/app-restarted`\][^|]*\| [^|]* \| this very run wrote the Secret/)
  expect((await judge('standard')).of('app-restarted').verdict).toBe('not met')
  for (const pod of await podNames()) await scene.admin.remove('Pod', scene.namespace, pod)
  await until(
    'the new Pods are ready',
    async () => (await judge('standard')).of('app-replicas').verdict === 'met',
  )
  expect((await judge('standard')).of('app-restarted').verdict).toBe('met')
})

test('is met on the standard plan with a standby, and on the premium plan with two', async () => {
  const until = new Date(Date.now() + 60 * dayMs).toISOString().slice(0, 10)
  const attested = [
    'pitr',
    'off-site',
    'load-test',
    'load-test-update',
    'load-test-reboot',
    'load-test-zone',
    'recovery-test',
    'redeployment-test',
  ]
  await writeFile(
    file,
    [
      `backup-window: ${window()}`,
      'min-nodes: 1',
      'attestations:',
      ...attested.flatMap((requirement) => [
        `  - requirement: ${requirement}`,
        '    statement: ticket 4711',
        '    by: Kim Berg',
        `    valid-until: ${until}`,
      ]),
      'waivers:',
      ...['app-spread', 'autovacuum', 'certificate', 'checksums', 'minor-version', 'timeouts'].flatMap(
        (requirement) => [
          `  - requirement: ${requirement}`,
          '    reason: this cluster has one Node, and a server that lives for minutes',
          '    owner: Alex Lund',
          `    valid-until: ${until}`,
        ],
      ),
      '',
    ].join('\n'),
  )
  await scene.standby('postgresql1-1')
  await scene.sql(
    "select pg_switch_wal() from (select pg_logical_emit_message(true, 'test', 'archive me')) as written",
  )
  const standard = await judge('standard')
  print('standard, one standby', standard)
  expect([standard.code, standard.verdict]).toEqual([0, 'met'])
  const premium = await judge('premium')
  print('premium, one standby', premium)
  expect([premium.code, premium.verdict]).toEqual([1, 'held-back'])
  expect(premium.of('instances').seen).toContain(
    '2 ready: postgresql1-0 (primary), postgresql1-1 (standby); SQL says the same',
  )
  await scene.standby('postgresql1-2')
  const complete = await judge('premium')
  print('premium, two standbys', complete)
  expect([complete.code, complete.verdict]).toEqual([0, 'met'])
  await scene.admin.remove('Pod', scene.database, 'postgresql1-2')
  expect((await judge('premium')).of('instances').verdict).toBe('not met')
}, 180_000)

test('instances and replicas on Nodes of their own, and in zones where the file asks for them', async () => {
  const { admin, database, namespace } = scene
  const zoned = join(folder, 'zoned.yaml')
  await writeFile(zoned, `backup-window: ${window()}\nmin-zones: 2\n`)
  const judged = async (): Promise<Judged> => await judge('standard', { 'go-live-file': zoned })
  const primary = (await admin.get('Pod', database, 'postgresql1-0')) as unknown as {
    spec: { nodeName: string }
  }
  const first = primary.spec.nodeName
  const second = `${database}-node`
  const zone = 'topology.kubernetes.io/zone'
  expect((await judged()).of('spread')).toMatchObject({ verdict: 'not met', seen: `1 Node: ${first}` })

  const since = new Date().toISOString()
  const ready = { type: 'Ready', status: 'True', lastHeartbeatTime: since, lastTransitionTime: since }
  // Nobody is to run anything there: no kubelet is behind it.
  const node = { kind: 'Node', metadata: { name: second }, spec: { unschedulable: true } }
  await admin.create({ ...node, status: { conditions: [{ ...ready, reason: 'Test', message: '' }] } })
  const onSecond = async (pod: string, where: string, labels: object, annotations = {}): Promise<void> => {
    const containers = [{ name: 'postgres', image: mainFlavor.image }]
    await admin.create({
      kind: 'Pod',
      metadata: { name: pod, namespace: where, labels: labels as Record<string, string>, annotations },
      spec: { nodeName: second, containers },
    })
    const status = { phase: 'Running', conditions: [ready] }
    const path = `${await admin.path('Pod', where, pod)}/status`
    expect((await admin.call('PATCH', path, { status }, 'application/merge-patch+json')).status).toBe(200)
  }
  const grants = [
    {
      kind: 'ClusterRole',
      metadata: { name: second },
      rules: [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }],
    },
    {
      kind: 'ClusterRoleBinding',
      metadata: { name: second },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: second },
      subjects: [{ kind: 'ServiceAccount', name: serviceAccount, namespace }],
    },
  ]
  try {
    const status = JSON.stringify({ role: 'replica', state: 'running', replication_state: 'streaming' })
    await onSecond(
      'postgresql1-8',
      database,
      { application: 'spilo', 'cluster-name': cluster, 'spilo-role': 'replica' },
      { status },
    )
    await onSecond('shop-elsewhere', namespace, { app: name })
    const hidden = await judged()
    expect(hidden.of('spread')).toMatchObject({
      verdict: 'unknown',
      seen: expect.stringContaining('no permission to read nodes'),
      remedy: expect.stringMatching(`get nodes ${first} .*in the whole cluster`),
    })
    expect((await judge('standard')).of('spread').verdict).toBe('met')
    expect(hidden.of('app-spread')).toMatchObject({ verdict: 'met', seen: 'Deployment shop: 2 Nodes' })

    for (const grant of grants) await admin.create(grant)
    await until('the API server acts on it', async () =>
      (await judged()).of('spread').seen.includes('no zone label'),
    )
    for (const each of [first, second])
      await admin.patch('Node', '', each, { metadata: { labels: { [zone]: 'a' } } })
    expect((await judged()).of('spread')).toMatchObject({
      verdict: 'not met',
      seen: expect.stringContaining('; 1 zone: a'),
    })
    await admin.patch('Node', '', second, { metadata: { labels: { [zone]: 'b' } } })
    expect((await judged()).of('spread')).toMatchObject({
      verdict: 'met',
      seen: expect.stringContaining('; 2 zones: a and b'),
    })
  } finally {
    await admin.patch('Node', '', first, { metadata: { labels: { [zone]: null } } })
    for (const { kind } of grants) await admin.remove(kind, '', second)
    await admin.remove('Pod', database, 'postgresql1-8')
    await admin.remove('Pod', namespace, 'shop-elsewhere')
    await admin.remove('Node', '', second)
  }
}, 120_000)

test('what CloudNativePG says is read as well, six fields and all', async () => {
  const { admin, database } = scene
  for (const [pod, role] of [
    ['postgresql1-0', 'primary'],
    ['postgresql1-1', 'replica'],
  ] as const) {
    await admin.patch('Pod', database, pod, {
      metadata: {
        labels: {
          application: null,
          'spilo-role': null,
          'cnpg.io/cluster': cluster,
          'cnpg.io/instanceRole': role,
        },
        annotations: { status: null },
      },
    })
  }
  await admin.patch('Service', database, accessService, {
    spec: {
      selector: {
        application: null,
        'cluster-name': null,
        'spilo-role': null,
        'cnpg.io/cluster': cluster,
        'cnpg.io/instanceRole': 'primary',
      },
    },
  })
  const rule = {
    apiGroups: ['postgresql.cnpg.io'],
    resources: ['clusters', 'scheduledbackups', 'backups'],
    verbs: ['get', 'list'],
  }
  const before = await judge('standard')
  expect(before.of('backup-schedule')).toMatchObject({
    verdict: 'unknown',
    remedy: expect.stringContaining('list scheduledbackups (postgresql.cnpg.io)'),
  })
  const role = (await admin.get('Role', database, accessRole)) as unknown as { rules: object[] }
  await admin.patch('Role', database, accessRole, { rules: [...role.rules, rule] })
  const hour = new Date().getUTCHours()
  const started = new Date(Date.now() - 600_000)
  await putResource(admin, cnpgCluster, database, cluster, {
    spec: { instances: 2, backup: { barmanObjectStore: {}, retentionPolicy: '30d' } },
    status: {
      readyInstances: 2,
      phase: 'Cluster in healthy state',
      conditions: [{ type: 'ContinuousArchiving', status: 'True' }],
    },
  })
  await putResource(admin, cnpgSchedule, database, 'nightly', {
    spec: { schedule: `0 30 ${hour} * * *`, cluster: { name: cluster } },
  })
  await putResource(admin, cnpgSchedule, database, 'of-another', {
    spec: { schedule: '0 0 12 * * *', cluster: { name: 'another' } },
  })
  await putResource(admin, cnpgBackup, database, 'nightly-1', {
    spec: { cluster: { name: cluster } },
    status: { phase: 'completed', startedAt: started.toISOString(), stoppedAt: new Date().toISOString() },
  })
  await until(
    'the API server acts on the Role',
    async () => (await judge('standard')).of('backup-schedule').verdict === 'met',
  )
  const { of } = await judge('standard')
  expect(of('instances').seen).toContain(`clusters.postgresql.cnpg.io ${cluster} and SQL say the same`)
  expect(of('backup-schedule').seen).toBe(`ScheduledBackup nightly: "0 30 ${hour} * * *" (UTC)`)
  expect(of('last-backup').seen).toContain('Backup nightly-1, started')
  expect(of('retention').seen).toBe('30 days, says retentionPolicy')
  expect(of('pitr').verdict).toBe('met')

  // A pooler carries the label of its cluster, and is no instance of it.
  await admin.create({
    kind: 'Pod',
    metadata: {
      name: 'pooler',
      namespace: database,
      labels: { 'cnpg.io/cluster': cluster, 'cnpg.io/poolerName': 'pooler', 'cnpg.io/podRole': 'pooler' },
    },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'pgbouncer',
          image: mainFlavor.image,
          imagePullPolicy: pullPolicy,
          command: ['sleep', '3600'],
        },
      ],
    },
  })
  await readyPod(admin, database, 'pooler')
  expect((await judge('premium')).of('instances')).toMatchObject({
    verdict: 'not met',
    seen: expect.stringMatching(/^2 ready: /),
  })

  const path = `/apis/postgresql.cnpg.io/v1/namespaces/${database}/clusters/${cluster}`
  const say = async (type: string, message: string): Promise<void> => {
    const conditions = [{ type, status: 'False', message, lastTransitionTime: started.toISOString() }]
    await admin.call('PATCH', path, { status: { conditions } }, 'application/merge-patch+json')
  }
  await say('ContinuousArchiving', 'unexpected failure invoking barman-cloud-wal-archive: exit status 2')
  const archiving = await judge('standard')
  expect(archiving.of('archiving')).toMatchObject({
    verdict: 'not met',
    seen: `clusters.postgresql.cnpg.io ${cluster} says that it fails`,
  })
  expect([archiving.of('rpo').verdict, archiving.of('pitr').verdict]).toEqual(['not met', 'not met'])
  expect(archiving.of('last-backup').verdict).toBe('met')
  await say('LastBackupSucceeded', "can't execute backup: exit status 2")
  const backup = await judge('standard')
  expect(backup.of('archiving').verdict).toBe('met')
  expect(backup.of('last-backup')).toMatchObject({
    verdict: 'not met',
    seen: expect.stringContaining("can't execute backup: exit status 2"),
  })
}, 120_000)

test('what the operator of Crunchy says is read as well, and a host of backups is no instance', async () => {
  const { admin, database } = scene
  const key = (name: string): string => `postgres-operator.crunchydata.com/${name}`
  const ofCnpg = {
    'cnpg.io/cluster': null,
    'cnpg.io/instanceRole': null,
    'cnpg.io/poolerName': null,
    'cnpg.io/podRole': null,
  }
  const relabel = async (pod: string, labels: object): Promise<void> => {
    await admin.patch('Pod', database, pod, {
      metadata: { labels: { ...ofCnpg, 'cluster-name': null, [key('cluster')]: cluster, ...labels } },
    })
  }
  await relabel('postgresql1-0', { [key('instance')]: 'a', [key('role')]: 'master' })
  await relabel('postgresql1-1', { [key('instance')]: 'b', [key('role')]: 'replica' })
  await relabel('pooler', { [key('data')]: 'pgbackrest' })
  await admin.patch('Service', database, accessService, {
    spec: { selector: { ...ofCnpg, [key('cluster')]: cluster, [key('role')]: 'master' } },
  })
  const hidden = await judge('standard')
  expect(hidden.of('backup-schedule')).toMatchObject({
    verdict: 'unknown',
    remedy: expect.stringContaining(`get postgresclusters ${cluster} (${crunchy.group})`),
  })
  expect((await judge('premium')).of('instances').seen).toMatch(/^2 ready: /)

  const hour = new Date().getUTCHours()
  const startTime = new Date(Date.now() - 600_000).toISOString()
  const backup = { cronJobName: `${cluster}-repo1-full`, repo: 'repo1', type: 'full', startTime }
  const repo = (full: string): object => ({ name: 'repo1', schedules: { full }, volume: {} })
  const global = { 'repo1-retention-full': '30', 'repo1-retention-full-type': 'time' }
  await putResource(admin, crunchy, database, cluster, {
    spec: {
      postgresVersion: 15,
      instances: [{ name: 'instance1', replicas: 2 }],
      backups: { pgbackrest: { global, repos: [repo(`30 ${(hour + 12) % 24} * * *`)] } },
    },
    status: {
      instances: [{ name: 'instance1', readyReplicas: 2, replicas: 2, updatedReplicas: 2 }],
      pgbackrest: { scheduledBackups: [{ ...backup, failed: 1 }] },
    },
  })
  const role = (await admin.get('Role', database, accessRole)) as unknown as { rules: object[] }
  const rule = { apiGroups: [crunchy.group], resources: [crunchy.plural], verbs: ['get'] }
  await admin.patch('Role', database, accessRole, { rules: [...role.rules, rule] })
  await until(
    'the API server acts on the Role',
    async () => (await judge('standard')).of('backup-schedule').verdict === 'not met',
  )
  const wrong = await judge('standard')
  expect(wrong.of('instances').seen).toContain(
    `postgresclusters.${crunchy.group} ${cluster} and SQL say the same`,
  )
  // The copy that the standby was made from has left the mark of a backup.
  expect(wrong.of('last-backup')).toMatchObject({
    verdict: 'unknown',
    seen: expect.stringMatching(
      `did not succeed: CronJob ${cluster}-repo1-full, .* no more than the copy for a new standby`,
    ),
  })
  const archived =
    "select pg_switch_wal() from (select pg_logical_emit_message(true, 'test', 'on')) as written"
  await scene.sql(archived)
  await until(
    'a segment is archived after that mark',
    async () => (await judge('standard')).of('last-backup').verdict === 'not met',
  )
  expect((await judge('standard')).of('last-backup').seen).toContain(
    `no backup has succeeded; the last: CronJob ${cluster}-repo1-full`,
  )
  const path = `/apis/${crunchy.group}/v1beta1/namespaces/${database}/postgresclusters/${cluster}`
  const better = {
    spec: { backups: { pgbackrest: { repos: [repo(`30 ${hour} * * *`)] } } },
    status: {
      pgbackrest: {
        scheduledBackups: [
          { ...backup, failed: 1 },
          { ...backup, succeeded: 1, completionTime: new Date().toISOString() },
          { ...backup, type: 'incr', succeeded: 1, completionTime: new Date().toISOString() },
        ],
      },
    },
  }
  await admin.call('PATCH', path, better, 'application/merge-patch+json')
  const { of } = await judge('standard')
  expect(of('backup-schedule').seen).toBe(`full backup to repo1: "30 ${hour} * * *" (UTC)`)
  expect(of('last-backup')).toMatchObject({
    verdict: 'met',
    seen: expect.stringContaining(`CronJob ${cluster}-repo1-full, started`),
  })
  expect(of('retention')).toMatchObject({ verdict: 'met', seen: '30 days, says repo1-retention-full' })
  expect(of('pitr').verdict).toBe('met')
}, 120_000)

async function podNames(): Promise<readonly string[]> {
  const { body } = await scene.admin.call(
    'GET',
    `/api/v1/namespaces/${scene.namespace}/pods?labelSelector=app%3D${name}`,
  )
  return (body as { items: KubeObject[] }).items.map(({ metadata }) => metadata.name)
}

/** For the eyes of whoever runs the ring: what the summary of a met and of a held-back gate looks like. */
function print(title: string, { summary }: Judged): void {
  if (process.env['CLUSTER_SHOW'] !== undefined) process.stdout.write(`\n=== ${title}\n${summary}\n`)
}
