import pg from 'pg'
import { Failure } from '../failure.ts'
import { count, sentence } from '../text.ts'
import type { Marker, Note, RoleComment } from './marker.ts'
import type { Claim, InsideState, RoleState, ServerState } from './state.ts'

/** What a run wants to be true, as far as PostgreSQL is concerned. */
export interface Wanted {
  readonly username: string
  readonly database: string
  /** The role of the access Secret. */
  readonly admin: string
  /** The application Secret, as `namespace/name`. */
  readonly secret: string
  readonly databaseOwner: 'admin' | 'app' | undefined
  readonly extensions: readonly string[]
  readonly connectRoles: readonly string[]
  readonly existing: 'refuse' | 'adopt'
}

/**
 * What a login as the application role showed about the Secret's password: it completed an exchange, the server let it
 * in without one, the password is wrong (SQLSTATE 28P01), or there is none in the Secret to try. Any other refusal is a
 * Failure of its own and never leads to a new password.
 */
export type Evidence = 'proven' | 'unproven' | 'wrong' | 'absent' | Failure

/** Everything that was found, from which alone is decided what to do. */
export interface Found {
  readonly server: ServerState
  readonly evidence: Evidence
  /** Whether the application Secret holds a password. */
  readonly secretHasPassword: boolean
  /** Whether the Secret itself names role, database and host of this run. */
  readonly secretNamesAll: boolean
  /** Whether the public literal of the old manual page logs in. */
  readonly literalLogsIn: boolean
}

/** Why a role gets a password in this run. */
export type PasswordReason = 'secret-gone' | 'drift' | 'literal' | 'adopted'

/** What to do to the role. */
export interface RolePlan {
  readonly action: 'keep' | 'create' | 'set-password'
  readonly reason?: PasswordReason
  /** The marker to write, where the one that is there says something else. */
  readonly mark?: Marker
  /** The note to write before the database is made, where no marker says yet that it is to be. */
  readonly note?: Note
  /** What others wrote into the comment, where that is written anew. */
  readonly kept?: RoleComment['kept']
}

/** What to do to the grants and the owner of a database that exists. */
export interface GrantPlan {
  /** All privileges on the database, for the application. */
  readonly application: boolean
  readonly revokePublic: boolean
  /** Roles that get CONNECT. */
  readonly connect: readonly string[]
  readonly owner?: 'admin' | 'app'
}

/** What to do on the server: a new role first, because all else needs it; the password of one that is there last. */
export interface Plan {
  readonly role: RolePlan
  readonly database: 'keep' | 'create'
  /** Whether the database is ours, created by a run of this tool, or somebody else's that we use. */
  readonly ours: boolean
  /** Not known before the database exists. */
  readonly grants: GrantPlan | undefined
  /** Things that need a look and stop nothing, one line each. */
  readonly notes: readonly string[]
}

/** What to do inside the database. */
export interface InsidePlan {
  readonly grantSchema: boolean
  readonly extensions: readonly string[]
}

/**
 * Decides who wins where Secret and database disagree. Nothing is done here, so a dry run, a first look without the
 * lock and the look that counts all come to the same answer.
 *
 * @throws Failure where the rules of authority forbid what would have to be done
 */
export function decide(found: Found, wanted: Wanted): Plan {
  const { server } = found
  if (server.unknownRoles.length > 0) {
    const names = sentence(server.unknownRoles.map(quoted))
    throw new Failure(
      'connect-role-unknown',
      `PostgreSQL knows no role ${names}, which input "connect-roles" names.`,
      ['Check the spelling; upper and lower case differ. Or leave the role out.'],
    )
  }
  const notes: string[] = []
  const role = decideRole(found, wanted, notes)
  refuseClaimed(server, wanted)
  const database = server.database === undefined ? 'create' : 'keep'
  if (database === 'create' && !server.admin.createDatabase) throw adminLacks(server, 'CREATEDB')
  const ours = database === 'create' || databaseIsOurs(found, wanted)
  const mark = decideMark(found, wanted, role, ours, notes)
  const grants = database === 'create' ? undefined : decideGrants(server, wanted, ours, notes)
  return { role: { ...role, ...mark }, database, ours, grants, notes }
}

