import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import { record, text, type Fields } from '../kubernetes/fields.ts'
import { claimsIn } from '../kubernetes/identity.ts'
import { certificateBlocks } from '../lib/pem.ts'
import { readRegularFile } from '../lib/regular-file.ts'
import type { Mask } from './document.ts'
import { PluginFailure } from './plugin.ts'

/** More than any answer of an identity provider that is one. */
const longestAnswer = 1024 * 1024

/** Returns what a request to a provider goes through, with the authorities of the machine where none are given. */
export type AgentTo = (
  provider: URL,
  authorities: readonly X509Certificate[] | undefined,
) => Promise<https.Agent>

/** What a provider gave last: a refresh-token may be good for one use. */
const renewed = new WeakMap<Fields, Fields>()

/**
 * Returns the id-token of an auth-provider `oidc`: the one that the kubeconfig has as long as it is valid, else a new one
 * for its refresh-token. The kubeconfig is not changed.
 *
 * Source: k8s.io/client-go/plugin/pkg/client/auth/oidc; OpenID Connect Discovery 1.0, section 4; RFC 6749, section 6
 *
 * @throws PluginFailure, which holds nothing of what the provider has said
 */
export async function idToken(
  config: Fields,
  signal: AbortSignal,
  mask: Mask,
  agentTo: AgentTo,
): Promise<string> {
  const current = { ...config, ...renewed.get(config) }
  const given = text(current, 'id-token')
  const { exp } = claimsIn(given)
  if (typeof exp === 'number' && exp * 1000 > Date.now()) return given
  const [issuer, client, refresh] = ['idp-issuer-url', 'client-id', 'refresh-token'].map((key) =>
    text(current, key),
  )
  if (!issuer || !client || !refresh) {
    throw new PluginFailure(
      given === '' ? 'has no id-token' : 'has an id-token that is no longer valid',
      'A new one needs idp-issuer-url, client-id and refresh-token beside it.',
    )
  }
  const authorities = authoritiesOf(config)
  const ask: Ask = (address, sent) =>
    askAt(address, (provider) => agentTo(provider, authorities), signal, sent)
  const about = await ask(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  const secret = text(config, 'client-secret')
  const answer = await refreshed(ask, text(about, 'token_endpoint'), { client, secret, refresh })
  const [token, next] = [text(answer, 'id_token'), text(answer, 'refresh_token')]
  mask(next)
  if (token === '') throw new PluginFailure('gave no new id-token for its refresh-token')
  renewed.set(config, { 'id-token': token, 'refresh-token': next || refresh })
  return token
}

/**
 * Uses a refresh-token, with the credential of the client in the header; where that is refused, in the form, as Go does:
 * many providers take one of the two alone, and of a client without a secret the latter.
 * Source: RFC 6749, section 2.3.1; golang.org/x/oauth2/internal, RetrieveToken
 */
async function refreshed(
  ask: Ask,
  address: string,
  { client, secret, refresh }: { client: string; secret: string; refresh: string },
): Promise<Fields> {
  const form = { grant_type: 'refresh_token', refresh_token: refresh, client_id: client }
  const inForm = new URLSearchParams({ ...form, ...(secret !== '' && { client_secret: secret }) })
  if (secret !== '') {
    const credential = Buffer.from([client, secret].map(encodeURIComponent).join(':')).toString('base64')
    const sent = { authorization: `Basic ${credential}`, form: new URLSearchParams(form).toString() }
    try {
      return await ask(address, sent)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
    }
  }
  return await ask(address, { form: inForm.toString() })
}

function authoritiesOf(config: Fields): readonly X509Certificate[] | undefined {
  const data = text(config, 'idp-certificate-authority-data')
  const file = text(config, 'idp-certificate-authority')
  if (data + file === '') return undefined
  const pem = data === '' ? readRegularFile(file) : Buffer.from(data, 'base64')
  return certificateBlocks(pem.toString()).map((block) => new X509Certificate(block))
}

/** An answer of the provider that is an error. */
class Refused extends PluginFailure {
  constructor(status: number) {
    super(
      `answered ${status}`,
      'A frequent cause is a refresh-token that has expired or was used before: log in again.',
    )
  }
}

/** What is sent, where anything is. */
interface Sent {
  readonly authorization?: string
  readonly form: string
}

/** Asks the provider for JSON: by GET, or by POST where there is a form. */
type Ask = (address: string, sent?: Sent) => Promise<Fields>

async function askAt(
  address: string,
  agentTo: (provider: URL) => Promise<https.Agent>,
  signal: AbortSignal,
  sent?: Sent,
): Promise<Fields> {
  const url = URL.parse(address)
  if (url?.protocol !== 'https:') throw new PluginFailure('has an address that is no https:// address')
  const agent = await agentTo(url)
  try {
    return await answerOf(url, agent, signal, sent)
  } finally {
    agent.destroy()
  }
}

async function answerOf(
  url: URL,
  agent: https.Agent,
  signal: AbortSignal,
  sent: Sent | undefined,
): Promise<Fields> {
  const request = https.request(url, {
    method: sent === undefined ? 'GET' : 'POST',
    agent,
    rejectUnauthorized: true,
    signal,
    headers: {
      Accept: 'application/json',
      ...(sent && { 'Content-Type': 'application/x-www-form-urlencoded' }),
      ...(sent?.authorization !== undefined && { Authorization: sent.authorization }),
    },
  })
  request.end(sent?.form)
  const [response] = (await once(request, 'response', { signal })) as [IncomingMessage]
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > longestAnswer) throw new PluginFailure('sent an answer of more than 1 MiB')
    chunks.push(chunk)
  }
  if (response.statusCode !== 200) throw new Refused(response.statusCode ?? 0)
  try {
    return record(JSON.parse(Buffer.concat(chunks).toString()))
  } catch {
    throw new PluginFailure('answered with something other than JSON')
  }
}
