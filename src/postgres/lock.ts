import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { waitsUntil, type Deadline } from '../lib/deadline.ts'
import { Failure } from '../lib/failure.ts'
import type { Reporter } from '../lib/reporter.ts'
import { input, spoken } from '../lib/spelling.ts'
import { capitalized, oneLine } from '../lib/text.ts'
import { allOf, underWay } from '../lib/under-way.ts'
import { noticeOurEnd, type Question, type Session } from './session.ts'
import type { Sessions } from './sessions.ts'

const shortestPauseMs = 250
const longestPauseMs = 2_000

/** The advisory locks of one application, held by one session until it ends. */
export interface Lock<Seen> {
  readonly session: Session
  /** What was asked for as soon as the locks were held. */
  readonly seen: Seen
  /** Asks the server whether this session still holds them: a connection that broke has lost them. */
  isHeld(): Promise<boolean>
}

/** Whose locks they are. */
interface Application {
  readonly username: string
  readonly database: string
}

/**
 * Returns the script with which `tryLock` begins. It takes the locks for a transaction only, because it may be sent before it
 * is known whether this session is ours alone.
 */
export function lockScript(application: Application, { sql }: Question<unknown>): readonly string[] {
  // Each statement then sees what was committed before it began: the question, what was before the lock was free.
  const keys = keysOf(application)
  const take = [...keys.map(tryToTake), lookElsewhere(keys)]
  return ['BEGIN ISOLATION LEVEL READ COMMITTED', noticeOurEnd, ...take, sql]
}

/**
 * Takes the locks of a role and of a database if they are free, and asks a question, in one round trip.
 *
 * @returns the locks, or by whom they are held; and the answer, which counts for good only with the locks
 */
export async function tryLock<Seen>(
  session: Session,
  application: Application,
  question: Question<Seen>,
): Promise<{ readonly seen: Seen } & (Locked<Seen> | Obstructed)> {
  const locks = keysOf(application)
  const [, , ...rows] = await session.script(lockScript(application, question))
  const elsewhere = (rows[locks.length] ?? []).map((row): unknown => row['key'])
  const seen = question.answer(rows[locks.length + 1] ?? [])
  // Behind a pooler they would outlive us, in a session of somebody else's.
  const ours = rows[0]?.[0]?.['pid'] === session.announcedPid
  const missing = locks.find(
    ({ key }, index) => !ours || rows[index]?.[0]?.['taken'] !== true || elsewhere.includes(key),
  )
  if (missing === undefined) {
    // For the session from here on. Nobody has to wait for that: what comes next is sent right behind it.
    const keep = [...locks.map(({ key }) => `select pg_advisory_lock(${key})`), 'COMMIT']
    const kept = underWay(session.script(keep))
    return { seen, lock: { session, seen, isHeld: () => isHeld(session, locks, kept) } }
  }
  const [, holder] = await allOf(session.query('ROLLBACK'), findHolder(session, missing.key))
  return { seen, obstacle: { name: missing.name, holder } }
}

/**
 * Takes the locks, and waits for them as long as there is time. While it waits it holds nothing that the run it waits
 * for may need: neither one of the locks, nor one of the connections of a server that may have few.
 *
 * @param session to begin with
 * @param question what to ask once the locks are held, in the same round trip
 * @throws Failure `lock-held`, naming the run that holds it, as the deadline's reason when the time is over
 */
export async function takeLock<Seen>(
  sessions: Sessions,
  session: Session,
  application: Application,
  question: Question<Seen>,
  deadline: Deadline,
  reporter: Reporter,
): Promise<Lock<Seen>> {
  let current = session
  let pauseMs = shortestPauseMs
  for (;;) {
    const { lock, obstacle } = await tryLock(current, application, question)
    if (lock !== undefined) return lock
    deadline.enter('the wait for the lock', () => lockHeld(obstacle))
    if (pauseMs === shortestPauseMs) {
      const text = `${inWords(obstacle)};\n${waitsUntil(deadline)}`
      reporter.step({ sign: 'attention', subject: 'waiting', text })
    }
    await sessions.endAll()
    // At random, so that runs which began together do not stay together.
    await sleep(pauseMs * (0.5 + Math.random()), undefined, { signal: deadline.signal }).catch(
      () => undefined,
    )
    pauseMs = Math.min(2 * pauseMs, longestPauseMs)
    current = await sessions.asAdmin(sessions.home, { first: lockScript(application, question) })
  }
}

