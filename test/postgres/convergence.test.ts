import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { ProvisionRequest } from '../../src/input/request.ts'
import type { FailureCode } from '../../src/lib/failure.ts'
import { identifier, literal, useBench, type Application, type Run } from '../support/bench.ts'

// Nothing else may run on this server: its transaction ids are counted. So nothing here is concurrent.
const bench = useBench()

/** One line of the design's table "who wins when things disagree", or one state that a crash leaves. */
interface Row {
  readonly found: string
  /** Makes the state, beginning with an application that a run has provisioned where `from` says so. */
  readonly from?: 'nothing' | 'provisioned'
  readonly given?: (application: Application) => void | Promise<void>
  readonly inputs?: Partial<ProvisionRequest>
  /** What the run changes; on servers of major version 15 or later also the rights on schema public. */
  readonly done: readonly string[] | ((major: number) => readonly string[])
  readonly shows?: (
    application: Application,
    run: Run,
    before: Record<string, string>,
  ) => void | Promise<void>
}

/** Sessions that a row leaves open until its run has seen them. */
const sessions: { end(): Promise<void> }[] = []
const everything = ['role created', 'database created', 'grants granted', 'secret created']

const samePassword: Row['shows'] = (application, _, before) => {
  expect(application.secret['PGPASSWORD']).toBe(before['PGPASSWORD'])
}

const newPassword: Row['shows'] = (application, { outcome }, before) => {
  expect(application.secret['PGPASSWORD']).toMatch(/^[A-Za-z0-9]{32}$/)
  expect(application.secret['PGPASSWORD']).not.toBe(before['PGPASSWORD'])
  expect(outcome.restart).toContain('Restart the Pods that use this Secret')
}

