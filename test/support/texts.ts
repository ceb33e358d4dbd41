import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect } from '@jest/globals'

/** `UPDATE=1 npm test -- --testPathPatterns …` writes what is said now into the file. */
const updating = process.env['UPDATE'] === '1'

/**
 * Holds texts to a file, in which each stands below its title, with an empty line after it.
 *
 * @returns what compares a text, which has no empty line, with the one of the file
 */
export function useTexts(file: URL): (title: string, text: string) => void {
  const entries: string[] = []
  let expected: ReadonlyMap<string, string> = new Map()
  beforeAll(async () => {
    const content = updating ? '' : await readFile(file, 'utf8')
    expected = new Map(content.split('\n\n').map((entry) => [entry.split('\n')[0] ?? '', entry.trimEnd()]))
  })
  afterAll(async () => {
    if (updating) await writeFile(file, entries.map((entry) => `${entry}\n`).join('\n'))
  })
  return (title, text) => {
    const entry = `${title}\n${text}`.trimEnd()
    if (updating) entries.push(entry)
    else expect(entry).toBe(expected.get(title))
  }
}
