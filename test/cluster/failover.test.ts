import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { until } from '../contract/admin.ts'
import { disturbed, expectConvergence, expectOrderly, type Moment } from './disturbance.ts'
import { cluster, Scene } from './scene.ts'
import { readyPod } from './spilo.ts'

describe('the Pod of the database', () => {
  let scene: Scene

  beforeAll(async () => {
    scene = await Scene.open({ reborn: true })
  }, 180_000)
  afterAll(() => scene.close())

  /** Gone at once, and back with an empty database, as after a restore that nobody did. */
  async function reborn(): Promise<void> {
    const before = await scene.admin.get('Pod', scene.database, `${cluster}-0`)
    const path = await scene.admin.path('Pod', scene.database, `${cluster}-0`)
    await scene.admin.call('DELETE', path, { gracePeriodSeconds: 0 })
    await until('another Pod is there', async () => {
      const now = await scene.admin.get('Pod', scene.database, `${cluster}-0`)
      return now !== undefined && now.metadata.uid !== before?.metadata.uid
    })
    await readyPod(scene.admin, scene.database, `${cluster}-0`)
  }

  test.each<Moment>(['the tunnel', 'the role', 'the grants', 'the proof'])(
    'is deleted at %s',
    async (moment: Moment) => {
      const name = moment.replace('the ', 'deleted-at-')
      const run = await disturbed(scene, name, moment, async (network) => {
        // What comes next must meet the new Pod, whoever is faster.
        network.freeze()
        await reborn()
        network.thaw()
      })
      expectOrderly(run)
      await readyPod(scene.admin, scene.database, `${cluster}-0`)
      await expectConvergence(scene, name)
    },
    60_000,
  )
})

describe('the primary', () => {
  let scene: Scene
  let primary = 0
  const pod = (number: number): string => `${cluster}-${number}`

  beforeAll(async () => {
    scene = await Scene.open()
  }, 180_000)
  afterAll(() => scene.close())

  test.each<Moment>(['the tunnel', 'the admin session', 'the database', 'the proof'])(
    'switches to the standby at %s',
    async (moment: Moment) => {
      const name = `switched-${primary}`
      await scene.standby(pod(primary + 1), pod(primary))
      const run = await disturbed(scene, name, moment, async (network) => {
        network.freeze()
        await scene.admin.remove('Pod', scene.database, pod(primary))
        await scene.sql('select pg_promote()', { pod: pod(primary + 1) })
        await scene.label(pod(primary + 1), 'master')
        network.thaw()
      })
      primary += 1
      expectOrderly(run)
      await expectConvergence(scene, name, pod(primary))
    },
    60_000,
  )

  test('is not taken for a standby that the Service leads to', async () => {
    await scene.standby(pod(primary + 1), pod(primary))
    await scene.label(pod(primary), 'replica')
    await scene.label(pod(primary + 1), 'master')
    const run = await scene.run('onward', { timeout: '9s' })
    expect(run.log).toContain('[target-is-standby]')
    expect(run.log).toContain('Nothing was changed.')
    await scene.sql('select pg_promote()', { pod: pod(primary + 1) })
    await scene.pass('onward')
    await scene.work(await scene.secret('onward'), pod(primary + 1))
  }, 60_000)
})
