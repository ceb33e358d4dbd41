import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { parseAllDocuments } from 'yaml'
import { formatRights } from '../../src/faces/rights.ts'
import type { Api } from '../../src/kubernetes/api.ts'
import { corePath } from '../../src/kubernetes/call.ts'
import type { SecretObject } from '../../src/kubernetes/objects.ts'
import type { Right } from '../../src/kubernetes/right.ts'
import { openTunnel, type Tunnel } from '../../src/kubernetes/tunnel.ts'
import { Failure } from '../../src/lib/failure.ts'
import { roleManifests } from '../../src/rights/manifest.ts'
import { endpointRight, missingOf, runRights } from '../../src/rights/permissions.ts'
import { Route } from '../../src/route/route.ts'
import { readService, resolvePod, type PodPort } from '../../src/route/service.ts'
import { parseAccessSecret, readAccessSecret } from '../../src/secrets/access-secret.ts'
import {
  readApplicationSecret,
  type ApplicationSecret,
  type ApplicationValues,
} from '../../src/secrets/application-secret.ts'
import { planSecret } from '../../src/secrets/plan-secret.ts'
import { rehearsePublication, type Publication } from '../../src/secrets/publish.ts'
import { createApplicationSecret, repairApplicationSecret } from '../../src/secrets/write-secret.ts'
import { eventually, openApi, until, type Admin, type KubeObject } from './admin.ts'

/** A Pod that a test wants to be there. */
export interface PodWish {
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
  /** Default: `ready`. One that is `unscheduled` has no Node; one that is `finished` ran and will not run again. */
  readonly state?: 'ready' | 'unready' | 'unscheduled' | 'finished'
}

/** A cluster that the product's Kubernetes modules are tested against. */
export interface ClusterUnderTest {
  readonly admin: Admin
  /** Puts a Pod, whose one container names port 5432 `postgresql`; nothing need listen there. */
  pod(namespace: string, wish: PodWish): Promise<void>
  /** Puts a Ready Pod in which PostgreSQL listens on port 5432, and gives its superuser. */
  database(namespace: string, name: string): Promise<{ readonly user: string; readonly password: string }>
  /** Removes the namespace with everything in it, or has it removed later. */
  removeNamespace(name: string): Promise<void>
  stop(): Promise<void>
}

const spilo = { application: 'spilo', 'cluster-name': 'postgresql1' }

/**
 * What the product relies on a cluster for, as one body of tests: the stand-in and a real cluster have to pass alike,
 * which keeps the one from drifting away from the other.
 */
