/**
 * What a role's comment says about whom it belongs to. The comment of the role is the one place that neither the
 * application (which cannot comment on itself) nor a second deployment of the same names can forge by accident.
 */
export interface Marker {
  /** The application Secret that holds the role's password, as `namespace/name`. */
  readonly secret: string
  readonly database: string
  /** Written before CREATE DATABASE, so that a crash in between is recognised as ours to finish. */
  readonly createdDatabase: boolean
}

/**
 * What a run writes into the comment of a role that it has not claimed yet, before it makes a database for it: a crash in
 * between is recognised as its own to finish. It says nothing about whose the role is.
 */
export interface Note {
  /** The application Secret whose run makes the database. */
  readonly secret: string
  readonly database: string
}

/** Everything that the comment of a role says. */
export interface RoleComment {
  readonly marker: Marker | undefined
  readonly note: Note | undefined
  /** What others wrote there, under the names that it has beside the marker: it stays. */
  readonly kept: Readonly<Record<string, unknown>>
}

const key = 'pg-app-user'

/** The comment of a login that lives as long as a command. It names nobody, and no marker can be taken for it. */
export const loginComment =
  'pg-app-user exec: a login for one command. It ends by itself, and a later run drops it.'

/** This tool's name as data has it, in whatever notation: in quotes, or first behind a brace. Prose has it otherwise. */
const mention = /["'`{\p{Pi}\p{Pf}]\s*pg-app-user/iu

/** Returns the comment that says all this. A comment that was made by hand is the text `comment` in it. */
export function formatComment({ marker, note, kept }: RoleComment): string {
  const claim = marker && {
    secret: marker.secret,
    database: marker.database,
    createdDatabase: marker.createdDatabase,
  }
  const creating = note && { creating: { secret: note.secret, database: note.database } }
  return JSON.stringify({ [key]: 1, ...claim, ...creating, ...kept })
}

/**
 * Returns what the comment of a role says. One that has this tool's name as data has it, and is no marker of this version,
 * is unreadable: nobody knows whom it speaks for, so it counts as a claim of another application.
 */
export function readComment(comment: string | null): RoleComment | 'unreadable' {
  if (comment === null) return { marker: undefined, note: undefined, kept: {} }
  const content = parse(comment)
  if (!isObject(content) || !Object.hasOwn(content, key)) {
    if (mention.test(plain(comment))) return 'unreadable'
    return { marker: undefined, note: undefined, kept: { comment } }
  }
  const { [key]: version, secret, database, createdDatabase, creating, ...kept } = content
  const named = namesOf(content)
  const note = namesOf(creating)
  const whole =
    version === 1 &&
    (named !== undefined || (secret === undefined && database === undefined && note !== undefined)) &&
    (note !== undefined || creating === undefined)
  if (!whole) return 'unreadable'
  return { marker: named && { ...named, createdDatabase: createdDatabase === true }, note, kept }
}

/** Says whether an unreadable comment names a database. */
export function mayName(comment: string, database: string): boolean {
  const bare = (text: string): string => text.replaceAll('\\', '').replace(/['`\p{Pi}\p{Pf}]/gu, '"')
  return bare(plain(comment)).includes(bare(JSON.stringify(database)))
}

function namesOf(value: unknown): { secret: string; database: string } | undefined {
  if (!isObject(value)) return undefined
  const { secret, database } = value
  return typeof secret === 'string' && typeof database === 'string' ? { secret, database } : undefined
}

/** Returns JSON without the escapes that it need not have, and any other text as it is. */
function plain(comment: string): string {
  const content = parse(comment)
  return content === undefined ? comment : JSON.stringify(content)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
