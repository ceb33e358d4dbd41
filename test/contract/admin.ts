import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { KubeConfig } from '@kubernetes/client-node'
import { stringify } from 'yaml'
import { apiVersionOf, builtinResources, endpointSlices, type Resource } from '../../sandbox/resources.ts'
import { loadCluster } from '../../src/kubeconfig/kubeconfig.ts'
import type { Api } from '../../src/kubernetes/api.ts'

/** What is sent and what comes back, with as much of its shape as every object has. */
export interface KubeObject {
  readonly apiVersion?: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly uid?: string
    readonly resourceVersion?: string
    readonly creationTimestamp?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
    readonly [field: string]: unknown
  }
  readonly [field: string]: unknown
}

/** An API server's answer, its body parsed where it is JSON. */
export interface Reply {
  readonly status: number
  readonly body: unknown
}

/** Which kubeconfig to write. */
export interface KubeconfigOptions {
  readonly namespace: string
  readonly serviceAccount: string
  /** Another address of the same API server, such as a proxy's; its certificate is still checked as the real one's. */
  readonly server?: string
}

type OldOrNew = 'v1' | 'v1beta1'

/** The administrator of a cluster under test: everything a test arranges or looks up goes through it. */
export class Admin {
  readonly server: URL
  /** The kubeconfig it was made with. */
  readonly kubeconfigText: string
  readonly #config = new KubeConfig()
  readonly #agent = new https.Agent({ keepAlive: true })
  readonly #versions = new Map<string, OldOrNew>()

  /** @param kubeconfig YAML */
  constructor(kubeconfig: string) {
    this.kubeconfigText = kubeconfig
    this.#config.loadFromString(kubeconfig)
    this.server = new URL(this.#cluster.server)
  }

  get #cluster(): { server: string; caData?: string } {
    const cluster = this.#config.getCurrentCluster()
    if (cluster === null) throw new Error('the kubeconfig names no current cluster')
    return cluster
  }

  /** Sends a request; `path` is encoded already. */
  async call(method: string, path: string, body?: unknown, type = 'application/json'): Promise<Reply> {
    const options: https.RequestOptions = { method, path }
    await this.#config.applyToHTTPSOptions(options)
    const content = body === undefined ? '' : JSON.stringify(body)
    const outgoing = https.request(this.server, {
      ...options,
      path,
      agent: this.#agent,
      headers: {
        ...(options.headers as Record<string, string>),
        ...(content !== '' && { 'Content-Type': type, 'Content-Length': Buffer.byteLength(content) }),
      },
    })
    outgoing.end(content)
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const json = incoming.headers['content-type']?.startsWith('application/json') === true
    return { status: incoming.statusCode ?? 0, body: json ? (JSON.parse(text) as unknown) : text }
  }

