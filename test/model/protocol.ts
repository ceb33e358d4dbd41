import { Failure, type FailureCode } from '../../src/lib/failure.ts'
import { changesOf, type Change } from '../../src/provision/change.ts'
import { plan } from '../../src/provision/plan.ts'
import type { Wanted } from '../../src/provision/wanted.ts'
import { claim, evidenceOf, make, observe, type Obstacle, type Wish, type World } from './world.ts'

/** A world in which several applications may want the same role and database. */
export interface Shared extends Omit<World, 'secret'> {
  /** By `namespace/name`. */
  readonly secrets: Readonly<Record<string, World['secret']>>
  /** Whether something that no look shows, such as an event trigger, refuses the rights on the schema. */
  readonly trap: boolean
}

/** Where one run is, and all that it knows. */
export interface RunState {
  readonly wish: number
  /** `arriving`: it was killed, and its write of the Secret may still come. */
  readonly next:
    | 'read'
    | 'look'
    | 'log in'
    | 'lock'
    | 'read again'
    | 'log in again'
    | 'change'
    | 'prove'
    | 'publish'
    | 'arriving'
    | 'ended'
  readonly end: 'done' | 'killed' | FailureCode | undefined
  readonly locked: boolean
  /** Whether the session that holds the lock broke, which is noticed when it is used next. */
  readonly lost: boolean
  readonly secret: World['secret']
  /** Whether the Secret was written or deleted since it was read. */
  readonly stale: boolean
  readonly server: Shared | undefined
  readonly roleless: boolean
  readonly password: string
  readonly changes: readonly Change[]
  /** The password that was proven last. */
  readonly proven: string | undefined
  /** Whether somebody, or a fault, changed something after it looked last: then it cannot know better. */
  readonly excused: boolean
  /** Whether it has set the password of a role that was there. */
  readonly replaced: boolean
}

/** One moment of everything. */
export interface State {
  readonly world: Shared
  readonly runs: readonly RunState[]
  /** How many faults, and acts of a person, may still come. */
  readonly faults: number
  readonly acts: number
  /** Whether the Secret was written by a run that had lost its lock: nothing can keep that from happening. */
  readonly late: boolean
}

/** A step, with what it breaks of what is promised. */
export interface Step {
  readonly label: string
  readonly state: State
  readonly broken?: Kept | undefined
}

/** What is promised, as what breaks it. */
export type Kept =
  | 'a credential that worked does not work any more'
  | 'a Secret got another password'
  | "another application's role was taken over"
  | 'a password was published that was not proven'
  | 'a password was published that does not work'
  | 'a run said that it was done, and the Secret does not log in'
  | 'a run was refused, and had set a password'
  | 'nobody can go on'
  | 'the next run does not come right'

/** Ways to make the protocol wrong on purpose. */
export type Twin =
  | 'no lock'
  | 'no second look'
  | 'the Secret before the proof'
  | 'the password before what may be refused'
  | 'a Secret that is overwritten'
  | 'a role without its marker'
  | 'no note before a database is made'
  | 'nobody looks whether the lock is held'
  | 'a conflict that is taken for success'
  | 'a lock that outlives its run'

const begin = {
  next: 'read',
  end: undefined,
  locked: false,
  lost: false,
  secret: undefined,
  stale: false,
  server: undefined,
  roleless: false,
  password: '',
  changes: [],
  proven: undefined,
  excused: false,
} as const

/** Returns a run that has yet to begin. */
export function newRun(wish: number): RunState {
  return { ...begin, wish, replaced: false }
}

/** The protocol of a run over the real `plan`: each of its steps is one that others may come before or after. */
export class Protocol {
  private readonly wishes: readonly Wish[]
  private readonly twin: Twin | undefined
  private readonly plans = new Map<string, readonly Change[] | Failure>()

  constructor(wishes: readonly Wish[], twin?: Twin) {
    this.wishes = wishes
    this.twin = twin
  }

