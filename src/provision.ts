import { generate } from 'generate-password'
import pg from 'pg'
import { setTimeout as sleep } from 'node:timers/promises'
import { startDeadline, type Deadline } from './deadline.ts'
import { asFailure, Failure } from './failure.ts'
import { readAccessSecret, type AccessSecret } from './kubernetes/access-secret.ts'
import type { Api, Identity } from './kubernetes/api.ts'
import {
  createApplicationSecret,
  planSecret,
  readApplicationSecret,
  repairApplicationSecret,
  type ApplicationSecret,
  type SecretPlan,
} from './kubernetes/application-secret.ts'
import { loadCluster } from './kubernetes/kubeconfig.ts'
import {
  endpointRights,
  namedRights,
  permissionFailure,
  permissionReport,
  reviewRights,
  serviceRights,
  type PermissionReport,
} from './kubernetes/permissions.ts'
import { readService, resolvePod } from './kubernetes/service.ts'
import { openTunnel } from './kubernetes/tunnel.ts'
import type { Change, Outcome, Row } from './outcome.ts'
import { convergeGrants, convergeInside, convergeRole, createDatabase } from './postgres/converge.ts'
import {
  decide,
  decideGrants,
  decideInside,
  isEmpty,
  type Found,
  type InsidePlan,
  type PasswordReason,
  type Plan,
  type Wanted,
} from './postgres/decide.ts'
import { isPassing, postgresFailure } from './postgres/failure.ts'
import { takeLock } from './postgres/lock.ts'
import { adminRefusalFailure, logInPatiently, sessionOf, weigh } from './postgres/login.ts'
import { proveWork } from './postgres/proof.ts'
import type { Attempt, Login, Server, Session } from './postgres/session.ts'
import type { SslMode } from './postgres/sslmode.ts'
import { readInside, readServer, type InsideState, type ServerState } from './postgres/state.ts'
import type { Reporter, Sign } from './reporter.ts'
import type { ProvisionRequest } from './request.ts'
import { count, sentence } from './text.ts'

/** What the old manual page told people to type, and psql took for the password itself. It is public. */
const literalPassword = ':APP_PASSWORD'
const oldestVersion = 130_000
const shortPassword = 16
const restartPauseMs = 250

/**
 * Gives an application its PostgreSQL role, database and Secret, or puts right what differs, and proves the login.
 *
 * Never throws: what went wrong is the outcome's `failure`, beside everything that is known about what stands.
 */
export async function provision(
  request: ProvisionRequest,
  reporter: Reporter,
  cancelled: AbortSignal,
): Promise<Outcome> {
  const run = new Run(request, reporter, startDeadline(request.timeoutMs, cancelled))
  let failure: Failure | undefined
  try {
    await run.connect()
    await run.resolve()
    await run.converge()
  } catch (error) {
    failure = run.toFailure(error)
  }
  await run.close()
  return run.outcome(failure)
}

/** Everything that one look at cluster and server showed, and what follows from it. */
interface Look {
  readonly secret: ApplicationSecret | undefined
  readonly secretPlan: SecretPlan
  readonly admin: Session
  readonly server: ServerState
  readonly login: Login
  readonly attempt: Attempt
  readonly found: Found
  readonly plan: Plan
  readonly inside: InsideState
  readonly insidePlan: InsidePlan
}

/** Thrown where somebody else was faster, so that everything has to be looked at again. */
class StartAgain extends Error {}

class Run {
  private readonly request: ProvisionRequest
  private readonly reporter: Reporter
  private readonly deadline: Deadline
  private readonly started = performance.now()
  private readonly changes: Change[] = []
  private readonly rows = new Map<string, Row>()
  private readonly notes: string[] = []
  private readonly sessions = new Set<Session>()
  private readonly mask: (credential: string) => void
  private restart: string | undefined
  private permissions: PermissionReport | undefined
  private resourceVersion: string | undefined
  private serverVersion: string | undefined
  private tunnelReported = false
  private cluster: { server: string; namespace: string } | undefined
  private api!: Api
  private access!: AccessSecret
  private wanted!: Wanted
  private server!: Server

