import { X509Certificate } from 'node:crypto'
import type { Api } from '../kubernetes/api.ts'
import { corePath } from '../kubernetes/call.ts'
import type { SecretObject } from '../kubernetes/objects.ts'
import { Failure } from '../lib/failure.ts'
import { inputs } from '../lib/spelling.ts'
import { count, oneLine, sentence } from '../lib/text.ts'
import { isSslMode, sslModes, type SslMode } from '../postgres/sslmode.ts'
import { decodeData } from './secret-data.ts'

/** The administrator's Secret: how to reach PostgreSQL, and the admin to log in as. */
export interface AccessSecret {
  /** `namespace/name`. */
  readonly ref: string
  /** PGHOST: the name inside the cluster. */
  readonly host: string
  /** PGPORT, 5432 where there is none. */
  readonly port: number
  readonly user: string
  readonly password: string
  readonly sslMode: SslMode
  /** USER_ACCESS: the Service to forward to, without `svc/`. */
  readonly service: string
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
): Promise<AccessSecret> {
  const ref = `${namespace}/${name}`
  const secret = (await api.get(corePath(namespace, 'secrets', name))) as SecretObject | undefined
  if (secret === undefined) {
    throw new Failure('access-secret-not-found', `The access Secret ${ref} does not exist.`, [
      'A frequent cause is a misspelt name, or the namespace of the application instead of the database.',
      `Check ${inputs('access-secret', 'access-namespace')} against what the administrator sent.`,
    ])
  }
  return parseAccessSecret(ref, secret, mask)
}

/** Parses what `readAccessSecret` has read; `ref` is `namespace/name`. */
export function parseAccessSecret(ref: string, secret: SecretObject, mask: Mask): AccessSecret {
  const { values, problems: undecodable } = decodeData(
    secret.data,
    [...required, ...optional],
    (password) => {
      mask(password, shownNames(secret.data))
      mask(withoutLineEnds(password))
    },
  )
  const problems = [...undecodable]
  const broken = (key: string): boolean => problems.some((problem) => problem.startsWith(`${key} `))

  // Files and `echo | base64` leave a line end behind, which $(…) in a shell takes off again.
  const line = (key: string): string => {
    const value = (values.get(key) ?? '').replace(/\r?\n$/, '')
    if (/\p{Cc}/u.test(value)) problems.push(`${key} holds a control character`)
    return value
  }
  const host = line('PGHOST')
  if (/\s/.test(host) && !broken('PGHOST')) problems.push('PGHOST holds a space')
  const user = line('PGUSER')
  const password = withoutLineEnds(values.get('PGPASSWORD') ?? '')
  const sslMode = line('PGSSLMODE')
  if (sslMode !== '' && !isSslMode(sslMode)) {
    problems.push(`PGSSLMODE is "${oneLine(sslMode, 40)}", which is none of ${sslModes.join(', ')}`)
  }
  const port = line('PGPORT')
  if (port !== '' && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    problems.push(`PGPORT is "${oneLine(port, 40)}", which is no port`)
  }
  const access = line('USER_ACCESS')
  const service = /^(?:(?:svc|service)\/)?([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)$/.exec(access)?.[1]
  if (access !== '' && service === undefined) {
    problems.push(`USER_ACCESS is "${oneLine(access, 80)}", which is neither a Service's name nor svc/name`)
  }
  const replicaHost = line('PGHOST_REPLICA')
  const ca = certificates(values.get('ca.crt') ?? '')
  if (values.has('ca.crt') && ca === undefined) problems.push('ca.crt holds no certificate in PEM')

  const found: Partial<Record<string, string>> = {
    PGHOST: host,
    PGUSER: user,
    PGPASSWORD: password,
    PGSSLMODE: sslMode,
    USER_ACCESS: access,
  }
  const missing = required.filter((key) => found[key] === '' && !broken(key))
  if (missing.length > 0)
    problems.unshift(`${sentence(missing)} ${missing.length === 1 ? 'is' : 'are'} missing`)
  if (problems.length > 0 || service === undefined || !isSslMode(sslMode)) {
    throw new Failure(
      'access-secret-invalid',
      `The access Secret ${ref} cannot be used: ${problems.join('; ')}.`,
      [
        `It needs ${count(required.length, 'key')}: ${sentence(required)}.`,
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
    service,
    ...(replicaHost !== '' && { replicaHost }),
    ...(ca !== undefined && { ca }),
    keyCount: values.size,
  }
}

/** The names that a run shows; a text of another form may be anything, a credential that got into the wrong key as well. */
function shownNames(data: SecretObject['data']): readonly string[] {
  return ['PGHOST', 'PGHOST_REPLICA', 'PGUSER', 'USER_ACCESS']
    .map((key) =>
      Buffer.from(data?.[key] ?? '', 'base64')
        .toString()
        .trim(),
    )
    .filter((name) => /^[\w./-]+$/.test(name))
}

function withoutLineEnds(text: string): string {
  return text.replace(/[\r\n]+$/, '')
}

/** Gives the certificates of a PEM text and nothing else of it, since they are published to applications. */
function certificates(pem: string): string | undefined {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  try {
    for (const block of blocks) new X509Certificate(block)
  } catch {
    return undefined
  }
  return blocks.length === 0 ? undefined : `${blocks.join('\n')}\n`
}
