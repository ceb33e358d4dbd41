import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { exitCodeOf } from '../../src/faces/exit-code.ts'
import { escapedSigns } from '../support/canary.ts'
import { inputsFor, runAction, withUser } from './action.ts'
import { optionsFor, runCommand } from './command.ts'

// What is thrown where nothing catches it would be printed by Node.js, with all that it holds.

let sandbox: Sandbox
let kubeconfig: string
beforeAll(async () => {
  sandbox = await startSandbox()
  kubeconfig = withUser(sandbox.kubeconfig, { username: 'kim', password: secret })
})
afterAll(async () => {
  await sandbox.stop()
})

const secret = `Kq7${escapedSigns}9Zt`

const words = 'pg-app-user met a situation it was not written for.'

/** Ways to throw what holds the credential, once the run knows it. */
const strays = {
  'an exception': `throw new Held('with ' + secret)`,
  'an exception amid a promise': `Promise.resolve().then(() => { throw new Held('with ' + secret) })`,
  'a rejection': `void Promise.reject(new Held('with ' + secret))`,
  'a rejection with a text': `void Promise.reject('with ' + secret)`,
  'a rejection with an object': `void Promise.reject({ password: secret })`,
  'a rejection with nothing': `void Promise.reject(undefined)`,
  'an event that nobody hears': `new EventEmitter().emit('error', new Held('with ' + secret))`,
  'an error that another one caused': `throw new Error('outer', { cause: new Held('with ' + secret) })`,
  'an error of several': `void Promise.reject(new AggregateError([new Held('with ' + secret)], 'with ' + secret))`,
  'an error whose message cannot be read': `throw { get message() { throw new Held('with ' + secret) } }`,
}

/** A module that throws when the first request is sent: by then the kubeconfig is read. */
function script(stray: string): string {
  return `
    import { channel } from 'node:diagnostics_channel'
    import { EventEmitter } from 'node:events'
    const secret = process.env.CANARY
    class Held extends Error { password = secret }
    let first = true
    channel('http.client.request.start').subscribe(() => {
      if (first) setImmediate(() => { ${stray} })
      first = false
    })`
}

interface Ended {
  readonly code: number | null
  readonly log: string
  readonly stderr: string
}

const faces: Readonly<Record<string, (stray: string, debug: boolean) => Promise<Ended>>> = {
  'the action': async (stray, debug) => {
    const inputs = { ...inputsFor(sandbox, 'stray'), kubeconfig }
    const env = { CANARY: secret, RUNNER_DEBUG: debug ? '1' : '' }
    const run = await runAction({ sandbox, inputs, env, script: script(stray), secrets: [secret] })
    expect(run.commands.filter(({ name }) => name === 'error')).toMatchObject([{ data: words }])
    return run
  },
  'the command line': async (stray, debug) => {
    const args = ['provision', ...optionsFor(sandbox, 'stray'), ...(debug ? ['--verbose'] : [])]
    const env = { CANARY: secret, KUBECONFIG: kubeconfig, CI: 'true' }
    const run = await runCommand({ sandbox, args, env, script: script(stray), secrets: [secret] })
    return { ...run, log: run.stdout }
  },
}

describe.each(Object.entries(faces))('%s ends in words, without what is held by', (face, run) => {
  /** Debug logging says most. */
  async function end(stray: string, debug: boolean): Promise<string> {
    const { code, log, stderr } = await run(stray, debug)
    expect({ code, stderr }).toEqual({
      code: face === 'the action' ? 1 : exitCodeOf('internal-error'),
      stderr: '',
    })
    expect(log.match(/^✗ .*$/gm)).toEqual([`✗ ${words}  [internal-error]`])
    expect(log).toContain('Whether something was changed is not known.')
    return log
  }

  test.each(Object.entries(strays))('%s', async (_, stray) => {
    await end(stray, true)
  })

  test('an exception, and says with debug logging where it was thrown', async () => {
    expect(await end(strays['an exception'], true)).toMatch(
      /^debug: caused by Error: with \*\*\*\ndebug: +at /m,
    )
    expect(await end(strays['an exception'], false)).not.toMatch(/^debug:|^ +at /m)
  })
})

test('the command line gives one JSON text all the same', async () => {
  const args = ['provision', ...optionsFor(sandbox, 'stray'), '--output=json']
  const env = { CANARY: secret, KUBECONFIG: kubeconfig, CI: 'true' }
  const given = { sandbox, args, env, script: script(strays['an exception']), secrets: [secret] }
  const { code, stdout, stderr } = await runCommand(given)
  expect(code).toBe(exitCodeOf('internal-error'))
  expect(JSON.parse(stdout)).toMatchObject({ changed: false, failure: { code: 'internal-error' } })
  expect(stderr).toContain('[internal-error]')
})
