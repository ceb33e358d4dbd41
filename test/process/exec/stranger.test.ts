import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { startSandbox, type Sandbox } from '../../../sandbox/sandbox.ts'
import { judged } from '../../support/psql.ts'
import { optionsFor, program, runCommand } from '../command.ts'

// Whatever surrounds the command: what a shell and an operating system can do to it.

let sandbox: Sandbox
let folder: string
let superuser: pg.Pool
beforeAll(async () => {
  sandbox = await startSandbox()
  folder = await mkdtemp(join(tmpdir(), 'exec-stranger-'))
  await writeFile(join(folder, 'kubeconfig'), sandbox.kubeconfig, { mode: 0o600 })
  const { socketDirectory: host, port, superuser: who } = sandbox.postgres
  superuser = new pg.Pool({ ...who, host, port, database: 'postgres' })
  superuser.on('error', () => undefined)
  const args = ['provision', ...optionsFor(sandbox, 'shop')]
  const env = { KUBECONFIG: join(folder, 'kubeconfig'), CI: 'true' }
  expect(await runCommand({ sandbox, args, env })).toMatchObject({ code: 0 })
})
afterAll(async () => {
  await superuser.end()
  await sandbox.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Runs lines of bash, in which `tool` is the command line with all its options; the log goes to a file `log`. */
async function bash(lines: string, env: Record<string, string> = {}): Promise<{ code: number; out: string }> {
  const words = [process.execPath, program, 'exec', ...optionsFor(sandbox, 'shop'), '--']
  const script = `cd "$HOME"\ntool() { ${words.map((word) => `'${word}'`).join(' ')} "$@"; }\n${lines}`
  const shell = spawn('bash', ['-c', script], {
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      KUBECONFIG: join(folder, 'kubeconfig'),
      CI: 'true',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  shell.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  const [code] = (await once(shell, 'close')) as [number | null]
  return { code: code ?? -1, out }
}

/** Whether nothing is left of any command, in the end. */
async function nothingLeft(): Promise<boolean> {
  for (let tries = 0; tries < 200; tries++) {
    const { rows } = await superuser.query<{ left: number }>(`
      select (select count(*) from pg_roles where rolname like '%\\_exec\\_%')::int
        + (select count(*) from pg_stat_activity where usename like '%\\_exec\\_%')::int as left`)
    if (rows[0]?.left === 0) return true
    await sleep(50)
  }
  return false
}

describe('input and output are those of the command', () => {
  test.each([
    ['a pipe', 'cat bytes | tool cat 2> log | cmp - bytes && echo same', 'same\n'],
    ['a file', 'tool cat < bytes 2> log | cmp - bytes && echo same', 'same\n'],
    ['what comes late', '(sleep 2; echo late) | tool cat 2> log', 'late\n'],
    ['input that is closed', `tool sh -c 'cat; echo over' <&- 2> log`, 'over\n'],
    ['output that is closed', `tool sh -c 'exit 5' >&- 2> log; echo $?`, '5\n'],
    ['nothing open at all', `tool sh -c 'exit 5' <&- >&- 2>&-; echo $?`, '5\n'],
    [
      'two hundred megabytes, to who reads them late',
      `tool head -c 200000000 /dev/zero 2> log | (sleep 2; wc -c)`,
      '200000000\n',
    ],
    ['a reader that goes', `tool yes 2> log | head -1; echo "\${PIPESTATUS[0]}"`, 'y\n141\n'],
  ])('%s', async (_, lines, out) => {
    expect(await bash(`head -c 5000000 /dev/urandom > bytes\n${lines}`)).toEqual({ code: 0, out })
    expect(await nothingLeft()).toBe(true)
  })
})

test('exit codes are handed on, signals as a shell has them, and what cannot be started is 126 or 127', async () => {
  const ends = ['exit 0', 'exit 1', 'exit 126', 'exit 255', 'kill -SEGV $$', 'kill -KILL $$', 'kill -INT $$']
  await writeFile(join(folder, 'plain'), 'echo no')
  await writeFile(join(folder, 'script'), 'exit 9')
  await chmod(join(folder, 'script'), 0o755)
  const lines = [
    ...ends.map((each) => `tool sh -c '${each}' 2> log; echo $?`),
    ...['no-such-program', './no-such-program', './plain', '/tmp', './script'].map(
      (each) => `tool ${each} 2> log; echo $?`,
    ),
  ]
  const { out } = await bash(lines.join('\n'))
  expect(out.trim().split('\n').map(Number)).toEqual([0, 1, 126, 255, 139, 137, 130, 127, 127, 126, 126, 9])
  expect(await nothingLeft()).toBe(true)
}, 120_000)

judged(13)('what a command leaves running is not waited for, and is cut off', async () => {
  const { code, out } = await bash(`
    tool sh -c '(psql -XAtc "select pg_sleep(300)" > left 2>&1; echo over >> left) &
      until [ -n "$(psql -XAtc "select pid from pg_locks where locktype = \\$\\$virtualxid\\$\\$ and pid <> pg_backend_pid()")" ]; do :; done
      echo done' 2> log
    echo $?
    until grep -q over left; do sleep 0.1; done
    head -1 left`)
  expect({ code, out }).toEqual({ code: 0, out: 'done\n0\nserver closed the connection unexpectedly\n' })
  expect(await nothingLeft()).toBe(true)
})

test('more at once than may be in are told so, and there is room again when some have left', async () => {
  await writeFile(
    join(folder, 'crowd.mjs'),
    `import pg from ${JSON.stringify(import.meta.resolve('pg'))}
    const enter = async () => {
      const client = new pg.Client()
      client.on('error', () => undefined)
      try {
        await client.connect()
        return { client, said: 'in' }
      } catch ({ code, message }) {
        return { said: code + ' ' + message.replace(/^(remaining|sorry|too many connections for).*/, 'of the server') }
      }
    }
    const all = await Promise.all(Array.from({ length: 150 }, enter))
    const counts = Object.groupBy(all, ({ said }) => said)
    await Promise.all(all.map(({ client }) => client?.end()))
    const { said, client } = await enter()
    await client?.end()
    console.log(JSON.stringify([Object.entries(counts).map(([key, { length }]) => [key, length]), said]))`,
  )
  const { out } = await bash(`tool '${process.execPath}' crowd.mjs 2> log`)
  const [counts, after] = JSON.parse(out) as [[string, number][], string]
  const { in: inside = 0, ...refused } = Object.fromEntries(counts)
  // The server of the sandbox has room for a few less than hundred: whom it refuses makes room for another one at the door.
  expect(inside).toBeGreaterThan(80)
  const turnedAway = refused['53300 pg-app-user: too many connections of the command: 100 are open'] ?? 0
  expect(turnedAway).toBeGreaterThan(0)
  expect(turnedAway).toBeLessThanOrEqual(50)
  expect(Object.keys(refused).every((said) => said.startsWith('53300 '))).toBe(true)
  expect(after).toBe('in')
  expect(await nothingLeft()).toBe(true)
})

judged(13)('variables and files that would lead libpq elsewhere do not', async () => {
  await writeFile(join(folder, '.pg_service.conf'), '[elsewhere]\nhost=192.0.2.1\n')
  await writeFile(join(folder, '.pgpass'), '*:*:*:*:wrong\n', { mode: 0o600 })
  const hostile = {
    PGHOST: 'elsewhere.example.com',
    PGHOSTADDR: '192.0.2.1',
    PGPORT: '1',
    PGUSER: 'postgres',
    PGDATABASE: 'postgres',
    PGPASSWORD: 'wrong',
    PGSERVICE: 'elsewhere',
    PGSERVICEFILE: join(folder, '.pg_service.conf'),
    PGSYSCONFDIR: folder,
    PGPASSFILE: join(folder, '.pgpass'),
    PGSSLMODE: 'verify-full',
    PGSSLNEGOTIATION: 'direct',
    PGSSLROOTCERT: '/none',
    PGSSLCERT: '/none',
    PGSSLCERTMODE: 'require',
    PGSSLKEY: '/none',
    PGSSLCRL: '/none',
    PGREQUIRESSL: '1',
    PGCHANNELBINDING: 'require',
    PGREQUIREAUTH: 'none',
    PGREQUIREPEER: 'nobody',
    PGTARGETSESSIONATTRS: 'standby',
    PGLOADBALANCEHOSTS: 'random',
    PGGSSENCMODE: 'require',
    PGGSSDELEGATION: '1',
    PGGSSLIB: 'gssapi',
    PGKRBSRVNAME: 'elsewhere',
    PGREALM: 'ELSEWHERE',
    PGSSLCOMPRESSION: '1',
    PGMINPROTOCOLVERSION: '3.2',
    PGOPTIONS: '-c role=none -c search_path=pg_temp',
    PGCLIENTENCODING: 'LATIN1',
  }
  const { out } = await bash(
    `tool psql -XAtc "select current_user, current_database(), current_setting('search_path'), current_setting('client_encoding')" 2> log`,
    hostile,
  )
  // What is the caller's own business stays: where it looks, and in which encoding.
  expect(out).toBe('shop|shop|pg_temp|LATIN1\n')
  // Nothing is set but what every client implements: lib/pq refuses to start where it finds another, such as PGGSSENCMODE.
  const { out: left } = await bash(`tool env 2> log | grep '^PG' | cut -d= -f1 | sort`, hostile)
  expect(left.trim().split('\n')).toEqual(
    [
      ...['PGCLIENTENCODING', 'PGDATABASE', 'PGHOST', 'PGOPTIONS', 'PGPASSWORD', 'PGPORT'],
      ...['PGSSLMODE', 'PGSYSCONFDIR', 'PGUSER'],
    ].sort(),
  )
})
