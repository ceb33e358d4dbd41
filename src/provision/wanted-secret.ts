import type { ProvisionRequest } from '../input/request.ts'
import type { Login } from '../postgres/attempt.ts'
import type { Cluster } from '../run/target.ts'
import type { ApplicationSecret, ApplicationValues } from '../secrets/application-secret.ts'
import type { SecretPlan, WantedSecret } from '../secrets/plan-secret.ts'
import { judgePublished } from '../secrets/published.ts'

/**
 * Returns what the application Secret is to hold.
 *
 * @param password what it holds already, or a new one
 */
export function wantedSecret(request: ProvisionRequest, cluster: Cluster, password: string): WantedSecret {
  const { access } = cluster
  const ca = request.sslRootCert ?? access.ca
  return {
    namespace: cluster.namespace,
    name: request.appSecret,
    values: {
      PGHOST: access.host,
      PGPORT: String(access.port),
      PGUSER: request.appUsername,
      PGPASSWORD: password,
      PGDATABASE: request.appDatabase,
      PGSSLMODE: request.appSslMode ?? access.sslMode,
      ...(access.replicaHost !== undefined && { PGHOST_REPLICA: access.replicaHost }),
      ...(ca !== undefined && ca !== 'system' && { 'ca.crt': ca }),
    },
    explicit: new Set([
      // `access-sslmode` is no such wish: where the access Secret holds no mode, every run has to name one for the admin.
      ...(request.appSslMode === undefined ? [] : (['PGSSLMODE'] as const)),
      ...(request.access?.port === undefined ? [] : (['PGPORT'] as const)),
      ...(request.sslRootCert === undefined ? [] : (['ca.crt'] as const)),
    ]),
    formats: request.secretFormats,
  }
}

/** Returns what the application Secret is going to hold. */
export function publishedValues(
  secret: ApplicationSecret | undefined,
  plan: SecretPlan,
  wanted: WantedSecret,
): ApplicationValues {
  return { ...wanted.values, ...secret?.values, ...(plan.kind === 'keep' ? {} : plan.values) }
}

/**
 * Returns how the application will log in: with what the Secret will hold, because that is what has to be proven. What
 * needs a look in there and stops nothing is noted.
 *
 * @throws Failure `secret-invalid` or `access-secret-invalid` for a value that no client could use
 */
export function applicationLogin(
  request: ProvisionRequest,
  cluster: Cluster,
  secret: ApplicationSecret | undefined,
  plan: SecretPlan,
  wanted: WantedSecret,
  note: (text: string) => void,
): Login {
  const published = publishedValues(secret, plan, wanted)
  const { sslMode, notes } = judgePublished(published, wanted, cluster.access.ref)
  for (const text of notes) note(text)
  return {
    user: request.appUsername,
    database: request.appDatabase,
    host: cluster.access.host,
    password: published.PGPASSWORD ?? '',
    sslMode,
    ca: request.sslRootCert ?? published['ca.crt'],
  }
}
