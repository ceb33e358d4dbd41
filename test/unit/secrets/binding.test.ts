import { describe, expect, test } from '@jest/globals'
import { parseApplicationSecret } from '../../../src/secrets/application-secret.ts'
import {
  bindingName,
  bindingType,
  bindingValues,
  noteOnLeft,
  planBinding,
} from '../../../src/secrets/binding.ts'
import { json, serve } from '../kubernetes/server.ts'

describe('the name of a service binding', () => {
  test('is that of the application Secret with an ending', () => {
    expect(bindingName('app-postgresql-secret', ['url', 'servicebinding'])).toBe(
      'app-postgresql-secret-binding',
    )
    expect(bindingName('app-postgresql-secret', ['url'])).toBeUndefined()
  })

  test.each([
    ['the longest that leaves room', 'a'.repeat(245), `${'a'.repeat(245)}-binding`],
    ['one more', 'a'.repeat(246), /^a{236}-[0-9a-f]{8}-binding$/],
    ['the longest there is', 'a'.repeat(253), /^a{236}-[0-9a-f]{8}-binding$/],
    ['cut at a dot', `${'a'.repeat(235)}.${'b'.repeat(17)}`, /^a{235}-[0-9a-f]{8}-binding$/],
  ])('%s', (_, secret, name) => {
    const bound = bindingName(secret, ['servicebinding']) ?? ''
    expect(bound).toMatch(name instanceof RegExp ? name : new RegExp(`^${name}$`))
    expect(bound.length).toBeLessThanOrEqual(253)
  })

  test('is another one for another Secret that is cut at the same place', () => {
    const of = (end: string): string | undefined =>
      bindingName(`${'a'.repeat(250)}${end}`, ['servicebinding'])
    expect(of('b')).not.toBe(of('c'))
  })
})

test('holds the authority, and a URL that names no file', () => {
  const login = {
    PGHOST: 'one,two',
    PGPORT: '5432',
    PGUSER: "it's",
    PGPASSWORD: 'p@ss',
    PGDATABASE: 'shop',
    PGSSLMODE: 'verify-full',
    'ca.crt': 'PEM',
  }
  expect(bindingValues(login)).toMatchObject({
    host: 'one,two',
    sslmode: 'verify-full',
    certificates: 'PEM',
    uri: 'postgresql://it%27s:p%40ss@one:5432,two:5432/shop?sslmode=verify-full',
  })
})

test('one that is being deleted is refused only if it would have to change', () => {
  const current = {
    namespace: 'shop',
    name: 'app-binding',
    uid: '1',
    resourceVersion: '1',
    type: bindingType,
    immutable: false,
    deleting: true,
    ours: true,
    owner: undefined,
    values: { host: 'one' },
  }
  expect(planBinding(current, 'shop/app-binding', { host: 'one' })).toEqual({ kind: 'keep' })
  expect(planBinding(current, 'shop/app-binding', { host: 'other' })).toMatchObject({
    code: 'secret-invalid',
    message: 'shop/app-binding would need a change of host, and it is being deleted.',
  })
})

test.each([
  ['is there', 200, { labels: { 'app.kubernetes.io/managed-by': 'pg-app-user' } }, 'stays'],
  ['may not be read', 403, {}, 'may still be there'],
  ['is gone', 404, {}, undefined],
  ['made room for one of somebody else', 200, {}, undefined],
])('a binding that nobody asks for any more and that %s', async (_, status, found, words) => {
  const annotations = { 'pg-app-user.elastisys.io/last-written': '{}' }
  const server = await serve((_, response) => {
    json(response, status, { metadata: { annotations, ...found } })
  })
  const secret = { metadata: { annotations: { 'pg-app-user.elastisys.io/service-binding': 'app-binding' } } }
  const current = parseApplicationSecret('shop', 'app', secret, () => undefined)
  const note = await noteOnLeft(await server.api(), current)
  await server.close()
  if (words === undefined) expect(note).toBeUndefined()
  else expect(note).toContain(`Secret shop/app-binding, the service binding, ${words} `)
})
