import { underWay } from '../under-way.ts'
import type { Api } from './api.ts'
import { readPrimaries, readService, resolvePod, type Service } from './service.ts'
import { openTunnel, type Tunnel, type TunnelTarget } from './tunnel.ts'

/** How many tunnels a run begins with: the admin's and the application's. */
const opening = 2

/**
 * The way to the PostgreSQL behind a Service. It is looked for as soon as the Service's name is known. Where one Pod
 * alone can be meant, tunnels to it are opened while the Service is still being read; that counts only if the Service
 * leads there.
 */
export class Route {
  readonly service: Promise<Service>
  /** Where the Service leads; rejects with a Failure of `readService` or `resolvePod`. */
  readonly target: Promise<TunnelTarget>
  private readonly guess: Promise<TunnelTarget | undefined>
  private ahead: Promise<Tunnel>[] = []
  private readonly api: Api
  private readonly signal: AbortSignal

  /** @param named the Service's name and PGPORT, as soon as they are known */
  constructor(
    api: Api,
    namespace: string,
    named: Promise<{ readonly service: string; readonly port: number }>,
    signal: AbortSignal,
  ) {
    this.api = api
    this.signal = signal
    // It may be forbidden, or fail: the Service's own selector is asked then.
    const primaries = readPrimaries(api, namespace).catch(() => [])
    this.service = underWay(named.then(({ service }) => readService(api, namespace, service)))
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
    this.target = underWay(
      Promise.all([named, this.service]).then(async ([{ port, service: name }, service]) => ({
        namespace,
        service: name,
        ...(await resolvePod(api, service, port, await primaries)),
      })),
    )
  }

  /**
   * Opens a tunnel, or gives one that was opened ahead.
   *
   * @throws Failure of `target` or of `openTunnel`
   */
  async dial(): Promise<Tunnel> {
    const target = await this.target
    const guess = await this.guess
    if (guess?.pod !== target.pod || guess.port !== target.port) {
      for (const tunnel of this.ahead.splice(0))
        void tunnel.then((each) => each.destroy()).catch(() => undefined)
    }
    const tunnel = await this.ahead.shift()
    return tunnel === undefined || tunnel.destroyed ? await openTunnel(this.api, target, this.signal) : tunnel
  }
}
