import type { ClusterRequest } from '../input/request.ts'
import { Api } from '../kubernetes/api.ts'
import type { Credentials } from '../kubernetes/endpoint.ts'
import { text } from '../kubernetes/fields.ts'
import { Failure } from '../lib/failure.ts'
import { input } from '../lib/spelling.ts'
import { oneLine, sentence } from '../lib/text.ts'
import { authenticate } from './authenticate.ts'
import { clusterOf, serverOf } from './cluster.ts'
import type { Entry, Kubeconfig, Mask } from './document.ts'
import { expectAuthority, expectName, expectServer } from './expected-cluster.ts'
import { invalid } from './failure.ts'
import { findKubeconfig } from './source.ts'
import { checkTypes, contextTypes } from './types.ts'
import { userOf } from './user.ts'

/** The cluster of a run, chosen and parsed; nothing has been sent to it yet. */
export interface ClusterAccess {
  /** The API server's URL. */
  readonly server: string
  /** The proxy on the way, without its credential. */
  readonly proxy?: string
  /** The inputs that say which cluster it has to be. They agree. */
  readonly compared: readonly string[]
  readonly context: string
  /** The namespace of the context. */
  readonly namespace?: string
  /** Where the kubeconfig came from, such as `input "kubeconfig"` or `KUBECONFIG`. */
  readonly source: string
  /**
   * Authenticates, by an exec plugin where the kubeconfig names one.
   * @throws Failure `cluster-credential-failed`
   */
  connect(signal: AbortSignal): Promise<Api>
}

/**
 * Finds the kubeconfig, chooses the context and checks that it is the expected cluster. Every credential in it is
 * masked before anything else is done with it.
 *
 * @throws Failure `kubeconfig-missing`, `kubeconfig-invalid`, `context-unknown` or `server-unexpected`
 */
export function loadCluster(request: ClusterRequest, mask: Mask): ClusterAccess {
  const { source, config } = findKubeconfig(request.kubeconfig, mask)
  const name = contextName(config, request.context, source)
  const context = config.contexts.get(name)?.fields ?? {}
  checkTypes(context, contextTypes, `context "${oneLine(name)}"`, source)
  const clusterName = text(context, 'cluster')
  const userName = text(context, 'user')
  const clusterEntry = named(config.clusters, clusterName, 'cluster', name, source)
  const userEntry = named(config.users, userName, 'user', name, source)
  const server = serverOf(clusterEntry, clusterName, source)
  expectServer(server, request.expectServer, name)

  const cluster = clusterOf(clusterEntry, clusterName, server, source, mask)
  expectAuthority(cluster, request.expectCa, name)
  if (request.expectServer !== undefined && request.expectCa !== undefined) expectName(cluster, server, name)
  const user = userOf(userEntry, userName, cluster, source, mask)
  const namespace = text(context, 'namespace')
  const proxy = cluster.proxy?.host
  const endpoint = {
    server,
    user: userName,
    ...(proxy !== undefined && { proxy }),
    renewable: ['file', 'plugin', 'oidc'].includes(user.giver.kind),
    authenticate: (signal: AbortSignal): Promise<Credentials> =>
      authenticate(cluster, user, source, mask, signal),
  }
  return {
    server: server.href.replace(/\/$/, ''),
    ...(proxy !== undefined && { proxy }),
    compared: [
      ...(request.expectServer === undefined ? [] : ['expect-server']),
      ...(request.expectCa === undefined ? [] : ['expect-ca']),
    ],
    context: name,
    ...(namespace !== '' && { namespace }),
    source,
    connect: (signal) => Api.open(endpoint, signal),
  }
}

function contextName(config: Kubeconfig, requested: string | undefined, source: string): string {
  const names = [...config.contexts.keys()]
  const [only, ...others] = names
  if (only === undefined) {
    throw invalid(source, 'it is an empty kubeconfig, which has no context', [
      'A frequent cause is a kubectl that had no kubeconfig itself: kubectl config view then prints this.',
    ])
  }
  const there = `It has ${sentence(names.map((name) => oneLine(name)))}.`
  const name = requested ?? config.current
  if (name === undefined && others.length === 0) return only
  if (name === undefined) {
    throw new Failure(
      'context-unknown',
      `The kubeconfig from ${source} has ${names.length} contexts and no current one.`,
      [there, `Choose one: ${input('context')}.`],
    )
  }
  if (config.contexts.has(name)) return name
  const wanted = requested === undefined ? 'the current context' : 'context'
  throw new Failure(
    'context-unknown',
    `The kubeconfig from ${source} does not have ${wanted} "${oneLine(name)}".`,
    [there, `Choose one: ${input('context')}.`],
  )
}

function named(
  entries: Map<string, Entry>,
  name: string,
  kind: string,
  context: string,
  source: string,
): Entry {
  const entry = entries.get(name)
  if (entry !== undefined) return entry
  const missing =
    name === '' ? `names no ${kind}` : `names the ${kind} "${oneLine(name)}", which it does not have`
  throw invalid(source, `its context "${oneLine(context)}" ${missing}`)
}
