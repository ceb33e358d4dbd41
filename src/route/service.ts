import type { Api } from '../kubernetes/api.ts'
import { corePath } from '../kubernetes/call.ts'
import type {
  EndpointsObject,
  EndpointSliceObject,
  PodObject,
  ServiceObject,
  TargetReference,
} from '../kubernetes/objects.ts'
import { Failure } from '../lib/failure.ts'
import { input } from '../lib/spelling.ts'
import { capitalized, count, oneLine, sentence } from '../lib/text.ts'
import type { Labels } from '../providers/provider.ts'
import { familyOf, isMarkedPrimary, providers } from '../providers/providers.ts'
import { isReady, runningContainers, stateOf } from './pod-state.ts'

/** A Service as this tool needs it. */
export interface Service {
  readonly namespace: string
  readonly name: string
  /** Which Pods are behind it; absent where something else keeps its endpoints. */
  readonly selector?: Readonly<Record<string, string>>
  readonly headless: boolean
  /** The Service of the same cluster that leads to the primary's Pod, where an operator has another one for that. */
  readonly better?: string
  readonly ports: readonly ServicePort[]
}

/** A TCP port of a Service. */
export interface ServicePort {
  /** Empty where a Service with one port does not name it. */
  readonly name: string
  readonly port: number
  /** A port number, or the name of a container's port. */
  readonly target: number | string
  /** The protocol spoken there, where the Service says it. */
  readonly protocol?: string
}

/** Where a tunnel leads. */
export interface PodPort {
  readonly pod: string
  readonly port: number
}

/**
 * Reads a Service.
 *
 * @throws Failure `service-not-found`, also for one that is a mere name for a host outside (ExternalName)
 */
export async function readService(api: Api, namespace: string, name: string): Promise<Service> {
  const found = (await api.get(corePath(namespace, 'services', name))) as ServiceObject | undefined
  if (found === undefined) {
    throw new Failure('service-not-found', `Service ${namespace}/${name} does not exist.`, [
      `${whoNamed()} A frequent cause is a Secret from before the database was renamed.`,
      'Ask the administrator which Service gives access to the database.',
    ])
  }
  const { type, clusterIP, externalName, selector, ports = [] } = found.spec ?? {}
  if (type === 'ExternalName') {
    throw new Failure(
      'service-not-found',
      `Service ${namespace}/${name} is only an alias for the host ${oneLine(externalName ?? '')}, and has no Pod to forward to.`,
      [
        'A connection is forwarded to a Pod; for a server outside the cluster, to one that passes it on (docs/anywhere.md).',
        `Ask the administrator for a Service that selects such Pods, and name it: ${input('access-service')}.`,
      ],
    )
  }
  return {
    namespace,
    name,
    ...(selector !== undefined && Object.keys(selector).length > 0 && { selector }),
    ...betterThan(name, found.metadata?.labels ?? {}),
    headless: clusterIP === 'None',
    ports: ports
      .filter(({ protocol = 'TCP' }) => protocol === 'TCP')
      .map(({ name = '', port, targetPort, appProtocol }) => ({
        name,
        port,
        target: targetPort || port,
        ...(appProtocol !== undefined && { protocol: appProtocol }),
      })),
  }
}

function betterThan(name: string, labels: Labels): Pick<Service, 'better'> {
  const { provider, cluster } = familyOf(labels, undefined)?.keeper ?? {}
  const forward = provider && cluster !== undefined ? provider.servicesOf(cluster).forward : name
  return forward === name ? {} : { better: forward }
}

/** Who says which Service it is. */
function whoNamed(): string {
  return `${capitalized(input('access-service'))} names it, or USER_ACCESS of the access Secret.`
}

/** What to do about a Service that leads elsewhere. */
function askFor(what: string, { better }: Service): string {
  return better === undefined
    ? `Ask the administrator for a Service that ${what}.`
    : `Service ${oneLine(better)} does: name it with ${input('access-service')}, or under USER_ACCESS of the access Secret.`
}

/**
 * Finds a Ready Pod behind a Service, and the port on it.
 *
 * @param port what PGPORT says
 * @param primaries what `readPrimaries` gave: where the Service selects one of them, it is the Pod
 * @throws Failure `service-port-unknown`, `pod-not-ready`, `service-not-found` where what is behind it is no Pod, or
 *   `target-is-standby` where it selects standbys alone
 */
