import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import pg from 'pg'
import type { SecretObject } from '../../src/kubernetes/objects.ts'
import { until } from '../contract/admin.ts'
import { kubectl } from './kubectl.ts'
import { cnpgCluster, crunchy, define, undefine, zalando } from './operators.ts'
import { ringLabel } from './real.ts'
import { Scene, serviceAccount } from './scene.ts'

/**
 * The blocks of docs/anywhere.md, run as they stand there, but for the names of namespaces. No operator runs here: its
 * objects are put as its sources make them, and what its resource says of users is done as it does it.
 */

const root = fileURLToPath(new URL('../..', import.meta.url))
const pod = 'postgresql1-0'
const pgo = 'postgres-operator.crunchydata.com'
const applicationSecret = 'app-postgresql-secret'
const ports = [{ name: 'postgres', port: 5432, targetPort: 5432 }]

interface Block {
  readonly language: string
  readonly text: string
}

type Labels = Readonly<Record<string, string>>

let scene: Scene
let application: string
let folder: string
let definitions: readonly string[]
let sections: ReadonlyMap<string, readonly Block[]>
/** Every label that a shape has put on the Pod. */
const worn = new Set<string>()

function blocksOf(title: string, language: string): readonly string[] {
  const found = (sections.get(title) ?? []).filter((block) => block.language === language)
  if (found.length === 0) throw new Error(`"${title}" has no block of ${language}`)
  return found.map(({ text }) => text)
}

async function sh(script: string): Promise<string> {
  const env = {
    PATH: process.env['PATH'],
    HOME: folder,
    CI: 'true',
    ADMIN: join(folder, 'admin'),
    PIPELINE: join(folder, 'pipeline'),
    NODE: process.execPath,
    CLI: join(root, 'dist', 'cli.js'),
  }
  const programs = `
    kubectl() { KUBECONFIG=$ADMIN command kubectl "$@"; }
    npx() { shift; KUBECONFIG=$PIPELINE "$NODE" "$CLI" "$@"; }
  `
  const options = { env, cwd: folder }
  const { stdout, stderr } = await promisify(execFile)(
    'bash',
    ['-euo', 'pipefail', '-c', programs + script],
    options,
  ).catch((error: unknown) => {
    const { stdout: out, stderr: err } = error as { stdout: string; stderr: string }
    throw new Error(`${script}\n${out}${err}`)
  })
  return stdout + stderr
}

/** An API server takes a moment to act on a new Role; what is there already stays as it is. */
async function inTheEnd(script: string): Promise<void> {
  await until(script, async () => (await sh(script)) !== '', 20_000)
}

async function apply(yaml: string): Promise<void> {
  await kubectl(['apply', '-f', '-'], { kubeconfig: scene.admin.kubeconfigText, input: yaml })
}

/** What an operator's resource says, once the API server has it. */
async function specOf({ group, plural, version = 'v1' }: typeof zalando, name: string): Promise<unknown> {
  const path = `/apis/${group}/${version}/namespaces/${scene.database}/${plural}/${name}`
  return ((await scene.admin.call('GET', path)).body as { spec: unknown }).spec
}

async function makeRole(name: string, password: string, attributes: string): Promise<void> {
  await scene.sql(
    `create role ${pg.escapeIdentifier(name)} login ${attributes} password ${pg.escapeLiteral(password)}`,
  )
}

async function wear(labels: Labels): Promise<void> {
  const none = Object.fromEntries([...worn].map((label) => [label, null]))
  await scene.admin.patch('Pod', scene.database, pod, { metadata: { labels: { ...none, ...labels } } })
  for (const label of Object.keys(labels)) worn.add(label)
}

async function put(kind: string, name: string, content: object, labels: Labels = {}): Promise<void> {
  await scene.admin.create({ kind, metadata: { name, namespace: scene.database, labels }, ...content })
}

/** As Patroni keeps them: with the Pod that has the leader's lock. */
async function putLeader(service: string): Promise<void> {
  const { status } = (await scene.admin.get('Pod', scene.database, pod)) as unknown as {
    status: { podIP: string }
  }
  const targetRef = { kind: 'Pod', name: pod, namespace: scene.database }
  const subset = { addresses: [{ ip: status.podIP, targetRef }], ports: [{ name: 'postgres', port: 5432 }] }
  await put('Endpoints', service, { subsets: [subset] })
}

async function secretOf(namespace: string, name: string): Promise<Record<string, string>> {
  const { data = {} } = ((await scene.admin.get('Secret', namespace, name)) ?? {}) as SecretObject
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  )
}

beforeAll(async () => {
  scene = await Scene.open({ roles: false })
  application = `${scene.namespace}-any`
  folder = await mkdtemp(join(tmpdir(), 'anywhere-'))
  const page = (await readFile(join(root, 'docs', 'anywhere.md'), 'utf8'))
    .replace(/\bdatabases\b/g, scene.database)
    .replace(/\bwebshop\b/g, application)
    .replaceAll('exec -i db-0 -- psql', `exec -i ${pod} -- psql -h /tmp`)
  sections = new Map(
    page.split(/^## /m).map((section) => [
      section.split('\n', 1)[0] ?? '',
      [...section.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language = '', text = '']) => ({
        language,
        text,
      })),
    ]),
  )
  definitions = await define(scene.admin, [zalando, cnpgCluster, crunchy])
  await writeFile(join(folder, 'admin'), scene.admin.kubeconfigText, { mode: 0o600 })
  const [prepare = ''] = blocksOf('# Without Welkin', 'sh')
  await sh(prepare)
  await scene.admin.patch('Namespace', '', application, {
    metadata: { labels: { [ringLabel]: process.env['CLUSTER_RING'] ?? 'by-hand' } },
  })
  const kubeconfig = await scene.admin.kubeconfig({ namespace: application, serviceAccount })
  await writeFile(join(folder, 'pipeline'), kubeconfig, { mode: 0o600 })
  const [, endpoints = ''] = blocksOf('Crunchy Postgres for Kubernetes', 'yaml')
  await apply(endpoints)
}, 180_000)

