import type { Obstacle } from './deadline.ts'
import { Failure, type FailureCode } from './failure.ts'

/** What made a look fail and may be gone at the next one. */
export interface Passing extends Obstacle {
  /**
   * Somebody else was faster; another session is in the way; connections are in short supply; or it is what a switch of the
   * primary looks like from outside.
   */
  readonly kind: 'race' | 'blocked' | 'shortage' | 'switch'
  /** What a run ends with that has no time left to look again. */
  readonly code: FailureCode
}

/** Failures that a switch of the primary looks like from outside: Patroni takes up to 30 s to notice a dead one. */
const switches: readonly FailureCode[] = [
  'pod-not-ready',
  'port-closed',
  'database-unreachable',
  'tunnel-lost',
  'node-unreachable',
  'target-is-standby',
  'server-not-ready',
]

/** Returns what may be a switch of the primary, seen from outside, as something that a run waits for. */
export function switchOf(error: unknown): Passing | undefined {
  return error instanceof Failure && switches.includes(error.code)
    ? passingFailure('switch', error)
    : undefined
}

/** Returns what a Failure says, as something that a run waits for. */
export function passingFailure(kind: Passing['kind'], { code, message, hint }: Failure): Passing {
  return { kind, code, what: message.replace(/\.$/, ''), hint }
}
