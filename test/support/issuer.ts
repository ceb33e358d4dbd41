import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto'
import { createServer } from 'node:https'
import { createAuthority } from '../../sandbox/certificate.ts'
import { listenOnLoopback } from '../../sandbox/host.ts'

/** What is wrong with a token. */
export type Fault =
  'expired' | 'not yet valid' | 'another audience' | 'another key' | 'another issuer' | 'another repository'

/** An issuer of identity tokens as GitHub and GitLab are: discovery and keys over TLS, and GitHub's way to ask for one. */
export interface TestIssuer {
  readonly url: string
  /** PEM. */
  readonly ca: string
  /** What a job of GitHub that may ask for tokens has in its environment. */
  readonly variables: Readonly<Record<string, string>>
  /** Everything that was handed out. */
  readonly tokens: readonly string[]
  /** What is wrong with what is handed out from now on, and how long it lives. */
  fault: Fault | undefined
  mint(claims?: Readonly<Record<string, unknown>>, audience?: string): string
  stop(): Promise<void>
}

const lifetime = 300

/**
 * Starts one, whose tokens are those of a job of this repository or project in the environment `production`.
 *
 * @param path of the issuer below its address
 */
export async function startIssuer(own: Readonly<Record<string, string>>, path = ''): Promise<TestIssuer> {
  const authority = createAuthority('issuer of the test')
  const { certificate, key } = authority.issue(['127.0.0.1', 'localhost'])
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const kid = randomUUID()
  const requestToken = `request-${randomUUID()}`
  const tokens: string[] = []
  const server = createServer({ cert: certificate, key }, (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', issuer.url)
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
    }
    if (pathname === `${path}/.well-known/openid-configuration`) {
      answer(200, { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` })
    } else if (pathname === `${path}/keys`) {
      answer(200, { keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' }] })
    } else if (pathname === `${path}/token` && request.headers.authorization === `Bearer ${requestToken}`) {
      answer(200, { value: issuer.mint({}, searchParams.get('audience') ?? '') })
    } else answer(401, { message: 'Unauthorized' })
  })
  const url = `https://127.0.0.1:${await listenOnLoopback(server)}${path}`
  const faults: Record<Fault, (now: number) => Readonly<Record<string, unknown>>> = {
    expired: (now) => ({ nbf: now - 600, iat: now - 600, exp: now - 300 }),
    'not yet valid': (now) => ({ nbf: now + 300, exp: now + 600 }),
    'another audience': () => ({ aud: 'somebody-else' }),
    'another issuer': () => ({ iss: 'https://issuer.invalid' }),
    'another key': () => ({}),
    'another repository': () => ({ repository_id: '4712', project_id: '4712' }),
  }
  const issuer: TestIssuer = {
    url,
    ca: authority.pem,
    tokens,
    fault: undefined,
    variables: {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: requestToken,
    },
    mint(claims = {}, audience = 'pg-app-user') {
      const { fault } = issuer
      const now = Math.floor(Date.now() / 1000)
      const all = {
        iss: url,
        aud: audience,
        iat: now,
        nbf: now,
        exp: now + lifetime,
        jti: randomUUID(),
        sub: 'repo:acme/shop:environment:production',
        environment: 'production',
        ...own,
        ...(fault && faults[fault](now)),
        ...claims,
      }
      const content = [{ alg: 'RS256', typ: 'JWT', kid }, all]
        .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
        .join('.')
      const { privateKey } = fault === 'another key' ? stranger : pair
      const token = `${content}.${createSign('sha256').update(content).sign(privateKey, 'base64url')}`
      tokens.push(token)
      return token
    },
    async stop() {
      server.closeAllConnections()
      await server[Symbol.asyncDispose]()
    },
  }
  return issuer
}
