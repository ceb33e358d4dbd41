import type { Container, ContainerStatus, PodObject } from '../kubernetes/objects.ts'
import { oneLine } from '../lib/text.ts'

/** Says whether a Pod takes connections. */
export function isReady({ metadata, status }: PodObject): boolean {
  const ready = status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
  return ready && status?.phase === 'Running' && metadata?.deletionTimestamp === undefined
}

/** Returns the containers that run as long as a Pod does: init containers that are always restarted are sidecars. */
export function runningContainers({ spec }: PodObject): readonly Container[] {
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  return [...(spec?.containers ?? []), ...sidecars]
}

/**
 * Says in a few words why a Pod is not Ready, as the end of a sentence: what stands in the way, and what the cluster
 * says about it.
 */
export function stateOf(pod: PodObject): string {
  const { metadata, status } = pod
  if (metadata?.deletionTimestamp !== undefined) return 'is being deleted'
  const phase =
    status?.phase === 'Running' ? 'runs and is not Ready' : `is ${oneLine(status?.phase ?? 'in no phase')}`
  const reason = obstacleTo(pod)
  return reason === undefined ? phase : `${phase} (${reason})`
}

/** The first thing on a Pod's way to being Ready that is not done: a Pod goes that way in this order. */
function obstacleTo(pod: PodObject): string | undefined {
  const { status } = pod
  if (status?.reason !== undefined) return said(status)
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled')
  if (scheduled?.status === 'False') return said(scheduled)
  return waitingInit(pod) ?? waitingContainer(pod) ?? waitingGate(pod)
}

/** The init container that the others wait for: they run one after the other. */
function waitingInit({ spec, status }: PodObject): string | undefined {
  const sidecars = new Set(
    spec?.initContainers?.filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name),
  )
  const current = status?.initContainerStatuses?.find(({ name, ready, started, state }) =>
    sidecars.has(name) ? started === false : ready !== true && state?.terminated?.exitCode !== 0,
  )
  if (current === undefined) return undefined
  return `init container ${oneLine(current.name ?? '')} ${containerState(current) ?? 'is running'}`
}

/** Of several, the one that says most: others often wait for it. */
function waitingContainer(pod: PodObject): string | undefined {
  const unready = (pod.status?.containerStatuses ?? []).filter(({ ready }) => ready !== true)
  const told = unready.map((each) => ({ name: each.name ?? '', state: containerState(each), each }))
  const stopped = told.find(({ state, each }) => state !== undefined && !isStarting(each))
  const chosen = stopped ?? told.find(({ state }) => state !== undefined)
  if (chosen?.state !== undefined) return `${subject(chosen.name)}${chosen.state}`
  const running = unready.find(({ state }) => state?.running !== undefined)
  return running === undefined
    ? undefined
    : `${subject(running.name ?? '')}is running, its readiness probe does not succeed`
}

function subject(name: string): string {
  return name === '' ? '' : `container ${oneLine(name)} `
}

/** Words of a kubelet that has not begun with a container yet. */
function isStarting({ state }: ContainerStatus): boolean {
  return ['ContainerCreating', 'PodInitializing'].includes(state?.waiting?.reason ?? '')
}

/** Why a container does not run; nothing where it does. */
function containerState({ state, lastState, restartCount = 0 }: ContainerStatus): string | undefined {
  if (state?.waiting?.reason !== undefined) {
    const { exitCode, reason } = lastState?.terminated ?? {}
    const before =
      exitCode === undefined
        ? ''
        : `, ended ${restartCount < 2 ? 'before' : `${restartCount} times`}, last with exit code ${exitCode}${because(reason)}`
    return `waits: ${said(state.waiting)}${before}`
  }
  if (state?.terminated === undefined) return undefined
  const { exitCode, reason } = state.terminated
  if (exitCode === undefined) return `ended: ${oneLine(reason ?? 'nobody says why')}`
  return `ended with exit code ${exitCode}${because(reason)}`
}

/** `Error` and `Completed` say no more than the exit code does. */
function because(reason: string | undefined): string {
  return reason === undefined || reason === 'Error' || reason === 'Completed' ? '' : ` (${oneLine(reason)})`
}

/** A readiness gate: something outside of the Pod has to agree. */
function waitingGate({ spec, status }: PodObject): string | undefined {
  const closed = spec?.readinessGates?.find(
    ({ conditionType }) =>
      !status?.conditions?.some(({ type, status }) => type === conditionType && status === 'True'),
  )
  return closed === undefined
    ? undefined
    : `its readiness gate ${oneLine(closed.conditionType ?? '')} is closed`
}

/** `Unschedulable: "0/1 nodes are available"`, as the cluster says it. */
function said({ reason, message }: { readonly reason?: string; readonly message?: string }): string {
  const words = oneLine(message ?? '', 200)
  return `${oneLine(reason ?? '')}${words === '' ? '' : `: "${words}"`}`
}
