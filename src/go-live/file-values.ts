import { isScalar, isSeq, type LineCounter, type Node } from 'yaml'
import { oneLine } from '../lib/text.ts'

/** What is wrong with a file, and on which line. */
export type Problem = readonly [line: number, text: string]

/** Reads single values of the go-live file, and notes what is wrong with them, so that all of it can be said at once. */
export class Values {
  private readonly lines: LineCounter
  private readonly problems: Problem[]
  /** The key whose value is being read, for messages. */
  protected key = ''

  constructor(lines: LineCounter, problems: Problem[]) {
    this.lines = lines
    this.problems = problems
  }

  protected list<Item>(node: unknown, read: (item: unknown) => Item | undefined): readonly Item[] {
    if (isScalar(node) && node.value === null) return []
    if (isSeq(node)) return node.items.map(read).filter((item) => item !== undefined)
    this.problem(node, `${this.key} has to be a list, each item starting with "- requirement:"`)
    return []
  }

  protected text(node: unknown, key: string): string | undefined {
    const value = isScalar(node) ? node.value : undefined
    if (typeof value === 'string' && value.trim() !== '') return value
    this.problem(
      node,
      value === '' || value === null ? `${key} is empty: fill it in` : `${key} has to be text`,
    )
    return undefined
  }

  protected number(
    node: unknown,
    { minimum, maximum }: { minimum: number; maximum: number },
  ): number | undefined {
    const value = isScalar(node) ? node.value : undefined
    if (Number.isInteger(value) && Number(value) >= minimum && Number(value) <= maximum) return Number(value)
    this.problem(node, `${this.key} has to be a whole number from ${minimum} to ${maximum}`)
    return undefined
  }

  /** `90s`, `5m`, `24h`; milliseconds. */
  protected duration(node: unknown): number | undefined {
    const value = isScalar(node) ? String(node.value) : ''
    const [, amount, unit = ''] = /^(\d{1,6})([smh])$/.exec(value) ?? []
    const milliseconds = Number(amount) * ({ s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? Number.NaN)
    if (milliseconds > 0) return milliseconds
    this.problem(node, `${this.key}: "${oneLine(value, 40)}" is no duration: write 90s, 5m or 24h`)
    return undefined
  }

  protected days(node: unknown): number | undefined {
    const value = isScalar(node) ? String(node.value) : ''
    const days = Number(/^(\d{1,5})d$/.exec(value)?.[1])
    if (days > 0) return days
    this.problem(node, `${this.key}: "${oneLine(value, 40)}" is no number of days: write 30d`)
    return undefined
  }

  protected percent(node: unknown): number | undefined {
    const value = isScalar(node) ? String(node.value) : ''
    const percent = Number(/^(\d{1,3})%$/.exec(value)?.[1])
    if (percent > 0 && percent <= 100) return percent
    this.problem(node, `${this.key}: "${oneLine(value, 40)}" is no percentage: write 80%`)
    return undefined
  }

  protected flag(node: unknown): boolean {
    const value = isScalar(node) ? node.value : undefined
    if (typeof value !== 'boolean') this.problem(node, `${this.key} has to be true or false`)
    return value === true
  }

  protected problem(node: unknown, text: string): void {
    const offset = (node as Partial<Node> | null)?.range?.[0] ?? 0
    this.problems.push([this.lines.linePos(offset).line, text])
  }
}
