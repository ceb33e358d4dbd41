import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { spawn as spawnOnTerminal } from '@lydell/node-pty'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { Canaries } from '../support/canary.ts'
import { expectReports } from '../support/go-live-report.ts'
import { importing, tokenOf } from './action.ts'

/** How the built command line is started. */
export interface CommandSetting {
  readonly args: readonly string[]
  /** Besides PATH and HOME: what is not given here is not set. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** What nobody reads to its end: the reader goes away, as `head` does, before anything is written. */
  readonly unread?: 'stdout' | 'stderr'
  /** A module that Node.js runs first. */
  readonly script?: string
  /** Whose credentials must not show anywhere. */
  readonly sandbox: Sandbox
  /** Further credentials that must not show anywhere. */
  readonly secrets?: readonly string[]
  /** Whether the password of the application cannot be told from other text, so that a search would find it anywhere. */
  readonly commonplace?: boolean
}

/** What came of a command. */
export interface CommandRun {
  /** As a shell gives it: 128 and the number of the signal, where one ended it. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** The files of its folder, by their paths in it. */
  readonly files: Readonly<Record<string, string>>
}

/** A command that runs on a terminal of its own. */
export interface TerminalSession {
  /** What was shown so far, as it was sent. */
  shown(): string
  /** Waits until this was shown. */
  see(text: string): Promise<void>
  type(keys: string): void
  /** Resolves when the command has ended; its stdout is all that was shown, without control characters. */
  readonly ended: Promise<CommandRun>
}

/** The built command line. */
export const program = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

/** Gives the options that provision an application of this name in the sandbox. */
export function optionsFor(sandbox: Sandbox, name: string): string[] {
  return [
    `--access-secret=${sandbox.accessSecret}`,
    `--access-namespace=${sandbox.accessNamespace}`,
    `--app-database=${name}`,
    `--app-secret=${name}-postgresql-secret`,
  ]
}

/** Runs the built command line in a pipe, and fails if a credential shows. */
export async function runCommand(setting: CommandSetting): Promise<CommandRun> {
  return await inFolder(async (home) => {
    const child = spawn(process.execPath, [...importing(setting.script), program, ...setting.args], {
      cwd: home,
      env: { PATH: process.env['PATH'], HOME: home, ...setting.env },
    })
    const written = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (text: string) => (written[stream] += text))
      if (setting.unread === stream) child[stream].destroy()
    }
    child.stdin.on('error', () => undefined).end(setting.input)
    const [code] = (await once(child, 'close')) as [number | null]
    return checked(setting, { code: code ?? -1, ...written, files: await filesOf(home) })
  })
}

/** Starts the built command line on a pseudo-terminal. */
export function startOnTerminal(setting: CommandSetting): TerminalSession {
  const { promise: started, resolve: start } = Promise.withResolvers<ReturnType<typeof spawnOnTerminal>>()
  let shown = ''
  let terminal: ReturnType<typeof spawnOnTerminal> | undefined
  const watchers = new Set<() => void>()
  const ended = inFolder(async (home) => {
    const { TERM = 'xterm-256color' } = setting.env ?? {}
    terminal = spawnOnTerminal(process.execPath, [program, ...setting.args], {
      name: TERM,
      cols: 120,
      rows: 40,
      cwd: home,
      env: { PATH: process.env['PATH'] ?? '', HOME: home, ...setting.env, TERM },
    })
    start(terminal)
    terminal.onData((data) => {
      shown += data
      for (const watcher of watchers) watcher()
    })
    const { promise, resolve } = Promise.withResolvers<number>()
    terminal.onExit(({ exitCode, signal }) => {
      resolve(signal ? 128 + signal : exitCode)
    })
    const code = await promise
    const stdout = stripVTControlCharacters(shown).replaceAll('\r\n', '\n')
    return checked(setting, { code, stdout, stderr: '', files: await filesOf(home) })
  })
  return {
    shown: () => shown,
    see: async (text) => {
      await started
      const { promise, resolve, reject } = Promise.withResolvers<undefined>()
      const watcher = (): void => {
        if (shown.includes(text)) resolve(undefined)
      }
      watchers.add(watcher)
      watcher()
      void ended.then(() => {
        reject(new Error(`"${text}" was never shown:\n${shown}`))
      }, reject)
      await promise.finally(() => watchers.delete(watcher))
    },
    type: (keys) => terminal?.write(keys),
    ended,
  }
}

async function inFolder<Result>(work: (home: string) => Promise<Result>): Promise<Result> {
  const home = await mkdtemp(join(tmpdir(), 'command-'))
  try {
    return await work(home)
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

async function filesOf(home: string): Promise<Record<string, string>> {
  const entries = await readdir(home, { withFileTypes: true, recursive: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
  const contents = files.map(async (file) => [relative(home, file), await readFile(file, 'utf8')] as const)
  return Object.fromEntries(await Promise.all(contents))
}

/** Fails if a credential of the sandbox, or of the application it was called for, shows in what a command left. */
function checked(
  { sandbox, args, secrets = [], commonplace = false }: CommandSetting,
  run: CommandRun,
): CommandRun {
  const [, secret] = commonplace ? [] : (/--app-secret=(\S+)/.exec(args.join(' ')) ?? [])
  const canaries = canariesOf(sandbox, secret === undefined ? [] : [secret])
  for (const each of secrets) canaries.plant(each)
  const leaks = canaries.leaks({ stdout: run.stdout, stderr: run.stderr, ...run.files })
  if (leaks.length > 0) throw new Error(`${leaks.join('\n')}\n\n${run.stdout}${run.stderr}`)
  expectReports(run.files)
  return run
}

/** Gives the canaries for the credentials of a sandbox, and for the passwords in these application Secrets. */
export function canariesOf(
  { admin, api, appNamespace, kubeconfig }: Sandbox,
  secrets: readonly string[],
): Canaries {
  const canaries = new Canaries()
  for (const credential of [admin.password, tokenOf(kubeconfig), api.adminToken]) canaries.plant(credential)
  for (const name of secrets) {
    const data = api.get('Secret', appNamespace, name)?.['data'] as Record<string, string> | undefined
    if (data?.['PGPASSWORD'] !== undefined)
      canaries.plant(Buffer.from(data['PGPASSWORD'], 'base64').toString())
  }
  return canaries
}
