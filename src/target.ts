import type { Deadline } from './deadline.ts'
import { Failure } from './failure.ts'
import type { Journal } from './journal.ts'
import { stopwatch } from './journal.ts'
import { readAccessSecret, type AccessSecret } from './kubernetes/access-secret.ts'
import type { Api } from './kubernetes/api.ts'
import { readApplicationSecret, type ApplicationSecret } from './kubernetes/application-secret.ts'
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
import { Route } from './kubernetes/route.ts'
import type { Server } from './postgres/connection.ts'
import type { ProvisionRequest } from './request.ts'
import { count, oneLine, sentence } from './text.ts'
import { underWay } from './under-way.ts'

/** A cluster that is reached, with the right to do what the run is for. */
export interface Cluster {
  readonly api: Api
  /** Of the application. */
  readonly namespace: string
  readonly access: AccessSecret
  /** The application Secret as it was when the run began. */
  readonly secret: ApplicationSecret | undefined
  readonly server: Server
  /** What is forwarded to, and the selector of the Service that led there, if it has one. */
  readonly pod: string
  readonly selector: Readonly<Record<string, string>> | undefined
}

/**
 * Finds the cluster, says which it is and as whom the run acts, makes sure of every right, and finds the way to
 * PostgreSQL. Nothing is changed.
 *
 * Everything is asked for as soon as it is known what to ask for, because each answer costs a round trip to an API
 * server that may be far away; what the answers say counts in the order of the story.
 *
 * @param opened told about the API as soon as there is one, so that it gets closed whatever happens
 */
export async function connect(
  request: ProvisionRequest,
  journal: Journal,
  deadline: Deadline,
  opened: (api: Api) => void,
): Promise<Cluster> {
  const { accessNamespace, accessSecret, appSecret } = request
  deadline.enter('the cluster')
  const timer = stopwatch()
  const found = loadCluster(request, journal.mask)
  const namespace = request.appNamespace ?? found.namespace
  if (namespace === undefined) {
    throw new Failure(
      'namespace-missing',
      `Context "${oneLine(found.context)}" of the kubeconfig names no namespace, and input "app-namespace" is empty.`,
      ['The application Secret would land in "default", which is never right. Set input "app-namespace".'],
    )
  }
  journal.cluster = { server: found.server, namespace }
  journal.reporter.publish([namespace, found.context, new URL(found.server).host])
  const api = await found.connect(deadline.signal)
  opened(api)
  const reading = stopwatch()
  // First, because these are what the next requests wait for.
  const access = underWay(readAccessSecret(api, accessNamespace, accessSecret, journal.mask))
  const read = underWay(access.then(reading))
  const route = new Route(api, accessNamespace, access, deadline.signal)
  const identity = underWay(api.identity())
  const named = underWay(reviewRights(api, identity, namedRights({ ...request, appNamespace: namespace })))
  const all = underWay(
    access.then(({ service }) => reviewRights(api, identity, serviceRights(accessNamespace, service), named)),
  )
  const secret = underWay(readApplicationSecret(api, namespace, appSecret, journal.mask))
  const as = `as ${(await identity).name} · kubeconfig from ${oneLine(found.source)}`
  const where = [
    found.server,
    ...(found.proxy === undefined ? [] : [`proxy ${found.proxy}`]),
    ...(found.compared.length === 0 ? [] : [`as in ${sentence(found.compared)}`]),
    `context ${oneLine(found.context)}`,
    `namespace ${oneLine(namespace)}`,
  ].join(' · ')
  journal.step('right', 'cluster', `${where}\n${as}`, timer())

  deadline.enter('permissions')
  const asked = stopwatch()
  const { rights } = await authorize(api, await named, all, route, request, journal)
  journal.step('right', 'permissions', `${rights.length} of ${count(rights.length, 'right')}`, asked())
  const { ref, keyCount } = await access
  journal.step('right', 'access Secret', `${ref} · ${count(keyCount, 'key')}, well formed`, await read)

  deadline.enter('the tunnel')
  const looked = stopwatch()
  const { service, pod, port } = await route.target
  let said = false
  const server: Server = {
    deadline,
    applicationName: request.runName,
    dial: async () => {
      const tunnel = await route.dial()
      if (!said) journal.step('right', 'tunnel', `svc/${service} → Pod ${pod} port ${port}`, looked())
      said = true
      return tunnel
    },
  }
  const { selector } = await route.service
  return { api, namespace, access: await access, secret: await secret, server, pod, selector }
}

/**
 * Judges two rounds of rights, with the access Secret in between: only it can name the Service, and the administrator
 * should get one complete list.
 */
async function authorize(
  api: Api,
  named: PermissionReport,
  all: Promise<PermissionReport>,
  route: Route,
  request: ProvisionRequest,
  journal: Journal,
): Promise<PermissionReport> {
  const { accessNamespace, accessSecret } = request
  const { identity } = named
  const unreadable = named.missing.some(
    ({ namespace, resource, name }) =>
      namespace === accessNamespace && resource === 'secrets' && name === accessSecret,
  )
  if (unreadable) {
    const rights = [...named.rights, ...serviceRights(accessNamespace)]
    throw missing(permissionReport(identity, rights, named.missing), journal)
  }
  const report = await all
  if (report.missing.length > 0) throw missing(report, journal)
  journal.permissions = report
  const { selector, name } = await route.service
  if (selector !== undefined) return report
  const whole = await reviewRights(api, identity, endpointRights(accessNamespace, name), report)
  if (whole.missing.length > 0) throw missing(whole, journal)
  journal.permissions = whole
  return whole
}

function missing(report: PermissionReport, journal: Journal): Failure {
  journal.permissions = report
  return permissionFailure(report)
}
