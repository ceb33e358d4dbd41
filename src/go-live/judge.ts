import type { ApplicationSecret } from '../kubernetes/application-secret.ts'
import type { ServerState } from '../postgres/state.ts'
import { count, oneLine, sentence, utc } from '../text.ts'
import type { GoLiveFile } from './file.ts'
import type { BackupRun, Evidence, Finding, Judgement, OptionalRight, Picture, Verdict } from './finding.ts'
import type { ApplicationSight, Workload } from './observe-application.ts'
import { daysOf, rightWords, type ClusterSight, type DatabasePod } from './observe-cluster.ts'
import { queries, type RpoProbe, type SqlSight, type WalSender } from './observe-sql.ts'
import type { Profile } from './profile.ts'
import { requirements, type Requirement, type RequirementId, type Thresholds } from './requirement.ts'
import { endOfLife, endOfLifeSeen } from './version.ts'
import { segmentNumber } from './wal.ts'
import { fitYear, lengthMs, parseSchedule, readingsWith, runsOutside, spansBetween } from './window.ts'

/** Everything that was seen, for the judge to weigh. */
export interface Observations {
  /** The moment for which is judged: that of the runner's clock. */
  readonly at: Date
  readonly sql: SqlSight
  readonly server: ServerState
  readonly cluster: ClusterSight
  readonly application: ApplicationSight
  readonly secret: ApplicationSecret | undefined
  /** `shop/app-postgresql-secret`. */
  readonly secretRef: string
  /** Whether this run wrote the Secret, so that no Pod can have it yet. */
  readonly secretChangedNow: boolean
  readonly username: string
  readonly database: string
  /** What came of logging in with the application Secret. */
  readonly login: Evidence
  /** What came of the live probe, or why there was none although the file asks for it. */
  readonly probe: RpoProbe | { readonly reason: string } | undefined
}

/** By what is judged. */
export interface Rules {
  readonly profile: Profile
  readonly thresholds: Thresholds
  readonly file: GoLiveFile
}

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
const warnDays = 14

/** Judges every requirement, and weighs in who vouches and who makes exceptions. Gives the most important first. */
export function judge(seen: Observations, rules: Rules): readonly Finding[] {
  const judgements = new Judge(seen, rules)
  return requirements
    .filter((requirement) => !('optional' in requirement) || rules.file.holdBackInBackupWindow)
    .map((requirement) => settle(requirement, judgements.of(requirement.id), rules, seen.at))
    .map((finding, index) => ({ finding, index }))
    .toSorted((one, other) => rank(one.finding) - rank(other.finding) || one.index - other.index)
    .map(({ finding }) => finding)
}

const order: readonly Verdict[] = ['not met', 'unknown', 'waived', 'attested', 'met', 'not applicable']

/** What holds back comes first, then what would if it counted. */
function rank({ verdict, counts }: Finding): number {
  const open = verdict === 'not met' || verdict === 'unknown'
  return order.indexOf(verdict) + (open && !counts ? 2 : 0)
}

/** Turns a judgement into a finding: what the go-live file says about it comes in here. */
function settle(
  requirement: Requirement & { readonly id: RequirementId },
  judgement: Judgement,
  { profile, file }: Rules,
  now: Date,
): Finding {
  const { id, title, source, attestable } = requirement
  const warnings = [...(judgement.warnings ?? [])]
  const today = now.toISOString().slice(0, 10)
  const newest = <Entry extends { requirement: string; validUntil: string }>(
    entries: readonly Entry[],
  ): Entry | undefined =>
    entries
      .filter((entry) => entry.requirement === id)
      .toSorted((one, other) => (one.validUntil < other.validUntil ? 1 : -1))[0]
  const attestation = newest(file.attestations)
  const waiver = newest(file.waivers)
  const open = judgement.verdict === 'not met' || judgement.verdict === 'unknown'
  const holds = (entry: { validUntil: string } | undefined): boolean =>
    entry !== undefined && entry.validUntil >= today
  const finding = {
    id,
    title,
    source,
    counts: requirement.checklist !== true || profile === 'premium',
    wanted: judgement.wanted,
    remedy: judgement.remedy ?? '',
    evidence: judgement.evidence,
    warnings,
    attestable: attestable && judgement.verdict === 'unknown',
  }
  const daysLeft = (until: string): number => Math.round((Date.parse(until) - Date.parse(today)) / dayMs)
  const ending = (until: string): string => {
    const left = daysLeft(until)
    const words = left === 0 ? 'ends today' : `ends in ${count(left, 'day')}`
    return left <= warnDays ? words : `until ${until}`
  }
  const expiring = (what: string, until: string): void => {
    if (daysLeft(until) <= warnDays) warnings.push(`the ${what} ${ending(until)}, on ${until}`)
  }
  if (judgement.verdict === 'unknown' && attestation !== undefined && holds(attestation)) {
    const { by, statement: text, validUntil: until } = attestation
    expiring('attestation', until)
    return {
      ...finding,
      verdict: 'attested',
      seen: `by ${by}, ${ending(until)}: ${text}`,
      remedy: '',
      exception: { by, until, text },
    }
  }
  if (open && waiver !== undefined && holds(waiver)) {
    const { owner: by, reason: text, validUntil: until } = waiver
    expiring('waiver', until)
    return {
      ...finding,
      verdict: 'waived',
      seen: `${judgement.seen}. Waived by ${by}, ${ending(until)}: ${text}`,
      remedy: '',
      exception: { by, until, text },
    }
  }
  const ended = open
    ? [
        ...(attestation !== undefined && judgement.verdict === 'unknown'
          ? [`the attestation of ${attestation.by} ended on ${attestation.validUntil}`]
          : []),
        ...(waiver === undefined ? [] : [`the waiver of ${waiver.owner} ended on ${waiver.validUntil}`]),
      ]
    : []
  if (attestation !== undefined && judgement.verdict !== 'unknown') {
    warnings.push('it was seen, so the attestation has no effect')
  }
  if (!open && waiver !== undefined) warnings.push('it needs no waiver: it can be taken out of the file')
  const seen = [...ended, ...(ended.length > 0 && requirement.checklist ? [] : [judgement.seen])].join('; ')
  return { ...finding, verdict: judgement.verdict, seen }
}

