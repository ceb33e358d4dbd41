import { Failure } from './failure.ts'
import { stopwatch, type Journal } from './journal.ts'
import { createApplicationSecret, repairApplicationSecret } from './kubernetes/application-secret.ts'
import { isInPlace, Looker, type Look } from './look.ts'
import { grantsNow, passwordWords, roleNow, stepsToCome, tellDryRun, tellInPlace } from './narrate.ts'
import type { Change, Row } from './outcome.ts'
import {
  convergeGrants,
  convergeRole,
  createDatabase,
  createExtension,
  grantSchema,
  rehearse,
  writeNote,
} from './postgres/converge.ts'
import { decideGrants, decideInside, type GrantPlan, type InsidePlan } from './postgres/decide.ts'
import { passingOf, StartAgain } from './postgres/failure.ts'
import { watched } from './postgres/in-the-way.ts'
import { takeLock, type Lock } from './postgres/lock.ts'
import { sessionOf, unproven, weigh } from './postgres/login.ts'
import { proveWork } from './postgres/proof.ts'
import type { Attempt, Session } from './postgres/session.ts'
import { aboutInside, aboutServer, type ServerState } from './postgres/state.ts'
import type { Run } from './run.ts'
import { codeSpan, count, sentence } from './text.ts'
import { allOf, underWay } from './under-way.ts'

const shortPassword = 16
/** PostgreSQL 15 took CREATE on schema `public` from PUBLIC. Source: its release notes. */
const createTakenFrom = 150_000

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
  const session = await patience.insist(
    () =>
      watched(
        sessions,
        (obstacle) => {
          patience.meet(obstacle)
        },
        () => convergeOnce(run, looker),
      ),
    { passing: passingOf, giveBack: () => sessions.endAll() },
  )
  journal.settle()
  return session
}

async function convergeOnce(run: Run, looker: Looker): Promise<Session> {
  const { request, sessions, journal, deadline, wanted } = run
  deadline.enter('the first look')
  const first = await looker.look()
  if (isInPlace(first)) {
    tellInPlace(first, wanted, journal)
    return first.admin
  }
  if (request.dryRun) {
    tellDryRun(first, wanted, journal)
    return first.admin
  }
  await sessions.end(first.attempt.session)
  await agree(first, run)
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
  for (const note of look.plan.notes) journal.note(note)
  await apply(look, lock, run)
  return look.admin
}

/** Does what was decided, proves it, and publishes it. */
async function apply(look: Look, lock: Lock<unknown>, run: Run): Promise<void> {
  const { sessions, deadline } = run
  const { role, database: found } = look.plan
  deadline.enter('the role')
  // A new role comes first, because all else needs it. The password of one that is there cannot be taken back, and others may
  // live on it: it comes last, after all that may be refused.
  const before = role.action === 'create' ? putRoleRight(look, run) : prepareRole(look, run)
  const database = await (found === 'create' ? makeDatabase : keepDatabase)(look, before, run)
  const inside = underWay(enterDatabase(look, database, run))
  // Before the application may create anything where the scripts of extensions run.
  if (look.insidePlan.extensions.length > 0) await createExtensions(await inside, database, run)
  const granting = underWay(putGrantsRight(look, database, run))
  const early = role.action === 'set-password' ? undefined : underWay(database.login(granting))
  await allOf(granting, putSchemaRight(look, database, inside, granting, run))
  if (role.action !== 'create') await finishRole(look, run)
  deadline.enter('the proof')
  const login = early ?? underWay(sessions.tryAs(look.login))
  // Whether the lock is still held is asked along with the proof, which is the last there is before the Secret.
  const held = login.catch(() => undefined).then(() => makeSureOf(lock))
  await allOf(held, prove(look, login, run))
  deadline.enter('the Secret')
  await publish(look, run)
}

/** Without the lock, another run may have set another password meanwhile. */
async function makeSureOf(lock: Lock<unknown>): Promise<void> {
  if (!(await lock.isHeld())) throw new StartAgain('the lock was lost')
}

/** Asks, where there is a person to ask. What they agree to is looked at once more under the lock. */
async function agree(look: Look, { cluster, journal, deadline, wanted }: Run): Promise<void> {
  const question = {
    server: journal.cluster?.server ?? '',
    namespace: cluster.namespace,
    steps: stepsToCome(look, wanted),
  }
  deadline.enter('the question whether to go on')
  const agreed = (await journal.reporter.confirm?.(question, deadline.signal)) ?? true
  deadline.signal.throwIfAborted()
  if (!agreed) throw new Failure('cancelled', 'The answer to the question was no.', [])
}

