import { Failure } from '../failure.ts'
import { statusMessage, type Api } from '../kubernetes/api.ts'
import type { Metadata, PodObject } from '../kubernetes/objects.ts'
import { oneLine } from '../text.ts'
import { databaseGateRights, gatePurpose, type AccessScope, type Operator } from './gate-rights.ts'
import type { BackupRun, Evidence, OptionalRight, Unread } from './finding.ts'

/** What came of asking the API server for something that the gate can do without. */
export interface Answered<Body> {
  /** Absent where there is no such thing, or where it may not be read. */
  readonly body: Body | undefined
  /** There where it could not be read. */
  readonly unread?: Unread
  readonly path: string
  readonly at: Date
}

/** One Pod of the database. */
export interface DatabasePod {
  readonly name: string
  readonly ready: boolean
  readonly role: 'primary' | 'standby' | undefined
  /** Patroni's word: `running`, `streaming`, `starting`; absent where there is no Patroni. */
  readonly state: string | undefined
  readonly node: string | undefined
}

/** What an operator says about the cluster in its custom resource. */
export interface OperatorSight {
  /** `postgresqls.acid.zalan.do shop`. */
  readonly what: string
  readonly wantedInstances: number | undefined
  /** Absent where the operator does not count them. */
  readonly readyInstances: number | undefined
  readonly status: string
  /** How long backups are kept, where it is configured there, and by which of its settings. */
  readonly retention?: { readonly days: number; readonly setting: string }
  /** Whether archiving works; absent where the operator does not say. */
  readonly archives?: boolean
  /** Since when the last backup counts as failed, and why, where the operator says so. */
  readonly backupFailure?: { readonly at: Date | undefined; readonly message: string }
}

/** One schedule of backups that was seen. */
export interface ScheduleSight {
  /** `CronJob logical-backup-shop`. */
  readonly what: string
  readonly cron: string
  readonly zone: string
  /** Why it does not run, where it does not. */
  readonly off?: string
}

/** Everything about the database that the API server shows. */
export interface ClusterSight {
  /** Absent where it cannot be told which Pods belong together. */
  readonly pods: readonly DatabasePod[] | undefined
  /** Zones by Node, of those whose label could be read. */
  readonly zones: ReadonlyMap<string, string>
  readonly operator: OperatorSight | undefined
  readonly schedules: readonly ScheduleSight[]
  readonly backups: readonly BackupRun[]
  /** How long logical backups are kept, and how many physical ones, where that is configured in sight. */
  readonly logicalRetention: string | undefined
  readonly physicalBackupsKept: number | undefined
  /** When physical backups are taken, in the syntax of cron, UTC. */
  readonly physicalSchedule: string | undefined
  readonly evidence: Readonly<Record<Topic, readonly Evidence[]>>
  /** What could not be read, by what it would have told about. */
  readonly unread: Readonly<Record<Topic, readonly Unread[]>>
  /** Every optional right that reading this takes, for a complete Role. */
  readonly rights: readonly OptionalRight[]
}

/** What a look at the cluster is about. */
export const topics = ['pods', 'zones', 'operator', 'schedule', 'backups'] as const
export type Topic = (typeof topics)[number]

/** Asks for something that the gate can do without: lacking the right to it is an answer as well. */
export async function ask<Body>(
  api: Api,
  path: string,
  right: Omit<OptionalRight, 'asked'>,
): Promise<Answered<Body>> {
  const at = new Date()
  const wanted: OptionalRight = { ...right, asked: false }
  try {
    const { status, body } = await api.request({ method: 'GET', path })
    if (status === 200) return { body: body as Body, path, at }
    if (status === 404) return { body: undefined, path, at }
    if (status === 403) return { body: undefined, unread: { right: wanted }, path, at }
    const failed = `${status}: ${statusMessage(body)}`
    return { body: undefined, unread: { right: wanted, failed }, path, at }
  } catch (error) {
    if (error instanceof Failure && error.code === 'api-server-error') {
      return { body: undefined, unread: { right: wanted, failed: error.message }, path, at }
    }
    throw error
  }
}

