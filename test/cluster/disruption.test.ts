import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { failureCodes } from '../../src/failure.ts'
import { until } from '../contract/admin.ts'
import type { ActionRun } from '../process/action.ts'
import { Network } from './network.ts'
import { cluster, Scene } from './scene.ts'
import { readyPod } from './spilo.ts'

/** Moments of a first run: what its log shows as it begins. The first one is before anything is. */
const moments = [
  ['the start', /^/],
  ['the identity', /^✓ cluster/m],
  ['the tunnel', /^✓ tunnel/m],
  ['the admin session', /^✓ PostgreSQL/m],
  ['the role', /^\+ role/m],
  ['the database', /^\+ database/m],
  ['the grants', /^\+ grants/m],
  ['the proof', /^✓ proof/m],
] as const

const timeoutSeconds = 9
const graceSeconds = 5

/** Runs the action behind the network, and does the work as soon as the log shows the moment. */
async function disturbed(
  scene: Scene,
  name: string,
  network: Network,
  moment: RegExp,
  work: () => unknown,
): Promise<ActionRun> {
  const kubeconfig = await scene.kubeconfigAt(network.address)
  const { child, stdout, ended } = await scene.start(name, { kubeconfig, timeout: `${timeoutSeconds}s` })
  let done: Promise<unknown> | undefined
  const look = (): void => {
    if (done === undefined && moment.test(stdout())) done = Promise.resolve(work())
  }
  look()
  child.stdout?.on('data', look)
  const run = await ended
  if (done === undefined) throw new Error(`the moment never came:\n${run.log}`)
  await done
  return run
}

/** A run that was disturbed has come to a good end, or to an error that says what it was and what stands, in time. */
function expectOrderly(run: ActionRun): void {
  const seen = `${run.log}${run.stderr}`
  expect({ seen, late: run.seconds > timeoutSeconds + graceSeconds }).toEqual({ seen, late: false })
  expect({ seen, stderr: run.stderr, signal: run.signal }).toEqual({ seen, stderr: '', signal: null })
  if (run.code === 0) return
  const code = /\[([a-z-]+)\]$/m.exec(run.log)?.[1]
  expect(failureCodes).toContain(code)
  expect(['internal-error', 'input-invalid']).not.toContain(code)
  const changed = (JSON.parse(run.outputs.changes ?? '[]') as unknown[]).length > 0
  const stands = changed ? /^ {2}.*\. The next run continues from here\.$/m : /^ {2}Nothing was changed\.$/m
  expect(run.log).toMatch(stands)
}

/** Whatever a run left, the next one brings to its end, and the one after that finds nothing to do. */
async function expectConvergence(scene: Scene, name: string, pod?: string): Promise<void> {
  const next = await scene.pass(name)
  expect(next.log).toMatch(/Created|Put right|Set the password|Marked|Nothing to do/)
  await scene.work(await scene.secret(name), pod)
  expect((await scene.pass(name)).outputs.changed).toBe('false')
}

/** Several runs side by side, each behind a network of its own. */
async function sideBySide(
  scene: Scene,
  prefix: string,
  break_: (network: Network) => unknown,
): Promise<readonly ActionRun[]> {
  return await Promise.all(
    moments.map(async ([, moment], index) => {
      const network = await Network.open(scene.admin.server)
      const run = await disturbed(scene, `${prefix}-${index}`, network, moment, () => break_(network))
      await network.close()
      return run
    }),
  )
}

describe('the network between runner and API server', () => {
  let scene: Scene

  beforeAll(async () => {
    scene = await Scene.open()
  }, 60_000)
  afterAll(() => scene.close())

  test.each<[string, string, (network: Network) => unknown, RegExp]>([
    [
      'is cut',
      'cut',
      (network) => {
        network.cut()
      },
      /\[(api-server-unreachable|tunnel-lost)\]/,
    ],
    [
      'swallows everything',
      'frozen',
      (network) => {
        network.freeze()
      },
      /\[(api-server-unreachable|tunnel-lost|timeout)\]/,
    ],
    [
      'breaks every connection once',
      'reset',
      (network) => {
        network.reset()
      },
      /\[tunnel-lost\]|Created|Nothing to do/,
    ],
    [
      'is gone for two seconds, as when the API server is restarted',
      'restart',
      (network) => {
        network.cut()
        setTimeout(() => {
          network.mend()
        }, 2_000)
      },
      /\[(api-server-unreachable|tunnel-lost)\]|Created|Nothing to do/,
    ],
  ])(
    '%s, at any moment',
    async (_, prefix, break_, says) => {
      const runs = await sideBySide(scene, prefix, break_)
      for (const run of runs) {
        expectOrderly(run)
        expect(run.log).toMatch(says)
      }
      for (const [index] of moments.entries()) await expectConvergence(scene, `${prefix}-${index}`)
    },
    120_000,
  )
})

describe('the Pod of the database', () => {
  let scene: Scene

  beforeAll(async () => {
    scene = await Scene.open({ reborn: true })
  }, 60_000)
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

  test.each(moments.slice(1))(
    'is deleted at %s',
    async (_, moment) => {
      const name = `deleted-${moments.findIndex(([, other]) => other === moment)}`
      const network = await Network.open(scene.admin.server)
      const run = await disturbed(scene, name, network, moment, async () => {
        // What comes next must meet the new Pod, whoever is faster.
        network.freeze()
        await reborn()
        network.thaw()
      })
      await network.close()
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
  }, 60_000)
  afterAll(() => scene.close())

  test.each(moments.slice(2))(
    'switches to the standby at %s',
    async (_, moment) => {
      const name = `switched-${primary}`
      await scene.standby(pod(primary + 1), pod(primary))
      const network = await Network.open(scene.admin.server)
      const run = await disturbed(scene, name, network, moment, async () => {
        network.freeze()
        await scene.admin.remove('Pod', scene.database, pod(primary))
        await scene.sql('select pg_promote()', { pod: pod(primary + 1) })
        await scene.label(pod(primary + 1), 'master')
        network.thaw()
      })
      await network.close()
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
    const run = await scene.run('standby')
    expect(run.log).toContain('[target-is-standby]')
    expect(run.log).toContain('Nothing was changed.')
    await scene.sql('select pg_promote()', { pod: pod(primary + 1) })
    await scene.pass('standby')
    await scene.work(await scene.secret('standby'), pod(primary + 1))
  }, 60_000)
})
