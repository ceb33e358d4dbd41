import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { hasChanged, lastLine, standing, type Outcome } from '../../src/run/outcome.ts'
import type { Application } from '../support/bench.ts'
import { useBench } from '../support/bench.ts'
import { budget, chosenPoint, random, replay, report, shuffled } from './budget.ts'
import { jump, jumps } from './clock.ts'
import { startProcess } from './process.ts'
import { enter, erase, states, thingsOf, type State, type Things } from './states.ts'
import { apiFaults, sqlFaults, Trap, type Passed, type Point } from './trap.ts'
import { openWire, type Wire } from './wire.ts'

/** A request that is never answered ends with the run's own time, so that is made short. */
const hangMs = 1_500

const bench = useBench({ postgres: { tls: false } })
let wire: Wire
let trap: Trap
const totals = new Map<string, { points: number; tried: number; converged: number }>()

beforeAll(async () => {
  wire = await openWire(bench.postgres)
  bench.sandbox.api.route(bench.sandbox.accessNamespace, 'postgresql1-0', 5432, wire)
  trap = new Trap(bench, wire)
})

afterAll(async () => {
  await wire.close()
  const sum = { points: 0, tried: 0, converged: 0 }
  for (const [kind, { points, tried, converged }] of totals) {
    report(`killed anywhere, ${kind}: ${points} points, ${tried} tried, ${converged} converged`)
    sum.points += points
    sum.tried += tried
    sum.converged += converged
  }
  const { points, tried, converged } = sum
  report(`killed anywhere, seed ${budget.seed}: ${points} points, ${tried} tried, ${converged} converged`)
})

/** How the time is divided: between one fault, two, and a clock that jumps. */
const share = { once: 0.6, twice: 0.25, clock: 0.15 }

test.each(states)(
  'killed anywhere: $found',
  async (state) => {
    const until = performance.now() + (1000 * share.once * budget.seconds) / states.length
    const application = bench.application()
    const points = pointsOf(await count(state, application))
    for (const point of points) totalOf(point).points += 1
    const broken: string[] = []
    const chosen = points.filter((point) => chosenPoint === undefined || spell(state, point) === chosenPoint)
    for (const [index, point] of shuffled(chosen, random(budget.seed)).entries()) {
      if (index > 0 && performance.now() > until) break
      const total = totalOf(point)
      total.tried += 1
      const problems = await strike(state, application, [point])
      if (problems.length === 0) total.converged += 1
      else {
        const again = replay('test:faults', 'killed', spell(state, point))
        broken.push(`${nameOf(point)}: ${problems.join('; ')}\n${again}`)
      }
      await erase(application)
    }
    expect(broken).toEqual([])
  },
  3_600_000,
)

test('killed anywhere, and again in the run that goes on', async () => {
  const tried = await tryStates(share.twice, async (state, application, points, next) => {
    const struck = [any(points, next), any(points, next)]
    return { struck, problems: await strike(state, application, struck) }
  })
  report(`killed twice, seed ${budget.seed}: ${tried} pairs of points tried`)
}, 4_000_000)

test('a clock that jumps anywhere', async () => {
  const tried = await tryStates(share.clock, async (state, application, points, next) => {
    const { name, point } = any(points, next)
    const days = jumps[Math.floor(next() * jumps.length)] ?? 0
    const here: NamedPoint = { name: `${name}, ${days} days`, point: { ...point, fault: 'jump' } }
    await enter(state, application)
    const before = await thingsOf(application)
    const clock = jump(days)
    try {
      const { result } = await trap.during(() => application.run(state.inputs), here.point, clock.set)
      const { code, outcome } = result
      const problems = untruths(outcome, before, await thingsOf(application))
      if (code !== state.refused) problems.push(`ended with ${code ?? 'success'}`)
      if (outcome.seconds < 0 || outcome.seconds > 60) problems.push(`took ${outcome.seconds} s, it says`)
      if (state.refused === undefined && (await application.login()) !== 'in') problems.push('no login')
      return { struck: [here], problems }
    } finally {
      clock.restore()
    }
  })
  report(`a clock that jumps, seed ${budget.seed}: ${tried} points tried`)
}, 4_000_000)

function any(points: readonly NamedPoint[], next: () => number): NamedPoint {
  return points[Math.floor(next() * points.length)] as NamedPoint
}

