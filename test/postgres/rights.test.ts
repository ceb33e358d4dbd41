import { describe, expect, test } from '@jest/globals'
import { createAdmin } from '../../sandbox/postgres.ts'
import type { ProvisionRequest } from '../../src/input/request.ts'
import { identifier, useBench, type Application } from '../support/bench.ts'

const bench = useBench()

/** An admin of this kind, and the name of an access Secret for it. */
async function administrator(
  kind: string,
): Promise<{ user: string; password: string; accessSecret: string }> {
  if (kind !== 'a superuser') return { ...bench.admin, accessSecret: bench.sandbox.accessSecret }
  const admin = await createAdmin(bench.postgres, { name: bench.name('root'), superuser: true })
  return { ...admin, accessSecret: bench.access({ admin }) }
}

describe.each(['no superuser', 'a superuser'])('with an admin that is %s', (kind) => {
  test('the application works in its database and cannot drop it', async () => {
    const { accessSecret } = await administrator(kind)
    const application = await bench.established({ accessSecret })
    await application.work(
      'CREATE TABLE public.orders (n int)',
      'INSERT INTO public.orders VALUES (1)',
      'CREATE SCHEMA own',
      'CREATE TEMPORARY TABLE t ()',
    )
    await expect(
      inPostgres(application, `DROP DATABASE ${identifier(application.database)}`),
    ).rejects.toMatchObject({
      code: '42501',
    })
  })

  test("another application's role cannot connect", async () => {
    const { accessSecret } = await administrator(kind)
    const [one, other] = [
      await bench.established({ accessSecret }),
      await bench.established({ accessSecret }),
    ]
    expect(await one.login()).toBe('in')
    expect(await one.login(other.database)).toBe('42501')
    expect(await other.login(one.database)).toBe('42501')
  })

  test('admin, monitoring and the given roles keep access, and nobody else', async () => {
    const { user, password, accessSecret } = await administrator(kind)
    const readers = bench.postgres.major >= 14 ? ['pg_monitor', 'pg_read_all_data'] : ['pg_monitor']
    const [watchers, asked, stranger] = [bench.name('watchers'), bench.name('pooler'), bench.name('stranger')]
    await bench.sql(`CREATE ROLE ${watchers} IN ROLE pg_monitor`)
    const kept = new Map([
      [user, password],
      [asked, await bench.role(asked)],
    ])
    for (const group of [...readers, watchers]) {
      const name = bench.name('watcher')
      kept.set(name, await bench.role(name, `LOGIN IN ROLE ${group}`))
    }
    const application = await bench.established({ accessSecret, connectRoles: [asked] })
    for (const [name, secret] of kept) {
      expect([name, await bench.login(name, secret, application.database)]).toEqual([name, 'in'])
    }
    expect(await bench.login(stranger, await bench.role(stranger), application.database)).toBe('42501')
  })

  test('a role that joins pg_monitor later, or is asked for later, is let in by the next run', async () => {
    const { accessSecret } = await administrator(kind)
    const application = await bench.established({ accessSecret })
    const [watcher, asked] = [bench.name('watcher'), bench.name('backup')]
    const secrets = [await bench.role(watcher, 'LOGIN IN ROLE pg_monitor'), await bench.role(asked)]
    const { done, log } = await application.run({ connectRoles: [asked] })
    expect(done).toEqual(['grants granted'])
    expect(log).toContain(`${asked} and ${watcher}: CONNECT`)
    expect(await bench.login(watcher, secrets[0] ?? '', application.database)).toBe('in')
    expect(await bench.login(asked, secrets[1] ?? '', application.database)).toBe('in')
  })

  test("a group of PostgreSQL's own that is asked for keeps access, as any other", async () => {
    const { accessSecret } = await administrator(kind)
    const member = bench.name('member')
    const secret = await bench.role(member, 'LOGIN IN ROLE pg_signal_backend')
    const asked = { accessSecret, connectRoles: ['pg_signal_backend', 'pg_monitor'] }
    const application = await bench.established(asked)
    expect(await bench.login(member, secret, application.database)).toBe('in')
    expect(await application.run(asked)).toMatchObject({ code: undefined, done: [] })
  })

  test('the owner is the admin or the application, and switches both ways', async () => {
    const { user, password, accessSecret } = await administrator(kind)
    const application = await bench.established({ accessSecret, databaseOwner: 'app' })
    const { role, database } = application
    for (const [databaseOwner, owner, done] of [
      ['app', role, []],
      ['admin', user, ['database owner-changed']],
      ['admin', user, []],
      ['app', role, ['database owner-changed']],
      ['app', role, []],
    ] as const) {
      expect(await application.run({ databaseOwner })).toMatchObject({ code: undefined, done })
      expect(
        await bench.sql('select datdba::regrole::text as owner from pg_database where datname = $1', [
          database,
        ]),
      ).toEqual([{ owner }])
      expect(await application.login()).toBe('in')
      expect(await bench.login(user, password, database)).toBe('in')
      await application.work('CREATE TABLE public.t ()', 'DROP TABLE public.t')
      expect(await holdsApplication(user, role)).toBe(false)
      const stranger = bench.name('stranger')
      expect(await bench.login(stranger, await bench.role(stranger), database)).toBe('42501')
    }
  })

  test('an owner may drop its database', async () => {
    const { accessSecret } = await administrator(kind)
    const application = await bench.established({ accessSecret, databaseOwner: 'app' })
    await inPostgres(application, `DROP DATABASE ${identifier(application.database)}`)
    expect(await application.login()).toBe('3D000')
  })

  test.each(['admin', 'app'] as const)(
    'rights are put right where the owner is %s',
    async (databaseOwner) => {
      const { accessSecret } = await administrator(kind)
      const application = await bench.established({ accessSecret, databaseOwner })
      await bench.sql(`GRANT CONNECT, TEMPORARY ON DATABASE ${identifier(application.database)} TO PUBLIC`)
      expect(await application.run()).toMatchObject({ code: undefined, done: ['grants granted'] })
      expect(await application.run()).toMatchObject({ code: undefined, done: [] })
    },
  )

  test.each(['admin', 'app'] as const)(
    'trusted extensions are created where the owner is %s',
    async (databaseOwner) => {
      const { accessSecret } = await administrator(kind)
      const application = await bench.established({ accessSecret, databaseOwner, extensions: ['citext'] })
      const extensions = ['citext', 'pgcrypto']
      const { code, done } = await application.run({ extensions })
      expect({ code, done }).toEqual({ code: undefined, done: ['extension created'] })
      expect(await application.run({ extensions })).toMatchObject({ code: undefined, done: [] })
      await application.work(
        'CREATE TABLE public.t (name public.citext)',
        `SELECT public.digest('', 'sha256')`,
      )
    },
  )

  test.each(['nothing', 'an application'])(
    'an extension that does not exist is refused, given %s',
    async (given) => {
      const { accessSecret } = await administrator(kind)
      const application =
        given === 'nothing' ? bench.application({ accessSecret }) : await bench.established({ accessSecret })
      const { outcome } = await application.refused('extension-unavailable', {
        extensions: ['citext', 'citetx'],
      })
      expect(outcome.failure?.message).toContain('"citetx"')
    },
  )
})

