import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthority } from '../../sandbox/certificate.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { changed, inputsFor, runAction, type ActionRun } from './action.ts'
import { optionsFor, runCommand } from './command.ts'

// Nothing of a run is left to the environment: https://nodejs.org/api/cli.html#environment-variables_1

let sandbox: Sandbox
let folder: string
beforeAll(async () => {
  sandbox = await startSandbox()
  folder = await mkdtemp(join(tmpdir(), 'environment-'))
})
afterAll(async () => {
  await sandbox.stop()
  await rm(folder, { recursive: true, force: true })
})

async function act(env: NodeJS.ProcessEnv, inputs: Record<string, string> = {}): Promise<ActionRun> {
  return await runAction({ sandbox, inputs: { ...inputsFor(sandbox, 'environment'), ...inputs }, env })
}

/** Gives what Node.js itself has written of a run: what no line of the tool looks like. */
function spoken({ stdout, stderr }: { stdout: string; stderr: string }): string {
  return [...(stdout + stderr).matchAll(/^(TLS|HTTPS?|NET|STREAM|CHILD_PROCESS|UNDICI) \d+:.*$/gm)].join('\n')
}

describe('what Node.js would print or write down of a run', () => {
  test.each([
    { NODE_DEBUG: 'tls,https' },
    { NODE_DEBUG: 'http' },
    { NODE_DEBUG: 'net,stream' },
    { NODE_DEBUG: 'child_process' },
    { NODE_DEBUG: '*' },
  ])('%p: not a word of it, from the action', async (env) => {
    const run = await act(env, { 'dry-run': 'true' })
    expect(run.code).toBe(0)
    expect(spoken(run)).toBe('')
  })

  test.each([{ NODE_DEBUG: 'tls,https,http,child_process' }, { NODE_DEBUG: '*' }])(
    '%p: not a word of it, from the command line',
    async (env) => {
      const args = ['provision', ...optionsFor(sandbox, 'environment'), '--dry-run']
      const run = await runCommand({
        sandbox,
        args,
        env: { ...env, CI: 'true', KUBECONFIG: sandbox.kubeconfig },
      })
      expect(run.code).toBe(0)
      expect(spoken(run)).toBe('')
    },
  )

  test.each<[string, (to: string) => NodeJS.ProcessEnv]>([
    ['the keys of TLS', (to) => ({ NODE_OPTIONS: `--tls-keylog=${join(to, 'keys')}` })],
    ['the messages of TLS', () => ({ NODE_OPTIONS: '--trace-tls' })],
    ['warnings', (to) => ({ NODE_REDIRECT_WARNINGS: join(to, 'warnings') })],
  ])('%s: nothing', async (_, environment) => {
    const to = await mkdtemp(join(folder, 'written-'))
    const run = await act(environment(to), { 'dry-run': 'true' })
    expect(run).toMatchObject({ code: 0, stderr: '' })
    const sizes = (await readdir(to)).map(async (file) => (await readFile(join(to, file))).length)
    expect((await Promise.all(sizes)).filter((size) => size > 0)).toEqual([])
  })
})

describe('what a certificate is checked for', () => {
  let other: string
  beforeAll(() => {
    other = createAuthority('another authority').pem
  })

  const turnedOff: NodeJS.ProcessEnv[] = [
    { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent("process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'")}`,
    },
  ]

  test.each(turnedOff)('PostgreSQL under verify-full, with %p', async (env) => {
    const run = await act(env, { 'app-sslmode': 'verify-full', 'ssl-root-cert': other })
    expect(run.code).toBe(1)
    expect(run.log).toContain('[tls-failed]')
  })

  test.each(turnedOff)('the API server, with %p', async (env) => {
    const kubeconfig = changed(sandbox.kubeconfig, ({ clusters }) => {
      for (const { cluster } of clusters)
        cluster['certificate-authority-data'] = Buffer.from(other).toString('base64')
    })
    const run = await act(env, { kubeconfig })
    expect(run.code).toBe(1)
    expect(run.log).toContain('[api-server-untrusted]')
  })
})
