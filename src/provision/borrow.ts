import pg from 'pg'
import type { ServerState } from '../postgres/state.ts'
import type { Wanted } from './wanted.ts'

const identifier = pg.escapeIdentifier

/** What stands before and after statements of the admin, in one transaction with them. */
export interface Around {
  readonly before: readonly string[]
  readonly after: readonly string[]
}

const nothing: Around = { before: [], after: [] }

/**
 * Returns what lets the admin act as the application role, or nothing where it cannot. Where it is to become a member for
 * that, it is one of its own making until the transaction ends, and every membership that was there before stays.
 *
 * From PostgreSQL 16 on, a GRANT that names no option changes none of a membership that is there.
 * Source: https://www.postgresql.org/docs/current/sql-grant.html (GRANT on Roles)
 */
export function actAsApplication(server: ServerState, wanted: Wanted): Around | undefined {
  return within(mayAct(server, wanted), acting(wanted.username))
}

/** Returns what makes the admin a member of the application role that may act as it, or nothing where it cannot become one. */
export function mayAct({ membership, versionNumber }: ServerState, { username }: Wanted): Around | undefined {
  if (membership.settable) return nothing
  if (!membership.grantable) return undefined
  return member(username, 'SET', membership.own, versionNumber)
}

/**
 * Returns what gives the admin the privileges of the application role, or nothing where it cannot have them. To take a
 * database over from the role needs both at once: to act as it does not.
 */
export function inherit(
  { membership, versionNumber }: ServerState,
  { username }: Wanted,
): Around | undefined {
  if (membership.inherits) return nothing
  if (!membership.grantable || !membership.inheritable) return undefined
  return member(username, 'INHERIT', membership.own, versionNumber)
}

/**
 * Returns what lets the admin do what only the owner of the database can, or nothing where it cannot. A role that is neither
 * the admin nor the application is acted as where the admin may do so, and never borrowed.
 */
export function actAsOwner(server: ServerState, wanted: Wanted): Around | undefined {
  const { database, admin, membership } = server
  if (database === undefined || database.owner === admin.name || database.adminOwns) return nothing
  if (database.owner === wanted.username) {
    return membership.inherits ? nothing : actAsApplication(server, wanted)
  }
  return database.adminActsAsOwner ? acting(database.owner) : undefined
}

/**
 * Returns what lets the admin give away what goes with the ownership of the database it is in, or nothing where it cannot.
 * Before PostgreSQL 16 an owner that is NOINHERIT does not have the privileges of pg_database_owner, and may act as it.
 */
export function actAsDatabaseOwner(server: ServerState, wanted: Wanted): Around | undefined {
  const owner = actAsOwner(server, wanted)
  return server.versionNumber < 160_000 ? within(owner, acting('pg_database_owner')) : owner
}

/** Returns statements with what stands around them. */
export function around({ before, after }: Around, statements: readonly string[]): readonly string[] {
  return statements.length === 0 ? [] : [...before, ...statements, ...after]
}

function acting(role: string): Around {
  return { before: [`SET LOCAL ROLE ${identifier(role)}`], after: ['RESET ROLE'] }
}

function within(outer: Around | undefined, inner: Around): Around | undefined {
  return outer && { before: [...outer.before, ...inner.before], after: [...inner.after, ...outer.after] }
}

function member(role: string, option: 'SET' | 'INHERIT', again: boolean, versionNumber: number): Around {
  const options = versionNumber >= 160_000
  const taken = options && again ? `${option} OPTION FOR ` : ''
  return {
    before: [`GRANT ${identifier(role)} TO CURRENT_USER${options ? ` WITH ${option} TRUE` : ''}`],
    after: [`REVOKE ${taken}${identifier(role)} FROM CURRENT_USER`],
  }
}
