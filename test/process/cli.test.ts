import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify, stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { expectReports } from '../support/go-live-report.ts'
import { withUser } from './action.ts'
import { Blocker } from './blocker.ts'
import {
  optionsFor,
  program,
  runCommand,
  startOnTerminal,
  type CommandRun,
  type TerminalSession,
} from './command.ts'

/** Names everything, and is wrong about nothing. */
const dryOptions = [
  '--access-secret=postgresql1-access',
  '--access-namespace=postgres-system',
  '--app-database=early',
  '--dry-run',
]

let sandbox: Sandbox
let folder: string
let kubeconfig: string
beforeAll(async () => {
  sandbox = await startSandbox()
  folder = await mkdtemp(join(tmpdir(), 'cli-test-'))
  kubeconfig = join(folder, 'kubeconfig')
  await writeFile(kubeconfig, sandbox.kubeconfig, { mode: 0o600 })
})
afterAll(async () => {
  await sandbox.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Provisions in a pipe, as a pipeline does. */
async function provision(
  name: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandRun> {
  return await runCommand({
    sandbox,
    args: ['provision', ...optionsFor(sandbox, name), ...args],
    env: { KUBECONFIG: kubeconfig, CI: 'true', ...env },
  })
}

/** Provisions on a terminal, as a person does. */
function provisionOnTerminal(name: string, args: readonly string[] = []): TerminalSession {
  return startOnTerminal({
    sandbox,
    args: ['provision', ...optionsFor(sandbox, name), ...args],
    env: { KUBECONFIG: kubeconfig },
  })
}

function secretOf(name: string): object | undefined {
  return sandbox.api.get('Secret', sandbox.appNamespace, `${name}-postgresql-secret`)
}

describe('in a pipe', () => {
  test('provisions, twice, in plain lines', async () => {
    const first = await provision('twice')
    expect(first.code).toBe(0)
    expect(first.stderr).toBe('')
    expect(first.stdout).toMatch(/^\+ Secret {10}shop\/twice-postgresql-secret created, 6 keys/m)
    expect(first.stdout).toMatch(/^Created role, database, grants and Secret for twice\. \d+\.\d\d s$/m)
    expect(first.stdout).not.toContain('\x1b')
    const second = await provision('twice')
    expect(second.stdout).toMatch(/\nNothing to do: .*\n$/)
  })

  test('colours only where FORCE_COLOR asks for it', async () => {
    const { stdout } = await provision('colours', ['--dry-run'], { FORCE_COLOR: '1' })
    expect(stdout).toContain('\x1b[32m')
  })

  test('gives one JSON text on stdout, and the log on stderr', async () => {
    const { stdout, stderr, code } = await provision('machine', ['--output', 'json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      changed: true,
      'secret-name': 'machine-postgresql-secret',
      'secret-namespace': 'shop',
      database: 'machine',
      failure: null,
    })
    expect(stderr).toMatch(/^✓ cluster/m)
  })

  test.each([
    ['a command', ['-o', 'json']],
    ['an option', ['provision', '--nonsense', '-ojson']],
    ['a value', ['provision', '-o=json', '--timeout=5']],
    ['a kubeconfig', ['provision', '--output=json', ...dryOptions, '--kubeconfig=/nowhere']],
    ['the rights', ['provision', '-o', 'json', ...dryOptions, '--access-secret=another']],
    ['a plan', ['go-live', '-o', 'json', ...dryOptions.slice(0, 3)]],
  ])('gives JSON of the same shape where %s is wrong, however early that is', async (_, args) => {
    const env = { KUBECONFIG: kubeconfig, CI: 'true' }
    const { stdout, code } = await runCommand({ sandbox, args, env })
    expect(code).not.toBe(0)
    const { failure, ...rest } = JSON.parse(stdout) as { failure: object }
    expect(failure).toEqual({
      code: expect.stringMatching(/^[a-z-]+$/),
      message: expect.any(String),
      hint: expect.any(Array),
      standing: 'Nothing was changed.',
    })
    const done = await provision('shape', ['--dry-run', '-o', 'json'])
    expect(Object.keys({ ...rest, failure })).toEqual(Object.keys(JSON.parse(done.stdout) as object))
  })

  test('gives that shape also where Node.js cannot begin again without a variable', async () => {
    const script = 'process.execve = undefined'
    const env = { NODE_OPTIONS: '--no-deprecation' }
    const { stdout, code } = await runCommand({ sandbox, args: ['provision', '-o', 'json'], env, script })
    expect(code).toBe(2)
    expect(JSON.parse(stdout)).toMatchObject({
      changed: false,
      'go-live': null,
      failure: { code: 'input-invalid', message: expect.stringContaining('NODE_OPTIONS') as unknown },
    })
  })

  test('takes -n for the namespace', async () => {
    const { stdout, code } = await provision('short', ['-n', 'elsewhere', '--dry-run'])
    expect(code).toBe(4)
    expect(stdout).toContain('namespace elsewhere')
  })

  test('gives a failure as JSON too', async () => {
    const { stdout, code } = await provision('machine', ['--output=json', '--app-secret=other-secret'])
    expect(code).toBe(5)
    expect(JSON.parse(stdout)).toMatchObject({
      changed: false,
      failure: { code: 'role-claimed', standing: 'Nothing was changed.' },
    })
  })

  test('writes the outputs as variables for a later job', async () => {
    const { files } = await provision('variables', ['--dotenv=outputs.env'])
    expect(files['outputs.env']).toMatch(/^PG_APP_USER_SECRET_NAME=variables-postgresql-secret$/m)
    expect(files['outputs.env']).toMatch(/^PG_APP_USER_CHANGED=true$/m)
  })

  test('says what led to an error only when asked, and never a credential', async () => {
    const broken = { KUBECONFIG: sandbox.kubeconfig.replace(/token: .*/, 'token: no-longer-valid-token') }
    expect((await provision('quiet', [], broken)).stdout).not.toContain('debug:')
    const { stdout, code } = await provision('quiet', ['--verbose'], broken)
    expect(code).toBe(4)
    expect(stdout).toContain('[token-rejected]')
    expect(stdout).not.toContain('no-longer-valid-token')
  })

  test('needs --yes where neither a person nor a pipeline is there', async () => {
    const { code, stdout } = await provision('unasked', [], { CI: '' })
    expect(code).toBe(2)
    expect(stdout).toContain('The first change needs a confirmation, and there is no terminal to ask at.')
    expect(secretOf('unasked')).toBeUndefined()
    expect((await provision('unasked', ['--yes'], { CI: '' })).code).toBe(0)
  })

  test('does not look into the home folder', async () => {
    const { code, stdout } = await provision('homeless', ['--yes'], { KUBECONFIG: '', CI: '' })
    expect(code).toBe(4)
    expect(stdout).toContain('[kubeconfig-missing]')
    expect(stdout).not.toContain('.kube/config')
  })

  test('takes a kubeconfig that is content from variables, and from no option', async () => {
    const encoded = Buffer.from(sandbox.kubeconfig).toString('base64')
    const byVariable = { KUBECONFIG: '', KUBECONFIG_CONTENTS_B64: encoded }
    expect((await provision('content', ['--dry-run'], byVariable)).code).toBe(0)
    const byOption = await provision('content', ['--dry-run', `--kubeconfig=${encoded}`], { KUBECONFIG: '' })
    expect(byOption.code).toBe(2)
    expect(byOption.stdout).toContain('Option --kubeconfig names no file.')
    const byPath = await provision('content', ['--dry-run', `--kubeconfig=${kubeconfig}`], { KUBECONFIG: '' })
    expect(byPath.stdout).toContain('kubeconfig from option --kubeconfig')
  })

  test('lets an option win over its variable, even an empty one', async () => {
    const variable = { PG_APP_USER_APP_DATABASE: 'by-variable', PG_APP_USER_DRY_RUN: 'true' }
    const { stdout } = await provision('by-option', [], variable)
    expect(stdout).toMatch(/^pg-app-user \S+ · dry run by-option$/m)
    const real = await provision('by-option', ['--dry-run=false'], variable)
    expect(real.stdout).toMatch(/^Created role, database, grants and Secret for by-option/m)
    const wrong = { PG_APP_USER_APP_SSLMODE: 'wrong' }
    expect((await provision('by-option', [], wrong)).code).toBe(2)
    expect((await provision('by-option', ['--app-sslmode='], wrong)).code).toBe(0)
  })

  test('names every wrong option at once, in the words of the command line', async () => {
    const { stdout, code } = await provision('wrong', ['--app-sslmode=required', '--timeout=5'])
    expect(code).toBe(2)
    expect(stdout).toContain('✗ 2 options are wrong: --app-sslmode and --timeout.  [input-invalid]')
    expect(stdout).toContain('(did you mean require?)')
  })

  test('does not repeat the value of an option that it does not know', async () => {
    const { stdout, code } = await provision('unknown', ['--pasword=hunter-two-hunter'])
    expect(code).toBe(2)
    expect(stdout).toContain("Unknown option '--pasword'.")
    expect(stdout).not.toContain('hunter')
  })

  test.each(['stdout', 'stderr'] as const)('comes to its end when nobody reads %s', async (unread) => {
    const name = `unread-${unread}`
    const args = ['provision', ...optionsFor(sandbox, name), '--output=json']
    const run = await runCommand({ sandbox, args, env: { KUBECONFIG: kubeconfig, CI: 'true' }, unread })
    expect(run.code).toBe(0)
    if (unread === 'stderr') expect(JSON.parse(run.stdout)).toMatchObject({ changed: true, failure: null })
    else expect(run.stderr).toMatch(/\nCreated role, database, grants and Secret for unread-stdout\. .*\n$/)
    expect(secretOf(name)).toBeDefined()
  })

  // Linux has a file that is always full.
  test.each(existsSync('/dev/full') ? ['rights', 'provision'] : [])(
    'says that the disk is full, and %s ends badly',
    async (command) => {
      const words = [command, ...optionsFor(sandbox, 'full').slice(0, 2), '--app-namespace=shop']
      const line = `"$0" "$@" ${command === 'rights' ? '' : '--app-database=full --dry-run '}>/dev/full`
      const env = { PATH: process.env['PATH'], HOME: folder, KUBECONFIG: kubeconfig }
      const run = promisify(execFile)('sh', ['-c', line, process.execPath, program, ...words], { env })
      const stderr = '✗ The output cannot be written (ENOSPC).\n'
      await expect(run).rejects.toMatchObject({ code: 1, stderr })
    },
  )

  test('waits for no plugin that hangs, longer than it has time', async () => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'sleep', args: ['600'] }
    const hanging = withUser(sandbox.kubeconfig, { exec: { ...exec, interactiveMode: 'Never' } })
    const { code, stdout } = await provision('hanging', ['--timeout=1s'], { KUBECONFIG: hanging })
    expect(code).toBe(7)
    expect(stdout).toContain('✗ The run did not end within its 1 s; it was at: the cluster.  [timeout]')
  })

  test('prints the Role after the error that asks for it', async () => {
    const { stdout, code } = await provision('rightless', ['--access-secret=another-secret'])
    expect(code).toBe(4)
    const [before = '', after = ''] = stdout.split('[permission-missing]')
    expect(before).not.toContain('kind: Role')
    expect(after).toContain('kind: RoleBinding')
  })
})

describe('a name of another tool', () => {
  test.each([
    ['provision', '--namespace=shop', ['--app-namespace', '--access-namespace']],
    ['provision', '--database=shop', ['--app-database', '--access-database']],
    ['provision', '--secret=shop', ['--app-secret', '--access-secret']],
    ['go-live', '--profile=standard', ['--go-live-profile']],
    ['exec', '--user=shop', ['--app-username']],
    ['exec', '-d', ['--app-database']],
    ['rights', '--namespace=shop', ['--app-namespace', '--access-namespace']],
    ['provision', '--sslmode=require', ['--app-sslmode']],
    ['provision', '--json', ['--output json']],
    ['provision', '--force', ['--yes']],
    ['provision', '--password=hunter2-hunter2', ['access Secret']],
    ['go-live', '--existing=adopt', ['It is an option of "provision"']],
    ['provision', '--app-databse=shop', ['--app-database']],
  ])('leads %s with %s to the right one, and its value is not repeated', async (command, option, right) => {
    const { stdout, stderr, code } = await runCommand({ sandbox, args: [command, option] })
    expect(code).toBe(command === 'exec' ? 125 : 2)
    const said = stdout + stderr
    const [name] = option.split('=')
    expect(said).toContain(`Unknown option '${name ?? ''}'.`)
    for (const text of right) expect(said).toContain(text)
    expect(said).not.toContain('hunter2')
  })
})

describe('help', () => {
  async function help(...args: string[]): Promise<CommandRun> {
    return await runCommand({ sandbox, args })
  }

  test.each([[['--help']], [['help']], [['help', 'provision']], [['go-live', '--help']], [['rights', '-h']]])(
    '%j is no error, and has examples',
    async (args) => {
      const { code, stdout, stderr } = await help(...args)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toMatch(/\nExamples:\n.+\n +pg-app-user /)
      expect(stdout).not.toContain('✗')
    },
  )

  test.each([[[]], [['provision']], [['go-live']], [['exec']], [['rights']], [['completion']]])(
    'of %j fits on a screen, with what is required first',
    async (command) => {
      const { stdout } = await help(...command, '--help')
      expect(stdout.split('\n').length).toBeLessThan(60)
      const headings = [...stdout.matchAll(/^([A-Z][\w -]+):$/gm)].map(([, heading]) => heading)
      if (stdout.includes('--access-secret <name>')) {
        expect(headings[0]).toBe('Required')
        expect(stdout).toMatch(/^ +-n, --app-namespace <name> /m)
        expect(stdout).toContain(`pg-app-user ${command[0] ?? ''} --help --all`)
      }
    },
  )

  test('says of each option what holds, with its variable, where all are asked for', async () => {
    const { stdout } = await help('provision', '--help', '--all')
    const text = stdout.replace(/\s+/g, ' ')
    expect(text).toContain('Default: main, release/**, tag:v*. (PG_APP_USER_RELEASE_BRANCHES)')
    expect(text).toContain('--go-live <choice> Whether to check')
    expect(text).toContain('Default: off. (PG_APP_USER_GO_LIVE)')
    const gate = (await help('help', 'go-live', '--all')).stdout.replace(/\s+/g, ' ')
    expect(gate).toContain('One of warn, enforce, auto. Default: enforce. (PG_APP_USER_GO_LIVE)')
    expect(gate).toContain('Required. The plan that was ordered.')
    expect(gate).not.toContain('--dry-run')
  })

  test('of an unknown command is refused', async () => {
    const { code, stdout } = await help('help', 'provison')
    expect(code).toBe(2)
    expect(stdout).toContain("✗ Unknown command 'provison'.  [input-invalid]")
  })
})

describe('rights', () => {
  const args = ['rights', '--access-secret=access', '--access-namespace=db', '--app-namespace=shop']

  test('prints what kubectl can apply, without a cluster', async () => {
    const { stdout, code } = await runCommand({ sandbox, args: [...args, '--service-account=shop/ci'] })
    expect(code).toBe(0)
    const objects = parseAllDocuments(stdout).map((document) => document.toJS() as { kind: string })
    expect(objects.map(({ kind }) => kind)).toEqual(['Role', 'RoleBinding', 'Role', 'RoleBinding'])
    expect(stdout).toContain('namespace: shop')
  })

  test('asks for what the gate would like to read in Roles of their own, where that is wanted', async () => {
    const { stdout, code } = await runCommand({
      sandbox,
      args: [...args, '--service-account=shop/ci', '--go-live', '--gate-only'],
    })
    expect(code).toBe(0)
    const objects = parseAllDocuments(stdout).map(
      (document) => document.toJS() as { kind: string; metadata: { name: string } },
    )
    expect(objects.filter(({ kind }) => kind === 'Role').map(({ metadata }) => metadata.name)).toEqual([
      'pg-app-user-access-any',
      'pg-app-user-app-postgresql-secret-read',
      'pg-app-user-access-any-go-live',
      'pg-app-user-app-postgresql-secret-workloads-go-live',
    ])
    expect(stdout).toContain('resources: [postgresqls]')
    expect(stdout).not.toContain('patch')
  })

  test.each([
    ['user', 'User', 'github:4711:production'],
    ['user', 'User', 'kim: [a, "b"'],
    ['group', 'Group', 'oidc:shop-deployers'],
  ])('binds to a %s', async (option, kind, name) => {
    const { stdout, code } = await runCommand({ sandbox, args: [...args, `--${option}=${name}`] })
    expect(code).toBe(0)
    const bindings = parseAllDocuments(stdout)
      .map((document) => document.toJS() as { kind: string; subjects?: unknown })
      .filter((object) => object.kind === 'RoleBinding')
    expect(bindings).toHaveLength(2)
    for (const { subjects } of bindings) {
      expect(subjects).toEqual([{ apiGroup: 'rbac.authorization.k8s.io', kind, name }])
    }
  })

  test('binds to one receiver', async () => {
    const { stdout, code } = await runCommand({ sandbox, args: [...args, '--user=kim', '--group=ops'] })
    expect(code).toBe(2)
    expect(stdout).toContain('Options --user and --group each say who gets the rights: give one of them.')
  })

  test('gives a List as JSON', async () => {
    const { stdout } = await runCommand({ sandbox, args: [...args, '--service=db-service', '--output=json'] })
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'List', items: [{ kind: 'Role' }, {}, {}, {}] })
    expect(stdout).toContain('db-service')
  })

  test('takes what is given empty for not given, and names for names', async () => {
    const without = await runCommand({ sandbox, args })
    const empty = await runCommand({ sandbox, args: [...args, '--service=', '--service-account='] })
    expect(empty).toEqual(without)
    const digit = await runCommand({ sandbox, args: [...args, '--service=1-postgresql'] })
    expect(digit.stdout).toContain('resourceNames: [1-postgresql]')
    for (const [wrong, says] of [
      ['--service=A: [b', 'Option --service is not the name of a Service'],
      ['--service-account=ci', 'Option --service-account has to be namespace/name'],
    ] as const) {
      const { code, stdout } = await runCommand({ sandbox, args: [...args, wrong] })
      expect(code).toBe(2)
      expect(stdout).toContain(says)
    }
  })

  test('names all that is missing', async () => {
    const { stdout, code } = await runCommand({ sandbox, args: ['rights'] })
    expect(code).toBe(2)
    expect(stdout).toContain('3 options are wrong: --access-secret, --access-namespace and --app-namespace.')
  })
})

