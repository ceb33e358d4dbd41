import type { KubeObject } from '../../sandbox/api.ts'
import type { ProvisionRequest } from '../../src/input/request.ts'
import type { FailureCode } from '../../src/lib/failure.ts'
import { identifier, literal, type Application } from '../support/bench.ts'

/** A line of the table "who wins when things disagree", as something to begin a run with. */
export interface State {
  readonly found: string
  readonly inputs?: Partial<ProvisionRequest>
  /** Makes the state, of nothing or of an application that is provisioned. */
  readonly from: 'nothing' | 'provisioned'
  readonly make?: (application: Application) => void | Promise<void>
  /** The code of every run from here: nothing may be changed then. */
  readonly refused?: FailureCode
}

/** Every line of the table: the states from which a run changes something, and those that it leaves as they are. */
export const states: readonly State[] = [
  { found: 'no role, no Secret', from: 'nothing' },
  { found: 'no role, no Secret, an extension wanted', from: 'nothing', inputs: { extensions: ['citext'] } },
  { found: 'no role, no Secret, owner app', from: 'nothing', inputs: { databaseOwner: 'app' } },
  {
    found: 'role that is ours, no Secret',
    from: 'provisioned',
    make: (application) => {
      application.removeSecret()
    },
  },
  {
    found: 'role that is not ours, adopted',
    from: 'nothing',
    inputs: { existing: 'adopt' },
    make: async ({ bench, role }) => {
      await bench.sqlAs(bench.admin.user, [`CREATE ROLE ${identifier(role)} LOGIN PASSWORD 'made by hand'`])
    },
  },
  {
    found: 'Secret, no role',
    from: 'provisioned',
    make: async ({ bench, role, database }) => {
      await bench.sql(`DROP OWNED BY ${identifier(role)}`, [], database)
      await bench.sql(`DROP ROLE ${identifier(role)}`)
    },
  },
  {
    found: 'Secret, no database',
    from: 'provisioned',
    make: async ({ bench, database }) => {
      await bench.sql(`DROP DATABASE ${identifier(database)}`)
    },
  },
  { found: 'Secret and role, login works', from: 'provisioned' },
  {
    found: 'Secret and role, wrong password',
    from: 'provisioned',
    make: async ({ bench, role }) => {
      await bench.sql(`ALTER ROLE ${identifier(role)} PASSWORD 'somebody set this by hand'`)
    },
  },
  {
    found: 'Secret whose password logs in, no marker',
    from: 'provisioned',
    make: async ({ bench, role }) => {
      await bench.sql(`COMMENT ON ROLE ${identifier(role)} IS NULL`)
    },
  },
  {
    found: 'Secret of the manual page, and the literal :APP_PASSWORD in the database',
    from: 'provisioned',
    make: async ({ bench, role }) => {
      await bench.sql(`ALTER ROLE ${identifier(role)} PASSWORD ${literal(':APP_PASSWORD')}`)
      await bench.sql(`COMMENT ON ROLE ${identifier(role)} IS NULL`)
    },
  },
  {
    found: 'Secret with missing keys',
    from: 'provisioned',
    make: (application) => {
      application.removeSecret('PGPORT', 'PGHOST')
    },
  },
  {
    found: 'Secret without a password',
    from: 'provisioned',
    make: (application) => {
      application.removeSecret('PGPASSWORD')
    },
  },
  {
    found: 'Secret whose PGSSLMODE differs, and the input is explicit',
    from: 'provisioned',
    inputs: { appSslMode: 'prefer' },
  },
  {
    found: 'rights on the database taken away, PUBLIC let in',
    from: 'provisioned',
    make: async ({ bench, role, database }) => {
      await bench.sql(`REVOKE ALL ON DATABASE ${identifier(database)} FROM ${identifier(role)}`)
      await bench.sql(`GRANT CONNECT ON DATABASE ${identifier(database)} TO PUBLIC`)
    },
  },
  { found: 'owner admin, and app is wanted', from: 'provisioned', inputs: { databaseOwner: 'app' } },
  {
    found: 'role that is not ours, refused',
    from: 'nothing',
    make: async ({ bench, role }) => {
      await bench.sqlAs(bench.admin.user, [`CREATE ROLE ${identifier(role)} LOGIN PASSWORD 'made by hand'`])
    },
    refused: 'role-not-ours',
  },
  {
    found: 'Secret whose PGHOST names something else, refused',
    from: 'provisioned',
    make: (application) => {
      application.putSecret({ PGHOST: 'elsewhere' }, 'on top')
    },
    refused: 'secret-names-other',
  },
  {
    found: 'Secret that another controller owns and that would have to change, refused',
    from: 'provisioned',
    make: (application) => {
      application.removeSecret('PGPORT')
      const labels = { 'app.kubernetes.io/managed-by': 'Helm' }
      application.putSecret({}, 'on top', { metadata: { name: '', labels } })
    },
    refused: 'secret-managed-elsewhere',
  },
]

