import type { Duplex } from 'node:stream'
import type { Api } from '../kubernetes/api.ts'
import { dialDirectly } from './direct.ts'
import type { Route } from './route.ts'
import { readService, resolvePod } from './service.ts'

/** The Pod of a database, its port, and the selector of the Service that leads to it; each as far as it is known. */
export interface Whereabouts {
  readonly pod: string | undefined
  readonly port: number | undefined
  readonly selector: Readonly<Record<string, string>> | undefined
  /** The name of the Service, where the run has no need of it and may not know what is behind. */
  readonly service?: string | undefined
}

/** A connection that stands, and the way that it took, in words. */
export interface Dialled {
  readonly stream: Duplex
  readonly words: string
}

/** The way from a run to its database. */
export interface Way {
  /** What it is called in the log. */
  readonly subject: 'tunnel' | 'connection'
  /** Waits until it is known where it leads; rejects with the Failure of what stands in the way. */
  find(): Promise<unknown>
  /** Makes the next look find it afresh. */
  renew(): void
  /** Opens a connection, or fails with a Failure. */
  dial(): Promise<Dialled>
  /** Returns where the database is in the cluster. */
  whereabouts(): Promise<Whereabouts>
}

/** Returns the way through the API server. */
export function throughTunnels(route: Route): Way {
  return {
    subject: 'tunnel',
    find: () => route.target,
    renew: () => {
      route.renew()
    },
    dial: async () => {
      const stream = await route.dial()
      const { service, pod, port } = await route.target
      return { stream, words: `svc/${service} → Pod ${pod} port ${port}` }
    },
    whereabouts: async () => {
      const { pod, port } = await route.target
      return { pod, port, selector: (await route.service).selector }
    },
  }
}

/** What the access Secret says about the way to its database. */
interface Named {
  readonly host: string
  readonly port: number
  readonly service?: string
}

/**
 * Returns the way that applications take. It needs no right; where the Service and the Pod behind it may be read all the
 * same, they are known to who asks.
 */
export function directly(api: Api, namespace: string, named: Promise<Named>, signal: AbortSignal): Way {
  return {
    subject: 'connection',
    find: () => named,
    renew: () => undefined,
    dial: async () => {
      const { host, port } = await named
      const stream = await dialDirectly({ host, port }, signal)
      const at = stream.address === `${stream.host}:${port}` ? '' : ` at ${stream.address}`
      return { stream, words: `${stream.host} port ${port}${at}, without a tunnel` }
    },
    whereabouts: async () => {
      const { service: name, port } = await named
      const service = name === undefined ? undefined : await orNothing(readService(api, namespace, name))
      const found = service && (await orNothing(resolvePod(api, service, port)))
      return { pod: found?.pod, port: found?.port, selector: service?.selector, service: name }
    },
  }
}

async function orNothing<Found>(looking: Promise<Found>): Promise<Found | undefined> {
  return await looking.catch(() => undefined)
}
