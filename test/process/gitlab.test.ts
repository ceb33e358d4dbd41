import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { writeProgram, type PipelineOptions, type PipelineRun } from '../../sandbox/pipeline.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { attack, Pipelines, waived } from '../support/pipeline.ts'
import { canariesOf } from './command.ts'

let sandbox: Sandbox
let pipelines: Pipelines
beforeAll(async () => {
  sandbox = await startSandbox()
  pipelines = await Pipelines.open(sandbox.kubeconfig, (name) =>
    Promise.resolve(canariesOf(sandbox, [`${name}-secret`])),
  )
})
afterAll(async () => {
  await pipelines.close()
  await sandbox.stop()
})

async function runPipeline(
  name: string,
  inputs: Readonly<Record<string, unknown>>,
  options?: PipelineOptions,
): Promise<PipelineRun> {
  return await pipelines.run(name, inputs, options)
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
    expect(log).toContain('Created role, database, extension citext, extension pgcrypto, grants and Secret')
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
    ['extensions', 'citext\npgcrypto'],
  ])('refuses a wrong %s when the pipeline is made', async (input, value) => {
    const { code, log } = await runPipeline(`wrong-${input}`, { ...inputsFor('wrong'), [input]: value })
    expect(code).not.toBe(0)
    expect(log).toContain(`\`${input}\` input`)
    expect(log).not.toContain('pg-app-user provision')
  })

  test('refuses a gate without a plan when the pipeline is made', async () => {
    const { code, log } = await runPipeline('planless', inputsFor('planless'), { component: 'go-live' })
    expect(code).not.toBe(0)
    expect(log).toContain('`go-live-profile` input')
    expect(log).not.toContain('pg-app-user go-live')
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

test.each(['README.md', 'gitlab/README.md'])('the quick start of %s works as it stands', async (path) => {
  const readme = await readFile(new URL(`../../${path}`, import.meta.url), 'utf8')
  const [, block = ''] = /^```yaml\n(include:\n[\s\S]*?)^```$/m.exec(readme) ?? []
  const { include, deploy } = parse(block) as {
    include: [{ inputs: Record<string, unknown> }]
    deploy: { script: string }
  }
  const { context, ...inputs } = include[0].inputs
  // Here is a file variable, and no helm.
  expect(context).toBe('acme/platform:welkin')
  const more = { deploy: { ...deploy, script: `echo ${deploy.script}` } }
  const { code, log } = await runPipeline(`quick-start-${path.replace('/', '-')}`, inputs, { more })
  expect(log).toMatch(/for shop\.|Nothing to do: /)
  expect(log).toMatch(/existingSecret=app-postgresql-secret .*podAnnotations\.pgSecret=v\d+/)
  expect(code).toBe(0)
})

describe.each(['provision', 'go-live'] as const)('the gate in the component %s', (component) => {
  const gate = { 'go-live': 'enforce', 'go-live-profile': 'standard' }

  test('fails the job, and its reports are kept', async () => {
    const name = `held-${component}`
    const { code, log, artifacts } = await runPipeline(name, { ...inputsFor(name), ...gate }, { component })
    expect(code).not.toBe(0)
    expect(log).toContain('[go-live-held-back]')
    expect(log).toMatch(/report +pg-app-user-go-live\/go-live\.html, with all evidence/)
    expect(log).not.toMatch(/summary|kind: Role|attestations:/)
    const junit = Object.entries(artifacts).find(([path]) => path.endsWith('/go-live.xml'))?.[1] ?? ''
    expect(junit).toContain('<failure')
    for (const file of ['attest.yaml', 'go-live.html', 'go-live.json', 'rights.yaml']) {
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

  test('takes no other program for the tool, whatever PATH says', async () => {
    const name = `pathed-${component}`
    const folder = await mkdtemp(join(tmpdir(), 'path-'))
    try {
      for (const program of ['pg-app-user', 'node', 'sed', 'env']) {
        await writeProgram(join(folder, program), '#!/bin/sh\necho "another program for ${0##*/}"\nexit 0\n')
      }
      const inputs = { ...inputsFor(name), ...gate }
      const variables = { PATH: `${folder}:${process.env['PATH'] ?? ''}` }
      const { code, log } = await runPipeline(name, inputs, { component, variables })
      expect(code).not.toBe(0)
      expect(log).toContain('[go-live-held-back]')
      expect(log).not.toContain('another program for pg-app-user')
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('lets Node.js load no code that a variable names', async () => {
    const name = `loaded-${component}`
    const file = '.pg-app-user/met.cjs'
    const files = { [file]: 'process.exit(0)\n', '.pg-app-user/cache/keep': '' }
    const variables = {
      NODE_OPTIONS: `--require=./${file}`,
      NODE_PATH: '.pg-app-user',
      NODE_COMPILE_CACHE: '.pg-app-user/cache',
      NODE_DEBUG: 'tls,https',
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
    }
    const { code, log } = await runPipeline(
      name,
      { ...inputsFor(name), ...gate },
      { component, files, variables },
    )
    expect(code).not.toBe(0)
    expect(log).toContain('[go-live-held-back]')
    expect(log).not.toMatch(/^.*(?:TLS|HTTPS) \d+:/m)
    expect(log).not.toContain('NODE_TLS_REJECT_UNAUTHORIZED')
  })
})