const rows: readonly Row[] = [
  {
    found: 'no role, no Secret',
    from: 'nothing',
    done: everything,
    shows: async (application) => {
      const { role, secret } = application
      expect(secret).toEqual({
        PGHOST: 'postgresql1.postgres-system.svc.cluster.local',
        PGPORT: '5432',
        PGUSER: role,
        PGPASSWORD: expect.stringMatching(/^[A-Za-z0-9]{32}$/),
        PGDATABASE: role,
        PGSSLMODE: 'require',
      })
      const [found] = await bench.sql(
        `select shobj_description(oid, 'pg_authid') as comment, rolpassword from pg_authid where rolname = $1`,
        [role],
      )
      expect(found).toEqual({
        comment: application.marker,
        rolpassword: expect.stringMatching(/^SCRAM-SHA-256\$4096:/),
      })
    },
  },
  {
    found: 'role that is ours, no Secret, sessions open',
    given: async (application) => {
      sessions.push(
        await bench.connect(application.role, application.secret['PGPASSWORD'] ?? '', application.database),
      )
      application.removeSecret()
    },
    done: ['role password-set', 'secret created'],
    shows: (application, run, before) => {
      expect(run.outcome.notes).toContainEqual(expect.stringContaining('1 session'))
      return newPassword(application, run, before)
    },
  },
  {
    found: 'role that is not ours, adopted',
    from: 'nothing',
    given: handMadeRole,
    inputs: { existing: 'adopt' },
    done: ['role noted', 'database created', 'grants granted', 'role password-set', 'secret created'],
    shows: async (application, { outcome }) => {
      expect(outcome.restart).toContain('Restart the Pods that use this Secret')
      expect(await commentOn(application.role)).toBe(application.marker)
    },
  },
  {
    found: 'role that is not ours, adopted, and its database made by a run that went no further',
    from: 'nothing',
    given: async (application) => {
      const { role, database, request } = application
      const creating = { secret: `shop/${request.appSecret}`, database }
      const note = literal(JSON.stringify({ 'pg-app-user': 1, creating }))
      await handMadeRole(application)
      await bench.sqlAs(bench.admin.user, [
        `COMMENT ON ROLE ${identifier(role)} IS ${note}`,
        `CREATE DATABASE ${identifier(database)}`,
      ])
    },
    inputs: { existing: 'adopt' },
    done: ['grants granted', 'role password-set', 'secret created'],
    shows: async (application) => {
      expect(await commentOn(application.role)).toBe(application.marker)
      expect(await publicConnects(application.database)).toBe(false)
    },
  },
  {
    found: 'database that is not ours, adopted',
    from: 'nothing',
    given: async ({ database }) => {
      await bench.sqlAs(bench.admin.user, [`CREATE DATABASE ${identifier(database)}`])
    },
    inputs: { existing: 'adopt' },
    done: ['role created', 'grants granted', 'secret created'],
    shows: async ({ database }, { outcome }) => {
      expect(outcome.notes).toContainEqual(expect.stringContaining('open to PUBLIC'))
      expect(await publicConnects(database)).toBe(true)
    },
  },
  {
    found: 'Secret, no role, and others own tables in the database',
    given: async ({ role, database }) => {
      await bench.sql('CREATE TABLE public.of_others ()', [], database)
      await dropRole(role, database)
    },
    done: ['role created', 'grants granted'],
    shows: (application, run, before) => {
      expect(run.outcome.notes).toContainEqual(expect.stringContaining('belong to postgres: a role'))
      return samePassword(application, run, before)
    },
  },
  {
    found: 'Secret, no database',
    given: async ({ database }) => {
      await bench.sql(`DROP DATABASE ${identifier(database)}`)
    },
    done: ['database created', 'grants granted'],
    shows: (application, run, before) => {
      expect(run.outcome.notes).toContainEqual(expect.stringMatching(/is created again: it is empty/))
      return samePassword(application, run, before)
    },
  },
  {
    found: 'Secret, neither role nor database',
    given: async ({ role, database }) => {
      await bench.sql(`DROP DATABASE ${identifier(database)}`)
      await bench.sql(`DROP ROLE ${identifier(role)}`)
    },
    done: ['role created', 'database created', 'grants granted'],
    shows: samePassword,
  },
  { found: 'Secret and role, login works', done: [], shows: samePassword },
  {
    found: 'Secret and role, wrong password',
    given: async ({ role }) => setPassword(role, 'somebody set this by hand'),
    done: ['role password-set'],
    shows: samePassword,
  },
  {
    found: 'Secret of the manual page whose password logs in, no marker',
    from: 'nothing',
    given: (application) => manually(application, 'a password made by hand'),
    done: (major) => [...schemaGrant(major), 'role marked'],
    shows: async (application, run, before) => {
      expect(run.outcome.notes).toContainEqual(expect.stringContaining('open to PUBLIC'))
      expect(await publicConnects(application.database)).toBe(true)
      return samePassword(application, run, before)
    },
  },
  {
    found: 'Secret of the manual page, and the literal :APP_PASSWORD in the database',
    from: 'nothing',
    given: async (application) => {
      await manually(application, 'a password made by hand')
      await setPassword(application.role, ':APP_PASSWORD')
    },
    done: (major) => [...schemaGrant(major), 'role password-set'],
    shows: async (application, run, before) => {
      expect(await bench.login(application.role, ':APP_PASSWORD', application.database)).toBe('28P01')
      return samePassword(application, run, before)
    },
  },
  {
    found: 'Secret with an MD5 password that logs in',
    given: async (application) => {
      const { PGUSER = '', PGPASSWORD = '' } = application.secret
      const hash = createHash('md5')
        .update(PGPASSWORD + PGUSER)
        .digest('hex')
      await bench.sql(`ALTER ROLE ${identifier(PGUSER)} PASSWORD 'md5${hash}'`)
    },
    done: [],
    shows: samePassword,
  },
  {
    found: 'Secret with missing keys, and keys that are not ours',
    given: (application) => {
      application.putSecret({ THEIRS: 'kept' }, 'on top')
      application.removeSecret('PGPORT', 'PGHOST')
    },
    done: ['secret repaired'],
    shows: (application, run, before) => {
      expect(application.secret).toMatchObject({ THEIRS: 'kept', PGPORT: '5432', PGHOST: expect.any(String) })
      return samePassword(application, run, before)
    },
  },
  {
    found: 'Secret without a password',
    given: (application) => {
      application.removeSecret('PGPASSWORD')
    },
    done: ['role password-set', 'secret repaired'],
    shows: newPassword,
  },
  {
    found: 'Secret whose PGSSLMODE was set by hand',
    given: (application) => {
      application.putSecret({ PGSSLMODE: 'no-verify', PGPORT: '6432' }, 'on top')
    },
    done: [],
    shows: ({ secret }, { log }) => {
      expect(secret).toMatchObject({ PGSSLMODE: 'no-verify', PGPORT: '6432' })
      expect(log).toMatch(/PGPORT and PGSSLMODE.* set by hand/)
    },
  },
  {
    found: 'Secret whose PGSSLMODE was set by hand, and the input is explicit',
    given: (application) => {
      application.putSecret({ PGSSLMODE: 'no-verify' }, 'on top')
    },
    inputs: { appSslMode: 'prefer' },
    done: ['secret repaired'],
    shows: ({ secret }) => {
      expect(secret['PGSSLMODE']).toBe('prefer')
    },
  },
  {
    found: 'Secret whose PGPORT was set by hand, and the input is explicit',
    given: (application) => {
      application.putSecret({ PGPORT: '6432' }, 'on top')
    },
    inputs: { access: { port: '5432' } },
    done: ['secret repaired'],
    shows: ({ secret }) => {
      expect(secret['PGPORT']).toBe('5432')
    },
  },
  {
    found: 'Secret whose PGSSLMODE is what we last wrote, and the access Secret has another',
    inputs: {
      get accessSecret() {
        return bench.access({ sslMode: 'prefer' })
      },
    },
    done: ['secret repaired'],
    shows: ({ secret }) => {
      expect(secret['PGSSLMODE']).toBe('prefer')
    },
  },
  {
    found: 'Secret that Helm manages, up to date',
    given: (application) => {
      application.putSecret({}, 'on top', {
        metadata: { name: '', labels: { 'app.kubernetes.io/managed-by': 'Helm' } },
      })
    },
    done: [],
  },
  {
    found: 'Secret that is immutable, up to date',
    given: (application) => {
      application.putSecret({}, 'on top', { immutable: true })
    },
    done: [],
  },
  {
    found: 'Secret that is being deleted, up to date',
    given: (application) => {
      const metadata = { name: '', finalizers: ['shop/keep'], deletionTimestamp: '2026-11-22T14:03:11Z' }
      application.putSecret({}, 'on top', { metadata })
    },
    done: [],
    shows: (_, { log }) => {
      expect(log).toMatch(/Secret shop\/\S+ is being deleted/)
    },
  },
  {
    found: 'rights on the database and in it taken away, PUBLIC let in',
    given: async ({ role, database }) => {
      await bench.sql(`REVOKE ALL ON DATABASE ${identifier(database)} FROM ${identifier(role)}`)
      await bench.sql(`GRANT CONNECT ON DATABASE ${identifier(database)} TO PUBLIC`)
      await bench.sql(`REVOKE ALL ON SCHEMA public FROM ${identifier(role)}, PUBLIC`, [], database)
      await bench.sql(
        `GRANT CREATE ON SCHEMA public TO ${identifier(bench.admin.user)} WITH GRANT OPTION`,
        [],
        database,
      )
      await bench.sql(
        `GRANT USAGE ON SCHEMA public TO ${identifier(bench.admin.user)} WITH GRANT OPTION`,
        [],
        database,
      )
    },
    done: ['grants granted'],
    shows: async (application, run, before) => {
      expect(await publicConnects(application.database)).toBe(false)
      return samePassword(application, run, before)
    },
  },
  {
    found: 'crash: role and marker committed, the database missing',
    from: 'nothing',
    given: (application) => crashedAfter(application, 'role'),
    done: ['database created', 'grants granted', 'role password-set', 'secret created'],
  },
  {
    found: 'crash: database created, nothing granted',
    from: 'nothing',
    given: (application) => crashedAfter(application, 'database'),
    done: ['grants granted', 'role password-set', 'secret created'],
  },
  {
    found: 'crash: granted, PUBLIC still let in',
    from: 'nothing',
    given: async (application) => {
      await crashedAfter(application, 'database')
      const { database, role } = application
      await bench.sqlAs(bench.admin.user, [
        `GRANT ALL ON DATABASE ${identifier(database)} TO ${identifier(role)}`,
      ])
    },
    done: ['grants granted', 'role password-set', 'secret created'],
  },
  {
    found: 'crash: everything but the Secret',
    given: (application) => {
      application.removeSecret()
    },
    done: ['role password-set', 'secret created'],
    shows: newPassword,
  },
  {
    found: 'crash: a repair set the password, the Secret still has to be filled',
    given: async (application) => {
      application.removeSecret('PGPASSWORD', 'PGPORT')
      await setPassword(application.role, 'known to a run that crashed')
    },
    done: ['role password-set', 'secret repaired'],
    shows: newPassword,
  },
]

