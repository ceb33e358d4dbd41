import pg from 'pg'
import { Failure } from '../lib/failure.ts'
import { input, setting, spoken } from '../lib/spelling.ts'
import { sentence } from '../lib/text.ts'
import type { DatabaseState, InsideState, ServerState } from '../postgres/state.ts'
import type { Change } from './change.ts'
import type { Observed } from './observed.ts'
import { databaseIsOurs, decideComment, decideRole, refuseClaimed } from './ownership.ts'
import { adminLacks, commandsOf, foreignOwner, notAlterable, quoted, schemaRefused } from './refusals.ts'
import type { Wanted } from './wanted.ts'

const identifier = pg.escapeIdentifier

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
      `PostgreSQL knows no role ${names}, which ${input('connect-roles')} names.`,
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
      [
        `Check ${input('extensions')}. If the name is right, the administrator has to install its files first.`,
      ],
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
              `Leave it out of ${input('extensions')} for now, so that the database gets made. Then let a superuser run in it:`,
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
