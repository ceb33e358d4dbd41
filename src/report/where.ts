import { join } from 'node:path'
import type { GateReport } from '../go-live/finding.ts'
import type { Step } from '../lib/reporter.ts'
import { spoken } from '../lib/spelling.ts'
import { sentence } from '../lib/text.ts'
import { toPaste } from './gate-summary.ts'
import { reportFiles } from './report-files.ts'

/**
 * Returns the lines of the log that say where the report is, and what is in it to commit or to hand on. They stand in for
 * long blocks, below which nobody would find the verdict.
 *
 * @param folder where the files of the report are; absent where there are none
 */
export function whereItIs(report: GateReport, folder: string | undefined): readonly Step[] {
  const paste = toPaste(report)
  const { html, attest, rights } = reportFiles
  const what = [
    ...(paste === undefined ? [] : [`${attest} to ${paste.verbs}: commit it as a part of ${report.file}`]),
    ...(report.manifest === ''
      ? []
      : [`${rights} to send to the administrator: with its Roles, the run sees more`]),
  ]
  if (folder === undefined) {
    const files = [
      html,
      ...(paste === undefined ? [] : [attest]),
      ...(report.manifest === '' ? [] : [rights]),
    ]
    return [
      { sign: 'attention', subject: 'report', text: `no ${sentence(files, 'or')}: ${spoken().reporting}` },
    ]
  }
  return [
    { sign: 'right', subject: 'report', text: `${join(folder, html)}, with all evidence` },
    ...(what.length === 0 ? [] : [{ sign: 'attention', subject: 'files', text: what.join('\n') } as const]),
  ]
}
