import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { furnish, prepareStep, type Inputs } from '../sandbox/runner.ts'
import { openDistance, type Distance, type Traffic } from './distance.ts'
import { median, print } from './figures.ts'
import { nobody, openSite } from './site.ts'

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '15' },
    delays: { type: 'string', default: '0,20,50,100' },
    output: { type: 'string', default: 'build/bench.json' },
  },
})
const runs = Number(options.runs)
const delays = options.delays.split(',').map(Number)

const folder = fileURLToPath(new URL('.', import.meta.url))
const dist = fileURLToPath(new URL('../dist/', import.meta.url))

/** What one process took. */
interface Taken {
  readonly ms: number
  readonly code: number | null
  readonly output: string
}

/** What a tool took, as medians of all its runs. */
interface Figures extends Traffic {
  readonly ms: number
}

const site = await openSite(process.env['KUBECONFIG'])
const home = await mkdtemp(join(tmpdir(), 'pg-app-user-bench-'))
try {
  const rows = []
  print(`${site.name} · Node.js ${process.versions.node} · ${cpus().length} cores · medians of ${runs}\n`)
  print('                                  tool    shell   ratio   round trips  connections     kB')
  for (const delayMs of delays) {
    for (const first of [false, true]) {
      const row = {
        delayMs,
        case: first ? 'first provisioning' : 'nothing to do',
        ...(await compare(delayMs, first)),
      }
      rows.push(row)
      print(`${`${row.case}, ${delayMs} ms`.padEnd(30)} ${format(delayMs, row.tool, row.shell)}`)
    }
  }
  const start = await startUp()
  print(
    `\n${Object.entries(start)
      .map(([name, value]) => `${name.padEnd(38)} ${value}`)
      .join('\n')}`,
  )
  await mkdir(join(options.output, '..'), { recursive: true })
  await writeFile(options.output, JSON.stringify({ site: site.name, runs, rows, start }, undefined, 2))
} finally {
  await site.close()
  await rm(home, { recursive: true, force: true })
}

/** Runs the tool and the shell script in turn, so that whatever else the machine does is in the way of both. */
async function compare(
  delayMs: number,
  first: boolean,
): Promise<{ tool: Figures; shell: Figures | undefined }> {
  const distance = await openDistance(site.server, delayMs)
  const kubeconfig = await site.kubeconfig(distance.port)
  const tool: Figures[] = []
  const shell: Figures[] = []
  const known = { tool: site.application(), shell: site.application() }
  try {
    if (!first) {
      await runTool(distance, kubeconfig, known.tool)
      if (site.shell) await runShell(distance, kubeconfig, known.shell)
    }
    for (let run = 0; run < runs; run++) {
      tool.push(await runTool(distance, kubeconfig, first ? site.application() : known.tool))
      if (site.shell)
        shell.push(await runShell(distance, kubeconfig, first ? site.application() : known.shell))
    }
  } finally {
    await distance.close()
  }
  return { tool: medians(tool), shell: site.shell ? medians(shell) : undefined }
}

async function runTool(distance: Distance, kubeconfig: string, application: string): Promise<Figures> {
  const inputs = { ...site.inputs, kubeconfig, ...namesOf(application) }
  return await counted(distance, () => act(inputs))
}

async function runShell(distance: Distance, kubeconfig: string, application: string): Promise<Figures> {
  const path = join(home, 'kubeconfig')
  await writeFile(path, kubeconfig, { mode: 0o600 })
  const env = {
    // Empty, as on a fresh runner: kubectl keeps there what it has learned about the API server.
    HOME: await mkdtemp(join(home, 'runner-')),
    KUBECONFIG: path,
    ACCESS_NAMESPACE: site.inputs['access-namespace'],
    ACCESS_SECRET: site.inputs['access-secret'],
    APP_NAMESPACE: site.namespace,
    APP: application,
    APP_PASSWORD: 'of-no-use-to-anybody',
  }
  return await counted(distance, () => measure('sh', [join(folder, 'shell.sh')], env))
}

async function counted(distance: Distance, work: () => Promise<Taken>): Promise<Figures> {
  distance.take()
  const { ms, code, output } = await work()
  if (code !== 0) throw new Error(`exit code ${String(code)}:\n${output}`)
  return { ms, ...distance.take() }
}