export async function resolvePod(
  api: Api,
  service: Service,
  port: number,
  primaries: readonly PodObject[] = [],
): Promise<PodPort> {
  const servicePort = choosePort(service, port)
  if (service.selector === undefined) return await resolveEndpoint(api, service, servicePort)
  refuseStandbys(service)
  const labels = Object.entries(service.selector)
  const known = primaries.filter(({ metadata }) =>
    labels.every(([key, value]) => metadata?.labels?.[key] === value),
  )
  const selector = labels.map(([key, value]) => `${key}=${value}`).join(',')
  const pods = known.length > 0 ? known : await listPods(api, service.namespace, selector)
  const pod = choosePod(service, pods)
  return { pod: pod.metadata?.name ?? '', port: portOnPod(service, servicePort, pod) }
}

/**
 * Returns the Ready Pods that the first of the known operators marks as primaries, whatever Service leads to them: that
 * can be asked for before the Service is known.
 */
export async function readPrimaries(api: Api, namespace: string): Promise<readonly PodObject[]> {
  const [{ role }] = providers
  const pods = await listPods(api, namespace, `${role.label} in (${role.primary.join(',')})`)
  return pods.filter(isReady)
}

async function listPods(api: Api, namespace: string, selector: string): Promise<readonly PodObject[]> {
  const path = `${corePath(namespace, 'pods')}?labelSelector=${encodeURIComponent(selector)}`
  return ((await api.get(path)) as { items?: readonly PodObject[] } | undefined)?.items ?? []
}

/**
 * Returns the port of a Service that PostgreSQL is behind: the one PGPORT names, else the only one, else the one whose
 * protocol or name says so.
 */
export function choosePort(service: Service, port: number): ServicePort {
  const { ports, headless } = service
  const [first, ...others] = ports
  // A headless Service needs no port: its name leads to the Pods themselves.
  if (first === undefined && headless) return { name: '', port, target: port }
  const chosen =
    ports.find((candidate) => candidate.port === port) ??
    (others.length === 0
      ? first
      : (ports.find(({ protocol = '' }) => postgresql.test(protocol)) ??
        ports.find(({ name }) => postgresql.test(name))))
  if (chosen !== undefined) return chosen
  const there = ports.map(({ name, port: number }) =>
    name === '' ? String(number) : `${number} (${oneLine(name)})`,
  )
  throw new Failure(
    'service-port-unknown',
    `Service ${service.namespace}/${service.name} has no port ${port}: it has ${sentence(there) || 'no TCP port'}.`,
    [
      'None of its ports is called postgresql either, so it is not known which one is PostgreSQL.',
      `Say which one it is: ${input('access-port')}, or PGPORT of the access Secret.`,
    ],
  )
}

/** Also behind the protocol, as service meshes have it (`tcp-postgresql`), or a domain (`example.com/postgresql`). */
const postgresql = /^(tcp-|[a-z\d.-]+\/)?(postgres|pg|psql)/i

/** Returns the Pod to forward to: a Ready one, rather a primary, rather an old one. */
export function choosePod(service: Service, pods: readonly PodObject[]): PodObject {
  const name = `svc/${service.name} in ${service.namespace}`
  const age = ({ metadata }: PodObject): string => metadata?.creationTimestamp ?? ''
  const ready = pods.filter(isReady).sort((one, other) => age(one).localeCompare(age(other)))
  const chosen = ready.find(({ metadata }) => isMarkedPrimary(metadata?.labels ?? {})) ?? ready[0]
  if (chosen !== undefined) return chosen
  if (pods.length === 0) {
    throw new Failure('pod-not-ready', `No Pod is behind ${name}.`, [
      'Its selector matches no Pod. A frequent cause is a database that is stopped, or a Service of one that is gone.',
      'Ask the administrator whether the database is running.',
    ])
  }
  const seen = pods.slice(0, 5).map((pod) => `${oneLine(pod.metadata?.name ?? '')} ${stateOf(pod)}`)
  const more = pods.length > seen.length ? `, and ${pods.length - seen.length} more` : ''
  throw new Failure(
    'pod-not-ready',
    `No Pod behind ${name} is Ready, of ${count(pods.length, 'Pod')}: ${seen.join(', ')}${more}.`,
    [
      'A frequent cause is a database that is starting, or being updated.',
      'Run this again when it is up; if the error remains, ask the administrator.',
    ],
  )
}

/** No switch of the primary makes a Service right that selects the others. */
function refuseStandbys(service: Service): void {
  const { namespace, name, selector = {} } = service
  for (const { role } of providers) {
    const { label, primary } = role
    const selected = selector[label]
    if (selected === undefined || primary.includes(selected)) continue
    throw new Failure(
      'target-is-standby',
      `Service ${namespace}/${name} selects the Pods with ${label}=${oneLine(selected)}, which take no changes.`,
      [whoNamed(), askFor(`selects the primary: ${label}=${primary[0] ?? ''}`, service)],
    )
  }
}

