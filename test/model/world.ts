import { Failure } from '../../src/lib/failure.ts'
import type { InsideState } from '../../src/postgres/inside.ts'
import type { Evidence } from '../../src/postgres/login.ts'
import type { Marker, RoleComment } from '../../src/postgres/marker.ts'
import type { Claim, DatabaseState, Membership, ServerState } from '../../src/postgres/state.ts'
import { literalPassword, type Change } from '../../src/provision/change.ts'
import { namesAll, type Observed } from '../../src/provision/observed.ts'
import type { Wanted } from '../../src/provision/wanted.ts'
import {
  applicationKeys,
  type ApplicationSecret,
  type ApplicationValues,
} from '../../src/secrets/application-secret.ts'
import type { FormatName } from '../../src/secrets/formats.ts'
import { planSecret, type SecretPlan } from '../../src/secrets/plan-secret.ts'
import { record } from '../../src/secrets/secret-marks.ts'

/** A role as a server holds it, with its password. */
export interface WorldRole {
  readonly password: string
  /** What its comment says; `unreadable` where nobody can tell. */
  readonly comment: RoleComment | 'unreadable'
  readonly canLogin: boolean
  readonly expired: boolean
  readonly dangers: readonly string[]
  readonly members: readonly string[]
  /** Whether the admin has ADMIN OPTION on it. */
  readonly administered: boolean
  readonly settings: Readonly<Record<string, string>>
}

/** A database as a server holds it. */
export interface WorldDatabase {
  readonly owner: string
  readonly open: boolean
  readonly publicConnects: boolean
  readonly publicTemporary: boolean
  /** What the application was granted on it, apart from what it has by owning it. */
  readonly granted: boolean
  /** Roles with a CONNECT of their own. */
  readonly connects: readonly string[]
  readonly schemaGranted: boolean
  /** Who may give the rights on schema `public` away; nobody where the template was hardened. */
  readonly schemaBelongsTo: 'owner' | 'admin' | 'nobody'
  readonly extensions: readonly string[]
}

/** All that one application is on a server and in a cluster: what a plan is made for, and what its changes change. */
export interface World {
  readonly role: WorldRole | undefined
  readonly database: WorldDatabase | undefined
  readonly secret: ApplicationSecret | undefined
  readonly claims: readonly Claim[]
  readonly admin: { readonly createRole: boolean; readonly createDatabase: boolean }
}

/** What somebody asks for: the part that PostgreSQL is concerned with, and the part of the Secret. */
export interface Wish {
  readonly wanted: Wanted
  readonly formats: readonly FormatName[]
}

/** Who keeps CONNECT on a database that is ours, whatever is asked for. */
export const watcher = 'watcher'
/** What extensions the server of a world has, and does not trust the admin with. */
export const untrusted = 'untrusted'
export const unavailable = 'unavailable'

const nobody: Membership = {
  inherits: false,
  settable: false,
  grantable: false,
  inheritable: false,
  own: false,
}

/** Returns what an application Secret holds when all of it was written by a run. */
export function secretValues({ username, database }: Wanted, password: string): ApplicationValues {
  return {
    PGHOST: 'db.example.com',
    PGPORT: '5432',
    PGUSER: username,
    PGPASSWORD: password,
    PGDATABASE: database,
    PGSSLMODE: 'require',
  }
}

/** Returns what is to be done with the Secret of a world, as a look comes to it. */
function planOfSecret(
  secret: ApplicationSecret | undefined,
  { wanted, formats }: Wish,
  fresh: string,
): SecretPlan | Failure {
  const [namespace = '', name = ''] = wanted.secret.split('/')
  const values = secretValues(wanted, secret?.values.PGPASSWORD ?? fresh)
  return planSecret(secret, { namespace, name, values, explicit: new Set(), formats })
}

/** Returns what a login with a password shows, by the rules of PostgreSQL and of `weigh`. */
export function evidenceOf({ role }: Pick<World, 'role'>, password: string | undefined): Evidence {
  const wrong = password === undefined ? 'absent' : 'wrong'
  // An expired password is a wrong one to whoever logs in.
  if (role === undefined || role.expired || role.password !== password) return wrong
  return role.canLogin ? 'proven' : new Failure('login-refused', 'the role may not log in', ['none'])
}

