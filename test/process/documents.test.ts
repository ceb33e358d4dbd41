import { execFile, spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import pg from 'pg'
import type { Login } from '../../sandbox/postgres.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { allBlocks, commandsOf } from '../support/blocks.ts'
import { program } from './command.ts'

let sandbox: Sandbox
let folder: string
beforeAll(async () => {
  sandbox = await startSandbox()
  folder = await mkdtemp(join(tmpdir(), 'documents-'))
  const administrator = join(folder, 'admin')
  await writeFile(administrator, sandbox.api.adminKubeconfig(), { mode: 0o600 })
  await writeFile(join(folder, 'ci'), sandbox.kubeconfig, { mode: 0o600 })
  await mkdir(join(folder, 'bin'))
  // The package as npx would fetch it, and kubectl as the administrator has it.
  const programs = {
    npx: `shift; exec '${process.execPath}' '${program}' "$@"`,
    kubectl: `PATH='${process.env['PATH'] ?? ''}' exec kubectl --kubeconfig '${administrator}' "$@"`,
  }
  for (const [name, body] of Object.entries(programs)) {
    await writeFile(join(folder, 'bin', name), `#!/bin/sh\n${body}\n`)
    await chmod(join(folder, 'bin', name), 0o755)
  }
})
afterAll(async () => {
  await sandbox.stop()
  await rm(folder, { recursive: true, force: true })
})

const blocks = await allBlocks()
const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0
const hasPsql = spawnSync('psql', ['--version']).status === 0

/** Those of a document that need nothing but this tool, and kubectl for a Secret. */
function shellOf(file: string): readonly string[] {
  const runs = ([first = '', ...rest]: readonly string[]): boolean =>
    (first === 'npx' && !rest.includes('…')) || (first === 'kubectl' && rest.includes('secret'))
  return blocks
    .filter((block) => block.file === file && block.language === 'sh')
    .filter(({ text }) => !text.includes('$(gh ') && commandsOf(text).every(runs))
    .map(({ text }) => text)
}

async function sh(text: string): Promise<{ readonly code: number; readonly stdout: string }> {
  const PATH = `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`
  const env = { PATH, HOME: folder, KUBECONFIG: join(folder, 'ci'), CI: 'true' }
  return await promisify(execFile)('bash', ['-e', '-c', text], { env, cwd: folder }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (thrown: unknown) => thrown as { code: number; stdout: string },
  )
}

async function enter({ user, password }: Login, database: string): Promise<pg.Client> {
  const { host, port, ca } = sandbox.postgres
  const client = new pg.Client({
    host,
    port,
    user,
    password,
    database,
    ...(ca !== undefined && { ssl: { ca, checkServerIdentity: () => undefined } }),
  })
  await client.connect()
  return client
}

async function sql(text: string, as: Login = sandbox.admin): Promise<void> {
  const client = await enter(as, 'postgres')
  try {
    for (const statement of text.split(/;$/m).filter((each) => each.trim() !== ''))
      await client.query(statement)
  } finally {
    await client.end()
  }
}

function passwordNow(): unknown {
  const secret = sandbox.api.get('Secret', 'shop', 'app-postgresql-secret')
  return (secret?.['data'] as Record<string, string> | undefined)?.['PGPASSWORD']
}

test('the shell and the SQL of the documents do what they say, from the first run to the removal', async () => {
  for (const text of shellOf('README.md').filter((one) => one.includes('provision'))) {
    expect(await sh(text)).toMatchObject({ code: 0, stdout: expect.stringContaining('for shop.') })
  }
  const first = passwordNow()
  expect(first).toBeDefined()
  for (const file of ['README.md', 'docs/command-line.md']) {
    for (const text of shellOf(file).filter((one) => !one.includes('provision'))) {
      expect(await sh(text)).toMatchObject({ code: text.includes('go-live') ? 3 : 0 })
    }
  }
  const queries = blocks.filter(
    ({ file, language, notRun }) => language === 'sql' && file === 'docs/troubleshooting.md' && !notRun,
  )
  expect(queries).not.toEqual([])
  for (const { text } of queries) await sql(text)

  const recipes = shellOf('docs/recipes.md')
  const one = (...words: readonly string[]): string => {
    const those = recipes.filter((text) => words.every((word) => text.includes(word)))
    expect(those).toHaveLength(1)
    return those[0] ?? ''
  }
  const [rights, move] = [one(' rights '), one('--dry-run')]
  const rotate = one('delete secret', 'provision')
  const remove = recipes.find((text) => text.includes('delete secret') && text !== rotate) ?? ''
  expect((await sh(rights)).stdout).toContain('billing-postgresql-secret')
  expect((await sh(move)).stdout).toContain('Nothing to do')
  if (hasKubectl) {
    expect(await sh(rotate)).toMatchObject({ code: 0, stdout: expect.stringContaining('a new password') })
    expect(passwordNow()).not.toBe(first)
  }
  const statements = blocks.filter(({ file, language }) => file === 'docs/recipes.md' && language === 'sql')
  const [ending = '', reader = '', removal = ''] = statements.map(({ text }) => text)
  await sql(ending)
  await sql(reader)
  if (hasPsql) {
    expect(await sh(one('psql -c', 'dt'))).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('pg_class'),
    })
    expect(await sh(one('shop_reader'))).toMatchObject({ code: 0 })
    expect((await sh(`${one('-- psql\n').trim()} -Atc 'select current_user'`)).stdout).toContain('shop\n')
    const connect = `${one('--dry-run').replace('--dry-run', '--yes').trim()} --connect-roles shop_reader`
    expect(await sh(connect)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('shop_reader: CONNECT'),
    })
    const create = `${one('-- psql\n').trim()} -c 'CREATE TABLE later (id int)'`
    expect(await sh(create)).toMatchObject({ code: 0 })
    // What is granted beforehand reaches a table that is made afterwards, and nothing more.
    await sql("SELECT 1 / has_database_privilege('shop_reader', 'shop', 'CONNECT')::int")
    const may = `select has_table_privilege('shop_reader', 'later', 'SELECT'), has_table_privilege('shop_reader', 'later', 'INSERT')`
    expect((await sh(`${one('-- psql\n').trim()} -Atc "${may}"`)).stdout).toContain('t|f')
  }
  if (hasKubectl) {
    const reading = blocks.find(({ text }) => text.startsWith('kubectl -n shop get secret'))
    expect((await sh(reading?.text ?? '')).stdout).toHaveLength(32)
  }
  // An application may own its database, have a session open, and have left a table in another database.
  const owned = `${one('--dry-run').replace('--dry-run', '--yes').trim()} --database-owner app`
  expect(await sh(owned)).toMatchObject({ code: 0 })
  await sql('CREATE TABLE left_behind ();\nALTER TABLE left_behind OWNER TO shop', sandbox.postgres.superuser)
  const password = Buffer.from(String(passwordNow()), 'base64').toString()
  const session = await enter({ user: 'shop', password }, 'shop')
  session.on('error', () => undefined)
  const cut = new Promise<void>((resolve) => session.once('end', resolve))
  const page = await readFile('docs/recipes.md', 'utf8')
  const [, forced = ''] = /`(DROP DATABASE shop WITH [^`]*)`/.exec(page) ?? []
  const [, elsewhere = ''] = /`(REASSIGN OWNED [^`]*)`/.exec(page) ?? []
  await expect(sql(removal)).rejects.toMatchObject({ code: '55006' })
  await expect(sql(removal.replace('DROP DATABASE shop', forced))).rejects.toMatchObject({ code: '2BP01' })
  await cut
  await sql(elsewhere)
  await sql('DROP ROLE shop')
  if (hasKubectl) {
    expect((await sh(remove)).code).toBe(0)
    // What is deleted of the rights is there, and the Role that other applications share is not among it.
    const [asked = ''] = shellOf('docs/command-line.md').filter((text) => text.includes(' rights '))
    const printed = [...(await sh(asked)).stdout.matchAll(/^ {2}name: (\S+)\n {2}namespace: shop$/gm)]
    const unused = blocks.find(({ text }) => text.startsWith('kubectl -n shop delete rolebinding/'))
    const deleted = [...(unused?.text ?? '').matchAll(/(?:rolebinding|role)\/(\S+)/g)].map(([, name]) => name)
    expect(deleted.sort()).toEqual(printed.map(([, name]) => name).sort())
    expect(passwordNow()).toBeUndefined()
  }
})
