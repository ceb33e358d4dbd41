import type { OptionalRight } from '../kubernetes/ask.ts'
import type { Reading } from '../providers/provider.ts'
import { providers, type Keeper } from '../providers/providers.ts'
import { anyService, endpointRight, type PermissionScope } from '../rights/permissions.ts'
import { roleName } from '../rights/role-name.ts'

/** Where the access Secret is. */
export type AccessScope = Pick<PermissionScope, 'accessNamespace' | 'accessSecret' | 'via'>

/** What an optional right is for, in a table of rights. */
export const gatePurpose = 'the go-live gate'

/**
 * Returns what leads the gate to the Pods of the database where the run goes to PostgreSQL itself; elsewhere every run needs
 * that. Their labels tell which operator keeps it.
 *
 * @param service absent where it is not known
 */
export function wayGateRights(
  { accessNamespace, accessSecret, via }: AccessScope,
  service?: string,
): readonly OptionalRight[] {
  if (via !== 'direct') return []
  const role = roleName(accessSecret, service === undefined ? 'any-direct-go-live' : 'direct-go-live')
  const right = (verb: 'get' | 'list', resource: string): OptionalRight =>
    optional(accessNamespace, role, { verb, group: '', resource })
  const which = service === undefined ? { comment: anyService } : { name: service }
  return [{ ...right('get', 'services'), ...which }, right('get', 'pods'), right('list', 'pods')]
}

/** Returns what leads to the Pods as well, where the Service has no selector. */
export function endpointGateRight(scope: AccessScope, service: string): OptionalRight {
  return { ...endpointRight(scope, service), purpose: gatePurpose, asked: false }
}

/** What the gate reads of the application: which of these use the Secret, and where their Pods are. */
const ofApplication: readonly Reading[] = [
  { verb: 'list', group: 'apps', resource: 'deployments' },
  { verb: 'list', group: 'apps', resource: 'statefulsets' },
  { verb: 'list', group: 'apps', resource: 'daemonsets' },
  { verb: 'list', group: '', resource: 'pods' },
]

/** What tells which label Pods need to get at the database. Nothing is unknown without it. */
export const policyRight = { verb: 'list', group: 'networking.k8s.io', resource: 'networkpolicies' } as const

const policyComment = 'Tells which label lets Pods in. Without it a note is missing, and nothing is unknown.'

/**
 * Returns what the gate would like to read of the database, and can do without.
 *
 * @param keeper absent while it is not known: then the rights for every operator, on every cluster of the namespace
 */
export function databaseGateRights(
  { accessNamespace, accessSecret }: AccessScope,
  keeper?: Keeper,
): readonly OptionalRight[] {
  const role = roleName(accessSecret, keeper === undefined ? 'any-go-live' : 'go-live')
  const keepers = keeper === undefined ? providers : [keeper.provider]
  const readings = keepers
    .flatMap((provider) => provider.readings)
    .map((reading) => ({
      ...optional(accessNamespace, role, reading),
      ...(reading.object &&
        (keeper === undefined ? { comment: anyCluster } : { name: reading.object(keeper.cluster) })),
    }))
  return [...readings, { ...optional(accessNamespace, role, policyRight), comment: policyComment }]
}

/** Says that a Role is not limited to one database. */
const anyCluster = 'Every one, because the operator and the name of the cluster are not known here.'

/** Returns what the gate would like to read of the application, and can do without. */
export function applicationGateRights({
  appNamespace,
  appSecret,
}: Pick<PermissionScope, 'appNamespace' | 'appSecret'>): readonly OptionalRight[] {
  return ofApplication.map((reading) =>
    optional(appNamespace, roleName(appSecret, 'workloads-go-live'), reading),
  )
}

function optional(namespace: string, role: string, { verb, group, resource }: Reading): OptionalRight {
  return { namespace, role, verb, group, resource, purpose: gatePurpose, asked: false }
}
