import { X509Certificate } from 'node:crypto'
import { utc } from '../lib/text.ts'
import type { Credentials } from './endpoint.ts'
import { expiryOf, notBeforeOf } from './identity.ts'

const newToken = 'Make a new token for the same ServiceAccount or user, and store the new kubeconfig.'
const newCertificate = 'Ask the administrator for a kubeconfig with a new certificate, or with a token.'
const clocks = 'If that instant is past, the clock of who made it, or the one of the API server, is wrong.'

/**
 * Returns why a credential is not accepted, as far as it tells itself, and what to do; nothing where it does not.
 *
 * @param now what the API server takes for the time
 */
export function troubleWith(credentials: Credentials, now: Date): readonly string[] | undefined {
  const { headers, certificate } = credentials
  if (headers['Authorization'] === undefined && certificate === undefined) {
    return [
      'This user of the kubeconfig has no credential: no token, and no client certificate with its key.',
      'Store a kubeconfig whose user has one.',
    ]
  }
  const expiry = expiryOf(credentials)
  if (expiry !== undefined && expiry < now) return [`Its token expired ${utc(expiry)}.`, newToken]
  const from = notBeforeOf(credentials)
  if (from !== undefined && from > now) {
    return [
      `Its token is not valid before ${utc(from)}, and the clock of the API server says ${utc(now)}.`,
      clocks,
    ]
  }
  // Beside a token, nobody can tell which of the two was meant to be accepted.
  if (headers['Authorization'] !== undefined || certificate === undefined) return undefined
  return troubleWithCertificate(certificate, now)
}

function troubleWithCertificate(pem: string, now: Date): readonly string[] | undefined {
  const { validFrom, validTo } = new X509Certificate(pem)
  const until = new Date(validTo)
  if (until < now) return [`Its client certificate expired ${utc(until)}.`, newCertificate]
  const from = new Date(validFrom)
  if (from > now) {
    return [
      `Its client certificate is not valid before ${utc(from)}, and the clock of the API server says ${utc(now)}.`,
      clocks,
    ]
  }
  return undefined
}
