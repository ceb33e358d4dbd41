import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { outputs as outputTable } from '../../src/input/outputs.ts'
import { documents } from '../../src/lib/version.ts'
import { inputsFor, runAction, startAction, tokenOf, watchChanges, type ActionRun } from './action.ts'

let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(async () => {
  await sandbox.stop()
})

const outputNames = outputTable.map(({ name }) => name)

function secretData(name: string): Record<string, string> {
  const data = sandbox.api.get('Secret', sandbox.appNamespace, name)?.['data'] ?? {}
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(String(value), 'base64').toString()]),
  )
}

function names(run: ActionRun): readonly string[] {
  return [...new Set(run.commands.map(({ name }) => name))]
}

/** The last line with a text in it. */
function last(run: ActionRun): string | undefined {
  return run.log.trimEnd().split('\n').at(-1)
}

describe('a first run', () => {
  let run: ActionRun
  beforeAll(async () => {
    run = await runAction({ sandbox, inputs: inputsFor(sandbox, 'first') })
  })

  test('ends with 0 and says in its last line what it made', () => {
    expect(run.code).toBe(0)
    expect(last(run)).toMatch(/^Created role, database, grants and Secret for first\. \d+\.\d\d s$/)
    expect(run.stderr).toBe('')
  })

  test('sets every output, as the next step reads them', () => {
    expect(Object.keys(run.outputs).sort()).toEqual([...outputNames].sort())
    expect(run.outputs).toMatchObject({
      changed: 'true',
      'secret-name': 'first-postgresql-secret',
      'secret-namespace': 'shop',
      'secret-resource-version': sandbox.api.get('Secret', 'shop', 'first-postgresql-secret')?.metadata
        .resourceVersion,
      database: 'first',
      'server-version': sandbox.postgres.version,
    })
    expect(JSON.parse(run.outputs.changes ?? '')).toEqual([
      { object: 'role', name: 'first', action: 'created' },
      { object: 'database', name: 'first', action: 'created' },
      { object: 'grants', name: 'first', action: 'granted' },
      { object: 'secret', name: 'shop/first-postgresql-secret', action: 'created' },
    ])
  })

  test('starts no workflow command but masks: nothing needs attention', () => {
    expect(names(run)).toEqual(['add-mask'])
  })

  test('masks each credential, and nothing empty', () => {
    const password = secretData('first-postgresql-secret')['PGPASSWORD']
    expect(run.masks).toEqual(
      expect.arrayContaining([tokenOf(sandbox.kubeconfig), sandbox.admin.password, password]),
    )
    expect(run.masks.every((mask) => mask.trim().length > 5)).toBe(true)
    expect(new Set(run.masks).size).toBe(run.masks.length)
  })

  test('masks no name: a job output with it would be dropped', () => {
    const text = ['first', 'shop', sandbox.admin.user, 'postgresql1-access', 'sandbox', 'Config']
    expect(run.masks.filter((mask) => text.includes(mask))).toEqual([])
  })

  test('has one visible line a step, with its sign and its duration', () => {
    const steps = run.log.split('\n').filter((line) => /^[✓+~!✗] /.test(line))
    expect(steps.map((line) => line.slice(0, 18).trimEnd())).toEqual([
      '✓ cluster',
      '✓ permissions',
      '✓ access Secret',
      '✓ tunnel',
      '✓ PostgreSQL',
      '+ role',
      '+ database',
      ...Array.from({ length: steps.length - 9 }, () => '+ grants'),
      '✓ proof',
      '+ Secret',
    ])
    expect(run.log.split('\n').filter((line) => /\d\.\d\d s$/.test(line))).toHaveLength(steps.length + 1)
  })

  test('writes a summary that says how to use the Secret', () => {
    expect(run.summary).toMatch(/^### ✅ `first` is provisioned\n/)
    expect(run.summary).toContain('| Role `first` | login, no dangerous attribute | created |')
    expect(run.summary).toContain('                name: first-postgresql-secret\n')
  })
})

describe('masks come before use', () => {
  test.each([
    ['the token', 'the first request', 'one', () => tokenOf(sandbox.kubeconfig), /./],
    ["the admin's password", 'the first tunnel', 'two', () => sandbox.admin.password, /\/portforward$/],
    [
      "the application's password",
      'it is shown to the API server',
      'three',
      () => secretData('masks-three-postgresql-secret')['PGPASSWORD'] ?? 'no password',
      /^\/api\/v1\/namespaces\/shop\/secrets\?dryRun=All$/,
    ],
  ])('%s before %s', async (_, __, name, secret, path) => {
    let written: string | undefined
    const stop = sandbox.api.intercept(async (request) => {
      if (written !== undefined || !path.test(request.path)) return undefined
      // What was written before the request may still be on its way here.
      await sleep(50)
      written = run.stdout()
      return undefined
    })
    const run = await startAction({ sandbox, inputs: inputsFor(sandbox, `masks-${name}`) })
    await run.ended.finally(stop)
    expect(written).toContain(`::add-mask::${secret()}\n`)
  })
})

describe('a second run', () => {
  let run: ActionRun
  let changes: readonly string[]
  beforeAll(async () => {
    await runAction({ sandbox, inputs: inputsFor(sandbox, 'second') })
    const changed = await watchChanges(sandbox)
    run = await runAction({ sandbox, inputs: inputsFor(sandbox, 'second') })
    changes = await changed()
  })

  test('changes nothing and says so', () => {
    expect(run.code).toBe(0)
    expect(changes).toEqual([])
    expect(last(run)).toMatch(
      /^Nothing to do: role, database, grants and Secret are right, and the login works\. \d+\.\d\d s$/,
    )
    expect(run.outputs).toMatchObject({ changed: 'false', changes: '[]' })
    expect(run.summary).toMatch(/^### ✅ `second` is up to date\n\nNothing was changed\. The login with /)
    expect(names(run)).toEqual(['add-mask'])
  })

  test('gives the same resource version as the first, so that no Pod restarts', () => {
    expect(run.outputs['secret-resource-version']).toBe(
      sandbox.api.get('Secret', 'shop', 'second-postgresql-secret')?.metadata.resourceVersion,
    )
  })
})

describe('a dry run', () => {
  test('says what it would do and changes nothing', async () => {
    const changed = await watchChanges(sandbox)
    const run = await runAction({ sandbox, inputs: { ...inputsFor(sandbox, 'dry'), 'dry-run': 'true' } })
    expect(await changed()).toEqual([])
    expect(run.code).toBe(0)
    expect(run.outputs.changed).toBe('false')
    expect(JSON.parse(run.outputs.changes ?? '')).toHaveLength(4)
    expect(last(run)).toMatch(/^Dry run for dry, nothing was changed: .*would be created/)
    expect(run.summary).toContain('Nothing was changed: this was a dry run.')
  })
})

describe('what needs attention', () => {
  test('is one warning a note, beside the line in the log', async () => {
    const inputs = inputsFor(sandbox, 'attention')
    await runAction({ sandbox, inputs })
    sandbox.api.put({
      kind: 'Secret',
      metadata: { name: 'attention-postgresql-secret', namespace: 'shop' },
      stringData: { ...secretData('attention-postgresql-secret'), PGPASSWORD: 'short-one' },
    })
    const run = await runAction({ sandbox, inputs, secrets: ['short-one'] })
    expect(run.code).toBe(0)
    expect(run.log).toMatch(/^~ role +attention is there, its password was not the one in the Secret/m)
    expect(run.commands.filter(({ name }) => name === 'warning').map(({ data }) => data)).toEqual([
      expect.stringContaining('has only 9 characters'),
    ])
    expect(run.log).toMatch(
      /^! note +the password in shop\/attention-postgresql-secret has only 9 characters/m,
    )
    expect(last(run)).toMatch(/^Set the password of the role for attention\. /)
  })
})

describe('a failure', () => {
  let run: ActionRun
  let changes: readonly string[]
  beforeAll(async () => {
    const changed = await watchChanges(sandbox)
    run = await runAction({
      sandbox,
      inputs: { ...inputsFor(sandbox, 'failing'), 'access-secret': 'misspelt' },
    })
    changes = await changed()
  })

  test('ends with 1, and its annotation is the first line of the error alone', () => {
    expect(run.code).toBe(1)
    const errors = run.commands.filter(({ name }) => name === 'error')
    expect(errors).toHaveLength(1)
    const [message = ''] = /^✗ (.*) {2}\[permission-missing\]$/m.exec(run.log)?.slice(1) ?? []
    expect(message).not.toBe('')
    expect(errors[0]).toEqual({
      name: 'error',
      properties: 'title=pg-app-user%3A permission-missing',
      data: message,
    })
  })

  test('sets every output first', () => {
    expect(Object.keys(run.outputs).sort()).toEqual([...outputNames].sort())
    expect(run.outputs).toMatchObject({ changed: 'false', changes: '[]', database: 'failing' })
  })

  test('is told outside of any group, in the order of a person on call', () => {
    const lines = run.stdout.split('\n')
    const [error, group] = [/^✗/, /^::group::/].map((start) => lines.findIndex((line) => start.test(line)))
    expect(error).toBeGreaterThan(0)
    expect(error).toBeLessThan(group ?? 0)
    expect(
      lines
        .slice(error, group)
        .filter((line) => line.startsWith('  '))
        .slice(-2),
    ).toEqual(['  Nothing was changed.', `  ${documents}/troubleshooting.md#permission-missing`])
    expect(lines.findIndex((line) => line.startsWith('::error '))).toBeLessThan(group ?? 0)
    expect(changes).toEqual([])
  })
})

describe("a runner's files", () => {
  test('a summary that cannot be written is no reason to fail', async () => {
    const run = await runAction({
      sandbox,
      inputs: inputsFor(sandbox, 'nosummary'),
      env: { GITHUB_STEP_SUMMARY: '/nowhere/summary' },
    })
    expect(run.code).toBe(0)
  })

  test('outputs that cannot be written fail the step and do not hide what was changed', async () => {
    const run = await runAction({
      sandbox,
      inputs: inputsFor(sandbox, 'nooutputs'),
      env: { GITHUB_OUTPUT: '/nowhere/outputs' },
    })
    expect(run.code).toBe(1)
    expect(secretData('nooutputs-postgresql-secret')).toHaveProperty('PGPASSWORD')
    expect(run.stdout).not.toContain('Nothing was changed.')
  })
})
