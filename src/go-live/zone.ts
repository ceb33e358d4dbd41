import type { Api } from '../kubernetes/api.ts'
import { ask, type Answered } from '../kubernetes/ask.ts'
import type { Metadata } from '../kubernetes/objects.ts'
import { gatePurpose } from './gate-rights.ts'

/** The label that a Node has of the zone it is in. */
export const zoneLabel = 'topology.kubernetes.io/zone'

/** What is read of a Node. */
export interface NodeObject {
  readonly metadata?: Metadata
}

/** Returns a Node. Nodes belong to no namespace, so that no Role can give a right to them. */
export async function readNode(api: Api, name: string): Promise<Answered<NodeObject>> {
  const right = { verb: 'get', group: '', resource: 'nodes', name, purpose: gatePurpose }
  return await ask(api, `/api/v1/nodes/${encodeURIComponent(name)}`, {
    namespace: 'the whole cluster',
    ...right,
  })
}

/** Returns the zone that a Node is in; nothing where it has no label. */
export function zoneOf({ metadata }: NodeObject = {}): string | undefined {
  return metadata?.labels?.[zoneLabel]
}
