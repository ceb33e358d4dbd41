import { generate } from 'generate-password'
import type { ProvisionRequest } from '../input/request.ts'
import { Failure } from '../lib/failure.ts'
import { placeholderIn, type Placeholder } from '../lib/placeholder.ts'
import { underWay } from '../lib/under-way.ts'
import type { Attempt, Login } from '../postgres/attempt.ts'
import { aboutInside, type InsideState } from '../postgres/inside.ts'
import { lockScript, tryLock, type Lock } from '../postgres/lock.ts'
import { weigh } from '../postgres/login.ts'
import { unproven } from '../postgres/refusal.ts'
import { isAmbiguous } from '../postgres/scram.ts'
import type { Session } from '../postgres/session.ts'
import type { Sessions } from '../postgres/sessions.ts'
import { verifies } from '../postgres/sslmode.ts'
import { aboutServer, type ServerState } from '../postgres/state.ts'
import { stopwatch, type Journal, type Stopwatch } from '../run/journal.ts'
import type { Cluster } from '../run/target.ts'
import { applicationKeys, readApplicationSecret } from '../secrets/application-secret.ts'
import { bindingName, keysOf, noteOnLeft, readBinding } from '../secrets/binding.ts'
import { noteOnDeletion } from '../secrets/deletion.ts'
import { credentialsIn } from '../secrets/formats.ts'
import { notesOn, planSecret } from '../secrets/plan-secret.ts'
import { rehearsePublication, type Place, type Publication } from '../secrets/publish.ts'
import { bindingPlan } from './binding.ts'
import { literalPassword } from './change.ts'
import { checkServer } from './check-server.ts'
import { namesAll, type Observed } from './observed.ts'
import { plan, type Plan } from './plan.ts'
import { asShipped, insideTemplate } from './template.ts'
import { applicationLogin, publishedValues, wantedSecret } from './wanted-secret.ts'
import type { Wanted } from './wanted.ts'

/** Everything that one look at Secret and server showed, and what follows from it. */
export interface Look extends Publication {
  readonly admin: Session
  readonly server: ServerState
  /** As the application will log in. */
  readonly login: Login
  /** What came of that login. */
  readonly attempt: Attempt
  readonly observed: Observed & Required<Pick<Observed, 'inside'>>
  readonly plan: Plan
  /** There if this look was taken under the lock. */
  readonly lock: Lock<ServerState> | undefined
  /** How long the two logins and what they read took, in seconds. */
  readonly seconds: { readonly admin: number; readonly application: number }
}

interface BothLogins extends Pick<Look, 'server' | 'lock' | 'attempt' | 'seconds'> {
  readonly session: Session
  /** There if the application got in. */
  readonly inside: InsideState | undefined
}

interface AdminLook extends Pick<BothLogins, 'session' | 'server' | 'lock'> {
  /** How long it took, in seconds. */
  readonly seconds: number
}

/** Looks for a run; what it needs for that stays the same from look to look. */
export class Looker {
  private readonly request: ProvisionRequest
  private readonly cluster: Cluster
  private readonly sessions: Sessions
  private readonly journal: Journal
  private readonly wanted: Wanted
  /** Whether what was read when the run began is still to be used. */
  private first = true
  /** Whether the API server would let the Secrets be written, as asked for the first of them. */
  private rehearsal: Promise<void> | undefined

  constructor(
    request: ProvisionRequest,
    cluster: Cluster,
    sessions: Sessions,
    journal: Journal,
    wanted: Wanted,
  ) {
    this.request = request
    this.cluster = cluster
    this.sessions = sessions
    this.journal = journal
    this.wanted = wanted
  }

  /**
   * Looks again now that no other run can change anything. Where there is still no role, nobody can have logged in or
   * been given a password meanwhile, and the Secret is going to be written under a guard of its own: then what was seen
   * of it and of the login still counts.
   */
  async lookAgain(first: Look, lock: Lock<ServerState>): Promise<Look> {
    const { session: admin, seen: server } = lock
    const same = (first.server.database === undefined) === (server.database === undefined)
    const roleless = first.server.role === undefined && server.role === undefined
    if (roleless && same && first.secretPlan.kind !== 'keep') {
      this.check(admin, server, first.seconds.admin)
      const observed = { ...first.observed, server }
      return { ...first, admin, server, lock, observed, plan: this.plan(observed) }
    }
    return await this.look(lock)
  }

