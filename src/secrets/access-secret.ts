import type { Api } from '../kubernetes/api.ts'
import { corePath } from '../kubernetes/call.ts'
import type { SecretObject } from '../kubernetes/objects.ts'
import { Failure } from '../lib/failure.ts'
import { inputs } from '../lib/spelling.ts'
import { count, oneLine, sentence } from '../lib/text.ts'
import type { Via } from '../lib/via.ts'
import { isSslMode, type SslMode } from '../postgres/sslmode.ts'
import { judgeAdmin, looksMadeAtRandom, type AdminLogin } from './admin-login.ts'
import { certificatesOf } from './pem.ts'
import { decodeData } from './secret-data.ts'
import { unseen, type Unfit, unfitPlaceholder } from './unfit.ts'
import { unfitValue } from './value.ts'

/** The administrator's Secret: how to reach PostgreSQL, and the admin to log in as. */
export interface AccessSecret extends Pick<AdminLogin, 'named' | 'doubts'> {
  /** `namespace/name`. */
  readonly ref: string
  /** PGHOST: the name inside the cluster. */
  readonly host: string
  /** PGPORT, 5432 where there is none. */
  readonly port: number
  readonly user: string
  readonly password: string
  readonly sslMode: SslMode
  /** USER_ACCESS: the Service to forward to, without `svc/`. Always there where the run is to be forwarded. */
  readonly service?: string
  /** PGHOST_REPLICA. */
  readonly replicaHost?: string
  /** The certificates of `ca.crt`, PEM. */
  readonly ca?: string
  /** How many of the keys above are there. */
  readonly keyCount: number
}

const required = ['PGHOST', 'PGUSER', 'PGPASSWORD', 'PGSSLMODE', 'USER_ACCESS'] as const
const optional = ['PGPORT', 'PGHOST_REPLICA', 'ca.crt'] as const

/** Announces a credential, and the names that are shown although they stand beside it. */
type Mask = (credential: string, beside?: readonly string[]) => void

/**
 * Reads the access Secret. Its password is masked at the moment it is decoded.
 *
 * @throws Failure `access-secret-not-found`; `access-secret-invalid`, which names every key that is missing or broken
 */
export async function readAccessSecret(
  api: Api,
  namespace: string,
  name: string,
  mask: Mask,
  via: Via = 'port-forward',
): Promise<AccessSecret> {
  const ref = `${namespace}/${name}`
  const secret = (await api.get(corePath(namespace, 'secrets', name))) as SecretObject | undefined
  if (secret === undefined) {
    throw new Failure('access-secret-not-found', `The access Secret ${ref} does not exist.`, [
      'A frequent cause is a misspelt name, or the namespace of the application instead of the database.',
      `Check ${inputs('access-secret', 'access-namespace')} against what the administrator sent.`,
    ])
  }
  return parseAccessSecret(ref, secret, mask, via)
}

/**
 * Parses what `readAccessSecret` has read; `ref` is `namespace/name`. A run that goes to PGHOST itself has no use for
 * USER_ACCESS, and does without.
 */
