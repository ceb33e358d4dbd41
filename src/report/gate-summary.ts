import { holdingBack, pageOf, tally, tallyOfOpen, type Finding, type GateReport } from '../go-live/finding.ts'
import { count, sentence, utc } from '../lib/text.ts'
import { dayMs } from '../lib/units.ts'
import { standing, type Outcome } from '../run/outcome.ts'
import { block, code, escape, fold, paragraphs, table } from './markdown.ts'

/** For how long the block to paste suggests to attest. */
const suggestedDays = 90

/** Returns the verdict as a title. */
export function gateTitle({ verdict, enforced, findings }: GateReport): string {
  if (verdict === 'met') return `Ready to go live: ${tally(findings)}`
  return `${enforced ? 'Release held back' : 'Would be held back'}: ${tallyOfOpen(findings)}`
}

/** Returns what the gate saw and what to do about it, the most important first. */
export function gateBody(outcome: Outcome, report: GateReport): string {
  const { findings, profile, enforced, why, at, manifest } = report
  const plan = profile === 'premium' ? 'Premium' : 'Standard'
  const mode = enforced ? 'enforced' : 'reported only'
  const stands = report.verdict === 'held-back' && enforced ? ` ${standing(outcome)}` : ''
  const open = findings.filter(({ verdict }) => verdict !== 'met' && verdict !== 'not applicable')
  const met = findings.filter(({ verdict }) => verdict === 'met')
  const idle = findings.filter(({ verdict }) => verdict === 'not applicable')
  const warnings = findings.flatMap(({ id, warnings }) =>
    warnings.map((warning) => `- ${code(id)}: ${escape(warning)}`),
  )
  return paragraphs(
    `${plan} profile, ${mode} ${escape(why)}. Seen ${utc(at)}.${stands}`,
    open.length === 0 ? '' : table(['requirement', 'verdict', 'seen', 'to get past it'], open.map(openRow)),
    warnings.length === 0 ? '' : `**Needs a look**\n\n${warnings.join('\n')}`,
    met.length === 0
      ? ''
      : fold(`${count(met.length, 'requirement')} ${met.length === 1 ? 'is' : 'are'} met`, seenTable(met)),
    idle.length === 0 ? '' : fold(`${idle.length} not applicable`, seenTable(idle)),
    fold('Evidence', findings.map(evidence).join('\n\n')),
    exceptionsToPaste(report),
    exceptions(report),
    manifest === ''
      ? ''
      : fold(
          'Rights with which the gate sees more, for your administrator',
          paragraphs(
            'It only reads, adds to what other applications have, and takes nothing away.',
            block('yaml', manifest),
          ),
        ),
  )
}

function openRow({ id, verdict, counts, seen, remedy, exception }: Finding): readonly string[] {
  const holds = counts && (verdict === 'not met' || verdict === 'unknown')
  const weight = holds
    ? `**${verdict}**`
    : exception !== undefined
      ? `${verdict}, until ${exception.until}`
      : `${verdict}, does not count`
  return [named(id), weight, escape(seen), escape(remedy)]
}

/** A requirement with the way to what it is. */
function named(id: Finding['id']): string {
  return `[${code(id)}](${pageOf(id)})`
}

function seenTable(findings: readonly Finding[]): string {
  return table(
    ['requirement', 'wanted', 'seen'],
    findings.map(({ id, wanted, seen }) => [named(id), escape(wanted), escape(seen)]),
  )
}

function evidence({ id, title, source, evidence }: Finding): string {
  const lines = evidence.map(({ query, answer, at }) => `- ${code(query)} → ${escape(answer)} (${utc(at)})`)
  const from = `${code(id)} ${escape(title)}. From: [${escape(source.text)}](${source.url})`
  return [from, '', ...(lines.length === 0 ? ['- nothing to look at'] : lines)].join('\n')
}

/** What to paste into the go-live file for everything unknown: a person's word where that is enough, else an exception. */
export interface ToPaste {
  /** What it does, such as `attest or waive`. */
  readonly verbs: string
  readonly yaml: string
}

/** Returns what to paste into the go-live file, nothing where nothing is unknown. */
export function toPaste({ findings, at }: GateReport): ToPaste | undefined {
  const unknown = findings.filter(({ verdict }) => verdict === 'unknown')
  const attested = unknown.filter(({ attestable, counts }) => attestable && counts)
  const waived = unknown.filter(({ attestable, counts }) => !attestable && counts)
  if (attested.length + waived.length === 0) return undefined
  const until = new Date(at.getTime() + suggestedDays * dayMs).toISOString().slice(0, 10)
  const entries = (list: readonly Finding[], text: string, hint: string, who: string): readonly string[] =>
    list.flatMap(({ id }, index) => [
      `  - requirement: ${id}`,
      `    ${text}: ""${index === 0 ? hint : ''}`,
      `    ${who}: ""`,
      `    valid-until: ${until}`,
    ])
  const lines = [
    ...(attested.length > 0 ? ['attestations:'] : []),
    ...entries(attested, 'statement', '         # what you checked, and where', 'by'),
    ...(waived.length > 0 ? ['waivers:'] : []),
    ...entries(waived, 'reason', '            # why it may stay unknown', 'owner'),
  ]
  const verbs = [...(attested.length > 0 ? ['attest'] : []), ...(waived.length > 0 ? ['waive'] : [])]
  return { verbs: sentence(verbs, 'or'), yaml: lines.join('\n') }
}

function exceptionsToPaste(report: GateReport): string {
  const paste = toPaste(report)
  if (paste === undefined) return ''
  return paragraphs(
    `**To ${paste.verbs}, commit this** (${code(report.file)}) **and fill in the blanks:**`,
    block('yaml', paste.yaml),
  )
}

/** What cannot be attested: that it can be seen, and what can be done instead. */
function exceptions({ findings }: GateReport): string {
  const rest = holdingBack(findings).filter(({ verdict }) => verdict === 'not met')
  if (rest.length === 0) return ''
  const [is, it] = rest.length === 1 ? ['it can be seen', 'It'] : ['they can be seen', 'They']
  return `${sentence(rest.map(({ id }) => code(id)))} cannot be attested, because ${is}. ${it} can be waived: owner, reason and end date.`
}
