import { apiVersionOf, type Resource } from './resources.ts'

/**
 * Gives what `kubectl apply` asks before it sends anything, by its path: that the server looks at the fields itself, so
 * that kubectl need not. The schemas themselves are left out.
 */
export function openApiAnswers(resources: readonly Resource[]): ReadonlyMap<string, unknown> {
  const versions = Map.groupBy(resources, apiVersionOf)
  const pathOf = (apiVersion: string): string => `${apiVersion.includes('/') ? 'apis' : 'api'}/${apiVersion}`
  const documents = [...versions].map(
    ([apiVersion, here]) =>
      [`/openapi/v3/${pathOf(apiVersion)}`, openApiOf(pathOf(apiVersion), here)] as const,
  )
  const paths = Object.fromEntries(
    [...versions.keys()].map((apiVersion) => [
      pathOf(apiVersion),
      { serverRelativeURL: `/openapi/v3/${pathOf(apiVersion)}` },
    ]),
  )
  // Old versions read a schema of another format, in which nothing at all is a valid one: they check no field then.
  return new Map<string, unknown>([['/openapi/v3', { paths }], ['/openapi/v2', ''], ...documents])
}

function openApiOf(path: string, resources: readonly Resource[]): object {
  const parameters = ['dryRun', 'fieldManager', 'fieldValidation', 'force'].map((name) => ({
    name,
    in: 'query',
    schema: { type: 'string' },
  }))
  const paths = resources.map(({ group, version, kind, plural, namespaced }) => {
    const one = `/${path}/${namespaced ? 'namespaces/{namespace}/' : ''}${plural}/{name}`
    return [one, { patch: { parameters, 'x-kubernetes-group-version-kind': { group, version, kind } } }]
  })
  return {
    openapi: '3.0.0',
    info: { title: 'sandbox', version: 'v1' },
    paths: Object.fromEntries(paths) as object,
  }
}
