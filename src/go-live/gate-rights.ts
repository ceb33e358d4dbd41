import type { PermissionScope } from '../kubernetes/permissions.ts'
import { roleName } from '../kubernetes/role-name.ts'
import type { OptionalRight } from './finding.ts'

/** Where the access Secret is. */
export type AccessScope = Pick<PermissionScope, 'accessNamespace' | 'accessSecret'>

/** The operators whose resources the gate reads. */
export type Operator = 'zalando' | 'cloudnativepg' | 'crunchy'

interface Reading {
  readonly verb: 'get' | 'list'
  readonly group: string
  readonly resource: string
  /** The name of the one object, from that of the cluster. */
  readonly object?: (cluster: string) => string
}

/** What an optional right is for, in a table of rights. */
export const gatePurpose = 'the go-live gate'

const itself = (cluster: string): string => cluster

/** What the gate reads of the database beside its Pods. */
const ofOperator: Readonly<Record<Operator, readonly Reading[]>> = {
  zalando: [
    { verb: 'get', group: 'acid.zalan.do', resource: 'postgresqls', object: itself },
    { verb: 'get', group: 'batch', resource: 'cronjobs', object: (cluster) => `logical-backup-${cluster}` },
    { verb: 'list', group: 'batch', resource: 'jobs' },
  ],
  cloudnativepg: [
    { verb: 'get', group: 'postgresql.cnpg.io', resource: 'clusters', object: itself },
    { verb: 'list', group: 'postgresql.cnpg.io', resource: 'scheduledbackups' },
    { verb: 'list', group: 'postgresql.cnpg.io', resource: 'backups' },
  ],
  crunchy: [
    { verb: 'get', group: 'postgres-operator.crunchydata.com', resource: 'postgresclusters', object: itself },
  ],
}

/** What the gate reads of the application: which of these use the Secret, and where their Pods are. */
const ofApplication: readonly Reading[] = [
  { verb: 'list', group: 'apps', resource: 'deployments' },
  { verb: 'list', group: 'apps', resource: 'statefulsets' },
  { verb: 'list', group: '', resource: 'pods' },
]

/**
 * Returns what the gate would like to read of the database, and can do without.
 *
 * @param keeper the operator, and its name for the database cluster; while it is not known, the rights for every operator, on every cluster of the namespace
 */
export function databaseGateRights(
  { accessNamespace, accessSecret }: AccessScope,
  keeper?: { readonly operator: Operator; readonly name: string },
): readonly OptionalRight[] {
  const role = roleName(accessSecret, keeper === undefined ? 'any-go-live' : 'go-live')
  const readings = keeper === undefined ? Object.values(ofOperator).flat() : ofOperator[keeper.operator]
  return readings.map((reading) => ({
    ...optional(accessNamespace, role, reading),
    ...(reading.object &&
      (keeper === undefined ? { comment: anyCluster } : { name: reading.object(keeper.name) })),
  }))
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