/** Says beforehand that a database is about to be made for the role, where no marker does. */
function prepareRole({ plan, admin, server }: Look, { journal, wanted }: Run): RoleUnderWay {
  const { note, ...role } = plan.role
  if (role.action === 'keep' && role.mark === undefined) {
    journal.step('right', 'role', `${wanted.username} is there`)
    journal.row({ subject: `Role ${codeSpan(wanted.username)}`, now: roleNow(server) })
  }
  const done =
    note === undefined
      ? Promise.resolve()
      : underWay(
          journal.make([{ object: 'role', name: wanted.username, action: 'noted' }], (decisive) =>
            writeNote(admin, server.role?.marker, note, wanted, decisive),
          ),
        )
  return { done, committing: done }
}

/** Sets the password of a role that is there, and claims it, once nothing else is left to be refused. */
async function finishRole(look: Look, run: Run): Promise<void> {
  const { role } = look.plan
  if (role.action === 'keep' && role.mark === undefined) return
  run.deadline.enter('the role')
  if (role.action === 'set-password') {
    const session = await run.sessions.asAdmin(run.wanted.database)
    await rehearse(session, run.wanted)
    await run.sessions.end(session)
  }
  await putRoleRight(look, run).done
}

/** The role, about to be there. */
interface RoleUnderWay {
  readonly done: Promise<void>
  /** When nothing but the answer to COMMIT is missing. */
  readonly committing: Promise<void>
}

function putRoleRight(look: Look, run: Run): RoleUnderWay {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const done = underWay(
    changeRole(look, run, () => {
      resolve(undefined)
    }),
  )
  return { done, committing: underWay(Promise.race([promise, done])) }
}

async function changeRole(look: Look, run: Run, committing: () => void): Promise<void> {
  const { plan, admin, server, secret, found, login } = look
  const { journal, wanted } = run
  const { username } = wanted
  const { role } = plan
  const subject = `Role ${codeSpan(username)}`
  const timer = stopwatch()
  const action = { create: 'created', 'set-password': 'password-set', keep: 'marked' } as const
  await journal.make([{ object: 'role', name: username, action: action[role.action] }], (decisive) =>
    convergeRole(admin, role, wanted, login.password, journal.mask, () => {
      decisive()
      committing()
    }),
  )
  if (role.action === 'create') {
    const gone = secret === undefined ? '' : "; it was gone, and got the Secret's password again"
    const text = `${username} created, SCRAM-SHA-256 verifier, no dangerous attribute${gone}`
    journal.step('created', 'role', text, timer())
    const found = secret === undefined ? {} : { found: 'it was gone' }
    journal.row({ subject, now: 'login, no dangerous attribute', done: 'created', ...found })
    return
  }
  if (role.action === 'keep') {
    const text = `${username} is there and its login works: marked as belonging to ${wanted.secret}`
    journal.step('repaired', 'role', text, timer())
    journal.row({ subject, now: roleNow(server), found: 'nothing said whose it is', done: 'marked as ours' })
    return
  }
  const { seen, done } = passwordWords(role.reason)
  journal.step('repaired', 'role', `${username} is there, ${seen}: ${done}`, timer())
  journal.row({ subject, now: roleNow(server), found: seen, done })
  if (!found.secretHasPassword) {
    const open = server.role?.sessions ?? 0
    const sessions = `${count(open, 'session')} of ${username} ${open === 1 ? 'is' : 'are'} still open on the old one`
    journal.restart = `**Restart the Pods that use this Secret:** a new password was made, because it held none. ${sessions}.`
    if (open > 0) journal.note(`a new password was made; ${sessions}: restart what uses it`)
  } else if (login.password.length < shortPassword) {
    journal.note(
      `the password in ${wanted.secret} has only ${login.password.length} characters; take the key PGPASSWORD out to get a new one`,
    )
  }
}

/** The application's database, which is there. */
interface Database {
  readonly created: boolean
  /** What the summary says of it, as long as it is not given to somebody else. */
  readonly row: Row
  readonly server: ServerState
  readonly grants: GrantPlan
  /** Gives the admin's session in it. */
  readonly inside: () => Promise<Session>
  /** Gives the application's. A login depends on the role and on the database's grants alone. */
  readonly login: (granting: Promise<unknown>) => Promise<Attempt>
}

async function keepDatabase(look: Look, role: RoleUnderWay, run: Run): Promise<Database> {
  const { plan, server } = look
  const { sessions, journal, deadline, wanted } = run
  const { database } = wanted
  await role.done
  deadline.enter('the database and its grants')
  const owner = server.database?.owner ?? ''
  journal.step('right', 'database', `${database} is there, owner ${owner}`)
  const row = { subject: `Database ${codeSpan(database)}`, now: `owner ${codeSpan(owner)}` }
  journal.row(row)
  const grants = plan.grants ?? decideGrants(server, wanted, plan.ours, [])
  return {
    created: false,
    row,
    server,
    grants,
    inside: () => sessions.asAdmin(database),
    login: (granting) => granting.then(() => sessions.tryAs(look.login)),
  }
}

