import { Failure } from '../lib/failure.ts'
import { input, setting, spoken } from '../lib/spelling.ts'
import { numbered, sentence } from '../lib/text.ts'
import type { InsideState } from '../postgres/inside.ts'
import type { DatabaseState, ServerState } from '../postgres/state.ts'
import { actAsOwner, inherit, mayAct } from './borrow.ts'
import { changesOf, type Change, type ChangeOf, type Stage } from './change.ts'
import {
  foreignOwner,
  isForeign,
  otherBytes,
  otherEncoding,
  schemaRefused,
  setReadOnly,
  mayNotCreate,
  untrusted,
} from './database-refusals.ts'
import type { Observed } from './observed.ts'
import { databaseIsOurs, decideComment, decideRole, refuseClaimed } from './ownership.ts'
import { adminLacks, notInheriting, notMember, quoted } from './refusals.ts'
import { decideSettings } from './settings.ts'
import type { Wanted } from './wanted.ts'

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
  const { server, inside, secret, binding } = observed
  if (server.unknownRoles.length > 0) {
    const names = sentence(server.unknownRoles.map(quoted))
    throw new Failure(
      'connect-role-unknown',
      `PostgreSQL has no ${numbered('role', server.unknownRoles.length)} ${names}, which ${input('connect-roles')} names.`,
      ['Check the spelling; upper and lower case differ. Or leave out what does not exist.'],
    )
  }
  if (server.homeEncoding !== null && [wanted.username, wanted.database].some(isForeign)) {
    throw otherBytes(server.homeEncoding, wanted)
  }
  const notes: string[] = []
  const role = decideRole(observed, wanted, notes)
  refuseClaimed(server, wanted)
  const isNew = server.database === undefined
  if (isNew && !server.admin.createDatabase) throw adminLacks(server, 'CREATEDB', wanted)
  const ours = databaseIsOurs(observed, wanted)
  const { note, comment } = decideComment(observed, wanted, role, ours, notes)
  if (hasOtherName(wanted.username, server)) throw otherEncoding(server, wanted)
  const grants = decideGrants(server, wanted, ours, notes)
  const { extensions, schema } =
    inside === undefined
      ? { extensions: [], schema: [] }
      : decideInside(inside, server, wanted, grants, notes)
  const { secretNames } = observed
  const changes: readonly Change[] = [
    ...(role === 'create' && comment
      ? [{ kind: 'create-role', comment, again: secretNames.role } as const]
      : []),
    ...(note === undefined ? [] : [{ kind: 'note-database', comment: note } as const]),
    ...(isNew
      ? [{ kind: 'create-database', owner: server.admin.name, again: secretNames.database } as const]
      : []),
    ...extensions,
    ...grants,
    ...schema,
    ...decideSettings(server, wanted),
    ...(typeof role === 'object'
      ? [{ kind: 'set-password', reason: role.reason, ...(comment && { comment }) } as const]
      : []),
    ...(role === 'keep' && comment ? [{ kind: 'mark-role', comment } as const] : []),
    ...(secret.kind === 'keep' ? [] : [{ kind: `${secret.kind}-secret`, keys: secret.keys } as const]),
    ...(binding === undefined || binding.kind === 'keep'
      ? []
      : [{ kind: `${binding.kind}-binding`, keys: binding.keys } as const]),
  ]
  refuseReadOnly(changes, server, wanted)
  return { changes, ours, notes }
}

