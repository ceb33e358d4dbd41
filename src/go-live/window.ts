import { CronExpressionParser } from 'cron-parser'
import { DateTime, IANAZone, Zone, FixedOffsetZone } from 'luxon'
import { oneLine } from '../lib/text.ts'
import { dayMs } from '../lib/units.ts'

/** One way to read the time zone of a window. */
export interface Reading {
  /** For people: `CET with summer time`. */
  readonly name: string
  /** A zone that luxon knows: `Europe/Stockholm` or `UTC+1`. */
  readonly zone: string
}

/** A time of day that comes back every day, such as `00:00-06:00 CET`. Both ends belong to it. */
export interface BackupWindow {
  readonly text: string
  /** Minutes after midnight, local time. */
  readonly start: number
  /** Minutes after midnight; not more than `start` where the window crosses midnight. */
  readonly end: number
  /** How its zone can be read: one way, or two where its name says nothing about summer time. */
  readonly readings: readonly [Reading, ...Reading[]]
}

/** One occurrence of a window. */
export interface Span {
  readonly start: Date
  readonly end: Date
}

/** When something runs, in the syntax of cron. */
export interface Schedule {
  /** Five fields, or six with seconds first, or a word such as `@daily`. */
  readonly cron: string
  readonly zone: string
}

/**
 * Names of zones that people use both for the winter time alone and for the civil time that changes in summer. The
 * civil one is meant more often, the fixed one is what the name says.
 */
const ambiguous = new Map<string, readonly [Reading, Reading]>(
  Object.entries({
    CET: [
      { name: 'CET with summer time', zone: 'Europe/Stockholm' },
      { name: 'CET all year (UTC+1)', zone: 'UTC+1' },
    ],
    EET: [
      { name: 'EET with summer time', zone: 'Europe/Helsinki' },
      { name: 'EET all year (UTC+2)', zone: 'UTC+2' },
    ],
    WET: [
      { name: 'WET with summer time', zone: 'Europe/Lisbon' },
      { name: 'WET all year (UTC)', zone: 'UTC' },
    ],
  }),
)

/** Parses `HH:MM-HH:MM ZONE`; the zone is `UTC`, `UTC+1`, an IANA name, or one of CET, EET and WET. */
export function parseWindow(text: string): BackupWindow | { readonly problem: string } {
  const shown = `"${oneLine(text, 60)}"`
  const parts = /^(\d{1,2}):(\d\d)\s*[-–]\s*(\d{1,2}):(\d\d)\s+(\S+)$/.exec(text)
  if (parts === null) return { problem: `${shown} is no window: write 00:00-06:00 CET` }
  const [, startHour, startMinute, endHour, endMinute, zone = ''] = parts
  const start = Number(startHour) * 60 + Number(startMinute)
  const end = Number(endHour) * 60 + Number(endMinute)
  if (start >= 1440 || end > 1440 || Number(startMinute) > 59 || Number(endMinute) > 59) {
    return { problem: `${shown} has a time that no day has` }
  }
  if (start === end % 1440) return { problem: `${shown} has no length` }
  const readings = ambiguous.get(zone) ?? (isZone(zone) ? ([{ name: zone, zone }] as const) : undefined)
  if (readings === undefined) {
    return {
      problem: `${shown} has a time zone that is not known: write UTC, UTC+1, CET or Europe/Stockholm`,
    }
  }
  return { text: oneLine(text, 60), start, end, readings }
}

/** Says whether a time zone is known: `UTC`, `UTC+1`, `UTC+5:30` or a name such as `Europe/Stockholm`. */
function isZone(name: string): boolean {
  return zoneOf(name).isValid
}

function zoneOf(name: string): Zone {
  return fixedZone(name) ?? IANAZone.create(name)
}

/** Its types leave out that there may be none. */
function fixedZone(name: string): FixedOffsetZone | null {
  return FixedOffsetZone.parseSpecifier(name)
}

/** How long the window is, in milliseconds. */
export function lengthMs({ start, end }: BackupWindow): number {
  return ((end > start ? end : end + 1440) - start) * 60_000
}

