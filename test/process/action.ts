import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parse, stringify } from 'yaml'
import { commandsOf, furnish, parseOutputs, prepareStep, type Command } from '../../sandbox/runner.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import type { OutputName } from '../../src/input/outputs.ts'
import type { ParameterName } from '../../src/input/parameters.ts'
import { Canaries } from '../support/canary.ts'
import { expectReports } from '../support/go-live-report.ts'

/** What one run of the built action is given. */
export interface ActionSetting {
  readonly inputs?: Partial<Readonly<Record<ParameterName, string>>>
  readonly env?: NodeJS.ProcessEnv
  /** A module that Node.js runs first. */
  readonly script?: string
  /** Whose credentials must not show anywhere, beside those that the run masks itself. */
  readonly sandbox?: Sandbox
  /** Further credentials that must not show anywhere. */
  readonly secrets?: readonly string[]
}

/** What a runner, and the step after this one, see of a run. */
export interface ActionRun {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** The log as people read it: without workflow commands. */
  readonly log: string
  readonly commands: readonly Command[]
  readonly masks: readonly string[]
  readonly outputs: Partial<Readonly<Record<OutputName, string>>>
  readonly summary: string
  /** The files of the go-live report by their names: the only ones that a run may leave behind. */
  readonly reports: Readonly<Record<string, string>>
  readonly seconds: number
}

/** A run that is under way. */
export interface StartedAction {
  readonly child: ChildProcess
  /** What was written to stdout so far. */
  stdout(): string
  /** Resolves when it has ended, and rejects if a credential shows anywhere or a file is left behind. */
  readonly ended: Promise<ActionRun>
}

/** Runs the built action the way a runner does, and waits for its end. */
export async function runAction(setting: ActionSetting): Promise<ActionRun> {
  return (await startAction(setting)).ended
}

/** Starts the built action the way a runner does: environment in, files out, a folder for temporary files. */
export async function startAction(setting: ActionSetting): Promise<StartedAction> {
  const { sandbox } = setting
  const home = await mkdtemp(join(tmpdir(), 'action-'))
  const paths = await furnish(home)
  const { main, env } = await prepareStep(paths, setting.inputs ?? {})
  const mark = (await sandbox?.postgres.logSize()) ?? 0
  const start = performance.now()
  const child = spawn(process.execPath, [...importing(setting.script), main], {
    cwd: paths.work,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, ...setting.env },
  })
  const written = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => (written[stream] += text))
  }
  const end = async (): Promise<ActionRun> => {
    try {
      const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
      const { stdout, stderr } = written
      const outputs = await readFile(paths.output, 'utf8')
      const summary = await readFile(paths.summary, 'utf8')
      const commands = [...commandsOf(stdout), ...commandsOf(stderr)]
      const masks = commands.filter(({ name }) => name === 'add-mask').map(({ data }) => data)
      const left = { ...(await contentOf(paths.work)), ...(await contentOf(paths.temp)) }
      const reports = Object.fromEntries(
        Object.entries(left).filter(([name]) =>
          /(^|\/)pg-app-user-go-live-\w+\/(go-live\.(json|xml|html)|(attest|rights)\.yaml)$/.test(name),
        ),
      )
      const canaries = canariesFor([...secretsOf(sandbox), ...(setting.secrets ?? []), ...masks])
      const leaks = [
        ...Object.keys(left)
          .filter((name) => !(name in reports))
          .map((name) => `${name}, a file that was left behind`),
        ...canaries.leaks({ stdout: withoutMasks(stdout), stderr, outputs, summary, ...left }),
        ...canaries.leaks({ "PostgreSQL's log": (await sandbox?.postgres.logSince(mark)) ?? '' }, isVerifier),
      ]
      if (leaks.length > 0) throw new Error(`${leaks.join('\n')}\n\n${withoutMasks(stdout)}${stderr}`)
      expectReports(reports)
      return {
        code,
        signal,
        stdout,
        stderr,
        log: stdout
          .split('\n')
          .filter((line) => commandsOf(line).length === 0)
          .join('\n'),
        commands,
        masks,
        outputs: parseOutputs(outputs),
        summary,
        reports: Object.fromEntries(
          Object.entries(reports).map(([name, content]) => [basename(name), content]),
        ),
        seconds: (performance.now() - start) / 1000,
      }
    } finally {
      await rm(home, { recursive: true, force: true })
    }
  }
  return { child, stdout: () => written.stdout, ended: end() }
}

