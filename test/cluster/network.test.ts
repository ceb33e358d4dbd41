import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { ActionRun } from '../process/action.ts'
import { disturbed, expectConvergence, expectOrderly, type Moment } from './disturbance.ts'
import type { Network } from './network.ts'
import { Scene } from './scene.ts'

const networkMoments: readonly Moment[] = [
  'the start',
  'the identity',
  'the admin session',
  'the database',
  'the proof',
]

/** Several runs side by side, each behind a network of its own. */
async function sideBySide(
  scene: Scene,
  prefix: string,
  break_: (network: Network) => unknown,
): Promise<readonly ActionRun[]> {
  return await Promise.all(
    networkMoments.map((moment, index) => disturbed(scene, `${prefix}-${index}`, moment, break_)),
  )
}

describe('the network between runner and API server', () => {
  let scene: Scene

  beforeAll(async () => {
    scene = await Scene.open()
  }, 180_000)
  afterAll(() => scene.close())

  test.each<[string, string, (network: Network) => unknown, RegExp]>([
    [
      'is cut',
      'cut',
      (network) => {
        network.cut()
      },
      /\[(api-server-unreachable|tunnel-lost|timeout)\]/,
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
      /\[(api-server-unreachable|tunnel-lost)\]|Created|Nothing to do/,
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
      for (const index of networkMoments.keys()) await expectConvergence(scene, `${prefix}-${index}`)
    },
    120_000,
  )
})