/** Returns the occurrences of the window that overlap the time between the two instants. */
export function spansBetween(window: BackupWindow, reading: Reading, from: Date, to: Date): readonly Span[] {
  const zone = zoneOf(reading.zone)
  const spans: Span[] = []
  // A day earlier, because a window that crosses midnight belongs to the day on which it begins.
  let day = DateTime.fromJSDate(from, { zone }).startOf('day').minus({ days: 1 })
  for (; day.toMillis() <= to.getTime(); day = day.plus({ days: 1 })) {
    const start = atMinute(day, window.start)
    const end = atMinute(window.end > window.start ? day : day.plus({ days: 1 }), window.end)
    if (end >= from && start <= to) spans.push({ start, end })
  }
  return spans
}

/** On a day when the clock leaps over the time, the moment of the leap: as clocks on the wall would have it. */
function atMinute(day: DateTime, minute: number): Date {
  if (minute === 1440) return day.plus({ days: 1 }).toJSDate()
  return day.set({ hour: Math.floor(minute / 60), minute: minute % 60 }).toJSDate()
}

/** Returns the readings under which an instant is inside the window. */
export function readingsWith(window: BackupWindow, at: Date): readonly Reading[] {
  return window.readings.filter((reading) => spansBetween(window, reading, at, at).length > 0)
}

/** Words for schedules that everybody who reads them knows. The library has others. */
const nicknames = new Map([
  ['@midnight', '@daily'],
  ['@annually', '@yearly'],
  ...['@yearly', '@monthly', '@weekly', '@daily', '@hourly'].map((word) => [word, word] as const),
])

/** Numbers, signs and names of days and months: the library also takes letters that nobody else does. */
const field = /^(?:[\d*,/?-]|[a-z]{3})+$/i

/**
 * Parses a schedule: five fields as Kubernetes and cron have them, or a word such as `@daily`. A `TZ=` in front names the
 * zone, as the library of Kubernetes and of the operators allows; else `zone` does.
 *
 * @param seconds whether seconds come first, as in CloudNativePG; the sixth field, the day of the week, may be left out
 */
export function parseSchedule(
  text: string,
  zone: string,
  seconds = false,
): Schedule | { readonly problem: string } {
  const shown = `"${oneLine(text, 60)}"`
  const [, named, cron = text.trim()] = /^(?:CRON_)?TZ=(\S+)\s+(.*)$/.exec(text.trim()) ?? []
  const runsIn = named ?? zone
  if (!isZone(runsIn))
    return { problem: `${shown} is in the time zone "${oneLine(runsIn, 40)}", which is not known` }
  if (cron.startsWith('@every '))
    return { problem: `${shown} says how often, and not at what time of the day` }
  const fields = cron.trim().split(/\s+/)
  const word = nicknames.get(fields.join(' '))
  const right = seconds ? [5, 6].includes(fields.length) : fields.length === 5
  if (word === undefined && !right)
    return { problem: `${shown} does not have ${seconds ? 'six' : 'five'} fields` }
  const unreadable = { problem: `${shown} cannot be read as a schedule` }
  if (word === undefined && !fields.every((each) => field.test(each))) return unreadable
  // Each of a day of the month or the week is no choice of days, as in the library of Kubernetes.
  const any = fields.map((each) => each.replace(/^[*?]\/0*1$/, '*'))
  const full = seconds && any.length === 5 ? [...any, '*'] : any
  const schedule = { cron: word ?? full.join(' '), zone: runsIn }
  try {
    nextRun(schedule, new Date(0))
    return schedule
  } catch {
    return unreadable
  }
}

/** Returns the first run at or after an instant; nothing where there is none in the next years. */
export function nextRun(schedule: Schedule, from: Date): Date | undefined {
  return runsOf(schedule)(from)
}

/**
 * Returns a function for the first run at or after an instant. As in Kubernetes and its operators, a time that the clock
 * leaps over in spring has no run on that day. Source: https://pkg.go.dev/github.com/robfig/cron/v3#hdr-Time_zones
 */