beforeEach(async () => {
  await scene.sql([
    'drop database if exists shop',
    'drop role if exists shop',
    'drop role if exists provisioner',
  ])
  await scene.admin.remove('Secret', application, applicationSecret)
})

afterAll(async () => {
  await undefine(scene.admin, definitions)
  await scene.admin.call('DELETE', await scene.admin.path('Namespace', '', application))
  await scene.close()
  await rm(folder, { recursive: true })
}, 60_000)

interface Shape {
  readonly title: string
  readonly host: string
  /** The labels of the Pod that is the primary. */
  readonly labels: Labels
  /** Puts what is there before the run: what the page's blocks make, and what an operator makes of it. */
  readonly prepare: (yaml: string, scripts: readonly string[]) => Promise<void>
}

const cnpg = { 'cnpg.io/cluster': 'pg' }
const hippo = { [`${pgo}/cluster`]: 'hippo' }
const spilo = { application: 'spilo', 'cluster-name': 'acid-shop' }

const shapes: readonly Shape[] = [
  {
    title: 'CloudNativePG',
    host: 'pg-rw',
    labels: { ...cnpg, 'cnpg.io/instanceRole': 'primary' },
    prepare: async (yaml, [secret = '']) => {
      await sh(secret)
      await apply(yaml)
      const selector = { ...cnpg, 'cnpg.io/instanceRole': 'primary' }
      await put('Service', 'pg-rw', { spec: { selector, ports } }, cnpg)
      const { managed } = (await specOf(cnpgCluster, 'pg')) as {
        managed: {
          roles: { name: string; createdb: boolean; createrole: boolean; passwordSecret: { name: string } }[]
        }
      }
      for (const { name, createdb, createrole, passwordSecret } of managed.roles) {
        const { password = '' } = await secretOf(scene.database, passwordSecret.name)
        await makeRole(name, password, `${createdb ? 'createdb' : ''} ${createrole ? 'createrole' : ''}`)
      }
    },
  },
  {
    title: 'Crunchy Postgres for Kubernetes',
    host: 'hippo-primary',
    labels: { ...hippo, [`${pgo}/role`]: 'master', [`${pgo}/instance`]: 'hippo-00-abcd' },
    prepare: async (yaml) => {
      await apply(yaml)
      await put('Service', 'hippo-ha', { spec: { ports } }, hippo)
      await putLeader('hippo-ha')
      const primary = { ...hippo, [`${pgo}/role`]: 'primary' }
      await put('Service', 'hippo-primary', { spec: { clusterIP: 'None', ports } }, primary)
      const { users } = (await specOf(crunchy, 'hippo')) as { users: { name: string; options: string }[] }
      for (const { name, options } of users) {
        const password = `${scene.database}-password`
        await makeRole(name, password, options)
        const host = `hippo-primary.${scene.database}.svc`
        const stringData = { user: name, password, host, port: '5432', verifier: 'SCRAM-SHA-256$' }
        const labels = { ...hippo, [`${pgo}/role`]: 'pguser', [`${pgo}/pguser`]: name }
        await put('Secret', `hippo-pguser-${name}`, { stringData }, labels)
      }
    },
  },
  {
    title: "Zalando's operator",
    host: 'acid-shop',
    labels: { ...spilo, 'spilo-role': 'master' },
    prepare: async (yaml) => {
      await apply(yaml)
      await put('Service', 'acid-shop', { spec: { ports } }, spilo)
      await putLeader('acid-shop')
      const { users } = (await specOf(zalando, 'acid-shop')) as { users: Record<string, string[]> }
      for (const [name, flags] of Object.entries(users)) {
        const password = `${scene.database}-password`
        await makeRole(name, password, flags.join(' '))
        const stringData = { username: name, password }
        await put('Secret', `${name}.acid-shop.credentials.postgresql.acid.zalan.do`, { stringData }, spilo)
      }
    },
  },
  {
    title: 'A plain StatefulSet',
    host: 'db',
    labels: { app: 'db' },
    prepare: async (_, [admin = '']) => {
      await put('Service', 'db', { spec: { selector: { app: 'db' }, ports } })
      await sh(admin)
    },
  },
]

test.each(shapes)(
  '$title: the page leads to a green run',
  async ({ title, host, labels, prepare }) => {
    await wear(labels)
    const scripts = blocksOf(title, 'sh')
    const [yaml = ''] = title === 'A plain StatefulSet' ? [] : blocksOf(title, 'yaml')
    await prepare(yaml, scripts)
    await inTheEnd(scripts.at(-1) ?? '')
    const values = await secretOf(application, applicationSecret)
    expect(values['PGHOST']).toBe(`${host}.${scene.database}.svc`)
    await scene.work(values)
  },
  60_000,
)
