import type { PodObject } from '../kubernetes/objects.ts'
import { oneLine } from '../lib/text.ts'
import { markedRole } from '../providers/providers.ts'

/** One Pod of the database. */
export interface DatabasePod {
  readonly name: string
  readonly ready: boolean
  readonly role: 'primary' | 'standby' | undefined
  /** Patroni's word: `running`, `streaming`, `starting`; absent where there is no Patroni. */
  readonly state: string | undefined
  readonly node: string | undefined
}

/** Values of the label of a role, and of Patroni's, that mean the Pod that the others follow. */
const primaries = ['master', 'primary', 'standby_leader']

/** Returns what a Pod says about itself as an instance of the database. */
export function databasePod({ metadata, spec, status }: PodObject): DatabasePod {
  const patroni = patroniStatus(metadata?.annotations?.['status'])
  const role = markedRole(metadata?.labels ?? {}) ?? patroni?.role
  const ready =
    status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false
  return {
    name: oneLine(metadata?.name ?? '', 80),
    ready: ready && metadata?.deletionTimestamp === undefined,
    role: role === undefined ? undefined : primaries.includes(role) ? 'primary' : 'standby',
    state: patroni?.state,
    node: spec?.nodeName,
  }
}

/** Patroni keeps its view of a member as JSON in an annotation of the Pod. */
function patroniStatus(annotation: string | undefined): { role?: string; state?: string } | undefined {
  try {
    const status = JSON.parse(annotation ?? '') as Record<string, unknown>
    const text = (key: string): string | undefined => {
      const value = status[key]
      return typeof value === 'string' ? oneLine(value, 40) : undefined
    }
    const [role, state] = [text('role'), text('replication_state') ?? text('state')]
    return { ...(role !== undefined && { role }), ...(state !== undefined && { state }) }
  } catch {
    return undefined
  }
}

/** Returns a Pod in a few words: `postgresql1-0 (primary, ready, running, on node-1)`. */
export function podWords({ name, ready, role, state, node }: DatabasePod): string {
  const parts = [role, ready ? 'ready' : 'not ready', state, node && `on ${node}`]
  return `${name} (${parts.filter((part) => part !== undefined && part !== '').join(', ')})`
}
