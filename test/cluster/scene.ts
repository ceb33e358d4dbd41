import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { parseAllDocuments } from 'yaml'
import type { Login } from '../../sandbox/postgres.ts'
import type { ParameterName } from '../../src/input/parameters.ts'
import type { Api } from '../../src/kubernetes/api.ts'
import type { Identity } from '../../src/kubernetes/identity.ts'
import type { SecretObject } from '../../src/kubernetes/objects.ts'
import { openTunnel, type Tunnel } from '../../src/kubernetes/tunnel.ts'
import { roleManifests } from '../../src/rights/manifest.ts'
import { runRights } from '../../src/rights/permissions.ts'
import { openApi, until, type Admin, type KubeObject } from '../contract/admin.ts'
import { startAction, type ActionRun, type StartedAction } from '../process/action.ts'
import { realCluster, ringLabel } from './real.ts'
import { labelsOf, mainFlavor, putFiles, readyPod, spiloPod, type Flavor, type Logins } from './spilo.ts'

export type Inputs = Partial<Record<ParameterName, string>>

/** How a scene differs from the usual one. */
export interface SceneOptions {
  readonly flavor?: Flavor
  /** Puts another database than the usual one, and gives its logins as soon as it takes connections. */
  readonly put?: (admin: Admin, namespace: string, host: string) => Promise<Logins>
  /** Whether the ServiceAccount gets its Roles. Default: true. */
  readonly roles?: boolean
  /** Whether a StatefulSet keeps the Pod, so that one that is deleted comes back, with an empty database. */
  readonly reborn?: boolean
}

/** An application Secret as an application sees it. */
export type Values = Readonly<Record<string, string>>

export const cluster = 'postgresql1'
export const accessService = `${cluster}-user-access`
export const accessSecret = `${cluster}-access`
export const serviceAccount = 'ci'
/** The Role of the pipeline in the namespace of the database. */
export const accessRole = `pg-app-user-${accessSecret}`
const firstPod = `${cluster}-0`

const ring = process.env['CLUSTER_RING'] ?? 'by-hand'

/**
 * A PostgreSQL in the shape of Spilo in a namespace of its own, an application's namespace with a ServiceAccount for its
 * pipeline, and the way to run the built action as that account.
 */
export class Scene {
  readonly admin: Admin
  /** The product's client, as an administrator. */
  readonly api: Api
  /** Where the database is. */
  readonly database: string
  /** Where the application is. */
  readonly namespace: string
  readonly logins: Logins
  /** As the ServiceAccount of the pipeline. */
  readonly kubeconfig: string
  readonly #flavor: Flavor
  readonly #namespaces: string[]
  readonly #clients = new Set<pg.Client>()

  private constructor(
    admin: Admin,
    api: Api,
    namespaces: string[],
    logins: Logins,
    kubeconfig: string,
    flavor: Flavor,
  ) {
    const [database = '', namespace = ''] = namespaces
    this.admin = admin
    this.api = api
    this.database = database
    this.namespace = namespace
    this.logins = logins
    this.kubeconfig = kubeconfig
    this.#flavor = flavor
    this.#namespaces = namespaces
  }

  /** Puts everything and waits until PostgreSQL takes connections. */
  static async open(options: SceneOptions = {}): Promise<Scene> {
    const { flavor = mainFlavor, roles = true, reborn = false, put = putSpilo(flavor, reborn) } = options
    const admin = realCluster()
    const id = randomBytes(3).toString('hex')
    const database = `ring-${id}-db`
    const namespace = `ring-${id}-shop`
    for (const name of [database, namespace]) await makeNamespace(admin, name)
    const host = `${cluster}.${database}.svc.cluster.local`
    await putServices(admin, database)
    const logins = await put(admin, database, host)
    const { user, password } = logins.admin
    await admin.create({
      kind: 'Secret',
      metadata: { name: accessSecret, namespace: database },
      stringData: {
        PGHOST: host,
        PGUSER: user,
        PGPASSWORD: password,
        PGSSLMODE: 'require',
        USER_ACCESS: accessService,
      },
    })
    await admin.serviceAccount(namespace, serviceAccount)
    if (roles) await putRoles(admin, database, namespace)
    const kubeconfig = await admin.kubeconfig({ namespace, serviceAccount })
    const api = await openApi(admin.kubeconfigText)
    return new Scene(admin, api, [database, namespace], logins, kubeconfig, flavor)
  }

