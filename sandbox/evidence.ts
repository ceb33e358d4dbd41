import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodings } from '../src/report/redactor.ts'

/** Where to look for credentials: a text and what it is called. */
export interface Place {
  readonly name: string
  readonly content: string
}

/** Something that must not be found anywhere. */
export interface Credential {
  readonly name: string
  readonly value: string
}

/** Gives each place where a credential is found in any form, as `password of shop in the summary`. */
export function findLeaks(credentials: readonly Credential[], places: readonly Place[]): readonly string[] {
  return credentials.flatMap(({ name, value }) => {
    const forms = encodings(value)
    return places
      .filter(({ content }) => forms.some((form) => content.includes(form)))
      .map((place) => `${name} in ${place.name}`)
  })
}

/** Gives every file below the folder as a place, its name from there. */
export async function filesBelow(folder: string): Promise<readonly Place[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name)
        return { name: path.slice(folder.length + 1), content: await readFile(path, 'latin1') }
      }),
  )
}

/** Gives the statements in PostgreSQL's log, as `log_statement=all` writes them. */
export function loggedStatements(log: string): readonly string[] {
  // An entry starts with its time; further lines of a statement start with a tab.
  return log
    .split(/^(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC \[)/m)
    .flatMap((entry) => /LOG: {2}(?:statement|execute [^:]+): ([\s\S]*)/.exec(entry)?.[1] ?? [])
    .map((statement) => statement.trim())
}

/** Says whether a statement does no more than read, set its own session up, or frame a transaction. */
export function isReading(statement: string): boolean {
  return (
    /^(select|with|set|show|begin|commit|rollback)\b/i.test(statement) &&
    !/\b(insert\s+into|update\s+\S+\s+set|delete\s+from|merge\s+into|select\s.*\sinto)\b/is.test(statement)
  )
}
