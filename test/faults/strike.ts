import { afterAll, beforeAll, expect } from '@jest/globals'
import { standing, type Outcome } from '../../src/run/outcome.ts'
import { useBench, type Application, type Bench } from '../support/bench.ts'
import { budget, chosenPoint, random, replay } from './budget.ts'
import { startProcess } from './process.ts'
import { enter, erase, sightOf, states, thingsOf, type State, type Things } from './states.ts'
import { apiFaults, sqlFaults, Trap, type Passed, type Point } from './trap.ts'
import { openWire, type Wire } from './wire.ts'

/** A request that is never answered ends with the run's own time, so that is made short. */
const hangMs = 1_500

/** A point, with what is asked for there. */
export interface NamedPoint {
  readonly point: Point
  readonly name: string
}

/** Whether a fault came, and what was not as it should be then. */
interface Happened {
  readonly sprung: boolean
  readonly problems: readonly string[]
}

/** Everything that can happen to a run that asks for this. */
export function pointsOf({ requests, statements }: Passed): readonly NamedPoint[] {
  return [
    ...requests.flatMap((name, index) =>
      apiFaults.map((fault) => ({ name, point: { at: 'request', index, fault } as const })),
    ),
    ...statements.flatMap((name, index) =>
      sqlFaults.map((fault) => ({ name, point: { at: 'statement', index, fault } as const })),
    ),
  ]
}

/** Gives one of several. */
export function any<Item>(items: readonly Item[], next: () => number): Item {
  return items[Math.floor(next() * items.length)] as Item
}

/** Gives a point in words, for a person. */
export function nameOf({ point, name }: NamedPoint): string {
  return `${spell(point)} (${name.trim().replace(/\s+/g, ' ').slice(0, 60)})`
}

/** Gives a point in words that are the same each time, so that they select it. */
export function spell({ fault, at, index }: Point): string {
  return `${fault} at ${at} ${index}`
}

/** Lets things happen to runs, and knows what has to be true afterwards. */
export class Striker {
  readonly bench: Bench
  #wire: Wire | undefined
  #trap: Trap | undefined
  /** What a run leaves that nothing happens to, by where it begins. */
  readonly #ends = new Map<State, string>()

  constructor(bench: Bench) {
    this.bench = bench
  }

