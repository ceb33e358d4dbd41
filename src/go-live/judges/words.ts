import { count, oneLine, sentence, utc } from '../../text.ts'
import type { Evidence, OptionalRight } from '../finding.ts'
import type { Observations } from '../observations.ts'
import { rightWords } from '../observe-cluster.ts'

const minuteMs = 60_000

/** Gives what a statement showed as evidence. */
export function sqlEvidence(observed: Observations, query: string, answer: string): Evidence {
  return { query, answer, at: observed.sql.at }
}

/** Gives what the API server showed as evidence. */
export function apiEvidence(observed: Observations, query: string, answer: string): Evidence {
  return { query, answer, at: observed.at }
}

/** What was hidden by missing rights, and how to make it known; nothing where no right is missing. */
export function hiddenBy(
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

/** Gives what pg_stat_archiver says in a few words. */
export function archiverWords(observed: Observations): string {
  const { archivedCount, lastArchived, lastArchivedAt, failedCount, lastFailedAt } = observed.sql.archiver
  const last =
    lastArchivedAt === null ? '' : `, last ${oneLine(lastArchived ?? '', 60)} at ${utc(lastArchivedAt)}`
  const failed = lastFailedAt === null ? '' : `, last ${utc(lastFailedAt)}`
  return `archived ${archivedCount}${last}; failed ${failedCount}${failed}`
}

/** Gives the physical slots in a few words. */
export function slotWords(observed: Observations): string {
  const { slots } = observed.sql
  return (
    slots.map(({ name, active }) => `${oneLine(name, 63)} ${active ? 'active' : 'inactive'}`).join(', ') ||
    'no physical slot'
  )
}

/** Gives a duration in its largest whole unit. */
export function durationWords(milliseconds: number): string {
  const hours = milliseconds / (60 * minuteMs)
  if (hours >= 1 && Number.isInteger(hours)) return count(hours, 'hour')
  const minutes = milliseconds / minuteMs
  return minutes >= 1 ? count(Math.round(minutes), 'minute') : `${milliseconds / 1000} s`
}