type Workloads = readonly Workload[]

/** One method for each requirement: pure, from what was seen to what it means. */
class Judge {
  private readonly seen: Observations
  private readonly rules: Rules
  /** In the order in which methods need each other's results. */
  private readonly judges: Readonly<Record<RequirementId, () => Judgement>>

  constructor(seen: Observations, rules: Rules) {
    this.seen = seen
    this.rules = rules
    const people = (): Judgement => this.people()
    this.judges = {
      primary: () => this.primary(),
      instances: () => this.instances(),
      streaming: () => this.streaming(),
      spread: () => this.spread(),
      archiving: () => this.archiving(),
      rpo: () => this.rpo(),
      'backup-schedule': () => this.backupSchedule(),
      'last-backup': () => this.lastBackup(),
      retention: () => this.retention(),
      pitr: () => this.recovery(),
      'off-site': () => this.offSite(),
      'app-user': () => this.applicationUser(),
      'role-attributes': () => this.roleAttributes(),
      'public-connect': () => this.publicConnect(),
      tls: () => this.tls(),
      'supported-version': () => this.supportedVersion(),
      'app-replicas': () => this.replicas(),
      'app-spread': () => this.applicationSpread(),
      'app-resources': () => this.resources(),
      'app-restarted': () => this.restarted(),
      'backup-window-now': () => this.windowNow(),
      'load-test': people,
      'load-test-update': people,
      'load-test-reboot': people,
      'load-test-zone': people,
      'recovery-test': people,
      'redeployment-test': people,
    }
  }

  of(id: RequirementId): Judgement {
    return this.judges[id]()
  }

  private primary(): Judgement {
    const { sql } = this.seen
    const wanted = 'a primary that takes writes'
    const evidence = [
      this.sql(
        queries.recovery,
        `recovery ${sql.standby ? 'yes' : 'no'}, read-only ${sql.readOnly ? 'on' : 'off'}`,
      ),
    ]
    if (sql.standby) {
      return {
        verdict: 'not met',
        wanted,
        seen: 'a standby, which takes no writes',
        remedy: 'ask the administrator to let the Service select the primary',
        evidence,
      }
    }
    if (sql.readOnly) {
      return {
        verdict: 'not met',
        wanted,
        seen: 'a primary whose sessions are read-only',
        remedy: 'take default_transaction_read_only back',
        evidence,
      }
    }
    return { verdict: 'met', wanted, seen: `PostgreSQL ${sql.version}, a writable primary`, evidence }
  }

  private instances(): Judgement {
    const { cluster, sql } = this.seen
    const least = this.rules.thresholds.minInstances
    const wanted = `${least} ready`
    const working = cluster.pods?.filter(isWorking)
    const standbys = this.standbysInSql()
    const inSql = standbys.certain ? standbys.count + 1 : undefined
    const counts: (readonly [source: string, amount: number])[] = [
      ...(working === undefined ? [] : [['the Pods', working.length] as const]),
      ...(cluster.operator?.readyInstances === undefined
        ? []
        : [[cluster.operator.what, cluster.operator.readyInstances] as const]),
      ...(inSql === undefined ? [] : [['SQL', inSql] as const]),
    ]
    const evidence = [
      ...cluster.evidence.pods,
      ...cluster.evidence.operator,
      this.sql(queries.replication, `${count(sql.senders.length, 'walsender')}, ${this.slotWords()}`),
    ]
    const [best, ...others] = counts
    if (best === undefined) {
      return {
        verdict: 'unknown',
        wanted,
        seen: `the Pods of this database cannot be told apart, and what ${count(sql.senders.length, 'walsender')} may be is hidden`,
        remedy: 'ask the administrator for pg_monitor for the admin',
        evidence,
      }
    }
    const [source, amount] = best
    const different = others.filter(([, other]) => other !== amount)
    const warnings = different.map(([other, says]) => `${source} say ${amount}, ${other} says ${says}`)
    const asked = cluster.operator?.wantedInstances
    if (asked !== undefined && asked < least)
      warnings.push(`${cluster.operator?.what ?? ''} asks for ${asked} only`)
    const words = working?.map(shortPod).join(', ')
    const agrees =
      different.length === 0 && others.length > 0
        ? `; ${sentence(others.map(([other]) => other))} ${others.length === 1 ? 'agrees' : 'agree'}`
        : ''
    const found = `${amount} ready${words ? `: ${words}` : ` (${source})`}${agrees}`
    if (amount >= least) return { verdict: 'met', wanted, seen: found, evidence, warnings }
    const planned =
      this.rules.file.thresholds.minInstances === undefined
        ? `${least} are in the ${this.rules.profile} plan: `
        : ''
    return {
      verdict: 'not met',
      wanted,
      seen: found,
      remedy: `${planned}ask the administrator`,
      evidence,
      warnings,
    }
  }

  private streaming(): Judgement {
    const { cluster, sql } = this.seen
    const { minStandbys: least, rpoMs } = this.rules.thresholds
    const wanted = `${count(least, 'standby')} streaming`
    const evidence = [
      this.sql(queries.replication, sql.senders.map(senderWords).join('; ') || 'no row'),
      this.sql(queries.slots, this.slotWords()),
    ]
    const patroni =
      cluster.pods?.filter((pod) => pod.role === 'standby' && pod.ready && pod.state === 'streaming') ?? []
    if (patroni.length > 0) evidence.push(...cluster.evidence.pods)
    const { count: amount, certain } = this.standbysInSql()
    const late = sql.senders.filter(({ lagSeconds }) => (lagSeconds ?? 0) * 1000 > rpoMs)
    const warnings = [
      ...late.map(
        ({ name, lagSeconds }) =>
          `${oneLine(name, 60)} is ${Math.round(lagSeconds ?? 0)} s behind, and is not counted`,
      ),
      ...(sql.seesStatistics || least === 0
        ? []
        : ['state and lag are hidden: with pg_monitor the admin would see them']),
    ]
    if (certain && amount >= least)
      return { verdict: 'met', wanted, seen: `${amount} streaming`, evidence, warnings }
    if (patroni.length >= least && !sql.seesStatistics) {
      return { verdict: 'met', wanted, seen: `${patroni.length} streaming, says Patroni`, evidence, warnings }
    }
    if (certain) {
      return {
        verdict: 'not met',
        wanted,
        seen: `${amount} streaming`,
        remedy: 'ask the administrator why the standbys do not stream',
        evidence,
        warnings,
      }
    }
    return {
      verdict: 'unknown',
      wanted,
      seen: `${count(sql.senders.length, 'walsender')}, whose state may not be read`,
      remedy: 'ask the administrator for pg_monitor for the admin',
      evidence,
      warnings,
    }
  }