/** Returns what a look at a server and a Secret shows; the failure where the Secret alone forbids the run. */
export function observe(
  server: Omit<World, 'secret'>,
  secret: ApplicationSecret | undefined,
  evidence: Evidence,
  wish: Wish,
): Observed | Failure {
  const planned = planOfSecret(secret, wish, 'fresh')
  if (planned instanceof Failure) return planned
  const { PGUSER, PGDATABASE, PGHOST } = secret?.values ?? {}
  const secretNames = {
    role: PGUSER !== undefined,
    database: PGDATABASE !== undefined,
    host: PGHOST !== undefined,
  }
  const state = serverState(server, wish.wanted)
  const stranger = state.role?.marker === undefined && state.role?.unreadable === false
  return {
    server: state,
    inside: insideState(server, wish.wanted),
    evidence,
    secret: {
      kind: planned.kind,
      keys: planned.kind === 'keep' ? [] : applicationKeys.filter((key) => key in planned.values),
    },
    secretHasPassword: secret?.values.PGPASSWORD !== undefined,
    secretNames,
    literalLogsIn:
      stranger &&
      evidence === 'wrong' &&
      namesAll(secretNames) &&
      evidenceOf(server, literalPassword) === 'proven',
  }
}

function serverState({ role, database, claims, admin }: Omit<World, 'secret'>, wanted: Wanted): ServerState {
  const administered = role === undefined ? admin.createRole : role.administered
  const membership = { ...nobody, grantable: administered, inheritable: administered }
  const comment = role?.comment
  const said =
    comment === undefined || comment === 'unreadable'
      ? { marker: undefined, note: undefined, kept: {} }
      : comment
  const state = databaseState(database ?? made(wanted), wanted)
  return {
    version: '16.6',
    versionNumber: 160_006,
    standby: false,
    backendPid: 1,
    admin: { name: wanted.admin, superuser: false, actsAs: null, ...admin },
    role: role && {
      ...said,
      unreadable: comment === 'unreadable',
      canLogin: role.canLogin,
      expired: role.expired,
      dangers: role.dangers,
      members: role.members,
      alterable: administered,
      adminOption: administered,
      settings: role.settings,
      sessions: 0,
      full: null,
    },
    membership,
    database: database && state,
    newDatabase: database === undefined ? state : undefined,
    homeEncoding: null,
    readOnly: { admin: null, inside: null, application: null },
    claims,
    leftovers: [],
    unknownRoles: wanted.connectRoles.filter((name) => name !== watcher && name !== 'reader'),
    unavailableExtensions: wanted.extensions.filter((name) => name === unavailable),
    untrustedExtensions: wanted.extensions.filter((name) => name === untrusted),
  }
}

function databaseState(database: WorldDatabase, wanted: Wanted): DatabaseState {
  const { owner, publicConnects, publicTemporary, connects } = database
  const adminOwns = owner === wanted.admin
  const granted = database.granted || owner === wanted.username
  const has = (name: string): boolean => connects.includes(name) || owner === name
  return {
    owner,
    adminOwns,
    adminActsAsOwner: adminOwns,
    adminCreates: adminOwns,
    acceptsConnections: database.open,
    publicConnects,
    publicTemporary,
    granted,
    grantedOrPublic: granted,
    withoutConnect: [...new Set([wanted.admin, watcher, ...wanted.connectRoles])].filter(
      (name) => !has(name),
    ),
    shutOut: wanted.connectRoles.filter((name) => !publicConnects && !has(name)),
    poolers: [],
    otherEncoding: null,
  }
}

function insideState({ database }: Omit<World, 'secret'>, wanted: Wanted): InsideState {
  const { owner, schemaGranted, schemaBelongsTo, extensions } = database ?? made(wanted)
  return {
    schemaExists: true,
    schemaOwner: schemaBelongsTo === 'owner' ? 'pg_database_owner' : 'dba',
    schemaGranted:
      schemaGranted || (schemaBelongsTo === 'owner' && owner === wanted.username && ('as owner' as const)),
    schemaGrantors: {
      admin: schemaBelongsTo === 'admin',
      application: false,
      owner: schemaBelongsTo === 'owner',
    },
    extensions: wanted.extensions.filter((name) => extensions.includes(name)),
    otherOwners: [],
  }
}