/** As kubectl does: a headless Service translates no port, a name is a container's port. */
function portOnPod(service: Service, { port, target }: ServicePort, pod: PodObject): number {
  if (service.headless) return port
  if (typeof target === 'number') return target
  const ports = runningContainers(pod).flatMap(({ ports = [] }) => ports)
  const named = ports.find(({ name }) => name === target)?.containerPort
  if (named !== undefined) return named
  throw new Failure(
    'service-port-unknown',
    `Service ${service.namespace}/${service.name} leads to port "${oneLine(target)}", which no container of Pod ${pod.metadata?.name ?? ''} has.`,
    [
      'Ask the administrator to put the Service right: its targetPort has to be a number or the name of a container port.',
    ],
  )
}

/** One group of addresses that share their ports, whichever kind of object it comes from. */
interface EndpointGroup {
  readonly targets: readonly (TargetReference | undefined)[]
  readonly ports: readonly { readonly name?: string; readonly port?: number }[]
}

async function resolveEndpoint(api: Api, service: Service, servicePort: ServicePort): Promise<PodPort> {
  const name = `svc/${service.name} in ${service.namespace}`
  const slices = await readSlices(api, service)
  const groups = slices?.length ? slices : await readEndpoints(api, service, slices !== undefined)
  for (const { targets, ports } of groups) {
    const port = ports.find((candidate) => (candidate.name ?? '') === servicePort.name)?.port
    const target = targets.find(
      (reference) => reference?.kind === 'Pod' && isIn(reference, service.namespace),
    )
    if (port !== undefined && target?.name !== undefined) return { pod: target.name, port }
  }
  const addresses = groups.reduce((sum, { targets }) => sum + targets.length, 0)
  if (addresses === 0) {
    throw new Failure('pod-not-ready', `No ready address is behind ${name}.`, [
      'It has no selector, so something else keeps its addresses, and there are none now.',
      'A frequent cause is a failover under way. Run this again; if the error remains, ask the administrator.',
    ])
  }
  throw new Failure(
    'service-not-found',
    `No ready address behind ${name} is a Pod of that namespace with the port (looked at: ${addresses}).`,
    [
      `It has no selector, and only a Pod can be forwarded to${service.better === undefined ? ': the database may be outside the cluster' : ''}.`,
      askFor('leads to the Pods of the database', service),
    ],
  )
}

function isIn({ namespace }: TargetReference, wanted: string): boolean {
  return namespace === undefined || namespace === wanted
}

/** Returns the EndpointSlices of a Service, `undefined` where they may not be read. */
async function readSlices(api: Api, { namespace, name }: Service): Promise<EndpointGroup[] | undefined> {
  const version = await sliceVersion(api)
  if (version === undefined) return undefined
  const selector = encodeURIComponent(`kubernetes.io/service-name=${name}`)
  const answer = await api.request({
    method: 'GET',
    path: `/apis/discovery.k8s.io/${version}/namespaces/${encodeURIComponent(namespace)}/endpointslices?labelSelector=${selector}`,
  })
  if (answer.status === 403) return undefined
  if (answer.status !== 200) throw api.refusal(answer)
  const { items = [] } = answer.body as { items?: readonly EndpointSliceObject[] }
  return items.map(({ endpoints, ports }) => ({
    targets: (endpoints ?? [])
      .filter(({ conditions }) => conditions?.ready !== false)
      .map(({ targetRef }) => targetRef),
    ports: ports ?? [],
  }))
}

/** Returns the version of EndpointSlices to use: v1 came with Kubernetes 1.21, v1beta1 went with 1.25. */
async function sliceVersion(api: Api): Promise<string | undefined> {
  const group = (await api.get('/apis/discovery.k8s.io')) as { versions?: { version?: string }[] } | undefined
  const served = group?.versions?.map(({ version }) => version) ?? []
  return ['v1', 'v1beta1'].find((version) => served.includes(version))
}

/** Returns the Endpoints of a Service; where they are only a second opinion, lacking the right to them is no error. */
async function readEndpoints(
  api: Api,
  { namespace, name }: Service,
  secondOpinion: boolean,
): Promise<EndpointGroup[]> {
  const answer = await api.request({ method: 'GET', path: corePath(namespace, 'endpoints', name) })
  if (answer.status === 404 || (answer.status === 403 && secondOpinion)) return []
  if (answer.status !== 200) throw api.refusal(answer)
  const { subsets = [] } = answer.body as EndpointsObject
  return subsets.map(({ addresses = [], ports = [] }) => ({
    targets: addresses.map(({ targetRef }) => targetRef),
    ports,
  }))
}
