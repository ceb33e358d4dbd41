import type { Api } from '../kubernetes/api.ts'
import {
  ask,
  equal,
  labelQuery,
  rightTo,
  type Answered,
  type ListOf,
  type OptionalRight,
  type Unread,
} from '../kubernetes/ask.ts'
import type { NetworkPolicyObject, PodObject } from '../kubernetes/objects.ts'
import type { Labels, Look, ProviderSight, ProviderTopic, ScheduleSight } from '../providers/provider.ts'
import { familyOf, isInstance, type Family } from '../providers/providers.ts'
import { physicalBackups, type PhysicalBackups } from '../providers/spilo.ts'
import type { Whereabouts } from '../route/way.ts'
import { databasePod, podWords, type DatabasePod } from './database-pod.ts'
import { evidenceOf } from './evidence.ts'
import type { Evidence } from './finding.ts'
import {
  databaseGateRights,
  endpointGateRight,
  gatePurpose,
  policyRight,
  wayGateRights,
  type AccessScope,
} from './gate-rights.ts'
import { readNode, zoneOf, type NodeObject } from './zone.ts'

/** Everything about the database that the API server shows. */
export interface ClusterSight extends ProviderSight {
  /** Absent where it cannot be told which Pods belong together. */
  readonly pods: readonly DatabasePod[] | undefined
  /** Whether an operator's labels told which those are, and not the selector of a Service, which may leave out standbys. */
  readonly kept: boolean
  /** Zones by Node, of those whose label could be read. */
  readonly zones: ReadonlyMap<string, string>
  /** Absent where they may not be read, or the Pod behind the Service is not known. */
  readonly entrance: Entrance | undefined
  /** How many physical backups are kept, where that is configured in sight. */
  readonly physicalBackupsKept: number | undefined
  /** When physical backups are taken, in the syntax of cron, UTC. */
  readonly physicalSchedule: string | undefined
  readonly evidence: Readonly<Record<Topic, readonly Evidence[]>>
  /** What could not be read, by what it would have told about. */
  readonly unread: Readonly<Record<Topic, readonly Unread[]>>
  /** Every optional right that reading this takes, for a complete Role. */
  readonly rights: readonly OptionalRight[]
}

/** The way into the Pod of the database over the network of the cluster. */
export interface Entrance {
  readonly namespace: string
  readonly pod: PodObject
  /** Where PostgreSQL listens. */
  readonly port: number
  /** All NetworkPolicies of the namespace. */
  readonly policies: readonly NetworkPolicyObject[]
}

/** What a look at the cluster is about. */
type Topic = 'pods' | 'zones' | ProviderTopic

/** Looks at everything about a database that the API server shows, in the order in which one look needs another. */
export async function observeCluster(
  api: Api,
  scope: AccessScope,
  { pod: podName, port, selector, service }: Whereabouts,
): Promise<ClusterSight> {
  const look = new ClusterLook(api, scope.accessNamespace)
  look.rights = wayGateRights(scope, service)
  const pod = podName === undefined ? undefined : await look.pod(podName)
  if (scope.via === 'direct' && podName === undefined && service !== undefined)
    await lookForWay(look, scope, service, selector)
  const family = familyOf(pod?.body?.metadata?.labels ?? {}, selector)
  const { keeper } = family ?? {}
  if (keeper) look.rights = [...look.rights, ...databaseGateRights(scope, keeper)]
  const instances = family && (await lookAtInstances(look, family))
  const [zones, provided, policies] = await Promise.all([
    lookAtZones(look, instances?.pods ?? []),
    keeper?.provider.observe(look, keeper.cluster),
    look.policies(),
  ])
  return {
    pods: instances?.pods,
    kept: keeper !== undefined,
    zones,
    entrance:
      pod?.body !== undefined && port !== undefined && policies !== undefined
        ? { namespace: scope.accessNamespace, pod: pod.body, port, policies }
        : undefined,
    operator: provided?.operator,
    schedules: [...physicalSchedules(instances?.physical), ...(provided?.schedules ?? [])],
    backups: provided?.backups ?? [],
    logicalRetention: provided?.logicalRetention,
    physicalBackupsKept: instances?.physical.kept,
    physicalSchedule: instances?.physical.schedule,
    evidence: look.evidence,
    unread: look.unread,
    rights: look.rights,
  }
}

/** Finds out which right it takes to find the Pod behind a Service, where the run itself has no need of it. */
async function lookForWay(
  look: ClusterLook,
  scope: AccessScope,
  service: string,
  selector: Labels | undefined,
): Promise<void> {
  const found = await look.get('', 'v1', 'services', service)
  look.noteWay(found)
  if (found.body === undefined) return
  if (selector !== undefined) look.noteWay(await look.list('', 'v1', 'pods', selector))
  else {
    const right = endpointGateRight(scope, service)
    look.rights = [...look.rights, right]
    look.noteWay(
      await look.list(right.group, 'v1', right.resource, { 'kubernetes.io/service-name': service }),
    )
  }
}

interface Instances {
  /** Absent where they may not be listed. */
  readonly pods: readonly DatabasePod[] | undefined
  readonly physical: PhysicalBackups
}