  /**
   * Reads the Secret, then logs in as the admin and, at the same time, as the application: what its login shows decides
   * about the password, and a server that lets anybody in is found before anything is changed.
   *
   * @param lock whose session to go on with, and what the server showed under it
   */
  async look(lock?: Lock<ServerState>): Promise<Look> {
    const { request, journal, wanted } = this
    const { secret, binding } = await this.readSecrets()
    journal.secretVersion = secret?.resourceVersion
    const password = secret?.values.PGPASSWORD
    const desired = wantedSecret(request, this.cluster, password ?? this.freshPassword())
    const secretPlan = planSecret(secret, desired)
    if (secretPlan instanceof Failure) throw secretPlan
    if (secretPlan.kind !== 'keep') for (const each of credentialsIn(secretPlan.values)) journal.mask(each)
    for (const note of notesOn(secretPlan, desired)) journal.note(note)
    for (const each of [secret, binding]) {
      const note = noteOnDeletion(each)
      if (note !== undefined) journal.note(note)
    }
    const left = secret && !wanted.binding ? await noteOnLeft(this.cluster.api, secret) : undefined
    if (left !== undefined) journal.note(left)
    const login = applicationLogin(request, this.cluster, secret, secretPlan, desired, (text) => {
      journal.note(text)
    })

    journal.authority = !verifies(login.sslMode) ? undefined : login.ca === 'system' ? 'system' : 'mounted'

    const published = publishedValues(secret, secretPlan, desired)
    const planned = bindingPlan(request, this.cluster.namespace, binding, published, journal.mask)
    const publication = { secret, secretPlan, binding, bindingPlan: planned }
    if (!request.dryRun) this.rehearse(publication)

    // Without a Secret there is hardly a database, and something to do: the lock is taken at once, if nobody has to be asked.
    const template =
      secret === undefined ? underWay(insideTemplate(this.sessions, wanted, 'ahead')) : undefined
    const certain = secret === undefined && !request.dryRun && journal.reporter.confirm === undefined
    const both = await this.logInBoth(login, lock ?? (certain ? 'try' : 'none'))
    const { session, server, attempt, inside, seconds } = both
    const evidence = weigh(attempt, login, password !== undefined)
    if (evidence === 'unproven' && request.unproven === 'refuse') throw unproven(login)
    if (attempt.exchange === 'md5') {
      journal.note(
        `"${login.user}" logs in with MD5, which does not prove the server: a new password gets it SCRAM`,
      )
    }
    const placeholder = evidence === 'wrong' ? placeholderIn(login.password) : undefined
    if (placeholder !== undefined) throw notFilledIn(wanted.secret, placeholder)
    if (password !== undefined && (await isAmbiguous(password))) {
      journal.note(
        `PGPASSWORD of ${wanted.secret} has characters with which drivers do not log in alike: libpq takes it as it is, node-postgres and others normalise it. Without such characters it works with all of them`,
      )
    }
    const { PGUSER, PGDATABASE, PGHOST } = secret?.values ?? {}
    const secretNames = {
      role: PGUSER !== undefined,
      database: PGDATABASE !== undefined,
      host: PGHOST !== undefined,
    }
    const stranger = server.role?.marker === undefined && server.role?.unreadable === false
    const known: Observed = {
      server,
      evidence,
      secret: {
        kind: secretPlan.kind,
        keys: secretPlan.kind === 'keep' ? [] : applicationKeys.filter((key) => key in secretPlan.values),
      },
      binding: planned && { kind: planned.kind, keys: keysOf(planned) },
      secretHasPassword: password !== undefined,
      secretNames,
      literalLogsIn:
        stranger && evidence === 'wrong' && namesAll(secretNames) && (await this.literalLogsIn(login)),
    }
    // What forbids the run is found before anybody looks inside.
    this.plan(known)
    const observed = { ...known, inside: inside ?? (await this.inside(server, template)) }
    await this.rehearsal
    return {
      ...publication,
      admin: session,
      server,
      lock: both.lock,
      login,
      attempt,
      observed,
      plan: this.plan(observed),
      seconds,
    }
  }

  /** @throws Failure what forbids it */
  private plan(observed: Observed): Plan {
    const planned = plan(observed, this.wanted)
    if (planned instanceof Failure) throw planned
    return planned
  }

  /** The first look takes what was read when the run began: it decides about nothing that it does not look at again. */
  private async readSecrets(): Promise<Pick<Cluster, 'secret' | 'binding'>> {
    const { request, cluster, journal } = this
    if (this.first) {
      this.first = false
      return cluster
    }
    const { api, namespace } = cluster
    const name = bindingName(request.appSecret, request.secretFormats)
    const [secret, binding] = await Promise.all([
      readApplicationSecret(api, namespace, request.appSecret, journal.mask),
      name === undefined ? undefined : readBinding(api, namespace, name, journal.mask),
    ])
    return { secret, binding }
  }

