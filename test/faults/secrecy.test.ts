import { generateKeyPairSync } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Interceptor, KubeObject } from '../../sandbox/api.ts'
import { createAuthority } from '../../sandbox/certificate.ts'
import type { ProvisionRequest } from '../../src/input/request.ts'
import { changed, tokenOf, withUser, type ActionRun } from '../process/action.ts'
import { identifier, literal, useBench, type Application } from '../support/bench.ts'
import { Canaries, escapedSigns } from '../support/canary.ts'
import { report } from './budget.ts'
import { startProcess } from './process.ts'
import { openProxy, type Proxy } from './proxy.ts'

const canary = {
  applicationPassword: `app ${escapedSigns} password`,
  basicPassword: `basic ${escapedSigns} password`,
  execVariable: `exec ${escapedSigns} variable`,
  execArgument: 'exec-argument-of-the-plugin',
  providerSecret: 'provider-client-secret',
  providerToken: 'provider-refresh-token',
  proxyPassword: `proxy ${escapedSigns} password`,
}
const clientKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()

const bench = useBench({
  adminPassword: `admin ${escapedSigns} password`,
  postgres: { settings: { log_min_duration_statement: '0' } },
})
let folder: string
let proxy: Proxy
let runs = 0
let bytes = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'secrecy-'))
  proxy = await openProxy('kim', canary.proxyPassword)
})

afterAll(async () => {
  await proxy.close()
  await rm(folder, { recursive: true, force: true })
  report(`secrecy: ${runs} runs, 0 credentials found in ${(bytes / 1000).toFixed(0)} kB`)
})

/** What a run is given, and what a test wants of its kubeconfig. */
interface Given {
  readonly kubeconfig?: string
  readonly inputs?: Partial<ProvisionRequest>
  readonly env?: NodeJS.ProcessEnv
  /** A module that Node.js runs first. */
  readonly script?: string
  readonly intercept?: Interceptor
  /** What is run against the database. */
  readonly lines?: string
}

/** Runs with debug logging and looks everywhere; whatever the process itself shows is looked at as it ends. */
async function act(application: Application, given: Given = {}): Promise<ActionRun> {
  const { sandbox } = bench
  const stop = given.intercept && sandbox.api.intercept(given.intercept)
  try {
    const request = {
      ...application.request,
      timeoutMs: 8_000,
      ...(given.kubeconfig !== undefined && { kubeconfig: { input: given.kubeconfig, absenceHint: [] } }),
      ...given.inputs,
    }
    const { ended } = await startProcess(sandbox, request, {
      sandbox,
      env: { RUNNER_DEBUG: '1', ...given.env },
      ...(given.script !== undefined && { script: given.script }),
      ...(given.lines !== undefined && { inputs: { run: given.lines } }),
      secrets: [...Object.values(canary), clientKey],
    })
    const run = await ended
    expectNothingIn(run, application)
    runs += 1
    bytes += run.stdout.length + run.stderr.length + run.summary.length
    return run
  } finally {
    stop?.()
  }
}

/** What the API server shows to others: the Secret apart from its data, and the addresses that were asked for. */
function expectNothingIn(run: ActionRun, { request }: Application): void {
  const { api, admin, appNamespace, kubeconfig } = bench.sandbox
  const secret = api.get('Secret', appNamespace, request.appSecret)
  const canaries = new Canaries()
  const known = [admin.password, tokenOf(kubeconfig), ...Object.values(canary), ...run.masks]
  for (const each of known) if (each.length >= 6) canaries.plant(each)
  const texts = {
    'the metadata of the Secret': JSON.stringify(secret?.metadata ?? {}),
    'the audit log': JSON.stringify(api.requests),
  }
  expect(canaries.leaks(texts)).toEqual([])
}

/** An application whose password is the canary. */
async function application(): Promise<Application> {
  const made = await bench.established()
  await bench.sql(`ALTER ROLE ${identifier(made.role)} PASSWORD ${literal('another one, set by hand')}`)
  made.putSecret({ PGPASSWORD: canary.applicationPassword }, 'on top')
  return made
}

