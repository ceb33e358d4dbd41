import { CommanderError, Option, type Command } from 'commander'
import { parametersOf, type ParameterName } from '../input/parameters.ts'
import type { RawInputs } from '../input/parse.ts'
import { Failure } from '../lib/failure.ts'
import { wantsJson } from './answer.ts'
import type { ReceiverOptions } from './rights.ts'
import { variableOf, type CommandName } from './commands.ts'
import { createProgram } from './program.ts'
import { usageFailure } from './usage.ts'

/** What was asked for on the command line, and by its variables. */
export interface Invocation {
  readonly command: CommandName
  /** The texts of the parameters, from options and variables. */
  readonly inputs: RawInputs
  /** The parameters that were given as options, which every process of the machine can read. */
  readonly exposed: ReadonlySet<ParameterName>
  readonly yes: boolean
  /** Of `exec`: what to run. */
  readonly words?: readonly [string, ...string[]]
  /** A file for the outputs, as variables. */
  readonly dotenv?: string
  /** A folder for the files of the go-live report. */
  readonly reportDirectory?: string
  /** Of `rights`: only what command `go-live` needs. */
  readonly gateOnly: boolean
  /** Of `rights`: also what the go-live gate would like to read. */
  readonly goLiveRights: boolean
  /** Of `rights`: who gets them. */
  readonly receiver: ReceiverOptions
  /** Of `rights`. */
  readonly service?: string
}

/** Says whether a variable that switches something on does. */
export function isSet(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'false'].includes(value)
}

/** Returns how a command line wants to be answered. Found without reading the rest, whose errors are answered as well. */
export function answerOf(
  args: readonly string[],
  variables: NodeJS.ProcessEnv = {},
): { readonly json: boolean; readonly verbose: boolean } {
  return {
    json: wantsJson(args),
    verbose: args.includes('--verbose') || isSet(variables[variableOf('verbose')]),
  }
}

/**
 * Returns what a command line asks for; nothing where help or the version was asked for, and shown.
 *
 * @throws Failure `input-invalid`
 */
export function parseCommandLine(args: readonly string[]): Invocation | undefined {
  let invocation: Invocation | undefined
  const { own: given, words } = split(args)
  const asked = given[0] === 'help' || given.some((arg) => arg === '--help' || arg === '-h')
  const own = asked ? given.filter((arg) => arg !== '--all') : given
  const program = createProgram(
    (name, command) => {
      invocation = invocationOf(name, command)
    },
    asked && own.length < given.length,
  )
  try {
    program.parse(own, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Help that was asked for, and the version, have been shown.
    if (error.exitCode === 0) return undefined
    throw usageFailure(error, own)
  }
  if (invocation?.command !== 'exec') return invocation
  const [file, ...rest] = words
  if (file === undefined) {
    throw new Failure('input-invalid', 'No command was given to run.', [
      'It comes last, behind two hyphens: pg-app-user exec --app-database shop … -- npm run migrate',
    ])
  }
  return { ...invocation, words: [file, ...rest] }
}

/** Returns the words that are meant for this tool, and those of the command that `exec` is to run. */
export function split(args: readonly string[]): {
  readonly own: readonly string[]
  readonly words: readonly string[]
} {
  const at = args.indexOf('--')
  const [own, words] =
    !args.includes('exec') || at === -1 ? [args, []] : [args.slice(0, at), args.slice(at + 1)]
  // As kubectl takes it, and every other tool that is written in Go.
  const equals = (arg: string): readonly string[] =>
    /^-[no]=/.test(arg) ? [arg.slice(0, 2), arg.slice(3)] : [arg]
  return { own: own.flatMap(equals), words }
}

function invocationOf(name: CommandName, command: Command): Invocation {
  const given = parametersOf('cli').flatMap((parameter) => {
    const key = new Option(`--${parameter.name}`).attributeName()
    const value: unknown = command.getOptionValue(key)
    return typeof value === 'string'
      ? [{ name: parameter.name, value, exposed: command.getOptionValueSource(key) === 'cli' }]
      : []
  })
  const { yes, dotenv, reportDirectory, gateOnly, goLive, service, ...rest } = command.opts<
    ReceiverOptions & {
      yes?: true
      reportDirectory?: string
      gateOnly?: true
      /** A flag of "rights" alone; elsewhere it is the input. */
      goLive?: true | string
      dotenv?: string
      service?: string
    }
  >()
  return {
    command: name,
    inputs: Object.fromEntries(given.map(({ name, value }) => [name, value])),
    exposed: new Set(given.filter(({ exposed }) => exposed).map(({ name }) => name)),
    yes: yes === true,
    gateOnly: gateOnly === true,
    goLiveRights: goLive === true,
    receiver: receiverIn(rest),
    // Here too, what is given empty counts as not given.
    ...(dotenv && { dotenv }),
    ...(reportDirectory && { reportDirectory }),
    ...(service && { service }),
  }
}

/** What is given empty counts as not given. */
function receiverIn(options: ReceiverOptions): ReceiverOptions {
  const { serviceAccount, user, group, issuer, issuerUrl, repositoryId, projectId, environment } = options
  const given = { serviceAccount, user, group, issuer, issuerUrl, repositoryId, projectId, environment }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value))
}