describe('go-live', () => {
  async function goLive(name: string, args: readonly string[] = []): Promise<CommandRun> {
    return await runCommand({
      sandbox,
      args: ['go-live', ...optionsFor(sandbox, name), '--go-live-profile=standard', ...args],
      env: { KUBECONFIG: kubeconfig, CI: '' },
    })
  }

  test('holds back with its own exit code, changes nothing and asks nothing', async () => {
    await provision('gated')
    const { code, stdout, files } = await goLive('gated', ['--dotenv=outputs.env'])
    expect(code).toBe(3)
    expect(stdout).toMatch(/^pg-app-user \S+ · go-live gate of gated$/m)
    expect(stdout).toContain('[go-live-held-back]')
    expect(stdout).toMatch(
      /^! report +no go-live\.html, attest\.yaml or rights\.yaml: add --report-directory with a folder/m,
    )
    expect(stdout).not.toMatch(/summary|kind: Role|attestations:/)
    expect(files['outputs.env']).toMatch(/^PG_APP_USER_GO_LIVE_VERDICT=held-back$/m)
    expect(files['outputs.env']).toMatch(/^PG_APP_USER_CHANGED=false$/m)
  })

  test('only reports where that was asked for, with the findings as JSON', async () => {
    const { code, stdout, stderr } = await goLive('gated', ['--go-live=warn', '--output=json'])
    expect(code).toBe(0)
    const result = JSON.parse(stdout) as Record<string, unknown>
    expect(result).toMatchObject({ 'go-live-verdict': 'held-back', failure: null })
    expect(result['go-live']).toHaveProperty('profile', 'standard')
    expect(stderr).toContain('Would be held back')
  })

  test('writes its report into a folder, more than once', async () => {
    const directory = join(folder, 'report')
    for (const mode of ['warn', 'enforce']) {
      const { stdout } = await goLive('gated', [`--go-live=${mode}`, `--report-directory=${directory}`])
      expect(stdout).toContain(`report          ${join(directory, 'go-live.html')}, with all evidence`)
      expectReports({ 'go-live.json': await readFile(join(directory, 'go-live.json'), 'utf8') })
    }
    expect((await readdir(directory)).sort()).toEqual([
      'attest.yaml',
      'go-live.html',
      'go-live.json',
      'go-live.xml',
      'rights.yaml',
    ])
  })

  test('is not off', async () => {
    const { code, stdout } = await goLive('gated', ['--go-live=off'])
    expect(code).toBe(2)
    expect(stdout).toContain('Option --go-live is off, so there is nothing to do.')
  })

  test('goes with provisioning in one run', async () => {
    const { code, stdout } = await provision('both', ['--go-live=enforce', '--go-live-profile=standard'])
    expect(code).toBe(3)
    expect(stdout).toContain('The application user is in place; only the release is held.')
    expect(secretOf('both')).toBeDefined()
  })
})

