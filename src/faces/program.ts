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
      'Gives an application its role, database, grants and Secret, and proves its login. What is right already stays as it is, so it may run again and again.',
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
      'Checks whether the database is ready for production, with evidence, and changes nothing. Ends with exit code 3 where a requirement is not met or unknown, unless --go-live says otherwise.',
    )
    .addHelpText('after', goLiveHelp(all))
  addParameters(goLive, 'go-live')
  goLive.action(() => {
    found('go-live', goLive)
  })

  const exec = program
    .command('exec')
    .usage('[options] -- <command> [argument …]')
    .summary('run a command against the database, with a login that lives as long as the command')
    .description(
      'Runs a command, such as a migration, against the database in the cluster. It finds the database by variables (PGHOST, DATABASE_URL and others), through a port of 127.0.0.1 that lives as long as the command, and works as the role of the application. Input, output and exit code are those of the command.',
    )
    .addHelpText('after', execHelp(all))
  addParameters(exec, 'exec')
  exec.addOption(verboseOption()).action(() => {
    found('exec', exec)
  })

  const rights = program
    .command('rights')
    .summary('print the Role and RoleBinding to ask the administrator for, without a cluster')
    .description(
      'Prints the Role and RoleBinding that the pipeline needs, from the options alone: nothing is asked of any cluster. The result goes to the administrator, or into "kubectl apply -f -".',
    )
    .addHelpText('after', rightsHelp(all))
  addParameters(rights, 'rights')
  rights
    .option('--gate-only', 'only what "go-live" needs: nothing is written')
    .option('--go-live', 'also what the gate would like to read')
    .option('--service-account <namespace/name>', 'who gets the rights')
    .option('--user <name>', 'or a user')
    .option('--group <name>', 'or a group')
    .option('--issuer <github|gitlab>', 'or jobs by their own identity')
    .option('--issuer-url <url>', 'the issuer of an instance of your own')
    .option('--repository-id <number>', 'of github: the repository')
    .option('--project-id <number>', 'of gitlab: the project')
    .option('--environment <name>', 'the environment of the jobs')
    .option('--service <name>', 'the Service that USER_ACCESS names; default: all')
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
    .addArgument(new Argument('<shell>', 'the shell that is to complete').choices(shells))
    .summary('print what makes bash or zsh complete commands, options and their values')
    .description('Prints what makes a shell complete commands, options and their values.')
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