  /**
   * Gives how many standbys stream. With the right to their state that is certain; without it an active physical slot
   * is as good, since only what streams holds one; walsenders alone may be backups as well, unless there are too few.
   */
  private standbysInSql(): { readonly count: number; readonly certain: boolean } {
    const { sql } = this.seen
    const { rpoMs, minStandbys } = this.rules.thresholds
    if (sql.standby) return { count: 0, certain: false }
    const standbys = sql.senders.filter(
      ({ name }) => !/^(pg_basebackup|pg_receivewal|pg_recvlogical)$/.test(name),
    )
    if (sql.seesStatistics) {
      const streaming = standbys.filter(
        ({ state, lagSeconds }) => state === 'streaming' && (lagSeconds ?? 0) * 1000 <= rpoMs,
      )
      return { count: streaming.length, certain: true }
    }
    const active = Math.min(sql.slots.filter((slot) => slot.active).length, standbys.length)
    return { count: active, certain: active >= minStandbys || standbys.length === active }
  }

  private spread(): Judgement {
    const { cluster } = this.seen
    const { minNodes, minZones } = this.rules.thresholds
    const wanted = `${count(minNodes, 'Node')}${minZones > 1 ? ` in ${minZones} zones` : ''}`
    const evidence = [...cluster.evidence.pods, ...cluster.evidence.zones]
    if (cluster.pods === undefined) {
      return {
        verdict: 'unknown',
        wanted,
        seen: 'the Pods of this database cannot be told apart',
        remedy: 'an attestation',
        evidence,
      }
    }
    const nodes = new Set(
      cluster.pods
        .filter(isWorking)
        .map(({ node }) => node)
        .filter((node) => node !== undefined),
    )
    const zones = new Set(
      [...nodes].map((node) => cluster.zones.get(node)).filter((zone) => zone !== undefined),
    )
    const known = [...nodes].every((node) => cluster.zones.has(node))
    const seen = `${count(nodes.size, 'Node')}: ${sentence([...nodes]) || 'none'}${zones.size > 0 ? `; ${count(zones.size, 'zone')}: ${sentence([...zones])}` : ''}`
    if (nodes.size < minNodes)
      return {
        verdict: 'not met',
        wanted,
        seen,
        remedy: 'ask the administrator to spread the instances',
        evidence,
      }
    if (minZones > 1 && !known) {
      return {
        verdict: 'unknown',
        wanted,
        seen: `${seen}; their zones are hidden`,
        remedy: 'the right to get nodes, or an attestation',
        evidence,
      }
    }
    if (zones.size < minZones && minZones > 1) {
      return {
        verdict: 'not met',
        wanted,
        seen,
        remedy: 'ask the administrator to spread the instances over zones',
        evidence,
      }
    }
    const crowded = nodes.size < cluster.pods.filter(isWorking).length
    return {
      verdict: 'met',
      wanted,
      seen,
      evidence,
      warnings: crowded ? ['some instances share a Node'] : [],
    }
  }

  private archiving(): Judgement {
    const { sql } = this.seen
    const wanted = 'on, and not failing'
    const { archiver } = sql
    const evidence = [
      this.sql(
        queries.archiving,
        `archive_mode ${sql.archiveMode}, ${{ something: 'something archives', nothing: 'nothing archives', pretence: 'a command that only says yes' }[sql.archiveBy]}`,
      ),
      this.sql(queries.archiver, this.archiverWords()),
    ]
    const remedy = 'ask the administrator: without archiving there is no point-in-time recovery'
    if (sql.standby)
      return {
        verdict: 'unknown',
        wanted,
        seen: 'a standby, which does not tell',
        remedy: 'look at the primary',
        evidence,
      }
    if (sql.archiveMode === 'off')
      return { verdict: 'not met', wanted, seen: 'archive_mode is off', remedy, evidence }
    if (sql.archiveBy !== 'something') {
      const seen =
        sql.archiveBy === 'nothing'
          ? 'archive_mode is on, and no command or library archives'
          : 'the archive command only says yes'
      return { verdict: 'not met', wanted, seen, remedy, evidence }
    }
    const { lastFailedAt, lastFailed, lastArchivedAt } = archiver
    if (lastFailedAt !== null && (lastArchivedAt === null || lastFailedAt > lastArchivedAt)) {
      const last =
        lastArchivedAt === null ? 'nothing was ever archived' : `the last success was ${utc(lastArchivedAt)}`
      return {
        verdict: 'not met',
        wanted,
        seen: `failing: ${oneLine(lastFailed ?? '', 40)} at ${utc(lastFailedAt)}; ${last}`,
        remedy: 'ask the administrator to mend it',
        evidence,
      }
    }
    if (lastArchivedAt === null) {
      return {
        verdict: 'unknown',
        wanted,
        seen: `on; nothing was archived since the statistics began${archiver.statsReset ? `, ${utc(archiver.statsReset)}` : ''}`,
        remedy: this.probeRemedy(),
        evidence,
      }
    }
    const warnings =
      archiver.failedCount > 0
        ? [
            `${count(archiver.failedCount, 'failure')} since the statistics began, the last one ${lastFailedAt === null ? 'unknown' : utc(lastFailedAt)}`,
          ]
        : []
    return { verdict: 'met', wanted, seen: `on; last archived ${utc(lastArchivedAt)}`, evidence, warnings }
  }

