import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Client, escapeIdentifier, escapeLiteral } from 'pg'
import type { KubeObject } from '../../sandbox/api.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { formats } from '../../src/secrets/formats.ts'
import { distant, openProxy, type Proxy } from '../faults/proxy.ts'
import { escapedSigns } from '../support/canary.ts'
import { changed, inputsFor, runAction, type ActionRun } from './action.ts'
import { optionsFor, runCommand, type CommandRun, type CommandSetting } from './command.ts'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(async () => {
  await sandbox.stop()
})

const visible = escapedSigns.replaceAll(' ', '')
const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** Gives the work an application Secret that holds nothing but this password. */
async function withSecret<Result>(
  application: string,
  password: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const name = `${application}-postgresql-secret`
  sandbox.api.put({
    kind: 'Secret',
    metadata: { name, namespace: sandbox.appNamespace },
    data: { PGPASSWORD: base64(password) },
  })
  try {
    return await work()
  } finally {
    sandbox.api.remove('Secret', sandbox.appNamespace, name)
  }
}

/** Gives the work an access Secret with this password, and a server that knows it or does not. */
async function withAdmin<Result>(
  password: string,
  known: 'right' | 'wrong',
  work: () => Promise<Result>,
): Promise<Result> {
  const { api, accessSecret: name, accessNamespace: namespace, admin } = sandbox
  const data = api.get('Secret', namespace, name)?.['data'] as Record<string, string>
  const put = (text: string): KubeObject =>
    api.put({ kind: 'Secret', metadata: { name, namespace }, data: { ...data, PGPASSWORD: base64(text) } })
  put(password)
  if (known === 'right') await setAdminPassword(password)
  try {
    return await work()
  } finally {
    put(admin.password)
    if (known === 'right') await setAdminPassword(admin.password)
  }
}

async function setAdminPassword(password: string): Promise<void> {
  const { superuser, socketDirectory: host, port } = sandbox.postgres
  const client = new Client({ ...superuser, host, port, database: 'postgres', ssl: false })
  await client.connect()
  try {
    await client.query("SET log_statement = 'none'; SET log_min_duration_statement = -1")
    await client.query(
      `ALTER ROLE ${escapeIdentifier(sandbox.admin.user)} PASSWORD ${escapeLiteral(password)}`,
    )
  } finally {
    await client.end()
  }
}

/** Provisions in a pipe, as a pipeline does. */
async function provision(
  name: string,
  args: readonly string[],
  { env, ...setting }: Partial<CommandSetting> = {},
): Promise<CommandRun> {
  return await runCommand({
    ...setting,
    sandbox,
    args: ['provision', ...optionsFor(sandbox, name), ...args],
    env: { KUBECONFIG: sandbox.kubeconfig, CI: 'true', ...env },
  })
}

test.each(['url', 'dotnet'] as const)(
  'a form %s that an API server echoes is shown nowhere',
  async (format) => {
    const name = `echo-${format}`
    const password = "of kim: a;b/c?d#e@'f'"
    await withSecret(name, password, async () => {
      expect((await provision(name, ['--app-sslmode=require'], { secrets: [password] })).code).toBe(0)
      const data = sandbox.api.get('Secret', sandbox.appNamespace, `${name}-postgresql-secret`)?.['data']
      const text = (key: string): string =>
        Buffer.from((data as Readonly<Record<string, string>>)[key] ?? '', 'base64').toString()
      const [written = ''] = Object.values(
        formats[format].write({
          host: text('PGHOST'),
          port: text('PGPORT'),
          user: text('PGUSER'),
          password,
          database: text('PGDATABASE'),
          sslMode: 'require',
          ca: 'system',
        }),
      )
      for (const said of [written, base64(written)]) {
        const undo = sandbox.api.intercept(({ method }) =>
          method === 'PATCH' ? { status: 422, body: { kind: 'Status', message: `got ${said}` } } : undefined,
        )
        try {
          const args = [`--secret-format=${format}`, '--verbose', '--output=json']
          const { stdout, stderr } = await provision(name, args, { secrets: [password, written] })
          expect(JSON.parse(stdout)).toMatchObject({
            failure: { code: 'secret-write-refused', message: expect.stringContaining('"got ***') },
          })
          expect(stderr).toContain('"got ***')
        } finally {
          undo()
        }
      }
    })
  },
)

