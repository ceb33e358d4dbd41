import { randomBytes } from 'node:crypto'
import { createAuthority } from '../../sandbox/certificate.ts'
import type { Login } from '../../sandbox/postgres.ts'
import { until, type Admin, type KubeObject } from '../contract/admin.ts'

/** Where the programs of one PostgreSQL major come from. */
export interface Flavor {
  readonly image: string
  /** A folder of the Node with `bin`, `lib` and `share`, to be used instead of what the image has. */
  readonly binaries?: string
}

/** The image with PostgreSQL and a shell, present on every Node or to be pulled. */
export const mainFlavor: Flavor = { image: process.env['CLUSTER_POSTGRES_IMAGE'] ?? 'localhost/postgres:15' }

/** `localhost` stands for no registry: such images are on the Nodes already. */
export const pullPolicy = mainFlavor.image.startsWith('localhost/') ? 'Never' : 'IfNotPresent'

/** Whom a cluster of PostgreSQL Pods knows from its beginning. */
export interface Logins {
  readonly superuser: Login
  /** As in a managed PostgreSQL: CREATEDB and CREATEROLE, no superuser. */
  readonly admin: Login
}

/** How one Pod takes part in its cluster. */
export interface Member {
  readonly name: string
  readonly role: 'master' | 'replica'
  /** The Pod IP of the primary to copy and follow. */
  readonly follows?: string
}

const serverPort = 5432
const secretName = 'spilo'

/** Runs PostgreSQL 13 and later from any image that has its programs and a POSIX shell. */
const startScript = `set -eu
umask 077
export PATH=/opt/postgres/bin:$PATH PGDATA=/home/postgres/data
mkdir -p /home/postgres/archive
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ -n "$FOLLOWS" ]; then
    export PGPASSWORD="$(cat /etc/spilo/standby)"
    pg_basebackup -d "host=$FOLLOWS user=standby sslmode=require" -D "$PGDATA" -R -X stream -c fast -C -S "$SLOT"
  else
    initdb --pgdata="$PGDATA" --username=postgres --pwfile=/etc/spilo/superuser --encoding=UTF8 --locale=C --no-sync
    cat /etc/spilo/postgresql.conf >> "$PGDATA/postgresql.conf"
    cp /etc/spilo/pg_hba.conf "$PGDATA/pg_hba.conf"
    postgres --single -c log_statement=none -D "$PGDATA" postgres < /etc/spilo/init.sql
  fi
fi
exec postgres -D "$PGDATA"
`

/** Spilo's own, with small buffers, and without syncing what nobody will miss. */
const settings = `
listen_addresses = '*'
unix_socket_directories = '/tmp'
max_connections = 100
shared_buffers = 16MB
fsync = off
autovacuum = off
ssl = on
ssl_cert_file = '/etc/spilo/tls.crt'
ssl_key_file = '/etc/spilo/tls.key'
password_encryption = 'scram-sha-256'
wal_level = replica
max_wal_senders = 10
hot_standby = on
archive_mode = on
archive_command = 'cp %p /home/postgres/archive/%f'
archive_timeout = 300
log_statement = ddl
log_line_prefix = '%m [%p] %q%u@%d %a '
log_timezone = 'UTC'
timezone = 'UTC'
lc_messages = 'C'
`

/** Spilo's rules: what comes through a port-forward arrives from loopback and meets the first one. */
const hba = `
local   all         all                      trust
host    all         all      127.0.0.1/32    md5
host    all         all      ::1/128         md5
hostssl replication standby  all             md5
hostnossl all       all      all             reject
hostssl all         all      all             md5
`