export function parseAccessSecret(
  ref: string,
  secret: SecretObject,
  mask: Mask,
  via: Via = 'port-forward',
): AccessSecret {
  const needed = required.filter((key) => via === 'port-forward' || key !== 'USER_ACCESS')
  const { values, problems: undecodable } = decodeData(
    secret.data,
    [...required, ...optional],
    (password) => {
      mask(password, shownNames(secret.data))
      mask(withoutLineEnds(password))
    },
  )
  const problems = [...undecodable]
  const hints = new Set<string>()
  const broken = (key: string): boolean => problems.some((problem) => problem.startsWith(`${key} `))
  const check = (key: string, unfit: Unfit | undefined): void => {
    if (unfit === undefined || broken(key)) return
    problems.push(`${key} ${unfit.problem}`)
    if (unfit.hint !== undefined) hints.add(unfit.hint)
  }

  // Files and `echo | base64` leave a line end behind, which $(…) in a shell takes off again.
  const line = (key: string, unfit: (value: string) => Unfit | undefined): string => {
    const value = (values.get(key) ?? '').replace(/\r?\n$/, '')
    if (value === '') return value
    if (/\p{Cc}/u.test(value)) problems.push(`${key} holds a control character`)
    check(key, unfit(value))
    return value
  }
  const host = line('PGHOST', (value) => unfitValue('PGHOST', value))
  const user = line('PGUSER', unfitUser)
  const password = withoutLineEnds(values.get('PGPASSWORD') ?? '')
  const sslMode = line('PGSSLMODE', (value) => unfitValue('PGSSLMODE', value))
  const port = line('PGPORT', (value) => unfitValue('PGPORT', value))
  const access = line('USER_ACCESS', (value) => (via === 'direct' ? undefined : unfitService(value)))
  const service = serviceOf(access)
  const replicaHost = line('PGHOST_REPLICA', (value) => unfitValue('PGHOST_REPLICA', value))
  const authority = values.get('ca.crt') ?? ''
  if (authority !== '') check('ca.crt', unfitValue('ca.crt', authority))
  const ca = certificatesOf(authority)
  const { credentials, ...admin } = judgeAdmin(user, password)
  for (const credential of credentials) mask(credential)

  const found: Partial<Record<string, string>> = {
    PGHOST: host,
    PGUSER: user,
    PGPASSWORD: password,
    PGSSLMODE: sslMode,
    USER_ACCESS: access,
  }
  const missing = needed.filter((key) => found[key] === '' && !broken(key))
  if (missing.length > 0)
    problems.unshift(`${sentence(missing)} ${missing.length === 1 ? 'is' : 'are'} missing`)
  if (problems.length > 0 || (service === undefined && via === 'port-forward') || !isSslMode(sslMode)) {
    throw new Failure(
      'access-secret-invalid',
      `The access Secret ${ref} cannot be used: ${problems.join('; ')}.`,
      [
        ...hints,
        ...(missing.length === 0 ? [] : [whatItNeeds(secret, needed)]),
        `Check that ${inputs('access-secret', 'access-namespace')} name the access Secret, and ask the administrator to put it right.`,
      ],
    )
  }
  return {
    ref,
    host,
    port: port === '' ? 5432 : Number(port),
    user,
    password,
    sslMode,
    ...(service !== undefined && { service }),
    ...(replicaHost !== '' && { replicaHost }),
    ...(ca !== undefined && { ca }),
    ...admin,
    keyCount: values.size,
  }
}

/** A role may be called anything, so that only what cannot be meant is refused; a login tells the rest. */
function unfitUser(value: string): Unfit | undefined {
  const placeholder = unfitPlaceholder(value)
  if (placeholder !== undefined) return placeholder
  return /^\p{Cf}|\p{Cf}$/u.test(value) ? { problem: unseen } : undefined
}

/** Kubernetes 1.34 lets the name of a Service begin with a digit (KEP-5311). */
function serviceOf(access: string): string | undefined {
  return /^(?:(?:svc|service)\/)?([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)$/.exec(access)?.[1]
}

function unfitService(value: string): Unfit | undefined {
  if (serviceOf(value) !== undefined) return undefined
  const placeholder = unfitPlaceholder(value)
  if (placeholder !== undefined) return placeholder
  const quotable = /^(?:[a-z]+\/|\.\.\/)?[\w.:-]{1,80}$/i.test(value) && !looksMadeAtRandom(value)
  return { problem: `is ${quotable ? `"${value}", which is ` : ''}neither a Service's name nor svc/name` }
}

/** Another Secret than the one that is meant shows by the names of its keys. */
function whatItNeeds({ data = {} }: SecretObject, needed: readonly string[]): string {
  const keys = Object.keys(data).sort()
  const held =
    keys.length === 0 ? 'nothing' : oneLine(sentence(keys.slice(0, 12).map((key) => `"${key}"`)), 200)
  return `It needs ${count(needed.length, 'key')}: ${sentence(needed)}. It holds ${held}.`
}

/** The names that a run shows; a text of another form may be anything, a credential that got into the wrong key as well. */
function shownNames(data: SecretObject['data']): readonly string[] {
  return ['PGHOST', 'PGHOST_REPLICA', 'PGUSER', 'USER_ACCESS'].flatMap((key) => {
    const name = Buffer.from(data?.[key] ?? '', 'base64')
      .toString()
      .trim()
    return /^[\w./-]+$/.test(name) && !(key === 'PGUSER' && looksMadeAtRandom(name)) ? [name] : []
  })
}

function withoutLineEnds(text: string): string {
  return text.replace(/[\r\n]+$/, '')
}