  /** Returns everything that may happen next. */
  *steps(state: State): Generator<Step> {
    let going = false
    let stuck = true
    for (const [index, run] of state.runs.entries()) {
      if (run.next === 'ended') continue
      if (run.next !== 'arriving') going = true
      const step = this.advance(state, index)
      if (step !== undefined) {
        if (run.next !== 'arriving') stuck = false
        yield step
      }
      if (state.faults > 0 && run.next !== 'arriving') yield* this.faults(state, index)
    }
    if (going && stuck) yield { label: 'nobody', state, broken: 'nobody can go on' }
    if (state.acts > 0) yield* this.acts(state)
  }

  /** Returns what one run does next, without a fault; nothing while it waits. */
  advance(state: State, index: number): Step | undefined {
    const run = runAt(state, index)
    const wish = this.wishOf(run)
    const { world } = state
    const ref = wish.wanted.secret
    const to = (label: string, more: Partial<RunState>, rest: Partial<State> = {}): Step => ({
      label: `run ${index + 1}: ${label}`,
      state: replaced({ ...state, ...rest }, index, { ...run, ...more }),
    })
    switch (run.next) {
      case 'read':
      case 'read again': {
        const secret = world.secrets[ref]
        const password = secret?.values.PGPASSWORD ?? fresh(state)
        const next = run.next === 'read' ? 'look' : 'log in again'
        const excused = run.next === 'read again' && run.excused
        return to('reads the Secret', { secret, password, stale: false, next, excused })
      }
      case 'look': {
        const locked = run.secret === undefined && this.isFree(state)
        const roleless = world.role === undefined
        return to(locked ? 'takes the lock, looks' : 'looks', {
          server: world,
          locked,
          roleless,
          next: 'log in',
        })
      }
      case 'log in':
      case 'log in again':
        return this.decide(state, index, to)
      case 'lock': {
        if (!this.isFree(state)) return undefined
        return to('takes the lock, looks', this.afterLock({ ...run, locked: true, server: world }))
      }
      case 'change':
        return this.change(state, index, to)
      case 'prove': {
        const held = this.twin === 'nobody looks whether the lock is held' || this.twin === 'no lock'
        if (run.lost && !held) return to('lost the lock, starts again', again(run))
        if (world.role?.password !== run.password) return to('cannot log in', ended('login-refused'))
        return to('proves the login', { proven: run.password, excused: false, next: 'publish' })
      }
      case 'publish':
      case 'arriving':
        return this.publish(state, index, to)
      case 'ended':
        return undefined
    }
  }

  private wishOf({ wish }: RunState): Wish {
    const found = this.wishes[wish]
    if (found === undefined) throw new Error('each run has a wish')
    return found
  }

  private isFree({ runs }: State): boolean {
    return this.twin === 'no lock' || runs.every(({ locked }) => !locked)
  }

  private afterLock(run: RunState): RunState {
    const { server, roleless, secret } = run
    if (this.twin === 'no second look') return { ...run, next: 'change' }
    // As `lookAgain` has it: where there is no role, what was seen before still counts.
    const still = roleless && server?.role === undefined && secret === undefined
    return { ...run, next: still ? 'log in again' : 'read again' }
  }

  private decide(state: State, index: number, to: To): Step {
    const run = runAt(state, index)
    const wish = this.wishOf(run)
    const { server = state.world, secret } = run
    const evidence = evidenceOf(state.world, secret?.values.PGPASSWORD)
    const planned = this.plan(server, secret, evidence, run.wish)
    if (planned instanceof Failure) {
      return to(`is refused: ${planned.code}`, ended(planned.code))
    }
    if (planned.length === 0) {
      return this.done(to('finds nothing to do', ended('done')), run, wish)
    }
    if (run.next === 'log in') {
      const changes = this.twin === 'no second look' ? planned : []
      if (!run.locked) return to('logs in', { next: 'lock', changes })
      const after = this.afterLock({ ...run, changes })
      return to(
        'logs in',
        after.next === 'log in again' ? { ...after, next: 'change', changes: planned } : after,
      )
    }
    return to('logs in', { next: 'change', changes: planned, server: undefined })
  }

