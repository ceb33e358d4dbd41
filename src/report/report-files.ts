import { lstat, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { GateReport } from '../go-live/finding.ts'
import { UnfitFile, writeNewFile } from '../lib/regular-file.ts'
import type { Outcome } from '../run/outcome.ts'
import { gateHtml } from './gate-html.ts'
import { gateJson, subjectOf } from './gate-json.ts'
import { gateJunit } from './gate-junit.ts'
import { toPaste } from './gate-summary.ts'
import { mapTexts } from './leaves.ts'

/** What the files of the report are called. */
export const reportFiles = {
  json: 'go-live.json',
  junit: 'go-live.xml',
  html: 'go-live.html',
  /** What to paste into the go-live file; absent where nothing is unknown that counts. */
  attest: 'attest.yaml',
  /** The Roles that would make more known; absent where nothing is missing. */
  rights: 'rights.yaml',
} as const

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
  // Made with a name that nobody can have guessed, for this user alone.
  const folder = await mkdtemp(join(parent, 'pg-app-user-go-live-'))
  await writeReportsInto(folder, report, outcome, redact, 0o600)
  return folder
}

/**
 * Writes the reports into a folder that somebody named, in place of those of an earlier run.
 *
 * @param mode who may read them; whoever uploads them may be another user than this one
 */
export async function writeReportsInto(
  folder: string,
  report: GateReport,
  outcome: Outcome,
  redact: (text: string) => string,
  mode = 0o644,
): Promise<void> {
  const clean = mapTexts(report, redact)
  const subject = mapTexts(subjectOf(outcome), redact)
  await makeFolder(resolve(folder))
  // Without a slash at its end, behind which a link is what it leads to.
  if ((await lstat(resolve(folder))).isSymbolicLink()) throw new UnfitFile('the folder is a link')
  const contents = {
    // A gap in the wrong place would leave no JSON: there the texts are all that is searched.
    [reportFiles.json]: gateJson(clean, subject),
    [reportFiles.junit]: redact(gateJunit(clean, subject)),
    [reportFiles.html]: redact(gateHtml(clean, subject)),
    [reportFiles.attest]: redact(attestations(clean)),
    [reportFiles.rights]: redact(clean.manifest),
  }
  for (const [name, content] of Object.entries(contents)) {
    const path = join(folder, name)
    const found = await lstat(path).catch(() => undefined)
    // A link under the name of a report is no file of anybody's: it gives way, and what it leads to stays as it is.
    if (found?.isSymbolicLink()) await rm(path)
    if (content !== '') await writeNewFile(path, content, mode)
    // What an earlier run left to paste is not what this one found.
    else if (found?.isFile()) await rm(path)
  }
}

/**
 * Makes a folder, with those that it stands in where they are missing. One by one, because Node.js never comes back from a
 * recursive mkdir in a file system that says of every name that it is not there, such as /proc.
 */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error
    await makeFolder(dirname(folder))
    await mkdir(folder)
  }
}

/** What to paste into the go-live file; empty where nothing is unknown that counts. */
function attestations(report: GateReport): string {
  const paste = toPaste(report)
  if (paste === undefined) return ''
  const seeable =
    report.manifest === ''
      ? ''
      : '# With the Roles in rights.yaml, the run can see some of this by itself: ask for them first.\n'
  return `# To ${paste.verbs}: fill in the blanks, and commit it as a part of ${report.file}.\n${seeable}${paste.yaml}\n`
}
