import { setImmediate } from 'node:timers/promises'
import { startDeadline, type Deadline } from './deadline.ts'
import { asFailure, Failure } from './failure.ts'
import { Journal } from './journal.ts'
import { trusting, type Api } from './kubernetes/api.ts'
import type { Outcome } from './outcome.ts'
import type { Wanted } from './postgres/decide.ts'
import type { Sessions } from './postgres/sessions.ts'
import type { Reporter } from './reporter.ts'
import { namesOf, type ProvisionRequest } from './request.ts'
import { connect, type Cluster } from './target.ts'
import { urlPasswords } from './text.ts'
import { underWay } from './under-way.ts'

/** What every step of a run needs. */
export interface Run {
  readonly request: ProvisionRequest
  readonly cluster: Cluster
  readonly sessions: Sessions
  readonly journal: Journal
  readonly deadline: Deadline
  readonly wanted: Wanted
}

/**
 * The whole story: finds the cluster, provisions the application user, and judges whether the database may carry
 * production; each of the last two where it is asked for.
 *
 * Never throws: what went wrong is the outcome's `failure`, beside everything that is known about what stands.
 */
export async function run(
  request: ProvisionRequest,
  reporter: Reporter,
  cancelled: AbortSignal,
): Promise<Outcome> {
  const deadline = startDeadline(request.timeoutMs, cancelled, (phase) => reporter.enter?.(phase))
  const journal = new Journal(reporter)
  reporter.publish(namesOf(request))
  for (const password of urlPasswords(request.expectServer)) journal.mask(password)
  const { goLive } = request
  let api: Api | undefined
  let sessions: Sessions | undefined
  let failure: Failure | undefined
  try {
    // Read before anything is changed: what is wrong with it is as easily mended as a wrong input.
    const gate = goLive && (await (await import('./go-live/gate.ts')).openGate(goLive))
    let rest: ReturnType<typeof loadRest> | undefined
    const cluster = await trusting(() =>
      connect(request, journal, deadline, (opened) => {
        api = opened
        rest = underWay(loadRest())
      }),
    )
    const { Sessions, provision } = await (rest ?? loadRest())
    const ca = request.sslRootCert ?? cluster.access.ca
    sessions = new Sessions(cluster.server, { ...cluster.access, ca, unproven: request.unproven })
    const story: Run = { request, cluster, sessions, journal, deadline, wanted: wantedOf(request, cluster) }
    const admin = request.provision === false ? undefined : await provision(story)
    await gate?.pass(story, admin)
  } catch (error) {
    failure = await toFailure(error, deadline)
  }
  deadline.stop()
  await sessions?.endAll()
  api?.close()
  return journal.outcome(request, failure)
}

/** Loads what is of use once the cluster is found, while the API server is yet to answer the first requests. */
async function loadRest() {
  await setImmediate()
  const [{ Sessions }, { provision }] = await Promise.all([
    import('./postgres/sessions.ts'),
    import('./provision.ts'),
  ])
  return { Sessions, provision }
}

function wantedOf(request: ProvisionRequest, cluster: Cluster): Wanted {
  return {
    username: request.appUsername,
    database: request.appDatabase,
    admin: cluster.access.user,
    secret: `${cluster.namespace}/${request.appSecret}`,
    databaseOwner: request.databaseOwner,
    extensions: request.extensions,
    connectRoles: request.connectRoles,
    existing: request.existing,
  }
}

/** Turns whatever stopped the run into the Failure to show. */
async function toFailure(error: unknown, deadline: Deadline): Promise<Failure> {
  // Whatever broke after the end of the time broke because of it.
  if (deadline.signal.aborted) return deadline.signal.reason as Failure
  if (error instanceof Failure) return error
  const { postgresFailure } = await import('./postgres/failure.ts').catch(() => ({
    postgresFailure: asFailure,
  }))
  return postgresFailure(error)
}
