import { describe, expect, test } from '@jest/globals'
import type { SecretObject } from '../../../src/kubernetes/objects.ts'
import { Failure } from '../../../src/lib/failure.ts'
import { parseApplicationSecret, type ApplicationValues } from '../../../src/secrets/application-secret.ts'
import {
  bindingName,
  bindingValues,
  credentialsOf,
  keysOf,
  noteOnLeft,
  planBinding,
  readBinding,
  type BindingSecret,
} from '../../../src/secrets/binding.ts'
import { useTexts } from '../../support/texts.ts'
import { json, serve } from '../kubernetes/server.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** What this tool leaves on a Secret that it made. */
const made = {
  labels: { 'app.kubernetes.io/managed-by': 'pg-app-user' },
  annotations: { 'pg-app-user.elastisys.io/last-written': '{}' },
}
const dying = { deletionTimestamp: '2026-11-22T14:03:11Z' }
const type = 'servicebinding.io/postgresql'

describe('the name of a service binding', () => {
  test('is that of the application Secret with an ending', () => {
    expect(bindingName('app-postgresql-secret', ['url', 'servicebinding'])).toBe(
      'app-postgresql-secret-binding',
    )
    expect(bindingName('app-postgresql-secret', ['url'])).toBeUndefined()
  })

  test.each([
    ['the longest that leaves room', 'a'.repeat(245), `${'a'.repeat(245)}-binding`],
    ['one more', 'a'.repeat(246), `${'a'.repeat(236)}-934f3812-binding`],
    ['the longest there is', 'a'.repeat(253), `${'a'.repeat(236)}-32859a3a-binding`],
    ['cut at a dot', `${'a'.repeat(235)}.${'b'.repeat(17)}`, `${'a'.repeat(235)}-add585f6-binding`],
    ['cut at two dashes', `a-${'a'.repeat(232)}--${'b'.repeat(17)}`, `a-${'a'.repeat(232)}-7a0f7b01-binding`],
  ])('%s', (_, secret, name) => {
    expect(bindingName(secret, ['servicebinding'])).toBe(name)
    expect(name.length).toBeLessThanOrEqual(253)
  })

  test('is another one for another Secret that is cut at the same place', () => {
    const of = (end: string): string | undefined =>
      bindingName(`${'a'.repeat(250)}${end}`, ['servicebinding'])
    expect(of('b')).not.toBe(of('c'))
  })
})

const login = {
  PGHOST: 'pg.db.svc',
  PGPORT: '5432',
  PGUSER: 'shop',
  PGPASSWORD: 'p@ss',
  PGDATABASE: 'shop',
  PGSSLMODE: 'require',
} satisfies ApplicationValues

const held = {
  type: 'postgresql',
  provider: 'pg-app-user',
  host: 'pg.db.svc',
  port: '5432',
  database: 'shop',
  username: 'shop',
  password: 'p@ss',
  sslmode: 'require',
  uri: 'postgresql://shop:p%40ss@pg.db.svc:5432/shop?sslmode=require',
}

describe('what a service binding holds', () => {
  test('the login in its own names, and nothing else', () => {
    expect(bindingValues(login)).toEqual(held)
  })

  test('the authority, and a URL that names no file', () => {
    const verified = { PGHOST: 'one,two', PGUSER: "it's", PGSSLMODE: 'verify-full', 'ca.crt': 'PEM' }
    expect(bindingValues({ ...login, ...verified })).toEqual({
      ...held,
      host: 'one,two',
      username: "it's",
      sslmode: 'verify-full',
      certificates: 'PEM',
      uri: 'postgresql://it%27s:p%40ss@one:5432,two:5432/shop?sslmode=verify-full',
    })
  })

  test('nothing where the mode is no word', () => {
    expect(bindingValues({ ...login, PGSSLMODE: 'on' })).toEqual({})
  })

  test.each([
    ['the password and the URL, as they are written and meant', held, ['p@ss', held.uri, 'p%40ss', 'p@ss']],
    ['no empty one', { password: '', uri: '' }, []],
    ['none where there is none', { host: 'one' }, []],
  ])('its credentials: %s', (_, values, credentials) => {
    expect(credentialsOf(values)).toEqual(credentials)
  })
})

