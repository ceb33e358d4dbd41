/** A kind of object that the stand-in keeps, and where it is found. */
export interface Resource {
  /** Empty for the core group. */
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
  readonly shortNames?: readonly string[]
}

const core = { group: '', version: 'v1', namespaced: true }
const rbac = { group: 'rbac.authorization.k8s.io', version: 'v1', namespaced: true }
const apps = { group: 'apps', version: 'v1', namespaced: true }
const batch = { group: 'batch', version: 'v1', namespaced: true }

/** Where namespaces themselves are kept. */
export const namespaces: Resource = {
  ...core,
  plural: 'namespaces',
  kind: 'Namespace',
  namespaced: false,
  shortNames: ['ns'],
}

/** The kinds that every stand-in keeps. */
export const builtinResources: readonly Resource[] = [
  namespaces,
  { ...core, plural: 'nodes', kind: 'Node', namespaced: false, shortNames: ['no'] },
  { ...core, plural: 'secrets', kind: 'Secret' },
  { ...core, plural: 'configmaps', kind: 'ConfigMap', shortNames: ['cm'] },
  { ...core, plural: 'services', kind: 'Service', shortNames: ['svc'] },
  { ...core, plural: 'pods', kind: 'Pod', shortNames: ['po'] },
  { ...core, plural: 'endpoints', kind: 'Endpoints', shortNames: ['ep'] },
  { ...core, plural: 'serviceaccounts', kind: 'ServiceAccount', shortNames: ['sa'] },
  { ...rbac, plural: 'roles', kind: 'Role' },
  { ...rbac, plural: 'rolebindings', kind: 'RoleBinding' },
  { ...rbac, plural: 'clusterroles', kind: 'ClusterRole', namespaced: false },
  { ...rbac, plural: 'clusterrolebindings', kind: 'ClusterRoleBinding', namespaced: false },
  { ...apps, plural: 'deployments', kind: 'Deployment', shortNames: ['deploy'] },
  { ...apps, plural: 'statefulsets', kind: 'StatefulSet', shortNames: ['sts'] },
  { ...apps, plural: 'daemonsets', kind: 'DaemonSet', shortNames: ['ds'] },
  {
    group: 'networking.k8s.io',
    version: 'v1',
    plural: 'networkpolicies',
    kind: 'NetworkPolicy',
    namespaced: true,
    shortNames: ['netpol'],
  },
  { ...batch, plural: 'cronjobs', kind: 'CronJob', shortNames: ['cj'] },
  { ...batch, plural: 'jobs', kind: 'Job' },
]

/** EndpointSlices in the version that a server offers: v1 came with Kubernetes 1.21, v1beta1 went with 1.25. */
export function endpointSlices(version: 'v1' | 'v1beta1'): Resource {
  return {
    group: 'discovery.k8s.io',
    version,
    plural: 'endpointslices',
    kind: 'EndpointSlice',
    namespaced: true,
  }
}

/** Gives `v1` or `apps/v1`, as it is written in `apiVersion`. */
export function apiVersionOf(resource: Pick<Resource, 'group' | 'version'>): string {
  return resource.group ? `${resource.group}/${resource.version}` : resource.version
}
