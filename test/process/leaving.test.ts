import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { execFile } from 'node:child_process'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { escapedSigns } from '../support/canary.ts'
import { inputsFor, runAction } from './action.ts'
import { optionsFor, program } from './command.ts'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(async () => {
  await sandbox.stop()
})

const visible = escapedSigns.replaceAll(' ', '')

// runAction looks for the password in every form, in everything that a run leaves behind.
test.each([`Kq7${visible}9Zt`, 'under_score*and|pipe', `<b a="it's">`])(
  'the password %j that an API server echoes is in no log, summary, annotation or output',
  async (password) => {
    const name = 'leaving-postgresql-secret'
    sandbox.api.put({
      kind: 'Secret',
      metadata: { name, namespace: 'shop' },
      data: { PGPASSWORD: Buffer.from(password).toString('base64') },
    })
    const undo = sandbox.api.intercept(({ path }) =>
      path.endsWith('/portforward')
        ? { status: 403, body: { kind: 'Status', message: `refused: ${password}.`, code: 403 } }
        : undefined,
    )
    try {
      const run = await runAction({ sandbox, inputs: inputsFor(sandbox, 'leaving'), secrets: [password] })
      expect(run.code).toBe(1)
      expect(run.summary).toContain('refused: &#42;&#42;&#42;.')
    } finally {
      undo()
      sandbox.api.remove('Secret', 'shop', name)
    }
  },
)

/** Runs the command line without a search for credentials: these are too short to be told from other text. */
async function command(args: readonly string[], env: Record<string, string>): Promise<string> {
  return await new Promise((resolve) => {
    const all = { PATH: process.env['PATH'] ?? '', CI: 'true', ...env }
    execFile(process.execPath, [program, ...args], { env: all }, (_, stdout, stderr) => {
      resolve(args.includes('--output=json') ? stdout : stdout + stderr)
    })
  })
}

test.each(['true', 'null', '0', ':', '"', 'role', 'created'])(
  'the password %j takes nothing out of what other programs read',
  async (password) => {
    const name = 'short-postgresql-secret'
    sandbox.api.put({
      kind: 'Secret',
      metadata: { name, namespace: 'shop' },
      data: { PGPASSWORD: Buffer.from(password).toString('base64') },
    })
    const args = ['provision', '--dry-run', '--output=json', ...optionsFor(sandbox, 'short')]
    const outcome = JSON.parse(await command(args, { KUBECONFIG: sandbox.kubeconfig })) as Record<
      string,
      unknown
    >
    expect(outcome).toMatchObject({ changed: false, database: 'short', 'secret-name': name, failure: null })
    expect(outcome['changes']).toContainEqual({ object: 'role', name: 'short', action: 'created' })
    sandbox.api.remove('Secret', 'shop', name)
  },
)

test.each<[string, (url: string) => string]>([
  ['server', (url) => `server: ${url.replace('https://', 'https://kim:s3cr3t-of-kim@')}`],
  ['proxy-url', (url) => `server: ${url}\n      proxy-url: http://kim:s3cr3t-of-kim@127.0.0.1:1`],
])('what stands before the host of a URL is shown nowhere: %s', async (_, lines) => {
  const [line = '', url = ''] = /server: "?(https:[^"\s]+)"?/.exec(sandbox.kubeconfig) ?? []
  const kubeconfig = sandbox.kubeconfig.replace(line, lines(url))
  expect(kubeconfig).toContain('s3cr3t-of-kim')
  const run = await runAction({
    sandbox,
    inputs: { ...inputsFor(sandbox, 'userinfo'), kubeconfig },
    secrets: ['s3cr3t-of-kim'],
  })
  // Whether it works or not: it got as far as to say where it leads.
  expect(run.log).toMatch(/^(✓ cluster .*127\.0\.0\.1|✗ .*\[[a-z-]+\]$)/m)
})

test.each([
  'https://kim:se/cr3t-of-kim@h',
  'https:/kim:s3cr3t-of-kim@h',
  'https://kim:s3#cr3t-of-kim@h',
  'kim:s/cr3t-of-kim@h',
])('nor is it where it was not encoded: expect-server %s', async (expected) => {
  const inputs = { ...inputsFor(sandbox, 'userinfo'), 'expect-server': expected }
  const run = await runAction({ sandbox, inputs, secrets: ['cr3t-of-kim'] })
  expect(run.code).toBe(1)
  expect(run.log).toContain('[server-unexpected]')
})