function inWords({ name, holder }: Obstacle): string {
  if (holder === undefined) return `another run holds the lock for ${name}: it has just ended`
  const who = `"${oneLine(holder.name)}", since ${holder.seconds ?? '?'} s`
  return holder.admins
    ? `another run holds the lock for ${name}: ${who}`
    : `role "${oneLine(holder.role)}", which is not the admin, holds the lock for ${name}: ${who}`
}

/** Returns the error for a lock that stayed somebody else's until the time was over. */
export function lockHeld(obstacle: Obstacle): Failure {
  const { holder } = obstacle
  const said = inWords(obstacle).replace('holds', 'still holds')
  const message = `${capitalized(said)}.`
  if (holder !== undefined && !holder.admins) {
    return new Failure('lock-held', message, [
      'Any role that may connect to a database of this server can take such a lock, and call itself as it likes.',
      'If it is no run with another admin, end it. Whoever may act as that role, or a superuser, can run:',
      `  SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ${holder.pid} AND usename = ${pg.escapeLiteral(holder.role)};`,
    ])
  }
  return new Failure('lock-held', message, [
    `Two runs for the same application take turns. Wait for that one, or give this one more time: ${input('timeout')}.`,
    ...spoken().turns,
  ])
}

/** Who holds a lock. */
interface Holder {
  readonly pid: number
  /** As it calls itself. */
  readonly name: string
  readonly role: string
  /** Whether it is the admin, as every run is that came with the same access Secret. */
  readonly admins: boolean
  readonly seconds: number | null
}

/** The lock that could not be had. */
interface Obstacle {
  readonly name: string
  /** Nobody where it has ended meanwhile. */
  readonly holder: Holder | undefined
}

interface Locked<Seen> {
  readonly lock: Lock<Seen>
  readonly obstacle?: undefined
}

interface Obstructed {
  readonly lock?: undefined
  readonly obstacle: Obstacle
}

interface NamedKey {
  readonly name: string
  readonly key: string
}

function keysOf({ username, database }: Application): readonly NamedKey[] {
  return [
    { name: username, key: lockKey('role', username) },
    { name: database, key: lockKey('database', database) },
  ]
}

function tryToTake({ key }: NamedKey): string {
  return `select pg_try_advisory_xact_lock(${key}) as taken, pg_backend_pid() as pid`
}

/**
 * An advisory lock is one of a database, and another run may be told to be at home in another one. It is seen from here all
 * the same: whoever has taken its own first and looks then finds the other's, so that of two runs one goes on at most.
 */
function lookElsewhere(keys: readonly NamedKey[]): string {
  return `select ${lockedKey}::text as key from pg_locks
    where ${advisory} and ${lockedKey} in (${keys.map(({ key }) => key).join(', ')})
      and database <> (select oid from pg_database where datname = current_database())`
}

/** A session that is lost holds nothing. */
async function isHeld(
  session: Session,
  locks: readonly NamedKey[],
  kept: Promise<unknown>,
): Promise<boolean> {
  try {
    await kept
    const [row] = await session.query<{ held: number }>(
      `select count(distinct ${lockedKey})::int as held from pg_locks
       where ${advisory} and pid = pg_backend_pid() and ${lockedKey} = any ($1::bigint[])`,
      [locks.map(({ key }) => key)],
    )
    return row?.held === locks.length
  } catch (error) {
    if (error instanceof Failure && error.code === 'tunnel-lost') return false
    throw error
  }
}

/** A lock that is held, on one bigint. */
const advisory = "locktype = 'advisory' and granted and objsubid = 1"

/** A lock on one bigint shows in pg_locks as its two halves. Source: PostgreSQL manual, view pg_locks. */
const lockedKey = '((classid::bigint << 32) | objid::bigint)'

function lockKey(kind: 'role' | 'database', name: string): string {
  const digest = createHash('sha256').update(`pg-app-user ${kind} ${name}`).digest()
  return digest.readBigInt64BE().toString()
}

async function findHolder(session: Session, key: string): Promise<Holder | undefined> {
  const [holder] = await session.query<Holder>(
    // A lock may be shared, and then a stranger among the holders is the one to know of.
    `select pid, a.application_name as name, coalesce(a.usename, '') as role,
       coalesce(a.usename = session_user, false) as admins,
       extract(epoch from clock_timestamp() - a.backend_start)::int as seconds
     from pg_locks l join pg_stat_activity a using (pid)
     where ${advisory} and ${lockedKey} = $1::bigint and pid <> pg_backend_pid()
     order by admins limit 1`,
    [key],
  )
  return holder
}
