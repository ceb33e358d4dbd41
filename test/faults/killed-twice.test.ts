import { beforeAll, expect, test } from '@jest/globals'
import type { Application } from '../support/bench.ts'
import { budget, chosenPoint, replay, report } from './budget.ts'
import { enter, erase, sightOf, states, type State } from './states.ts'
import { any, nameOf, pointsOf, spell, useStriker, type NamedPoint } from './strike.ts'
import type { Point } from './trap.ts'

const striker = useStriker()
const { bench } = striker

const file = 'faults/killed-twice'
const sampled = 'killed anywhere, and again in the run that goes on'

/** The time for it: what is left by one fault, and by a clock that jumps. */
const share = 0.25

if (Number.isFinite(budget.seconds)) {
  test(
    sampled,
    async () => {
      const chosen = states.find(({ found }) => chosenPoint?.startsWith(`${found}: `))
      if (chosen !== undefined && chosenPoint !== undefined) {
        const spelled = chosenPoint.slice(`${chosen.found}: `.length).split(', then ')
        const struck = spelled.map((each) => ({ name: '', point: pointOf(each) }))
        await striker.count(chosen, bench.application())
        expect(await striker.strike(chosen, bench.application(), struck)).toEqual([])
        return
      }
      const tried = await striker.tryStates(
        { seconds: share * budget.sampling, file, name: sampled },
        async (state, application, points, next) => {
          const struck = [any(points, next), any(points, next)]
          return { struck, problems: await striker.strike(state, application, struck) }
        },
      )
      report(`killed twice, seed ${budget.seed}: ${tried} pairs of points tried`)
    },
    4_000_000,
  )
} else {
  /** What runs were tried from with every fault: killed.test.ts does so from the states themselves. */
  const done = new Set<string>()

  beforeAll(async () => {
    for (const state of states) {
      const application = bench.application()
      await enter(state, application)
      done.add(await seenBy(state, application))
      await erase(application)
    }
  })

  /*
   * A run knows nothing of those before it but what is in PostgreSQL and the API server. So first faults that leave the same
   * there count as one, and each of what they leave is tried once, with every fault in the run that finds it.
   */
  test.each(states)(
    'killed anywhere, and anywhere in the run that goes on: $found',
    async (state) => {
      const application = bench.application()
      const broken: string[] = []
      const attempt = async (struck: readonly NamedPoint[]): Promise<readonly string[]> => {
        const seen: string[] = []
        const problems = await striker.strike(state, application, struck, async () => {
          seen.push(await seenBy(state, application))
        })
        await erase(application)
        if (problems.length > 0) {
          const again = replay('test:faults', file, spellOf(state, struck))
          broken.push(`${struck.map(nameOf).join(', then ')}: ${problems.join('; ')}\n${again}`)
          // All of them take hours: who ends the test before its end has seen it.
          report(`killed twice, ${state.found}: ${broken.at(-1) ?? ''}`)
        }
        return seen
      }
      const points = pointsOf(await striker.count(state, application))
      const left = new Map<string, NamedPoint>()
      for (const point of points.toSorted((one, other) => costOf(one) - costOf(other))) {
        const [seen = ''] = await attempt([point])
        if (!left.has(seen)) left.set(seen, point)
      }
      const fresh = [...left].filter(([seen]) => !done.has(seen))
      let tried = 0
      let other = 0
      for (const [seen, first] of fresh) {
        const later = pointsOf(await striker.count(state, application, [first]))
        for (const second of later) {
          const [found] = await attempt([first, second])
          tried += 1
          if (found !== seen) other += 1
        }
        done.add(seen)
        report(`killed twice, ${state.found}: ${nameOf(first)}, and ${later.length} faults in the next run`)
      }
      report(
        `killed twice, ${state.found}: ${points.length} first faults leave ${left.size} different things, ${fresh.length} of them new; ${tried} pairs tried, ${other} of them left something else this time, ${broken.length} wrong`,
      )
      expect(broken).toEqual([])
    },
    36_000_000,
  )
}

async function seenBy(state: State, application: Application): Promise<string> {
  return `${JSON.stringify(state.inputs ?? {})} ${await sightOf(application)}`
}

/** A process takes longer to start, and what is never answered takes the time of the run. */
function costOf({ point: { fault } }: NamedPoint): number {
  return fault === 'hang' ? 2 : fault.includes('kill') ? 1 : 0
}

function spellOf({ found }: State, struck: readonly NamedPoint[]): string {
  return `${found}: ${struck.map(({ point }) => spell(point)).join(', then ')}`
}

function pointOf(spelled: string): Point {
  const { fault, at, index } = /^(?<fault>.+) at (?<at>\w+) (?<index>\d+)$/.exec(spelled)?.groups ?? {}
  return { fault, at, index: Number(index) } as Point
}
