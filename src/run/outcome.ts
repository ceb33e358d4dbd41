import { tally, tallyOfOpen, type GateReport } from '../go-live/finding.ts'
import { outputs, type OutputName } from '../input/outputs.ts'
import type { Failure } from '../lib/failure.ts'
import { capitalized, formatSeconds, sentence } from '../lib/text.ts'
import type { Change } from '../provision/change.ts'
import type { Effect } from '../provision/effect.ts'
import type { PermissionReport } from '../rights/permissions.ts'
import type { Authority } from '../secrets/formats.ts'

/** One line of the table in the job summary. */
export interface Row {
  readonly subject: string
  /** How it is now. */
  readonly now: string
  /** How it was found, where that was not up to date. */
  readonly found?: string
  /** What this run did to it. */
  readonly done?: string
}

/** How a command ended. */
export interface CommandEnd {
  /** As a shell has it: 128 and its number for a signal. */
  readonly exitCode: number
  readonly seconds: number
  /** How many connections it opened. */
  readonly connections: number
}

/** What a run came to, complete even when it failed half-way. */
export interface Outcome {
  readonly failure: Failure | undefined
  readonly dryRun: boolean
  /** Whether the run was to provision; else it was the go-live gate alone. */
  readonly provisioned: boolean
  /** Whether the go-live gate was asked for. */
  readonly gated: boolean
  /** What the gate came to; absent where there was none, or the run ended before it. */
  readonly goLive: GateReport | undefined
  /** Whether a command was to be started. */
  readonly commanded: boolean
  /** What came of it; absent where it did not end by itself. */
  readonly command: CommandEnd | undefined
  readonly application: string
  readonly seconds: number
  /** What was changed; under `dry-run`, what would be. */
  readonly changes: readonly Effect[]
  /** The same, change by change with all that belongs to each, in the order in which they are made. */
  readonly list: readonly Change[]
  /** What may have been changed: no answer came that says it. */
  readonly doubts: readonly Effect[]
  readonly rows: readonly Row[]
  /** Things that need a look and stopped nothing, one line each. */
  readonly notes: readonly string[]
  /** Whether the server asks for no password, so that nothing can be said about the login. */
  readonly loginUnchecked: boolean
  readonly cluster: { readonly server: string; readonly namespace: string } | undefined
  readonly permissions: PermissionReport | undefined
  readonly secret: {
    readonly namespace: string | undefined
    readonly name: string
    readonly resourceVersion: string | undefined
    /** What clients hold the server's certificate against, which they have to be told; absent where they verify nothing. */
    readonly authority: Authority | undefined
    /** The name of the service binding beside it, where one is asked for. */
    readonly binding?: string | undefined
  }
  readonly database: string
  readonly serverVersion: string | undefined
  /** What the Pods of the application have to be told, if anything. */
  readonly restart: string | undefined
}

/** Says whether the run changed anything, or may have. */
export function hasChanged(outcome: Outcome): boolean {
  return !outcome.dryRun && outcome.changes.length + outcome.doubts.length > 0
}

/** What the outputs of a run are: whatever reads them may put a text of them into a command. */
export type Outputs = Record<OutputName, string | boolean | readonly Effect[]>

/**
 * Returns every output, empty where the run did not get as far as knowing it, or where what a server said does not have
 * the form of that output or holds a credential.
 *
 * @param reportDirectory where the reports of the gate were written
 * @param reporter takes credentials out, and is told what was left out
 */
export function outputsOf(
  outcome: Outcome | undefined,
  reportDirectory: string | undefined,
  reporter: { redact(text: string): string; debug(text: string): void },
): Outputs {
  const values = allOutputs(outcome, reportDirectory)
  for (const { name, grammar } of outputs) {
    const value = values[name]
    if (typeof value !== 'string' || (grammar.test(value) && reporter.redact(value) === value)) continue
    reporter.debug(`output "${name}" is left out: its value does not have the expected form`)
    values[name] = ''
  }
  return values
}

function allOutputs(outcome: Outcome | undefined, reportDirectory = ''): Outputs {
  return {
    changed: outcome !== undefined && hasChanged(outcome),
    changes: outcome?.changes ?? [],
    'secret-name': outcome?.secret.name ?? '',
    'secret-namespace': outcome?.secret.namespace ?? '',
    'secret-resource-version': outcome?.secret.resourceVersion ?? '',
    database: outcome?.database ?? '',
    'server-version': outcome?.serverVersion ?? '',
    'go-live-verdict': outcome?.gated === false ? 'off' : (outcome?.goLive?.verdict ?? ''),
    'report-directory': reportDirectory,
  }
}

/** The sentence that the person on call looks for first. */
export const nothingChanged = 'Nothing was changed.'