/** Every row with the admin that the sandbox has, and again with that one a superuser. */
const admins = [
  ['an admin that is no superuser', 'NOSUPERUSER'],
  ['a superuser', 'SUPERUSER'],
] as const

function adminIs(attribute: 'SUPERUSER' | 'NOSUPERUSER'): void {
  const alter = async (to: string): Promise<void> => {
    await bench.sql(`ALTER ROLE ${identifier(bench.admin.user)} ${to}`)
  }
  beforeAll(() => alter(attribute))
  afterAll(() => alter('NOSUPERUSER'))
}

describe.each(admins)('with %s, one run converges, and the next one changes nothing', (_, attribute) => {
  adminIs(attribute)

  test.each(rows)('$found', async (row) => {
    const application = row.from === 'nothing' ? bench.application() : await bench.established()
    await row.given?.(application)
    const before = application.secret
    const inputs = { ...row.inputs }

    const dry = await quietly(() => application.run({ ...inputs, dryRun: true }))
    expect(dry.code).toBeUndefined()
    const run = await application.run(inputs)
    expect(run.code).toBeUndefined()
    const expected = typeof row.done === 'function' ? row.done(bench.postgres.major) : row.done
    expect(run.done).toEqual(expected)
    // What the dry run lists is what the run does, all that belongs to each change included.
    expect(dry.outcome.list).toEqual(run.outcome.list)
    expect(dry.done).toEqual(expected)
    await row.shows?.(application, run, before)
    await Promise.all(sessions.splice(0).map((session) => session.end()))

    expect(await application.login()).toBe('in')
    await application.work(
      'CREATE TABLE public.t (n int)',
      'INSERT INTO public.t VALUES (1)',
      'DROP TABLE public.t',
    )
    const version = application.resourceVersion
    const again = await quietly(() => application.run(inputs))
    expect(again).toMatchObject({ code: undefined, done: [] })
    expect(again.log).toMatch(/^Nothing to do: .* the login works\. \d/m)
    expect(application.resourceVersion).toBe(version)
    expect(again.outcome.secret.resourceVersion).toBe(version)
  })
})