const reader = 'killed_reader'
const allThatMayBeAsked: Partial<ProvisionRequest> = {
  extensions: ['citext'],
  secretFormats: ['url', 'servicebinding'],
  roleSettings: [{ name: 'lock_timeout', value: '5s' }],
  connectRoles: [reader],
}
const makeReader: NonNullable<State['make']> = async ({ bench }) => {
  const [there] = await bench.sql('select from pg_roles where rolname = $1', [reader])
  if (there === undefined) await bench.sql(`CREATE ROLE ${reader} LOGIN`)
}

/** Lines of the table with all that may be asked for besides: a run writes two Secrets then, and one may stay behind the other. */
export const askingForAll: readonly State[] = [
  {
    found: 'nothing, and all that may be asked for is',
    from: 'nothing',
    make: makeReader,
    inputs: allThatMayBeAsked,
  },
  {
    found: 'an application, and all that may be asked for is',
    from: 'provisioned',
    make: makeReader,
    inputs: allThatMayBeAsked,
  },
]

/** Puts an application into a state. */
export async function enter(state: State, application: Application): Promise<void> {
  if (state.from === 'provisioned') {
    const { outcome } = await application.run()
    if (outcome.failure !== undefined) throw outcome.failure
  }
  await state.make?.(application)
}

/** Removes everything of an application, so that its names are free again, and sees to it that no run showed a credential. */
export async function erase(application: Application): Promise<void> {
  const { bench, role, database, request } = application
  await bench.sql(`DROP DATABASE IF EXISTS ${identifier(database)} WITH (FORCE)`)
  await bench.sql(`DROP ROLE IF EXISTS ${identifier(role)}`)
  const { api, appNamespace } = bench.sandbox
  for (const name of [request.appSecret, `${request.appSecret}-binding`]) {
    if (api.get('Secret', appNamespace, name)) api.remove('Secret', appNamespace, name)
  }
  await bench.forget()
}

/** What a run can change, each as a text that differs when it was changed; empty where it is not there. */
export interface Things {
  readonly role: string
  readonly database: string
  readonly grants: string
  readonly extension: string
  readonly setting: string
  readonly secret: string
  readonly binding: string
}

/** Reads what a run could have changed. */
export async function thingsOf(application: Application): Promise<Things> {
  const { bench, role, database, request } = application
  const [roleRow] = await bench.sql<{ text: string }>(
    `select concat_ws(' ', rolpassword, rolcanlogin, shobj_description(oid, 'pg_authid')) as text
     from pg_authid where rolname = $1`,
    [role],
  )
  const [settingRow] = await bench.sql<{ text: string | null }>(
    `select string_agg(setconfig::text, ' ') as text from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
     where rolname = $1`,
    [role],
  )
  const [databaseRow] = await bench.sql<{ owner: string; acl: string | null }>(
    'select datdba::regrole::text as owner, datacl::text as acl from pg_database where datname = $1',
    [database],
  )
  const [inside] =
    databaseRow === undefined
      ? []
      : await bench.sql<{ acl: string; extensions: string }>(
          `select (select nspacl::text from pg_namespace where nspname = 'public') as acl,
             (select string_agg(extname, ' ') from pg_extension where extname <> 'plpgsql') as extensions`,
          [],
          database,
        )
  const secret = bench.sandbox.api.get('Secret', bench.sandbox.appNamespace, request.appSecret)
  const binding = bench.sandbox.api.get('Secret', bench.sandbox.appNamespace, `${request.appSecret}-binding`)
  // As template1 has it: nobody granted anything.
  const untouched =
    databaseRow?.acl === null && !inside?.acl.includes(`${role}=`) && !inside?.acl.includes(`"${role}"`)
  return {
    role: roleRow?.text ?? '',
    database: databaseRow?.owner ?? '',
    grants: databaseRow === undefined || untouched ? '' : `${databaseRow.acl ?? ''} ${inside?.acl ?? ''}`,
    extension: inside?.extensions ?? '',
    setting: settingRow?.text ?? '',
    secret: versionOf(secret),
    binding: versionOf(binding),
  }
}

