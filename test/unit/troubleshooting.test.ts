import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { failureCodes, type FailureCode } from '../../src/lib/failure.ts'
import { formatFailure } from '../../src/report/log.ts'
import { standing, type Outcome } from '../../src/run/outcome.ts'
import { examples, failureOf } from '../support/examples.ts'
import { failed, provisioned } from '../support/outcomes.ts'

const path = fileURLToPath(new URL('../../docs/troubleshooting.md', import.meta.url))
/** `UPDATE=1 npm test -- --testPathPatterns troubleshooting` writes what runs say now into the document. */
const updating = process.env['UPDATE'] === '1'

/** What stands by then, where a run has always changed something before it stops so. */
const made: Partial<Record<FailureCode, Outcome['changes']>> = {
  'secret-write-refused': provisioned.changes.filter(({ object }) => object !== 'secret'),
  'outputs-unwritable': provisioned.changes,
}

/** The entry of a code: its heading, and the example right below it. */
const entry = (code: FailureCode): RegExp =>
  new RegExp(`(^## ${code}\\n\\n)(?:\`\`\`text\\n(.*?)\`\`\`\\n\\n)?`, 'ms')

describe('docs/troubleshooting.md shows, word for word, what is said', () => {
  let document = ''
  beforeAll(async () => {
    document = await readFile(path, 'utf8')
  })
  afterAll(async () => {
    if (updating) await writeFile(path, document)
  })

  test.each(failureCodes)('%s', async (code) => {
    const failure = await failureOf(examples[code])
    expect(failure.code).toBe(code)
    // The last line leads to this very entry.
    const outcome = { ...failed(failure), changes: made[code] ?? [] }
    const lines = formatFailure(failure, standing(outcome)).slice(0, -1)
    const said = `${lines.join('\n')}\n`.replace(
      /http:\/\/127\.0\.0\.1:\d+/,
      'https://api.prod.example.com:6443',
    )
    if (updating) {
      document = document.replace(
        entry(code),
        (_, heading: string) => `${heading}\`\`\`text\n${said}\`\`\`\n\n`,
      )
    }
    expect(entry(code).exec(document)?.[2]).toBe(said)
  })
})