/** One line of the table that ends in a refusal. */
interface Refusal {
  readonly found: string
  readonly from?: 'nothing' | 'provisioned'
  readonly given: (application: Application) => void | Promise<void>
  readonly code: FailureCode
  readonly says: RegExp
  readonly hints: RegExp
}

const refusals: readonly Refusal[] = [
  {
    found: 'role that is not ours',
    from: 'nothing',
    given: handMadeRole,
    code: 'role-not-ours',
    says: /^Role "app\d+" exists, and nothing says that it belongs to shop\/app\d+-secret\.$/,
    hints: /existing: adopt/,
  },
  ...(['PGUSER', 'PGDATABASE', 'PGHOST'] as const).map((key): Refusal => ({
    found: `Secret whose ${key} names something else`,
    given: (application) => {
      application.putSecret({ [key]: 'another.one' }, 'on top')
    },
    code: 'secret-names-other',
    says: new RegExp(
      `${key} "another.one", this run "(app\\d+|postgresql1\\.postgres-system\\.svc\\.cluster\\.local)"`,
    ),
    hints: key === 'PGHOST' ? /moved or replaced/ : /app-secret: app\d+-postgresql-secret/,
  })),
  {
    found: 'Secret that Helm manages and that would have to change',
    given: (application) => {
      application.putSecret({}, 'on top', {
        metadata: {
          name: '',
          labels: { 'app.kubernetes.io/managed-by': 'Helm' },
          annotations: { 'meta.helm.sh/release-name': 'shop' },
        },
      })
      application.removeSecret('PGPORT')
    },
    code: 'secret-managed-elsewhere',
    says: /PGPORT, and Helm release "shop" manages this Secret/,
    hints: /app-secret/,
  },
  {
    found: 'Secret that an ownerReference names another owner of',
    given: (application) => {
      const owner = { apiVersion: 'v1', kind: 'SealedSecret', name: 'vault', uid: '1', controller: true }
      application.putSecret({}, 'on top', { metadata: { name: '', ownerReferences: [owner] } })
      application.removeSecret('PGPORT')
    },
    code: 'secret-managed-elsewhere',
    says: /SealedSecret "vault" manages this Secret/,
    hints: /app-secret/,
  },
  {
    found: 'Secret that is immutable and would have to change',
    given: (application) => {
      application.removeSecret('PGPORT')
      application.putSecret({}, 'on top', { immutable: true })
    },
    code: 'secret-immutable',
    says: /PGPORT, and it is immutable/,
    hints: /app-secret/,
  },
  {
    found: 'Secret that is being deleted and would have to change',
    given: (application) => {
      application.removeSecret('PGPASSWORD')
      const metadata = { name: '', finalizers: ['shop/keep'], deletionTimestamp: '2026-11-22T14:03:11Z' }
      application.putSecret({}, 'on top', { metadata })
    },
    code: 'secret-invalid',
    says: /PGPASSWORD, and it is being deleted/,
    hints: /finalizers/,
  },
  {
    found: 'Secret with a value that is no text',
    given: (application) => {
      application.putSecret({ PGPORT: '5432\n' }, 'on top')
    },
    code: 'secret-invalid',
    says: /PGPORT ends with a line end/,
    hints: /echo -n/,
  },
]

