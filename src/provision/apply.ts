import { codeSpan, count } from '../lib/text.ts'
import { allOf, underWay } from '../lib/under-way.ts'
import type { Attempt } from '../postgres/attempt.ts'
import { StartAgain } from '../postgres/failure.ts'
import type { Lock } from '../postgres/lock.ts'
import { sessionOf, weigh } from '../postgres/login.ts'
import { proveWork } from '../postgres/proof.ts'
import { unproven } from '../postgres/refusal.ts'
import type { Session } from '../postgres/session.ts'
import type { ServerState } from '../postgres/state.ts'
import type { Run } from '../run/context.ts'
import { stopwatch } from '../run/journal.ts'
import { publishBinding, publishNote, publishSecret } from '../secrets/publish.ts'
import { changesOf, listed, type Change, type ChangeOf, type Stage } from './change.ts'
import {
  changeGrants,
  changeRole,
  changeSettings,
  createDatabase,
  createExtension,
  grantSchema,
  rehearse,
  writeNote,
} from './converge.ts'
import { placeOf, type Look } from './look.ts'
import { grantsNow, roleNow, rowDone, sessionsWords, stepDone } from './render.ts'
import { tellBinding } from './tell.ts'

const shortPassword = 16

/**
 * Makes the changes of a plan, one step after the other, proves the login, and publishes it.
 *
 * @param look what was seen under the lock
 * @throws Failure, pg.DatabaseError
 */
export async function apply(look: Look, lock: Lock<unknown>, run: Run): Promise<void> {
  const { sessions, journal, deadline } = run
  for (const note of look.plan.notes) journal.note(note)

  deadline.enter('the role')
  await createRole(look, run)
  await noteDatabase(look, run)

  deadline.enter('the database and its grants')
  await makeDatabase(look, run)
  // These take nothing but the database: they arrive while the grants are given.
  const entering = underWay(enterDatabase(look, run))
  const arriving = isNew(look) ? underWay(sessions.tryAs(look.login)) : undefined
  // Before the application may create anything where the scripts of extensions run.
  await createExtensions(look, entering, run)
  const server = await putGrantsRight(look, run)
  const inside = await entering
  await putSchemaRight(look, inside, server, run)
  await giveSettings(look, run)

  // What nothing takes back comes after all that may be refused.
  await finishRole(look, inside, run)
  await sessions.end(inside)

  deadline.enter('the proof')
  // Whether the lock is still held is asked along with the proof, which is the last there is before the Secret.
  const attempt = await (arriving ?? sessions.tryAs(look.login))
  await allOf(makeSureOf(lock), prove(look, attempt, run))

  deadline.enter('the Secret')
  await writeSecret(look, run)
  await writeBinding(look, run)
}

/** Says whether role and database are both made by this run: then the login depends on nothing that comes later. */
function isNew({ plan }: Look): boolean {
  const kinds = plan.changes.map(({ kind }) => kind)
  return kinds.includes('create-role') && kinds.includes('create-database')
}

/** Without the lock, another run may have set another password meanwhile. */
async function makeSureOf(lock: Lock<unknown>): Promise<void> {
  if (!(await lock.isHeld())) throw new StartAgain('the lock was lost')
}

/** Makes changes, notes them, and tells about them in one step; does neither where the work gives `false`: nothing changed. */
async function make<Result>(
  changes: readonly Change[],
  { plan }: Look,
  { journal, wanted }: Run,
  work: (decisive: () => void) => Promise<Result>,
): Promise<Result> {
  const timer = stopwatch()
  const result = await journal.make(listed(changes, wanted), work)
  if (result === false) return result
  const { sign, subject, text } = stepDone(changes, plan.changes, wanted)
  journal.step(sign, subject, text, timer())
  return result
}

function only<Kind extends Change['kind']>(
  { plan }: Look,
  ...kinds: readonly Kind[]
): ChangeOf<Kind> | undefined {
  const isOne = (change: Change): change is ChangeOf<Kind> =>
    (kinds as readonly string[]).includes(change.kind)
  return plan.changes.find(isOne)
}

async function createRole(look: Look, run: Run): Promise<void> {
  const { plan, admin, server, login } = look
  const { journal, wanted } = run
  const change = only(look, 'create-role')
  if (change !== undefined) {
    await make([change], look, run, (decisive) =>
      changeRole(admin, change, wanted, login.password, journal.mask, decisive),
    )
    journal.row(rowDone([change], plan.changes, wanted, 'login, no dangerous attribute'))
  } else if (changesOf('password', plan.changes).length === 0) {
    journal.step('right', 'role', `${wanted.username} is there`)
    journal.row({ subject: `Role ${codeSpan(wanted.username)}`, now: roleNow(server) })
  }
}

