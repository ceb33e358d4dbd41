import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { kubectl } from './kubectl.ts'
import { cluster, Scene, secretName, type Values } from './scene.ts'

describe("what is another's, on a real cluster", () => {
  let scene: Scene
  let original: Values | undefined
  const name = 'shop'

  beforeAll(async () => {
    scene = await Scene.open()
    await scene.pass(name)
    original = await scene.secret(name)
  }, 180_000)
  afterAll(() => scene.close())

  /** The first application works with its Secret as it was, and nothing on the server differs. */
  async function expectUnharmed(work: () => Promise<unknown>): Promise<void> {
    const before = await scene.state(name)
    await work()
    expect(await scene.state(name)).toEqual(before)
    await scene.work(original)
  }

  test.each(['refuse', 'adopt'])(
    'stays so when the same names come from a second namespace, with existing: %s',
    async (existing) => {
      const { namespace, kubeconfig } = await scene.secondNamespace()
      await expectUnharmed(async () => {
        const run = await scene.run(name, { kubeconfig, existing })
        expect(run.log).toContain(
          `✗ Role "${name}" belongs to ${scene.namespace}/${secretName(name)}.  [role-claimed]`,
        )
        expect(run.log).toContain('Nothing was changed.')
        expect(run.outputs.changed).toBe('false')
      })
      expect(await scene.stored(name, namespace)).toBeUndefined()
    },
  )

  test.each(['refuse', 'adopt'])(
    'stays so when somebody forges a Secret that names it, with existing: %s',
    async (existing) => {
      const { namespace, kubeconfig } = await scene.secondNamespace()
      const stringData = { ...original, PGPASSWORD: 'chosen by somebody else' }
      await scene.admin.create({
        kind: 'Secret',
        metadata: { name: secretName(name), namespace },
        stringData,
      })
      const forged = await scene.stored(name, namespace)
      await expectUnharmed(async () => {
        const run = await scene.run(name, { kubeconfig, existing })
        expect(run.log).toContain('[role-claimed]')
        expect(run.log).toContain('Nothing was changed.')
      })
      expect(await scene.stored(name, namespace)).toEqual(forged)
    },
  )

  test('stays so when a Secret in the same namespace names it', async () => {
    const stringData = { ...original, PGPASSWORD: 'chosen by somebody else' }
    const metadata = { name: secretName('forged'), namespace: scene.namespace }
    await scene.admin.create({ kind: 'Secret', metadata, stringData })
    await expectUnharmed(async () => {
      const run = await scene.run(name, { 'app-secret': secretName('forged') })
      expect(run.log).toContain('[role-claimed]')
    })
  })
})

describe('what the manual procedure left, on a real cluster', () => {
  let scene: Scene
  const name = 'orders'

  beforeAll(async () => {
    scene = await Scene.open()
  }, 180_000)
  afterAll(() => scene.close())

  test('is brought to a working state, and the log says what was wrong', async () => {
    const admin = { login: scene.logins.admin }
    // Word for word what psql makes of the page: it does not replace a variable inside quotes.
    await scene.sql(
      [
        `create database ${name}`,
        `create user ${name} with encrypted password ':APP_PASSWORD'`,
        `grant all privileges on database ${name} to ${name}`,
      ],
      admin,
    )
    const password = 'Eshah5ieSh4aiphah0choh2ahp5ahNg8'
    const manifest = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: secretName(name), namespace: scene.namespace },
      type: 'Opaque',
      stringData: {
        PGHOST: `${cluster}.${scene.database}.svc.cluster.local`,
        PGPORT: '5432',
        PGSSLMODE: 'require',
        PGUSER: name,
        PGPASSWORD: password,
        PGDATABASE: name,
      },
    })
    await kubectl(['apply', '-f', '-'], { kubeconfig: scene.admin.kubeconfigText, input: manifest })
    await expect(scene.work(await scene.secret(name))).rejects.toThrow('password authentication failed')
    const before = await scene.stored(name)

    const run = await scene.pass(name)
    expect(run.log).toMatch(
      /~ role .*its password was the text :APP_PASSWORD that the old manual procedure sets by mistake, and which is public: set to the Secret's/,
    )
    expect(run.log).toMatch(/~ grants .*orders: USAGE and CREATE on schema public/)
    expect(run.log).toMatch(/! note .*database orders was not made by this tool and is open to PUBLIC/)
    expect(await scene.stored(name)).toEqual(before)
    await scene.work(await scene.secret(name))
    const literal = { login: { user: name, password: ':APP_PASSWORD' }, database: name }
    await expect(scene.sql('select 1', literal)).rejects.toThrow('password authentication failed')
    expect((await scene.pass(name)).outputs.changed).toBe('false')
    // Later tools keep off what kubectl put there; so does this one, and nothing of it is lost.
    await kubectl(['apply', '-f', '-'], { kubeconfig: scene.admin.kubeconfigText, input: manifest })
    expect((await scene.pass(name)).outputs.changed).toBe('false')
  })
})
