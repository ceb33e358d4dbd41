import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
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

test('what node-postgres and libpq would read has no say', async () => {
  const env = {
    PGOPTIONS: '-c default_transaction_read_only=on',
    PGSSLMODE: 'disable',
    PGHOST: 'elsewhere.invalid',
    PGUSER: 'nobody',
    PGDATABASE: 'nowhere',
    PGREPLICATION: 'database',
    PGCLIENT_ENCODING: 'LATIN1',
  }
  const run = await runAction({ sandbox, inputs: inputsFor(sandbox, 'libpq'), env })
  expect(run.code).toBe(0)
  expect(run.log).toContain('TLS 1.3')
})

test('NODE_EXTRA_CA_CERTS adds nothing beside the authority that a kubeconfig gives', async () => {
  const right = Buffer.from(authorityIn(sandbox.kubeconfig), 'base64').toString()
  const file = join(folder, 'extra.pem')
  await writeFile(file, right)
  const other = Buffer.from(createAuthority('somebody else').pem).toString('base64')
  const kubeconfig = sandbox.kubeconfig.replace(authorityIn(sandbox.kubeconfig), other)
  const run = await act({ NODE_EXTRA_CA_CERTS: file }, { kubeconfig, 'dry-run': 'true' })
  expect(run.log).toContain('[api-server-untrusted]')
})

describe('the authority that is expected', () => {
  const fingerprint = (): string => {
    const pem = Buffer.from(authorityIn(sandbox.kubeconfig), 'base64')
    return new X509Certificate(pem).fingerprint256
  }

  test.each<[string, (text: string) => string]>([
    ['as openssl prints it', (text) => text],
    ['in lower case', (text) => text.toLowerCase()],
    ['without colons', (text) => text.replaceAll(':', '')],
  ])('is taken %s, and the line says that it was compared', async (_, spell) => {
    const run = await act({}, { 'expect-ca': spell(fingerprint()), 'dry-run': 'true' })
    expect(run.code).toBe(0)
    expect(run.log).toMatch(/^✓ cluster .*expect-ca/m)
  })

  test('is refused for another one at the same URL, before anything is sent', async () => {
    const other = Buffer.from(createAuthority('somebody else').pem).toString('base64')
    const kubeconfig = sandbox.kubeconfig.replace(authorityIn(sandbox.kubeconfig), other)
    const before = sandbox.api.requests.length
    const run = await act({}, { kubeconfig, 'expect-ca': fingerprint() })
    expect(run.log).toContain('[server-unexpected]')
    expect(sandbox.api.requests.length).toBe(before)
  })
})

describe('what is no regular file ends the run at once', () => {
  test.each(['the kubeconfig', 'its token', 'its authority', 'the go-live file'])(
    'a pipe as %s',
    async (what) => {
      const pipe = join(folder, `pipe of ${what}`)
      execFileSync('mkfifo', [pipe])
      const given = Buffer.from(sandbox.kubeconfig)
      const kubeconfig = {
        'the kubeconfig': pipe,
        'its token': given.toString().replace(/token: .*/, `tokenFile: '${pipe}'`),
        'its authority': given
          .toString()
          .replace(/certificate-authority-data: .*/, `certificate-authority: '${pipe}'`),
        'the go-live file': given.toString(),
      }[what]
      const gate = what === 'the go-live file' ? { 'go-live': 'warn', 'go-live-file': pipe } : {}
      const run = await act({}, { kubeconfig: kubeconfig ?? '', 'go-live-profile': 'standard', ...gate })
      expect(run.code).toBe(1)
      expect(run.log).toContain('it is no regular file')
      expect(run.log).toContain('Nothing was changed.')
    },
  )

  test.each(['a file', 'nothing'])('nor is a link to %s followed where outputs go', async (leads) => {
    const target = join(folder, `behind ${leads}`)
    if (leads === 'a file') await writeFile(target, 'as it was')
    const link = join(folder, `link to ${leads}`)
    await symlink(target, link)
    const args = ['provision', ...optionsFor(sandbox, 'environment'), '--dry-run', `--dotenv=${link}`]
    const run = await runCommand({ sandbox, args, env: { CI: 'true', KUBECONFIG: sandbox.kubeconfig } })
    expect(run.stdout).toContain('[outputs-unwritable]')
    expect(await readFile(target, 'utf8').catch(() => 'nothing')).toBe(
      leads === 'a file' ? 'as it was' : 'nothing',
    )
  })
})

/** Gives the authority in a kubeconfig, as it stands there. */
function authorityIn(kubeconfig: string): string {
  return /certificate-authority-data: "?([A-Za-z0-9+/=]+)/.exec(kubeconfig)?.[1] ?? ''
}