/** A plugin that gives the sandbox's token, and writes down what it was started with. */
async function plugin(dump: string): Promise<Record<string, unknown>> {
  const path = join(folder, 'plugin')
  const apiVersion = 'client.authentication.k8s.io/v1'
  const status = { token: tokenOf(bench.sandbox.kubeconfig) }
  const answer = JSON.stringify({ apiVersion, kind: 'ExecCredential', status })
  await writeFile(
    path,
    `#!/bin/sh\ncat /proc/$PPID/cmdline > '${dump}.parent'\nenv > '${dump}'\necho '${answer}'\n`,
  )
  await chmod(path, 0o755)
  return {
    apiVersion,
    command: path,
    args: [`--client-secret=${canary.execArgument}`],
    env: [{ name: 'CLIENT_SECRET', value: canary.execVariable }],
    interactiveMode: 'Never',
  }
}

/** Runs with a plugin, and looks for credentials in what it saw of others: its environment, and who started it with what. */
async function withPlugin(
  given: Pick<Given, 'env' | 'script'> = {},
): Promise<{ run: ActionRun; leaks: readonly string[] }> {
  const dump = join(folder, 'environment')
  const exec = await plugin(dump)
  const kubeconfig = withUser(bench.sandbox.kubeconfig, { exec })
  const run = await act(await application(), { kubeconfig, ...given })
  const canaries = new Canaries()
  const { execVariable, ...others } = canary
  const known = [...Object.values(others), bench.admin.password, tokenOf(bench.sandbox.kubeconfig)]
  for (const each of known) canaries.plant(each)
  const environment = await readFile(dump, 'utf8')
  // Else nothing would have been looked at.
  expect(environment).toContain(`CLIENT_SECRET=${execVariable}`)
  const parent = await readFile(`${dump}.parent`, 'utf8')
  expect(parent).toContain('index.js')
  return { run, leaks: canaries.leaks({ environment, parent }) }
}

describe('a credential that came as', () => {
  const certificate = createAuthority('client').issue(['client']).certificate
  const base64 = (text: string): string => Buffer.from(text).toString('base64')

  test.each<[string, (kubeconfig: string) => string, number]>([
    ['token', (kubeconfig) => kubeconfig, 0],
    [
      'client key beside the token',
      (kubeconfig) =>
        withUser(kubeconfig, {
          token: tokenOf(kubeconfig),
          'client-certificate-data': base64(certificate),
          'client-key-data': base64(clientKey),
        }),
      1,
    ],
    [
      'user and password',
      (kubeconfig) => withUser(kubeconfig, { username: 'kim', password: canary.basicPassword }),
      1,
    ],
    [
      'configuration of an auth-provider',
      (kubeconfig) =>
        withUser(kubeconfig, {
          'auth-provider': {
            name: 'oidc',
            config: {
              'client-id': 'kim',
              'client-secret': canary.providerSecret,
              'refresh-token': canary.providerToken,
              'id-token': 'no.token.at-all',
              'idp-issuer-url': 'https://127.0.0.1:1',
            },
          },
        }),
      1,
    ],
    [
      'password of a proxy',
      (kubeconfig) =>
        changed(kubeconfig, ({ clusters: [entry] }) => {
          if (entry) entry.cluster['proxy-url'] = proxy.url
        }),
      0,
    ],
  ])('%s shows nowhere', async (_, change, code) => {
    const run = await act(await application(), { kubeconfig: change(bench.sandbox.kubeconfig) })
    expect(run.code).toBe(code)
  })

  test('environment and argument of a plugin shows nowhere, and the plugin sees no other', async () => {
    const { run, leaks } = await withPlugin()
    expect(run.code).toBe(0)
    expect(leaks).toEqual([])
  })
})

