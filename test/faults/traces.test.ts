import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { follow, type Seen } from '../model/follow.ts'
import { scenarios } from '../model/scenarios.ts'
import type { Scenario } from '../model/search.ts'
import { useBench, type Application } from '../support/bench.ts'
import { budget, chosenPoint, random, replay, report } from './budget.ts'
import { enter, erase, states } from './states.ts'
import { openWire, type Verdict, type Wire } from './wire.ts'

/** The longest that anything is held up, so that the steps of two runs come in many orders. */
const longestMs = 60

const bench = useBench({ postgres: { tls: false } })
let wire: Wire

beforeAll(async () => {
  wire = await openWire(bench.postgres)
  bench.sandbox.api.route(bench.sandbox.accessNamespace, 'postgresql1-0', 5432, wire)
})
afterAll(async () => {
  await wire.close()
})

/** What a statement is in the model; the rest of them reads, or goes on with what one of these began. */
const statements: readonly (readonly [RegExp, Seen])[] = [
  [/"creating":/, 'note'],
  [/CREATE ROLE/, 'create-role'],
  [/ALTER ROLE "[^"]*" PASSWORD/, 'set-password'],
  [/COMMENT ON ROLE/, 'mark-role'],
  [/^CREATE DATABASE/, 'create-database'],
  [/ON DATABASE "/, 'grants'],
  [/GRANT USAGE, CREATE ON SCHEMA/, 'grant-schema'],
  [/^BEGIN;\s*CREATE TABLE public."pg_app_user_proof/, 'prove'],
]

/** Runs two at once, each step of them held up by chance, and returns what could be seen of them, and how they ended. */
async function traceOf(
  application: Application,
  inputs: Parameters<Application['run']>[0],
  next: () => number,
): Promise<{ readonly trace: readonly Seen[]; readonly ends: readonly string[] }> {
  const trace: Seen[] = []
  const secrets = `/api/v1/namespaces/${bench.sandbox.appNamespace}/secrets`
  const hold = async (): Promise<void> => {
    await sleep(next() * longestMs)
  }
  const stop = bench.sandbox.api.intercept(async ({ method, path }) => {
    await hold()
    if (path.startsWith(secrets)) trace.push(method === 'GET' ? 'read' : 'write')
    return undefined
  })
  wire.judge = async ({ text }): Promise<Verdict> => {
    await hold()
    const seen = statements.find(([sign]) => sign.test(text))?.[1]
    if (seen !== undefined) trace.push(seen)
    return 'pass'
  }
  try {
    const ended = await Promise.all(
      [0, 600].map(async (most) => {
        await sleep(next() * most)
        return await application.run(inputs)
      }),
    )
    return { trace, ends: ended.map(({ code }) => code ?? 'done') }
  } finally {
    stop()
    wire.judge = () => 'pass'
  }
}

function named(name: string): Scenario {
  const found = scenarios.find((one) => one.name === name)
  if (found === undefined) throw new Error(`the model begins nowhere at "${name}"`)
  return { ...found, runs: [0, 0], faults: 0, acts: 0 }
}

test.each([
  ['no role, no Secret', 'nothing is there'],
  ['Secret and role, login works', 'all is there'],
  ['role that is ours, no Secret', 'the Secret is gone'],
  ['role that is not ours, adopted', 'a role by hand is adopted'],
] as const)(
  'what two runs do at once from "%s" is what the model has for "%s"',
  async (found, name) => {
    const state = states.find((one) => one.found === found)
    if (state === undefined) throw new Error(`no state is called "${found}"`)
    const until = performance.now() + (1000 * budget.seconds) / 4
    const traces = new Set<string>()
    const broken: string[] = []
    let number = chosenPoint === undefined ? budget.seed * 1_000_000 : Number(chosenPoint)
    do {
      const application = bench.application(state.inputs)
      await enter(state, application)
      const { trace, ends } = await traceOf(application, state.inputs, random(number))
      traces.add(trace.join(', '))
      const wrong = follow(named(name), trace, ends)
      if (wrong !== undefined) {
        broken.push(`${wrong}\n${replay('test:faults', 'traces', String(number), `from "${found}"`)}`)
      }
      await erase(application)
      number += 1
    } while (performance.now() < until && chosenPoint === undefined)
    report(`traces, ${found}: ${traces.size} orders of the same steps, ${broken.length} not in the model`)
    expect(broken).toEqual([])
  },
  3_600_000,
)

test('a trace that is no run of the model is found', () => {
  const trace: readonly Seen[] = [
    'read',
    'create-role',
    'create-database',
    'grants',
    'grant-schema',
    'prove',
    'write',
  ]
  const alone = { ...named('nothing is there'), runs: [0] }
  expect(follow(alone, trace, ['done'])).toBeUndefined()
  expect(follow(alone, trace, ['role-not-ours'])).toMatch(
    /^it ends with role-not-ours, where the model has done$/,
  )
  for (const index of trace.keys()) {
    const missing = trace.filter((_, at) => at !== index)
    expect([index, follow(alone, missing, ['done'])]).toEqual([
      index,
      expect.stringMatching(/^(after|it ends)/),
    ])
    const [one, other] = [trace[index], trace[index + 1]]
    if (one === undefined || other === undefined) continue
    const turned = trace.toSpliced(index, 2, other, one)
    expect([turned, follow(alone, turned, ['done'])]).toEqual([
      turned,
      expect.stringMatching(/^(after|it ends)/),
    ])
  }
})
