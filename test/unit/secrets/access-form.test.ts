import { describe, expect, test } from '@jest/globals'
import type { Labels } from '../../../src/providers/provider.ts'
import type { AccessInputs } from '../../../src/secrets/access-form.ts'
import { parseAccessSecret, type AccessSecret } from '../../../src/secrets/access-secret.ts'

interface Made {
  readonly name: string
  readonly labels?: Labels
  readonly values: Readonly<Record<string, string>>
}

function read({ name, labels = {}, values }: Made, said?: AccessInputs, masks: string[] = []): AccessSecret {
  const data = Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  )
  const secret = { metadata: { name, labels }, data }
  return parseAccessSecret(`db/${name}`, secret, (credential) => masks.push(credential), 'port-forward', said)
}

function refused(made: Made, said?: AccessInputs): string {
  try {
    read(made, said)
  } catch (error) {
    expect(error).toMatchObject({ code: 'access-secret-invalid' })
    const { message, hint } = error as { message: string; hint: readonly string[] }
    return [message, ...hint].join('\n')
  }
  return 'no failure'
}

/** As pkg/specs/secrets.go of CloudNativePG writes it. */
const cnpg: Made = {
  name: 'pg-app',
  labels: { 'cnpg.io/cluster': 'pg', 'cnpg.io/reload': 'true', 'cnpg.io/userType': 'app' },
  values: {
    username: 'app',
    user: 'app',
    password: 'one-password-0',
    dbname: 'app',
    host: 'pg-rw',
    port: '5432',
    pgpass: 'pg-rw:5432:app:app:one-password-0\n',
    uri: 'postgresql://app:one-password-0@pg-rw.db:5432/app',
    'jdbc-uri': 'jdbc:postgresql://pg-rw.db:5432/app?password=one-password-0&user=app',
  },
}

/** As internal/controller/postgrescluster/postgres.go of PGO writes it. */
const crunchy: Made = {
  name: 'hippo-pguser-hippo',
  labels: {
    'postgres-operator.crunchydata.com/cluster': 'hippo',
    'postgres-operator.crunchydata.com/pguser': 'hippo',
    'postgres-operator.crunchydata.com/role': 'pguser',
  },
  values: {
    dbname: 'hippo',
    host: 'hippo-primary.db.svc',
    password: 'one-password-0',
    port: '5432',
    user: 'hippo',
    verifier: 'SCRAM-SHA-256$4096:c2FsdA==$x:y',
    'pgbouncer-host': 'hippo-pgbouncer.db.svc',
    'pgbouncer-port': '5432',
  },
}

const zalando: Made = {
  name: 'shop-admin.shop.credentials.postgresql.acid.zalan.do',
  labels: { application: 'spilo', 'cluster-name': 'shop', team: 'shop' },
  values: { username: 'shop_admin', password: 'one-password-0' },
}

const bitnami: Made = {
  name: 'pg-postgresql',
  labels: { 'app.kubernetes.io/name': 'postgresql' },
  values: { 'postgres-password': 'one-password-0', password: 'other-password-0' },
}

const image: Made = {
  name: 'db',
  values: { POSTGRES_USER: 'root', POSTGRES_PASSWORD: 'one-password-0', POSTGRES_DB: 'main' },
}

const tls = { sslMode: 'require' }
const way = { service: 'db', ...tls }

describe('the Secret of an operator or a chart leads to PostgreSQL', () => {
  const all = { port: 5432, password: 'one-password-0', sslMode: 'require' }
  test.each<[string, Made, AccessInputs, object]>([
    ['CloudNativePG', cnpg, {}, { user: 'app', host: 'pg-rw.db.svc', service: 'pg-rw', itsDatabase: 'app' }],
    [
      'its superuser',
      {
        ...cnpg,
        name: 'pg-superuser',
        values: { ...cnpg.values, username: 'postgres', user: 'postgres', dbname: '*' },
      },
      {},
      { user: 'postgres', service: 'pg-rw' },
    ],
    [
      'CloudNativePG before it wrote a host',
      { ...cnpg, values: { username: 'app', password: 'one-password-0' } },
      {},
      { host: 'pg-rw.db.svc', service: 'pg-rw' },
    ],
    ['Crunchy', crunchy, {}, { user: 'hippo', host: 'hippo-primary.db.svc', service: 'hippo-ha' }],
    ['Zalando', zalando, {}, { user: 'shop_admin', host: 'shop.db.svc', service: 'shop' }],
    ['Zalando, by its name alone', { ...zalando, labels: {} }, {}, { host: 'shop.db.svc', service: 'shop' }],
    [
      'Zalando, as old releases named it',
      { ...zalando, name: 'shop-admin.shop.credentials.acid.zalan.do', labels: {} },
      {},
      { service: 'shop' },
    ],
    [
      'Bitnami, the superuser',
      bitnami,
      { ...way, user: 'postgres' },
      { user: 'postgres', host: 'db.db.svc' },
    ],
    [
      'Bitnami, the superuser alone',
      { ...bitnami, values: { 'postgres-password': 'one-password-0' } },
      way,
      { user: 'postgres' },
    ],
    [
      'Bitnami, a user of its own',
      bitnami,
      { ...way, user: 'shop' },
      { user: 'shop', password: 'other-password-0' },
    ],
    ['the official image', image, way, { user: 'root', host: 'db.db.svc', itsDatabase: 'main' }],
    ['a password alone', { name: 'a', values: { password: 'one-password-0' } }, { ...way, user: 'root' }, {}],
    [
      'a service binding',
      {
        name: 'a',
        values: {
          type: 'postgresql',
          host: 'pg.db.svc.cluster.local',
          port: '6432',
          username: 'root',
          password: 'one-password-0',
          database: 'main',
        },
      },
      tls,
      { host: 'pg.db.svc.cluster.local', service: 'pg', port: 6432, itsDatabase: 'main' },
    ],
    [
      'the same password twice',
      { name: 'a', values: { ...image.values, username: 'root', password: 'one-password-0' } },
      way,
      { user: 'root' },
    ],
    [
      'what an operator knows gives way to an input',
      crunchy,
      { service: 'mine', host: 'pg.example', port: '6432', sslMode: 'verify-full', database: 'main' },
      { service: 'mine', host: 'pg.example', port: 6432, sslMode: 'verify-full', home: 'main' },
    ],
  ])('%s', (_, made, said, expected) => {
    expect(read(made, said)).toMatchObject({ ...all, home: 'postgres', ...expected })
  })

  test('what does not stand in it is said, and where it comes from', () => {
    expect(read(zalando).follows).toBe(
      'host shop.db.svc, svc/shop and sslmode require: as Zalando\'s operator has it for cluster "shop"',
    )
    expect(read(image, way).follows).toBe('host db.db.svc: by the name of the Service')
  })

  test('"*" is no database', () => {
    expect(read({ ...cnpg, values: { ...cnpg.values, dbname: '*' } })).not.toHaveProperty('itsDatabase')
  })

  test('every password in it is masked', () => {
    const masks: string[] = []
    read(bitnami, { ...way, user: 'postgres' }, masks)
    expect(masks).toEqual(expect.arrayContaining(['one-password-0', 'other-password-0']))
  })
})

