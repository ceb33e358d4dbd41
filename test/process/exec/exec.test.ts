import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { startSandbox, type Sandbox } from '../../../sandbox/sandbox.ts'
import { optionsFor, program, runCommand, startOnTerminal, type CommandRun } from '../command.ts'

let sandbox: Sandbox
let folder: string
let kubeconfig: string
let superuser: pg.Pool
beforeAll(async () => {
  sandbox = await startSandbox()
  folder = await mkdtemp(join(tmpdir(), 'exec-test-'))
  kubeconfig = join(folder, 'kubeconfig')
  await writeFile(kubeconfig, sandbox.kubeconfig, { mode: 0o600 })
  const { socketDirectory: host, port, superuser: who } = sandbox.postgres
  superuser = new pg.Pool({ ...who, host, port, database: 'postgres', application_name: 'judge' })
  superuser.on('error', () => undefined)
  const args = ['provision', ...optionsFor(sandbox, 'shop')]
  const { code } = await runCommand({ sandbox, args, env: { KUBECONFIG: kubeconfig, CI: 'true' } })
  expect(code).toBe(0)
})
afterAll(async () => {
  await superuser.end()
  await sandbox.stop()
  await rm(folder, { recursive: true, force: true })
})

const pgModule = import.meta.resolve('pg')
const node = process.execPath

/** A program that logs in with what its environment says. */
function script(lines: string): string[] {
  const program = `
    import pg from ${JSON.stringify(pgModule)}
    const client = new pg.Client()
    client.on('error', () => undefined)
    await client.connect()
    ${lines}
    await client.end()`
  return [node, '--input-type=module', '-e', program]
}

const own = (...more: readonly string[]): string[] => ['exec', ...optionsFor(sandbox, 'shop'), ...more, '--']

async function exec(
  words: readonly string[],
  { options = [], env = {} }: { options?: readonly string[]; env?: Record<string, string> } = {},
): Promise<CommandRun> {
  return await runCommand({
    sandbox,
    args: [...own(...options), ...words],
    env: { KUBECONFIG: kubeconfig, CI: 'true', ...env },
  })
}

async function logins(): Promise<string[]> {
  const { rows } = await superuser.query<{ rolname: string }>(
    "select rolname from pg_roles where rolname like 'shop\\_exec\\_%'",
  )
  return rows.map(({ rolname }) => rolname)
}

async function sessions(): Promise<number> {
  const { rows } = await superuser.query<{ n: number }>(
    "select count(*)::int as n from pg_stat_activity where application_name like '% sleeper'",
  )
  return rows[0]?.n ?? 0
}

/** Waits until something is so, and says whether it came to be. */
async function comes(what: () => Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 500; tries++) {
    if (await what()) return true
    await sleep(20)
  }
  return false
}

test('output and exit code are those of the command, the log goes beside', async () => {
  const { code, stdout, stderr } = await exec(
    script(`const { rows } = await client.query('select current_user as who, current_database() as db')
      console.log(JSON.stringify(rows[0]))
      process.exitCode = 7`),
  )
  expect([code, stdout]).toEqual([7, '{"who":"shop","db":"shop"}\n'])
  expect(stderr).toMatch(/\+ login +shop_exec_[0-9a-f]{8}, for this command alone; acts as shop/)
  expect(stderr).toMatch(/✗ command +exit code 7 after .* 1 connection · login shop_exec_\w+ dropped/)
  expect(stderr).toContain('The command ended with exit code 7.  [command-failed]')
  expect(await logins()).toEqual([])
})

test("the system's authorities count for the login of the command, and for its end", async () => {
  const authority = join(folder, 'authority.pem')
  await writeFile(authority, sandbox.postgres.ca ?? '')
  const { code, stdout, stderr } = await exec(script(`console.log('in')`), {
    options: ['--ssl-root-cert', 'system'],
    env: { SSL_CERT_FILE: authority },
  })
  expect([code, stdout]).toEqual([0, 'in\n'])
  expect(stderr).toMatch(/✓ command +exit code 0 after .* · login shop_exec_\w+ dropped/)
  expect(await logins()).toEqual([])
  const refused = await exec(script(''), { options: ['--ssl-root-cert', 'system'] })
  expect(refused).toMatchObject({ code: 125, stderr: expect.stringContaining('[tls-failed]') })
})

