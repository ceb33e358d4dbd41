import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Canaries } from '../support/canary.ts'
import { attack, Pipelines, waived } from '../support/pipeline.ts'
import { accessSecret, Scene, secretName } from './scene.ts'

let scene: Scene
let pipelines: Pipelines
beforeAll(async () => {
  scene = await Scene.open()
  pipelines = await Pipelines.open(scene.kubeconfig, async () => {
    const canaries = new Canaries()
    canaries.plant(scene.logins.admin.password)
    canaries.plant(scene.logins.superuser.password)
    const password = (await scene.secret('shop'))?.['PGPASSWORD']
    if (password !== undefined) canaries.plant(password)
    return canaries
  })
}, 180_000)
afterAll(async () => {
  await pipelines.close()
  await scene.close()
})

function inputs(): Record<string, unknown> {
  return {
    'access-secret': accessSecret,
    'access-namespace': scene.database,
    'app-namespace': scene.namespace,
    'app-database': 'shop',
    'app-secret': secretName('shop'),
  }
}

describe('the GitLab component on a real cluster', () => {
  const gate = { 'go-live': 'enforce', 'go-live-profile': 'standard' }

  test('provisions, and the application can work with what the next job is told', async () => {
    const deploy = { stage: 'deploy', needs: ['pg-app-user:provision'], script: ['env'] }
    const { code, log } = await pipelines.run('first', inputs(), { more: { deploy } })
    expect(log).toContain('Created role, database, grants and Secret for shop.')
    expect(log).toContain(`PG_APP_USER_SECRET_NAME=${secretName('shop')}`)
    expect(code).toBe(0)
    await scene.work(await scene.secret('shop'))
  })

  test.each(['provision', 'go-live'] as const)(
    'holds back with %s, whatever variables say',
    async (component) => {
      const { code, log, artifacts } = await pipelines.run(
        `held-${component}`,
        { ...inputs(), ...gate },
        { component, variables: attack },
      )
      expect(code).not.toBe(0)
      expect(log).toContain('[go-live-held-back]')
      expect(Object.keys(artifacts).some((path) => path.endsWith('/go-live.xml'))).toBe(true)
    },
  )

  test('lets a release pass whose gaps are waived', async () => {
    const files = { '.pg-app-user/go-live.yaml': waived }
    const { code, log } = await pipelines.run(
      'met',
      { ...inputs(), ...gate },
      { component: 'go-live', files },
    )
    expect(log).toContain('Ready to go live on the standard plan')
    expect(code).toBe(0)
  })
})
