import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { allRecipes } from '../support/recipes.ts'
import { optionsFor, runCommand, type CommandRun } from '../process/command.ts'
import { answers, pythonWith, pgjdbcJar, program, psqlInstalled } from './clients.ts'

// Clients and migrations are run as the documents say it, by `exec` alone: nothing but its environment tells them where.

const recipes = await allRecipes()
let sandbox: Sandbox
let folder: string
let superuser: pg.Client
beforeAll(async () => {
  sandbox = await startSandbox()
  folder = await mkdtemp(join(tmpdir(), 'exec-clients-'))
  await writeFile(join(folder, 'kubeconfig'), sandbox.kubeconfig, { mode: 0o600 })
  const { code } = await run(['provision', ...optionsFor(sandbox, 'shop'), ...owner])
  expect(code).toBe(0)
  const { socketDirectory: host, port, superuser: who } = sandbox.postgres
  superuser = new pg.Client({ ...who, host, port, database: 'shop' })
  await superuser.connect()
})
afterAll(async () => {
  await superuser.end()
  await sandbox.stop()
  await rm(folder, { recursive: true, force: true })
})

/** A role that is called otherwise than the database, so that the one is not taken for the other. */
const owner = ['--app-username=shop-owner']

async function run(args: readonly string[]): Promise<CommandRun> {
  return await runCommand({ sandbox, args, env: { KUBECONFIG: join(folder, 'kubeconfig'), CI: 'true' } })
}

/** Runs lines of a shell against the database, in a folder. */
async function exec(lines: string, where = folder): Promise<CommandRun> {
  const shell = ['sh', '-ec', `cd '${where}'\n${lines}`]
  return await run(['exec', ...optionsFor(sandbox, 'shop'), ...owner, '--', ...shell])
}

/** Says who owns what is not the server's own, in the database, and which logins of commands are left. */
async function owners(): Promise<{ owners: string[]; objects: string[]; logins: string[] }> {
  const { rows } = await superuser.query<{ owners: string[]; objects: string[]; logins: string[] }>(`
    with own as (
      select d.objid, d.classid, r.rolname, pg_describe_object(d.classid, d.objid, 0) as object
      from pg_shdepend d join pg_roles r on r.oid = d.refobjid
      where d.deptype = 'o' and d.refclassid = 'pg_authid'::regclass
        and d.dbid = (select oid from pg_database where datname = current_database())
    )
    select array(select distinct rolname::text from own order by 1) as owners,
      array(select object from own order by 1) as objects,
      array(select rolname::text from pg_roles where rolname like '%\\_exec\\_%') as logins`)
  return rows[0] ?? { owners: [], objects: [], logins: [] }
}

interface Program {
  readonly name: string
  readonly installed: boolean
  readonly lines: string
}

const python = (driver: string): Program => {
  const found = pythonWith(driver)
  return {
    name: driver,
    installed: found !== undefined,
    lines: `${found ?? ''} ${program('dialogue.py')} ${driver}`,
  }
}
const node = (driver: string): Program => ({
  name: driver,
  installed: true,
  lines: `'${process.execPath}' ${program('dialogue.ts')} ${driver}`,
})
/** Where Debian's package golang-github-lib-pq-dev has it. */
const gocode = '/usr/share/gocode'
const programs: readonly Program[] = [
  { name: 'psql', installed: psqlInstalled, lines: `sh ${program('dialogue.sh')}` },
  python('psycopg2'),
  python('psycopg'),
  python('asyncpg'),
  {
    name: 'pgjdbc',
    installed: pgjdbcJar.installed,
    lines: `javac -d . ${program('Dialogue.java')}; java -cp .:${pgjdbcJar.path} Dialogue`,
  },
  {
    name: 'lib/pq',
    installed: answers('test', ['-d', `${gocode}/src/github.com/lib/pq`]) && answers('go', ['version']),
    lines: `GO111MODULE=off GOPATH=${gocode} GOCACHE="$PWD/cache" go run ${program('dialogue.go')}`,
  },
  {
    name: "Ruby's pg",
    installed: answers('ruby', ['-e', "require 'pg'"]),
    lines: `ruby ${program('dialogue.rb')}`,
  },
  node('pg'),
  node('postgres'),
]

/** Tests that are skipped, each by its name, where what they need is not installed. */
function where(installed: boolean, name: string, check: () => Promise<void>): void {
  const one = installed ? test : test.skip
  one(`${name}${installed ? '' : ', which is not installed'}`, check, 240_000)
}

describe('logs in, cancels, goes on, and shows what the server says', () => {
  for (const { name, installed, lines } of programs) {
    where(installed, name, async () => {
      const { code, stdout, stderr } = await exec(lines)
      const who = 'shop-owner on shop'
      const expected = [who, '57014', who, '42P01 relation "nowhere" does not exist', ''].join('\n')
      // What else the client says tells why.
      expect(stdout === expected ? stdout : stdout + stderr).toBe(expected)
      expect([code, stderr]).toEqual([0, expect.stringMatching(/login shop-owner_exec_\w+ dropped/)])
    })
  }
})

