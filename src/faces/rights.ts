import { applicationGateRights, databaseGateRights, wayGateRights } from '../go-live/gate-rights.ts'
import { Failure } from '../lib/failure.ts'
import { numbered, sentence } from '../lib/text.ts'
import { authenticationManifest, platforms, userOf, type Jobs } from '../rights/authentication.ts'
import { roleManifests } from '../rights/manifest.ts'
import { runRights, type PermissionScope } from '../rights/permissions.ts'

/** Who gets the rights: the ServiceAccount of a pipeline. */
interface PipelineAccount {
  readonly namespace: string
  readonly name: string
}

/**
 * Stands for an account that was not named. Nothing in a cluster can have such a name, so that an API server refuses
 * the manifest until somebody fills it in.
 */
const unnamed: PipelineAccount = { namespace: '%namespace%', name: '%ServiceAccount%' }

/** What a ticket asks for, and for whom. */
export interface TicketOptions {
  readonly account?: PipelineAccount | undefined
  /** A user or a group in the place of an account. */
  readonly subject?: { readonly user: string } | { readonly group: string } | undefined
  /** Jobs of a CI that the API server is to trust, in the place of an account. */
  readonly jobs?: Jobs | undefined
  /** The Service that key USER_ACCESS of the access Secret names, where it is known. */
  readonly service?: string | undefined
  /** Whether it asks for what the go-live gate would like to have as well. */
  readonly goLive?: boolean
}

/**
 * Returns the YAML of the Roles and RoleBindings that a run with these inputs needs, from the inputs alone: the ticket
 * to the administrator comes before the first red pipeline.
 */
export function formatRights(
  scope: PermissionScope,
  { account = unnamed, subject, jobs, service, goLive }: TicketOptions,
): string {
  const rights = [
    ...runRights(scope, service),
    ...(goLive === true
      ? [...wayGateRights(scope, service), ...databaseGateRights(scope), ...applicationGateRights(scope)]
      : []),
  ]
  if (jobs !== undefined) {
    const manifest = roleManifests({ name: userOf(jobs), certain: true }, rights)
    return `${authenticationManifest(jobs)}---\n${manifest}`
  }
  if (subject !== undefined) {
    const [name, group] = 'group' in subject ? [subject.group, true] : [subject.user, false]
    return roleManifests({ name, certain: true, group }, rights)
  }
  return roleManifests(
    { name: `system:serviceaccount:${account.namespace}:${account.name}`, certain: true },
    rights,
  )
}

/** What the options say about who gets the rights. */
export interface ReceiverOptions {
  readonly serviceAccount?: string | undefined
  readonly user?: string | undefined
  readonly group?: string | undefined
  readonly issuer?: string | undefined
  readonly issuerUrl?: string | undefined
  readonly repositoryId?: string | undefined
  readonly projectId?: string | undefined
  readonly environment?: string | undefined
}

/**
 * Returns who gets the rights.
 *
 * @throws Failure `input-invalid`, for options that are wrong or exclude each other
 */
export function receiverOf(
  options: ReceiverOptions,
  audience: string,
): Pick<TicketOptions, 'account' | 'subject' | 'jobs'> {
  const { serviceAccount, user, group, issuer } = options
  const given = Object.entries({
    '--service-account': serviceAccount,
    '--user': user,
    '--group': group,
    '--issuer': issuer,
  })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name)
  if (given.length > 1) {
    throw new Failure(
      'input-invalid',
      `Options ${sentence(given)} each say who gets the rights: give one of them.`,
      [],
    )
  }
  if (issuer !== undefined) return { jobs: jobsOf(options, audience) }
  const stray = [
    ['--issuer-url', options.issuerUrl],
    ['--repository-id', options.repositoryId],
    ['--project-id', options.projectId],
    ['--environment', options.environment],
  ].flatMap(([name = '', value]) => (value === undefined ? [] : [name]))
  if (stray.length > 0)
    throw new Failure(
      'input-invalid',
      `${numbered('Option', stray.length)} ${sentence(stray)} ${stray.length === 1 ? 'needs' : 'need'} option --issuer.`,
      [],
    )
  if (user !== undefined) return { subject: { user } }
  if (group !== undefined) return { subject: { group } }
  if (serviceAccount === undefined) return {}
  const [, namespace, name] = /^([a-z0-9-]+)\/([a-z0-9.-]+)$/.exec(serviceAccount) ?? []
  if (namespace === undefined || name === undefined) {
    throw new Failure(
      'input-invalid',
      'Option --service-account has to be namespace/name, such as shop/ci.',
      [],
    )
  }
  return { account: { namespace, name } }
}

function jobsOf(
  { issuer = '', issuerUrl, repositoryId, projectId, environment }: ReceiverOptions,
  audience: string,
): Jobs {
  const platform = issuer === 'github' || issuer === 'gitlab' ? issuer : undefined
  if (platform === undefined)
    throw new Failure('input-invalid', 'Option --issuer has to be github or gitlab.', [])
  const { option } = platforms[platform]
  const id = platform === 'github' ? repositoryId : projectId
  const other = platform === 'github' ? projectId : repositoryId
  const wrong = [
    ...(/^\d+$/.test(id ?? '')
      ? []
      : [
          platform === 'github'
            ? `--${option} is a number: gh api repos/OWNER/REPO --jq .id`
            : `--${option} is a number: GitLab shows it on the page of the project, as the variable CI_PROJECT_ID does`,
        ]),
    ...(other === undefined
      ? []
      : [`--${platform === 'github' ? 'project-id' : 'repository-id'} is not for ${platform}`]),
    ...(environment === undefined || !/^[\w ./-]+$/.test(environment)
      ? [
          '--environment names the environment of the jobs, such as production: letters, digits, space and ._/-',
        ]
      : []),
    ...(issuerUrl === undefined || /^https:\/\/[\w.:/-]+$/.test(issuerUrl)
      ? []
      : ['--issuer-url is an https:// address, written exactly as the claim iss of a token']),
  ]
  if (wrong.length > 0 || id === undefined || environment === undefined) {
    throw new Failure(
      'input-invalid',
      `Option --issuer ${platform} needs to know whose jobs are let in.`,
      wrong,
    )
  }
  return { platform, url: issuerUrl, id, environment, audience }
}
