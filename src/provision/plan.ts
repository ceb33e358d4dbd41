import pg from 'pg'
import { Failure } from '../failure.ts'
import type { ApplicationKey } from '../kubernetes/application-secret.ts'
import type { Evidence } from '../postgres/login.ts'
import type { Marker, RoleComment } from '../postgres/marker.ts'
import type { DatabaseState, InsideState, RoleState, ServerState } from '../postgres/state.ts'
import { sentence } from '../text.ts'
import type { Change, PasswordReason } from './change.ts'
import {
  adminLacks,
  cannotLogin,
  claimed,
  commandsOf,
  databaseClaimed,
  foreignOwner,
  notAlterable,
  notOurs,
  privileged,
  quoted,
  schemaRefused,
  unreadable,
} from './refusals.ts'
import type { Wanted } from './wanted.ts'

/** Everything that was found, from which alone is decided what to do. It holds no credential. */
export interface Observed {
  readonly server: ServerState
  /** What is inside the database; of one that is yet to be made, what it will be copied from. Absent until somebody looks. */
  readonly inside?: InsideState
  readonly evidence: Evidence
  /** What the application Secret needs. */
  readonly secret: {
    readonly kind: 'create' | 'repair' | 'keep'
    /** What is to be written. */
    readonly keys: readonly ApplicationKey[]
  }
  /** Whether the application Secret holds a password. */
  readonly secretHasPassword: boolean
  /** Whether the Secret itself names role, database and host of this run. */
  readonly secretNamesAll: boolean
  /** Whether the public literal of the old manual page logs in. */
  readonly literalLogsIn: boolean
}

/** What a run is going to do: the list that is shown, agreed to, made, and told. */
export interface Plan {
  /** In the order in which they are made. */
  readonly changes: readonly Change[]
  /** Whether the database is ours, created by a run of this tool, or somebody else's that we use. */
  readonly ours: boolean
  /** Things that need a look and stop nothing, one line each. */
  readonly notes: readonly string[]
}

/**
 * Returns what has to be done, also to a database that is yet to be made, or the Failure that forbids it. Nothing is done
 * here, so that a dry run, a first look without the lock and the look that counts come to the same list. While `inside` is
 * absent, what depends on it is left out.
 */