  private rpo(): Judgement {
    const { sql, probe } = this.seen
    const { rpoMs } = this.rules.thresholds
    const wanted = `archived within ${durationWords(rpoMs)}`
    const { archiver, monitor } = sql
    const evidence = [
      this.sql(queries.timeout, `${sql.archiveTimeoutSeconds} s`),
      this.sql(queries.archiver, this.archiverWords()),
      this.sql(
        queries.segment,
        `${sql.currentSegment ?? 'none'}, ${sql.usedBytes} of ${sql.segmentBytes} bytes used`,
      ),
    ]
    if (monitor !== undefined) {
      const oldest = monitor.oldestWaiting === null ? '' : `, the oldest since ${utc(monitor.oldestWaiting)}`
      evidence.push(this.sql(queries.archiveStatus, `${monitor.waiting} waiting${oldest}`))
    }
    const outcome = (verdict: Judgement['verdict'], seen: string, remedy = ''): Judgement => ({
      verdict,
      wanted,
      seen,
      remedy,
      evidence,
      ...(probe !== undefined && 'reason' in probe && { warnings: [`no live probe: ${probe.reason}`] }),
    })
    if (sql.standby) return outcome('unknown', 'a standby, which does not tell', 'look at the primary')
    const archiving = this.archiving()
    if (archiving.verdict === 'not met') return outcome('not met', archiving.seen, archiving.remedy)
    const timeout = `archive_timeout is ${sql.archiveTimeoutSeconds} s`
    if (sql.archiveTimeoutSeconds === 0 || sql.archiveTimeoutSeconds * 1000 > rpoMs) {
      const off = sql.archiveTimeoutSeconds === 0 ? ', which means never' : ''
      return outcome('not met', `${timeout}${off}`, `ask the administrator for ${rpoMs / 1000} s at most`)
    }
    if (probe !== undefined && 'segment' in probe) {
      const waited = `${probe.waitedSeconds.toFixed(0)} s`
      evidence.push({
        query: 'live probe: a row written, its WAL followed in pg_stat_archiver',
        answer:
          probe.seconds === undefined
            ? `${probe.segment} not archived after ${waited}`
            : `${probe.segment} archived after ${waited}`,
        at: probe.at,
      })
      if (probe.seconds !== undefined && probe.seconds * 1000 <= rpoMs)
        return outcome('met', `a row was archived ${waited} after it was written; ${timeout}`)
      const late = probe.waitedSeconds * 1000 >= rpoMs
      return late
        ? outcome('not met', `a row was not archived within ${waited}`, 'ask the administrator')
        : outcome(
            'unknown',
            `a row was not archived within ${waited}, when the time of the run was over`,
            `more time: input "timeout" (${durationWords(rpoMs + 2 * minuteMs)})`,
          )
    }
    const limit = this.seen.sql.at.getTime() - rpoMs
    if (monitor !== undefined && monitor.oldestWaiting !== null && monitor.oldestWaiting.getTime() < limit) {
      return outcome(
        'not met',
        `${count(monitor.waiting, 'segment')} waiting, the oldest since ${utc(monitor.oldestWaiting)}`,
        'ask the administrator to mend the archiving',
      )
    }
    const { lastArchived, lastArchivedAt } = archiver
    if (lastArchived === null || lastArchivedAt === null) {
      return outcome('unknown', `${timeout}; nothing was archived yet`, this.probeRemedy())
    }
    const last = segmentNumber(lastArchived, sql.segmentBytes)
    const current = segmentNumber(sql.currentSegment ?? '', sql.segmentBytes)
    const old = lastArchivedAt.getTime() < limit
    if (!old) return outcome('met', `${timeout}; last archived ${utc(lastArchivedAt)}`)
    if (last === undefined || current === undefined) {
      return outcome(
        'unknown',
        `${timeout}; what was archived last is ${oneLine(lastArchived, 40)}, which says nothing about WAL`,
        this.probeRemedy(),
      )
    }
    // A backup's history file carries the name of a segment that may be archived later than the file itself.
    const finished = current - last - 1
    if (finished > 0 && monitor === undefined) {
      return outcome(
        'not met',
        `${count(finished, 'finished segment')} not archived, the last success was ${utc(lastArchivedAt)}`,
        'ask the administrator to mend the archiving',
      )
    }
    // The server closes the current segment after archive_timeout if it holds anything; an idle one leaves it open.
    const overdue =
      lastArchivedAt.getTime() <
      sql.at.getTime() - Math.max(rpoMs, sql.archiveTimeoutSeconds * 1000) - minuteMs
    if (overdue && sql.usedBytes > idleBytes) {
      return outcome(
        'unknown',
        `${timeout}; last archived ${utc(lastArchivedAt)}, and ${Math.round(sql.usedBytes / 1024)} kB since: a server that has just become busy looks the same`,
        `run again in ${durationWords(sql.archiveTimeoutSeconds * 1000)}, or ${this.probeRemedy()}`,
      )
    }
    return outcome('met', `${timeout}; idle since ${utc(lastArchivedAt)}, and nothing waits to be archived`)
  }

