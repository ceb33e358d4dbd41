import { minuteMs } from '../../lib/units.ts'
import type { Observations } from '../observations.ts'
import { durationWords } from './words.ts'

/** More than a slow look takes, and less than what decides a window, an age or an end date. */
const mostApart = 10 * minuteMs

/** Returns a note where the runner's clock, by which is judged, and that of PostgreSQL are far apart. */
export function clockNotes({ at, sql }: Observations): readonly string[] {
  const ahead = at.getTime() - sql.at.getTime()
  if (Math.abs(ahead) < mostApart) return []
  const apart = durationWords(Math.round(Math.abs(ahead) / minuteMs) * minuteMs)
  return [
    `the clock of this runner is ${apart} ${ahead > 0 ? 'ahead of' : 'behind'} PostgreSQL's; windows, ages and end dates are judged by the runner's`,
  ]
}