/** Gives the words that make Node.js run a module before all else. */
export function importing(script: string | undefined): readonly string[] {
  return script === undefined ? [] : ['--import', `data:text/javascript,${encodeURIComponent(script)}`]
}

/** Gives the inputs that provision an application of this name in the sandbox. */
export function inputsFor(sandbox: Sandbox, name: string): NonNullable<ActionSetting['inputs']> {
  return {
    kubeconfig: sandbox.kubeconfig,
    'access-secret': sandbox.accessSecret,
    'access-namespace': sandbox.accessNamespace,
    'app-database': name,
    'app-secret': `${name}-postgresql-secret`,
  }
}

function withoutMasks(stdout: string): string {
  return stdout
    .split('\n')
    .filter((line) => !line.startsWith('::add-mask::'))
    .join('\n')
}

function secretsOf(sandbox: Sandbox | undefined): readonly string[] {
  return sandbox === undefined
    ? []
    : [sandbox.admin.password, tokenOf(sandbox.kubeconfig), sandbox.api.adminToken]
}

/** A key of several lines is given away by any of them; its frame and its short last line give nothing away. */
function canariesFor(secrets: readonly string[]): Canaries {
  const canaries = new Canaries()
  for (const secret of secrets) {
    const lines = secret.split('\n').filter((line) => line.length >= 16 && !line.startsWith('-----'))
    for (const text of [secret, ...lines]) if (text.length >= 6) canaries.plant(text)
  }
  return canaries
}

/** A verifier lets nobody in; the server has to be told it, and logs the statement that does. */
function isVerifier(secret: string): boolean {
  return secret.startsWith('SCRAM-SHA-256$')
}

async function contentOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
  const contents: Record<string, string> = {}
  for (const file of files) contents[file] = await readFile(file, 'utf8')
  return contents
}

/** A kubeconfig as far as tests change it. */
export interface Kubeconfig {
  clusters: { name: string; cluster: Record<string, unknown> }[]
  users: { name: string; user: Record<string, unknown> }[]
  contexts: { name: string; context: Record<string, unknown> }[]
  'current-context'?: string
}

/** Gives a kubeconfig that differs from another one in what the function changes. */
export function changed(kubeconfig: string, change: (config: Kubeconfig) => void): string {
  const config = parse(kubeconfig) as Kubeconfig
  change(config)
  return stringify(config)
}

/** Gives a kubeconfig for another address of the API server. */
export function leadingTo(kubeconfig: string, server: string): string {
  return changed(kubeconfig, (config) => {
    for (const { cluster } of config.clusters) cluster['server'] = server
  })
}

/** Gives the token in a kubeconfig of the sandbox. */
export function tokenOf(kubeconfig: string): string {
  const [entry] = (parse(kubeconfig) as Kubeconfig).users
  return String(entry?.user['token'])
}

/** Gives the first user of a kubeconfig other fields. */
export function withUser(kubeconfig: string, user: Record<string, unknown>): string {
  return changed(kubeconfig, (config) => {
    config.users = config.users.map(({ name }) => ({ name, user }))
  })
}

/** Says what a run changed for good: the writes that the API server took, and statements that change anything. */
export async function watchChanges(sandbox: Sandbox): Promise<() => Promise<readonly string[]>> {
  const { api, postgres } = sandbox
  const requests = api.requests.length
  const mark = await postgres.logSize()
  return async () => {
    const writes = api.requests
      .slice(requests)
      .filter(({ write, status }) => write && status >= 200 && status < 300)
      .map(({ method, path }) => `${method} ${path}`)
    const log = await postgres.logSince(mark)
    const statements = log.match(
      /(?:statement|execute [^:]*): *(?:CREATE|ALTER|DROP|GRANT|REVOKE|COMMENT).*/gi,
    )
    return [...writes, ...(statements ?? [])]
  }
}
