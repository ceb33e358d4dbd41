import { keyOf, newRun, Protocol, shared, type State, type Step } from './protocol.ts'
import type { Scenario } from './search.ts'

/** What of a run can be seen from outside, in the order in which it happens. */
export type Seen =
  | 'read'
  | 'note'
  | 'create-role'
  | 'mark-role'
  | 'set-password'
  | 'create-database'
  | 'grants'
  | 'grant-schema'
  | 'prove'
  | 'write'
  | 'a person deletes the Secret'

/** What of a step of the model can be seen, by what its label says; the rest happens unseen. */
const signs: readonly (readonly [RegExp, Seen])[] = [
  [/: reads the Secret/, 'read'],
  [/ (?:makes|at) note-database/, 'note'],
  [/ (?:makes|at) create-role/, 'create-role'],
  [/ (?:makes|at) mark-role/, 'mark-role'],
  [/ (?:makes|at) set-password/, 'set-password'],
  [/ (?:makes|at) create-database/, 'create-database'],
  [/ (?:makes|at) (?:grant-database|grant-connect|revoke-public|set-owner)/, 'grants'],
  [/ (?:makes|at) grant-schema/, 'grant-schema'],
  [/: proves the login/, 'prove'],
  [/: (?:writes the Secret|meets a conflict)/, 'write'],
  [/^a person deletes the Secret/, 'a person deletes the Secret'],
]

/** Nobody kills a run whose trace is followed. */
const impossible = /: is killed|^a person (?!deletes the Secret)/

function seenIn({ label }: Step): Seen | undefined {
  return signs.find(([sign]) => sign.test(label))?.[1]
}

/**
 * Goes along a trace of real runs in the model, by every way that explains it.
 *
 * @param ends how the real runs ended, in whatever order
 * @returns nothing where the model allows the trace; else what was seen that it does not allow, and what it does
 */
export function follow(
  { world, wishes, runs, faults, acts }: Scenario,
  trace: readonly Seen[],
  ends: readonly string[],
): string | undefined {
  const protocol = new Protocol(wishes)
  const start = { world: shared(world), runs: runs.map(newRun), faults, acts, late: false }
  let here = unseen([start], protocol)
  for (const [index, seen] of trace.entries()) {
    const next = here.flatMap((state) =>
      stepsOf(state, protocol).flatMap((step) => (seenIn(step) === seen ? [step.state] : [])),
    )
    if (next.length === 0) {
      const allowed = new Set(
        here.flatMap((state) => stepsOf(state, protocol).flatMap((step) => seenIn(step) ?? [])),
      )
      return `after ${trace.slice(0, index).join(', ')}: ${seen}, where the model has ${[...allowed].join(' or ')}`
    }
    here = unseen(next, protocol)
  }
  const wanted = [...ends].sort().join(', ')
  const found = new Set(
    here.map((state) =>
      state.runs
        .map(({ end }) => String(end))
        .sort()
        .join(', '),
    ),
  )
  return found.has(wanted)
    ? undefined
    : `it ends with ${wanted}, where the model has ${[...found].join(' or ')}`
}

function stepsOf(state: State, protocol: Protocol): readonly Step[] {
  return [...protocol.steps(state)].filter(
    ({ label, broken }) => broken === undefined && !impossible.test(label),
  )
}

/** Returns these states and all that come of them unseen. */
function unseen(states: readonly State[], protocol: Protocol): readonly State[] {
  const found = new Map(states.map((state) => [keyOf(state), state]))
  for (const state of found.values()) {
    for (const step of stepsOf(state, protocol)) {
      if (seenIn(step) === undefined && !found.has(keyOf(step.state)))
        found.set(keyOf(step.state), step.state)
    }
  }
  return [...found.values()]
}
