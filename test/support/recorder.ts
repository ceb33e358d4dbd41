import type { Reporter, Step } from '../../src/lib/reporter.ts'
import { formatFailure } from '../../src/report/log.ts'
import { PipelineReporter } from '../../src/report/pipeline.ts'
import { formatSummary } from '../../src/report/summary.ts'
import { lastLine, standing, type Outcome } from '../../src/run/outcome.ts'

/** Keeps what the core says, as it says it and as a pipeline with debug logging would show it. */
export class Recorder implements Reporter {
  readonly masked = new Set<string>()
  readonly steps: Step[] = []
  /** There where somebody is to be asked. */
  confirm?: NonNullable<Reporter['confirm']>
  readonly #onStep: (step: Step) => void
  readonly #raw: string[] = []
  readonly #shown: string[] = []
  readonly #pipeline = new PipelineReporter({
    line: (text) => this.#shown.push(text),
    mask: () => undefined,
    group: (title, lines) => this.#shown.push(title, ...lines),
    debugging: true,
  })

  /** @param onStep told about every step as it happens */
  constructor(onStep: (step: Step) => void = () => undefined) {
    this.#onStep = onStep
  }

  publish(names: readonly string[]): void {
    this.#pipeline.publish(names)
  }

  mask(credential: string): boolean {
    this.masked.add(credential)
    return this.#pipeline.mask(credential)
  }

  step(step: Step): void {
    this.steps.push(step)
    this.#raw.push(step.text)
    this.#pipeline.step(step)
    this.#onStep(step)
  }

  detail(title: string, lines: readonly string[]): void {
    this.#raw.push(title, ...lines)
    this.#pipeline.detail(title, lines)
  }

  debug(text: string): void {
    this.#pipeline.debug(text)
  }

  /** Says the end as the edges do, the causes of a failure included. */
  end(outcome: Outcome): void {
    const { failure } = outcome
    this.#raw.push(formatSummary(outcome), JSON.stringify({ ...outcome, failure: undefined }))
    if (failure === undefined) {
      this.#pipeline.write([lastLine(outcome)])
      return
    }
    this.#raw.push(failure.message, ...failure.hint)
    this.#pipeline.write(formatFailure(failure, standing(outcome)))
    for (let cause: unknown = failure.cause; cause instanceof Error; cause = cause.cause) {
      this.#pipeline.debug(`caused by ${cause.stack ?? cause.message}`)
    }
  }

  /** What a person reads, debug lines included. */
  get log(): string {
    return this.#shown.join('\n')
  }

  /** What the core said before anybody took credentials out of it: there must be none. Debug texts may have some. */
  get raw(): string {
    return this.#raw.join('\n')
  }
}
