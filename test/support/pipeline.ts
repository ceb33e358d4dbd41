import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify, stripVTControlCharacters } from 'node:util'
import { stringify } from 'yaml'
import { requirements } from '../../src/go-live/requirement.ts'
import type { Canaries } from './canary.ts'
import { expectReports } from './go-live-report.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
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
  readonly component?: 'provision' | 'go-live'
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

/** A machine that runs pipelines of projects that include the component, as a runner of GitLab would. */
export class Pipelines {
  readonly #folder: string
  readonly #canaries: (name: string) => Promise<Canaries>

  private constructor(folder: string, canaries: (name: string) => Promise<Canaries>) {
    this.#folder = folder
    this.#canaries = canaries
  }

  /**
   * @param kubeconfig what the file variable KUBECONFIG holds
   * @param canaries gives what must not show anywhere in the pipeline of this name
   */
  static async open(kubeconfig: string, canaries: (name: string) => Promise<Canaries>): Promise<Pipelines> {
    const folder = await mkdtemp(join(tmpdir(), 'gitlab-'))
    await writeProgram(join(folder, 'bin/rsync'), `#!/bin/sh\n${rsync}\n`)
    await writeProgram(join(folder, 'image/pg-app-user'), await wrapperOfImage())
    await writeFile(join(folder, 'kubeconfig'), kubeconfig, { mode: 0o600 })
    return new Pipelines(folder, canaries)
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  /**
   * Runs a pipeline with gitlab-ci-local, in this shell, and fails if a credential shows. A component counts as local
   * where the project's path is the one of its origin, and the version is its commit.
   */
  async run(
    name: string,
    inputs: Readonly<Record<string, unknown>>,
    { more, variables, component = 'provision', files = {} }: PipelineOptions = {},
  ): Promise<PipelineRun> {
    const project = join(this.#folder, name)
    await mkdir(project)
    await mkdir(join(project, 'templates'))
    const template = await readFile(join(root, 'gitlab/templates', `${component}.yml`), 'utf8')
    await writeFile(
      join(project, 'templates', `${component}.yml`),
      template.replaceAll(imagePath, join(this.#folder, 'image/pg-app-user')),
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
        PATH: `${join(this.#folder, 'bin')}:${process.env['PATH'] ?? ''}`,
        HOME: this.#folder,
        KUBECONFIG: join(this.#folder, 'kubeconfig'),
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
    const leaks = (await this.#canaries(name)).leaks({ log, ...left })
    if (leaks.length > 0) throw new Error(`${leaks.join('\n')}\n\n${log}`)
    expectReports(left)
    return { code, log, artifacts: left }
  }
}

/** Where the image has the tool, and what it takes the place of here, where there is no image. */
const imagePath = '/usr/local/bin/pg-app-user'

/** Gives what the image starts the tool with, for the Node.js and the bundle of this machine. */
async function wrapperOfImage(): Promise<string> {
  const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8')
  const wrapper = /<<'SH' (\S+)\n([\s\S]*?)^SH$/m.exec(dockerfile)
  if (wrapper?.[1] !== imagePath) throw new Error(`The Dockerfile writes no ${imagePath}.`)
  return (wrapper[2] ?? '')
    .replace('/usr/local/bin/node', process.execPath)
    .replace('/opt/pg-app-user/', join(root, 'dist/'))
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

/** A variable for everything that could switch the gate off or make it look at something else. */
export const attack = {
  PG_APP_USER_GO_LIVE: 'off',
  PG_APP_USER_GO_LIVE_PROFILE: '',
  PG_APP_USER_GO_LIVE_FILE: 'another.yaml',
  PG_APP_USER_RELEASE_BRANCHES: 'none',
  PG_APP_USER_PROVISION: 'false',
  PG_APP_USER_DRY_RUN: 'true',
  PG_APP_USER_ACCESS_SECRET: 'another',
  CI_COMMIT_BRANCH: 'topic',
}

/** Lets a project accept everything that a sandbox does not meet, so that the gate is met. */
export const waived = stringify({
  waivers: requirements.map(({ id }) => ({
    requirement: id,
    reason: 'a sandbox has no second instance and no backups',
    owner: 'The test',
    'valid-until': new Date(Date.now() + 60 * 24 * 3600 * 1000).toISOString().slice(0, 10),
  })),
})