/**
 * Tries state after state for a share of the time, each attempt with numbers of its own seed: that is what replays it. Gives
 * how many attempts there were.
 */
async function tryStates(
  part: number,
  attempt: (
    state: State,
    application: Application,
    points: readonly NamedPoint[],
    next: () => number,
  ) => Promise<{ readonly struck: readonly NamedPoint[]; readonly problems: readonly string[] }>,
): Promise<number> {
  const until = performance.now() + 1000 * part * Math.min(budget.seconds, 3_600)
  const application = bench.application()
  const known = new Map<State, readonly NamedPoint[]>()
  const broken: string[] = []
  const first = chosenPoint === undefined ? budget.seed * 1_000_000 : Number(chosenPoint)
  let number = first
  do {
    const next = random(number)
    const state = states[Math.floor(next() * states.length)] as State
    const points = known.get(state) ?? pointsOf(await count(state, application))
    known.set(state, points)
    const { struck, problems } = await attempt(state, application, points, next)
    await erase(application)
    if (problems.length > 0) {
      const where = struck.map(nameOf).join(', then ')
      broken.push(
        `${state.found}, ${where}: ${problems.join('; ')}\n${replay('test:faults', 'killed', String(number))}`,
      )
    }
    number += 1
  } while (chosenPoint === undefined && performance.now() < until)
  expect(broken).toEqual([])
  return number - first
}

test.each<[string, Point['at'], RegExp, 'act and cut' | 'act and reset', RegExp]>([
  [
    'role',
    'statement',
    /^COMMIT/,
    'act and cut',
    // It looks again, finds what it was not told of, and says in the end that it made it.
    /^Created database, grants, Secret and role and set the password of the role /,
  ],
  [
    'database',
    'statement',
    /^CREATE DATABASE/,
    'act and cut',
    /^Created role, grants, Secret and database and set the password of the role /,
  ],
  ['Secret', 'request', /^POST .*\/secrets$/, 'act and reset', /^Created role, database, grants and Secret/],
])('an answer that is lost: %s', async (_, at, what, fault, says) => {
  const state: State = { found: 'nothing', from: 'nothing' }
  const application = bench.application()
  const passed = await count(state, application)
  const index = passed[`${at}s`].findIndex((name) => what.test(name))
  const before = await thingsOf(application)
  const { result } = await trap.during(() => application.run(), { at, index, fault } as Point)
  const { outcome } = result
  expect(outcome.failure === undefined ? lastLine(outcome) : standing(outcome)).toMatch(says)
  expect(hasChanged(outcome)).toBe(true)
  expect(untruths(outcome, before, await thingsOf(application))).toEqual([])
  expect(await application.run()).toMatchObject({ code: undefined })
  await erase(application)
})

test('a look that fails right after the database was made: the run goes on, and does not forget that it made it', async () => {
  const state: State = { found: 'nothing', from: 'nothing' }
  const application = bench.application()
  const { statements } = await count(state, application)
  const index = statements.findIndex((text) => text.startsWith('CREATE DATABASE')) + 1
  const before = await thingsOf(application)
  const point: Point = { at: 'statement', index, fault: '40001' }
  const { result, sprung } = await trap.during(() => application.run(), point)
  expect(sprung).toBe(true)
  expect(result).toMatchObject({ code: undefined, done: expect.arrayContaining(['database created']) })
  expect(untruths(result.outcome, before, await thingsOf(application))).toEqual([])
  await erase(application)
})

/** Lets a run come to its end, to see what it asks for. */
async function count(state: State, application: Application): Promise<Passed> {
  await enter(state, application)
  const { result, passed } = await trap.during(() => application.run(state.inputs))
  expect(result.code).toBe(state.refused)
  await erase(application)
  return passed
}

interface NamedPoint {
  readonly point: Point
  readonly name: string
}

function pointsOf({ requests, statements }: Passed): NamedPoint[] {
  return [
    ...requests.flatMap((name, index) =>
      apiFaults.map((fault) => ({ name, point: { at: 'request', index, fault } as const })),
    ),
    ...statements.flatMap((name, index) =>
      sqlFaults.map((fault) => ({ name, point: { at: 'statement', index, fault } as const })),
    ),
  ]
}

function totalOf({ point }: NamedPoint): { points: number; tried: number; converged: number } {
  const kind = `${point.at} ${point.fault}`
  const total = totals.get(kind) ?? { points: 0, tried: 0, converged: 0 }
  totals.set(kind, total)
  return total
}