  private backupSchedule(): Judgement {
    const { cluster, at } = this.seen
    const { backupWindow } = this.rules.thresholds
    const wanted = `every day within ${backupWindow.text}`
    const evidence = cluster.evidence.schedule
    const judged = cluster.schedules.map((schedule) => {
      const { what, cron, zone, off } = schedule
      const name = `${what}: "${oneLine(cron, 60)}" (${zone})`
      if (off !== undefined) return { good: 0, words: `${name}, but ${off}`, warnings: [] }
      const parsed = parseSchedule(cron, zone)
      if ('problem' in parsed)
        return { good: 0, words: `${name}, which ${parsed.problem.replace(/^"[^"]*" /, '')}`, warnings: [] }
      const fits = fitYear(parsed, backupWindow, at)
      // The one day on which the clock leaps over the time is no reason to hold anything back, yet it is said.
      const inside = fits.filter(({ empty }) => empty.length <= 1)
      const outside = fits.filter(({ empty }) => empty.length > 1)
      const strays = runsOutside(parsed, backupWindow, at)
      const worst = outside[0]
      const misses =
        worst === undefined
          ? ''
          : `; ${worst.empty.length} of ${worst.windows} windows of the coming year have no run`
      return {
        good: inside.length / fits.length,
        words: `${name}${inside.length === fits.length ? '' : misses}`,
        warnings: [
          ...(inside.length > 0 && outside.length > 0
            ? [
                `${name} is inside one reading of the zone only: right for ${sentence(inside.map(({ reading }) => reading.name))}, wrong for ${sentence(outside.map(({ reading }) => reading.name))}`,
              ]
            : []),
          ...(strays.length > 0 && inside.length > 0
            ? [`${name} also runs outside the window, next ${utc(strays[0] ?? at)}`]
            : []),
          ...inside.flatMap(({ empty, reading }) =>
            empty.map(
              ({ start }) =>
                `${name} leaves out the window of ${utc(start)} (${reading.name}): the clock leaps over the time`,
            ),
          ),
        ],
      }
    })
    const best = judged.toSorted((one, other) => other.good - one.good)[0]
    if (best !== undefined && best.good > 0) {
      const rest = judged.filter((each) => each.good === 0).map(({ words }) => `not counted: ${words}`)
      return { verdict: 'met', wanted, seen: best.words, evidence, warnings: [...best.warnings, ...rest] }
    }
    const seen = judged.map(({ words }) => words).join('; ')
    const hidden = this.hidden(cluster.missing.schedule)
    if (hidden !== undefined)
      return {
        verdict: 'unknown',
        wanted,
        seen: seen === '' ? hidden.seen : `${seen}; ${hidden.seen}`,
        remedy: hidden.remedy,
        evidence,
      }
    if (judged.length === 0)
      return {
        verdict: 'unknown',
        wanted,
        seen: 'no schedule is in sight',
        remedy: 'an attestation',
        evidence,
      }
    return {
      verdict: 'not met',
      wanted,
      seen,
      remedy: 'ask the administrator to move it into the window',
      evidence,
    }
  }

  private lastBackup(): Judgement {
    const { cluster, at, sql } = this.seen
    const { backupWindow, backupEveryMs } = this.rules.thresholds
    const limitMs = backupEveryMs + lengthMs(backupWindow)
    const wanted = `at most ${durationWords(limitMs)} old, taken within ${backupWindow.text}`
    const evidence = [...cluster.evidence.backups]
    if (sql.monitor !== undefined) {
      const end = sql.monitor.lastBackupEnd
      evidence.push(this.sql(queries.walDirectory, end === null ? 'none on this node' : `newest ${utc(end)}`))
    }
    const runs = this.backups().toSorted((one, other) => startOf(other) - startOf(one))
    const succeeded = runs.filter((run) => run.succeeded)
    const fresh = (run: BackupRun): boolean => startOf(run) >= at.getTime() - limitMs
    const within = succeeded.filter((run) => readingsWith(backupWindow, new Date(startOf(run))).length > 0)
    const inside = within.find((run) => run.doubtful !== true && fresh(run)) ?? within[0]
    const words = (run: BackupRun): string =>
      `${run.what}, ${run.started === undefined ? 'finished' : 'started'} ${utc(new Date(startOf(run)))}`
    const [newest] = runs
    const warnings =
      newest !== undefined && !newest.succeeded && newest.finished !== undefined
        ? [`the newest one did not succeed: ${words(newest)}`]
        : []
    if (inside !== undefined && fresh(inside)) {
      if (inside.doubtful) warnings.push('the copy that a new standby is made from leaves the same mark')
      const readings = readingsWith(backupWindow, new Date(startOf(inside)))
      if (readings.length < backupWindow.readings.length) {
        warnings.push(
          `it is inside one reading of the zone only: ${sentence(readings.map(({ name }) => name))}`,
        )
      }
      return { verdict: 'met', wanted, seen: words(inside), evidence, warnings }
    }
    const seen =
      inside !== undefined
        ? `the last one in the window is too old: ${words(inside)}`
        : succeeded[0] !== undefined
          ? `outside the window: ${words(succeeded[0])}`
          : newest !== undefined
            ? `none has succeeded: ${words(newest)}`
            : 'no trace of a backup is left'
    const hidden = this.hidden(cluster.missing.backups)
    if (hidden !== undefined)
      return {
        verdict: 'unknown',
        wanted,
        seen: `${hidden.seen}; ${seen}`,
        remedy: hidden.remedy,
        evidence,
        warnings,
      }
    // A physical backup leaves its mark on the node that took it, which may be another one by now.
    const certain = cluster.backups.some(({ finished }) => finished !== undefined)
    if (!certain) return { verdict: 'unknown', wanted, seen, remedy: 'an attestation', evidence, warnings }
    return { verdict: 'not met', wanted, seen, remedy: 'ask the administrator', evidence, warnings }
  }

  /** What was seen of backups, wherever it was seen. */
  backups(): readonly BackupRun[] {
    const { cluster, sql } = this.seen
    const { lastArchived, lastArchivedAt } = sql.archiver
    const archived = lastArchived?.endsWith('.backup') === true && lastArchivedAt !== null
    return [
      ...cluster.backups,
      ...(sql.monitor === undefined || sql.monitor.lastBackupEnd === null
        ? []
        : [
            {
              what: 'physical backup on this node',
              finished: sql.monitor.lastBackupEnd,
              succeeded: true,
              doubtful: true as const,
            },
          ]),
      ...(archived
        ? [
            {
              what: `physical backup ${oneLine(lastArchived, 60)}`,
              finished: lastArchivedAt,
              succeeded: true,
              doubtful: true as const,
            },
          ]
        : []),
    ]
  }

  private retention(): Judgement {
    const { cluster } = this.seen
    const least = this.rules.thresholds.retentionDays
    const wanted = count(least, 'day')
    const evidence = [...cluster.evidence.operator, ...cluster.evidence.schedule]
    const logical = daysOf(cluster.logicalRetention)
    const days = cluster.operator?.retentionDays ?? logical
    if (days === undefined) {
      const kept =
        cluster.physicalBackupsKept === undefined
          ? ''
          : `; ${count(cluster.physicalBackupsKept, 'physical backup')} are kept, which says nothing about logical ones`
      return {
        verdict: 'unknown',
        wanted,
        seen: `nothing in sight tells how long backups are kept${kept}`,
        remedy: 'ask the administrator, and attest',
        evidence,
      }
    }
    const seen = `${count(days, 'day')}, says ${cluster.operator?.retentionDays === undefined ? 'LOGICAL_BACKUP_S3_RETENTION_TIME' : 'retentionPolicy'}`
    return days >= least
      ? { verdict: 'met', wanted, seen, evidence }
      : { verdict: 'not met', wanted, seen, remedy: 'ask the administrator', evidence }
  }