  constructor(request: ProvisionRequest, reporter: Reporter, deadline: Deadline) {
    this.request = request
    this.reporter = reporter
    this.deadline = deadline
    this.mask = (credential) => {
      reporter.mask(credential)
    }
  }

  /** Which cluster, which namespace, as whom: said before anything is asked of it. */
  async connect(): Promise<void> {
    const { request } = this
    const timer = stopwatch()
    const access = await loadCluster(request, this.mask)
    const namespace = request.appNamespace ?? access.namespace
    if (namespace === undefined) {
      throw new Failure(
        'namespace-missing',
        `Context "${access.context}" of the kubeconfig names no namespace.`,
        ['The application Secret would land in "default", which is never right. Set input "app-namespace".'],
      )
    }
    this.cluster = { server: access.server, namespace }
    this.api = await access.connect(this.deadline.signal)
    const identity = await this.api.identity()
    this.report('right', 'cluster', timer, [
      `${access.server} · context ${access.context} · namespace ${namespace}`,
      `as ${identity.name} · kubeconfig from ${access.source}`,
    ])
    this.wanted = {
      username: request.appUsername,
      database: request.appDatabase,
      secret: `${namespace}/${request.appSecret}`,
      databaseOwner: request.databaseOwner,
      extensions: request.extensions,
      connectRoles: request.connectRoles,
      existing: request.existing,
    }
    await this.authorize(identity, namespace)
  }

  /**
   * Two rounds of rights, with the access Secret read in between as soon as that is allowed: only it can name the
   * Service, and the administrator should get one complete list. Both Secrets are read at once.
   */
  private async authorize(identity: Identity, namespace: string): Promise<void> {
    const { request, api } = this
    const { accessNamespace, accessSecret } = request
    const asked = stopwatch()
    const named = await reviewRights(api, identity, namedRights({ ...request, appNamespace: namespace }))
    const unreadable = named.missing.some(
      ({ namespace: place, resource, name }) =>
        place === accessNamespace && resource === 'secrets' && name === accessSecret,
    )
    if (unreadable) {
      const rights = [...named.rights, ...serviceRights(accessNamespace)]
      throw this.permissionsMissing(permissionReport(identity, rights, named.missing))
    }
    const seconds = asked()
    const timer = stopwatch()
    this.access = await readAccessSecret(api, accessNamespace, accessSecret, this.mask)
    const readSeconds = timer()
    const again = stopwatch()
    this.permissions = await reviewRights(
      api,
      identity,
      serviceRights(accessNamespace, this.access.service),
      named,
    )
    if (this.permissions.missing.length > 0) throw this.permissionsMissing(this.permissions)
    const total = this.permissions.rights.length
    this.step('right', 'permissions', `${total} of ${count(total, 'right')}`, seconds + again())
    const keys = count(this.access.keyCount, 'key')
    this.step('right', 'access Secret', `${this.access.ref} · ${keys}, well formed`, readSeconds)
  }

  /** From the Service to a Pod: each connection gets a tunnel of its own to it. */
  async resolve(): Promise<void> {
    const { api, access, request, deadline } = this
    const service = await readService(api, request.accessNamespace, access.service)
    if (service.selector === undefined && this.permissions !== undefined) {
      const rights = endpointRights(request.accessNamespace, access.service)
      const report = await reviewRights(api, this.permissions.identity, rights, this.permissions)
      if (report.missing.length > 0) throw this.permissionsMissing(report)
    }
    const timer = stopwatch()
    const { pod, port } = await resolvePod(api, service, access.port)
    this.server = {
      deadline,
      applicationName: request.runName,
      dial: async () => {
        const tunnel = await openTunnel(
          api,
          { namespace: request.accessNamespace, service: access.service, pod, port },
          deadline.signal,
        )
        if (!this.tunnelReported) {
          this.tunnelReported = true
          this.report('right', 'tunnel', timer, [`svc/${access.service} → Pod ${pod} port ${port}`])
        }
        return tunnel
      },
    }
  }

  /** Looks, and looks again from the start as often as somebody else was faster, while there is time. */
  async converge(): Promise<void> {
    for (;;) {
      try {
        await this.convergeOnce()
        return
      } catch (error) {
        const again = error instanceof StartAgain || isPassing(error)
        if (!again || this.deadline.remainingMs() < 4 * restartPauseMs) throw error
        await this.endSessions()
        this.reporter.debug(`looking again: ${error instanceof Error ? error.message : ''}`)
        await sleep(restartPauseMs, undefined, { signal: this.deadline.signal }).catch(() => undefined)
      }
    }
  }

