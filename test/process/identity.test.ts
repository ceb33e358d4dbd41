import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { parse, parseAllDocuments } from 'yaml'
import type { PipelineRun } from '../../sandbox/pipeline.ts'
import type { TrustedIssuer } from '../../sandbox/issuer.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { formatRights } from '../../src/faces/rights.ts'
import type { FailureCode } from '../../src/lib/failure.ts'
import type { PlatformName } from '../../src/rights/authentication.ts'
import { Canaries } from '../support/canary.ts'
import { startIssuer, type Fault, type TestIssuer } from '../support/issuer.ts'
import { Pipelines } from '../support/pipeline.ts'
import { runAction, type ActionRun } from './action.ts'

const id = '4711'
let folder: string
let sandbox: Sandbox
let issuer: TestIssuer
let gitlab: TestIssuer

beforeAll(async () => {
  sandbox = await startSandbox()
  issuer = await startIssuer({ repository_id: id }, '/_services/token')
  folder = await mkdtemp(join(tmpdir(), 'identity-'))
  await writeFile(join(folder, 'ca.crt'), issuer.ca)
  gitlab = await startIssuer({ project_id: id })
  install('github', issuer)
  install('gitlab', gitlab)
})
afterAll(async () => {
  await rm(folder, { recursive: true })
  await issuer.stop()
  await gitlab.stop()
  await sandbox.stop()
})

/** Does what the administrator does with what `rights --issuer` prints: the one half to the API server, the rest applied. */
function install(platform: PlatformName, { url, ca }: TestIssuer): void {
  const { accessNamespace, accessSecret, appNamespace, api } = sandbox
  const names = ['app-postgresql-secret', `${platform}-secret`]
  for (const appSecret of names) {
    const scope = { accessNamespace, accessSecret, appNamespace, appSecret, dryRun: false }
    const jobs = { platform, url, id, environment: 'production', audience: 'pg-app-user' }
    const [configuration, ...roles] = parseAllDocuments(formatRights(scope, { jobs })).map(
      (document) =>
        document.toJS() as { kind: string; metadata: { name: string }; jwt: readonly TrustedIssuer[] },
    )
    expect(configuration?.kind).toBe('AuthenticationConfiguration')
    for (const each of configuration?.jwt ?? [])
      api.trust({ ...each, issuer: { ...each.issuer, certificateAuthority: ca } })
    for (const role of roles) api.put(role)
  }
}

/** Runs the step of a workflow that stores nothing. */
async function step(
  inputs: Readonly<Record<string, string>> = {},
  variables: Readonly<Record<string, string>> = issuer.variables,
): Promise<ActionRun> {
  const { api, accessNamespace, accessSecret, appNamespace } = sandbox
  return await runAction({
    sandbox,
    secrets: [...issuer.tokens, issuer.variables['ACTIONS_ID_TOKEN_REQUEST_TOKEN'] ?? ''],
    inputs: {
      'api-server': api.url,
      'api-server-ca': Buffer.from(api.ca).toString('base64'),
      'access-secret': accessSecret,
      'access-namespace': accessNamespace,
      'app-namespace': appNamespace,
      'app-secret': 'github-secret',
      'app-database': 'identity',
      ...inputs,
    },
    env: {
      ...variables,
      GITHUB_REPOSITORY_ID: id,
      GITHUB_SERVER_URL: new URL(issuer.url).origin,
      // As a runner trusts the instance of its company.
      NODE_EXTRA_CA_CERTS: join(folder, 'ca.crt'),
    },
  })
}

/** How each of them ends: a token that is right in itself, and not for this server, is like any other that it does not take. */
const faults: readonly (readonly [Fault, FailureCode])[] = [
  ['expired', 'identity-token-expired'],
  ['not yet valid', 'identity-token-early'],
  ['another audience', 'identity-token-audience'],
  ['another issuer', 'identity-token-issuer'],
  ['another repository', 'identity-token-foreign'],
  ['another key', 'identity-not-trusted'],
]

/** Fails if it speaks of what nobody has here, or if something was asked of the database. */
function expectRefused(log: string, code: FailureCode, requests: number): void {
  expect(log).toContain(`[${code}]`)
  expect(log).toContain('Nothing was changed.')
  expect(log.replaceAll('kubeconfig: in-cluster', '')).not.toMatch(/kubeconfig|ServiceAccount/)
  const read = sandbox.api.requests.slice(requests).filter(({ status }) => status < 400)
  expect(read).toEqual([])
}

