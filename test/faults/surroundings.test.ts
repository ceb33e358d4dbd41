import { chmod, lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { ProvisionRequest } from '../../src/input/request.ts'
import { reportFiles } from '../../src/report/report-files.ts'
import { formatSummary, longestSummary } from '../../src/report/summary.ts'
import { inputsFor, runAction, withUser, type ActionRun } from '../process/action.ts'
import { optionsFor, runCommand, type CommandRun } from '../process/command.ts'
import { useBench, type Application } from '../support/bench.ts'
import { until } from '../support/gate.ts'
import { provisioned } from '../support/outcomes.ts'
import { startProcess } from './process.ts'
import { distant, farName, openProxy, openSocksProxy, type Proxy } from './proxy.ts'

const bench = useBench()
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'surroundings-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** Runs the built action for an application. */
async function act(
  application: Application,
  env: NodeJS.ProcessEnv = {},
  overrides: Partial<ProvisionRequest> = {},
  secrets: readonly string[] = [],
  script?: string,
): Promise<ActionRun> {
  const { sandbox } = bench
  const request = { ...application.request, ...overrides }
  const { ended } = await startProcess(sandbox, request, {
    sandbox,
    env,
    secrets,
    ...(script !== undefined && { script }),
  })
  return await ended
}

describe('an exec plugin that', () => {
  const printed = 'a-credential-that-nobody-was-to-see'

  test.each<[string, string]>([
    ['hangs', 'exec sleep 60'],
    ['hangs and does not stop when it is told to', `trap '' TERM INT HUP; sleep 60; sleep 60`],
    ['floods its output', `head -c 100000000 /dev/zero | tr '\\0' 'x'`],
    ['floods its output without an end', 'exec yes'],
    ['prints rubbish', `echo '}{ ${printed}'`],
    ['prints something else', `echo '{"kind":"List","items":["${printed}"]}'`],
    ['prints nothing', 'true'],
    ['prints a credential to both streams and fails', `echo ${printed}; echo ${printed} >&2; exit 3`],
    [
      'prints a token with a line end',
      `echo '{"kind":"ExecCredential","status":{"token":"${printed}\\n::add-mask::x"}}'`,
    ],
  ])('%s: its own error in time, and nothing is left running', async (_, script) => {
    const plugin = join(folder, 'plugin')
    await writeFile(plugin, `#!/bin/sh\necho $$ > '${folder}/pid'\n${script}\n`)
    await chmod(plugin, 0o755)
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: plugin, interactiveMode: 'Never' }
    const input = withUser(bench.sandbox.kubeconfig, { exec })
    const run = await act(
      bench.application(),
      { RUNNER_DEBUG: '1' },
      { kubeconfig: { input, absenceHint: [] }, timeoutMs: 3_000 },
      [printed],
    )
    expect(run.code).toBe(1)
    expect(run.log).toMatch(/\[(cluster-credential-failed|token-rejected|timeout)\]/)
    expect(run.log).toContain('Nothing was changed.')
    expect(run.seconds).toBeLessThan(15)
    const pid = Number(await readFile(join(folder, 'pid'), 'utf8'))
    // What was killed still has to die, and that takes a turn of the processor.
    await until(() => Promise.resolve(!isRunning(pid)))
  })
})

describe('where a report or the outputs should go, there is', () => {
  /** Runs the built command line with the gate, which reports only. */
  async function gate(...args: readonly string[]): Promise<CommandRun> {
    const { sandbox } = bench
    const options = [
      ...optionsFor(sandbox, bench.name('gated')),
      '--go-live=warn',
      '--go-live-profile=standard',
    ]
    const env = { CI: 'true', KUBECONFIG: sandbox.kubeconfig }
    return await runCommand({ sandbox, args: ['provision', ...options, ...args], env })
  }

  test('a link: it is replaced, and what it leads to stays as it is', async () => {
    const [directory, precious] = [join(folder, 'linked'), join(folder, 'precious')]
    await mkdir(directory)
    await writeFile(precious, 'precious')
    await symlink(precious, join(directory, reportFiles.html))
    await symlink(join(folder, 'nowhere'), join(directory, reportFiles.json))
    expect(await gate(`--report-directory=${directory}`)).toMatchObject({ code: 0 })
    for (const name of Object.values(reportFiles)) {
      expect((await lstat(join(directory, name))).isFile()).toBe(true)
    }
    expect(await readFile(precious, 'utf8')).toBe('precious')
    await expect(lstat(join(folder, 'nowhere'))).rejects.toThrow('ENOENT')
  })

  test.each([
    [
      'a folder in place of a file',
      (directory: string) => mkdir(join(directory, reportFiles.json), { recursive: true }),
    ],
    ['a file in place of the folder', (directory: string) => writeFile(directory, '')],
  ])('%s: an error of its own, and what was done is said', async (name, make) => {
    const directory = join(folder, name)
    await make(directory)
    const { code, stdout } = await gate(`--report-directory=${directory}`)
    expect(code).not.toBe(0)
    expect(stdout).toContain('[report-unwritable]')
    expect(stdout).toContain('Role, database, grants and Secret were created.')
  })

  test('a full disk: an error of its own, and what was done is said', async () => {
    const { code, stdout } = await gate('--dotenv=/dev/full')
    expect(code).not.toBe(0)
    expect(stdout).toContain('[outputs-unwritable]')
    expect(stdout).toContain('Role, database, grants and Secret were created.')
  })

  test("nothing to write to: the action's summary has it all, and the step passes", async () => {
    const { sandbox } = bench
    const inputs = {
      ...inputsFor(sandbox, bench.name('gated')),
      'go-live': 'warn',
      'go-live-profile': 'standard',
    }
    const run = await runAction({ sandbox, inputs, env: { RUNNER_TEMP: '/dev/full' } })
    expect(run).toMatchObject({ code: 0, reports: {}, outputs: { 'report-directory': '' } })
    expect(run.summary).toContain('Would be held back')
    expect(run.log).toContain('Would be held back')
    expect(run.commands.filter(({ name }) => name === 'warning').map(({ data }) => data)).toContain(
      'The files of the go-live report could not be written; the job summary has everything.',
    )
  })
})

