import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { gateJson, subjectOf } from '../../src/report/gate-json.ts'
import { reportFiles } from '../../src/report/report-files.ts'
import type { Outcome } from '../../src/run/outcome.ts'

const path = fileURLToPath(new URL('../../schema/go-live-report.json', import.meta.url))
const schema = JSON.parse(readFileSync(path, 'utf8')) as object
const ajv = new Ajv2020({ strict: true, allErrors: true })
for (const format of ['date', 'date-time']) {
  ajv.addFormat(format, (text) => new Date(text).toISOString().startsWith(text.replace(/Z$/, '')))
}
const keepsTo = ajv.compile(schema)
/** What is written and not described is found by this one. */
const isDescribed = ajv.compile(closed(schema, 'https://example.com/closed'))

/** The same schema, which takes nothing that it does not describe. */
function closed(whole: object, $id: string): object {
  const text = JSON.stringify(whole, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && 'properties' in value && !('additionalProperties' in value)
      ? { ...value, additionalProperties: false }
      : value,
  )
  return { ...(JSON.parse(text) as object), $id }
}

/** Says what of a go-live.json is not as its schema has it; nothing where all of it is. */
export function problemsOf(content: string): readonly string[] {
  const document: unknown = JSON.parse(content)
  return [keepsTo, isDescribed].flatMap((check) =>
    check(document) ? [] : (check.errors ?? []).map((error) => JSON.stringify(error)),
  )
}

/** Fails where one of these files is a go-live.json that does not keep to its schema. */
export function expectReports(files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    if (basename(name) !== reportFiles.json) continue
    const problems = problemsOf(content)
    if (problems.length > 0) throw new Error(`${name}:\n${problems.join('\n')}`)
  }
}

/** Fails where what a run would write as go-live.json does not keep to its schema. */
export function expectReport(outcome: Outcome): void {
  if (outcome.goLive === undefined) return
  expectReports({ [reportFiles.json]: gateJson(outcome.goLive, subjectOf(outcome)) })
}