// runAction looks for the password in every form, in everything that a run leaves behind.
test.each([`Kq7${visible}9Zt`, 'under_score*and|pipe', `<b a="it's">`])(
  'the password %j that an API server echoes is in no log, summary, annotation or output',
  async (password) => {
    const undo = sandbox.api.intercept(({ path }) =>
      path.endsWith('/portforward')
        ? { status: 403, body: { kind: 'Status', message: `refused: ${password}.`, code: 403 } }
        : undefined,
    )
    const inputs = inputsFor(sandbox, 'leaving')
    const run = await withSecret('leaving', password, () =>
      runAction({ sandbox, inputs, secrets: [password] }),
    ).finally(undo)
    expect(run.code).toBe(1)
    expect(run.log).toContain('refused: ***.')
    expect(run.summary).toContain('refused: &#42;&#42;&#42;.')
    const [annotation] = run.commands.filter(({ name }) => name === 'error')
    expect(annotation?.data).toContain('refused: ***.')
    expect(run.outputs).toMatchObject({ changed: 'false', database: 'leaving' })
  },
)

describe('a password that cannot be told from other text takes nothing out of what other programs read', () => {
  const note = /is shorter than 6 characters, or is part of a name or a word that is shown anyway/

  /** What one run came to: what does not differ from run to run, and whether it noted such a password. */
  interface Came {
    readonly code: number
    readonly outcome: object
    readonly noted: boolean
  }

  function cameOf({ code, stdout }: CommandRun): Came {
    const { seconds, notes, ...outcome } = JSON.parse(stdout) as Record<string, unknown>
    expect(seconds).toEqual(expect.any(Number))
    const noted = note.test((notes as readonly string[]).join('\n'))
    const version = outcome['secret-resource-version']
    expect(version).toMatch(/^\d*$/)
    return { code, noted, outcome: { ...outcome, 'secret-resource-version': version !== '' } }
  }

  /** A password that looks like a name is a likely cause where it is refused, and the error says so in words of its own. */
  function withoutWords(outcome: object): object {
    const { failure } = outcome as { failure?: { code: string } | null }
    return failure ? { ...outcome, failure: failure.code } : outcome
  }

  /** Which run it is whose password is such a one. */
  const runs: Readonly<Record<string, (password: string) => Promise<Came>>> = {
    'of the application': async (password) =>
      await withSecret('short', password, async () =>
        cameOf(await provision('short', ['--dry-run', '--output=json'], { commonplace: true })),
      ),
    'of the admin': async (password) =>
      await withAdmin(password, 'right', async () =>
        cameOf(await provision('short', ['--dry-run', '--output=json'])),
      ),
    'of the admin, and wrong': async (password) =>
      await withAdmin(password, 'wrong', async () => cameOf(await provision('short', ['--output=json']))),
  }

  describe.each(Object.entries(runs))('%s', (whose, run) => {
    let usual: Came
    beforeAll(async () => {
      usual = await run('another one that is long enough')
    })

    test('a long one is no reason for a note', () => {
      const stands = { changed: false, database: 'short', 'secret-name': 'short-postgresql-secret' }
      const failure = whose.endsWith('wrong') ? { code: 'admin-login-refused' } : null
      expect(usual).toMatchObject({ noted: false, outcome: { ...stands, failure } })
      expect(usual.code === 0).toBe(failure === null)
    })

    const passwords = ['short', 'true', 'null', '0', ':', '"', '{', '\\', 'role', 'created']
    test.each(passwords)('%j', async (password) => {
      const { code, outcome, noted } = await run(password)
      expect({ code, outcome: withoutWords(outcome), noted }).toEqual({
        ...usual,
        outcome: withoutWords(usual.outcome),
        noted: true,
      })
    })

    // Long enough to be taken out of texts, but not of what they are called.
    test.each(['failure', 'seconds'])('%j', async (password) => {
      expect(Object.keys((await run(password)).outcome)).toEqual(Object.keys(usual.outcome))
    })
  })

  test('nor does a name out of the variables for the next job', async () => {
    const run = await withAdmin('shop', 'right', () => provision('shop', ['--dotenv=outputs.env']))
    expect(run.code).toBe(0)
    expect(run.stdout).toMatch(/^! note .* shorter than 6 characters, or is part of a name/m)
    expect(run.stdout).toContain('Created role, database, grants and Secret for shop.')
    const lines = run.files['outputs.env']?.split('\n')
    expect(lines).toContain('PG_APP_USER_DATABASE=shop')
    expect(lines).toContain('PG_APP_USER_SECRET_NAME=shop-postgresql-secret')
    expect(lines).toContain('PG_APP_USER_SECRET_NAMESPACE=shop')
  })
})