describe('on a terminal', () => {
  test('shows what is under way, asks once, and does what was agreed to', async () => {
    const session = provisionOnTerminal('agreed')
    await session.see('Do it? [y/N] ')
    expect(secretOf('agreed')).toBeUndefined()
    expect(session.shown()).toMatch(/[⠋-⠿] the cluster … /)
    expect(session.shown()).toMatch(
      /This is what would be done on https:\/\/127\.0\.0\.1:\d+, namespace shop:/,
    )
    expect(session.shown()).toContain('\x1b[32m')
    expect(stripVTControlCharacters(session.shown())).toMatch(
      /^\+ grants +agreed: all on the database for agreed is missing; would be granted\r$/m,
    )
    session.type('y\r')
    const { code, stdout } = await session.ended
    expect(code).toBe(0)
    expect(stdout).toMatch(/^Created role, database, grants and Secret for agreed\./m)
    expect(stdout).toContain(
      "kubectl -n shop get secret agreed-postgresql-secret -o go-template='{{.data.PGPASSWORD | base64decode}}'",
    )
    expect(secretOf('agreed')).toBeDefined()
  })

  test('gives no way to a password after a dry run: there may be none yet', async () => {
    const name = 'unread-postgresql-secret'
    sandbox.api.put({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace: 'shop', name },
      data: { password: Buffer.from('by hand').toString('base64') },
    })
    const session = provisionOnTerminal('unread', ['--dry-run'])
    const { code, stdout } = await session.ended
    expect(code).toBe(0)
    expect(stdout).toContain(`shop/${name} holds other keys too (password)`)
    expect(stdout).not.toContain('base64decode')
  })

  test('gives the way to the password in the cluster of this run, whatever kubectl would use', async () => {
    const path = join(folder, "kim's kubeconfig")
    await writeFile(path, sandbox.kubeconfig, { mode: 0o600 })
    const session = startOnTerminal({
      sandbox,
      args: [
        'provision',
        ...optionsFor(sandbox, 'read'),
        '--yes',
        '--context=sandbox',
        `--kubeconfig=${path}`,
      ],
      env: { KUBECONFIG: '/nowhere' },
    })
    const { stdout } = await session.ended
    const quoted = `'${path.replace("'", "'\\''")}'`
    expect(stdout).toContain(`kubectl --kubeconfig ${quoted} --context sandbox -n shop get secret read-`)
  })

  test.each([
    ['no', 'n\r'],
    ['an empty line', '\r'],
    ['the end of the input', '\x04'],
  ])('takes %s for a no', async (_, keys) => {
    const session = provisionOnTerminal('refused')
    await session.see('Do it? [y/N] ')
    session.type(keys)
    const { code, stdout } = await session.ended
    expect(code).toBe(130)
    expect(stdout).toContain('The answer to the question was no.  [cancelled]\n  Nothing was changed.')
    expect(secretOf('refused')).toBeUndefined()
  })

  test('asks nothing where nothing has to be done, or with --yes, or in a dry run', async () => {
    const yes = await provisionOnTerminal('unquestioned', ['--yes']).ended
    expect(yes.code).toBe(0)
    const again = await provisionOnTerminal('unquestioned').ended
    const dry = await provisionOnTerminal('unquestioned-2', ['--dry-run']).ended
    for (const { stdout } of [yes, again, dry]) expect(stdout).not.toContain('Do it?')
    expect(again.stdout).toContain('Nothing to do: ')
  })

  test('shows no colours under NO_COLOR', async () => {
    const args = ['provision', ...optionsFor(sandbox, 'plain'), '--dry-run']
    const session = startOnTerminal({ sandbox, args, env: { KUBECONFIG: kubeconfig, NO_COLOR: '1' } })
    await session.ended
    expect(session.shown()).not.toContain('\x1b[32m')
  })

  test('sends no control sequences to a terminal that takes none, and asks all the same', async () => {
    const args = ['provision', ...optionsFor(sandbox, 'dumb')]
    const session = startOnTerminal({ sandbox, args, env: { KUBECONFIG: kubeconfig, TERM: 'dumb' } })
    await session.see('Do it? [y/N] ')
    session.type('y\r')
    const { code, stdout } = await session.ended
    expect(code).toBe(0)
    expect(session.shown()).not.toContain('\x1b')
    expect(stdout).toMatch(/^Created role, database, grants and Secret for dumb\./m)
  })
})

