import { execFile, spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import pg from 'pg'
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

async function sql(text: string): Promise<void> {
  const { host, port, ca } = sandbox.postgres
  const client = new pg.Client({
    host,
    port,
    user: sandbox.admin.user,
    password: sandbox.admin.password,
    database: 'postgres',
    ...(ca !== undefined && { ssl: { ca, checkServerIdentity: () => undefined } }),
  })
  await client.connect()
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

  const [rights = '', move = '', rotate = '', remove = ''] = shellOf('docs/recipes.md')
  expect((await sh(rights)).stdout).toContain('billing-postgresql-secret')
  expect((await sh(move)).stdout).toContain('Nothing to do')
  if (hasKubectl) {
    expect(await sh(rotate)).toMatchObject({ code: 0, stdout: expect.stringContaining('a new password') })
    expect(passwordNow()).not.toBe(first)
  }
  const [removal] = blocks.filter(({ file, language }) => file === 'docs/recipes.md' && language === 'sql')
  await sql(removal?.text ?? '')
  if (hasKubectl) {
    expect((await sh(remove)).code).toBe(0)
    expect(passwordNow()).toBeUndefined()
  }
})
