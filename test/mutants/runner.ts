import { globSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import type { StrykerOptions } from '@stryker-mutator/api/core'
import { commonTokens, declareClassPlugin, PluginKind, tokens } from '@stryker-mutator/api/plugin'
import {
  determineHitLimitReached,
  DryRunStatus,
  TestStatus,
  toMutantRunResult,
  type DryRunOptions,
  type DryRunResult,
  type MutantRunOptions,
  type MutantRunResult,
  type TestResult,
  type TestRunner,
  type TestRunnerCapabilities,
} from '@stryker-mutator/api/test-runner'
import { collect, finish, type Case } from './globals.ts'
import { Loader } from './loader.ts'

/** What the mutated sources and whoever runs them tell each other, by a global of this name. */
interface Namespace {
  activeMutant?: string | undefined
  currentTestId?: string | undefined
  hitCount?: number | undefined
  hitLimit?: number | undefined
  mutantCoverage?: NonNullable<Extract<DryRunResult, { status: DryRunStatus.Complete }>['mutantCoverage']>
}
const namespace: Namespace = {}
Object.assign(globalThis, { __stryker__: namespace })

/** What it is told. StrykerJS has an option for tests too, and leaves out all of them for what is met while sources are loaded. */
interface RunnerOptions extends Partial<StrykerOptions> {
  /** Patterns of the files with tests. */
  readonly tests?: readonly string[]
}

/**
 * Runs the tests of the unit ring for StrykerJS within one process. jest, which builds a world of its own for each run, needs
 * seconds for each mutant; here the sources are loaded once, and again only for a mutant that is met while they are loaded.
 */
class UnitRunner implements TestRunner {
  static readonly inject = tokens(commonTokens.options)
  readonly #testFiles: readonly string[]
  readonly #loader = new Loader(process.cwd())
  #loaded: readonly Case[] | undefined

  constructor(options: RunnerOptions) {
    this.#testFiles = globSync(options.tests ?? []).map((file) => resolve(file))
  }

  capabilities(): TestRunnerCapabilities {
    return { reloadEnvironment: true }
  }

  async dryRun(options: DryRunOptions): Promise<DryRunResult> {
    namespace.mutantCoverage = { static: {}, perTest: {} }
    this.#loaded = await this.#load(this.#testFiles)
    const result = await run(this.#loaded, options.disableBail)
    if (result.status !== DryRunStatus.Complete) return result
    return { ...result, mutantCoverage: namespace.mutantCoverage }
  }

  async mutantRun(options: MutantRunOptions): Promise<MutantRunResult> {
    const { activeMutant, testFilter, disableBail, hitLimit, reloadEnvironment, sandboxFileName } = options
    namespace.hitLimit = hitLimit
    namespace.hitCount = hitLimit === undefined ? undefined : 0
    try {
      const loaded = (this.#loaded ??= await this.#load(this.#testFiles))
      // One that is met while the sources are loaded has to be there by then.
      namespace.activeMutant = activeMutant.id
      const cases = reloadEnvironment
        ? await this.#load(this.#loader.importersOf(pathToFileURL(sandboxFileName).href, this.#testFiles))
        : loaded
      const wanted = testFilter && new Set(testFilter)
      const result = await run(
        cases.filter(({ id }) => wanted?.has(id) ?? true),
        disableBail,
      )
      const limit = determineHitLimitReached(namespace.hitCount, hitLimit)
      return toMutantRunResult(limit ?? result)
    } catch (error) {
      // A source that does not load any more fails each of its tests.
      return toMutantRunResult({
        status: DryRunStatus.Complete,
        tests: [{ id: 'load', name: 'load', timeSpentMs: 0, ...failed(error) }],
      })
    } finally {
      namespace.activeMutant = undefined
    }
  }

  async #load(files: readonly string[]): Promise<readonly Case[]> {
    this.#loader.begin()
    const cases: Case[] = []
    for (const file of files) cases.push(...(await collect(file, () => this.#loader.load(file))))
    return cases
  }
}

type Verdict = { status: TestStatus.Success } | { status: TestStatus.Failed; failureMessage: string }

const failed = (error: unknown): Verdict => ({
  status: TestStatus.Failed,
  failureMessage: inspect(error),
})

/** What is thrown where no test waits for it, such as in a server of its own, fails the test that runs. */
let escape: (error: unknown) => void = () => undefined
process.on('uncaughtException', (error) => {
  escape(error)
})

/** Runs tests, until the first one that fails. */
async function run(cases: readonly Case[], all: boolean): Promise<DryRunResult> {
  const tests: TestResult[] = []
  for (const { id, run: runCase } of cases) {
    namespace.currentTestId = id
    const began = performance.now()
    let verdict: Verdict = { status: TestStatus.Success }
    try {
      await Promise.race([runCase(), new Promise((_, reject) => (escape = reject))])
    } catch (error) {
      verdict = failed(error)
    }
    namespace.currentTestId = undefined
    tests.push({ id, name: id, timeSpentMs: performance.now() - began, ...verdict })
    if (verdict.status === TestStatus.Failed && !all) break
  }
  await finish()
  return { status: DryRunStatus.Complete, tests }
}

/** What StrykerJS finds in this file. */
export const strykerPlugins = [declareClassPlugin(PluginKind.TestRunner, 'unit', UnitRunner)]
