import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { expect, test } from '@jest/globals'
import { meddling, readAtStart } from '../../../src/faces/start.ts'

/** What people and runners set for tools of their own, and what cannot do harm. */
const harmless = [
  'NODE_ENV',
  'NODE_VERSION',
  'NODE_NO_WARNINGS',
  'NODE_EXTRA_CA_CERTS',
  'NODE_AUTH_TOKEN',
  'NODE_HOME',
  'NODE_ROLE',
  'NODE_NAME',
  'NODE_APP_INSTANCE',
  'NODE_CONFIG_DIR',
  'NODE_PORT',
  'NODE_MAJOR',
  'NODE_OPTIONS_OF_OURS',
  'MY_NODE_OPTIONS',
  'OPENSSL_VERSION',
  'OPENSSL_DIR',
  'NODE_USE_SYSTEM_CA',
  'NODE_DISABLE_COLORS',
  'NODE_DISABLE_COMPILE_CACHE',
  'NODE_PENDING_DEPRECATION',
  'NODE_PENDING_PIPE_INSTANCES',
  'NODE_REPL_EXTERNAL_MODULE',
  'NODE_REPL_HISTORY',
  'NODE_SKIP_PLATFORM_CHECK',
  'FORCE_COLOR',
  'NO_COLOR',
  'SSL_CERT_DIR',
  'SSL_CERT_FILE',
  'TZ',
  'UV_THREADPOOL_SIZE',
]

test.each(readAtStart)('%s has no say', (name) => {
  expect(meddling({ [name]: '1' })).toEqual([name])
})

test.each(harmless)('%s stops no run, and stays', (name) => {
  expect(meddling({ [name]: '1' })).toEqual([])
})

test('on Windows, names of variables are the same in any case', () => {
  expect(meddling({ node_options: '1', OpenSSL_Conf: '1' })).toEqual(['node_options', 'OpenSSL_Conf'])
})

test('what this Node.js says that it reads is all in the table, or known to be harmless', () => {
  const help = execFileSync(process.execPath, ['--help'], { encoding: 'utf8' })
  const [, list = ''] = help.split('Environment variables:')
  const names = [...list.matchAll(/^([A-Z][A-Z0-9_]+)\b/gm)].map(([, name = '']) => name)
  expect(names).toContain('NODE_DEBUG')
  const known = new Set([...readAtStart, ...harmless])
  expect(names.filter((name) => !known.has(name))).toEqual([])
})

test('the table is that of the documents and of the image, which is stricter about authorities', async () => {
  const [security = '', dockerfile = ''] = await Promise.all(
    ['../../../docs/security.md', '../../../Dockerfile'].map((path) =>
      readFile(new URL(path, import.meta.url), 'utf8'),
    ),
  )
  const [, table = ''] = security.split('## What the environment could do')
  const rows = table.split('\n').filter((line) => /the process restarts|the same/.test(line))
  const named = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name),
  )
  expect(named.sort()).toEqual([...readAtStart].sort())
  const unset = /^unset (.*)$/m.exec(dockerfile.replaceAll('\\\n', ' '))?.[1]?.trim().split(/\s+/)
  expect(unset?.sort()).toEqual([...readAtStart, 'NODE_EXTRA_CA_CERTS', 'NODE_USE_SYSTEM_CA'].sort())
})
