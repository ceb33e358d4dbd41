import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { createAuthority } from '../../sandbox/certificate.ts'
import { spiloHba, type PostgresServer } from '../../sandbox/postgres.ts'
import { useBench } from '../support/bench.ts'

describe('synchronous replication whose standby is gone', () => {
  const bench = useBench()

  test('does not make a run hang', async () => {
    // Set now: what the bench itself commits before would wait for that standby.
    await bench.sql(`ALTER SYSTEM SET synchronous_standby_names = 'gone'`)
    await bench.sql('SELECT pg_reload_conf()')
    try {
      const application = bench.application()
      expect(await application.run({ extensions: ['citext'] })).toMatchObject({ code: undefined })
      expect(await application.run({ databaseOwner: 'app' })).toMatchObject({
        code: undefined,
        done: expect.arrayContaining(['database owner-changed']),
      })
      application.removeSecret()
      expect(await application.run()).toMatchObject({ code: undefined })
      expect(await application.login()).toBe('in')
      const waiting = await bench.sql(`select pid from pg_stat_activity where wait_event = 'SyncRep'`)
      expect(waiting).toEqual([])
    } finally {
      await bench.sql('ALTER SYSTEM RESET synchronous_standby_names')
      await bench.sql('SELECT pg_reload_conf()')
    }
  })
})

describe('password_encryption = md5', () => {
  const bench = useBench({ postgres: { settings: { password_encryption: 'md5' } } })

  test('the admin logs in by MD5, and the application gets a SCRAM verifier all the same', async () => {
    const [admin] = await bench.sql('select rolpassword from pg_authid where rolname = $1', [
      bench.admin.user,
    ])
    expect(admin?.['rolpassword']).toMatch(/^md5/)
    const application = await bench.established()
    const [role] = await bench.sql('select rolpassword from pg_authid where rolname = $1', [application.role])
    expect(role?.['rolpassword']).toMatch(/^SCRAM-SHA-256\$/)
    expect(await application.run()).toMatchObject({ code: undefined, done: [] })
  })
})

describe('a server that knows an authority for client certificates', () => {
  const bench = useBench()

  beforeAll(async () => {
    await writeFile(join(bench.postgres.dataDirectory, 'clients.pem'), createAuthority('clients').pem)
    await bench.postgres.restart({ ssl_ca_file: 'clients.pem' })
  })

  test('and asks nobody for one: all as usual', async () => {
    const application = await bench.established()
    expect(await application.run()).toMatchObject({ code: undefined, done: [] })
  })

  test.each(['scram-sha-256 clientcert=verify-ca', 'scram-sha-256 clientcert=verify-full', 'cert'])(
    'and wants one by "%s": refused, with a hint at it',
    async (method) => {
      const application = await bench.established()
      for (const user of [application.role, bench.admin.user]) {
        const { outcome } = await bench.withHba([`hostssl all ${user} all ${method}`], spiloHba, () =>
          application.refused('login-refused'),
        )
        expect(outcome.failure?.message).toContain(`"${user}"`)
        expect(outcome.failure?.hint.join('\n')).toContain('client certificate')
      }
    },
  )
})

describe('a server that is not up yet', () => {
  const bench = useBench()
  /** By its SQLSTATE, behind which the words are the server's own. */
  const notYet = / 57P03 .*?: {2}(.+)/

  test('is waited for while there is time, and an error of its own when there is none left', async () => {
    const server = await bench.postgres.standby()
    try {
      await server.restart({ hot_standby: 'off' })
      const accessSecret = bench.access({ target: server })
      const impatient = { accessSecret, timeoutMs: 3_000 }
      let mark = await server.logSize()
      const { outcome } = await bench.application().refused('server-not-ready', impatient)
      const [, said = 'nothing'] = notYet.exec(await server.logSince(mark)) ?? []
      expect(outcome.failure?.hint.join('\n')).toContain(said)

      mark = await server.logSize()
      const run = bench.application({ accessSecret }).run()
      while (!notYet.test(await server.logSince(mark))) await sleep(20)
      await promote(server)
      expect(await run).toMatchObject({ code: undefined })
    } finally {
      await server.stop()
    }
  })

  /** As pg_ctl does. */
  async function promote({ dataDirectory }: PostgresServer): Promise<void> {
    await writeFile(join(dataDirectory, 'promote'), '')
    const [pid] = (await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8')).split('\n')
    process.kill(Number(pid), 'SIGUSR1')
  }
})