async function lookAtInstances(look: ClusterLook, family: Family): Promise<Instances> {
  const answered = await look.list<PodObject>('', 'v1', 'pods', family.selector)
  const items = answered.body?.items?.filter(({ metadata }) => isInstance(family, metadata?.labels ?? {}))
  const pods = items?.map(databasePod)
  look.note('pods', answered, () => pods?.map(podWords).join('; ') || 'no Pod')
  const physical = physicalBackups(items ?? [])
  look.note('schedule', answered, () =>
    physical.schedule === undefined
      ? 'no plain BACKUP_SCHEDULE in their environment'
      : `BACKUP_SCHEDULE=${physical.schedule}`,
  )
  return { pods, physical }
}

function physicalSchedules({ schedule }: Partial<PhysicalBackups> = {}): readonly ScheduleSight[] {
  const what = 'variable BACKUP_SCHEDULE of the Pods'
  return schedule === undefined ? [] : [{ what, cron: schedule, zone: 'UTC' }]
}

/** Nodes are read only as far as Pods are on them: a namespaced account may read none. */
async function lookAtZones(
  look: ClusterLook,
  pods: readonly DatabasePod[],
): Promise<ReadonlyMap<string, string>> {
  const nodes = new Set(pods.map(({ node }) => node).filter((node) => node !== undefined))
  const zones = new Map<string, string>()
  await Promise.all(
    [...nodes].map(async (node) => {
      const answered = await look.node(node)
      const zone = zoneOf(answered.body)
      if (zone !== undefined) zones.set(node, zone)
      look.note('zones', answered, () => (zone === undefined ? 'no zone label' : `zone ${zone}`))
    }),
  )
  return zones
}

/** Asks about the namespace of the database, and keeps what came of it. */
class ClusterLook implements Look {
  readonly evidence = byTopic<Evidence>()
  readonly unread = byTopic<Unread>()
  /** The optional rights that belong to what is asked. */
  rights: readonly OptionalRight[] = []
  readonly #api: Api
  readonly #namespace: string

  constructor(api: Api, namespace: string) {
    this.#api = api
    this.#namespace = namespace
  }

  async pod(name: string): Promise<Answered<PodObject>> {
    return await ask(this.#api, this.#path('', 'v1', 'pods', name), this.#podsRight('get'))
  }

  /** They tell of a label that Pods may lack, and of no requirement: what may not be read is not missed. */
  async policies(): Promise<readonly NetworkPolicyObject[] | undefined> {
    const path = this.#path(policyRight.group, 'v1', policyRight.resource)
    const right = { namespace: this.#namespace, ...policyRight, purpose: gatePurpose }
    return (await ask<ListOf<NetworkPolicyObject>>(this.#api, path, right)).body?.items
  }

  async node(name: string): Promise<Answered<NodeObject>> {
    return await readNode(this.#api, name)
  }

  async get<Body>(group: string, version: string, resource: string, name: string): Promise<Answered<Body>> {
    return await ask(this.#api, this.#path(group, version, resource, name), rightTo(resource, this.rights))
  }

  async list<Item>(
    group: string,
    version: string,
    resource: string,
    labels?: Labels,
  ): Promise<Answered<ListOf<Item>>> {
    const query = labels === undefined ? '' : `?${labelQuery(equal(labels))}`
    const right = resource === 'pods' ? this.#podsRight('list') : rightTo(resource, this.rights)
    return await ask(this.#api, this.#path(group, version, resource) + query, right)
  }

  async servedVersion(
    group: string,
    resource: string,
    versions: readonly [string, ...string[]],
  ): Promise<string> {
    const found = (await this.#api.get(`/apis/${group}`)) as { versions?: { version?: string }[] } | undefined
    const served = found?.versions?.map(({ version }) => version) ?? []
    const lists = await Promise.all(
      versions
        .filter((version) => served.includes(version))
        .map(async (version) => {
          const list = await this.#api.get(`/apis/${group}/${version}`)
          return [version, list as { resources?: { name?: string }[] } | undefined] as const
        }),
    )
    const first = lists.find(([, list]) => list?.resources?.some(({ name }) => name === resource))
    return first?.[0] ?? versions[0]
  }

  note<Body>(topic: Topic, answered: Answered<Body>, words: (body: Body) => string): void {
    this.evidence[topic].push(evidenceOf(answered, words))
    if (answered.unread !== undefined) this.unread[topic].push(answered.unread)
  }

  /** Whoever does not find the Pods does not know who keeps them either. */
  noteWay<Body>(answered: Answered<Body>): void {
    this.evidence.pods.push(evidenceOf(answered, () => 'it is there'))
    if (answered.unread === undefined) return
    for (const topic of ['pods', 'operator', 'schedule', 'backups'] as const)
      this.unread[topic].push(answered.unread)
  }

  /** The rights on Pods are among those that every run needs, unless it goes to PostgreSQL itself. */
  #podsRight(verb: string): OptionalRight {
    const right = { verb, group: '', resource: 'pods', purpose: gatePurpose, asked: false } as const
    const ofWay = this.rights.find((one) => one.resource === 'pods' && one.verb === verb)
    return ofWay ?? { namespace: this.#namespace, ...right }
  }

  #path(group: string, version: string, resource: string, name?: string): string {
    const start = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
    const parts = ['namespaces', this.#namespace, resource, ...(name === undefined ? [] : [name])]
    return [start, ...parts.map(encodeURIComponent)].join('/')
  }
}

function byTopic<Item>(): Record<Topic, Item[]> {
  return { pods: [], zones: [], operator: [], schedule: [], backups: [] }
}
