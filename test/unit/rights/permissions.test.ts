import { afterEach, expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import { groupRights, type Right } from '../../../src/kubernetes/right.ts'
import { roleManifests } from '../../../src/rights/manifest.ts'
import {
  endpointRight,
  missingOf,
  permissionFailure,
  permissionReport,
  runRights,
  type PermissionReport,
} from '../../../src/rights/permissions.ts'
import { json, serve, type TestServer } from '../kubernetes/server.ts'

const scope = {
  accessNamespace: 'postgres-system',
  accessSecret: 'postgresql1-access',
  appNamespace: 'shop',
  appSecret: 'app-postgresql-secret',
  dryRun: false,
}
const service = 'postgresql1-user-access'
const ci = { name: 'system:serviceaccount:shop:ci', certain: true }

let server: TestServer
afterEach(() => server.close())

async function review(
  allowed: (attributes: Record<string, string>) => boolean,
  rights: readonly Right[] = runRights(scope, service),
): Promise<PermissionReport> {
  server = await serve((_, response) => {
    const { spec } = JSON.parse(server.requests.at(-1)?.body ?? '') as {
      spec: { resourceAttributes: Record<string, string> }
    }
    json(response, 201, { status: { allowed: allowed(spec.resourceAttributes) } })
  })
  return permissionReport(ci, rights, await missingOf(await server.api(), rights))
}

test('all nine are there', async () => {
  const report = await review(() => true)
  expect(report).toMatchObject({ missing: [], manifest: '' })
  expect(report.rights).toHaveLength(9)
  expect(server.requests).toHaveLength(9)
})

test('a dry run does not ask about writes, nor for them', async () => {
  const dry = runRights({ ...scope, dryRun: true }, service)
  const report = await review(({ verb, resource }) => !(resource === 'secrets' && verb !== 'get'), dry)
  expect(report.missing).toEqual([])
  expect(server.requests).toHaveLength(7)
  await server.close()
  const { manifest } = await review(() => false, dry)
  expect(manifest).toContain('name: pg-app-user-app-postgresql-secret-read\n')
  expect(manifest).not.toContain('patch')
})

test('three are missing: the Role that gives them, complete', async () => {
  const report = await review(
    ({ resource, subresource }) => resource !== 'services' && subresource !== 'portforward',
  )
  expect(permissionFailure(report)).toMatchObject({
    code: 'permission-missing',
    message:
      'system:serviceaccount:shop:ci lacks 3 of 9 rights: ' +
      'get services "postgresql1-user-access", get and create pods/portforward in postgres-system.',
  })
  expect(report.manifest)
    .toBe(`# Adds to what other applications have, and takes nothing away. An older Role and RoleBinding called just
# pg-app-user keep working; they are no longer needed once every pipeline that uses them has its own.

apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: pg-app-user-postgresql1-access
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
  name: pg-app-user-postgresql1-access-shop-ci
  namespace: postgres-system
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: pg-app-user-postgresql1-access
subjects:
  - kind: ServiceAccount
    name: ci
    namespace: shop
`)
})

test('the access Secret cannot be read: every Service, in a Role of its own that says so', async () => {
  const report = await review(({ name }) => name !== 'postgresql1-access', runRights(scope))
  expect(server.requests).toHaveLength(8)
  expect(permissionFailure(report)).toMatchObject({
    message:
      'system:serviceaccount:shop:ci lacks 1 of 9 rights: get secrets "postgresql1-access" in postgres-system.',
    hint: expect.arrayContaining([expect.stringContaining('Check input "access-secret"')]),
  })
  expect(report.manifest).toContain('name: pg-app-user-postgresql1-access-any\n')
  expect(report.manifest).toContain(
    '  # Every Service, because the one under USER_ACCESS of the access Secret is not known here.\n' +
      '  - apiGroups: [""]\n    resources: [services]\n    verbs: [get]\n',
  )
})

test('either of EndpointSlices and Endpoints will do', async () => {
  const rights = [endpointRight(scope, 'pg')]
  expect((await review(({ resource }) => resource !== 'endpointslices', rights)).missing).toEqual([])
  await server.close()
  const neither = await review(({ resource }) => !resource?.startsWith('endpoint'), rights)
  expect(neither.missing).toMatchObject([{ resource: 'endpointslices', verb: 'list' }])
  expect(neither.manifest).toContain('name: pg-app-user-postgresql1-access-endpoints\n')
  expect(neither.manifest).toContain('apiGroups: [discovery.k8s.io]\n    resources: [endpointslices]')
})

test('users, odd names and one namespace for all', async () => {
  server = await serve((_, response) => {
    json(response, 200, {})
  })
  const rights = runRights({ ...scope, appNamespace: 'postgres-system', accessSecret: 'no' }, service)
  const text = roleManifests({ name: 'kim: {x} #y', certain: false }, rights)
  const [role, binding, ...others] = parseAllDocuments(text).map((document) => document.toJS() as unknown)
  expect(others).toMatchObject([{ kind: 'Role' }, { kind: 'RoleBinding' }])
  expect(role).toMatchObject({
    rules: expect.arrayContaining([expect.objectContaining({ resourceNames: ['no'] })]),
  })
  expect(binding).toMatchObject({ subjects: [{ kind: 'User', name: 'kim: {x} #y' }] })
  expect(text).toContain('# Check the subject')
  expect(groupRights(rights).map(({ verbs, resource }) => `${verbs.join()} ${resource}`)).toEqual([
    'get secrets',
    'get,patch secrets',
    'create secrets',
    'get services',
    'get,list pods',
    'get,create pods/portforward',
  ])
})

test('each right is asked about with a review of its own, as the API has it', async () => {
  const right = { namespace: 'shop', verb: 'get', group: 'apps', resource: 'deployments', purpose: 'a test' }
  await review(
    () => true,
    [
      { ...right, asked: true, subresource: 'scale', name: 'web' },
      { ...right, asked: false },
    ],
  )
  expect(server.requests).toMatchObject([
    { method: 'POST', url: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews' },
  ])
  expect(JSON.parse(server.requests[0]?.body ?? '')).toEqual({
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: {
      resourceAttributes: {
        namespace: 'shop',
        verb: 'get',
        group: 'apps',
        resource: 'deployments',
        subresource: 'scale',
        name: 'web',
      },
    },
  })
})

test('an answer that gives no right gives none, and one that is no review is an error', async () => {
  const right = endpointRight(scope, 'pg')
  server = await serve((_, response) => {
    json(response, 201, {})
  })
  expect(await missingOf(await server.api(), [right])).toEqual([right])
  await server.close()
  server = await serve((_, response) => {
    json(response, 200, { status: { allowed: true } })
  })
  await expect(missingOf(await server.api(), [right])).rejects.toMatchObject({ code: 'api-server-error' })
})

test('where no input names what is missing, nothing is said about misspelt names', async () => {
  const report = await review(({ resource }) => resource !== 'pods')
  expect(permissionFailure(report)).toMatchObject({
    message:
      'system:serviceaccount:shop:ci lacks 4 of 9 rights: get and list pods, get and create pods/portforward in postgres-system.',
    hint: [expect.stringMatching(/^Send the administrator the Role /)],
  })
})

test.each([
  'x-system:serviceaccount:shop:ci',
  'system:serviceaccount:shop:ci:x',
  'system:serviceaccount:shop',
])('user %s, who only looks like a ServiceAccount, is bound as a user', async (name) => {
  server = await serve((_, response) => {
    json(response, 200, {})
  })
  const text = roleManifests({ name, certain: true }, [endpointRight(scope, 'pg')])
  const [, binding] = parseAllDocuments(text).map((document) => document.toJS() as unknown)
  expect(binding).toMatchObject({ subjects: [{ kind: 'User', name }] })
})
