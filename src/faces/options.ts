import { Command, CommanderError, Option } from 'commander'
import { meaning, parametersOf, type Kind, type Parameter, type ParameterName } from '../input/parameters.ts'
import type { RawInputs } from '../input/parse.ts'
import { Failure } from '../lib/failure.ts'
import { version } from '../lib/version.ts'
import type { ReceiverOptions } from './rights.ts'
import { parametersOfCommand, variableOf, type CommandName } from './commands.ts'
import { execHelp, goLiveHelp, programHelp, provisionHelp, rightsHelp } from './help.ts'
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
  const given = args.filter((arg, at) => arg.startsWith('--output=') || args[at - 1] === '--output').at(-1)
  return {
    json: given?.replace(/^--output=/, '') === 'json',
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
  const program = createProgram((parsed) => {
    invocation = parsed
  })
  const { own, words } = split(args)
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
  if (!args.includes('exec') || at === -1) return { own: args, words: [] }
  return { own: args.slice(0, at), words: args.slice(at + 1) }
}

/** Returns the whole command line, with every option and its help; `found` is told what was asked for. */
export function createProgram(found: (invocation: Invocation) => void): Command {
  const program = new Command('pg-app-user')
    .description('Gives an application its PostgreSQL user, database and Secret on Kubernetes.')
    .version(version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .showSuggestionAfterError(true)
    .configureHelp({
      optionDescription: ({ description, envVar }) =>
        envVar === undefined ? description : `${description} (${envVar})`,
    })
    .configureOutput({ writeErr: () => undefined })
    .exitOverride()
    .addHelpText('after', programHelp)

  const provision = program
    .command('provision')
    .summary('give an application its role, database, grants and Secret, and prove its login')
    .description(
      'Gives an application its role, database, grants and Secret, and proves its login. What is right already stays as it is, so it may run again and again.',
    )
    .addHelpText('after', provisionHelp)
  for (const parameter of parametersOfCommand('provision')) provision.addOption(optionOf(parameter))
  provision
    .option('-y, --yes', 'change without asking; needed where there is no terminal, implied by CI=true')
    .action(() => {
      found(invocationOf('provision', provision))
    })

  const goLive = program
    .command('go-live')
    .summary('check whether the database is ready for production, and change nothing')
    .description(
      'Checks whether the database is ready for production, with evidence, and changes nothing. Ends with exit code 3 where a requirement is not met or unknown, unless --go-live says otherwise.',
    )
    .addHelpText('after', goLiveHelp)
  for (const parameter of parametersOfCommand('go-live')) goLive.addOption(optionOf(parameter))
  goLive.action(() => {
    found(invocationOf('go-live', goLive))
  })

  const exec = program
    .command('exec')
    .usage('[options] -- <command> [argument …]')
    .summary('run a command against the database, with a login that lives as long as the command')
    .description(
      'Runs a command, such as a migration, against the database in the cluster. It finds the database by variables (PGHOST, DATABASE_URL and others), through a port of 127.0.0.1 that lives as long as the command, and works as the role of the application. Input, output and exit code are those of the command.',
    )
    .addHelpText('after', execHelp)
  for (const parameter of parametersOfCommand('exec')) exec.addOption(optionOf(parameter))
  exec
    .addOption(
      new Option('--verbose', 'show what led to an error, and other details; never a credential').env(
        variableOf('verbose'),
      ),
    )
    .action(() => {
      found(invocationOf('exec', exec))
    })

  const rights = program
    .command('rights')
    .summary('print the Role and RoleBinding to ask the administrator for, without a cluster')
    .description(
      'Prints the Role and RoleBinding that the pipeline needs, from the options alone: nothing is asked of any cluster. The result goes to the administrator, or into "kubectl apply -f -".',
    )
    .addHelpText('after', rightsHelp)
  for (const parameter of parametersOfCommand('rights')) rights.addOption(optionOf(parameter))
  rights
    .option('--gate-only', 'only what "go-live" needs: nothing is written')
    .option('--go-live', 'what the go-live gate would like to read as well; it can do without')
    .option('--service-account <namespace/name>', 'who gets the rights; left open: a placeholder to fill in')
    .option('--user <name>', 'a user who gets the rights, in the place of a ServiceAccount')
    .option('--group <name>', 'a group that gets the rights, in the place of a ServiceAccount')
    .option(
      '--issuer <github|gitlab>',
      'jobs that get the rights by their own identity: prints the AuthenticationConfiguration of the API server as well',
    )
    .option('--issuer-url <url>', 'with --issuer: the issuer of an instance of your own')
    .option('--repository-id <number>', 'with --issuer github: the repository')
    .option('--project-id <number>', 'with --issuer gitlab: the project')
    .option('--environment <name>', 'with --issuer: the environment of the jobs')
    .option('--service <name>', 'the Service under USER_ACCESS of the access Secret; left open: all Services')
    .action(() => {
      found(invocationOf('rights', rights))
    })

  for (const command of [provision, goLive]) {
    command
      .option('--report-directory <path>', 'write the go-live report into this folder: JSON, JUnit and HTML')
      .option('--dotenv <file>', 'write the outputs into this file too, as variables for a later job')
  }
  for (const command of [provision, goLive, rights]) {
    command
      .addOption(
        new Option('--output <format>', 'text: lines for people (default); json: JSON alone on stdout')
          .choices(['text', 'json'])
          .default('text'),
      )
      .addOption(
        new Option('--verbose', 'show what led to an error, and other details; never a credential').env(
          variableOf('verbose'),
        ),
      )
  }
  return program
}

function optionOf({ name, kind, ...rest }: Parameter): Option {
  const flags = kind === 'flag' ? `--${name} [true|false]` : `--${name} <${placeholders[kind]}>`
  const text = meaning({ name, kind, ...rest })
    .replace('**Required.**', 'Required.')
    .replaceAll('`', '')
  const option = new Option(flags, text).env(variableOf(name))
  if (kind === 'flag') option.preset('true')
  if (repeatable.includes(kind)) {
    option.argParser<string>((item, earlier: string | undefined) =>
      earlier === undefined ? item : `${earlier}\n${item}`,
    )
  }
  return option
}

const repeatable: readonly Kind[] = ['list', 'choices', 'settings', 'patterns', 'fingerprints']

const placeholders: Record<Exclude<Kind, 'flag'>, string> = {
  text: 'text',
  fingerprints: 'fingerprints',
  secret: 'path',
  name: 'name',
  identifier: 'name',
  existing: 'name',
  host: 'host',
  port: 'port',
  service: 'name',
  list: 'names',
  settings: 'settings',
  patterns: 'patterns',
  choice: 'choice',
  choices: 'choices',
  duration: 'duration',
  pem: 'path',
  authority: 'path',
  address: 'url',
}

function invocationOf(name: Invocation['command'], command: Command): Invocation {
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
