import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import { formatRights } from '../../src/faces/rights.ts'
import { groupRights, type Right } from '../../src/kubernetes/right.ts'
import { roleManifests } from '../../src/rights/manifest.ts'
import { missingOf, runRights } from '../../src/rights/permissions.ts'
import { eventually, openApi, until, type Admin, type KubeObject } from '../contract/admin.ts'
import { kubectl } from './kubectl.ts'
import {
  accessSecret,
  accessService,
  cluster,
  Scene,
  secretName,
  serviceAccount,
  type Inputs,
} from './scene.ts'
import { readyPod, spiloPod } from './spilo.ts'

function objectsOf(manifest: string): readonly KubeObject[] {
  return parseAllDocuments(manifest).map((document) => document.toJS() as KubeObject)
}

/** Takes every Role and RoleBinding out of some namespaces. */
async function clear(admin: Admin, namespaces: readonly string[]): Promise<void> {
  for (const namespace of namespaces) {
    for (const kind of ['RoleBinding', 'Role']) {
      const { status, body } = await admin.call('DELETE', await admin.path(kind, namespace))
      if (status !== 200) throw new Error(JSON.stringify(body))
    }
  }
}

/** Does what the administrator is asked to do: applies what the job summary shows, and that a second time. */
async function applyPrinted(admin: Admin, summary: string): Promise<string> {
  const [, manifest = ''] = /```yaml\n(# Adds to .*?)```/s.exec(summary) ?? []
  const options = { kubeconfig: admin.kubeconfigText, input: manifest }
  await kubectl(['apply', '-f', '-'], options)
  const again = await kubectl(['apply', '-f', '-'], options)
  expect(again).not.toMatch(/created|configured/)
  return manifest
}

describe('the rights, on a real cluster', () => {
  let scene: Scene
  let all: readonly Right[]
  const name = 'shop'

  beforeAll(async () => {
    scene = await Scene.open({ roles: false })
    const places = { accessNamespace: scene.database, appNamespace: scene.namespace }
    all = runRights({ ...places, accessSecret, appSecret: secretName(name), dryRun: false }, accessService)
  }, 180_000)
  afterAll(() => scene.close())

  const identity = (): string => `system:serviceaccount:${scene.namespace}:${serviceAccount}`

  /** Gives the account exactly these rights, and waits until the API server acts on that. */
  async function grant(granted: readonly Right[]): Promise<void> {
    await clear(scene.admin, [scene.database, scene.namespace])
    for (const object of objectsOf(roleManifests({ name: identity(), certain: true }, granted))) {
      await scene.admin.create(object)
    }
    const api = await openApi(scene.kubeconfig)
    const missing = all.filter((right) => !granted.includes(right))
    await eventually(async () => {
      expect(await missingOf(api, all)).toEqual(missing)
    })
    api.close()
  }

  async function expectUntouched(work: () => Promise<unknown>): Promise<void> {
    const before = await scene.state(name)
    await work()
    expect(await scene.state(name)).toEqual(before)
    expect(await scene.stored(name)).toBeUndefined()
    expect(await scene.sql(`select from pg_roles where rolname = '${name}'`)).toEqual([])
  }

  test('each that is missing is named, alone, and nothing is changed', async () => {
    expect(all).toHaveLength(9)
    for (const right of all) {
      await grant(all.filter((each) => each !== right))
      await expectUntouched(async () => {
        const run = await scene.run(name)
        const [group] = groupRights([right])
        const object = right.name === undefined ? '' : ` "${right.name}"`
        expect(run.log).toContain(
          `✗ ${identity()} lacks 1 of 9 rights: ${right.verb} ${group?.resource ?? ''}${object} in ${right.namespace}.  [permission-missing]`,
        )
        expect(run.log).toContain('Nothing was changed.')
        expect(run).toMatchObject({ code: 1, outputs: { changed: 'false' } })
      })
    }
  })

  test('a ticket that names no account is refused as a whole', async () => {
    const scope = { accessNamespace: scene.database, accessSecret, appNamespace: scene.namespace }
    const bindings = objectsOf(formatRights({ ...scope, appSecret: 'app', dryRun: false }, {}))
    for (const object of bindings.filter(({ kind }) => kind === 'RoleBinding')) {
      const before = { ...object, metadata: { ...object.metadata, name: 'named' } }
      await expect(scene.admin.create(object)).rejects.toThrow("may not contain '%'")
      await expect(scene.admin.create(before)).rejects.toThrow('ServiceAccount')
    }
  })

  test('the printed Role lets a run pass that had none of them', async () => {
    await grant([])
    await expectUntouched(async () => {
      const run = await scene.run(name)
      expect(run.log).toContain('lacks 8 of 9 rights')
      expect(run.log).toContain('[permission-missing]')
      await applyPrinted(scene.admin, run.summary)
    })
    const run = await scene.pass(name)
    expect(run.log).toContain('✓ permissions     9 of 9 rights')
    await scene.work(await scene.secret(name))
  })

  test('a dry run and the gate alone ask for nothing that writes, and what they print is enough for them', async () => {
    for (const reading of [{ 'dry-run': 'true' }, { provision: 'false', 'go-live': 'warn' }] as Inputs[]) {
      await grant([])
      const inputs = { 'go-live-profile': 'standard', ...reading } as const
      const refused = await scene.run(name, inputs)
      expect(refused.log).toContain('[permission-missing]')
      const manifest = await applyPrinted(scene.admin, refused.summary)
      expect(manifest).not.toContain('patch')
      await until('the ticket is enough', async () => (await scene.run(name, inputs)).code === 0)
    }
  })

  test('what the gate would like to read is asked for apart, and is known once that is applied', async () => {
    await grant(all)
    const gate = { provision: 'false', 'go-live': 'warn', 'go-live-profile': 'standard' } as const
    const before = await scene.pass(name, gate)
    expect(before.summary).toContain('403: the right to')
    const manifest = await applyPrinted(scene.admin, before.summary)
    expect(manifest).not.toMatch(/secrets|create|patch|pods\/portforward/)
    await until('nothing more is asked for', async () => {
      const { summary } = await scene.pass(name, gate)
      return !summary.includes('for your administrator') && !/403: the right to (?!get nodes)/.test(summary)
    })
  })

  test('the printed Role is enough for a Service without selector, whose Endpoints are kept by Patroni', async () => {
    await grant(all)
    const ip = await readyPod(scene.admin, scene.database, `${cluster}-0`)
    const targetRef = { kind: 'Pod', name: `${cluster}-0`, namespace: scene.database }
    await scene.admin.create({
      kind: 'Endpoints',
      metadata: { name: cluster, namespace: scene.database },
      subsets: [{ addresses: [{ ip, targetRef }], ports: [{ name: 'postgresql', port: 5432 }] }],
    })
    await scene.admin.patch('Secret', scene.database, accessSecret, {
      stringData: { USER_ACCESS: `svc/${cluster}` },
    })
    const unnamed = await scene.run(name)
    expect(unnamed.log).toContain(`lacks 1 of 9 rights: get services "${cluster}" in ${scene.database}.`)
    await applyPrinted(scene.admin, unnamed.summary)
    await until('the Service may be read', async () =>
      (await scene.run(name)).log.includes(`lacks 1 of 10 rights: list endpointslices in ${scene.database}.`),
    )
    await applyPrinted(scene.admin, (await scene.run(name)).summary)
    await until('the way is found', async () => (await scene.run(name)).code === 0)
    const run = await scene.pass(name)
    expect(run.log).toContain(`svc/${cluster} → Pod ${cluster}-0 port 5432`)
    expect(run.outputs.changed).toBe('false')
  })
})

