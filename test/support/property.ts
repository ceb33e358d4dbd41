import { relative } from 'node:path'
import { expect } from '@jest/globals'
import fc from 'fast-check'
import { chosenPoint, replay } from '../faults/budget.ts'

const chosenSeed = process.env['FAULTS_SEED']

/**
 * Tries a property, and says with what it failed and how to try that again.
 *
 * @param script the one of package.json that runs the test
 */
export async function prove<T>(
  script: string,
  property: fc.IAsyncProperty<T> | fc.IProperty<T>,
  parameters: fc.Parameters<T> = {},
): Promise<void> {
  const ended = await fc.check(property as fc.IAsyncProperty<T>, {
    ...parameters,
    ...(chosenSeed !== undefined && { seed: Number(chosenSeed) }),
    ...(chosenPoint !== undefined && { path: chosenPoint, endOnFailure: true }),
  })
  if (!ended.failed) return
  const { currentTestName = '', testPath = '' } = expect.getState()
  const file = relative('test', testPath).replace(/\.test\.ts$/, '')
  const again = replay(script, file, ended.counterexamplePath ?? '0', currentTestName, ended.seed)
  throw new Error(`${fc.defaultReportMessage(ended) ?? ''}\n${again}`, { cause: ended.errorInstance })
}
