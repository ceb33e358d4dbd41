import { describe, expect, test } from '@jest/globals'
import { createAdmin } from '../../sandbox/postgres.ts'
import { identifier, literal, useBench, type Application } from '../support/bench.ts'
import { findIn, useGate } from '../support/gate.ts'

// Situations that were reported from servers in the field.

describe('on a server as it is shipped', () => {
  const bench = useBench()

  test.each(['LOGIN', 'NOLOGIN'])(
    'a role of ours that has a member (%s): after drift, repaired',
    async (attributes) => {
      const application = await bench.established()
      const { role } = application
      const developer = bench.name('developer')
      await bench.role(developer, attributes)
      await bench.sql(`GRANT ${identifier(role)} TO ${identifier(developer)}`)
      expect(await application.run()).toMatchObject({ code: undefined, done: [] })
      await bench.sql(
        `ALTER ROLE ${identifier(role)} PASSWORD ${literal(bench.password('changed by hand, and forgotten'))}`,
      )
      expect(await application.run()).toMatchObject({ code: undefined, done: ['role password-set'] })
      application.removeSecret()
      expect(await application.run()).toMatchObject({
        code: undefined,
        done: ['role password-set', 'secret created'],
      })
      expect(await application.login()).toBe('in')
    },
  )

  describe('a Secret that was made beforehand says of nothing that it was there', () => {
    test.each<[string, (application: Application) => Record<string, string>]>([
      ['a password alone', () => ({})],
      ['host and user as well', ({ role }) => ({ PGUSER: role })],
    ])('%s', async (_, more) => {
      const application = bench.application()
      application.putSecret({ PGPASSWORD: 'chosen beforehand, for whatever reason', ...more(application) })
      const { code, done, log, outcome } = await application.run()
      expect({ code, done }).toEqual({
        code: undefined,
        done: ['role created', 'database created', 'grants granted', 'secret repaired'],
      })
      expect(outcome.notes.filter((note) => note.includes('empty'))).toEqual([])
      expect(log).not.toContain('created again')
      expect(await application.login()).toBe('in')
    })

    test('one that names the database says it', async () => {
      const application = await bench.established()
      await bench.sql(`DROP DATABASE ${identifier(application.database)}`)
      const { outcome } = await application.run()
      expect(outcome.notes).toContainEqual(expect.stringContaining('is created again: it is empty'))
    })
  })

  test.each(['pooler', '_crunchypgbouncer', 'cnpg_pooler_pgbouncer'])(
    'the pooler that logs in as %s and would lose CONNECT is named, unless it is asked for',
    async (pooler) => {
      const password = await bench.role(pooler)
      for (const dryRun of [true, false]) {
        const { log, outcome } = await bench.application().run({ dryRun })
        expect(outcome.notes.join('\n')).toContain(`"${pooler}"`)
        expect(log).toContain('"connect-roles"')
      }
      const asked = bench.application({ connectRoles: [pooler] })
      expect((await asked.run()).outcome.notes).toEqual([])
      expect(await bench.login(pooler, password, asked.database)).toBe('in')
      await bench.sql(`DROP OWNED BY ${identifier(pooler)}`)
      await bench.sql(`DROP ROLE ${identifier(pooler)}`)
    },
  )

  test('another admin after the first one, the application owns the database: what is printed is complete, and puts it right', async () => {
    const application = await bench.established({ databaseOwner: 'app' })
    const admin = await createAdmin(bench.postgres, { name: bench.name('next_admin') })
    const next = { accessSecret: bench.access({ admin }) }
    if (bench.postgres.major >= 16) {
      const { outcome } = await application.refused('admin-option-missing', next)
      const commands = outcome.failure?.hint.filter((line) => line.startsWith('  ')) ?? []
      expect(commands).toEqual([
        `  GRANT ${identifier(application.role)} TO ${identifier(admin.user)} WITH ADMIN OPTION;`,
      ])
      for (const command of commands) await bench.sql(command)
    }
    // What the printed command gives is inherited, CONNECT included; without it the admin is let in.
    const done = bench.postgres.major >= 16 ? [] : ['grants granted']
    expect(await application.run(next)).toMatchObject({ code: undefined, done })
    expect(await application.run(next)).toMatchObject({ code: undefined, done: [] })
    expect(await bench.login(admin.user, admin.password, application.database)).toBe('in')
  })

  describe('an event trigger with names that are not qualified is named, with what to do', () => {
    const trigger = (tag: string): readonly string[] => [
      'CREATE TABLE public.seen (tag text)',
      'GRANT INSERT ON public.seen TO PUBLIC',
      `CREATE FUNCTION public.audit() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (tg_tag); END $$`,
      `CREATE EVENT TRIGGER "the audit" ON ddl_command_end WHEN TAG IN ('${tag}') EXECUTE FUNCTION public.audit()`,
    ]
    test.each<[string, object, string]>([
      ['CREATE TABLE', {}, 'grant-ineffective'],
      ['GRANT', {}, 'grant-ineffective'],
      ['CREATE EXTENSION', { extensions: ['citext'] }, 'extension-unavailable'],
    ])('on %s', async (tag, inputs, code) => {
      const application = await bench.established()
      const { role, database } = application
      for (const statement of trigger(tag)) await bench.sql(statement, [], database)
      await bench.sql(`ALTER ROLE ${identifier(role)} PASSWORD NULL`)
      if (tag === 'GRANT') {
        await bench.sql('ALTER EVENT TRIGGER "the audit" DISABLE', [], database)
        await bench.sql('REVOKE CREATE ON SCHEMA public FROM PUBLIC', [], database)
        await bench.sql(`REVOKE CREATE ON SCHEMA public FROM ${identifier(role)}`, [], database)
        await bench.sql(
          `GRANT ALL ON SCHEMA public TO ${identifier(bench.admin.user)} WITH GRANT OPTION`,
          [],
          database,
        )
        await bench.sql('ALTER EVENT TRIGGER "the audit" ENABLE', [], database)
      }
      const { outcome, code: ended } = await application.run(inputs)
      expect(ended).toBe(code)
      const hint = outcome.failure?.hint ?? []
      expect(hint.join('\n')).toContain('event trigger "the audit"')
      const [command = ''] = hint.filter((line) => line.startsWith('  ALTER FUNCTION'))
      await bench.sql(command, [], database)
      expect(await application.run(inputs)).toMatchObject({ code: undefined })
    })

    test('on the login itself (from PostgreSQL 17 on)', async () => {
      if (bench.postgres.major < 17) return
      const application = await bench.established()
      const { database } = application
      await bench.sql('CREATE TABLE public.logins (name text)', [], database)
      await bench.sql('GRANT INSERT ON public.logins TO PUBLIC', [], database)
      await bench.sql(
        `CREATE FUNCTION public.note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO logins VALUES (session_user); END $$`,
        [],
        database,
      )
      await bench.sql('CREATE EVENT TRIGGER note ON login EXECUTE FUNCTION public.note()', [], database)
      expect(await application.login()).toBe('in')
      const { outcome, code } = await application.run()
      expect(code).toBe('postgres-error')
      const hint = outcome.failure?.hint ?? []
      expect(hint.join('\n')).toContain('public.note(), which an event trigger')
      const [command = ''] = hint.filter((line) => line.startsWith('  ALTER FUNCTION'))
      await bench.sql(command, [], database)
      expect(await application.run()).toMatchObject({ code: undefined, done: [] })
    })
  })
})

