import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify, stripVTControlCharacters } from 'node:util'
import { stringify } from 'yaml'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { requirements } from '../../src/go-live/requirement.ts'
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
  /** What the jobs left as artifacts and reports, by path. */
  readonly artifacts: Readonly<Record<string, string>>
}

interface PipelineOptions {
  readonly component?: 'provision' | 'go-live'
  /** Further parts of .gitlab-ci.yml. */
  readonly more?: object
  /** As somebody sets them who starts the pipeline. */
  readonly variables?: Readonly<Record<string, string>>
  /** Files of the project, by path. */
  readonly files?: Readonly<Record<string, string>>
}

/**
 * Runs a pipeline of a project that includes the component, as GitLab would: with gitlab-ci-local, in this shell. A
 * component counts as local where the project's path is the one of its origin, and the version is its commit.
 */
async function runPipeline(
  name: string,
  inputs: Readonly<Record<string, unknown>>,
  { more, variables, component = 'provision', files = {} }: PipelineOptions = {},
): Promise<PipelineRun> {
  const project = join(folder, name)
  await mkdir(project)
  await cp(join(root, 'gitlab/templates'), join(project, 'templates'), { recursive: true })
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
  const leaks = canariesOf(sandbox, [`${name}-secret`]).leaks({ log, ...left })
  if (leaks.length > 0) throw new Error(`${leaks.join('\n')}\n\n${log}`)
  return { code, log, artifacts: left }
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
    const { code, log } = await runPipeline('component', inputs, { more: { deploy } })
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
    const { code, log } = await runPipeline('overridden', inputs, {
      variables: { PG_APP_USER_DRY_RUN: 'false', PG_APP_USER_ACCESS_SECRET: 'another' },
    })
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
    const { log } = await runPipeline('absent', inputsFor('absent'), { variables: { KUBECONFIG: '' } })
    expect(log).toContain('✗ No kubeconfig: neither KUBECONFIG nor')
    expect(log).toContain('This branch is not protected')
    expect(log).toContain('input "environment"')
  })
})

/** A variable for everything that could switch the gate off or make it look at something else. */
const attack = {
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
const waived = stringify({
  waivers: requirements.map(({ id }) => ({
    requirement: id,
    reason: 'a sandbox has no second instance and no backups',
    owner: 'The test',
    'valid-until': new Date(Date.now() + 60 * 24 * 3600 * 1000).toISOString().slice(0, 10),
  })),
})

describe.each(['provision', 'go-live'] as const)('the gate in the component %s', (component) => {
  const gate = { 'go-live': 'enforce', 'go-live-profile': 'standard' }

  test('fails the job, and its reports are kept', async () => {
    const name = `held-${component}`
    const { code, log, artifacts } = await runPipeline(name, { ...inputsFor(name), ...gate }, { component })
    expect(code).not.toBe(0)
    expect(log).toContain('[go-live-held-back]')
    const junit = Object.entries(artifacts).find(([path]) => path.endsWith('/go-live.xml'))?.[1] ?? ''
    expect(junit).toContain('<failure')
    for (const file of ['go-live.html', 'go-live.json']) {
      expect(Object.keys(artifacts).some((path) => path.endsWith(`/pg-app-user-go-live/${file}`))).toBe(true)
    }
  })

  test('lets the job pass where it is met', async () => {
    const name = `met-${component}`
    const files = { '.pg-app-user/go-live.yaml': waived }
    const { code, log } = await runPipeline(name, { ...inputsFor(name), ...gate }, { component, files })
    expect(log).toContain('Ready to go live on the standard plan')
    expect(code).toBe(0)
  })

  test.each(['enforce', 'auto'])('is not switched off from outside when it is on %s', async (mode) => {
    const name = `attacked-${component}-${mode}`
    const inputs = { ...inputsFor(name), ...gate, 'go-live': mode }
    const { code, log } = await runPipeline(name, inputs, { component, variables: attack })
    expect(code).not.toBe(0)
    expect(log).toContain('[go-live-held-back]')
  })
})
