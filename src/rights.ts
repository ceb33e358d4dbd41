import { roleManifests } from './kubernetes/manifest.ts'
import { namedRights, serviceRights, type PermissionScope } from './kubernetes/permissions.ts'

/** Who gets the rights: the ServiceAccount of a pipeline. */
export interface Subject {
  readonly namespace: string
  readonly name: string
}

/**
 * Stands for a subject that was not named. No ServiceAccount can have such a name, so that an API server refuses the
 * manifest until somebody fills it in.
 */
const unnamed: Subject = { namespace: '<its namespace>', name: '<ServiceAccount of the pipeline>' }

/**
 * Gives the Role and the RoleBinding of each namespace that a run with these inputs needs, from the inputs alone: the
 * ticket to the administrator comes before the first red pipeline.
 *
 * @param service the Service that key USER_ACCESS of the access Secret names, where it is known
 */
export function formatRights(scope: PermissionScope, subject = unnamed, service?: string): string {
  const identity = { name: `system:serviceaccount:${subject.namespace}:${subject.name}`, certain: true }
  const rights = [...namedRights(scope), ...serviceRights(scope.accessNamespace, service)].filter(
    // Without asking, a dry run is known by what it leaves out.
    ({ verb, resource }) => !scope.dryRun || resource !== 'secrets' || verb === 'get',
  )
  return roleManifests(identity, rights)
}
