import type { CommanderError } from 'commander'
import { Failure } from '../lib/failure.ts'
import type { Spelling } from '../lib/spelling.ts'
import { capitalized, oneLine } from '../lib/text.ts'
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
      'pg-app-user --help      says more',
    ])
  }
  const [what = '', ...hints] = error.message
    .replace(/^error: /, '')
    .replace(/=[^']*'/, "'")
    .split('\n')
  const message = oneLine(what)
  const [command] = args.filter((arg) => ['provision', 'go-live', 'exec', 'rights'].includes(arg))
  return new Failure('input-invalid', `${capitalized(message.replace(/\.$/, ''))}.`, [
    ...hints.map((hint) => oneLine(hint.replace(/^\((.*)\)$/, '$1'))),
    `Every option, with examples: pg-app-user ${command === undefined ? '' : `${command} `}--help`,
  ])
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
