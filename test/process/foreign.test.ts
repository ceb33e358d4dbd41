import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Client, escapeIdentifier, escapeLiteral } from 'pg'
import { parse } from 'yaml'
import type { Interception } from '../../sandbox/api.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { changed, inputsFor, runAction, tokenOf, type ActionRun, type ActionSetting } from './action.ts'
import { optionsFor, runCommand, startOnTerminal } from './command.ts'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(async () => {
  await sandbox.stop()
})

/** Text that a runner would obey if it began a line, or stood anywhere in one. */
const commands = [
  'x',
  '::add-mask::shop',
  '  ::error::forged',
  '\u00a0::warning::forged',
  '##[add-mask]shop',
  'before ##[error]forged',
  '::set-output name=changed::forged',
].join('\n')

const base64 = (text: string): string => Buffer.from(text).toString('base64')

function status(code: number, message: string): Interception {
  return {
    status: code,
    body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, code },
  }
}

/** Nothing but what the product itself says to the runner, and nothing that was forged. */
function expectNoForgery(run: ActionRun): void {
  expect(run.masks).not.toContain('shop')
  const said = run.commands.filter(({ name }) => name !== 'add-mask')
  expect(said.every(({ name }) => ['error', 'warning', 'group', 'endgroup'].includes(name))).toBe(true)
  expect(said.filter(({ data }) => data === 'forged')).toEqual([])
  expect(said.filter(({ name }) => name === 'error').length).toBeLessThanOrEqual(1)
  expect(run.outputs.changed).not.toBe('forged')
}

interface Case {
  readonly from: string
  readonly ends: string
  readonly inputs?: () => NonNullable<ActionSetting['inputs']>
  readonly arrange?: () => () => void
}

const answering = (path: RegExp, answer: Interception) => (): (() => void) =>
  sandbox.api.intercept((request) => (path.test(request.path) ? answer : undefined))

const cases: readonly Case[] = [
  {
    from: "an API server's Status, on a read",
    ends: 'permission-missing',
    arrange: answering(/secrets\/postgresql1-access$/, status(403, commands)),
  },
  {
    from: "an API server's Status, on a port-forward",
    ends: 'port-forward-denied',
    arrange: answering(/\/portforward$/, status(403, commands)),
  },
  {
    from: "an API server's Status, on a write",
    ends: 'secret-write-refused',
    arrange: answering(/namespaces\/shop\/secrets$/, status(422, commands)),
  },
  {
    from: 'the name that the API server has for this user',
    ends: 'permission-missing',
    inputs: () => ({ 'access-secret': 'misspelt' }),
    arrange: answering(/selfsubjectreviews$/, {
      status: 201,
      body: { status: { userInfo: { username: commands } } },
    }),
  },
  {
    from: "a Secret's PGUSER",
    ends: 'secret-invalid',
    arrange: () => {
      const name = 'foreign-postgresql-secret'
      sandbox.api.put({
        kind: 'Secret',
        metadata: { name, namespace: 'shop' },
        data: { PGUSER: base64(commands), PGDATABASE: base64('##[error]forged') },
      })
      return () => {
        sandbox.api.remove('Secret', 'shop', name)
      }
    },
  },
  {
    from: "a Secret's owner",
    ends: 'secret-managed-elsewhere',
    arrange: () => {
      const name = 'foreign-postgresql-secret'
      sandbox.api.put({
        kind: 'Secret',
        metadata: {
          name,
          namespace: 'shop',
          ownerReferences: [{ kind: 'ExternalSecret', name: commands, controller: true }],
        },
        data: { PGPASSWORD: base64('a password of the owner') },
      })
      return () => {
        sandbox.api.remove('Secret', 'shop', name)
      }
    },
  },
  {
    from: "a kubeconfig's context and namespace",
    ends: 'kubeconfig-invalid',
    inputs: () => ({
      kubeconfig: changed(sandbox.kubeconfig, (config) => {
        for (const entry of config.contexts) {
          entry.name = commands
          entry.context['namespace'] = commands
        }
        config['current-context'] = commands
      }),
    }),
  },
  {
    from: 'an input',
    ends: 'input-invalid',
    inputs: () => ({ 'app-sslmode': commands, 'access-namespace': commands, timeout: commands }),
  },
]

