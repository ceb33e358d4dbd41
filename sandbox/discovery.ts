import { apiVersionOf, type Resource } from './resources.ts'

const storedVerbs = ['create', 'delete', 'get', 'list', 'patch', 'update']

/** What every server answers about itself without asking who wants to know. */
export const publicAnswers: Readonly<Record<string, unknown>> = {
  '/healthz': 'ok',
  '/livez': 'ok',
  '/readyz': 'ok',
  '/version': {
    major: '1',
    minor: '33',
    gitVersion: 'v1.33.0-sandbox',
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: '',
    platform: '',
  },
}

/**
 * Gives the discovery documents by their path, as far as kubectl needs them to know kinds and short names.
 * `reviews` are the groups whose resources are only ever posted to.
 */
export function discoveryAnswers(
  resources: readonly Resource[],
  reviews: readonly Resource[],
): ReadonlyMap<string, unknown> {
  const groupVersions = new Map<string, Record<string, unknown>[]>()
  const listed = (
    resource: Resource,
    name: string,
    kind: string,
    verbs: readonly string[],
    shortNames?: readonly string[],
  ): void => {
    const groupVersion = apiVersionOf(resource)
    groupVersions.set(groupVersion, [
      ...(groupVersions.get(groupVersion) ?? []),
      { name, singularName: '', namespaced: resource.namespaced, kind, verbs, shortNames },
    ])
  }
  for (const resource of resources) {
    listed(resource, resource.plural, resource.kind, storedVerbs, resource.shortNames)
    if (resource.kind === 'Pod')
      listed(resource, 'pods/portforward', 'PodPortForwardOptions', ['get', 'create'])
    if (resource.kind === 'ServiceAccount') {
      listed(resource, 'serviceaccounts/token', 'TokenRequest', ['create'])
    }
  }
  for (const review of reviews) listed(review, review.plural, review.kind, ['create'])

  const answers = new Map<string, unknown>()
  const groups = new Map<string, { groupVersion: string; version: string }[]>()
  for (const [groupVersion, entries] of groupVersions) {
    const [group = '', version] = groupVersion.split('/')
    answers.set(version ? `/apis/${groupVersion}` : `/api/${groupVersion}`, {
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion,
      resources: entries,
    })
    if (version) groups.set(group, [...(groups.get(group) ?? []), { groupVersion, version }])
  }
  const apiGroups = [...groups].map(([name, versions]) => ({
    name,
    versions,
    preferredVersion: versions[0],
  }))
  for (const group of apiGroups) {
    answers.set(`/apis/${group.name}`, { kind: 'APIGroup', apiVersion: 'v1', ...group })
  }
  answers.set('/apis', { kind: 'APIGroupList', apiVersion: 'v1', groups: apiGroups })
  answers.set('/api', { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] })
  return answers
}