  private recovery(): Judgement {
    const { cluster } = this.seen
    const least = this.rules.thresholds.recoveryDays
    const wanted = `the last ${count(least, 'day')}`
    const evidence = [...cluster.evidence.operator, ...cluster.evidence.pods]
    const { operator, physicalBackupsKept: kept } = cluster
    const archiving = this.archiving()
    if (archiving.verdict === 'not met')
      return { verdict: 'not met', wanted, seen: archiving.seen, remedy: archiving.remedy ?? '', evidence }
    if (operator?.retentionDays !== undefined) {
      const seen = `${count(operator.retentionDays, 'day')}, says retentionPolicy`
      return operator.retentionDays >= least
        ? { verdict: 'met', wanted, seen, evidence }
        : { verdict: 'not met', wanted, seen, remedy: 'ask the administrator', evidence }
    }
    // The oldest of n daily backups is at least n - 1 days old.
    if (kept !== undefined && kept > least) {
      return {
        verdict: 'met',
        wanted,
        seen: `BACKUP_NUM_TO_RETAIN keeps ${count(kept, 'daily backup')} and the WAL since the oldest`,
        evidence,
      }
    }
    const few = kept === undefined ? '' : `; BACKUP_NUM_TO_RETAIN is ${kept}`
    return {
      verdict: 'unknown',
      wanted,
      seen: `nothing in sight tells how far recovery reaches back${few}`,
      remedy: 'ask the administrator, and attest',
      evidence,
    }
  }

  private offSite(): Judgement {
    return {
      verdict: 'unknown',
      wanted: 'a copy in another place',
      seen: 'nothing in the cluster shows it',
      remedy: 'ask the administrator, and attest',
      evidence: [],
    }
  }

  private applicationUser(): Judgement {
    const { secret, secretRef, server, sql } = this.seen
    const wanted = 'a role of its own'
    const user = secret?.values.PGUSER
    const evidence = [
      this.kubernetes(
        `Secret ${secretRef}`,
        secret === undefined ? 'there is none' : `PGUSER ${user ?? 'missing'}`,
      ),
    ]
    evidence.push(
      this.sql(queries.sessions, `${count(sql.adminSessions.length, 'other session')} of the admin`),
    )
    if (secret === undefined || user === undefined) {
      return {
        verdict: 'not met',
        wanted,
        seen: `${secretRef} ${secret === undefined ? 'does not exist' : 'holds no PGUSER'}`,
        remedy: 'provision it: a run without "provision: false"',
        evidence,
      }
    }
    if (user === server.admin.name) {
      return {
        verdict: 'not met',
        wanted,
        seen: `${secretRef} holds the admin "${user}"`,
        remedy: 'give the application a user of its own',
        evidence,
      }
    }
    const sessions = sql.adminSessions
    const names = [
      ...new Set(sessions.map((name) => (name === '' ? 'without a name' : `"${oneLine(name, 40)}"`))),
    ]
    const warnings =
      sessions.length > 0
        ? [
            `${count(sessions.length, 'other session')} of the admin ${sessions.length === 1 ? 'is' : 'are'} open: ${sentence(names.slice(0, 3))}`,
          ]
        : []
    return { verdict: 'met', wanted, seen: `it uses "${user}"`, evidence, warnings }
  }

  private roleAttributes(): Judgement {
    const { server, username } = this.seen
    const wanted = 'no dangerous attribute'
    const { role } = server
    const evidence = [
      this.sql(
        `select * from pg_roles where rolname = '${oneLine(username, 63)}'`,
        role === undefined ? 'no row' : role.dangers.join(', ') || 'nothing dangerous',
      ),
    ]
    evidence.push(this.seen.login)
    if (role === undefined)
      return {
        verdict: 'not met',
        wanted,
        seen: `role "${username}" does not exist`,
        remedy: 'provision it',
        evidence,
      }
    if (role.dangers.length > 0) {
      return {
        verdict: 'not met',
        wanted,
        seen: `"${username}" is or has: ${sentence(role.dangers)}`,
        remedy: 'take it away, or give the application another role',
        evidence,
      }
    }
    if (!role.canLogin || role.expired) {
      return {
        verdict: 'not met',
        wanted,
        seen: `"${username}" ${role.canLogin ? 'has expired' : 'may not log in'}`,
        remedy: 'let it log in',
        evidence,
      }
    }
    return {
      verdict: 'met',
      wanted,
      seen: `"${username}" may log in, and nothing more than its grants say`,
      evidence,
    }
  }

  private publicConnect(): Judgement {
    const { server, database } = this.seen
    const wanted = 'no CONNECT for PUBLIC'
    const found = server.database
    const evidence = [
      this.sql(
        `select datacl from pg_database where datname = '${oneLine(database, 63)}'`,
        found === undefined ? 'no row' : `PUBLIC ${found.publicConnects ? 'has' : 'has no'} CONNECT`,
      ),
    ]
    if (found === undefined)
      return {
        verdict: 'not met',
        wanted,
        seen: `database "${database}" does not exist`,
        remedy: 'provision it',
        evidence,
      }
    if (found.publicConnects) {
      return {
        verdict: 'not met',
        wanted,
        seen: 'every role may connect',
        remedy: 'REVOKE CONNECT ON DATABASE … FROM PUBLIC, once all who need it have a grant',
        evidence,
      }
    }
    return { verdict: 'met', wanted, seen: 'only roles with a grant may connect', evidence }
  }

  private tls(): Judgement {
    const { secret, secretRef, sql } = this.seen
    const wanted = 'PGSSLMODE that insists on TLS'
    const mode = secret?.values.PGSSLMODE
    const evidence = [
      this.kubernetes(`Secret ${secretRef}`, `PGSSLMODE ${mode ?? 'missing'}`),
      this.sql(queries.tls, sql.tls ? 'on' : 'off'),
    ]
    if (!sql.tls)
      return {
        verdict: 'not met',
        wanted,
        seen: 'the server offers no TLS',
        remedy: 'ask the administrator to turn it on',
        evidence,
      }
    if (mode !== undefined && ['require', 'verify-ca', 'verify-full', 'no-verify'].includes(mode)) {
      const weak = mode === 'verify-full' ? '' : ', which encrypts and does not make sure of the host'
      return { verdict: 'met', wanted, seen: `${mode}${weak}`, evidence }
    }
    return {
      verdict: 'not met',
      wanted,
      seen:
        mode === undefined
          ? `${secretRef} holds no PGSSLMODE`
          : `${oneLine(mode, 40)}, which may go on without TLS`,
      remedy: 'input app-sslmode: require',
      evidence,
    }
  }

