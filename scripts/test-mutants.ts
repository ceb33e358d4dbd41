import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, matchesGlob, relative } from 'node:path'
import type { MutantResult } from '@stryker-mutator/api/core'
import { Stryker } from '@stryker-mutator/core'
import { groups, options } from '../test/mutants/config.ts'

// npm run test:mutants: changes the sources that decide, one place at a time, and says which changes no test notices.
// npm run test:mutants -- plan src/go-live/judges/backup.ts: only those of a group, of a file or of a pattern.

const asked = process.argv.slice(2)
const known = Object.entries(groups).flatMap(([name, { sources }]) => [name, ...sources])
const unknown = asked.filter((each) => !isOf(each, known))
if (unknown.length > 0) {
  process.stderr.write(`test/mutants/config.ts has no ${unknown.join(' and no ')}.\n`)
  process.exit(2)
}

const lines: string[] = []
// Until all of them were tried, whatever ends this early.
process.exitCode = 1
let enough = true
for (const [name, { sources, tests, least }] of Object.entries(groups)) {
  const wanted =
    asked.includes(name) || asked.length === 0 ? sources : asked.filter((each) => isOf(each, sources))
  if (wanted.length === 0) continue
  const results = await tryMutants(wanted, tests)
  const noticed = results.filter(({ status }) => status === 'Killed' || status === 'Timeout')
  const survived = results.filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
  for (const mutant of survived) process.stdout.write(described(mutant))
  const score = (100 * noticed.length) / (noticed.length + survived.length)
  const failed = results.length - noticed.length - survived.length
  lines.push(
    `${score < least ? '✗' : '✓'} ${name.padEnd(8)} ${noticed.length} of ${noticed.length + survived.length} noticed, ${score.toFixed(1)} %${failed > 0 ? `; ${failed} could not be tried` : ''}`,
  )
  // Without any mutant there is no score; and no comment in a source may take one out.
  enough &&= score >= least && results.every(({ status }) => status !== 'Ignored')
}
process.stdout.write(`\n${lines.join('\n')}\n`)
if (enough) process.exitCode = 0

function isOf(source: string, sources: readonly string[]): boolean {
  return sources.some((each) => each === source || matchesGlob(source, each))
}

async function tryMutants(
  mutate: readonly string[],
  tests: readonly string[],
): Promise<readonly MutantResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'pg-app-user-mutants-'))
  try {
    return await new Stryker({
      ...options,
      mutate: [...mutate],
      tests: [...tests],
      tempDirName: folder,
    }).runMutationTest()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function described({ fileName, location, mutatorName, replacement, status }: MutantResult): string {
  const { line, column } = location.start
  const change = replacement.replaceAll(/\s+/g, ' ')
  return `${relative('', fileName)}:${line}:${column} ${mutatorName}, ${status}: ${change}\n`
}