  private plan(
    server: Shared,
    secret: World['secret'],
    evidence: ReturnType<typeof evidenceOf>,
    wish: number,
  ): readonly Change[] | Failure {
    const key = `${wish} ${idOf(server)} ${idOf(secret)} ${evidence instanceof Failure ? evidence.code : evidence}`
    const known = this.plans.get(key)
    if (known !== undefined) return known
    const wished = this.wishes[wish]
    if (wished === undefined) throw new Error('each run has a wish')
    const observed = observe(server, secret, evidence, wished)
    const planned = observed instanceof Failure ? observed : plan(observed, wished.wanted)
    const changes = planned instanceof Failure ? planned : canonical(this.twisted(planned.changes))
    this.plans.set(key, changes)
    return changes
  }

  private twisted(changes: readonly Change[]): readonly Change[] {
    const password = changes.filter(({ kind }) => kind === 'set-password')
    if (this.twin === 'the password before what may be refused') {
      return [...password, ...changes.filter((change) => !password.includes(change))]
    }
    if (this.twin === 'no note before a database is made') {
      return changes.filter(({ kind }) => kind !== 'note-database')
    }
    if (this.twin === 'a role without its marker') {
      return changes.flatMap((change): readonly Change[] =>
        change.kind === 'create-role'
          ? [
              { ...change, comment: claim(undefined) },
              { kind: 'mark-role', comment: change.comment },
            ]
          : [change],
      )
    }
    return changes
  }

  /** Makes all changes of one transaction. */
  private change(state: State, index: number, to: To): Step {
    const run = runAt(state, index)
    const wish = this.wishOf(run)
    const [first] = run.changes
    const early = this.twin === 'the Secret before the proof'
    if (first === undefined || changesOf('secret', [first]).length > 0) {
      return early ? this.publish(state, index, to) : this.advanceTo('prove', state, index)
    }
    if (run.lost) return to('lost its session, starts again', again(run))
    const grants = changesOf('grants', run.changes)
    const batch = grants.includes(first) ? grants : [first]
    let world = state.world
    for (const change of batch) {
      if (change.kind === 'grant-schema' && world.trap) {
        const step = to('is refused the rights on the schema', ended('grant-ineffective'))
        return run.replaced ? { ...step, broken: 'a run was refused, and had set a password' } : step
      }
      const made = makeShared(change, world, wish, run.password)
      if (made === 'duplicate') return to(`finds a duplicate at ${change.kind}, starts again`, again(run))
      if (typeof made === 'string') return to(`fails at ${change.kind}`, ended('postgres-error'))
      world = made
    }
    const changes = canonical(run.changes.filter((change) => !batch.includes(change)))
    const replaces = first.kind === 'set-password'
    const step = to(
      `makes ${batch.map(({ kind }) => kind).join(', ')}`,
      { changes, replaced: run.replaced || replaces },
      { world },
    )
    if (!replaces) return step
    const { role } = state.world
    const marker = role?.comment === 'unreadable' ? undefined : role?.comment.marker
    if (marker !== undefined && marker.secret !== wish.wanted.secret) {
      return { ...step, broken: "another application's role was taken over" }
    }
    const { secrets } = state.world
    const broke = Object.values(secrets).some(
      (secret) => secret?.values.PGPASSWORD === role?.password && role?.password !== run.password,
    )
    return broke && !state.late
      ? { ...step, broken: 'a credential that worked does not work any more' }
      : step
  }

  /** A step of the next kind comes at once. */
  private advanceTo(next: RunState['next'], state: State, index: number): Step {
    const step = this.advance(replaced(state, index, { ...runAt(state, index), next }), index)
    if (step === undefined) throw new Error(`nothing keeps a run from going on to ${next}`)
    return step
  }