/** Whatever is changed, the application has to be able to work afterwards: that is what is proven. */
function refuseReadOnly(changes: readonly Change[], { readOnly }: ServerState, wanted: Wanted): void {
  const within: readonly Stage[] = ['extensions', 'schema', 'password']
  const there = changes.some((change) => within.some((stage) => changesOf(stage, [change]).length > 0))
  const secret = changes.length === changesOf('secret', changes).length
  const of =
    changes.length === 0
      ? undefined
      : !secret && readOnly.admin !== null
        ? { setting: readOnly.admin, role: wanted.admin, database: wanted.home }
        : there && readOnly.inside !== null
          ? { setting: readOnly.inside, role: wanted.admin, database: wanted.database }
          : readOnly.application !== null
            ? { setting: readOnly.application, role: wanted.username, database: wanted.database }
            : undefined
  if (of !== undefined) throw setReadOnly(of.setting, of.role, of.database)
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
  const { admin } = server
  const database = databaseOf(server)
  const owner =
    database.owner === wanted.username ? 'app' : database.owner === admin.name ? 'admin' : undefined
  const wantedOwner = wanted.databaseOwner ?? (ours ? 'admin' : undefined)
  const newOwner = wantedOwner === owner ? undefined : wantedOwner
  if (!ours && newOwner !== undefined && wanted.existing !== 'adopt') {
    throw new Failure(
      'database-not-ours',
      `Database "${wanted.database}" was not made by this tool, so its owner "${database.owner}" stays, and ${input('database-owner')} asks for another.`,
      [
        `Leave ${spoken().name('database-owner')} out to keep the owner. If the database is yours to give away: set ${setting('existing', 'adopt')}.`,
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
  if (ours && database.publicConnects && database.poolers.length > 0) {
    notes.push(
      `CONNECT on database ${wanted.database} is revoked from PUBLIC, and so from the ${numbered('pooler', database.poolers.length)} ${sentence(database.poolers.map(quoted))}: if the application connects through a pooler, name it in ${input('connect-roles')}`,
    )
  }
  const roles = ours ? database.withoutConnect : database.shutOut
  const grants: readonly Change[] = [
    ...((ours ? !database.granted : !database.grantedOrPublic) ? [{ kind: 'grant-database' } as const] : []),
    ...(roles.length > 0 ? [{ kind: 'grant-connect', roles } as const] : []),
    ...(ours && open.length > 0 ? [{ kind: 'revoke-public', privileges: open } as const] : []),
  ]
  if (grants.length === 0 && newOwner === undefined) return []
  const handover = newOwner && handoverTo(newOwner, database, wanted)
  const changes = [...grants, ...(handover === undefined ? [] : [handover])]
  const mayGrant = handover === undefined ? actAsOwner(server, wanted) !== undefined : true
  if (owner === undefined && !(mayGrant && (handover === undefined || database.adminOwns))) {
    throw foreignOwner(server, wanted, changes)
  }
  if (!mayGrant) throw notMember(server, wanted)
  if (handover === undefined) return grants
  if (!admin.createDatabase) throw adminLacks(server, 'CREATEDB', wanted)
  if (handover.toApplication && mayAct(server, wanted) === undefined) throw notMember(server, wanted)
  if (owner === 'app' && inherit(server, wanted) === undefined) throw notInheriting(server, wanted, changes)
  return changes
}

function handoverTo(
  newOwner: 'admin' | 'app',
  { owner: from }: DatabaseState,
  { username, admin }: Wanted,
): ChangeOf<'set-owner'> {
  const toApplication = newOwner === 'app'
  return { kind: 'set-owner', from, to: toApplication ? username : admin, toApplication }
}

/** Says whether a role is called otherwise inside of the database than here: roles are the same bytes in all databases. */
function hasOtherName(role: string, server: ServerState): boolean {
  return databaseOf(server).otherEncoding !== null && isForeign(role)
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
      `This PostgreSQL has no ${numbered('extension', unavailable.length)} ${sentence(unavailable.map(quoted))}.`,
      [
        `Check ${input('extensions')}. If the name is right, the administrator has to install its files first.`,
      ],
    )
  }
  const closed = missing.filter((extension) => server.untrustedExtensions.includes(extension))
  if (closed.length > 0) throw untrusted(closed, server, wanted)
  const creates = server.database?.adminCreates !== false || actAsOwner(server, wanted) !== undefined
  if (missing.length > 0 && !creates) throw mayNotCreate(missing, server, wanted)
  // Rights that come with the ownership alone would be lost with it: they are granted wherever that is possible.
  const { role } = server
  const grantable = mayGrantSchema(inside, server, wanted, grants)
  const granted = inside.schemaGranted === 'as owner' ? !grantable : inside.schemaGranted
  if (!granted && !grantable) throw schemaRefused(inside, server, wanted)
  if (server.database !== undefined && role === undefined && inside.otherOwners.length > 0) {
    notes.push(
      `tables in database ${wanted.database} belong to ${sentence(inside.otherOwners)}: a role that is created again does not own the tables of the role before it`,
    )
  }
  return {
    extensions: missing.map((extension) => ({ kind: 'create-extension', extension })),
    schema: granted ? [] : [{ kind: 'grant-schema' }],
  }
}

/** Says whether the rights on schema `public` can be given once the database has the owner that it is to have. */
function mayGrantSchema(
  { schemaGrantors }: InsideState,
  server: ServerState,
  wanted: Wanted,
  grants: readonly Change[],
): boolean {
  const handover = grants.find((change) => change.kind === 'set-owner')
  const owner = handover?.to ?? databaseOf(server).owner
  const acts = actAsOwner(server, wanted) !== undefined
  return (
    schemaGrantors.admin ||
    (schemaGrantors.owner && acts) ||
    (schemaGrantors.application && acts && owner === wanted.username)
  )
}
