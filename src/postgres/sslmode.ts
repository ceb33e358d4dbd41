import tls from 'node:tls'
import { Failure } from '../lib/failure.ts'
import { input, setting } from '../lib/spelling.ts'
import { isCertificateOf } from './host-name.ts'

/**
 * libpq's sslmode words, with libpq's meanings, and node-postgres' `no-verify`.
 * Source: https://www.postgresql.org/docs/current/libpq-ssl.html
 */
export const sslModes = [
  'disable',
  'allow',
  'prefer',
  'require',
  'verify-ca',
  'verify-full',
  'no-verify',
] as const
export type SslMode = (typeof sslModes)[number]

/** Says whether a client with this mode checks the certificate of the server. */
export function verifies(mode: SslMode): boolean {
  return mode === 'verify-ca' || mode === 'verify-full'
}

/** Says whether a text is one of the sslmode words. */
export function isSslMode(word: string): word is SslMode {
  return (sslModes as readonly string[]).includes(word)
}

/**
 * PostgreSQL up to 17 takes P-256 alone unless told otherwise (`ssl_ecdh_curve`), and has a client that begins with
 * another group begin again, which costs a round trip.
 */
const groups = { ecdhCurve: 'P-256:X25519:P-384:P-521' }
/** What a mode promises is said here, because the environment can change what Node.js takes where nothing is said. */
const common = { ...groups, minVersion: 'TLSv1.2' } as const

/** TLS settings of one way to connect; `false` is a connection in clear text. */
export type Encryption = false | tls.ConnectionOptions

/**
 * Returns the ways to connect that a mode allows, in the order in which libpq tries them. Where a certificate authority
 * is known, libpq verifies the chain in every mode that encrypts, and only `verify-full` looks at the host name.
 *
 * @param ca PEM of the certificate authority, or `system` for the trust store of the operating system
 * @throws Failure `input-invalid` for a mode that verifies without an authority, and for `system` with a mode that
 *   does not look at the host name, which libpq refuses too
 */
export function encryptions(mode: SslMode, ca: string | undefined): readonly [Encryption, ...Encryption[]] {
  if (mode === 'disable') return [false]
  if (mode === 'no-verify') return [{ ...common, rejectUnauthorized: false }]
  if (ca === undefined && (mode === 'verify-ca' || mode === 'verify-full')) {
    throw new Failure('input-invalid', `sslmode ${mode} needs a certificate authority, and none is known.`, [
      `Set ${input('ssl-root-cert')} to its PEM text or to system,`,
      'or ask the administrator to put it under the key ca.crt into the access Secret.',
    ])
  }
  if (ca === 'system' && mode !== 'verify-full') {
    throw new Failure(
      'input-invalid',
      `${setting('ssl-root-cert', 'system')} goes with sslmode verify-full, not ${mode}.`,
      [
        'The system trusts many authorities, so only the host name tells this server from another.',
        `Set ${input('app-sslmode')} to verify-full, or give the PEM text of your own authority.`,
      ],
    )
  }
  const encrypted = verification(mode, ca)
  switch (mode) {
    case 'allow':
      return [false, encrypted]
    case 'prefer':
      return [encrypted, false]
    case 'require':
    case 'verify-ca':
    case 'verify-full':
      return [encrypted]
  }
}

function verification(mode: SslMode, ca: string | undefined): tls.ConnectionOptions {
  if (ca === undefined) return { ...common, rejectUnauthorized: false }
  const trusted = {
    ...common,
    rejectUnauthorized: true,
    ca: ca === 'system' ? tls.getCACertificates('system') : [ca],
  }
  return { ...trusted, checkServerIdentity: mode === 'verify-full' ? checkHost : () => undefined }
}

function checkHost(host: string, certificate: tls.PeerCertificate): Error | undefined {
  return isCertificateOf(certificate, host) ? undefined : new Error(`the certificate is not one of ${host}`)
}
