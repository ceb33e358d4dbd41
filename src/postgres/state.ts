import { oneLine } from '../lib/text.ts'
import { mayName, readComment, type RoleComment } from './marker.ts'
import { serverSql } from './server-sql.ts'
import type { Question } from './session.ts'
import { array, literal, stateOf } from './state-sql.ts'

/** What the admin is and may do. */
interface AdminState {
  readonly name: string
  readonly superuser: boolean
  readonly createRole: boolean
  readonly createDatabase: boolean
  /** The role that `ALTER ROLE … SET role` would have its sessions act as; they do not here. */
  readonly actsAs: string | null
}

/** The application role as it was found. */
export interface RoleState extends RoleComment {
  readonly canLogin: boolean
  readonly expired: boolean
  /** Why a password must never be set for it, in words such as `CREATEROLE` or `member of pg_monitor`. */
  readonly dangers: readonly string[]
  /** Roles other than the admin that inherit from it, or may act as it: they have its rights, and give it none. */
  readonly members: readonly string[]
  /** Whether the admin may change it: from PostgreSQL 16 on that takes ADMIN OPTION. */
  readonly alterable: boolean
  /** Whether the admin has ADMIN OPTION on it. An upgrade to 16 or later gives it to no admin that does not have it before. */
  readonly adminOption: boolean
  /** Those of `roleSettings` that it has, in the database or everywhere, as they were written. */
  readonly settings: Readonly<Record<string, string>>
  /** Whether its comment is a claim of this tool that nobody can read. */
  readonly unreadable: boolean
  readonly sessions: number
  /** Whose CONNECTION LIMIT is reached, so that the role is not let in. */
  readonly full: 'role' | 'database' | null
}

/**
 * What the admin is to a role. From PostgreSQL 16 on that is three things, before one membership and the admin's own INHERIT
 * and CREATEROLE.
 * Source: https://www.postgresql.org/docs/current/sql-grant.html (GRANT on Roles)
 */
export interface Membership {
  /** Whether it has the privileges of the role as it is. */
  readonly inherits: boolean
  /** Whether it may act as the role. */
  readonly settable: boolean
  /** Whether it may make itself a member. */
  readonly grantable: boolean
  /** Whether it would inherit as such a member. */
  readonly inheritable: boolean
  /** Whether it made itself a member before: its REVOKE would take that too. */
  readonly own: boolean
}

/** The application's database as it was found. */
export interface DatabaseState {
  readonly owner: string
  /** Whether the admin has the owner's privileges, by being it or as a member that inherits. */
  readonly adminOwns: boolean
  /** Whether the admin may act as the owner. */
  readonly adminActsAsOwner: boolean
  /** Whether the admin may create schemas and trusted extensions. */
  readonly adminCreates: boolean
  readonly acceptsConnections: boolean
  readonly publicConnects: boolean
  readonly publicTemporary: boolean
  /** Whether the application has CONNECT, CREATE and TEMPORARY, and keeps them when PUBLIC loses its own. */
  readonly granted: boolean
  /** Whether it has them at all. */
  readonly grantedOrPublic: boolean
  /** Roles that must keep CONNECT and would have none without PUBLIC. */
  readonly withoutConnect: readonly string[]
  /** Roles of input `connect-roles` that cannot connect now. */
  readonly shutOut: readonly string[]
  /** Roles of connection poolers that would have no CONNECT without PUBLIC, and that nobody asked to keep it. */
  readonly poolers: readonly string[]
  /** Its encoding, where a name that is not ASCII is another one in it than in the database of this session. */
  readonly otherEncoding: string | null
}

/** A role whose marker says that a database is its own, or may say so. */
export interface Claim {
  readonly role: string
  /** The application Secret that it belongs to, as `namespace/name`; absent where the comment cannot be read. */
  readonly secret: string | undefined
}

/** Where a setting comes from; `both` is a role in a database. */
export type SettingOf = 'server' | 'all' | 'database' | 'role' | 'both'

/** Where it comes from that sessions change nothing, on a server that is no standby; null where they may. */
export interface ReadOnly {
  /** The admin's in the database of this session. */
  readonly admin: SettingOf | null
  /** The admin's in the application's database. */
  readonly inside: SettingOf | null
  readonly application: SettingOf | null
}

/** Everything an admin session on database `postgres` sees, from one statement and so from one moment. */
export interface ServerState {
  readonly version: string
  /** Such as 160006. */
  readonly versionNumber: number
  readonly standby: boolean
  readonly backendPid: number
  readonly admin: AdminState
  readonly role: RoleState | undefined
  /** What the admin is to the application role; to one that is yet to be made, what CREATE ROLE will make of it. */
  readonly membership: Membership
  readonly database: DatabaseState | undefined
  /** What the database will be like right after it is made; absent where it is there. */
  readonly newDatabase: DatabaseState | undefined
  /** The encoding of the database of this session, where a name that is not ASCII is kept as other bytes than a login has. */
  readonly homeEncoding: string | null
  readonly readOnly: ReadOnly
  /** Other roles whose marker names the database, or whose comment cannot be read and has to do with it. */
  readonly claims: readonly Claim[]
  /** Logins of commands whose run did not come to drop them: they have ended, and nobody is in. */
  readonly leftovers: readonly string[]
  /** Roles of input `connect-roles` that do not exist. */
  readonly unknownRoles: readonly string[]
  /** Wanted extensions whose files the server does not have. */
  readonly unavailableExtensions: readonly string[]
  /** Wanted extensions that only a superuser may create: neither trusted nor on Spilo's list (pgextwlist). */
  readonly untrustedExtensions: readonly string[]
}

interface RawServerState extends Omit<ServerState, 'role' | 'database' | 'newDatabase' | 'claims'> {
  readonly role: (Omit<RoleState, keyof RoleComment | 'unreadable'> & { comment: string | null }) | null
  readonly database: DatabaseState & { readonly there: boolean }
  /** `holds`: whether the role owns the database, or was granted all on it. */
  readonly claims: readonly { role: string; comment: string; holds: boolean }[]
}

/** Asks for everything an admin session sees of one application, in one statement and without a lock. */
export function aboutServer(wanted: {
  readonly username: string
  readonly database: string
  readonly connectRoles: readonly string[]
  readonly poolerRoles: readonly string[]
  readonly extensions: readonly string[]
}): Question<ServerState> {
  const { username, database, connectRoles, poolerRoles, extensions } = wanted
  return {
    sql: serverSql(
      literal(username),
      literal(database),
      array(connectRoles),
      array(poolerRoles),
      array(extensions),
    ),
    answer(rows) {
      const { role, database: here, claims, ...state } = stateOf(rows) as RawServerState
      const { there, ...found } = here
      return {
        ...state,
        version: oneLine(state.version, 40),
        role: role === null ? undefined : roleOf(role),
        database: there ? found : undefined,
        newDatabase: there ? undefined : found,
        claims: claims.flatMap(({ role, comment, holds }): readonly Claim[] => {
          const said = readComment(comment)
          if (said === 'unreadable') {
            return holds || mayName(comment, database) ? [{ role, secret: undefined }] : []
          }
          return said.marker?.database === database ? [{ role, secret: said.marker.secret }] : []
        }),
      }
    },
  }
}

function roleOf({ comment, ...role }: NonNullable<RawServerState['role']>): RoleState {
  const said = readComment(comment)
  return said === 'unreadable'
    ? { ...role, marker: undefined, note: undefined, kept: {}, unreadable: true }
    : { ...role, ...said, unreadable: false }
}
