import type { Api } from '../kubernetes/api.ts'
import { ask, labelQuery, rightTo, type ListOf, type OptionalRight, type Unread } from '../kubernetes/ask.ts'
import type { Container, LabelSelector, Metadata, PodObject, PodSpec } from '../kubernetes/objects.ts'
import { oneLine } from '../lib/text.ts'
import { runningContainers } from '../route/pod-state.ts'
import { bindingName } from '../secrets/binding.ts'
import { evidenceOf } from './evidence.ts'
import type { Evidence } from './finding.ts'
import { applicationGateRights } from './gate-rights.ts'
import { readNode, zoneLabel, zoneOf } from './zone.ts'

/** A Deployment, StatefulSet or DaemonSet that uses the application Secret. */
export interface Workload {
  /** `Deployment shop`. */
  readonly what: string
  readonly replicas: number
  readonly ready: number
  /** Of its Pods, as their template has them. */
  readonly labels: Readonly<Record<string, string>>
  /** Containers that lack requests or limits, with what they lack. */
  readonly unlimited: readonly string[]
  /** Whether its Pods are kept apart by a rule that the scheduler has to obey. */
  readonly keptApart: boolean
  /** Its Pods that are not on their way out; absent where they may not be listed. */
  readonly pods: readonly WorkloadPod[] | undefined
}

/** One Pod of a workload. */
interface WorkloadPod {
  readonly name: string
  readonly node: string | undefined
  readonly created: Date | undefined
  readonly address: string | undefined
}

/** What the namespace of the application shows about its use of the Secret. */
export interface ApplicationSight {
  /** Those that use the Secret; absent where no kind may be listed. */
  readonly workloads: readonly Workload[] | undefined
  /** Zones by Node, of those below its Pods whose label could be read. */
  readonly zones: ReadonlyMap<string, string>
  readonly evidence: readonly Evidence[]
  readonly unread: readonly Unread[]
  /** Every optional right that reading this takes, for a complete Role. */
  readonly rights: readonly OptionalRight[]
}

interface WorkloadObject {
  readonly metadata?: Metadata
  readonly spec?: {
    readonly replicas?: number
    readonly selector?: LabelSelector
    readonly template?: { readonly metadata?: Metadata; readonly spec?: PodSpec }
  }
  readonly status?: {
    readonly readyReplicas?: number
    /** Of a DaemonSet, which runs one Pod on each Node that it is for. */
    readonly desiredNumberScheduled?: number
    readonly numberReady?: number
  }
}

const kinds = [
  ['Deployment', 'deployments'],
  ['StatefulSet', 'statefulsets'],
  ['DaemonSet', 'daemonsets'],
] as const

/**
 * Looks for what uses the Secret. No selector can ask for that, so the lists are read whole; the Pods are asked for by
 * the labels of what was found.
 */
export async function observeApplication(
  api: Api,
  namespace: string,
  secret: string,
): Promise<ApplicationSight> {
  const evidence: Evidence[] = []
  const unread: Unread[] = []
  const encoded = encodeURIComponent(namespace)
  const rights = applicationGateRights({ appNamespace: namespace, appSecret: secret })
  // A gate alone is not told whether there is a service binding; its name says whose it is.
  const secrets = [secret, bindingName(secret, ['servicebinding']) ?? secret]
  const lists = await Promise.all(
    kinds.map(async ([kind, resource]) => {
      const path = `/apis/apps/v1/namespaces/${encoded}/${resource}`
      const answered = await ask<ListOf<WorkloadObject>>(api, path, rightTo(resource, rights))
      const using = answered.body?.items?.filter(({ spec }) =>
        secrets.some((name) => uses(spec?.template?.spec, name)),
      )
      const names = using?.map(({ metadata }) => metadata?.name ?? '').join(', ') ?? ''
      const total = answered.body?.items?.length ?? 0
      evidence.push(evidenceOf(answered, () => `${total} found, using the Secret: ${names || 'none'}`))
      if (answered.unread !== undefined) unread.push(answered.unread)
      return using?.map((object) => ({ kind, object }))
    }),
  )
  const workloads = await Promise.all(
    lists
      .flatMap((list) => list ?? [])
      .map(async ({ kind, object }) => {
        const query = labelQuery(requirementsOf(object.spec?.selector))
        const answered = await ask<ListOf<PodObject>>(
          api,
          `/api/v1/namespaces/${encoded}/pods?${query}`,
          rightTo('pods', rights),
        )
        const pods = answered.body?.items?.filter(isAlive).map(workloadPod)
        evidence.push(evidenceOf(answered, () => pods?.map(podWords).join('; ') || 'no Pod'))
        if (answered.unread !== undefined && unread.every(({ right }) => right.resource !== 'pods')) {
          unread.push(answered.unread)
        }
        return workloadOf(kind, object, pods)
      }),
  )
  const seen = lists.some((list) => list !== undefined)
  const zones = await zonesBelow(api, workloads, evidence)
  return { workloads: seen ? workloads : undefined, zones, evidence, unread, rights }
}