  private async convergeOnce(): Promise<void> {
    const first = await this.look()
    if (isInPlace(first)) {
      this.reportInPlace(first)
      return
    }
    if (this.request.dryRun) {
      this.reportDryRun(first)
      return
    }
    const lock = await takeLock(first.admin, this.wanted, this.deadline, this.reporter)
    const look = await this.look(first)
    if (isInPlace(look)) {
      this.reportInPlace(look)
      return
    }
    for (const note of look.plan.notes) this.note(note)
    await this.convergeRole(look)
    await this.convergeDatabase(look)
    await this.convergeInside(look)
    await this.prove(look.login)
    if (!(await lock.isHeld())) throw new StartAgain('the lock was lost')
    await this.publish(look)
  }

  /**
   * Reads the Secret, logs in as the admin and, at the same time, as the application: what its login shows decides
   * about the password, and a server that lets anybody in is found before anything is changed.
   */
  private async look(earlier?: Look): Promise<Look> {
    const { request, access, wanted } = this
    const secret = await readApplicationSecret(this.api, this.namespace, request.appSecret, this.mask)
    this.resourceVersion = secret?.resourceVersion
    const password = secret?.values.PGPASSWORD ?? this.freshPassword()
    const secretPlan = planSecret(secret, this.wantedSecret(password))
    if (secretPlan instanceof Failure) throw secretPlan
    const login: Login = {
      user: wanted.username,
      database: wanted.database,
      host: access.host,
      password,
      sslMode: this.publishedSslMode(secret, secretPlan),
      ca: this.ca,
    }
    const { admin, server, attempt } = await this.logInBoth(login, earlier?.admin)
    const secretHasPassword = secret?.values.PGPASSWORD !== undefined
    const evidence = weigh(attempt, login, secretHasPassword)
    if (evidence === 'unproven' && request.unproven === 'refuse') throw unproven(login)
    const { PGUSER, PGDATABASE, PGHOST } = secret?.values ?? {}
    const secretNamesAll = PGUSER !== undefined && PGDATABASE !== undefined && PGHOST !== undefined
    const stranger = server.role !== undefined && server.role.marker === undefined
    const found: Found = {
      server,
      evidence,
      secretHasPassword,
      secretNamesAll,
      literalLogsIn:
        stranger && evidence === 'wrong' && secretNamesAll ? await this.literalLogsIn(login) : false,
    }
    const plan = decide(found, wanted)
    const inside = await this.readInside(plan, attempt, login)
    const insidePlan = decideInside(inside, server, wanted)
    return { secret, secretPlan, admin, server, login, attempt, found, plan, inside, insidePlan }
  }

  private async logInBoth(
    login: Login,
    earlier: Session | undefined,
  ): Promise<{ admin: Session; server: ServerState; attempt: Attempt }> {
    const timer = stopwatch()
    const [opened, attempted] = await Promise.allSettled([
      earlier ?? this.openAdmin('postgres'),
      logInPatiently(this.server, login),
    ])
    if (attempted.status === 'fulfilled') this.keep(attempted.value.session)
    if (opened.status === 'rejected') throw opened.reason
    const admin = opened.value
    const server = await readServer(admin, this.wanted)
    if (earlier === undefined) this.checkServer(admin, server, timer)
    if (attempted.status === 'rejected') throw attempted.reason
    return { admin, server, attempt: attempted.value }
  }

  private async openAdmin(database: string): Promise<Session> {
    const { access } = this
    const login: Login = { ...access, database, ca: this.ca }
    const attempt = await logInPatiently(this.server, login)
    if (attempt.session === undefined) throw adminRefusalFailure(attempt.refusal, login, access.ref)
    return this.keep(attempt.session)
  }

