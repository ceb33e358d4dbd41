import type { Step } from '../lib/reporter.ts'
import { codeSpan, count } from '../lib/text.ts'
import type { ServerState } from '../postgres/state.ts'
import type { Row } from '../run/outcome.ts'
import { effectOf, wordsOf, type Change } from './change.ts'
import type { Effect } from './effect.ts'
import type { Wanted } from './wanted.ts'

/** Returns the steps that tell what would be done, for a dry run and for the question whether to go on. */
export function stepsToCome(changes: readonly Change[], wanted: Wanted): readonly Step[] {
  return bySubject(changes, wanted).map((same) => ({
    ...headOf(same, changes, wanted),
    text: same
      .map((change) => {
        const { found, would } = wordsOf(change, wanted)
        return `${effectOf(change, wanted).name}: ${found}; would be ${would}`
      })
      .join('\n'),
  }))
}

/** Returns the rows that tell what would be done. */
export function rowsToCome(changes: readonly Change[], wanted: Wanted): readonly Row[] {
  return bySubject(changes, wanted).map((same) => ({
    subject: subjectOf(same, wanted),
    now: each(same, (change) => wordsOf(change, wanted).found),
    done: `would be ${each(same, (change) => wordsOf(change, wanted).would)}`,
  }))
}

/**
 * Returns the step that tells what was done: changes on one subject, which were made together.
 *
 * @param all the changes of the run: what is granted on a database that is new was not wrong before
 */
export function stepDone(made: readonly Change[], all: readonly Change[], wanted: Wanted): Step {
  return {
    ...headOf(made, all, wanted),
    text: made.map((change) => wordsOf(change, wanted).line).join('\n'),
  }
}

/**
 * Returns the row that tells what was done about one subject.
 *
 * @param now how it is after that
 */
export function rowDone(made: readonly Change[], all: readonly Change[], wanted: Wanted, now: string): Row {
  const isNew = headOf(made, all, wanted).sign === 'created'
  const found = each(made, (change) => wordsOf(change, wanted).found)
  const again = made.some((change) => 'again' in change && change.again)
  return {
    subject: subjectOf(made, wanted),
    now,
    ...((!isNew || again) && { found }),
    done:
      isNew && made.every((change) => isGrant(effectOf(change, wanted)))
        ? 'granted'
        : each(made, (change) => wordsOf(change, wanted).done),
  }
}

/** Returns the subject of a row. */
function subjectOf([change]: readonly Change[], wanted: Wanted): string {
  if (change === undefined) return ''
  const { object, name } = effectOf(change, wanted)
  if (object === 'grants') return 'Grants'
  if (object === 'binding') return `Service binding ${codeSpan(name)}`
  const [first = '', ...rest] = object
  return `${first.toUpperCase()}${rest.join('')} ${codeSpan(name)}`
}

function headOf(
  [change]: readonly Change[],
  all: readonly Change[],
  wanted: Wanted,
): Pick<Step, 'sign' | 'subject'> {
  if (change === undefined) throw new Error('a step tells of a change at least')
  const effect = effectOf(change, wanted)
  const { object, action } = effect
  const isNew =
    action === 'created' || (isGrant(effect) && all.some(({ kind }) => kind === 'create-database'))
  return { sign: isNew ? 'created' : 'repaired', subject: object === 'secret' ? 'Secret' : object }
}

function isGrant({ object }: Effect): boolean {
  return object === 'grants'
}

/** Puts together what is about the same thing, in the order of the first of each. */
function bySubject(changes: readonly Change[], wanted: Wanted): readonly (readonly Change[])[] {
  const groups = Map.groupBy(changes, (change) => {
    const { object, name, action } = effectOf(change, wanted)
    return `${object} ${name} ${action}`
  })
  return [...groups.values()]
}

/** Says the same thing once. */
function each(changes: readonly Change[], say: (change: Change) => string): string {
  return [...new Set(changes.map(say))].join('; ')
}

/** Returns the role as the summary's table shows it. */
export function roleNow(server: ServerState): string {
  const dangers = server.role?.dangers ?? []
  return `login, ${dangers.length === 0 ? 'no dangerous attribute' : dangers.join(', ')}`
}

/** Returns the grants as the summary's table shows them. */
export function grantsNow(ours: boolean): string {
  return `all on the database, \`USAGE\` and \`CREATE\` on \`public\`${ours ? '; not open to `PUBLIC`' : ''}`
}

/** Returns how many sessions are still open on a password that is no longer the role's. */
export function sessionsWords(open: number, username: string): string {
  return `${count(open, 'session')} of ${username} ${open === 1 ? 'is' : 'are'} still open on the old one`
}