function versionOf(object: KubeObject | undefined): string {
  return object === undefined ? '' : `${object.metadata.uid ?? ''} ${object.metadata.resourceVersion ?? ''}`
}

/**
 * Gives everything of an application that its next run could see, as a text that is the same wherever that run has the same
 * before it: without names, passwords, times and versions, but with whether the Secret logs in.
 */
export async function sightOf(application: Application): Promise<string> {
  const { bench, role, database, request } = application
  const here = (await bench.sql('select from pg_database where datname = $1', [database])).length > 0
  const ofRole = await bench.sql(
    `select rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit,
       rolvaliduntil, rolpassword is null as without, shobj_description(oid, 'pg_authid') as comment
     from pg_authid where rolname = $1`,
    [role],
  )
  const ofMembers = await bench.sql(
    `select to_jsonb(m) - '{oid,roleid,member,grantor}'::text[] as options, roleid::regrole::text, member::regrole::text,
       grantor::regrole::text
     from pg_auth_members m where $1 in (roleid::regrole::text, member::regrole::text) order by 2, 3, 4`,
    [role],
  )
  const ofDatabase = await bench.sql(
    `select datdba::regrole::text, datacl::text, datallowconn, datconnlimit, shobj_description(oid, 'pg_database') as comment
     from pg_database where datname = $1`,
    [database],
  )
  const settings = await bench.sql(
    `select setconfig::text, coalesce(rolname, '') as role, coalesce(datname, '') as database from pg_db_role_setting
       left join pg_roles r on r.oid = setrole left join pg_database d on d.oid = setdatabase
     where rolname = $1 or datname = $2 order by 1, 2, 3`,
    [role, database],
  )
  const inside = here
    ? await bench.sql(
        `select 'schema ' || nspname as thing, nspowner::regrole::text as owner, nspacl::text as acl from pg_namespace
           where nspname !~ '^pg_'
         union all select 'extension ' || extname, extowner::regrole::text, extversion from pg_extension
         union all select 'defaults ' || defaclobjtype::text, defaclrole::regrole::text, defaclacl::text from pg_default_acl
         order by 1, 2, 3`,
        [],
        database,
      )
    : []
  const { api, appNamespace } = bench.sandbox
  const secrets = [request.appSecret, `${request.appSecret}-binding`].map((name) => {
    const object = api.get('Secret', appNamespace, name)
    if (object === undefined) return undefined
    const { metadata, data = {}, ...rest } = object
    const { labels, annotations, ownerReferences } = metadata
    const values = Object.entries(data as Record<string, string>).map(
      ([key, value]) => `${key}=${Buffer.from(value, 'base64').toString()}`,
    )
    return { ...rest, values: values.sort(), labels, annotations, ownerReferences }
  })
  const { PGPASSWORD } = application.secret
  const login = PGPASSWORD === undefined ? 'none' : await application.login()
  const all = JSON.stringify([ofRole, ofMembers, ofDatabase, settings, inside, secrets, login])
  return all
    .replaceAll(PGPASSWORD ?? '\0', 'PASSWORD')
    .replaceAll(new RegExp(`\\b${role}\\b`, 'g'), 'NAME')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
}