  private checkServer(admin: Session, server: ServerState, timer: Stopwatch): void {
    if (admin.announcedPid !== server.backendPid) {
      throw new Failure(
        'pooler-in-between',
        `A connection pooler answers behind svc/${this.access.service}, not PostgreSQL itself.`,
        [
          'Locks, settings and proofs belong to one session, which a pooler does not keep.',
          'Ask the administrator for a Service that leads to the primary: key USER_ACCESS of the access Secret.',
        ],
      )
    }
    if (server.versionNumber < oldestVersion) {
      throw new Failure(
        'server-version-unsupported',
        `PostgreSQL ${server.version} is too old: 13 to 18 are supported.`,
        ['Ask the administrator for an upgrade; the PostgreSQL project no longer mends this version either.'],
      )
    }
    if (server.standby) {
      throw new Failure(
        'target-is-standby',
        `svc/${this.access.service} leads to a standby, which takes no changes.`,
        [
          'A frequent cause is a switch of the primary at this very moment: run again in a minute.',
          'If it stays, ask the administrator to let the Service select the primary (with Spilo: spilo-role=master).',
        ],
      )
    }
    this.serverVersion = server.version
    const encryption = admin.encryption ?? 'no TLS'
    const rank = server.admin.superuser ? 'a superuser' : 'no superuser'
    this.report('right', 'PostgreSQL', timer, [
      `${server.version} · primary · ${encryption} · admin "${server.admin.name}", ${rank}`,
    ])
    this.row({ subject: 'PostgreSQL', now: `${server.version}, primary, ${encryption}` })
  }

  private async literalLogsIn(login: Login): Promise<boolean> {
    const literal = { ...login, password: literalPassword }
    const attempt = await logInPatiently(this.server, literal)
    this.keep(attempt.session)
    return weigh(attempt, literal, true) === 'proven'
  }

  /** A database that is yet to be made will be a copy of template1, extensions included. */
  private async readInside(plan: Plan, attempt: Attempt, login: Login): Promise<InsideState> {
    if (plan.database === 'keep') {
      return await readInside(attempt.session ?? (await this.openAdmin(login.database)), this.wanted)
    }
    const blank = {
      schemaExists: true,
      schemaOwner: null,
      schemaGranted: false,
      extensions: [],
      otherOwners: [],
    }
    if (this.wanted.extensions.length === 0) return blank
    // Left at once: CREATE DATABASE wants template1 for itself.
    const template = await this.openAdmin('template1')
    const { extensions } = await readInside(template, this.wanted)
    this.sessions.delete(template)
    await template.end()
    return { ...blank, extensions }
  }

  private async convergeRole({ plan, admin, server, secret, found, login }: Look): Promise<void> {
    const { username } = this.wanted
    const { role } = plan
    const timer = stopwatch()
    if (role.action === 'keep' && role.mark === undefined) {
      this.step('right', 'role', `${username} is there${server.role?.marker ? ', marked as ours' : ''}`)
      this.row({ subject: `Role \`${username}\``, now: 'login, no dangerous attribute' })
      return
    }
    await convergeRole(admin, role, this.wanted, login.password, this.mask)
    const now = 'login, no dangerous attribute'
    if (role.action === 'create') {
      this.changed({ object: 'role', name: username, action: 'created' })
      const why = secret === undefined ? '' : "; it was gone, and got the Secret's password again"
      this.report('created', 'role', timer, [
        `${username} created, SCRAM-SHA-256 verifier, no dangerous attribute${why}`,
      ])
      this.row({
        subject: `Role \`${username}\``,
        now,
        done: 'created',
        ...(secret && { found: 'it was gone' }),
      })
      return
    }
    if (role.action === 'keep') {
      this.changed({ object: 'role', name: username, action: 'marked' })
      const text = `${username} is there and its login works: marked as belonging to ${this.wanted.secret}`
      this.report('repaired', 'role', timer, [text])
      this.row({
        subject: `Role \`${username}\``,
        now,
        found: 'nothing said whose it is',
        done: 'marked as ours',
      })
      return
    }
    const { seen, done } = passwordWords(role.reason)
    this.changed({ object: 'role', name: username, action: 'password-set' })
    this.report('repaired', 'role', timer, [`${username} is there, ${seen}: ${done}`])
    this.row({ subject: `Role \`${username}\``, now, found: seen, done })
    if (!found.secretHasPassword) {
      const open = server.role?.sessions ?? 0
      const sessions = `${count(open, 'session')} of ${username} ${open === 1 ? 'is' : 'are'} still open on the old one`
      this.restart = `**Restart the Pods that use this Secret:** it was gone, so a new password was made. ${sessions}.`
      if (open > 0) this.note(`a new password was made; ${sessions}: restart what uses it`)
    } else if (login.password.length < shortPassword) {
      this.note(
        `the password in ${this.wanted.secret} has only ${login.password.length} characters: take the key PGPASSWORD out to get a new one`,
      )
    }
  }

