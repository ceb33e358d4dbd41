import pg from 'pg'
import { count, sentence } from '../lib/text.ts'
import { formatComment, type RoleComment } from '../postgres/marker.ts'
import type { RoleSettingName } from '../postgres/role-setting.ts'
import type { ApplicationKey } from '../secrets/application-secret.ts'
import type { BindingKey } from '../secrets/binding.ts'
import type { Effect } from './effect.ts'
import type { Wanted } from './wanted.ts'

const identifier = pg.escapeIdentifier
const literal = pg.escapeLiteral

/** Why a role that is there gets a password. */
export type PasswordReason = 'secret-gone' | 'drift' | 'literal' | 'adopted'

/**
 * One change: everything that a run can do. None holds a credential, so that a plan can be printed, compared and kept.
 */
export type Change =
  | {
      readonly kind: 'create-role'
      readonly comment: RoleComment
      /** Whether the Secret says that it was there once. */
      readonly again: boolean
    }
  /** Says beforehand that a database is about to be made for a role that is there. */
  | { readonly kind: 'note-database'; readonly comment: RoleComment }
  | { readonly kind: 'create-database'; readonly owner: string; readonly again: boolean }
  | { readonly kind: 'create-extension'; readonly extension: string }
  | { readonly kind: 'grant-database' }
  | { readonly kind: 'grant-connect'; readonly roles: readonly string[] }
  | { readonly kind: 'revoke-public'; readonly privileges: readonly ('CONNECT' | 'TEMPORARY')[] }
  | {
      readonly kind: 'set-owner'
      readonly from: string
      readonly to: string
      readonly toApplication: boolean
    }
  | { readonly kind: 'grant-schema' }
  /** Gives the role a setting in the database. */
  | {
      readonly kind: 'set-setting'
      readonly name: RoleSettingName
      readonly value: string
      readonly from?: string
    }
  | {
      readonly kind: 'set-password'
      readonly reason: PasswordReason
      /** What the role's comment is to say, where it says something else. */
      readonly comment?: RoleComment
    }
  | { readonly kind: 'mark-role'; readonly comment: RoleComment }
  | { readonly kind: 'create-secret'; readonly keys: readonly ApplicationKey[] }
  | { readonly kind: 'repair-secret'; readonly keys: readonly ApplicationKey[] }
  | { readonly kind: 'create-binding'; readonly keys: readonly BindingKey[] }
  | { readonly kind: 'repair-binding'; readonly keys: readonly BindingKey[] }

/** A change, with what it is in the outputs. */
export interface Listed {
  readonly change: Change
  readonly effect: Effect
}

/** A change of one kind. */
export type ChangeOf<Kind extends Change['kind']> = Extract<Change, { kind: Kind }>

/**
 * The steps in which changes are made, in their order. A new role comes first, because all else needs it. What cannot be
 * taken back comes last: the password of a role that is there, on which others may live. Extensions come before the
 * application may create anything where their scripts run.
 */
export type Stage =
  'role' | 'note' | 'database' | 'extensions' | 'grants' | 'schema' | 'settings' | 'password' | 'secret'

/** How a change reads. */
export interface Words {
  /** What was found that is not right. */
  readonly found: string
  /** What would be done about it: `would be created`. */
  readonly would: string
  /** What was done, as a line of the log. */
  readonly line: string
  /** What was done, as a cell of a table. */
  readonly done: string
}

/** What one kind of change is: all that anybody says or does about it comes from here. */
interface Definition<Kind extends Change['kind']> {
  readonly stage: Stage
  /** What it is in the outputs. */
  readonly effect: (change: ChangeOf<Kind>, wanted: Wanted) => Effect
  readonly words: (change: ChangeOf<Kind>, wanted: Wanted) => Words
  /** Its statements; none where it is made in the cluster. `verifier` stands for the password. */
  readonly sql: (change: ChangeOf<Kind>, wanted: Wanted, verifier: string) => readonly string[]
}

const notThere = 'not there'

/** What the old manual page told people to type, and psql took for the password itself. It is public. */
export const literalPassword = ':APP_PASSWORD'

const passwordWords: Readonly<Record<PasswordReason, { readonly found: string; readonly done: string }>> = {
  'secret-gone': { found: 'the Secret holds no password for it', done: 'given a new password' },
  literal: {
    found: `its password was the text ${literalPassword} that the old manual procedure sets by mistake, and which is public`,
    done: "set to the Secret's",
  },
  adopted: { found: 'it was not ours', done: 'adopted, its password set' },
  drift: { found: 'its password was not the one in the Secret', done: "set to the Secret's" },
}

