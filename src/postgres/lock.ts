import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Failure } from '../failure.ts'
import type { Deadline } from '../deadline.ts'
import type { Reporter } from '../reporter.ts'
import { oneLine } from '../text.ts'
import type { Session } from './session.ts'

const pollMs = 250

/** The advisory locks of one application, held by one session until it ends. */
export interface Lock {
  /** Asks the server whether this session still holds them: a connection that broke has lost them. */
  isHeld(): Promise<boolean>
}

/**
 * Takes the locks of a role and of a database, always in this order, so that two runs cannot wait for each other.
 * Polls, because a session that waits inside the server could not be told about the deadline.
 *
 * @throws Failure `lock-held`, naming the run that holds it, when the time is over
 */
export async function takeLock(
  session: Session,
  wanted: { readonly username: string; readonly database: string },
  deadline: Deadline,
  reporter: Reporter,
): Promise<Lock> {
  const keys = [lockKey('role', wanted.username), lockKey('database', wanted.database)]
  let said = false
  for (const [index, key] of keys.entries()) {
    const name = index === 0 ? wanted.username : wanted.database
    for (;;) {
      const [row] = await session.query<{ taken: boolean }>(
        'select pg_try_advisory_lock($1::bigint) as taken',
        [key],
      )
      if (row?.taken === true) break
      const holder = await describeHolder(session, key)
      if (deadline.remainingMs() < 2 * pollMs) {
        throw new Failure('lock-held', `Another run still holds the lock for ${name}: ${holder}.`, [
          'Two runs for the same application take turns. Wait for that one, or give this one more time: input "timeout".',
          'In the pipeline, a concurrency group (GitHub) or resource_group (GitLab) saves the waiting.',
        ])
      }
      if (!said) {
        const until = `${deadline.endsAt.toISOString().slice(11, 19)} UTC`
        reporter.step({
          sign: 'attention',
          subject: 'waiting',
          text: `another run holds the lock for ${name}: ${holder};\nthis run waits until ${until} (input "timeout")`,
        })
        said = true
      }
      await sleep(pollMs * (0.5 + Math.random()), undefined, { signal: deadline.signal }).catch(
        () => undefined,
      )
    }
  }
  return {
    isHeld: async () => {
      try {
        const [row] = await session.query<{ held: number }>(
          `select count(distinct ${lockedKey})::int as held from pg_locks
           where locktype = 'advisory' and pid = pg_backend_pid() and granted and ${lockedKey} = any ($1::bigint[])`,
          [keys],
        )
        return row?.held === keys.length
      } catch (error) {
        if (error instanceof Failure && error.code === 'tunnel-lost') return false
        throw error
      }
    },
  }
}

/** A lock on one bigint shows in pg_locks as its two halves. Source: PostgreSQL manual, view pg_locks. */
const lockedKey = '((classid::bigint << 32) | objid::bigint)'

function lockKey(kind: 'role' | 'database', name: string): string {
  const digest = createHash('sha256').update(`pg-app-user ${kind} ${name}`).digest()
  return digest.readBigInt64BE().toString()
}

async function describeHolder(session: Session, key: string): Promise<string> {
  const [holder] = await session.query<{ name: string; seconds: number | null }>(
    `select a.application_name as name, extract(epoch from clock_timestamp() - a.backend_start)::int as seconds
     from pg_locks l join pg_stat_activity a using (pid)
     where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and ${lockedKey} = $1::bigint
       and l.database = (select oid from pg_database where datname = current_database())`,
    [key],
  )
  if (holder === undefined) return 'it has just ended'
  return `"${oneLine(holder.name)}", since ${holder.seconds ?? '?'} s`
}