/** A namespaced account may read no Node: then only the Nodes are known. */
async function zonesBelow(
  api: Api,
  workloads: readonly Workload[],
  evidence: Evidence[],
): Promise<ReadonlyMap<string, string>> {
  const nodes = new Set(workloads.flatMap(({ pods = [] }) => pods.map(({ node }) => node)))
  const zones = new Map<string, string>()
  await Promise.all(
    [...nodes]
      .filter((node) => node !== undefined)
      .slice(0, mostNodes)
      .map(async (node) => {
        const answered = await readNode(api, node)
        const zone = zoneOf(answered.body)
        if (zone !== undefined) zones.set(node, oneLine(zone, 80))
        evidence.push(evidenceOf(answered, () => (zone === undefined ? 'no zone label' : `zone ${zone}`)))
      }),
  )
  return zones
}

/** Of a DaemonSet there is one below each Pod; a few show how they are spread. */
const mostNodes = 20

function workloadOf(
  kind: string,
  { metadata, spec, status }: WorkloadObject,
  pods: Workload['pods'],
): Workload {
  const template = spec?.template?.spec
  const rules = template?.topologySpreadConstraints ?? []
  const strict = rules.filter(
    ({ whenUnsatisfiable, maxSkew }) => whenUnsatisfiable === 'DoNotSchedule' && maxSkew === 1,
  )
  const apart = template?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
  return {
    what: `${kind} ${oneLine(metadata?.name ?? '', 80)}`,
    replicas: spec?.replicas ?? status?.desiredNumberScheduled ?? 1,
    ready: status?.readyReplicas ?? status?.numberReady ?? 0,
    labels: spec?.template?.metadata?.labels ?? {},
    unlimited: runningContainers({ spec: template ?? {} }).flatMap((container) =>
      lacking(container, template),
    ),
    keptApart:
      kind === 'DaemonSet' ||
      [...strict, ...apart].some(({ topologyKey = '' }) => placesOfOwn.includes(topologyKey)),
    pods,
  }
}

/** Places that lie on different Nodes. */
const placesOfOwn = ['kubernetes.io/hostname', zoneLabel, 'topology.kubernetes.io/region']

/** Returns a selector as the terms of a query. Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api */
function requirementsOf({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}): readonly string[] {
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key = '', operator, values = [] }) => {
      if (operator === 'Exists') return key
      if (operator === 'DoesNotExist') return `!${key}`
      return `${key} ${operator === 'NotIn' ? 'notin' : 'in'} (${values.join(',')})`
    }),
  ]
}

/**
 * Returns what a container lacks, in words; CPU limits are left to the owner, since many leave them out on purpose. A limit
 * is a request where there is none, and what the Pod as a whole has is there for each of its containers.
 * Source: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
 */
function lacking({ name = '', resources }: Container, pod: PodSpec = {}): readonly string[] {
  const all = [resources, pod.resources]
  const limited = (kind: string): boolean => all.some((each) => each?.limits?.[kind] !== undefined)
  const asked = (kind: string): boolean => all.some((each) => each?.requests?.[kind] !== undefined)
  const lacks = [
    ...['cpu', 'memory'].filter((kind) => !asked(kind) && !limited(kind)).map((kind) => `${kind} request`),
    ...(limited('memory') ? [] : ['memory limit']),
  ]
  return lacks.length === 0 ? [] : [`${oneLine(name, 80)} has no ${lacks.join(', no ')}`]
}

/** Says whether a Pod of this kind gets at the Secret, in any of the ways there are. */
function uses(spec: PodSpec | undefined, secret: string): boolean {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]
  const volumes = spec?.volumes ?? []
  return (
    containers.some(
      ({ env = [], envFrom = [] }) =>
        envFrom.some(({ secretRef }) => secretRef?.name === secret) ||
        env.some(({ valueFrom }) => valueFrom?.secretKeyRef?.name === secret),
    ) ||
    volumes.some(
      (volume) =>
        volume.secret?.secretName === secret ||
        (volume.projected?.sources ?? []).some((source) => source.secret?.name === secret),
    )
  )
}

function isAlive({ metadata, status }: PodObject): boolean {
  const ended = status?.phase === 'Succeeded' || status?.phase === 'Failed'
  return metadata?.deletionTimestamp === undefined && !ended
}

function workloadPod({ metadata, spec, status }: PodObject): WorkloadPod {
  const created = new Date(metadata?.creationTimestamp ?? '')
  return {
    name: oneLine(metadata?.name ?? '', 80),
    node: spec?.nodeName,
    created: Number.isNaN(created.getTime()) ? undefined : created,
    address: status?.podIP,
  }
}

function podWords({ name, node, created }: WorkloadPod): string {
  return `${name} on ${node ?? 'no Node yet'}, since ${created?.toISOString().slice(0, 19) ?? '?'}`
}
