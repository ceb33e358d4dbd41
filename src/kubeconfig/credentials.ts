import { list, record, text, type Fields } from '../kubernetes/fields.ts'
import { looksLikePath } from '../lib/path-like.ts'
import { placeholderIn } from '../lib/placeholder.ts'
import { urlPasswords } from '../lib/text.ts'
import { fromBase64 } from './text.ts'

const secretName = /token|secret|passw|credential|assertion|(^|[-_])key$/i

/** Returns every credential of a kubeconfig, leaf by leaf; what stands in the place of one hides nothing. */
export function* credentialsOf(fields: Fields): Generator<string> {
  for (const credential of leavesOf(fields)) if (placeholderIn(credential) === undefined) yield credential
}

function* leavesOf(fields: Fields): Generator<string> {
  for (const cluster of list(fields['clusters'])) {
    const endpoint = record(record(cluster)['cluster'])
    for (const address of ['server', 'proxy-url']) yield* urlPasswords(text(endpoint, address))
  }
  for (const entry of list(fields['users'])) {
    const user = record(record(entry)['user'])
    yield text(user, 'token')
    yield text(user, 'token').trim()
    yield text(user, 'password')
    const key = text(user, 'client-key-data')
    yield placeholderIn(key) === undefined ? Buffer.from(key, 'base64').toString() : key
    // What belongs into a file, or into the field beside it, where its path was to be.
    for (const misplaced of ['tokenFile', 'client-key'].map((field) => text(user, field))) {
      if (misplaced === '' || looksLikePath(misplaced)) continue
      yield misplaced
      const decoded = fromBase64(misplaced)
      if (decoded.includes('-----BEGIN ')) yield decoded
    }
    const exec = record(user['exec'])
    for (const variable of list(exec['env']).map(record)) {
      yield* likelySecret(text(variable, 'name'), text(variable, 'value'))
    }
    yield* secretArguments(list(exec['args']).map(String))
    // A whole command line, where the name of a program was to be, is repeated as what is not installed.
    yield* secretArguments(text(exec, 'command').split(/\s+/))
    const provider = record(record(user['auth-provider'])['config'])
    for (const [name, value] of Object.entries(provider)) yield* likelySecret(name, String(value))
  }
}

/**
 * What the kubeconfigs of clouds and OpenID Connect set beside a plugin, and what is no credential: a profile is often
 * called like a namespace or a server, and GitHub leaves out every output of the job that holds what was masked.
 */
const settings =
  /^(AWS_(DEFAULT_)?(PROFILE|REGION)|AWS_STS_REGIONAL_ENDPOINTS|AWS_ROLE_ARN|CLOUDSDK_(CORE_PROJECT|CORE_ACCOUNT|ACTIVE_CONFIG_NAME|CONFIG)|USE_GKE_GCLOUD_AUTH_PLUGIN|AZURE_(CLIENT_ID|TENANT_ID|ENVIRONMENT|CONFIG_DIR)|AAD_LOGIN_METHOD|OCI_CLI_PROFILE|(SCW|ALIBABA_CLOUD)_PROFILE|OS_(CLOUD|REGION_NAME|PROJECT_NAME|USER_DOMAIN_NAME)|client-id|idp-issuer-url|idp-certificate-authority(-data)?|extra-scopes)$/

/** A short value whose name is harmless stays readable: masking `1` or `prod` would blot out half a log. */
function* likelySecret(name: string, value: string): Generator<string> {
  if (settings.test(name)) yield* urlPasswords(value)
  else if (secretName.test(name) || value.length >= 8) yield value
}

function* secretArguments(args: readonly string[]): Generator<string> {
  for (const [index, argument] of args.entries()) {
    const [, name, value] = /^--?([\w-]+)(?:=(.*))?$/s.exec(argument) ?? []
    if (name !== undefined && secretName.test(name)) yield value ?? args[index + 1] ?? ''
  }
}