describe('the login of a command, and the password of its listener', () => {
  const pgModule = import.meta.resolve('pg')
  const working = `
    import pg from ${JSON.stringify(pgModule)}
    const client = new pg.Client()
    client.on('error', () => undefined)
    await client.connect()
    await client.query('create table if not exists t ()')`

  test.each<[string, string, number]>([
    ['of a command that works', 'await client.end()', 0],
    ['of a statement that fails', "await client.query('select 1/0')", 1],
    [
      'of a client that gives a wrong password',
      "await new pg.Client({ password: 'wrong' }).connect().catch((error) => console.log(error.message)); await client.end()",
      0,
    ],
    [
      'of a login that the server refuses',
      "await client.query('set role none'); await new pg.Client({ options: '-c no_such=1' }).connect()",
      1,
    ],
    ['of a session that is ended', "await client.query('select pg_terminate_backend(pg_backend_pid())')", 1],
  ])('show nowhere: %s', async (_, lines, code) => {
    const made = await application()
    const dump = join(folder, 'tool')
    const program = join(folder, 'command.mjs')
    await writeFile(program, `${working}\n${lines}`)
    const run = await act(made, {
      inputs: { timeoutMs: 60_000 },
      lines: `cat /proc/$PPID/environ /proc/$PPID/cmdline > '${dump}'\nenv > '${dump}.own'\n'${process.execPath}' '${program}'`,
    })
    expect([run.code, run.log]).toEqual([code, expect.stringContaining('dropped')])
    const own = /^PGPASSWORD=(.*)$/m.exec(await readFile(`${dump}.own`, 'utf8'))?.[1]
    // The other one is the login's, which the command has nothing of.
    const passwords = run.masks.filter((mask) => /^[0-9a-f]{48}$/.test(mask))
    expect(new Set(passwords)).toEqual(new Set([own, expect.any(String)]))
    const canaries = new Canaries()
    for (const each of passwords) canaries.plant(each)
    expect(canaries.leaks({ tool: await readFile(dump, 'utf8') })).toEqual([])
    const logins = new Canaries()
    for (const each of passwords) if (each !== own) logins.plant(each)
    expect(logins.leaks({ command: await readFile(`${dump}.own`, 'utf8') })).toEqual([])
  })
})

