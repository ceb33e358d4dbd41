import type { Deadline } from './deadline.ts'
import { Failure } from './failure.ts'
import type { Journal } from './journal.ts'
import { stopwatch } from './journal.ts'
import { readAccessSecret, type AccessSecret } from './kubernetes/access-secret.ts'
import type { Api, Identity } from './kubernetes/api.ts'
import { loadCluster } from './kubernetes/kubeconfig.ts'
import {
  endpointRights,
  namedRights,
  permissionFailure,
  permissionReport,
  reviewRights,
  serviceRights,
  type PermissionReport,
} from './kubernetes/permissions.ts'
import { readService, resolvePod } from './kubernetes/service.ts'
import { openTunnel } from './kubernetes/tunnel.ts'
import type { Server } from './postgres/session.ts'
import type { ProvisionRequest } from './request.ts'
import { count } from './text.ts'

/** A cluster that is reached, with the right to do what the run is for. */
export interface Cluster {
  readonly api: Api
  /** Of the application. */
  readonly namespace: string
  readonly access: AccessSecret
}

/**
 * Finds the cluster, says which it is and as whom the run acts, and makes sure of every right and of the access Secret
 * before anything is changed.
 *
 * @param opened told about the API as soon as there is one, so that it gets closed whatever happens
 */
export async function connect(
  request: ProvisionRequest,
  journal: Journal,
  deadline: Deadline,
  opened: (api: Api) => void,
): Promise<Cluster> {
  deadline.enter('the cluster')
  const timer = stopwatch()
  const found = await loadCluster(request, journal.mask)
  const namespace = request.appNamespace ?? found.namespace
  if (namespace === undefined) {
    throw new Failure(
      'namespace-missing',
      `Context "${found.context}" of the kubeconfig names no namespace, and input "app-namespace" is empty.`,
      ['The application Secret would land in "default", which is never right. Set input "app-namespace".'],
    )
  }
  journal.cluster = { server: found.server, namespace }
  const api = await found.connect(deadline.signal)
  opened(api)
  const identity = await api.identity()
  const where = `${found.server} · context ${found.context} · namespace ${namespace}`
  deadline.enter('permissions')
  journal.step('right', 'cluster', `${where}\nas ${identity.name} · kubeconfig from ${found.source}`, timer())
  return { api, namespace, access: await authorize(api, identity, request, namespace, journal) }
}

/**
 * Two rounds of rights, with the access Secret read in between as soon as that is allowed: only it can name the
 * Service, and the administrator should get one complete list.
 */
async function authorize(
  api: Api,
  identity: Identity,
  request: ProvisionRequest,
  appNamespace: string,
  journal: Journal,
): Promise<AccessSecret> {
  const { accessNamespace, accessSecret } = request
  const review = stopwatch()
  const named = await reviewRights(api, identity, namedRights({ ...request, appNamespace }))
  const unreadable = named.missing.some(
    ({ namespace, resource, name }) =>
      namespace === accessNamespace && resource === 'secrets' && name === accessSecret,
  )
  if (unreadable) {
    const rights = [...named.rights, ...serviceRights(accessNamespace)]
    throw missing(permissionReport(identity, rights, named.missing), journal)
  }
  const timer = stopwatch()
  const access = await readAccessSecret(api, accessNamespace, accessSecret, journal.mask)
  const readSeconds = timer()
  const report = await reviewRights(api, identity, serviceRights(accessNamespace, access.service), named)
  if (report.missing.length > 0) throw missing(report, journal)
  journal.permissions = report
  const total = report.rights.length
  journal.step('right', 'permissions', `${total} of ${count(total, 'right')}`, review() - readSeconds)
  journal.step(
    'right',
    'access Secret',
    `${access.ref} · ${count(access.keyCount, 'key')}, well formed`,
    readSeconds,
  )
  return access
}

/** Finds the Pod behind the Service. Each session gets a tunnel of its own to it. */
export async function locate(
  { api, access }: Cluster,
  request: ProvisionRequest,
  journal: Journal,
  deadline: Deadline,
): Promise<Server> {
  deadline.enter('the tunnel')
  const timer = stopwatch()
  const { accessNamespace } = request
  const service = await readService(api, accessNamespace, access.service)
  if (service.selector === undefined && journal.permissions !== undefined) {
    const { identity } = journal.permissions
    const rights = endpointRights(accessNamespace, access.service)
    const report = await reviewRights(api, identity, rights, journal.permissions)
    if (report.missing.length > 0) throw missing(report, journal)
  }
  const { pod, port } = await resolvePod(api, service, access.port)
  let said = false
  return {
    deadline,
    applicationName: request.runName,
    dial: async () => {
      const target = { namespace: accessNamespace, service: access.service, pod, port }
      const tunnel = await openTunnel(api, target, deadline.signal)
      if (!said) journal.step('right', 'tunnel', `svc/${access.service} → Pod ${pod} port ${port}`, timer())
      said = true
      return tunnel
    },
  }
}

function missing(report: PermissionReport, journal: Journal): Failure {
  journal.permissions = report
  journal.reporter.detail('Role and RoleBinding for the administrator', report.manifest.split('\n'))
  return permissionFailure(report)
}
