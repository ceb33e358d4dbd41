import { count, oneLine, sentence, utc } from '../../lib/text.ts'
import { dayMs } from '../../lib/units.ts'
import { daysOf } from '../../providers/backup-run.ts'
import type { BackupRun } from '../../providers/provider.ts'
import type { Judgement } from '../finding.ts'
import type { Observations, Rules } from '../observations.ts'
import { archiverOf, queries } from '../observe-sql.ts'
import {
  fitYear,
  lengthMs,
  parseSchedule,
  readingsWith,
  runsOutside,
  mostRunsWithin,
  spansBetween,
} from '../window.ts'
import { judgeArchiving } from './archiving.ts'
import { durationWords, hiddenBy, sqlEvidence } from './words.ts'

/** `backup-schedule`: a run in every window of the coming year, or in every second one where that is often enough. */
export function judgeBackupSchedule(observed: Observations, rules: Rules): Judgement {
  const { cluster, at } = observed
  const { backupWindow, backupEveryMs } = rules.thresholds
  // A window comes once a day: more often than that cannot be asked of it.
  const days = Math.max(1, Math.floor(backupEveryMs / dayMs))
  const wanted = `every ${days === 1 ? 'day' : count(days, 'day')} within ${backupWindow.text}`
  const evidence = cluster.evidence.schedule
  const judged = cluster.schedules.map((schedule) => {
    const { what, cron, zone, off, seconds } = schedule
    const name = `${what}: "${oneLine(cron, 60)}" (${zone})`
    const useless = { good: 0, certain: true, warnings: [] }
    if (off !== undefined) return { ...useless, words: `${name}, but ${off}` }
    const parsed = parseSchedule(cron, zone, seconds)
    if ('problem' in parsed) {
      const words = `${name}, which ${parsed.problem.replace(`"${oneLine(cron, 60)}" `, '')}`
      return { ...useless, certain: false, words }
    }
    const fits = fitYear(parsed, backupWindow, at)
    const inside = fits.filter(({ emptyInARow }) => emptyInARow < days)
    const outside = fits.filter((fit) => !inside.includes(fit))
    const strays = runsOutside(parsed, backupWindow, at)
    const worst = outside[0]
    const misses =
      worst === undefined
        ? ''
        : `; ${worst.empty.length} of ${worst.windows} windows of the coming year have no run`
    return {
      good: inside.length / fits.length,
      certain: true,
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
        ...inside.flatMap(({ leapt, reading }) =>
          leapt.map(
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
  const hidden = hiddenBy(cluster.unread.schedule)
  if (hidden !== undefined)
    return {
      verdict: 'unknown',
      wanted,
      seen: seen === '' ? hidden.seen : `${seen}; ${hidden.seen}`,
      remedy: hidden.remedy,
      evidence,
    }
  if (judged.length === 0) {
    return { verdict: 'unknown', wanted, seen: 'no schedule is in sight', remedy: 'an attestation', evidence }
  }
  if (judged.some(({ certain }) => !certain)) {
    return { verdict: 'unknown', wanted, seen, remedy: 'an attestation', evidence }
  }
  const suspended = cluster.schedules.some(({ off }) => off !== undefined)
  const running = cluster.schedules.some(({ off }) => off === undefined)
  const remedies = [...(suspended ? ['resume it'] : []), ...(running ? ['move it into the window'] : [])]
  const remedy = `ask the administrator to ${sentence(remedies, 'or')}`
  return { verdict: 'not met', wanted, seen, remedy, evidence }
}

/** `last-backup`: recent enough, and begun in the window. */
export function judgeLastBackup(observed: Observations, rules: Rules): Judgement {
  const { cluster, at, sql } = observed
  const { backupWindow, backupEveryMs } = rules.thresholds
  const limitMs = backupEveryMs + lengthMs(backupWindow)
  const wanted = `at most ${durationWords(limitMs)} old, taken within ${backupWindow.text}`
  const evidence = [...cluster.evidence.backups]
  if (sql.monitor !== undefined) {
    const end = sql.monitor.lastBackupEnd
    evidence.push(
      sqlEvidence(observed, queries.walDirectory, end === null ? 'none on this node' : `newest ${utc(end)}`),
    )
  }
  const { operator } = cluster
  if (operator?.backupFailure !== undefined) {
    const { at: since, message } = operator.backupFailure
    const when = since === undefined ? '' : `, ${utc(since)}`
    const seen = `${operator.what} says that the last one failed${when}: ${message}`
    return { verdict: 'not met', wanted, seen, remedy: 'ask the administrator', evidence }
  }
  const runs = backupsSeen(observed).toSorted((one, other) => startOf(other) - startOf(one))
  const succeeded = runs.filter((run) => run.succeeded)
  const fresh = (run: BackupRun): boolean => startOf(run) >= at.getTime() - limitMs
  const within = succeeded.filter((run) => readingsWith(backupWindow, new Date(startOf(run))).length > 0)
  const inside = within.find((run) => run.doubtful !== true && fresh(run)) ?? within[0]
  const words = (run: BackupRun): string =>
    `${run.what}, ${run.started === undefined ? 'finished' : 'started'} ${utc(new Date(startOf(run)))}`
  const [newest] = runs
  const warnings =
    newest !== undefined && !newest.succeeded && newest.finished !== undefined
      ? [`the newest backup did not succeed: ${words(newest)}`]
      : []
  const told = runs.find((run) => run.doubtful !== true)
  if (inside !== undefined && fresh(inside) && inside.doubtful && told !== undefined) {
    // The copy for a new standby would hide that the backups which are told apart do not come about.
    const failed = told.finished === undefined ? 'has not ended' : 'did not succeed'
    const why = told.succeeded ? 'too old or outside the window' : failed
    const seen = `${why}: ${words(told)}; what may be no more than the copy for a new standby: ${words(inside)}`
    return { verdict: 'unknown', wanted, seen, remedy: 'an attestation', evidence, warnings }
  }
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
  // What ended outside the window may have begun in it.
  const late = succeeded.find(
    (run) => run.started === undefined && fresh(run) && !(run.doubtful === true && told !== undefined),
  )
  const seen =
    late !== undefined
      ? `when it began is not told: ${words(late)}`
      : inside !== undefined
        ? `the last backup in the window is too old: ${words(inside)}`
        : succeeded[0] !== undefined
          ? `the last backup was outside the window: ${words(succeeded[0])}`
          : newest !== undefined
            ? `no backup has succeeded; the last${newest.finished === undefined ? ', which is under way' : ''}: ${words(newest)}`
            : 'no finished backup can be seen'
  const hidden = hiddenBy(cluster.unread.backups)
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
  const certain = late === undefined && cluster.backups.some(({ finished }) => finished !== undefined)
  if (!certain) return { verdict: 'unknown', wanted, seen, remedy: 'an attestation', evidence, warnings }
  return { verdict: 'not met', wanted, seen, remedy: 'ask the administrator', evidence, warnings }
}

/** `retention`: how long backups are kept. */
export function judgeRetention(observed: Observations, rules: Rules): Judgement {
  const { cluster } = observed
  const least = rules.thresholds.retentionDays
  const wanted = count(least, 'day')
  const evidence = [...cluster.evidence.operator, ...cluster.evidence.schedule]
  const logical = daysOf(cluster.logicalRetention)
  const days = cluster.operator?.retention?.days ?? logical
  if (days === undefined) {
    const kept =
      cluster.physicalBackupsKept === undefined
        ? ''
        : `; ${count(cluster.physicalBackupsKept, 'physical backup')} are kept, which says nothing about logical ones`
    return {
      verdict: 'unknown',
      wanted,
      seen: `nothing visible shows how long backups are kept${kept}`,
      remedy: attestRemedy(observed),
      evidence,
    }
  }
  const seen = `${count(days, 'day')}, says ${cluster.operator?.retention?.setting ?? 'LOGICAL_BACKUP_S3_RETENTION_TIME'}`
  return days >= least
    ? { verdict: 'met', wanted, seen, evidence }
    : { verdict: 'not met', wanted, seen, remedy: 'ask the administrator', evidence }
}

/** Beyond these nobody counts: a backup every hour for twelve weeks. */
const mostRuns = 2_000

/** `pitr`: how far recovery to any point in time reaches back. */
export function judgeRecovery(observed: Observations, rules: Rules): Judgement {
  const { at, cluster } = observed
  const least = rules.thresholds.recoveryDays
  const wanted = `the last ${count(least, 'day')}`
  const evidence = [...cluster.evidence.operator, ...cluster.evidence.pods]
  const { operator, physicalBackupsKept: kept, physicalSchedule } = cluster
  const archiving = judgeArchiving(observed)
  if (archiving.verdict === 'not met')
    return { verdict: 'not met', wanted, seen: archiving.seen, remedy: archiving.remedy ?? '', evidence }
  if (operator?.retention !== undefined) {
    const seen = `${count(operator.retention.days, 'day')}, says ${operator.retention.setting}`
    return operator.retention.days >= least
      ? { verdict: 'met', wanted, seen, evidence }
      : { verdict: 'not met', wanted, seen, remedy: 'ask the administrator', evidence }
  }
  if (kept !== undefined) {
    const schedule = physicalSchedule === undefined ? undefined : parseSchedule(physicalSchedule, 'UTC')
    const runs =
      schedule === undefined || 'problem' in schedule
        ? undefined
        : mostRunsWithin(schedule, at, least, mostRuns)
    const seen = `BACKUP_NUM_TO_RETAIN keeps ${count(kept, 'backup')} and the WAL since the oldest`
    if (runs === undefined) {
      const blind = `${seen}, and how often one is taken is not in sight`
      return { verdict: 'unknown', wanted, seen: blind, remedy: attestRemedy(observed), evidence }
    }
    const often = `${seen}; BACKUP_SCHEDULE "${oneLine(physicalSchedule ?? '', 60)}" takes ${runs < mostRuns ? 'up to' : 'at least'} ${runs} in ${count(least, 'day')}`
    if (kept > runs && runs > 0 && runs < mostRuns) return { verdict: 'met', wanted, seen: often, evidence }
    // Older releases of Spilo keep them for as many days as well.
    if (kept < least) {
      return { verdict: 'not met', wanted, seen: often, remedy: 'ask the administrator', evidence }
    }
    return { verdict: 'unknown', wanted, seen: often, remedy: attestRemedy(observed), evidence }
  }
  const seen = 'nothing visible shows how far recovery reaches back'
  return { verdict: 'unknown', wanted, seen, remedy: attestRemedy(observed), evidence }
}

/** What makes it known how long something is kept: more rights, or else somebody's word. */
function attestRemedy({ cluster: { unread } }: Observations): string {
  return hiddenBy([...unread.operator, ...unread.schedule])?.remedy ?? 'ask the administrator, then attest it'
}

/** `off-site`: a copy in another place. */
export function judgeOffSite(): Judgement {
  return {
    verdict: 'unknown',
    wanted: 'a copy in another place',
    seen: 'nothing in the cluster shows it',
    remedy: 'ask the administrator, then attest it',
    evidence: [],
  }
}

/** `backup-window-now`: no release while the backup may be running. */
export function judgeWindowNow(observed: Observations, rules: Rules): Judgement {
  const { at } = observed
  const { backupWindow } = rules.thresholds
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

/** What was seen of backups, wherever it was seen. */
export function backupsSeen(observed: Observations): readonly BackupRun[] {
  const { cluster, sql } = observed
  const { lastArchived, lastArchivedAt } = archiverOf(sql)
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

/** When a backup began, as far as that is known; milliseconds. */
export function startOf({ started, finished }: BackupRun): number {
  return (started ?? finished ?? new Date(0)).getTime()
}
