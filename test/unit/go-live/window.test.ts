import { describe, expect, test } from '@jest/globals'
import {
  fitYear,
  lengthMs,
  nextRun,
  mostRunsWithin,
  parseSchedule,
  parseWindow,
  readingsWith,
  runsOutside,
  spansBetween,
  type BackupWindow,
  type Schedule,
} from '../../../src/go-live/window.ts'

function windowOf(text: string): BackupWindow {
  const window = parseWindow(text)
  if ('problem' in window) throw new Error(window.problem)
  return window
}

function scheduleOf(cron: string, zone = 'UTC'): Schedule {
  const schedule = parseSchedule(cron, zone)
  if ('problem' in schedule) throw new Error(schedule.problem)
  return schedule
}

const plan = windowOf('00:00-06:00 CET')
const winter = new Date('2026-11-22T18:00:00Z')

describe('a window', () => {
  test.each([
    ['00:00-06:00 CET', 6, 2],
    ['22:00-04:00 Europe/Stockholm', 6, 1],
    ['0:30 – 24:00 UTC', 23.5, 1],
    ['23:30-00:30 UTC+5:30', 1, 1],
  ])('%s is %d hours long and has %d readings', (text, hours, readings) => {
    const window = windowOf(text)
    expect(lengthMs(window)).toBe(hours * 3_600_000)
    expect(window.readings).toHaveLength(readings)
  })

  test.each([
    ['midnight to six', 'write 00:00-06:00 CET'],
    ['00:00-06:00', 'write 00:00-06:00 CET'],
    ['25:00-06:00 CET', 'a time that no day has'],
    ['00:61-06:00 CET', 'a time that no day has'],
    ['06:00-06:00 CET', 'has no length'],
    ['00:00-24:00 CET', 'has no length'],
    ['00:00-06:00 Mars/Olympus', 'not known'],
    ['00:00-06:00 constructor', 'not known'],
  ])('%s is refused', (text, problem) => {
    expect(parseWindow(text)).toEqual({ problem: expect.stringContaining(problem) })
  })

  test.each([
    // Winter: both readings of CET are UTC+1.
    ['2026-01-14T22:59:59Z', []],
    ['2026-01-14T23:00:00Z', ['CET with summer time', 'CET all year (UTC+1)']],
    ['2026-01-15T05:00:00Z', ['CET with summer time', 'CET all year (UTC+1)']],
    ['2026-01-15T05:00:01Z', []],
    // Summer: the civil reading is UTC+2.
    ['2026-07-14T22:00:00Z', ['CET with summer time']],
    ['2026-07-14T23:00:00Z', ['CET with summer time', 'CET all year (UTC+1)']],
    ['2026-07-15T04:00:00Z', ['CET with summer time', 'CET all year (UTC+1)']],
    ['2026-07-15T04:30:00Z', ['CET all year (UTC+1)']],
    ['2026-07-15T05:00:01Z', []],
    ['2026-07-15T12:00:00Z', []],
  ])('%s is inside %j', (instant, readings) => {
    expect(readingsWith(plan, new Date(instant)).map(({ name }) => name)).toEqual(readings)
  })

  test('crosses midnight', () => {
    const late = windowOf('22:00-04:00 UTC')
    const inside = (instant: string): boolean => readingsWith(late, new Date(instant)).length > 0
    expect(inside('2026-11-22T22:00:00Z')).toBe(true)
    expect(inside('2026-11-23T03:59:00Z')).toBe(true)
    expect(inside('2026-11-23T04:01:00Z')).toBe(false)
    expect(inside('2026-11-22T21:59:00Z')).toBe(false)
  })

  test.each([
    ['when the clock leaps forward', '2026-03-28T12:00:00Z', '2026-03-29T12:00:00Z', 5],
    ['when it goes back', '2026-10-24T12:00:00Z', '2026-10-25T12:00:00Z', 7],
  ])('is an hour shorter or longer %s', (_, from, to, hours) => {
    const [civil] = plan.readings
    const [span] = spansBetween(plan, civil, new Date(from), new Date(to))
    expect(span && (span.end.getTime() - span.start.getTime()) / 3_600_000).toBe(hours)
  })
})

