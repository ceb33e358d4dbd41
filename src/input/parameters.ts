import { ways } from '../lib/via.ts'
import { roleSettings } from '../postgres/role-setting.ts'
import { sslModes } from '../postgres/sslmode.ts'
import { formatNames } from '../secrets/formats.ts'
import { profiles } from './profile.ts'
import { goLiveModes } from './ref.ts'

/** How the text of a parameter is read. */
export type Kind =
  | 'text'
  | 'fingerprints'
  | 'secret'
  | 'name'
  | 'identifier'
  | 'existing'
  | 'host'
  | 'port'
  | 'service'
  | 'list'
  | 'settings'
  | 'patterns'
  | 'choice'
  | 'choices'
  | 'flag'
  | 'duration'
  | 'pem'
  | 'authority'
  | 'address'

/** Where people meet the parameters: as inputs of the GitHub Action, inputs of the GitLab component, or options. */
export type Face = 'action' | 'gitlab' | 'cli'

/**
 * One parameter, as every face shows it: action.yml, the inputs of the GitLab component, the options of the command line
 * and the tables of the documents are made from these.
 */
export interface Parameter {
  readonly name: string
  readonly kind: Kind
  /** One sentence or two, plain text with backticks. */
  readonly description: string
  readonly required?: true
  readonly default?: string
  /** What a `choice` allows, and what each of `choices` may be. */
  readonly options?: readonly string[]
  /** The faces that do not have it, each with its reason. Where nothing is said, it exists. */
  readonly absent?: Partial<Readonly<Record<Face, string>>>
}

/** Where the go-live file is, unless an input says otherwise. */
export const defaultFile = '.pg-app-user/go-live.yaml'

