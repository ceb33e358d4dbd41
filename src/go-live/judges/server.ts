import { count } from '../../lib/text.ts'
import { dayMs } from '../../lib/units.ts'
import type { Judgement } from '../finding.ts'
import type { Observations } from '../observations.ts'
import { queries } from '../observe-sql.ts'
import { endOfLife, endOfLifeSeen } from '../version.ts'
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
    }
  }
  if (end === undefined || end < at.toISOString().slice(0, 10)) {
    return {
      verdict: 'not met',
      wanted,
      seen: `PostgreSQL ${major} got its last fix ${end === undefined ? 'long ago' : `on ${end}`}`,
      remedy: 'ask the administrator for an upgrade',
      evidence,
    }
  }
  const left = Math.round((Date.parse(end) - at.getTime()) / dayMs)
  const warnings = left <= 180 ? [`PostgreSQL ${major} gets its last fix in ${count(left, 'day')}`] : []
  return {
    verdict: 'met',
    wanted,
    seen: `PostgreSQL ${sql.version}, supported until ${end}`,
    evidence,
    warnings,
  }
}
