import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import type { Target } from '../../sandbox/api.ts'
import { spiloHba } from '../../sandbox/postgres.ts'
import { startDeadline } from '../../src/lib/deadline.ts'
import { logIn, type Login } from '../../src/postgres/attempt.ts'
import { Connections, type Server } from '../../src/postgres/connection.ts'
import { scramVerifier } from '../../src/postgres/scram.ts'
import { Sessions } from '../../src/postgres/sessions.ts'
import { insideTemplate } from '../../src/provision/template.ts'
import { standing } from '../../src/run/outcome.ts'
import { useBench, type Application, type Run, type RunOptions } from '../support/bench.ts'
import { saslFinal } from '../support/message.ts'
import { startBetween } from '../support/pooler.ts'

const bench = useBench()

describe('ten runs at once', () => {
  test('for the same application: one creates, none fails, and there is one password', async () => {
    const application = bench.application()
    const runs = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        application.run({ runName: `run ${index} of ${application.role}` }),
      ),
    )
    expect(runs.map(({ code, outcome }) => [code, outcome.failure?.message])).toEqual(
      runs.map(() => [undefined, undefined]),
    )
    expect(runs.filter(({ done }) => done.includes('role created'))).toHaveLength(1)
    expect(runs.filter(({ done }) => done.length > 0)).toHaveLength(1)
    expect(new Set(runs.map(({ outcome }) => outcome.secret.resourceVersion)).size).toBe(1)
    expect(await application.login()).toBe('in')
  })

  test('for ten applications: all are made', async () => {
    const applications = Array.from({ length: 10 }, () => bench.application())
    const runs = await Promise.all(applications.map((application) => application.run()))
    expect(runs.map(({ code, outcome }) => [code, outcome.failure?.message])).toEqual(
      runs.map(() => [undefined, undefined]),
    )
    for (const application of applications) expect(await application.login()).toBe('in')
  })

  test('from two namespaces: one gets the role, and the other one is told', async () => {
    const one = bench.application()
    const other = bench.application({
      ...one.request,
      appNamespace: bench.otherNamespace,
      runName: 'the other one',
    })
    const runs = await Promise.all([one, other].flatMap((each) => [each.run(), each.run()]))
    const codes = runs.map(({ code }) => code)
    expect([codes.slice(0, 2), codes.slice(2)]).toEqual(
      expect.arrayContaining([
        [undefined, undefined],
        ['role-claimed', 'role-claimed'],
      ]),
    )
    const winner = codes[0] === undefined ? one : other
    expect(await winner.login()).toBe('in')
  })
})

describe('a lock that another run holds', () => {
  test.each([
    ['near', 0],
    ['far', 400],
  ])('is waited for, and the holder is named: the server is %s', async (_, delayMs) => {
    const application = bench.application()
    const holding = 'the run that holds the lock'
    const endDelay = bench.sandbox.api.intercept(async ({ path }) => {
      if (path.endsWith('/portforward')) await sleep(delayMs)
      return undefined
    })
    await withRolesBlocked(async (release) => {
      const holder = application.run({ runName: holding })
      await until(async () => isWaiting(holding))

      const refused = await application.run({ timeoutMs: 4_000, runName: 'the run that gives up' })
      expect(refused).toMatchObject({ code: 'lock-held', done: [] })
      expect(refused.outcome.failure?.message).toContain(`"${holding}"`)
      expect(refused.outcome.failure?.hint.join('\n')).toContain('timeout')
      expect(refused.log).toMatch(/^! waiting .*"the run that holds the lock"/m)

      endDelay()
      const patient = application.run({ runName: 'the run that waits' })
      release()
      expect(await holder).toMatchObject({ code: undefined })
      expect(await patient).toMatchObject({ code: undefined, done: [] })
    })
  })

  test.each([
    ['of the role', 'role', false],
    ['of the database', 'database', false],
    ['shared with others', 'role', true],
  ] as const)('is no run at all where a role that is not the admin holds it: %s', async (_, kind, shared) => {
    const application = bench.application({ timeoutMs: 3_000 })
    const stranger = bench.name("a stranger's")
    const session = await bench.connect(stranger, await bench.role(stranger), 'postgres')
    await session.query(`set application_name = 'pg-app-user acme/shop run 1'`)
    const name = kind === 'role' ? application.role : application.database
    const key = createHash('sha256').update(`pg-app-user ${kind} ${name}`).digest().readBigInt64BE()
    await session.query(`select pg_advisory_lock${shared ? '_shared' : ''}(${key})`)

    const run = await application.run()
    expect(run).toMatchObject({ code: 'lock-held', done: [] })
    expect(run.outcome.failure?.message).toContain(`Role "${stranger}", which is not the admin, still holds`)
    expect(run.log).toMatch(/^! waiting .*which is not the admin/m)
    const command = run.outcome.failure?.hint.find((line) => line.endsWith(';')) ?? ''
    expect(command).toContain('pg_terminate_backend')
    expect(await bench.sql(command)).toHaveLength(1)
    expect(await application.run({ timeoutMs: 20_000 })).toMatchObject({ code: undefined })
    await session.end()
  })

  test('and that is lost before the Secret is published makes the run look again', async () => {
    const application = bench.application()
    let grants = 0
    let terminated: Promise<unknown> | undefined
    const onStep = ({ subject }: { subject: string }): void => {
      if (subject === 'grants') grants += 1
      if (subject !== 'grants' || grants !== 2) return
      terminated = bench.sql(
        `select pg_terminate_backend(pid) from pg_stat_activity where pid in (select pid from pg_locks where locktype = 'advisory')`,
      )
    }
    const run = await application.run({}, { onStep })
    await terminated
    expect(run).toMatchObject({ code: undefined })
    expect(await application.login()).toBe('in')
    expect(await application.run()).toMatchObject({ code: undefined, done: [] })
  })
})