/** Returns a database as CREATE DATABASE makes it. */
export function made({ admin }: Wanted): WorldDatabase {
  return {
    owner: admin,
    open: true,
    publicConnects: true,
    publicTemporary: true,
    granted: false,
    connects: [],
    schemaGranted: false,
    schemaBelongsTo: 'owner',
    extensions: [],
  }
}

/** What PostgreSQL or the API server has against a change, because the world is another one by now. */
export type Obstacle = 'duplicate' | 'missing' | 'conflict'

/**
 * Returns the world after a change, or what is in its way.
 *
 * @param password what the application logs in with from then on, where the change sets it
 */
export function make(change: Change, world: World, wish: Wish, password: string): World | Obstacle {
  const { role, database, secret } = world
  const { wanted } = wish
  const withRole = (more: Partial<WorldRole>): World | Obstacle =>
    role === undefined ? 'missing' : { ...world, role: { ...role, ...more } }
  const withDatabase = (more: (found: WorldDatabase) => Partial<WorldDatabase>): World | Obstacle =>
    database === undefined || role === undefined
      ? 'missing'
      : { ...world, database: { ...database, ...more(database) } }
  switch (change.kind) {
    case 'create-role':
      return role === undefined
        ? { ...world, role: { ...newRole(password), comment: change.comment } }
        : 'duplicate'
    case 'note-database':
    case 'mark-role':
      return withRole({ comment: change.comment })
    case 'set-password':
      return withRole({ password, ...(change.comment && { comment: change.comment }) })
    case 'set-setting':
      return database === undefined
        ? 'missing'
        : withRole({ settings: { ...role?.settings, [change.name]: change.value } })
    case 'create-database':
      return database === undefined ? { ...world, database: made(wanted) } : 'duplicate'
    case 'create-extension':
      return withDatabase(({ extensions }) => ({
        extensions: [...new Set([...extensions, change.extension])].sort(),
      }))
    case 'grant-database':
      return withDatabase(() => ({ granted: true }))
    case 'grant-connect':
      return withDatabase(({ connects }) => ({
        connects: [...new Set([...connects, ...change.roles])].sort(),
      }))
    case 'revoke-public':
      return withDatabase(() => ({ publicConnects: false, publicTemporary: false }))
    case 'set-owner':
      return withDatabase(({ connects }) => ({
        owner: change.to,
        // What the owner before had goes to the one after.
        granted: !change.toApplication,
        connects: change.toApplication ? [...new Set([...connects, wanted.admin])].sort() : connects,
      }))
    case 'grant-schema':
      return withDatabase(() => ({ schemaGranted: true }))
    case 'create-secret':
    case 'repair-secret': {
      if ((secret === undefined) !== (change.kind === 'create-secret')) return 'conflict'
      const planned = planOfSecret(secret, wish, password)
      if (planned instanceof Failure || planned.kind === 'keep') return 'conflict'
      return { ...world, secret: written(secret, planned.values, wanted) }
    }
    case 'create-binding':
    case 'repair-binding':
      throw new Error('no world has a service binding')
  }
}

/** Returns a role as a run makes it, but for its comment. */
export function newRole(password: string): WorldRole {
  return {
    password,
    comment: { marker: undefined, note: undefined, kept: {} },
    canLogin: true,
    expired: false,
    dangers: [],
    members: [],
    administered: true,
    settings: {},
  }
}

/** Returns a Secret with these values in it, written by a run. */
export function written(
  secret: ApplicationSecret | undefined,
  values: ApplicationValues,
  { secret: ref }: Wanted,
): ApplicationSecret {
  const [namespace = '', name = ''] = ref.split('/')
  return {
    uid: 'uid',
    resourceVersion: 'version',
    immutable: false,
    ...secret,
    namespace,
    name,
    values: { ...secret?.values, ...values },
    lastWritten: { ...secret?.lastWritten, ...record(values) },
  }
}

/** Returns the comment that claims a role. */
export function claim(marker: Marker | undefined, more: Partial<RoleComment> = {}): RoleComment {
  return { marker, note: undefined, kept: {}, ...more }
}