/** Says whether a plan changes anything. */
export function isEmpty(plan: Plan, inside: InsidePlan): boolean {
  const { role, grants } = plan
  return (
    role.action === 'keep' &&
    role.mark === undefined &&
    grants !== undefined &&
    !grants.application &&
    !grants.revokePublic &&
    grants.connect.length === 0 &&
    grants.owner === undefined &&
    !inside.grantSchema &&
    inside.extensions.length === 0
  )
}

function decideRole(found: Found, wanted: Wanted, notes: string[]): RolePlan {
  const { server, evidence } = found
  const { role, admin } = server
  if (role === undefined) {
    if (evidence instanceof Failure) throw evidence
    if (!admin.createRole) throw adminLacks(server, 'CREATEROLE')
    return { action: 'create' }
  }
  if (role.unreadable) throw unreadable(wanted)
  const mine = isMine(role, wanted)
  if (role.marker !== undefined && !mine) throw claimed(role.marker, wanted)

  const trusted = mine || evidence === 'proven' || found.literalLogsIn || wanted.existing === 'adopt'
  if (!trusted) throw notOurs(role, found, wanted)
  if (!role.canLogin || role.expired) throw cannotLogin(role, wanted)
  if (evidence instanceof Failure) throw evidence

  if (evidence === 'proven' || (evidence === 'unproven' && mine && found.secretHasPassword)) {
    if (role.dangers.length > 0) {
      notes.push(
        `role ${wanted.username} is more than an application role: ${role.dangers.join(', ')}; a password is never set for such a role`,
      )
    }
    return { action: 'keep' }
  }
  if (role.dangers.length > 0) throw privileged(role, wanted)
  if (!role.alterable) throw notAlterable(server, wanted)
  const reason =
    found.literalLogsIn && !mine
      ? 'literal'
      : !mine
        ? 'adopted'
        : found.secretHasPassword
          ? 'drift'
          : 'secret-gone'
  return { action: 'set-password', reason }
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
function databaseIsOurs(found: Found, wanted: Wanted): boolean {
  const { server } = found
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
  if (found.secretNamesAll && vouched) return false
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

function decideMark(
  found: Found,
  wanted: Wanted,
  plan: RolePlan,
  ours: boolean,
  notes: string[],
): Pick<RolePlan, 'mark' | 'note' | 'kept'> {
  const { server } = found
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
  if (role === undefined) return { mark: marker }
  const mayMark = role.alterable && role.dangers.length === 0 && found.evidence === 'proven'
  if (plan.action === 'set-password' || mayMark) {
    const unsaid = server.database === undefined && !isNoted(role, wanted)
    const { secret, database } = marker
    if ('comment' in role.kept && current === undefined) {
      notes.push(`role ${wanted.username} had a comment, which is kept within the one that says whose it is`)
    }
    return { mark: marker, ...(unsaid && { note: { secret, database } }), kept: role.kept }
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
 * Decides the grants on a database that exists. On one that is ours PUBLIC loses CONNECT, so others' roles must get
 * it first; on an adopted one that would be an outage for whoever relies on it, so it is only reported.
 */
export function decideGrants(server: ServerState, wanted: Wanted, ours: boolean, notes: string[]): GrantPlan {
  const { database, admin, role } = server
  if (database === undefined) throw new Error('grants are decided on a database that exists')
  const owner =
    database.owner === wanted.username ? 'app' : database.owner === admin.name ? 'admin' : undefined
  const wantedOwner = wanted.databaseOwner ?? (ours ? 'admin' : undefined)
  const grants: GrantPlan = {
    application: ours ? !database.granted : !database.grantedOrPublic,
    revokePublic: ours && (database.publicConnects || database.publicTemporary),
    connect: ours ? database.withoutConnect : database.shutOut,
    ...(wantedOwner !== undefined && wantedOwner !== owner ? { owner: wantedOwner } : {}),
  }
  if (!ours && grants.owner !== undefined && wanted.existing !== 'adopt') {
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
  const changes =
    grants.application || grants.revokePublic || grants.connect.length > 0 || grants.owner !== undefined
  if (!changes) return grants
  if (owner === undefined && !database.adminOwns) {
    throw foreignOwner(
      server,
      wanted,
      `The admin "${admin.name}" can grant nothing on it. Its owner can:`,
      grants.application
        ? `  GRANT ALL ON DATABASE ${identifier(wanted.database)} TO ${identifier(wanted.username)};`
        : `  GRANT CONNECT ON DATABASE ${identifier(wanted.database)} TO ${grants.connect.map(identifier).join(', ')};`,
    )
  }
  if ((owner === 'app' || grants.owner === 'app') && role !== undefined && !role.held && !role.alterable) {
    throw notAlterable(server, wanted)
  }
  if (grants.owner !== undefined && !admin.createDatabase) throw adminLacks(server, 'CREATEDB')
  return grants
}

/**
 * Decides what to do inside the database.
 *
 * @throws Failure `extension-unavailable` and `extension-not-trusted` for extensions that this admin cannot create
 */
export function decideInside(inside: InsideState, server: ServerState, wanted: Wanted): InsidePlan {
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
  return { grantSchema: !granted, extensions: missing }
}

/**
 * Finds out beforehand what a run would come to know from the GRANT itself.
 *
 * @throws Failure `grant-ineffective`
 */
export function refuseSchema(plan: Plan, inside: InsidePlan, seen: InsideState, wanted: Wanted): void {
  // A new database has a schema that is yet to be seen, and a new owner has rights that are.
  const known = plan.database === 'keep' && plan.grants?.owner === undefined
  if (known && inside.grantSchema && !seen.schemaGrantable) throw schemaRefused(seen, wanted)
}

/** Gives the error for an application that cannot be given its rights on schema `public`. */
export function schemaRefused(seen: InsideState, wanted: Wanted, cause?: unknown): Failure {
  const grant = `${schemaGrant(wanted)};`
  return seen.schemaExists
    ? ineffective(
        `the rights of "${wanted.username}" on schema public of database "${wanted.database}"`,
        `Its owner "${seen.schemaOwner ?? ''}" or a superuser can run in that database:`,
        [grant],
        cause,
      )
    : ineffective(
        `the rights of "${wanted.username}" on schema public, which database "${wanted.database}" does not have`,
        'Whoever owns the database can run in it:',
        ['CREATE SCHEMA public;', grant],
        cause,
      )
}

/** Gives the statement that gives the application its rights on schema `public`. */
export function schemaGrant(wanted: Wanted): string {
  return `GRANT USAGE, CREATE ON SCHEMA public TO ${identifier(wanted.username)}`
}

/** Gives the error for grants that the admin may not give, with the commands for whoever may. */
export function ineffective(
  what: string,
  who: string,
  commands: readonly string[],
  cause?: unknown,
): Failure {
  return new Failure(
    'grant-ineffective',
    `The admin may not give ${what}.`,
    [
      'PostgreSQL grants nothing then. A frequent cause is a hardened template or another owner.',
      who,
      ...commands.map((command) => `  ${command}`),
    ],
    { cause },
  )
}

const identifier = pg.escapeIdentifier

function quoted(name: string): string {
  return `"${name}"`
}

function claimed(marker: Marker, wanted: Wanted): Failure {
  return new Failure('role-claimed', `Role "${wanted.username}" belongs to ${marker.secret}.`, [
    `This run would publish it as ${wanted.secret}, and each of the two would break the other's login.`,
    'A frequent cause is the same names deployed from a second namespace: choose another app-username and app-database.',
    `If the application moved, let the administrator run:`,
    `  COMMENT ON ROLE ${identifier(wanted.username)} IS NULL;`,
    'and set existing: adopt in the new place.',
  ])
}

function unreadable(wanted: Wanted): Failure {
  return new Failure(
    'role-claimed',
    `Role "${wanted.username}" belongs to an application that is not known: its comment cannot be read.`,
    [
      'It names pg-app-user, and was written by another version or changed by hand. No input takes such a role over.',
      'Whom it speaks for, it may still show:',
      lookAtComment(wanted.username),
      'If that is no other application, let the administrator run:',
      `  COMMENT ON ROLE ${identifier(wanted.username)} IS NULL;`,
      'and set existing: adopt here for one run.',
    ],
  )
}

function lookAtComment(role: string): string {
  return `  SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = ${pg.escapeLiteral(role)};`
}

function databaseClaimed(claims: readonly Claim[], wanted: Wanted): Failure {
  const roles = claims.map(({ role }) => role)
  const unread = claims.filter(({ secret }) => secret === undefined).map(({ role }) => role)
  const owners = claims.map(({ role, secret }) => secret ?? `the application of role "${role}"`)
  return new Failure('database-claimed', `Database "${wanted.database}" belongs to ${sentence(owners)}.`, [
    `The comment of role ${sentence(roles.map(quoted))} says so. No input takes it over: choose another app-database.`,
    ...(unread.length === 0
      ? []
      : [
          `That of role ${sentence(unread.map(quoted))} cannot be read: it was written by another version or changed by hand. It says:`,
          ...unread.map(lookAtComment),
        ]),
    'If it was given up there for good, let the administrator run:',
    ...roles.map((role) => `  COMMENT ON ROLE ${identifier(role)} IS NULL;`),
    'and set existing: adopt here.',
  ])
}

function notOurs(role: RoleState, found: Found, wanted: Wanted): Failure {
  const secret = found.secretHasPassword
    ? 'the password of that Secret does not log in'
    : 'that Secret holds no password'
  const open =
    role.sessions === 1
      ? '1 session is open'
      : `${count(role.sessions, 'session').replace(/^0/, 'no')} are open`
  return new Failure(
    'role-not-ours',
    `Role "${wanted.username}" exists, and nothing says that it belongs to ${wanted.secret}.`,
    [
      `It has no pg-app-user comment, ${secret}, and ${open} as "${wanted.username}" now.`,
      `If it is yours, for example made by hand before: set existing: adopt. It gets ${
        found.secretHasPassword ? "the Secret's" : 'a new'
      } password,`,
      'and whatever still uses the old one stops working.',
      'If it belongs to another application: choose another app-username.',
    ],
  )
}

function cannotLogin(role: RoleState, wanted: Wanted): Failure {
  return new Failure(
    'role-cannot-login',
    role.canLogin
      ? `The password of role "${wanted.username}" has expired (VALID UNTIL is past).`
      : `Role "${wanted.username}" may not log in (NOLOGIN).`,
    [
      'Somebody locked it, most likely on purpose, so nothing here unlocks it. Ask the administrator, who can run:',
      role.canLogin
        ? `  ALTER ROLE ${identifier(wanted.username)} VALID UNTIL 'infinity';`
        : `  ALTER ROLE ${identifier(wanted.username)} LOGIN;`,
    ],
  )
}

function privileged(role: RoleState, wanted: Wanted): Failure {
  return new Failure(
    'role-privileged',
    `Role "${wanted.username}" is more than an application role: ${role.dangers.join(', ')}.`,
    [
      'Whoever held its password could do far more than use one database, so this tool never takes such a role over.',
      'Choose another app-username, or let the administrator take those attributes and memberships away.',
    ],
  )
}

function notAlterable(server: ServerState, wanted: Wanted): Failure {
  const { admin } = server
  if (!admin.createRole) return adminLacks(server, 'CREATEROLE')
  return new Failure(
    'admin-option-missing',
    `The admin "${admin.name}" may not change role "${wanted.username}": it has no ADMIN OPTION on it.`,
    [
      'From PostgreSQL 16 on, CREATEROLE reaches only roles that the admin made itself. A superuser can run:',
      `  GRANT ${identifier(wanted.username)} TO ${identifier(admin.name)} WITH ADMIN OPTION;`,
    ],
  )
}

function adminLacks(server: ServerState, attribute: 'CREATEROLE' | 'CREATEDB'): Failure {
  const { admin } = server
  return new Failure(
    'admin-rights-missing',
    `The admin "${admin.name}" has no ${attribute}, so it cannot create ${
      attribute === 'CREATEROLE' ? 'or change a role' : 'a database or change its owner'
    }.`,
    [
      ...(admin.actsAs === null
        ? []
        : [
            `It is set to act as "${admin.actsAs}" (ALTER ROLE … SET role), and is itself here: what it may do through that role does not count.`,
          ]),
      'Check that the access Secret is the one of the database admin. If it is, a superuser can run:',
      `  ALTER ROLE ${identifier(admin.name)} ${attribute};`,
    ],
  )
}

function foreignOwner(server: ServerState, wanted: Wanted, ...hint: string[]): Failure {
  return new Failure(
    'database-foreign-owner',
    `Database "${wanted.database}" is owned by "${server.database?.owner ?? ''}", who is neither the admin nor "${wanted.username}".`,
    hint,
  )
}