describe('a server that is not in UTF8', () => {
  const bench = useBench()

  test('has other bytes for a name outside ASCII than a login, so that it is refused before anything is made', async () => {
    const latin = "TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
    await bench.sql('CREATE DATABASE other')
    await bench.inDatabase('other', async (client) => {
      await client.query('ALTER DATABASE template1 IS_TEMPLATE false')
      for (const name of ['postgres', 'template1']) {
        await client.query(`DROP DATABASE ${name} WITH (FORCE)`)
        await client.query(`CREATE DATABASE ${name} ${latin}`)
      }
      await client.query('ALTER DATABASE template1 IS_TEMPLATE true')
    })
    for (const names of [{ appUsername: 'bütik' }, { appDatabase: 'bütik', appUsername: bench.name() }]) {
      const application = bench.application(names)
      await application.refused('input-invalid', { dryRun: true })
      const { outcome } = await application.refused('input-invalid')
      expect(outcome.failure?.message).toContain('LATIN1')
    }
    const { outcome } = await bench.application({ appUsername: '商店' }).run()
    expect(outcome.failure?.hint.join('\n')).toContain('ASCII')
    expect(await bench.application().run()).toMatchObject({ code: undefined })
  })
})

describe('thousands of roles that watch all databases', () => {
  const bench = useBench({
    postgres: { settings: { max_connections: '30', max_locks_per_transaction: '10' } },
  })

  test('cost no lock each, and keep CONNECT', async () => {
    await bench.sql(
      `DO $$ BEGIN FOR i IN 1..5000 LOOP EXECUTE format('CREATE ROLE watcher_%s LOGIN IN ROLE pg_monitor', i); COMMIT; END LOOP; END $$`,
    )
    const [watcher, stranger] = [bench.name('watcher'), bench.name('stranger')]
    const secrets = [await bench.role(watcher, 'LOGIN IN ROLE pg_monitor'), await bench.role(stranger)]
    const application = bench.application()
    const dry = await application.run({ dryRun: true })
    const run = await application.run()
    expect(run).toMatchObject({ code: undefined })
    expect(dry.outcome.list).toEqual(run.outcome.list)
    expect(await application.run()).toMatchObject({ code: undefined, done: [] })
    expect(await bench.login(watcher, secrets[0] ?? '', application.database)).toBe('in')
    expect(await bench.login(stranger, secrets[1] ?? '', application.database)).toBe('42501')
  })
})