describe('on an error path', () => {
  const echo = (): string =>
    `${tokenOf(bench.sandbox.kubeconfig)} ${bench.admin.password} ${canary.applicationPassword}`

  test.each<[string, RegExp]>([
    ['GET', /\/services\//],
    ['GET', /\/portforward$/],
    ['PATCH', /\/secrets\//],
  ])('of an API server that repeats credentials: %s %s', async (method, path) => {
    for (const status of [403, 422, 500]) {
      const made = await application()
      if (method === 'PATCH') made.removeSecret('PGPORT')
      const intercept: Interceptor = (request) =>
        request.method === method && path.test(request.path)
          ? { status, body: { kind: 'Status', message: echo(), reason: echo() } }
          : undefined
      const run = await act(made, { intercept })
      expect(run.code).toBe(1)
    }
  })

  test.each<[string, RegExp]>([
    ['GET', /\/secrets\/postgresql1-access$/],
    ['POST', /selfsubjectaccessreviews$/],
  ])('of an API server that repeats the token: %s %s', async (method, path) => {
    for (const status of [401, 403, 422, 500]) {
      const message = `not for ${tokenOf(bench.sandbox.kubeconfig)}`
      const intercept: Interceptor = (request) =>
        request.method === method && path.test(request.path)
          ? { status, body: { kind: 'Status', message } }
          : undefined
      expect(await act(await application(), { intercept })).toMatchObject({ code: 1 })
    }
  })

  test('of a proxy that repeats them as a web page', async () => {
    const intercept: Interceptor = () => ({
      status: 502,
      body: `<html>${tokenOf(bench.sandbox.kubeconfig)}</html>`,
    })
    expect(await act(await application(), { intercept })).toMatchObject({ code: 1 })
  })

  test.each<[string, (made: Application) => void | Promise<void>, Partial<ProvisionRequest>]>([
    [
      'the admin may not log in',
      () => undefined,
      {
        get accessSecret() {
          return bench.access({ admin: { user: bench.admin.user, password: canary.basicPassword } })
        },
      },
    ],
    ['the role belongs to another Secret', () => undefined, { appSecret: 'another-secret' }],
    [
      'the role may not log in',
      ({ role }) => bench.sql(`ALTER ROLE ${identifier(role)} NOLOGIN`).then(() => undefined),
      {},
    ],
    [
      'the Secret names something else',
      (made) => {
        made.putSecret({ PGHOST: 'elsewhere' }, 'on top')
      },
      {},
    ],
    [
      'the Secret cannot be read',
      (made) => {
        made.putSecret({ PGPASSWORD: `${canary.applicationPassword}\n` }, 'on top')
      },
      {},
    ],
    ['an extension is not there', () => undefined, { extensions: ['no_such_extension'] }],
    [
      'the role has no connection left',
      ({ role }) => bench.sql(`ALTER ROLE ${identifier(role)} CONNECTION LIMIT 0`).then(() => undefined),
      {},
    ],
  ])('%s', async (_, given, inputs) => {
    const made = await application()
    await given(made)
    expect(await act(made, { inputs })).toMatchObject({ code: 1 })
  })
})

describe('the look finds what is planted in', () => {
  test.each<[string, Partial<KubeObject['metadata']>]>([
    ['annotations', { annotations: { 'last-applied': JSON.stringify({ a: canary.providerSecret }) } }],
    ['managed fields', { managedFields: [{ manager: canary.providerSecret }] }],
  ])("the Secret's %s", async (_, metadata) => {
    const made = await application()
    made.putSecret({}, 'on top', { metadata: { name: '', ...metadata } })
    await expect(act(made)).rejects.toThrow('the metadata of the Secret')
  })

  test('the environment of a plugin', async () => {
    const { leaks } = await withPlugin({ env: { PLANTED: canary.providerToken } })
    expect(leaks).toEqual([expect.stringMatching(/^environment, after "[^]*PLANTED="$/)])
  })

  test('the arguments of who starts a plugin', async () => {
    const backwards = canary.providerToken.split('').reverse().join('')
    const script = `process.title = 'index.js ' + '${backwards}'.split('').reverse().join('')`
    const { leaks } = await withPlugin({ script })
    expect(leaks).toEqual([expect.stringMatching(/^parent, after "index\.js "$/)])
  })

  test("PostgreSQL's log", async () => {
    const made = await application()
    const intercept: Interceptor = async ({ path }) => {
      if (!path.endsWith('/portforward')) return undefined
      const client = await bench.connect(bench.admin.user, bench.admin.password, 'postgres')
      await client.query(`SELECT '${canary.providerToken}'`)
      await client.end()
      return undefined
    }
    await expect(act(made, { intercept })).rejects.toThrow("PostgreSQL's log")
  })

  test('an address', async () => {
    const intercept: Interceptor = ({ path }) => {
      if (path.endsWith('/portforward')) {
        const { api } = bench.sandbox
        const [last] = api.requests
        if (last)
          (api.requests as (typeof last)[]).push({
            ...last,
            path: `/?q=${encodeURIComponent(canary.applicationPassword)}`,
          })
      }
      return undefined
    }
    const { requests } = bench.sandbox.api
    await expect(act(await application(), { intercept })).rejects.toThrow('the audit log')
    for (let at = requests.length - 1; at >= 0; at--) {
      if (requests[at]?.path.startsWith('/?q=')) (requests as unknown[]).splice(at, 1)
    }
  })

  test.each([
    ['stdout', 'process.stdout.write(secret)'],
    ['stderr', 'process.stderr.write(secret)'],
    ['outputs', `writeFileSync(process.env.GITHUB_OUTPUT, secret)`],
    ['summary', `writeFileSync(process.env.GITHUB_STEP_SUMMARY, secret)`],
    ['left', `writeFileSync(process.env.TMPDIR + '/left', secret)`],
    [
      'go-live.html',
      `const folder = process.env.TMPDIR + '/pg-app-user-go-live-x'
       mkdirSync(folder)
       writeFileSync(folder + '/go-live.html', secret)`,
    ],
  ])('%s', async (place, leak) => {
    const secret = JSON.stringify(Buffer.from(canary.providerToken).toString('base64'))
    const script = `import { mkdirSync, writeFileSync } from 'node:fs'\nconst secret = ${secret}\nprocess.on('exit', () => { ${leak} })`
    await expect(act(bench.application(), { script })).rejects.toThrow(place)
  })
})
