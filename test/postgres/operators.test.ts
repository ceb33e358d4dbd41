import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { createAdmin, type Login } from '../../sandbox/postgres.ts'
import type { AccessInputs } from '../../src/secrets/access-form.ts'
import { identifier, useBench, type Application } from '../support/bench.ts'

const bench = useBench()

type Labels = Readonly<Record<string, string>>

const port = 5432
const spilo = 'postgresql1'
const cnpg = { 'cnpg.io/cluster': 'pg' }
const pgo = 'postgres-operator.crunchydata.com'
const hippo = { [`${pgo}/cluster`]: 'hippo' }

function namespace(): string {
  return bench.sandbox.accessNamespace
}

/** A Pod that is the server of the bench. */
function putPod(name: string, labels: Labels): void {
  const { api } = bench.sandbox
  api.put({
    kind: 'Pod',
    metadata: { name, namespace: namespace(), labels },
    spec: {
      nodeName: 'node-1',
      containers: [
        { name: 'database', image: 'postgres', ports: [{ name: 'postgres', containerPort: port }] },
      ],
    },
    status: { phase: 'Running', podIP: '10.244.0.18', conditions: [{ type: 'Ready', status: 'True' }] },
  })
  api.route(namespace(), name, port, bench.postgres)
}

function putService(name: string, labels: Labels, spec: object): void {
  const ports = [{ name: 'postgres', port, targetPort: 'postgres', protocol: 'TCP' }]
  bench.sandbox.api.put({
    kind: 'Service',
    metadata: { name, namespace: namespace(), labels },
    spec: { ports, ...spec },
  })
}

/** What stands behind a Service without a selector: a Pod, or an address that is none. */
function putEndpoints(service: string, pod?: string): void {
  const addresses = [{ ip: '10.244.0.18', ...(pod && { targetRef: { kind: 'Pod', name: pod } }) }]
  bench.sandbox.api.put({
    kind: 'Endpoints',
    metadata: { name: service, namespace: namespace() },
    subsets: [{ addresses, ports: [{ name: 'postgres', port }] }],
  })
}

/** A Secret as an operator or a chart leaves it, with the admin's login in it. */
interface Shape {
  readonly title: string
  readonly labels?: Labels
  readonly name: (stem: string) => string
  readonly values: (login: Login) => Readonly<Record<string, string>>
  readonly said?: AccessInputs
  readonly host: string
  /** What makes such a login an admin. */
  readonly snippet?: RegExp
}

const shapes: readonly Shape[] = [
  {
    title: "Zalando's operator",
    labels: { application: 'spilo', 'cluster-name': spilo },
    name: (stem) => `${stem}.${spilo}.credentials.postgresql.acid.zalan.do`,
    values: ({ user, password }) => ({ username: user, password }),
    host: `${spilo}.postgres-system.svc`,
    snippet: /\n {2}spec:\n {4}users:\n {6}\w+: \[createdb, createrole\]$/,
  },
  {
    title: 'CloudNativePG',
    labels: cnpg,
    name: (stem) => `${stem}-app`,
    values: ({ user, password }) => ({
      username: user,
      user,
      password,
      dbname: 'app',
      host: 'pg-rw',
      port: '5432',
    }),
    host: 'pg-rw.postgres-system.svc',
    snippet: /\n {4}managed:\n {6}roles:\n {8}- name: \w+\n[^]* createdb: true\n {10}createrole: true$/,
  },
  {
    title: 'Crunchy Postgres for Kubernetes',
    labels: { ...hippo, [`${pgo}/role`]: 'pguser' },
    name: (stem) => `hippo-pguser-${stem}`,
    values: ({ user, password }) => ({
      user,
      password,
      dbname: 'hippo',
      host: 'hippo-primary.postgres-system.svc',
      port: '5432',
    }),
    host: 'hippo-primary.postgres-system.svc',
    snippet: /\n {4}users:\n {6}- name: \w+\n {8}options: CREATEDB CREATEROLE$/,
  },
  {
    title: 'the official image',
    name: (stem) => stem,
    values: ({ user, password }) => ({
      POSTGRES_USER: user,
      POSTGRES_PASSWORD: password,
      POSTGRES_DB: 'main',
    }),
    said: { service: 'plain', sslMode: 'require' },
    host: 'plain.postgres-system.svc',
  },
]

function putSecret({ labels = {}, name, values }: Shape, login: Login): string {
  const secret = name(bench.name('login'))
  bench.sandbox.api.put({
    kind: 'Secret',
    metadata: { name: secret, namespace: namespace(), labels },
    stringData: values(login),
  })
  return secret
}

beforeAll(() => {
  const { api, accessRole } = bench.sandbox
  api.put({
    ...api.get('Role', namespace(), accessRole),
    kind: 'Role',
    metadata: { name: accessRole, namespace: namespace() },
    rules: [
      { apiGroups: [''], resources: ['secrets', 'services', 'endpoints'], verbs: ['get'] },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
      { apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] },
    ],
  })
  putPod('pg-1', { ...cnpg, 'cnpg.io/instanceRole': 'primary' })
  putService('pg-rw', cnpg, { selector: { ...cnpg, 'cnpg.io/instanceRole': 'primary' } })
  putService('pg-ro', cnpg, { selector: { ...cnpg, 'cnpg.io/instanceRole': 'replica' } })
  putPod('hippo-00-abcd-0', { ...hippo, [`${pgo}/role`]: 'master', [`${pgo}/instance`]: 'hippo-00-abcd' })
  putService('hippo-ha', hippo, { clusterIP: '10.96.3.4' })
  putEndpoints('hippo-ha', 'hippo-00-abcd-0')
  putService('hippo-primary', { ...hippo, [`${pgo}/role`]: 'primary' }, { clusterIP: 'None' })
  putEndpoints('hippo-primary')
  putPod('plain-0', { app: 'plain' })
  putService('plain', {}, { selector: { app: 'plain' } })
})

