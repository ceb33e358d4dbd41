import type { ProvisionRequest } from '../input/request.ts'
import { loadCluster } from '../kubeconfig/kubeconfig.ts'
import type { Api } from '../kubernetes/api.ts'
import type { Identity } from '../kubernetes/identity.ts'
import { waitsUntil, type Deadline } from '../lib/deadline.ts'
import { Failure } from '../lib/failure.ts'
import { switchOf, type Passing } from '../lib/passing.ts'
import { input, inputs } from '../lib/spelling.ts'
import { capitalized, count, oneLine, sentence } from '../lib/text.ts'
import { underWay } from '../lib/under-way.ts'
import type { Server } from '../postgres/connection.ts'
import { familyOf, type Keeper } from '../providers/providers.ts'
import {
  endpointRight,
  missingOf,
  permissionFailure,
  permissionReport,
  runRights,
  serviceRight,
  type PermissionReport,
  type PermissionScope,
} from '../rights/permissions.ts'
import { Route } from '../route/route.ts'
import type { Service } from '../route/service.ts'
import { type Way, directly, throughTunnels, type Whereabouts } from '../route/way.ts'
import { readAccessSecret, type AccessSecret } from '../secrets/access-secret.ts'
import { readApplicationSecret, type ApplicationSecret } from '../secrets/application-secret.ts'
import { bindingName, readBinding, type BindingSecret } from '../secrets/binding.ts'
import type { Journal } from './journal.ts'
import { stopwatch } from './journal.ts'
import { Patience } from './patience.ts'

/** A cluster that is reached, with the right to do what the run is for. */
export interface Cluster {
  readonly api: Api
  /** Of the application. */
  readonly namespace: string
  readonly access: AccessSecret
  /** Which operator keeps PostgreSQL, where the access Secret or the Service tells. */
  readonly keeper: Keeper | undefined
  /** The application Secret as it was when the run began. */
  readonly secret: ApplicationSecret | undefined
  /** The service binding as it was when the run began; absent as well where none is asked for. */
  readonly binding: BindingSecret | undefined
  readonly server: Server
  /** The same way, for those who go on when the run's own time is over, and say nothing of it. */
  readonly way: Pick<Way, 'dial' | 'renew'>
  /** For looks at what is behind the Service: each finds afresh where that leads. */
  readonly patience: Patience
  /** What leads to the database, for messages: `svc/postgresql1-user-access`, `PGHOST postgresql1.example.com`. */
  readonly entry: string
  /** Returns where the database is now, as far as the run may know. */
  readonly whereTo: () => Promise<Whereabouts>
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
  const namespace = namespaceFor(request, found)
  journal.cluster = { server: found.server, namespace }
  journal.reporter.publish([namespace, found.context ?? namespace, new URL(found.server).host])
  const api = await found.connect(deadline.signal)
  opened(api)
  const waited = new Set<string>()
  api.whenWaiting((obstacle) => {
    deadline.waitFor(obstacle)
    const { what } = obstacle
    if (!waited.has(what)) journal.step('attention', 'waiting', `${what};\n${waitsUntil(deadline)}`)
    waited.add(what)
  })
  const reading = stopwatch()
  // First, because these are what the next requests wait for.
  const { via = 'port-forward' } = request
  const access = underWay(
    readAccessSecret(api, accessNamespace, accessSecret, journal.mask, via, request.access),
  )
  const read = underWay(access.then(reading))
  const route =
    via === 'direct' ? undefined : new Route(api, accessNamespace, access.then(forwarded), deadline.signal)
  const way = route ? throughTunnels(route) : directly(api, accessNamespace, access, deadline.signal)
  const identity = underWay(api.identity())
  const bindingSecret =
    request.provision === false ? undefined : bindingName(appSecret, request.secretFormats)
  const scope = { ...request, appNamespace: namespace, bindingSecret }
  const review = underWay(reviewRights(api, scope, identity, access, route?.service))
  const secret = underWay(readApplicationSecret(api, namespace, appSecret, journal.mask))
  const binding =
    bindingSecret === undefined
      ? undefined
      : underWay(readBinding(api, namespace, bindingSecret, journal.mask))
  const as = `as ${(await identity).name} · ${found.identity}`
  const where = [
    found.server,
    ...(found.proxy === undefined ? [] : [`proxy ${found.proxy}`]),
    ...(found.compared.length === 0 ? [] : [`as in ${sentence(found.compared)}`]),
    ...(found.context === undefined ? [] : [`context ${oneLine(found.context)}`]),
    `namespace ${oneLine(namespace)}`,
  ].join(' · ')
  journal.step('right', 'cluster', `${where}\n${as}`, timer())

  deadline.enter('permissions')
  const asked = stopwatch()
  const permissions = await review
  journal.permissions = permissions
  if (permissions.missing.length > 0) throw permissionFailure(permissions)
  const { rights } = permissions
  const unasked = rights.filter((right) => !right.asked).length
  journal.step(
    'right',
    'permissions',
    `${rights.length - unasked} of ${count(rights.length, 'right')}${unasked === 0 ? '' : `, ${unasked} not asked about`}`,
    asked(),
  )
  const { ref, keyCount, follows, notes } = await access
  const form = `${ref} · ${count(keyCount, 'key')}, well formed`
  journal.step('right', 'access Secret', follows === undefined ? form : `${form}\n${follows}`, await read)
  for (const note of notes) journal.note(note)

