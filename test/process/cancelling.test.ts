import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import {
  inputsFor,
  runAction,
  startAction,
  watchChanges,
  type ActionRun,
  type ActionSetting,
} from './action.ts'
import { Blocker } from './blocker.ts'

let sandbox: Sandbox
let blocker: Blocker
beforeAll(async () => {
  sandbox = await startSandbox()
  blocker = await Blocker.open(sandbox)
})
afterAll(async () => {
  await blocker.close()
  await sandbox.stop()
})

const quickMs = 3_000

/** Waits until a run is in the middle of the transaction that marks its role. */
async function amidMarking(): Promise<void> {
  await blocker.blocked('comment')
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

describe.each(['SIGINT', 'SIGTERM'] as const)('%s', (signal) => {
  const kill = (child: ChildProcess): void => void child.kill(signal)

  test('before anything was changed', async () => {
    const { came, release } = blocker.request(({ path }) =>
      path.endsWith('/services/postgresql1-user-access'),
    )
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
    const { came, release } = blocker.request(
      ({ method, path }) => method === 'POST' && path.endsWith('/shop/secrets'),
    )
    const { run, ms } = await interrupted(name, came, kill)
    release()
    expect(ms).toBeLessThan(quickMs)
    expect(run.code).toBe(1)
    expect(run.log).toContain('[cancelled]')
    expect(run.log).toMatch(
      /^ {2}Role, database and grants were created\b.* The next run continues from here\.$/m,
    )
    expect(run.outputs.changed).toBe('true')
    await blocker.sessionsGone()
    const next = await runAction({ sandbox, inputs: inputsFor(sandbox, name) })
    expect(next.code).toBe(0)
    expect(next.outputs.changed).toBe('true')
  })

  test('during a transaction: it is rolled back, and no session stays', async () => {
    const name = `amid-${signal.toLowerCase()}`
    const unblock = await blocker.writes('pg_shdescription')
    const { run, ms } = await interrupted(name, amidMarking, kill).finally(unblock)
    expect(ms).toBeLessThan(quickMs)
    expect(run.log).toContain('[cancelled]')
    expect(run.log).toContain('\n  Nothing was changed.\n')
    await blocker.sessionsGone()
    expect(await blocker.roleExists(name)).toBe(false)
  })
})

describe('a tunnel', () => {
  test('that breaks during a transaction: it is rolled back, and the run begins again', async () => {
    const unblock = await blocker.writes('pg_shdescription')
    const started = await startAction({ sandbox, inputs: inputsFor(sandbox, 'broken') })
    try {
      await amidMarking()
      for (const tunnel of sandbox.api.tunnels()) tunnel.destroy()
      while (!/^! waiting/m.test(started.stdout())) await once(started.child.stdout ?? started.child, 'data')
      expect(await blocker.roleExists('broken')).toBe(false)
    } finally {
      await unblock()
    }
    const run = await started.ended
    expect(run.log).toMatch(
      /^! waiting +The tunnel svc\/postgresql1-user-access → Pod postgresql1-0 port 5432 was lost: .*;\n +this run waits until .* \(input "timeout"\)$/m,
    )
    expect(run.log).toMatch(/^Created role, database, grants and Secret for broken\./m)
    expect(run.code).toBe(0)
    await blocker.sessionsGone()
  })

  test('that freezes during a transaction ends with the time that the run has', async () => {
    const unblock = await blocker.writes('pg_shdescription')
    const freeze = (): void => {
      for (const tunnel of sandbox.api.tunnels()) tunnel.freeze()
    }
    // Time enough to get there on a busy machine too; how long it took to start is not the run's doing.
    const { run, ms } = await interrupted('frozen', amidMarking, freeze, { timeout: '8s' }).finally(unblock)
    expect(run.code).toBe(1)
    expect(ms).toBeLessThan(8_000 + quickMs)
    // Who keeps the statement waiting may be known by then.
    expect(run.log).toMatch(
      /^✗ The run did not end within its 8 s; it was at: the role\.( What it waited for last: session .*\.)? {2}\[timeout\]$/m,
    )
    expect(run.log).toContain('\n  Nothing was changed.\n')
    await blocker.sessionsGone()
    expect(await blocker.roleExists('frozen')).toBe(false)
  })
})
