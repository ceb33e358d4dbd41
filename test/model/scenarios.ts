import type { Marker } from '../../src/postgres/marker.ts'
import { base, kept } from './every.ts'
import type { Shared } from './protocol.ts'
import type { Scenario } from './search.ts'
import { claim, made, newRole, secretValues, watcher, written, type Wish } from './world.ts'

const mine: Wish = { wanted: base, formats: [] }
const adopting: Wish = { wanted: { ...base, existing: 'adopt' }, formats: [] }
const theirs: Wish = { wanted: { ...adopting.wanted, secret: 'shop/other' }, formats: [] }

const mark: Marker = { secret: base.secret, database: base.database, createdDatabase: true }
const nothing: Shared = {
  role: undefined,
  database: undefined,
  secrets: {},
  claims: [],
  admin: { createRole: true, createDatabase: true },
  trap: false,
}
const provisioned: Shared = {
  ...nothing,
  role: { ...newRole(kept), comment: claim(mark) },
  database: {
    ...made(base),
    publicConnects: false,
    publicTemporary: false,
    granted: true,
    connects: [watcher],
    schemaGranted: true,
  },
  secrets: { [base.secret]: written(undefined, secretValues(base, kept), base) },
}
const byHand: Shared = { ...nothing, role: newRole('by hand') }
const three = [0, 0, 0]

/** Where searches begin. All of them: three runs, two faults, and what a person may do once. */
export const scenarios: readonly Scenario[] = [
  { name: 'nothing is there', world: nothing, wishes: [mine], runs: three, faults: 2, acts: 1 },
  { name: 'all is there', world: provisioned, wishes: [mine], runs: three, faults: 2, acts: 1 },
  {
    name: 'the Secret is gone',
    world: { ...provisioned, secrets: {} },
    wishes: [mine],
    runs: three,
    faults: 2,
    acts: 1,
  },
  {
    name: 'the Secret is gone, and something refuses the rights',
    world: {
      ...provisioned,
      secrets: {},
      database: provisioned.database && { ...provisioned.database, schemaGranted: false },
      trap: true,
    },
    wishes: [mine],
    runs: three,
    faults: 2,
    acts: 1,
  },
  { name: 'a role by hand is adopted', world: byHand, wishes: [adopting], runs: three, faults: 2, acts: 1 },
  {
    name: 'two applications adopt one role',
    world: byHand,
    wishes: [adopting, theirs],
    runs: [0, 0, 1],
    faults: 2,
    acts: 1,
  },
]
