import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { startSandbox, type Sandbox } from '../../../sandbox/sandbox.ts'
import { inputsFor, runAction, type ActionRun } from '../action.ts'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(async () => {
  await sandbox.stop()
})

async function step(inputs: Record<string, string>): Promise<ActionRun> {
  return await runAction({
    sandbox,
    inputs: { ...inputsFor(sandbox, 'steps'), ...inputs },
    env: {
      ACTIONS_ID_TOKEN_REQUEST_URL: 'https://token.example.com',
      ACTIONS_RUNTIME_TOKEN: 'of-the-runner',
    },
  })
}

test('lines are run once the database is there, until the first error, with nothing of the run in their environment', async () => {
  const run = await step({
    run: [
      'echo "as $PGUSER on $PGHOST"',
      'env | grep -cE "^(INPUT_|KUBECONFIG|ACTIONS_)" || true',
      `node -e 'console.log(require("crypto").createHash("sha256").update(process.env.PGPASSWORD).digest("hex"))'`,
    ].join('\n'),
  })
  expect(run.code).toBe(0)
  const [, hash] = /\nas steps on 127\.0\.0\.1\n0\n([0-9a-f]{64})\n/.exec(run.log) ?? []
  // The runner hides it, because it was told before the command was started.
  const mask = run.masks.find((each) => createHash('sha256').update(each).digest('hex') === hash)
  expect(mask).toMatch(/^[0-9a-f]{48}$/)
  expect(run.stdout.indexOf(`add-mask::${mask}`)).toBeLessThan(run.stdout.indexOf('as steps on'))
  expect(run.log).toMatch(/✓ command +exit code 0 after/)
  expect(run.log).toContain('The command ended with exit code 0.')
  expect(run.summary).toContain('| Command |')

  const failing = await step({ run: 'echo before\nfalse\necho behind' })
  expect(failing.code).toBe(1)
  expect(failing.log).toContain('\nbefore\n')
  expect(failing.log).not.toContain('behind\n')
  expect(failing.log).toContain('[command-failed]')
  expect(failing.outputs['changed']).toBe('false')
})
