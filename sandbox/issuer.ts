import { createPublicKey, verify, type JsonWebKey, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import type { User } from './access.ts'

/** The part of an AuthenticationConfiguration that the stand-in knows: what `rights --issuer` prints. */
export interface TrustedIssuer {
  readonly issuer: {
    readonly url: string
    readonly audiences: readonly string[]
    /** PEM. */
    readonly certificateAuthority?: string
  }
  readonly claimValidationRules?: readonly { readonly claim: string; readonly requiredValue: string }[]
  /** Texts in double quotes and claims, with plus signs between: as much of CEL as it takes. */
  readonly claimMappings: { readonly username: { readonly expression: string } }
}

type Claims = Readonly<Record<string, unknown>>

/** Takes tokens of issuers as an API server does: by discovery and keys over TLS, and then by its rules. */
export class Issuers {
  readonly #trusted: TrustedIssuer[] = []

  trust(issuer: TrustedIssuer): void {
    this.#trusted.push(issuer)
  }

  /** Gives whom a token stands for; undefined where it is not accepted, whatever the reason. */
  async userOf(token: string): Promise<User | undefined> {
    const [head, body, signature] = token.split('.')
    if (head === undefined || body === undefined || signature === undefined) return undefined
    try {
      const claims = decoded(body)
      const trusted = this.#trusted.find(({ issuer }) => issuer.url === claims['iss'])
      if (trusted === undefined) return undefined
      const { alg, kid } = decoded(head)
      const key = await keyOf(trusted, String(kid))
      const signed = Buffer.from(`${head}.${body}`)
      if (alg !== 'RS256' || key === undefined) return undefined
      if (!verify('sha256', signed, key, Buffer.from(signature, 'base64url'))) return undefined
      return accepts(trusted, claims, Date.now() / 1000) ? userFrom(trusted, claims) : undefined
    } catch {
      return undefined
    }
  }
}

function accepts({ issuer, claimValidationRules = [] }: TrustedIssuer, claims: Claims, now: number): boolean {
  const audiences = [claims['aud']].flat()
  return (
    issuer.audiences.some((audience) => audiences.includes(audience)) &&
    Number(claims['exp']) > now &&
    !(Number(claims['nbf']) > now) &&
    claimValidationRules.every(({ claim, requiredValue }) => claims[claim] === requiredValue)
  )
}

function userFrom({ claimMappings }: TrustedIssuer, claims: Claims): User {
  const username = claimMappings.username.expression
    .split(' + ')
    .map((part) => {
      const claim = /^claims\.(\w+)$/.exec(part)?.[1]
      const value: unknown = claim === undefined ? JSON.parse(part) : claims[claim]
      if (typeof value !== 'string') throw new Error(`${part} is no text`)
      return value
    })
    .join('')
  return { username, groups: ['system:authenticated'] }
}

async function keyOf({ issuer }: TrustedIssuer, kid: string): Promise<KeyObject | undefined> {
  const about = (await fetched(`${issuer.url}/.well-known/openid-configuration`, issuer)) as {
    issuer?: string
    jwks_uri?: string
  }
  if (about.issuer !== issuer.url || about.jwks_uri === undefined) return undefined
  const { keys } = (await fetched(about.jwks_uri, issuer)) as {
    keys: readonly (JsonWebKey & { kid: string })[]
  }
  const found = keys.find((key) => key.kid === kid)
  return found && createPublicKey({ key: found, format: 'jwk' })
}

async function fetched(url: string, { certificateAuthority: ca }: TrustedIssuer['issuer']): Promise<unknown> {
  const request = https.get(url, { ...(ca !== undefined && { ca }), agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return JSON.parse(await text(response))
}

function decoded(part: string): Claims {
  return JSON.parse(Buffer.from(part, 'base64url').toString()) as Claims
}
