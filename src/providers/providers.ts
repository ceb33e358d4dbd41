import { cloudnativepg } from './cloudnativepg.ts'
import { crunchy } from './crunchy.ts'
import type { Labels, Provider, SecretSight } from './provider.ts'
import { zalando } from './zalando.ts'

/** Every operator that is known. The Pods of the first one are looked for before it is known which one it is. */
export const providers: readonly [Provider, ...Provider[]] = [zalando, cloudnativepg, crunchy]

/** An operator, and its name for the cluster that it keeps. */
export interface Keeper {
  readonly provider: Provider
  readonly cluster: string
}

/** Which Pods belong together, and who keeps them. */
export interface Family {
  readonly selector: Labels
  /** Absent for a database without an operator, such as a plain StatefulSet. */
  readonly keeper?: Keeper
}

/** The label by which Patroni, and many a chart, marks the primary where no operator gives it one of its own. */
const plainRole = 'role'
/** Labels that tell one Pod from others of its kind. */
const ordinals = ['statefulset.kubernetes.io/pod-name', 'apps.kubernetes.io/pod-index']

/** Returns the operator that made a Secret, and for which of its clusters; absent where nothing says that one did. */
export function makerOf(secret: SecretSight): Keeper | undefined {
  return providers
    .map((provider) => ({ provider, cluster: provider.secretOf(secret) }))
    .find((maker): maker is Keeper => maker.cluster !== undefined)
}

/** Says whether an operator has marked the Pod with these labels as the one that takes writes. */
export function isMarkedPrimary(labels: Labels): boolean {
  return providers.some(({ role }) => role.primary.includes(labels[role.label] ?? ''))
}

/** Returns what the labels of a Pod say about its role, in the operator's own word: `master`, `replica`. */
export function markedRole(labels: Labels): string | undefined {
  return roleLabels.map((label) => labels[label]).find((value) => value !== undefined)
}

/** The roles through which the connection poolers of operators log in. */
export const poolerRoles: readonly string[] = providers.map(({ poolerRole }) => poolerRole)

const roleLabels = [...providers.map(({ role }) => role.label), plainRole]

/** Tells the cluster from the labels of one of its Pods, else from the Service's selector without what names one Pod. */
export function familyOf(labels: Labels, selector: Labels | undefined): Family | undefined {
  for (const provider of providers) {
    const cluster = provider.clusterOf(labels)
    if (cluster) return { selector: cluster.selector, keeper: { provider, cluster: cluster.name } }
  }
  const ofOne = [...roleLabels, ...ordinals]
  const rest = Object.fromEntries(Object.entries(selector ?? {}).filter(([key]) => !ofOne.includes(key)))
  return Object.keys(rest).length === 0 ? undefined : { selector: rest }
}

/** Says whether a Pod with the labels of its cluster is one of its instances: Jobs often carry them as well. */
export function isInstance({ keeper }: Family, labels: Labels): boolean {
  return labels['job-name'] === undefined && keeper?.provider.isInstance(labels) !== false
}
