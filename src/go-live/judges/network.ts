import { BlockList, isIP } from 'node:net'
import type { IngressRule, NetworkPolicyObject, Peer, PodObject } from '../../kubernetes/objects.ts'
import { meets, termsOf, type Term } from '../../kubernetes/selector.ts'
import { oneLine, sentence } from '../../lib/text.ts'
import type { Observations } from '../observations.ts'
import type { Entrance } from '../observe-cluster.ts'

/** Pods that want to come in: of one workload, or of none that is there yet. */
interface Visitor {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  /** Of the Pods that there are; none is known where they may not be listed. */
  readonly addresses: readonly string[]
}

/** What would let Pods in, which they lack. */
interface Demand {
  /** `postgres-system/postgresql1-access`. */
  readonly policy: string
  readonly terms: readonly Term[]
}

/**
 * Returns notes about labels that the application's Pods lack, and without which no NetworkPolicy of the database's
 * namespace lets them in; nothing where the policies may not be read, or where they leave it open.
 */
export function closedTo({
  cluster: { entrance },
  application: { workloads },
  secretRef,
  sql,
}: Observations): readonly string[] {
  if (entrance === undefined || workloads === undefined) return []
  const [namespace = ''] = secretRef.split('/')
  if (workloads.length === 0) {
    // What is connected came in, whatever it is; and something may be that is not in sight.
    if ('hidden' in sql.sessions || sql.sessions.value.application > 0) return []
    const demands = demandsOn({ namespace, labels: {}, addresses: [] }, entrance)
    return demands.length === 0
      ? []
      : [`${demandWords(demands)}: the Pods that will use ${secretRef} need it in their template`]
  }
  const closed = workloads.flatMap(({ what, labels, pods = [] }) => {
    const addresses = pods.flatMap(({ address }) => (address === undefined ? [] : [address]))
    const demands = demandsOn({ namespace, labels, addresses }, entrance)
    return demands.length === 0 ? [] : [{ what, words: demandWords(demands) }]
  })
  return [...Map.groupBy(closed, ({ words }) => words)].map(([words, those]) => {
    const names = sentence(those.map(({ what }) => what))
    return `${words}, and ${names} ${those.length === 1 ? 'does' : 'do'} not have it in the Pod template: such Pods do not reach the database`
  })
}

/**
 * Returns what any of the policies asks of Pods that none of them lets in; nothing where one lets them in, or may do so.
 * Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/
 */
function demandsOn(visitor: Visitor, entrance: Entrance): readonly Demand[] {
  const { pod, policies } = entrance
  const about = policies.filter(
    ({ spec = {} }) =>
      (spec.policyTypes ?? ['Ingress']).includes('Ingress') &&
      termsOf(spec.podSelector ?? {}).every((term) => meets(term, pod.metadata?.labels)),
  )
  const lacks = about.flatMap((policy) =>
    (policy.spec?.ingress ?? [])
      .filter((rule) => isOver(rule, entrance))
      .flatMap(({ from }) => (from === undefined || from.length === 0 ? [{}] : from))
      .filter((peer) => isFrom(peer, visitor, entrance.namespace))
      .map((peer) => ({ policy: nameOf(policy, entrance), terms: lackedFor(peer, visitor) })),
  )
  if (lacks.some(({ terms }) => terms.length === 0)) return []
  const fewest = Math.min(...lacks.map(({ terms }) => terms.length))
  return lacks.filter(({ terms }) => terms.length === fewest)
}

function nameOf({ metadata }: NetworkPolicyObject, { namespace }: Entrance): string {
  return oneLine(`${namespace}/${metadata?.name ?? ''}`, 160)
}

/** Says whether a rule is about the port of PostgreSQL. */
function isOver({ ports = [] }: IngressRule, { pod, port }: Entrance): boolean {
  return (
    ports.length === 0 ||
    ports.some(({ protocol = 'TCP', port: wanted, endPort }) => {
      if (protocol !== 'TCP') return false
      if (wanted === undefined) return true
      if (typeof wanted === 'string') return namedPorts(pod, wanted).includes(port)
      return port >= wanted && port <= (endPort ?? wanted)
    })
  )
}

function namedPorts({ spec }: PodObject, name: string): readonly (number | undefined)[] {
  return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]
    .flatMap(({ ports = [] }) => ports)
    .filter((each) => each.name === name && (each.protocol ?? 'TCP') === 'TCP')
    .map(({ containerPort }) => containerPort)
}

/** The one label of a namespace that is known without reading it. Source: KEP-2161 */
const nameLabel = 'kubernetes.io/metadata.name'

/** Says whether a peer may be in the namespace of the visitor; an address that is not known may be any. */
function isFrom(
  { ipBlock, namespaceSelector, podSelector }: Peer,
  { namespace, addresses }: Visitor,
  own: string,
): boolean {
  if (ipBlock !== undefined) {
    return addresses.length === 0 || addresses.some((address) => isInside(address, ipBlock))
  }
  if (namespaceSelector === undefined) return podSelector === undefined || namespace === own
  return termsOf(namespaceSelector).every(
    (term) => term.key !== nameLabel || meets(term, { [nameLabel]: namespace }),
  )
}

function isInside(address: string, { cidr = '', except = [] }: NonNullable<Peer['ipBlock']>): boolean {
  const within = (block: string): boolean => {
    const [network = '', prefix = ''] = block.split('/')
    const family = isIP(network)
    if (family === 0 || family !== isIP(address) || !/^\d{1,3}$/.test(prefix)) return false
    const list = new BlockList()
    const kind = family === 4 ? 'ipv4' : 'ipv6'
    if (Number(prefix) > (family === 4 ? 32 : 128)) return false
    list.addSubnet(network, Number(prefix), kind)
    return list.check(address, kind)
  }
  return within(cidr) && !except.some(within)
}

/** Which labels the visitor would need to be this peer; none where it is. */
function lackedFor({ ipBlock, podSelector = {} }: Peer, { labels }: Visitor): readonly Term[] {
  return ipBlock === undefined ? termsOf(podSelector).filter((term) => !meets(term, labels)) : []
}

const mostDemands = 3

/** `NetworkPolicy postgres-system/access lets in only Pods with the label "access: allow"`. */
function demandWords(demands: readonly Demand[]): string {
  const policies = [...new Set(demands.map(({ policy }) => policy))]
  const labels = [...new Set(demands.map(({ terms }) => sentence(terms.map(termWords))))]
  const shown = sentence(labels.slice(0, mostDemands), 'or')
  const rest = labels.length > mostDemands ? `, or ${labels.length - mostDemands} others` : ''
  const who =
    policies.length === 1
      ? `NetworkPolicy ${policies.join('')} lets`
      : `NetworkPolicies ${sentence(policies.slice(0, mostDemands))} let`
  return `${who} in only Pods with ${shown}${rest}`
}

/** A condition as a label in a Pod template: `the label "access: allow"`. */
function termWords({ key, operator, values }: Term): string {
  const name = oneLine(key, 320)
  const each = values.map((value) => oneLine(value, 63))
  switch (operator) {
    case 'Exists':
      return `a label "${name}"`
    case 'DoesNotExist':
      return `no label "${name}"`
    case 'NotIn':
      return `a label "${name}" that is not ${sentence(each, 'or')}`
    case 'In':
      return each.length === 1
        ? `the label "${name}: ${each.join('')}"`
        : `the label "${name}" set to ${sentence(each, 'or')}`
  }
}