/**
 * Asks for the database right behind the role's COMMIT, in the same session. Nothing but a lost connection keeps a COMMIT of
 * statements that all went well from doing so, and then neither gets there.
 */
async function makeDatabase(look: Look, role: RoleUnderWay, run: Run): Promise<Database> {
  const { plan, admin, server, secret } = look
  const { sessions, journal, deadline, wanted } = run
  const { database } = wanted
  await role.committing
  deadline.enter('the database and its grants')
  const timer = stopwatch()
  const making = journal.make([{ object: 'database', name: database, action: 'created' }], (decisive) =>
    createDatabase(admin, wanted, decisive),
  )
  // Anybody may connect to a new database, so that nothing needs to be granted before.
  const inside = underWay(sessions.asAdmin(database, { there: making }))
  const login =
    plan.role.action === 'set-password'
      ? undefined
      : underWay(role.done.then(() => sessions.tryAs(look.login, { there: making })))
  const [, made] = await allOf(role.done, making)
  const seconds = timer()
  const now = await made.server
  const { name } = server.admin
  journal.step('created', 'database', `${database} created, owner ${name}`, seconds)
  const again = secret !== undefined
  const row = {
    subject: `Database ${codeSpan(database)}`,
    now: `owner ${codeSpan(name)}`,
    ...(again && { found: 'it was gone' }),
    done: again ? 'created, and it is empty' : 'created',
  }
  journal.row(row)
  if (again) journal.note(`database ${database} was gone and is made anew: it is empty`)
  const grants = plan.grants ?? decideGrants(now, wanted, plan.ours, [])
  return {
    created: true,
    row,
    server: now,
    grants,
    inside: () => inside,
    login: () => login ?? sessions.tryAs(look.login),
  }
}

/** @returns what the server looks like with the grants on the database and its owner */
async function putGrantsRight(
  look: Look,
  { created, row, server, grants }: Database,
  run: Run,
): Promise<ServerState> {
  const { plan, admin } = look
  const { journal, wanted } = run
  const { database, username } = wanted
  const newOwner = grants.owner === 'app' ? username : grants.owner && server.admin.name
  const lines = [
    ...(grants.application ? [`${username}: all on the database`] : []),
    ...(grants.connect.length > 0 ? [`${sentence(grants.connect)}: CONNECT`] : []),
    ...(grants.revokePublic ? ['PUBLIC: CONNECT and TEMPORARY taken away'] : []),
  ]
  const changes: Change[] = [
    ...(lines.length > 0 ? [{ object: 'grants', name: database, action: 'granted' } as const] : []),
    ...(newOwner ? [{ object: 'database', name: database, action: 'owner-changed' } as const] : []),
  ]
  if (changes.length === 0) return server
  const timer = stopwatch()
  const now = await journal.make(changes, (decisive) =>
    convergeGrants(admin, grants, server, wanted, plan.ours, decisive),
  )
  const text = [...lines, ...(newOwner ? [`owner changed to ${newOwner}`] : [])].join('\n')
  journal.step(created ? 'created' : 'repaired', 'grants', text, timer())
  if (lines.length > 0) tellGrants(plan.ours, created, lines.join('; '), journal)
  if (newOwner) {
    const given = { found: 'another owner', done: `given to ${codeSpan(newOwner)}` }
    journal.row({ ...row, now: `owner ${codeSpan(newOwner)}`, ...(!created && given) })
  }
  return now
}

/** What is to be done inside the database, by a session in it. */
interface Inside {
  readonly session: Session
  readonly plan: InsidePlan
}

/** Enters the database where something inside of it is to be done, or may be. */
async function enterDatabase(look: Look, database: Database, run: Run): Promise<Inside | undefined> {
  const { plan, insidePlan } = look
  const { created, server } = database
  const nothing = !insidePlan.grantSchema && insidePlan.extensions.length === 0
  if (!created && nothing && plan.role.action !== 'create') return undefined
  const session = await database.inside()
  // As PostgreSQL 15 and later are shipped, nobody may create in a new database: that needs no look.
  const known = created && server.versionNumber >= createTakenFrom
  return { session, plan: known ? insidePlan : await lookInside(session, look, server, run) }
}

async function createExtensions(inside: Inside | undefined, { server }: Database, run: Run): Promise<void> {
  const { journal, wanted } = run
  if (inside === undefined) return
  for (const name of inside.plan.extensions) {
    await journal.make([{ object: 'extension', name, action: 'created' }], (decisive) =>
      createExtension(inside.session, name, server, wanted, decisive),
    )
    journal.step('created', 'extension', `${name} created in schema public`)
    journal.row({ subject: `Extension ${codeSpan(name)}`, now: 'in schema `public`', done: 'created' })
  }
}

