import type { ProvisionRequest } from '../../src/input/request.ts'
import type { FailureCode } from '../../src/lib/failure.ts'
import { identifier, literal, type Application } from '../support/bench.ts'

/** One value of what may be found, or asked for. */
interface Value {
  readonly is: string
  /** With which codes it may be refused, alone or with values of the other things. */
  readonly refused?: readonly FailureCode[]
  /** Whether no run may succeed with it, whatever the other things are. */
  readonly certain?: 'always' | 'unless adopted'
}

interface Found extends Value {
  readonly make?: (application: Application) => void | Promise<void>
}

interface Asked extends Value {
  readonly inputs: Partial<ProvisionRequest>
}

/** What is found and what is asked for, a value of each thing. */
export interface Case {
  readonly role: Found
  readonly database: Found
  readonly secret: Found
  readonly asked: readonly Asked[]
}

/** Who may see all databases, and keeps that. */
export const watcher = 'wishes_watcher'
/** Whom somebody may ask to be let in. */
export const reader = 'wishes_reader'
/** Who owns what belongs to nobody here. */
export const stranger = 'wishes_stranger'
/** What a role has for a password after somebody changed it. */
export const byHand = 'somebody set this by hand'

const onRole =
  (...clauses: readonly string[]): NonNullable<Found['make']> =>
  async ({ bench, role }) => {
    for (const clause of clauses) {
      const [verb = '', rest = ''] = clause.split('|')
      await bench.sql(`${verb} ${identifier(role)} ${rest}`)
    }
  }
const onDatabase =
  (statement: (database: string, role: string) => string): NonNullable<Found['make']> =>
  async ({ bench, database, role }) => {
    await bench.sql(statement(identifier(database), identifier(role)))
  }
const within =
  (statement: (role: string) => string): NonNullable<Found['make']> =>
  async ({ bench, database, role }) => {
    await bench.sql(statement(identifier(role)), [], database)
  }
const password = `ALTER ROLE|PASSWORD ${literal(byHand)}`
const nobodys = 'COMMENT ON ROLE|IS NULL'
const notOurs = ['role-not-ours', 'database-not-ours'] as const
/** The admin has to look inside where the Secret lets nobody in, and is not let in itself. */
const strangers = [
  'database-foreign-owner',
  'database-not-ours',
  'grant-ineffective',
  'extension-not-trusted',
  'connect-denied',
] as const

/** Each of them begins with an application that a run provisioned. The first two of each are as things should be. */
const roles: readonly Found[] = [
  { is: 'ours' },
  { is: 'ours, password changed by hand', make: onRole(password) },
  {
    is: 'not there',
    refused: ['database-not-ours', 'database-foreign-owner', 'grant-ineffective', 'extension-not-trusted'],
    make: async ({ bench, role, database }) => {
      await bench.sql(
        `REASSIGN OWNED BY ${identifier(role)} TO ${identifier(bench.admin.user)}`,
        [],
        database,
      )
      await bench.sql(`DROP OWNED BY ${identifier(role)}`, [], database)
      await bench.sql(`DROP ROLE ${identifier(role)}`)
    },
  },
  { is: 'without a marker', refused: notOurs, make: onRole(nobodys) },
  { is: 'made by hand', refused: notOurs, certain: 'unless adopted', make: onRole(nobodys, password) },
  {
    is: 'made by hand, with the text of the old manual page for a password',
    refused: notOurs,
    make: onRole(nobodys, `ALTER ROLE|PASSWORD ${literal(':APP_PASSWORD')}`),
  },
  {
    is: "another Secret's",
    refused: ['role-claimed'],
    certain: 'always',
    make: async ({ bench, role, marker }) => {
      const other = marker.replace('-secret"', '-other"')
      await bench.sql(`COMMENT ON ROLE ${identifier(role)} IS ${literal(other)}`)
    },
  },
  {
    is: 'with a comment that nobody can read',
    refused: ['role-claimed'],
    certain: 'always',
    make: async ({ bench, role }) => {
      await bench.sql(`COMMENT ON ROLE ${identifier(role)} IS '{"pg-app-user": 99}'`)
    },
  },
  { is: 'NOLOGIN', refused: ['role-cannot-login'], certain: 'always', make: onRole('ALTER ROLE|NOLOGIN') },
  {
    is: 'expired',
    refused: ['role-cannot-login'],
    certain: 'always',
    make: onRole(`ALTER ROLE|VALID UNTIL '2020-01-01'`),
  },
  {
    is: 'more than an application, its password changed',
    refused: ['role-privileged'],
    certain: 'always',
    make: onRole(password, 'ALTER ROLE|CREATEDB'),
  },
  {
    is: 'more than an application',
    refused: ['role-privileged', 'admin-option-missing'],
    make: onRole('ALTER ROLE|CREATEDB'),
  },
  { is: 'with a setting of its own', make: onRole(`ALTER ROLE|SET lock_timeout = '7s'`) },
]

