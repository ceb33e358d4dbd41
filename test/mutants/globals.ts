import { mock } from 'node:test'
import { format } from 'node:util'
import { expect } from 'expect'

// What the tests of the unit ring import as `@jest/globals` while mutants are tried: as much of it as they use.

/** A test that can be run. */
export interface Case {
  /** Its file and its name, and a number where there are several of that name. */
  readonly id: string
  readonly run: () => Promise<void>
}

type Body = (...given: unknown[]) => unknown

/** The tests between two braces, and what is done around them. */
interface Group {
  readonly name: string
  readonly outer: Group | undefined
  readonly beforeAll: Body[]
  readonly beforeEach: Body[]
  readonly afterEach: Body[]
  readonly afterAll: Body[]
}

const groupOf = (name: string, outer?: Group): Group => ({
  name,
  outer,
  beforeAll: [],
  beforeEach: [],
  afterEach: [],
  afterAll: [],
})

let group = groupOf('')
let cases: Case[] = []
let names = new Map<string, number>()
/** Those of which a test was run since the last `finish`, the outer ones first. */
const begun = new Set<Group>()

/** Returns the tests that a file defines while it is loaded. */
export async function collect(file: string, load: () => Promise<void>): Promise<readonly Case[]> {
  group = groupOf(file)
  cases = []
  names = new Map()
  await load()
  return cases
}

/** Does what comes after the last test. */
export async function finish(): Promise<void> {
  for (const each of [...begun].toReversed()) for (const step of each.afterAll) await step()
  begun.clear()
}

/** Returns a group with those around it, from the outermost on. */
const within = (inner: Group | undefined): readonly Group[] =>
  inner === undefined ? [] : [...within(inner.outer), inner]

function defineTest(name: string, body: Body): void {
  const groups = within(group)
  const full = [...groups.map((each) => each.name), name].join(' › ')
  const number = (names.get(full) ?? 0) + 1
  names.set(full, number)
  const run = async (): Promise<void> => {
    for (const each of groups.filter((one) => !begun.has(one))) {
      begun.add(each)
      for (const step of each.beforeAll) await step()
    }
    try {
      for (const step of groups.flatMap((each) => each.beforeEach)) await step()
      await body()
    } finally {
      for (const step of groups.toReversed().flatMap((each) => each.afterEach)) await step()
    }
  }
  cases.push({ id: number === 1 ? full : `${full} (${number})`, run })
}

function defineGroup(name: string, body: Body): void {
  const outer = group
  group = groupOf(name, outer)
  try {
    body()
  } finally {
    group = outer
  }
}

const skip = (): void => undefined

/** Returns a way to define, with `each` and `skip` as jest has them. */
const withEach = (define: (name: string, body: Body) => void) =>
  Object.assign(define, {
    skip: Object.assign(skip, { each: () => skip }),
    each: (table: readonly unknown[]) => (name: string, body: Body) => {
      for (const row of table) {
        const given: readonly unknown[] = Array.isArray(row) ? row : [row]
        define(format(name, ...given), () => body(...given))
      }
    },
  })

/** Returns a way to say what is done around tests. */
const around =
  (when: 'beforeAll' | 'beforeEach' | 'afterEach' | 'afterAll') =>
  (step: Body): void => {
    group[when].push(step)
  }

export const test = withEach(defineTest)
export const it = withEach(defineTest)
export const describe = withEach(defineGroup)
export const beforeAll = around('beforeAll')
export const beforeEach = around('beforeEach')
export const afterEach = around('afterEach')
export const afterAll = around('afterAll')
export { expect }
export const jest = {
  useFakeTimers: (): void => {
    mock.timers.enable()
  },
  advanceTimersByTime: (ms: number): void => {
    mock.timers.tick(ms)
  },
  useRealTimers: (): void => {
    mock.timers.reset()
  },
}
