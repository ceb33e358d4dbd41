import type { CommandName } from './commands.ts'
import { exitCodes, type ExitKind } from './exit-code.ts'

function codesOf(...kinds: ExitKind[]): string {
  return kinds
    .map((kind) => `  ${String(exitCodes[kind].code).padEnd(4)} ${exitCodes[kind].meaning}`)
    .join('\n')
}

const codes = codesOf(...(Object.keys(exitCodes) as ExitKind[]))

const precedence = `
Where a value comes from:
  An option overrides its variable (PG_APP_USER_ and the name in capitals, with _ for -); a variable overrides the
  default. An empty option selects the default, even if its variable is set.
  Lists: repeat the option, or separate by commas.
`
const kubeconfig = `
The kubeconfig:
  --kubeconfig <path>, then KUBECONFIG, then KUBECONFIG_CONTENTS_B64, then on a terminal ~/.kube/config. Both
  variables may hold the content itself; an option may not, because every process on this machine can read options.
`

/** What the help of the command line as a whole says after the options. */
export const programHelp = `
Examples:
  Ask the administrator for the rights, before anything else:
    pg-app-user rights --access-secret postgresql1-access --access-namespace postgres-system \\
      --app-namespace shop --service-account shop/ci
  See what would be done:
    pg-app-user provision --access-secret postgresql1-access --access-namespace postgres-system \\
      --app-namespace shop --app-database shop --dry-run
  Do it: the same without --dry-run.
  Ask whether the database is ready for production:
    pg-app-user go-live --access-secret postgresql1-access --access-namespace postgres-system \\
      --app-namespace shop --app-database shop --go-live-profile standard

Common options of a command: pg-app-user <command> --help. Every option, with its variable: --help --all
`

/** Returns what help says after the options: with every option, the rest as well. */
function after(
  command: CommandName,
  examples: string,
  rest: string,
  codes: string,
): (all: boolean) => string {
  return (all) =>
    all
      ? `${rest}${examples}\nExit codes:\n${codes}\n`
      : `${examples}\nEvery option, its variable and the exit codes: pg-app-user ${command} --help --all\n`
}

/** What the help of command `provision` says after the options. */
export const provisionHelp = after(
  'provision',
  `
Examples:
  See what would be done, then do it:
    pg-app-user provision --access-secret postgresql1-access --access-namespace postgres-system \\
      --app-namespace shop --app-database shop --dry-run
  In a script, with the result as JSON:
    pg-app-user provision … --yes --output json | jq -r '."secret-resource-version"'
  Two extensions, and a pooler that keeps CONNECT:
    pg-app-user provision … --extensions citext --extensions pgcrypto --connect-roles pooler
`,
  `${precedence}${kubeconfig}`,
  codes,
)

/** What the help of command `go-live` says after the options. */
export const goLiveHelp = after(
  'go-live',
  `
Examples:
  Hold the release back if the standard plan is not met, and write the report:
    pg-app-user go-live --access-secret postgresql1-access --access-namespace postgres-system \\
      --app-namespace shop --app-database shop --go-live-profile standard --report-directory report
  Report only, without failing:
    pg-app-user go-live … --go-live warn
`,
  `${precedence}${kubeconfig}`,
  codes,
)

/** What the help of command `exec` says after the options. */
export const execHelp = after(
  'exec',
  `
Examples:
  A migration:
    pg-app-user exec --access-secret postgresql1-access --access-namespace postgres-system \\
      --app-namespace shop --app-database shop -- npx prisma migrate deploy
  A prompt of psql, as the application's role:
    pg-app-user exec … -- psql
`,
  `${precedence}${kubeconfig}`,
  `  That of the command; 126 or 127 if it could not be started; 128 plus the number of a signal that ended it.
${codesOf('command', 'cancelled')}`,
)

/** What the help of command `rights` says after the options. */
export const rightsHelp = after(
  'rights',
  `
Examples:
  A ticket to the administrator, without the name of the Service:
    pg-app-user rights --access-secret postgresql1-access --access-namespace postgres-system \\
      --app-namespace shop --service-account shop/ci
  For GitHub jobs with identity tokens, with the configuration of the API server:
    pg-app-user rights … --issuer github --repository-id 74 --environment production
  As an administrator who knows the Service:
    pg-app-user rights … --service postgresql1-user-access | kubectl apply -f -
`,
  precedence,
  codesOf('done', 'internal', 'usage'),
)

/** What the help of command `completion` says after the options. */
export const completionHelp = `
Examples:
  In bash, for this session; in ~/.bashrc, for every one:
    source <(pg-app-user completion bash)
  In zsh; in ~/.zshrc, put it after compinit:
    source <(pg-app-user completion zsh)
`