/** Reads a Secret as the API server gives it. */
async function read(
  secret: SecretObject | undefined,
): Promise<{ binding: BindingSecret | undefined; masked: readonly string[]; asked: readonly string[] }> {
  const server = await serve((_, response) => {
    json(response, secret === undefined ? 404 : 200, secret ?? { reason: 'NotFound', code: 404 })
  })
  const masked: string[] = []
  const binding = await readBinding(await server.api(), 'shop', 'app-binding', (each) => masked.push(each))
  await server.close()
  return { binding, masked, asked: server.requests.map(({ method, url }) => `${method} ${url}`) }
}

/** A binding of ours that nothing is wrong with. */
const itself = {
  namespace: 'shop',
  name: 'app-binding',
  uid: '1',
  resourceVersion: '2',
  type,
  immutable: false,
  ours: true,
  owner: undefined,
}

describe('a service binding is read', () => {
  test('with its credentials masked, and without the keys that are never ours', async () => {
    const data = { host: base64('one'), password: base64('p@ss'), port: '', sslrootcert: base64('x') }
    const { binding, masked, asked } = await read({
      metadata: { ...made, uid: '1', resourceVersion: '2' },
      type,
      data,
    })
    expect(asked).toEqual(['GET /api/v1/namespaces/shop/secrets/app-binding'])
    expect(masked).toEqual(['p@ss'])
    expect(binding).toEqual({
      ...itself,
      values: { host: 'one', port: '', password: 'p@ss' },
    })
  })

  test('as nothing where there is none', async () => {
    expect(await read(undefined)).toMatchObject({ binding: undefined, masked: [] })
  })

  test('whatever it lacks', async () => {
    expect((await read({})).binding).toEqual({
      namespace: 'shop',
      name: 'app-binding',
      uid: '',
      resourceVersion: '',
      type: 'Opaque',
      immutable: false,
      ours: false,
      owner: undefined,
      values: {},
    })
  })

  test.each<[string, SecretObject, Partial<BindingSecret>]>([
    ['immutable', { metadata: made, immutable: true }, { immutable: true, ours: true }],
    ['being deleted', { metadata: { ...made, ...dying } }, { deleting: true, ours: true }],
    ['with the label alone', { metadata: { labels: made.labels } }, { ours: false }],
    ['with the annotation alone', { metadata: { annotations: made.annotations } }, { ours: false }],
    [
      'of Helm',
      { metadata: { annotations: { ...made.annotations, 'meta.helm.sh/release-name': 'shop' } } },
      { ours: false, owner: 'Helm release "shop"' },
    ],
  ])('%s', async (_, secret, is) => {
    expect((await read(secret)).binding).toMatchObject(is)
  })
})

/** What is found in the place of a binding that holds what it should; none: no Secret. */
interface Case {
  readonly found?: Partial<BindingSecret>
  readonly wanted?: ApplicationValues
}

/** Returns what becomes of a binding, or the refusal, word for word. */
function told({ found, wanted = {} }: Case): string {
  const current: BindingSecret | undefined = found && {
    ...itself,
    values: held,
    ...found,
  }
  const plan = planBinding(current, 'shop/app-binding', bindingValues({ ...login, ...wanted }))
  if (plan instanceof Failure) {
    return [`  ${plan.code}`, `  ${plan.message}`, ...plan.hint.map((line) => `    ${line}`)].join('\n')
  }
  const [keys, stale] = [keysOf(plan), plan.kind === 'repair' ? plan.stale : []]
  return [
    `  ${plan.kind}`,
    ...Object.entries(plan.kind === 'keep' ? {} : plan.values).map(([key, value]) => `    ${key}=${value}`),
    ...(stale.length > 0 ? [`  stale: ${stale.join(', ')}`] : []),
    ...(keys.length > 0 ? [`  keys: ${keys.join(', ')}`] : []),
  ].join('\n')
}

const differing = { ...held, host: 'elsewhere' }
const without = { host: held.host, username: held.username, uri: held.uri }