describe('a template1 of its own', () => {
  const bench = useBench()
  const { judged } = useGate(bench)

  async function templateIn(encoding: string, provider = ''): Promise<void> {
    await bench.sql('ALTER DATABASE template1 IS_TEMPLATE false')
    await bench.sql('DROP DATABASE template1')
    await bench.sql(
      `CREATE DATABASE template1 TEMPLATE template0 ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' ${provider}`,
    )
    await bench.sql('ALTER DATABASE template1 IS_TEMPLATE true')
  }

  test('a name that it does not have, or has as other bytes, is refused before anything is made', async () => {
    await templateIn('LATIN1')
    for (const role of ['商店', 'bütik']) {
      const application = bench.application({ appDatabase: bench.name(), appUsername: role })
      await application.refused('input-invalid', { dryRun: true })
      const { outcome } = await application.refused('input-invalid')
      expect(outcome.failure?.message).toContain('LATIN1')
    }
    const ascii = bench.application({
      appUsername: bench.name('shop'),
      appDatabase: 'bütik',
      databaseOwner: 'app',
    })
    expect(await ascii.run()).toMatchObject({ code: undefined })
    expect(await ascii.run()).toMatchObject({ code: undefined, done: [] })
    await ascii.work('CREATE TABLE public.t ()')
  })

  describe('whose text was sorted by another version of its library (from PostgreSQL 15 on)', () => {
    const setVersion = (database: string): Promise<unknown> =>
      bench.sql(`UPDATE pg_database SET datcollversion = '0.0' WHERE datname = $1`, [database])

    test('makes no database, and the command of the server is shown, which puts it right', async () => {
      if (bench.postgres.major < 15) return
      await templateIn('UTF8', `LOCALE_PROVIDER icu ICU_LOCALE 'en'`)
      await setVersion('template1')
      const application = bench.application()
      const { code, done, outcome } = await application.run()
      expect({ code, done }).toEqual({ code: 'postgres-error', done: ['role created'] })
      const hint = outcome.failure?.hint.join('\n') ?? ''
      expect(hint).toContain('0.0')
      const [command = ''] = /ALTER DATABASE template1 REFRESH COLLATION VERSION/.exec(hint) ?? []
      await bench.sql(command)
      expect(await application.run()).toMatchObject({ code: undefined })
      expect(await application.login()).toBe('in')
    })

    test('hinders nobody in a database that is there, and the gate says it', async () => {
      if (bench.postgres.major < 15) return
      await templateIn('UTF8', `LOCALE_PROVIDER icu ICU_LOCALE 'en'`)
      const application = await bench.established()
      await setVersion(application.database)
      expect(await application.run()).toMatchObject({ code: undefined, done: [] })
      application.removeSecret()
      expect(await application.run({ extensions: ['citext'] })).toMatchObject({
        code: undefined,
        done: ['extension created', 'role password-set', 'secret created'],
      })
      expect(await application.login()).toBe('in')
      const { verdict, seen, remedy } = findIn((await judged(application)).report, 'collation')
      expect({ verdict, seen }).toEqual({ verdict: 'not met', seen: expect.stringContaining('0.0') })
      expect(remedy).toContain('REFRESH COLLATION VERSION')
    })
  })

  test('bytes that nobody converts are the same everywhere', async () => {
    await templateIn('SQL_ASCII')
    const application = bench.application({ appDatabase: 'обувь', appUsername: 'обувь' })
    expect(await application.run()).toMatchObject({ code: undefined })
    expect(await application.run()).toMatchObject({ code: undefined, done: [] })
    await application.work('CREATE TABLE public.t ()')
  })
})