function commentOn({ username }: Wanted, comment: RoleComment | undefined): readonly string[] {
  return comment === undefined
    ? []
    : [`COMMENT ON ROLE ${identifier(username)} IS ${literal(formatComment(comment))}`]
}

const ofRole =
  (action: Effect['action']) =>
  (_: unknown, { username: name }: Wanted): Effect => ({ object: 'role', name, action })
const granted = (_: unknown, { database: name }: Wanted): Effect => ({
  object: 'grants',
  name,
  action: 'granted',
})

/** What a change of a Secret is, whichever of the two. */
interface SecretDefinition {
  readonly stage: 'secret'
  readonly effect: (_: unknown, wanted: Wanted) => Effect
  readonly words: (change: { readonly keys: readonly string[] }, wanted: Wanted) => Words
  readonly sql: () => readonly string[]
}

const created = (object: 'secret' | 'binding'): SecretDefinition => ({
  stage: 'secret',
  effect: (_, wanted) => ({ object, name: wanted[object] ?? '', action: 'created' }),
  words: ({ keys }, wanted) => ({
    found: notThere,
    would: 'created',
    line: `${wanted[object] ?? ''} created, ${count(keys.length, 'key')}`,
    done: 'created',
  }),
  sql: () => [],
})

const repaired = (object: 'secret' | 'binding'): SecretDefinition => ({
  stage: 'secret',
  effect: (_, wanted) => ({ object, name: wanted[object] ?? '', action: 'repaired' }),
  words: ({ keys }, wanted) => ({
    found: `${sentence(keys)} missing or outdated`,
    would: 'written',
    line: `${wanted[object] ?? ''}: ${sentence(keys)} written, other keys kept`,
    done: 'written',
  }),
  sql: () => [],
})