export function describeContract(name: string, start: () => Promise<ClusterUnderTest>): void {
  describe(name, () => {
    let cluster: ClusterUnderTest
    let admin: Admin
    /** The client of an administrator. */
    let api: Api
    let superuser: { readonly user: string; readonly password: string }
    const shared = `contract-${randomBytes(4).toString('hex')}`
    const namespaces = new Set<string>()

    beforeAll(async () => {
      cluster = await start()
      ;({ admin } = cluster)
      await makeNamespace(shared)
      await account(shared, 'admin', [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }])
      api = await openApi(await admin.kubeconfig({ namespace: shared, serviceAccount: 'admin' }))
      superuser = await cluster.database(shared, 'postgresql1-0')
    }, 120_000)

    afterAll(async () => {
      ;(api as Api | undefined)?.close()
      for (const namespace of namespaces) await cluster.removeNamespace(namespace)
      await (cluster as ClusterUnderTest | undefined)?.stop()
    }, 120_000)

    async function makeNamespace(namespace: string): Promise<void> {
      namespaces.add(namespace)
      await admin.create({ kind: 'Namespace', metadata: { name: namespace } })
    }

    /** A ServiceAccount with a Role of its own in its namespace. */
    async function account(
      namespace: string,
      serviceAccount: string,
      rules: readonly object[],
    ): Promise<void> {
      await admin.serviceAccount(namespace, serviceAccount)
      const metadata = { name: serviceAccount, namespace }
      await admin.create({ kind: 'Role', metadata, rules })
      await admin.create({
        kind: 'RoleBinding',
        metadata,
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: serviceAccount },
        subjects: [{ kind: 'ServiceAccount', name: serviceAccount, namespace }],
      })
    }

    const secretPath = (secret: string): string => corePath(shared, 'secrets', secret)

    describe('Secrets', () => {
      const values: ApplicationValues = {
        PGHOST: 'postgresql1.db.svc.cluster.local',
        PGPORT: '5432',
        PGUSER: 'Käse "$ó\\%',
        PGPASSWORD: `${'x'.repeat(2000)} = 🐘 '"\\`,
        PGDATABASE: 'späti',
        PGSSLMODE: 'require',
      }
      let secret = ''

      beforeEach(() => {
        secret = `app-${randomBytes(4).toString('hex')}`
      })

      async function read(): Promise<ApplicationSecret> {
        const found = await readApplicationSecret(api, shared, secret, () => undefined)
        if (found === undefined) throw new Error(`there is no Secret ${secret}`)
        return found
      }

      async function dataOf(): Promise<Readonly<Record<string, string>>> {
        const found = await admin.get('Secret', shared, secret)
        return (found as SecretObject | undefined)?.data ?? {}
      }

      const encoded = (text: string | Buffer): string => Buffer.from(text).toString('base64')

      test('reads none where there is none', async () => {
        expect(await readApplicationSecret(api, shared, secret, () => undefined)).toBeUndefined()
      })

      test('creates one that gives back every value, and marks it as its own', async () => {
        const written = { ...values, PGPASSWORD: 'y'.repeat(2000) }
        const version = await createApplicationSecret(api, shared, secret, written)
        const found = await read()
        expect(found).toMatchObject({ immutable: false, values: written })
        expect(found).not.toHaveProperty('owner')
        expect(version).toEqual({ uid: found.uid, resourceVersion: found.resourceVersion })
        expect(found.uid).toMatch(/^[0-9a-f-]{36}$/)
        const stored = await admin.get('Secret', shared, secret)
        expect(stored).toMatchObject({
          type: 'Opaque',
          metadata: { labels: { 'app.kubernetes.io/managed-by': 'pg-app-user' } },
          data: { PGUSER: encoded(values.PGUSER ?? '') },
        })
        expect(stored?.metadata.annotations).not.toHaveProperty(
          'kubectl.kubernetes.io/last-applied-configuration',
        )
        expect(JSON.stringify(stored?.metadata)).not.toContain(written.PGPASSWORD)
      })

      test('meets one that somebody else has created meanwhile', async () => {
        await admin.create({
          kind: 'Secret',
          metadata: { name: secret, namespace: shared },
          data: { PGUSER: encoded('other') },
        })
        const before = await read()
        expect(await createApplicationSecret(api, shared, secret, values)).toBe('conflict')
        expect(await read()).toEqual(before)
      })

      test('repairs the named keys and keeps everything else', async () => {
        const foreign = { 'app.key': encoded(Buffer.from([0, 255, 254, 10, 128])), EMPTY: '' }
        await admin.create({
          kind: 'Secret',
          metadata: {
            name: secret,
            namespace: shared,
            labels: { team: 'shop' },
            annotations: { note: 'made by hand ✓' },
          },
          data: { ...foreign, PGUSER: encoded('shop'), PGPORT: encoded('6432') },
        })
        const before = await read()
        expect(before.values).toEqual({ PGUSER: 'shop', PGPORT: '6432' })
        const version = await repairApplicationSecret(api, before, { PGPASSWORD: 'new', PGPORT: '5432' })
        const after = await read()
        expect(version).toEqual({ uid: before.uid, resourceVersion: after.resourceVersion })
        expect(after.resourceVersion).not.toBe(before.resourceVersion)
        expect(await dataOf()).toEqual({
          ...foreign,
          PGUSER: encoded('shop'),
          PGPASSWORD: encoded('new'),
          PGPORT: encoded('5432'),
        })
        const stored = await admin.get('Secret', shared, secret)
        expect(stored?.metadata.labels).toEqual({
          team: 'shop',
          'app.kubernetes.io/managed-by': 'pg-app-user',
        })
        expect(stored?.metadata.annotations).toMatchObject({ note: 'made by hand ✓' })
      })

      test('does not write to one that changed since it was read', async () => {
        await createApplicationSecret(api, shared, secret, values)
        const before = await read()
        await admin.patch('Secret', shared, secret, { data: { OTHER: encoded('1') } })
        const changed = await read()
        expect(await repairApplicationSecret(api, before, { PGPORT: '1' })).toBe('conflict')
        expect(await read()).toEqual(changed)
      })

      test('never makes one anew with the repaired key alone', async () => {
        await createApplicationSecret(api, shared, secret, values)
        const before = await read()
        await admin.remove('Secret', shared, secret)
        expect(await repairApplicationSecret(api, before, { PGPORT: '1' })).toBe('conflict')
        expect(await admin.get('Secret', shared, secret)).toBeUndefined()
      })

      test('does not write to another one of the same name', async () => {
        await createApplicationSecret(api, shared, secret, values)
        const before = await read()
        await admin.remove('Secret', shared, secret)
        await createApplicationSecret(api, shared, secret, { PGUSER: 'another' })
        const another = await read()
        expect(await repairApplicationSecret(api, before, { PGPORT: '1' })).toBe('conflict')
        expect(await read()).toEqual(another)
      })

      test('sees that one is immutable, which the API server enforces', async () => {
        await admin.create({
          kind: 'Secret',
          metadata: { name: secret, namespace: shared },
          data: { PGUSER: encoded('shop') },
          immutable: true,
        })
        const found = await read()
        const wanted = { namespace: shared, name: secret, values, explicit: new Set<never>(), formats: [] }
        expect(planSecret(found, { ...wanted, values: { PGUSER: 'shop', PGPORT: '1' } })).toMatchObject({
          code: 'secret-immutable',
        })
        await expect(repairApplicationSecret(api, found, { PGPORT: '1' })).rejects.toMatchObject({
          code: 'secret-write-refused',
          message: expect.stringContaining('field is immutable when `immutable` is set'),
        })
        expect(await read()).toEqual(found)
      })

      test('leaves the version alone where a patch changes nothing', async () => {
        await createApplicationSecret(api, shared, secret, { PGPORT: '5432' })
        const before = await read()
        expect(await repairApplicationSecret(api, before, { PGPORT: '5432' })).toEqual({
          uid: before.uid,
          resourceVersion: before.resourceVersion,
        })
      })

      test.each([
        ['a name that none can have', 'No_Secret', shared, '(422)'],
        ['a namespace that is not there', 'app', `${shared}-absent`, '(404)'],
      ])('passes on why one with %s cannot be', async (_, name, namespace, status) => {
        const all = await unlimited()
        await expect(createApplicationSecret(all, namespace, name, values)).rejects.toMatchObject({
          code: 'secret-write-refused',
          message: expect.stringContaining(status),
        })
        all.close()
      })

      test('rehearses a write, which changes nothing and is refused as the write would be', async () => {
        const place = { namespace: shared, name: secret, binding: `${secret}-binding` }
        const all: Publication = {
          secret: undefined,
          secretPlan: { kind: 'create', values },
          binding: undefined,
          bindingPlan: { kind: 'create', values: { type: 'postgresql' } },
        }
        await rehearsePublication(api, place, all)
        expect(await admin.get('Secret', shared, secret)).toBeUndefined()
        expect(await admin.get('Secret', shared, place.binding)).toBeUndefined()

        await createApplicationSecret(api, shared, secret, { PGPORT: '5432' })
        const before = await read()
        const repair = { kind: 'repair', values, missing: [], replaced: [], left: [], kept: [] } as const
        await rehearsePublication(api, place, { ...all, secret: before, secretPlan: repair })
        // Somebody else's is looked at again before anything is written.
        await rehearsePublication(api, place, all)
        expect(await read()).toEqual(before)

        const nowhere = await unlimited()
        const elsewhere = { ...place, namespace: `${shared}-absent` }
        await expect(rehearsePublication(nowhere, elsewhere, all)).rejects.toMatchObject({
          code: 'secret-write-refused',
          message: expect.stringContaining(`namespaces "${elsewhere.namespace}" not found`),
          hint: expect.arrayContaining([expect.stringContaining('The namespace does not exist')]),
        })
        nowhere.close()
      })

      test('tells a missing right from a missing Secret', async () => {
        const serviceAccount = `one-${randomBytes(4).toString('hex')}`
        const rules = [{ apiGroups: [''], resources: ['secrets'], resourceNames: ['mine'], verbs: ['get'] }]
        await account(shared, serviceAccount, rules)
        const limited = await openApi(await admin.kubeconfig({ namespace: shared, serviceAccount }))
        expect(await readApplicationSecret(limited, shared, 'mine', () => undefined)).toBeUndefined()
        await expect(readApplicationSecret(limited, shared, 'yours', () => undefined)).rejects.toMatchObject({
          code: 'permission-missing',
          message: expect.stringContaining(
            `secrets "yours" is forbidden: User "system:serviceaccount:${shared}:${serviceAccount}" cannot get resource "secrets" in API group "" in the namespace "${shared}"`,
          ),
        })
        limited.close()
      })

      test.each([
        ['create', 'POST', () => ({ metadata: { name: 'app' }, data: { A: 'not base64!' } }), 400],
        ['put', 'PUT', () => ({ metadata: { name: secret, resourceVersion: '1' } }), 409],
        ['patch', 'PATCH', () => ({ metadata: { resourceVersion: '1' }, data: { A: 'YQ==' } }), 409],
        ['patch', 'PATCH', () => ({ metadata: { uid: 'other' }, data: { A: 'YQ==' } }), 422],
        ['patch', 'PATCH', () => ({ type: 'kubernetes.io/tls' }), 422],
        ['patch', 'PATCH', () => ({ data: { 'not/a/key': 'YQ==' } }), 422],
        ['patch', 'PATCH', () => ({ data: { A: 'not base64!' } }), 422],
        ['patch', 'PATCH', () => ({ data: { PGPORT: null, A: 'YQ==' } }), 200],
        ['patch', 'PATCH', () => ({ metadata: { name: 'another' } }), 400],
      ])('%s: %s %s is answered as by any API server', async (_, method, body, expected) => {
        await createApplicationSecret(api, shared, secret, { PGPORT: '5432' })
        const path = method === 'POST' ? corePath(shared, 'secrets') : secretPath(secret)
        const head = method === 'PATCH' ? {} : { apiVersion: 'v1', kind: 'Secret' }
        const type = method === 'PATCH' ? 'application/merge-patch+json' : undefined
        const { status } = await admin.call(method, path, { ...head, ...body() }, type)
        expect(status).toBe(expected)
      })
    })

    /** The product's client with a token that may do everything everywhere. */
    async function unlimited(): Promise<Api> {
      return await openApi(admin.kubeconfigText)
    }

    describe('identity', () => {
      test('is the ServiceAccount of the token', async () => {
        expect(await api.identity()).toEqual({
          name: `system:serviceaccount:${shared}:admin`,
          certain: true,
        })
      })

      test.each([
        ['nobody knows', async () => Promise.resolve('nonsense')],
        [
          'belongs to an account that is gone',
          async () => {
            await admin.serviceAccount(shared, 'brief')
            const token = await admin.token(shared, 'brief')
            await admin.remove('ServiceAccount', shared, 'brief')
            return token
          },
        ],
      ])('is refused where the token is one that %s', async (_, token) => {
        const rejected = await openApi(admin.kubeconfigWith(await token(), shared))
        await expect(rejected.identity()).rejects.toMatchObject({ code: 'token-rejected' })
        await expect(rejected.get(corePath(shared, 'secrets', 'app'))).rejects.toMatchObject({
          code: 'token-rejected',
        })
        await expect(
          openTunnel(rejected, target('postgresql1-0', 5432), new AbortController().signal),
        ).rejects.toMatchObject({ code: 'token-rejected' })
        rejected.close()
      })
    })

    describe('rights', () => {
      const scope = { accessSecret: 'access', appSecret: 'app', dryRun: false }
      let accessNamespace = ''
      let appNamespace = ''
      let rights: readonly Right[] = []

      beforeAll(async () => {
        accessNamespace = `${shared}-db`
        appNamespace = `${shared}-app`
        await makeNamespace(accessNamespace)
        await makeNamespace(appNamespace)
        rights = runRights({ ...scope, accessNamespace, appNamespace }, 'access-service')
      })

      async function pipeline(serviceAccount: string): Promise<Api> {
        await admin.serviceAccount(appNamespace, serviceAccount)
        return await openApi(await admin.kubeconfig({ namespace: appNamespace, serviceAccount }))
      }

      test('are none for a new account, and all of them once the printed Roles are applied', async () => {
        const limited = await pipeline('ci')
        const identity = await limited.identity()
        expect(await missingOf(limited, rights)).toEqual(rights)
        for (const document of parseAllDocuments(roleManifests(identity, rights))) {
          await admin.create(document.toJS() as KubeObject)
        }
        await eventually(async () => {
          expect(await missingOf(limited, rights)).toEqual([])
        })
        const others = [
          ...runRights(
            { ...scope, accessSecret: 'another', appSecret: 'other', accessNamespace, appNamespace },
            'another',
          ),
        ].filter(({ name }) => name !== undefined)
        expect(await missingOf(limited, others)).toEqual(others)
        limited.close()
      })

      test('are told apart by verb, subresource and name', async () => {
        const limited = await pipeline('one')
        const identity = await limited.identity()
        for (const right of rights) {
          const [role, binding] = parseAllDocuments(roleManifests(identity, [right])).map(
            (document) => document.toJS() as KubeObject,
          )
          if (role === undefined || binding === undefined) throw new Error('a Role comes with its binding')
          await admin.remove('Role', right.namespace, role.metadata.name)
          await admin.create(role)
          await admin.create(binding)
          await eventually(async () => {
            const missing = await missingOf(limited, rights)
            expect(rights.filter((each) => !missing.includes(each))).toEqual([right])
          })
          await admin.remove('RoleBinding', right.namespace, binding.metadata.name)
        }
        limited.close()
      })

      /** Three applications, in two namespaces, on two databases. */
      const tenants = [
        { account: 'shop', access: 'first', home: 0 },
        { account: 'crm', access: 'first', home: 0 },
        { account: 'shop', access: 'second', home: 1 },
      ] as const
      const orders = tenants.flatMap((first) =>
        tenants
          .filter((second) => second !== first)
          .map((second) => [
            first,
            second,
            ...tenants.filter((third) => third !== first && third !== second),
          ]),
      )

      test.each(orders.map((order, index) => ({ order, index })))(
        'add up, whatever order their tickets are applied in: $index',
        async ({ order, index }) => {
          const homes = [appNamespace, `${shared}-app-${index}`]
          await makeNamespace(homes[1] ?? '')
          const served: { api: Api; rights: readonly Right[] }[] = []
          for (const { account, access, home } of order) {
            const namespace = homes[home] ?? ''
            const serviceAccount = `${account}-${index}`
            await admin.serviceAccount(namespace, serviceAccount)
            const api = await openApi(await admin.kubeconfig({ namespace, serviceAccount }))
            const rights = runRights(
              {
                accessNamespace,
                accessSecret: `${access}-${index}`,
                appNamespace: namespace,
                appSecret: `${account}-${index}`,
                dryRun: false,
              },
              `service-of-${access}`,
            )
            expect(await missingOf(api, rights)).toEqual(rights)
            served.push({ api, rights })
            const ticket = roleManifests(await api.identity(), rights)
            for (const document of parseAllDocuments(ticket)) {
              await admin.apply(document.toJS() as KubeObject)
            }
            for (const one of served) {
              await eventually(async () => {
                expect(await missingOf(one.api, one.rights)).toEqual([])
              })
            }
          }
          for (const { api } of served) api.close()
        },
      )

      test('cannot be given to nobody: a ticket without an account is refused', async () => {
        const places = { ...scope, accessNamespace, appNamespace }
        for (const document of parseAllDocuments(formatRights(places, {}))) {
          const object = document.toJS() as KubeObject
          if (object.kind === 'RoleBinding') {
            await expect(admin.create(object)).rejects.toThrow("may not contain '%'")
          }
        }
      })

      test('to EndpointSlices or to Endpoints: either will do', async () => {
        const limited = await pipeline('either')
        const wanted = endpointRight({ ...scope, accessNamespace }, 'master')
        if (wanted.or === undefined) throw new Error('there is an alternative')
        const missing = async (): Promise<readonly Right[]> => await missingOf(limited, [wanted])
        for (const [index, right] of [wanted, wanted.or].entries()) {
          const rule = {
            apiGroups: [right.group],
            resources: [right.resource],
            verbs: [right.verb],
            ...(right.name !== undefined && { resourceNames: [right.name] }),
          }
          const metadata = { name: `either-${index}`, namespace: accessNamespace }
          await eventually(async () => {
            expect(await missing()).toEqual([wanted])
          })
          await admin.create({ kind: 'Role', metadata, rules: [rule] })
          await admin.create({
            kind: 'RoleBinding',
            metadata,
            roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: metadata.name },
            subjects: [{ kind: 'ServiceAccount', name: 'either', namespace: appNamespace }],
          })
          await eventually(async () => {
            expect(await missing()).toEqual([])
          })
          await admin.remove('RoleBinding', accessNamespace, metadata.name)
        }
        limited.close()
      })
    })

    describe('from the Service to a Pod', () => {
      let namespace = ''

      beforeAll(async () => {
        namespace = `${shared}-svc`
        await makeNamespace(namespace)
        await account(namespace, 'resolver', [{ apiGroups: ['*'], resources: ['*'], verbs: ['get', 'list'] }])
        const labels = { ...spilo, 'spilo-role': 'master' }
        await Promise.all([
          cluster.pod(namespace, { name: 'postgresql1-0', labels: { ...spilo, 'spilo-role': 'replica' } }),
          cluster.pod(namespace, { name: 'postgresql1-1', labels }),
          cluster.pod(namespace, { name: 'starting-0', labels: { app: 'starting' }, state: 'unready' }),
          cluster.pod(namespace, { name: 'waiting-0', labels: { app: 'waiting' }, state: 'unscheduled' }),
        ])
        resolver = await openApi(await admin.kubeconfig({ namespace, serviceAccount: 'resolver' }))
      }, 120_000)
      afterAll(() => {
        ;(resolver as Api | undefined)?.close()
      })
      let resolver: Api

      async function service(name: string, spec: object): Promise<void> {
        await admin.create({ kind: 'Service', metadata: { name, namespace }, spec })
      }

      async function resolve(name: string, port = 5432): Promise<PodPort> {
        return await resolvePod(resolver, await readService(resolver, namespace, name), port)
      }

      const master = { ...spilo, 'spilo-role': 'master' }
      const postgresql = { name: 'postgresql', port: 5432 }

      test.each<[string, object]>([
        ['a port with nothing more', { selector: master, ports: [{ port: 5432 }] }],
        ['a target by number', { selector: master, ports: [{ port: 5432, targetPort: 5432 }] }],
        ['a target by name', { selector: master, ports: [{ ...postgresql, targetPort: 'postgresql' }] }],
        [
          'another port, and a target by name',
          { selector: master, ports: [{ port: 6432, targetPort: 'postgresql' }] },
        ],
        [
          'several ports',
          {
            selector: master,
            ports: [
              { name: 'patroni', port: 8008 },
              { ...postgresql, targetPort: 5432 },
            ],
          },
        ],
        ['no cluster IP', { clusterIP: 'None', selector: master, ports: [postgresql] }],
        ['no cluster IP and no port', { clusterIP: 'None', selector: master }],
        ['several Pods, of which one is the primary', { selector: spilo, ports: [{ port: 5432 }] }],
      ])('finds the Pod behind %s', async (title, spec) => {
        const name = `svc-${createHash('sha256').update(title).digest('hex').slice(0, 8)}`
        await service(name, spec)
        expect(await resolve(name)).toEqual({ pod: 'postgresql1-1', port: 5432 })
      })

      test('takes the Service from the access Secret, with svc/ in front or without', async () => {
        await service('user-access', { selector: master, ports: [{ port: 5432 }] })
        for (const [name, USER_ACCESS] of Object.entries({ bare: 'user-access', svc: 'svc/user-access' })) {
          const stringData = {
            PGHOST: 'h',
            PGUSER: 'u',
            PGPASSWORD: `p-${name}`,
            PGSSLMODE: 'require',
            USER_ACCESS,
          }
          await admin.create({ kind: 'Secret', metadata: { name, namespace }, stringData })
          const masked: string[] = []
          const access = await readAccessSecret(resolver, namespace, name, (word) => masked.push(word))
          expect(access).toMatchObject({ service: 'user-access', host: 'h', port: 5432, keyCount: 5 })
          expect(masked).toContain(`p-${name}`)
          expect(await resolve(access.service ?? '', access.port)).toEqual({
            pod: 'postgresql1-1',
            port: 5432,
          })
          const stored = (await admin.get('Secret', namespace, name)) as SecretObject
          expect(parseAccessSecret(`${namespace}/${name}`, stored, () => undefined)).toEqual(access)
        }
      })

      const pod = (name: string): object => ({ kind: 'Pod', name, namespace })

      test('finds the Pod behind a Service without selector in its EndpointSlices', async () => {
        await service('sliced', { ports: [postgresql] })
        await admin.create({
          kind: 'EndpointSlice',
          metadata: { name: 'sliced-x', namespace, labels: { 'kubernetes.io/service-name': 'sliced' } },
          addressType: 'IPv4',
          endpoints: [
            { addresses: ['10.9.0.1'], conditions: { ready: false }, targetRef: pod('postgresql1-0') },
            { addresses: ['10.9.0.2'], conditions: { ready: true }, targetRef: pod('postgresql1-1') },
          ],
          ports: [{ ...postgresql, protocol: 'TCP' }],
        })
        expect(await resolve('sliced')).toEqual({ pod: 'postgresql1-1', port: 5432 })
      })

      /** Endpoints that no controller copies into EndpointSlices. */
      async function endpoints(name: string, subsets: readonly object[]): Promise<void> {
        const labels = { 'endpointslice.kubernetes.io/skip-mirror': 'true' }
        await admin.create({ kind: 'Endpoints', metadata: { name, namespace, labels }, subsets })
      }

      test('finds the Pod behind a Service without selector in its Endpoints', async () => {
        await service('kept', { ports: [postgresql] })
        await endpoints('kept', [
          {
            addresses: [{ ip: '10.9.0.2', targetRef: pod('postgresql1-1') }],
            notReadyAddresses: [{ ip: '10.9.0.1', targetRef: pod('postgresql1-0') }],
            ports: [postgresql],
          },
        ])
        expect(await resolve('kept')).toEqual({ pod: 'postgresql1-1', port: 5432 })
      })

      test.each<[string, readonly object[] | undefined, string, string]>([
        ['nobody keeps them', undefined, 'pod-not-ready', 'No ready address is behind'],
        ['there are none', [], 'pod-not-ready', 'No ready address is behind'],
        [
          'none is ready',
          [{ notReadyAddresses: [{ ip: '10.9.0.1' }], ports: [postgresql] }],
          'pod-not-ready',
          'No ready address is behind',
        ],
        [
          'they lead out of the cluster',
          [{ addresses: [{ ip: '10.9.0.1' }], ports: [postgresql] }],
          'service-not-found',
          'is a Pod of that namespace with the port',
        ],
      ])('says so where %s', async (title, subsets, code, message) => {
        const name = `ep-${createHash('sha256').update(title).digest('hex').slice(0, 8)}`
        await service(name, { ports: [postgresql] })
        if (subsets !== undefined) await endpoints(name, subsets)
        await expect(resolve(name)).rejects.toMatchObject({
          code,
          message: expect.stringContaining(message),
        })
      })

      test.each<[string, object | undefined, string, string]>([
        ['there is no Service', undefined, 'service-not-found', 'does not exist'],
        [
          'the Service is a name only',
          { type: 'ExternalName', externalName: 'db.example.com' },
          'service-not-found',
          'is only an alias for the host db.example.com',
        ],
        [
          'no Pod has its labels',
          { selector: { app: 'none' }, ports: [{ port: 5432 }] },
          'pod-not-ready',
          'No Pod is behind',
        ],
        [
          'its Pod is not Ready',
          { selector: { app: 'starting' }, ports: [{ port: 5432 }] },
          'pod-not-ready',
          'starting-0 runs and is not Ready',
        ],
        [
          'its Pod waits for a Node',
          { selector: { app: 'waiting' }, ports: [{ port: 5432 }] },
          'pod-not-ready',
          'waiting-0 is Pending',
        ],
        [
          'its ports say nothing of PostgreSQL',
          {
            selector: master,
            ports: [
              { name: 'a', port: 1 },
              { name: 'b', port: 2 },
            ],
          },
          'service-port-unknown',
          'it has 1 (a) and 2 (b)',
        ],
        [
          'its Pod has no port of that name',
          { selector: master, ports: [{ port: 5432, targetPort: 'pgbouncer' }] },
          'service-port-unknown',
          'pgbouncer',
        ],
      ])('says so where %s', async (title, spec, code, message) => {
        const name = `no-${createHash('sha256').update(title).digest('hex').slice(0, 8)}`
        if (spec !== undefined) await service(name, spec)
        await expect(resolve(name)).rejects.toMatchObject({
          code,
          message: expect.stringContaining(message),
        })
      })
    })

    describe('the way there', () => {
      const namespace = `${shared}-way`
      const over = new AbortController()
      let traveller: Api
      let dialled: string[]

      beforeAll(async () => {
        await makeNamespace(namespace)
        await account(namespace, 'traveller', [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }])
        await Promise.all([
          // A tunnel to a port where nothing listens breaks at once, and would be dialled again.
          cluster.database(namespace, 'one-0'),
          cluster.pod(namespace, { name: 'other-0', labels: { app: 'other' } }),
        ])
        const labels = { app: 'one', 'spilo-role': 'master' }
        await admin.patch('Pod', namespace, 'one-0', { metadata: { labels } })
        for (const app of ['one', 'other']) {
          const spec = { selector: { app }, ports: [{ port: 5432 }] }
          await admin.create({ kind: 'Service', metadata: { name: app, namespace }, spec })
        }
      }, 120_000)
      beforeEach(async () => {
        traveller = await openApi(await admin.kubeconfig({ namespace, serviceAccount: 'traveller' }))
        dialled = []
        const dial = traveller.dial.bind(traveller)
        traveller.dial = (path, subprotocol) => {
          dialled.push(path.split('/').at(-2) ?? '')
          return dial(path, subprotocol)
        }
      })

      afterEach(() => {
        traveller.close()
      })

      async function begin(service: string): Promise<Route> {
        const route = new Route(traveller, namespace, Promise.resolve({ service, port: 5432 }), over.signal)
        await route.target
        return route
      }

      test('is dialled ahead where one Pod alone can be meant', async () => {
        const route = await begin('one')
        const tunnels = [await route.dial(), await route.dial()]
        expect(dialled).toEqual(['one-0', 'one-0'])
        tunnels.push(await route.dial())
        expect(dialled).toEqual(['one-0', 'one-0', 'one-0'])
        expect(new Set(tunnels).size).toBe(3)
        for (const tunnel of tunnels) tunnel.destroy()
      })

      test('leads where the Service leads, whatever was dialled ahead', async () => {
        const route = await begin('other')
        const tunnel = await route.dial()
        expect(await route.target).toMatchObject({ pod: 'other-0', port: 5432 })
        expect(dialled.toSorted()).toEqual(['one-0', 'one-0', 'other-0'])
        tunnel.destroy()
      })

      test('is not dialled ahead where there are several primaries', async () => {
        const mark = (role: string | null): Promise<unknown> =>
          admin.patch('Pod', namespace, 'other-0', { metadata: { labels: { 'spilo-role': role } } })
        await mark('master')
        const route = await begin('other')
        expect(dialled).toEqual([])
        const tunnel = await route.dial()
        expect(dialled).toEqual(['other-0'])
        tunnel.destroy()
        await mark(null)
      })
    })

    function target(pod: string, port: number): Parameters<typeof openTunnel>[1] {
      return { namespace: shared, pod, port, service: 'postgresql1-user-access' }
    }

    function tunnelTo(port: number): Promise<Tunnel> {
      return openTunnel(api, target('postgresql1-0', port), new AbortController().signal)
    }

    async function connect(tunnel: Tunnel, application = 'contract'): Promise<pg.Client> {
      const client = new pg.Client({
        ...superuser,
        stream: () => tunnel,
        host: 'postgresql1',
        port: 5432,
        database: 'postgres',
        ssl: false,
        application_name: application,
      })
      client.on('error', () => undefined)
      await client.connect()
      return client
    }

    /** What stopped a tunnel. */
    async function ending(tunnel: Tunnel): Promise<Failure> {
      tunnel.resume()
      const [error] = (await once(tunnel, 'error').catch((thrown: unknown) => [thrown])) as [unknown]
      if (!(error instanceof Failure))
        throw new Error('the tunnel ended with something else', { cause: error })
      return error
    }

    describe('port-forward', () => {
      test('carries bytes both ways from the first one on', async () => {
        const tunnel = await tunnelTo(5432)
        // SSLRequest: the server answers with one letter.
        tunnel.write(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]))
        const [answer] = (await once(tunnel, 'data')) as [Buffer]
        expect(answer.toString()).toMatch(/^[SN]$/)
        tunnel.end()
        await once(tunnel, 'close')
      })

      test('carries much data both ways and intact', async () => {
        const client = await connect(await tunnelTo(5432))
        const sent = randomBytes(6_000_000)
        const { rows } = await client.query<{ digest: string; back: Buffer; more: string }>(
          `select encode(sha256($1::bytea), 'hex') as digest, $1::bytea as back, repeat('é', 3000000) as more`,
          [sent],
        )
        expect(rows[0]?.digest).toBe(createHash('sha256').update(sent).digest('hex'))
        expect(rows[0]?.back.equals(sent)).toBe(true)
        expect(rows[0]?.more).toBe('é'.repeat(3_000_000))
        await client.end()
      })

      test('keeps ten tunnels apart', async () => {
        const clients = await Promise.all(
          Array.from({ length: 10 }, async () => connect(await tunnelTo(5432))),
        )
        const answers = await Promise.all(
          clients.map(async (client, index) => {
            const { rows } = await client.query<{ back: string; pid: number }>(
              'select repeat($1, 100000) as back, pg_backend_pid() as pid',
              [String(index)],
            )
            expect(rows[0]?.back).toBe(String(index).repeat(100_000))
            return rows[0]?.pid
          }),
        )
        expect(new Set(answers).size).toBe(10)
        await Promise.all(clients.map((client) => client.end()))
      })

      test.each<[string, (client: pg.Client, tunnel: Tunnel) => unknown]>([
        ['ended', (client) => client.end()],
        ['destroyed', (_, tunnel) => tunnel.destroy()],
      ])('leaves no session behind when it is %s from this side', async (how, close) => {
        const tunnel = await tunnelTo(5432)
        const application = `contract ${how}`
        const client = await connect(tunnel, application)
        const watcher = await connect(await tunnelTo(5432))
        const sessions = async (): Promise<number> => {
          const text = 'select count(*)::int as count from pg_stat_activity where application_name = $1'
          const { rows } = await watcher.query<{ count: number }>(text, [application])
          return rows[0]?.count ?? -1
        }
        expect(await sessions()).toBe(1)
        await close(client, tunnel)
        await until('the session is gone', async () => (await sessions()) === 0, 10_000)
        await watcher.end()
      })

      test('ends with what was said before when the server closes', async () => {
        const tunnel = await tunnelTo(5432)
        let heard = ''
        tunnel.on('data', (data: Buffer) => (heard += data.toString()))
        const ended = ending(tunnel)
        // A start-up packet of a protocol that PostgreSQL does not speak: it says so and closes.
        tunnel.write(Buffer.from([0, 0, 0, 9, 0, 99, 0, 0, 0]))
        expect(await ended).toMatchObject({
          code: 'tunnel-lost',
          message: expect.stringContaining('the Pod closed the connection'),
        })
        expect(heard).toContain('unsupported frontend protocol 99.0')
      })

      test('breaks a query under way when the server ends the session', async () => {
        const client = await connect(await tunnelTo(5432), 'contract victim')
        const broken = client.query('select pg_sleep(60)').catch((error: unknown) => error)
        const other = await connect(await tunnelTo(5432))
        await until('it is ended', async () => {
          const text = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'contract victim'`
          return (await other.query(text)).rowCount === 1
        })
        expect(await broken).toMatchObject({ code: '57P01' })
        await other.end()
      })

      test('is not opened for a run that is over', async () => {
        const stop = new AbortController()
        const reason = new Failure('cancelled', 'The run was cancelled.', [])
        const opened = openTunnel(api, target('postgresql1-0', 5432), stop.signal)
        stop.abort(reason)
        await expect(opened).rejects.toBe(reason)
        await expect(openTunnel(api, target('postgresql1-0', 5432), stop.signal)).rejects.toBe(reason)
      })

      test('says that nothing listens', async () => {
        const tunnel = await tunnelTo(5433)
        expect(await ending(tunnel)).toMatchObject({
          code: 'port-closed',
          message: 'Nothing listens on port 5433 of Pod postgresql1-0, behind svc/postgresql1-user-access.',
        })
      })

      test('tells the one who connects that nothing listens', async () => {
        const tunnel = await tunnelTo(5433)
        await sleep(300)
        await expect(connect(tunnel)).rejects.toMatchObject({ code: 'port-closed' })
      })

      test('says that the Pod is gone', async () => {
        await expect(
          openTunnel(api, target('postgresql1-7', 5432), new AbortController().signal),
        ).rejects.toMatchObject({
          code: 'tunnel-lost',
          message: expect.stringContaining('the Pod is gone'),
        })
      })

      test.each<[string, PodWish, string]>([
        ['has no Node', { name: 'unscheduled-0', state: 'unscheduled' }, 'the Pod runs on no Node yet'],
        ['has finished', { name: 'finished-0', state: 'finished' }, 'the Pod is gone'],
      ])('says so where the Pod %s', async (_, wish, message) => {
        await cluster.pod(shared, wish)
        let failure: unknown
        // A kubelet forwards into what a Pod leaves behind for a moment longer.
        await until('it is refused', async () => {
          const opened = openTunnel(api, target(wish.name, 5432), new AbortController().signal)
          failure = await opened.then(
            (tunnel) => void tunnel.destroy(),
            (error: unknown) => error,
          )
          return failure !== undefined
        })
        expect(failure).toMatchObject({
          code: 'tunnel-lost',
          message: expect.stringContaining(message),
        })
      })

      test('is denied without the right, in the words of the API server', async () => {
        const serviceAccount = 'reader'
        await account(shared, serviceAccount, [
          { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
        ])
        const limited = await openApi(await admin.kubeconfig({ namespace: shared, serviceAccount }))
        const opened = openTunnel(limited, target('postgresql1-0', 5432), new AbortController().signal)
        await expect(opened).rejects.toMatchObject({
          code: 'port-forward-denied',
          message: expect.stringContaining(
            `pods "postgresql1-0" is forbidden: User "system:serviceaccount:${shared}:reader" cannot get resource "pods/portforward" in API group "" in the namespace "${shared}"`,
          ),
        })
        limited.close()
      })

      test('is lost when the Pod goes away', async () => {
        const doomed = `doomed-${randomBytes(3).toString('hex')}`
        const login = await cluster.database(shared, doomed)
        const tunnel = await openTunnel(api, target(doomed, 5432), new AbortController().signal)
        const ended = once(tunnel, 'error')
        const client = new pg.Client({ ...login, stream: () => tunnel, database: 'postgres', ssl: false })
        client.on('error', () => undefined)
        await client.connect()
        const query = client.query('select pg_sleep(60)').catch((error: unknown) => error)
        await admin.remove('Pod', shared, doomed)
        expect(await query).toBeInstanceOf(Error)
        const [failure] = (await ended) as [unknown]
        expect(failure).toMatchObject({ code: 'tunnel-lost' })
      })
    })
  })
}
