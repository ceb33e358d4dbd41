import { sweepLeftovers } from '../exec/sweep.ts'
import { Failure } from '../lib/failure.ts'
import { passingOf } from '../postgres/failure.ts'
import { watched } from '../postgres/in-the-way.ts'
import { takeLock } from '../postgres/lock.ts'
import type { Session } from '../postgres/session.ts'
import { aboutServer } from '../postgres/state.ts'
import type { Run } from '../run/context.ts'
import { apply } from './apply.ts'
import { isInPlace, Looker, type Look } from './look.ts'
import { stepsToCome } from './render.ts'
import { tellDryRun, tellInPlace } from './tell.ts'

/**
 * Gives an application its PostgreSQL role, database and Secret, or puts right what differs, and proves the login.
 * Looks again from the start after what passes by waiting, such as a switch of the primary, while there is time.
 *
 * @returns the admin's session, which is still open
 * @throws Failure, pg.DatabaseError
 */
export async function provision(run: Run): Promise<Session> {
  const { request, cluster, sessions, journal, wanted } = run
  const { patience } = cluster
  const looker = new Looker(request, cluster, sessions, journal, wanted)
  const agreed = new Set<string>()
  const session = await patience.insist(
    () =>
      watched(
        sessions,
        (obstacle) => {
          patience.meet(obstacle)
        },
        () => convergeOnce(run, looker, agreed),
      ),
    { passing: passingOf, giveBack: () => sessions.endAll() },
  )
  journal.settle()
  return session
}

async function convergeOnce(run: Run, looker: Looker, agreed: Set<string>): Promise<Session> {
  const { request, sessions, journal, deadline, wanted } = run
  deadline.enter('the first look')
  const first = await looker.look()
  if (isInPlace(first)) {
    tellInPlace(first, wanted, journal)
    if (!request.dryRun) await sweepLeftovers(run, first.admin, first.server.leftovers)
    return first.admin
  }
  if (request.dryRun) {
    tellDryRun(first, wanted, journal)
    return first.admin
  }
  await sessions.end(first.attempt.session)
  await agree(first, run, agreed)
  deadline.enter('the wait for the lock')
  const lock =
    first.lock ??
    (await takeLock(sessions, first.admin, wanted, aboutServer(wanted), deadline, journal.reporter))
  deadline.enter('the second look')
  const look = await looker.lookAgain(first, lock)
  if (isInPlace(look)) {
    tellInPlace(look, wanted, journal)
    return look.admin
  }
  await sessions.end(look.attempt.session)
  await apply(look, lock, run)
  await sweepLeftovers(run, look.admin, look.server.leftovers)
  return look.admin
}

/**
 * Asks, where there is a person to ask. What they agree to is looked at once more under the lock; and they are not asked for it
 * again where the run had to look afresh, such as after the server ended a session that was idle while they thought.
 */
async function agree(
  look: Look,
  { cluster, journal, deadline, wanted }: Run,
  agreed: Set<string>,
): Promise<void> {
  const steps = stepsToCome(look.plan.changes, wanted)
  const what = JSON.stringify(steps)
  if (agreed.has(what)) return
  const question = { server: journal.cluster?.server ?? '', namespace: cluster.namespace, steps }
  deadline.enter('the question whether to go on')
  const answer = (await journal.leaveOut(journal.reporter.confirm?.(question, deadline.signal))) ?? true
  deadline.signal.throwIfAborted()
  if (!answer) throw new Failure('cancelled', 'The answer to the question was no.', [])
  agreed.add(what)
}
