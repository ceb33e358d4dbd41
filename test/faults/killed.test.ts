import { afterAll, expect, test } from '@jest/globals'
import { hasChanged, lastLine, standing } from '../../src/run/outcome.ts'
import { budget, chosenPoint, random, replay, report, shuffled } from './budget.ts'
import { jump, jumps } from './clock.ts'
import { askingForAll, enter, erase, states, thingsOf, type State } from './states.ts'
import { any, nameOf, pointsOf, spell, untruths, useStriker, type NamedPoint } from './strike.ts'
import type { Point } from './trap.ts'

const striker = useStriker()
const { bench } = striker
const totals = new Map<string, { points: number; tried: number; converged: number }>()
let jumped = 0

afterAll(() => {
  const sum = { points: 0, tried: 0, converged: 0 }
  for (const [kind, { points, tried, converged }] of totals) {
    report(`killed anywhere, ${kind}: ${points} points, ${tried} tried, ${converged} converged`)
    sum.points += points
    sum.tried += tried
    sum.converged += converged
  }
  const { points, tried, converged } = sum
  report(`killed anywhere, seed ${budget.seed}: ${points} points, ${tried} tried, ${converged} converged`)
  // One that was chosen, and is no point of any run any more, has shown nothing.
  if (chosenPoint !== undefined && tried + jumped === 0)
    throw new Error(`no run has the point ${chosenPoint}`)
})

/** How the time is divided: the rest of it is for two faults. */
const share = { once: 0.6, clock: 0.15 }

const all = [...states, ...askingForAll]

test.each(all)(
  'killed anywhere: $found',
  async (state) => {
    const until = performance.now() + (1000 * share.once * budget.seconds) / all.length
    const application = bench.application()
    const points = pointsOf(await striker.count(state, application))
    for (const point of points) totalOf(point).points += 1
    const broken: string[] = []
    const chosen = points.filter(
      (point) => chosenPoint === undefined || spellOf(state, point) === chosenPoint,
    )
    for (const [index, point] of shuffled(chosen, random(budget.seed)).entries()) {
      if (index > 0 && performance.now() > until) break
      const total = totalOf(point)
      total.tried += 1
      const problems = await striker.strike(state, application, [point])
      if (problems.length === 0) total.converged += 1
      else {
        const again = replay(
          'test:faults',
          'faults/killed.test',
          spellOf(state, point),
          `killed anywhere: ${state.found}`,
        )
        broken.push(`${nameOf(point)}: ${problems.join('; ')}\n${again}`)
      }
      await erase(application)
    }
    expect(broken).toEqual([])
  },
  3_600_000,
)

const clockJumps = {
  seconds: share.clock * budget.sampling,
  file: 'faults/killed.test',
  name: 'a clock that jumps anywhere',
}

test(
  clockJumps.name,
  async () => {
    const tried = await striker.tryStates(clockJumps, async (state, application, points, next) => {
      jumped += 1
      const { name, point } = any(points, next)
      const days = any(jumps, next)
      const here: NamedPoint = { name: `${name}, ${days} days`, point: { ...point, fault: 'jump' } }
      await enter(state, application)
      const before = await thingsOf(application)
      const clock = jump(days)
      try {
        const { result, sprung } = await striker.trap.during(
          () => application.run(state.inputs),
          here.point,
          clock.set,
        )
        const { code, outcome } = result
        const problems = untruths(outcome, before, await thingsOf(application))
        if (!sprung) problems.push('the clock never jumped')
        if (code !== state.refused) problems.push(`ended with ${code ?? 'success'}`)
        if (outcome.seconds < 0 || outcome.seconds > 60) problems.push(`took ${outcome.seconds} s, it says`)
        if (state.refused === undefined && (await application.login()) !== 'in') problems.push('no login')
        return { struck: [here], problems }
      } finally {
        clock.restore()
      }
    })
    report(`a clock that jumps, seed ${budget.seed}: ${tried} points tried`)
  },
  4_000_000,
)

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
  const passed = await striker.count(state, application)
  const index = passed[`${at}s`].findIndex((name) => what.test(name))
  const before = await thingsOf(application)
  const { result } = await striker.trap.during(() => application.run(), { at, index, fault } as Point)
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
  const { statements } = await striker.count(state, application)
  const index = statements.findIndex((text) => text.startsWith('CREATE DATABASE')) + 1
  const before = await thingsOf(application)
  const point: Point = { at: 'statement', index, fault: '40001' }
  const { result, sprung } = await striker.trap.during(() => application.run(), point)
  expect(sprung).toBe(true)
  expect(result).toMatchObject({ code: undefined, done: expect.arrayContaining(['database created']) })
  expect(untruths(result.outcome, before, await thingsOf(application))).toEqual([])
  await erase(application)
})

function totalOf({ point }: NamedPoint): { points: number; tried: number; converged: number } {
  const kind = `${point.at} ${point.fault}`
  const total = totals.get(kind) ?? { points: 0, tried: 0, converged: 0 }
  totals.set(kind, total)
  return total
}

function spellOf({ found }: State, { point }: NamedPoint): string {
  return `${found}: ${spell(point)}`
}
