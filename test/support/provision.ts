import { Failure } from '../../src/lib/failure.ts'
import type { InsideState } from '../../src/postgres/inside.ts'
import type { Marker, Note } from '../../src/postgres/marker.ts'
import type { DatabaseState, Membership, RoleState, ServerState } from '../../src/postgres/state.ts'
import type { Observed } from '../../src/provision/observed.ts'
import type { Wanted } from '../../src/provision/wanted.ts'

// What a run wants and finds, for tests of what it makes of that.

export const wanted: Wanted = {
  username: 'shop',
  database: 'shop',
  admin: 'admin',
  home: 'postgres',
  secret: 'shop/app-postgresql-secret',
  databaseOwner: undefined,
  extensions: [],
  connectRoles: [],
  settings: [],
  poolerRoles: ['pooler'],
  existing: 'refuse',
}
export const adopting: Wanted = { ...wanted, existing: 'adopt' }

export const mark: Marker = { secret: wanted.secret, database: 'shop', createdDatabase: true }
export const markOfAnother: Marker = { ...mark, secret: 'other/app-postgresql-secret' }

export const role: RoleState = {
  canLogin: true,
  expired: false,
  dangers: [],
  members: [],
  alterable: true,
  adminOption: true,
  marker: mark,
  note: undefined,
  kept: {},
  unreadable: false,
  settings: {},
  sessions: 0,
  full: null,
}
export const strange: RoleState = { ...role, marker: undefined }
export const note: Note = { secret: wanted.secret, database: 'shop' }

export const membership: Membership = {
  inherits: false,
  settable: false,
  grantable: true,
  inheritable: true,
  own: false,
}

export const database: DatabaseState = {
  owner: 'admin',
  adminOwns: true,
  adminActsAsOwner: true,
  adminCreates: true,
  acceptsConnections: true,
  publicConnects: false,
  publicTemporary: false,
  granted: true,
  grantedOrPublic: true,
  withoutConnect: [],
  shutOut: [],
  poolers: [],
  otherEncoding: null,
}
/** As somebody else makes one: open to everybody. */
export const foreign: DatabaseState = {
  ...database,
  owner: 'dba',
  adminOwns: false,
  adminActsAsOwner: false,
  adminCreates: false,
  publicConnects: true,
  publicTemporary: true,
}

export const server: ServerState = {
  version: '16.6',
  versionNumber: 160_006,
  standby: false,
  backendPid: 1,
  admin: { name: 'admin', superuser: false, createRole: true, createDatabase: true, actsAs: null },
  role,
  membership,
  database,
  newDatabase: undefined,
  homeEncoding: null,
  readOnly: { admin: null, inside: null, application: null },
  claims: [],
  leftovers: [],
  unknownRoles: [],
  unavailableExtensions: [],
  untrustedExtensions: [],
}
export const inside: InsideState = {
  schemaExists: true,
  schemaOwner: 'pg_database_owner',
  schemaGranted: true,
  schemaGrantors: { admin: false, application: false, owner: true },
  extensions: [],
  otherOwners: [],
}

/** As CREATE DATABASE makes one. */
export const newDatabase: DatabaseState = {
  ...database,
  publicConnects: true,
  publicTemporary: true,
  granted: false,
  grantedOrPublic: false,
}

export const allNames = { role: true, database: true, host: true }
export const noNames = { role: false, database: false, host: false }

/** What a run finds where everything is up to date, but for what is given. */
export function found(
  given: Partial<Omit<Observed, 'server'>> & { server?: Partial<ServerState> } = {},
): Observed {
  const seen = { ...server, ...given.server }
  return {
    evidence: 'proven',
    secret: { kind: 'keep', keys: [] },
    secretHasPassword: true,
    secretNames: allNames,
    literalLogsIn: false,
    inside,
    ...given,
    server: {
      ...seen,
      newDatabase: seen.database === undefined ? (seen.newDatabase ?? newDatabase) : undefined,
    },
  }
}

/** Returns the failure that something throws. */
export function thrown(work: () => unknown): Failure {
  try {
    work()
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
