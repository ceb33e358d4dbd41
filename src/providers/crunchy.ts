import { yamlText } from '../lib/text.ts'
import { backupRun, dateOf, runsWords } from './backup-run.ts'
import type { BackupRun, Look, OperatorSight, Provider, ProviderSight } from './provider.ts'

const group = 'postgres-operator.crunchydata.com'
const clusterName = `${group}/cluster`

/** Crunchy Postgres for Kubernetes (PGO). Source: https://access.crunchydata.com/documentation/postgres-operator/latest/ */
export const crunchy: Provider = {
  id: 'crunchy',
  name: 'Crunchy Postgres for Kubernetes',
  // Those of the pooler, `pgbouncer-host` and others, lead to no PostgreSQL.
  secretKeys: {
    host: ['host'],
    port: ['port'],
    user: ['user'],
    password: ['password'],
    database: ['dbname'],
  },
  sslMode: 'require',
  role: { label: `${group}/role`, primary: ['master', 'primary'] },
  poolerRole: '_crunchypgbouncer',
  readings: [{ verb: 'get', group, resource: 'postgresclusters', object: (cluster) => cluster }],
  secretOf: ({ labels }) => labels[clusterName],
  // The Endpoints of `-primary` hold the address of the Service `-ha`; those of `-ha`, which Patroni keeps, name the Pod.
  servicesOf: (cluster) => ({ host: `${cluster}-primary`, forward: `${cluster}-ha` }),
  admit: (role) => [
    'spec:',
    '  users:',
    `    - name: ${yamlText(role)}`,
    '      options: CREATEDB CREATEROLE',
  ],
  clusterOf: ({ [clusterName]: name }) =>
    name === undefined ? undefined : { name, selector: { [clusterName]: name } },
  isInstance: (labels) => labels[`${group}/instance`] !== undefined,
  observe,
}

/** Everything is in one resource: the operator keeps the state of the CronJobs that take the backups there. */
async function observe(look: Look, name: string): Promise<ProviderSight> {
  const cluster = await look.get<PostgresClusterObject>(group, 'v1beta1', 'postgresclusters', name)
  const { spec, status } = cluster.body ?? {}
  const operator = operatorSight(name, cluster.body ?? {})
  const { wantedInstances, readyInstances, retention } = operator
  const kept = retention === undefined ? 'no retention in days' : `${retention.setting} ${retention.days}`
  look.note(
    'operator',
    cluster,
    () => `instances ${wantedInstances ?? '?'}, ready ${readyInstances ?? '?'}, ${kept}`,
  )
  const schedules = (spec?.backups?.pgbackrest?.repos ?? []).flatMap(({ name: repo = '', schedules }) =>
    schedules?.full === undefined
      ? []
      : [{ what: `full backup to ${repo}`, cron: schedules.full, zone: 'UTC' }],
  )
  look.note(
    'schedule',
    cluster,
    () => schedules.map(({ what, cron }) => `${what}: ${cron}`).join('; ') || 'no full backup is scheduled',
  )
  const backups = (status?.pgbackrest?.scheduledBackups ?? [])
    .filter(({ type }) => type === 'full')
    .map(runOf)
  look.note('backups', cluster, () => runsWords(backups))
  return { operator: cluster.body && operator, schedules, backups }
}

function operatorSight(name: string, { spec, status }: PostgresClusterObject): OperatorSight {
  const retention = retentionOf(spec?.backups?.pgbackrest)
  return {
    what: `postgresclusters.${group} ${name}`,
    wantedInstances: sum(spec?.instances?.map(({ replicas = 1 }) => replicas)),
    readyInstances: sum(status?.instances?.map(({ readyReplicas = 0 }) => readyReplicas)),
    status: spec?.shutdown === true ? 'shut down' : 'no status',
    ...(retention && { retention }),
  }
}

function sum(numbers: readonly number[] | undefined): number | undefined {
  return numbers?.reduce((one, other) => one + other, 0)
}

/** Of several repositories that get full backups, the one that keeps them longest. */
function retentionOf({ repos = [], global = {} }: PgBackRest = {}): OperatorSight['retention'] {
  return (
    repos
      .filter(({ schedules }) => schedules?.full !== undefined)
      // A plain number counts backups; only with this type it is days.
      .filter(({ name = '' }) => global[`${name}-retention-full-type`] === 'time')
      .map(({ name = '' }) => ({
        setting: `${name}-retention-full`,
        days: Number(global[`${name}-retention-full`]),
      }))
      .filter(({ days }) => days > 0)
      .toSorted((one, other) => other.days - one.days)[0]
  )
}

function runOf({ cronJobName, startTime, completionTime, succeeded, failed = 0 }: BackupStatus): BackupRun {
  const finished = dateOf(completionTime ?? (failed > 0 ? startTime : undefined))
  return backupRun(
    'CronJob',
    cronJobName,
    { started: dateOf(startTime), finished },
    completionTime !== undefined && (succeeded ?? 0) > 0,
  )
}

/** postgres-operator.crunchydata.com/v1beta1. Source: https://access.crunchydata.com/documentation/postgres-operator/latest/references/crd/ */
interface PostgresClusterObject {
  readonly spec?: {
    readonly shutdown?: boolean
    readonly instances?: readonly { readonly replicas?: number }[]
    readonly backups?: { readonly pgbackrest?: PgBackRest }
  }
  readonly status?: {
    readonly instances?: readonly { readonly readyReplicas?: number }[]
    readonly pgbackrest?: { readonly scheduledBackups?: readonly BackupStatus[] }
  }
}

interface PgBackRest {
  readonly repos?: readonly {
    readonly name?: string
    readonly schedules?: { readonly full?: string }
  }[]
  readonly global?: Readonly<Record<string, string>>
}

/** The state of one Job that a schedule has started. */
interface BackupStatus {
  readonly cronJobName?: string
  /** `full`, `diff` or `incr`. */
  readonly type?: string
  readonly startTime?: string
  readonly completionTime?: string
  readonly succeeded?: number
  readonly failed?: number
}