/** Says beforehand that a database is about to be made for a role that is there. */
async function noteDatabase(look: Look, run: Run): Promise<void> {
  const change = only(look, 'note-database')
  if (change === undefined) return
  await make([change], look, run, (decisive) => writeNote(look.admin, change, run.wanted, decisive))
}

async function makeDatabase(look: Look, run: Run): Promise<void> {
  const { plan, admin, server } = look
  const { journal, wanted } = run
  const { database } = wanted
  const change = only(look, 'create-database')
  if (change === undefined) {
    const owner = server.database?.owner ?? ''
    journal.step('right', 'database', `${database} is there, owner ${owner}`)
    journal.row({ subject: `Database ${codeSpan(database)}`, now: `owner ${codeSpan(owner)}` })
    return
  }
  await make([change], look, run, (decisive) => createDatabase(admin, change, wanted, decisive))
  journal.row(rowDone([change], plan.changes, wanted, `owner ${codeSpan(change.owner)}`))
  if (change.again) journal.note(`database ${database} was gone and is created again: it is empty`)
}

/** Enters the database where something inside of it is to be done. */
async function enterDatabase({ plan }: Look, { sessions, wanted }: Run): Promise<Session | undefined> {
  const inside: readonly Stage[] = ['extensions', 'schema']
  const needed =
    plan.changes.some(({ kind }) => kind === 'set-password') ||
    inside.some((stage) => changesOf(stage, plan.changes).length > 0)
  return needed ? await sessions.asAdmin(wanted.database) : undefined
}

/** @throws Error where a change inside the database was not reckoned with: it must not be left out unnoticed */
function entered(session: Session | undefined): Session {
  if (session === undefined) throw new Error('a change inside the database takes a session in it')
  return session
}

async function createExtensions(look: Look, entering: Promise<Session | undefined>, run: Run): Promise<void> {
  const { plan, server } = look
  const { journal, wanted } = run
  for (const change of changesOf('extensions', plan.changes)) {
    if (change.kind !== 'create-extension') continue
    const session = entered(await entering)
    await make([change], look, run, (decisive) => createExtension(session, change, server, wanted, decisive))
    journal.row(rowDone([change], plan.changes, wanted, 'in schema `public`'))
  }
}

/** @returns what the server looks like with the grants on the database and its owner */
async function putGrantsRight(look: Look, run: Run): Promise<ServerState> {
  const { plan, admin, server } = look
  const { journal, wanted } = run
  const changes = changesOf('grants', plan.changes)
  if (changes.length === 0) return server
  const now = await make(changes, look, run, (decisive) =>
    changeGrants(admin, plan, server, wanted, decisive),
  )
  const owner = only(look, 'set-owner')
  const grants = changes.filter((change) => change !== owner)
  if (grants.length > 0) journal.row(rowDone(grants, plan.changes, wanted, grantsNow(plan.ours)))
  if (owner !== undefined) {
    journal.row(rowDone([owner], plan.changes, wanted, `owner ${codeSpan(owner.to)}`))
  }
  return now
}

async function putSchemaRight(
  look: Look,
  session: Session | undefined,
  server: ServerState,
  run: Run,
): Promise<void> {
  const { plan } = look
  const { journal, wanted } = run
  const change = only(look, 'grant-schema')
  if (change === undefined) return
  const changed = await make([change], look, run, (decisive) =>
    grantSchema(entered(session), change, server, look.observed.inside, wanted, decisive),
  )
  if (!changed) return
  const grants = [...changesOf('grants', plan.changes).filter(({ kind }) => kind !== 'set-owner'), change]
  journal.row(rowDone(grants, plan.changes, wanted, grantsNow(plan.ours)))
}

async function giveSettings(look: Look, run: Run): Promise<void> {
  const { plan, admin } = look
  const { journal, wanted } = run
  const changes = changesOf('settings', plan.changes)
  if (changes.length === 0) return
  await make(changes, look, run, (decisive) => changeSettings(admin, changes, wanted, decisive))
  for (const change of changes) {
    if (change.kind === 'set-setting') journal.row(rowDone([change], plan.changes, wanted, change.value))
  }
}