/** Puts the Secret from which the Pods of a cluster start, and gives the logins in it. */
export async function putFiles(admin: Admin, namespace: string, host: string): Promise<Logins> {
  const password = (): string => randomBytes(24).toString('hex')
  const logins = {
    superuser: { user: 'postgres', password: password() },
    admin: { user: 'postgresql1_admin', password: password() },
  }
  const standby = password()
  const { certificate, key } = createAuthority('spilo').issue([host])
  const role = ({ user, password: secret }: Login, attributes: string): string =>
    `create role ${user} login ${attributes} password '${secret}'`
  await admin.create({
    kind: 'Secret',
    metadata: { name: secretName, namespace },
    stringData: {
      'start.sh': startScript,
      'postgresql.conf': settings,
      'pg_hba.conf': hba,
      'tls.crt': certificate,
      'tls.key': key,
      superuser: logins.superuser.password,
      standby,
      'init.sql': [
        role({ user: 'standby', password: standby }, 'replication'),
        role(logins.admin, 'createdb createrole'),
        '',
      ].join('\n'),
    },
  })
  return logins
}

/** The labels that Spilo gives its Pods. */
export function labelsOf(cluster: string, role: Member['role']): Record<string, string> {
  return { application: 'spilo', 'cluster-name': cluster, 'spilo-role': role, team: 'postgres' }
}

/** A Pod in the shape of Spilo. `putFiles` has to come before it. */
export function spiloPod(
  namespace: string,
  cluster: string,
  member: Member,
  flavor = mainFlavor,
): KubeObject {
  const { name, role, follows } = member
  const status = {
    conn_url: `postgres://${name}:${serverPort}/postgres`,
    api_url: `http://${name}:8008/patroni`,
    state: 'running',
    role,
    version: '3.3.2',
    timeline: 1,
  }
  const mount = (volume: string, mountPath: string): object => ({ name: volume, mountPath })
  const { binaries } = flavor
  return {
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      labels: labelsOf(cluster, role),
      annotations: { status: JSON.stringify(status) },
    },
    spec: {
      securityContext: { runAsUser: 999, runAsGroup: 999, fsGroup: 999 },
      terminationGracePeriodSeconds: 0,
      enableServiceLinks: false,
      automountServiceAccountToken: false,
      containers: [
        {
          name: 'postgres',
          image: flavor.image,
          imagePullPolicy: pullPolicy,
          command: ['sh', '/etc/spilo/start.sh'],
          env: [
            { name: 'FOLLOWS', value: follows ?? '' },
            { name: 'SLOT', value: name.replaceAll('-', '_') },
          ],
          ports: [
            { containerPort: 8008, name: 'patroni' },
            { containerPort: serverPort, name: 'postgresql' },
          ],
          // The port is open before the server takes anybody in.
          startupProbe: {
            exec: { command: ['pg_isready', '-q', '-h', '/tmp'] },
            periodSeconds: 1,
            timeoutSeconds: 10,
            failureThreshold: 120,
          },
          readinessProbe: { tcpSocket: { port: serverPort }, periodSeconds: 1 },
          volumeMounts: [
            mount('files', '/etc/spilo'),
            mount('home', '/home/postgres'),
            ...(binaries === undefined ? [] : [mount('binaries', '/opt/postgres')]),
          ],
        },
      ],
      volumes: [
        { name: 'files', secret: { secretName, defaultMode: 0o440 } },
        { name: 'home', emptyDir: {} },
        ...(binaries === undefined ? [] : [{ name: 'binaries', hostPath: { path: binaries } }]),
      ],
    },
  }
}

/** Waits until a Pod is Ready, and gives its IP. */
export async function readyPod(
  admin: Admin,
  namespace: string,
  name: string,
  withinMs?: number,
): Promise<string> {
  let ip = ''
  const ready = async (): Promise<boolean> => {
    const { status } = ((await admin.get('Pod', namespace, name)) ?? {}) as {
      status?: { podIP?: string; conditions?: { type: string; status: string }[] }
    }
    ip = status?.podIP ?? ''
    return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true
  }
  await until(`Pod ${name} is Ready`, ready, withinMs)
  return ip
}

/** Waits until a Pod has come to a phase such as `Succeeded`. */
export async function podPhase(admin: Admin, namespace: string, name: string, phase: string): Promise<void> {
  await until(`Pod ${name} is ${phase}`, async () => {
    const pod = await admin.get('Pod', namespace, name)
    return (pod?.['status'] as { phase?: string } | undefined)?.phase === phase
  })
}
