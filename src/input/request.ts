import type { Via } from '../lib/via.ts'
import type { RoleSetting } from '../postgres/role-setting.ts'
import type { SslMode } from '../postgres/sslmode.ts'
import type { AccessInputs } from '../secrets/access-form.ts'
import { bindingName } from '../secrets/binding.ts'
import type { FormatName } from '../secrets/formats.ts'
import type { Profile } from './profile.ts'
import type { Enforcement } from './ref.ts'

/** Where a kubeconfig may come from, in the order in which the sources are asked. Each is text, base64 or a path. */
export interface KubeconfigSources {
  /** Input `kubeconfig`. */
  readonly input?: string | undefined
  /** Variable KUBECONFIG: content, or a list of paths. */
  readonly KUBECONFIG?: string | undefined
  /** Variable KUBECONFIG_CONTENTS_B64. */
  readonly KUBECONFIG_CONTENTS_B64?: string | undefined
  /** The file a person at a terminal would use; never set in CI. */
  readonly homeFile?: string | undefined
  /** Whether the identity of the Pod counts where nothing else is given. Never set in CI, nor where an empty value was given. */
  readonly orPod?: boolean
  /** The folder in which the files of the Pod are found. Default: the root. */
  readonly podRoot?: string
  /** Why there may be none here, said in the error when all of the above are empty. */
  readonly absenceHint: readonly string[]
}

/** Who vouches for a job: a CI that gives it identity tokens (OpenID Connect). */
export interface Issuer {
  /** `GitHub`, `GitLab`. */
  readonly name: string
  /** What to do where the job gets no token. */
  readonly absenceHint: readonly string[]
  /** Whether a further token may be asked for. */
  readonly asks: boolean
  /** Where its tokens are from, as far as it is known. */
  readonly url?: RegExp
  /** The claims that a token of this job has, as far as they are known: `repository_id`. */
  readonly claims: Readonly<Record<string, string | undefined>>
  /** Returns a token; nothing where this job gets none. */
  token(audience: string): Promise<string | undefined>
}

/** An API server that trusts the issuer of the CI. */
export interface WorkloadRequest {
  readonly server: string
  /** PEM. Default: the authorities of the machine. */
  readonly authority?: string | undefined
  readonly audience: string
  readonly issuer: Issuer
}

/** Which cluster a run speaks to, and as whom. */
export interface ClusterRequest {
  readonly kubeconfig: KubeconfigSources
  /** The CI's own identity, in the place of a kubeconfig. */
  readonly workload?: WorkloadRequest | undefined
  readonly context?: string | undefined
  /** The API server this run must be talking to: a URL or a host. */
  readonly expectServer?: string | undefined
  /** SHA-256 fingerprints, each as `plainFingerprint` gives it, of the authorities that the kubeconfig may name. */
  readonly expectCa?: readonly string[] | undefined
}

/** What the go-live gate has to know. */
export interface GoLiveRequest {
  readonly enforcement: Enforcement
  /** What is released, as Git names it; absent where nothing is known, as on a laptop. */
  readonly commit?: string | undefined
  readonly profile: Profile
  /** Path of the go-live file. */
  readonly file: string
  /** Whether an input names it: then it has to be there. */
  readonly fileNamed: boolean
}

/** A command that a run starts once the database is as it should be. */
export interface CommandRequest {
  /** A program with its arguments, or lines of a shell. */
  readonly what: readonly [string, ...string[]] | string
  /** What its environment is made of. */
  readonly environment: NodeJS.ProcessEnv
  /** When it must be over; absent where it may take as long as it does. */
  readonly timeoutMs?: number | undefined
  /** `lock_timeout` of its sessions; absent where the server's counts. */
  readonly lockTimeoutMs?: number | undefined
}

/** Everything a run needs to know, parsed and complete. */
export interface ProvisionRequest extends ClusterRequest {
  readonly accessSecret: string
  readonly accessNamespace: string
  /** Default: port-forward. */
  readonly via?: Via | undefined
  /** What is said of the way to PostgreSQL, beside the access Secret. */
  readonly access?: AccessInputs
  readonly appDatabase: string
  readonly appUsername: string
  readonly appSecret: string
  /** Default: the namespace of the context. */
  readonly appNamespace?: string | undefined
  /** Default: as in the access Secret. */
  readonly appSslMode?: SslMode | undefined
  /** In which forms the application Secret holds the login, beside the names of libpq. */
  readonly secretFormats: readonly FormatName[]
  /** PEM of the certificate authority, or `system`. Default: key `ca.crt` of the access Secret. */
  readonly sslRootCert?: string | undefined
  /** Absent where nothing was asked for: `admin` for a database of ours, and as found on an adopted one. */
  readonly databaseOwner?: 'admin' | 'app' | undefined
  readonly extensions: readonly string[]
  readonly connectRoles: readonly string[]
  /** Settings that the application's role is to have in its database. */
  readonly roleSettings: readonly RoleSetting[]
  readonly existing: 'refuse' | 'adopt'
  readonly unproven: 'refuse' | 'accept'
  readonly dryRun: boolean
  /** Default: true. False is the gate alone, which changes nothing. */
  readonly provision?: boolean
  /** Absent where the gate is off. */
  readonly goLive?: GoLiveRequest | undefined
  /** Absent where none was asked for. */
  readonly command?: CommandRequest | undefined
  /** When the run must be over, or the command begun. */
  readonly timeoutMs: number
  /** Names the pipeline run in `application_name`, so that a waiting run can say whom it waits for. */
  readonly runName: string
}

/** Returns the names in a request that the run shows by design. */
export function namesOf(request: ProvisionRequest): readonly string[] {
  const { accessSecret, accessNamespace, appDatabase, appUsername, appSecret, appNamespace } = request
  const named = [accessSecret, accessNamespace, appDatabase, appUsername, appSecret, appNamespace ?? '']
  const binding = bindingName(appSecret, request.secretFormats) ?? ''
  const { host = '', service = '', user = '', database = '' } = request.access ?? {}
  const theirs = [host, service, user, database]
  return [...named, binding, ...theirs, ...request.extensions, ...request.connectRoles]
}

/** Returns what a run is about to do, for the first line of its log. */
export function titleOf({ appUsername, command, dryRun, goLive, provision }: ProvisionRequest): string {
  if (provision === false && goLive === undefined && command !== undefined) return `exec for ${appUsername}`
  if (provision === false) return `go-live gate of ${appUsername}`
  return `${dryRun ? 'dry run' : 'provision'} ${appUsername}`
}
