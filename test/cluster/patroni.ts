import { randomBytes } from 'node:crypto'
import { createAuthority } from '../../sandbox/certificate.ts'
import { until, type Admin, type KubeObject } from '../contract/admin.ts'
import { kubectl } from './kubectl.ts'
import { cluster, Scene } from './scene.ts'
import { readyPod, type Logins } from './spilo.ts'

/** The image with Patroni 4 and PostgreSQL 17; where none is named there is none. */
export const patroniImage = process.env['CLUSTER_PATRONI_IMAGE']

export const members = [0, 1, 2].map((number) => `${cluster}-${number}`)

/** A busy machine takes its time until three servers have found their places. */
const settleMs = 300_000
const account = 'postgres-pod'
const filesName = 'patroni'
const home = '/etc/patroni'
const data = '/var/lib/postgresql/data/pgdata'
const masterLabel = 'spilo-role=master'

/** Patroni keeps its state in the Endpoints of its cluster, as the operator of Zalando has it; a dead primary is noticed after `ttl` seconds. */
const settings = (logins: Logins, standby: string): object => ({
  bootstrap: {
    dcs: {
      ttl: 20,
      loop_wait: 5,
      retry_timeout: 5,
      postgresql: {
        use_pg_rewind: true,
        parameters: {
          jit: 'off',
          log_statement: 'ddl',
          wal_level: 'replica',
          archive_mode: 'on',
          archive_timeout: 300,
          archive_command: 'true',
        },
      },
    },
    initdb: [{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }, 'data-checksums'],
    post_bootstrap: `sh ${home}/post_bootstrap`,
  },
  kubernetes: {
    labels: { application: 'spilo' },
    scope_label: 'cluster-name',
    role_label: 'spilo-role',
    leader_label_value: 'master',
    use_endpoints: true,
    ports: [{ name: 'postgresql', port: 5432 }],
  },
  restapi: { listen: '0.0.0.0:8008' },
  postgresql: {
    listen: '*:5432',
    data_dir: data,
    bin_dir: '/usr/lib/postgresql/17/bin',
    // A member that comes back with nothing would wait minutes for a checkpoint that takes its time.
    basebackup: [{ checkpoint: 'fast' }],
    authentication: {
      superuser: { username: logins.superuser.user, password: logins.superuser.password },
      replication: { username: 'standby', password: standby },
      rewind: { username: logins.superuser.user, password: logins.superuser.password },
    },
    parameters: {
      unix_socket_directories: '/tmp',
      ssl: 'on',
      ssl_cert_file: `${home}/tls.crt`,
      ssl_key_file: `${home}/tls.key`,
      shared_buffers: '16MB',
      fsync: 'off',
    },
    // Those of Spilo: what comes through a port-forward arrives from loopback.
    pg_hba: [
      'local all all trust',
      'host all all 127.0.0.1/32 md5',
      'host all all ::1/128 md5',
      'hostssl replication standby all md5',
      'hostnossl all all all reject',
      'hostssl all all all md5',
    ],
  },
})

/** Puts three members of PostgreSQL 17 under a Patroni, and waits until all of them are Ready. */
export async function putPatroni(admin: Admin, namespace: string, host: string): Promise<Logins> {
  if (patroniImage === undefined) throw new Error('CLUSTER_PATRONI_IMAGE is not set')
  const password = (): string => randomBytes(24).toString('hex')
  const logins = {
    superuser: { user: 'postgres', password: password() },
    admin: { user: 'postgresql1_admin', password: password() },
  }
  const { certificate, key } = createAuthority('patroni').issue([host])
  const { user, password: secret } = logins.admin
  await admin.create({
    kind: 'Secret',
    metadata: { name: filesName, namespace },
    stringData: {
      // YAML is what JSON is, too.
      'patroni.yml': JSON.stringify(settings(logins, password())),
      post_bootstrap: `exec psql -d "$1" -v ON_ERROR_STOP=1 -c "set log_statement = 'none'; create role ${user} login createdb createrole password '${secret}'"\n`,
      'tls.crt': certificate,
      'tls.key': key,
    },
  })
  await admin.serviceAccount(namespace, account)
  const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
  await admin.create({
    kind: 'Role',
    metadata: { name: account, namespace },
    rules: [
      { apiGroups: [''], resources: ['endpoints'], verbs },
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'patch', 'update', 'watch'] },
      { apiGroups: [''], resources: ['services'], verbs: ['create'] },
    ],
  })
  await admin.create({
    kind: 'RoleBinding',
    metadata: { name: account, namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: account },
    subjects: [{ kind: 'ServiceAccount', name: account, namespace }],
  })
  await admin.create(statefulSet(namespace, patroniImage))
  for (const member of members) await readyPod(admin, namespace, member, settleMs)
  return logins
}

