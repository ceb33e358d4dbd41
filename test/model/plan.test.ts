import { expect, test } from '@jest/globals'
import { Failure } from '../../src/lib/failure.ts'
import { plan, type Plan } from '../../src/provision/plan.ts'
import { budget, chosenPoint, random, replay, report } from '../faults/budget.ts'
import { anyOf } from './every.ts'
import { evidenceOf, make, observe, type Wish, type World } from './world.ts'

/** How many are tried with the default of FAULTS_SECONDS. */
const amount = 20_000

test('every state to every wish: one plan and then none, or one refusal; and nothing that worked stops working', () => {
  const numbers = chosenPoint === undefined ? range((amount * budget.sampling) / 30) : [Number(chosenPoint)]
  const broken: string[] = []
  const counts = { plans: 0, nothing: 0, refusals: 0 }
  for (const number of numbers) {
    const { world, wish } = anyOf(random(budget.seed * 1_000_003 + number))
    const first = decide(world, wish)
    if (first instanceof Failure) counts.refusals += 1
    else if (first.changes.length === 0) counts.nothing += 1
    else counts.plans += 1
    const problems = first instanceof Failure ? soundness(first) : outcomeOf(first, world, wish)
    if (problems.length === 0) continue
    broken.push(`${problems.join('; ')}\n${replay('test:model', 'model/plan', String(number))}`)
    if (broken.length === 10) break
  }
  report(
    `every state to every wish, in memory, seed ${budget.seed}: ${counts.plans} plans, ${counts.nothing} times nothing to do, ${counts.refusals} refusals`,
  )
  expect(broken).toEqual([])
  // A plan that refuses everything, or finds nothing to do anywhere, would break none of the promises.
  const tried = counts.plans + counts.nothing + counts.refusals
  if (chosenPoint === undefined) {
    expect(counts.plans / tried).toBeGreaterThan(0.1)
    expect(counts.nothing / tried).toBeGreaterThan(0.001)
    expect(counts.refusals / tried).toBeGreaterThan(0.1)
  }
}, 7_200_000)

function* range(length: number): Generator<number> {
  for (let number = 0; number < length; number++) yield number
}

function decide(world: World, wish: Wish): Plan | Failure {
  const password = world.secret?.values.PGPASSWORD
  const observed = observe(world, world.secret, evidenceOf(world, password), wish)
  return observed instanceof Failure ? observed : plan(observed, wish.wanted)
}

function soundness({ code, message, hint }: Failure): readonly string[] {
  const sound = code !== 'internal-error' && hint.length > 0 && !/[\r\n]/.test(message)
  return sound ? [] : [`a refusal that says nothing: ${code} ${message}`]
}

/** Makes the changes of a plan, and returns what is not as it should be then. */
function outcomeOf(first: Plan, world: World, wish: Wish): readonly string[] {
  const problems: string[] = []
  const written = JSON.stringify(first)
  if (written !== JSON.stringify(JSON.parse(written))) problems.push('the plan cannot be kept as JSON')
  const known = world.secret?.values.PGPASSWORD
  let now = world
  for (const change of first.changes) {
    const next = make(change, now, wish, known ?? 'fresh')
    if (typeof next === 'string') return [...problems, `${change.kind} cannot be made: ${next}`]
    now = next
  }
  const then = decide(now, wish)
  if (then instanceof Failure) problems.push(`refused after it was made: ${then.code} ${then.message}`)
  else if (then.changes.length > 0) {
    problems.push(`not done when all is made: ${then.changes.map(({ kind }) => kind).join(', ')}`)
  }
  if (known !== undefined && world.role?.password === known && now.role?.password !== known) {
    problems.push('a password that worked is another one')
  }
  if (evidenceOf(now, now.secret?.values.PGPASSWORD) !== 'proven') problems.push('the Secret does not log in')
  return problems
}
