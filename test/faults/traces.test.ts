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

/** What happens to two runs: nothing; a session is cut, before or after the server has acted; a person deletes the Secret. */
const happenings = ['nothing', 'cut', 'act and cut', 'delete'] as const
type Happening = (typeof happenings)[number]

/** About as many statements as two runs have. */
const mostStatements = 40

/**
 * Runs two at once, each step of them held up by chance, and lets something happen at one of them.
 *
 * @returns what could be seen of them, and how they ended
 */
async function traceOf(
  application: Application,
  inputs: Parameters<Application['run']>[0],
  happening: Happening,
  next: () => number,
): Promise<{ readonly trace: readonly Seen[]; readonly ends: readonly string[] }> {
  const trace: Seen[] = []
  const { api, appNamespace } = bench.sandbox
  const secrets = `/api/v1/namespaces/${appNamespace}/secrets`
  const name = application.request.appSecret
  const hold = async (): Promise<void> => {
    await sleep(next() * longestMs)
  }
  let left = happening === 'nothing' ? Infinity : Math.floor(next() * mostStatements)
  // Only one of the runs can have begun a transaction: the one that holds the lock.
  let begun: Seen | undefined
  const stop = api.intercept(async ({ method, path }) => {
    await hold()
    if (path.startsWith(secrets) && !path.endsWith('?dryRun=All'))
      trace.push(method === 'GET' ? 'read' : 'write')
    return undefined
  })
  wire.judge = async ({ text }): Promise<Verdict> => {
    await hold()
    left -= 1
    const cut = left === -1 && (happening === 'cut' || happening === 'act and cut') ? happening : 'pass'
    if (left === -1 && happening === 'delete' && api.get('Secret', appNamespace, name) !== undefined) {
      api.remove('Secret', appNamespace, name)
      trace.push('a person deletes the Secret')
    }
    const seen = text === 'COMMIT' ? begun : statements.find(([sign]) => sign.test(text))?.[1]
    if (cut === 'cut' || seen === undefined) return cut
    // What is begun is there when it is committed.
    const begins = text.startsWith('BEGIN') && seen !== 'prove'
    begun = begins ? seen : undefined
    if (!begins) trace.push(seen)
    return cut
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

function named(name: string, happening: Happening = 'nothing'): Scenario {
  const found = scenarios.find((one) => one.name === name)
  if (found === undefined) throw new Error(`the model begins nowhere at "${name}"`)
  const faults = happening === 'cut' || happening === 'act and cut' ? 1 : 0
  return { ...found, runs: [0, 0], faults, acts: happening === 'delete' ? 1 : 0 }
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
    const until = performance.now() + (1000 * budget.sampling) / 4
    const traces = new Set<string>()
    const broken: string[] = []
    let number = chosenPoint === undefined ? budget.seed * 1_000_000 : Number(chosenPoint)
    do {
      const application = bench.application(state.inputs)
      await enter(state, application)
      const happening = happenings[number % happenings.length] ?? 'nothing'
      const { trace, ends } = await traceOf(application, state.inputs, happening, random(number))
      traces.add(trace.join(', '))
      const wrong = follow(named(name, happening), trace, ends)
      if (wrong !== undefined) {
        broken.push(
          `${happening}: ${wrong}\n${replay('test:faults', 'traces', String(number), `from "${found}"`)}`,
        )
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
