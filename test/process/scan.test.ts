import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { commandsOf, parseOutputs } from '../../sandbox/runner.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { inputsFor, runAction, tokenOf, withUser } from './action.ts'

// Every other test here relies on runAction to find what leaks. This one makes things leak.

let sandbox: Sandbox
let folder: string
beforeAll(async () => {
  sandbox = await startSandbox()
  folder = await mkdtemp(join(tmpdir(), 'scan-'))
})
afterAll(async () => {
  await sandbox.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('the scan of a run finds', () => {
  test('what log, outputs, summary and PostgreSQL show', async () => {
    const secrets = [
      'as system:serviceaccount',
      'everywhere-postgresql-secret',
      'Use it in your Deployment',
      'CREATE DATABASE',
    ]
    const run = runAction({ sandbox, inputs: inputsFor(sandbox, 'everywhere'), secrets })
    const message = await run.then(
      () => 'nothing',
      (error: unknown) => (error as Error).message,
    )
    for (const place of ['stdout', 'outputs', 'summary', "PostgreSQL's log"]) {
      expect(message).toMatch(new RegExp(`^${place}, after `, 'm'))
    }
  })

  test.each([
    ['in base64', (secret: string) => Buffer.from(`x${secret}`).toString('base64')],
    ['in hex', (secret: string) => Buffer.from(secret).toString('hex')],
    ['in URL form', encodeURIComponent],
  ])('what the log shows %s', async (_, form) => {
    const secret = 'a secret that nobody masks'
    const undo = sandbox.api.intercept(({ path }) =>
      path.endsWith('/portforward')
        ? { status: 403, body: { kind: 'Status', message: form(secret), code: 403 } }
        : undefined,
    )
    const run = runAction({ sandbox, inputs: inputsFor(sandbox, 'planted'), secrets: [secret] })
    await expect(run.finally(undo)).rejects.toThrow(/^stdout/m)
  })

  test('a file that was left behind, and a credential in it', async () => {
    const plugin = join(folder, 'littering')
    const token = tokenOf(sandbox.kubeconfig)
    const answer = {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status: { token },
    }
    await writeFile(
      plugin,
      `#!/bin/sh\nmkdir "$TMPDIR/deep"\necho '${token}' > "$TMPDIR/deep/token"\necho '${JSON.stringify(answer)}'\n`,
    )
    await chmod(plugin, 0o755)
    const exec = { apiVersion: answer.apiVersion, command: plugin, interactiveMode: 'Never' }
    const kubeconfig = withUser(sandbox.kubeconfig, { exec })
    const run = runAction({ sandbox, inputs: { ...inputsFor(sandbox, 'planted'), kubeconfig } })
    await expect(run).rejects.toThrow(/deep\/token, a file that was left behind\n.*deep\/token, after ""/)
  })
})

describe("a runner's reading of", () => {
  test.each([
    ['::add-mask::a%0Ab%25', { name: 'add-mask', properties: '', data: 'a\nb%' }],
    ['  ::error title=a%3A b::x::y', { name: 'error', properties: 'title=a%3A b', data: 'x::y' }],
    ['::endgroup::', { name: 'endgroup', properties: '', data: '' }],
    ['before ##[group]title', { name: 'group', properties: '', data: 'title' }],
    ['##[error a=b]x', { name: 'error', properties: 'a=b', data: 'x' }],
  ])('the command %j', (line, command) => {
    expect(commandsOf(`before\n${line}\nafter`)).toEqual([command])
  })

  test.each(['✓ role', 'a ::error::x', ': :error::x', '## [error]x', '::', 'https://[::1]:6443'])(
    'the line %j: no command',
    (line) => {
      expect(commandsOf(line)).toEqual([])
    },
  )

  test('outputs of several lines', () => {
    const file = 'one<<end_1\nfirst\nsecond\nend_1\ntwo<<end_2\n\nend_2\nthree<<end_3\na=b<<c\nend_3\n'
    expect(parseOutputs(file)).toEqual({ one: 'first\nsecond', two: '', three: 'a=b<<c' })
  })

  test('an output that does not end: an error, as in the runner', () => {
    expect(() => parseOutputs('one<<end_1\nfirst\n')).toThrow('output "one" does not end')
  })
})