/** Sets the password of a role that is there, and claims it, once nothing else is left to be refused. */
async function finishRole(look: Look, session: Session | undefined, run: Run): Promise<void> {
  const { plan, admin, server, login, observed } = look
  const { journal, deadline, wanted } = run
  const change = only(look, 'set-password', 'mark-role')
  if (change === undefined) return
  // Made by this very run, in a look that was lost: nobody has the password that it had.
  const fresh = journal.hasChanged('role', 'created')
  deadline.enter('the role')
  if (change.kind === 'set-password') await rehearse(entered(session), server, wanted)
  await make([change], look, run, (decisive) =>
    changeRole(admin, change, wanted, login.password, journal.mask, decisive),
  )
  journal.row(rowDone([change], plan.changes, wanted, roleNow(server)))
  if (change.kind === 'mark-role') return
  if (fresh) return
  if (!observed.secretHasPassword) {
    const open = server.role?.sessions ?? 0
    const sessions = sessionsWords(open, wanted.username)
    journal.restart = `**Restart the Pods that use this Secret:** a new password was made, because it held none. ${sessions}.`
    if (open > 0) journal.note(`a new password was made; ${sessions}: restart what uses it`)
  } else if (login.password.length < shortPassword) {
    journal.note(
      `the password in ${wanted.secret} has only ${login.password.length} characters; remove the key PGPASSWORD to get a new password`,
    )
  }
}

/** Only a credential that was proven this way is published. */
async function prove({ login, plan }: Look, attempt: Attempt, run: Run): Promise<void> {
  const { request, sessions, journal, wanted } = run
  const timer = stopwatch()
  const session = sessionOf(attempt, login)
  // The server got a verifier of SCRAM in this run: what asks for MD5 then is not the one that holds it.
  const set = plan.changes.some(({ kind }) => kind === 'create-role' || kind === 'set-password')
  const foreign = set && attempt.exchange === 'md5'
  const unchecked = foreign || weigh(attempt, login, true) === 'unproven'
  if (unchecked && request.unproven === 'refuse') throw unproven(login, foreign ? 'md5' : 'none')
  await proveWork(session, wanted)
  await sessions.end(session)
  const work = 'created a table, inserted, selected, rolled back'
  if (unchecked) {
    journal.loginUnchecked = true
    journal.note(
      foreign
        ? 'published without proof: the server asked for MD5, although this run set a verifier of SCRAM, so that anything may have answered in its place'
        : 'published without proof: the server asks for no password here, so whoever may port-forward may be any role',
    )
  }
  journal.step(unchecked ? 'attention' : 'right', 'proof', `logged in as ${login.user}, ${work}`, timer())
  const seen = foreign ? 'asked for MD5, where this run set SCRAM' : 'asks for no password'
  const proven = unchecked ? `not proven: the server ${seen}` : 'proven'
  journal.row({ subject: 'Login', now: `${proven}: table created, row written and read, rolled back` })
}

async function writeSecret(look: Look, run: Run): Promise<void> {
  const { plan, secret } = look
  const { request, cluster, journal, deadline, wanted } = run
  const change = only(look, 'create-secret', 'repair-secret')
  if (change === undefined) {
    journal.step('right', 'Secret', `${wanted.secret} is up to date`)
    journal.row({ subject: `Secret ${codeSpan(wanted.secret)}`, now: 'up to date' })
    return
  }
  await make([change], look, run, async (decisive) => {
    deadline.signal.throwIfAborted()
    decisive()
    const written = await publishSecret(cluster.api, placeOf(request, cluster), look)
    if (written === 'conflict') throw new StartAgain('the application Secret was changed in the meantime')
    if (written !== 'kept') journal.secretVersion = written.resourceVersion
  })
  const now = secret === undefined ? count(change.keys.length, 'key') : 'up to date'
  journal.row(rowDone([change], plan.changes, wanted, now))
}

async function writeBinding(look: Look, run: Run): Promise<void> {
  const { plan, binding, bindingPlan } = look
  const { request, cluster, journal, deadline, wanted } = run
  if (bindingPlan === undefined) return
  const change = only(look, 'create-binding', 'repair-binding')
  if (change === undefined) {
    tellBinding(wanted, journal)
    return
  }
  const place = placeOf(request, cluster)
  await make([change], look, run, async (decisive) => {
    deadline.signal.throwIfAborted()
    decisive()
    // First, so that it is known of every binding that is there.
    const noted = await publishNote(cluster.api, place, look)
    if (noted === 'conflict') throw new StartAgain('the application Secret was changed in the meantime')
    if (noted !== 'kept') journal.secretVersion = noted.resourceVersion
    const written = await publishBinding(cluster.api, place, look)
    if (written === 'conflict') throw new StartAgain('the service binding was changed in the meantime')
  })
  const now = binding === undefined ? count(change.keys.length, 'key') : 'up to date'
  journal.row(rowDone([change], plan.changes, wanted, now))
}