async function putSchemaRight(
  { plan }: Look,
  { created, grants, server }: Database,
  entering: Promise<Inside | undefined>,
  granting: Promise<ServerState>,
  run: Run,
): Promise<void> {
  const { sessions, journal, wanted } = run
  // In a new database that stays the admin's, both go on side by side.
  const now = created && grants.owner === undefined ? server : await granting
  const timer = stopwatch()
  const inside = await entering
  if (inside === undefined) return
  const granted =
    inside.plan.grantSchema &&
    (await journal.make([{ object: 'grants', name: wanted.database, action: 'granted' }], (decisive) =>
      grantSchema(inside.session, now, wanted, decisive),
    ))
  const seconds = timer()
  // Told in the order of the story.
  await granting
  if (granted) {
    const text = `${wanted.username}: USAGE and CREATE on schema public`
    journal.step(created ? 'created' : 'repaired', 'grants', text, seconds)
    tellGrants(plan.ours, created, 'USAGE and CREATE on schema `public`', journal)
  }
  await sessions.end(inside.session)
}

/** Looks at what is inside the database before that is changed. */
async function lookInside(session: Session, look: Look, server: ServerState, run: Run): Promise<InsidePlan> {
  const { journal, wanted } = run
  const { plan } = look
  const inside = await session.ask(aboutInside(wanted))
  if (plan.database === 'keep' && plan.role.action === 'create' && inside.otherOwners.length > 0) {
    const owners = sentence(inside.otherOwners)
    journal.note(
      `${owners} own tables in database ${wanted.database}: a role that is made anew does not own what its namesake did`,
    )
  }
  return decideInside(inside, server, wanted)
}

function tellGrants(ours: boolean, created: boolean, done: string, journal: Journal): void {
  journal.row({
    subject: 'Grants',
    now: grantsNow(ours),
    ...(!created && { found: 'not as wanted' }),
    done: created ? 'granted' : done,
  })
}

/** Only a credential that was proven this way is published. */
async function prove({ login, plan }: Look, trying: Promise<Attempt>, run: Run): Promise<void> {
  const { request, sessions, journal } = run
  const timer = stopwatch()
  const attempt = await trying
  const session = sessionOf(attempt, login)
  // The server got a verifier of SCRAM in this run: what asks for MD5 then is not the one that holds it.
  const foreign = plan.role.action !== 'keep' && attempt.exchange === 'md5'
  const unchecked = foreign || weigh(attempt, login, true) === 'unproven'
  if (unchecked && request.unproven === 'refuse') throw unproven(login)
  await proveWork(session, login.database)
  await sessions.end(session)
  const work = 'created a table, inserted, selected, rolled back'
  if (unchecked) {
    journal.loginUnchecked = true
    journal.note(
      'published without proof: the server asks for no password here, so whoever may port-forward may be any role',
    )
  }
  journal.step(unchecked ? 'attention' : 'right', 'proof', `logged in as ${login.user}, ${work}`, timer())
  const proven = unchecked ? 'not proven: the server asks for no password' : 'proven'
  journal.row({ subject: 'Login', now: `${proven}: table created, row written and read, rolled back` })
}

async function publish({ secret, secretPlan }: Look, run: Run): Promise<void> {
  const { request, cluster, journal, deadline, wanted } = run
  const subject = `Secret ${codeSpan(wanted.secret)}`
  if (secretPlan.kind === 'keep') {
    journal.step('right', 'Secret', `${wanted.secret} is as wanted`)
    journal.row({ subject, now: 'as wanted' })
    return
  }
  const timer = stopwatch()
  const { values } = secretPlan
  const keys = Object.keys(values)
  const action = secret === undefined ? 'created' : 'repaired'
  journal.secretVersion = await journal.make(
    [{ object: 'secret', name: wanted.secret, action }],
    async (decisive) => {
      deadline.signal.throwIfAborted()
      decisive()
      const written =
        secret === undefined
          ? await createApplicationSecret(cluster.api, cluster.namespace, request.appSecret, values)
          : await repairApplicationSecret(cluster.api, secret, values)
      if (written === 'conflict') throw new StartAgain('the application Secret was changed meanwhile')
      return written.resourceVersion
    },
  )
  if (secret === undefined) {
    journal.step('created', 'Secret', `${wanted.secret} created, ${count(keys.length, 'key')}`, timer())
    journal.row({ subject, now: count(keys.length, 'key'), done: 'created' })
    return
  }
  const text = `${wanted.secret}: ${sentence(keys)} written, other keys kept`
  journal.step('repaired', 'Secret', text, timer())
  journal.row({ subject, now: 'as wanted', found: `${sentence(keys)} missing or outdated`, done: 'written' })
}
