import type { Profile } from '../input/profile.ts'
import type { ServerCertificate } from '../postgres/certificate.ts'
import type { ServerState } from '../postgres/state.ts'
import type { ApplicationSecret } from '../secrets/application-secret.ts'
import type { GoLiveFile } from './file.ts'
import type { Evidence } from './finding.ts'
import type { ApplicationSight } from './observe-application.ts'
import type { ClusterSight } from './observe-cluster.ts'
import type { Health } from './observe-health.ts'
import type { Inside } from './observe-inside.ts'
import type { RpoProbe, SqlSight } from './observe-sql.ts'
import type { Thresholds } from './requirement.ts'
import type { Seen } from './seen.ts'

/** Everything that was seen, for the judge to weigh. */
export interface Observations {
  /** The moment for which is judged: that of the runner's clock. */
  readonly at: Date
  readonly sql: SqlSight
  readonly server: ServerState
  readonly health: Health
  /** What the application's own login sees; absent where it does not log in. */
  readonly inside: Inside | undefined
  /** Absent where the server offers no TLS. */
  readonly certificate: Seen<ServerCertificate> | undefined
  readonly cluster: ClusterSight
  readonly application: ApplicationSight
  readonly secret: ApplicationSecret | undefined
  /** `shop/app-postgresql-secret`. */
  readonly secretRef: string
  /** Whether this run wrote the Secret, so that no Pod can have it yet. */
  readonly secretChangedNow: boolean
  readonly username: string
  readonly database: string
  /** The host that applications are to use for the server that was looked at. */
  readonly host: string
  /** What came of logging in with the application Secret. */
  readonly login: Evidence
  /** Why it does not log in; absent where it does, and where there is no Secret. */
  readonly loginRefused: string | undefined
  /** What came of the live probe, or why there was none although the file asks for it. */
  readonly probe: RpoProbe | { readonly reason: string } | undefined
}

/** By what is judged. */
export interface Rules {
  readonly profile: Profile
  readonly thresholds: Thresholds
  readonly file: GoLiveFile
}