describe.each(['nothing', 'an application'])('an extension that is not trusted, given %s', (given) => {
  test.each(['file_fdw', 'pageinspect'])(
    '%s is refused until a superuser has created it',
    async (extension) => {
      const application = given === 'nothing' ? bench.application() : await bench.established()
      const extensions = ['citext', extension]
      const { outcome } = await application.refused('extension-not-trusted', { extensions })
      expect(outcome.failure?.message).toContain(`"${extension}"`)
      const command = outcome.failure?.hint.find((line) => line.endsWith(';')) ?? ''
      await application.run()
      await bench.sql(command, [], application.database)
      const { code, done } = await application.run({ extensions })
      expect({ code, done }).toEqual({ code: undefined, done: ['extension created'] })
    },
  )
})

test('the steps in a new database are told in the order in which each needs the one before', async () => {
  const { log } = await bench.application({ extensions: ['citext'] }).run()
  const subjects = [...log.matchAll(/^\+ (\S+)/gm)].map(([, subject]) => subject)
  expect(subjects.filter((subject, index) => subject !== subjects[index - 1])).toEqual([
    'role',
    'database',
    'extension',
    'grants',
    'Secret',
  ])
})

describe('what is in the way of an extension is told at once, in the words of the server', () => {
  test.each([
    ['a type', 'citext', 'CREATE TYPE public.citext AS (t text)', /said ".*\\?"citext\\?"/],
    [
      'a function',
      'pgcrypto',
      `CREATE FUNCTION public.digest(text, text) RETURNS bytea LANGUAGE sql AS $$ select null::bytea $$`,
      /said ".*\\?"digest\\?"/,
    ],
    ['a domain', 'hstore', 'CREATE DOMAIN public.hstore AS text', /said ".*\\?"hstore\\?"/],
  ])('%s', async (_, extension, statement, says) => {
    const application = await bench.established()
    await application.work(statement)
    const began = await bench.postgres.logSize()
    const { code, done, outcome } = await application.run({ extensions: [extension] })
    expect({ code, done }).toEqual({ code: 'extension-unavailable', done: [] })
    expect(outcome.failure?.hint.join('\n')).toMatch(says)
    const tried =
      (await bench.postgres.logSince(began)).match(/statement: [^;]*;?[^]*?CREATE EXTENSION/g) ?? []
    expect(tried.length).toBeLessThanOrEqual(1)
    // What the hint prints makes room for it.
    for (const line of outcome.failure?.hint.filter((each) => each.endsWith(';')) ?? []) {
      await bench.sqlAs(bench.admin.user, [line], application.database)
    }
    expect(await application.run({ extensions: [extension] })).toMatchObject({ code: undefined })
  })
})

describe('extensions are created before the application may create where they land', () => {
  const moments = async (application: Application, inputs: Partial<ProvisionRequest>): Promise<string> => {
    const mark = await bench.postgres.logSize()
    expect(await application.run(inputs)).toMatchObject({ code: undefined })
    const statements = await bench.statementsSince(mark)
    return statements.join('\n')
  }

  test.each([undefined, 'app', 'admin'] as const)('in a new database, owner %s', async (databaseOwner) => {
    const said = await moments(bench.application(), { databaseOwner, extensions: ['citext', 'hstore'] })
    const last = said.lastIndexOf('CREATE EXTENSION')
    expect(last).toBeGreaterThan(0)
    for (const grant of ['GRANT ALL ON DATABASE', 'GRANT USAGE, CREATE ON SCHEMA', 'OWNER TO']) {
      const at = said.indexOf(grant)
      expect([grant, at === -1 || at > last]).toEqual([grant, true])
    }
  })

  test('in a database that is adopted', async () => {
    const application = bench.application({ existing: 'adopt' })
    await bench.sqlAs(bench.admin.user, [`CREATE DATABASE ${identifier(application.database)}`])
    const said = await moments(application, { extensions: ['citext'] })
    const grant = said.indexOf('GRANT USAGE, CREATE ON SCHEMA')
    expect(grant === -1 || grant > said.lastIndexOf('CREATE EXTENSION')).toBe(true)
    expect(said.indexOf('GRANT ALL ON DATABASE')).toBeGreaterThan(said.lastIndexOf('CREATE EXTENSION'))
  })
})

test('a superuser may create an extension that is not trusted', async () => {
  const { accessSecret } = await administrator('a superuser')
  const { done } = await bench.application({ accessSecret, extensions: ['file_fdw'] }).run()
  expect(done).toContain('extension created')
})

test('an extension of template1 is there already', async () => {
  await bench.sql('CREATE EXTENSION pageinspect', [], 'template1')
  try {
    const application = bench.application({ extensions: ['pageinspect', 'citext'] })
    const { code, outcome } = await application.run()
    expect(code).toBeUndefined()
    expect(outcome.changes.filter(({ object }) => object === 'extension').map(({ name }) => name)).toEqual([
      'citext',
    ])
  } finally {
    await bench.sql('DROP EXTENSION pageinspect', [], 'template1')
  }
})

test('an adopted database keeps its owner and stays open to PUBLIC, which is said', async () => {
  const application = bench.application({ existing: 'adopt' })
  await bench.sqlAs(bench.admin.user, [`CREATE DATABASE ${identifier(application.database)}`])
  const { code, outcome } = await application.run()
  expect(code).toBeUndefined()
  expect(outcome.notes).toContainEqual(expect.stringContaining('revoke CONNECT from PUBLIC'))
  const stranger = bench.name('stranger')
  expect(await bench.login(stranger, await bench.role(stranger), application.database)).toBe('in')
  await application.work('CREATE TABLE public.t ()')
})

async function inPostgres(application: Application, statement: string): Promise<void> {
  const client = await bench.connect(application.role, application.secret['PGPASSWORD'] ?? '', 'postgres')
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

/** Whether the role acts with the application's rights: what a switch of the owner borrows has to be given back. */
async function holdsApplication(user: string, role: string): Promise<boolean> {
  const rows = await bench.sql(
    `select from pg_auth_members m join pg_roles r on r.oid = m.roleid join pg_roles u on u.oid = m.member
     where r.rolname = $1 and u.rolname = $2 and ${bench.postgres.major >= 16 ? 'm.inherit_option' : 'true'}`,
    [role, user],
  )
  return rows.length > 0
}