/** Returns what stands after a run that failed: the first thing the person on call looks for. */
export function standing(outcome: Outcome): string {
  const { changes, doubts, failure } = outcome
  const parts = [
    ...(changes.length > 0 ? [`${capitalized(passive(changes))}.`] : []),
    ...(doubts.length > 0 ? [`Whether ${passive(doubts)} is not known: ${unknownBecause(failure)}.`] : []),
  ]
  const changed = hasChanged(outcome) ? parts.join(' ') : nothingChanged
  if (failure?.code === 'command-failed' || failure?.code === 'command-timeout') {
    const before = hasChanged(outcome) ? `${changed} ` : ''
    return `${before}What the command itself changed stands.`
  }
  if (failure?.code === 'go-live-held-back') {
    return outcome.provisioned && !outcome.dryRun
      ? `${changed} The application user is in place; only the release is held.`
      : changed
  }
  return hasChanged(outcome) ? `${changed} The next run continues from here.` : changed
}

/** An error of the API server is an answer, and may come after it has done what it was asked for. */
function unknownBecause(failure: Failure | undefined): string {
  return failure?.code === 'api-server-error' ? 'the answer does not say it' : 'no answer came'
}

/** Returns the last line of a run that came to its end, fit to be pasted into a chat. */
export function lastLine(outcome: Outcome): string {
  const { command, goLive, provisioned, seconds } = outcome
  const sentences = [
    ...(provisioned ? [provisionSentence(outcome)] : []),
    ...(goLive === undefined ? [] : [gateSentence(goLive)]),
    ...(command === undefined ? [] : [`The command ended with exit code ${command.exitCode}.`]),
  ]
  return `${sentences.join(' ')} ${formatSeconds(seconds)}`
}

function provisionSentence({ changes, application, dryRun, loginUnchecked }: Outcome): string {
  if (changes.length === 0) {
    const login = loginUnchecked ? 'but the login could not be checked' : 'and the login works'
    return `Nothing to do: role, database, grants and Secret are right, ${login}.`
  }
  if (dryRun) return `Dry run for ${application}, nothing was changed: ${passive(changes, 'would be')}.`
  return `${capitalized(active(changes))} for ${application}.`
}

/** Returns what the gate came to, as a sentence. One that holds back for real ends in a failure instead. */
function gateSentence({ findings, profile, verdict }: GateReport): string {
  return verdict === 'met'
    ? `Ready to go live on the ${profile} plan: ${tally(findings)}.`
    : `Would be held back: ${tallyOfOpen(findings)}.`
}

interface Words {
  readonly active: (nouns: string) => string
  readonly passive: string
}

const words: Record<Effect['action'], Words> = {
  created: { active: (nouns) => `created ${nouns}`, passive: 'created' },
  'password-set': { active: (nouns) => `set the password of the ${nouns}`, passive: 'given a password' },
  noted: { active: (nouns) => `left a note at the ${nouns}`, passive: 'given a note' },
  marked: { active: (nouns) => `marked the ${nouns} as ours`, passive: 'marked as ours' },
  'owner-changed': {
    active: (nouns) => `changed the owner of the ${nouns}`,
    passive: 'given to another owner',
  },
  set: { active: (nouns) => `set ${nouns}`, passive: 'set' },
  granted: { active: (nouns) => `put ${nouns} right`, passive: 'put right' },
  repaired: { active: (nouns) => `put the ${nouns} right`, passive: 'put right' },
}

/** Returns changes as a sentence part: `created role, database and Secret`. */
function active(changes: readonly Effect[]): string {
  return sentence(byAction(changes).map(([action, nouns]) => words[action].active(sentence(nouns))))
}

/** Returns changes as a sentence part: `role, database and Secret were created; grants were put right`. */
function passive(changes: readonly Effect[], auxiliary?: 'would be'): string {
  return byAction(changes)
    .map(([action, nouns]) => {
      const plural = nouns.length > 1 || nouns.includes('grants')
      return `${sentence(nouns)} ${auxiliary ?? (plural ? 'were' : 'was')} ${words[action].passive}`
    })
    .join('; ')
}

/** Groups the nouns by what was done. Grants on a database that is new were not wrong before: they are created. */
function byAction(changes: readonly Effect[]): readonly (readonly [Effect['action'], readonly string[]])[] {
  const fresh = changes.some(({ object, action }) => object === 'database' && action === 'created')
  const groups = new Map<Effect['action'], Set<string>>()
  for (const { object, name, action } of changes) {
    const nouns: Partial<Record<Effect['object'], string>> = {
      secret: 'Secret',
      binding: 'service binding',
      extension: `extension ${name}`,
      setting: name,
    }
    const noun = nouns[object] ?? object
    const group = fresh && action === 'granted' ? 'created' : action
    groups.set(group, (groups.get(group) ?? new Set()).add(noun))
  }
  return [...groups].map(([action, nouns]) => [action, [...nouns]])
}
