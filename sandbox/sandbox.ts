import { startApi, type ApiOptions, type StandInApi } from './api.ts'
import {
  createAdmin,
  startPostgres,
  type Login,
  type PostgresOptions,
  type PostgresServer,
} from './postgres.ts'

/** What may differ from a cluster as its administrator would leave it. */
export interface SandboxOptions {
  readonly postgres?: PostgresOptions
  readonly api?: ApiOptions
  /** Default: one made at random. */
  readonly adminPassword?: string
}

/** A cluster on one's own machine: a stand-in Kubernetes API in front of a real PostgreSQL. */
export interface Sandbox {
  readonly api: StandInApi
  readonly postgres: PostgresServer
  /** The admin of the access Secret: CREATEDB and CREATEROLE, no superuser. */
  readonly admin: Login
  /** A kubeconfig (YAML) of ServiceAccount `ci`, which has only the rights that a run needs. */
  readonly kubeconfig: string
  readonly accessNamespace: string
  readonly accessSecret: string
  readonly appNamespace: string
  /** The Role of the ServiceAccount in the namespace of the database, and that in the application's. */
  readonly accessRole: string
  readonly appRole: string
  /** Stops everything and leaves nothing behind. */
  stop(): Promise<void>
}

const cluster = 'postgresql1'
const accessNamespace = 'postgres-system'
const accessSecret = `${cluster}-access`
const accessService = `${cluster}-user-access`
const appNamespace = 'shop'
const serviceAccount = 'ci'
const accessRole = `pg-app-user-${accessSecret}`
/** For the Secrets of every application, whatever it is called: RBAC knows no patterns. */
const appRole = 'pg-app-user-all-write'
const pod = `${cluster}-0`
const port = 5432

/** Starts a sandbox. Throws a SandboxError where this machine does not allow one, and leaves nothing behind then. */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const postgres = await startPostgres(options.postgres)
  try {
    // The stand-in comes last, so that there is nothing but PostgreSQL to clean up after a failure.
    const { adminPassword: password } = options
    const admin = await createAdmin(postgres, { name: `${cluster}_admin`, ...(password && { password }) })
    const api = await startApi(options.api)
    putDatabase(api, postgres)
    putAccess(api, admin, postgres)
    putPipeline(api)
    return {
      api,
      postgres,
      admin,
      // Somebody may look around for longer than the hour of a token.
      kubeconfig: api.kubeconfig({ namespace: appNamespace, serviceAccount, lifetimeSeconds: 24 * 60 * 60 }),
      accessNamespace,
      accessSecret,
      appNamespace,
      accessRole,
      appRole,
      async stop() {
        await api.close()
        await postgres.stop()
      },
    }
  } catch (thrown) {
    await postgres.stop()
    throw thrown
  }
}

/** What the Zalando operator leaves: the primary's Pod, and the cluster's own Service, whose Endpoints Patroni keeps. */
function putDatabase(api: StandInApi, postgres: PostgresServer): void {
  api.put({ kind: 'Namespace', metadata: { name: accessNamespace } })
  const podIP = '10.244.0.17'
  const labels = { application: 'spilo', 'cluster-name': cluster, 'spilo-role': 'master', team: 'postgres' }
  const status = {
    conn_url: `postgres://${podIP}:${port}/postgres`,
    api_url: `http://${podIP}:8008/patroni`,
    state: 'running',
    role: 'master',
    version: '3.3.2',
    xlog_location: 50331648,
    timeline: 1,
  }
  api.put({
    kind: 'Pod',
    metadata: {
      name: pod,
      namespace: accessNamespace,
      labels,
      annotations: { status: JSON.stringify(status) },
    },
    spec: {
      nodeName: 'node-1',
      containers: [
        {
          name: 'postgres',
          image: `spilo-${postgres.major}`,
          ports: [
            { containerPort: 8008, protocol: 'TCP' },
            { containerPort: port, name: 'postgresql', protocol: 'TCP' },
          ],
        },
      ],
    },
    status: {
      phase: 'Running',
      podIP,
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ name: 'postgres', ready: true }],
    },
  })
  api.route(accessNamespace, pod, port, postgres)

  const named = { name: cluster, namespace: accessNamespace }
  const targetRef = { kind: 'Pod', name: pod, namespace: accessNamespace }
  const ports = [{ name: 'postgresql', port, protocol: 'TCP' }]
  api.put({ kind: 'Service', metadata: named, spec: { type: 'ClusterIP', ports } })
  api.put({
    kind: 'Endpoints',
    metadata: named,
    subsets: [{ addresses: [{ ip: podIP, targetRef }], ports }],
  })
  api.put({
    kind: 'EndpointSlice',
    metadata: {
      ...named,
      name: `${cluster}-x7k2p`,
      labels: { 'kubernetes.io/service-name': cluster },
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: [podIP], conditions: { ready: true }, targetRef }],
    ports,
  })
}

/** What the administrator adds for developers: the Service to port-forward to, and the access Secret. */
function putAccess(api: StandInApi, admin: Login, postgres: PostgresServer): void {
  api.put({
    kind: 'Service',
    metadata: { name: accessService, namespace: accessNamespace },
    spec: {
      type: 'ClusterIP',
      selector: { application: 'spilo', 'cluster-name': cluster, 'spilo-role': 'master' },
      ports: [{ name: 'postgresql', port, targetPort: 'postgresql', protocol: 'TCP' }],
    },
  })
  api.put({
    kind: 'Secret',
    metadata: { name: accessSecret, namespace: accessNamespace },
    stringData: {
      PGHOST: `${cluster}.${accessNamespace}.svc.cluster.local`,
      PGUSER: admin.user,
      PGPASSWORD: admin.password,
      PGSSLMODE: postgres.ca === undefined ? 'disable' : 'require',
      USER_ACCESS: accessService,
    },
  })
}

/** The application's namespace, with a ServiceAccount for its pipeline and the rights that a run needs. */
function putPipeline(api: StandInApi): void {
  api.put({ kind: 'Namespace', metadata: { name: appNamespace } })
  api.put({ kind: 'ServiceAccount', metadata: { name: serviceAccount, namespace: appNamespace } })
  grant(api, accessNamespace, accessRole, [
    { apiGroups: [''], resources: ['secrets'], resourceNames: [accessSecret], verbs: ['get'] },
    { apiGroups: [''], resources: ['services'], resourceNames: [accessService], verbs: ['get'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
    { apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] },
  ])
  grant(api, appNamespace, appRole, [
    { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'create', 'patch'] },
  ])
}

function grant(api: StandInApi, namespace: string, name: string, rules: readonly object[]): void {
  api.put({ kind: 'Role', metadata: { name, namespace }, rules })
  api.put({
    kind: 'RoleBinding',
    metadata: { name: `${name}-${appNamespace}-${serviceAccount}`, namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', name: serviceAccount, namespace: appNamespace }],
  })
}