  private supportedVersion(): Judgement {
    const { sql, at } = this.seen
    const wanted = 'a major version that gets security fixes'
    const major = Math.floor(sql.versionNumber / 10_000)
    const end = endOfLife[major]
    const evidence = [
      this.sql(queries.version, sql.version),
      {
        query: 'the end-of-life table of this release, compared with its source',
        answer: end ?? 'not in the table',
        at: new Date(endOfLifeSeen),
      },
    ]
    if (end === undefined && major > 18) {
      return {
        verdict: 'unknown',
        wanted,
        seen: `PostgreSQL ${major} is newer than what this release knows`,
        remedy: 'a newer release of pg-app-user, or a waiver',
        evidence,
      }
    }
    if (end === undefined || end < at.toISOString().slice(0, 10)) {
      return {
        verdict: 'not met',
        wanted,
        seen: `PostgreSQL ${major} got its last fix ${end === undefined ? 'long ago' : `on ${end}`}`,
        remedy: 'ask the administrator for an upgrade',
        evidence,
      }
    }
    const left = Math.round((Date.parse(end) - at.getTime()) / dayMs)
    const warnings = left <= 180 ? [`PostgreSQL ${major} gets its last fix in ${count(left, 'day')}`] : []
    return {
      verdict: 'met',
      wanted,
      seen: `PostgreSQL ${sql.version}, mended until ${end}`,
      evidence,
      warnings,
    }
  }

  private replicas(): Judgement {
    const least = this.rules.thresholds.minAppReplicas
    const wanted = `${least} ready`
    const { sql, username } = this.seen
    return this.workloads(wanted, (workloads) => {
      const short = workloads.filter(({ replicas, ready }) => replicas < least || ready < least)
      const seen = workloads
        .map(({ what, replicas, ready }) => `${what}: ${ready} of ${replicas} ready`)
        .join('; ')
      const sessions = sql.applicationSessions
      const evidence = [
        this.sql(queries.sessions, `${count(sessions, 'session')} of ${oneLine(username, 63)}`),
      ]
      const warnings =
        sessions === 0
          ? [`no session of "${username}" is open: nothing seems to connect with this Secret now`]
          : []
      return short.length === 0
        ? { verdict: 'met', seen, evidence, warnings }
        : { verdict: 'not met', seen, remedy: `at least ${least} replicas`, evidence, warnings }
    })
  }

  private applicationSpread(): Judgement {
    const least = this.rules.thresholds.minAppReplicas
    const wanted = 'replicas on distinct Nodes'
    return this.workloads(wanted, (workloads) => {
      const hidden = this.seen.application.missing.filter(({ resource }) => resource === 'pods')
      const loose = workloads.filter(({ pods, keptApart }) => pods === undefined && !keptApart)
      const nodesOf = ({ pods = [] }: Workload): Set<string> =>
        new Set(pods.map(({ node }) => node).filter((node) => node !== undefined))
      const crowded = workloads.filter(
        (workload) => workload.pods !== undefined && nodesOf(workload).size < Math.min(least, 2),
      )
      const seen = workloads
        .map(
          (workload) =>
            `${workload.what}: ${workload.pods === undefined ? (workload.keptApart ? 'kept apart by a rule' : 'its Pods may not be listed') : count(nodesOf(workload).size, 'Node')}`,
        )
        .join('; ')
      if (crowded.length > 0)
        return {
          verdict: 'not met',
          seen,
          remedy: 'topologySpreadConstraints over kubernetes.io/hostname',
          evidence: [],
        }
      if (loose.length > 0)
        return {
          verdict: 'unknown',
          seen,
          remedy: this.hidden(hidden)?.remedy ?? 'an attestation',
          evidence: [],
        }
      return { verdict: 'met', seen, evidence: [] }
    })
  }

  private resources(): Judgement {
    return this.workloads('CPU and memory requests, a memory limit', (workloads) => {
      const lacking = workloads.flatMap(({ what, unlimited }) =>
        unlimited.map((words) => `${what}: ${words}`),
      )
      return lacking.length === 0
        ? {
            verdict: 'met',
            seen: `${sentence(workloads.map(({ what }) => what))}: every container has them`,
            evidence: [],
          }
        : {
            verdict: 'not met',
            seen: lacking.join('; '),
            remedy: 'set resources in the manifest',
            evidence: [],
          }
    })
  }

  private restarted(): Judgement {
    const { secret, secretChangedNow, secretRef } = this.seen
    const wanted = 'Pods younger than the credential'
    if (secretChangedNow) {
      return {
        verdict: 'not applicable',
        wanted,
        seen: 'this very run wrote the Secret: the rollout that follows brings it to the Pods',
        evidence: [],
      }
    }
    const changed = secret?.credentialChanged
    return this.workloads(wanted, (workloads) => {
      const evidence = [
        this.kubernetes(
          `Secret ${secretRef}`,
          changed === undefined ? 'no time' : `credential of ${utc(changed)}`,
        ),
      ]
      if (changed === undefined)
        return {
          verdict: 'unknown',
          seen: 'the Secret does not tell when it was written',
          remedy: 'an attestation',
          evidence,
        }
      const blind = workloads.filter(({ pods }) => pods === undefined)
      const older = workloads
        .flatMap(({ pods = [] }) => pods)
        .filter(({ created }) => created !== undefined && created < changed)
      if (older.length > 0) {
        return {
          verdict: 'not met',
          seen: `older than the credential of ${utc(changed)}: ${sentence(older.slice(0, 5).map(({ name }) => name))}${older.length > 5 ? ` and ${older.length - 5} more` : ''}`,
          remedy: 'kubectl rollout restart',
          evidence,
        }
      }
      if (blind.length > 0)
        return {
          verdict: 'unknown',
          seen: 'the Pods of the application may not be listed',
          remedy: this.hidden(this.seen.application.missing)?.remedy ?? 'an attestation',
          evidence,
        }
      return { verdict: 'met', seen: `all younger than ${utc(changed)}`, evidence }
    })
  }

