import type { Metadata } from '../kubernetes/objects.ts'
import { oneLine, yamlText } from '../lib/text.ts'
import { backupRun, dateOf, daysOf, runsWords } from './backup-run.ts'
import type { BackupRun, Look, OperatorSight, Provider, ProviderSight } from './provider.ts'

const group = 'postgresql.cnpg.io'
/** The plugin that keeps backups in a store of their own. Source: https://cloudnative-pg.io/plugin-barman-cloud/docs/ */
const plugin = 'barman-cloud.cloudnative-pg.io'
const pluginGroup = 'barmancloud.cnpg.io'
const clusterName = 'cnpg.io/cluster'

/** CloudNativePG. Source: https://cloudnative-pg.io/documentation/current/ */
export const cloudnativepg: Provider = {
  id: 'cloudnativepg',
  name: 'CloudNativePG',
  // Source: https://github.com/cloudnative-pg/cloudnative-pg/blob/main/pkg/specs/secrets.go
  secretKeys: {
    host: ['host'],
    port: ['port'],
    user: ['username', 'user'],
    password: ['password'],
    database: ['dbname'],
  },
  sslMode: 'require',
  role: { label: 'cnpg.io/instanceRole', primary: ['primary'] },
  poolerRole: 'cnpg_pooler_pgbouncer',
  readings: [
    { verb: 'get', group, resource: 'clusters', object: (cluster) => cluster },
    { verb: 'list', group, resource: 'scheduledbackups' },
    { verb: 'list', group, resource: 'backups' },
    { verb: 'get', group: pluginGroup, resource: 'objectstores' },
  ],
  secretOf: ({ labels }) => labels[clusterName],
  servicesOf: (cluster) => ({ host: `${cluster}-rw`, forward: `${cluster}-rw` }),
  // Source: https://cloudnative-pg.io/documentation/current/declarative_role_management/
  admit: (role) => [
    'spec:',
    '  managed:',
    '    roles:',
    `      - name: ${yamlText(role)}`,
    '        ensure: present',
    '        login: true',
    '        createdb: true',
    '        createrole: true',
  ],
  clusterOf: ({ [clusterName]: name }) =>
    name === undefined ? undefined : { name, selector: { [clusterName]: name } },
  isInstance: (labels) => labels['cnpg.io/poolerName'] === undefined,
  observe,
}

async function observe(look: Look, name: string): Promise<ProviderSight> {
  const [cluster, scheduled, backups] = await Promise.all([
    look.get<ClusterObject>(group, 'v1', 'clusters', name),
    look.list<ScheduledBackupObject>(group, 'v1', 'scheduledbackups'),
    look.list<BackupObject>(group, 'v1', 'backups'),
  ])
  const { spec, status } = cluster.body ?? {}
  const store = await storeOf(look, spec)
  const [archiving, backup] = [
    conditionOf(status, 'ContinuousArchiving'),
    conditionOf(status, 'LastBackupSucceeded'),
  ]
  look.note(
    'operator',
    cluster,
    () =>
      `instances ${spec?.instances ?? '?'}, ready ${status?.readyInstances ?? '?'}, retentionPolicy ${spec?.backup?.retentionPolicy ?? 'none'}, ContinuousArchiving ${conditionWords(archiving)}`,
  )
  look.note(
    'backups',
    cluster,
    () =>
      `lastSuccessfulBackup ${status?.lastSuccessfulBackup ?? 'not said'}, LastBackupSucceeded ${conditionWords(backup)}`,
  )
  const plans = ofCluster(name, scheduled.body?.items)
  look.note(
    'schedule',
    scheduled,
    () =>
      plans
        .map(({ metadata, spec: plan }) => `${metadata?.name ?? ''}: ${plan?.schedule ?? ''}`)
        .join('; ') || 'none for this cluster',
  )
  const runs = ofCluster(name, backups.body?.items).map(runOf)
  look.note('backups', backups, () => runsWords(runs))
  const last = dateOf(status?.lastSuccessfulBackup)
  return {
    operator: cluster.body && operatorSight(name, cluster.body, store),
    schedules: plans.map(({ metadata, spec: plan }) => ({
      what: `ScheduledBackup ${metadata?.name ?? ''}`,
      cron: plan?.schedule ?? '',
      zone: 'UTC',
      // With five fields too, which is a frequent mistake: "0 1 * * *" is every hour.
      seconds: true,
      ...(plan?.suspend === true && { off: 'it is suspended' }),
    })),
    backups: [
      ...(last === undefined ? [] : [{ what: `status of cluster ${name}`, finished: last, succeeded: true }]),
      ...runs,
    ],
  }
}

