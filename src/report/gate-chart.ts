import type { Picture } from '../go-live/finding.ts'
import { count, utc } from '../lib/text.ts'
import { dayMs } from '../lib/units.ts'
import type { BackupRun } from '../providers/provider.ts'
import { markup, nothing, type Markup } from './markup.ts'

const width = 960
const left = 172
const right = 16
const laneHeight = 44
const top = 34

/**
 * Returns the picture of the last days as SVG: one lane for each reading of the window, one for backups, one for
 * archiving; now as a line through all. The names of the lanes are a picture of their own, so that they stay where the
 * other is scrolled.
 */
export function gateChart(picture: Picture, now: Date): Markup {
  const { from, to, backups, lastArchived, archivingFails } = picture
  const windows = lanesOf(picture)
  const span = to.getTime() - from.getTime()
  const x = (date: Date): number => {
    const part = (Math.min(Math.max(date.getTime(), from.getTime()), to.getTime()) - from.getTime()) / span
    return Math.round((left + part * (width - left - right)) * 10) / 10
  }
  const lanes = windows.length + 2
  const bottom = top + lanes * laneHeight
  const lane = (index: number): number => top + index * laneHeight
  const breadth = (start: Date, end: Date): number => Math.max(1, x(end) - x(start))
  const middle = (index: number): number => lane(index) + laneHeight / 2
  const [backupLane, archiving] = [middle(windows.length), middle(windows.length + 1)]
  const shades = (windows[0]?.spans ?? []).map(
    ({ start, end }) =>
      markup`<rect class="shade" x="${x(start)}" y="${top}" width="${breadth(start, end)}" height="${bottom - top}"/>`,
  )
  const midnights = days(from, to).map(
    (day) => markup`<line class="grid" x1="${x(day)}" x2="${x(day)}" y1="${top - 6}" y2="${bottom}"/>
      <text class="day" x="${x(day) + 5}" y="${top - 12}">${dayName(day)}</text>`,
  )
  const named = [
    ...windows.map(({ reading }) => reading.replace(/ \(.*\)$/, '')),
    'full backups',
    'archiving',
  ].map((name, index) => {
    const rule = lane(index) + laneHeight
    return {
      name: markup`<text class="lane" x="${left - 10}" y="${middle(index) + 4}">${name}</text>`,
      rule: markup`<line class="rule" x1="${left}" x2="${width - right}" y1="${rule}" y2="${rule}"/>`,
    }
  })
  const bands = windows.flatMap(({ reading, spans }, index) =>
    spans.map(({ start, end }) => {
      const [y, height] = [lane(index) + 9, laneHeight - 18]
      return markup`<rect class="window" x="${x(start)}" y="${y}" width="${breadth(start, end)}" height="${height}" rx="3">
        <title>${reading}: ${utc(start)} to ${utc(end)}</title>
      </rect>`
    }),
  )
  const none = (words: string, y: number): Markup =>
    markup`<text class="none" x="${x(now) - 10}" y="${y + 4}">${words}</text>`
  const marks = backups.map((run) => backupMark(run, x, backupLane))
  const height = bottom + 30
  return markup`<svg class="chart" viewBox="${left} 0 ${width - left} ${height}" role="img" aria-label="${chartWords(picture)}">
    <title>${chartWords(picture)}</title>
    ${shades}
    ${midnights}
    ${named.map(({ rule }) => rule)}
    ${bands}
    ${marks.length === 0 ? none('none seen', backupLane) : marks}
    ${
      lastArchived === undefined
        ? none(archivingFails ? 'fails, nothing archived' : 'nothing archived yet', archiving)
        : archivedMark(lastArchived, x(lastArchived), archiving, archivingFails)
    }
    <line class="now" x1="${x(now)}" x2="${x(now)}" y1="${top - 6}" y2="${bottom}"/>
    <text class="now" x="${x(now)}" y="${bottom + 20}">now ${now.toISOString().slice(11, 16)} UTC</text>
  </svg>
  <svg class="lanes" viewBox="0 0 ${left} ${height}" aria-hidden="true">${named.map(({ name }) => name)}</svg>`
}

/** The readings of the window, of which those that agree in these days share a lane. */
function lanesOf({ windows }: Picture): Picture['windows'] {
  const [first, ...others] = windows
  if (first === undefined) return []
  const [spans, rest] = [JSON.stringify(first.spans), others]
  return rest.every((other) => JSON.stringify(other.spans) === spans)
    ? [{ ...first, reading: rest.length === 0 ? first.reading : 'backup window' }]
    : windows
}

function archivedMark(last: Date, x: number, y: number, fails: boolean): Markup {
  const style = `archived${fails ? ' failing' : ''}`
  return markup`<line class="${style}" x1="${left}" x2="${x}" y1="${y}" y2="${y}"/>
    <circle class="${style}" cx="${x}" cy="${y}" r="5"><title>last archived ${utc(last)}</title></circle>`
}

function backupMark(run: BackupRun, x: (date: Date) => number, y: number): Markup {
  const { what, started, finished, succeeded } = run
  const at = started ?? finished ?? new Date(0)
  const state = succeeded ? 'good' : 'bad'
  const words = `${what}: ${succeeded ? 'succeeded' : 'did not succeed'}, ${utc(at)}`
  const length = started !== undefined && finished !== undefined ? Math.max(0, x(finished) - x(started)) : 0
  const bar = markup`<rect class="backup ${state}" x="${x(at)}" y="${y - 7}" width="${length}" height="6" rx="3"/>`
  const body = succeeded
    ? markup`<circle class="backup good" cx="${x(at)}" cy="${y - 4}" r="6"/>`
    : markup`<path class="backup bad" d="M${x(at) - 5} ${y - 9}l10 10m0 -10l-10 10"/>`
  return markup`<g>
    <title>${words}</title>
    ${length > 2 ? bar : nothing}
    ${body}
    <text class="stamp" x="${x(at)}" y="${y + 17}">${at.toISOString().slice(11, 16)}</text>
  </g>
`
}

function chartWords({ backups, lastArchived, archivingFails }: Picture): string {
  const good = backups.filter(({ succeeded }) => succeeded).length
  const archived = lastArchived === undefined ? 'nothing archived yet' : `last archived ${utc(lastArchived)}`
  return `The last three days: ${count(good, 'successful backup')}, ${backups.length - good} other, ${archived}${archivingFails ? ', failing now' : ''}`
}

/** Returns what the signs of the picture mean. */
export function chartLegend(picture: Picture): Markup {
  const readings = lanesOf(picture).length > 1 ? ', in both readings of its time zone' : ''
  return markup`<ul class="legend">
    <li><span class="key window"></span> backup window${readings}</li>
    <li><span class="key dot good"></span> full backup, succeeded</li>
    <li><span class="key cross">✗</span> full backup, did not succeed</li>
    <li><span class="key line"></span> archived until here</li>
    <li><span class="key now"></span> now</li>
    <li>Times are UTC.</li>
  </ul>`
}

/** The midnights, UTC, that the picture has room to name. */
function days(from: Date, to: Date): readonly Date[] {
  const first = Math.ceil(from.getTime() / dayMs) * dayMs
  const found: Date[] = []
  // A name that would not fit at the right edge is left out, its line with it.
  for (let day = first; day < to.getTime() - dayMs / 3; day += dayMs) found.push(new Date(day))
  return found
}

function dayName(day: Date): string {
  return day.toLocaleDateString('en-GB', {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    timeZone: 'UTC',
  })
}
