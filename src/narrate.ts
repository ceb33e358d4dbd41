import type { Journal } from './journal.ts'
import { literalPassword, type Look } from './look.ts'
import type { Change } from './outcome.ts'
import type { PasswordReason, Wanted } from './postgres/decide.ts'
import { sessionOf } from './postgres/login.ts'
import type { ServerState } from './postgres/state.ts'
import type { Step } from './reporter.ts'
import { codeSpan, sentence } from './text.ts'

/**
 * Tells about a run that found everything in place.
 *
 * @throws Failure if the login was refused for a reason that nothing here can put right
 */
export function tellInPlace(look: Look, wanted: Wanted, journal: Journal): void {
  const { plan, server, attempt, login, found, secretPlan, seconds } = look
  sessionOf(attempt, login)
  const { username, database, secret } = wanted
  const owner = server.database?.owner ?? ''
  for (const note of plan.notes) journal.note(note)
  journal.step('right', 'role', `${username} is there`)
  journal.row({ subject: `Role ${codeSpan(username)}`, now: roleNow(server) })
  journal.step('right', 'database', `${database} is there, owner ${owner}`)
  journal.row({ subject: `Database ${codeSpan(database)}`, now: `owner ${codeSpan(owner)}` })
  journal.step('right', 'grants', grantsNow(plan.ours).replaceAll('`', ''))
  journal.row({ subject: 'Grants', now: grantsNow(plan.ours) })
  if (found.evidence === 'unproven') {
    journal.loginUnchecked = true
    journal.note(
      'the login could not be checked: the server asks for no password here, so whoever may port-forward may be any role',
    )
    journal.row({ subject: 'Login', now: 'could not be checked: the server asks for no password' })
  } else {
    const text = `logged in as ${username} with the password of ${secret}`
    journal.step('right', 'proof', text, seconds.application)
    journal.row({ subject: 'Login', now: 'works' })
  }
  const kept = secretPlan.kind === 'keep' ? secretPlan.kept : []
  const hand = kept.length > 0 ? `; ${sentence(kept)} set by hand, and kept` : ''
  journal.step('right', 'Secret', `${secret} is as wanted${hand}`)
  journal.row({ subject: `Secret ${codeSpan(secret)}`, now: `as wanted${hand}` })
}

/** Tells what a run would do. */
export function tellDryRun(look: Look, wanted: Wanted, journal: Journal): void {
  for (const note of look.plan.notes) journal.note(note)
  for (const intention of intentions(look, wanted)) {
    const { change, seen, done } = intention
    const { sign, subject, text } = stepOf(intention)
    journal.changed(change)
    journal.step(sign, subject, text)
    const [first = '', ...rest] = subject
    journal.row({
      subject: `${first.toUpperCase()}${rest.join('')} ${codeSpan(change.name)}`,
      now: seen,
      done: `would be ${done}`,
    })
  }
}

/** Gives what a run would do, as steps for a person to agree to. */
export function stepsToCome(look: Look, wanted: Wanted): readonly Step[] {
  return [...intentions(look, wanted)].map(stepOf)
}

const notThere = 'not there'

/** One change that has not been made yet, with what led to it. */
interface Intention {
  readonly change: Change
  readonly seen: string
  readonly done: string
}

function stepOf({ change, seen, done }: Intention): Step {
  return {
    sign: seen === notThere ? 'created' : 'repaired',
    subject: change.object === 'secret' ? 'Secret' : change.object,
    text: `${change.name}: ${seen}; would be ${done}`,
  }
}

function* intentions({ plan, insidePlan, secretPlan }: Look, wanted: Wanted): Generator<Intention> {
  const { username, database, secret } = wanted
  const { role, grants } = plan
  const fresh = { seen: notThere, done: 'created' }
  if (role.action === 'create') {
    yield { change: { object: 'role', name: username, action: 'created' }, ...fresh }
  } else if (role.note !== undefined) {
    const words = { seen: 'nothing says that a database is made for it', done: 'given a note' }
    yield { change: { object: 'role', name: username, action: 'noted' }, ...words }
  }
  if (plan.database === 'create') {
    yield { change: { object: 'database', name: database, action: 'created' }, ...fresh }
  }
  for (const name of insidePlan.extensions) {
    const words = { seen: notThere, done: 'created in schema public' }
    yield { change: { object: 'extension', name, action: 'created' }, ...words }
  }
  if (grants?.owner !== undefined) {
    const owner = grants.owner === 'app' ? username : 'the admin'
    const words = { seen: 'another owner', done: `given to ${owner}` }
    yield { change: { object: 'database', name: database, action: 'owner-changed' }, ...words }
  }
  const granting =
    grants === undefined || grants.application || grants.revokePublic || grants.connect.length > 0
  if (granting || insidePlan.grantSchema) {
    const words =
      plan.database === 'create'
        ? { seen: notThere, done: 'given' }
        : { seen: 'not as wanted', done: 'put right' }
    yield { change: { object: 'grants', name: database, action: 'granted' }, ...words }
  }
  if (role.action === 'set-password') {
    yield {
      change: { object: 'role', name: username, action: 'password-set' },
      ...passwordWords(role.reason),
    }
  } else if (role.action === 'keep' && role.mark !== undefined) {
    const words = { seen: 'nothing says whose it is', done: 'marked as ours' }
    yield { change: { object: 'role', name: username, action: 'marked' }, ...words }
  }
  if (secretPlan.kind === 'create') {
    yield { change: { object: 'secret', name: secret, action: 'created' }, ...fresh }
  }
  if (secretPlan.kind === 'repair') {
    const words = {
      seen: `${sentence(Object.keys(secretPlan.values))} missing or outdated`,
      done: 'put right',
    }
    yield { change: { object: 'secret', name: secret, action: 'repaired' }, ...words }
  }
}

/** Says why a role gets a password: what was seen, and what was done about it. */
export function passwordWords(reason: PasswordReason | undefined): { seen: string; done: string } {
  switch (reason) {
    case 'secret-gone':
      return { seen: 'the Secret holds no password for it', done: 'given a new password' }
    case 'literal':
      return {
        seen: `its password was the text ${literalPassword} that the old manual procedure sets by mistake, and which is public`,
        done: "set to the Secret's",
      }
    case 'adopted':
      return { seen: 'it was not ours', done: 'adopted, its password set' }
    case 'drift':
    case undefined:
      return { seen: 'its password was not the one in the Secret', done: "set to the Secret's" }
  }
}

/** Gives the role as the summary's table shows it. */
export function roleNow(server: ServerState): string {
  const dangers = server.role?.dangers ?? []
  return `login, ${dangers.length === 0 ? 'no dangerous attribute' : dangers.join(', ')}`
}

/** Gives the grants as the summary's table shows them. */
export function grantsNow(ours: boolean): string {
  return `all on the database, \`USAGE\` and \`CREATE\` on \`public\`${ours ? '; not open to `PUBLIC`' : ''}`
}