describe.each(shapes)('the Secret of $title', (shape) => {
  test('is taken as it is, and what does not stand in it is said', async () => {
    const accessSecret = putSecret(shape, bench.admin)
    const application = bench.application({ accessSecret, access: shape.said ?? {} })
    const run = await application.run()
    expect(run).toMatchObject({ code: undefined })
    expect(application.secret).toMatchObject({ PGHOST: shape.host, PGPORT: '5432', PGSSLMODE: 'require' })
    expect(await application.login()).toBe('in')
    expect(await application.run()).toMatchObject({ code: undefined, done: [] })
  })

  test('of a login that may make neither roles nor databases: what to write', async () => {
    const admin = await createAdmin(bench.postgres, {
      name: bench.name('lesser'),
      createrole: false,
      createdb: false,
    })
    bench.password(admin.password)
    const accessSecret = putSecret(shape, admin)
    const application = bench.application({ accessSecret, access: shape.said ?? {} })
    const { outcome } = await application.refused('admin-rights-missing')
    const hint = outcome.failure?.hint.join('\n') ?? ''
    expect(hint).toMatch(shape.snippet ?? new RegExp(`ALTER ROLE "${admin.user}" CREATEROLE;$`))
    if (shape.snippet !== undefined) expect(hint).not.toContain('ALTER ROLE')
  })
})

test.each([
  ['hippo-primary', 'service-not-found', 'Service hippo-ha does'],
  ['pg-ro', 'target-is-standby', 'Service pg-rw does'],
] as const)('svc/%s leads to no primary, and the one that does is named', async (service, code, says) => {
  const { outcome } = await bench.application().refused(code, { access: { service } })
  expect(outcome.failure?.hint.join('\n')).toContain(says)
})

test('an input wins over the Secret, and the run says so', async () => {
  const application = bench.application({ access: { host: 'pg.example' } })
  const { code, log } = await application.run()
  expect(code).toBeUndefined()
  expect(application.secret['PGHOST']).toBe('pg.example')
  expect(log).toMatch(/"access-host" counts, and not PGHOST of postgres-system\/postgresql1-access/)
})

describe('a server on which the admin is not at home in "postgres"', () => {
  const home = 'defaultdb'
  const usual = `${identifier('postgres')} FROM PUBLIC`

  beforeAll(async () => {
    await bench.sql(`CREATE DATABASE ${identifier(home)}`)
  })

  async function withoutPostgres<Result>(work: () => Promise<Result>): Promise<Result> {
    await bench.sql(`REVOKE CONNECT ON DATABASE ${usual}`)
    try {
      return await work()
    } finally {
      await bench.sql(`GRANT CONNECT ON DATABASE "postgres" TO PUBLIC`)
    }
  }

  test('is told which input says where it is, and that makes it work', async () => {
    await withoutPostgres(async () => {
      const application = bench.application()
      const { outcome } = await application.refused('connect-denied')
      expect(outcome.failure?.hint.join('\n')).toContain('"access-database"')
      const access = { database: home }
      expect(await application.run({ access })).toMatchObject({ code: undefined })
      expect(await application.login()).toBe('in')
      expect(await application.run({ access })).toMatchObject({ code: undefined, done: [] })
    })
  })

  test.each([
    [
      'suggests the one that the Secret names',
      { PGDATABASE: home },
      `such as "${home}", which postgres-system/`,
    ],
    ['suggests none where the Secret names none', {}, 'another database that the admin may enter'],
  ])('where it does not exist, %s', async (_, values, says) => {
    const accessSecret = bench.access({})
    const secret = bench.sandbox.api.get('Secret', namespace(), accessSecret)
    bench.sandbox.api.put({
      ...secret,
      kind: 'Secret',
      metadata: { name: accessSecret, namespace: namespace() },
      stringData: values,
    })
    const application = bench.application({ accessSecret, access: { database: 'gone' } })
    const { outcome } = await application.refused('access-database-missing')
    expect(outcome.failure?.message).toMatch(/no database "gone" on this server \(3D000\)/)
    expect(outcome.failure?.hint.join('\n')).toContain(says)
  })

  function keyOf(kind: 'role' | 'database', { role, database }: Application): bigint {
    const name = kind === 'role' ? role : database
    return createHash('sha256').update(`pg-app-user ${kind} ${name}`).digest().readBigInt64BE()
  }

  test.each(['role', 'database'] as const)(
    'takes turns with runs that are at home elsewhere: %s',
    async (kind) => {
      const application = bench.application()
      const { user, password } = bench.admin
      const holder = await bench.connect(user, password, home)
      await holder.query(`set application_name = 'a run that is at home elsewhere'`)
      await holder.query(`select pg_advisory_lock(${keyOf(kind, application)})`)
      const { code, outcome, done } = await application.run({ timeoutMs: 3_000 })
      await holder.end()
      expect({ code, done }).toEqual({ code: 'lock-held', done: [] })
      expect(outcome.failure?.message).toContain('"a run that is at home elsewhere"')
      expect(await application.run()).toMatchObject({ code: undefined })
    },
  )
})