describe('foreign text starts no workflow command', () => {
  test.each(cases.map((each) => [each.from, each] as const))('from %s', async (_, each) => {
    const undo = each.arrange?.()
    try {
      const inputs = { ...inputsFor(sandbox, 'foreign'), ...each.inputs?.() }
      const run = await runAction({ sandbox, inputs, env: { RUNNER_DEBUG: '1' } })
      expect(run.log).toContain(`[${each.ends}]`)
      expectNoForgery(run)
    } finally {
      undo?.()
    }
  })

  // 63 bytes, the most that a name of PostgreSQL may have.
  const name = '::add-mask::shop\n##[error]forged\n::error::forged\n`<img>|\n# x'

  test('from the name of a role that owns the database', async () => {
    await asSuperuser('postgres', [
      `CREATE ROLE ${escapeIdentifier(`owner ${name}`)}`,
      `CREATE DATABASE "foreign-owned" OWNER ${escapeIdentifier(`owner ${name}`)}`,
    ])
    const run = await runAction({ sandbox, inputs: inputsFor(sandbox, 'foreign-owned') })
    expect(run.log).toContain('[database-not-ours]')
    expectNoForgery(run)
    expect(outsideFences(run.summary)).not.toMatch(/^# x|<img>/m)
  })

  test("from PostgreSQL's message", async () => {
    const inputs = inputsFor(sandbox, 'foreign-message')
    await runAction({ sandbox, inputs })
    await asSuperuser('foreign-message', [
      `CREATE FUNCTION forge() RETURNS event_trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION USING MESSAGE = ${escapeLiteral(commands)}; END $$`,
      `CREATE EVENT TRIGGER forge ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION forge()`,
      // So that there is something to put right, and to prove.
      'REVOKE ALL ON SCHEMA public FROM PUBLIC, "foreign-message"',
    ])
    const run = await runAction({ sandbox, inputs, env: { RUNNER_DEBUG: '1' } })
    expect(run.log).toContain('[grant-ineffective]')
    expect(run.log).toContain('The server said "x ::add-mask::shop ::error::forged')
    expectNoForgery(run)
  })

  test('from the names of role and database', async () => {
    const oneLine = name.replaceAll('\n', ' ')
    const inputs = {
      ...inputsFor(sandbox, 'foreign-names'),
      'app-database': oneLine,
      'app-username': oneLine,
    }
    const run = await runAction({ sandbox, inputs })
    expect(run.log).toContain('Created role, database, grants and Secret for ')
    expect(run.code).toBe(0)
    expect(run.outputs.database).toBe(oneLine)
    expectNoForgery(run)
    expect(outsideFences(run.summary)).not.toMatch(/^(# x|##\[|::)|<img>/m)
  })
})

describe('a name of a user with signs that nobody sees is shown without them', () => {
  /** Marks of direction, of no width, ends of a line, and a colour. */
  const hidden = [
    '\u202e',
    '\u2066',
    '\u200b',
    '\u061c',
    '\ufeff',
    '\u2028',
    '\u2029',
    '\u0085',
    '\r\n',
    '\x1b[31m',
  ]
  const username = `kim${hidden.join('x')}end`
  /** As it may be shown: what a colour was made of is text. */
  const shown = `kim ${'x '.repeat(hidden.length - 1)}[31mend`

  beforeAll(() => {
    undo = sandbox.api.intercept(({ path }) =>
      path.endsWith('/selfsubjectreviews')
        ? { status: 201, body: { status: { userInfo: { username } } } }
        : undefined,
    )
  })
  afterAll(() => {
    undo()
  })
  let undo: () => void

  /** Signs that nobody sees, as they are and as formats write them; line ends and what a face itself sends aside. */
  function hiddenIn(face: string): readonly string[] {
    const own = /\x1b\[0Ksection_(?:start|end):\d+:\w+(?:\[collapsed=true\])?\r\x1b\[0K/g
    const written = face
      .replace(own, '')
      .replace(/&#x([\da-f]+);|\\u([\da-f]{4})/gi, (_, one?: string, other?: string) =>
        String.fromCodePoint(Number.parseInt(one ?? other ?? '', 16)),
      )
      .replace(/&#(\d+);/g, (_, point: string) => String.fromCodePoint(Number(point)))
    return written.match(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu) ?? []
  }

  /** The subjects of all RoleBindings in a text, which stands alone or is indented. */
  function subjectsIn(text: string): readonly string[] {
    return [...text.matchAll(/kind: User\n +name: (.*)$/gm)].map(([, name = '']) => String(parse(name)))
  }

  const lacking = { 'access-secret': 'misspelt' }
  const gate = { 'go-live': 'warn', 'go-live-profile': 'premium', 'dry-run': 'true' }

  test.each([lacking, gate])('by the action: %j', async (inputs) => {
    const given = { ...inputsFor(sandbox, 'hidden'), ...inputs }
    const run = await runAction({ sandbox, inputs: given, env: { RUNNER_DEBUG: '1' } })
    expect(run.log).toContain(`as ${shown} · kubeconfig from`)
    const roles = inputs === lacking ? [run.log, run.summary] : [run.summary]
    for (const role of roles) expect(new Set(subjectsIn(role))).toEqual(new Set([shown]))
    if (inputs === lacking) {
      const [error] = run.commands.filter(({ name }) => name === 'error')
      expect(error?.data).toContain(`${shown} lacks`)
    }
    const commands = run.commands.filter(({ name }) => name !== 'add-mask')
    for (const face of [run.stdout, run.summary, JSON.stringify(commands), ...Object.values(run.reports)]) {
      expect(hiddenIn(face)).toEqual([])
    }
  })

  test.each([lacking, gate])('in a job of GitLab: %j', async (inputs) => {
    const env = { KUBECONFIG: sandbox.kubeconfig, CI: 'true', GITLAB_CI: 'true' }
    const options = Object.entries(inputs).map(([name, value]) => `--${name}=${value}`)
    const args = [...optionsFor(sandbox, 'hidden'), '--report-directory=report', '--output=json', ...options]
    const run = await runCommand({ sandbox, args: ['provision', ...args, '--verbose'], env })
    expect(run.stderr).toContain(`as ${shown} · kubeconfig from`)
    const sections = [...run.stderr.matchAll(/section_start:[^]*?section_end:/g)].join('\n')
    const roles = inputs === lacking ? sections : (run.files['report/rights.yaml'] ?? '')
    expect(new Set(subjectsIn(roles))).toEqual(new Set([shown]))
    if (inputs === lacking) {
      expect(JSON.parse(run.stdout)).toMatchObject({
        failure: { message: expect.stringContaining(`${shown} lacks`) as unknown },
      })
    }
    for (const face of [run.stdout, run.stderr, ...Object.values(run.files)]) {
      expect(hiddenIn(face)).toEqual([])
    }
  })

  test.each([lacking, gate])('on a terminal: %j', async (inputs) => {
    const options = Object.entries(inputs).map(([name, value]) => `--${name}=${value}`)
    const report = '--report-directory=report'
    const args = ['provision', ...optionsFor(sandbox, 'hidden'), report, ...options, '--verbose']
    // A terminal that takes no control sequences is sent none but colours.
    const env = { KUBECONFIG: sandbox.kubeconfig, TERM: 'dumb', NO_COLOR: '1' }
    const session = startOnTerminal({ sandbox, args, env })
    const run = await session.ended
    expect(run.stdout).toContain(`as ${shown} · kubeconfig from`)
    const roles = inputs === lacking ? run.stdout : (run.files['report/rights.yaml'] ?? '')
    expect(new Set(subjectsIn(roles))).toEqual(new Set([shown]))
    expect(hiddenIn(roles)).toEqual([])
    expect(hiddenIn(session.shown().replaceAll('\r\n', '\n'))).toEqual([])
  })
})

async function asSuperuser(database: string, statements: readonly string[]): Promise<void> {
  const { superuser, host, port } = sandbox.postgres
  const client = new Client({ ...superuser, host, port, database, ssl: { rejectUnauthorized: false } })
  await client.connect()
  for (const statement of statements) await client.query(statement)
  await client.end()
}

/** The part of a summary in which markdown and HTML have an effect. */
function outsideFences(summary: string): string {
  return summary.replace(/^(```+)[^]*?^\1$/gm, '')
}

describe('debug logging', () => {
  test('gives no credential away where a run works', async () => {
    const env = { RUNNER_DEBUG: '1' }
    const run = await runAction({ sandbox, inputs: inputsFor(sandbox, 'debugged'), env })
    expect(run.code).toBe(0)
  })

  test.each([
    ['as it is', (secret: string) => secret],
    ['in base64, behind two bytes', (secret: string) => base64(`ab${secret}`)],
    ['in URL form', encodeURIComponent],
    ['in JSON form', (secret: string) => JSON.stringify(secret)],
    ['in hex', (secret: string) => Buffer.from(secret).toString('hex')],
    ['cut off by the length of a line', (secret: string) => `${'x'.repeat(280)}${secret}${'x'.repeat(100)}`],
  ])('nor where somebody echoes it %s', async (_, form) => {
    const token = tokenOf(sandbox.kubeconfig)
    const echo = `${form(sandbox.admin.password)} and ${form(token)}`
    const stop = sandbox.api.intercept(({ path }) =>
      path.endsWith('/portforward') ? status(403, echo) : undefined,
    )
    const run = await runAction({
      sandbox,
      inputs: inputsFor(sandbox, 'echoed'),
      env: { RUNNER_DEBUG: '1' },
      // The scan looks for whole credentials; half of one is not much better.
      secrets: [sandbox.admin.password.slice(0, 16)],
    })
    stop()
    expect(run.log).toContain('[port-forward-denied]')
    expect(run.log).toContain('***')
  })
})
