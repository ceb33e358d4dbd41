import { count, oneLine } from '../lib/text.ts'
import { dayMs } from '../lib/units.ts'
import type { Exception, Finding, Judgement } from './finding.ts'
import type { Rules } from './observations.ts'
import type { Requirement, RequirementId } from './requirement.ts'

const warnDays = 14

/** Longer than what any judge says of names that are as long as names can be. */
const longest = 2_000

/** What is seen is full of foreign names: each text is one line, whatever a judge put into it. */
function readable(judgement: Judgement): Judgement {
  const line = (text: string): string => oneLine(text, longest)
  return {
    ...judgement,
    seen: line(judgement.seen),
    remedy: line(judgement.remedy ?? ''),
    evidence: judgement.evidence.map(({ query, answer, at }) => ({
      query: line(query),
      answer: line(answer),
      at,
    })),
    warnings: (judgement.warnings ?? []).map(line),
  }
}

/** Turns a judgement into a finding: what the go-live file says about it comes in here. */
export function settle(
  requirement: Requirement & { readonly id: RequirementId },
  judged: Judgement,
  { profile, file }: Rules,
  now: Date,
): Finding {
  const judgement = readable(judged)
  const { id, title, source, attestable } = requirement
  const warnings = [...(judgement.warnings ?? [])]
  const today = now.toISOString().slice(0, 10)
  const newest = <Entry extends { requirement: string; validUntil: string }>(
    entries: readonly Entry[],
  ): Entry | undefined =>
    entries
      .filter((entry) => entry.requirement === id)
      .toSorted((one, other) => (one.validUntil < other.validUntil ? 1 : -1))[0]
  const attestation = newest(file.attestations)
  const waiver = newest(file.waivers)
  const open = judgement.verdict === 'not met' || judgement.verdict === 'unknown'
  const holds = (entry: { validUntil: string }): boolean => entry.validUntil >= today
  const finding = {
    id,
    title,
    source,
    counts: requirement.counts === undefined || requirement.counts === profile,
    wanted: judgement.wanted,
    remedy: judgement.remedy ?? '',
    evidence: judgement.evidence,
    warnings,
    attestable: attestable && judgement.verdict === 'unknown',
  }
  const daysLeft = (until: string): number => Math.round((Date.parse(until) - Date.parse(today)) / dayMs)
  const exceptionOf = (by: string, until: string, text: string): Exception => {
    const left = daysLeft(until)
    if (left > warnDays) return { by, until, text }
    return { by, until, text, ending: left === 0 ? 'ends today' : `ends in ${count(left, 'day')}` }
  }
  const expiring = (what: string, { ending, until }: Exception): void => {
    if (ending !== undefined) warnings.push(`the ${what} ${ending}, on ${until}`)
  }
  const words = ({ ending, until }: Exception): string => ending ?? `until ${until}`
  if (judgement.verdict === 'unknown' && attestation !== undefined && holds(attestation)) {
    const exception = exceptionOf(attestation.by, attestation.validUntil, attestation.statement)
    expiring('attestation', exception)
    return {
      ...finding,
      verdict: 'attested',
      seen: `by ${exception.by}, ${words(exception)}: ${exception.text}`,
      remedy: '',
      exception,
    }
  }
  if (open && waiver !== undefined && holds(waiver)) {
    const exception = exceptionOf(waiver.owner, waiver.validUntil, waiver.reason)
    expiring('waiver', exception)
    return {
      ...finding,
      verdict: 'waived',
      seen: `${judgement.seen}. Waived by ${exception.by}, ${words(exception)}: ${exception.text}`,
      remedy: '',
      exception,
    }
  }
  const ended = open
    ? [
        ...(attestation !== undefined && judgement.verdict === 'unknown'
          ? [`the attestation of ${attestation.by} ended on ${attestation.validUntil}`]
          : []),
        ...(waiver === undefined ? [] : [`the waiver of ${waiver.owner} ended on ${waiver.validUntil}`]),
      ]
    : []
  if (attestation !== undefined && (judgement.verdict === 'met' || judgement.verdict === 'not met')) {
    warnings.push('it was seen, so the attestation has no effect')
  }
  if (judgement.verdict === 'met' && waiver !== undefined)
    warnings.push('it needs no waiver: it can be taken out of the file')
  const seen = [...ended, ...(ended.length > 0 && requirement.checklist ? [] : [judgement.seen])].join('; ')
  return { ...finding, verdict: judgement.verdict, seen }
}
