import { spawn, type StdioOptions } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ringLabel } from '../test/cluster/real.ts'
import { Admin, until } from '../test/contract/admin.ts'

/** The exit code of a ring that did not run, so that a pipeline can tell it from one that passed or failed. */
const didNotRun = 3

/** A cluster to run against. */
interface Cluster {
  readonly kubeconfig: string
  /** Where it came from, in words. */
  readonly source: string
  /** The state folder of one that was started here, whose API server may be restarted. */
  readonly root?: string
  /** The image with a Patroni, where it has one. */
  readonly patroni?: string
}

const repository = fileURLToPath(new URL('..', import.meta.url))
const folder = resolve(repository, '..', 'shared', 'cluster')
/** Which of the clusters there: `1.20`, or `edge`, what clients meet of a current one. */
const version = process.env['KC_VERSION'] ?? '1.20'
const asked = process.argv.slice(2)
const options = ['--testPathIgnorePatterns', 'restart', '--maxWorkers=2', ...asked]

// Children get the signal from the terminal as well; what was started here is put away once they have ended.
const children = new Set<ReturnType<typeof spawn>>()
let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interrupted = true
    for (const child of children) child.kill(signal)
  })
}

const cluster = await findCluster()
if (typeof cluster === 'string') {
  print(`cluster ring: did not run (${cluster})`)
  process.exitCode = didNotRun
} else {
  print(`cluster ring: ${cluster.source}`)
  process.exitCode = await runRing(cluster)
}

/** Gives a cluster, started if need be, or the reason why there is none. */
async function findCluster(): Promise<Cluster | string> {
  if (!existsSync(join(repository, 'dist', 'index.js')))
    return 'dist/index.js is missing: npm run build makes it'
  if (!(await succeeds('kubectl', ['version', '--client']))) return 'there is no kubectl on PATH'
  const { KUBECONFIG } = process.env
  if (KUBECONFIG) return { kubeconfig: resolve(KUBECONFIG), source: 'the cluster of KUBECONFIG' }
  const home = join(tmpdir(), `pg-app-user-cluster${version === 'edge' ? '-edge' : ''}`)
  const running = join(home, 'admin.kubeconfig')
  if (await answers(running)) {
    const source = `the cluster that is running here already, ${version}`
    return { kubeconfig: running, source, ...(await patroniIn(home)) }
  }
  if (!existsSync(join(folder, 'up.sh'))) {
    return 'KUBECONFIG is not set, and there is no ../shared/cluster to start one from'
  }
  return (await obstacle()) ?? (await startCluster())
}

async function answers(kubeconfig: string): Promise<boolean> {
  if (!existsSync(kubeconfig)) return false
  const admin = new Admin(readFileSync(kubeconfig, 'utf8'))
  try {
    return (await admin.call('GET', '/readyz')).status === 200
  } catch {
    return false
  } finally {
    admin.close()
  }
}

/** Says what keeps this machine from starting a cluster of its own, `undefined` if nothing does. */
async function obstacle(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'KUBECONFIG is not set, and starting a cluster needs root'
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  if (!/^ID=debian$/m.test(release) || !/^VERSION_ID="12"$/m.test(release)) {
    return 'KUBECONFIG is not set, and starting a cluster needs Debian 12'
  }
  for (const [program, name] of [
    ['/usr/bin/zstd', 'zstd'],
    ['/usr/lib/postgresql/15/bin/postgres', 'postgresql-15'],
  ] as const) {
    if (existsSync(program)) continue
    const install = ['install', '--yes', '--no-install-recommends', name]
    if (await succeeds('apt-get', install)) continue
    await succeeds('apt-get', ['update'])
    if (!(await succeeds('apt-get', install))) return `package ${name} is missing and cannot be installed`
  }
  return undefined
}

