import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Obstacle } from '../lib/deadline.ts'
import { oneLine } from '../lib/text.ts'
import { underWay } from '../lib/under-way.ts'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'

/** How long a statement may take before somebody is looked for: well below `lock_timeout`, and what others wait in template1. */
const patienceMs = 2_000
const everyMs = 1_000

/**
 * Works, and finds out meanwhile who is in the way of a statement that waits: only while it waits can that be told, and only a
 * second session can.
 *
 * @param meet told who is in the way, once it is known, and nothing when nobody is any more
 */
export async function watched<Result>(
  sessions: Sessions,
  meet: (obstacle: Obstacle | undefined) => void,
  work: () => Promise<Result>,
): Promise<Result> {
  const done = new AbortController()
  const watching = underWay(watch(sessions, meet, done.signal))
  try {
    return await work()
  } finally {
    done.abort()
    await watching.catch(() => undefined)
  }
}

/** Ends with an AbortError. */
async function watch(
  sessions: Sessions,
  meet: (obstacle: Obstacle | undefined) => void,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    await sleep(everyMs, undefined, { signal })
    const waiting = sessions.silentFor(patienceMs)
    if (waiting.length === 0) continue
    // It takes a connection of those that others may need: given back at once, and done without where there is none.
    const session = await sessions.asAdmin(sessions.home).catch(() => undefined)
    if (session === undefined) continue
    const found = await whoIsInTheWay(session, waiting).catch(() => undefined)
    await sessions.end(session)
    if (!signal.aborted) meet(found)
  }
}

interface Other {
  /** 0 for a prepared transaction, which has no session. */
  readonly pid: number
  readonly role: string
  /** As it calls itself. */
  readonly name: string
  readonly database: string
  readonly template: boolean
}

async function whoIsInTheWay(session: Session, waiting: readonly number[]): Promise<Obstacle | undefined> {
  // CREATE DATABASE waits for the others in template1, and not for a lock of theirs.
  const [other] = await session.query<Other>(
    `select b.pid, coalesce(a.usename, '') as role, coalesce(a.application_name, '') as name,
       coalesce(a.datname, '') as database, false as template
     from unnest($1::int[]) w(pid) cross join lateral unnest(pg_blocking_pids(w.pid)) b(pid)
       left join pg_stat_activity a on a.pid = b.pid
     where b.pid <> all ($1)
     union all
     select pid, usename, application_name, datname, true from pg_stat_activity
     where datname = 'template1' and usename is not null and pid <> all ($1) and exists (
       select from pg_stat_activity where pid = any ($1) and query like 'CREATE DATABASE%')
     order by template limit 1`,
    [waiting],
  )
  return other && inWords(other)
}

function inWords({ pid, role, name, database, template }: Other): Obstacle {
  if (pid === 0) {
    return {
      what: 'a prepared transaction holds a lock that this run needs',
      hint: ['Commit it or roll it back: view pg_prepared_xacts names it.'],
    }
  }
  const where = template || database === '' ? '' : ` in database "${oneLine(database)}"`
  const who = `session ${pid} of role "${oneLine(role)}" ("${oneLine(name)}")${where}`
  return {
    what: template
      ? `${who} is in template1, so no database can be made from it now`
      : `${who} holds a lock that this run needs`,
    hint: [
      'Wait until that session ends, or end it. Whoever may act as its role, or a superuser, can run:',
      `  SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ${pid} AND usename = ${pg.escapeLiteral(role)};`,
    ],
  }
}
