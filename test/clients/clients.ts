import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll } from '@jest/globals'
import type { Pod } from './pod.ts'

const run = promisify(execFile)
/** Returns the path of one of the programs beside this file. */
export const program = (name: string): string => fileURLToPath(new URL(`programs/${name}`, import.meta.url))

/** A client of PostgreSQL, in one of the ways in which it can be told where to log in. */
export interface Client {
  readonly name: string
  /** Which library stands behind it: what it does about certificates. */
  readonly library: 'libpq' | 'pgjdbc' | 'node-postgres'
  /** Of which keys it reads the login. */
  readonly reads: 'names' | 'url' | 'jdbc'
  /** Whether it is there on this machine. */
  readonly installed: boolean
  /** Gives the words that ask a query, for a container with these variables. */
  readonly command: (query: string, env: Pod['env']) => readonly string[]
}

/** Says how a login ends: with the first cell of the query's answer, or with what the client says. */
export async function ask({ command }: Client, pod: Pod, query: string): Promise<string> {
  const [file = '', ...args] = command(query, pod.env)
  // Nothing of this machine but where programs are: nobody's password file, certificate or service counts.
  const env = { PATH: process.env['PATH'], HOME: pod.home, LC_ALL: 'C.UTF-8', ...pod.env }
  try {
    return (await run(file, args, { env, cwd: pod.home })).stdout.trim()
  } catch (error) {
    const { stderr, message } = error as { readonly stderr?: string; readonly message: string }
    return stderr ?? message
  }
}

/** Says whether a program can be started and ends well. */
export function answers(file: string, args: readonly string[]): boolean {
  return spawnSync(file, args, { stdio: 'ignore' }).status === 0
}

/** Whether psql is there on this machine. */
export const psqlInstalled = answers('psql', ['--version'])

function psql(reads: 'names' | 'url'): Client {
  return {
    name: `psql with ${keysOf[reads]}`,
    library: 'libpq',
    reads,
    installed: psqlInstalled,
    command: (query, { DATABASE_URL = '' }) => [
      'psql',
      '--no-psqlrc',
      '-wAt',
      `--command=${query}`,
      ...(reads === 'url' ? [`--dbname=${DATABASE_URL}`] : []),
    ],
  }
}

/** Returns whichever Python has a module: that of the path may not be the one that packages of the system are for. */
export function pythonWith(module: string): string | undefined {
  return ['python3', '/usr/bin/python3'].find((each) => answers(each, ['-c', `import ${module}`]))
}

function python(driver: 'psycopg' | 'psycopg2'): readonly Client[] {
  const found = pythonWith(driver)
  return (['names', 'url'] as const).map((reads) => ({
    name: `${driver} with ${keysOf[reads]}`,
    library: 'libpq',
    reads,
    installed: found !== undefined,
    command: (query, { DATABASE_URL = '' }) => [
      found ?? 'python3',
      program('driver.py'),
      driver,
      query,
      reads === 'url' ? DATABASE_URL : '',
    ],
  }))
}

/** Where Debian's package libpostgresql-jdbc-java has it. */
const jar = '/usr/share/java/postgresql.jar'
/** The driver of Java, and whether it can be used. */
export const pgjdbcJar = { path: jar, installed: existsSync(jar) && answers('javac', ['-version']) }

let compiled = ''

const pgjdbc: Client = {
  name: 'pgjdbc with SPRING_DATASOURCE_URL',
  library: 'pgjdbc',
  reads: 'jdbc',
  installed: pgjdbcJar.installed,
  command: (query) => ['java', '-cp', [compiled, jar].join(delimiter), 'Pgjdbc', query],
}

/** Compiles what has to be, for the tests of a file. */
export function useClients(): void {
  beforeAll(async () => {
    compiled = await mkdtemp(join(tmpdir(), 'clients-'))
    if (pgjdbc.installed) await run('javac', ['-d', compiled, program('Pgjdbc.java')])
  })
  afterAll(() => rm(compiled, { recursive: true, force: true }))
}

function nodePostgres(reads: 'names' | 'url'): Client {
  return {
    name: `node-postgres with ${keysOf[reads]}`,
    library: 'node-postgres',
    reads,
    installed: true,
    command: (query, { DATABASE_URL = '' }) => [
      process.execPath,
      program('node-postgres.ts'),
      query,
      ...(reads === 'url' ? [DATABASE_URL] : []),
    ],
  }
}

const keysOf = { names: 'PGHOST and the others', url: 'DATABASE_URL' } as const

/** Every client that applications use, in every way that an application Secret speaks to. */
export const clients: readonly Client[] = [
  psql('names'),
  psql('url'),
  ...python('psycopg2'),
  ...python('psycopg'),
  pgjdbc,
  nodePostgres('names'),
  nodePostgres('url'),
]
