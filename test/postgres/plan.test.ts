import { beforeAll, describe, expect, test } from '@jest/globals'
import type { Question } from '../../src/lib/reporter.ts'
import { identifier, literal, useBench, type Application } from '../support/bench.ts'

const bench = useBench()
const watcher = 'plan_watcher'

beforeAll(async () => {
  await bench.role(watcher)
  await bench.sql(`GRANT pg_monitor TO ${watcher}`)
})

/** Returns what a person is asked, and what a dry run says, before the first change. */
async function announced(application: Application): Promise<{ asked: string; said: string }> {
  const questions: Question[] = []
  await application.run(
    {},
    {
      answer: (question) => {
        questions.push(question)
        return false
      },
    },
  )
  const { log } = await application.run({ dryRun: true })
  const asked = questions.flatMap(({ steps }) => steps.map(({ subject, text }) => `${subject} ${text}`))
  return { asked: asked.join('\n'), said: log }
}

describe('what is announced before the first change', () => {
  test('a new owner, also of a database that is yet to be made', async () => {
    const application = bench.application({ databaseOwner: 'app' })
    const { role } = application
    for (const text of Object.values(await announced(application))) {
      expect(text).toContain(`owner ${bench.admin.user}; would be given to ${role}`)
    }
    const { done } = await application.run()
    expect(done).toContain('database owner-changed')
  })

  test('who gets CONNECT', async () => {
    const application = await bench.established()
    await bench.sql(`REVOKE CONNECT ON DATABASE ${identifier(application.database)} FROM ${watcher}`)
    for (const text of Object.values(await announced(application))) {
      expect(text).toContain(`CONNECT for ${watcher} is missing; would be granted`)
    }
    expect((await application.run()).log).toContain(`${watcher}: CONNECT`)
  })

  test('that PUBLIC loses what it may do in a new database, and who keeps it', async () => {
    const application = bench.application()
    for (const text of Object.values(await announced(application))) {
      expect(text).toContain('CONNECT and TEMPORARY are open to PUBLIC; would be taken away')
      expect(text).toContain(`CONNECT for ${watcher} is missing; would be granted`)
    }
  })
})

test('all inputs that change the plan: what the dry run lists is what the run does, and then nothing is left', async () => {
  const extensions = ['citext']
  const connectRoles = [watcher]
  for (const databaseOwner of ['app', 'admin', undefined] as const) {
    for (const inputs of [{}, { extensions }, { connectRoles }, { extensions, connectRoles }]) {
      const application = bench.application({ databaseOwner, ...inputs })
      const dry = await application.run({ dryRun: true })
      const run = await application.run()
      expect(run.code).toBeUndefined()
      expect(dry.outcome.list).toEqual(run.outcome.list)
      expect(run.outcome.list.length).toBeGreaterThan(4)
      expect((await application.run()).outcome.list).toEqual([])
    }
  }
})

test('a template1 that the admin may not enter keeps nobody from making a database', async () => {
  await bench.sql('REVOKE CONNECT ON DATABASE template1 FROM PUBLIC')
  try {
    for (const inputs of [{}, { extensions: ['citext'] }]) {
      const application = bench.application(inputs)
      const dry = await application.run({ dryRun: true })
      expect(dry.code).toBeUndefined()
      const run = await application.run()
      expect(run.code).toBeUndefined()
      expect(dry.outcome.list).toEqual(run.outcome.list)
    }
  } finally {
    await bench.sql('GRANT CONNECT ON DATABASE template1 TO PUBLIC')
  }
})

test('a person who thinks for longer than idle_session_timeout is asked once, and the run goes on', async () => {
  if (bench.postgres.major < 14) return
  const admin = identifier(bench.admin.user)
  await bench.sql(`ALTER ROLE ${admin} SET idle_session_timeout = '1s'`)
  try {
    const application = bench.application()
    let asked = 0
    const { code, done } = await application.run(
      {},
      {
        answer: async () => {
          asked += 1
          for (let open = true; open;) {
            const rows = await bench.sql(
              `select from pg_stat_activity where usename = ${literal(bench.admin.user)} and application_name = $1`,
              [application.request.runName],
            )
            open = rows.length > 0
          }
          return true
        },
      },
    )
    expect([code, done]).toEqual([undefined, expect.arrayContaining(['role created', 'secret created'])])
    expect(asked).toBe(1)
  } finally {
    await bench.sql(`ALTER ROLE ${admin} RESET idle_session_timeout`)
  }
})
