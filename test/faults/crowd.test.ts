import { constants, setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { ActionRun } from '../process/action.ts'
import { useBench, type Application, type Bench } from '../support/bench.ts'
import { budget, report } from './budget.ts'
import { openGate } from './gate.ts'
import { startProcess } from './process.ts'
import { erase } from './states.ts'

const timeoutMs = 240_000
/** Processes are what takes time here. */
const crowd = budget.seconds >= 100 ? 50 : 20
const applications: Application[] = []

afterEach(async () => {
  for (const application of applications.splice(0)) await erase(application)
})

describe('a server with room for everybody', () => {
  const bench = useBench()

  test.each([2, 10, crowd])(
    '%i runs for one application at once: one creates, none fails, one password',
    async (amount) => {
      const application = newApplication(bench)
      const start = performance.now()
      const runs = await together(Array<Application>(amount).fill(application))
      expectAllWell(runs)
      for (const object of ['role', 'database', 'secret']) {
        expect({ object, created: countOf(runs, object, 'created') }).toEqual({ object, created: 1 })
      }
      expect(runs.filter(({ outputs }) => outputs.changed === 'true')).toHaveLength(1)
      await expectSettled(application)
      report(`${amount} runs for one application: 1 created, 0 failed, ${seconds(start)}`)
    },
    300_000,
  )

  test('as many applications at once: each is created, none fails, all log in', async () => {
    const start = performance.now()
    const many = Array.from({ length: crowd }, () => newApplication(bench))
    const runs = await together(many)
    expectAllWell(runs)
    expect(countOf(runs, 'secret', 'created')).toBe(crowd)
    for (const application of many) await expectSettled(application)
    expect(new Set(many.map(({ secret }) => secret['PGPASSWORD'])).size).toBe(crowd)
    report(`${crowd} applications at once: ${crowd} created, 0 failed, ${seconds(start)}`)
  }, 300_000)

  test('10 runs, and the lock of whoever holds it is lost, five times', async () => {
    const application = newApplication(bench)
    const start = performance.now()
    let lost = 0
    const runs = await together(Array<Application>(10).fill(application), async (over) => {
      while (lost < 5 && !over()) {
        const ended = await bench.sql(
          `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted limit 1`,
        )
        lost += ended.length
        await sleep(30)
      }
    })
    expectAllWell(runs)
    expect(lost).toBeGreaterThan(0)
    expect(countOf(runs, 'secret', 'created')).toBe(1)
    await expectSettled(application)
    report(`10 runs, ${lost} times the lock was lost: 1 Secret, 0 failed, ${seconds(start)}`)
  }, 300_000)

  test('10 runs, and a person deletes the Secret as soon as it is there', async () => {
    const application = newApplication(bench)
    const start = performance.now()
    const runs = await together(Array<Application>(10).fill(application), async (over) => {
      while (application.resourceVersion === undefined && !over()) await sleep(5)
      application.removeSecret()
    })
    expectAllWell(runs)
    // The last one to look may have been gone before it was deleted.
    await application.run()
    await expectSettled(application)
    report(`10 runs, and the Secret was deleted meanwhile: 0 failed, ${seconds(start)}`)
  }, 300_000)
})

describe('a server with few connections', () => {
  // Three of them are for superusers, one of which this bench uses.
  const bench = useBench({ postgres: { settings: { max_connections: '12' } } })

  const amount = crowd / 2

  test(`${amount} runs for 9 connections`, async () => {
    const application = newApplication(bench)
    const start = performance.now()
    const runs = await together(Array<Application>(amount).fill(application))
    expectAllWell(runs)
    expect(countOf(runs, 'secret', 'created')).toBe(1)
    await expectSettled(application)
    report(`${amount} runs for 9 connections: 1 created, 0 failed, ${seconds(start)}`)
  }, 300_000)
})

/** Gives an application that has as much time as a crowd of runs may take. */
function newApplication(bench: Bench): Application {
  const application = bench.application({ timeoutMs })
  applications.push(application)
  return application
}

/** What goes on while runs are under way, until they are over. */
type Meanwhile = (over: () => boolean) => Promise<void>

/** Starts runs, each in a process of its own, lets all of them go at the same moment, and waits for their ends. */
async function together(runs: readonly Application[], meanwhile?: Meanwhile): Promise<ActionRun[]> {
  const gate = await openGate()
  try {
    const processes = await Promise.all(
      runs.map(({ bench, request }) => startProcess(bench.sandbox, request, { script: gate.script })),
    )
    // The servers that all of them share come first, or they would starve on a machine with few cores.
    for (const { pid } of processes) setPriority(pid, constants.priority.PRIORITY_LOW)
    const all = Promise.allSettled(processes.map(({ ended }) => ended))
    let over = false
    void all.then(() => (over = true))
    await Promise.race([gate.letGo(runs.length), all])
    await meanwhile?.(() => over)
    const ends = await all
    return ends.map((end) => {
      if (end.status === 'rejected') throw end.reason
      return end.value
    })
  } finally {
    await gate.remove()
  }
}

function expectAllWell(runs: readonly ActionRun[]): void {
  expect(runs.filter(({ code }) => code !== 0).map(({ log }) => log)).toEqual([])
}

/** Gives how many of the runs say that they did this. */
function countOf(runs: readonly ActionRun[], object: string, action: string): number {
  const changes = runs.map(({ outputs }) => JSON.parse(outputs.changes ?? '[]') as Record<string, string>[])
  return changes.filter((list) => list.some((one) => one['object'] === object && one['action'] === action))
    .length
}

async function expectSettled(application: Application): Promise<void> {
  expect(await application.login()).toBe('in')
  const { bench, role } = application
  await bench.expectNothingOpen(`pg-app-user acme/shop run 8123 ${role}`)
  expect(await bench.sql(`select pid from pg_locks where locktype = 'advisory'`)).toEqual([])
}

function seconds(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`
}
