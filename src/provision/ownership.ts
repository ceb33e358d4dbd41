import { Failure } from '../lib/failure.ts'
import { inputs, named, setting } from '../lib/spelling.ts'
import type { Marker, RoleComment } from '../postgres/marker.ts'
import type { RoleState, ServerState } from '../postgres/state.ts'
import type { PasswordReason } from './change.ts'
import { foreignOwner } from './database-refusals.ts'
import { namesAll, type Observed } from './observed.ts'
import {
  adminLacks,
  cannotLogin,
  claimed,
  databaseClaimed,
  full,
  notAlterable,
  notOurs,
  privileged,
  unreadable,
} from './refusals.ts'
import type { Wanted } from './wanted.ts'

/** What to do about the role itself. */
export type RoleDecision = 'create' | 'keep' | { readonly reason: PasswordReason }

/**
 * Returns what to do about the role.
 *
 * @param notes gets what needs a look and stops nothing
 * @throws Failure where the rules of authority forbid it
 */
export function decideRole(observed: Observed, wanted: Wanted, notes: string[]): RoleDecision {
  const { server, evidence } = observed
  const { role, admin } = server
  if (role === undefined) {
    if (evidence instanceof Failure) throw evidence
    if (!admin.createRole) throw adminLacks(server, 'CREATEROLE', wanted)
    return 'create'
  }
  if (role.unreadable) throw unreadable(wanted)
  const mine = ownMarker(role, wanted) !== undefined
  if (role.marker !== undefined && !mine) throw claimed(role.marker, wanted)

  const trusted = mine || evidence === 'proven' || observed.literalLogsIn || wanted.existing === 'adopt'
  if (!trusted) throw notOurs(role, observed, wanted)
  if (!role.canLogin || role.expired) throw cannotLogin(role, wanted)
  if (evidence instanceof Failure) throw evidence

  if (evidence === 'proven' || (evidence === 'unproven' && mine && observed.secretHasPassword)) {
    if (role.dangers.length > 0) {
      notes.push(
        `role ${wanted.username} is more than an application role: ${role.dangers.join(', ')}; a password is never set for such a role`,
      )
    }
    return 'keep'
  }
  // Members of a role of ours had its rights before, and would have them after.
  const dangers = mine ? role.dangers : [...role.dangers, ...role.members.map((name) => `has member ${name}`)]
  if (dangers.length > 0) throw privileged(dangers, wanted)
  if (!role.alterable) throw notAlterable(server, wanted)
  // The new one could not be proven, and the old one would be gone.
  if (role.full !== null) throw full(role.full, wanted)
  const reason =
    observed.literalLogsIn && !mine
      ? 'literal'
      : !mine
        ? 'adopted'
        : observed.secretHasPassword
          ? 'drift'
          : 'secret-gone'
  return { reason }
}

function ownMarker(role: RoleState | undefined, wanted: Wanted): Marker | undefined {
  const marker = role?.marker
  return marker?.secret === wanted.secret ? marker : undefined
}

/**
 * Refuses what other markers claim, whether it is there or not: whose it is, the administrator alone can say. Only a role of
 * this very Secret may give way, and the database of this role to another one, where somebody adopts.
 */
export function refuseClaimed({ claims, role }: ServerState, wanted: Wanted): void {
  const others = claims.filter(({ secret }) => secret !== wanted.secret)
  if (others.length > 0) throw databaseClaimed(others, wanted)
  if (wanted.existing === 'adopt') return
  const former = claims[0]
  if (former !== undefined) {
    throw new Failure(
      'database-not-ours',
      `Database "${wanted.database}" belongs to ${wanted.secret} with role "${former.role}", and this run names role "${wanted.username}".`,
      [
        `A frequent cause is a changed ${named('app-username')}. What the role owns in the database stays its own.`,
        `If the application is to go on with another role: set ${setting('existing', 'adopt')}.`,
      ],
    )
  }
  const marker = ownMarker(role, wanted)
  if (marker !== undefined && marker.database !== wanted.database) {
    throw new Failure(
      'database-not-ours',
      `Role "${wanted.username}" belongs to ${wanted.secret} with database "${marker.database}", and this run names database "${wanted.database}".`,
      [
        `A frequent cause is a changed ${named('app-database')}, or a Secret that was edited.`,
        `If the application is to go on with another database: set ${setting('existing', 'adopt')}. "${marker.database}" stays as it is, and is no longer looked after.`,
        `If it is another application: give it a role and a Secret of its own, ${inputs('app-username', 'app-secret')}.`,
      ],
    )
  }
}

