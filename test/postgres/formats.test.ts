import { expect, test } from '@jest/globals'
import pg from 'pg'
import { useBench, type Application } from '../support/bench.ts'

const bench = useBench()
const secretFormats = ['url', 'jdbc', 'dotnet'] as const

/** Logs in with nothing but the URL, at the address of this server, and gives who it is and where. */
async function logIn(url: string | undefined): Promise<unknown> {
  const { host, port, ca } = bench.postgres
  const at = new URL(url ?? '')
  at.host = `${host}:${port}`
  at.search = ''
  const ssl = ca === undefined ? false : { ca }
  const client = new pg.Client({ connectionString: at.href, ssl })
  await client.connect()
  try {
    return (await client.query<object>('select current_user::text as "user", current_database()::text'))
      .rows[0]
  } finally {
    await client.end()
  }
}

async function again(application: Application, overrides = {}): Promise<readonly string[]> {
  const { outcome, done } = await application.run(overrides)
  if (outcome.failure !== undefined) throw outcome.failure
  return done
}

test('every form logs in, a second run writes nothing, and drift in a form is repaired', async () => {
  const application = await bench.established({ secretFormats })
  const first = application.secret
  const { database, role } = application
  expect(await logIn(first['DATABASE_URL'])).toEqual({ user: role, current_database: database })
  const { SPRING_DATASOURCE_URL, SPRING_DATASOURCE_USERNAME, SPRING_DATASOURCE_PASSWORD } = first
  expect({ SPRING_DATASOURCE_URL, SPRING_DATASOURCE_USERNAME, SPRING_DATASOURCE_PASSWORD }).toEqual({
    SPRING_DATASOURCE_URL: `jdbc:postgresql://${first['PGHOST'] ?? ''}:${first['PGPORT'] ?? ''}/${database}?sslmode=${first['PGSSLMODE'] ?? ''}`,
    SPRING_DATASOURCE_USERNAME: role,
    SPRING_DATASOURCE_PASSWORD: first['PGPASSWORD'],
  })
  const version = application.resourceVersion
  expect(await again(application)).toEqual([])
  expect(application.resourceVersion).toBe(version)

  application.putSecret({ DATABASE_URL: 'postgresql://shop:stale@elsewhere/shop' }, 'on top')
  expect(await again(application)).toEqual(['secret repaired'])
  expect(application.secret).toEqual(first)
})

test('a new password reaches every form', async () => {
  const application = await bench.established({ secretFormats })
  application.removeSecret('PGPASSWORD')
  expect(await again(application)).toContain('secret repaired')
  const { DATABASE_URL, PGPASSWORD, SPRING_DATASOURCE_PASSWORD } = application.secret
  expect(await logIn(DATABASE_URL)).toMatchObject({ user: application.role })
  expect(SPRING_DATASOURCE_PASSWORD).toBe(PGPASSWORD)
})

test('a dry run names the keys that the run then writes', async () => {
  const application = await bench.established()
  const dry = await application.run({ secretFormats: ['url'], dryRun: true })
  expect(dry.log).toContain('DATABASE_URL missing or outdated')
  const run = await application.run({ secretFormats: ['url'] })
  expect(run.outcome.list).toEqual(dry.outcome.list)
  expect(await logIn(application.secret['DATABASE_URL'])).toMatchObject({ user: application.role })
})

test('a key that was there before stays, and the note says so', async () => {
  const application = await bench.established()
  application.putSecret({ DATABASE_URL: 'mysql://elsewhere/shop' }, 'on top')
  const { done, log } = await application.run({ secretFormats: ['url'] })
  expect(done).toEqual([])
  expect(log).toContain('was set by hand and differs')
  expect(application.secret['DATABASE_URL']).toBe('mysql://elsewhere/shop')
})
