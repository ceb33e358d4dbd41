import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from '@jest/globals'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { optionsFor, runCommand, type CommandRun } from '../process/command.ts'
import { judged } from '../support/psql.ts'

let sandbox: Sandbox
let folder: string
beforeAll(async () => {
  sandbox = await startSandbox()
  folder = await mkdtemp(join(tmpdir(), 'exec-faults-'))
  await writeFile(join(folder, 'kubeconfig'), sandbox.kubeconfig, { mode: 0o600 })
  expect((await run(['provision', ...optionsFor(sandbox, 'shop')])).code).toBe(0)
}, 120_000)
afterAll(async () => {
  await sandbox.stop()
  await rm(folder, { recursive: true, force: true })
})

async function run(args: readonly string[]): Promise<CommandRun> {
  return await runCommand({ sandbox, args, env: { KUBECONFIG: join(folder, 'kubeconfig'), CI: 'true' } })
}

/** Runs lines of a shell against the database. */
async function exec(lines: string): Promise<CommandRun> {
  return await run(['exec', ...optionsFor(sandbox, 'shop'), '--', 'sh', '-ec', lines])
}

const rows = 100_000
const cargo = `select n, repeat(md5(n::text), 32) from generate_series(1, ${rows}) n`
/** The most memory that the tool has had so far, in KiB. */
const peak = 'peak() { sed -n "s/^VmHWM:[^0-9]*\\([0-9]*\\) kB/\\1/p" /proc/$PPID/status; }'
const psql = 'psql -XAtqv ON_ERROR_STOP=1'

judged(13).each<[string, string]>([
  [
    'out, to a client that does not read for a while',
    `${psql} -c "copy (${cargo}) to stdout" | { sleep 3; wc -l; }`,
  ],
  [
    'in, to a server that does not read for a while',
    `${psql} -c "create table if not exists cargo (n int, words text)"
     ${psql} -c "begin; lock table cargo; select pg_sleep(3)" > /dev/null &
     until [ "$(${psql} -c "select count(*) from pg_locks where relation = 'cargo'::regclass and granted")" != 0 ]; do :; done
     ${psql} -c "copy (${cargo}) to stdout" | ${psql} -c "copy cargo from stdin"
     wait
     ${psql} -c "select count(*) from cargo where words = repeat(md5(n::text), 32)"`,
  ],
])(
  'hundred megabytes %s: whole, and never much of them in memory',
  async (_, lines) => {
    const { code, stdout, stderr } = await exec(
      `${peak}\n${psql} -c "select 1" > /dev/null\nbefore=$(peak)\n${lines}\necho "grown $(( $(peak) - before ))"`,
    )
    expect([code, stderr]).toEqual([0, expect.stringContaining('dropped')])
    const [, count, grown] = /^(\d+)\ngrown (\d+)$/m.exec(stdout) ?? []
    expect(Number(count)).toBe(rows)
    expect(Number(grown)).toBeLessThan(80 * 1024)
  },
  300_000,
)
