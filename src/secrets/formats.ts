import { urlPasswords } from '../lib/text.ts'
import { verifies, type SslMode } from '../postgres/sslmode.ts'

/** Where an application finds `ca.crt` of its Secret, mounted as the documents show it. */
export const mountedCa = '/etc/pg-app-user/ca.crt'

/** What a mode that verifies holds the server's certificate against: the Secret's `ca.crt`, or the system's authorities. */
export type Authority = 'mounted' | 'system'

/** What a Secret says about one login, in the terms of libpq. */
export interface Credential {
  /** A host, or several with commas between them. */
  readonly host: string
  readonly port: string
  readonly user: string
  readonly password: string
  readonly database: string
  readonly sslMode: SslMode
  readonly ca: Authority
}

/** One way to write a credential down, beside the names of libpq. */
export interface Format {
  /** Whose form it is, for people. */
  readonly of: string
  /** Returns the keys with their values. */
  readonly write: (credential: Credential) => Readonly<Partial<Record<FormatKey, string>>>
}

/**
 * `DATABASE_URL`, the URI of libpq, which most tools of other languages take too.
 * Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
const url: Format = {
  of: 'libpq',
  write: ({ host, port, user, password, database, sslMode, ca }) => {
    const [login, name] = [`${encoded(user)}:${encoded(password)}`, encoded(database)]
    // `sslrootcert=system` is known to libpq 16 alone, which takes it from PGSSLROOTCERT too; to others it is a file.
    const root = { mounted: `&sslrootcert=${mountedCa}`, system: '' }
    return {
      DATABASE_URL: `postgresql://${login}@${addresses(host, port)}/${name}?sslmode=${sslMode}${verifies(sslMode) ? root[ca] : ''}`,
    }
  },
}

/**
 * The names of Spring Boot, with a URL of pgjdbc. Source: https://jdbc.postgresql.org/documentation/use/ and
 * https://docs.spring.io/spring-boot/reference/data/sql.html
 */
const jdbc: Format = {
  of: 'pgjdbc',
  write: ({ host, port, user, password, database, sslMode, ca }) => {
    // `require` of pgjdbc checks nothing, which is what `no-verify` says.
    const mode = sslMode === 'no-verify' ? 'require' : sslMode
    const root = {
      mounted: `&sslrootcert=${mountedCa}`,
      system: '&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory',
    }
    return {
      SPRING_DATASOURCE_URL: `jdbc:postgresql://${addresses(host, port)}/${encoded(database)}?sslmode=${mode}${verifies(sslMode) ? root[ca] : ''}`,
      SPRING_DATASOURCE_USERNAME: user,
      SPRING_DATASOURCE_PASSWORD: password,
    }
  },
}

const npgsqlModes: Readonly<Record<SslMode, string>> = {
  disable: 'Disable',
  allow: 'Allow',
  prefer: 'Prefer',
  require: 'Require',
  'verify-ca': 'VerifyCA',
  'verify-full': 'VerifyFull',
  // `Require` of Npgsql checks nothing since version 8.
  'no-verify': 'Require',
}

/**
 * The connection string of Npgsql, under the name that ASP.NET Core reads from the environment.
 * Source: https://www.npgsql.org/doc/connection-string-parameters.html
 */
const dotnet: Format = {
  of: 'Npgsql',
  write: ({ host, port, user, password, database, sslMode, ca }) => {
    const pairs: readonly (readonly [string, string])[] = [
      ['Host', host],
      ['Port', port],
      ['Username', user],
      ['Password', password],
      ['Database', database],
      ['SSL Mode', npgsqlModes[sslMode]],
      ...(verifies(sslMode) && ca === 'mounted' ? [['Root Certificate', mountedCa] as const] : []),
    ]
    return {
      ConnectionStrings__Default: pairs.map(([key, value]) => `${key}=${dotnetValue(value)}`).join(';'),
    }
  },
}

/** A service binding has a type of its own, and so a Secret of its own: `binding.ts`. */
const servicebinding: Format = { of: 'servicebinding.io', write: () => ({}) }

/** The forms that an application Secret can have beside the names of libpq. */
export const formats = { url, jdbc, dotnet, servicebinding } as const
export type FormatName = keyof typeof formats
export const formatNames = [
  'url',
  'jdbc',
  'dotnet',
  'servicebinding',
] as const satisfies readonly FormatName[]

/** Every key that a format can write. */
export const formatKeys = [
  'DATABASE_URL',
  'SPRING_DATASOURCE_URL',
  'SPRING_DATASOURCE_USERNAME',
  'SPRING_DATASOURCE_PASSWORD',
  'ConnectionStrings__Default',
] as const
export type FormatKey = (typeof formatKeys)[number]

/** Says whether a key is one that a format can write. */
export function isFormatKey(key: string): key is FormatKey {
  return formatKeys.some((each) => each === key)
}

/** Those of them that hold names alone, which stay readable. */
const withoutCredential: readonly string[] = ['SPRING_DATASOURCE_URL', 'SPRING_DATASOURCE_USERNAME']

/** Returns every credential in further forms: as a whole too, because base64 of it is not that of the password. */
export function* credentialsIn(values: Readonly<Partial<Record<string, string>>>): Generator<string> {
  for (const key of formatKeys) {
    const value = values[key]
    if (value === undefined || withoutCredential.includes(key)) continue
    yield value
    yield* urlPasswords(value)
  }
}

/** Percent-encodes everything but unreserved characters (RFC 3986), of which `encodeURIComponent` leaves five. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** Every host with the port, IPv6 in brackets. */
function addresses(host: string, port: string): string {
  return host
    .split(',')
    .map((each) => `${each.includes(':') ? `[${each}]` : each}:${port}`)
    .join(',')
}

/** Quotes what would end a value, or be trimmed. Source: documentation of DbConnectionStringBuilder. */
function dotnetValue(value: string): string {
  return /^[^\s;'"=][^;'"=]*$/.test(value) && !/\s$/.test(value) ? value : `"${value.replaceAll('"', '""')}"`
}