/** Gives the words of a right: `list cronjobs (batch) in postgres-system`. */
function rightWords(right: OptionalRight): string {
  const { verb, resource, name = '' } = right
  return `${`${verb} ${resource} ${name}`.trimEnd()}${placeWords(right)}`
}

/** Gives where a right is about something: ` (batch) in postgres-system`. */
export function placeWords({ group, namespace }: OptionalRight): string {
  return `${group === '' ? '' : ` (${group})`} in ${namespace}`
}

/** Gives what was asked and answered as evidence. */
export function evidenceOf<Body>(answered: Answered<Body>, answer: (body: Body) => string): Evidence {
  const { body, unread, path, at } = answered
  const said =
    body !== undefined
      ? answer(body)
      : unread === undefined
        ? '404: there is none'
        : (unread.failed ?? `403: the right to ${rightWords(unread.right)} is missing`)
  return { query: `GET ${decodeURIComponent(path)}`, answer: oneLine(said, 600), at }
}

interface ListOf<Item> {
  readonly items?: readonly Item[]
}

/** Which database cluster a Pod belongs to, by the labels that its operator puts on it. */
export interface Family {
  readonly operator: Operator | 'none'
  /** Of the cluster, as its operator knows it. */
  readonly name: string
  readonly selector: Readonly<Record<string, string>>
}

function isKept(family: Family | undefined): family is Family & { readonly operator: Operator } {
  return family !== undefined && family.operator !== 'none'
}

const roleLabels = ['spilo-role', 'role', 'cnpg.io/instanceRole', 'postgres-operator.crunchydata.com/role']
/** Labels that name one Pod among its kind. */
const ordinalLabels = ['statefulset.kubernetes.io/pod-name', 'apps.kubernetes.io/pod-index']

/** Tells the cluster from the labels of one of its Pods, else from the Service's selector without what names one of them. */
export function familyOf(
  labels: Readonly<Record<string, string>>,
  selector: Readonly<Record<string, string>> | undefined,
): Family | undefined {
  const named = (
    operator: Family['operator'],
    name: string | undefined,
    ...keys: readonly string[]
  ): Family | undefined =>
    name === undefined
      ? undefined
      : { operator, name, selector: Object.fromEntries(keys.map((key) => [key, labels[key] ?? ''])) }
  const ofOne = [...roleLabels, ...ordinalLabels]
  const rest = Object.fromEntries(Object.entries(selector ?? {}).filter(([key]) => !ofOne.includes(key)))
  const plain = Object.keys(rest).length === 0 ? undefined : rest
  return (
    (labels['application'] === 'spilo'
      ? named('zalando', labels['cluster-name'], 'application', 'cluster-name')
      : undefined) ??
    named('cloudnativepg', labels['cnpg.io/cluster'], 'cnpg.io/cluster') ??
    named(
      'crunchy',
      labels['postgres-operator.crunchydata.com/cluster'],
      'postgres-operator.crunchydata.com/cluster',
    ) ??
    (plain && { operator: 'none', name: Object.values(rest).join(' '), selector: plain })
  )
}

/**
 * Says whether a Pod with the labels of its cluster is one of its instances. Operators put them on Jobs, poolers and
 * hosts of backup repositories as well.
 */
export function isInstance({ operator }: Family, labels: Readonly<Record<string, string>>): boolean {
  if (labels['job-name'] !== undefined) return false
  if (operator === 'cloudnativepg') return labels['cnpg.io/poolerName'] === undefined
  if (operator === 'crunchy') return labels['postgres-operator.crunchydata.com/instance'] !== undefined
  return true
}

/** Gives the terms of a label selector as a query. */
export function labelQuery(terms: readonly string[]): string {
  return `labelSelector=${encodeURIComponent(terms.join(','))}`
}

