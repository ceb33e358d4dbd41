import type { SecretObject } from '../kubernetes/objects.ts'
import type { AccessKeys, AccessPart } from '../providers/provider.ts'
import { makerOf, type Keeper } from '../providers/providers.ts'

/** What the inputs say of the way to PostgreSQL: where they do, they win over the access Secret. */
export interface AccessInputs {
  readonly host?: string | undefined
  readonly port?: string | undefined
  readonly user?: string | undefined
  readonly service?: string | undefined
  readonly sslMode?: string | undefined
  /** The database of the admin's sessions that are for no particular one. */
  readonly database?: string | undefined
}

/** How an access Secret is written. */
export interface AccessForm {
  readonly keys: AccessKeys
  /** Absent where an administrator wrote it. */
  readonly maker?: Keeper
  /** Whether all it leads to stands in it, as an administrator wrote it down; else what is missing may follow from the rest. */
  readonly complete: boolean
  /** Whose password it is, where the name of its key says so. */
  readonly user?: string
}

/** The names of libpq, and the Service: as an administrator writes them down for developers. */
export const written: AccessForm = {
  complete: true,
  keys: {
    host: ['PGHOST'],
    user: ['PGUSER'],
    password: ['PGPASSWORD'],
    sslMode: ['PGSSLMODE'],
    service: ['USER_ACCESS'],
    port: ['PGPORT'],
    replicaHost: ['PGHOST_REPLICA'],
    database: ['PGDATABASE'],
    ca: ['ca.crt'],
  },
}

/** What charts and people write, the most complete first. */
const plain: readonly AccessForm[] = [
  {
    complete: false,
    // Those of servicebinding.io and of type kubernetes.io/basic-auth among them.
    keys: {
      host: ['host'],
      port: ['port'],
      user: ['username', 'user'],
      password: ['password'],
      sslMode: ['sslmode'],
      database: ['database', 'dbname'],
      ca: ['ca.crt'],
    },
  },
  {
    complete: false,
    // Source: https://hub.docker.com/_/postgres
    keys: {
      host: ['POSTGRES_HOST'],
      port: ['POSTGRES_PORT'],
      user: ['POSTGRES_USER'],
      password: ['POSTGRES_PASSWORD'],
      database: ['POSTGRES_DB'],
    },
  },
  // Source: https://github.com/bitnami/charts/blob/main/bitnami/postgresql/templates/secrets.yaml
  { complete: false, keys: { password: ['postgres-password'] }, user: 'postgres' },
]

/** Returns how a Secret may be written, by the names of its keys; none, where no key of a password that is known is there. */
export function formsOf(name: string, { metadata, data = {} }: SecretObject): readonly AccessForm[] {
  const own = Object.values(written.keys).flat()
  if (own.some((key) => key !== 'ca.crt' && key in data)) return [written]
  const maker = makerOf({ name, labels: metadata?.labels ?? {} })
  if (maker !== undefined) return [{ complete: false, keys: maker.provider.secretKeys, maker }]
  return plain.filter(({ keys }) => keys.password?.some((key) => (data[key] ?? '') !== ''))
}

/**
 * Returns those of several forms that may be meant: the one with the password of the role that an input names, else the one
 * that leaves the role open. One of those that hold the same password is enough.
 *
 * @param value of a form under the keys of a part, empty where there is none
 * @param wanted the role that an input names
 */
export function meantOf(
  forms: readonly AccessForm[],
  value: (form: AccessForm, part: AccessPart) => string,
  wanted: string | undefined,
): readonly AccessForm[] {
  const [first, ...others] = forms
  if (first === undefined || others.length === 0) return forms
  const userOf = (form: AccessForm): string => form.user ?? value(form, 'user')
  const ofUser = (user: string): readonly AccessForm[] => forms.filter((form) => userOf(form) === user)
  const named = wanted === undefined ? [] : ofUser(wanted)
  const meant = wanted === undefined || named.length > 0 ? named : ofUser('')
  if (meant.length > 0) return meant
  const same = others.every((form) => value(form, 'password') === value(first, 'password'))
  return same ? [first] : forms
}

/** What a part is called where the Secret has no key for it. */
const words: Readonly<Record<AccessPart, string>> = {
  host: 'host',
  port: 'port',
  user: 'user',
  password: 'password',
  sslMode: 'sslmode',
  service: 'Service',
  database: 'database',
  replicaHost: 'host of the standbys',
  ca: 'certificate authority',
}

/** Returns what a part is called in a Secret of this form: the name of its key, where it has one. */
export function partName({ keys }: AccessForm, part: AccessPart): string {
  return keys[part]?.[0] ?? words[part]
}

/** Returns what is said to be missing: what an administrator writes down has names that everybody knows it by. */
export function missingName(form: AccessForm, part: AccessPart): string {
  return form.complete ? partName(form, part) : words[part]
}

/** Which input says a part. */
export const inputOf = {
  host: 'access-host',
  port: 'access-port',
  user: 'access-user',
  service: 'access-service',
  sslMode: 'access-sslmode',
  database: 'access-database',
} as const satisfies Readonly<Record<keyof AccessInputs, string>>

/** Says whether an input may say a part: none says a password. */
export function hasInput(part: AccessPart): part is keyof AccessInputs {
  return part in inputOf
}

/** What leads to PostgreSQL, as far as it is known. */
export interface Way {
  readonly host: string
  readonly service: string
  readonly sslMode: string
}

/**
 * Completes what is known with what follows from it: an operator has its own names, and otherwise the name of a Service and
 * the host that it gives are the same.
 *
 * @returns the way, and in words what follows
 */
export function complete(
  known: Way,
  form: AccessForm,
  namespace: string,
): Way & { readonly follows: readonly string[] } {
  if (form.complete) {
    return { ...known, follows: [] }
  }
  const { provider, cluster } = form.maker ?? {}
  const services = provider !== undefined && cluster !== undefined ? provider.servicesOf(cluster) : undefined
  const inside = (service: string): string => `${service}.${namespace}.svc`
  // Applications are in other namespaces, where a name alone leads nowhere.
  const host = /^[a-z][a-z0-9-]*$/.test(known.host)
    ? inside(known.host)
    : known.host || (services && inside(services.host)) || (known.service && inside(known.service))
  const service = known.service || services?.forward || (serviceAt(host, namespace) ?? '')
  const sslMode = known.sslMode || provider?.sslMode || ''
  return {
    host,
    service,
    sslMode,
    follows: [
      ...(host === known.host ? [] : [`host ${host}`]),
      ...(service === known.service ? [] : [`svc/${service}`]),
      ...(sslMode === known.sslMode ? [] : [`sslmode ${sslMode}`]),
    ],
  }
}

/** The Service that a name inside the cluster belongs to, where it is one of this namespace. */
function serviceAt(host: string, namespace: string): string | undefined {
  const [name, where, svc] = host.split('.')
  return where === namespace && (svc === undefined || svc === 'svc') ? name : undefined
}
