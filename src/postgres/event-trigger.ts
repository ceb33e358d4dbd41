import pg from 'pg'
import { oneLine } from '../lib/text.ts'
import type { Session } from './session.ts'

/** What an unqualified name that is not found ends with: an object, a function, a schema, a table. */
const unknownNames = ['42704', '42883', '3F000', '42P01']

/**
 * Returns a hint at the event trigger that an error comes from: it names the trigger, and says what this tool has to do with
 * it. Nothing where the error comes from none. No transaction may be under way.
 */
export async function eventTriggerHint(
  session: Session,
  error: pg.DatabaseError,
): Promise<readonly string[]> {
  const { where, code = '' } = error
  if (where === undefined) return []
  const triggers = await session
    .query<{ name: string; called: string }>(
      `select evtname as name, evtfoid::regproc::text as called from pg_event_trigger where evtenabled <> 'D' order by evtname`,
    )
    .catch(() => [])
  const found = triggers.find(({ called }) => isCalledIn(where, called))
  if (found === undefined) return []
  return [
    `It comes from event trigger "${oneLine(found.name)}", which calls ${oneLine(found.called)}().`,
    ...hintAtPath(found.called, code),
  ]
}

/**
 * Returns a hint at the event trigger that keeps a session from beginning (from PostgreSQL 17 on): nobody can look for it in
 * the database that it closes. Nothing where the refusal comes from none, because nothing else calls a function by then.
 */
export function loginTriggerHint({ where = '', code = '' }: pg.DatabaseError): readonly string[] {
  const called = where
    .match(/(?:(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)\.)?(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)\(\)/g)
    ?.at(-1)
  if (called === undefined) return []
  return [
    `It comes from ${oneLine(called)}, which an event trigger of that database calls at each login.`,
    ...hintAtPath(called.slice(0, -2), code),
    'Whoever made it can put it right. A superuser gets in all the same with PGOPTIONS="-c event_triggers=off".',
  ]
}

function hintAtPath(called: string, code: string): readonly string[] {
  if (!unknownNames.includes(code)) return []
  return [
    'Sessions of this tool have an empty search_path, for safety. The function has to name its objects with their schema, or set search_path itself:',
    `  ALTER FUNCTION ${oneLine(called)}() SET search_path = public;`,
  ]
}

/**
 * Says whether a CONTEXT names a function, in whatever language the server speaks: the signature is the same in all, the
 * words around it are not, and some languages put no space before it.
 *
 * @param called as regproc is written
 */
export function isCalledIn(context: string, called: string): boolean {
  for (let at = context.indexOf(`${called}(`); at !== -1; at = context.indexOf(`${called}(`, at + 1)) {
    // The end of a longer name is another function's.
    if (!/[\w$."]$/.test(context.slice(0, at))) return true
  }
  return false
}