const databases: readonly Found[] = [
  { is: 'ours' },
  {
    is: 'open to PUBLIC, and no rights for the application',
    make: async ({ bench, role, database }) => {
      await bench.sql(`REVOKE ALL ON DATABASE ${identifier(database)} FROM ${identifier(role)}`)
      await bench.sql(`GRANT CONNECT, TEMPORARY ON DATABASE ${identifier(database)} TO PUBLIC`)
    },
  },
  { is: 'not there', make: onDatabase((database) => `DROP DATABASE ${database}`) },
  {
    is: "the application's own",
    make: onDatabase((database, role) => `ALTER DATABASE ${database} OWNER TO ${role}`),
  },
  {
    is: "a stranger's, and granted",
    refused: strangers,
    make: onDatabase((database) => `ALTER DATABASE ${database} OWNER TO ${stranger}`),
  },
  {
    is: "a stranger's",
    refused: strangers,
    make: async ({ bench, role, database }) => {
      await bench.sql(`ALTER DATABASE ${identifier(database)} OWNER TO ${stranger}`)
      await bench.sql(`REVOKE ALL ON DATABASE ${identifier(database)} FROM ${identifier(role)}`)
    },
  },
  {
    is: 'closed',
    refused: ['database-closed'],
    certain: 'always',
    make: onDatabase((database) => `ALTER DATABASE ${database} ALLOW_CONNECTIONS false`),
  },
  {
    is: 'without the rights on its schema',
    make: within((role) => `REVOKE ALL ON SCHEMA public FROM ${role}`),
  },
  {
    is: "with a stranger's schema",
    refused: ['grant-ineffective'],
    make: async ({ bench, role, database }) => {
      await bench.sql(`REVOKE ALL ON SCHEMA public FROM ${identifier(role)}`, [], database)
      await bench.sql(`ALTER SCHEMA public OWNER TO ${stranger}`, [], database)
    },
  },
  {
    is: 'read-only',
    refused: ['database-read-only'],
    make: onDatabase((database) => `ALTER DATABASE ${database} SET default_transaction_read_only = on`),
  },
]

const without =
  (...keys: readonly string[]): NonNullable<Found['make']> =>
  (application) => {
    application.removeSecret(...keys)
  }

const secrets: readonly Found[] = [
  { is: 'there' },
  { is: 'not there', refused: notOurs, make: without() },
  { is: 'without PGPORT', make: without('PGPORT') },
  { is: 'without PGPASSWORD', refused: notOurs, make: without('PGPASSWORD') },
  { is: 'without its names', refused: notOurs, make: without('PGUSER', 'PGDATABASE') },
  {
    is: 'with another PGHOST',
    refused: ['secret-names-other'],
    certain: 'always',
    make: (application) => {
      application.putSecret({ PGHOST: 'elsewhere' }, 'on top')
    },
  },
  {
    is: 'with a PGSSLMODE of somebody else',
    make: (application) => {
      application.putSecret({ PGSSLMODE: 'disable' }, 'on top')
    },
  },
  {
    is: 'without PGPORT, and of a Helm release',
    refused: ['secret-managed-elsewhere'],
    certain: 'always',
    make: (application) => {
      application.removeSecret('PGPORT')
      const labels = { 'app.kubernetes.io/managed-by': 'Helm' }
      application.putSecret({}, 'on top', { metadata: { name: '', labels } })
    },
  },
  {
    is: 'without PGPORT, and immutable',
    refused: ['secret-immutable'],
    certain: 'always',
    make: (application) => {
      application.removeSecret('PGPORT')
      application.putSecret({}, 'on top', { immutable: true })
    },
  },
]