  /** What all that is about the application has in common: there may be none, or none in sight. */
  private workloads(wanted: string, weigh: (workloads: Workloads) => Omit<Judgement, 'wanted'>): Judgement {
    const { application, secretRef } = this.seen
    const { evidence, missing, workloads } = application
    const hidden = this.hidden(missing.filter(({ resource }) => resource !== 'pods'))
    if (workloads === undefined || (workloads.length === 0 && hidden !== undefined)) {
      return {
        verdict: 'unknown',
        wanted,
        seen: hidden?.seen ?? 'neither Deployments nor StatefulSets could be listed',
        remedy: hidden?.remedy ?? 'an attestation',
        evidence,
      }
    }
    if (workloads.length === 0) {
      return {
        verdict: 'not applicable',
        wanted,
        seen: `no Deployment or StatefulSet uses ${secretRef} yet`,
        evidence,
      }
    }
    const judgement = weigh(workloads)
    return { ...judgement, wanted, evidence: [...evidence, ...judgement.evidence] }
  }

  private windowNow(): Judgement {
    const { at } = this.seen
    const { backupWindow } = this.rules.thresholds
    const wanted = `not within ${backupWindow.text}`
    const evidence = [{ query: 'the clock', answer: utc(at), at }]
    const readings = readingsWith(backupWindow, at)
    const [reading] = readings
    if (reading === undefined) return { verdict: 'met', wanted, seen: utc(at), evidence }
    const ends = readings
      .flatMap((each) => spansBetween(backupWindow, each, at, at))
      .map(({ end }) => end.getTime())
    const until = utc(new Date(Math.max(...ends)))
    const only = readings.length < backupWindow.readings.length ? ` (${reading.name})` : ''
    return {
      verdict: 'not met',
      wanted,
      seen: `${utc(at)} is within it${only}`,
      remedy: `run again after ${until}`,
      evidence,
    }
  }

  private people(): Judgement {
    return {
      verdict: 'unknown',
      wanted: 'done, and written down',
      seen: 'only people can do this, and nobody has vouched for it',
      remedy: 'do it, and attest',
      evidence: [],
    }
  }

  /** What was hidden by missing rights, and how to make it known; nothing where no right is missing. */
  private hidden(
    missing: readonly OptionalRight[],
  ): { readonly seen: string; readonly remedy: string } | undefined {
    if (missing.length === 0) return undefined
    const resources = [...new Set(missing.map(({ resource }) => resource))]
    const rights = [...new Set(missing.map(rightWords))]
    return {
      seen: `${sentence(resources)} may not be read`,
      remedy: `the right to ${sentence(rights)}, or an attestation`,
    }
  }

  private probeRemedy(): string {
    return 'rpo-probe: true in the go-live file would show it'
  }

  private archiverWords(): string {
    const { archivedCount, lastArchived, lastArchivedAt, failedCount, lastFailedAt } = this.seen.sql.archiver
    const last =
      lastArchivedAt === null ? '' : `, last ${oneLine(lastArchived ?? '', 60)} at ${utc(lastArchivedAt)}`
    const failed = lastFailedAt === null ? '' : `, last ${utc(lastFailedAt)}`
    return `archived ${archivedCount}${last}; failed ${failedCount}${failed}`
  }

  private slotWords(): string {
    const { slots } = this.seen.sql
    return (
      slots.map(({ name, active }) => `${oneLine(name, 63)} ${active ? 'active' : 'inactive'}`).join(', ') ||
      'no physical slot'
    )
  }

  private sql(query: string, answer: string): Evidence {
    return { query, answer, at: this.seen.sql.at }
  }

  private kubernetes(query: string, answer: string): Evidence {
    return { query, answer, at: this.seen.at }
  }
}

/** More than an idle server writes of its own accord into a segment: checkpoints, snapshots of running transactions. */
const idleBytes = 64 * 1024

/** Gives what the picture of the last days shows. */
export function pictureOf(seen: Observations, rules: Rules): Picture {
  const { at, sql } = seen
  const { backupWindow } = rules.thresholds
  const from = new Date(at.getTime() - 3 * dayMs)
  const to = new Date(at.getTime() + dayMs / 2)
  const { lastArchivedAt, lastFailedAt } = sql.archiver
  return {
    from,
    to,
    windows: backupWindow.readings.map((reading) => ({
      reading: reading.name,
      spans: spansBetween(backupWindow, reading, from, to),
    })),
    backups: new Judge(seen, rules).backups().filter((run) => startOf(run) >= from.getTime()),
    ...(lastArchivedAt !== null && { lastArchived: lastArchivedAt }),
    archivingFails: lastFailedAt !== null && (lastArchivedAt === null || lastFailedAt > lastArchivedAt),
  }
}

/** A Pod that does its work: Ready, and in one of Patroni's good states where there is a Patroni. */
function isWorking({ ready, state }: DatabasePod): boolean {
  return ready && (state === undefined || state === 'running' || state === 'streaming')
}

function shortPod({ name, role }: DatabasePod): string {
  return role === undefined ? name : `${name} (${role})`
}

function senderWords({ name, state, lagSeconds }: WalSender): string {
  const lag = lagSeconds === null ? '' : `, ${lagSeconds.toFixed(1)} s behind`
  return `${oneLine(name, 63)}: ${state ?? 'state hidden'}${lag}`
}

/** When a backup began, as far as that is known; milliseconds. */
function startOf({ started, finished }: BackupRun): number {
  return (started ?? finished ?? new Date(0)).getTime()
}

function durationWords(milliseconds: number): string {
  const hours = milliseconds / (60 * minuteMs)
  if (hours >= 1 && Number.isInteger(hours)) return count(hours, 'hour')
  const minutes = milliseconds / minuteMs
  return minutes >= 1 ? count(Math.round(minutes), 'minute') : `${milliseconds / 1000} s`
}
