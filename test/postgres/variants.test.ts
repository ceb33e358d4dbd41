import { describe, expect, test } from '@jest/globals'
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
