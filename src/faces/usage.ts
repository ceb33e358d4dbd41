import type { CommanderError } from 'commander'
import type { NamedParameter } from '../input/parameters.ts'
import { Failure } from '../lib/failure.ts'
import { nearest } from '../lib/nearest.ts'
import type { Spelling } from '../lib/spelling.ts'
import { capitalized, oneLine, sentence } from '../lib/text.ts'
import { commandNames, parametersOfCommand, type CommandName } from './commands.ts'
import { asLog } from './edge.ts'

/**
 * Returns the error for a command line that cannot be read.
 *
 * A value is left out: whoever misspells an option may have put a credential behind it.
 */
export function usageFailure(error: CommanderError, args: readonly string[]): Failure {
  if (error.code === 'commander.help') {
    const [, unknown] = args
    const message = unknown === undefined ? 'No command was given.' : `Unknown command '${oneLine(unknown)}'.`
    return new Failure('input-invalid', message, [
      'pg-app-user provision   gives an application its role, database, grants and Secret',
      'pg-app-user go-live     checks whether the database is ready for production',
      'pg-app-user exec        runs a command against the database, such as a migration',
      'pg-app-user rights      prints the rights to ask the administrator for',
      'pg-app-user completion  prints a completion script for bash or zsh',
      'pg-app-user --help      says more',
    ])
  }
  const [what = '', ...hints] = error.message
    .replace(/^error: /, '')
    .replace(/=[^']*'/, "'")
    .split('\n')
  const message = oneLine(what)
  const command = commandNames.find((name) => args.includes(name))
  const [, unknown] = /^unknown option '(-[^']*)'/.exec(what) ?? []
  const meant = unknown === undefined ? [] : meantBy(unknown, command)
  const suggestions =
    meant.length > 0 ? meant : hints.map((hint) => oneLine(hint.replace(/^\((.*)\)$/, '$1')))
  return new Failure('input-invalid', `${capitalized(message.replace(/\.$/, ''))}.`, [
    ...suggestions,
    `Every option, with examples: pg-app-user ${command === undefined ? '' : `${command} `}--help`,
  ])
}

/** What other tools call it, and what it is called here: the last words of an option. */
const synonyms = new Map<string, string>(
  Object.entries({
    ns: 'namespace',
    d: 'database',
    db: 'database',
    dbname: 'database',
    'database-name': 'database',
    user: 'username',
    U: 'username',
    role: 'username',
    owner: 'database-owner',
    secretname: 'secret',
    'secret-name': 'secret',
    'from-secret': 'access-secret',
    'kube-context': 'context',
    'kube-config': 'kubeconfig',
    config: 'kubeconfig',
    h: 'host',
    hostname: 'host',
    p: 'port',
    plan: 'profile',
    extension: 'extensions',
    dryrun: 'dry-run',
    check: 'dry-run',
    'ssl-mode': 'sslmode',
    ca: 'ssl-root-cert',
    cacert: 'ssl-root-cert',
    adopt: 'existing',
  }),
)

/** What no option is called, and what people who write it want. */
const otherwise = new Map<string, string>(
  Object.entries({
    json: 'JSON on stdout: --output json (-o json)',
    format: 'JSON on stdout: --output json (-o json)',
    force: 'To change without a question: --yes (-y)',
    'auto-approve': 'To change without a question: --yes (-y)',
    debug: 'More details: --verbose',
    v: 'More details: --verbose',
    version: 'The version: pg-app-user --version',
    all: 'Every option: with --help',
    password: 'No option takes a password: the one of the admin is read from the access Secret.',
  }),
)

/** Returns the options that somebody may have meant by one that does not exist. */
function meantBy(unknown: string, command: CommandName | undefined): readonly string[] {
  const word = unknown === '-n' ? 'app-namespace' : unknown.replace(/^-+/, '')
  const wanted = synonyms.get(word) ?? word
  const others = commandNames.filter((name) => parametersOfCommand(name).some((one) => one.name === wanted))
  const use = `It is an option of ${sentence(others.map((name) => `"${name}"`))}`
  const early = command === undefined || parametersOfCommand(command).some(({ name }) => name === word)
  if (early) return others.length === 0 ? [] : [`${use}: put the command first.`]
  if (others.length > 0 && !others.includes(command)) {
    return [`${use}, and "${command}" has no use for it.`]
  }
  const found = parametersOfCommand(command).filter(
    ({ name }) => name === wanted || name.endsWith(`-${wanted}`),
  )
  const other = otherwise.get(word)
  if (found.length === 0) return other === undefined ? mistyped(word, command) : [other]
  const own = found.toSorted((one, two) => rankOf(two) - rankOf(one)).slice(0, 3)
  const width = Math.max(...own.map(({ name }) => name.length))
  return [
    own.length === 1 ? 'Did you mean this one?' : 'Did you mean one of these?',
    ...own.map((parameter) => `  --${parameter.name.padEnd(width)}  ${firstSentence(parameter)}`),
  ]
}

/** Returns the option that differs from a word by a slip of the hand, also where help does not show it. */
function mistyped(word: string, command: CommandName): readonly string[] {
  const found = nearest(
    word,
    parametersOfCommand(command).map(({ name }) => name),
  )
  return found === undefined ? [] : [`Did you mean --${found}?`]
}

/** The one that most people mean: what has to be given, then what is about the application. */
function rankOf({ name, required }: NamedParameter): number {
  return (required === true ? 1 : 0) + (name.startsWith('app-') ? 2 : 0)
}

function firstSentence({ description }: NamedParameter): string {
  const [first = ''] = description.replaceAll('`', '').split(/(?<=\.) /)
  return first
}

/** The spelling of the command line: what the core calls an input is an option here, and there is no job summary. */
export const asOptions: Spelling = {
  ...asLog,
  noun: 'option',
  name: (name) => `--${name}`,
  label: (name) => `--${name}`,
  setting: (name, value) => `--${name} ${value}`,
  debugging: 'with --verbose',
  turns: [],
  provisioning: 'a run of pg-app-user provision',
  reporting: 'add --report-directory with a folder, and they are written there',
}
