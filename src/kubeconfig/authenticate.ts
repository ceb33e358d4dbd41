import type https from 'node:https'
import tls from 'node:tls'
import { KubeConfig, type Cluster, type User } from '@kubernetes/client-node'
import type { Credentials } from '../kubernetes/endpoint.ts'
import { Failure } from '../lib/failure.ts'
import { oneLine } from '../lib/text.ts'
import type { Mask } from './document.ts'
import { runPlugin, type Plugin } from './plugin.ts'

/**
 * As many as the requests that a run begins with. What comes next goes on a connection of an answer that is about to
 * come, rather than on one that is yet to be opened.
 */
const maxSockets = 12

/** How long a plugin or an identity provider may take to give a credential, in milliseconds. */
const credentialWithinMs = 30_000

/**
 * Returns what every request of a user carries: by an exec plugin or an auth-provider where the kubeconfig names one.
 *
 * @throws Failure `cluster-credential-failed`
 */
export async function authenticate(
  cluster: Cluster,
  user: User,
  mask: Mask,
  signal: AbortSignal,
): Promise<Credentials> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(credentialWithinMs)])
  // Said here, or NODE_TLS_REJECT_UNAUTHORIZED would decide. KubeConfig turns it off where the kubeconfig says so.
  const options: https.RequestOptions = { rejectUnauthorized: true }
  let agent: https.Agent
  try {
    const config = new KubeConfig()
    config.loadFromClusterAndUser(cluster, await withCredential(user, over))
    await within(config.applyToHTTPSOptions(options), over)
    // The agent decides on keeping connections open, whatever kind of agent the proxy made necessary.
    agent = Object.assign(options.agent as https.Agent, { keepAlive: true, maxSockets })
    // Each connection would read the certificates anew.
    agent.options.secureContext = tls.createSecureContext(agent.options)
  } catch (error) {
    signal.throwIfAborted()
    throw credentialFailure(user, error)
  }
  const headers = { ...(options.headers as Record<string, string> | undefined) }
  if (typeof options.auth === 'string') {
    headers['Authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`
  }
  const bearer = /^Bearer (.*)$/s.exec(headers['Authorization'] ?? '')?.[1]
  if (bearer !== undefined) mask(bearer)
  if (typeof options.key === 'string' || Buffer.isBuffer(options.key)) mask(options.key.toString())
  if (user.authProvider !== undefined && headers['Authorization'] === undefined) {
    throw credentialFailure(user, new Error('the provider gave no token'))
  }
  return {
    agent,
    headers,
    ...(options.cert !== undefined && { certificate: String(options.cert) }),
  }
}

/** Returns the user with what its plugin gives, where it has one. */
async function withCredential({ exec, ...user }: User, signal: AbortSignal): Promise<User> {
  if (exec === undefined) return user
  const given = await runPlugin(exec as Plugin, signal)
  const base64 = (pem: string): string => Buffer.from(pem).toString('base64')
  return {
    ...user,
    ...(given.token !== undefined && { token: given.token }),
    ...(given.clientCertificateData !== undefined && { certData: base64(given.clientCertificateData) }),
    ...(given.clientKeyData !== undefined && { keyData: base64(given.clientKeyData) }),
  }
}

async function within(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: over, reject } = Promise.withResolvers<never>()
  const stop = (): void => {
    reject(new Error('there was no answer in time'))
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    await Promise.race([work, over])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function credentialFailure(user: User, error: unknown): Failure {
  const exec = user.exec as Plugin | undefined
  const provider = user.authProvider as { name: string } | undefined
  const giver =
    exec === undefined
      ? `The auth-provider ${oneLine(provider?.name ?? '')}`
      : `The plugin ${oneLine(exec.command)}`
  const absent = (error as NodeJS.ErrnoException).code === 'ENOENT'
  const seen = absent ? 'is not installed here' : 'failed'
  // What an auth-provider throws may repeat what it was told; a plugin's errors are our own.
  const cause = exec === undefined ? undefined : error
  return new Failure(
    'cluster-credential-failed',
    `${giver}, which gives user "${oneLine(user.name)}" its credential for the cluster, ${seen}.`,
    absent
      ? ['Install it on the runner, or use a kubeconfig with the token of a ServiceAccount.']
      : [
          'A frequent cause is a login that a person has to do first, which a pipeline cannot.',
          'For pipelines, use a kubeconfig with the token of a ServiceAccount.',
        ],
    { cause },
  )
}