  private publish(state: State, index: number, to: To): Step {
    const run = runAt(state, index)
    const wish = this.wishOf(run)
    const { world } = state
    const ref = wish.wanted.secret
    const [change] = changesOf('secret', run.changes)
    const late = run.next === 'arriving'
    const finish = (label: string, rest: Partial<State> = {}): Step => {
      if (late) return to(label, ended('killed'), rest)
      if (this.twin === 'the Secret before the proof' && run.next !== 'publish') {
        return to(label, { changes: [], next: 'change' }, rest)
      }
      return this.done(to(label, ended('done'), rest), run, wish)
    }
    if (change === undefined) return finish('has nothing to write')
    const current = world.secrets[ref]
    const guarded = this.twin !== 'a Secret that is overwritten'
    const conflict = run.secret === undefined ? current !== undefined : run.stale
    if (guarded && conflict) {
      if (late) return to('its write arrives and meets a conflict', ended('killed'))
      if (this.twin === 'a conflict that is taken for success') {
        const step = finish('meets a conflict, and says that it is done')
        const works = current !== undefined && world.role?.password === current.values.PGPASSWORD
        if (works || run.excused) return step
        return { ...step, broken: 'a run said that it was done, and the Secret does not log in' }
      }
      return to('meets a conflict, starts again', again(run))
    }
    const before =
      guarded || change.kind === 'repair-secret' ? world.secrets : { ...world.secrets, [ref]: undefined }
    const made = makeShared(change, { ...world, secrets: before }, wish, run.password)
    if (typeof made === 'string') return to('meets a conflict, starts again', again(run))
    const held = run.locked && !run.lost
    const told: Step = finish(late ? 'its write arrives' : 'writes the Secret', {
      world: made,
      late: state.late || !held,
      runs: state.runs.map((other) => touched(other, this.wishOf(other), ref)),
    })
    if (told.broken !== undefined) return told
    const was = current?.values.PGPASSWORD
    const now = made.secrets[ref]?.values.PGPASSWORD
    if (was !== undefined && was !== now) return { ...told, broken: 'a Secret got another password' }
    if (was === now) return told
    if (run.proven !== now) return { ...told, broken: 'a password was published that was not proven' }
    if (!late && !run.excused && made.role?.password !== now) {
      return { ...told, broken: 'a password was published that does not work' }
    }
    return told
  }

  private done(step: Step, run: RunState, { wanted }: Wish): Step {
    const { role, secrets } = step.state.world
    const password = secrets[wanted.secret]?.values.PGPASSWORD
    const works = password !== undefined && role?.password === password
    if (works || run.excused || run.stale || step.state.late) return step
    return { ...step, broken: 'a run said that it was done, and the Secret does not log in' }
  }

  private *faults(state: State, index: number): Generator<Step> {
    const run = runAt(state, index)
    const left = { ...state, faults: state.faults - 1 }
    const happens = (label: string, more: Partial<RunState>, from: State = left): Step => ({
      label: `run ${index + 1}: ${label}`,
      state: excusing(replaced(from, index, { ...runAt(from, index), ...more })),
    })
    const outlives = this.twin === 'a lock that outlives its run' && run.locked
    yield happens('is killed', { ...ended('killed'), locked: outlives })
    if (run.next === 'publish') {
      yield happens('is killed while its write is under way', { next: 'arriving', locked: false })
    }
    if (run.next !== 'read') yield happens('loses its session, and starts again', again(run))
    if (run.locked) yield happens('loses its session', { locked: false, lost: true })
    if (run.next === 'change' && !run.lost) {
      const step = this.advance(left, index)
      if (step !== undefined && runAt(step.state, index).next === 'change') {
        yield happens(
          `${step.label.replace(/^run \d+: /, '')}, and its answer is lost`,
          again(run),
          step.state,
        )
      }
    }
  }

  private *acts(state: State): Generator<Step> {
    const { world } = state
    const { role } = world
    const happens = (label: string, changed: Partial<Shared>, runs = state.runs): Step => ({
      label: `a person ${label}`,
      state: excusing({ ...state, runs, acts: state.acts - 1, world: shared({ ...world, ...changed }) }),
    })
    for (const [ref, secret] of Object.entries(world.secrets)) {
      if (secret === undefined) continue
      const runs = state.runs.map((run) => touched(run, this.wishOf(run), ref))
      yield happens('deletes the Secret', { secrets: { ...world.secrets, [ref]: undefined } }, runs)
    }
    if (role !== undefined) {
      if (role.password !== 'by hand')
        yield happens('sets a password', { role: { ...role, password: 'by hand' } })
      const { database } = world
      const left = database && { ...database, granted: false, schemaGranted: false }
      yield happens('drops the role', { role: undefined, database: left })
    }
    if (world.database !== undefined) yield happens('drops the database', { database: undefined })
  }
}

