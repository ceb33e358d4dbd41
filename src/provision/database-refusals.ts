import pg from 'pg'
import { Failure } from '../lib/failure.ts'
import { input, named } from '../lib/spelling.ts'
import { capitalized, numbered, sentence } from '../lib/text.ts'
import type { InsideState } from '../postgres/inside.ts'
import type { ServerState, SettingOf } from '../postgres/state.ts'
import type { Change } from './change.ts'
import { commandsOf, quoted } from './refusals.ts'
import type { Wanted } from './wanted.ts'

const identifier = pg.escapeIdentifier

/** Returns the error for an application that cannot be given its rights on schema `public`. */
export function schemaRefused(
  seen: InsideState,
  server: ServerState,
  wanted: Wanted,
  cause?: unknown,
): Failure {
  const commands = commandsOf([{ kind: 'grant-schema' }], wanted)
  const rights = `the rights of "${wanted.username}" on schema public`
  if (server.database === undefined) return templateRefused(rights, seen, server, wanted)
  const { owner } = server.database
  return seen.schemaExists
    ? ineffective(
        `${rights} of database "${wanted.database}"`,
        `${ownerOfSchema(seen, owner)} or a superuser can run in that database:`,
        commands,
        cause,
      )
    : ineffective(
        `${rights}, which database "${wanted.database}" does not have`,
        `Its owner "${owner}" or a superuser can run in it:`,
        ['CREATE SCHEMA public;', ...commands],
        cause,
      )
}

/** The role pg_database_owner is nobody: it stands for the owner of the database. */
function ownerOfSchema({ schemaOwner }: InsideState, owner: string): string {
  return schemaOwner === 'pg_database_owner'
    ? `The owner of the database, "${owner}",`
    : `Its owner "${schemaOwner ?? ''}"`
}

/** Returns the error for a database that is not made, because nothing could be granted in it. */
function templateRefused(rights: string, seen: InsideState, { admin }: ServerState, wanted: Wanted): Failure {
  return new Failure(
    'grant-ineffective',
    `The admin could not give ${rights} of database "${wanted.database}", which would be a copy of template1.`,
    [
      seen.schemaExists
        ? `In template1 schema public belongs to "${seen.schemaOwner ?? ''}", and "${admin.name}" may not give its rights away. A frequent cause is a hardened template.`
        : 'Template1 has no schema public. A frequent cause is a hardened template.',
      'A superuser can run in database template1, for this database and all that are made later:',
      ...(seen.schemaExists ? [] : ['  CREATE SCHEMA public;']),
      `  GRANT USAGE, CREATE ON SCHEMA public TO ${identifier(admin.name)} WITH GRANT OPTION;`,
    ],
  )
}

/** Returns the error for grants that the admin may not give, with the commands for whoever may. */
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

/** Returns the error for extensions that only a superuser may create. */
export function untrusted(extensions: readonly string[], server: ServerState, wanted: Wanted): Failure {
  const one = extensions.length === 1
  const it = one ? 'it' : 'them'
  return new Failure(
    'extension-not-trusted',
    `${numbered('Extension', extensions.length)} ${sentence(extensions.map(quoted))} ${one ? 'is' : 'are'} not trusted: only a superuser may create ${it} (42501).`,
    [
      ...(server.database === undefined
        ? [
            `Leave ${it} out of ${input('extensions')} for now, so that the database gets made. Then let a superuser run in it:`,
          ]
        : [`Ask the administrator to let a superuser run in database "${wanted.database}":`]),
      ...extensionCommands(extensions, wanted),
    ],
  )
}

/** Returns the error for extensions in a database in which the admin may not create any. */
export function mayNotCreate(extensions: readonly string[], server: ServerState, wanted: Wanted): Failure {
  return new Failure(
    'extension-not-trusted',
    `The admin may not create ${numbered('extension', extensions.length)} ${sentence(extensions.map(quoted))} in database "${wanted.database}": the admin has no CREATE on it.`,
    [
      `Its owner "${server.database?.owner ?? ''}" or a superuser can run in that database:`,
      ...extensionCommands(extensions, wanted),
    ],
  )
}

function extensionCommands(extensions: readonly string[], wanted: Wanted): readonly string[] {
  return commandsOf(
    extensions.map((extension) => ({ kind: 'create-extension', extension })),
    wanted,
  ).map((command) => `  ${command}`)
}

