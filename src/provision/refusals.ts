import pg from 'pg'
import { Failure } from '../lib/failure.ts'
import { named, setting } from '../lib/spelling.ts'
import { count, numbered, sentence } from '../lib/text.ts'
import type { Marker } from '../postgres/marker.ts'
import type { Claim, RoleState, ServerState } from '../postgres/state.ts'
import { statementsOf, type Change } from './change.ts'
import type { Observed } from './observed.ts'
import type { Wanted } from './wanted.ts'

const identifier = pg.escapeIdentifier

/** Returns the statements of changes, for somebody who may make them. */
export function commandsOf(changes: readonly Change[], wanted: Wanted): readonly string[] {
  return changes.flatMap((change) => statementsOf(change, wanted)).map((statement) => `${statement};`)
}

/** Returns a name in quotes. */
export function quoted(name: string): string {
  return `"${name}"`
}

/** Returns the error for a role that another application's marker claims. */
export function claimed(marker: Marker, wanted: Wanted): Failure {
  const others = `choose another ${named('app-username')} and ${named('app-database')}.`
  const same = secretOf(marker, wanted)
  return new Failure('role-claimed', `Role "${wanted.username}" belongs to ${marker.secret}.`, [
    `This run would publish it as ${wanted.secret}, and each of the two would break the other's login.`,
    ...(same === undefined
      ? [`A frequent cause is the same names deployed from a second namespace: ${others}`]
      : [`If this is the same application: set ${same}. If it is another one: ${others}`]),
    `If the application moved, let the administrator run:`,
    `  COMMENT ON ROLE ${identifier(wanted.username)} IS NULL;`,
    `and set ${setting('existing', 'adopt')} in the new place.`,
  ])
}

/** Returns what names the Secret of a marker, where it is in the namespace of the run: the run may name the wrong one. */
export function secretOf(marker: Marker, wanted: Wanted): string | undefined {
  const [namespace, name = ''] = marker.secret.split('/')
  return namespace === wanted.secret.split('/')[0] ? setting('app-secret', name) : undefined
}

/** Returns the error for a role whose comment nobody can read. */
export function unreadable(wanted: Wanted): Failure {
  return new Failure(
    'role-claimed',
    `Role "${wanted.username}" belongs to an application that is not known: its comment cannot be read.`,
    [
      'The comment names pg-app-user, and was written by another version or changed by hand. No input takes such a role over.',
      'The comment may still name the application. To look at it:',
      lookAtComment(wanted.username),
      'If that is no other application, let the administrator run:',
      `  COMMENT ON ROLE ${identifier(wanted.username)} IS NULL;`,
      `and set ${setting('existing', 'adopt')} here for one run.`,
    ],
  )
}

function lookAtComment(role: string): string {
  return `  SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = ${pg.escapeLiteral(role)};`
}

/** Returns the error for a database that markers of others claim. */
export function databaseClaimed(claims: readonly Claim[], wanted: Wanted): Failure {
  const roles = claims.map(({ role }) => role)
  const unread = claims.filter(({ secret }) => secret === undefined).map(({ role }) => role)
  const owners = claims.map(({ role, secret }) => secret ?? `the application of role "${role}"`)
  return new Failure('database-claimed', `Database "${wanted.database}" belongs to ${sentence(owners)}.`, [
    `The ${numbered('comment', roles.length)} of ${numbered('role', roles.length)} ${sentence(roles.map(quoted))} ${roles.length === 1 ? 'says' : 'say'} so. No input takes the database over: choose another ${named('app-database')}.`,
    ...(unread.length === 0
      ? []
      : [
          `The ${numbered('comment', unread.length)} of ${numbered('role', unread.length)} ${sentence(unread.map(quoted))} cannot be read: ${unread.length === 1 ? 'it was' : 'they were'} written by another version or changed by hand. To look at it:`,
          ...unread.map(lookAtComment),
        ]),
    'If it was given up there for good, let the administrator run:',
    ...roles.map((role) => `  COMMENT ON ROLE ${identifier(role)} IS NULL;`),
    `and set ${setting('existing', 'adopt')} here.`,
  ])
}

/** Returns the error for a role of which nothing says whose it is. */
export function notOurs(
  role: RoleState,
  { secret: { kind }, secretHasPassword }: Observed,
  wanted: Wanted,
): Failure {
  const absent = kind === 'create' ? 'does not exist' : 'has no key PGPASSWORD'
  const secret = secretHasPassword ? 'the password of that Secret does not log in' : `that Secret ${absent}`
  const open =
    role.sessions === 1
      ? '1 session is open'
      : `${count(role.sessions, 'session').replace(/^0/, 'no')} are open`
  return new Failure(
    'role-not-ours',
    `Role "${wanted.username}" exists, and nothing says that it belongs to ${wanted.secret}.`,
    [
      `It has no pg-app-user comment, ${secret}, and ${open} as "${wanted.username}" now.`,
      `If it is yours, for example made by hand before: set ${setting('existing', 'adopt')}. It gets ${
        secretHasPassword ? "the Secret's" : 'a new'
      } password,`,
      'and whatever still uses the old one stops working.',
      `If it belongs to another application: choose another ${named('app-username')}.`,
    ],
  )
}

