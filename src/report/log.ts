import type { Failure } from '../lib/failure.ts'
import type { Sign, Step } from '../lib/reporter.ts'
import { formatSeconds } from '../lib/text.ts'
import { documents } from '../lib/version.ts'

const signs: Record<Sign, string> = {
  right: '✓',
  created: '+',
  repaired: '~',
  attention: '!',
  stopped: '✗',
}

const subjectWidth = 16
const durationColumn = 98

/** Returns a step as the lines of the log: sign, subject, text, and the duration at the end of the last line. */
export function formatStep(step: Step): readonly string[] {
  const [first = '', ...others] = step.text.split('\n')
  const lines = [
    `${signs[step.sign]} ${step.subject.padEnd(subjectWidth - 1)} ${first}`,
    ...others.map((line) => `${' '.repeat(subjectWidth + 2)}${line}`),
  ]
  if (step.seconds === undefined) return lines
  const last = lines.pop() ?? ''
  return [...lines, `${last.padEnd(durationColumn - 9)} ${formatSeconds(step.seconds).padStart(8)}`]
}

/** Returns a failure as the lines of the log: what is wrong with its code, the hints, what stands, where to read on. */
export function formatFailure(failure: Failure, standing: string): readonly string[] {
  return [
    `${signs.stopped} ${failure.message}  [${failure.code}]`,
    ...failure.hint.map((line) => `  ${line}`),
    `  ${standing}`,
    `  ${documents}/troubleshooting.md#${failure.code}`,
  ]
}