type To = (label: string, more: Partial<RunState>, rest?: Partial<State>) => Step

function runAt({ runs }: State, index: number): RunState {
  const run = runs[index]
  if (run === undefined) throw new Error('there is such a run')
  return run
}

function replaced(state: State, index: number, run: RunState): State {
  return { ...state, runs: state.runs.map((other, at) => (at === index ? run : other)) }
}

function again(run: RunState): Partial<RunState> {
  return { ...begin, wish: run.wish }
}

/** What a run knew does not matter when it has ended. */
function ended(end: NonNullable<RunState['end']>): Partial<RunState> {
  return { ...begin, next: 'ended', end, replaced: false }
}

/** Whoever has read a Secret that was written or deleted since has an old one. */
function touched(run: RunState, { wanted }: { readonly wanted: Wanted }, ref: string): RunState {
  return wanted.secret === ref && run.next !== 'read' && run.next !== 'ended' ? { ...run, stale: true } : run
}

function excusing(state: State): State {
  const runs = state.runs.map((run) =>
    run.next === 'ended' || run.next === 'read' ? run : { ...run, excused: true },
  )
  return { ...state, runs }
}

function makeShared(change: Change, world: Shared, wish: Wish, password: string): Shared | Obstacle {
  const { secrets, trap, ...rest } = world
  const ref = wish.wanted.secret
  const made = make(change, { ...rest, secret: secrets[ref] }, wish, password)
  if (typeof made === 'string') return made
  const { secret, ...server } = made
  return shared({ ...server, trap, secrets: { ...secrets, [ref]: secret } })
}

/** Returns a password that nobody has: always the same one for the same moment, so that there are not endlessly many. */
function fresh({ world, runs }: State): string {
  const taken = new Set([
    world.role?.password,
    ...Object.values(world.secrets).map((secret) => secret?.values.PGPASSWORD),
    ...runs.flatMap(({ password, proven, secret }) => [password, proven, secret?.values.PGPASSWORD]),
  ])
  for (let number = 1; ; number++) if (!taken.has(`made ${number}`)) return `made ${number}`
}

const byText = new Map<string, object>()
const ids = new Map<object, number>()

/** Returns the one object that stands for all that are equal to it. */
function canonical<Value extends object>(value: Value): Value {
  const text = JSON.stringify(value)
  const known = byText.get(text)
  if (known !== undefined) return known as Value
  byText.set(text, value)
  ids.set(value, ids.size)
  return value
}

/** Returns a world as the one object that stands for all that are equal to it. */
export function shared(world: Shared): Shared {
  const secrets = Object.fromEntries(
    Object.entries(world.secrets).map(([ref, secret]) => [ref, secret && canonical(secret)]),
  )
  const { role, database, claims, admin, trap } = world
  return canonical({ role, database, secrets, claims, admin, trap })
}

function idOf(value: object | undefined): number {
  if (value === undefined) return -1
  return ids.get(value) ?? ids.get(canonical(value)) ?? -1
}

const keys = new WeakMap<RunState, string>()

/** Returns the same text for the same moment, in whatever order its runs are. */
export function keyOf({ world, runs, faults, acts, late }: State): string {
  const texts = runs.map((run) => {
    const known = keys.get(run)
    if (known !== undefined) return known
    const { server, secret, changes, ...rest } = run
    const text = `${Object.values(rest).join(',')},${idOf(server)},${idOf(secret)},${idOf(changes)}`
    keys.set(run, text)
    return text
  })
  return `${idOf(world)};${faults};${acts};${late ? 1 : 0};${texts.sort().join(';')}`
}