describe('what stands before the host of a URL is shown nowhere', () => {
  const password = `s3cr3t ${escapedSigns} of kim`
  const userinfo = `kim:${encodeURIComponent(password)}@`
  const gate = { 'go-live': 'warn', 'go-live-profile': 'standard', 'dry-run': 'true' }

  /** Runs on every face, debug logging included, and gives the two logs. */
  async function everywhere(
    application: string,
    kubeconfig: string,
    more: { inputs?: object; options?: readonly string[]; env?: Readonly<Record<string, string>> } = {},
  ): Promise<{ action: ActionRun; command: CommandRun }> {
    const inputs = { ...inputsFor(sandbox, application), ...gate, ...more.inputs, kubeconfig }
    const given = { sandbox, inputs, secrets: [password] }
    const action = await runAction({ ...given, env: { ...more.env, RUNNER_DEBUG: '1' } })
    const gateOptions = Object.entries(gate).map(([name, value]) => `--${name}=${value}`)
    const args = [
      ...gateOptions,
      '--verbose',
      '--output=json',
      '--report-directory=report',
      ...(more.options ?? []),
    ]
    const env = { ...more.env, KUBECONFIG: kubeconfig, GITLAB_CI: 'true' }
    return { action, command: await provision(application, args, { env, secrets: [password] }) }
  }

  test('a server', async () => {
    const kubeconfig = changed(sandbox.kubeconfig, ({ clusters: [entry] }) => {
      if (entry) entry.cluster['server'] = sandbox.api.url.replace('https://', `https://${userinfo}`)
    })
    const { action, command } = await everywhere('userinfo', kubeconfig)
    expect(action.code).toBe(1)
    for (const log of [action.log, command.stderr]) {
      expect(log).toContain('holds a user name or a password.  [kubeconfig-invalid]')
    }
    expect(action.summary).toContain('holds a user name or a password')
    expect(JSON.parse(command.stdout)).toMatchObject({ failure: { code: 'kubeconfig-invalid' } })
  })

  describe('a proxy', () => {
    let proxy: Proxy
    beforeAll(async () => {
      proxy = await openProxy('kim', password)
    })
    afterAll(async () => {
      await proxy.close()
    })

    const ways: Readonly<
      Record<string, (url: string) => { kubeconfig?: string; env?: Record<string, string> }>
    > = {
      'proxy-url': (url) => ({
        kubeconfig: changed(sandbox.kubeconfig, ({ clusters: [entry] }) => {
          if (entry) entry.cluster['proxy-url'] = url
        }),
      }),
      HTTPS_PROXY: (url) => ({ env: { HTTPS_PROXY: url } }),
      https_proxy: (url) => ({ env: { https_proxy: url } }),
    }

    async function through(way: string, url: string): Promise<{ action: ActionRun; command: CommandRun }> {
      const { kubeconfig = distant(sandbox.kubeconfig), env = {} } = ways[way]?.(url) ?? {}
      return await everywhere('userinfo', kubeconfig, { env })
    }

    test.each(['proxy-url', 'HTTPS_PROXY', 'https_proxy'])('that lets it through: %s', async (way) => {
      const { action, command } = await through(way, proxy.url)
      expect([action.code, command.code]).toEqual([0, 0])
      for (const log of [action.log, command.stderr]) expect(log).toContain(` · proxy ${proxy.host} · `)
    })

    test.each(['proxy-url', 'HTTPS_PROXY'])('that knows another password: %s', async (way) => {
      const { action, command } = await through(way, proxy.url.replace('kim', 'other'))
      expect(action.code).toBe(1)
      for (const log of [action.log, command.stderr]) {
        expect(log).toContain(`through the proxy ${proxy.host} cannot be reached: the proxy answered 407`)
      }
      expect(action.summary).toContain(proxy.host)
      expect(command.stdout).toContain(proxy.host)
    })

    test.each(Object.keys(ways))('that is not there: %s', async (way) => {
      const { action, command } = await through(way, `http://${userinfo}127.0.0.1:1`)
      expect(action.code).toBe(1)
      for (const log of [action.log, command.stderr]) {
        expect(log).toContain(
          'through the proxy 127.0.0.1:1 cannot be reached: the proxy refused the connection',
        )
      }
    })
  })

  test.each<[string, () => string]>([
    ['for another host', () => `https://${userinfo}api.prod.example.com:6443`],
    ['for this one', () => sandbox.api.url.replace('https://', `https://${userinfo}`)],
    ['without a scheme', () => `${userinfo}api.prod.example.com`],
    ['without a user', () => `https://:${encodeURIComponent(password)}@api.prod.example.com`],
  ])('expect-server %s', async (_, url) => {
    const { action, command } = await everywhere('userinfo', sandbox.kubeconfig, {
      inputs: { 'expect-server': url() },
      options: [`--expect-server=${url()}`],
    })
    expect(action.code).toBe(1)
    for (const log of [action.log, command.stderr]) expect(log).toContain('[server-unexpected]')
    expect(JSON.parse(command.stdout)).toMatchObject({ failure: { code: 'server-unexpected' } })
  })

  test.each([
    'https://kim:se/cr3t-of-kim@h',
    'https:/kim:s3cr3t-of-kim@h',
    'https://kim:s3#cr3t-of-kim@h',
    'kim:s/cr3t-of-kim@h',
  ])('expect-server that was not encoded: %s', async (expected) => {
    const inputs = { ...inputsFor(sandbox, 'userinfo'), 'expect-server': expected }
    const run = await runAction({ sandbox, inputs, secrets: ['cr3t-of-kim'] })
    expect(run.code).toBe(1)
    expect(run.log).toContain('[server-unexpected]')
  })
})

