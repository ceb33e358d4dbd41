import pg from 'pg'
import { count } from '../../lib/text.ts'
import { dayMs } from '../../lib/units.ts'
import type { Judgement } from '../finding.ts'
import type { Observations, Rules } from '../observations.ts'
import { queries } from '../observe-sql.ts'
import { endOfLife, endOfLifeSeen, minorReleasesOf } from '../version.ts'
import { sqlEvidence } from './words.ts'

/** `primary`: what is behind the Service takes writes. */
export function judgePrimary(observed: Observations): Judgement {
  const { sql } = observed
  const wanted = 'a primary that takes writes'
  const evidence = [
    sqlEvidence(
      observed,
      queries.recovery,
      `recovery ${sql.standby ? 'yes' : 'no'}, read-only ${sql.readOnly ? 'on' : 'off'}`,
    ),
  ]
  if (sql.standby) {
    return {
      verdict: 'not met',
      wanted,
      seen: 'a standby, which takes no writes',
      remedy: 'ask the administrator to let the Service select the primary',
      evidence,
    }
  }
  if (sql.readOnly) {
    return {
      verdict: 'not met',
      wanted,
      seen: 'a primary whose sessions are read-only',
      remedy: 'take default_transaction_read_only back',
      evidence,
    }
  }
  return { verdict: 'met', wanted, seen: `PostgreSQL ${sql.version}, a writable primary`, evidence }
}

/** `supported-version`: the major version still gets fixes. */
export function judgeSupportedVersion(observed: Observations): Judgement {
  const { sql, at } = observed
  const wanted = 'a major version that gets security fixes'
  const major = Math.floor(sql.versionNumber / 10_000)
  const end = endOfLife[major]
  const trap = upgradeTrap(observed)
  const evidence = [
    sqlEvidence(observed, queries.version, sql.version),
    {
      query: 'the end-of-life table of this release, compared with its source',
      answer: end ?? 'not in the table',
      at: new Date(endOfLifeSeen),
    },
  ]
  if (end === undefined && major > 18) {
    return {
      verdict: 'unknown',
      wanted,
      seen: `PostgreSQL ${major} is newer than what this release knows`,
      remedy: 'a newer release of pg-app-user, or a waiver',
      evidence,
      warnings: trap,
    }
  }
  if (end === undefined || end < at.toISOString().slice(0, 10)) {
    return {
      verdict: 'not met',
      wanted,
      seen: `PostgreSQL ${major} got its last fix ${end === undefined ? 'long ago' : `on ${end}`}`,
      remedy: 'ask the administrator for an upgrade',
      evidence,
      warnings: trap,
    }
  }
  const left = Math.ceil((Date.parse(end) - at.getTime()) / dayMs)
  const when = left > 0 ? `in ${count(left, 'day')}` : 'today'
  const last = left <= 180 ? [`PostgreSQL ${major} gets its last fix ${when}`] : []
  return {
    verdict: 'met',
    wanted,
    seen: `PostgreSQL ${sql.version}, supported until ${end}`,
    evidence,
    warnings: [...last, ...trap],
  }
}

/**
 * Before PostgreSQL 16 CREATEROLE reaches every role that is no superuser, and from then on those alone on which the admin has
 * ADMIN OPTION, which an upgrade gives to nobody.
 * Source: https://www.postgresql.org/docs/release/16.0/ (migration)
 */
function upgradeTrap({ server: { admin, role }, sql, username }: Observations): readonly string[] {
  if (role === undefined || role.adminOption) return []
  const grant = `GRANT ${pg.escapeIdentifier(username)} TO ${pg.escapeIdentifier(admin.name)} WITH ADMIN OPTION`
  return [
    sql.versionNumber < 160_000
      ? `an upgrade to PostgreSQL 16 or later would leave "${admin.name}" without ADMIN OPTION on "${username}", and no run could set its password any more; before the upgrade "${admin.name}" itself can run: ${grant}`
      : `"${admin.name}" has no ADMIN OPTION on "${username}", so no run can set its password; a frequent cause is an upgrade from PostgreSQL 15 or older; a superuser can run: ${grant}`,
  ]
}

/** `minor-version`: judged by what is known of this day's releases, so that a table that is old accuses nobody. */
export function judgeMinorVersion(observed: Observations, { thresholds }: Rules): Judgement {
  const { sql, at } = observed
  const [major, minor] = [Math.floor(sql.versionNumber / 10_000), sql.versionNumber % 10_000]
  const days = thresholds.minorReleaseDays
  const wanted = `every minor release that is out for ${count(days, 'day')}`
  const known = minorReleasesOf(major)
  const missed = known.filter((release) => release.minor > minor)
  const due = missed.find(({ day }) => at.getTime() - Date.parse(day) > days * dayMs)
  const [newest] = known
  const evidence = [
    sqlEvidence(observed, queries.version, sql.version),
    {
      query: 'the table of minor releases in this release',
      answer:
        newest === undefined ? 'none of this major version' : `${major}.${newest.minor} of ${newest.day}`,
      at,
    },
  ]
  if (due !== undefined) {
    return {
      verdict: 'not met',
      wanted,
      seen: `PostgreSQL ${sql.version}; ${major}.${due.minor} was released on ${due.day}`,
      remedy: 'ask the administrator for the minor release: it needs a restart, but no migration',
      evidence,
    }
  }
  const [next] = missed
  return {
    verdict: 'met',
    wanted,
    seen:
      newest === undefined
        ? `PostgreSQL ${sql.version}, of which this release knows no newer one`
        : `PostgreSQL ${sql.version}; the newest known here is ${major}.${newest.minor} of ${newest.day}`,
    evidence,
    warnings: next === undefined ? [] : [`${major}.${next.minor} was released on ${next.day}`],
  }
}
