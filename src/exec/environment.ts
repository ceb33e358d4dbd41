/** Where the child of a command finds its database. */
export interface Endpoint {
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

const host = '127.0.0.1'

/**
 * Variables of libpq that would lead elsewhere, or demand what the listener does not have. None of them may be set in the
 * place of that: lib/pq fails where it finds one that it does not implement, whatever its value.
 */
const leadingElsewhere = [
  'PGHOSTADDR',
  'PGSERVICE',
  'PGSERVICEFILE',
  'PGPASSFILE',
  'PGSSLROOTCERT',
  'PGSSLCERT',
  'PGSSLCERTMODE',
  'PGSSLKEY',
  'PGSSLCRL',
  'PGSSLCRLDIR',
  'PGSSLNEGOTIATION',
  'PGREQUIRESSL',
  'PGCHANNELBINDING',
  'PGREQUIREAUTH',
  'PGREQUIREPEER',
  'PGTARGETSESSIONATTRS',
  'PGLOADBALANCEHOSTS',
  'PGMINPROTOCOLVERSION',
  'PGGSSENCMODE',
  'PGGSSDELEGATION',
  'PGGSSLIB',
  'PGKRBSRVNAME',
  'PGREALM',
  'PGSSLCOMPRESSION',
  // Rails takes it before DATABASE_URL.
  'PRIMARY_DATABASE_URL',
  // Spring Boot takes these before those of the data source.
  'SPRING_FLYWAY_URL',
  'SPRING_FLYWAY_USER',
  'SPRING_FLYWAY_PASSWORD',
  'SPRING_LIQUIBASE_URL',
  'SPRING_LIQUIBASE_USER',
  'SPRING_LIQUIBASE_PASSWORD',
]

/** What is the run's own: its inputs, its way into the cluster, and the runner's tokens that only an action gets. */
const ownPattern = /^(?:INPUT_|PG_APP_USER_|KUBECONFIG|ACTIONS_ID_TOKEN_REQUEST_|ACTIONS_RUNTIME_TOKEN$)/

/**
 * Returns the environment of a command: what is there, without what is the run's own or leads elsewhere, and with the
 * variables by which common tools find their database.
 *
 * Sources: https://www.postgresql.org/docs/current/libpq-envars.html,
 * https://documentation.red-gate.com/fd (environment variables), https://docs.liquibase.com (environment variables),
 * https://docs.spring.io/spring-boot/reference/features/external-config.html,
 * https://github.com/rails/rails/blob/v8.1.0/activerecord/lib/active_record/database_configurations.rb
 */
export function environmentOf(inherited: NodeJS.ProcessEnv, endpoint: Endpoint): NodeJS.ProcessEnv {
  const named = leading(endpoint)
  // Windows has names in any case.
  const taken = new Set([...leadingElsewhere, ...Object.keys(named)])
  const kept = Object.entries(inherited).filter(([name]) => {
    const upper = name.toUpperCase()
    return !taken.has(upper) && !ownPattern.test(upper)
  })
  return { ...Object.fromEntries(kept), ...named }
}

function leading({ port, user, password, database }: Endpoint): Record<string, string> {
  const [who, where] = [encodeURIComponent(user), encodeURIComponent(database)]
  const url = `postgresql://${who}:${password}@${host}:${port}/${where}?sslmode=disable`
  const jdbc = `jdbc:postgresql://${host}:${port}/${where}?sslmode=disable`
  return {
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGPASSWORD: password,
    PGDATABASE: database,
    PGSSLMODE: 'disable',
    DATABASE_URL: url,
    // Projects with Prisma take these before it: for migrations that must not go through a pooler.
    DIRECT_URL: url,
    DIRECT_DATABASE_URL: url,
    FLYWAY_URL: jdbc,
    FLYWAY_USER: user,
    FLYWAY_PASSWORD: password,
    LIQUIBASE_COMMAND_URL: jdbc,
    LIQUIBASE_COMMAND_USERNAME: user,
    LIQUIBASE_COMMAND_PASSWORD: password,
    SPRING_DATASOURCE_URL: jdbc,
    SPRING_DATASOURCE_USERNAME: user,
    SPRING_DATASOURCE_PASSWORD: password,
  }
}
