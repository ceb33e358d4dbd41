import type { Profile } from '../input/profile.ts'
import { documents } from '../lib/version.ts'
import type { BackupRun } from '../providers/provider.ts'
import type { DatabaseIdentity } from './observe-health.ts'
import type { RequirementId, Source } from './requirement.ts'
import type { Span } from './window.ts'

/** How a requirement came out, in the order in which they are counted. */
export const verdicts = ['not met', 'unknown', 'met', 'attested', 'waived', 'not applicable'] as const
export type Verdict = (typeof verdicts)[number]

/** One look at something: what was asked, what came back, when. */
export interface Evidence {
  /** The SQL query, the path of the API server, or another place that was looked at. */
  readonly query: string
  /** What came back, in one line. It holds no credential. */
  readonly answer: string
  readonly at: Date
}

/** What the observations alone say about a requirement, before anybody vouches or waives. */
export interface Judgement {
  readonly verdict: 'met' | 'not met' | 'unknown' | 'not applicable'
  /** What is demanded, in a few words. */
  readonly wanted: string
  /** What was seen, or why nothing was. */
  readonly seen: string
  /** What to do to get past it; empty where there is nothing to do. */
  readonly remedy?: string
  readonly evidence: readonly Evidence[]
  /** What needs a look although it decides nothing. */
  readonly warnings?: readonly string[]
}

/** Who vouches for a requirement, or made an exception from it, and until when. */
export interface Exception {
  readonly by: string
  /** The last day that it holds, UTC: `2026-12-01`. */
  readonly until: string
  readonly text: string
  /** How it ends where that is soon: `ends in 9 days`; absent where there is time. */
  readonly ending?: string
}

/** One requirement with its verdict and everything it rests on. */
export interface Finding {
  readonly id: RequirementId
  readonly title: string
  readonly source: Source
  readonly verdict: Verdict
  /** Whether it can hold a release back. */
  readonly counts: boolean
  readonly wanted: string
  readonly seen: string
  readonly remedy: string
  readonly evidence: readonly Evidence[]
  readonly warnings: readonly string[]
  /** Whether an attestation in the go-live file would get past it. */
  readonly attestable: boolean
  readonly exception?: Exception
}

/** What the picture of the last days shows. */
export interface Picture {
  readonly from: Date
  readonly to: Date
  /** The window's occurrences, by the name of the reading of its zone. */
  readonly windows: readonly { readonly reading: string; readonly spans: readonly Span[] }[]
  readonly backups: readonly BackupRun[]
  readonly lastArchived?: Date
  /** Whether archiving fails now. */
  readonly archivingFails: boolean
}

/** What the gate came to. */
export interface GateReport {
  /** The same under `warn`: what `enforce` would do. */
  readonly verdict: 'met' | 'held-back'
  readonly enforced: boolean
  /** Why it is enforced, or why it is not: the pattern that matched. */
  readonly why: string
  readonly profile: Profile
  /** The path under which the go-live file is looked for. */
  readonly file: string
  readonly fileRead: boolean
  readonly at: Date
  /** What is released, as Git names it; absent where nothing is known, as on a laptop. */
  readonly commit: string | undefined
  /** What tells the database from every other one; absent where it may not be seen. */
  readonly identity: DatabaseIdentity | undefined
  /** In the order of importance: what holds back first, what is met last. */
  readonly findings: readonly Finding[]
  readonly picture: Picture
  /** Optional rights that were missing, as YAML for the administrator; empty where none was. */
  readonly manifest: string
}

/** Returns the page that says what a requirement is, and how it is judged. */
export function pageOf(id: RequirementId): string {
  return `${documents}/go-live.md#${id}`
}

/** Whether a requirement is neither met, nor vouched for, nor without anything to judge. */
function isOpen({ verdict }: Pick<Finding, 'verdict'>): boolean {
  return verdict === 'not met' || verdict === 'unknown'
}

/** Returns the findings that hold the release back, or would. */
export function holdingBack(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter((finding) => finding.counts && isOpen(finding))
}

/** Returns the findings that would hold the release back if they counted. */
export function notCounting(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter((finding) => !finding.counts && isOpen(finding))
}

/** How many came out in which way; what is open and does not count is apart. */
export type Tally = Readonly<Record<Verdict | 'does not count', number>>

/** Returns how many came out in which way. Every face of a report counts like this. */
export function tallyOf(findings: readonly Finding[]): Tally {
  const apart = notCounting(findings)
  const amount = (wanted: Verdict): number =>
    findings.filter((finding) => finding.verdict === wanted && !apart.includes(finding)).length
  return {
    'not met': amount('not met'),
    unknown: amount('unknown'),
    waived: amount('waived'),
    attested: amount('attested'),
    met: amount('met'),
    'not applicable': amount('not applicable'),
    'does not count': apart.length,
  }
}

/** Returns how many came out in which way, in words: `1 not met, 2 unknown, 9 met · 3 do not count`. */
export function tally(findings: readonly Finding[]): string {
  const amounts = tallyOf(findings)
  const words = verdicts
    .filter((verdict) => amounts[verdict] > 0)
    .map((verdict) => `${amounts[verdict]} ${verdict}`)
  const apart = amounts['does not count']
  const rest = apart === 0 ? [] : [`${apart} ${apart === 1 ? 'does' : 'do'} not count`]
  return [...(words.length === 0 ? [] : [words.join(', ')]), ...rest].join(' · ')
}

/** Returns how many hold back, or would, and how many do not count, in words: `1 not met, 2 unknown · 3 do not count`. */
export function tallyOfOpen(findings: readonly Finding[]): string {
  return tally(findings.filter(isOpen))
}
