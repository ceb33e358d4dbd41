import { beforeAll, expect, test } from '@jest/globals'
import { standing } from '../../src/run/outcome.ts'
import { literal, useBench, type Application } from '../support/bench.ts'
import { budget, chosenPoint, random, replay, report } from './budget.ts'
import { erase } from './states.ts'
import {
  anyCase,
  byHand,
  cases,
  find,
  inputsOf,
  inWords,
  isRefused,
  reader,
  refusalsOf,
  stranger,
  watcher,
  type Case,
} from './wishes.ts'

const bench = useBench({ postgres: { tls: false } })
const watching = 'the password of who watches'

beforeAll(async () => {
  for (const name of [watcher, reader, stranger]) {
    await bench.sql(`CREATE ROLE ${name} LOGIN PASSWORD ${literal(watching)}`)
  }
  await bench.sql(`GRANT pg_monitor TO ${watcher}`)
})

test('every state to every wish: one run and then nothing to do, or one refusal; and nothing that worked stops working', async () => {
  const until = performance.now() + 1000 * budget.sampling * 0.6
  const broken: string[] = []
  const ends = new Map<string, number>()
  const chosen = Number(chosenPoint ?? 0)
  for (let number = chosen; ; number++) {
    const given = anyCase(random(budget.seed * 1_000_003 + number))
    const application = bench.application()
    const { end, problems } = await attempt(given, application)
    ends.set(end, (ends.get(end) ?? 0) + 1)
    if (problems.length > 0) {
      broken.push(
        `${inWords(given)}: ${problems.join('; ')}\n${replay('test:faults', 'faults/wishes', String(number))}`,
      )
    }
    await erase(application)
    if (chosenPoint !== undefined || performance.now() > until) break
  }
  const tried = [...ends.values()].reduce((all, each) => all + each, 0)
  const told = [...ends].sort(([, a], [, b]) => b - a).map(([end, count]) => `${count} ${end}`)
  report(
    `every state to every wish, seed ${budget.seed}: ${cases} cases, ${tried} tried, ${broken.length} wrong: ${told.join(', ')}`,
  )
  expect(broken).toEqual([])
}, 7_200_000)

interface Attempt {
  readonly end: string
  readonly problems: readonly string[]
}

/** Looks with a dry run, runs, and runs again; gives how that ended and what was not as it should be. */
async function attempt(given: Case, application: Application): Promise<Attempt> {
  await find(given, application)
  const inputs = inputsOf(given)
  const { role, database, secret: held } = application
  const { PGPASSWORD = '' } = held
  const works = async (): Promise<readonly string[]> => {
    const logins = [
      { whose: "the Secret's", user: role, password: PGPASSWORD },
      { whose: 'that of who watches', user: watcher, password: watching },
      { whose: 'the one set by hand', user: role, password: byHand },
    ]
    const ends = await Promise.all(
      logins.map(async ({ whose, user, password }) =>
        password !== '' && (await bench.login(user, password, database)) === 'in' ? whose : '',
      ),
    )
    return ends.filter((end) => end !== '')
  }
  const worked = await works()
  const before = await bench.picture(application)
  const mark = bench.sandbox.api.requests.length
  const untouched = async (): Promise<boolean> =>
    JSON.stringify(await bench.picture(application)) === JSON.stringify(before) &&
    bench.sandbox.api.requests.slice(mark).every(({ write }) => !write)

  const problems: string[] = []
  const dry = await application.run({ ...inputs, dryRun: true })
  if (!(await untouched())) problems.push('the dry run changed something')
  const first = await application.run(inputs)
  const { failure, list } = first.outcome
  if (dry.code !== first.code) {
    problems.push(`the dry run ended with ${dry.code ?? 'success'}, the run with ${first.code ?? 'success'}`)
  }
  const still = await works()
  if (failure === undefined) {
    if (isRefused(given)) problems.push('it was not refused')
    if (JSON.stringify(dry.outcome.list) !== JSON.stringify(list)) {
      problems.push(`announced ${inKinds(dry.outcome.list)}, made ${inKinds(list)}`)
    }
    const login = await application.login()
    if (login !== 'in') problems.push(`the Secret does not log in: ${login}`)
    const settled = await bench.picture(application)
    const second = await application.run(inputs)
    if (second.code !== undefined) problems.push(`the second run ended with ${second.code}`)
    if (second.outcome.list.length > 0) problems.push(`the second run made ${inKinds(second.outcome.list)}`)
    if (JSON.stringify(await bench.picture(application)) !== JSON.stringify(settled)) {
      problems.push('the second run changed something')
    }
    // Who asks for a password to be set knows that the one before ends; only the Secret's has a claim to stay.
    const lost = worked.filter((whose) => whose !== 'the one set by hand' && !still.includes(whose))
    if (lost.length > 0) problems.push(`does not work any more: ${lost.join(', ')}`)
  } else {
    if (!(await untouched())) problems.push(`refused with ${failure.code}, and something was changed`)
    if (standing(first.outcome) !== 'Nothing was changed.') problems.push(`said: ${standing(first.outcome)}`)
    if (!refusalsOf(given).has(failure.code)) {
      problems.push(`refused with ${failure.code}: ${failure.message}`)
    }
    if (failure.hint.length === 0) problems.push('a refusal without a hint')
    const second = await application.run(inputs)
    if (second.code !== first.code)
      problems.push(`refused with ${failure.code}, then ${second.code ?? 'not'}`)
  }
  return { end: failure?.code ?? 'done', problems }
}

function inKinds(list: readonly { readonly kind: string }[]): string {
  return `[${list.map(({ kind }) => kind).join(', ')}]`
}