const definitions: { readonly [Kind in Change['kind']]: Definition<Kind> } = {
  'create-role': {
    stage: 'role',
    effect: ofRole('created'),
    words: ({ again }, { username }) => {
      const gone = again ? "; it was gone, and got the Secret's password again" : ''
      return {
        found: again ? 'it was gone' : notThere,
        would: 'created',
        line: `${username} created, SCRAM-SHA-256 verifier, no dangerous attribute${gone}`,
        done: 'created',
      }
    },
    sql: ({ comment }, wanted, verifier) => [
      `CREATE ROLE ${identifier(wanted.username)} LOGIN PASSWORD ${literal(verifier)}`,
      ...commentOn(wanted, comment),
    ],
  },
  'note-database': {
    stage: 'note',
    effect: ofRole('noted'),
    words: (_, { username, database }) => ({
      found: 'nothing says that a database is made for it',
      would: 'given a note',
      line: `${username} is there: noted that database ${database} is made for it`,
      done: 'given a note',
    }),
    sql: ({ comment }, wanted) => commentOn(wanted, comment),
  },
  'create-database': {
    stage: 'database',
    effect: (_, { database: name }) => ({ object: 'database', name, action: 'created' }),
    words: ({ owner, again }, { database }) => ({
      found: again ? 'it was gone' : notThere,
      would: 'created',
      line: `${database} created, owner ${owner}`,
      done: again ? 'created, and it is empty' : 'created',
    }),
    sql: (_, { database }) => [`CREATE DATABASE ${identifier(database)}`],
  },
  'create-extension': {
    stage: 'extensions',
    effect: ({ extension: name }) => ({ object: 'extension', name, action: 'created' }),
    words: ({ extension }) => ({
      found: notThere,
      would: 'created in schema public',
      line: `${extension} created in schema public`,
      done: 'created',
    }),
    sql: ({ extension }) => [`CREATE EXTENSION IF NOT EXISTS ${identifier(extension)} SCHEMA public`],
  },
  'grant-database': {
    stage: 'grants',
    effect: granted,
    words: (_, { username }) => ({
      found: `all on the database for ${username} is missing`,
      would: 'granted',
      line: `${username}: all on the database`,
      done: `${username}: all on the database`,
    }),
    sql: (_, { database, username }) => [
      `GRANT ALL ON DATABASE ${identifier(database)} TO ${identifier(username)}`,
    ],
  },
  'grant-connect': {
    stage: 'grants',
    effect: granted,
    words: ({ roles }) => ({
      found: `CONNECT for ${sentence(roles)} is missing`,
      would: 'granted',
      line: `${sentence(roles)}: CONNECT`,
      done: `${sentence(roles)}: CONNECT`,
    }),
    sql: ({ roles }, { database }) => [
      `GRANT CONNECT ON DATABASE ${identifier(database)} TO ${roles.map(identifier).join(', ')}`,
    ],
  },
  'revoke-public': {
    stage: 'grants',
    effect: granted,
    words: ({ privileges }) => ({
      found: `${sentence(privileges)} ${privileges.length === 1 ? 'is' : 'are'} open to PUBLIC`,
      would: 'taken away',
      line: `PUBLIC: ${sentence(privileges)} taken away`,
      done: `PUBLIC: ${sentence(privileges)} taken away`,
    }),
    // Both, whichever is open: what is said is what was found.
    sql: (_, { database }) => [`REVOKE CONNECT, TEMPORARY ON DATABASE ${identifier(database)} FROM PUBLIC`],
  },
  'set-owner': {
    stage: 'grants',
    effect: (_, { database: name }) => ({ object: 'database', name, action: 'owner-changed' }),
    words: ({ from, to }) => ({
      found: `owner ${from}`,
      would: `given to ${to}`,
      line: `owner changed to ${to}`,
      done: `given to ${to}`,
    }),
    // What the one before had goes to the new one: it is given back by that one.
    sql: ({ to, toApplication }, { database, username, admin }) => [
      `ALTER DATABASE ${identifier(database)} OWNER TO ${identifier(to)}`,
      toApplication
        ? `GRANT CONNECT ON DATABASE ${identifier(database)} TO ${identifier(admin)}`
        : `GRANT ALL ON DATABASE ${identifier(database)} TO ${identifier(username)}`,
    ],
  },
  'grant-schema': {
    stage: 'schema',
    effect: granted,
    words: (_, { username }) => ({
      found: `USAGE and CREATE on schema public for ${username} are missing`,
      would: 'granted',
      line: `${username}: USAGE and CREATE on schema public`,
      done: `${username}: USAGE and CREATE on schema public`,
    }),
    sql: (_, { username }) => [`GRANT USAGE, CREATE ON SCHEMA public TO ${identifier(username)}`],
  },
  'set-setting': {
    stage: 'settings',
    effect: ({ name }) => ({ object: 'setting', name, action: 'set' }),
    words: ({ name, value, from }, { username, database }) => ({
      found: from ?? 'not set',
      would: `set to ${value}`,
      line: `${name} = ${value} for ${username} in ${database}`,
      done: `set to ${value}`,
    }),
    sql: ({ name, value }, { username, database }) => [
      `ALTER ROLE ${identifier(username)} IN DATABASE ${identifier(database)} SET ${name} = ${literal(value)}`,
    ],
  },
  'set-password': {
    stage: 'password',
    effect: ofRole('password-set'),
    words: ({ reason }, { username }) => {
      const { found, done } = passwordWords[reason]
      return { found, would: done, line: `${username} is there, ${found}: ${done}`, done }
    },
    sql: ({ comment }, wanted, verifier) => [
      `ALTER ROLE ${identifier(wanted.username)} PASSWORD ${literal(verifier)}`,
      ...commentOn(wanted, comment),
    ],
  },
  'mark-role': {
    stage: 'password',
    effect: ofRole('marked'),
    words: (_, { username, secret }) => ({
      found: 'nothing says whose it is',
      would: 'marked as ours',
      line: `${username} is there and its login works: marked as belonging to ${secret}`,
      done: 'marked as ours',
    }),
    sql: ({ comment }, wanted) => commentOn(wanted, comment),
  },
  'create-secret': created('secret'),
  'repair-secret': repaired('secret'),
  'create-binding': created('binding'),
  'repair-binding': repaired('binding'),
}

function definitionOf<Kind extends Change['kind']>(change: ChangeOf<Kind>): Definition<Kind> {
  return definitions[change.kind]
}

/** Returns what a change is in the outputs. */
export function effectOf(change: Change, wanted: Wanted): Effect {
  return definitionOf(change).effect(change, wanted)
}

/** Returns changes with what they are in the outputs. */
export function listed(changes: readonly Change[], wanted: Wanted): readonly Listed[] {
  return changes.map((change) => ({ change, effect: effectOf(change, wanted) }))
}

/** Returns how a change reads. */
export function wordsOf(change: Change, wanted: Wanted): Words {
  return definitionOf(change).words(change, wanted)
}

/** Returns the statements of a change. `verifier` is the SCRAM verifier of the password, which no plan holds. */
export function statementsOf(change: Change, wanted: Wanted, verifier = ''): readonly string[] {
  return definitionOf(change).sql(change, wanted, verifier)
}

/** Returns the changes of one step. */
export function changesOf(stage: Stage, changes: readonly Change[]): readonly Change[] {
  return changes.filter((change) => definitionOf(change).stage === stage)
}
