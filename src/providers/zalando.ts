import type { Answered } from '../kubernetes/ask.ts'
import type { Metadata, PodObject } from '../kubernetes/objects.ts'
import { oneLine, yamlText } from '../lib/text.ts'
import { backupRun, dateOf, runsWords } from './backup-run.ts'
import type { BackupRun, Look, Provider, ProviderSight, ScheduleSight } from './provider.ts'

const group = 'acid.zalan.do'
const application = 'application'
const clusterName = 'cluster-name'
/** `{username}.{cluster}.credentials.{tprkind}.{tprgroup}`; old releases had no kind in it. */
const secretName = /\.([^.]+)\.credentials\.(?:postgresql\.)?acid\.zalan\.do$/

/** The postgres-operator by Zalando, whose Pods run Spilo, which is Patroni. Source: https://github.com/zalando/postgres-operator */
export const zalando: Provider = {
  id: 'zalando',
  name: "Zalando's operator",
  secretKeys: { user: ['username'], password: ['password'] },
  sslMode: 'require',
  role: { label: 'spilo-role', primary: ['master', 'primary'] },
  poolerRole: 'pooler',
  readings: [
    { verb: 'get', group, resource: 'postgresqls', object: (cluster) => cluster },
    { verb: 'get', group: 'batch', resource: 'cronjobs', object: backupJob },
    { verb: 'list', group: 'batch', resource: 'jobs' },
  ],
  secretOf: ({ name, labels }) =>
    secretName.test(name) ? (labels[clusterName] ?? secretName.exec(name)?.[1]) : undefined,
  servicesOf: (cluster) => ({ host: cluster, forward: cluster }),
  admit: (role) => ['spec:', '  users:', `    ${yamlText(role)}: [createdb, createrole]`],
  clusterOf: ({ [application]: kind, [clusterName]: name }) =>
    kind === 'spilo' && name !== undefined
      ? { name, selector: { [application]: kind, [clusterName]: name } }
      : undefined,
  isInstance: () => true,
  observe,
}

function backupJob(cluster: string): string {
  return `logical-backup-${cluster}`
}

async function observe(look: Look, cluster: string): Promise<ProviderSight> {
  const [resource, logical] = await Promise.all([
    look.get<PostgresqlObject>(group, 'v1', 'postgresqls', cluster),
    observeLogicalBackups(look, cluster),
  ])
  const { spec, status } = resource.body ?? {}
  const phase = typeof status === 'string' ? status : status?.PostgresClusterStatus
  look.note(
    'operator',
    resource,
    () => `numberOfInstances ${spec?.numberOfInstances ?? '?'}, status ${phase ?? 'none'}`,
  )
  const on = spec?.enableLogicalBackup === true
  const cron = spec?.logicalBackupSchedule
  look.note(
    'schedule',
    resource,
    () => `logical backup ${on ? 'on' : 'off'}, schedule ${cron ?? "the operator's default"}`,
  )
  return {
    operator: resource.body && {
      what: `postgresqls.${group} ${cluster}`,
      wantedInstances: spec?.numberOfInstances,
      readyInstances: undefined,
      status: oneLine(phase ?? 'no status', 80),
    },
    schedules: [
      ...logical.schedules,
      ...(on && cron !== undefined ? [{ what: `custom resource ${cluster}`, cron, zone: 'UTC' }] : []),
    ],
    backups: logical.backups,
    logicalRetention: logical.retention,
  }
}

interface LogicalBackups {
  readonly schedules: readonly ScheduleSight[]
  readonly backups: readonly BackupRun[]
  readonly retention: string | undefined
}

/** The operator's CronJob, and the Pods and Jobs it started, which carry labels of their own. */
async function observeLogicalBackups(look: Look, cluster: string): Promise<LogicalBackups> {
  const labels = { [application]: 'spilo-logical-backup', [clusterName]: cluster }
  const name = backupJob(cluster)
  // CronJobs came to batch/v1 with Kubernetes 1.21, and went from batch/v1beta1 with 1.25.
  const version = await look.servedVersion('batch', 'cronjobs', ['v1', 'v1beta1'])
  const [cronJob, pods, jobs] = await Promise.all([
    look.get<CronJobObject>('batch', version, 'cronjobs', name),
    look.list<PodObject>('', 'v1', 'pods', labels),
    look.list<JobObject>('batch', 'v1', 'jobs', labels),
  ])
  noteCronJob(look, cronJob)
  const podRuns = (pods.body?.items ?? []).map(podRun)
  const podNames = new Set((pods.body?.items ?? []).map(({ metadata }) => metadata?.labels?.['job-name']))
  // A Job whose Pod is still there says the same thing twice.
  const jobRuns = (jobs.body?.items ?? []).filter(({ metadata }) => !podNames.has(metadata?.name)).map(jobRun)
  look.note('backups', pods, () => runsWords(podRuns))
  look.note('backups', jobs, () => runsWords((jobs.body?.items ?? []).map(jobRun)))
  const { spec } = cronJob.body ?? {}
  const containers = spec?.jobTemplate?.spec?.template?.spec?.containers ?? []
  return {
    schedules: cronJobSchedules(spec, name),
    backups: [...cronJobRuns(cronJob.body?.status, name), ...podRuns, ...jobRuns],
    retention: containers
      .flatMap(({ env = [] }) => env)
      .find((variable) => variable.name === 'LOGICAL_BACKUP_S3_RETENTION_TIME')?.value,
  }
}