function equal(labels: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`)
}

/** Looks at everything about a database that the API server shows, in the order in which one look needs another. */
export async function observeCluster(
  api: Api,
  scope: AccessScope,
  pod: string,
  selector: Readonly<Record<string, string>> | undefined,
): Promise<ClusterSight> {
  return await new ClusterLook(api, scope).look(pod, selector)
}

class ClusterLook {
  private readonly api: Api
  private readonly scope: AccessScope
  private readonly namespace: string
  private readonly evidence = Object.fromEntries(topics.map((topic) => [topic, [] as Evidence[]])) as Record<
    Topic,
    Evidence[]
  >
  private readonly unread = Object.fromEntries(topics.map((topic) => [topic, [] as Unread[]])) as Record<
    Topic,
    Unread[]
  >
  private rights: readonly OptionalRight[] = []
  private readonly schedules: ScheduleSight[] = []
  private readonly backups: BackupRun[] = []
  private readonly zones = new Map<string, string>()
  private operator: OperatorSight | undefined
  private logicalRetention: string | undefined
  private physicalBackupsKept: number | undefined
  private physicalSchedule: string | undefined

  constructor(api: Api, scope: AccessScope) {
    this.api = api
    this.scope = scope
    this.namespace = scope.accessNamespace
  }

  async look(podName: string, selector: Readonly<Record<string, string>> | undefined): Promise<ClusterSight> {
    const path = `${this.core('pods')}/${encodeURIComponent(podName)}`
    const pod = await ask<PodObject>(this.api, path, this.podsRight('get'))
    const family = familyOf(pod.body?.metadata?.labels ?? {}, selector)
    if (isKept(family)) this.rights = databaseGateRights(this.scope, family)
    const pods = family && (await this.lookAtPods(family))
    await Promise.all([
      this.lookAtZones(pods ?? []),
      family?.operator === 'zalando' && this.lookAtZalando(family.name),
      family?.operator === 'cloudnativepg' && this.lookAtCloudNativePg(family.name),
      family?.operator === 'crunchy' && this.lookAtCrunchy(family.name),
    ])
    return {
      pods,
      zones: this.zones,
      operator: this.operator,
      schedules: this.schedules,
      backups: this.backups,
      logicalRetention: this.logicalRetention,
      physicalBackupsKept: this.physicalBackupsKept,
      physicalSchedule: this.physicalSchedule,
      evidence: this.evidence,
      unread: this.unread,
      rights: this.rights,
    }
  }

  private async lookAtPods(family: Family): Promise<readonly DatabasePod[] | undefined> {
    const path = `${this.core('pods')}?${labelQuery(equal(family.selector))}`
    const answered = await ask<ListOf<PodObject>>(this.api, path, this.podsRight('list'))
    const items = answered.body?.items?.filter(({ metadata }) => isInstance(family, metadata?.labels ?? {}))
    const pods = items?.map(databasePod)
    this.note('pods', answered, () => pods?.map(podWords).join('; ') || 'no Pod')
    const values = new Map(
      (items ?? [])
        .flatMap(({ spec }) => spec?.containers ?? [])
        .flatMap(({ env = [] }) => env.map(({ name = '', value }) => [name, value] as const)),
    )
    const schedule = values.get('BACKUP_SCHEDULE')
    if (schedule !== undefined && schedule !== '') {
      const what = 'variable BACKUP_SCHEDULE of the Pods'
      this.physicalSchedule = schedule
      // Spilo's cron has no other zone.
      this.schedules.push({ what, cron: schedule, zone: 'UTC' })
      this.note('schedule', answered, () => `BACKUP_SCHEDULE=${schedule}`)
    } else this.note('schedule', answered, () => 'no plain BACKUP_SCHEDULE in their environment')
    const kept = Number(values.get('BACKUP_NUM_TO_RETAIN'))
    if (kept > 0) this.physicalBackupsKept = kept
    return pods
  }

  /** Nodes are read only as far as Pods are on them: a namespaced account may read none. */
  private async lookAtZones(pods: readonly DatabasePod[]): Promise<void> {
    const nodes = new Set(pods.map(({ node }) => node).filter((node) => node !== undefined))
    await Promise.all(
      [...nodes].map(async (node) => {
        const answered = await ask<{ metadata?: Metadata }>(
          this.api,
          `/api/v1/nodes/${encodeURIComponent(node)}`,
          nodeRight(node),
        )
        const zone = answered.body?.metadata?.labels?.['topology.kubernetes.io/zone']
        if (zone !== undefined) this.zones.set(node, zone)
        const words = (): string => (zone === undefined ? 'no zone label' : `zone ${zone}`)
        this.evidence.zones.push(evidenceOf(answered, words))
        if (answered.unread) this.unread.zones.push(answered.unread)
      }),
    )
  }

  private async lookAtZalando(name: string): Promise<void> {
    const group = 'acid.zalan.do'
    const [resource] = await Promise.all([
      ask<ZalandoResource>(this.api, this.group(group, 'v1', 'postgresqls', name), this.right('postgresqls')),
      this.lookAtLogicalBackups(name),
    ])
    const { spec, status } = resource.body ?? {}
    const phase = typeof status === 'string' ? status : status?.PostgresClusterStatus
    if (resource.body !== undefined) {
      this.operator = {
        what: `postgresqls.${group} ${name}`,
        wantedInstances: spec?.numberOfInstances,
        readyInstances: undefined,
        status: oneLine(phase ?? 'no status', 80),
      }
    }
    this.note(
      'operator',
      resource,
      () => `numberOfInstances ${spec?.numberOfInstances ?? '?'}, status ${phase ?? 'none'}`,
    )
    const on = spec?.enableLogicalBackup === true
    this.note(
      'schedule',
      resource,
      () =>
        `logical backup ${on ? 'on' : 'off'}, schedule ${spec?.logicalBackupSchedule ?? "the operator's default"}`,
    )
    if (on && spec.logicalBackupSchedule !== undefined) {
      this.schedules.push({ what: `custom resource ${name}`, cron: spec.logicalBackupSchedule, zone: 'UTC' })
    }
  }

  /** The operator's CronJob, and the Pods and Jobs it started, which carry labels of their own. */
  private async lookAtLogicalBackups(cluster: string): Promise<void> {
    const labels = { application: 'spilo-logical-backup', 'cluster-name': cluster }
    const version = await this.cronJobVersion()
    const cronJob = `logical-backup-${cluster}`
    const [cron, pods, jobs] = await Promise.all([
      ask<CronJobObject>(this.api, this.group('batch', version, 'cronjobs', cronJob), this.right('cronjobs')),
      ask<ListOf<PodObject>>(
        this.api,
        `${this.core('pods')}?${labelQuery(equal(labels))}`,
        this.podsRight('list'),
      ),
      ask<ListOf<JobObject>>(
        this.api,
        `${this.group('batch', 'v1', 'jobs')}?${labelQuery(equal(labels))}`,
        this.right('jobs'),
      ),
    ])
    this.readCronJob(cron, cronJob)
    const podRuns = (pods.body?.items ?? []).map(podRun)
    const podNames = new Set((pods.body?.items ?? []).map(({ metadata }) => metadata?.labels?.['job-name']))
    // A Job whose Pod is still there says the same thing twice.
    const jobRuns = (jobs.body?.items ?? [])
      .filter(({ metadata }) => !podNames.has(metadata?.name))
      .map(jobRun)
    this.backups.push(...podRuns, ...jobRuns)
    this.note('backups', pods, () => runsWords(podRuns))
    this.note('backups', jobs, () => runsWords((jobs.body?.items ?? []).map(jobRun)))
  }

  private readCronJob(answered: Answered<CronJobObject>, name: string): void {
    const { spec, status } = answered.body ?? {}
    const zone = spec?.timeZone ?? 'UTC'
    const words = (): string =>
      [
        `schedule ${spec?.schedule ?? 'none'}`,
        `time zone ${spec?.timeZone ?? 'not set, so UTC'}`,
        ...(spec?.suspend === true ? ['suspended'] : []),
        `last started ${status?.lastScheduleTime ?? 'not said'}`,
        `last successful ${status?.lastSuccessfulTime ?? 'not said'}`,
      ].join(', ')
    this.note('schedule', answered, words)
    this.note('backups', answered, words)
    if (spec?.schedule !== undefined) {
      const off = spec.suspend === true ? { off: 'it is suspended' } : {}
      this.schedules.push({ what: `CronJob ${name}`, cron: spec.schedule, zone, ...off })
    }
    const containers = spec?.jobTemplate?.spec?.template?.spec?.containers ?? []
    const env = containers.flatMap(({ env = [] }) => env)
    this.logicalRetention = env.find(
      (variable) => variable.name === 'LOGICAL_BACKUP_S3_RETENTION_TIME',
    )?.value
    const [scheduled, finished] = [dateOf(status?.lastScheduleTime), dateOf(status?.lastSuccessfulTime)]
    if (finished !== undefined) {
      // The last one that was started is the one that succeeded, unless it is still under way or failed.
      const started = scheduled !== undefined && scheduled <= finished ? { started: scheduled } : {}
      this.backups.push({ what: `CronJob ${name}`, ...started, finished, succeeded: true })
    }
  }

  private async lookAtCloudNativePg(name: string): Promise<void> {
    const group = 'postgresql.cnpg.io'
    const [cluster, scheduled, backups] = await Promise.all([
      ask<CnpgCluster>(this.api, this.group(group, 'v1', 'clusters', name), this.right('clusters')),
      ask<ListOf<CnpgScheduledBackup>>(
        this.api,
        this.group(group, 'v1', 'scheduledbackups'),
        this.right('scheduledbackups'),
      ),
      ask<ListOf<CnpgBackup>>(this.api, this.group(group, 'v1', 'backups'), this.right('backups')),
    ])
    const { spec, status } = cluster.body ?? {}
    const policy = spec?.backup?.retentionPolicy
    const days = daysOf(policy)
    const condition = (wanted: string): CnpgCondition | undefined =>
      status?.conditions?.find(({ type }) => type === wanted)
    const [archiving, backup] = [condition('ContinuousArchiving'), condition('LastBackupSucceeded')]
    if (cluster.body !== undefined) {
      this.operator = {
        what: `clusters.${group} ${name}`,
        wantedInstances: spec?.instances,
        readyInstances: status?.readyInstances,
        status: oneLine(status?.phase ?? 'no status', 80),
        ...(days !== undefined && { retention: { days, setting: 'retentionPolicy' } }),
        ...(archiving?.status === 'True' && { archives: true }),
        ...(archiving?.status === 'False' && { archives: false }),
        ...(backup?.status === 'False' && {
          backupFailure: {
            at: dateOf(backup.lastTransitionTime),
            message: oneLine(backup.message ?? backup.reason ?? 'no reason given', 120),
          },
        }),
      }
    }
    this.note(
      'operator',
      cluster,
      () =>
        `instances ${spec?.instances ?? '?'}, ready ${status?.readyInstances ?? '?'}, retentionPolicy ${policy ?? 'none'}, ContinuousArchiving ${conditionWords(archiving)}`,
    )
    const last = dateOf(status?.lastSuccessfulBackup)
    if (last !== undefined)
      this.backups.push({ what: `status of cluster ${name}`, finished: last, succeeded: true })
    this.note(
      'backups',
      cluster,
      () =>
        `lastSuccessfulBackup ${status?.lastSuccessfulBackup ?? 'not said'}, LastBackupSucceeded ${conditionWords(backup)}`,
    )
    const ofCluster = <Item extends { spec?: { cluster?: { name?: string } } }>({
      body,
    }: Answered<ListOf<Item>>): Item[] =>
      (body?.items ?? []).filter((item) => item.spec?.cluster?.name === name)
    const mine = ofCluster(scheduled)
    for (const { metadata, spec: plan } of mine) {
      const off = plan?.suspend === true ? { off: 'it is suspended' } : {}
      this.schedules.push({
        what: `ScheduledBackup ${metadata?.name ?? ''}`,
        cron: plan?.schedule ?? '',
        zone: 'UTC',
        ...off,
      })
    }
    this.note(
      'schedule',
      scheduled,
      () =>
        mine
          .map(({ metadata, spec: plan }) => `${metadata?.name ?? ''}: ${plan?.schedule ?? ''}`)
          .join('; ') || 'none for this cluster',
    )
    const runs = ofCluster(backups).map(cnpgRun)
    this.backups.push(...runs)
    this.note('backups', backups, () => runsWords(runs))
  }

  /** Everything is in one resource: its operator keeps the state of the CronJobs that take the backups there. */
  private async lookAtCrunchy(name: string): Promise<void> {
    const group = 'postgres-operator.crunchydata.com'
    const cluster = await ask<CrunchyCluster>(
      this.api,
      this.group(group, 'v1beta1', 'postgresclusters', name),
      this.right('postgresclusters'),
    )
    const { spec, status } = cluster.body ?? {}
    const { repos = [], global = {} } = spec?.backups?.pgbackrest ?? {}
    const sum = (numbers: readonly number[] | undefined): number | undefined =>
      numbers?.reduce((one, other) => one + other, 0)
    const wantedInstances = sum(spec?.instances?.map(({ replicas = 1 }) => replicas))
    const readyInstances = sum(status?.instances?.map(({ readyReplicas = 0 }) => readyReplicas))
    // A plain number counts backups; only with this type it is days.
    const kept = repos
      .filter(({ name: repo = '' }) => global[`${repo}-retention-full-type`] === 'time')
      .map(({ name: repo = '' }) => ({
        setting: `${repo}-retention-full`,
        days: Number(global[`${repo}-retention-full`]),
      }))
      .filter(({ days }) => days > 0)
      .toSorted((one, other) => other.days - one.days)[0]
    if (cluster.body !== undefined) {
      this.operator = {
        what: `postgresclusters.${group} ${name}`,
        wantedInstances,
        readyInstances,
        status: spec?.shutdown === true ? 'shut down' : 'no status',
        ...(kept && { retention: kept }),
      }
    }
    const words = kept === undefined ? 'no retention in days' : `${kept.setting} ${kept.days}`
    this.note(
      'operator',
      cluster,
      () => `instances ${wantedInstances ?? '?'}, ready ${readyInstances ?? '?'}, ${words}`,
    )
    const schedules = repos.flatMap(({ name: repo = '', schedules }) =>
      schedules?.full === undefined
        ? []
        : [{ what: `full backup to ${repo}`, cron: schedules.full, zone: 'UTC' }],
    )
    this.schedules.push(...schedules)
    this.note(
      'schedule',
      cluster,
      () => schedules.map(({ what, cron }) => `${what}: ${cron}`).join('; ') || 'no full backup is scheduled',
    )
    const runs = (status?.pgbackrest?.scheduledBackups ?? [])
      .filter(({ type }) => type === 'full')
      .map(crunchyRun)
    this.backups.push(...runs)
    this.note('backups', cluster, () => runsWords(runs))
  }

  /** CronJobs came to batch/v1 with Kubernetes 1.21, and went from batch/v1beta1 with 1.25. */
  private async cronJobVersion(): Promise<string> {
    const group = (await this.api.get('/apis/batch')) as { versions?: { version?: string }[] } | undefined
    const served = group?.versions?.map(({ version }) => version) ?? []
    const lists = await Promise.all(
      ['v1', 'v1beta1']
        .filter((version) => served.includes(version))
        .map(
          async (version) =>
            [
              version,
              (await this.api.get(`/apis/batch/${version}`)) as
                { resources?: { name?: string }[] } | undefined,
            ] as const,
        ),
    )
    return lists.find(([, list]) => list?.resources?.some(({ name }) => name === 'cronjobs'))?.[0] ?? 'v1'
  }

  private note<Body>(topic: Topic, answered: Answered<Body>, words: (body: Body) => string): void {
    this.evidence[topic].push(evidenceOf(answered, words))
    if (answered.unread !== undefined) this.unread[topic].push(answered.unread)
  }

  /** Returns the optional right by which a resource is read. */
  private right(resource: string): OptionalRight {
    const right = this.rights.find((one) => one.resource === resource)
    if (right === undefined) throw new Error(`the gate has no right for ${resource}`)
    return right
  }

  /** The rights on Pods are among those that every run needs. */
  private podsRight(verb: string): OptionalRight {
    return {
      namespace: this.namespace,
      verb,
      group: '',
      resource: 'pods',
      purpose: gatePurpose,
      asked: false,
    }
  }

  private core(resource: string): string {
    return `/api/v1/namespaces/${encodeURIComponent(this.namespace)}/${resource}`
  }

  private group(group: string, version: string, resource: string, name?: string): string {
    const path = `/apis/${group}/${version}/namespaces/${encodeURIComponent(this.namespace)}/${resource}`
    return name === undefined ? path : `${path}/${encodeURIComponent(name)}`
  }
}

/** Nodes belong to no namespace, so that no Role can give a right to them. */
function nodeRight(name: string): OptionalRight {
  const right = {
    verb: 'get',
    group: '',
    resource: 'nodes',
    name,
    purpose: gatePurpose,
    asked: false,
  } as const
  return { namespace: 'the whole cluster', ...right }
}

/** acid.zalan.do/v1 postgresql. Source: https://postgres-operator.readthedocs.io/en/latest/reference/cluster_manifest/ */
interface ZalandoResource {
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

/** postgresql.cnpg.io/v1. Source: https://cloudnative-pg.io/documentation/current/cloudnative-pg.v1/ */
interface CnpgCluster {
  readonly spec?: { readonly instances?: number; readonly backup?: { readonly retentionPolicy?: string } }
  readonly status?: {
    readonly readyInstances?: number
    readonly phase?: string
    readonly lastSuccessfulBackup?: string
    readonly conditions?: readonly CnpgCondition[]
  }
}

/** As in meta/v1; the operator has ContinuousArchiving, LastBackupSucceeded and Ready. */
interface CnpgCondition {
  readonly type?: string
  readonly status?: string
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
}

interface CnpgScheduledBackup {
  readonly metadata?: Metadata
  readonly spec?: {
    readonly schedule?: string
    readonly suspend?: boolean
    readonly cluster?: { readonly name?: string }
  }
}

interface CnpgBackup {
  readonly metadata?: Metadata
  readonly spec?: { readonly cluster?: { readonly name?: string } }
  readonly status?: { readonly phase?: string; readonly startedAt?: string; readonly stoppedAt?: string }
}

/** postgres-operator.crunchydata.com/v1beta1. Source: https://access.crunchydata.com/documentation/postgres-operator/latest/references/crd/ */
interface CrunchyCluster {
  readonly spec?: {
    readonly shutdown?: boolean
    readonly instances?: readonly { readonly replicas?: number }[]
    readonly backups?: {
      readonly pgbackrest?: {
        readonly repos?: readonly {
          readonly name?: string
          readonly schedules?: { readonly full?: string }
        }[]
        readonly global?: Readonly<Record<string, string>>
      }
    }
  }
  readonly status?: {
    readonly instances?: readonly { readonly readyReplicas?: number }[]
    readonly pgbackrest?: { readonly scheduledBackups?: readonly CrunchyBackup[] }
  }
}

/** The state of one Job that a schedule has started. */
interface CrunchyBackup {
  readonly cronJobName?: string
  /** `full`, `diff` or `incr`. */
  readonly type?: string
  readonly startTime?: string
  readonly completionTime?: string
  readonly succeeded?: number
  readonly failed?: number
}

function crunchyRun({
  cronJobName,
  startTime,
  completionTime,
  succeeded,
  failed = 0,
}: CrunchyBackup): BackupRun {
  const [started, finished] = [
    dateOf(startTime),
    dateOf(completionTime ?? (failed > 0 ? startTime : undefined)),
  ]
  return {
    what: `CronJob ${oneLine(cronJobName ?? '', 80)}`,
    ...(started && { started }),
    ...(finished && { finished }),
    succeeded: completionTime !== undefined && (succeeded ?? 0) > 0,
  }
}

function conditionWords(condition: CnpgCondition | undefined): string {
  if (condition?.status === undefined) return 'not said'
  return condition.status === 'False' ? `False: ${condition.message ?? ''}` : condition.status
}

function databasePod({ metadata, spec, status }: PodObject): DatabasePod {
  const labels = metadata?.labels ?? {}
  const patroni = patroniStatus(metadata?.annotations?.['status'])
  const role = roleLabels.map((label) => labels[label]).find((value) => value !== undefined) ?? patroni?.role
  const ready =
    status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false
  return {
    name: oneLine(metadata?.name ?? '', 80),
    ready: ready && metadata?.deletionTimestamp === undefined,
    role:
      role === undefined
        ? undefined
        : ['master', 'primary', 'standby_leader'].includes(role)
          ? 'primary'
          : 'standby',
    state: patroni?.state,
    node: spec?.nodeName,
  }
}

/** Patroni keeps its view of a member as JSON in an annotation of the Pod. */
function patroniStatus(annotation: string | undefined): { role?: string; state?: string } | undefined {
  try {
    const status = JSON.parse(annotation ?? '') as Record<string, unknown>
    const text = (key: string): string | undefined => {
      const value = status[key]
      return typeof value === 'string' ? oneLine(value, 40) : undefined
    }
    const [role, state] = [text('role'), text('replication_state') ?? text('state')]
    return { ...(role !== undefined && { role }), ...(state !== undefined && { state }) }
  } catch {
    return undefined
  }
}

/** Gives a Pod in a few words: `postgresql1-0 (primary, ready, running, on node-1)`. */
export function podWords({ name, ready, role, state, node }: DatabasePod): string {
  const parts = [role, ready ? 'ready' : 'not ready', state, node && `on ${node}`]
  return `${name} (${parts.filter((part) => part !== undefined && part !== '').join(', ')})`
}

function podRun({ metadata, status }: PodObject): BackupRun {
  const ends = (status?.containerStatuses ?? [])
    .map(({ state }) => state?.terminated)
    .filter((end) => end !== undefined)
  const started = dateOf(status?.startTime)
  // One that was evicted has no word of its containers.
  const failed = status?.phase === 'Failed' ? status.startTime : undefined
  const finished = dateOf(ends.at(-1)?.finishedAt ?? failed)
  return {
    what: `Pod ${oneLine(metadata?.name ?? '', 80)}`,
    ...(started && { started }),
    ...(finished && { finished }),
    succeeded: ends.length > 0 && ends.every(({ exitCode }) => exitCode === 0),
  }
}

function jobRun({ metadata, status }: JobObject): BackupRun {
  const failed = status?.conditions?.find(({ type, status: value }) => type === 'Failed' && value === 'True')
  const started = dateOf(status?.startTime)
  const finished = dateOf(status?.completionTime ?? failed?.lastTransitionTime)
  return {
    what: `Job ${oneLine(metadata?.name ?? '', 80)}`,
    ...(started && { started }),
    ...(finished && { finished }),
    succeeded: failed === undefined && finished !== undefined && (status?.succeeded ?? 0) > 0,
  }
}

function cnpgRun({ metadata, status }: CnpgBackup): BackupRun {
  // One that failed before it came to an end has no end.
  const failed = status?.phase === 'failed' ? (status.startedAt ?? metadata?.creationTimestamp) : undefined
  const [started, finished] = [dateOf(status?.startedAt), dateOf(status?.stoppedAt ?? failed)]
  return {
    what: `Backup ${oneLine(metadata?.name ?? '', 80)}`,
    ...(started && { started }),
    ...(finished && { finished }),
    succeeded: status?.phase === 'completed',
  }
}

function runsWords(runs: readonly BackupRun[]): string {
  if (runs.length === 0) return 'none'
  const words = runs.map(({ what, started, finished, succeeded }) => {
    const at = (date: Date | undefined): string => date?.toISOString().slice(0, 19) ?? '?'
    return `${what}: ${at(started)} to ${at(finished)}, ${succeeded ? 'succeeded' : 'did not succeed'}`
  })
  return words.slice(-5).join('; ')
}

function dateOf(text: string | undefined): Date | undefined {
  const date = new Date(text ?? '')
  return Number.isNaN(date.getTime()) ? undefined : date
}

/** Gives days from `30d`, `4w`, `2m`, or from words such as `30 days` and `1 month`. */
export function daysOf(text: string | undefined): number | undefined {
  const [, amount, unit = ''] = /^(\d+)\s*(d|w|m)[a-z]*$/i.exec(text?.trim() ?? '') ?? []
  const days = { d: 1, w: 7, m: 30 }[unit.toLowerCase()]
  return amount === undefined || days === undefined ? undefined : Number(amount) * days
}