describe('a disk that is full', () => {
  test('for the outputs: the step fails, and says what was changed', async () => {
    const run = await act(bench.application(), { GITHUB_OUTPUT: '/dev/full' })
    expect(run).toMatchObject({ code: 1 })
    expect(run.log).toContain('[outputs-unwritable]')
    expect(run.log).toContain('Role, database, grants and Secret were created.')
  })

  test('for the summary: no reason to fail', async () => {
    expect(await act(bench.application(), { GITHUB_STEP_SUMMARY: '/dev/full' })).toMatchObject({ code: 0 })
  })

  test('for temporary files, or none at all: they are not used', async () => {
    expect(await act(bench.application(), { TMPDIR: '/dev/full' })).toMatchObject({ code: 0 })
  })
})

test('a summary stays below what GitHub takes, however much there is to tell', () => {
  const notes = Array.from({ length: 40_000 }, (_, index) => `role_${index} owns tables in this database`)
  const summary = formatSummary({ ...provisioned, notes })
  expect(Buffer.byteLength(summary)).toBeLessThanOrEqual(longestSummary)
  expect(summary).toContain('is provisioned')
  expect(summary.trimEnd()).toMatch(/cut off here: .* 1 MiB\.$/)
})

test.each([-6, 6])('a clock that is off by %i hours', async (hours) => {
  const shift = `
    const RealDate = Date
    const off = ${hours * 3_600_000}
    globalThis.Date = class extends RealDate {
      constructor(...given) { if (given.length === 0) super(RealDate.now() + off); else super(...given) }
      static now() { return RealDate.now() + off }
    }`
  const application = bench.application()
  const first = await act(application, {}, {}, [], shift)
  expect(first).toMatchObject({ code: 0, outputs: { changed: 'true' } })
  expect(await act(application, {}, {}, [], shift)).toMatchObject({ code: 0, outputs: { changed: 'false' } })
  expect(await application.login()).toBe('in')
})

describe('a proxy that has to be used', () => {
  const password = 'proxy/p@ss:w%rd'
  let proxy: Proxy
  let socks: Proxy
  beforeAll(async () => {
    proxy = await openProxy('kim', password)
    socks = await openSocksProxy()
  })
  afterAll(() => Promise.all([proxy.close(), socks.close()]))

  const far = (): Partial<ProvisionRequest> => ({
    kubeconfig: { input: distant(bench.sandbox.kubeconfig), absenceHint: [] },
  })

  test.each(['http', 'socks5'])('carries every request and every tunnel: %s', async (kind) => {
    const { api } = bench.sandbox
    const used = kind === 'http' ? proxy : socks
    const before = api.connections
    const application = bench.application()
    used.asked.length = 0
    const run = await act(application, { HTTPS_PROXY: used.url, RUNNER_DEBUG: '1' }, far(), [password])
    expect(run.code).toBe(0)
    expect(used.asked).toHaveLength(api.connections - before)
    expect(new Set(used.asked.map(({ to, status }) => `${to} ${status}`))).toEqual(
      new Set([`${farName}:${new URL(api.url).port} 200`]),
    )
  })

  test('is left out for a server on loopback, as kubectl does', async () => {
    proxy.asked.length = 0
    const run = await act(bench.application(), { HTTPS_PROXY: proxy.url })
    expect(run.code).toBe(0)
    expect(proxy.asked).toEqual([])
  })

  test('that refuses the password: an error of its own, and the password nowhere', async () => {
    const wrong = 'another-proxy-password'
    const env = { HTTPS_PROXY: `http://kim:${wrong}@${proxy.host}`, RUNNER_DEBUG: '1' }
    const run = await act(bench.application(), env, far(), [wrong])
    expect(run.code).toBe(1)
    expect(run.log).toContain('the proxy answered 407')
    expect(run.log).toContain('Nothing was changed.')
  })
})

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
