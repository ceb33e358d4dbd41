import path from 'node:path'
import { record, text, type Fields } from '../kubernetes/fields.ts'
import { oneLine, sentence } from '../lib/text.ts'
import type { Cluster } from './cluster.ts'
import type { Entry, Mask } from './document.ts'
import { invalid, refusePlaceholder } from './failure.ts'
import { impersonationOf, type Headers } from './impersonation.ts'
import { pairProblem, pemOf } from './pem.ts'
import { pluginOf, type Plugin } from './plugin.ts'
import { tokenProblem } from './token.ts'
import { checkTypes, userTypes } from './types.ts'

/** From where the header comes that says who a user is. A certificate alone needs none. */
export type Giver =
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string }
  /** The file is read again and again; the token is for when it cannot be. */
  | { readonly kind: 'file'; readonly file: string; readonly shown: string; readonly token: string }
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'plugin'; readonly plugin: Plugin }
  | { readonly kind: 'oidc'; readonly config: Fields }

/** A user as an API server gets to see it. */
export interface User {
  readonly name: string
  readonly giver: Giver
  /** A client certificate with its chain, and its key, both PEM. */
  readonly pair?: { readonly certificate: string; readonly key: string }
  readonly impersonation: Headers
}

/**
 * Returns an entry of `users`, by the rules of client-go: what it takes beside what, and what wins. Its key is masked.
 *
 * Source: validateAuthInfo and getUserIdentificationPartialConfig in k8s.io/client-go/tools/clientcmd
 *
 * @throws Failure `kubeconfig-invalid`
 */
export function userOf(entry: Entry, name: string, cluster: Cluster, source: string, mask: Mask): User {
  const { fields } = entry
  const owner = `user "${oneLine(name)}"`
  checkTypes(fields, userTypes, owner, source)
  for (const key of ['token', 'tokenFile', 'username', 'password', 'as']) {
    refusePlaceholder(text(fields, key), key, owner, source)
  }
  const giver = giverOf(entry, owner, cluster, source)
  const pair = pairOf(entry, owner, giver, source, mask)
  if (giver.kind === 'none' && pair === undefined) throw noCredential(fields, owner, source)
  return { name, giver, ...(pair && { pair }), impersonation: impersonationOf(fields, owner, source) }
}

function giverOf(entry: Entry, owner: string, cluster: Cluster, source: string): Giver {
  const { fields, folder } = entry
  const token = text(fields, 'token').trim()
  const shown = text(fields, 'tokenFile')
  const [username, password] = [text(fields, 'username'), text(fields, 'password')]
  const problem = tokenProblem(token)
  if (problem !== undefined) {
    throw invalid(source, `the token of ${owner} ${problem}`, [
      'A frequent cause is a token that was copied from a document, a page or a command. Store it anew.',
    ])
  }
  if (token !== '' && username + password !== '') {
    throw invalid(source, `its ${owner} has a token and a password`, [
      'Only one of them can be sent. Remove the one that is not meant.',
    ])
  }
  const plugin = fields['exec'] ? pluginOf(record(fields['exec']), folder, cluster, owner, source) : undefined
  const config = providerOf(fields, owner, source)
  if (plugin !== undefined && config !== undefined) {
    throw invalid(source, `its ${owner} has a plugin (exec) and an auth-provider`, [
      'Remove the one that is not meant.',
    ])
  }
  if (shown !== '') return { kind: 'file', file: path.resolve(folder, shown), shown, token }
  if (token !== '') return { kind: 'token', token }
  if (username !== '') return { kind: 'password', username, password }
  if (plugin !== undefined) return { kind: 'plugin', plugin }
  if (config !== undefined) return { kind: 'oidc', config }
  return { kind: 'none' }
}

/** Returns the settings of the auth-provider, which can only be that of OpenID Connect. */
function providerOf(fields: Fields, owner: string, source: string): Fields | undefined {
  if (!fields['auth-provider']) return undefined
  const provider = record(fields['auth-provider'])
  const name = text(provider, 'name')
  if (name === 'oidc') return record(provider['config'])
  if (name === 'gcp' || name === 'azure') {
    throw invalid(source, `the auth-provider ${name} of ${owner} was removed from kubectl in 1.26`, [
      `A plugin replaces it: ${name === 'gcp' ? 'gke-gcloud-auth-plugin' : 'kubelogin'}. For pipelines, use a kubeconfig with the token of a ServiceAccount.`,
    ])
  }
  throw invalid(source, `the auth-provider "${oneLine(name)}" of ${owner} is not known, here as in kubectl`, [
    'For pipelines, use a kubeconfig with the token of a ServiceAccount.',
  ])
}

function pairOf(entry: Entry, owner: string, giver: Giver, source: string, mask: Mask): User['pair'] {
  const certificate = pemOf(entry, 'client-certificate', owner, source)
  const key = pemOf(entry, 'client-key', owner, source)
  if (key !== '') mask(key)
  if (certificate === '') {
    if (key === '' || giver.kind !== 'none') return undefined
    throw invalid(source, `its ${owner} has a client key and no certificate for it`)
  }
  if (key === '') throw invalid(source, `its ${owner} has a client certificate and no key for it`)
  const problem = pairProblem(certificate, key)
  if (problem === undefined) return { certificate, key }
  throw invalid(source, `the client certificate of ${owner} cannot be used: ${problem}`)
}

function noCredential(fields: Fields, owner: string, source: string): Error {
  const unknown = Object.keys(fields).filter((key) => !(key in userTypes) && key !== 'extensions')
  const hint =
    unknown.length > 0
      ? `It has ${sentence(unknown.map((key) => oneLine(key, 40)))}, which kubectl does not know. Check the spelling; upper and lower case differ.`
      : text(fields, 'password') !== ''
        ? 'It has a password without a username.'
        : 'A frequent cause is a template whose variable was empty.'
  return invalid(source, `its ${owner} has no credential: no token, certificate, password or plugin`, [hint])
}
