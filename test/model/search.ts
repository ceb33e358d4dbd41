import { keyOf, newRun, Protocol, shared, type Kept, type Shared, type State, type Twin } from './protocol.ts'
import type { Wish } from './world.ts'

/** Where a search begins, and how far it goes. */
export interface Scenario {
  readonly name: string
  readonly world: Shared
  /** What the runs want, a number for each run. */
  readonly wishes: readonly Wish[]
  readonly runs: readonly number[]
  readonly faults: number
  readonly acts: number
}

/** What a search found. */
export interface Found {
  readonly states: number
  /** The steps to the first moment at which something that is promised is not kept. */
  readonly trace: readonly string[] | undefined
  readonly broken: Kept | undefined
}

interface Visit {
  readonly state: State
  readonly from: Visit | undefined
  readonly label: string
}

/** Visits every moment that can come about, the nearest first, until a promise is broken. */
export function search(scenario: Scenario, twin?: Twin, onState?: (state: State) => void): Found {
  const protocol = new Protocol(scenario.wishes, twin)
  const settled = new Map<Shared, readonly string[]>()
  const normal = ends(scenario, scenario.world, protocol)
  const start: State = {
    world: shared(scenario.world),
    runs: scenario.runs.map(newRun),
    faults: scenario.faults,
    acts: scenario.acts,
    late: false,
  }
  const seen = new Set([keyOf(start)])
  let layer: Visit[] = [{ state: start, from: undefined, label: '' }]
  while (layer.length > 0) {
    const next: Visit[] = []
    for (const visit of layer) {
      onState?.(visit.state)
      const later = settlesOf(visit.state.world)
      // Nobody else has come between: then a run ends as it would have at the beginning.
      const quiet = visit.state.acts === scenario.acts && scenario.wishes.length === 1
      const wrong = later.filter(
        (end, wish) => end !== 'done' && (quiet ? end !== normal[wish] : !isOwned(end)),
      )
      if (wrong.length > 0) {
        const trace = [...traceOf(visit), `the next run: ${wrong.join('; ')}`]
        return { states: seen.size, trace, broken: 'the next run does not come right' }
      }
      for (const { label, state, broken } of protocol.steps(visit.state)) {
        const key = keyOf(state)
        if (broken === undefined && seen.has(key)) continue
        seen.add(key)
        const here = { state, from: visit, label }
        if (broken !== undefined) return { states: seen.size, trace: traceOf(here), broken }
        next.push(here)
      }
    }
    layer = next
  }
  return { states: seen.size, trace: undefined, broken: undefined }

  function settlesOf(world: Shared): readonly string[] {
    const known = settled.get(world) ?? ends(scenario, world, protocol)
    settled.set(world, known)
    return known
  }
}

const leftOpen = 'a database that a run made is open to everybody'

/** What a person may have brought about who deletes a role or a Secret, and what no run may take over or close then. */
function isOwned(end: string): boolean {
  return [
    'database-not-ours',
    'role-not-ours',
    'role-claimed',
    'database-claimed',
    'grant-ineffective',
    leftOpen,
  ].includes(end)
}

function traceOf(visit: Visit): readonly string[] {
  return visit.from === undefined ? [] : [...traceOf(visit.from), visit.label]
}

/** Returns how a run ends that nobody is in the way of, for each wish: `done`, or a code, or what is wrong afterwards. */
function ends({ wishes }: Scenario, world: Shared, protocol: Protocol): readonly string[] {
  return wishes.map((wish, index) => {
    const first = alone(world, index, protocol)
    if (first.end !== 'done') {
      // What no look shows is found on the way.
      return world.trap || first.world === shared(world)
        ? first.end
        : `${first.end}, and it changed something`
    }
    const second = alone(first.world, index, protocol)
    if (second.end !== 'done') return `then ${second.end}`
    if (second.world !== first.world) return 'it is never done'
    const { role, database, secrets } = first.world
    const password = secrets[wish.wanted.secret]?.values.PGPASSWORD
    if (password === undefined || role?.password !== password) return 'the Secret does not log in'
    // What one application made and another adopted is not the other's to close.
    return wishes.length === 1 && database?.publicConnects === true ? leftOpen : 'done'
  })
}

function alone(
  world: Shared,
  wish: number,
  protocol: Protocol,
): { readonly end: string; readonly world: Shared } {
  let state: State = { world: shared(world), runs: [newRun(wish)], faults: 0, acts: 0, late: false }
  for (let steps = 0; steps < 100; steps++) {
    const [run] = state.runs
    if (run?.end !== undefined) return { end: run.end, world: state.world }
    const step = protocol.advance(state, 0)
    if (step === undefined) return { end: 'it waits for nothing', world: state.world }
    state = step.state
  }
  return { end: 'it never ends', world: state.world }
}