function noteCronJob(look: Look, answered: Answered<CronJobObject>): void {
  const words = ({ spec, status }: CronJobObject): string =>
    [
      `schedule ${spec?.schedule ?? 'none'}`,
      `time zone ${spec?.timeZone ?? 'not set, so UTC'}`,
      ...(spec?.suspend === true ? ['suspended'] : []),
      `last started ${status?.lastScheduleTime ?? 'not said'}`,
      `last successful ${status?.lastSuccessfulTime ?? 'not said'}`,
    ].join(', ')
  look.note('schedule', answered, words)
  look.note('backups', answered, words)
}

function cronJobSchedules(spec: CronJobObject['spec'], name: string): readonly ScheduleSight[] {
  if (spec?.schedule === undefined) return []
  const off = spec.suspend === true ? { off: 'it is suspended' } : {}
  return [{ what: `CronJob ${name}`, cron: spec.schedule, zone: spec.timeZone ?? 'UTC', ...off }]
}

function cronJobRuns(status: CronJobObject['status'], name: string): readonly BackupRun[] {
  const [scheduled, finished] = [dateOf(status?.lastScheduleTime), dateOf(status?.lastSuccessfulTime)]
  if (finished === undefined) return []
  // The last one that was started is the one that succeeded, unless it is still under way or failed.
  const started = scheduled !== undefined && scheduled <= finished ? { started: scheduled } : {}
  return [{ what: `CronJob ${name}`, ...started, finished, succeeded: true }]
}

function podRun({ metadata, status }: PodObject): BackupRun {
  const ends = (status?.containerStatuses ?? [])
    .map(({ state }) => state?.terminated)
    .filter((end) => end !== undefined)
  // One that was evicted has no word of its containers.
  const failed = status?.phase === 'Failed' ? status.startTime : undefined
  const finished = dateOf(ends.at(-1)?.finishedAt ?? failed)
  const succeeded = ends.length > 0 && ends.every(({ exitCode }) => exitCode === 0)
  return backupRun('Pod', metadata?.name, { started: dateOf(status?.startTime), finished }, succeeded)
}

function jobRun({ metadata, status }: JobObject): BackupRun {
  const failed = status?.conditions?.find(({ type, status: value }) => type === 'Failed' && value === 'True')
  const finished = dateOf(status?.completionTime ?? failed?.lastTransitionTime)
  const succeeded = failed === undefined && finished !== undefined && (status?.succeeded ?? 0) > 0
  return backupRun('Job', metadata?.name, { started: dateOf(status?.startTime), finished }, succeeded)
}

/** acid.zalan.do/v1 postgresql. Source: https://postgres-operator.readthedocs.io/en/latest/reference/cluster_manifest/ */
interface PostgresqlObject {
  readonly spec?: {
    readonly numberOfInstances?: number
    readonly enableLogicalBackup?: boolean
    readonly logicalBackupSchedule?: string
  }
  /** A plain text in old versions. */
  readonly status?: string | { readonly PostgresClusterStatus?: string }
}

/** batch CronJob: v1 and v1beta1 agree on these parts. */
interface CronJobObject {
  readonly spec?: {
    readonly schedule?: string
    readonly timeZone?: string
    readonly suspend?: boolean
    readonly jobTemplate?: { readonly spec?: { readonly template?: { readonly spec?: PodObject['spec'] } } }
  }
  readonly status?: { readonly lastScheduleTime?: string; readonly lastSuccessfulTime?: string }
}

interface JobObject {
  readonly metadata?: Metadata
  readonly status?: {
    readonly startTime?: string
    /** There where it succeeded only. */
    readonly completionTime?: string
    readonly succeeded?: number
    readonly conditions?: readonly {
      readonly type?: string
      readonly status?: string
      readonly lastTransitionTime?: string
    }[]
  }
}
