import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify, stripVTControlCharacters } from 'node:util'
import { stringify } from 'yaml'

const root = fileURLToPath(new URL('..', import.meta.url))
const runner = join(root, 'node_modules/gitlab-ci-local/dist/index.js')
const author = ['-c', 'user.name=test', '-c', 'user.email=test@example.com']

/** What came of a pipeline. */
export interface PipelineRun {
  readonly code: number | null
  readonly log: string
  /** What the jobs left as artifacts and reports, by path. */
  readonly artifacts: Readonly<Record<string, string>>
}

/** How a pipeline differs from one that includes the component that provisions, and nothing else. */
export interface PipelineOptions {
  readonly component?: 'provision' | 'go-live' | 'migrate'
  /** Further parts of .gitlab-ci.yml. */
  readonly more?: object
  /** As somebody sets them who starts the pipeline. */
  readonly variables?: Readonly<Record<string, string>>
  /** Files of the project, by path. */
  readonly files?: Readonly<Record<string, string>>
}

/**
 * Does what gitlab-ci-local uses rsync for, so that a machine needs nothing but tar: keep artifacts and reports. The copy
 * of the project that it makes as well is for containers, of which there are none.
 */
const rsync = `
for to; do :; done
case "$*" in
  *--delete*) exit 0 ;;
  *--files-from=*) list=\${*#*--files-from=}; set -- -T "\${list%% *}" ;;
  *) set -- "$2" ;;
esac
mkdir -p "$to" && tar cf - "$@" | tar xf - -C "$to"`

/** Makes a folder what a runner of GitLab is: programs in place of rsync and of the image, and the file variable KUBECONFIG. */
export async function furnishRunner(folder: string, kubeconfig: string): Promise<void> {
  await writeProgram(join(folder, 'bin/rsync'), `#!/bin/sh\n${rsync}\n`)
  await writeProgram(join(folder, 'image/pg-app-user'), await wrapperOfImage())
  await writeFile(join(folder, 'kubeconfig'), kubeconfig, { mode: 0o600 })
}

/**
 * Runs a pipeline of a project that includes the component with gitlab-ci-local, in this shell, and returns what came of
 * it. A component counts as local where the project's path is the one of its origin, and the version is its commit.
 *
 * @param folder what `furnishRunner` has filled
 * @param name of the project
 */
export async function runPipeline(
  folder: string,
  name: string,
  inputs: Readonly<Record<string, unknown>>,
  { more, variables, component = 'provision', files = {} }: PipelineOptions = {},
): Promise<PipelineRun> {
  const project = join(folder, name)
  await mkdir(project)
  await mkdir(join(project, 'templates'))
  const template = await readFile(join(root, 'gitlab/templates', `${component}.yml`), 'utf8')
  await writeFile(
    join(project, 'templates', `${component}.yml`),
    template.replaceAll(imagePath, join(folder, 'image/pg-app-user')),
  )
  await writeFile(
    join(project, '.gitlab-ci.yml'),
    stringify({
      stages: ['deploy'],
      include: [{ component: `$CI_SERVER_FQDN/acme/pg-app-user/${component}@$CI_COMMIT_SHA`, inputs }],
      ...more,
    }),
  )
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(project, path)), { recursive: true })
    await writeFile(join(project, path), content)
  }
  const git = async (...args: string[]): Promise<unknown> =>
    await promisify(execFile)('git', [...author, ...args], { cwd: project })
  await git('init', '--quiet', '--initial-branch=main')
  await git('remote', 'add', 'origin', 'https://gitlab.example.com/acme/pg-app-user.git')
  await git('add', '--all')
  await git('commit', '--quiet', '--message=A pipeline')
  const settings = Object.entries({ GITLAB_CI: 'true', ...variables }).flatMap(([key, value]) => [
    '--variable',
    `${key}=${value}`,
  ])
  const child = spawn(process.execPath, [runner, '--force-shell-executor', ...settings], {
    cwd: project,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`,
      HOME: folder,
      KUBECONFIG: join(folder, 'kubeconfig'),
      CI: 'true',
    },
  })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  const log = stripVTControlCharacters(stdout + stderr)
  const left = await filesBelow(join(project, '.gitlab-ci-local'))
  return { code, log, artifacts: left }
}

/** Where the image has the tool, and what it takes the place of here, where there is no image. */
const imagePath = '/usr/local/bin/pg-app-user'

/** Gives what the image starts the tool with, for the Node.js and the bundle of this machine. */
async function wrapperOfImage(): Promise<string> {
  const wrapper = await wrapperInImage()
  return wrapper
    .replace('/usr/local/bin/node', process.execPath)
    .replace('/opt/pg-app-user/', join(root, 'dist/'))
}

/** Returns what the image starts the tool with, as it stands in the Dockerfile. */
export async function wrapperInImage(): Promise<string> {
  const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8')
  const [, path, wrapper = ''] = /<<'SH' (\S+)\n([\s\S]*?)^SH$/m.exec(dockerfile) ?? []
  if (path !== imagePath) throw new Error(`The Dockerfile writes no ${imagePath}.`)
  return wrapper
}

/** Writes a program, for which the folder may have to be made. */
export async function writeProgram(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content, { mode: 0o755 })
}

/** Everything that the run left: artifacts, reports and logs of its jobs. */
async function filesBelow(path: string): Promise<Record<string, string>> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => [])
  const contents: Record<string, string> = {}
  for (const entry of entries) {
    const file = join(entry.parentPath, entry.name)
    if (entry.isFile()) contents[file] = await readFile(file, 'utf8')
  }
  return contents
}
