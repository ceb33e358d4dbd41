import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { furnishRunner, runPipeline, type PipelineOptions, type PipelineRun } from '../../sandbox/pipeline.ts'
import { requirements } from '../../src/go-live/requirement.ts'
import type { Canaries } from './canary.ts'
import { expectReports } from './go-live-report.ts'

/** A machine that runs pipelines of projects that include the component, as a runner of GitLab would. */
export class Pipelines {
  readonly #folder: string
  readonly #canaries: (name: string) => Promise<Canaries>

  private constructor(folder: string, canaries: (name: string) => Promise<Canaries>) {
    this.#folder = folder
    this.#canaries = canaries
  }

  /**
   * @param kubeconfig what the file variable KUBECONFIG holds
   * @param canaries gives what must not show anywhere in the pipeline of this name
   */
  static async open(kubeconfig: string, canaries: (name: string) => Promise<Canaries>): Promise<Pipelines> {
    const folder = await mkdtemp(join(tmpdir(), 'gitlab-'))
    await furnishRunner(folder, kubeconfig)
    return new Pipelines(folder, canaries)
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** Runs a pipeline, and fails if a credential shows. */
  async run(
    name: string,
    inputs: Readonly<Record<string, unknown>>,
    options?: PipelineOptions,
  ): Promise<PipelineRun> {
    const run = await runPipeline(this.#folder, name, inputs, options)
    const { log, artifacts } = run
    const leaks = (await this.#canaries(name)).leaks({ log, ...artifacts })
    if (leaks.length > 0) throw new Error(`${leaks.join('\n')}\n\n${log}`)
    expectReports(artifacts)
    return run
  }
}

/** A variable for everything that could switch the gate off or make it look at something else. */
export const attack = {
  PG_APP_USER_GO_LIVE: 'off',
  PG_APP_USER_GO_LIVE_PROFILE: '',
  PG_APP_USER_GO_LIVE_FILE: 'another.yaml',
  PG_APP_USER_RELEASE_BRANCHES: 'none',
  PG_APP_USER_PROVISION: 'false',
  PG_APP_USER_DRY_RUN: 'true',
  PG_APP_USER_ACCESS_SECRET: 'another',
  CI_COMMIT_BRANCH: 'topic',
}

/** Lets a project accept everything that a sandbox does not meet, so that the gate is met. */
export const waived = stringify({
  waivers: requirements.map(({ id }) => ({
    requirement: id,
    reason: 'a sandbox has no second instance and no backups',
    owner: 'The test',
    'valid-until': new Date(Date.now() + 60 * 24 * 3600 * 1000).toISOString().slice(0, 10),
  })),
})