  private async convergeDatabase({ plan, admin, server, secret }: Look): Promise<void> {
    const { wanted } = this
    const { database } = wanted
    let current = server
    if (plan.database === 'create') {
      const timer = stopwatch()
      await createDatabase(admin, wanted)
      this.changed({ object: 'database', name: database, action: 'created' })
      this.report('created', 'database', timer, [`${database} created, owner ${server.admin.name}`])
      if (secret !== undefined) this.note(`database ${database} was gone and is made anew: it is empty`)
      current = await readServer(admin, wanted)
    } else {
      this.step('right', 'database', `${database} is there, owner ${server.database?.owner ?? ''}`)
    }
    const created = plan.database === 'create'
    const grants = plan.grants ?? decideGrants(current, wanted, plan.ours, [])
    const timer = stopwatch()
    if (grants.owner !== undefined)
      this.changing({ object: 'database', name: database, action: 'owner-changed' })
    const granting = grants.application || grants.revokePublic || grants.connect.length > 0
    if (granting) this.changing({ object: 'grants', name: database, action: 'granted' })
    if (granting || grants.owner !== undefined) {
      await convergeGrants(admin, grants, current, wanted, plan.ours)
      this.commitChanges()
      const lines = [
        ...(grants.application ? [`${wanted.username}: all on the database`] : []),
        ...(grants.revokePublic ? ['PUBLIC: CONNECT and TEMPORARY taken away'] : []),
        ...(grants.connect.length > 0 ? [`${sentence(grants.connect)}: CONNECT`] : []),
        ...(grants.owner
          ? [`owner changed to ${grants.owner === 'app' ? wanted.username : server.admin.name}`]
          : []),
      ]
      this.report(created ? 'created' : 'repaired', 'grants', timer, lines)
      this.row({
        subject: 'Grants',
        now: grantsNow(plan),
        ...(created ? {} : { found: 'rights on the database were not as wanted' }),
        done: created ? 'granted' : lines.join('; '),
      })
    }
    const owner =
      grants.owner === 'app'
        ? wanted.username
        : grants.owner === 'admin' || created
          ? server.admin.name
          : server.database?.owner
    this.row({
      subject: `Database \`${database}\``,
      now: `owner \`${owner ?? ''}\``,
      ...(created && secret !== undefined ? { found: 'it was gone' } : {}),
      ...(created ? { done: secret === undefined ? 'created' : 'created, and it is empty' } : {}),
    })
  }

  /** The session is a new one: whatever was looked at before, the database may not have been there. */
  private async convergeInside({ plan, admin, insidePlan }: Look): Promise<void> {
    const { wanted } = this
    const nothing = !insidePlan.grantSchema && insidePlan.extensions.length === 0
    if (plan.database === 'keep' && nothing && plan.role.action !== 'create') return
    const timer = stopwatch()
    const session = await this.openAdmin(wanted.database)
    const server = await readServer(admin, wanted)
    const inside = await readInside(session, wanted)
    const { grantSchema, extensions } = decideInside(inside, server, wanted)
    if (plan.database === 'keep' && plan.role.action === 'create' && inside.otherOwners.length > 0) {
      this.note(
        `${sentence(inside.otherOwners)} own tables in database ${wanted.database}: a role that is made anew does not own what its namesake did`,
      )
    }
    if (!grantSchema && extensions.length === 0) return
    if (grantSchema) this.changing({ object: 'grants', name: wanted.database, action: 'granted' })
    for (const name of extensions) this.changing({ object: 'extension', name, action: 'created' })
    await convergeInside(session, { grantSchema, extensions }, server, wanted)
    this.commitChanges()
    const created = plan.database === 'create'
    if (grantSchema) {
      this.report(created ? 'created' : 'repaired', 'grants', timer, [
        `${wanted.username}: USAGE and CREATE on schema public`,
      ])
      this.row({
        subject: 'Grants',
        now: grantsNow(plan),
        ...(created ? {} : { found: 'rights on schema `public` were missing' }),
        done: 'granted',
      })
    }
    for (const name of extensions) {
      this.step('created', 'extension', `${name} created in schema public`)
      this.row({ subject: `Extension \`${name}\``, now: 'in schema `public`', done: 'created' })
    }
  }

