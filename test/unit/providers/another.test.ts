import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, jest, test } from '@jest/globals'
import type { Provider } from '../../../src/providers/provider.ts'

/** An operator that does not exist. It takes the place of a file, and all else is as it is. */
const orchard: Provider = {
  id: 'orchard',
  name: 'Orchard',
  secretKeys: { user: ['login'], password: ['pass'], port: ['tcp'] },
  sslMode: 'require',
  secretOf: ({ labels }) => labels['orchard.example/tree'],
  servicesOf: (cluster) => ({ host: `${cluster}-trunk`, forward: `${cluster}-root` }),
  admit: (role) => ['spec:', `  gardener: ${role}`],
  role: { label: 'orchard.example/part', primary: ['root'] },
  poolerRole: 'bees',
  readings: [{ verb: 'get', group: 'orchard.example', resource: 'trees', object: (cluster) => cluster }],
  clusterOf: ({ 'orchard.example/tree': name }) =>
    name === undefined ? undefined : { name, selector: { 'orchard.example/tree': name } },
  isInstance: (labels) => labels['orchard.example/part'] !== undefined,
  observe: () => Promise.resolve({ operator: undefined, schedules: [], backups: [] }),
}

jest.unstable_mockModule('../../../src/providers/crunchy.ts', () => ({ crunchy: orchard }))

const { familyOf, isInstance, isMarkedPrimary, markedRole, poolerRoles } =
  await import('../../../src/providers/providers.ts')
const { parseAccessSecret } = await import('../../../src/secrets/access-secret.ts')
const { readService, resolvePod } = await import('../../../src/route/service.ts')
const { json, serve } = await import('../kubernetes/server.ts')

const root = fileURLToPath(new URL('../../../src', import.meta.url))
const labels = { 'orchard.example/tree': 'apple' }

test('a file of its own makes an operator known: its Secrets', () => {
  const encoded = (text: string): string => Buffer.from(text).toString('base64')
  const data = { login: encoded('kim'), pass: encoded('one-password-0'), tcp: encoded('6432') }
  const masks: string[] = []
  const access = parseAccessSecret('db/apple-login', { metadata: { labels }, data }, (text) =>
    masks.push(text),
  )
  expect(access).toMatchObject({
    user: 'kim',
    port: 6432,
    host: 'apple-trunk.db.svc',
    service: 'apple-root',
    sslMode: 'require',
    maker: { provider: orchard, cluster: 'apple' },
    follows: expect.stringContaining('as Orchard has it for cluster "apple"'),
  })
  expect(masks).toContain('one-password-0')
})

test('its labels, and the role of its pooler', () => {
  expect(familyOf(labels, undefined)).toEqual({
    selector: labels,
    keeper: { provider: orchard, cluster: 'apple' },
  })
  expect(isMarkedPrimary({ 'orchard.example/part': 'root' })).toBe(true)
  expect(markedRole({ 'orchard.example/part': 'leaf' })).toBe('leaf')
  expect(isInstance({ selector: labels, keeper: { provider: orchard, cluster: 'apple' } }, labels)).toBe(
    false,
  )
  expect(poolerRoles).toContain('bees')
})

test('and its Services', async () => {
  const ports = [{ port: 5432 }]
  const selector = { ...labels, 'orchard.example/part': 'leaf' }
  const service = { metadata: { labels }, spec: { selector, ports } }
  const server = await serve((_, response) => {
    json(response, 200, service)
  })
  const api = await server.api()
  const found = await readService(api, 'db', 'apple-leaves')
  await expect(resolvePod(api, found, 5432)).rejects.toMatchObject({
    code: 'target-is-standby',
    message: expect.stringContaining('orchard.example/part=leaf'),
    hint: [expect.any(String), expect.stringContaining('Service apple-root does')],
  })
  api.close()
  await server.close()
})

test('and nothing outside of that folder knows the words of one', async () => {
  const sources = await readdir(root, { recursive: true, withFileTypes: true })
  const files = sources
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith('providers'))
    .map(({ parentPath, name }) => join(parentPath, name))
  const found = await Promise.all(
    files.map(async (file) => {
      const [word] =
        /acid\.zalan\.do|cnpg\.io|crunchydata|spilo-role/.exec(await readFile(file, 'utf8')) ?? []
      return word === undefined ? [] : [`${file}: ${word}`]
    }),
  )
  expect(found.flat()).toEqual([])
  expect(files.length).toBeGreaterThan(100)
})
