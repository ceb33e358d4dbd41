import type { Reporter, Step } from '../lib/reporter.ts'
import { mapTexts } from './leaves.ts'
import { formatStep } from './log.ts'
import { credentialParts, Redactor } from './redactor.ts'
import { ownWords } from './words.ts'

/** Where the lines of a log go, and what the pipeline offers beyond lines. */
export interface Sink {
  /** Writes one line, its end excluded. The line holds no credential and starts no workflow command. */
  line(text: string): void
  /** Tells the pipeline about a credential, where it can mask. */
  mask(credential: string): void
  group(title: string, lines: readonly string[]): void
  /** Shows what the run is at, where somebody watches. */
  enter?(phase: string): void
  /** Takes that away. */
  rest?(): void
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
    this.publish(ownWords)
  }

  publish(names: readonly string[]): void {
    this.redactor.publish(names)
  }

  mask(credential: string): boolean {
    const parts = credentialParts(credential)
    for (const part of parts) {
      if (this.known.has(part) || !this.redactor.canHide(part)) continue
      this.known.add(part)
      this.sink.mask(part)
    }
    this.redactor.add(credential)
    const [whole] = parts
    return whole === undefined || this.redactor.canHide(whole)
  }

  step(step: Step): void {
    this.write(formatStep(this.clean(step)))
  }

  enter(phase: string): void {
    this.sink.enter?.(phase)
  }

  rest(): void {
    this.sink.rest?.()
  }

  detail(title: string, lines: readonly string[]): void {
    this.sink.group(
      this.line(title),
      lines.map((line) => this.line(line)),
    )
  }

  debug(text: string): void {
    if (this.sink.debugging) this.write(text.split('\n').map((line) => `debug: ${line}`))
  }

  /** Writes lines that are formatted already. */
  write(lines: readonly string[]): void {
    for (const line of lines) this.sink.line(this.line(line))
  }

  /**
   * Returns the same with every text in it as it may leave: without a credential, and without a sign that nobody sees.
   * What is to be formatted goes through here first, because a format may write a credential in yet another way.
   */
  clean<Value>(value: Value): Value {
    return mapTexts(value, (text) => this.redactor.redact(seen(this.redactor.redact(text))))
  }

  /** Returns a finished document without credentials, should one have come by another way than `clean`. */
  redact(text: string): string {
    return this.redactor.redact(text)
  }

  private line(line: string): string {
    return harmless(this.clean(line))
  }
}

/** Control characters, and those that steer how others are shown, become a space; only line ends stay. */
function seen(text: string): string {
  return text.replace(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
}

/**
 * With what a command begins that is looked for in the middle of a line: `##[` of GitHub, `##vso[` of Azure Pipelines,
 * `##teamcity[` of TeamCity. Source: actions/runner, ActionCommand.cs; Azure Pipelines, Logging commands;
 * TeamCity, Service messages.
 */
export const commandMark = /##(?=\w*\[)/g

/**
 * Returns a line that every pipeline and every terminal takes for text. A GitHub runner looks for `::` at the beginning of
 * a line, spaces aside; GitLab's log and terminals look for control characters.
 */
function harmless(line: string): string {
  return line
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replace(/^(\s*):(?=:)/, '$1: ')
    .replace(commandMark, '## ')
}