function runsOf({ cron, zone }: Schedule): (from: Date) => Date | undefined {
  // The library knows IANA names only; a fixed offset is UTC with the clock put forward.
  const offset = fixedZone(zone)?.offset(0)
  const shift = (offset ?? 0) * 60_000
  const expression = CronExpressionParser.parse(cron, { tz: offset === undefined ? zone : 'UTC' })
  return (from) => {
    // Parsing takes longer than going on from another instant.
    expression.reset(new Date(from.getTime() - 1 + shift))
    try {
      for (;;) {
        const run = expression.next()
        if (expression.includesDate(run)) return new Date(run.getTime() - shift)
      }
    } catch {
      return undefined
    }
  }
}

/** How a schedule fits a window, under one reading of its zone. */
export interface Fit {
  readonly reading: Reading
  /** Occurrences of the window in the year that was looked at. */
  readonly windows: number
  /** Those in which no run begins. */
  readonly empty: readonly Span[]
  /** Those of them that the clock leaps into or over. */
  readonly leapt: readonly Span[]
  /** The most of the others in a row. */
  readonly emptyInARow: number
}

/** Goes through the year after an instant, so that winter, summer and both changes of the clock are in it. */
export function fitYear(schedule: Schedule, window: BackupWindow, now: Date): readonly Fit[] {
  const until = new Date(now.getTime() + 366 * dayMs)
  const next = runsOf(schedule)
  return window.readings.map((reading) => {
    const spans = spansBetween(window, reading, now, until).filter(({ start }) => start >= now)
    const empty = spans.filter(({ start, end }) => {
      const run = next(start)
      return run === undefined || run > end
    })
    const leapt = empty.filter(({ end }) => leaps(schedule.zone, end) || leaps(reading.zone, end))
    const missed = new Set(empty.filter((span) => !leapt.includes(span)))
    let [row, emptyInARow] = [0, 0]
    for (const span of spans) {
      row = missed.has(span) ? row + 1 : 0
      emptyInARow = Math.max(emptyInARow, row)
    }
    return { reading, windows: spans.length, empty, leapt, emptyInARow }
  })
}

/** Says whether the clock was put forward in the day before an instant. */
function leaps(name: string, at: Date): boolean {
  const zone = zoneOf(name)
  return zone.offset(at.getTime()) > zone.offset(at.getTime() - dayMs)
}

/**
 * Returns how many runs there are at most in that many days, wherever these begin in the year after an instant: of one run
 * a month there is none in most weeks, and one in some.
 *
 * @param most where counting ends: one that runs every minute does so very often in very many days. After twice as many runs,
 *   nobody looks further into the year, so that a run of the gate does not wait for it.
 */
export function mostRunsWithin(schedule: Schedule, now: Date, days: number, most: number): number {
  const year = now.getTime() + 366 * dayMs
  const next = runsOf(schedule)
  /** The runs of the days that end with the last of them. */
  const together: number[] = []
  let highest = 0
  for (let run = next(now), looked = 0; run !== undefined && looked < 2 * most; looked++) {
    together.push(run.getTime())
    while ((together[0] ?? 0) <= run.getTime() - days * dayMs) together.shift()
    if ((together[0] ?? 0) > year || highest >= most) break
    highest = Math.max(highest, together.length)
    run = next(new Date(run.getTime() + 1))
  }
  return highest
}

/** Returns the runs of the next week that begin outside the window under every reading, at most `limit` of them. */
export function runsOutside(
  schedule: Schedule,
  window: BackupWindow,
  now: Date,
  limit = 200,
): readonly Date[] {
  const outside: Date[] = []
  const next = runsOf(schedule)
  let run = next(now)
  for (let looked = 0; run !== undefined && looked < limit; looked++) {
    if (run.getTime() > now.getTime() + 7 * dayMs) break
    if (readingsWith(window, run).length === 0) outside.push(run)
    run = next(new Date(run.getTime() + 1))
  }
  return outside
}
