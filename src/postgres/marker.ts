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

/** How the comment of every role of ours begins, so that the server can look for it. */
export const markerStart = '{"pg-app-user":1,'

/** Gives the comment that says what the marker says. */
export function formatMarker(marker: Marker): string {
  const { secret, database, createdDatabase } = marker
  return JSON.stringify({ 'pg-app-user': 1, secret, database, createdDatabase })
}

/** Gives the marker in a role's comment, or nothing where the comment is none of ours. */
export function parseMarker(comment: string | null): Marker | undefined {
  if (comment?.startsWith(markerStart) !== true) return undefined
  try {
    const { secret, database, createdDatabase } = JSON.parse(comment) as Record<string, unknown>
    if (typeof secret !== 'string' || typeof database !== 'string') return undefined
    return { secret, database, createdDatabase: createdDatabase === true }
  } catch {
    return undefined
  }
}
