import { describe, expect, test } from '@jest/globals'
import { budget, report } from '../faults/budget.ts'
import type { Kept, Twin } from './protocol.ts'
import { scenarios } from './scenarios.ts'
import { search } from './search.ts'

/** How far each search goes: three runs, or two with more against them; with FAULTS_SECONDS=all both at once. */
const bounds = Number.isFinite(budget.seconds)
  ? [
      { runs: 3, faults: 1, acts: 0 },
      { runs: 2, faults: 2, acts: 0 },
      { runs: 2, faults: 1, acts: 1 },
    ]
  : [
      { runs: 2, faults: 2, acts: 2 },
      { runs: 3, faults: 2, acts: 1 },
    ]

describe('whatever happens in whatever order, all that is promised is kept', () => {
  test.each(scenarios)(
    '$name',
    (scenario) => {
      for (const { runs, faults, acts } of bounds) {
        const found = search({ ...scenario, runs: scenario.runs.slice(-runs), faults, acts })
        report(
          `model, ${scenario.name}: ${runs} runs, ${faults} faults, ${acts} acts of a person: ${found.states} states`,
        )
        expect(found).toMatchObject({ broken: undefined, trace: undefined })
      }
    },
    7_200_000,
  )
})

describe('a protocol that is wrong on purpose is found', () => {
  test.each<[Twin, string, Kept]>([
    ['no lock', 'nothing is there', 'a credential that worked does not work any more'],
    ['no second look', 'two applications adopt one role', "another application's role was taken over"],
    ['the Secret before the proof', 'nothing is there', 'a password was published that was not proven'],
    [
      'the password before what may be refused',
      'the Secret is gone, and something refuses the rights',
      'a run was refused, and had set a password',
    ],
    ['a Secret that is overwritten', 'nothing is there', 'a Secret got another password'],
    ['a role without its marker', 'nothing is there', 'the next run does not come right'],
    ['no note before a database is made', 'a role by hand is adopted', 'the next run does not come right'],
    [
      'nobody looks whether the lock is held',
      'nothing is there',
      'a password was published that does not work',
    ],
    [
      'a conflict that is taken for success',
      'nothing is there',
      'a run said that it was done, and the Secret does not log in',
    ],
    ['a lock that outlives its run', 'nothing is there', 'nobody can go on'],
  ])(
    '%s, from: %s',
    (twin, from, promise) => {
      const scenario = scenarios.find(({ name }) => name === from)
      if (scenario === undefined) throw new Error(`there is no scenario ${from}`)
      const found = search({ ...scenario, runs: scenario.runs.slice(-2), faults: 1, acts: 0 }, twin)
      report(`model, ${twin}: ${found.states} states, then ${found.broken ?? 'nothing'}`)
      for (const [index, step] of (found.trace ?? []).entries()) report(`  ${index + 1}. ${step}`)
      expect(found.broken).toBe(promise)
    },
    600_000,
  )
})
