import type { Profile } from '../input/profile.ts'
import type { BackupRun } from '../providers/provider.ts'
import type { RequirementId, Source } from './requirement.ts'
import type { Span } from './window.ts'

/** How a requirement came out. */
export const verdicts = ['met', 'not met', 'unknown', 'attested', 'waived', 'not applicable'] as const
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
  /** Who vouches, or who made the exception, and until when. */
  readonly exception?: { readonly by: string; readonly until: string; readonly text: string }
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
  /** In the order of importance: what holds back first, what is met last. */
  readonly findings: readonly Finding[]
  readonly picture: Picture
  /** Optional rights that were missing, as YAML for the administrator; empty where none was. */
  readonly manifest: string
}

/** Returns the findings that hold the release back, or would. */
export function holdingBack(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ counts, verdict }) => counts && (verdict === 'not met' || verdict === 'unknown'))
}

/** Returns how many came out in which way, in words: `1 not met, 2 unknown`. */
export function tally(findings: readonly Finding[]): string {
  return verdicts
    .map((verdict) => [findings.filter((finding) => finding.verdict === verdict).length, verdict] as const)
    .filter(([amount]) => amount > 0)
    .map(([amount, verdict]) => `${amount} ${verdict}`)
    .join(', ')
}
