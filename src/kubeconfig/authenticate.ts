import type https from 'node:https'
import { isIP } from 'node:net'
import tls from 'node:tls'
import { KubeConfig } from '@kubernetes/client-node'
import type { Credentials } from '../kubernetes/endpoint.ts'
import { Failure } from '../lib/failure.ts'
import { readRegularFile } from '../lib/regular-file.ts'
import { oneLine } from '../lib/text.ts'
import { proxyOf, type Cluster } from './cluster.ts'
import type { Mask } from './document.ts'
import { invalid, unreadable } from './failure.ts'
import { pairProblem } from './pem.ts'
import type { AgentTo } from './oidc.ts'
import { PluginFailure, runPlugin } from './plugin.ts'
import { textOf } from './text.ts'
import { tokenProblem } from './token.ts'
import type { User } from './user.ts'

/**
 * As many as the requests that a run begins with. What comes next goes on a connection of an answer that is about to
 * come, rather than on one that is yet to be opened.
 */
const maxSockets = 12

/** How long a plugin or an identity provider may take to give a credential, in milliseconds. */
const credentialWithinMs = 30_000

/** What a giver gave: a token, Basic, or a pair for TLS. */
interface Given {
  readonly token?: string
  readonly authorization?: string
  readonly pair?: User['pair']
}

/**
 * Returns what every request of a user carries.
 *
 * @throws Failure `cluster-credential-failed`, `kubeconfig-invalid`
 */
export async function authenticate(
  cluster: Cluster,
  user: User,
  source: string,
  mask: Mask,
  signal: AbortSignal,
): Promise<Credentials> {
  const given = await givenTo(user, source, mask, signal)
  const authorization = given.token === undefined ? given.authorization : `Bearer ${given.token}`
  // As with kubectl, a certificate of the kubeconfig comes before that of its plugin.
  const pair = user.pair ?? given.pair
  return {
    agent: await agentFor(cluster, pair),
    headers: { ...(authorization !== undefined && { Authorization: authorization }), ...user.impersonation },
    ...(pair !== undefined && { certificate: pair.certificate }),
  }
}

async function givenTo(user: User, source: string, mask: Mask, signal: AbortSignal): Promise<Given> {
  const { giver } = user
  switch (giver.kind) {
    case 'none':
      return {}
    case 'token':
      return { token: giver.token }
    case 'file':
      return { token: tokenFrom(giver, user.name, source, mask) }
    case 'password':
      return {
        authorization: `Basic ${Buffer.from(`${giver.username}:${giver.password}`).toString('base64')}`,
      }
    case 'plugin':
    case 'oidc':
      return await fetched(user, source, mask, signal)
  }
}

/** Returns the token that a file holds now; else, as with kubectl, the one beside it. */
function tokenFrom(
  giver: User['giver'] & { kind: 'file' },
  user: string,
  source: string,
  mask: Mask,
): string {
  const owner = `user "${oneLine(user)}"`
  let token: string
  try {
    token = textOf(readRegularFile(giver.file)).trim()
  } catch (error) {
    if (giver.token !== '') return giver.token
    throw unreadable(error, giver.shown, 'tokenFile', owner, source)
  }
  mask(token)
  if (token === '' && giver.token !== '') return giver.token
  const problem = token === '' ? 'is empty' : tokenProblem(token)
  if (problem === undefined) return token
  throw invalid(source, `the token in the tokenFile of ${owner}, ${oneLine(giver.shown)}, ${problem}`)
}

/** Returns what a plugin or an identity provider gives, within the time that it may take. */
async function fetched(user: User, source: string, mask: Mask, signal: AbortSignal): Promise<Given> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(credentialWithinMs)])
  const { giver } = user
  try {
    const given =
      giver.kind === 'plugin' ? await runPlugin(giver.plugin, over) : await tokenOf(giver, source, over, mask)
    const { token = '', pair } = given
    mask(token)
    if (pair !== undefined) mask(pair.key)
    const trimmed = token.trim()
    const problem = trimmed === '' ? undefined : tokenProblem(trimmed)
    if (problem !== undefined) throw new PluginFailure(`gave a token that cannot be sent: it ${problem}`)
    const unfit = pair && pairProblem(pair.certificate, pair.key)
    if (unfit !== undefined) throw new PluginFailure(`gave a certificate that cannot be used: ${unfit}`)
    return { ...(trimmed !== '' && { token: trimmed }), ...(pair && { pair }) }
  } catch (error) {
    signal.throwIfAborted()
    throw credentialFailure(user, error)
  }
}