describe('three applications in two namespaces on two database clusters', () => {
  let scene: Scene
  let pipelines: readonly { readonly name: string; readonly inputs: Inputs }[]
  let namespaces: readonly string[]
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]

  beforeAll(async () => {
    scene = await Scene.open({ roles: false })
    const { admin, database } = scene
    const other = 'postgresql2'
    await admin.create(spiloPod(database, other, { name: `${other}-0`, role: 'master' }))
    const selector = { application: 'spilo', 'cluster-name': other, 'spilo-role': 'master' }
    await admin.create({
      kind: 'Service',
      metadata: { name: `${other}-user-access`, namespace: database },
      spec: { selector, ports: [{ name: 'postgresql', port: 5432, targetPort: 'postgresql' }] },
    })
    const { data } = (await admin.get('Secret', database, accessSecret)) as unknown as { data: object }
    await admin.create({
      kind: 'Secret',
      metadata: { name: `${other}-access`, namespace: database },
      data: { ...data, USER_ACCESS: Buffer.from(`${other}-user-access`).toString('base64') },
    })
    const second = await scene.secondNamespace()
    namespaces = [database, scene.namespace, second.namespace]
    await admin.serviceAccount(scene.namespace, 'crm')
    const crm = await admin.kubeconfig({ namespace: scene.namespace, serviceAccount: 'crm' })
    pipelines = [
      { name: 'shop', inputs: {} },
      { name: 'crm', inputs: { kubeconfig: crm } },
      { name: 'shop', inputs: { kubeconfig: second.kubeconfig, 'access-secret': `${other}-access` } },
    ]
    await readyPod(admin, database, `${other}-0`)
  }, 180_000)
  afterAll(() => scene.close())
  beforeEach(() => clear(scene.admin, namespaces))

  test.each(orders)('tickets applied in the order %i, %i, %i: green after each', async (...order) => {
    const served: (typeof pipelines)[number][] = []
    for (const index of order) {
      const pipeline = pipelines[index]
      if (pipeline === undefined) throw new Error('there are three')
      const refused = await scene.run(pipeline.name, pipeline.inputs)
      expect(refused.log).toContain('[permission-missing]')
      await applyPrinted(scene.admin, refused.summary)
      served.push(pipeline)
      for (const { name, inputs } of served) {
        await until(`${name} is green`, async () => (await scene.run(name, inputs)).code === 0, 10_000)
      }
    }
  })
})