/** The one table of parameters. */
export const parameters = [
  {
    name: 'kubeconfig',
    kind: 'secret',
    description:
      'Kubeconfig: its content, its content as base64, or a path (on a command line only a path). `in-cluster` is the ServiceAccount of the Pod in which this runs. Default: variable `KUBECONFIG`, then `KUBECONFIG_CONTENTS_B64`.',
    absent: {
      gitlab:
        'inputs of a component are visible to everyone who sees the pipeline, so the kubeconfig comes from the agent or a file variable `KUBECONFIG`',
    },
  },
  {
    name: 'context',
    kind: 'text',
    description: 'Context of the kubeconfig. Default: its current context, or the only one.',
  },
  {
    name: 'api-server',
    kind: 'address',
    description:
      'API server (https:// address) that trusts the identity tokens of the CI. It replaces the kubeconfig, so that nothing is stored. On GitHub, the job needs `permissions: id-token: write`; on a command line, set the token in the variable `PG_APP_USER_ID_TOKEN`.',
  },
  {
    name: 'api-server-ca',
    kind: 'authority',
    description:
      'Certificate authority of `api-server`: PEM text, base64 of it, or a path. Default: the authorities that this machine trusts.',
  },
  {
    name: 'api-server-audience',
    kind: 'text',
    default: 'pg-app-user',
    description: 'Audience of the identity token, as in the configuration of `api-server`.',
  },
  {
    name: 'expect-server',
    kind: 'text',
    description:
      'API server (URL or host) that the run must use; it stops if the kubeconfig names another. Only the address is compared: a kubeconfig can name this address and still lead elsewhere, with a proxy and a certificate authority of its own.',
  },
  {
    name: 'expect-ca',
    kind: 'fingerprints',
    description:
      'SHA-256 fingerprint, in hex, of the certificate authority that the kubeconfig must contain. The run stops if the kubeconfig contains any other, or none. Several are possible, as during a renewal: one per line or comma-separated. With `expect-server`, the kubeconfig may name no other `tls-server-name` than the host of its server.',
  },
  {
    name: 'access-secret',
    kind: 'name',
    required: true,
    description: "Name of the administrator's access Secret, such as `postgresql1-access`.",
  },
  {
    name: 'access-namespace',
    kind: 'name',
    required: true,
    description: 'Namespace of the access Secret, from the administrator.',
  },
  {
    name: 'via',
    kind: 'choice',
    options: ways,
    default: 'port-forward',
    description:
      'How the run reaches PostgreSQL: `port-forward` goes through the API server and works from anywhere; `direct` connects to `PGHOST`, as applications in the cluster do, and needs no rights on Services and Pods.',
  },
  {
    name: 'access-service',
    kind: 'service',
    description:
      'Service through which to reach PostgreSQL, in `access-namespace`. Default: `USER_ACCESS` of the access Secret; for a Secret of an operator, the Service of the primary.',
  },
  {
    name: 'access-host',
    kind: 'host',
    description:
      '`PGHOST` for applications, and the name that the certificate must contain. Default: as in the access Secret, else the name of the Service inside the cluster.',
  },
  {
    name: 'access-port',
    kind: 'port',
    description: '`PGPORT` for applications. Default: as in the access Secret, else 5432.',
  },
  {
    name: 'access-user',
    kind: 'existing',
    description:
      'Admin to log in as, with the password of the access Secret. Needed if that Secret holds only a password. Default: as in the access Secret.',
  },
  {
    name: 'access-sslmode',
    kind: 'choice',
    options: sslModes,
    description:
      '`PGSSLMODE` of the admin, and of applications unless `app-sslmode` is set. Default: as in the access Secret; for a Secret of an operator `require`.',
  },
  {
    name: 'access-database',
    kind: 'existing',
    description:
      'Database in which the admin does all work outside the database of the application. Needed if the server has no database `postgres`, or refuses the admin there. Default: `postgres`.',
  },
  {
    name: 'app-database',
    kind: 'identifier',
    required: true,
    description: 'Database of the application; created if it does not exist.',
  },
  {
    name: 'app-username',
    kind: 'identifier',
    description: 'PostgreSQL role of the application. Default: as `app-database`.',
  },
  {
    name: 'app-secret',
    kind: 'name',
    default: 'app-postgresql-secret',
    description: 'Name of the application Secret, which the application reads.',
  },
  {
    name: 'app-namespace',
    kind: 'name',
    description: 'Namespace of the application Secret. Default: the namespace of the context.',
  },
  {
    name: 'app-sslmode',
    kind: 'choice',
    options: sslModes,
    description:
      '`PGSSLMODE` of the application Secret, with the meanings of libpq; `no-verify` is for node-postgres. Default: as in the access Secret.',
  },
  {
    name: 'secret-format',
    kind: 'choices',
    options: formatNames,
    description:
      'Further formats in the application Secret, in addition to the variables of libpq: `url` (`DATABASE_URL`), `jdbc` (`SPRING_DATASOURCE_URL`, `_USERNAME` and `_PASSWORD`), `dotnet` (`ConnectionStrings__Default`); `servicebinding` writes a second Secret, `<app-secret>-binding`. One per line or comma-separated.',
  },
  {
    name: 'ssl-root-cert',
    kind: 'pem',
    description:
      'Certificate authority of PostgreSQL: PEM text, a path to it, or `system`. Default: key `ca.crt` of the access Secret.',
  },
  {
    name: 'database-owner',
    kind: 'choice',
    options: ['admin', 'app'],
    description:
      'Who owns the database: `admin` (the application cannot drop it) or `app`. Default: `admin`; a database that this tool did not create keeps its owner, unless you also set `existing: adopt`.',
  },
  {
    name: 'extensions',
    kind: 'list',
    description: 'Extensions to create in schema `public` of the database, one per line or comma-separated.',
  },
  {
    name: 'connect-roles',
    kind: 'list',
    description:
      'Further roles that keep CONNECT when it is revoked from PUBLIC, such as a pooler or a backup user, one per line or comma-separated.',
  },
  {
    name: 'role-settings',
    kind: 'settings',
    description: `Timeouts to set for the application's role in its database, such as \`lock_timeout=5s, idle_in_transaction_session_timeout=1min\`, one per line or comma-separated: ${Object.keys(
      roleSettings,
    )
      .map((name) => `\`${name}\``)
      .join(', ')}. A setting that is not listed stays as it is.`,
  },
  {
    name: 'existing',
    kind: 'choice',
    options: ['refuse', 'adopt'],
    default: 'refuse',
    description:
      'What to do with an existing role or database that this tool does not manage yet: refuse it, or adopt it (take it over).',
  },
  {
    name: 'unproven',
    kind: 'choice',
    options: ['refuse', 'accept'],
    default: 'refuse',
    description:
      'What to do if the server lets the admin or the application log in without a password, so that the login proves nothing.',
  },
  {
    name: 'dry-run',
    kind: 'flag',
    default: 'false',
    description: 'Read everything, change nothing, and show what would be done.',
  },
  {
    name: 'provision',
    kind: 'flag',
    default: 'true',
    description:
      'Whether to provision the application user. `false` runs only the go-live gate, which changes nothing and needs no right to write Secrets.',
    absent: {
      gitlab: 'two components replace it: `provision`, which can also gate, and `go-live` for the gate alone',
      cli: 'two commands replace it: `provision`, which can also gate, and `go-live` for the gate alone',
    },
  },
  {
    name: 'go-live',
    kind: 'choice',
    options: goLiveModes,
    default: 'off',
    description:
      'Whether to check that the database is ready for production: `warn` reports; `enforce` fails the step; `auto` enforces if the pushed ref matches `release-branches` or no ref is known, and warns otherwise and for pull requests.',
  },
  {
    name: 'go-live-profile',
    kind: 'choice',
    options: profiles,
    description: 'The plan that was ordered. Required unless `go-live` is `off`.',
  },
  {
    name: 'go-live-file',
    kind: 'text',
    description: `Path of the go-live file, with your own thresholds, attestations and waivers. Default: \`${defaultFile}\`, if it exists.`,
  },
  {
    name: 'release-branches',
    kind: 'patterns',
    default: 'main, release/**, tag:v*',
    description:
      'Refs for which `go-live: auto` enforces: patterns for branches, and for tags with the prefix `tag:`, one per line or comma-separated.',
  },
  {
    name: 'run',
    kind: 'text',
    description:
      'What to run against the database, such as `npx prisma migrate deploy`, in a shell that stops at the first error. The Action runs it after provisioning and the gate. It gets variables (`PGHOST`, `DATABASE_URL` and others) with a login that exists only while it runs. If it fails, the step fails; a job of GitLab ends with its exit code.',
    absent: { cli: 'command `exec` takes a command' },
  },
  {
    name: 'exec-timeout',
    kind: 'duration',
    description:
      'How long the command that runs against the database may take. Default: `30m`; on a terminal, no limit.',
  },
  {
    name: 'exec-lock-timeout',
    kind: 'duration',
    description:
      '`lock_timeout` of the sessions of the command, such as `5s`: how long a statement waits for a lock. It also ends the wait of migration tools for each other, and a `CREATE INDEX CONCURRENTLY` on a busy table. Default: as on the server.',
  },
  {
    name: 'timeout',
    kind: 'duration',
    default: '5m',
    description:
      'How long the whole run may take, such as `90s`, `5m` or `1h`. A command that runs against the database has its own limit.',
  },
] as const satisfies readonly Parameter[]

/** The name of a parameter. */
export type ParameterName = (typeof parameters)[number]['name']

/** One parameter of the table. */
export type NamedParameter = Parameter & { readonly name: ParameterName }

/** Returns the parameters that a face has. */
export function parametersOf(face: Face): readonly NamedParameter[] {
  const all: readonly NamedParameter[] = parameters
  return all.filter(({ absent }) => absent?.[face] === undefined)
}

/** Returns what a parameter means, what it allows and what holds where it is not given: the same text on every face. */
export function meaning({ description, options, required, default: value }: Parameter): string {
  return [
    ...(required ? [`**Required.** ${description}`] : [description]),
    ...(options ? [`One of ${options.map((option) => `\`${option}\``).join(', ')}.`] : []),
    ...(value === undefined ? [] : [`Default: \`${value}\`.`]),
  ].join(' ')
}