describe('a run that is ended from outside', () => {
  const moments = [
    'cluster',
    'permissions',
    'access Secret',
    'tunnel',
    'PostgreSQL',
    'role',
    'database',
    'grants',
    'proof',
  ]

  test.each(moments)(
    'at "%s" says what stands, leaves nothing open, and the next one converges',
    async (moment) => {
      const application = bench.application()
      const cancelled = new AbortController()
      let ended = 0
      const run = await application.run(
        {},
        {
          signal: cancelled.signal,
          onStep: ({ subject }) => {
            if (subject !== moment) return
            ended = performance.now()
            cancelled.abort()
          },
        },
      )
      expect(performance.now() - ended).toBeLessThan(4_000)
      expect(run.code).toBe('cancelled')
      await expectSaid(application, run)
      await expectConverges(application)
    },
  )

  test('before it begins', async () => {
    const application = bench.application()
    expect(await application.run({}, { signal: AbortSignal.abort() })).toMatchObject({
      code: 'cancelled',
      done: [],
    })
    await expectConverges(application)
  })

  test.each([
    // Only since version 14 a server looks after its client while a statement waits.
    ['goes on waiting', () => bench.postgres.major < 14],
    ['is done a moment later, and rolled back', () => true],
  ])('while a statement waits that %s', async (_, released) => {
    const application = bench.application()
    const cancelled = new AbortController()
    const run = await withRolesBlocked(async (release) => {
      const running = application.run({}, { signal: cancelled.signal })
      await until(async () => isWaiting(application.request.runName))
      cancelled.abort()
      if (released()) release()
      return await running
    })
    expect(run).toMatchObject({ code: 'cancelled', done: [], outcome: { doubts: [] } })
    await expectSaid(application, run)
    await expectConverges(application)
  })

  test('while the server makes the database', async () => {
    const application = bench.application()
    const cancelled = new AbortController()
    const run = await whileDatabaseIsMade(application, { signal: cancelled.signal }, async (running) => {
      cancelled.abort()
      // Only since version 14 a server looks after its client while it is busy; the one before goes on.
      if (bench.postgres.major >= 14) await running
    })
    expect(run.code).toBe('cancelled')
    expect(run.done).toContain('role created')
    if (bench.postgres.major >= 14) await expectSaid(application, run)
    await expectConverges(application)
  })

  test.each([10, 40, 80, 120, 160, 220])('after %d ms', async (milliseconds) => {
    const application = bench.application()
    const run = await application.run({}, { signal: AbortSignal.timeout(milliseconds) })
    expect([undefined, 'cancelled']).toContain(run.code)
    await expectSaid(application, run)
    await expectConverges(application)
  })

  test('by its deadline', async () => {
    const application = await bench.established()
    application.removeSecret()
    const run = await withRolesBlocked(() => application.refused('timeout', { timeoutMs: 1_500 }))
    expect(run.outcome.failure?.message).toContain('1.5 s')
    await expectConverges(application)
  })
})

