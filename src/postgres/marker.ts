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

/** How the comment of every role of ours begins, so that the server can look for it. */
export const markerStart = '{"pg-app-user":1,'

/** Gives the comment that says what the marker says. */
export function formatMarker(marker: Marker): string {
  return formatNote(marker, undefined)
}

/** Gives the comment that says what the marker says, where there is one, and the note beside it. */
export function formatNote(marker: Marker | undefined, note: Note | undefined): string {
  const claim = marker && {
    secret: marker.secret,
    database: marker.database,
    createdDatabase: marker.createdDatabase,
  }
  const creating = note && { creating: { secret: note.secret, database: note.database } }
  return JSON.stringify({ 'pg-app-user': 1, ...claim, ...creating })
}

/** Gives the marker in a role's comment, or nothing where the comment is none of ours. */
export function parseMarker(comment: string | null): Marker | undefined {
  const { secret, database, createdDatabase } = parse(comment)
  if (typeof secret !== 'string' || typeof database !== 'string') return undefined
  return { secret, database, createdDatabase: createdDatabase === true }
}

/** Gives the note in a role's comment, or nothing where there is none. */
export function parseNote(comment: string | null): Note | undefined {
  const { creating } = parse(comment)
  if (typeof creating !== 'object' || creating === null) return undefined
  const { secret, database } = creating as Record<string, unknown>
  if (typeof secret !== 'string' || typeof database !== 'string') return undefined
  return { secret, database }
}

function parse(comment: string | null): Record<string, unknown> {
  if (comment?.startsWith(markerStart) !== true) return {}
  try {
    return JSON.parse(comment) as Record<string, unknown>
  } catch {
    return {}
  }
}