describe('an input wins', () => {
  const written = {
    name: 'access',
    values: {
      PGHOST: 'h',
      PGPORT: '5432',
      PGUSER: 'root',
      PGPASSWORD: 'one-password-0',
      PGSSLMODE: 'require',
      USER_ACCESS: 'pg',
      PGDATABASE: 'main',
    },
  }

  test.each<[AccessInputs, object, RegExp]>([
    [{ host: 'i' }, { host: 'i' }, /"access-host" counts, and not PGHOST of db\/access/],
    [{ port: '6432' }, { port: 6432 }, /"access-port" counts, and not PGPORT/],
    [{ user: 'kim' }, { user: 'kim' }, /"access-user" counts, and not PGUSER/],
    [{ service: 'other' }, { service: 'other' }, /"access-service" counts, and not USER_ACCESS/],
    [{ sslMode: 'disable' }, { sslMode: 'disable' }, /"access-sslmode" counts, and not PGSSLMODE/],
  ])('%j, and the run says so', (said, expected, note) => {
    expect(read(written, said)).toMatchObject({ ...expected, notes: [expect.stringMatching(note)] })
  })

  test('where both say the same, nothing is noted', () => {
    expect(
      read(written, { host: 'h', port: '5432', user: 'root', service: 'pg', sslMode: 'require' }).notes,
    ).toEqual([])
  })

  test('and a broken value that it stands in for is no problem', () => {
    const broken = { ...written.values, PGHOST: 'a b', PGSSLMODE: '' }
    expect(read({ ...written, values: broken }, { host: 'i', sslMode: 'require' })).toMatchObject({
      host: 'i',
      sslMode: 'require',
    })
  })

  test('the database of the Secret is a suggestion, and not where the admin begins', () => {
    expect(read(written)).toMatchObject({ home: 'postgres', itsDatabase: 'main' })
  })
})

describe('what is missing or ambiguous is named, with the inputs that say it', () => {
  test.each<[Made, AccessInputs, readonly string[]]>([
    [image, {}, ['host, sslmode and Service are missing', 'inputs "access-sslmode" and "access-service"']],
    [image, { service: 'db' }, ['sslmode is missing', 'input "access-sslmode"']],
    [image, { host: 'pg.example', ...tls }, ['Service is missing', 'input "access-service"']],
    [
      { name: 'a', values: { password: 'one-password-0' } },
      way,
      ['user is missing', 'input "access-user"', 'It holds "password"'],
    ],
    [
      bitnami,
      way,
      ['2 passwords, "password" and "postgres-password"', 'Name the admin: input "access-user"'],
    ],
    [
      { name: 'a', values: { ...image.values, password: 'other-password-0' } },
      way,
      ['2 passwords, "password" and "POSTGRES_PASSWORD"'],
    ],
    [
      { name: 'a', values: { username: 'kim', user: 'alex', password: 'one-password-0' } },
      way,
      ['username and user contradict each other'],
    ],
    [
      { name: 'a', values: { uri: 'postgresql://root:one-password-0@h/d' } },
      way,
      ['It holds "uri"', 'CloudNativePG', 'Zalando', 'docs/anywhere.md'],
    ],
    [{ ...cnpg, values: { ...cnpg.values, host: 'pg-rw:5432' } }, {}, ['host holds a port']],
  ])('%j with %j', (made, said, words) => {
    const message = refused(made, said)
    for (const each of words) expect(message).toContain(each)
    expect(message).not.toMatch(/(one|other)-password/)
  })
})