/**
 * A database is ours if the role's marker, or the note of a run that went no further, says that a run created it, and nobody
 * else has come to own it since. One that is not is used where the server itself vouches for it: the application owns it or
 * was granted all on it. A login says nothing about it, and neither does a Secret, which the application may be able to write.
 */
export function databaseIsOurs(observed: Observed, wanted: Wanted): boolean {
  const { server } = observed
  const { database, role, admin } = server
  if (database === undefined) return true
  if (!database.acceptsConnections) {
    throw new Failure(
      'database-closed',
      `Database "${wanted.database}" does not accept connections (ALLOW_CONNECTIONS is off, or it is being dropped).`,
      [
        'It was closed on purpose, or a DROP DATABASE was interrupted. Ask the administrator; this tool does not open it.',
      ],
    )
  }
  const adopt = wanted.existing === 'adopt'
  const marker = ownMarker(role, wanted)
  const unchanged = database.owner === admin.name || database.owner === wanted.username
  if (unchanged && isNoted(role, wanted)) return true
  if (marker?.database === wanted.database) {
    if (!marker.createdDatabase) return false
    if (unchanged) return true
    // Granted already: it was ours, and a new admin or a move has changed its owner since. No reason to stop a pipeline.
    if (adopt || database.granted) return false
    throw foreignOwner(server, wanted)
  }
  if (adopt) return false
  // Without the role nothing of it is left on the server; then it has to look as runs leave a database.
  const vouched =
    role === undefined
      ? database.owner === admin.name && !database.publicConnects
      : database.owner === wanted.username || database.granted
  if (namesAll(observed.secretNames) && vouched) return false
  throw new Failure(
    'database-not-ours',
    `Database "${wanted.database}" exists, and nothing says that it belongs to ${wanted.secret}.`,
    [
      `It is owned by "${database.owner}", and no role of this tool names it.`,
      `If it is yours, for example made by hand before: set ${setting('existing', 'adopt')}. It keeps its content and its owner.`,
      `If it belongs to another application: choose another ${named('app-database')}.`,
    ],
  )
}

function isNoted(role: RoleState | undefined, wanted: Wanted): boolean {
  return role?.note?.secret === wanted.secret && role.note.database === wanted.database
}

/**
 * Decides what the role's comment is to say, and what before a database is made for it.
 *
 * @param notes gets what cannot be said there
 */
export function decideComment(
  observed: Observed,
  wanted: Wanted,
  decision: RoleDecision,
  ours: boolean,
  notes: string[],
): { readonly note?: RoleComment; readonly comment?: RoleComment } {
  const { server } = observed
  const { role } = server
  const current = role?.marker
  const createdDatabase = ours || (current?.database === wanted.database && current.createdDatabase)
  const marker: Marker = { secret: wanted.secret, database: wanted.database, createdDatabase }
  if (role === undefined) return { comment: { marker, note: undefined, kept: {} } }
  if (
    current?.secret === marker.secret &&
    current.database === marker.database &&
    current.createdDatabase === marker.createdDatabase &&
    role.note === undefined
  ) {
    return {}
  }
  // One whose password stays is proven by its login, or says that it is ours already.
  const mayMark = role.alterable && role.dangers.length === 0
  if (decision !== 'keep' || mayMark) {
    const unsaid = server.database === undefined && !isNoted(role, wanted)
    const { secret, database } = marker
    const { kept } = role
    if ('comment' in kept && current === undefined) {
      notes.push(`role ${wanted.username} had a comment, which is kept within the one that says whose it is`)
    }
    return {
      comment: { marker, note: undefined, kept },
      ...(unsaid && { note: { marker: current, note: { secret, database }, kept } }),
    }
  }
  if (server.database === undefined) {
    throw role.dangers.length > 0 ? privileged(role.dangers, wanted) : notAlterable(server, wanted)
  }
  if (role.dangers.length === 0) {
    notes.push(
      `role ${wanted.username} cannot be marked as belonging to ${wanted.secret}: the admin has no ADMIN OPTION on it`,
    )
  }
  return {}
}
