import { X509Certificate } from 'node:crypto'
import type { Issuer, WorkloadRequest } from '../input/request.ts'
import type { Endpoint } from '../kubernetes/endpoint.ts'
import { claimsIn, claimsOf, type Claims } from '../kubernetes/identity.ts'
import { Failure } from '../lib/failure.ts'
import { certificateBlocks } from '../lib/pem.ts'
import { input } from '../lib/spelling.ts'
import { oneLine, utc } from '../lib/text.ts'
import { agentFor } from './authenticate.ts'
import type { Cluster } from './cluster.ts'
import type { Mask } from './document.ts'
import { proxyOf } from './cluster.ts'
import { tokenProblem } from './token.ts'

/** How long the CI may take to give a token, in milliseconds. */
const withinMs = 30_000

/** Returns the API server that an input names. */
export function workloadCluster({ server, authority }: WorkloadRequest, mask: Mask): Cluster {
  const url = new URL(server)
  const proxy = proxyOf('', url, input('api-server'), input('api-server'), mask)
  return {
    server: url,
    skipTlsVerify: false,
    ...(authority !== undefined && {
      authorities: certificateBlocks(authority).map((block) => new X509Certificate(block)),
    }),
    ...(proxy !== undefined && { proxy }),
    info: {},
  }
}

/** Returns an API server to which a run authenticates with tokens that the CI gives it. */
export function workloadEndpoint(request: WorkloadRequest, cluster: Cluster, mask: Mask): Endpoint {
  const { issuer, audience } = request
  return {
    server: cluster.server,
    user: issuer.name,
    ...(cluster.proxy !== undefined && { proxy: cluster.proxy.host }),
    renewable: issuer.asks,
    ahead: issuer.asks,
    origin: { address: input('api-server'), proxies: 'HTTPS_PROXY', authority: input('api-server-ca') },
    authenticate: async (signal) => {
      const token = await tokenOf(issuer, audience, mask, signal)
      return { agent: await agentFor(cluster, undefined), headers: { Authorization: `Bearer ${token}` } }
    },
    rejected: (credentials, now) => rejection(claimsOf(credentials), request, now),
  }
}

/** @throws Failure `identity-token-missing`, `identity-token-invalid` */
async function tokenOf(issuer: Issuer, audience: string, mask: Mask, signal: AbortSignal): Promise<string> {
  const { name, absenceHint } = issuer
  signal.throwIfAborted()
  const over = AbortSignal.any([signal, AbortSignal.timeout(withinMs)])
  const ended = Promise.withResolvers<never>()
  const end = (): void => {
    ended.reject(over.reason)
  }
  over.addEventListener('abort', end, { once: true })
  let given: string | undefined
  try {
    given = await Promise.race([issuer.token(audience), ended.promise])
  } catch (error) {
    signal.throwIfAborted()
    throw new Failure(
      'identity-token-missing',
      `${name} gave this job no identity token for the audience ${oneLine(audience)}.`,
      [`Run the job again; if the error remains, see whether the token service of ${name} is in order.`],
      { cause: error },
    )
  } finally {
    over.removeEventListener('abort', end)
  }
  const token = (given ?? '').trim()
  if (token === '') {
    throw new Failure('identity-token-missing', `${name} gives this job no identity token.`, absenceHint)
  }
  mask(token)
  const problem =
    tokenProblem(token) ?? (claimsIn(token).iss === undefined ? 'is no JWT that names its issuer' : undefined)
  if (problem === undefined) return token
  throw new Failure(
    'identity-token-invalid',
    `The identity token of this job cannot be used: it ${problem}.`,
    [
      'A frequent cause is a variable of the same name that is set by hand, or a text in the place of a token.',
      ...absenceHint,
    ],
  )
}

const sameInstant = 'If that is not so, the clock of the API server or that of the CI is wrong.'

/**
 * Returns what it means that the API server does not accept a token: it says nothing but 401, and the token itself says the
 * rest. The claims are not verified here.
 */
export function rejection(claims: Claims, { server, audience, issuer }: WorkloadRequest, now: Date): Failure {
  const [exp, nbf] = [claims.exp, claims.nbf].map((each) =>
    typeof each === 'number' ? new Date(each * 1000) : undefined,
  )
  if (exp !== undefined && exp < now) {
    return new Failure(
      'identity-token-expired',
      `The identity token of this job expired ${utc(exp)}, and the clock of the API server says ${utc(now)}.`,
      [
        issuer.asks
          ? `The run asked for a new one and got this. ${sameInstant}`
          : `${issuer.name} gives a job its tokens when it starts, and each lives as long as the job may.`,
        sameInstant,
      ].slice(0, issuer.asks ? 1 : 2),
    )
  }
  if (nbf !== undefined && nbf > now) {
    return new Failure(
      'identity-token-early',
      `The identity token of this job is not valid before ${utc(nbf)}, and the clock of the API server says ${utc(now)}.`,
      [sameInstant],
    )
  }
  const audiences = [claims.aud].flat().map(String)
  if (!audiences.includes(audience)) {
    return new Failure(
      'identity-token-audience',
      `The identity token of this job is for ${quoted(audiences)}, and ${input('api-server-audience')} is ${quoted([audience])}.`,
      [
        'What asks for the token, this input and issuer.audiences of the AuthenticationConfiguration have to agree.',
        ...issuer.absenceHint,
      ],
    )
  }
  const { iss } = claims
  if (issuer.url !== undefined && !issuer.url.test(String(iss))) {
    return new Failure(
      'identity-token-issuer',
      `The identity token of this job is from ${quoted([iss])}, which is not the issuer of this ${issuer.name}.`,
      [
        'A frequent cause is a token of another instance, that a variable carries into this job.',
        ...issuer.absenceHint,
      ],
    )
  }
  for (const [claim, own] of Object.entries(issuer.claims)) {
    const said = textOf(claims[claim])
    if (own === undefined || own === '' || said === undefined || said === own) continue
    return new Failure(
      'identity-token-foreign',
      `The identity token of this job is of ${claim} ${quoted([said])}, and this job is of ${quoted([own])}.`,
      [
        'A frequent cause is a token of another project, that a variable carries into this job.',
        ...issuer.absenceHint,
      ],
    )
  }
  const shown = Object.keys(issuer.claims)
    .concat('environment')
    .flatMap((claim) => (claims[claim] === undefined ? [] : [`${claim} ${quoted([claims[claim]])}`]))
  return new Failure(
    'identity-not-trusted',
    `${oneLine(server)} does not accept the identity token of this job (401), which is valid by itself.`,
    [
      `Its issuer is ${quoted([iss])}, its audience ${quoted([audience])}, its subject ${quoted([claims.sub])}${shown.length === 0 ? '' : `; ${shown.join(', ')}`}.`,
      'Only the log of the API server says why (oidc, authentication.go). Send the administrator these lines, to compare with the',
      "AuthenticationConfiguration: issuer.url and its keys, issuer.audiences, and the rules for these claims. 'rights --issuer' prints one that fits.",
    ],
  )
}

/** A claim as a text: numbers of projects are texts or numbers, depending on the version. */
function textOf(claim: unknown): string | undefined {
  return typeof claim === 'string' || typeof claim === 'number' ? String(claim) : undefined
}

function quoted(values: readonly unknown[]): string {
  return values.map((value) => `"${oneLine(textOf(value) ?? JSON.stringify(value ?? null), 120)}"`).join(', ')
}
