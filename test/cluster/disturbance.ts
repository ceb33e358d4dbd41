import { expect } from '@jest/globals'
import { failureCodes } from '../../src/lib/failure.ts'
import type { ActionRun, StartedAction } from '../process/action.ts'
import { Network } from './network.ts'
import type { Inputs, Scene } from './scene.ts'

/** Moments of a first run: what its log shows as it begins. */
const moments = {
  'the start': /^/,
  'the identity': /^✓ cluster/m,
  'the tunnel': /^✓ tunnel/m,
  'the admin session': /^✓ PostgreSQL/m,
  'the role': /^\+ role/m,
  'the database': /^\+ database/m,
  'the grants': /^\+ grants/m,
  'the proof': /^✓ proof/m,
} as const
export type Moment = keyof typeof moments

const usualSeconds = 9
/** A busy machine takes its time to start a process, to roll back and to end. */
const graceSeconds = 10

/** Runs the action behind a network of its own, and does the work as soon as the log shows the moment. */
export async function disturbed(
  scene: Scene,
  name: string,
  moment: Moment,
  work: (network: Network, started: StartedAction) => unknown,
  { seconds = usualSeconds, inputs = {} }: { readonly seconds?: number; readonly inputs?: Inputs } = {},
): Promise<ActionRun> {
  const network = await Network.open(scene.admin.server)
  try {
    const kubeconfig = await scene.kubeconfigAt(network.address)
    const started = await scene.start(name, { ...inputs, kubeconfig, timeout: `${seconds}s` })
    let done: Promise<unknown> | undefined
    const look = (): void => {
      if (done === undefined && moments[moment].test(started.stdout()))
        done = Promise.resolve(work(network, started))
    }
    look()
    started.child.stdout?.on('data', look)
    const run = await started.ended
    if (done === undefined) throw new Error(`the moment never came:\n${run.log}`)
    await done
    return run
  } finally {
    await network.close()
  }
}

/** A run that was disturbed has come to a good end, or to an error that says what it was and what stands, in time. */
export function expectOrderly(run: ActionRun, seconds = usualSeconds): void {
  const wrong = [
    ...(run.seconds > seconds + graceSeconds ? [`it took ${run.seconds} s`] : []),
    ...(run.signal === null ? [] : [`it was ended by ${run.signal}`]),
    ...(run.stderr === '' ? [] : [`it wrote to stderr: ${run.stderr}`]),
  ]
  if (wrong.length > 0) throw new Error(`${wrong.join('; ')}\n${run.log}`)
  if (run.code === 0) return
  const code = /\[([a-z-]+)\]$/m.exec(run.log)?.[1]
  expect(failureCodes).toContain(code)
  expect(['internal-error', 'input-invalid']).not.toContain(code)
  const stands =
    run.outputs.changed === 'true'
      ? /^ {2}.*\. The next run continues from here\.$/m
      : /^ {2}Nothing was changed\.$/m
  expect(run.log).toMatch(stands)
}

/** Whatever a run left, the next one brings to its end, and the one after that finds nothing to do. */
export async function expectConvergence(scene: Scene, name: string, pod?: string): Promise<void> {
  const next = await scene.pass(name)
  expect(next.log).toMatch(/Created|Put .+ right|Set the password|Marked|Nothing to do/)
  await scene.work(await scene.secret(name), pod)
  expect((await scene.pass(name)).outputs.changed).toBe('false')
}
