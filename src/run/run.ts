import { once } from 'node:events'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { namesOf, type ProvisionRequest } from '../input/request.ts'
import { trusting } from '../kubernetes/api-failure.ts'
import type { Api } from '../kubernetes/api.ts'
import { startDeadline, type Deadline } from '../lib/deadline.ts'
import { asFailure, Failure } from '../lib/failure.ts'
import type { Reporter } from '../lib/reporter.ts'
import { urlPasswords } from '../lib/text.ts'
import { underWay } from '../lib/under-way.ts'
import type { Admin, Sessions } from '../postgres/sessions.ts'
import { poolerRoles } from '../providers/providers.ts'
import type { Gate } from '../go-live/gate.ts'
import type { Session } from '../postgres/session.ts'
import type { Wanted } from '../provision/wanted.ts'
import { bindingName } from '../secrets/binding.ts'
import type { Run } from './context.ts'
import { Journal } from './journal.ts'
import type { Outcome } from './outcome.ts'
import { connect, type Cluster } from './target.ts'

/**
 * What a run may take after its time is over, or after it was cancelled: to roll back, and then to say goodbye. Whatever
 * has not come to an end by then is left behind.
 */
const graceMs = { story: 2_500, goodbye: 1_000 }
/** What the goodbyes may take where there is time: each session has a second of its own. */
const goodbyeMs = 3_000

/**
 * The whole story: finds the cluster, provisions the application user, and judges whether the database may carry
 * production, and runs a command against it; each but the first where it is asked for.
 *
 * Never throws: what went wrong is the outcome's `failure`, beside everything that is known about what stands.
 *
 * @param takeSignals called when signals are for the command from here on
 */
export async function run(
  request: ProvisionRequest,
  reporter: Reporter,
  cancelled: AbortSignal,
  takeSignals: () => void = () => undefined,
): Promise<Outcome> {
  const deadline = startDeadline(request.timeoutMs, cancelled, (phase) => reporter.enter?.(phase))
  const journal = new Journal(reporter)
  reporter.publish(namesOf(request))
  for (const password of urlPasswords(request.expectServer)) journal.mask(password)
  const { goLive } = request
  let api: Api | undefined
  let sessions: Sessions | undefined
  const tell = async (): Promise<Failure | undefined> => {
    try {
      // Read before anything is changed: what is wrong with it is as easily mended as a wrong input.
      const gate = goLive && (await import('../go-live/gate.ts')).openGate(goLive)
      let rest: ReturnType<typeof loadRest> | undefined
      const cluster = await trusting(() =>
        connect(request, journal, deadline, (opened) => {
          api = opened
          rest = underWay(loadRest())
        }),
      )
      const { Sessions, provision } = await (rest ?? loadRest())
      const admin = adminOf(request, cluster)
      sessions = new Sessions(cluster.server, admin)
      const wanted = wantedOf(request, cluster)
      const story: Run = { request, cluster, admin, sessions, journal, deadline, wanted }
      const session = request.provision === false ? undefined : await provision(story)
      await passing(gate, story, session)
      await command(story, takeSignals)
      return undefined
    } catch (error) {
      return await toFailure(error, deadline)
    }
  }
  const failure = await endedBy(tell(), deadline)
  deadline.stop()
  await awaitAtMost(sessions?.endAll(), deadline.signal.aborted ? graceMs.goodbye : goodbyeMs)
  api?.close()
  return journal.outcome(request, failure)
}

/** Where the gate holds the release back, the command is not run. */
async function passing(gate: Gate | undefined, story: Run, admin: Session | undefined): Promise<void> {
  try {
    await gate?.pass(story, admin)
  } catch (error) {
    if (
      story.request.command !== undefined &&
      error instanceof Failure &&
      error.code === 'go-live-held-back'
    ) {
      const { leaveOut } = await import('../exec/exec.ts')
      leaveOut(story, 'the release is held back')
    }
    throw error
  }
}

async function command(story: Run, takeSignals: () => void): Promise<void> {
  const { request } = story
  if (request.command === undefined) return
  const { execute, leaveOut } = await import('../exec/exec.ts')
  if (request.dryRun) leaveOut(story, 'this is a dry run')
  else await execute(story, request.command, takeSignals)
}

/** Returns what a story comes to; that of the deadline, where it is still under way some time after that. */
async function endedBy(
  story: Promise<Failure | undefined>,
  { signal }: Deadline,
): Promise<Failure | undefined> {
  const told = new AbortController()
  const over = signal.aborted ? Promise.resolve() : once(signal, 'abort', { signal: told.signal })
  const left = over.then(async () => {
    await sleep(graceMs.story, undefined, { signal: told.signal })
    return signal.reason as Failure
  })
  return await Promise.race([story, underWay(left)]).finally(() => {
    told.abort()
  })
}

/** Waits so long at most for an end that may never come. */
async function awaitAtMost(end: Promise<void> | undefined, ms: number): Promise<void> {
  const ended = new AbortController()
  const overdue = sleep(ms, undefined, { signal: ended.signal })
  await Promise.race([end, underWay(overdue)]).finally(() => {
    ended.abort()
  })
}

/** Loads what is of use once the cluster is found, while the API server is yet to answer the first requests. */
async function loadRest() {
  await setImmediate()
  const [{ Sessions }, { provision }] = await Promise.all([
    import('../postgres/sessions.ts'),
    import('../provision/provision.ts'),
  ])
  return { Sessions, provision }
}

/**
 * Returns the admin, and what its login holds the server against. The system trusts many authorities, so that the host
 * name is looked at too where the certificate is looked at: the access Secret's mode is the one for an authority of its own.
 */
function adminOf(request: ProvisionRequest, { access }: Cluster): Admin {
  const ca = request.sslRootCert ?? access.ca
  const blind = access.sslMode === 'disable' || access.sslMode === 'no-verify'
  const sslMode = ca === 'system' && !blind ? 'verify-full' : access.sslMode
  return { ...access, ca, sslMode, unproven: request.unproven }
}

function wantedOf(request: ProvisionRequest, cluster: Cluster): Wanted {
  const binding = bindingName(request.appSecret, request.secretFormats)
  const { access, keeper } = cluster
  const admission = keeper && {
    provider: keeper.provider.name,
    resource: keeper.provider.admit(access.user),
    madeAdmin: access.maker !== undefined,
  }
  return {
    username: request.appUsername,
    database: request.appDatabase,
    admin: access.user,
    home: access.home,
    ...(admission && { admission }),
    secret: `${cluster.namespace}/${request.appSecret}`,
    binding: binding && `${cluster.namespace}/${binding}`,
    databaseOwner: request.databaseOwner,
    extensions: request.extensions,
    connectRoles: request.connectRoles,
    settings: request.roleSettings,
    poolerRoles,
    existing: request.existing,
  }
}

/** Turns whatever stopped the run into the Failure to show. */
async function toFailure(error: unknown, deadline: Deadline): Promise<Failure> {
  // Whatever broke after the end of the time broke because of it.
  if (deadline.signal.aborted) return deadline.signal.reason as Failure
  if (error instanceof Failure) return error
  const { postgresFailure } = await import('../postgres/failure.ts').catch(() => ({
    postgresFailure: asFailure,
  }))
  return postgresFailure(error)
}
