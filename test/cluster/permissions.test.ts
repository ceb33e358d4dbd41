import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { roleManifests } from '../../src/kubernetes/manifest.ts'
import { namedRights, reviewRights, serviceRights } from '../../src/kubernetes/permissions.ts'
import { groupRights, type Right } from '../../src/kubernetes/right.ts'
import { parseAllDocuments } from 'yaml'
import { eventually, openApi, type KubeObject } from '../contract/admin.ts'
import { kubectl } from './kubectl.ts'
import { accessSecret, accessService, cluster, Scene, secretName, serviceAccount } from './scene.ts'
import { readyPod } from './spilo.ts'

describe('the rights, on a real cluster', () => {
  let scene: Scene
  let all: readonly Right[]
  const name = 'shop'

  beforeAll(async () => {
    scene = await Scene.open({ roles: false })
    const places = { accessNamespace: scene.database, appNamespace: scene.namespace }
    all = [
      ...namedRights({ ...places, accessSecret, appSecret: secretName(name), dryRun: false }),
      ...serviceRights(scene.database, accessService),
    ]
  }, 60_000)
  afterAll(() => scene.close())

  const identity = (): string => `system:serviceaccount:${scene.namespace}:${serviceAccount}`

  /** Gives the account exactly these rights, and waits until the API server acts on that. */
  async function grant(granted: readonly Right[]): Promise<void> {
    for (const namespace of [scene.database, scene.namespace]) {
      await scene.admin.remove('RoleBinding', namespace, 'pg-app-user')
      await scene.admin.remove('Role', namespace, 'pg-app-user')
    }
    for (const document of parseAllDocuments(roleManifests({ name: identity(), certain: true }, granted))) {
      await scene.admin.create(document.toJS() as KubeObject)
    }
    const api = await openApi(scene.kubeconfig)
    const missing = all.filter((right) => !granted.includes(right))
    await eventually(async () => {
      const report = await reviewRights(api, { name: identity(), certain: true }, all)
      expect(report.missing).toEqual(missing)
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

  /** Does what the administrator is asked to do: applies what the job summary shows. */
  async function applyPrinted(summary: string): Promise<void> {
    const [, manifest = ''] = /```yaml\n(.*?)```/s.exec(summary) ?? []
    await kubectl(['apply', '-f', '-'], { kubeconfig: scene.admin.kubeconfigText, input: manifest })
    // A second time must not hurt.
    await kubectl(['apply', '-f', '-'], { kubeconfig: scene.admin.kubeconfigText, input: manifest })
  }

  test('the printed Role lets a run pass that had none of them', async () => {
    await grant([])
    await expectUntouched(async () => {
      const run = await scene.run(name)
      expect(run.log).toContain('lacks 8 of 9 rights')
      expect(run.log).toContain('[permission-missing]')
      await applyPrinted(run.summary)
    })
    const run = await scene.pass(name)
    expect(run.log).toContain('✓ permissions     9 of 9 rights')
    await scene.work(await scene.secret(name))
  })

  test('the printed Role is enough for a Service without selector, whose Endpoints are kept by Patroni', async () => {
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
    const refused = await scene.run(name)
    expect(refused.log).toContain(`lacks 1 of 10 rights: list endpointslices in ${scene.database}.`)
    await applyPrinted(refused.summary)
    const run = await scene.pass(name)
    expect(run.log).toContain(`svc/${cluster} → Pod ${cluster}-0 port 5432`)
    expect(run.outputs.changed).toBe('false')
  })
})
