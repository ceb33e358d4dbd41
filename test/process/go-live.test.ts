import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { inputsFor, runAction, type ActionRun } from './action.ts'

let sandbox: Sandbox

beforeAll(async () => {
  sandbox = await startSandbox()
})

afterAll(async () => {
  await sandbox.stop()
})

/** Runs the built action with a gate, for a ref. */
async function gate(ref: string | undefined, inputs: object = {}, env: object = {}): Promise<ActionRun> {
  return await runAction({
    sandbox,
    inputs: { ...inputsFor(sandbox, 'shop'), 'go-live': 'auto', 'go-live-profile': 'premium', ...inputs },
    env: { GITHUB_REF: ref, ...env },
  })
}

test('a release is held back: provisioned, reported, and failed', async () => {
  const run = await gate('refs/heads/release/2.4')
  expect(run.code).toBe(1)
  expect(run.outputs).toMatchObject({ changed: 'true', 'go-live-verdict': 'held-back' })
  expect(run.log).toContain('premium · enforced because refs/heads/release/2.4 matches release/**')
  expect(run.log).toContain('The application user is in place; only the release is held.')
  // What has the same reason is said once.
  expect(run.log).toMatch(
    /! app-replicas +unknown: no permission to read daemonsets, deployments and statefulsets\n +the same for app-spread and app-resources\n/,
  )
  // Its last lines name what holds it back.
  expect(run.log.indexOf('Evidence for')).toBeLessThan(run.log.indexOf('✗ instances'))
  expect(run.log).toMatch(/\[go-live-held-back\]\n +not met: instances, [^\n]+\n +unknown: [^\n]*last-backup/)
  expect(run.log.match(/only people can do this/g)?.length).toBe(7)
  expect(run.log).toContain('Send rights.yaml to the administrator')
  expect(run.summary).toMatch(/^### ⛔ Release held back: /)
  expect(Object.keys(run.reports).sort()).toEqual([
    'attest.yaml',
    'go-live.html',
    'go-live.json',
    'go-live.xml',
    'rights.yaml',
  ])
  // The verdict is last, and no block stands between the findings and it.
  expect(run.log).not.toMatch(/kind: Role|attestations:/)
  expect(run.log).toMatch(
    /\n! files +attest\.yaml to attest[^\n]*\n +rights\.yaml [^\n]*\n✗ Release held back: \d+ not met, \d+ unknown\. +\[go-live-held-back\]\n/,
  )
  expect(run.summary).toMatch(/kind: Role/)
  const annotations = run.commands.filter(({ name }) => name === 'error' || name === 'warning')
  expect(annotations.length).toBeLessThanOrEqual(10)
  expect(annotations[0]?.data).toMatch(/^Release held back: /)
})

test('another ref is warned, and passes with the same verdict', async () => {
  const run = await gate('refs/heads/feature/cart')
  expect(run.code).toBe(0)
  expect(run.outputs['go-live-verdict']).toBe('held-back')
  expect(run.log).toMatch(/Would be held back: \d+ not met, \d+ unknown\. \d/)
  expect(run.summary).toMatch(/^### ⚠️ Would be held back: /)
})

test('no gate: the verdict is off, and there is no report', async () => {
  const run = await gate('refs/heads/main', { 'go-live': 'off', 'go-live-profile': '' })
  expect(run.code).toBe(0)
  expect(run.outputs).toMatchObject({ 'go-live-verdict': 'off', 'report-directory': '' })
  expect(run.reports).toEqual({})
})

test('a file that an input names and that is not there stops the run before anything is asked', async () => {
  const before = sandbox.api.requests.length
  const run = await gate('refs/heads/main', { 'go-live-file': 'deploy/go-live.yaml' })
  expect(run.code).toBe(1)
  expect(run.log).toContain('[go-live-file-missing]')
  expect(run.log).toContain('Was the repository checked out?')
  expect(sandbox.api.requests).toHaveLength(before)
})

test('a gate alone that is off is a wrong input', async () => {
  const run = await gate('refs/heads/main', { 'go-live': 'off', provision: 'false' })
  expect(run.log).toContain('[input-invalid]')
})
