import { X509Certificate } from 'node:crypto'
import { oneLine } from '../lib/text.ts'
import type { Answer } from './call.ts'
import type { Credentials } from './endpoint.ts'

/** Whom the API server sees. `certain` is false where it may know this user by another name. */
export interface Identity {
  readonly name: string
  readonly certain: boolean
}

/** What asks an API server whom it sees; served from Kubernetes 1.28 on. */
export const selfReview = {
  method: 'POST',
  path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
  body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
} as const

/**
 * Returns whom the API server sees: as it says itself, else the token's subject, else the client certificate's common
 * name, else the kubeconfig's name for the user.
 */
export function identityFrom(review: Answer, credentials: Credentials, user: string): Identity {
  const seen = (review.body as { status?: { userInfo?: { username?: string } } } | null)?.status?.userInfo
  if (review.status === 201 && seen?.username !== undefined) {
    return { name: oneLine(seen.username), certain: true }
  }
  const { headers, certificate } = credentials
  const subject = claimsOf(credentials)['sub']
  const known = impersonated(headers) ?? subject ?? commonName(certificate)
  if (typeof known !== 'string') return { name: oneLine(user), certain: false }
  // Only for ServiceAccounts is the subject the name; for others the API server may take another claim or a prefix.
  return { name: oneLine(known), certain: known !== subject || known.startsWith('system:serviceaccount:') }
}

/** Returns the user whom the API server is asked to take this one for; UTF-8, a character for each byte. */
function impersonated({ 'Impersonate-User': user }: Credentials['headers']): string | undefined {
  return typeof user === 'string' ? Buffer.from(user, 'latin1').toString() : undefined
}

/** Returns when the bearer token expires, where it is a JWT (RFC 7519) that says so. */
export function expiryOf(credentials: Credentials): Date | undefined {
  const { exp } = claimsOf(credentials)
  return typeof exp === 'number' ? new Date(exp * 1000) : undefined
}

/** Returns from when on the bearer token is valid, where it is a JWT (RFC 7519) that says so. */
export function notBeforeOf(credentials: Credentials): Date | undefined {
  const { nbf } = claimsOf(credentials)
  return typeof nbf === 'number' ? new Date(nbf * 1000) : undefined
}

/** Returns the claims of a bearer token that is a JWT, none for any other credential. */
export function claimsOf({ headers }: Credentials): Claims {
  const authorization = headers['Authorization']
  return claimsIn(typeof authorization === 'string' ? (/^Bearer (.*)/s.exec(authorization)?.[1] ?? '') : '')
}

/** What a token says about itself, unverified. */
export interface Claims {
  readonly iss?: unknown
  readonly sub?: unknown
  readonly aud?: unknown
  readonly exp?: unknown
  readonly nbf?: unknown
  readonly [claim: string]: unknown
}

/** Returns the claims of a token that is a JWT (RFC 7519), none for any other. They are not verified. */
export function claimsIn(token: string): Claims {
  const [, payload = ''] = /^[^.]+\.([^.]+)\./.exec(token) ?? []
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString())
    return typeof claims === 'object' && claims !== null ? { ...claims } : {}
  } catch {
    return {}
  }
}

function commonName(certificate: string | undefined): string | undefined {
  if (certificate === undefined) return undefined
  return /^CN=(.+)$/m.exec(new X509Certificate(certificate).subject)?.[1]
}