  deadline.enter(`the ${way.subject}`)
  let looked = stopwatch()
  const patience = new Patience(deadline, journal, () => {
    way.renew()
    looked = stopwatch()
  })
  await patience.insist(() => way.find(), { passing: unready })
  let told: string | undefined
  const server: Server = {
    deadline,
    applicationName: request.runName,
    dial: async () => {
      const { stream, words } = await way.dial()
      if (told !== words) {
        journal.step('right', way.subject, via === 'direct' ? `${words};\n${proven}` : words, looked())
        if (via === 'direct') journal.row({ subject: 'Connection', now: `${words}: ${proven}` })
      }
      told = words
      return stream
    },
  }
  const { host, service } = await access
  const entry = via === 'direct' ? `PGHOST ${host}` : `svc/${service ?? ''}`
  const whereTo = (): Promise<Whereabouts> => way.whereabouts()
  // Without a tunnel the Service need not be there, nor readable.
  const selector = (await route?.service)?.selector ?? {}
  const keeper = (await access).maker ?? familyOf(selector, undefined)?.keeper
  const secrets = { access: await access, keeper, secret: await secret, binding: await binding }
  return { api, namespace, ...secrets, server, way, patience, entry, whereTo }
}

/**
 * Returns the namespace of the application.
 *
 * @throws Failure `namespace-missing`, `kubeconfig-invalid`; `input-invalid` where the application Secret would be the access
 *   Secret itself: the application's login would be written over what leads the admin in
 */
function namespaceFor(
  request: Pick<ProvisionRequest, 'appNamespace' | 'appSecret' | 'accessNamespace' | 'accessSecret'>,
  found: { readonly context?: string | undefined; readonly namespace?: string | undefined },
): string {
  const { appSecret, accessNamespace, accessSecret } = request
  const namespace = request.appNamespace ?? found.namespace
  if (namespace === undefined) {
    throw new Failure(
      'namespace-missing',
      found.context === undefined
        ? `${capitalized(input('app-namespace'))} is empty, and there is no kubeconfig whose context could name a namespace.`
        : `Context "${oneLine(found.context)}" of the kubeconfig names no namespace, and ${input('app-namespace')} is empty.`,
      [
        `The application Secret would land in "default", which is never right. Set ${input('app-namespace')}.`,
      ],
    )
  }
  if (request.appNamespace === undefined && !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(namespace)) {
    throw new Failure(
      'kubeconfig-invalid',
      `Context "${oneLine(found.context ?? '')}" of the kubeconfig names the namespace "${oneLine(namespace)}", and no namespace has such a name.`,
      [
        `Names of namespaces are lower case letters, digits and hyphens. Put it right there, or set ${input('app-namespace')}.`,
      ],
    )
  }
  if (namespace === accessNamespace && appSecret === accessSecret) {
    throw new Failure(
      'input-invalid',
      `${capitalized(inputs('app-secret', 'access-secret'))} name the same Secret, ${namespace}/${appSecret}.`,
      [
        "The login of the application would be written into the Secret with the admin's, and no later run would find the admin there.",
        `Give the application a Secret of its own: ${input('app-secret')}.`,
      ],
    )
  }
  return namespace
}

const proven =
  "the proof covers this route and the server's name; network policies may treat the application's own Pods differently"

/** An access Secret that is read for a tunnel names a Service. */
function forwarded({ service, port }: AccessSecret): { readonly service: string; readonly port: number } {
  if (service === undefined) throw new Error('an access Secret without USER_ACCESS leads to no tunnel')
  return { service, port }
}

/** What may be a switch of the primary; a Service that selects standbys is none, and stays one. */
function unready(error: unknown): Passing | undefined {
  return error instanceof Failure && error.code === 'pod-not-ready' ? switchOf(error) : undefined
}

/**
 * Asks about the rights in two rounds, with the access Secret in between: only it can name the Service, and the
 * administrator should get one complete list. Without a tunnel the first is all there is.
 *
 * @param leads the Service that the run is to be forwarded to
 * @throws Failure of `readAccessSecret`, but where the right to read the access Secret is what is missing
 */
async function reviewRights(
  api: Api,
  scope: PermissionScope,
  identity: Promise<Identity>,
  access: Promise<AccessSecret>,
  leads: Promise<Service> | undefined,
): Promise<PermissionReport> {
  if (leads === undefined) {
    const rights = runRights(scope)
    return permissionReport(await identity, rights, await missingOf(api, rights))
  }
  const second = underWay(
    access.then((read) => missingOf(api, [serviceRight(scope, forwarded(read).service)])),
  )
  const named = await missingOf(api, runRights(scope))
  const { accessNamespace, accessSecret } = scope
  const unreadable = named.some(
    ({ namespace, resource, name }) =>
      namespace === accessNamespace && resource === 'secrets' && name === accessSecret,
  )
  if (unreadable) return permissionReport(await identity, runRights(scope), named)
  const { service } = forwarded(await access)
  const rights = runRights(scope, service)
  const missing = [...named, ...(await second)]
  if (missing.length > 0 || (await leads).selector !== undefined) {
    return permissionReport(await identity, rights, missing)
  }
  const endpoints = endpointRight(scope, service)
  return permissionReport(await identity, [...rights, endpoints], await missingOf(api, [endpoints]))
}