describe.each(admins)(
  'with %s, what would break something is refused, by every run again',
  (_, attribute) => {
    adminIs(attribute)

    test.each(refusals)('$found', async ({ from, given, code, says, hints }) => {
      const application = from === 'nothing' ? bench.application() : await bench.established()
      await given(application)
      for (const inputs of [{}, {}, { dryRun: true }]) {
        // Without a Secret there is something to do for sure, unless it is refused: the lock is taken with the first look.
        const locks = from === 'nothing' && !('dryRun' in inputs)
        const { outcome } = await quietly(() => application.refused(code, inputs), locks)
        expect(outcome.failure?.message).toMatch(says)
        expect(outcome.failure?.hint.join('\n')).toMatch(hints)
      }
    })
  },
)

test('whatever counts quiet runs hears the others', async () => {
  await expect(quietly(() => bench.application().run())).rejects.toThrow('CREATE ROLE')
  await expect(quietly(() => bench.sql('select txid_current()'))).rejects.toThrow('transaction ids')
})

/**
 * Runs the work and expects that it changes nothing: no statement but reads, no transaction id, no write request; no lock
 * either, unless that is to be expected.
 */
async function quietly<Result>(work: () => Promise<Result>, locks = false): Promise<Result> {
  const { api } = bench.sandbox
  const requests = api.requests.length
  const mark = await bench.postgres.logSize()
  const nextId = await nextTransactionId()
  const result = await work()
  const statements = await bench.statementsSince(mark)
  const each = statements.flatMap((script) => script.split(/;\s*/))
  expect(
    each.filter((statement) => !/^(begin|commit|rollback|with|select|show|set)\b/i.test(statement)),
  ).toEqual([])
  expect(each.some((statement) => statement.includes('pg_try_advisory_xact_lock'))).toBe(locks)
  expect({ 'transaction ids': await nextTransactionId() }).toEqual({ 'transaction ids': nextId })
  expect(api.requests.slice(requests).filter(({ write }) => write)).toEqual([])
  return result
}