describe('a database that takes its time', () => {
  const md5 = ({ user, password }: typeof bench.admin): string =>
    `md5${createHash('md5').update(`${password}${user}`).digest('hex')}`

  test.each(['scram-sha-256', 'md5', 'trust'])(
    'is not logged in to before it is there: %s',
    async (method) => {
      const application = bench.application({ unproven: 'accept' })
      const { user, password } = bench.admin
      const mark = await bench.postgres.logSize()
      try {
        if (method === 'md5') await bench.sql(`ALTER ROLE ${user} PASSWORD '${md5(bench.admin)}'`)
        const run = await bench.withHba([`host all all 127.0.0.1/32 ${method}`], spiloHba, () =>
          whileDatabaseIsMade(application, {}, () => sleep(500)),
        )
        expect(run).toMatchObject({ code: undefined })
      } finally {
        await bench.sql(`ALTER ROLE ${user} PASSWORD '${await scramVerifier(password)}'`)
      }
      const refused = `database "${application.database}" does not exist`
      expect((await bench.postgres.logSince(mark)).includes(refused)).toBe(false)
      expect(await application.login()).toBe('in')
    },
  )
})

test('the goodbye of a server is meant for all that it was asked', async () => {
  await withConnections('dismissed', async (connections) => {
    const { session } = await logIn(connections, { ...plainLogin(), database: 'postgres' })
    const asked = ['select pg_sleep(60)', 'select 1', 'select 2']
    const answers = Promise.allSettled(asked.map(async (sql) => await session?.query(sql)))
    await until(async () => (await stateOf('dismissed')) !== '')
    await bench.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'dismissed'`,
    )
    expect(await answers).toMatchObject(asked.map(() => ({ reason: { code: '57P01' } })))
  })
})

test('the goodbye of a server is heard, although it comes in one piece with the login', async () => {
  const hasty = await startBetween(bench.postgres, (client, upstream) => {
    const held: Buffer[] = []
    client.on('data', (data) => upstream.write(data))
    upstream.on('data', (data) => {
      if (held.length > 0 || data.includes(saslFinal)) held.push(data)
      else client.write(data)
    })
    upstream.once('end', () => client.end(Buffer.concat(held)))
  })
  try {
    await withConnections(
      'hasty',
      async (connections) => {
        const ended = until(async () => {
          const rows = await bench.sql(
            `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hasty' and state = 'idle'`,
          )
          return rows.length > 0
        })
        const first = ['select 1 as one']
        const { session } = await logIn(connections, { ...plainLogin(), database: 'postgres' }, { first })
        await ended
        expect(await session?.script(first)).toEqual([[{ one: 1 }]])
        await expect(session?.query('select 2')).rejects.toMatchObject({ code: '57P01' })
      },
      hasty,
    )
  } finally {
    hasty.stop()
  }
})

/** Sessions of a run whose way to the server has failed: nothing that it says gets there any more. */
class Unheard extends Sessions {
  override end(): Promise<void> {
    return Promise.resolve()
  }
}

test('a session in template1 that its run cannot end any more ends by itself, from PostgreSQL 14 on', async () => {
  const applicationName = 'pg-app-user test unheard'
  const { database, role: username, request } = bench.application()
  const inTemplate = async (): Promise<number> =>
    (
      await bench.sql("select from pg_stat_activity where datname = 'template1' and application_name = $1", [
        applicationName,
      ])
    ).length
  await withServer(applicationName, async (server) => {
    const introduced = { ref: 'postgres-system/access', named: true, doubts: [], home: 'postgres' }
    const sessions = new Unheard(server, { ...plainLogin(), ...introduced, unproven: 'accept' })
    const seen = await insideTemplate(sessions, {
      username,
      database,
      admin: bench.admin.user,
      home: 'postgres',
      secret: `shop/${request.appSecret}`,
      databaseOwner: undefined,
      extensions: [],
      connectRoles: [],
      settings: [],
      poolerRoles: [],
      existing: 'refuse',
    })
    expect(seen).toMatchObject({ schemaExists: true })
    expect(await inTemplate()).toBe(1)
    if (bench.postgres.major >= 14) await until(async () => (await inTemplate()) === 0)
  })
})

