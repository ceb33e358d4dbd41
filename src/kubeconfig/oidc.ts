import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import { record, text, type Fields } from '../kubernetes/fields.ts'
import { claimsIn } from '../kubernetes/identity.ts'
import { readRegularFile } from '../lib/regular-file.ts'
import { PluginFailure } from './plugin.ts'

/** More than any answer of an identity provider that is one. */
const longestAnswer = 1024 * 1024

/**
 * Returns the id-token of an auth-provider `oidc`: the one that the kubeconfig has as long as it is valid, else a new one
 * for its refresh-token. The kubeconfig is not changed.
 *
 * Source: k8s.io/client-go/plugin/pkg/client/auth/oidc; OpenID Connect Discovery 1.0, section 4; RFC 6749, section 6
 *
 * @throws PluginFailure, which holds nothing of what the provider has said
 */
export async function idToken(config: Fields, signal: AbortSignal): Promise<string> {
  const given = text(config, 'id-token')
  const { exp } = claimsIn(given)
  if (typeof exp === 'number' && exp * 1000 > Date.now()) return given
  const [issuer, client, refresh] = ['idp-issuer-url', 'client-id', 'refresh-token'].map((key) =>
    text(config, key),
  )
  if (!issuer || !client || !refresh) {
    throw new PluginFailure(
      given === '' ? 'has no id-token' : 'has an id-token that is no longer valid',
      'A new one needs idp-issuer-url, client-id and refresh-token beside it.',
    )
  }
  const ca = authorityOf(config)
  const about = await ask(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, ca, signal)
  const credential = [client, text(config, 'client-secret')].map(encodeURIComponent).join(':')
  const answer = await ask(text(about, 'token_endpoint'), ca, signal, {
    authorization: `Basic ${Buffer.from(credential).toString('base64')}`,
    form: new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: refresh,
      client_id: client,
    }).toString(),
  })
  const token = text(answer, 'id_token')
  if (token === '') throw new PluginFailure('gave no new id-token for its refresh-token')
  return token
}

function authorityOf(config: Fields): string | undefined {
  const data = text(config, 'idp-certificate-authority-data')
  if (data !== '') return Buffer.from(data, 'base64').toString()
  const file = text(config, 'idp-certificate-authority')
  return file === '' ? undefined : readRegularFile(file).toString()
}

/** Asks the provider for JSON: by GET, or by POST where there is a form. */
async function ask(
  address: string,
  ca: string | undefined,
  signal: AbortSignal,
  sent?: { readonly authorization: string; readonly form: string },
): Promise<Fields> {
  const url = URL.parse(address)
  if (url?.protocol !== 'https:') throw new PluginFailure('has an address that is no https:// address')
  const request = https.request(url, {
    method: sent === undefined ? 'GET' : 'POST',
    ca,
    rejectUnauthorized: true,
    signal,
    headers: {
      Accept: 'application/json',
      ...(sent && { Authorization: sent.authorization, 'Content-Type': 'application/x-www-form-urlencoded' }),
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
  if (response.statusCode !== 200) {
    throw new PluginFailure(
      `answered ${response.statusCode ?? 0}`,
      'A frequent cause is a refresh-token that has expired or was used before: log in again.',
    )
  }
  try {
    return record(JSON.parse(Buffer.concat(chunks).toString()))
  } catch {
    throw new PluginFailure('answered with something other than JSON')
  }
}
