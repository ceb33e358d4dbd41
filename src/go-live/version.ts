/**
 * When the PostgreSQL project stops to mend a major version: the day of its last release.
 * Source: https://www.postgresql.org/support/versioning/
 */
export const endOfLife: Readonly<Record<number, string>> = {
  13: '2025-11-13',
  14: '2026-11-12',
  15: '2027-11-11',
  16: '2028-11-09',
  17: '2029-11-08',
  18: '2030-11-14',
}

/** The day on which the table above was last compared with its source. */
export const endOfLifeSeen = '2026-11-22'

/**
 * Minor releases by the day they came out, the newest first. Older ones say nothing that these do not.
 * Source: https://www.postgresql.org/docs/release/
 */
const minorReleases: readonly (readonly [day: string, minors: Readonly<Record<number, number>>])[] = [
  ['2026-08-13', { 14: 24, 15: 19, 16: 15, 17: 11, 18: 6 }],
  ['2026-05-14', { 14: 23, 15: 18, 16: 14, 17: 10, 18: 4 }],
  ['2026-02-26', { 14: 22, 15: 17, 16: 13, 17: 9, 18: 3 }],
  ['2026-02-12', { 14: 21, 15: 16, 16: 12, 17: 8, 18: 2 }],
  ['2025-11-13', { 13: 23, 14: 20, 15: 15, 16: 11, 17: 7, 18: 1 }],
]

/** A minor release, and the day on which it came out. */
interface MinorRelease {
  readonly minor: number
  readonly day: string
}

/** Returns the minor releases of a major version that are known here, the newest first. */
export function minorReleasesOf(major: number): readonly MinorRelease[] {
  return minorReleases.flatMap(([day, { [major]: minor }]) => (minor === undefined ? [] : [{ minor, day }]))
}
