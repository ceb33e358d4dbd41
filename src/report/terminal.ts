import { stdin } from 'node:process'
import { createInterface } from 'node:readline/promises'
import { styleText, stripVTControlCharacters } from 'node:util'
import type { Question } from '../lib/reporter.ts'
import { formatSeconds } from '../lib/text.ts'
import { formatStep } from './log.ts'
import { PipelineReporter, type Sink } from './pipeline.ts'

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const frameMs = 120

const colours = { '✓': 'green', '+': 'green', '~': 'yellow', '!': 'yellow', '✗': 'red' } as const

/**
 * Colours the sign of a line and dims its duration, where the stream and NO_COLOR or FORCE_COLOR want colours. One style
 * at a time: with several, older releases of Node.js do not ask the stream.
 */
export function paint(line: string, stream: NodeJS.WriteStream): string {
  const [, sign = '', rest = '', duration = ''] = /^([✓+~!✗])?(.*?)( +\d+\.\d\d s)?$/su.exec(line) ?? []
  const colour = colours[sign as keyof typeof colours] as (typeof colours)[keyof typeof colours] | undefined
  return [
    colour === undefined ? sign : styleText(colour, styleText('bold', sign, { stream }), { stream }),
    sign === '✗' ? styleText('bold', rest, { stream }) : rest,
    duration === '' ? '' : styleText('dim', duration, { stream }),
  ].join('')
}

/**
 * A terminal: what the run is at stands on the last line, until the line that says what came of it takes its place.
 */
export class Screen implements Sink {
  readonly debugging: boolean
  private readonly stream: NodeJS.WriteStream
  private readonly clock: NodeJS.Timeout
  private phase: string | undefined
  private since = 0

  constructor(stream: NodeJS.WriteStream, debugging: boolean) {
    this.stream = stream
    this.debugging = debugging
    this.clock = setInterval(() => {
      this.draw()
    }, frameMs).unref()
  }

  line(text: string): void {
    this.stream.write(`${this.wiped}${paint(text, this.stream)}\n`)
    this.draw()
  }

  // A terminal masks nothing: everything is redacted before it gets here.
  mask(): void {
    return undefined
  }

  group(title: string, lines: readonly string[]): void {
    if (this.debugging) for (const text of [title, ...lines]) this.line(`  ${text}`)
  }

  enter(phase: string): void {
    // A terminal that takes no control sequences cannot have a last line that changes.
    if (process.env['TERM'] === 'dumb') return
    this.phase = phase
    this.since = performance.now()
    this.draw()
  }

  /** Takes the last line away, for a question or for good. */
  rest(): void {
    if (this.phase !== undefined) this.stream.write(this.wiped)
    this.phase = undefined
  }

  /** Forgets the clock. */
  close(): void {
    this.rest()
    clearInterval(this.clock)
  }

  private get wiped(): string {
    return this.phase === undefined ? '' : '\r\x1b[K'
  }

  private draw(): void {
    if (this.phase === undefined) return
    const elapsed = performance.now() - this.since
    const frame = frames[Math.floor(elapsed / frameMs) % frames.length] ?? ''
    const text = `${frame} ${this.phase} … ${formatSeconds(elapsed / 1000)}`
    this.stream.write(`\r\x1b[K${text.slice(0, (this.stream.columns || 80) - 1)}`)
  }
}

/** A reporter for a terminal at which a person sits, who is asked before the first change. */
export class PersonReporter extends PipelineReporter {
  private readonly screen: Screen
  private readonly stream: NodeJS.WriteStream
  private agreed: boolean

  /** @param agreed whether the person said yes already, by an option */
  constructor(screen: Screen, stream: NodeJS.WriteStream, agreed: boolean) {
    super(screen)
    this.screen = screen
    this.stream = stream
    this.agreed = agreed
  }

  async confirm({ server, namespace, steps }: Question, signal: AbortSignal): Promise<boolean> {
    if (this.agreed) return true
    this.screen.rest()
    this.write([`This is what would be done on ${server}, namespace ${namespace}:`])
    this.write(steps.flatMap(formatStep))
    this.agreed = await this.ask('Do it? [y/N] ', signal)
    return this.agreed
  }

  /** Line by line, not key by key: Ctrl-C stays a signal then, and means here what it means everywhere else. */
  private async ask(text: string, signal: AbortSignal): Promise<boolean> {
    const lines = createInterface({ input: stdin, output: this.stream, terminal: false })
    const { promise: ended, resolve: end } = Promise.withResolvers<string>()
    lines.once('close', () => {
      // Where the input ends (Ctrl-D), the question still stands on this line.
      this.stream.write('\n')
      end('')
    })
    try {
      const answer = await Promise.race([lines.question(text, { signal }), ended])
      return /^y(es)?$/i.test(stripVTControlCharacters(answer).trim())
    } catch {
      // Cancelled, or out of time: the run itself says so.
      return false
    } finally {
      lines.close()
    }
  }
}
