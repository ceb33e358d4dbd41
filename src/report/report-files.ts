import { constants } from 'node:fs'
import { mkdtemp, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { GateReport } from '../go-live/finding.ts'
import type { Outcome } from '../outcome.ts'
import { gateHtml } from './gate-html.ts'
import { gateJson, subjectOf } from './gate-json.ts'
import { gateJunit } from './gate-junit.ts'

/** What the files of the report are called. */
export const reportFiles = { json: 'go-live.json', junit: 'go-live.xml', html: 'go-live.html' } as const

/**
 * Writes the reports into a fresh folder of their own, and gives its path.
 *
 * @param parent a folder that this user may write to
 * @param redact takes credentials out: none should be there, and files have no pipeline that masks for them
 */
export async function writeReports(
  report: GateReport,
  outcome: Outcome,
  parent: string,
  redact: (text: string) => string,
): Promise<string> {
  const subject = subjectOf(outcome)
  // Made with a name that nobody can have guessed, for this user alone.
  const folder = await mkdtemp(join(parent, 'pg-app-user-go-live-'))
  await write(join(folder, reportFiles.json), redact(gateJson(report, subject)))
  await write(join(folder, reportFiles.junit), redact(gateJunit(report, subject)))
  await write(join(folder, reportFiles.html), redact(gateHtml(report, subject)))
  return folder
}

/** On a shared runner somebody may have put a link where a file is to be: then there is no file. */
async function write(path: string, content: string): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const file = await open(path, flags, 0o600)
  try {
    await file.writeFile(content)
  } finally {
    await file.close()
  }
}
