import { databaseGateRights, applicationGateRights } from '../go-live/gate-rights.ts'
import { roleManifests } from '../rights/manifest.ts'
import { runRights, type PermissionScope } from '../rights/permissions.ts'

/** Who gets the rights: the ServiceAccount of a pipeline. */
interface PipelineAccount {
  readonly namespace: string
  readonly name: string
}

/**
 * Stands for an account that was not named. Nothing in a cluster can have such a name, so that an API server refuses
 * the manifest until somebody fills it in.
 */
const unnamed: PipelineAccount = { namespace: '%namespace%', name: '%ServiceAccount%' }

/** What a ticket asks for, and for whom. */
export interface TicketOptions {
  readonly account?: PipelineAccount | undefined
  /** The Service that key USER_ACCESS of the access Secret names, where it is known. */
  readonly service?: string | undefined
  /** Whether it asks for what the go-live gate would like to have as well. */
  readonly goLive?: boolean
}

/**
 * Returns the YAML of the Roles and RoleBindings that a run with these inputs needs, from the inputs alone: the ticket
 * to the administrator comes before the first red pipeline.
 */
export function formatRights(
  scope: PermissionScope,
  { account = unnamed, service, goLive }: TicketOptions,
): string {
  const identity = { name: `system:serviceaccount:${account.namespace}:${account.name}`, certain: true }
  const rights = [
    ...runRights(scope, service),
    ...(goLive === true ? [...databaseGateRights(scope), ...applicationGateRights(scope)] : []),
  ]
  return roleManifests(identity, rights)
}
