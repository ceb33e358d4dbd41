import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify, stripVTControlCharacters } from 'node:util'
import { stringify } from 'yaml'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { canariesOf } from './command.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const runner = join(root, 'node_modules/gitlab-ci-local/dist/index.js')
const author = ['-c', 'user.name=test', '-c', 'user.email=test@example.com']

let sandbox: Sandbox
let folder: string
beforeAll(async () => {
  sandbox = await startSandbox()
  folder = await mkdtemp(join(tmpdir(), 'gitlab-'))
  // The image has the tool on its path; so has this shell.
  await mkdir(join(folder, 'bin'))
  const tool = join(folder, 'bin', 'pg-app-user')
  await writeFile(tool, `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'dist/cli.js')}' "$@"\n`)
  await chmod(tool, 0o755)
  await writeFile(join(folder, 'kubeconfig'), sandbox.kubeconfig, { mode: 0o600 })
})
afterAll(async () => {
  await sandbox.stop()
  await rm(folder, { recursive: true, force: true })
})

interface PipelineRun {
  readonly code: number | null
  readonly log: string
}

/**
 * Runs a pipeline of a project that includes the component, as GitLab would: with gitlab-ci-local, in this shell. A
 * component counts as local where the project's path is the one of its origin, and the version is its commit.
 */
async function runPipeline(
  name: string,
  inputs: Readonly<Record<string, unknown>>,
  more: object = {},
  variables: Readonly<Record<string, string>> = {},
): Promise<PipelineRun> {
  const project = join(folder, name)
  await mkdir(project)
  await cp(join(root, 'gitlab/templates'), join(project, 'templates'), { recursive: true })
  await writeFile(
    join(project, '.gitlab-ci.yml'),
    stringify({
      stages: ['deploy'],
      include: [{ component: '$CI_SERVER_FQDN/acme/pg-app-user/provision@$CI_COMMIT_SHA', inputs }],
      ...more,
    }),
  )
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
  const leaks = canariesOf(sandbox, [`${name}-secret`]).leaks({ log, ...left })
  if (leaks.length > 0) throw new Error(`${leaks.join('\n')}\n\n${log}`)
  return { code, log }
}

function inputsFor(name: string): Record<string, unknown> {
  return {
    'access-secret': sandbox.accessSecret,
    'access-namespace': sandbox.accessNamespace,
    'app-namespace': sandbox.appNamespace,
    'app-database': name,
    'app-secret': `${name}-secret`,
  }
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

function secretOf(name: string): object | undefined {
  return sandbox.api.get('Secret', sandbox.appNamespace, `${name}-secret`)
}

describe('the component that provisions', () => {
  test('provisions, and hands its outputs to the next job', async () => {
    const deploy = {
      stage: 'deploy',
      needs: ['pg-app-user:provision'],
      script: ['echo "deploying with $PG_APP_USER_SECRET_NAME"'],
    }
    const inputs = { ...inputsFor('component'), environment: 'production', extensions: 'citext, pgcrypto' }
    const { code, log } = await runPipeline('component', inputs, { deploy })
    expect(log).toContain('Created role, database, grants, extension citext, extension pgcrypto and Secret')
    expect(log).toContain('environment: { name: production }')
    expect(log).toContain('deploying with component-secret')
    expect(code).toBe(0)
  })

  test('has no environment where none is named, and takes free text as it is', async () => {
    const name = `it's "free" & <odd> %d; echo owned`
    const inputs = { ...inputsFor('free'), 'app-database': name }
    const { code, log } = await runPipeline('free', inputs)
    expect(log).toContain(`Created role, database, grants and Secret for ${name}.`)
    expect(log).not.toContain('environment:')
    expect(code).toBe(0)
  })

  test('lets no variable of the project override what its inputs constrain', async () => {
    const inputs = { ...inputsFor('overridden'), 'dry-run': true }
    const { code, log } = await runPipeline('overridden', inputs, {}, { PG_APP_USER_DRY_RUN: 'false' })
    expect(code).toBe(0)
    expect(log).toContain('dry run overridden')
    expect(secretOf('overridden')).toBeUndefined()
  })

  test.each([
    ['app-namespace', 'Shop'],
    ['timeout', '5 minutes'],
    ['database-owner', 'nobody'],
    ['dry-run', 'perhaps'],
  ])('refuses a wrong %s when the pipeline is made', async (input, value) => {
    const { code, log } = await runPipeline(`wrong-${input}`, { ...inputsFor('wrong'), [input]: value })
    expect(code).not.toBe(0)
    expect(log).toContain(`\`${input}\` input`)
    expect(log).not.toContain('pg-app-user provision')
  })

  test('refuses the rest by the words of the tool, and the job fails with its exit code', async () => {
    const { code, log } = await runPipeline('reserved', {
      ...inputsFor('reserved'),
      'app-database': 'postgres',
    })
    expect(code).not.toBe(0)
    expect(log).toContain(`Input "app-database" "postgres" is reserved by PostgreSQL`)
  })

  test('says why there may be no kubeconfig', async () => {
    const { log } = await runPipeline('absent', inputsFor('absent'), {}, { KUBECONFIG: '' })
    expect(log).toContain('✗ No kubeconfig: neither KUBECONFIG nor')
    expect(log).toContain('This branch is not protected')
    expect(log).toContain('input "environment"')
  })
})
