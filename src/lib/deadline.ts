import { Failure } from './failure.ts'
import { input } from './spelling.ts'

/** What a run waits for. */
export interface Obstacle {
  /** What is in the way, without a full stop. */
  readonly what: string
  /** What to do about it, one thought a line. */
  readonly hint: readonly string[]
}

/** The time a run has. Its signal ends the run when the time is over or when somebody cancels it. */
export interface Deadline {
  /** Aborted with a Failure, `timeout` or `cancelled` or what the phase says, as its reason. */
  readonly signal: AbortSignal
  /** When the time is over, for people: the run itself counts on a clock that nobody sets. */
  readonly endsAt: Date
  remainingMs(): number
  /**
   * Notes what the run is at, for the error when its time is over.
   *
   * @param overdue gives a better error than `timeout` for this phase
   */
  enter(phase: string, overdue?: () => Failure): void
  /** Notes what the run waits for from now on, for the error when its time is over: of several, the last one. */
  waitFor(obstacle: Obstacle): void
  /** Forgets the timer, so that it does not keep the process alive. */
  stop(): void
}

/**
 * Starts the time of a run. `cancelled` is aborted when a person or the pipeline wants the run to stop; `entered` is
 * told what the run is at.
 */
export function startDeadline(
  timeoutMs: number,
  cancelled: AbortSignal,
  entered?: (phase: string) => void,
): Deadline {
  const over = new AbortController()
  let phase = 'the start'
  let reason: (() => Failure) | undefined
  let obstacle: Obstacle | undefined
  const end = performance.now() + timeoutMs
  const timer = setTimeout(() => {
    const last = obstacle === undefined ? '' : ` What it waited for last: ${obstacle.what}.`
    over.abort(
      reason?.() ??
        new Failure(
          'timeout',
          `The run did not end within its ${timeoutMs / 1000} s; it was at: ${phase}.${last}`,
          [
            ...(obstacle?.hint ?? []),
            `If the network or the server is slow, give it more time: ${input('timeout')}.`,
          ],
        ),
    )
  }, timeoutMs)
  const cancel = (): void => {
    over.abort(
      new Failure('cancelled', `The run was cancelled; it was at: ${phase}.`, [
        'A transaction that was under way is rolled back, and the lock is released.',
      ]),
    )
  }
  if (cancelled.aborted) cancel()
  else cancelled.addEventListener('abort', cancel, { once: true })
  return {
    signal: over.signal,
    endsAt: new Date(Date.now() + timeoutMs),
    enter: (name, overdue) => {
      phase = name
      reason = overdue
      entered?.(name)
    },
    waitFor: (next) => {
      obstacle = next
    },
    remainingMs: () => Math.max(0, end - performance.now()),
    stop: () => {
      clearTimeout(timer)
      cancelled.removeEventListener('abort', cancel)
    },
  }
}

/** Returns a time without an end of its own: what goes on until it is aborted. */
export function endless(signal: AbortSignal): Deadline {
  return {
    signal,
    endsAt: new Date(8_640_000_000_000_000),
    remainingMs: () => Infinity,
    enter: () => undefined,
    waitFor: () => undefined,
    stop: () => undefined,
  }
}

/** Returns the words for how long a run waits. */
export function waitsUntil({ endsAt }: Deadline): string {
  return `this run waits until ${endsAt.toISOString().slice(11, 19)} UTC (${input('timeout')})`
}