describe('a schedule', () => {
  test.each([
    ['0 1 * * *', 'UTC', '2026-11-23T01:00:00Z'],
    ['@midnight', 'UTC', '2026-11-23T00:00:00Z'],
    ['@annually', 'UTC', '2027-01-01T00:00:00Z'],
    ['0 1 * * SUN-wed', 'UTC', '2026-11-23T01:00:00Z'],
    ['0 1 * * 0,sat', 'UTC', '2026-11-28T01:00:00Z'],
    ['@daily', 'UTC', '2026-11-23T00:00:00Z'],
    ['@every 24h', 'UTC', undefined],
    ['0 2 * * *', 'Europe/Stockholm', '2026-11-23T01:00:00Z'],
    ['0 2 * * *', 'UTC+1', '2026-11-23T01:00:00Z'],
    ['TZ=Europe/Stockholm 0 2 * * *', 'UTC', '2026-11-23T01:00:00Z'],
    ['CRON_TZ=America/New_York 0 2 * * *', 'UTC', '2026-11-23T07:00:00Z'],
    ['0 1,13 * * *', 'UTC', '2026-11-23T01:00:00Z'],
    ['0 1 13 * 5', 'UTC', '2026-11-27T01:00:00Z'],
    ['0 1 1 1 *', 'UTC', '2027-01-01T01:00:00Z'],
    ['0 1 */1 * 3', 'UTC', '2026-11-25T01:00:00Z'],
    ['0 1 3 * ?/1', 'UTC', '2026-12-03T01:00:00Z'],
  ])('%s in %s next runs at %s', (cron, zone, next) => {
    const schedule = parseSchedule(cron, zone)
    const run = 'problem' in schedule ? undefined : nextRun(schedule, winter)
    expect(run).toEqual(next === undefined ? undefined : new Date(next))
  })

  test.each([
    ['0 0 1 * * *', '2026-11-23T01:00:00Z'],
    ['30 0 1 * * *', '2026-11-23T01:00:30Z'],
    ['@daily', '2026-11-23T00:00:00Z'],
    // Every hour, and not at one o'clock.
    ['0 1 * * *', '2026-11-22T18:01:00Z'],
    ['0 1 * * * * *', undefined],
  ])('that begins with seconds, %s, next runs at %s', (cron, next) => {
    const schedule = parseSchedule(cron, 'UTC', true)
    const run = 'problem' in schedule ? undefined : nextRun(schedule, winter)
    expect(run).toEqual(next === undefined ? undefined : new Date(next))
  })

  // cron takes the sixth for the command.
  test.each([
    '0 0 1 * * *',
    'H H * * *',
    '0 1 L * *',
    '0 1 * * 1#2',
    '@weekdays',
    '* * *',
    '61 * * * *',
    '0 1 * * * * *',
    '0 0 30 2 *',
    'nightly',
    '',
  ])('"%s" is refused', (cron) => {
    expect(parseSchedule(cron, 'UTC')).toHaveProperty('problem')
  })

  test('a zone that is not known is refused', () => {
    expect(parseSchedule('0 1 * * *', 'Mars/Olympus')).toHaveProperty('problem')
  })

  test('a time that the clock leaps over has no run on that day', () => {
    const run = nextRun(scheduleOf('30 2 * * *', 'Europe/Stockholm'), new Date('2027-03-28T00:00:00Z'))
    expect(run).toEqual(new Date('2027-03-29T00:30:00Z'))
  })

  test('a time that comes twice has one run', () => {
    const schedule = scheduleOf('30 2 * * *', 'Europe/Stockholm')
    const first = nextRun(schedule, new Date('2026-10-25T00:00:00Z'))
    const second = nextRun(schedule, new Date((first?.getTime() ?? 0) + 1))
    expect(second).toEqual(new Date('2026-10-26T01:30:00Z'))
  })
})

describe('a schedule in a window, over a year', () => {
  test.each([
    ['0 1 * * *', 'UTC', [0, 0]],
    ['0 23 * * *', 'UTC', [0, 0]],
    ['0 4 * * *', 'UTC', [0, 0]],
    ['30 4 * * *', 'UTC', [217, 0]],
    ['30 22 * * *', 'UTC', [149, 366]],
    ['0 12 * * *', 'UTC', [366, 366]],
    ['0 1,13 * * *', 'UTC', [0, 0]],
    ['0 1 * * 1', 'UTC', [313, 313]],
    ['0 1 1 * *', 'UTC', [354, 354]],
    // Right in the civil reading all year, and on the last night of summer's clock an hour early for the other one.
    ['30 0 * * *', 'Europe/Stockholm', [0, 217]],
    ['30 2 * * *', 'Europe/Stockholm', [1, 1]],
  ])('%s in %s leaves out %j windows', (cron, zone, empty) => {
    const fits = fitYear(scheduleOf(cron, zone), plan, winter)
    expect(fits.map((fit) => fit.empty.length)).toEqual(empty)
  })

  test('a time that the clock leaps over twice in the year is no fault of the schedule, and told apart', () => {
    // The last Sundays of March of two years are 364 days apart.
    const eve = new Date('2026-03-28T12:00:00Z')
    for (const { empty, leapt, emptyInARow } of fitYear(
      scheduleOf('30 2 * * *', 'Europe/Stockholm'),
      plan,
      eve,
    )) {
      expect(empty.map(({ start }) => start.toISOString().slice(0, 10))).toHaveLength(2)
      expect(leapt).toEqual(empty)
      expect(emptyInARow).toBe(0)
    }
  })

  test.each([
    ['0 1 * * *', 0],
    ['0 1 */2 * *', 1],
    ['0 1 * * 1', 6],
    ['0 1 2-31 * *', 1],
  ])('%s leaves out at most %d windows in a row', (cron, most) => {
    const fits = fitYear(scheduleOf(cron, 'UTC'), plan, winter)
    expect(fits.map(({ emptyInARow }) => emptyInARow)).toEqual([most, most])
  })

  test.each([
    ['0 1 * * *', 7],
    ['0 */6 * * *', 28],
    ['0 1 * * 0', 1],
    ['0 1 1 * *', 1],
    ['0 1 1,3,8 * *', 2],
    ['0 1 1 2 *', 1],
    ['0 1 29 2 *', 0],
  ])('%s runs %d times in a week at most', (cron, runs) => {
    expect(mostRunsWithin(scheduleOf(cron, 'UTC'), winter, 7, 100)).toBe(runs)
  })

  test('are counted in the days that have most of them, and not in the next ones', () => {
    const weekly = scheduleOf('0 1 * * 0', 'UTC')
    for (const hour of [0, 24, 48, 120])
      expect(mostRunsWithin(weekly, new Date(winter.getTime() + hour * 3_600_000), 10, 100)).toBe(2)
  })

  test('are counted no further than is asked for', () => {
    expect(mostRunsWithin(scheduleOf('* * * * *', 'UTC'), winter, 99_999, 8)).toBe(8)
  })

  test('runs outside the window are found', () => {
    const outside = runsOutside(scheduleOf('0 1,13 * * *'), plan, winter)
    expect(outside).toHaveLength(7)
    expect(outside[0]).toEqual(new Date('2026-11-23T13:00:00Z'))
  })
})
