import { execFile, spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { promisify } from 'node:util'
import { test } from '@jest/globals'

const run = promisify(execFile)

/** The major version of the psql in the path; 0 where there is none. */
const major = Number(/\d+/.exec(String(spawnSync('psql', ['--version']).stdout))?.[0] ?? 0)

/** Tests in which psql is the judge: skipped, each by its name, where none is there that is new enough. */
export const judged = (from: number): typeof test => (major >= from ? test : (test.skip as typeof test))

/** What psql reads, by the names of its variables. */
export type PgVariables = Readonly<Record<string, string>>

/** Says how a login with psql ends: `in`, or what psql says. */
export async function psql(variables: PgVariables): Promise<string> {
  const [answer] = await psqlRows(variables, "select 'in'")
  return answer ?? ''
}

/** Returns the rows that psql shows, or what it says instead. */
export async function psqlRows(variables: PgVariables, sql: string): Promise<string[]> {
  // Its own environment alone: nobody's password file, root certificate or service counts.
  const env = {
    PATH: process.env['PATH'],
    HOME: tmpdir(),
    LC_ALL: 'C',
    PGGSSENCMODE: 'disable',
    ...variables,
  }
  try {
    const { stdout: rows } = await run('psql', ['--no-psqlrc', '-wAtc', sql], { env })
    return rows.replace(/\n$/, '').split('\n')
  } catch (error) {
    return [String((error as { stderr?: string }).stderr)]
  }
}
