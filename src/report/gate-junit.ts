import { create } from 'xmlbuilder2'
import type { Finding, GateReport } from '../go-live/finding.ts'
import type { Subject } from './gate-json.ts'

/**
 * Returns go-live.xml, in the dialect of JUnit that GitLab, Jenkins and the test reporters of GitHub read: what holds a
 * release back is a failure, what does not count or does not apply is skipped.
 */
export function gateJunit({ findings, profile, at }: GateReport, subject: Subject): string {
  const counts = {
    tests: findings.length,
    failures: findings.filter(isFailure).length,
    errors: 0,
    skipped: findings.filter(isSkipped).length,
  }
  const root = create({ version: '1.0', encoding: 'UTF-8' }).ele('testsuites', { name: 'go-live', ...counts })
  const suite = root.ele('testsuite', {
    name: `go-live ${profile} ${printable(subject.database)}`,
    timestamp: at.toISOString().slice(0, 19),
    ...counts,
  })
  for (const finding of findings) {
    const { id, title, verdict, seen, wanted, remedy, evidence, warnings, source } = finding
    const test = suite.ele('testcase', {
      classname: `go-live.${profile}`,
      name: `${id}: ${title}`,
      time: '0',
    })
    const message = printable(`${verdict}: ${seen}`)
    if (isFailure(finding)) {
      const text = [
        `wanted: ${wanted}`,
        `seen: ${seen}`,
        ...(remedy === '' ? [] : [`to get past it: ${remedy}`]),
      ]
      test.ele('failure', { message, type: verdict }).txt(printable(text.join('\n')))
    } else if (isSkipped(finding)) test.ele('skipped', { message })
    const lines = [
      `${verdict}: ${seen}`,
      `from: ${source.text}, ${source.url}`,
      ...warnings.map((warning) => `needs a look: ${warning}`),
      ...evidence.map(({ query, answer, at: when }) => `${when.toISOString()} ${query} -> ${answer}`),
    ]
    test.ele('system-out').txt(printable(lines.join('\n')))
  }
  return `${root.doc().end({ prettyPrint: true })}\n`
}

function isFailure({ counts, verdict }: Finding): boolean {
  return counts && (verdict === 'not met' || verdict === 'unknown')
}

function isSkipped(finding: Finding): boolean {
  const { verdict } = finding
  return verdict === 'not applicable' || ((verdict === 'not met' || verdict === 'unknown') && !finding.counts)
}

/** XML 1.0 knows no control characters but tab and line ends, not even escaped. */
function printable(text: string): string {
  return text.toWellFormed().replace(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, ' ')
}