const wishes: readonly (readonly Asked[])[] = [
  [
    { is: 'whoever owns it', inputs: {} },
    { is: 'owner app', inputs: { databaseOwner: 'app' }, refused: ['database-not-ours'] },
    { is: 'owner admin', inputs: { databaseOwner: 'admin' }, refused: ['database-not-ours'] },
  ],
  [
    { is: 'no extension', inputs: {} },
    { is: 'citext', inputs: { extensions: ['citext'] } },
    {
      is: 'dblink',
      inputs: { extensions: ['citext', 'dblink'] },
      refused: ['extension-not-trusted'],
      certain: 'always',
    },
    {
      is: 'nothing of that name',
      inputs: { extensions: ['nothing'] },
      refused: ['extension-unavailable'],
      certain: 'always',
    },
  ],
  [
    { is: 'nobody else', inputs: {} },
    { is: 'a reader', inputs: { connectRoles: [reader] } },
    {
      is: 'nobody of that name',
      inputs: { connectRoles: [reader, 'nobody_of_that_name'] },
      refused: ['connect-role-unknown'],
      certain: 'always',
    },
  ],
  [
    { is: 'refuse', inputs: {} },
    { is: 'adopt', inputs: { existing: 'adopt' } },
  ],
  [
    { is: 'no setting', inputs: {} },
    { is: 'lock_timeout', inputs: { roleSettings: [{ name: 'lock_timeout', value: '5s' }] } },
    {
      is: 'a setting of a newer PostgreSQL',
      inputs: { roleSettings: [{ name: 'transaction_timeout', value: '1min' }] },
      refused: ['input-invalid'],
      certain: 'always',
    },
  ],
  [
    { is: 'no format', inputs: {} },
    {
      is: 'url',
      inputs: { secretFormats: ['url'] },
      refused: ['secret-managed-elsewhere', 'secret-immutable'],
    },
    { is: 'jdbc and a binding', inputs: { secretFormats: ['jdbc', 'servicebinding'] } },
  ],
]

/** How many cases there are. */
export const cases = [roles, databases, secrets, ...wishes].reduce((all, { length }) => all * length, 1)

/**
 * Gives one of the cases. What is as it should be comes as often as all that is not.
 *
 * @param next gives numbers from 0 to 1
 */
export function anyCase(next: () => number): Case {
  const choose = <Choice>(choices: readonly Choice[]): Choice => {
    const range = next() < 0.5 ? 2 : choices.length
    return choices[Math.floor(next() * range)] as Choice
  }
  return {
    role: choose(roles),
    database: choose(databases),
    secret: choose(secrets),
    asked: wishes.map((values) => choose(values)),
  }
}

/** Says a case in words. */
export function inWords({ role, database, secret, asked }: Case): string {
  return `role ${role.is}; database ${database.is}; Secret ${secret.is}; asked for: ${asked.map(({ is }) => is).join(', ')}`
}

/** Gives all that a case asks for. */
export function inputsOf({ asked }: Case): Partial<ProvisionRequest> {
  return Object.assign({}, ...asked.map(({ inputs }) => inputs)) as Partial<ProvisionRequest>
}

/** Gives the codes with which a case may be refused: none where nothing about it is wrong. */
export function refusalsOf({ role, database, secret, asked }: Case): ReadonlySet<FailureCode> {
  return new Set([role, database, secret, ...asked].flatMap(({ refused = [] }) => refused))
}

/** Says whether a run of this case has to be refused. */
export function isRefused(given: Case): boolean {
  const adopted = inputsOf(given).existing === 'adopt'
  const { role, database, secret, asked } = given
  return [role, database, secret, ...asked].some(
    ({ certain }) => certain === 'always' || (certain === 'unless adopted' && !adopted),
  )
}

/** Puts an application into what a case finds. */
export async function find({ role, database, secret }: Case, application: Application): Promise<void> {
  const { outcome } = await application.run()
  if (outcome.failure !== undefined) throw outcome.failure
  // A role that is to go leaves the database to the admin; and who owns nothing is made last.
  const gone = database.is === 'not there'
  if (!gone) await database.make?.(application)
  if (gone && role.is === 'not there') {
    const { bench } = application
    await database.make?.(application)
    await bench.sql(`DROP ROLE ${identifier(application.role)}`)
  } else {
    await role.make?.(application)
    if (gone) await database.make?.(application)
  }
  await secret.make?.(application)
}
