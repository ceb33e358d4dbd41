import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments } from 'yaml'
import { findLeaks, type Credential } from './evidence.ts'
import { createShelter, SandboxError } from './host.ts'
import { furnishRunner, runPipeline } from './pipeline.ts'
import { runStep } from './runner.ts'
import { startSandbox, type Sandbox } from './sandbox.ts'
import { print, Refuted, show } from './show.ts'

/** What a run said, and whether it ended well. */
interface Run {
  readonly code: number | null
  readonly log: string
}

/** One of the ways of the README to run the tool, tried on a sandbox of its own. */
interface Way {
  /** What stands for what a reader would have. */
  readonly title: string
  readonly run: (sandbox: Sandbox, folder: string, signal: AbortSignal) => Promise<Run>
}

const program = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const manifest = fileURLToPath(new URL('../deploy/job.yaml', import.meta.url))

const ways: Readonly<Record<string, Way>> = {
  github: {
    title: 'GitHub: what action.yml names, started as a runner starts it',
    async run(sandbox, folder, signal) {
      const step = await runStep(folder, { kubeconfig: sandbox.kubeconfig, ...inputsFor(sandbox) }, signal)
      return { code: step.exitCode, log: step.lines.join('\n') }
    },
  },
  gitlab: {
    title: 'GitLab: the component in a pipeline, by gitlab-ci-local, with a file variable KUBECONFIG',
    async run(sandbox, folder) {
      await furnishRunner(folder, sandbox.kubeconfig)
      const inputs = { environment: 'production', ...inputsFor(sandbox) }
      const deploy = {
        stage: 'deploy',
        needs: ['pg-app-user:provision'],
        script: ['echo "deploying with $PG_APP_USER_SECRET_NAME"'],
      }
      const { code, log } = await runPipeline(folder, 'shop', inputs, { more: { deploy } })
      // The program that stands for a runner says much of itself.
      const jobs = log.split('\n').filter((line) => /^(pg-app-user:provision|deploy| PASS) /.test(line))
      return { code, log: code === 0 ? jobs.join('\n') : log }
    },
  },
  laptop: {
    title: 'Laptop: the command line, with KUBECONFIG',
    async run(sandbox, folder, signal) {
      const options = Object.entries(inputsFor(sandbox)).map(([name, value]) => `--${name}=${value}`)
      return await command(['provision', '--yes', ...options], sandbox.kubeconfig, folder, signal)
    },
  },
  cluster: {
    title: 'In the cluster: the arguments of deploy/job.yaml, as its ServiceAccount, straight to PostgreSQL',
    async run(sandbox, folder, signal) {
      const { accessNamespace, accessSecret, api, appNamespace: namespace, postgres } = sandbox
      const [account, job] = parseAllDocuments(await readFile(manifest, 'utf8')).map(
        (document) => document.toJS() as Manifest,
      )
      const { args = [] } = job?.spec?.template.spec.containers[0] ?? {}
      const serviceAccount = account?.metadata.name ?? ''
      api.put({ kind: 'ServiceAccount', metadata: { name: serviceAccount, namespace } })
      // A process of this machine has no token of a Pod mounted and no DNS of a cluster: both are given.
      const kubeconfig = api.kubeconfig({ namespace, serviceAccount })
      const here = [`--access-host=${postgres.host}`, `--access-port=${postgres.port}`]
      const asked = ['rights', '--via=direct', `--service-account=${namespace}/${serviceAccount}`]
      const scope = [`--access-secret=${accessSecret}`, `--access-namespace=${accessNamespace}`]
      const rights = await command(
        [...asked, ...scope, `--app-namespace=${namespace}`],
        kubeconfig,
        folder,
        signal,
      )
      if (rights.code !== 0) return rights
      for (const role of parseAllDocuments(rights.log)) api.put(role.toJS() as Parameters<typeof api.put>[0])
      return await command([...args, ...here], kubeconfig, folder, signal)
    },
  },
}

/** An object of a cluster, as far as it is looked at here. */
interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly spec?: {
    readonly template: {
      readonly spec: { readonly containers: readonly { readonly args: readonly string[] }[] }
    }
  }
}

function inputsFor({ accessNamespace, accessSecret, appNamespace }: Sandbox): Record<string, string> {
  return {
    'access-secret': accessSecret,
    'access-namespace': accessNamespace,
    'app-namespace': appNamespace,
    'app-database': 'shop',
  }
}

/** Runs the built command line with this kubeconfig and nothing else of this machine. */
async function command(
  args: readonly string[],
  kubeconfig: string,
  folder: string,
  signal: AbortSignal,
): Promise<Run> {
  const path = join(folder, 'kubeconfig')
  await writeFile(path, kubeconfig, { mode: 0o600 })
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, KUBECONFIG: path },
    stdio: ['ignore', 'pipe', 'pipe'],
    killSignal: 'SIGKILL',
    signal,
  })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { code, log: stdout + stderr }
}

/** What no log may show: the passwords of the administrator and of the application, and the token of the kubeconfig. */
function credentialsOf({ admin, api, appNamespace, kubeconfig }: Sandbox): readonly Credential[] {
  const { data } = (api.get('Secret', appNamespace, 'app-postgresql-secret') ?? {}) as {
    readonly data?: Readonly<Record<string, string>>
  }
  const password = Buffer.from(data?.['PGPASSWORD'] ?? '', 'base64').toString()
  const { users } = parse(kubeconfig) as { users: { user: { token: string } }[] }
  return [
    { name: 'password of the admin', value: admin.password },
    ...(password === '' ? [] : [{ name: 'password of the application', value: password }]),
    ...users.map(({ user }) => ({ name: 'token', value: user.token })),
  ]
}

/** Tries one way on a sandbox of its own, shows what it says, and says whether it ended well. */
async function walk(
  { title, run }: Way,
  number: number,
  folder: string,
  signal: AbortSignal,
): Promise<boolean> {
  print(`\n${number} · ${title}`)
  await mkdir(folder)
  const sandbox = await startSandbox()
  try {
    const { code, log } = await run(sandbox, folder, signal)
    const leaks = findLeaks(credentialsOf(sandbox), [{ name: 'what it says', content: log }])
    print(leaks.length === 0 ? log.trimEnd().replaceAll(/^/gm, '  ') : `  Not shown: ${leaks.join(', ')}.`)
    return code === 0 && leaks.length === 0
  } finally {
    await sandbox.stop()
  }
}

const asked = process.argv.slice(2)
await show(async (stopped) => {
  const unknown = asked.filter((name) => !Object.hasOwn(ways, name))
  if (unknown.length > 0) {
    throw new SandboxError(
      `There is no way called ${unknown.join(', ')}.`,
      `Choose from ${Object.keys(ways).join(', ')}, or name none to try all.`,
    )
  }
  const chosen = Object.entries(ways).filter(([name]) => asked.length === 0 || asked.includes(name))
  const shelter = await createShelter(undefined)
  const failed: string[] = []
  try {
    print(
      'pg-app-user, run in each way of the quick start, each time on a cluster and a PostgreSQL of its own',
    )
    for (const [index, [name, way]] of chosen.entries()) {
      const well = await walk(way, index + 1, join(shelter.path, name), stopped)
      if (!well) failed.push(name)
    }
  } finally {
    await shelter.remove()
  }
  if (failed.length > 0) throw new Refuted(`Failed: ${failed.join(', ')}.`)
  const seconds = (performance.now() / 1000).toFixed(1)
  print(`\nAll ended well. ${seconds} s. Everything is stopped, nothing is left behind.`)
})