  /** Has everything removed; the cluster does the rest on its own. */
  async close(): Promise<void> {
    for (const client of this.#clients) await client.end()
    this.api.close()
    for (const name of this.#namespaces) {
      await this.admin.call('DELETE', await this.admin.path('Namespace', '', name))
    }
    this.admin.close()
  }

  /** Another namespace with a pipeline that has the same rights, and its kubeconfig. */
  async secondNamespace(): Promise<{ readonly namespace: string; readonly kubeconfig: string }> {
    const namespace = `${this.namespace}-${this.#namespaces.length}`
    this.#namespaces.push(namespace)
    await makeNamespace(this.admin, namespace)
    await this.admin.serviceAccount(namespace, serviceAccount)
    await putRoles(this.admin, this.database, namespace)
    return { namespace, kubeconfig: await this.admin.kubeconfig({ namespace, serviceAccount }) }
  }

  /** A kubeconfig of the pipeline's account for another address of the API server. */
  async kubeconfigAt(server: string): Promise<string> {
    return await this.admin.kubeconfig({ namespace: this.namespace, serviceAccount, server })
  }

  /** Starts the built action for an application of this name. */
  async start(name: string, inputs: Inputs = {}): Promise<StartedAction> {
    return await startAction({
      inputs: {
        kubeconfig: this.kubeconfig,
        'access-secret': accessSecret,
        'access-namespace': this.database,
        'app-database': name,
        'app-secret': secretName(name),
        ...inputs,
      },
      secrets: [this.logins.admin.password, this.logins.superuser.password],
    })
  }

  /** Runs the built action for an application of this name. */
  async run(name: string, inputs: Inputs = {}): Promise<ActionRun> {
    return await (
      await this.start(name, inputs)
    ).ended
  }

  /** Runs the built action, which has to come to a good end. */
  async pass(name: string, inputs: Inputs = {}): Promise<ActionRun> {
    const run = await this.run(name, inputs)
    if (run.code !== 0) throw new Error(`the run failed:\n${run.log}${run.stderr}`)
    return run
  }

  /** Gives an application's Secret, decoded; `undefined` where there is none. */
  async secret(name: string, namespace = this.namespace): Promise<Values | undefined> {
    const found = (await this.stored(name, namespace)) as SecretObject | undefined
    return (
      found &&
      Object.fromEntries(
        Object.entries(found.data ?? {}).map(([key, value]) => [
          key,
          Buffer.from(value, 'base64').toString(),
        ]),
      )
    )
  }

  /** Gives an application's Secret as the cluster has it. */
  async stored(name: string, namespace = this.namespace): Promise<KubeObject | undefined> {
    return await this.admin.get('Secret', namespace, secretName(name))
  }

  /** Opens a tunnel as the administrator. */
  async tunnel(pod = firstPod): Promise<Tunnel> {
    const target = { namespace: this.database, pod, port: 5432, service: accessService }
    return await openTunnel(this.api, target, new AbortController().signal)
  }

  /** Logs in; the session is ended with the scene at the latest. */
  async connect(login: Login, database: string, pod = firstPod): Promise<pg.Client> {
    const tunnel = await this.tunnel(pod)
    const client = new pg.Client({
      user: login.user,
      password: login.password,
      database,
      host: cluster,
      port: 5432,
      stream: () => tunnel,
      ssl: { rejectUnauthorized: false },
    })
    client.on('error', () => undefined)
    await client.connect()
    this.#clients.add(client)
    return client
  }

  /** Runs statements as the superuser, each in a transaction of its own, and gives the last one's rows. */
  async sql<Row extends pg.QueryResultRow>(
    statements: string | readonly string[],
    { database = 'postgres', pod = firstPod, login = this.logins.superuser } = {},
  ): Promise<Row[]> {
    const client = await this.connect(login, database, pod)
    try {
      let rows: Row[] = []
      for (const statement of [statements].flat()) rows = (await client.query<Row>(statement)).rows
      return rows
    } finally {
      this.#clients.delete(client)
      await client.end()
    }
  }

  /** Works as an application would that has nothing but its Secret: logs in, makes a table, writes, reads. */
  async work(values: Values | undefined, pod = firstPod): Promise<void> {
    if (values === undefined) throw new Error('there is no Secret to work with')
    const login = { user: values['PGUSER'] ?? '', password: values['PGPASSWORD'] ?? '' }
    const table = `t_${randomBytes(4).toString('hex')}`
    const rows = await this.sql<{ n: number }>(
      [`create table public.${table} (n int)`, `insert into ${table} values (1)`, `table ${table}`],
      { database: values['PGDATABASE'] ?? '', pod, login },
    )
    if (rows[0]?.n !== 1) throw new Error('what was written was not read')
  }

  /** Adds a Pod that copies the primary and follows it, and waits until it does. */
  async standby(name: string, primary = firstPod): Promise<void> {
    const follows = await readyPod(this.admin, this.database, primary)
    await this.admin.create(
      spiloPod(this.database, cluster, { name, role: 'replica', follows }, this.#flavor),
    )
    await readyPod(this.admin, this.database, name)
    const slot = `select 1 from pg_replication_slots where slot_name = '${name.replaceAll('-', '_')}' and active`
    await until(`${name} follows`, async () => (await this.sql(slot, { pod: primary })).length === 1)
  }

  /** Puts the label by which the Service finds the primary. */
  async label(pod: string, role: 'master' | 'replica'): Promise<void> {
    await this.admin.patch('Pod', this.database, pod, { metadata: { labels: labelsOf(cluster, role) } })
  }

  /** What PostgreSQL has logged. */
  async log(pod = firstPod): Promise<string> {
    const { body } = await this.admin.call('GET', `${await this.admin.path('Pod', this.database, pod)}/log`)
    return String(body)
  }

  /** What says whether anything was changed: the next transaction's number and the Secret's version. */
  async state(
    name: string,
    pod = firstPod,
  ): Promise<{ readonly transaction: string; readonly version: string | undefined }> {
    const [row] = await this.sql<{ next: string }>(
      'select txid_snapshot_xmax(txid_current_snapshot())::text as next',
      { pod },
    )
    return {
      transaction: row?.next ?? '',
      version: (await this.stored(name))?.metadata.resourceVersion,
    }
  }
}

/** Gives the name of an application's Secret in a scene. */
export function secretName(name: string): string {
  return `${name}-postgresql-secret`
}

/** One Pod in the shape of Spilo, kept by a StatefulSet where it has to come back. */
function putSpilo(flavor: Flavor, reborn: boolean): NonNullable<SceneOptions['put']> {
  return async (admin, namespace, host) => {
    const logins = await putFiles(admin, namespace, host)
    const pod = spiloPod(namespace, cluster, { name: firstPod, role: 'master' }, flavor)
    await admin.create(reborn ? statefulSet(pod) : pod)
    await readyPod(admin, namespace, firstPod)
    return logins
  }
}

async function makeNamespace(admin: Admin, name: string): Promise<void> {
  await admin.create({ kind: 'Namespace', metadata: { name, labels: { [ringLabel]: ring } } })
}

/** As the Zalando operator and an administrator leave them: one that selects the primary, one kept by hand. */
async function putServices(admin: Admin, namespace: string): Promise<void> {
  const ports = [{ name: 'postgresql', port: 5432, targetPort: 'postgresql' }]
  await admin.create({
    kind: 'Service',
    metadata: { name: accessService, namespace },
    spec: { selector: { application: 'spilo', 'cluster-name': cluster, 'spilo-role': 'master' }, ports },
  })
  await admin.create({
    kind: 'Service',
    metadata: { name: cluster, namespace },
    spec: { ports: [{ name: 'postgresql', port: 5432 }] },
  })
}

/** Applies the Roles that the tool itself prints for its administrator. */
async function putRoles(admin: Admin, database: string, namespace: string): Promise<void> {
  const identity: Identity = {
    name: `system:serviceaccount:${namespace}:${serviceAccount}`,
    certain: true,
  }
  const scope = { accessSecret, accessNamespace: database, appNamespace: namespace, dryRun: false }
  // The name stands for every application's Secret of this scene: RBAC knows no patterns.
  const rights = runRights({ ...scope, appSecret: 'any' }, accessService).map(({ name, ...right }) => ({
    ...right,
    ...(name !== undefined && name !== 'any' && { name }),
  }))
  for (const document of parseAllDocuments(roleManifests(identity, rights))) {
    await admin.apply(document.toJS() as KubeObject)
  }
}

function statefulSet({ metadata, spec }: KubeObject): KubeObject {
  const { name, namespace = '', labels = {}, annotations } = metadata
  return {
    kind: 'StatefulSet',
    metadata: { name: name.replace(/-0$/, ''), namespace },
    spec: {
      serviceName: cluster,
      replicas: 1,
      selector: { matchLabels: { 'cluster-name': cluster } },
      template: { metadata: { labels, annotations }, spec },
    },
  }
}