function plainLogin(): Omit<Login, 'database'> {
  return { ...bench.admin, host: bench.postgres.host, sslMode: 'disable', ca: undefined }
}

/** Opens connections to the server without a cluster in between. */
async function withConnections(
  applicationName: string,
  work: (connections: Connections) => Promise<void>,
  target?: Target,
): Promise<void> {
  await withServer(applicationName, async (server) => work(new Connections(server)), target)
}

/** Leads to the server without a cluster in between. */
async function withServer(
  applicationName: string,
  work: (server: Server) => Promise<void>,
  { host, port }: Target = bench.postgres,
): Promise<void> {
  const deadline = startDeadline(20_000, new AbortController().signal)
  const dial = async (): Promise<Duplex> => {
    const socket = connect(port, host)
    await once(socket, 'connect')
    return Object.assign(socket, { connect: () => setImmediate(() => socket.emit('connect')) })
  }
  try {
    await work({ deadline, applicationName, dial })
  } finally {
    deadline.stop()
  }
}

/** Runs, and has the database not be made before the work is done: the server waits 5 s for others to leave the template. */
async function whileDatabaseIsMade(
  application: Application,
  options: RunOptions,
  work: (running: Promise<Run>) => Promise<unknown>,
): Promise<Run> {
  const running = Promise.withResolvers<Run>()
  await bench.inDatabase('template1', async () => {
    application.run({}, options).then(running.resolve, running.reject)
    await until(async () => (await stateOf(application.request.runName)).includes('CREATE DATABASE'))
    await work(running.promise)
  })
  return await running.promise
}

/** Keeps every statement that changes a role waiting while the work goes on, or until it lets them go. */
async function withRolesBlocked<Result>(work: (release: () => void) => Promise<Result>): Promise<Result> {
  const released = Promise.withResolvers<undefined>()
  return await bench.inDatabase('postgres', async (client) => {
    await client.query('BEGIN')
    await client.query('LOCK TABLE pg_catalog.pg_authid IN SHARE MODE')
    const end = released.promise.then(() => client.query('ROLLBACK'))
    const release = (): void => {
      released.resolve(undefined)
    }
    try {
      return await work(release)
    } finally {
      release()
      await end
    }
  })
}

/** What the sessions of a run are doing: `Lock` where they wait for one, then the statement. */
async function stateOf(runName: string): Promise<string> {
  const rows = await bench.sql<{ state: string }>(
    `select concat_ws(' ', wait_event_type, query) as state from pg_stat_activity
     where application_name = $1 and state = 'active'`,
    [runName],
  )
  return rows.map(({ state }) => state).join()
}

async function isWaiting(runName: string): Promise<boolean> {
  return (await stateOf(runName)).startsWith('Lock')
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await condition()) return
    await sleep(10)
  }
  throw new Error('it did not come to be within 5 s')
}

/** What stands is what was said, and no lock is left. */
async function expectSaid(application: Application, { done, outcome, log }: Run): Promise<void> {
  const { role, database, secret } = application
  await until(async () => (await bench.sql(`select from pg_locks where locktype = 'advisory'`)).length === 0)
  const [there] = await bench.sql(
    `select exists (select from pg_roles where rolname = $1) as role,
       exists (select from pg_database where datname = $2) as database`,
    [role, database],
  )
  expect({ role: done.includes('role created'), database: done.includes('database created') }).toEqual(there)
  // A request that is under way is broken off at once, and then it is not known what came of it.
  const unknown = outcome.doubts.some(({ object }) => object === 'secret')
  expect(unknown || done.includes('secret created')).toBe(unknown || 'PGPASSWORD' in secret)
  if (outcome.failure) expect(log).toContain(standing(outcome))
}

async function expectConverges(application: Application): Promise<void> {
  expect(await application.run()).toMatchObject({ code: undefined })
  await application.work('CREATE TABLE public.t ()')
}