function nameOf({ point, name }: NamedPoint): string {
  return `${point.fault} at ${point.at} ${point.index} (${name.trim().replace(/\s+/g, ' ').slice(0, 60)})`
}

function spell({ found }: State, { point: { fault, at, index } }: NamedPoint): string {
  return `${found}: ${fault} at ${at} ${index}`
}

/**
 * Lets one thing happen to a run, and another to each that comes after it, and gives what is not as it should be in between,
 * and after a last one that nothing happens to.
 */
async function strike(
  state: State,
  application: Application,
  points: readonly NamedPoint[],
): Promise<readonly string[]> {
  await enter(state, application)
  const credential = application.secret
  const works = async (): Promise<boolean> => {
    const { PGUSER = '', PGPASSWORD, PGDATABASE = '' } = credential
    return PGPASSWORD !== undefined && (await bench.login(PGUSER, PGPASSWORD, PGDATABASE)) === 'in'
  }
  const worked = await works()
  const before = await thingsOf(application)
  const created = createdSecrets()

  const problems: string[] = []
  for (const { point } of points) {
    const found = point.fault.includes('kill')
      ? await killed(state, application, point)
      : await stopped(state, application, point)
    problems.push(...found)
    if (worked && !(await works())) problems.push('a credential that worked does not work any more')
  }

  const { code } = await application.run(state.inputs)
  if (code !== state.refused) problems.push(`the next run ended with ${code ?? 'success'}`)
  if (state.refused === undefined) {
    const login = await application.login()
    if (login !== 'in') problems.push(`the Secret does not log in: ${login}`)
  } else {
    const changed = differing(before, await thingsOf(application))
    if (changed.length > 0) problems.push(`it was refused, and yet there are changes: ${changed.join(', ')}`)
  }
  if (created() > (before.secret === '' ? 1 : 0)) problems.push('more than one Secret was created')
  const [lock] = await bench.sql(`select from pg_locks where locktype = 'advisory'`)
  if (lock !== undefined) problems.push('a lock is left')
  return problems
}

async function killed(state: State, application: Application, point: Point): Promise<string[]> {
  const child = await startProcess(bench.sandbox, { ...application.request, ...state.inputs })
  await trap.during(() => child.ended, point, child.kill)
  await bench.expectNothingOpen(`pg-app-user acme/shop run 8123 ${application.role}`)
  return []
}

async function stopped(state: State, application: Application, point: Point): Promise<string[]> {
  const before = await thingsOf(application)
  const timeoutMs = point.fault === 'hang' ? hangMs : application.request.timeoutMs
  const { result } = await trap.during(() => application.run({ ...state.inputs, timeoutMs }), point)
  const { outcome, code } = result
  return [
    ...(code === 'internal-error' ? [`internal-error: ${String(outcome.failure?.cause)}`] : []),
    ...untruths(outcome, before, await thingsOf(application)),
  ]
}

/** Gives what a run has changed. */
function differing(before: Things, after: Things): (keyof Things)[] {
  return (['role', 'database', 'grants', 'extension', 'setting', 'secret', 'binding'] as const).filter(
    (thing) => before[thing] !== after[thing],
  )
}

/** Compares what a run said about its changes with what is there. */
function untruths(outcome: Outcome, before: Things, after: Things): string[] {
  const changed = differing(before, after)
  const said = new Set(outcome.changes.map(({ object }) => object))
  const doubted = new Set(outcome.doubts.map(({ object }) => object))
  // A database that is made or given away has other rights than before.
  if (said.has('database') || doubted.has('database')) doubted.add('grants')
  const hidden = changed.filter((thing) => !said.has(thing) && !doubted.has(thing))
  const invented = [...said].filter((thing) => !changed.includes(thing))
  return [
    ...hidden.map((thing) => `${thing} changed, and "${standing(outcome)}"`),
    ...invented.map((thing) => `${thing} did not change, and "${standing(outcome)}"`),
  ]
}

/** Gives how many application Secrets are created from now on. */
function createdSecrets(): () => number {
  const { requests } = bench.sandbox.api
  const mark = requests.length
  return () =>
    requests.slice(mark).filter(({ method, path, status }) => {
      return method === 'POST' && path.endsWith('/secrets') && status === 201
    }).length
}
