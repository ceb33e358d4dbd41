import { input } from '../../lib/spelling.ts'
import { count, oneLine, utc } from '../../lib/text.ts'
import { minuteMs } from '../../lib/units.ts'
import type { Evidence, Judgement } from '../finding.ts'
import type { Observations, Rules } from '../observations.ts'
import { queries } from '../observe-sql.ts'
import { segmentNumber } from '../wal.ts'
import { hiddenRemedy } from './weigh.ts'
import { archiverWords, durationWords, monitorRemedy, sqlEvidence } from './words.ts'

/** More than an idle server writes of its own accord into a segment: checkpoints, snapshots of running transactions. */
const idleBytes = 64 * 1024

/** How many finished segments a server that works well may have on their way to the archive. */
const usualBacklog = 4

/** `archiving`: on, by something that archives, and not failing now. */
export function judgeArchiving(observed: Observations): Judgement {
  const { archiveMode, archiving, standby } = observed.sql
  const { operator } = observed.cluster
  const wanted = 'on, and not failing'
  const evidence = [
    ...('hidden' in archiving
      ? [sqlEvidence(observed, queries.archiver, archiving.hidden)]
      : [
          sqlEvidence(
            observed,
            queries.archiving,
            `archive_mode ${archiveMode}, ${{ something: 'something archives', nothing: 'nothing archives', pretence: 'a command that reports success and archives nothing' }[archiving.value.archiveBy]}`,
          ),
          sqlEvidence(observed, queries.archiver, archiverWords(archiving.value)),
        ]),
    ...(operator?.archives === undefined ? [] : observed.cluster.evidence.operator),
  ]
  const remedy = 'ask the administrator: without archiving there is no point-in-time recovery'
  if (standby)
    return {
      verdict: 'unknown',
      wanted,
      seen: 'a standby, which does not show it',
      remedy: 'look at the primary',
      evidence,
    }
  if (archiveMode === 'off')
    return { verdict: 'not met', wanted, seen: 'archive_mode is off', remedy, evidence }
  if ('hidden' in archiving) {
    const seen = archiving.hidden
    if (operator?.archives === undefined)
      return { verdict: 'unknown', wanted, seen, remedy: hiddenRemedy, evidence }
    return operator.archives
      ? { verdict: 'met', wanted, seen: `${operator.what} says that it works`, evidence }
      : failingOf(operator.what, wanted, evidence)
  }
  const { archiveBy, archiver } = archiving.value
  if (archiveBy !== 'something') {
    const seen =
      archiveBy === 'nothing'
        ? 'archive_mode is on, and no command or library archives'
        : 'the archive command reports success and archives nothing'
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
      remedy: 'ask the administrator to repair it',
      evidence,
    }
  }
  if (operator?.archives === false) return failingOf(operator.what, wanted, evidence)
  if (lastArchivedAt === null) {
    if (operator?.archives === true) {
      return { verdict: 'met', wanted, seen: `on; ${operator.what} says that it works`, evidence }
    }
    return {
      verdict: 'unknown',
      wanted,
      seen: `on; nothing was archived since the statistics began${archiver.statsReset ? `, ${utc(archiver.statsReset)}` : ''}`,
      remedy: probeRemedy(),
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

function failingOf(what: string, wanted: string, evidence: readonly Evidence[]): Judgement {
  return {
    verdict: 'not met',
    wanted,
    seen: `${what} says that it fails`,
    remedy: 'ask the administrator to repair it',
    evidence,
  }
}

/** `rpo`: how much work a lost primary would take with it. */
export function judgeRpo(observed: Observations, rules: Rules): Judgement {
  const { sql, probe } = observed
  const { rpoMs } = rules.thresholds
  const wanted = `archived within ${durationWords(rpoMs)}`
  if ('hidden' in sql.archiving) {
    const judged = judgeArchiving(observed)
    if (judged.verdict === 'not met') return { ...judged, wanted }
    const { evidence } = judged
    return { verdict: 'unknown', wanted, seen: sql.archiving.hidden, remedy: hiddenRemedy, evidence }
  }
  const { monitor, segmentBytes } = sql
  const { archiver, archiveTimeoutSeconds, currentSegment, usedBytes } = sql.archiving.value
  const evidence = [
    sqlEvidence(observed, queries.timeout, `${archiveTimeoutSeconds} s`),
    sqlEvidence(observed, queries.archiver, archiverWords(sql.archiving.value)),
    sqlEvidence(
      observed,
      queries.segment,
      `${currentSegment ?? 'none'}, ${usedBytes} of ${segmentBytes} bytes used`,
    ),
  ]
  if (monitor !== undefined) {
    const oldest = monitor.oldestWaiting === null ? '' : `, the oldest since ${utc(monitor.oldestWaiting)}`
    evidence.push(sqlEvidence(observed, queries.archiveStatus, `${monitor.waiting} waiting${oldest}`))
  }
  const outcome = (verdict: Judgement['verdict'], seen: string, remedy = ''): Judgement => ({
    verdict,
    wanted,
    seen,
    remedy,
    evidence,
    ...(probe !== undefined && 'reason' in probe && { warnings: [`no live probe: ${probe.reason}`] }),
  })
  if (sql.standby) return outcome('unknown', 'a standby, which does not show it', 'look at the primary')
  const archiving = judgeArchiving(observed)
  if (archiving.verdict === 'not met') return outcome('not met', archiving.seen, archiving.remedy)
  const timeout = `archive_timeout is ${archiveTimeoutSeconds} s`
  if (archiveTimeoutSeconds === 0 || archiveTimeoutSeconds * 1000 > rpoMs) {
    const off = archiveTimeoutSeconds === 0 ? ', which means never' : ''
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
    if (probe.seconds !== undefined) {
      const late = `a row was archived ${probe.seconds.toFixed(1)} s after it was written, which is too late`
      return outcome('not met', late, 'ask the administrator')
    }
    return probe.waitedSeconds * 1000 >= rpoMs
      ? outcome('not met', `a row was not archived within ${waited}`, 'ask the administrator')
      : outcome(
          'unknown',
          `a row was not archived within ${waited}, when the time of the run was over`,
          `more time: ${input('timeout')} (${durationWords(rpoMs + 2 * minuteMs)})`,
        )
  }
  const limit = sql.at.getTime() - rpoMs
  if (monitor !== undefined && monitor.oldestWaiting !== null && monitor.oldestWaiting.getTime() < limit) {
    return outcome(
      'not met',
      `${count(monitor.waiting, 'segment')} waiting, the oldest since ${utc(monitor.oldestWaiting)}`,
      'ask the administrator to repair the archiving',
    )
  }
  const { lastArchived, lastArchivedAt } = archiver
  if (lastArchived === null || lastArchivedAt === null) {
    return outcome('unknown', `${timeout}; nothing was archived yet`, probeRemedy())
  }
  const last = segmentNumber(lastArchived, segmentBytes)
  const current = segmentNumber(currentSegment ?? '', segmentBytes)
  if (last === undefined || current === undefined) {
    return outcome(
      'unknown',
      `${timeout}; what was archived last is ${oneLine(lastArchived, 40)}, which says nothing about WAL`,
      probeRemedy(),
    )
  }
  const finished = current - last - 1
  const old = lastArchivedAt.getTime() < limit
  // A backup's history file carries the name of the segment that the backup began with: later ones may be archived.
  const certain = !lastArchived.endsWith('.backup')
  if (monitor === undefined && finished > (old ? 0 : usualBacklog)) {
    if (!old || !certain) {
      const behind = `${count(finished, 'finished segment')} after the last one known to be archived`
      const remedy = `${monitorRemedy(observed)}, or ${probeRemedy()}`
      return outcome('unknown', `${timeout}; ${behind}, and how old they are is hidden`, remedy)
    }
    return outcome(
      'not met',
      `${count(finished, 'finished segment')} not archived, the last success was ${utc(lastArchivedAt)}`,
      'ask the administrator to repair the archiving',
    )
  }
  const recent = `${timeout}; last archived ${utc(lastArchivedAt)}`
  if (!old) return outcome('met', recent)
  // The server closes the current segment after archive_timeout, which is no longer than the limit, if it holds anything;
  // an idle one leaves it open.
  const overdue = lastArchivedAt.getTime() < limit - minuteMs
  const busy = usedBytes > idleBytes
  if (overdue && busy) {
    return outcome(
      'unknown',
      `${recent}, and ${Math.round(usedBytes / 1024)} kB since: a server that has just become busy looks the same`,
      `run again in ${durationWords(archiveTimeoutSeconds * 1000)}, or ${probeRemedy()}`,
    )
  }
  const idle = `${timeout}; idle since ${utc(lastArchivedAt)}, and nothing waits to be archived`
  return outcome('met', busy ? recent : idle)
}

/** What would show that archiving works where nothing else does. */
function probeRemedy(): string {
  return 'rpo-probe: true in the go-live file would show it'
}
