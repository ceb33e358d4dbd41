import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Client, escapeIdentifier, escapeLiteral } from 'pg'
import type { Interception } from '../../sandbox/api.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { changed, inputsFor, runAction, tokenOf, type ActionRun, type ActionSetting } from './action.ts'

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
    ends: 'permission-missing',
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
