import type { Api } from '../kubernetes/api.ts'
import type { PodObject } from '../kubernetes/objects.ts'
import { openTunnel, type Tunnel, type TunnelTarget } from '../kubernetes/tunnel.ts'
import { underWay } from '../lib/under-way.ts'
import { readPrimaries, readService, resolvePod, type Service } from './service.ts'

/** Which Service is meant, and what PGPORT says. */
interface Named {
  readonly service: string
  readonly port: number
}

/** How many tunnels a run begins with: the admin's and the application's. */
const opening = 2

/**
 * The way to the PostgreSQL behind a Service. It is looked for as soon as the Service's name is known, and again when it is
 * told to. The first time, where one Pod alone can be meant, tunnels to it are opened while the Service is still being read;
 * that counts only if the Service leads there.
 */
export class Route {
  private found: Promise<Service>
  private leads: Promise<TunnelTarget>
  private readonly guess: Promise<TunnelTarget | undefined>
  private ahead: Promise<Tunnel>[] = []
  private readonly api: Api
  private readonly namespace: string
  private readonly named: Promise<Named>
  private readonly signal: AbortSignal

  /** @param named the Service's name and PGPORT, as soon as they are known */
  constructor(api: Api, namespace: string, named: Promise<Named>, signal: AbortSignal) {
    this.api = api
    this.namespace = namespace
    this.named = named
    this.signal = signal
    // It may be forbidden, or fail: the Service's own selector is asked then.
    const primaries = readPrimaries(api, namespace).catch(() => [])
    this.found = underWay(this.read())
    this.guess = named.then(
      async ({ service, port }) => {
        const [pod, ...others] = await primaries
        if (pod === undefined || others.length > 0) return undefined
        const target = { namespace, service, pod: pod.metadata?.name ?? '', port }
        this.ahead = Array.from({ length: opening }, () => underWay(openTunnel(api, target, signal)))
        return target
      },
      () => undefined,
    )
    this.leads = underWay(this.resolve(primaries))
  }

  get service(): Promise<Service> {
    return this.found
  }

  /** Where the Service leads; rejects with a Failure of `readService` or `resolvePod`. */
  get target(): Promise<TunnelTarget> {
    return this.leads
  }

  /** Looks for the way afresh: after a switch of the primary, the same Service leads to another Pod. */
  renew(): void {
    this.drop()
    this.found = underWay(this.read())
    this.leads = underWay(this.resolve())
  }

  /**
   * Opens a tunnel, or gives one that was opened ahead.
   *
   * @throws Failure of `target` or of `openTunnel`
   */
  async dial(): Promise<Tunnel> {
    const target = await this.target
    const guess = await this.guess
    if (guess?.pod !== target.pod || guess.port !== target.port) this.drop()
    const tunnel = await this.ahead.shift()
    return tunnel === undefined || tunnel.destroyed ? await openTunnel(this.api, target, this.signal) : tunnel
  }

  private drop(): void {
    for (const tunnel of this.ahead.splice(0))
      void tunnel.then((each) => each.destroy()).catch(() => undefined)
  }

  private async read(): Promise<Service> {
    const { service } = await this.named
    return await readService(this.api, this.namespace, service)
  }

  private async resolve(primaries?: Promise<readonly PodObject[]>): Promise<TunnelTarget> {
    const { service: name, port } = await this.named
    const pod = await resolvePod(this.api, await this.found, port, await primaries)
    return { namespace: this.namespace, service: name, ...pod }
  }
}
