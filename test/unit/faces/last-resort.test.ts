import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'

const source = (name: string): string =>
  JSON.stringify(fileURLToPath(new URL(`../../../src/${name}`, import.meta.url)))

/** A process that knows a credential, as the edges do, and in which something is thrown that holds it. */
function script(stray: string): string {
  return `
    const { onStrayError, standsUnknown } = await import(${source('faces/last-resort.ts')})
    const { PipelineReporter } = await import(${source('report/pipeline.ts')})
    const { formatFailure } = await import(${source('report/log.ts')})
    const { causesOf } = await import(${source('faces/edge.ts')})
    const line = (text) => process.stdout.write(text + '\\n')
    const reporter = new PipelineReporter({ line, mask: () => undefined, group: () => undefined, debugging: true })
    reporter.mask('p4ssw0rd-of-kim')
    onStrayError((failure) => {
      reporter.write(formatFailure(reporter.clean(failure), standsUnknown))
      for (const cause of causesOf(failure)) reporter.debug(cause)
    })
    class Held extends Error { password = 'p4ssw0rd-of-kim' }
    ${stray}
    await new Promise((resolve) => setTimeout(resolve, 60_000))`
}

test.each([
  ['an exception', `setImmediate(() => { throw new Held('with p4ssw0rd-of-kim') })`],
  ['a rejection', `void Promise.reject(new Held('with p4ssw0rd-of-kim'))`],
  [
    'an event that nobody hears',
    `new (await import('node:events')).EventEmitter().emit('error', new Held('p4ssw0rd-of-kim'))`,
  ],
  ['what is no error', `void Promise.reject({ password: 'p4ssw0rd-of-kim' })`],
  [
    'an error while it is told',
    `
    onStrayError(() => { throw new Held('with p4ssw0rd-of-kim') })
    void Promise.reject(new Held('with p4ssw0rd-of-kim'))`,
  ],
])('%s that nothing catches ends the process as an internal error, without what it holds', (_, stray) => {
  const flags = ['--disable-warning=ExperimentalWarning', '--experimental-strip-types', '--input-type=module']
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, '-e', script(stray)], {
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
  expect(stdout).toContain('[internal-error]')
  expect(stdout).toContain('Whether something was changed is not known.')
  expect(stdout).not.toContain('p4ssw0rd-of-kim')
})
