import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '../contract/admin.ts'
import { until } from '../contract/admin.ts'
import { cnpgBackup, cnpgCluster, cnpgSchedule, define, putResource, undefine, zalando } from './operators.ts'
import { accessService, cluster, Scene, secretName, type Inputs } from './scene.ts'
import { mainFlavor, podPhase, pullPolicy } from './spilo.ts'

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
  definitions = await define(scene.admin, [zalando, cnpgCluster, cnpgSchedule, cnpgBackup])
  await scene.pass(name)
}, 180_000)

afterAll(async () => {
  await undefine(scene.admin, definitions)
  await scene.close()
  await rm(folder, { recursive: true })
}, 60_000)

test('with the rights of provisioning alone, what may not be read is unknown and names its right', async () => {
  const { code, verdict, of } = await judge('standard')
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
    remedy: expect.stringContaining('list deployments (apps)'),
  })
  for (const id of ['primary', 'app-user', 'role-attributes', 'public-connect', 'tls', 'supported-version']) {
    expect([id, of(id).verdict]).toEqual([id, 'met'])
  }
})

test('the Roles that it prints make all of it readable', async () => {
  const { summary } = await judge('standard')
  const yaml = /```yaml\n(apiVersion[^]*?)```/.exec(summary)?.[1] ?? ''
  const roles = parseAllDocuments(yaml).map((document) => document.toJS() as KubeObject)
  expect(roles).toHaveLength(4)
  for (const { kind, metadata, rules } of roles) {
    if (kind === 'Role') await scene.admin.patch('Role', metadata.namespace ?? '', metadata.name, { rules })
  }
  await until(
    'the API server acts on them',
    async () => !(await judge('standard')).of('backup-schedule').seen.includes('may not be read'),
  )
  const { of } = await judge('standard')
  expect(of('backup-schedule')).toMatchObject({ verdict: 'unknown', seen: 'no schedule is in sight' })
  expect(of('last-backup')).toMatchObject({ verdict: 'unknown', seen: 'no trace of a backup is left' })
  expect(of('app-replicas').verdict).toBe('not applicable')
})

test('a CronJob in the version that is served, outside the window and inside it', async () => {
  const hour = new Date().getUTCHours()
  const path = `/apis/batch/v1beta1/namespaces/${scene.database}/cronjobs`
  const cronJob = `logical-backup-${cluster}`
  const pod = {
    restartPolicy: 'Never',
    containers: [
      {
        name: 'b',
        image: mainFlavor.image,
        imagePullPolicy: pullPolicy,
        command: ['true'],
        env: [{ name: 'LOGICAL_BACKUP_S3_RETENTION_TIME', value: '30 days' }],
      },
    ],
  }
  const put = await scene.admin.call('POST', path, {
    apiVersion: 'batch/v1beta1',
    kind: 'CronJob',
    metadata: { name: cronJob, namespace: scene.database },
    spec: { schedule: `0 ${(hour + 12) % 24} * * *`, jobTemplate: { spec: { template: { spec: pod } } } },
  })
  expect(put.status).toBe(201)
  expect((await judge('standard')).of('backup-schedule')).toMatchObject({
    verdict: 'not met',
    seen: expect.stringContaining('366 of 366 windows'),
  })
  const schedule = { spec: { schedule: `30 ${hour} * * *` } }
  await scene.admin.call('PATCH', `${path}/${cronJob}`, schedule, 'application/merge-patch+json')
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
    seen: expect.stringContaining('none has succeeded'),
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
  const { of } = await judge('standard')
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
  expect(run.summary).toMatch(/app-restarted` \| [^|]* \| this very run wrote the Secret/)
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
      '  - requirement: app-spread',
      '    reason: this cluster has one Node',
      '    owner: Alex Lund',
      `    valid-until: ${until}`,
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
    '2 ready: postgresql1-0 (primary), postgresql1-1 (standby); SQL agrees',
  )
  await scene.standby('postgresql1-2')
  const complete = await judge('premium')
  print('premium, two standbys', complete)
  expect([complete.code, complete.verdict]).toEqual([0, 'met'])
  await scene.admin.remove('Pod', scene.database, 'postgresql1-2')
  expect((await judge('premium')).of('instances').verdict).toBe('not met')
}, 180_000)

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
  const role = (await admin.get('Role', database, 'pg-app-user')) as unknown as { rules: object[] }
  await admin.patch('Role', database, 'pg-app-user', { rules: [...role.rules, rule] })
  const hour = new Date().getUTCHours()
  const started = new Date(Date.now() - 600_000)
  await putResource(admin, cnpgCluster, database, cluster, {
    spec: { instances: 2, backup: { retentionPolicy: '30d' } },
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
  expect(of('instances').seen).toContain(`clusters.postgresql.cnpg.io ${cluster} and SQL agree`)
  expect(of('backup-schedule').seen).toBe(`ScheduledBackup nightly: "0 30 ${hour} * * *" (UTC)`)
  expect(of('last-backup').seen).toContain('Backup nightly-1, started')
  expect(of('retention').seen).toBe('30 days, says retentionPolicy')
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