/** The store of the plugin, where the cluster uses it: how long backups are kept is said there. */
async function storeOf(look: Look, spec: ClusterObject['spec']): Promise<StoreObject | undefined> {
  const name = pluginOf(spec)?.parameters?.['barmanObjectName']
  if (name === undefined) return undefined
  const store = await look.get<StoreObject>(pluginGroup, 'v1', 'objectstores', name)
  look.note('operator', store, ({ spec: kept }) => `retentionPolicy ${kept?.retentionPolicy ?? 'none'}`)
  return store.body
}

function pluginOf(spec: ClusterObject['spec']): Plugin | undefined {
  return spec?.plugins?.find(({ name, enabled }) => name === plugin && enabled !== false)
}

/** The cluster's own policy is about backups in its own store alone: not about those of a plugin, nor about snapshots. */
function ownRetention(spec: ClusterObject['spec']): number | undefined {
  const { barmanObjectStore, retentionPolicy } = spec?.backup ?? {}
  return pluginOf(spec) === undefined && barmanObjectStore !== undefined ? daysOf(retentionPolicy) : undefined
}

function operatorSight(
  name: string,
  { spec, status }: ClusterObject,
  store: StoreObject | undefined,
): OperatorSight {
  const [own, ofStore] = [ownRetention(spec), daysOf(store?.spec?.retentionPolicy)]
  const days = ofStore ?? own
  const archiving = conditionOf(status, 'ContinuousArchiving')?.status
  const backup = conditionOf(status, 'LastBackupSucceeded')
  return {
    what: `clusters.${group} ${name}`,
    wantedInstances: spec?.instances,
    readyInstances: status?.readyInstances,
    status: oneLine(status?.phase ?? 'no status', 80),
    ...(days !== undefined && {
      retention: {
        days,
        setting: ofStore === undefined ? 'retentionPolicy' : 'retentionPolicy of the ObjectStore',
      },
    }),
    ...(archiving === 'True' && { archives: true }),
    ...(archiving === 'False' && { archives: false }),
    ...(backup?.status === 'False' && {
      backupFailure: {
        at: dateOf(backup.lastTransitionTime),
        message: oneLine(backup.message ?? backup.reason ?? 'no reason given', 120),
      },
    }),
  }
}

function conditionOf(status: ClusterObject['status'], wanted: string): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === wanted)
}

function conditionWords(condition: Condition | undefined): string {
  if (condition?.status === undefined) return 'not said'
  return condition.status === 'False' ? `False: ${condition.message ?? ''}` : condition.status
}

function ofCluster<Item extends { readonly spec?: { readonly cluster?: { readonly name?: string } } }>(
  name: string,
  items: readonly Item[] = [],
): readonly Item[] {
  return items.filter(({ spec }) => spec?.cluster?.name === name)
}

function runOf({ metadata, status }: BackupObject): BackupRun {
  // One that failed before it came to an end has no end.
  const failed = status?.phase === 'failed' ? (status.startedAt ?? metadata?.creationTimestamp) : undefined
  const times = { started: dateOf(status?.startedAt), finished: dateOf(status?.stoppedAt ?? failed) }
  return backupRun('Backup', metadata?.name, times, status?.phase === 'completed')
}

/** postgresql.cnpg.io/v1. Source: https://cloudnative-pg.io/documentation/current/cloudnative-pg.v1/ */
interface ClusterObject {
  readonly spec?: {
    readonly instances?: number
    readonly backup?: { readonly barmanObjectStore?: object; readonly retentionPolicy?: string }
    readonly plugins?: readonly Plugin[]
  }
  readonly status?: {
    readonly readyInstances?: number
    readonly phase?: string
    readonly lastSuccessfulBackup?: string
    readonly conditions?: readonly Condition[]
  }
}

interface Plugin {
  readonly name?: string
  readonly enabled?: boolean
  readonly parameters?: Readonly<Record<string, string>>
}

/** barmancloud.cnpg.io/v1 ObjectStore. */
interface StoreObject {
  readonly spec?: { readonly retentionPolicy?: string }
}

/** As in meta/v1; the operator has ContinuousArchiving, LastBackupSucceeded and Ready. */
interface Condition {
  readonly type?: string
  readonly status?: string
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
}

interface ScheduledBackupObject {
  readonly metadata?: Metadata
  readonly spec?: {
    readonly schedule?: string
    readonly suspend?: boolean
    readonly cluster?: { readonly name?: string }
  }
}

interface BackupObject {
  readonly metadata?: Metadata
  readonly spec?: { readonly cluster?: { readonly name?: string } }
  readonly status?: { readonly phase?: string; readonly startedAt?: string; readonly stoppedAt?: string }
}
