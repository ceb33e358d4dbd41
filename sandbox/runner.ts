import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

/** What a step of a workflow gives the action under `with:`. */
export type Inputs = Readonly<Record<string, string>>

/** What a runner has in its hands when a step has ended. */
export interface StepResult {
  readonly exitCode: number
  /** The lines a reader of the job sees: without the workflow commands that only the runner reads. */
  readonly lines: readonly string[]
  /** What the runner was told to mask, in the order of the commands. */
  readonly masked: readonly string[]
  readonly outputs: Readonly<Record<string, string>>
  readonly summary: string
  /** From the start of the process to its end. */
  readonly seconds: number
  /** How many TCP ports or sockets the process opened for others to connect to. */
  readonly listeners: number
}

/** A workflow command as a runner reads it from a line of the log. */
export interface Command {
  readonly name: string
  readonly properties: string
  readonly data: string
}

/** What the files of a step are called, for outputs and for the summary. */
export const outputFile = 'output'
export const summaryFile = 'summary.md'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Tells file descriptor 3 about every server that the process opens. */
const watcher = `
import { channel } from 'node:diagnostics_channel'
import { writeSync } from 'node:fs'
writeSync(3, 'watching\\n')
channel('tracing:net.server.listen:asyncStart').subscribe(() => writeSync(3, 'listening\\n'))
`

/**
 * Runs the built action as a GitHub runner does: what action.yml names as `main`, a clean environment with `INPUT_*`
 * variables for every input, and files for outputs and summary. All of its files are below the folder.
 */
export async function runStep(folder: string, inputs: Inputs, signal: AbortSignal): Promise<StepResult> {
  const paths = await furnish(folder)
  const { main, env } = await prepareStep(paths, inputs)
  const started = performance.now()
  const child = spawn(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(watcher)}`, main],
    {
      cwd: paths.work,
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      // A sandbox that is going away has nothing worth a rollback.
      killSignal: 'SIGKILL',
      signal,
    },
  )
  const [log, watched, [exitCode]] = await Promise.all([
    // The runner reads both streams as one log; this action writes to the second only when it crashes.
    Promise.all([child.stdio[1], child.stdio[2]].map(readAll)).then((streams) => streams.join('')),
    readAll(child.stdio[3]),
    once(child, 'close') as Promise<[number | null]>,
  ])
  const seconds = (performance.now() - started) / 1000
  const [watching, ...listeners] = watched.trimEnd().split('\n')
  if (watching !== 'watching') throw new Error('The watch over the ports of the action did not start.')
  const lines = log.trimEnd().split('\n')
  return {
    exitCode: exitCode ?? 1,
    lines: lines.filter((line) => commandsOf(line).length === 0),
    masked: commandsOf(log).flatMap(({ name, data }) => (name === 'add-mask' ? [data] : [])),
    outputs: parseOutputs(await readFile(paths.output, 'utf8')),
    summary: await readFile(paths.summary, 'utf8'),
    seconds,
    listeners: listeners.length,
  }
}

async function readAll(stream: unknown): Promise<string> {
  return await text(stream as Readable)
}

/** The folders and files of one step. Only `work` and `temp` are the step's own to write to. */
export interface Paths {
  readonly home: string
  readonly work: string
  readonly temp: string
  readonly output: string
  readonly summary: string
  readonly event: string
}

/** Makes the folders and files of a step. */
export async function furnish(folder: string): Promise<Paths> {
  const folders = { home: join(folder, 'home'), work: join(folder, 'work'), temp: join(folder, 'temp') }
  const own = join(folder, 'runner')
  for (const path of [...Object.values(folders), own]) await mkdir(path, { recursive: true })
  const files = {
    output: join(own, outputFile),
    summary: join(own, summaryFile),
    event: join(own, 'event.json'),
  }
  await Promise.all([
    writeFile(files.output, ''),
    writeFile(files.summary, ''),
    writeFile(files.event, JSON.stringify({ repository: { full_name: 'acme/shop' } })),
  ])
  return { ...folders, ...files }
}

/**
 * Gives what a runner starts for a step: the file that action.yml names, and an environment in which every input of
 * action.yml is a variable: as given, else its default, else empty.
 */
export async function prepareStep(
  paths: Paths,
  inputs: Inputs,
): Promise<{ readonly main: string; readonly env: Record<string, string> }> {
  const action = parse(await readFile(join(root, 'action.yml'), 'utf8')) as {
    inputs: Record<string, { default?: string }>
    runs: { main: string }
  }
  const values = Object.entries(action.inputs).map(
    ([name, { default: value = '' }]) => [`INPUT_${name.toUpperCase()}`, inputs[name] ?? value] as const,
  )
  return {
    main: join(root, action.runs.main),
    env: { ...environment(paths), ...Object.fromEntries(values) },
  }
}

/** The variables that a runner sets; names and values as GitHub documents them. */
function environment({ home, work, temp, output, summary, event }: Paths): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    TMPDIR: temp,
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_ACTOR: 'kim',
    GITHUB_EVENT_NAME: 'push',
    GITHUB_EVENT_PATH: event,
    GITHUB_OUTPUT: output,
    GITHUB_REF: 'refs/heads/main',
    GITHUB_REF_NAME: 'main',
    GITHUB_REPOSITORY: 'acme/shop',
    GITHUB_RUN_ID: '8123',
    GITHUB_STEP_SUMMARY: summary,
    GITHUB_WORKSPACE: work,
    RUNNER_TEMP: temp,
  }
}

/**
 * Reads workflow commands as a runner does: `::name properties::data` at the beginning of a line, spaces aside, and
 * `##[name properties]data` anywhere. Source: actions/runner, ActionCommand.cs.
 */
export function commandsOf(text: string): readonly Command[] {
  return text.split(/\r\n|\r|\n/).flatMap((line) => {
    const [, name, properties = '', data = ''] =
      /^\s*::([^\s:]+)(?: (.*?))?::(.*)$/.exec(line) ?? /##\[([^\s\]]+)(?: ([^\]]*))?\](.*)$/.exec(line) ?? []
    return name === undefined ? [] : [{ name, properties, data: unescaped(data) }]
  })
}

function unescaped(data: string): string {
  return data.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%')
}

/** Reads the file of outputs as the next step would: `name<<delimiter`, lines, `delimiter`. */
export function parseOutputs(text: string): Record<string, string> {
  const lines = text.split('\n')
  const outputs: Record<string, string> = {}
  while (lines.length > 1) {
    const [, name = '', delimiter = ''] = /^([^<=]+)<<(.+)$/.exec(lines.shift() ?? '') ?? []
    const end = lines.indexOf(delimiter)
    if (end === -1) throw new Error(`output "${name}" does not end`)
    outputs[name] = lines
      .splice(0, end + 1)
      .slice(0, -1)
      .join('\n')
  }
  return outputs
}