async function nextTransactionId(): Promise<string | undefined> {
  const [row] = await bench.sql<{ id: string }>('select pg_snapshot_xmax(pg_current_snapshot())::text as id')
  return row?.id
}

function schemaGrant(major: number): readonly string[] {
  return major >= 15 ? ['grants granted'] : []
}

async function handMadeRole({ role }: Application): Promise<void> {
  await bench.sqlAs(bench.admin.user, [`CREATE ROLE ${identifier(role)} LOGIN PASSWORD 'made by hand'`])
}

/** Does what the manual page tells people to do. */
async function manually(application: Application, password: string): Promise<void> {
  const { role, database } = application
  await bench.sqlAs(bench.admin.user, [
    `CREATE DATABASE ${identifier(database)}`,
    `CREATE USER ${identifier(role)} WITH ENCRYPTED PASSWORD ${literal(bench.password(password))}`,
    `GRANT ALL PRIVILEGES ON DATABASE ${identifier(database)} TO ${identifier(role)}`,
  ])
  application.putSecret({
    PGHOST: 'postgresql1.postgres-system.svc.cluster.local',
    PGPORT: '5432',
    PGSSLMODE: 'require',
    PGUSER: role,
    PGPASSWORD: password,
    PGDATABASE: database,
  })
}

/** Leaves what a run leaves that ends right after it has committed this object. */
async function crashedAfter(application: Application, object: 'role' | 'database'): Promise<void> {
  const { role, database, marker } = application
  await bench.sqlAs(bench.admin.user, [
    `CREATE ROLE ${identifier(role)} LOGIN PASSWORD 'nobody knows it any more'`,
    `COMMENT ON ROLE ${identifier(role)} IS ${literal(marker)}`,
    ...(object === 'database' ? [`CREATE DATABASE ${identifier(database)}`] : []),
  ])
}

async function setPassword(role: string, password: string): Promise<void> {
  await bench.sql(`ALTER ROLE ${identifier(role)} PASSWORD ${literal(password)}`)
}

async function dropRole(role: string, database: string): Promise<void> {
  await bench.sql(`DROP OWNED BY ${identifier(role)}`, [], database)
  await bench.sql(`DROP ROLE ${identifier(role)}`)
}

async function commentOn(role: string): Promise<string | undefined> {
  const [row] = await bench.sql<{ comment: string }>(
    `select shobj_description(oid, 'pg_authid') as comment from pg_roles where rolname = $1`,
    [role],
  )
  return row?.comment
}

async function publicConnects(database: string): Promise<boolean> {
  const rows = await bench.sql(
    `select from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
     where datname = $1 and a.grantee = 0 and privilege_type = 'CONNECT'`,
    [database],
  )
  return rows.length > 0
}
