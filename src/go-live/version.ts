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
