import { describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../../sandbox/api.ts'
import { formatSummary } from '../../src/report/summary.ts'
import { useBench, type Application } from '../support/bench.ts'

const bench = useBench()
const secretFormats = ['servicebinding'] as const

function nameOf({ request }: Application): string {
  return `${request.appSecret}-binding`
}

function bindingOf(application: Application): KubeObject | undefined {
  return bench.sandbox.api.get('Secret', application.request.appNamespace ?? '', nameOf(application))
}

/** What a container finds in the files of the binding. */
function filesOf(application: Application): Record<string, string> {
  const data = bindingOf(application)?.['data'] as Record<string, string> | undefined
  return Object.fromEntries(
    Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  )
}

function put(application: Application, object: Partial<KubeObject>): void {
  const metadata = { name: nameOf(application), namespace: application.request.appNamespace ?? '' }
  bench.sandbox.api.put({
    kind: 'Secret',
    ...object,
    metadata: { ...object.metadata, ...metadata },
  })
}

test('is made beside the first, is told as a change of its own, and a second run writes nothing', async () => {
  const application = bench.application({ secretFormats })
  const dry = await application.run({ dryRun: true })
  expect(dry.log).toMatch(new RegExp(`binding +\\S*${nameOf(application)}: not there; would be created`))
  expect(bindingOf(application)).toBeUndefined()

  const { outcome, done } = await application.run()
  expect(done).toEqual([
    'role created',
    'database created',
    'grants granted',
    'secret created',
    'binding created',
  ])
  expect(outcome.list).toEqual(dry.outcome.list)
  expect(formatSummary(outcome)).toContain(
    `| Service binding \`shop/${nameOf(application)}\` | 9 keys | created |`,
  )
  const { PGHOST, PGPORT, PGPASSWORD } = application.secret
  expect(bindingOf(application)).toMatchObject({
    type: 'servicebinding.io/postgresql',
    metadata: { labels: { 'app.kubernetes.io/managed-by': 'pg-app-user' } },
  })
  const { uri, ...files } = filesOf(application)
  expect(files).toEqual({
    type: 'postgresql',
    provider: 'pg-app-user',
    host: PGHOST,
    port: PGPORT,
    database: application.database,
    username: application.role,
    password: PGPASSWORD,
    sslmode: 'require',
  })
  expect(await bench.login(files['username'] ?? '', files['password'] ?? '', files['database'] ?? '')).toBe(
    'in',
  )
  expect(new URL(uri ?? '').password).toBe(PGPASSWORD)

  const version = bindingOf(application)?.metadata.resourceVersion
  expect((await application.run()).done).toEqual([])
  expect(bindingOf(application)?.metadata.resourceVersion).toBe(version)
})

describe('differs from the application Secret, or is gone: is put right', () => {
  test.each([
    ['another password', { password: 'stale-and-of-no-use' }, 'repaired'],
    ['another host', { host: 'elsewhere' }, 'repaired'],
    ['an authority that nobody has any more', { certificates: 'old' }, 'repaired'],
    ['nothing at all', undefined, 'created'],
  ])('%s', async (_, changed, how) => {
    const application = await bench.established({ secretFormats })
    const before = filesOf(application)
    const object = bindingOf(application)
    if (changed === undefined) {
      bench.sandbox.api.remove('Secret', application.request.appNamespace ?? '', nameOf(application))
    } else put(application, { ...object, stringData: { ...changed, mine: 'kept' } })
    const dry = await application.run({ dryRun: true })
    const run = await application.run()
    expect(run.done).toEqual([`binding ${how}`])
    expect(run.outcome.list).toEqual(dry.outcome.list)
    expect(filesOf(application)).toEqual({ ...before, ...(changed && { mine: 'kept' }) })
    expect((await application.run()).done).toEqual([])
  })

  test('a new password reaches it', async () => {
    const application = await bench.established({ secretFormats })
    application.removeSecret('PGPASSWORD')
    const { done } = await application.run()
    expect(done).toEqual(['role password-set', 'secret repaired', 'binding repaired'])
    expect(filesOf(application)['password']).toBe(application.secret['PGPASSWORD'])
  })
})

describe("a Secret of this name that is somebody else's is refused, in a dry run too", () => {
  test.each<[string, Partial<KubeObject>]>([
    ['made by hand', { type: 'servicebinding.io/postgresql', stringData: { password: 'of-another-one' } }],
    [
      'kept by another controller',
      { metadata: { name: '', labels: { 'app.kubernetes.io/managed-by': 'Helm' } }, stringData: {} },
    ],
  ])('%s', async (_, object) => {
    const application = bench.application({ secretFormats })
    put(application, object)
    const before = bindingOf(application)
    await application.refused('secret-managed-elsewhere', { dryRun: true })
    await application.refused('secret-managed-elsewhere')
    expect(bindingOf(application)).toEqual(before)
  })

  test('the application Secret of another run', async () => {
    const application = bench.application({ secretFormats })
    await bench.established({ appSecret: nameOf(application) })
    const { outcome } = await application.refused('secret-managed-elsewhere')
    expect(outcome.failure?.message).toContain('its type is "Opaque"')
  })
})

test('where nobody ever asked for it, it is neither read nor written', async () => {
  const application = await bench.established()
  const mark = bench.sandbox.api.requests.length
  expect(await application.run()).toMatchObject({ code: undefined, done: [] })
  const asked = bench.sandbox.api.requests.slice(mark).map(({ path }) => path)
  expect(asked.filter((path) => path.includes(nameOf(application)))).toEqual([])
})

describe('where nobody asks for it any more, it stays, and a note says how to delete it', () => {
  /** The notes of a run without the format, which changes nothing. */
  async function notesWithout(application: Application, overrides = {}): Promise<readonly string[]> {
    const before = bindingOf(application)
    const mark = bench.sandbox.api.requests.length
    const { code, done, outcome } = await application.run({ secretFormats: [], ...overrides })
    expect({ code, done }).toEqual({ code: undefined, done: [] })
    expect(bench.sandbox.api.requests.slice(mark).filter(({ write }) => write)).toEqual([])
    expect(bindingOf(application)).toEqual(before)
    return outcome.notes
  }
  const deletion = (application: Application): string =>
    `kubectl -n shop delete secret ${nameOf(application)}`

  test.each<[string, () => Promise<Application>]>([
    ['made together with the application Secret', () => bench.established({ secretFormats })],
    [
      'made for an application Secret that was there',
      async () => {
        const application = await bench.established()
        expect((await application.run({ secretFormats })).done).toEqual(['binding created'])
        expect((await application.run({ secretFormats })).done).toEqual([])
        return application
      },
    ],
    [
      'made with a repair of the application Secret',
      async () => {
        const application = await bench.established()
        application.removeSecret('PGPORT')
        const { done } = await application.run({ secretFormats })
        expect(done).toEqual(['secret repaired', 'binding created'])
        return application
      },
    ],
  ])('%s', async (_, made) => {
    const application = await made()
    for (const dryRun of [true, false]) {
      const notes = await notesWithout(application, { dryRun })
      expect(notes).toEqual([expect.stringContaining('stays and is no longer kept up to date')])
      expect(notes[0]).toContain(deletion(application))
    }
    bench.sandbox.api.remove('Secret', 'shop', nameOf(application))
    expect(await notesWithout(application)).toEqual([])
  })

  test('a run that may not look for it says that it does not know', async () => {
    const application = await bench.established({ secretFormats })
    const { api, accessNamespace, accessRole, appNamespace } = bench.sandbox
    const [name, group] = [bench.name('narrow'), 'rbac.authorization.k8s.io']
    const subjects = [{ kind: 'ServiceAccount', name, namespace: appNamespace }]
    api.put({ kind: 'ServiceAccount', metadata: { name, namespace: appNamespace } })
    const resourceNames = [application.request.appSecret]
    api.put({
      kind: 'Role',
      metadata: { name, namespace: appNamespace },
      rules: [
        { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'patch'], resourceNames },
        { apiGroups: [''], resources: ['secrets'], verbs: ['create'] },
      ],
    })
    const bound: readonly [string, string][] = [
      [appNamespace, name],
      [accessNamespace, accessRole],
    ]
    for (const [namespace, role] of bound) {
      const roleRef = { apiGroup: group, kind: 'Role', name: role }
      api.put({ kind: 'RoleBinding', metadata: { name, namespace }, roleRef, subjects })
    }
    const input = api.kubeconfig({ namespace: appNamespace, serviceAccount: name })
    const notes = await notesWithout(application, { kubeconfig: { input, absenceHint: [] } })
    expect(notes).toEqual([expect.stringContaining('may still be there')])
    expect(notes[0]).toContain(deletion(application))
  })
})
