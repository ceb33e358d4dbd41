import type { PartialStrykerOptions } from '@stryker-mutator/api/core'

/** Sources whose mutants are tried together, and the least part of them, in percent, that a test has to notice. */
export interface MutantGroup {
  readonly sources: readonly string[]
  /** The tests that have to notice them: of the unit ring, those that need no server, no process and no clock of their own. */
  readonly tests: readonly string[]
  readonly least: number
}

/** What decides: what is changed, what is found ready, what an error means, what is allowed. */
export const groups: Readonly<Record<string, MutantGroup>> = {
  plan: {
    sources: [
      'src/provision/plan.ts',
      'src/provision/change.ts',
      'src/provision/ownership.ts',
      'src/provision/borrow.ts',
      'src/provision/settings.ts',
      'src/provision/refusals.ts',
      'src/provision/database-refusals.ts',
    ],
    tests: ['test/unit/provision/*.test.ts'],
    least: 90,
  },
  secret: {
    sources: ['src/secrets/plan-secret.ts', 'src/secrets/binding.ts'],
    tests: ['test/unit/secrets/{application-secret,binding,plan-secret}.test.ts'],
    least: 90,
  },
  judges: {
    sources: ['src/go-live/judge.ts', 'src/go-live/settle.ts', 'src/go-live/judges/*.ts'],
    tests: ['test/unit/go-live/{health,judge,limits,network,picture}.test.ts'],
    least: 90,
  },
  errors: {
    sources: [
      'src/postgres/sqlstate.ts',
      'src/postgres/failure.ts',
      'src/postgres/refusal.ts',
      'src/postgres/severity.ts',
      'src/lib/passing.ts',
      'src/kubernetes/who-spoke.ts',
      'src/kubernetes/what-it-means.ts',
    ],
    tests: [
      'test/unit/postgres/{failure,refusal,said,severity}.test.ts',
      'test/unit/kubernetes/{meanings,who-spoke}.test.ts',
    ],
    least: 90,
  },
  rights: {
    sources: [
      'src/rights/permissions.ts',
      'src/rights/authentication.ts',
      'src/rights/manifest.ts',
      'src/rights/role-name.ts',
      'src/kubernetes/right.ts',
    ],
    tests: ['test/unit/rights/*.test.ts'],
    least: 90,
  },
}

/** How StrykerJS tries them: every mutator that it has. */
export const options: PartialStrykerOptions = {
  mutator: { excludedMutations: [] },
  ignoreStatic: false,
  ignorePatterns: ['/bench', '/build', '/dist', '/docs/pictures', '/test/!(unit|support|mutants|faults)/**'],
  testRunner: 'unit',
  plugins: ['./test/mutants/runner.ts'],
  coverageAnalysis: 'perTest',
  disableTypeChecks: false,
  concurrency: 1,
  // What is loaded anew for a mutant stays in memory until its process ends.
  maxTestRunnerReuse: 100,
  // Of an option that is for the runner, and of how long it takes.
  warnings: false,
  reporters: [],
  allowConsoleColors: false,
}
