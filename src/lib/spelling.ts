import { sentence } from './text.ts'

/** How a face spells what people set, and where its readers find what the log has no room for. */
export interface Spelling {
  readonly noun: 'input' | 'option'
  /** A name alone: `"timeout"`, `--timeout`. */
  readonly name: (name: string) => string
  /** A name in a list: `timeout`, `--timeout`. */
  readonly label: (name: string) => string
  /** A name with its value: `existing: adopt`, `--existing adopt`. */
  readonly setting: (name: string, value: string) => string
  /** What people cannot set here, although others can. */
  readonly lacks: readonly string[]
  /** How to see more, as the end of "Run it again …". */
  readonly debugging: string
  /** How a pipeline saves two runs from waiting for each other; nothing where there is no pipeline. */
  readonly turns: readonly string[]
  /** A run that provisions, where this one was told not to. */
  readonly provisioning: string
  /** Where the Role is that gives a run what it lacks. */
  readonly missingRole: string
  /** How to get the files of the go-live report where a run writes none. */
  readonly reporting: string
}

/** The spelling of the GitHub Action, and of everything that names no face. */
export const asInputs: Spelling = {
  noun: 'input',
  name: (name) => `"${name}"`,
  label: (name) => name,
  setting: (name, value) => `${name}: ${value}`,
  lacks: [],
  debugging: 'with debug logging',
  turns: ['In the pipeline, a concurrency group avoids the wait.'],
  provisioning: 'a run without "provision: false"',
  missingRole: 'below; it is in the job summary too',
  reporting: 'they could not be written; the job summary says the same',
}

let spelling = asInputs

/** Sets how this process spells. A face does so once, before anything is said. */
export function speak(as: Spelling): void {
  spelling = as
}

/** Returns how this process spells. */
export function spoken(): Spelling {
  return spelling
}

/** Returns one thing that people set: `input "timeout"`, `option --timeout`. */
export function input(name: string): string {
  return `${spelling.noun} ${spelling.name(name)}`
}

/** Returns one or several things that people set: `inputs "access-secret" and "access-namespace"`. */
export function inputs(...names: readonly [string, ...string[]]): string {
  const plural = names.length === 1 ? '' : 's'
  return `${spelling.noun}${plural} ${sentence(names.map(spelling.name))}`
}

/** Returns the name of a thing that people set, as a word of a sentence: `app-username`, `--app-username`. */
export function named(name: string): string {
  return spelling.label(name)
}

/** Returns a thing that people set with its value: `existing: adopt`, `--existing adopt`. */
export function setting(name: string, value: string): string {
  return spelling.setting(name, value)
}
