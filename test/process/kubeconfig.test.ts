import { generateKeyPairSync } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { changed, inputsFor, runAction, tokenOf, withUser, type ActionRun } from './action.ts'

let sandbox: Sandbox
let folder: string
beforeAll(async () => {
  sandbox = await startSandbox()
  folder = await mkdtemp(join(tmpdir(), 'kubeconfig-'))
})
afterAll(async () => {
  await sandbox.stop()
  await rm(folder, { recursive: true, force: true })
})

const base64 = (text: string): string => Buffer.from(text).toString('base64')

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

/** A run that gets no further than the cluster: reading is enough, and quick. */
async function run(kubeconfig: string | undefined, env: NodeJS.ProcessEnv = {}): Promise<ActionRun> {
  const inputs = { ...inputsFor(sandbox, 'kubeconfig'), kubeconfig: kubeconfig ?? '', 'dry-run': 'true' }
  return runAction({ sandbox, inputs, env })
}

function source(run: ActionRun): string | undefined {
  return /kubeconfig from (.*?)  /.exec(run.log)?.[1]
}

type Given = [input: string | undefined, env?: NodeJS.ProcessEnv]

describe('where it may come from', () => {
  test.each<[string, string, () => Given | Promise<Given>]>([
    ['the input as text', 'input "kubeconfig"', () => [sandbox.kubeconfig]],
    ['the input as base64', 'input "kubeconfig"', () => [base64(sandbox.kubeconfig)]],
    ['the input as a path', 'input "kubeconfig"', async () => [await file('one', sandbox.kubeconfig)]],
    [
      'a file with base64 in it',
      'input "kubeconfig"',
      async () => [await file('coded', base64(sandbox.kubeconfig))],
    ],
    ['KUBECONFIG with content', 'KUBECONFIG', () => [undefined, { KUBECONFIG: sandbox.kubeconfig }]],
    ['KUBECONFIG with base64', 'KUBECONFIG', () => [undefined, { KUBECONFIG: base64(sandbox.kubeconfig) }]],
    [
      'KUBECONFIG with a list of paths, of which one does not exist',
      'KUBECONFIG',
      async () => {
        const user = changed(sandbox.kubeconfig, (config) => {
          config.contexts = []
          config.clusters = []
          delete config['current-context']
        })
        const rest = changed(sandbox.kubeconfig, (config) => {
          config.users = []
        })
        const paths = [join(folder, 'absent'), await file('rest', rest), await file('user', user)]
        return [undefined, { KUBECONFIG: paths.join(delimiter) }]
      },
    ],
    [
      'KUBECONFIG_CONTENTS_B64',
      'KUBECONFIG_CONTENTS_B64',
      () => [undefined, { KUBECONFIG_CONTENTS_B64: base64(sandbox.kubeconfig) }],
    ],
    [
      'the input, before both variables',
      'input "kubeconfig"',
      () => [sandbox.kubeconfig, { KUBECONFIG: 'rubbish', KUBECONFIG_CONTENTS_B64: 'rubbish' }],
    ],
    [
      'KUBECONFIG, before KUBECONFIG_CONTENTS_B64',
      'KUBECONFIG',
      () => [undefined, { KUBECONFIG: sandbox.kubeconfig, KUBECONFIG_CONTENTS_B64: 'rubbish' }],
    ],
  ])('%s', async (_, from, given) => {
    const ended = await run(...(await given()))
    expect(source(ended)).toBe(from)
    expect(ended.code).toBe(0)
    expect(ended.masks).toContain(tokenOf(sandbox.kubeconfig))
  })
})

describe('a client key', () => {
  test('is masked as a whole and line by line, its frame left readable', async () => {
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    })
    const kubeconfig = withUser(sandbox.kubeconfig, { 'client-key-data': base64(privateKey) })
    const { masks, code } = await run(kubeconfig)
    expect(code).toBe(1)
    expect(masks).toContain(privateKey.trim())
    for (const line of privateKey.trim().split('\n').slice(1, -1)) expect(masks).toContain(line)
    expect(masks.filter((mask) => mask.startsWith('-----') && !mask.includes('\n'))).toEqual([])
    expect(masks).not.toContain('')
  })
})

describe('an auth-provider', () => {
  test.each(['gcp', 'azure'])('%s was removed from kubectl, and is not started', async (name) => {
    const config = { 'cmd-path': 'cat', 'cmd-args': '/dev/null', 'token-key': '{.token}' }
    const ended = await run(withUser(sandbox.kubeconfig, { 'auth-provider': { name, config } }))
    expect(ended.log).toContain(`was removed from kubectl in 1.26.`)
    expect(ended.log).toContain('[kubeconfig-invalid]')
  })
})