  /** Creates an object and gives it as it is stored. A Pod waits for its namespace's ServiceAccount and the token of it. */
  async create(object: KubeObject): Promise<KubeObject> {
    const { kind, metadata } = object
    const path = await this.path(kind, metadata.namespace)
    const content = { apiVersion: apiVersionOf(await this.#resource(kind)), ...object }
    let reply: Reply | undefined
    await until(`${metadata.namespace ?? ''} can have a ${kind}`, async () => {
      reply = await this.call('POST', path, content)
      const { reason, message = '' } = reply.body as { reason?: string; message?: string }
      return reason !== 'ServerTimeout' && !message.includes('error looking up service account')
    })
    if (reply?.status !== 201) throw new Error(`${kind} ${metadata.name}: ${JSON.stringify(reply)}`)
    return reply.body as KubeObject
  }

  /** Creates an object, or puts it in the place of the one of its name. */
  async apply(object: KubeObject): Promise<void> {
    const { kind, metadata } = object
    if ((await this.get(kind, metadata.namespace ?? '', metadata.name)) === undefined) {
      await this.create(object)
      return
    }
    const path = await this.path(kind, metadata.namespace, metadata.name)
    const { status, body } = await this.call('PUT', path, object)
    if (status !== 200) throw new Error(JSON.stringify(body))
  }

  /** Gives an object, `undefined` where there is none. */
  async get(kind: string, namespace: string, name: string): Promise<KubeObject | undefined> {
    const { status, body } = await this.call('GET', await this.path(kind, namespace, name))
    if (status === 404) return undefined
    if (status !== 200) throw new Error(JSON.stringify(body))
    return body as KubeObject
  }

  /** Applies a JSON merge patch. */
  async patch(kind: string, namespace: string, name: string, patch: unknown): Promise<KubeObject> {
    const path = await this.path(kind, namespace, name)
    const { status, body } = await this.call('PATCH', path, patch, 'application/merge-patch+json')
    if (status !== 200) throw new Error(JSON.stringify(body))
    return body as KubeObject
  }

  /** Removes an object and waits until it is gone; Pods are given no time to say goodbye. */
  async remove(kind: string, namespace: string, name: string): Promise<void> {
    const path = await this.path(kind, namespace, name)
    const { status, body } = await this.call('DELETE', path, { gracePeriodSeconds: 0 })
    if (status >= 300 && status !== 404) throw new Error(JSON.stringify(body))
    await until(`${kind} ${name} is gone`, async () => (await this.call('GET', path)).status === 404)
  }

  /** The path of a kind in a namespace (`''` for kinds without one), or of one object. */
  async path(kind: string, namespace: string | undefined, name?: string): Promise<string> {
    const { group, version, plural } = await this.#resource(kind)
    return [
      group === '' ? `/api/${version}` : `/apis/${group}/${version}`,
      ...(namespace ? ['namespaces', namespace] : []),
      plural,
      ...(name === undefined ? [] : [encodeURIComponent(name)]),
    ].join('/')
  }

  /** The version of EndpointSlices that this server offers. */
  async sliceVersion(): Promise<OldOrNew> {
    return await this.#versionOf('discovery.k8s.io', 'endpointslices')
  }

  /** Creates a ServiceAccount and waits until it can be given a token. */
  async serviceAccount(namespace: string, name: string): Promise<void> {
    await this.create({ kind: 'ServiceAccount', metadata: { name, namespace } })
  }

  /** Issues a token for a ServiceAccount, good for an hour. */
  async token(namespace: string, serviceAccount: string): Promise<string> {
    const path = `${await this.path('ServiceAccount', namespace, serviceAccount)}/token`
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }
    const { status, body } = await this.call('POST', path, request)
    if (status !== 201) throw new Error(JSON.stringify(body))
    return (body as { status: { token: string } }).status.token
  }

  /** Gives a kubeconfig (YAML) with a fresh token of a ServiceAccount. */
  async kubeconfig({ namespace, serviceAccount, server }: KubeconfigOptions): Promise<string> {
    return this.kubeconfigWith(await this.token(namespace, serviceAccount), namespace, server)
  }

  /** Gives a kubeconfig (YAML) with a token. */
  kubeconfigWith(token: string, namespace: string, server?: string): string {
    const name = 'ring'
    const host = this.server.hostname
    const cluster = {
      server: server ?? this.#cluster.server,
      'certificate-authority-data': this.#cluster.caData,
      ...(server !== undefined && new URL(server).hostname !== host && { 'tls-server-name': host }),
    }
    return stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster }],
      users: [{ name, user: { token } }],
      contexts: [{ name, context: { cluster: name, user: name, namespace } }],
      'current-context': name,
    })
  }

  close(): void {
    this.#agent.destroy()
  }

  async #resource(kind: string): Promise<Resource> {
    if (kind === 'EndpointSlice') return endpointSlices(await this.sliceVersion())
    const found = builtinResources.find((resource) => resource.kind === kind)
    if (found === undefined) throw new Error(`no path is known for ${kind}`)
    if (kind === 'CronJob') return { ...found, version: await this.#versionOf(found.group, found.plural) }
    return found
  }

  /** Kinds that came to v1 with Kubernetes 1.21, and went from v1beta1 with 1.25. */
  async #versionOf(group: string, plural: string): Promise<OldOrNew> {
    const known = this.#versions.get(plural)
    if (known !== undefined) return known
    const { status, body } = await this.call('GET', `/apis/${group}/v1`)
    const { resources = [] } = status === 200 ? (body as { resources?: { name: string }[] }) : {}
    const version = resources.some(({ name }) => name === plural) ? 'v1' : 'v1beta1'
    this.#versions.set(plural, version)
    return version
  }
}

/** Opens the product's own client with a kubeconfig. */
export async function openApi(kubeconfig: string, signal = new AbortController().signal): Promise<Api> {
  const cluster = loadCluster({ kubeconfig: { input: kubeconfig, absenceHint: [] } }, () => undefined)
  return await cluster.connect(signal)
}

/** Waits until the check holds; an error in it counts as not yet. Throws when it does not within the time. */
export async function until(
  what: string,
  check: () => Promise<boolean> | boolean,
  withinMs = 60_000,
): Promise<void> {
  const end = performance.now() + withinMs
  let last: unknown
  for (;;) {
    try {
      if (await check()) return
    } catch (error) {
      last = error
    }
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`, { cause: last })
    await sleep(100)
  }
}

/** Repeats an assertion for some seconds: an API server takes a moment to act on a new Role. */
export async function eventually(assertion: () => Promise<void>): Promise<void> {
  const end = performance.now() + 5_000
  for (;;) {
    try {
      await assertion()
      return
    } catch (error) {
      if (performance.now() > end) throw error
    }
    await sleep(50)
  }
}