describe('Ctrl-C', () => {
  let blocker: Blocker
  beforeAll(async () => {
    blocker = await Blocker.open(sandbox)
  })
  afterAll(async () => {
    await blocker.close()
  })

  /** Stops the session at a step, sends Ctrl-C, and says how it ended. */
  async function interrupted(name: string, phase: string, came: () => Promise<unknown>): Promise<CommandRun> {
    const session = provisionOnTerminal(name, ['--yes'])
    await session.see(`${phase} …`)
    await came()
    session.type('\x03')
    const run = await session.ended
    expect(run.code).toBe(130)
    expect(run.stdout).toContain('! cancelling')
    expect(run.stdout).toContain(`✗ The run was cancelled; it was at: ${phase}.  [cancelled]`)
    await blocker.sessionsGone()
    return run
  }

  test.each([
    ['the cluster', /selfsubjectreviews/, 'Nothing was changed.'],
    ['permissions', /selfsubjectaccessreviews/, 'Nothing was changed.'],
    ['the tunnel', /\/pods$/, 'Nothing was changed.'],
    ['the first look', /portforward/, 'Nothing was changed.'],
    ['the Secret', /^POST .*\/secrets$/, 'Role, database and grants were created'],
  ])('at %s ends cleanly and says what stands', async (phase, path, standing) => {
    const name = phase.replaceAll(' ', '-').toLowerCase()
    const { came, release } = blocker.request((request) => path.test(`${request.method} ${request.path}`))
    try {
      const { stdout } = await interrupted(name, phase, () => came)
      expect(stdout).toContain(standing)
    } finally {
      release()
    }
    expect((await provision(name)).code).toBe(0)
  })

  test('at the role rolls back what is under way, and claims nothing that it cannot know', async () => {
    const unblock = await blocker.writes('pg_shdescription')
    try {
      const { stdout } = await interrupted('amid', 'the role', () => blocker.blocked('comment'))
      expect(stdout).toMatch(/\n {2}(Nothing was changed\.|Whether role was created is not known: )/)
      expect(await blocker.roleExists('amid')).toBe(false)
    } finally {
      await unblock()
    }
    expect((await provision('amid')).code).toBe(0)
  })

  test('at the database says what stands', async () => {
    const unblock = await blocker.writes('pg_database')
    try {
      const phase = 'the database and its grants'
      const { stdout } = await interrupted('later', phase, () => blocker.blocked('create database'))
      expect(stdout).toContain('Role was created')
    } finally {
      await unblock()
    }
    expect((await provision('later')).code).toBe(0)
  })

  test('at the wait for the lock leaves the one that has it alone', async () => {
    const unblock = await blocker.writes('pg_shdescription')
    try {
      const holder = provision('contested')
      await blocker.blocked('comment')
      const waiting = provisionOnTerminal('contested', ['--yes'])
      await waiting.see('another run holds the lock')
      waiting.type('\x03')
      const { code, stdout } = await waiting.ended
      expect(code).toBe(130)
      expect(stdout).toContain('it was at: the wait for the lock.  [cancelled]')
      expect(stdout).toContain('Nothing was changed.')
      await unblock()
      expect((await holder).code).toBe(0)
    } finally {
      await unblock()
    }
  })

  test('at the question changes nothing', async () => {
    const session = provisionOnTerminal('questioned')
    await session.see('Do it? [y/N] ')
    session.type('\x03')
    const { code, stdout } = await session.ended
    expect(code).toBe(130)
    expect(stdout).toContain('Nothing was changed.')
    expect(secretOf('questioned')).toBeUndefined()
  })

  test('for a second time ends it at once', async () => {
    const unblock = await blocker.writes('pg_shdescription')
    try {
      const session = provisionOnTerminal('impatient', ['--yes'])
      await blocker.blocked('comment')
      // Nobody answers any more, so that the first one waits for a goodbye that does not come.
      for (const tunnel of sandbox.api.tunnels()) tunnel.freeze()
      session.type('\x03')
      await session.see('cancelling')
      session.type('\x03')
      const { code, stdout } = await session.ended
      expect(code).toBe(130)
      expect(stdout).not.toContain('[cancelled]')
    } finally {
      await unblock()
    }
  })
})
