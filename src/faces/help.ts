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
  An option wins over its variable (PG_APP_USER_ and the name in capitals, with _ for -), a variable over the
  default. An option that is given empty stands for the default, whatever its variable says.
  Lists: repeat the option, or separate by commas.
`
const kubeconfig = `
The kubeconfig:
  --kubeconfig <path>, then KUBECONFIG, then KUBECONFIG_CONTENTS_B64, then on a terminal ~/.kube/config. Both
  variables may hold the content itself; an option may not, because every process here can read it.
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

The options of a command: pg-app-user <command> --help; all of them, with their variables: --help --all
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
  In a script, with the result for a machine:
    pg-app-user provision … --yes --output json | jq -r '."secret-resource-version"'
  Two extensions, and a pooler that keeps its way in:
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
  Hold back what does not meet the standard plan, and keep the evidence:
    pg-app-user go-live --access-secret postgresql1-access --access-namespace postgres-system \\
      --app-namespace shop --app-database shop --go-live-profile standard --report-directory report
  Look, without failing:
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
  `  That of the command; 126 and 127 where it could not be started, 128 and its number after a signal.
${codesOf('command', 'cancelled')}`,
)

/** What the help of command `rights` says after the options. */
export const rightsHelp = after(
  'rights',
  `
Examples:
  A ticket to the administrator, complete but for the name of the Service:
    pg-app-user rights --access-secret postgresql1-access --access-namespace postgres-system \\
      --app-namespace shop --service-account shop/ci
  For jobs of GitHub by their own identity, with what the API server has to trust them:
    pg-app-user rights … --issuer github --repository-id 74 --environment production
  As an administrator, who knows the Service as well:
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
  In zsh, the same; in ~/.zshrc it comes after compinit:
    source <(pg-app-user completion zsh)
`