  /** Only a credential that was proven this way is published. */
  private async prove(login: Login): Promise<void> {
    const timer = stopwatch()
    const attempt = await logInPatiently(this.server, login)
    const session = this.keep(sessionOf(attempt, login))
    const evidence = weigh(attempt, login, true)
    if (evidence === 'unproven' && this.request.unproven === 'refuse') throw unproven(login)
    await proveWork(session, login.database)
    if (evidence === 'unproven') this.noteUnproven()
    const proven = evidence === 'unproven' ? 'not proven: the server asks for no password' : 'proven'
    const text = `logged in as ${login.user}, created a table, inserted, selected, rolled back`
    this.report(evidence === 'unproven' ? 'attention' : 'right', 'proof', timer, [text])
    this.row({ subject: 'Login', now: `${proven}: table created, row written and read, rolled back` })
  }

  private async publish({ secret, secretPlan }: Look): Promise<void> {
    const timer = stopwatch()
    const subject = `Secret \`${this.wanted.secret}\``
    if (secretPlan.kind === 'keep') {
      this.step('right', 'Secret', `${this.wanted.secret} is as wanted`)
      this.row({ subject, now: 'as wanted' })
      return
    }
    const written =
      secretPlan.kind === 'create' || secret === undefined
        ? await createApplicationSecret(this.api, this.namespace, this.request.appSecret, secretPlan.values)
        : await repairApplicationSecret(this.api, secret, secretPlan.values)
    if (written === 'conflict') throw new StartAgain('the application Secret was changed meanwhile')
    this.resourceVersion = written.resourceVersion
    const keys = Object.keys(secretPlan.values)
    const created = secretPlan.kind === 'create'
    this.changed({ object: 'secret', name: this.wanted.secret, action: created ? 'created' : 'repaired' })
    this.report(created ? 'created' : 'repaired', 'Secret', timer, [
      created
        ? `${this.wanted.secret} created, ${count(keys.length, 'key')}`
        : `${this.wanted.secret}: ${sentence(keys)} written, other keys kept`,
    ])
    this.row(
      created
        ? { subject, now: count(keys.length, 'key'), done: 'created' }
        : { subject, now: 'as wanted', found: `${sentence(keys)} missing or outdated`, done: 'written' },
    )
  }

  private reportInPlace({ plan, server, attempt, login, found, secretPlan }: Look): void {
    sessionOf(attempt, login)
    for (const note of plan.notes) this.note(note)
    const { username, database } = this.wanted
    const owner = server.database?.owner ?? ''
    this.step('right', 'role', `${username} is there`)
    this.row({ subject: `Role \`${username}\``, now: 'may log in' })
    this.step('right', 'database', `${database} is there, owner ${owner}`)
    this.row({ subject: `Database \`${database}\``, now: `owner \`${owner}\`` })
    this.step('right', 'grants', grantsNow(plan).replaceAll('`', ''))
    this.row({ subject: 'Grants', now: grantsNow(plan) })
    if (found.evidence === 'unproven') {
      this.noteUnproven()
      this.row({ subject: 'Login', now: 'could not be checked: the server asks for no password' })
    } else {
      this.step('right', 'proof', `logged in as ${username} with the password of ${this.wanted.secret}`)
      this.row({ subject: 'Login', now: 'works' })
    }
    const kept = secretPlan.kind === 'keep' ? secretPlan.kept : []
    const hand = kept.length > 0 ? `; ${sentence(kept)} was set by hand and stays` : ''
    this.step('right', 'Secret', `${this.wanted.secret} is as wanted${hand}`)
    this.row({ subject: `Secret \`${this.wanted.secret}\``, now: `as wanted${hand}` })
  }