  private async logInBoth(login: Login, lock: Lock<ServerState> | 'try' | 'none'): Promise<BothLogins> {
    const timer = stopwatch()
    const looks = [this.readAsAdmin(lock, timer), this.readAsApplication(login, timer)] as const
    // For the login in the database that is made next, and the one that proves what was done.
    if (lock === 'try') this.sessions.prepare('admin', login)
    // What the admin's login says comes first: the other one may have failed for the same reason.
    const [asAdmin, asApplication] = await Promise.allSettled(looks)
    if (asAdmin.status === 'rejected') throw asAdmin.reason
    const { session, server, lock: taken, seconds } = asAdmin.value
    this.check(session, server, seconds)
    if (asApplication.status === 'rejected') throw asApplication.reason
    const { attempt, inside } = asApplication.value
    return {
      session,
      server,
      lock: taken,
      attempt,
      inside,
      seconds: { admin: seconds, application: asApplication.value.seconds },
    }
  }

  private async readAsAdmin(lock: Lock<ServerState> | 'try' | 'none', timer: Stopwatch): Promise<AdminLook> {
    if (typeof lock === 'object') return { session: lock.session, server: lock.seen, lock, seconds: timer() }
    const question = aboutServer(this.wanted)
    const first = lock === 'try' ? lockScript(this.wanted, question) : [question.sql]
    const session = await this.sessions.asAdmin(this.sessions.home, { first })
    if (lock === 'none') {
      return { session, server: await session.ask(question), lock: undefined, seconds: timer() }
    }
    const { seen, lock: taken } = await tryLock(session, this.wanted, question)
    return { session, server: seen, lock: taken, seconds: timer() }
  }

  private async readAsApplication(
    login: Login,
    timer: Stopwatch,
  ): Promise<{ attempt: Attempt; inside: InsideState | undefined; seconds: number }> {
    const question = aboutInside(this.wanted)
    const attempt = await this.sessions.tryAs(login, { first: [question.sql] })
    const inside = attempt.session && (await attempt.session.ask(question))
    return { attempt, inside, seconds: timer() }
  }

  private check(session: Session, server: ServerState, seconds: number): void {
    checkServer(session, server, this.cluster, this.journal, seconds)
  }

  private async literalLogsIn(login: Login): Promise<boolean> {
    const literal = { ...login, password: literalPassword }
    const attempt = await this.sessions.tryAs(literal)
    await this.sessions.end(attempt.session)
    return weigh(attempt, literal, true) === 'proven'
  }

  private async inside(
    server: ServerState,
    template: ReturnType<typeof insideTemplate> | undefined,
  ): Promise<InsideState> {
    const question = aboutInside(this.wanted)
    if (server.database !== undefined) {
      const session = await this.sessions.asAdmin(this.wanted.database, { first: [question.sql] })
      return await session.ask(question)
    }
    const ahead = (await template) ?? 'later'
    const seen = ahead === 'later' ? await insideTemplate(this.sessions, this.wanted) : ahead
    return seen === 'refused' || seen === 'later' ? asShipped(server) : { ...seen, otherOwners: [] }
  }

  /** Asks once, while the logins are under way, what the API server says to a write: before anything is changed. */
  private rehearse(publication: Publication): void {
    const { request, cluster } = this
    this.rehearsal ??= underWay(rehearsePublication(cluster.api, placeOf(request, cluster), publication))
  }

  private freshPassword(): string {
    const password = generate({ length: 32, numbers: true, strict: true })
    this.journal.mask(password)
    return password
  }
}

/** Returns where a run writes. */
export function placeOf(
  { appSecret, secretFormats }: Pick<ProvisionRequest, 'appSecret' | 'secretFormats'>,
  { namespace }: Pick<Cluster, 'namespace'>,
): Place {
  return { namespace, name: appSecret, binding: bindingName(appSecret, secretFormats) }
}

/** Says whether there is nothing to do. */
export function isInPlace(look: Look): boolean {
  return look.plan.changes.length === 0
}

/** The error for a text that would become a password, and that anybody can guess. */
function notFilledIn(secret: string, { what, from }: Placeholder): Failure {
  return new Failure('secret-invalid', `PGPASSWORD of ${secret} cannot be used: it is ${what}.`, [
    from,
    'Nobody logs in with it yet. Put a password made at random in its place, or remove the key PGPASSWORD: then a new password is made.',
  ])
}