describe('a workflow that stores nothing', () => {
  test('provisions with id-token: write and three inputs, and again', async () => {
    const first = await step()
    expect([first.code, first.log]).toEqual([0, expect.stringContaining('Created role, database')])
    expect(first.log).toContain(`as github:${id}:production · identity token of GitHub for pg-app-user`)
    expect(first.masks).toEqual(expect.arrayContaining([...issuer.tokens]))
    const second = await step()
    expect(second.outputs).toMatchObject({ changed: 'false' })
  })

  test.each(faults)('%s: %s', async (fault, code) => {
    const requests = sandbox.api.requests.length
    issuer.fault = fault
    try {
      const run = await step()
      expect(run.code).toBe(1)
      expectRefused(run.log, code, requests)
    } finally {
      issuer.fault = undefined
    }
  })

  test('without id-token: write says so', async () => {
    const requests = sandbox.api.requests.length
    const run = await step({}, {})
    expect(run.code).toBe(1)
    expect(run.log).toContain('id-token: write')
    expectRefused(run.log, 'identity-token-missing', requests)
  })

  test('a kubeconfig beside it is a wrong input, told with the others', async () => {
    const run = await step({ kubeconfig: sandbox.kubeconfig, context: 'sandbox', 'app-namespace': '' })
    expect(run.log).toContain('3 inputs are wrong: kubeconfig, context and app-namespace')
  })
})

describe('a job of GitLab with id_tokens', () => {
  let pipelines: Pipelines
  beforeAll(async () => {
    pipelines = await Pipelines.open('', () => {
      const canaries = new Canaries()
      for (const token of gitlab.tokens) canaries.plant(token)
      return Promise.resolve(canaries)
    })
  })
  afterAll(() => pipelines.close())

  /** As GitLab puts the token where the template asks for it, which gitlab-ci-local does not do. */
  function job(name: string): Promise<PipelineRun> {
    const { api, accessNamespace, accessSecret, appNamespace } = sandbox
    const inputs = {
      'api-server': api.url,
      'api-server-ca': Buffer.from(api.ca).toString('base64'),
      'access-secret': accessSecret,
      'access-namespace': accessNamespace,
      'app-namespace': appNamespace,
      'app-secret': 'gitlab-secret',
      'app-database': 'gitlab',
      environment: 'production',
    }
    const variables = {
      PG_APP_USER_ID_TOKEN: gitlab.mint({ sub: 'project_path:acme/shop:ref_type:branch:ref:main' }),
      CI_SERVER_URL: gitlab.url,
      CI_PROJECT_ID: id,
    }
    return pipelines.run(name, inputs, { variables })
  }

  test('provisions', async () => {
    const { code, log } = await job('trusted')
    expect([code, log]).toEqual([0, expect.stringContaining('Created role, database')])
    expect(log).toContain(`as gitlab:${id}:production · identity token of GitLab for pg-app-user`)
  })

  test('is refused with the token of another project', async () => {
    const requests = sandbox.api.requests.length
    gitlab.fault = 'another repository'
    const { code, log } = await job('foreign').finally(() => (gitlab.fault = undefined))
    expect(code).not.toBe(0)
    expectRefused(log.slice(log.indexOf('✗')), 'identity-token-foreign', requests)
  })

  test('asks for the token only where an API server is named', async () => {
    const template = await readFile(new URL('../../gitlab/templates/provision.yml', import.meta.url), 'utf8')
    const [, jobs] = template.replaceAll('$[[ inputs.api-server ]]', 'https://api').split('\n---\n')
    const parsed = parse(jobs ?? '') as Record<string, { id_tokens?: object }>
    const asking = Object.entries(parsed).filter(([, { id_tokens: asked }]) => asked !== undefined)
    expect(asking).toEqual([
      [
        '.pg-app-user:provision:identity:https://api',
        { id_tokens: { PG_APP_USER_ID_TOKEN: { aud: '$[[ inputs.api-server-audience ]]' } } },
      ],
    ])
  })
})