describe('an exec plugin', () => {
  const token = (): string => tokenOf(sandbox.kubeconfig)
  const given = 'given-by-environment-and-nobody-else'

  async function plugin(name: string, script: string): Promise<Record<string, unknown>> {
    const path = await file(name, `#!/bin/sh\n${script}`)
    await chmod(path, 0o755)
    return {
      exec: {
        apiVersion: 'client.authentication.k8s.io/v1',
        command: path,
        env: [{ name: 'PLUGIN_SETTING', value: 'mine' }],
        interactiveMode: 'Never',
      },
    }
  }

  test.each<[string, (kubeconfig: string) => [string | undefined, NodeJS.ProcessEnv]]>([
    ['the input', (text) => [text, { KUBECONFIG_CONTENTS_B64: base64(given) }]],
    ['KUBECONFIG as text', (text) => [undefined, { KUBECONFIG: text, KUBECONFIG_CONTENTS_B64: given }]],
    [
      'KUBECONFIG as base64',
      (text) => [undefined, { KUBECONFIG: base64(text), KUBECONFIG_CONTENTS_B64: given }],
    ],
    ['KUBECONFIG_CONTENTS_B64', (text) => [undefined, { KUBECONFIG_CONTENTS_B64: base64(text) }]],
  ])('sees no credential in its environment: %s', async (name, place) => {
    const dump = join(folder, `${name}.environment`)
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: {} }
    const answer = JSON.stringify({ ...credential, status: { token: token() } })
    const user = await plugin('dumping', `env > '${dump}'\necho '${answer}'\n`)
    const kubeconfig = withUser(sandbox.kubeconfig, { ...user, password: given })
    const ended = await run(...place(kubeconfig))
    expect(ended.code).toBe(0)
    expect(ended.masks).toContain(token())
    const environment = await readFile(dump, 'utf8')
    expect(environment).toContain('PLUGIN_SETTING=mine')
    expect(environment).not.toMatch(/^INPUT_KUBECONFIG=|^KUBECONFIG_CONTENTS_B64=/m)
    expect(environment).not.toContain(given)
    expect(environment).not.toContain(base64(given).slice(0, 40))
    expect(environment).not.toContain(base64(kubeconfig).slice(0, 40))
  })

  test('that prints commands to its runner starts none', async () => {
    const words = '::add-mask::shop\\n##[group]x\\n::error::x\\n'
    const user = await plugin('speaking', `printf '${words}'\nprintf '${words}' >&2\nexit 1\n`)
    const ended = await runAction({
      inputs: { ...inputsFor(sandbox, 'kubeconfig'), kubeconfig: withUser(sandbox.kubeconfig, user) },
      env: { RUNNER_DEBUG: '1' },
    })
    expect(ended.log).toContain('[cluster-credential-failed]')
    expect(ended.masks).toEqual([])
    expect(ended.commands.map(({ name }) => name)).toEqual(['error'])
  })
})

describe('a missing one', () => {
  const payload = (head: string): object => ({
    pull_request: { number: 7, head: { repo: { full_name: head } } },
    repository: { full_name: 'acme/shop', name: 'shop', owner: { login: 'acme' } },
  })

  test.each<[string, object, NodeJS.ProcessEnv, string[]]>([
    [
      "a fork's pull request",
      payload('kim/shop'),
      { GITHUB_EVENT_NAME: 'pull_request' },
      [
        'This run was started by a pull request from the fork kim/shop, and such runs get no secrets.',
        'Run this step on pushes only, or skip it for forks:',
        '  if: github.event.pull_request.head.repo.full_name == github.repository',
        'Do not change the trigger to pull_request_target to get around this.',
      ],
    ],
    [
      'a pull request from a fork with a name that is a command',
      payload('kim/shop\n::add-mask::shop'),
      { GITHUB_EVENT_NAME: 'pull_request' },
      [
        'This run was started by a pull request from the fork kim/shop ::add-mask::shop, and such runs get no secrets.',
      ],
    ],
    [
      'Dependabot',
      payload('acme/shop'),
      { GITHUB_ACTOR: 'dependabot[bot]' },
      ['This run was started by Dependabot, and runs of Dependabot get Dependabot secrets only.'],
    ],
    [
      'no particular reason',
      payload('acme/shop'),
      {},
      [
        "A frequent cause is a secret that is defined in another environment than this job's, or a misspelt name:",
      ],
    ],
  ])('%s', async (_, event, env, says) => {
    const GITHUB_EVENT_PATH = await file('event.json', JSON.stringify(event))
    const inputs = { ...inputsFor(sandbox, 'kubeconfig'), kubeconfig: '' }
    const ended = await runAction({ inputs, env: { ...env, GITHUB_EVENT_PATH } })
    expect(ended.code).toBe(1)
    expect(ended.log.split('\n')).toEqual(
      expect.arrayContaining([
        '✗ No kubeconfig: input "kubeconfig" is empty, and neither KUBECONFIG nor KUBECONFIG_CONTENTS_B64 is set.  [kubeconfig-missing]',
        ...says.map((line) => `  ${line}`),
        '  Nothing was changed.',
      ]),
    )
    expect(ended.commands.map(({ name }) => name)).toEqual(['error'])
  })
})