  async open(): Promise<void> {
    const { api, accessNamespace } = this.bench.sandbox
    this.#wire = await openWire(this.bench.postgres)
    api.route(accessNamespace, 'postgresql1-0', 5432, this.#wire)
    this.#trap = new Trap(this.bench, this.#wire)
  }

  async close(): Promise<void> {
    await this.#wire?.close()
  }

  get trap(): Trap {
    if (this.#trap === undefined) throw new Error('the trap is there during tests only')
    return this.#trap
  }

  /** Lets a run come to its end, to see what it asks for; with points, a run after runs to which these happened. */
  async count(state: State, application: Application, earlier: readonly NamedPoint[] = []): Promise<Passed> {
    await enter(state, application)
    for (const { point } of earlier) await this.#happen(state, application, point)
    const { result, passed } = await this.trap.during(() => application.run(state.inputs))
    expect(result.code).toBe(state.refused)
    if (earlier.length === 0) this.#ends.set(state, await sightOf(application))
    await erase(application)
    return passed
  }

  /**
   * Lets one thing happen to a run, and another to each that comes after it, and gives what is not as it should be in between,
   * and after a last one that nothing happens to.
   */
  async strike(
    state: State,
    application: Application,
    points: readonly NamedPoint[],
    between: () => Promise<void> = () => Promise.resolve(),
  ): Promise<readonly string[]> {
    const { bench } = this
    await enter(state, application)
    const credential = application.secret
    const works = async (): Promise<boolean> => {
      const { PGUSER = '', PGPASSWORD, PGDATABASE = '' } = credential
      return PGPASSWORD !== undefined && (await bench.login(PGUSER, PGPASSWORD, PGDATABASE)) === 'in'
    }
    const worked = await works()
    const before = await thingsOf(application)
    const created = this.#createdSecrets()

    const problems: string[] = []
    for (const [index, { point }] of points.entries()) {
      const { problems: met, sprung } = await this.#happen(state, application, point)
      problems.push(...met)
      // Which faults the later runs can meet depends on what the first one left; the first one meets its own.
      if (index === 0 && !sprung) problems.push('the fault never came')
      if (worked && !(await works())) problems.push('a credential that worked does not work any more')
      await between()
    }

    const { code } = await application.run(state.inputs)
    // Those who use it have read it once: a Secret with another one that works is no help to them.
    if (worked && !(await works())) problems.push('the next run ended a credential that worked')
    if (code !== state.refused) problems.push(`the next run ended with ${code ?? 'success'}`)
    if (state.refused === undefined) {
      const login = await application.login()
      if (login !== 'in') problems.push(`the Secret does not log in: ${login}`)
      const difference = firstDifference(this.#ends.get(state) ?? '', await sightOf(application))
      if (difference !== undefined) problems.push(difference)
    } else {
      const changed = differing(before, await thingsOf(application))
      if (changed.length > 0)
        problems.push(`it was refused, and yet there are changes: ${changed.join(', ')}`)
    }
    const binds = state.inputs?.secretFormats?.includes('servicebinding') === true
    const absent = [before.secret, ...(binds ? [before.binding] : [])].filter((there) => there === '')
    if (created() > absent.length) problems.push('more than one Secret was created')
    const [lock] = await bench.sql(`select from pg_locks where locktype = 'advisory'`)
    if (lock !== undefined) problems.push('a lock is left')
    return problems
  }

  /**
   * Tries state after state for so many seconds, each attempt with numbers of its own seed: that is what replays it. Gives how
   * many attempts there were.
   */
  async tryStates(
    { seconds, file, name }: { readonly seconds: number; readonly file: string; readonly name: string },
    attempt: (
      state: State,
      application: Application,
      points: readonly NamedPoint[],
      next: () => number,
    ) => Promise<{ readonly struck: readonly NamedPoint[]; readonly problems: readonly string[] }>,
  ): Promise<number> {
    const until = performance.now() + 1000 * seconds
    const application = this.bench.application()
    const known = new Map<State, readonly NamedPoint[]>()
    const broken: string[] = []
    const first = chosenPoint === undefined ? budget.seed * 1_000_000 : Number(chosenPoint)
    let number = first
    do {
      const next = random(number)
      const state = any(states, next)
      const points = known.get(state) ?? pointsOf(await this.count(state, application))
      known.set(state, points)
      const { struck, problems } = await attempt(state, application, points, next)
      await erase(application)
      if (problems.length > 0) {
        const where = struck.map(nameOf).join(', then ')
        const again = replay('test:faults', file, String(number), name)
        broken.push(`${state.found}, ${where}: ${problems.join('; ')}\n${again}`)
      }
      number += 1
    } while (chosenPoint === undefined && performance.now() < until)
    expect(broken).toEqual([])
    return number - first
  }

  #happen(state: State, application: Application, point: Point): Promise<Happened> {
    return point.fault.includes('kill')
      ? this.#kill(state, application, point)
      : this.#stop(state, application, point)
  }

  async #kill(state: State, application: Application, point: Point): Promise<Happened> {
    const { bench } = this
    const child = await startProcess(bench.sandbox, { ...application.request, ...state.inputs })
    const { sprung } = await this.trap.during(() => child.ended, point, child.kill)
    await bench.expectNothingOpen(`pg-app-user acme/shop run 8123 ${application.role}`)
    return { sprung, problems: [] }
  }

  async #stop(state: State, application: Application, point: Point): Promise<Happened> {
    const before = await thingsOf(application)
    const timeoutMs = point.fault === 'hang' ? hangMs : application.request.timeoutMs
    const { result, sprung } = await this.trap.during(
      () => application.run({ ...state.inputs, timeoutMs }),
      point,
    )
    const { outcome, code } = result
    const problems = [
      ...(code === 'internal-error' ? [`internal-error: ${String(outcome.failure?.cause)}`] : []),
      ...untruths(outcome, before, await thingsOf(application)),
    ]
    return { sprung, problems }
  }

  /** Gives how many application Secrets are created from now on. */
  #createdSecrets(): () => number {
    const { requests } = this.bench.sandbox.api
    const mark = requests.length
    return () =>
      requests.slice(mark).filter(({ method, path, status }) => {
        return method === 'POST' && path.endsWith('/secrets') && status === 201
      }).length
  }
}

/** Gives the tests of a file a bench whose PostgreSQL is behind a wire. */
export function useStriker(): Striker {
  const striker = new Striker(useBench({ postgres: { tls: false } }))
  beforeAll(() => striker.open())
  afterAll(() => striker.close())
  return striker
}

/** Shows where two texts begin to differ; nothing where they do not. */
function firstDifference(undisturbed: string, found: string): string | undefined {
  if (undisturbed === found) return undefined
  let at = 0
  while (undisturbed[at] === found[at]) at += 1
  const near = (text: string): string => text.slice(Math.max(0, at - 80), at + 80)
  return `without a fault, there is "${near(undisturbed)}", and now "${near(found)}"`
}

/** Gives what a run has changed. */
function differing(before: Things, after: Things): (keyof Things)[] {
  return (['role', 'database', 'grants', 'extension', 'setting', 'secret', 'binding'] as const).filter(
    (thing) => before[thing] !== after[thing],
  )
}

/** Compares what a run said about its changes with what is there. */
export function untruths(outcome: Outcome, before: Things, after: Things): string[] {
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
