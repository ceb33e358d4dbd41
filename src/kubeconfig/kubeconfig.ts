import type { ClusterRequest, WorkloadRequest } from '../input/request.ts'
import { Api } from '../kubernetes/api.ts'
import { serverName, type Credentials } from '../kubernetes/endpoint.ts'
import { text } from '../kubernetes/fields.ts'
import { Failure } from '../lib/failure.ts'
import { input } from '../lib/spelling.ts'
import { capitalized, oneLine, sentence } from '../lib/text.ts'
import { authenticate } from './authenticate.ts'
import { clusterOf, serverOf } from './cluster.ts'
import type { Entry, Kubeconfig, Mask } from './document.ts'
import { expectAuthority, expectName, expectServer } from './expected-cluster.ts'
import { invalid } from './failure.ts'
import { findKubeconfig } from './source.ts'
import { ofPod } from './pod.ts'
import { checkTypes, contextTypes } from './types.ts'
import { userOf } from './user.ts'
import { workloadCluster, workloadEndpoint } from './workload.ts'

/** The cluster of a run, chosen and parsed; nothing has been sent to it yet. */
export interface ClusterAccess {
  /** The API server's URL. */
  readonly server: string
  /** The proxy on the way, without its credential. */
  readonly proxy?: string
  /** The inputs that say which cluster it has to be. They agree. */
  readonly compared: readonly string[]
  /** Absent where there is no kubeconfig. */
  readonly context?: string
  /** The namespace of the context. */
  readonly namespace?: string
  /** Where the kubeconfig came from, such as `input "kubeconfig"` or `KUBECONFIG`; absent where there is none. */
  readonly source?: string
  /** From what the run has its identity, for the log. */
  readonly identity: string
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
  return request.workload === undefined
    ? fromKubeconfig(request, mask)
    : fromWorkload(request, request.workload, mask)
}

function fromWorkload(request: ClusterRequest, workload: WorkloadRequest, mask: Mask): ClusterAccess {
  const cluster = workloadCluster(workload, mask)
  const { server, proxy } = cluster
  const who = capitalized(input('api-server'))
  expectServer(server, request.expectServer, who)
  expectAuthority(cluster, request.expectCa, who)
  const { issuer, audience } = workload
  return {
    server: serverName(server),
    ...(proxy !== undefined && { proxy: proxy.host }),
    compared: comparedIn(request),
    identity: `identity token of ${issuer.name} for ${oneLine(audience)}`,
    connect: (signal) => Api.open(workloadEndpoint(workload, cluster, mask), signal),
  }
}

function comparedIn({ expectServer, expectCa }: ClusterRequest): readonly string[] {
  return [
    ...(expectServer === undefined ? [] : ['expect-server']),
    ...(expectCa === undefined ? [] : ['expect-ca']),
  ]
}

function fromKubeconfig(request: ClusterRequest, mask: Mask): ClusterAccess {
  const { source, config, ofPod: inPod } = findKubeconfig(request.kubeconfig, mask)
  const name = contextName(config, request.context, source)
  const context = config.contexts.get(name)?.fields ?? {}
  checkTypes(context, contextTypes, `context "${oneLine(name)}"`, source)
  const clusterName = text(context, 'cluster')
  const userName = text(context, 'user')
  const clusterEntry = named(config.clusters, clusterName, 'cluster', name, source)
  const userEntry = named(config.users, userName, 'user', name, source)
  const server = serverOf(clusterEntry, clusterName, source)
  const who = `Context "${oneLine(name)}"`
  expectServer(server, request.expectServer, who)

  const cluster = clusterOf(clusterEntry, clusterName, server, source, mask)
  expectAuthority(cluster, request.expectCa, who)
  if (request.expectServer !== undefined && request.expectCa !== undefined) expectName(cluster, server, who)
  const user = userOf(userEntry, userName, cluster, source, mask)
  const namespace = text(context, 'namespace')
  const proxy = cluster.proxy?.host
  const endpoint = {
    server,
    user: userName,
    ...(proxy !== undefined && { proxy }),
    renewable: ['file', 'plugin', 'oidc'].includes(user.giver.kind),
    ...(inPod && ofPod),
    authenticate: (signal: AbortSignal): Promise<Credentials> =>
      authenticate(cluster, user, source, mask, signal),
  }
  return {
    server: server.href.replace(/\/$/, ''),
    ...(proxy !== undefined && { proxy }),
    compared: comparedIn(request),
    context: name,
    ...(namespace !== '' && { namespace }),
    source,
    identity: inPod ? 'ServiceAccount of this Pod' : `kubeconfig from ${oneLine(source)}`,
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