test('the environment leads to this database alone, holds nothing of the run, and keeps what is the caller’s', async () => {
  const env = {
    PGHOST: 'elsewhere.example.com',
    PGHOSTADDR: '192.0.2.1',
    PGSERVICE: 'elsewhere',
    PGPASSFILE: '/elsewhere',
    PGSSLMODE: 'verify-full',
    PGOPTIONS: '-c lock_timeout=3s',
    PGAPPNAME: 'mine',
    DATABASE_URL: 'postgresql://elsewhere.example.com/x',
    DIRECT_URL: 'postgresql://elsewhere.example.com/x',
    FLYWAY_URL: 'jdbc:postgresql://elsewhere.example.com/x',
    SPRING_FLYWAY_URL: 'jdbc:postgresql://elsewhere.example.com/x',
    PRIMARY_DATABASE_URL: 'postgresql://elsewhere.example.com/x',
    NODE_OPTIONS: '--max-old-space-size=300',
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of the runner',
    ACTIONS_RUNTIME_TOKEN: 'of the runner',
    INPUT_KUBECONFIG: 'x',
    KUBECONFIG_CONTENTS_B64: 'x',
    PG_APP_USER_APP_SECRET: 'shop-postgresql-secret',
    MINE: 'too',
  }
  const { code, stdout } = await exec(script('console.log(JSON.stringify(process.env))'), { env })
  expect(code).toBe(0)
  const seen = JSON.parse(stdout) as Record<string, string>
  const { PGPORT = '', PGPASSWORD = '' } = seen
  expect(seen).toMatchObject({
    PGHOST: '127.0.0.1',
    PGUSER: 'shop',
    PGDATABASE: 'shop',
    PGSSLMODE: 'disable',
    PGOPTIONS: '-c lock_timeout=3s',
    PGAPPNAME: 'mine',
    NODE_OPTIONS: '--max-old-space-size=300',
    MINE: 'too',
    DATABASE_URL: `postgresql://shop:${PGPASSWORD}@127.0.0.1:${PGPORT}/shop?sslmode=disable`,
    DIRECT_URL: seen['DATABASE_URL'],
    FLYWAY_URL: `jdbc:postgresql://127.0.0.1:${PGPORT}/shop?sslmode=disable`,
  })
  const gone =
    /^(?:KUBECONFIG|INPUT_|ACTIONS_|PG_APP_USER_|SPRING_FLYWAY|PRIMARY_|PGHOSTADDR|PGSERVICE|PGPASSFILE)/
  expect(Object.keys(seen).filter((name) => gone.test(name))).toEqual([])
  // Nor is the password of the application, or of the login, in it.
  expect(stdout).not.toContain(sandbox.admin.password)
})

test('a shell, a program that is not there, and no program', async () => {
  expect(await exec(['sh', '-c', 'cat; exit 3'])).toMatchObject({ code: 3 })
  expect(await exec(['no-such-program'])).toMatchObject({ code: 127 })
  expect(await exec([kubeconfig])).toMatchObject({ code: 126 })
  const { code, stderr } = await exec([])
  expect([code, stderr]).toEqual([125, expect.stringContaining('No command was given to run.')])
  expect(await logins()).toEqual([])
})

test('what this tool cannot do is 125, and a database that is not there is an error', async () => {
  const args = ['exec', ...optionsFor(sandbox, 'nobody'), '--', 'true']
  const { code, stderr } = await runCommand({ sandbox, args, env: { KUBECONFIG: kubeconfig, CI: 'true' } })
  expect([code, stderr]).toEqual([125, expect.stringContaining('[role-not-found]')])
})

test('a command that takes too long is ended, and says so', async () => {
  const { code, stderr } = await exec(['sleep', '600'], { options: ['--exec-timeout=1s', '--timeout=90s'] })
  expect([code, stderr]).toEqual([125, expect.stringContaining('[command-timeout]')])
  expect(await logins()).toEqual([])
})

const sleeper = `
  await client.query("set application_name = 'the sleeper'")
  process.stdout.write('begun ' + process.pid + '\\n')
  await client.query('select pg_sleep(600)').catch(() => undefined)`

