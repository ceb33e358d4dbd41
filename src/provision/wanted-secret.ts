import type { ProvisionRequest } from '../input/request.ts'
import { Failure } from '../lib/failure.ts'
import { input } from '../lib/spelling.ts'
import { oneLine } from '../lib/text.ts'
import type { Login } from '../postgres/attempt.ts'
import { isSslMode, sslModes } from '../postgres/sslmode.ts'
import type { Cluster } from '../run/target.ts'
import type { ApplicationSecret } from '../secrets/application-secret.ts'
import type { SecretPlan, WantedSecret } from '../secrets/plan-secret.ts'

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
      ...(request.appSslMode === undefined ? [] : (['PGSSLMODE'] as const)),
      ...(request.sslRootCert === undefined ? [] : (['ca.crt'] as const)),
    ]),
    formats: request.secretFormats,
  }
}

/**
 * Returns how the application will log in: with what the Secret will hold, because that is what has to be proven.
 *
 * @throws Failure `secret-invalid` where its PGSSLMODE is none
 */
export function applicationLogin(
  request: ProvisionRequest,
  cluster: Cluster,
  secret: ApplicationSecret | undefined,
  plan: SecretPlan,
  { values, namespace, name }: WantedSecret,
): Login {
  const published = { ...values, ...secret?.values, ...(plan.kind === 'keep' ? {} : plan.values) }
  const sslMode = published.PGSSLMODE ?? ''
  if (!isSslMode(sslMode)) {
    throw new Failure(
      'secret-invalid',
      `PGSSLMODE of ${namespace}/${name} is "${oneLine(sslMode, 40)}", which is none of ${sslModes.join(', ')}.`,
      [`It was set by hand. Put it right, or set ${input('app-sslmode')}, which wins over it.`],
    )
  }
  return {
    user: request.appUsername,
    database: request.appDatabase,
    host: cluster.access.host,
    password: published.PGPASSWORD ?? '',
    sslMode,
    ca: request.sslRootCert ?? published['ca.crt'],
  }
}
