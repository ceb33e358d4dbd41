import type { Journal } from './journal.ts'
import { literalPassword, type Look } from './look.ts'
import type { Change } from './outcome.ts'
import type { PasswordReason, Wanted } from './postgres/decide.ts'
import { sessionOf } from './postgres/login.ts'
import type { ServerState } from './postgres/state.ts'
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
export function tellDryRun({ plan, insidePlan, secretPlan }: Look, wanted: Wanted, journal: Journal): void {
  const { username, database, secret } = wanted
  const { role, grants } = plan
  const would = (change: Change, seen: string, done: string): void => {
    journal.changed(change)
    const noun = change.object === 'secret' ? 'Secret' : change.object
    const sign = change.action === 'created' ? 'created' : 'repaired'
    journal.step(sign, noun, `${change.name}: ${seen}; would be ${done}`)
    const [first = '', ...rest] = noun
    journal.row({
      subject: `${first.toUpperCase()}${rest.join('')} ${codeSpan(change.name)}`,
      now: seen,
      done: `would be ${done}`,
    })
  }
  for (const note of plan.notes) journal.note(note)
  if (role.action === 'create') {
    would({ object: 'role', name: username, action: 'created' }, 'not there', 'created')
  } else if (role.action === 'set-password') {
    const { seen, done } = passwordWords(role.reason)
    would({ object: 'role', name: username, action: 'password-set' }, seen, done)
  } else if (role.mark !== undefined) {
    would({ object: 'role', name: username, action: 'marked' }, 'nothing says whose it is', 'marked as ours')
  }
  if (plan.database === 'create') {
    would({ object: 'database', name: database, action: 'created' }, 'not there', 'created')
  }
  if (grants?.owner !== undefined) {
    const owner = grants.owner === 'app' ? username : 'the admin'
    would(
      { object: 'database', name: database, action: 'owner-changed' },
      'another owner',
      `given to ${owner}`,
    )
  }
  const granting =
    grants === undefined || grants.application || grants.revokePublic || grants.connect.length > 0
  if (granting || insidePlan.grantSchema) {
    would({ object: 'grants', name: database, action: 'granted' }, 'not as wanted', 'put right')
  }
  for (const name of insidePlan.extensions) {
    would({ object: 'extension', name, action: 'created' }, 'not there', 'created in schema public')
  }
  if (secretPlan.kind === 'create') {
    would({ object: 'secret', name: secret, action: 'created' }, 'not there', 'created')
  }
  if (secretPlan.kind === 'repair') {
    const keys = sentence(Object.keys(secretPlan.values))
    would({ object: 'secret', name: secret, action: 'repaired' }, `${keys} missing or outdated`, 'put right')
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