/** Starts a command that sleeps in the database, behind a shell that hands no signal on, and waits until it does. */
async function asleep(): Promise<{
  tool: ChildProcess
  pid: number
  ended: Promise<unknown[]>
  said: () => string
}> {
  const [file, ...args] = script(sleeper)
  const quoted = [file ?? '', ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  const words = ['sh', '-c', `${quoted}; echo after; exit 9`]
  const tool = spawn(node, [program, ...own(), ...words], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, KUBECONFIG: kubeconfig, CI: 'true' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  const ended = once(tool, 'close')
  for (const stream of [tool.stdout, tool.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  }
  expect(await comes(async () => Promise.resolve(/begun (\d+)/.test(said)))).toBe(true)
  expect(await comes(async () => (await sessions()) === 1)).toBe(true)
  return { tool, pid: Number(/begun (\d+)/.exec(said)?.[1]), ended, said: () => said }
}

describe('ended from outside', () => {
  test.each(['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s reaches all that it started, and the login is gone',
    async (signal) => {
      const { tool, ended, said } = await asleep()
      tool.kill(signal)
      const [code] = await ended
      expect(code).toBe({ SIGINT: 130, SIGQUIT: 131, SIGTERM: 143, SIGHUP: 129 }[signal])
      expect(said()).toContain('dropped')
      expect(await logins()).toEqual([])
      expect(await comes(async () => (await sessions()) === 0)).toBe(true)
    },
  )

  test.each(['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s while the login is made leaves none, whenever it comes',
    async (signal) => {
      for (const ms of [0, 15, 30, 45, 60, 90, 120]) {
        const tool = spawn(node, [program, ...own(), 'sleep', '600'], {
          cwd: folder,
          env: { PATH: process.env['PATH'], HOME: folder, KUBECONFIG: kubeconfig, CI: 'true' },
          stdio: ['ignore', 'ignore', 'pipe'],
        })
        const ended = once(tool, 'close')
        let said = ''
        tool.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
        expect(await comes(async () => Promise.resolve(said.includes('✓ PostgreSQL')))).toBe(true)
        await sleep(ms)
        tool.kill(signal)
        const [code] = (await ended) as [number | null]
        // Where the command had started, the signal was its own.
        expect(said).toMatch(/\[(cancelled|command-failed)\]/)
        expect([130, { SIGINT: 130, SIGQUIT: 131, SIGTERM: 143, SIGHUP: 129 }[signal]]).toContain(code)
        expect(await logins()).toEqual([])
      }
    },
  )

  test('a command that does not heed the first signal is ended by the second, as GitHub cancels', async () => {
    const deaf = ['sh', '-c', "trap '' INT TERM; echo deaf; while :; do sleep 1; done"]
    const tool = spawn(node, [program, ...own(), ...deaf], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder, KUBECONFIG: kubeconfig, CI: 'true' },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const ended = once(tool, 'close')
    await once(tool.stdout, 'data')
    tool.kill('SIGINT')
    await sleep(300)
    expect(tool.exitCode).toBeNull()
    tool.kill('SIGTERM')
    expect(await ended).toEqual([137, null])
    expect(await logins()).toEqual([])
  })

  test('after SIGKILL no session is left, and a later run sweeps', async () => {
    const { tool, pid, ended } = await asleep()
    tool.kill('SIGKILL')
    expect(await comes(async () => (await sessions()) === 0)).toBe(true)
    const [left = ''] = await logins()
    expect(left).toMatch(/^shop_exec_/)
    // As if its time had passed.
    await superuser.query(`ALTER ROLE ${left} VALID UNTIL '2020-01-01'`)
    const args = ['provision', ...optionsFor(sandbox, 'shop')]
    const { stdout } = await runCommand({ sandbox, args, env: { KUBECONFIG: kubeconfig, CI: 'true' } })
    expect(stdout).toContain(`dropped 1 login that an earlier run had left behind: ${left}`)
    expect(stdout).toContain('Nothing to do')
    expect(await logins()).toEqual([])
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended with its connection.
    }
    await ended
  })
})

test('on a terminal Ctrl-C reaches the command once, and it may go on', async () => {
  const words = [
    'sh',
    '-c',
    'trap \'echo caught; over=1\' INT; echo ready; while [ -z "$over" ]; do sleep 0.1; done; echo over; exit 4',
  ]
  const session = startOnTerminal({ sandbox, args: [...own(), ...words], env: { KUBECONFIG: kubeconfig } })
  await session.see('ready')
  session.type('\x03')
  const { code, stdout } = await session.ended
  expect(code).toBe(4)
  expect(stdout.match(/caught/g)).toHaveLength(1)
  expect(stdout).toContain('over')
  expect(await logins()).toEqual([])
})