async function startCluster(): Promise<Cluster> {
  const root = await mkdtemp(join(tmpdir(), 'pg-app-user-cluster-'))
  // Pods run as other users, and see folders below this one.
  await chmod(root, 0o755)
  try {
    const patroni = await patroniIn(root)
    if ((await run(join(folder, 'up.sh'), [], { KC_ROOT: root })) !== 0)
      throw new Error('the cluster did not start')
    const kubeconfig = join(root, 'admin.kubeconfig')
    return { kubeconfig, source: `a cluster of its own, ${version}`, root, ...patroni }
  } catch (error) {
    await stopCluster(root)
    throw error
  }
}

/** Makes the image with a Patroni, which takes a minute: only where its Pods reach the API server, and a test asks for it. */
async function patroniIn(root: string): Promise<Pick<Cluster, 'patroni'>> {
  if (version !== 'edge' || !(await listed(options)).includes('patroni.test.ts')) return {}
  const made = await run(join(folder, 'up.sh'), ['patroni'], { KC_ROOT: root })
  // Its tests would be skipped, and the ring would pass without them.
  if (made !== 0) throw new Error('the image with a Patroni could not be made')
  return { patroni: 'localhost/patroni:17' }
}

/** Gives the files of the tests that are asked for, one a line. */
async function listed(words: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, jestWords(['--listTests', ...words]), { cwd: repository })
  let files = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (files += text))
  await once(child, 'close')
  return files
}

async function stopCluster(root: string): Promise<void> {
  await run(join(folder, 'down.sh'), [], { KC_ROOT: root })
  await rm(root, { recursive: true, force: true, maxRetries: 5 })
}

/** Runs the tests and puts away everything that they made, whatever came of them. Gives the exit code. */
async function runRing({ kubeconfig, root, patroni }: Cluster): Promise<number> {
  const ring = randomBytes(4).toString('hex')
  const own = await mkdtemp(join(tmpdir(), 'pg-app-user-ring-'))
  await chmod(own, 0o755)
  const env = {
    KUBECONFIG: kubeconfig,
    CLUSTER_RING: ring,
    CLUSTER_RING_FOLDER: own,
    ...(patroni !== undefined && { CLUSTER_PATRONI_IMAGE: patroni }),
  }
  try {
    const code = await jest(options, env)
    if (interrupted) return code || 1
    if (!(await listed(asked)).includes('restart.test.ts')) return code
    if (root === undefined) {
      print('The API server was not restarted: it is not one that was started here.')
      return code
    }
    // Alone, because every other test would notice.
    return (await jest(['--testPathPatterns', 'restart'], { ...env, CLUSTER_ROOT: root })) || code
  } finally {
    if (root === undefined) await removeNamespaces(kubeconfig, ring)
    else await stopCluster(root)
    await rm(own, { recursive: true, force: true })
  }
}

function jest(words: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return run(process.execPath, jestWords(words), env)
}

function jestWords(words: readonly string[]): readonly string[] {
  const program = join(repository, 'node_modules', 'jest', 'bin', 'jest.js')
  const flags = ['--disable-warning=ExperimentalWarning', '--experimental-vm-modules']
  return [...flags, program, '--selectProjects', 'cluster', ...words]
}

async function removeNamespaces(kubeconfig: string, ring: string): Promise<void> {
  const admin = new Admin(readFileSync(kubeconfig, 'utf8'))
  const list = `/api/v1/namespaces?labelSelector=${encodeURIComponent(`${ringLabel}=${ring}`)}`
  const left = async (): Promise<readonly { metadata: { name: string } }[]> =>
    ((await admin.call('GET', list)).body as { items: { metadata: { name: string } }[] }).items
  for (const { metadata } of await left()) await admin.call('DELETE', `/api/v1/namespaces/${metadata.name}`)
  await until('every namespace of the ring is gone', async () => (await left()).length === 0, 120_000)
  admin.close()
}

/** Runs a program to its end, and gives its exit code. */
async function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  stdio: StdioOptions = 'inherit',
): Promise<number> {
  const child = spawn(program, args, { cwd: repository, stdio, env: { ...process.env, ...env } })
  children.add(child)
  const [code] = (await once(child, 'close')) as [number | null]
  children.delete(child)
  return code ?? 1
}

async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  return (await run(program, args, {}, 'ignore').catch(() => 1)) === 0
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