  private reportDryRun({ plan, insidePlan, secretPlan }: Look): void {
    const { username, database, secret } = this.wanted
    const would = (change: Change, text: string, seen: string): void => {
      this.changed(change)
      const sign: Sign = change.action === 'created' ? 'created' : 'repaired'
      this.step(sign, change.object === 'secret' ? 'Secret' : change.object, `would be: ${text}`)
      const noun = change.object === 'grants' ? 'Grants' : `${change.object} \`${change.name}\``
      this.row({ subject: noun, now: seen, done: `would be ${text}` })
    }
    for (const note of plan.notes) this.note(note)
    if (plan.role.action === 'create') {
      would({ object: 'role', name: username, action: 'created' }, 'created', 'is not there')
    } else if (plan.role.action === 'set-password') {
      const { seen, done } = passwordWords(plan.role.reason)
      would({ object: 'role', name: username, action: 'password-set' }, done, seen)
    } else if (plan.role.mark !== undefined) {
      would(
        { object: 'role', name: username, action: 'marked' },
        'marked as ours',
        'nothing says whose it is',
      )
    }
    if (plan.database === 'create') {
      would({ object: 'database', name: database, action: 'created' }, 'created', 'is not there')
    }
    if (plan.grants?.owner !== undefined) {
      would(
        { object: 'database', name: database, action: 'owner-changed' },
        'given to another owner',
        'another owner',
      )
    }
    const { grants } = plan
    const granting =
      grants === undefined || grants.application || grants.revokePublic || grants.connect.length > 0
    if (granting || insidePlan.grantSchema) {
      would({ object: 'grants', name: database, action: 'granted' }, 'granted', 'not as wanted')
    }
    for (const name of insidePlan.extensions) {
      would({ object: 'extension', name, action: 'created' }, 'created', 'is not there')
    }
    if (secretPlan.kind !== 'keep') {
      const action = secretPlan.kind === 'create' ? 'created' : 'repaired'
      const text = action === 'created' ? 'created' : `given ${sentence(Object.keys(secretPlan.values))}`
      would(
        { object: 'secret', name: secret, action },
        text,
        action === 'created' ? 'is not there' : 'keys missing or outdated',
      )
    }
  }

  /** Turns whatever stopped the run into the Failure to show. */
  toFailure(error: unknown): Failure {
    if (this.deadline.signal.aborted) return this.deadline.signal.reason as Failure
    if (error instanceof pg.DatabaseError) return postgresFailure(error)
    if (error instanceof StartAgain) {
      return new Failure(
        'timeout',
        `The run did not come to its end: ${error.message}, and no time is left.`,
        [
          'Somebody else keeps changing the same role, database or Secret. Give it more time: input "timeout".',
        ],
      )
    }
    return asFailure(error)
  }

  async close(): Promise<void> {
    this.deadline.stop()
    await this.endSessions()
    ;(this.api as Api | undefined)?.close()
  }

  outcome(failure: Failure | undefined): Outcome {
    const { request } = this
    return {
      failure,
      dryRun: request.dryRun,
      application: request.appUsername,
      seconds: (performance.now() - this.started) / 1000,
      changes: this.changes,
      rows: [...this.rows.values()],
      notes: this.notes,
      cluster: this.cluster,
      permissions: this.permissions,
      secret: {
        namespace: this.cluster?.namespace,
        name: request.appSecret,
        resourceVersion: this.resourceVersion,
      },
      database: request.appDatabase,
      serverVersion: this.serverVersion,
      restart: this.restart,
    }
  }

  private get namespace(): string {
    return this.cluster?.namespace ?? ''
  }

  private get ca(): string | undefined {
    return this.request.sslRootCert ?? this.access.ca
  }

  private wantedSecret(password: string): Parameters<typeof planSecret>[1] {
    const { request, access, ca } = this
    return {
      namespace: this.namespace,
      name: request.appSecret,
      values: {
        PGHOST: access.host,
        PGPORT: String(access.port),
        PGUSER: request.appUsername,
        PGPASSWORD: password,
        PGDATABASE: request.appDatabase,
        PGSSLMODE: request.appSslMode ?? access.sslMode,
        ...(access.replicaHost !== undefined && { PGHOST_REPLICA: access.replicaHost }),
        ...(ca !== undefined && ca !== 'system' && { 'ca.crt': ca }),
      },
      explicit: new Set([
        ...(request.appSslMode === undefined ? [] : (['PGSSLMODE'] as const)),
        ...(request.sslRootCert === undefined ? [] : (['ca.crt'] as const)),
      ]),
    }
  }

