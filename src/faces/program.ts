import { Argument, Command, Option } from 'commander'
import type { Kind, NamedParameter } from '../input/parameters.ts'
import { version } from '../lib/version.ts'
import { parametersOfCommand, variableOf, type CommandName } from './commands.ts'
import { completionScript, shells, type Shell } from './completion.ts'
import { completionHelp, execHelp, goLiveHelp, programHelp, provisionHelp, rightsHelp } from './help.ts'
import {
  groupOf,
  groupOfOption,
  grouped,
  helpStyle,
  isBrief,
  outputGroup,
  plainMeaning,
} from './option-help.ts'

/**
 * Returns the whole command line, with every option and its help.
 *
 * @param found is told which command was asked for, with the values of its options
 * @param all whether help shows every option, and not only those that most runs need
 */
export function createProgram(found: (name: CommandName, command: Command) => void, all = false): Command {
  const program = new Command('pg-app-user')
    .description('Gives an application its PostgreSQL user, database and Secret on Kubernetes.')
    .version(version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .showSuggestionAfterError(true)
    .configureHelp(helpStyle(all))
    .configureOutput({ writeErr: () => undefined })
    .exitOverride()
    .addHelpText('after', programHelp)

  const provision = program
    .command('provision')
    .summary('give an application its role, database, grants and Secret, and prove its login')
    .description(
      'Gives an application its role, database, grants and Secret, and proves its login. It leaves what is right unchanged, so you can run it again at any time.',
    )
    .addHelpText('after', provisionHelp(all))
  addParameters(provision, 'provision')
  provision.option('-y, --yes', 'change without asking; implied by CI=true').action(() => {
    found('provision', provision)
  })

  const goLive = program
    .command('go-live')
    .summary('check whether the database is ready for production, and change nothing')
    .description(
      'Checks whether the database is ready for production, with evidence, and changes nothing. Ends with exit code 3 if a requirement is not met or unknown; with --go-live warn, it only reports.',
    )
    .addHelpText('after', goLiveHelp(all))
  addParameters(goLive, 'go-live')
  goLive.action(() => {
    found('go-live', goLive)
  })

  const exec = program
    .command('exec')
    .usage('[options] -- <command> [argument …]')
    .summary('run a command against the database, with a temporary login')
    .description(
      'Runs a command, such as a migration, against the database in the cluster. The command gets the address of the database in variables (PGHOST, DATABASE_URL and others): a port on 127.0.0.1, with a login that exists only while the command runs and works as the role of the application. Input, output and exit code are those of the command.',
    )
    .addHelpText('after', execHelp(all))
  addParameters(exec, 'exec')
  exec.addOption(verboseOption()).action(() => {
    found('exec', exec)
  })

  const rights = program
    .command('rights')
    .summary('print the Roles and RoleBindings that the administrator has to apply')
    .description(
      'Prints the Roles and RoleBindings that the pipeline needs. It uses only the options and contacts no cluster. Send the output to the administrator, or pipe it into "kubectl apply -f -".',
    )
    .addHelpText('after', rightsHelp(all))
  addParameters(rights, 'rights')
  rights
    .option('--gate-only', 'only the rights of the gate, to read')
    .option('--go-live', 'also the optional rights of the gate')
    .option('--service-account <namespace/name>', 'ServiceAccount that gets the rights')
    .option('--user <name>', 'or a user')
    .option('--group <name>', 'or a group')
    .option('--issuer <github|gitlab>', 'or jobs, by their identity tokens')
    .option('--issuer-url <url>', 'issuer of a self-hosted instance')
    .option('--repository-id <number>', 'with github: number of the repository')
    .option('--project-id <number>', 'with gitlab: number of the project')
    .option('--environment <name>', 'the environment of the jobs')
    .option('--service <name>', 'the Service in USER_ACCESS; default: all')
    .action(() => {
      found('rights', rights)
    })

  for (const command of [provision, goLive]) {
    command
      .option('--report-directory <path>', 'write the go-live report into this folder')
      .option('--dotenv <file>', 'write the outputs into this file, as variables')
      .addOption(outputOption('text', 'lines for people'))
  }
  rights.addOption(outputOption('yaml', 'for kubectl apply'))
  for (const command of [provision, goLive, rights]) command.addOption(verboseOption())
  for (const command of [provision, goLive, exec, rights]) {
    command.addHelpOption(
      new Option('-h, --help', 'show this help; with --all, every option').helpGroup(outputGroup),
    )
    for (const option of command.options) {
      option.helpGroupHeading ??= groupOfOption(option)
      option.hideHelp(!all && !isBrief(option))
    }
  }
  addCompletion(program)
  return program
}

function addParameters(command: Command, name: CommandName): void {
  for (const parameter of grouped(parametersOfCommand(name))) command.addOption(optionOf(parameter))
}

function verboseOption(): Option {
  return new Option('--verbose', 'show what led to an error; never a credential').env(variableOf('verbose'))
}

function outputOption(standard: string, what: string): Option {
  return new Option('-o, --output <format>', `${standard} (default): ${what}; json: on stdout`)
    .choices([standard, 'json'])
    .default(standard)
}

/** What completes a command line is no run: like help, it is shown, and that is all. */
function addCompletion(program: Command): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .summary('print a completion script for bash or zsh')
    .description('Prints a script with which a shell completes commands, options and their values.')
    .addHelpText('after', completionHelp)
    .action((shell: Shell) => {
      process.stdout.write(completionScript(shell, program.commands))
    })
}

function optionOf(parameter: NamedParameter): Option {
  const { name, kind } = parameter
  const short = name === 'app-namespace' ? '-n, ' : ''
  const value = kind === 'flag' ? '[true|false]' : `<${placeholders[kind]}>`
  const option = new Option(`${short}--${name} ${value}`, plainMeaning(parameter)).env(variableOf(name))
  option.helpGroup(groupOf(parameter))
  if (kind === 'choice') option.argChoices = [...(parameter.options ?? [])]
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
