import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startSandbox } from '../sandbox/sandbox.ts'
import { accessSecret, cluster, Scene, secretName } from '../test/cluster/scene.ts'
import { optionsFor } from '../test/process/command.ts'
import { median, print } from './figures.ts'

/**
 * Measures what a command has of its database: how soon it is in, what COPY carries, and what pgbench gets done. Through
 * `exec`, and beside it what people use without: `kubectl port-forward` and psql on a real cluster, and on the sandbox, where
 * kubectl forwards no port, psql that reaches the server directly. Each time with the same lines, in turn.
 */
const { values: options } = parseArgs({
  options: { runs: { type: 'string', default: '5' }, rows: { type: 'string', default: '200000' } },
})
const rows = Number(options.rows)
const program = fileURLToPath(new URL('../dist/cli.js', import.meta.url))

/** Where it is measured, and the way beside. */
interface Ground {
  readonly name: string
  readonly beside: string
  readonly kubeconfig: string
  /** Of the command line, but for its command. */
  readonly options: readonly string[]
  /** Gives the variables by which psql finds the database of the application without `exec`. */
  variables(): Promise<Readonly<Record<string, string>>>
  close(): Promise<void>
}

/** What is measured: each line is a name and a figure, times in microseconds. */
const lines = `
set -eu
now() { echo "\${EPOCHREALTIME//[.,]/}"; }
sql() { psql --no-psqlrc -AtqX -v ON_ERROR_STOP=1 "$@"; }
copied=$(mktemp)
trap 'rm -f "$copied"' EXIT
sql -c 'set client_min_messages = error' -c 'drop table if exists cargo' -c 'create table cargo (n int, words text)'
for _ in 1 2 3 4 5; do
  start=$(now); sql -c 'select 1' > /dev/null; echo "connect $(( $(now) - start ))"
done
start=$(now)
sql -c "\\copy (select n, repeat(md5(n::text), 32) from generate_series(1, ${rows}) n) to '$copied'"
echo "out $(( $(now) - start ))"
start=$(now)
sql -c "\\copy cargo from '$copied'"
echo "in $(( $(now) - start ))"
echo "bytes $(stat -c %s "$copied")"
pgbench -iq 2> /dev/null
echo "tps $(pgbench -n -c 4 -j 2 -t 300 -M prepared | sed -n 's/^tps = \\([0-9]*\\).*without.*/\\1/p')"`

/** The figures of the table, in its words. */
const figures: readonly (readonly [string, (seen: Seen) => string])[] = [
  ['psql, connect and select 1', (seen) => `${(middle(seen, 'connect') / 1000).toFixed(0)} ms`],
  ['COPY out', (seen) => rate(seen, 'out')],
  ['COPY in', (seen) => rate(seen, 'in')],
  ['pgbench -c 4, prepared', (seen) => `${middle(seen, 'tps')} tps`],
]

/** What the lines said, by the names they gave it. */
type Seen = Map<string, number[]>

const home = await mkdtemp(join(tmpdir(), 'bench-exec-'))
const ground = await (process.env['KUBECONFIG'] === undefined ? onSandbox() : onCluster())
try {
  await writeFile(join(home, 'kubeconfig'), ground.kubeconfig, { mode: 0o600 })
  await tool('provision')
  const variables = await ground.variables()
  const through: Seen = new Map()
  const beside: Seen = new Map()
  for (let run = 0; run < Number(options.runs); run++) {
    collect(through, await tool('exec', '--', 'bash', '-c', lines))
    collect(beside, await start('bash', ['-c', lines], variables))
  }
  const on = `Node.js ${process.versions.node} · ${cpus().length} cores`
  print(`${ground.name} · ${on} · medians of ${options.runs}\n`)
  print(`${''.padEnd(30)}${'exec'.padStart(12)}   ${ground.beside}`)
  for (const [label, figure] of figures) {
    print(`${label.padEnd(30)}${figure(through).padStart(12)}   ${figure(beside)}`)
  }
} finally {
  await ground.close()
  await rm(home, { recursive: true, force: true })
}

function middle(seen: Seen, name: string): number {
  return median(seen.get(name) ?? [])
}

function rate(seen: Seen, name: string): string {
  const seconds = middle(seen, name) / 1_000_000
  return `${(middle(seen, 'bytes') / 1024 / 1024 / seconds).toFixed(0)} MiB/s`
}

function collect(seen: Seen, said: string): void {
  for (const [, name = '', figure] of said.matchAll(/^(\w+) (\d+)$/gm)) {
    seen.set(name, [...(seen.get(name) ?? []), Number(figure)])
  }
}

/** Runs the built command line, and returns what its command says. */
async function tool(command: string, ...words: readonly string[]): Promise<string> {
  const args = [program, command, ...ground.options, ...words]
  return await start(process.execPath, args, { KUBECONFIG: join(home, 'kubeconfig'), CI: 'true' })
}

async function start(
  file: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>>,
): Promise<string> {
  const env = { PATH: process.env['PATH'], HOME: home, ...variables }
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'close')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = (await ended) as [number | null]
  if (code !== 0) throw new Error(`${file} ended with ${code ?? 'a signal'}:\n${stdout}${stderr}`)
  return stdout
}

async function onSandbox(): Promise<Ground> {
  const sandbox = await startSandbox({ postgres: { logStatement: 'none' } })
  const { api, appNamespace, kubeconfig, postgres } = sandbox
  return {
    name: 'sandbox',
    beside: 'psql, directly and with TLS',
    kubeconfig,
    options: optionsFor(sandbox, 'bench'),
    variables: async () => {
      const data = api.get('Secret', appNamespace, 'bench-postgresql-secret')?.['data'] as Record<
        string,
        string
      >
      const of = (name: string): string => Buffer.from(data[name] ?? '', 'base64').toString()
      const where = { PGHOST: postgres.host, PGPORT: String(postgres.port), PGDATABASE: 'bench' }
      const variables = { ...where, PGUSER: of('PGUSER'), PGPASSWORD: of('PGPASSWORD'), PGSSLMODE: 'require' }
      return Promise.resolve(variables)
    },
    close: () => sandbox.stop(),
  }
}

async function onCluster(): Promise<Ground> {
  const scene = await Scene.open()
  const { database, kubeconfig } = scene
  let forward: ReturnType<typeof spawn> | undefined
  return {
    name: 'a real cluster',
    beside: 'kubectl port-forward and psql without TLS',
    kubeconfig,
    options: [
      `--access-secret=${accessSecret}`,
      `--access-namespace=${database}`,
      '--app-database=bench',
      `--app-secret=${secretName('bench')}`,
    ],
    variables: async () => {
      const words = ['-n', database, 'port-forward', '--address=127.0.0.1', `${cluster}-0`, ':5432']
      const child = spawn('kubectl', words, { stdio: ['ignore', 'pipe', 'inherit'] })
      forward = child
      const [line] = (await once(child.stdout, 'data')) as [Buffer]
      const port = /127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1] ?? ''
      const { PGUSER = '', PGPASSWORD = '', PGDATABASE = '' } = (await scene.secret('bench')) ?? {}
      // With TLS, a server resets the connection that psql closes, and kubectl ends over it: "lost connection to pod".
      return { PGHOST: '127.0.0.1', PGPORT: port, PGDATABASE, PGUSER, PGPASSWORD, PGSSLMODE: 'disable' }
    },
    close: async () => {
      forward?.kill()
      await scene.close()
    },
  }
}