  /** What the application will use, which is what has to be proven. */
  private publishedSslMode(secret: ApplicationSecret | undefined, plan: SecretPlan): SslMode {
    const written = plan.kind === 'keep' ? undefined : plan.values.PGSSLMODE
    return (written ?? secret?.values.PGSSLMODE ?? this.access.sslMode) as SslMode
  }

  private freshPassword(): string {
    const password = generate({ length: 32, numbers: true, strict: true })
    this.mask(password)
    return password
  }

  private keep<Kept extends Session | undefined>(session: Kept): Kept {
    if (session !== undefined) this.sessions.add(session)
    return session
  }

  private async endSessions(): Promise<void> {
    const sessions = [...this.sessions]
    this.sessions.clear()
    await Promise.all(sessions.map(async (session) => session.end()))
  }

  private permissionsMissing(report: PermissionReport): Failure {
    this.permissions = report
    this.reporter.detail('Role and RoleBinding for the administrator', report.manifest.split('\n'))
    return permissionFailure(report)
  }

  /** Changes of a transaction that is under way: they count once it is committed. */
  private pending: Change[] = []

  private changing(change: Change): void {
    this.pending.push(change)
  }

  private commitChanges(): void {
    for (const change of this.pending) this.changed(change)
    this.pending = []
  }

  private changed(change: Change): void {
    const known = this.changes.some(
      ({ object, name, action }) =>
        object === change.object && name === change.name && action === change.action,
    )
    if (!known) this.changes.push(change)
  }

  private row(row: Row): void {
    this.rows.set(row.subject, row)
  }

  private note(text: string): void {
    if (this.notes.includes(text)) return
    this.notes.push(text)
    this.step('attention', 'note', text)
  }

  private noteUnproven(): void {
    this.note(
      'the login could not be checked: the server asks for no password here, so whoever may port-forward may be any role',
    )
  }

  private report(sign: Sign, subject: string, timer: Stopwatch, lines: readonly string[]): void {
    this.step(sign, subject, lines.join('\n'), timer())
  }

  private step(sign: Sign, subject: string, text: string, seconds?: number): void {
    this.reporter.step({ sign, subject, text, ...(seconds !== undefined && { seconds }) })
  }
}

/** Gives the seconds since it was made. */
type Stopwatch = () => number

function stopwatch(): Stopwatch {
  const start = performance.now()
  return () => (performance.now() - start) / 1000
}

function isInPlace(look: Look): boolean {
  return look.secretPlan.kind === 'keep' && isEmpty(look.plan, look.insidePlan)
}

function passwordWords(reason: PasswordReason | undefined): { seen: string; done: string } {
  switch (reason) {
    case 'secret-gone':
      return { seen: 'the Secret with its password is gone', done: 'given a new password' }
    case 'literal':
      return {
        seen: `its password was the literal text ${literalPassword} of the old manual procedure, which is public`,
        done: "set to the Secret's",
      }
    case 'adopted':
      return { seen: 'it was not ours', done: 'adopted, its password set' }
    case 'drift':
    case undefined:
      return { seen: 'its password was not the one in the Secret', done: "set to the Secret's" }
  }
}

function grantsNow(plan: Plan): string {
  const open = plan.ours ? '; not open to `PUBLIC`' : ''
  return `all on the database, \`USAGE\` and \`CREATE\` on \`public\`${open}`
}

function unproven(login: Login): Failure {
  return new Failure('login-unproven', `PostgreSQL let "${login.user}" in without asking for a password.`, [
    'A trust rule for 127.0.0.1 in pg_hba.conf does that; the official image has one. No password can be proven there,',
    'and whoever may port-forward to the Pod may be any role, the superuser included.',
    'Ask the administrator for scram-sha-256 in that rule. To publish a password unproven: set unproven: accept.',
  ])
}