const cases: Readonly<Record<string, Case>> = {
  'no binding': {},
  'no binding, and an authority': { wanted: { PGSSLMODE: 'verify-full', 'ca.crt': 'pem' } },

  'up to date': { found: {} },
  'one key differs': { found: { values: differing } },
  'a value is empty': { found: { values: { ...held, password: '' } } },
  'keys lack': { found: { values: without } },
  'an authority lacks': { found: {}, wanted: { 'ca.crt': 'pem' } },
  'an authority is another': {
    found: { values: { ...held, certificates: 'old' } },
    wanted: { 'ca.crt': 'pem' },
  },
  'an authority that nothing stands for any more': { found: { values: { ...held, certificates: 'old' } } },
  'an authority that nothing stands for any more, and another host': {
    found: { values: { ...differing, certificates: 'old' } },
  },

  'not made by this tool': { found: { ours: false } },
  'made by this tool, and managed by another': { found: { owner: 'Helm release "shop"' } },
  'of Helm, of another type, and immutable': {
    found: { ours: false, owner: 'Helm release "shop"', type: 'Opaque', immutable: true, values: {} },
  },
  'the application Secret of another run': { found: { type: 'Opaque' } },
  'of a type that is long and over two lines': { found: { type: `a\u2028${'b'.repeat(90)}` } },

  'immutable, up to date': { found: { immutable: true } },
  'immutable, two keys differ and one is stale': {
    found: { immutable: true, values: { ...differing, port: '1', certificates: 'old' } },
  },
  'being deleted, up to date': { found: { deleting: true } },
  'being deleted and immutable, one key differs': {
    found: { deleting: true, immutable: true, values: differing },
  },
}

describe('binding.txt shows what becomes of a service binding', () => {
  const compare = useTexts(new URL('binding.txt', import.meta.url))

  test.each(Object.entries(cases))('%s', (title, each) => {
    compare(title, told(each))
  })
})

describe('a binding that nobody asks for any more', () => {
  /** Returns what is said of it, and what was asked. */
  async function noteOn(
    status: number,
    body: object,
    marks: Readonly<Record<string, string>> = { 'pg-app-user.elastisys.io/service-binding': 'app-binding' },
  ): Promise<{ note: unknown; asked: readonly string[] }> {
    const server = await serve((_, response) => {
      json(response, status, body, { 'Retry-After': '0' })
    })
    const current = parseApplicationSecret(
      'shop',
      'app',
      { metadata: { annotations: marks } },
      () => undefined,
    )
    const note = await noteOnLeft(await server.api(), current).catch((error: unknown) => error)
    await server.close()
    return { note, asked: server.requests.map(({ method, url }) => `${method} ${url}`) }
  }
  const noteThatIt = (does: string): string =>
    `Secret shop/app-binding, the service binding, ${does} and is no longer kept up to date: input "secret-format" no longer asks for it; once nothing uses it: kubectl -n shop delete secret app-binding`
  const asking = 'GET /api/v1/namespaces/shop/secrets/app-binding'

  test.each([
    ['is there', 200, { metadata: made, type }, noteThatIt('stays')],
    ['may not be read', 403, { reason: 'Forbidden', code: 403 }, noteThatIt('may still be there')],
    ['is gone', 404, { reason: 'NotFound', code: 404 }, undefined],
    ['made room for one of somebody else', 200, { metadata: { labels: made.labels }, type }, undefined],
    [
      'made room for the application Secret of another run',
      200,
      { metadata: made, type: 'Opaque' },
      undefined,
    ],
    ['is being deleted', 200, { metadata: { ...made, ...dying }, type }, undefined],
  ])('%s', async (_, status, body, note) => {
    expect(await noteOn(status, body)).toEqual({ note, asked: [asking] })
  })

  test.each([
    ['cannot decrypt', 500, { reason: 'InternalError', code: 500, message: 'no matching prefix found' }, 1],
    ['does not get to', 503, { reason: 'ServiceUnavailable', code: 503 }, 5],
  ])('that the API server %s stops no run', async (_, status, body, times) => {
    expect(await noteOn(status, body)).toEqual({
      note: noteThatIt('may still be there'),
      asked: Array.from({ length: times }, () => asking),
    })
  })

  test('a credential that is refused stops the run', async () => {
    const { note } = await noteOn(401, { reason: 'Unauthorized', code: 401 })
    expect(note).toMatchObject({ code: 'token-rejected' })
  })

  test('that was never made is not asked for', async () => {
    expect(await noteOn(200, { metadata: made, type }, {})).toEqual({ note: undefined, asked: [] })
  })
})
