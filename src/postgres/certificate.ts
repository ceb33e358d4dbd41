import { TLSSocket } from 'node:tls'
import { oneLine } from '../lib/text.ts'
import type { Connections } from './connection.ts'
import { encryptions } from './sslmode.ts'

/** What a server shows of itself when TLS begins. */
export interface ServerCertificate {
  readonly ends: Date
  /** The names it is for, in one line. */
  readonly names: string
  readonly issuer: string
  /** Whether an authority was at hand to check it against. */
  readonly checked: boolean
  /** Why sslmode `verify-full` would refuse it; absent where it would not, or nothing was checked. */
  readonly refused: string | undefined
}

/**
 * Looks at the server's certificate on a connection of its own, on which nobody logs in.
 *
 * @param ca PEM of the authority, `system`, or nothing where none is known
 * @throws Failure `tls-failed` where the server offers no TLS, and what `Connections.open` throws
 */
export async function examineCertificate(
  connections: Connections,
  host: string,
  ca: string | undefined,
): Promise<ServerCertificate> {
  const sslMode = ca === undefined ? 'require' : 'verify-full'
  const [encryption] = encryptions(sslMode, ca)
  const lenient = encryption && { ...encryption, rejectUnauthorized: false }
  const { stream, tunnel } = await connections.open({ host, sslMode, ca }, lenient, false)
  try {
    if (!(stream instanceof TLSSocket)) throw new Error('what was to be encrypted is a TLS socket')
    const { valid_to: ends, subjectaltname, subject, issuer } = stream.getPeerCertificate()
    const refused = ca === undefined || stream.authorized ? undefined : String(stream.authorizationError)
    return {
      ends: new Date(ends),
      names: oneLine(subjectaltname ?? `CN:${[subject.CN].flat().join(' ')}`, 200),
      issuer: oneLine([issuer.CN ?? issuer.O ?? ''].flat().join(' '), 80),
      checked: ca !== undefined,
      refused: refused === undefined ? undefined : oneLine(refused, 120),
    }
  } finally {
    tunnel.destroy()
  }
}