/** What it costs to start: until the inputs are known to be wrong, and with everything loaded; and what it weighs. */
async function startUp(): Promise<Record<string, string>> {
  const took = { nothing: [] as number[], wrong: [] as number[], loaded: [] as number[] }
  // Nobody listens there, so that a run with the gate ends when everything is loaded and the first request is sent.
  const gated = { 'go-live': 'warn', 'go-live-profile': 'standard' }
  const unreachable = {
    ...site.inputs,
    ...namesOf('shop'),
    ...gated,
    kubeconfig: nobody,
    'app-namespace': 'shop',
  }
  for (let run = 0; run < runs; run++) {
    took.nothing.push((await measure(process.execPath, ['-e', '0'], {})).ms)
    took.wrong.push((await act({})).ms)
    took.loaded.push((await act(unreachable)).ms)
  }
  const [nothing, wrong, loaded] = [median(took.nothing), median(took.wrong), median(took.loaded)]
  let bytes = 0
  for (const name of await readdir(dist)) bytes += (await stat(join(dist, name))).size
  return {
    'node -e 0': `${nothing.toFixed(0)} ms`,
    'wrong inputs': `${wrong.toFixed(0)} ms, ${(wrong / nothing).toFixed(1)} times that`,
    'everything loaded': `${loaded.toFixed(0)} ms, ${(loaded / nothing).toFixed(1)} times that`,
    'memory at its peak': `${(await peakOf(true)).toFixed(0)} MiB provisioning, ${(await peakOf(false)).toFixed(0)} MiB with nothing to do`,
    'dist/': `${(bytes / 1024 / 1024).toFixed(2)} MiB`,
  }
}

/** Gives the memory that a run takes at its peak, in MiB. */
async function peakOf(first: boolean): Promise<number> {
  const peak = join(home, 'peak')
  const watch = join(home, 'watch.cjs')
  await writeFile(
    watch,
    `process.on('exit', () => require('fs').writeFileSync(${JSON.stringify(peak)}, String(process.resourceUsage().maxRSS)))`,
  )
  const name = site.application()
  const inputs = { ...site.inputs, kubeconfig: await site.kubeconfig(site.server.port), ...namesOf(name) }
  if (!first) await act(inputs)
  const { code, output } = await act(inputs, ['--require', watch])
  if (code !== 0) throw new Error(output)
  return Number(await readFile(peak, 'utf8')) / 1024
}

function namesOf(application: string): Inputs {
  return { 'app-database': application, 'app-secret': `${application}-postgresql-secret` }
}

/** Runs the action as a runner does. */
async function act(inputs: Inputs, flags: readonly string[] = []): Promise<Taken> {
  const { main, env } = await prepareStep(await furnish(home), inputs)
  return await measure(process.execPath, [...flags, main], env)
}

/** Runs a program to its end; what it waits for is not shortened by anything that an earlier one has left. */
async function measure(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Taken> {
  const start = performance.now()
  const child = spawn(program, args, {
    cwd: home,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...env },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  const [code] = (await once(child, 'close')) as [number | null]
  return { ms: performance.now() - start, code, output }
}

function medians(all: readonly Figures[]): Figures {
  const of = (name: keyof Figures): number => median(all.map((each) => each[name]))
  // What happens late for another reason than the distance can only be counted too often.
  const roundTrips = Math.min(...all.map((each) => each.roundTrips))
  return { ms: of('ms'), connections: of('connections'), bytes: of('bytes'), roundTrips }
}

function format(delayMs: number, tool: Figures, shell: Figures | undefined): string {
  const pair = (name: keyof Figures, unit = 1): string =>
    [tool, shell].map((each) => (each === undefined ? '–' : (each[name] / unit).toFixed(0))).join(' / ')
  const ms = ({ ms }: Figures): string => `${ms.toFixed(0)} ms`.padStart(8)
  return [
    ms(tool),
    shell === undefined ? '       –' : ms(shell),
    (shell === undefined ? '–' : (tool.ms / shell.ms).toFixed(2)).padStart(7),
    (delayMs === 0 ? 'not counted' : pair('roundTrips')).padStart(13),
    pair('connections').padStart(12),
    pair('bytes', 1000).padStart(7),
  ].join(' ')
}
