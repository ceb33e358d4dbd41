import path from 'node:path'
import tls from 'node:tls'
import type { Cluster, User } from '@kubernetes/client-node'
import { getProxyForUrl } from 'proxy-from-env'
import { list, record, text, type Fields } from '../kubernetes/fields.ts'
import { readRegularFile } from '../lib/regular-file.ts'
import { oneLine } from '../lib/text.ts'
import type { Entry, Mask } from './document.ts'
import { invalid, unreadable } from './failure.ts'
import type { Plugin } from './plugin.ts'

/** Returns the address of the API server. */
export function serverUrl(entry: Entry, name: string, source: string): URL {
  const url = URL.parse(text(entry.fields, 'server'))
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw invalid(source, `the server of its cluster "${oneLine(name)}" is no https:// address`)
  }
  if (url.protocol === 'http:' && entry.fields['insecure-skip-tls-verify'] !== true) {
    throw invalid(
      source,
      `the server of its cluster "${oneLine(name)}" is an http:// address, and insecure-skip-tls-verify is not set`,
    )
  }
  return url
}

/** Returns an entry of `clusters` as the Kubernetes client takes it. */
export function clusterOf(entry: Entry, name: string, server: URL, source: string): Cluster {
  const caData = base64Of(entry, 'certificate-authority', `cluster "${oneLine(name)}"`, source)
  const tlsServerName = text(entry.fields, 'tls-server-name')
  const proxyUrl = text(entry.fields, 'proxy-url') || getProxyForUrl(server.href)
  if (proxyUrl !== '' && !/^(https?|socks(4a?|5h?)?):$/.test(URL.parse(proxyUrl)?.protocol ?? '')) {
    throw invalid(
      source,
      'the proxy for its cluster, from proxy-url or HTTPS_PROXY, is no http, https or socks address',
    )
  }
  return {
    name,
    server: server.href.replace(/\/$/, ''),
    skipTLSVerify: entry.fields['insecure-skip-tls-verify'] === true,
    ...(caData !== undefined && { caData }),
    ...(tlsServerName !== '' && { tlsServerName }),
    ...(proxyUrl !== '' && { proxyUrl }),
  }
}

const authProviders = ['azure', 'gcp', 'oidc']

/** Returns an entry of `users` as the Kubernetes client takes it; its key is masked. */
export function userOf(entry: Entry, name: string, cluster: Cluster, source: string, mask: Mask): User {
  const { fields, folder } = entry
  const owner = `user "${oneLine(name)}"`
  const certData = base64Of(entry, 'client-certificate', owner, source)
  const keyData = base64Of(entry, 'client-key', owner, source)
  if (keyData !== undefined) mask(Buffer.from(keyData, 'base64').toString())
  try {
    tls.createSecureContext({
      ...(cluster.caData !== undefined && { ca: Buffer.from(cluster.caData, 'base64') }),
      ...(certData !== undefined && { cert: Buffer.from(certData, 'base64') }),
      ...(keyData !== undefined && { key: Buffer.from(keyData, 'base64') }),
    })
  } catch (error) {
    const reason = oneLine((error as NodeJS.ErrnoException).code ?? '')
    throw invalid(
      source,
      `the certificates and the key of ${owner} and its cluster cannot be used (${reason})`,
    )
  }
  const provider = record(fields['auth-provider'])
  const providerName = text(provider, 'name')
  if (providerName !== '' && !authProviders.includes(providerName)) {
    throw invalid(source, `the auth-provider "${oneLine(providerName)}" of ${owner} is not known here`)
  }
  const token = text(fields, 'token')
  const username = text(fields, 'username')
  const impersonateUser = text(fields, 'as')
  return {
    name,
    ...(certData !== undefined && { certData }),
    ...(keyData !== undefined && { keyData }),
    ...(token !== '' && { token }),
    ...(username !== '' && { username, password: text(fields, 'password') }),
    ...(impersonateUser !== '' && { impersonateUser }),
    ...(providerName !== '' && {
      authProvider: { name: providerName, config: { ...record(provider['config']) } },
    }),
    ...(fields['exec'] !== undefined && { exec: execOf(record(fields['exec']), folder, cluster) }),
  }
}

/**
 * A plugin as kubectl starts it: a command with a slash is relative to the kubeconfig's folder, and the plugin learns
 * by variable what is wanted of it.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
function execOf(exec: Fields, folder: string, cluster: Cluster): Plugin {
  const command = text(exec, 'command')
  const info = {
    kind: 'ExecCredential',
    apiVersion: text(exec, 'apiVersion'),
    spec: {
      interactive: false,
      ...(exec['provideClusterInfo'] === true && {
        cluster: {
          server: cluster.server,
          'tls-server-name': cluster.tlsServerName,
          'insecure-skip-tls-verify': cluster.skipTLSVerify,
          'certificate-authority-data': cluster.caData,
          'proxy-url': cluster.proxyUrl,
        },
      }),
    },
  }
  return {
    command: /[/\\]/.test(command) ? path.resolve(folder, command) : command,
    args: list(exec['args']).map(String),
    env: {
      ...Object.fromEntries(
        list(exec['env'])
          .map(record)
          .map((variable) => [text(variable, 'name'), text(variable, 'value')]),
      ),
      KUBERNETES_EXEC_INFO: JSON.stringify(info),
    },
  }
}

/** Returns what an entry holds in `<key>-data`, else in the file that `<key>` names; the data wins, as with kubectl. */
function base64Of(entry: Entry, key: string, owner: string, source: string): string | undefined {
  const data = text(entry.fields, `${key}-data`)
  if (data !== '') return data
  const file = text(entry.fields, key)
  if (file === '') return undefined
  try {
    return readRegularFile(path.resolve(entry.folder, file)).toString('base64')
  } catch (error) {
    throw unreadable(error, file, key, owner, source)
  }
}

/** Returns the token that a file holds now; it is masked. */
export function tokenFrom(entry: Entry, file: string, user: string, source: string, mask: Mask): string {
  try {
    const token = readRegularFile(path.resolve(entry.folder, file)).toString().trim()
    mask(token)
    return token
  } catch (error) {
    throw unreadable(error, file, 'tokenFile', `user "${oneLine(user)}"`, source)
  }
}
