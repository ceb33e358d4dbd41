import type { Reporter, Step } from '../reporter.ts'
import { formatStep } from './log.ts'
import { credentialParts, Redactor } from './redactor.ts'

/** Where the lines of a log go, and what the pipeline offers beyond lines. */
export interface Sink {
  /** Writes one line, its end excluded. The line holds no credential and starts no workflow command. */
  line(text: string): void
  /** Tells the pipeline about a credential, where it can mask. */
  mask(credential: string): void
  group(title: string, lines: readonly string[]): void
  /** Shows what the run is at, where somebody watches. */
  enter?(phase: string): void
  readonly debugging: boolean
}

/**
 * A reporter for a pipeline's log: redacts every line itself, wherever it runs, because some pipelines mask nothing at
 * run time and none masks what it was not told in time.
 */
export class PipelineReporter implements Reporter {
  private readonly sink: Sink
  private readonly redactor = new Redactor()
  private readonly known = new Set<string>()

  constructor(sink: Sink) {
    this.sink = sink
  }

  mask(credential: string): void {
    for (const part of credentialParts(credential)) {
      if (this.known.has(part)) continue
      this.known.add(part)
      this.sink.mask(part)
    }
    this.redactor.add(credential)
  }

  step(step: Step): void {
    this.write(formatStep(step))
  }

  enter(phase: string): void {
    this.sink.enter?.(phase)
  }

  detail(title: string, lines: readonly string[]): void {
    this.sink.group(
      this.clean(title),
      lines.map((line) => this.clean(line)),
    )
  }

  debug(text: string): void {
    if (this.sink.debugging) this.write(text.split('\n').map((line) => `debug: ${line}`))
  }

  /** Writes lines that are formatted already. */
  write(lines: readonly string[]): void {
    for (const line of lines) this.sink.line(this.clean(line))
  }

  /** Gives a text without credentials: for files, whose readers no pipeline masks for. */
  redact(text: string): string {
    return this.redactor.redact(text)
  }

  private clean(line: string): string {
    return harmless(this.redactor.redact(line))
  }
}

/**
 * Gives a line that every pipeline and every terminal takes for text. A GitHub runner looks for `::` at the beginning of
 * a line, spaces aside, and for `##[` anywhere; GitLab's log and terminals look for control characters.
 * Source: actions/runner, ActionCommand.cs.
 */
function harmless(line: string): string {
  return line
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replace(/^(\s*):(?=:)/, '$1: ')
    .replaceAll('##[', '## [')
}
