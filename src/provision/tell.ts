import { codeSpan, sentence } from '../lib/text.ts'
import { sessionOf } from '../postgres/login.ts'
import type { Journal } from '../run/journal.ts'
import { listed } from './change.ts'
import type { Look } from './look.ts'
import { grantsNow, roleNow, rowsToCome, stepsToCome } from './render.ts'
import type { Wanted } from './wanted.ts'

/**
 * Tells about a run that found everything in place.
 *
 * @throws Failure if the login was refused for a reason that nothing here can put right
 */
export function tellInPlace(look: Look, wanted: Wanted, journal: Journal): void {
  const { plan, server, attempt, login, observed, secretPlan, seconds } = look
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
  if (observed.evidence === 'unproven') {
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
  journal.step('right', 'Secret', `${secret} is up to date${hand}`)
  journal.row({ subject: `Secret ${codeSpan(secret)}`, now: `up to date${hand}` })
  tellBinding(wanted, journal)
}

/** Tells about a service binding that needs nothing, where one is asked for. */
export function tellBinding({ binding }: Wanted, journal: Journal): void {
  if (binding === undefined) return
  journal.step('right', 'binding', `${binding} is up to date`)
  journal.row({ subject: `Service binding ${codeSpan(binding)}`, now: 'up to date' })
}

/** Tells what a run would do. */
export function tellDryRun({ plan }: Look, wanted: Wanted, journal: Journal): void {
  for (const note of plan.notes) journal.note(note)
  journal.changed(listed(plan.changes, wanted))
  for (const { sign, subject, text } of stepsToCome(plan.changes, wanted)) journal.step(sign, subject, text)
  for (const row of rowsToCome(plan.changes, wanted)) journal.row(row)
}