async function tokenOf(
  giver: User['giver'],
  source: string,
  signal: AbortSignal,
  mask: Mask,
): Promise<Given> {
  const { idToken } = await import('./oidc.ts')
  const config = giver.kind === 'oidc' ? giver.config : {}
  // As with kubectl, neither the proxy of the cluster nor its authorities: those of the environment, and of the machine.
  const agentTo: AgentTo = (server, authorities) => {
    const proxy = proxyOf('', server, 'auth-provider', source, mask)
    const given = { ...(authorities && { authorities }), ...(proxy && { proxy }) }
    return agentFor({ server, skipTlsVerify: false, info: {}, ...given }, undefined)
  }
  return { token: await idToken(config, signal, mask, agentTo) }
}

/** Returns an agent with the settings of TLS and the proxy, which keeps its connections open. */
export async function agentFor(cluster: Cluster, pair: User['pair']): Promise<https.Agent> {
  const { server, proxy, skipTlsVerify, tlsServerName } = cluster
  const addressed = tlsServerName !== undefined && isIP(tlsServerName) !== 0
  const config = new KubeConfig()
  config.loadFromClusterAndUser(
    {
      name: 'cluster',
      server: server.href,
      skipTLSVerify: skipTlsVerify,
      ...(tlsServerName !== undefined && !addressed && { tlsServerName }),
      // As in Go, the proxy resolves names: one that is known behind it only is a frequent reason to have it.
      ...(proxy !== undefined && { proxyUrl: proxy.href.replace(/^socks5:/, 'socks5h:') }),
    },
    { name: 'user' },
  )
  // Said here, or NODE_TLS_REJECT_UNAUTHORIZED would decide. KubeConfig turns it off where the kubeconfig says so.
  const options: https.RequestOptions = { rejectUnauthorized: true }
  await config.applyToHTTPSOptions(options)
  // The agent decides on keeping connections open, whatever kind of agent the proxy made necessary.
  const agent = Object.assign(options.agent as https.Agent, { keepAlive: true, maxSockets })
  // An address is compared with the certificate and never sent, as in Go (RFC 6066, section 3).
  if (addressed) {
    Object.assign(agent.options, {
      servername: '',
      checkServerIdentity: (_: string, certificate: tls.PeerCertificate) =>
        tls.checkServerIdentity(tlsServerName, certificate),
    })
  }
  const ca = cluster.authorities?.map(String) ?? ofThisMachine()
  // Each connection would read the certificates anew.
  agent.options.secureContext = tls.createSecureContext({
    ca,
    ...(pair && { cert: pair.certificate, key: pair.key }),
  })
  return agent
}

/** The authorities of Node.js, and those of the machine, which kubectl takes. Node.js takes these from 22.15 on. */
function ofThisMachine(): string[] | undefined {
  if (!('getCACertificates' in tls)) return undefined
  return [...tls.getCACertificates('default'), ...tls.getCACertificates('system')]
}

function credentialFailure({ name, giver }: User, error: unknown): Failure {
  const who =
    giver.kind === 'plugin' ? `The plugin ${oneLine(giver.plugin.command)}` : 'The auth-provider oidc'
  const known = error instanceof PluginFailure ? error : undefined
  return new Failure(
    'cluster-credential-failed',
    `${who}, which gives user "${oneLine(name)}" its credential for the cluster, ${known?.message ?? 'failed'}.`,
    [
      known?.hint ?? 'A frequent cause is a login that a person has to do first, which a pipeline cannot.',
      'For pipelines, use a kubeconfig with the token of a ServiceAccount.',
    ],
    { cause: error },
  )
}
