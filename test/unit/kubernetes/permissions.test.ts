import { afterEach, expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import { roleManifests } from '../../../src/kubernetes/manifest.ts'
import {
  endpointRights,
  namedRights,
  permissionFailure,
  reviewRights,
  serviceRights,
} from '../../../src/kubernetes/permissions.ts'
import { groupRights } from '../../../src/kubernetes/right.ts'
import { json, serve, type TestServer } from './server.ts'

const scope = {
  accessNamespace: 'postgres-system',
  accessSecret: 'postgresql1-access',
  appNamespace: 'shop',
  appSecret: 'app-postgresql-secret',
  dryRun: false,
}
const ci = { name: 'system:serviceaccount:shop:ci', certain: true }

let server: TestServer
afterEach(() => server.close())

async function review(
  allowed: (attributes: Record<string, string>) => boolean,
  dryRun = false,
  second = serviceRights('postgres-system', 'postgresql1-user-access'),
): Promise<Awaited<ReturnType<typeof reviewRights>>> {
  server = await serve((_, response) => {
    const { spec } = JSON.parse(server.requests.at(-1)?.body ?? '') as {
      spec: { resourceAttributes: Record<string, string> }
    }
    json(response, 201, { status: { allowed: allowed(spec.resourceAttributes) } })
  })
  const api = await server.api()
  const first = await reviewRights(api, ci, namedRights({ ...scope, dryRun }))
  return await reviewRights(api, ci, second, first)
}

test('all nine are there', async () => {
  const report = await review(() => true)
  expect(report).toMatchObject({ missing: [], manifest: '' })
  expect(report.rights).toHaveLength(9)
  expect(server.requests).toHaveLength(9)
})

test('a dry run does not ask for writes', async () => {
  const report = await review(({ verb, resource }) => !(resource === 'secrets' && verb !== 'get'), true)
  expect(report.missing).toEqual([])
  expect(server.requests).toHaveLength(7)
})

test('three are missing: the Role of that namespace, complete', async () => {
  const report = await review(
    ({ resource, subresource }) => resource !== 'services' && subresource !== 'portforward',
  )
  expect(permissionFailure(report)).toMatchObject({
    code: 'permission-missing',
    message:
      'system:serviceaccount:shop:ci lacks 3 of 9 rights: ' +
      'get services "postgresql1-user-access", get and create pods/portforward in postgres-system.',
  })
  expect(report.manifest).toBe(`apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: pg-app-user
  namespace: postgres-system
rules:
  - apiGroups: [""]
    resources: [secrets]
    resourceNames: [postgresql1-access]
    verbs: [get]
  - apiGroups: [""]
    resources: [services]
    resourceNames: [postgresql1-user-access]
    verbs: [get]
  - apiGroups: [""]
    resources: [pods]
    verbs: [get, list]
  - apiGroups: [""]
    resources: [pods/portforward]
    verbs: [get, create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: pg-app-user
  namespace: postgres-system
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: pg-app-user
subjects:
  - kind: ServiceAccount
    name: ci
    namespace: shop
`)
})

test('the access Secret cannot be read: the Service is not named, and the Role says so', async () => {
  const report = await review(
    ({ name }) => name !== 'postgresql1-access',
    false,
    serviceRights('postgres-system'),
  )
  expect(server.requests).toHaveLength(8)
  expect(permissionFailure(report)).toMatchObject({
    message:
      'system:serviceaccount:shop:ci lacks 1 of 9 rights: get secrets "postgresql1-access" in postgres-system.',
    hint: expect.arrayContaining([expect.stringContaining('Check input "access-secret"')]),
  })
  expect(report.manifest).toContain(
    '  # Add resourceNames with the Service under USER_ACCESS: the Secret that names it was not read.\n' +
      '  - apiGroups: [""]\n    resources: [services]\n    verbs: [get]\n',
  )
})

test('either of EndpointSlices and Endpoints will do', async () => {
  const second = endpointRights('postgres-system', 'pg')
  expect((await review(({ resource }) => resource !== 'endpointslices', false, second)).missing).toEqual([])
  await server.close()
  const neither = await review(({ resource }) => !resource?.startsWith('endpoint'), false, second)
  expect(neither.missing).toMatchObject([{ resource: 'endpointslices', verb: 'list' }])
  expect(neither.manifest).toContain('apiGroups: [discovery.k8s.io]\n    resources: [endpointslices]')
})

test('users, odd names and one namespace for all', async () => {
  server = await serve((_, response) => {
    json(response, 200, {})
  })
  const rights = namedRights({ ...scope, appNamespace: 'postgres-system', accessSecret: 'no' })
  const text = roleManifests({ name: 'kim: {x} #y', certain: false }, rights)
  const [role, binding, ...others] = parseAllDocuments(text).map((document) => document.toJS() as unknown)
  expect(others).toEqual([])
  expect(role).toMatchObject({
    rules: expect.arrayContaining([expect.objectContaining({ resourceNames: ['no'] })]),
  })
  expect(binding).toMatchObject({ subjects: [{ kind: 'User', name: 'kim: {x} #y' }] })
  expect(text).toContain('# Check the subject')
  expect(groupRights(rights).map(({ verbs, resource }) => `${verbs.join()} ${resource}`)).toEqual([
    'get secrets',
    'get,patch secrets',
    'create secrets',
    'get,list pods',
    'get,create pods/portforward',
  ])
})
