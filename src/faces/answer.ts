import type { Failure } from '../lib/failure.ts'
import { commandMark } from '../report/pipeline.ts'
import { nothingChanged, outputsOf } from '../run/outcome.ts'

/**
 * Returns whether a command line wants JSON. Found without reading the rest, whose errors are answered as well; what comes after
 * `--` is for another program.
 */
export function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  const own = end === -1 ? args : args.slice(0, end)
  const formats = own.flatMap((arg, at) => {
    if (own[at - 1] === '--output' || own[at - 1] === '-o') return [arg]
    const [, joined] = /^(?:--output=|-o=?)(.+)$/s.exec(arg) ?? []
    return joined === undefined ? [] : [joined]
  })
  return formats.at(-1) === 'json'
}

/** Returns what JSON says about the end of a run. */
export function endOf(failure: Failure | undefined, standing: string): object {
  if (failure === undefined) return { failure: null }
  const { code, message, hint } = failure
  return { failure: { code, message, hint, standing } }
}

/** Returns what JSON says of a run that did not get as far as an outcome: all that it says of any other. */
export function answerWithoutRun(
  failure: Failure,
  standing: string = nothingChanged,
  reporter: Parameters<typeof outputsOf>[2] = { redact: (text) => text, debug: () => undefined },
): object {
  return {
    ...outputsOf(undefined, undefined, reporter),
    seconds: Number(process.uptime().toFixed(2)),
    notes: [],
    'go-live': null,
    ...endOf(failure, standing),
  }
}

/**
 * Returns a value as JSON for stdout, in which no text that came from elsewhere is a command to a pipeline: what
 * one begins with is written in another way.
 */
export function formatJson(value: object): string {
  return `${JSON.stringify(value, undefined, 2).replace(commandMark, '#\\u0023')}\n`
}