/** Returns the error for a role that may not log in. */
export function cannotLogin(role: RoleState, wanted: Wanted): Failure {
  return new Failure(
    'role-cannot-login',
    role.canLogin
      ? `The password of role "${wanted.username}" has expired (VALID UNTIL is past).`
      : `Role "${wanted.username}" may not log in (NOLOGIN).`,
    [
      'It was locked, most likely on purpose, so this tool does not unlock it. Ask the administrator, who can run:',
      role.canLogin
        ? `  ALTER ROLE ${identifier(wanted.username)} VALID UNTIL 'infinity';`
        : `  ALTER ROLE ${identifier(wanted.username)} LOGIN;`,
    ],
  )
}

/** Returns the error for a role that gets no new password while nobody could try it. */
export function full(whose: 'role' | 'database', { username, database }: Wanted): Failure {
  const name = whose === 'role' ? username : database
  return new Failure(
    'connection-limit',
    `PostgreSQL has no connection left for "${username}": the CONNECTION LIMIT of ${whose} "${name}" is reached.`,
    [
      'The role needs another password, which could not be proven now; the one that it has stays until then.',
      `Close sessions, or let the administrator raise the limit (ALTER ${whose.toUpperCase()} … CONNECTION LIMIT).`,
    ],
  )
}

/** Returns the error for a role with more rights than an application has. */
export function privileged(dangers: readonly string[], wanted: Wanted): Failure {
  return new Failure(
    'role-privileged',
    `Role "${wanted.username}" is more than an application role: ${dangers.join(', ')}.`,
    [
      'Whoever held its password could do far more than use one database, so this tool never takes such a role over.',
      `Choose another ${named('app-username')}, or let the administrator take those attributes and memberships away.`,
    ],
  )
}

/** Returns the error for a role that the admin may not change. */
export function notAlterable(server: ServerState, wanted: Wanted): Failure {
  const { admin, role } = server
  if (!admin.createRole) return adminLacks(server, 'CREATEROLE', wanted)
  return withoutAdminOption(
    `The admin "${admin.name}" may not change role "${wanted.username}": it has no ADMIN OPTION on it.`,
    role,
    server,
    wanted,
  )
}

/** Returns the error for a role that the admin may not act as. */
export function notMember(server: ServerState, wanted: Wanted): Failure {
  const { admin, role, versionNumber } = server
  if (versionNumber < 160_000 && !admin.createRole) return adminLacks(server, 'CREATEROLE', wanted)
  return withoutAdminOption(
    `The admin "${admin.name}" may not act as role "${wanted.username}": it has no ADMIN OPTION on it.`,
    role,
    server,
    wanted,
  )
}

function withoutAdminOption(
  message: string,
  role: RoleState | undefined,
  { admin }: ServerState,
  wanted: Wanted,
): Failure {
  const ours = role?.marker?.secret === wanted.secret
  return new Failure('admin-option-missing', message, [
    'From PostgreSQL 16 on, CREATEROLE reaches only roles on which the admin has ADMIN OPTION.',
    ...(ours
      ? [
          'Its comment says that this tool made or adopted it. Frequent causes of the missing ADMIN OPTION are an upgrade from PostgreSQL 15 or older, which did not need it,',
          `another admin in the access Secret, or an operator that looks after memberships: with CloudNativePG, list "${wanted.username}" under inRoles of the managed role "${admin.name}".`,
        ]
      : ['The creator of a role gets it; another admin or a superuser created this one.']),
    'A superuser can run:',
    `  GRANT ${identifier(wanted.username)} TO ${identifier(admin.name)} WITH ADMIN OPTION;`,
  ])
}

/** Returns the error for an admin that does not inherit, where only that gives it the database of the application. */
export function notInheriting(server: ServerState, wanted: Wanted, changes: readonly Change[]): Failure {
  const { admin, membership } = server
  if (!membership.grantable) return notMember(server, wanted)
  return new Failure(
    'admin-rights-missing',
    `The admin "${admin.name}" is NOINHERIT, so it cannot take database "${wanted.database}" over from "${wanted.username}".`,
    [
      'Before PostgreSQL 16, such a role does not inherit the rights of its memberships. A superuser can run:',
      ...commandsOf(changes, wanted).map((command) => `  ${command}`),
      `Or leave the owner as it is: ${setting('database-owner', 'app')}.`,
    ],
  )
}

/** Returns the error for an admin without an attribute. */
export function adminLacks(
  { admin }: ServerState,
  attribute: 'CREATEROLE' | 'CREATEDB',
  { admission }: Wanted,
): Failure {
  return new Failure(
    'admin-rights-missing',
    `The admin "${admin.name}" has no ${attribute}, so it cannot create ${
      attribute === 'CREATEROLE' ? 'or change a role' : 'a database or change its owner'
    }.`,
    [
      ...(admin.actsAs === null
        ? []
        : [
            `It is set to act as "${admin.actsAs}" (ALTER ROLE … SET role). This run does not act as that role, so the rights of that role do not count.`,
          ]),
      ...(admission?.madeAdmin === true
        ? [
            `${admission.provider} creates logins without it, unless its resource asks for it. Add to that resource:`,
          ]
        : [
            'Check that the access Secret is the one of the database admin. If it is, a superuser can run:',
            `  ALTER ROLE ${identifier(admin.name)} ${attribute};`,
          ]),
      ...(admission === undefined || admission.madeAdmin
        ? []
        : [`If ${admission.provider} manages that role, add to its resource instead:`]),
      ...(admission?.resource ?? []).map((line) => `  ${line}`),
    ],
  )
}