export function plan(observed: Observed, wanted: Wanted): Plan | Failure {
  try {
    return planned(observed, wanted)
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
}

function planned(observed: Observed, wanted: Wanted): Plan {
  const { server, inside, secret } = observed
  if (server.unknownRoles.length > 0) {
    const names = sentence(server.unknownRoles.map(quoted))
    throw new Failure(
      'connect-role-unknown',
      `PostgreSQL knows no role ${names}, which input "connect-roles" names.`,
      ['Check the spelling; upper and lower case differ. Or leave the role out.'],
    )
  }
  const notes: string[] = []
  const role = decideRole(observed, wanted, notes)
  refuseClaimed(server, wanted)
  const isNew = server.database === undefined
  if (isNew && !server.admin.createDatabase) throw adminLacks(server, 'CREATEDB')
  const ours = isNew || databaseIsOurs(observed, wanted)
  const { note, comment } = decideComment(observed, wanted, role, ours, notes)
  const grants = decideGrants(server, wanted, ours, notes)
  const { extensions, schema } =
    inside === undefined
      ? { extensions: [], schema: [] }
      : decideInside(inside, server, wanted, grants, notes)
  const again = secret.kind !== 'create'
  const changes: readonly Change[] = [
    ...(role === 'create' && comment ? [{ kind: 'create-role', comment, again } as const] : []),
    ...(note === undefined ? [] : [{ kind: 'note-database', comment: note } as const]),
    ...(isNew ? [{ kind: 'create-database', owner: server.admin.name, again } as const] : []),
    ...extensions,
    ...grants,
    ...schema,
    ...(typeof role === 'object'
      ? [{ kind: 'set-password', reason: role.reason, ...(comment && { comment }) } as const]
      : []),
    ...(role === 'keep' && comment ? [{ kind: 'mark-role', comment } as const] : []),
    ...(secret.kind === 'keep' ? [] : [{ kind: `${secret.kind}-secret`, keys: secret.keys } as const]),
  ]
  return { changes, ours, notes }
}

const identifier = pg.escapeIdentifier

/** What to do about the role itself. */
type RoleDecision = 'create' | 'keep' | { readonly reason: PasswordReason }

function decideRole(observed: Observed, wanted: Wanted, notes: string[]): RoleDecision {
  const { server, evidence } = observed
  const { role, admin } = server
  if (role === undefined) {
    if (evidence instanceof Failure) throw evidence
    if (!admin.createRole) throw adminLacks(server, 'CREATEROLE')
    return 'create'
  }
  if (role.unreadable) throw unreadable(wanted)
  const mine = isMine(role, wanted)
  if (role.marker !== undefined && !mine) throw claimed(role.marker, wanted)

  const trusted = mine || evidence === 'proven' || observed.literalLogsIn || wanted.existing === 'adopt'
  if (!trusted) throw notOurs(role, observed.secretHasPassword, wanted)
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
  if (role.dangers.length > 0) throw privileged(role, wanted)
  if (!role.alterable) throw notAlterable(server, wanted)
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

function isMine(role: RoleState | undefined, wanted: Wanted): boolean {
  return role?.marker?.secret === wanted.secret
}

/**
 * Refuses what other markers claim, whether it is there or not: whose it is, the administrator alone can say. Only a role of
 * this very Secret may give way, and the database of this role to another one, where somebody adopts.
 */
function refuseClaimed({ claims, role }: ServerState, wanted: Wanted): void {
  const others = claims.filter(({ secret }) => secret !== wanted.secret)
  if (others.length > 0) throw databaseClaimed(others, wanted)
  if (wanted.existing === 'adopt') return
  const former = claims[0]
  if (former !== undefined) {
    throw new Failure(
      'database-not-ours',
      `Database "${wanted.database}" belongs to ${wanted.secret} with role "${former.role}", and this run names role "${wanted.username}".`,
      [
        'A frequent cause is a changed app-username. What the role owns in the database stays its own.',
        'If the application is to go on with another role: set existing: adopt.',
      ],
    )
  }
  const marker = isMine(role, wanted) ? role?.marker : undefined
  if (marker !== undefined && marker.database !== wanted.database) {
    throw new Failure(
      'database-not-ours',
      `Role "${wanted.username}" belongs to ${wanted.secret} with database "${marker.database}", and this run names database "${wanted.database}".`,
      [
        'A frequent cause is a changed app-database, or a Secret that was edited.',
        `If the application is to go on with another database: set existing: adopt. "${marker.database}" stays as it is, and is no longer looked after.`,
        'If it is another application: give it a role and a Secret of its own, inputs "app-username" and "app-secret".',
      ],
    )
  }
}

/**
 * A database is ours if the role's marker, or the note of a run that went no further, says that a run created it, and nobody
 * else has come to own it since. One that is not is used where the server itself vouches for it: the application owns it or
 * was granted all on it. A login says nothing about it, and neither does a Secret, which the application may be able to write.
 */
function databaseIsOurs(observed: Observed, wanted: Wanted): boolean {
  const { server } = observed
  const { database, role, admin } = server
  if (database === undefined) return true
  if (!database.acceptsConnections) {
    throw new Failure(
      'database-closed',
      `Database "${wanted.database}" does not accept connections (ALLOW_CONNECTIONS is off, or it is being dropped).`,
      [
        'Somebody closed it on purpose, or a DROP DATABASE was interrupted. Ask the administrator; nothing here opens it.',
      ],
    )
  }
  const adopt = wanted.existing === 'adopt'
  const marker = isMine(role, wanted) ? role?.marker : undefined
  const unchanged = database.owner === admin.name || database.owner === wanted.username
  if (unchanged && isNoted(role, wanted)) return true
  if (marker?.database === wanted.database) {
    if (!marker.createdDatabase) return false
    if (unchanged) return true
    // Granted already: it was ours, and a new admin or a move has changed its owner since. No reason to stop a pipeline.
    if (adopt || database.granted) return false
    throw foreignOwner(server, wanted, 'It was to be made by this tool, and belongs to somebody else now.')
  }
  if (adopt) return false
  // Without the role nothing of it is left on the server; then it has to look as runs leave a database.
  const vouched =
    role === undefined
      ? database.owner === admin.name && !database.publicConnects
      : database.owner === wanted.username || database.granted
  if (observed.secretNamesAll && vouched) return false
  throw new Failure(
    'database-not-ours',
    `Database "${wanted.database}" exists, and nothing says that it belongs to ${wanted.secret}.`,
    [
      `It is owned by "${database.owner}", and no role of this tool names it.`,
      'If it is yours, for example made by hand before: set existing: adopt. It keeps its content and its owner.',
      'If it belongs to another application: choose another app-database.',
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
function decideComment(
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
  if (
    current?.secret === marker.secret &&
    current.database === marker.database &&
    current.createdDatabase === marker.createdDatabase &&
    role?.note === undefined
  ) {
    return {}
  }
  if (role === undefined) return { comment: { marker, note: undefined, kept: {} } }
  const mayMark = role.alterable && role.dangers.length === 0 && observed.evidence === 'proven'
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
    throw role.dangers.length > 0 ? privileged(role, wanted) : notAlterable(server, wanted)
  }
  if (role.dangers.length === 0) {
    notes.push(
      `role ${wanted.username} cannot be marked as belonging to ${wanted.secret}: the admin has no ADMIN OPTION on it`,
    )
  }
  return {}
}

/**
 * Returns what is to be granted on the database, and who is to own it. On one that is ours PUBLIC loses CONNECT, so others'
 * roles must get it first; on an adopted one that would be an outage for whoever relies on it, so it is only reported.
 *
 * @throws Failure where the admin may not do that
 */
export function decideGrants(
  server: ServerState,
  wanted: Wanted,
  ours: boolean,
  notes: string[],
): readonly Change[] {
  const { admin, role } = server
  const database = databaseOf(server)
  const owner =
    database.owner === wanted.username ? 'app' : database.owner === admin.name ? 'admin' : undefined
  const wantedOwner = wanted.databaseOwner ?? (ours ? 'admin' : undefined)
  const newOwner = wantedOwner === owner ? undefined : wantedOwner
  if (!ours && newOwner !== undefined && wanted.existing !== 'adopt') {
    throw new Failure(
      'database-not-ours',
      `Database "${wanted.database}" was not made by this tool, so its owner "${database.owner}" stays, and input "database-owner" asks for another.`,
      [
        'Leave "database-owner" out to keep the owner. If the database is yours to give away: set existing: adopt.',
      ],
    )
  }
  if (!ours && database.publicConnects) {
    notes.push(
      `database ${wanted.database} was not made by this tool and is open to PUBLIC: every role may connect; to close it, revoke CONNECT from PUBLIC`,
    )
  }
  const open = [
    ...(database.publicConnects ? (['CONNECT'] as const) : []),
    ...(database.publicTemporary ? (['TEMPORARY'] as const) : []),
  ]
  const roles = ours ? database.withoutConnect : database.shutOut
  const grants: readonly Change[] = [
    ...((ours ? !database.granted : !database.grantedOrPublic) ? [{ kind: 'grant-database' } as const] : []),
    ...(roles.length > 0 ? [{ kind: 'grant-connect', roles } as const] : []),
    ...(ours && open.length > 0 ? [{ kind: 'revoke-public', privileges: open } as const] : []),
  ]
  if (grants.length === 0 && newOwner === undefined) return []
  if (owner === undefined && !database.adminOwns) {
    throw foreignOwner(
      server,
      wanted,
      `The admin "${admin.name}" can grant nothing on it. Its owner can:`,
      ...commandsOf(
        grants.filter(({ kind }) => kind !== 'revoke-public'),
        wanted,
      ).map((command) => `  ${command}`),
    )
  }
  if ((owner === 'app' || newOwner === 'app') && role !== undefined && !role.held && !role.alterable) {
    throw notAlterable(server, wanted)
  }
  if (newOwner === undefined) return grants
  if (!admin.createDatabase) throw adminLacks(server, 'CREATEDB')
  const toApplication = newOwner === 'app'
  const to = toApplication ? wanted.username : admin.name
  return [...grants, { kind: 'set-owner', from: database.owner, to, toApplication }]
}

/** Returns the database as it is, or as it will be right after it is made. */
function databaseOf({ database, newDatabase }: ServerState): DatabaseState {
  const found = database ?? newDatabase
  if (found === undefined) throw new Error('a database is there, or it is known what a new one is like')
  return found
}

/**
 * Returns what to do inside the database.
 *
 * @param grants what changes about the database itself: a new owner has rights that are yet to be seen
 * @throws Failure `extension-unavailable` and `extension-not-trusted` for extensions that this admin cannot create,
 *   `grant-ineffective` for rights that it cannot give
 */
function decideInside(
  inside: InsideState,
  server: ServerState,
  wanted: Wanted,
  grants: readonly Change[],
  notes: string[],
): { readonly extensions: readonly Change[]; readonly schema: readonly Change[] } {
  const missing = wanted.extensions.filter((extension) => !inside.extensions.includes(extension))
  const unavailable = missing.filter((extension) => server.unavailableExtensions.includes(extension))
  if (unavailable.length > 0) {
    throw new Failure(
      'extension-unavailable',
      `This PostgreSQL has no extension ${sentence(unavailable.map(quoted))}.`,
      ['Check input "extensions". If the name is right, the administrator has to install its files first.'],
    )
  }
  const untrusted = missing.filter((extension) => server.untrustedExtensions.includes(extension))
  if (untrusted.length > 0) {
    throw new Failure(
      'extension-not-trusted',
      `Extension ${sentence(untrusted.map(quoted))} is not trusted: only a superuser may create it (42501).`,
      [
        ...(server.database === undefined
          ? [
              'Leave it out of input "extensions" for now, so that the database gets made. Then let a superuser run in it:',
            ]
          : [`Ask the administrator to let a superuser run in database "${wanted.database}":`]),
        ...untrusted.map((extension) => `  CREATE EXTENSION ${identifier(extension)} SCHEMA public;`),
      ],
    )
  }
  // Rights that come with the ownership alone would be lost with it: they are granted wherever that is possible.
  const { role } = server
  const borrowable = role === undefined || role.held || role.alterable
  const granted = inside.schemaGranted === 'as owner' ? !borrowable : inside.schemaGranted
  const known = server.database !== undefined && !grants.some(({ kind }) => kind === 'set-owner')
  if (known && !granted && !inside.schemaGrantable) throw schemaRefused(inside, wanted)
  if (server.database !== undefined && role === undefined && inside.otherOwners.length > 0) {
    notes.push(
      `${sentence(inside.otherOwners)} own tables in database ${wanted.database}: a role that is made anew does not own what its namesake did`,
    )
  }
  return {
    extensions: missing.map((extension) => ({ kind: 'create-extension', extension })),
    schema: granted ? [] : [{ kind: 'grant-schema' }],
  }
}