describe('a resourceVersion that is none is in no output, and the step goes on', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'version-'))
    const run = await runAction({ sandbox, inputs: inputsFor(sandbox, 'version') })
    expect(run.outputs['secret-resource-version']).toMatch(/^\d+$/)
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  /** Lets the API server answer with a Secret of this version, and gives what runs the script of a later step. */
  async function withVersion<Result>(
    method: 'GET' | 'POST',
    resourceVersion: string,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const found = sandbox.api.get('Secret', sandbox.appNamespace, 'version-postgresql-secret')
    const body = { ...found, metadata: { ...found?.metadata, resourceVersion } }
    const path = method === 'GET' ? /\/secrets\/version-postgresql-secret$/ : /\/namespaces\/shop\/secrets$/
    const undo = sandbox.api.intercept((request) =>
      request.method === method && path.test(request.path)
        ? { status: method === 'GET' ? 200 : 201, body }
        : undefined,
    )
    return await work().finally(undo)
  }

  const versions = [
    '1$(touch x)',
    '1`touch x`',
    '1\r\ntouch x',
    '1\nPG_APP_USER_DATABASE=$(touch x)',
    '"; touch x; "',
  ]

  test.each(versions)('%j, in a workflow that puts outputs into commands', async (version) => {
    const run = await withVersion('GET', version, () =>
      runAction({ sandbox, inputs: inputsFor(sandbox, 'version') }),
    )
    expect(run.code).toBe(0)
    expect(run.log).toContain('Nothing to do: ')
    expect(run.outputs).toEqual({
      changed: 'false',
      changes: '[]',
      database: 'version',
      'go-live-verdict': 'off',
      'report-directory': '',
      'secret-name': 'version-postgresql-secret',
      'secret-namespace': 'shop',
      'secret-resource-version': '',
      'server-version': sandbox.postgres.version,
    })
    const script = Object.values(run.outputs).map((output) => `echo ${output}\n`)
    execFileSync('sh', ['-c', script.join('')], { cwd: folder, stdio: 'ignore' })
    expect(await readdir(folder)).toEqual([])
  })

  test.each(versions)('%j, in a job that reads its variables', async (version) => {
    const application = `version-${versions.indexOf(version)}`
    const run = await withVersion('POST', version, () => provision(application, ['--dotenv=outputs.env']))
    expect(run.code).toBe(0)
    expect(run.stdout).toContain('Created role, database, grants and Secret')
    const variables = run.files['outputs.env'] ?? ''
    expect(variables.trimEnd().split('\n')).toHaveLength(9)
    expect(variables).toMatch(/^PG_APP_USER_SECRET_RESOURCE_VERSION=$/m)
    expect(variables).toContain(`\nPG_APP_USER_DATABASE=${application}\n`)
    const inside = await mkdtemp(join(folder, 'job-'))
    try {
      await writeFile(join(inside, 'outputs.env'), variables)
      execFileSync('sh', ['-c', '. ./outputs.env'], { cwd: inside, stdio: 'ignore' })
      expect(await readdir(inside)).toEqual(['outputs.env'])
    } finally {
      await rm(inside, { recursive: true })
    }
  })
})