function statefulSet(namespace: string, image: string): KubeObject {
  const labels = { application: 'spilo', 'cluster-name': cluster }
  const field = (variable: string, fieldPath: string): object => ({
    name: variable,
    valueFrom: { fieldRef: { fieldPath } },
  })
  return {
    kind: 'StatefulSet',
    metadata: { name: cluster, namespace, labels },
    spec: {
      replicas: members.length,
      serviceName: cluster,
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: account,
          terminationGracePeriodSeconds: 20,
          enableServiceLinks: false,
          securityContext: { runAsUser: 999, runAsGroup: 999, fsGroup: 999 },
          containers: [
            {
              name: 'postgres',
              image,
              imagePullPolicy: image.startsWith('localhost/') ? 'Never' : 'IfNotPresent',
              env: [
                { name: 'PATRONI_SCOPE', value: cluster },
                field('PATRONI_NAME', 'metadata.name'),
                field('PATRONI_KUBERNETES_NAMESPACE', 'metadata.namespace'),
                field('POD_IP', 'status.podIP'),
                { name: 'PATRONI_KUBERNETES_POD_IP', value: '$(POD_IP)' },
                { name: 'PATRONI_POSTGRESQL_CONNECT_ADDRESS', value: '$(POD_IP):5432' },
                { name: 'PATRONI_RESTAPI_CONNECT_ADDRESS', value: '$(POD_IP):8008' },
              ],
              ports: [
                { containerPort: 5432, name: 'postgresql' },
                { containerPort: 8008, name: 'patroni' },
              ],
              readinessProbe: { httpGet: { path: '/readiness', port: 8008 }, periodSeconds: 2 },
              volumeMounts: [
                { name: 'data', mountPath: '/var/lib/postgresql/data' },
                { name: 'files', mountPath: home },
              ],
            },
          ],
          volumes: [
            { name: 'data', emptyDir: {} },
            { name: 'files', secret: { secretName: filesName, defaultMode: 0o440 } },
          ],
        },
      },
    },
  }
}

/** The Patroni of a scene, as its administrator handles it. */
export class Patroni {
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  /** Waits until one member is the primary for everybody and the others stream from it, and gives its name. */
  async settled(): Promise<string> {
    let primary = ''
    await until(
      'Patroni has one primary and two standbys',
      async () => {
        const { admin, database } = this.#scene
        const path = `${await admin.path('Pod', database)}?labelSelector=${encodeURIComponent(masterLabel)}`
        const { items } = (await admin.call('GET', path)).body as { items: KubeObject[] }
        const [first, ...others] = items.map(({ metadata }) => metadata.name)
        if (first === undefined || others.length > 0) return false
        primary = first
        const [row] = await this.#scene.sql<{ settled: boolean }>(
          `select not pg_is_in_recovery()
             and 2 = (select count(*) from pg_stat_replication where state = 'streaming' and application_name <> pid::text) as settled`,
          { pod: first },
        )
        return row?.settled === true
      },
      settleMs,
    )
    for (const member of members) await readyPod(this.#scene.admin, this.#scene.database, member, settleMs)
    return primary
  }

  /** Has another member take over, and waits until Patroni says that it has. */
  async switchover(primary: string): Promise<void> {
    const [candidate = ''] = members.filter((member) => member !== primary)
    const said = await this.#ask(candidate, 'POST', 'switchover', { leader: primary, candidate })
    if (!said.includes('Successfully switched over')) throw new Error(said)
  }

  /** Kills PostgreSQL in a member, and leaves its Patroni alive. */
  async killServer(member: string): Promise<void> {
    const { admin, database } = this.#scene
    const kill = `kill -9 $(head -n 1 ${data}/postmaster.pid)`
    await kubectl(['-n', database, 'exec', member, '--', 'sh', '-c', kill], {
      kubeconfig: admin.kubeconfigText,
    })
  }

  /** Removes a member with all that it has, and does not wait for the one that comes in its place. */
  async removePod(member: string): Promise<void> {
    const { admin, database } = this.#scene
    const path = await admin.path('Pod', database, member)
    const { status, body } = await admin.call('DELETE', path, { gracePeriodSeconds: 0 })
    if (status >= 300) throw new Error(JSON.stringify(body))
  }

  /** Replaces one Pod after the other, as for a new image. */
  async roll(): Promise<void> {
    const { admin, database } = this.#scene
    const restarted = { 'pg-app-user.elastisys.io/restarted': randomBytes(4).toString('hex') }
    await admin.patch('StatefulSet', database, cluster, {
      spec: { template: { metadata: { annotations: restarted } } },
    })
  }

  /** Says whether every Pod is the newest one, and Ready. */
  async rolled(): Promise<boolean> {
    const { admin, database } = this.#scene
    const found = await admin.get('StatefulSet', database, cluster)
    const generation = found?.metadata['generation']
    const { observedGeneration, updatedReplicas, readyReplicas } = (found?.['status'] ?? {}) as Record<
      string,
      unknown
    >
    return (
      observedGeneration === generation &&
      updatedReplicas === members.length &&
      readyReplicas === members.length
    )
  }

  /** Has Patroni let its members alone, or no longer, as `patronictl pause` and `resume` do, and waits until all know. */
  async pause(paused: boolean): Promise<void> {
    for (const member of members) {
      await until(`${member} knows`, async () => {
        await this.#ask(member, 'PATCH', 'config', { pause: paused || null })
        const status = JSON.parse(await this.#ask(member, 'GET', 'patroni')) as { pause?: boolean }
        return (status.pause ?? false) === paused
      })
    }
  }

  /** Restarts PostgreSQL in every member, where it is. */
  async restart(): Promise<void> {
    await Promise.all(members.map((member) => this.#ask(member, 'POST', 'restart', {})))
  }

  /** Asks the Patroni of a member what `patronictl` would. */
  async #ask(member: string, method: string, what: string, body?: unknown): Promise<string> {
    const { admin, database } = this.#scene
    const path = `${await admin.path('Pod', database, `${member}:8008`)}/proxy/${what}`
    const reply = await admin.call(method, path.replace('%3A', ':'), body)
    const said = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body)
    if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${said}`)
    return said
  }
}
