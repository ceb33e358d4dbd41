import pg from 'pg'
import { placeWords, type OptionalRight, type Unread } from '../../kubernetes/ask.ts'
import { count, oneLine, sentence, utc } from '../../lib/text.ts'
import { hourMs, minuteMs } from '../../lib/units.ts'
import type { Evidence } from '../finding.ts'
import type { Observations } from '../observations.ts'
import type { Archiving, Replication } from '../observe-sql.ts'

/** Returns what a statement showed as evidence. */
export function sqlEvidence(observed: Observations, query: string, answer: string): Evidence {
  return { query, answer, at: observed.sql.at }
}

/** Returns what makes known what only members of pg_monitor see. */
export function monitorRemedy({ server }: Observations): string {
  return `ask the administrator to run GRANT pg_monitor TO ${pg.escapeIdentifier(server.admin.name)}`
}

/** Returns what the API server showed as evidence. */
export function apiEvidence(observed: Observations, query: string, answer: string): Evidence {
  return { query, answer, at: observed.at }
}

/** Says what could not be read, and how to make it known; nothing where all of it could. */
export function hiddenBy(
  unread: readonly Unread[],
): { readonly seen: string; readonly remedy: string } | undefined {
  if (unread.length === 0) return undefined
  const [broken, forbidden] = [true, false].map((failed) =>
    unread.filter((each) => (each.failed !== undefined) === failed),
  ) as [Unread[], Unread[]]
  const names = (which: readonly Unread[]): string =>
    sentence(distinct(which.map(({ right }) => right.resource)))
  const rights = rightsWords(forbidden.map(({ right }) => right))
  return {
    seen: [
      ...(forbidden.length > 0 ? [`no permission to read ${names(forbidden)}`] : []),
      ...(broken.length > 0
        ? [`${names(broken)} could not be read (${oneLine(broken[0]?.failed ?? '', 80)})`]
        : []),
    ].join('; '),
    remedy: [
      ...(rights.length > 0 ? [`ask for the right to ${sentence(rights)}`] : []),
      ...(broken.length > 0 ? ['run again'] : []),
      'or attest it',
    ].join(', '),
  }
}

/** Returns rights in words, those of one place together. */
function rightsWords(rights: readonly OptionalRight[]): readonly string[] {
  const places = Map.groupBy(rights, placeWords)
  return [...places].map(([place, together]) => {
    const words = [...Map.groupBy(together, ({ verb }) => verb)].map(
      ([verb, some]) =>
        `${verb} ${sentence(distinct(some.map(({ resource, name = '' }) => `${resource} ${name}`.trimEnd())))}`,
    )
    return `${sentence(words.toSorted())}${place}`
  })
}

/** Each once and in an order of their own: answers come in any. */
function distinct(words: readonly string[]): readonly string[] {
  return [...new Set(words)].toSorted()
}

/** Returns what pg_stat_archiver says in a few words. */
export function archiverWords({ archiver }: Archiving): string {
  const { archivedCount, lastArchived, lastArchivedAt, failedCount, lastFailedAt } = archiver
  const last =
    lastArchivedAt === null ? '' : `, last ${oneLine(lastArchived ?? '', 60)} at ${utc(lastArchivedAt)}`
  const failed = lastFailedAt === null ? '' : `, last ${utc(lastFailedAt)}`
  return `archived ${archivedCount}${last}; failed ${failedCount}${failed}`
}

/** Returns the physical slots in a few words. */
export function slotWords({ slots }: Replication): string {
  return (
    slots.map(({ name, active }) => `${oneLine(name, 63)} ${active ? 'active' : 'inactive'}`).join(', ') ||
    'no physical slot'
  )
}

/** Returns a duration in the largest unit in which it is whole: 90 s are no 2 minutes. */
export function durationWords(milliseconds: number): string {
  const whole = (unit: number): boolean => milliseconds >= unit && milliseconds % unit === 0
  if (whole(hourMs)) return count(milliseconds / hourMs, 'hour')
  if (whole(minuteMs)) return count(milliseconds / minuteMs, 'minute')
  return `${milliseconds / 1000} s`
}

/** Returns the zone that several Nodes are all in; nothing where there are more, or not all of them are known. */
export function zonesTogether(
  nodes: readonly string[],
  zones: ReadonlyMap<string, string>,
): string | undefined {
  const [zone, ...others] = [...new Set(nodes.map((node) => zones.get(node)))]
  return nodes.length > 1 && others.length === 0 ? zone : undefined
}