/** Returns the error for a database whose owner is in the way of changes, with the commands for whoever can make them. */
export function foreignOwner(server: ServerState, wanted: Wanted, changes: readonly Change[] = []): Failure {
  const { admin, database } = server
  const owner = database?.owner ?? ''
  // To close the database to everybody is for whoever it belongs to.
  const commands = commandsOf(
    changes.filter(({ kind }) => kind !== 'revoke-public'),
    wanted,
  )
  const handover = changes.some(({ kind }) => kind === 'set-owner')
  return new Failure(
    'database-foreign-owner',
    `Database "${wanted.database}" is owned by "${owner}", who is neither the admin nor "${wanted.username}".`,
    commands.length === 0
      ? ['This tool was about to create it; now it has another owner.']
      : [
          `The admin "${admin.name}" can grant nothing on it. ${handover ? 'A superuser' : `Its owner "${owner}" or a superuser`} can run:`,
          ...commands.map((command) => `  ${command}`),
        ],
  )
}

/** Returns the error for a role that would have another name inside of the database. */
export function otherEncoding({ database, newDatabase }: ServerState, wanted: Wanted): Failure {
  const encoding = (database ?? newDatabase)?.otherEncoding ?? ''
  return new Failure(
    'input-invalid',
    `Role "${wanted.username}" cannot be used in database "${wanted.database}": that database ${database === undefined ? 'would have' : 'has'} the encoding ${encoding}, in which a name outside ASCII becomes a different name.`,
    [
      'PostgreSQL keeps the names of roles as the bytes of the database in which they were made.',
      `Choose another ${named('app-username')}, of ASCII characters alone.`,
      ...(database === undefined
        ? [`Or ask the administrator for a template1 with the encoding of database "${wanted.home}".`]
        : []),
    ],
  )
}

/** Says whether a name is not ASCII, so that its bytes depend on an encoding. */
export function isForeign(name: string): boolean {
  return /[^\0-\x7f]/.test(name)
}

/** Returns the error for names that no login would find: it has them in UTF-8, and nothing converts them. */
export function otherBytes(encoding: string, { username, database, home }: Wanted): Failure {
  const foreign = [
    { what: `role ${quoted(username)}`, from: 'app-username', name: username },
    { what: `database ${quoted(database)}`, from: 'app-database', name: database },
  ].filter(({ name }) => isForeign(name))
  return new Failure(
    'input-invalid',
    `${capitalized(sentence(foreign.map(({ what }) => what)))} cannot be used on this server: its database "${home}" has the encoding ${encoding}, in which a name outside ASCII is made of other bytes than a login sends.`,
    [
      'PostgreSQL compares the names of a login byte by byte, and clients send them in UTF-8.',
      `Choose another ${sentence(foreign.map(({ from }) => named(from)))}, of ASCII characters alone.`,
      `Or begin in a database with the encoding UTF8, if there is one: ${input('access-database')}.`,
    ],
  )
}

/** Returns the error for sessions that are set to change nothing. */
export function setReadOnly(setting: SettingOf, role: string, database: string): Failure {
  const reset = 'RESET default_transaction_read_only;'
  const [where, command] = {
    server: ["in the server's configuration", undefined],
    all: ['for all roles', `ALTER ROLE ALL ${reset}`],
    database: [`for database "${database}"`, `ALTER DATABASE ${identifier(database)} ${reset}`],
    role: [`for role "${role}"`, `ALTER ROLE ${identifier(role)} ${reset}`],
    both: [
      `for role "${role}" in database "${database}"`,
      `ALTER ROLE ${identifier(role)} IN DATABASE ${identifier(database)} ${reset}`,
    ],
  }[setting]
  return new Failure(
    'database-read-only',
    `PostgreSQL takes no changes: default_transaction_read_only is on ${where ?? ''}.`,
    [
      'This is the primary, so waiting does not help. A frequent cause is a full disk: an operator or an administrator then sets this.',
      ...(command === undefined
        ? ['Ask the administrator to take it out of the configuration.']
        : ['Ask the administrator. If the reason is gone, a superuser can run:', `  ${command}`]),
    ],
  )
}
