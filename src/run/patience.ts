import { setTimeout as sleep } from 'node:timers/promises'
import { waitsUntil, type Deadline, type Obstacle } from '../lib/deadline.ts'
import { Failure, type FailureCode } from '../lib/failure.ts'
import type { Passing } from '../lib/passing.ts'
import { input } from '../lib/spelling.ts'
import type { Journal } from './journal.ts'

/** What to do after a look that failed. */
interface Manner {
  /** Says which errors are worth another look. */
  readonly passing: (error: unknown) => Passing | undefined
  /** Gives back what the look held, before the wait. */
  readonly giveBack?: () => Promise<void>
}

const pauseMs = 250
const longestPauseMs = { race: pauseMs, blocked: pauseMs, shortage: 4_000, switch: 2_000 } as const
/** What another look needs at least. */
const lookMs = 1_000
/** How long a port may stay closed, or an address silent, that was never seen open: a wrong one does not get right by waiting. */
const closedMs = 15_000

/** Lets a run look again, as long as there is time, after what passes by waiting; and keeps the reason. */
export class Patience {
  private readonly deadline: Deadline
  private readonly journal: Journal
  private readonly renew: () => void
  private readonly told = new Set<string>()
  /** Who was seen in the way of a statement last. */
  private met: Obstacle | undefined
  /** Whether anything but a closed port, or an address where nobody is, says that the primary is switching. */
  private switching = false
  private closed: { readonly what: string; readonly since: number } | undefined

  /** @param renew makes the next look find the way to PostgreSQL afresh */
  constructor(deadline: Deadline, journal: Journal, renew: () => void) {
    this.deadline = deadline
    this.journal = journal
    this.renew = renew
  }

  /**
   * Looks, and looks again from the start after what passes by waiting.
   *
   * @throws what the look throws; after the last one for which there was time, a Failure with the code of what was waited for
   */
  async insist<Result>(look: () => Promise<Result>, manner: Manner): Promise<Result> {
    let restMs = 0
    for (;;) {
      try {
        return await look()
      } catch (error) {
        const passing = manner.passing(error)
        if (passing === undefined || this.deadline.signal.aborted) throw error
        const { kind } = passing
        restMs = Math.min(Math.max(2 * restMs, pauseMs), longestPauseMs[kind])
        // What is in short supply has been waited for already: without time to wait once more, that is the answer.
        const neededMs = kind === 'shortage' ? longestPauseMs.shortage + 2 * restMs : lookMs
        const obstacle = (kind === 'blocked' && this.met) || passing
        const { code } = passing
        if (this.isClosedForGood(passing))
          throw ended({ ...passing, hint: [...passing.hint, triedFor] }, error)
        if (this.deadline.remainingMs() < neededMs) throw ended(lasting({ code, ...obstacle }), error)
        this.deadline.waitFor(obstacle)
        this.journal.reporter.debug(`looking again: ${passing.what}`)
        if (kind === 'shortage' || kind === 'switch') this.tell(passing)
        await manner.giveBack?.()
        this.renew()
        await this.pause(restMs)
      }
    }
  }

  /** Says who is in the way of what the run does now. */
  meet(obstacle: Obstacle | undefined): void {
    this.met = obstacle
    if (obstacle === undefined) return
    this.deadline.waitFor(obstacle)
    this.tell(obstacle)
  }

  private tell({ what }: Obstacle): void {
    if (this.told.has(what)) return
    this.told.add(what)
    const end = this.closed === undefined || this.switching ? waitsUntil(this.deadline) : triesFor
    this.journal.step('attention', 'waiting', `${what};\n${end}`)
  }

  private isClosedForGood({ kind, code, what }: Passing): boolean {
    if (kind !== 'switch') return false
    // A session has been there, or the Service leads elsewhere now.
    const elsewhere = this.closed !== undefined && this.closed.what !== what
    if (!nobodyThere.includes(code) || this.journal.serverVersion !== undefined || elsewhere)
      this.switching = true
    if (this.switching) return false
    this.closed ??= { what, since: performance.now() }
    return performance.now() - this.closed.since > closedMs
  }

  /** At random, so that runs which are in each other's way do not stay there; and never so long that no look is left. */
  private async pause(restMs: number): Promise<void> {
    const ms = Math.min(restMs * (0.5 + Math.random()), this.deadline.remainingMs() - lookMs)
    await sleep(Math.max(0, ms), undefined, { signal: this.deadline.signal }).catch(() => undefined)
  }
}

const nobodyThere: readonly FailureCode[] = ['port-closed', 'database-unreachable']
const triesFor = `this run tries for ${closedMs / 1000} s`
const triedFor = `The run tried for ${closedMs / 1000} s, and saw no sign of a switch of the primary.`

type Ending = Omit<Passing, 'kind'>

function lasting(ending: Ending): Ending {
  const more = `The run waited for that until its time was over. To give it more: ${input('timeout')}.`
  return { ...ending, hint: [...ending.hint, more] }
}

function ended({ code, what, hint }: Ending, cause: unknown): Failure {
  const message = code === 'timeout' ? `No time is left to look again: ${what}.` : `${what}.`
  return new Failure(code, message, hint, { cause })
}