where(psqlInstalled && answers('pgbench', ['--version']), 'twenty at once', async () => {
  await writeFile(join(folder, 'nap.sql'), 'select pg_sleep(0.5), current_user;\n')
  const { code, stdout, stderr } = await exec('pgbench -n -c 20 -j 2 -t 3 -M prepared -f nap.sql')
  expect(stdout).toContain('number of transactions actually processed: 60/60')
  expect(stderr).toMatch(/exit code 0 after .* · 2[01] connections · /)
  expect(code).toBe(0)
})

describe('two hundred megabytes out and in again: whole, and never much of them in memory', () => {
  const cargo = 'select n, repeat(md5(n::text), 32) from generate_series(1, 200000) n'
  const psql = 'psql -XAtqv ON_ERROR_STOP=1'
  const copies: readonly Program[] = [
    {
      name: 'psql',
      installed: psqlInstalled,
      lines: `${psql} -c "\\copy (${cargo}) to cargo.txt"
        ${psql} -c 'create table cargo (n int, words text)' -c '\\copy cargo from cargo.txt'`,
    },
    {
      name: 'psycopg2',
      installed: psqlInstalled && pythonWith('psycopg2') !== undefined,
      lines: `${pythonWith('psycopg2') ?? ''} ${program('cargo.py')} '${cargo}' cargo.txt`,
    },
  ]
  for (const { name, installed, lines } of copies) {
    where(installed, name, async () => {
      // The most memory that the tool has had so far, in KiB.
      const peak = 'peak() { sed -n "s/^VmHWM:[^0-9]*\\([0-9]*\\) kB/\\1/p" /proc/$PPID/status; }'
      const { code, stdout, stderr } = await exec(
        `${peak}
        ${psql} -c 'drop table if exists cargo' 2> notices
        before=$(peak)
        ${lines}
        after=$(peak)
        ${psql} -c "select count(*) from cargo where words = repeat(md5(n::text), 32)"
        echo "grown $(( after - before ))"`,
      )
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('dropped') })
      const [, count, grown] = /^(\d+)\ngrown (\d+)$/m.exec(stdout) ?? []
      expect(Number(count)).toBe(200_000)
      // Buffers wait for the collector of garbage, more or less as the machine is busy; but never most of it.
      expect(Number(grown)).toBeLessThan(128 * 1024)
    })
  }
})

describe('migrations as docs/migrations.md runs them leave all to the role', () => {
  /** What each of its tools needs, and what its project makes, among others. */
  const projects = new Map<string, { installed: boolean; makes: readonly string[] }>([
    [
      'psql',
      {
        installed: psqlInstalled,
        makes: [
          'schema billing',
          'table billing.invoices',
          'view billing.unpaid',
          'function billing.doubled(integer)',
        ],
      },
    ],
    [
      'Liquibase',
      {
        installed: answers('liquibase', ['--version']),
        makes: [
          'table suppliers',
          'sequence suppliers_id_seq',
          'table databasechangelog',
          'table databasechangeloglock',
        ],
      },
    ],
    [
      'Rails',
      {
        installed: answers('ruby', ['-e', 'require "rails"; require "active_record"; require "pg"']),
        makes: ['table carts', 'sequence carts_id_seq', 'table schema_migrations'],
      },
    ],
    [
      'Django',
      {
        installed: answers('/usr/bin/python3', ['-c', 'import django, psycopg2']),
        makes: [
          'table auth_user',
          'table django_migrations',
          'table orders_order',
          'sequence orders_order_id_seq',
        ],
      },
    ],
    [
      'Alembic',
      {
        installed: answers('alembic', ['--version']) && pythonWith('psycopg2') !== undefined,
        makes: ['table alembic_version', 'table customers', 'type customer_kind'],
      },
    ],
    [
      'node-pg-migrate',
      { installed: true, makes: ['table parcels', 'table pgmigrations', 'type parcel_state'] },
    ],
    [
      'dbmate',
      {
        installed: answers('dbmate', ['--version']),
        makes: ['table returns', 'sequence returns_id_seq', 'table schema_migrations'],
      },
    ],
  ])

  const tried = recipes.filter(({ tried: what }) => what === 'itself')
  test('each that is said to be tried is', () => {
    expect(tried.map(({ tool }) => tool)).toEqual([...projects.keys()])
  })

  for (const { tool, run: line } of tried) {
    const { installed, makes } = projects.get(tool) ?? { installed: false, makes: [] }
    where(installed, tool, async () => {
      const project = join(folder, tool)
      await cp(new URL(`projects/${tool.toLowerCase()}`, import.meta.url), project, { recursive: true })
      await symlink(
        fileURLToPath(new URL('../../node_modules', import.meta.url)),
        join(project, 'node_modules'),
      )
      // Debian calls it python3.
      await mkdir(join(project, 'bin'), { recursive: true })
      await symlink('/usr/bin/python3', join(project, 'bin/python'))
      const { code, stdout, stderr } = await exec(`PATH="$PWD/bin:$PATH"\n${line}`, project)
      expect({ code, said: `${stdout}${stderr}` }).toEqual({
        code: 0,
        said: expect.stringContaining('dropped'),
      })
      const { objects, ...rest } = await owners()
      expect(objects).toEqual(expect.arrayContaining(makes as string[]))
      expect(rest).toEqual({ owners: ['shop-owner'], logins: [] })
      // A second run finds its own state again.
      expect(await exec(`PATH="$PWD/bin:$PATH"\n${tool === 'psql' ? 'true' : line}`, project)).toMatchObject({
        code: 0,
      })
    })
  }
})
