import type { GateReport } from '../go-live/finding.ts'
import type { ProvisionRequest } from '../input/request.ts'
import { Failure, type FailureCode } from '../lib/failure.ts'
import type { Reporter, Sign } from '../lib/reporter.ts'
import { endsSession, isFromServer } from '../postgres/severity.ts'
import type { Change, Listed } from '../provision/change.ts'
import type { Effect } from '../provision/effect.ts'
import type { PermissionReport } from '../rights/permissions.ts'
import { bindingName } from '../secrets/binding.ts'
import type { CommandEnd, Outcome, Row } from './outcome.ts'

/** Says neither which credential it is nor which of the two: that would tell it. */
const unhidden =
  'A credential of this run is shorter than 6 characters, or is part of a name or a word that is shown anyway. It is not removed from messages of servers, because the gap would reveal it. Set a longer, random one.'

/** Returns the seconds since it was made. */
export type Stopwatch = () => number

/** Starts to measure how long a step takes. */
export function stopwatch(): Stopwatch {
  const start = performance.now()
  return () => (performance.now() - start) / 1000
}

/**
 * What a run has seen and done so far. It tells the reporter at once and keeps what the outcome needs, so that a run
 * that stops half-way can still say what stands.
 */
export class Journal {
  cluster: Outcome['cluster']
  permissions: PermissionReport | undefined
  serverVersion: string | undefined
  secretVersion: string | undefined
  authority: Outcome['secret']['authority']
  restart: string | undefined
  loginUnchecked = false
  goLive: GateReport | undefined
  command: CommandEnd | undefined
  readonly mask: (credential: string, beside?: readonly string[]) => void
  readonly reporter: Reporter
  private readonly running = stopwatch()
  private unmeasured = 0
  private readonly changes: Effect[] = []
  private readonly list: Change[] = []
  private doubts: readonly Effect[] = []
  private readonly rows = new Map<string, Row>()
  private readonly notes: string[] = []

  constructor(reporter: Reporter) {
    this.reporter = reporter
    this.mask = (credential, beside = []) => {
      reporter.publish(beside)
      if (!reporter.mask(credential)) this.note(unhidden)
    }
  }

  /** Waits for a person, whose time is none of the run's. */
  async leaveOut<Answer>(waiting: Promise<Answer> | undefined): Promise<Answer | undefined> {
    const since = stopwatch()
    try {
      return await waiting
    } finally {
      this.unmeasured += since()
    }
  }

  /** One visible line of the log. */
  step(sign: Sign, subject: string, text: string, seconds?: number): void {
    this.reporter.step({ sign, subject, text, ...(seconds !== undefined && { seconds }) })
  }

  /** One line of the summary's table; a later one about the same subject takes its place. */
  row(row: Row): void {
    this.rows.set(row.subject, row)
  }

  /** Something that needs a look and stops nothing; said once. */
  note(text: string): void {
    if (this.notes.includes(text)) return
    this.notes.push(text)
    this.step('attention', 'note', text)
  }

  /** Notes changes that stand: what is still in a transaction does not. */
  changed(changes: readonly Listed[]): void {
    this.list.push(...changes.map(({ change }) => change))
    this.stand(changes.map(({ effect }) => effect))
  }

  private stand(effects: readonly Effect[]): void {
    this.changes.push(...without(effects, this.changes))
  }

  /**
   * Makes changes and notes them, unless the work gives `false`: then there was nothing to change. It calls `decisive` right
   * before the step that makes them last: where no answer comes to that one, nobody here can know whether they stand.
   */
  async make<Result>(
    changes: readonly Listed[],
    work: (decisive: () => void) => Promise<Result>,
  ): Promise<Result> {
    // Doubts of their own, since the same may be in doubt already, from another step that has had no answer.
    const own = changes.map(({ effect }) => ({ ...effect }))
    const settled = (): void => void (this.doubts = this.doubts.filter((doubt) => !own.includes(doubt)))
    try {
      const result = await work(() => {
        // From the decisive step on, so that doubts stand in the order of the steps.
        this.doubts = [...this.doubts, ...own]
      })
      settled()
      if (result !== false) this.changed(changes)
      return result
    } catch (error) {
      if (isAnswer(error)) settled()
      throw error
    }
  }

  /** Leaves no doubt once all is up to date: what had not been made would have been made again. */
  settle(): void {
    this.stand(this.doubts)
    this.doubts = []
  }

  /** Says whether this run changed something of the kind, or did this to it; under `dry-run`, whether it would. */
  hasChanged(kind: Effect['object'], how?: Effect['action']): boolean {
    return this.changes.some(({ object, action }) => object === kind && (how ?? action) === action)
  }

  /** Returns what the run came to. */
  outcome(request: ProvisionRequest, failure: Failure | undefined): Outcome {
    return {
      failure,
      dryRun: request.dryRun,
      provisioned: request.provision !== false,
      gated: request.goLive !== undefined,
      goLive: this.goLive,
      commanded: request.command !== undefined,
      command: this.command,
      application: request.appUsername,
      seconds: this.running() - this.unmeasured,
      changes: this.changes,
      list: this.list,
      doubts: without(this.doubts, this.changes),
      rows: [...this.rows.values()],
      notes: this.notes,
      loginUnchecked: this.loginUnchecked,
      cluster: this.cluster,
      permissions: this.permissions,
      secret: {
        namespace: this.cluster?.namespace,
        name: request.appSecret,
        resourceVersion: this.secretVersion,
        authority: this.authority,
        binding: bindingName(request.appSecret, request.secretFormats),
      },
      database: request.appDatabase,
      serverVersion: this.serverVersion,
      restart: this.restart,
    }
  }
}

/** Ways to fail that leave open whether the other side has done what it was asked for. */
const silences: readonly FailureCode[] = [
  'tunnel-lost',
  'port-closed',
  'database-unreachable',
  'api-server-unreachable',
  'api-server-error',
  'timeout',
  'cancelled',
]

/** Says whether an error is the other side's word that nothing was done. */
function isAnswer(error: unknown): boolean {
  if (isFromServer(error)) return !endsSession(error)
  return !(error instanceof Failure && silences.includes(error.code) && !error.undone)
}

/** Returns those of the changes that are not known yet, each once. */
function without(changes: readonly Effect[], known: readonly Effect[]): readonly Effect[] {
  return changes.filter(
    (change, index) => ![...known, ...changes.slice(0, index)].some((other) => isSame(other, change)),
  )
}

function isSame(one: Effect, other: Effect): boolean {
  return one.object === other.object && one.name === other.name && one.action === other.action
}
