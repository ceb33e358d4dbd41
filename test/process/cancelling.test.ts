import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { ApiRequest } from '../../sandbox/api.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import {
  inputsFor,
  runAction,
  startAction,
  watchChanges,
  type ActionRun,
  type ActionSetting,
} from './action.ts'

let sandbox: Sandbox
let superuser: Client
let blocker: Client
beforeAll(async () => {
  sandbox = await startSandbox()
  superuser = await connected()
  blocker = await connected()
})
afterAll(async () => {
  await superuser.end()
  await blocker.end()
  await sandbox.stop()
})

async function connected(): Promise<Client> {
  const { superuser: login, host, port } = sandbox.postgres
  const ssl = { rejectUnauthorized: false }
  const client = new Client({ ...login, host, port, database: 'postgres', application_name: 'the test', ssl })
  await client.connect()
  return client
}

const quickMs = 3_000

/** The sessions that a run may have left. */
async function sessions(): Promise<unknown[]> {
  const { rows } = await superuser.query<object>(
    `SELECT usename, query FROM pg_stat_activity WHERE application_name <> 'the test' AND backend_type = 'client backend'`,
  )
  return rows
}

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await condition()) return
    await sleep(25)
  }
  throw new Error('what was waited for did not come')
}

/** Holds a request for ever, and tells when it came. */
function held(matches: (request: ApiRequest) => boolean): { came: Promise<void>; release: () => void } {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const release = sandbox.api.intercept((request) => {
    if (!matches(request)) return undefined
    resolve(undefined)
    return 'hang'
  })
  return { came: promise, release }
}

/** Keeps runs from writing the marker of a role, while everybody may still read; gives what lets them go on. */
async function blockMarkers(): Promise<() => Promise<void>> {
  await blocker.query('BEGIN')
  await blocker.query('LOCK TABLE pg_catalog.pg_shdescription IN EXCLUSIVE MODE')
  return async () => {
    await blocker.query('ROLLBACK')
  }
}

/** Waits until a run has come to where `blockMarkers` keeps it, in the middle of a transaction. */
async function blocked(): Promise<void> {
  await until(async () => {
    const { rows } = await superuser.query(
      `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ILIKE '%comment%'`,
    )
    return rows.length > 0
  })
}

/** Does something at a moment of a run, and gives how the run ended and after how many milliseconds. */
async function interrupted(
  name: string,
  moment: Promise<void> | (() => Promise<void>),
  interrupt: (child: ChildProcess) => void,
  inputs: ActionSetting['inputs'] = {},
): Promise<{ run: ActionRun; ms: number }> {
  const { child, ended } = await startAction({ sandbox, inputs: { ...inputsFor(sandbox, name), ...inputs } })
  try {
    await (typeof moment === 'function' ? moment() : moment)
    const start = performance.now()
    interrupt(child)
    const run = await ended
    return { run, ms: performance.now() - start }
  } finally {
    child.kill('SIGKILL')
    await ended.catch(() => undefined)
  }
}

async function roleExists(name: string): Promise<boolean> {
  return (await superuser.query('SELECT FROM pg_roles WHERE rolname = $1', [name])).rows.length > 0
}

describe.each(['SIGINT', 'SIGTERM'] as const)('%s', (signal) => {
  const kill = (child: ChildProcess): void => void child.kill(signal)

  test('before anything was changed', async () => {
    const { came, release } = held(({ path }) => path.endsWith('/services/postgresql1-user-access'))
    const changes = await watchChanges(sandbox)
    const { run, ms } = await interrupted('early', came, kill)
    release()
    expect(ms).toBeLessThan(quickMs)
    expect(run.code).toBe(1)
    expect(run.log).toContain('[cancelled]')
    expect(run.log).toContain('\n  Nothing was changed.\n')
    expect(run.outputs).toMatchObject({ changed: 'false', changes: '[]' })
    expect(run.summary).toContain('Nothing was changed.')
    expect(await changes()).toEqual([])
  })

  test('between database and Secret: says what stands, and the next run continues', async () => {
    const name = `late-${signal.toLowerCase()}`
    const { came, release } = held(({ method, path }) => method === 'POST' && path.endsWith('/shop/secrets'))
    const { run, ms } = await interrupted(name, came, kill)
    release()
    expect(ms).toBeLessThan(quickMs)
    expect(run.code).toBe(1)
    expect(run.log).toContain('[cancelled]')
    expect(run.log).toMatch(
      /^ {2}Role, database and grants were created\b.* The next run continues from here\.$/m,
    )
    expect(run.outputs.changed).toBe('true')
    await until(async () => (await sessions()).length === 0)
    const next = await runAction({ sandbox, inputs: inputsFor(sandbox, name) })
    expect(next.code).toBe(0)
    expect(next.outputs.changed).toBe('true')
  })

  test('during a transaction: it is rolled back, and no session stays', async () => {
    const name = `amid-${signal.toLowerCase()}`
    const unblock = await blockMarkers()
    const { run, ms } = await interrupted(name, blocked, kill).finally(unblock)
    expect(ms).toBeLessThan(quickMs)
    expect(run.log).toContain('[cancelled]')
    expect(run.log).toContain('\n  Nothing was changed.\n')
    await until(async () => (await sessions()).length === 0)
    expect(await roleExists(name)).toBe(false)
  })
})

describe('a tunnel', () => {
  test('that breaks during a transaction is an error, and the transaction is rolled back', async () => {
    const unblock = await blockMarkers()
    const { run } = await interrupted('broken', blocked, () => {
      for (const tunnel of sandbox.api.tunnels()) tunnel.destroy()
    }).finally(unblock)
    expect(run.code).toBe(1)
    expect(run.log).toMatch(
      /^✗ The tunnel svc\/postgresql1-user-access → Pod postgresql1-0 port 5432 was lost: /m,
    )
    expect(run.log).toContain('[tunnel-lost]')
    expect(run.log).toContain('\n  Nothing was changed.\n')
    await until(async () => (await sessions()).length === 0)
    expect(await roleExists('broken')).toBe(false)
  })

  test('that freezes during a transaction ends with the time that the run has', async () => {
    const unblock = await blockMarkers()
    const freeze = (): void => {
      for (const tunnel of sandbox.api.tunnels()) tunnel.freeze()
    }
    const { run } = await interrupted('frozen', blocked, freeze, { timeout: '4s' }).finally(unblock)
    expect(run.code).toBe(1)
    expect(run.seconds).toBeLessThan(4 + quickMs / 1000)
    expect(run.log).toContain('✗ The run did not end within its 4 s; it was at: the role.  [timeout]\n')
    expect(run.log).toContain('\n  Nothing was changed.\n')
    await until(async () => (await sessions()).length === 0)
    expect(await roleExists('frozen')).toBe(false)
  })
})
