import type { X509Certificate } from 'node:crypto'
import { list, record, text, type Fields } from '../kubernetes/fields.ts'
import { oneLine, urlPasswords } from '../lib/text.ts'
import type { Entry, Mask } from './document.ts'
import { invalid, refusePlaceholder } from './failure.ts'
import { authoritiesOf } from './pem.ts'
import { proxyOfEnvironment } from './proxy.ts'
import { checkTypes, clusterTypes } from './types.ts'

/** An API server, and how it is reached and recognised. */
export interface Cluster {
  readonly server: URL
  /** Those of the machine where there are none. */
  readonly authorities?: readonly X509Certificate[]
  readonly tlsServerName?: string
  readonly skipTlsVerify: boolean
  readonly proxy?: URL
  /** What a plugin may learn of all that. */
  readonly info: Fields
}

/**
 * Returns the address of the API server, as every request begins with it: without what kubectl leaves out as well, a query
 * and slashes in excess.
 *
 * @throws Failure `kubeconfig-invalid`
 */
export function serverOf(entry: Entry, name: string, source: string): URL {
  const owner = `cluster "${oneLine(name)}"`
  checkTypes(entry.fields, clusterTypes, owner, source)
  const written = text(entry.fields, 'server').trim()
  if (written === '') throw invalid(source, `its ${owner} has no server`)
  refusePlaceholder(written, 'server', owner, source)
  if (/^http:/i.test(written)) {
    throw invalid(source, `the server of its ${owner} is an http:// address`, [
      'Nothing is sent there, because anyone on the way could read the credential. Use the https:// address of the API server.',
    ])
  }
  const url = /^https:\/\/[^\s\\]+$/i.test(written) ? URL.parse(written) : null
  if (url === null || !/^[\w.:[\]-]+$/.test(url.hostname)) {
    throw invalid(source, `the server of its ${owner} is no https:// address`, [
      'It is written as https://HOST:PORT, here and in the output of kubectl cluster-info.',
    ])
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid(source, `the server of its ${owner} holds a user name or a password`, [
      'Addresses appear in logs. Put the credential into the entry of the user.',
    ])
  }
  url.pathname = url.pathname.replace(/\/+/g, '/').replace(/\/$/, '')
  url.search = ''
  url.hash = ''
  return url
}

/**
 * Returns an entry of `clusters`; the password of its proxy is masked.
 *
 * @throws Failure `kubeconfig-invalid`
 */
export function clusterOf(entry: Entry, name: string, server: URL, source: string, mask: Mask): Cluster {
  const { fields } = entry
  const owner = `cluster "${oneLine(name)}"`
  const skipTlsVerify = fields['insecure-skip-tls-verify'] === true
  const named = text(fields, 'certificate-authority') + text(fields, 'certificate-authority-data')
  if (skipTlsVerify && named !== '') {
    throw invalid(source, `its ${owner} names an authority and sets insecure-skip-tls-verify`, [
      'One says how to verify the API server, the other says not to verify it. Remove insecure-skip-tls-verify.',
    ])
  }
  const authorities = authoritiesOf(entry, owner, source)
  const tlsServerName = text(fields, 'tls-server-name')
  const proxy = proxyOf(text(fields, 'proxy-url'), server, owner, source, mask)
  return {
    server,
    skipTlsVerify,
    ...(authorities !== undefined && { authorities }),
    ...(tlsServerName !== '' && { tlsServerName }),
    ...(proxy !== undefined && { proxy }),
    info: infoOf(fields, server, authorities),
  }
}

/**
 * Returns the proxy on the way to an API server, the one of the environment where none is written; its password is masked.
 *
 * @throws Failure `kubeconfig-invalid`
 */
export function proxyOf(
  written: string,
  server: URL,
  owner: string,
  source: string,
  mask: Mask,
): URL | undefined {
  refusePlaceholder(written, 'proxy-url', owner, source)
  const ofEnvironment = written === '' ? proxyOfEnvironment(server, process.env) : undefined
  const address = written || ofEnvironment
  if (address === undefined) return undefined
  for (const password of urlPasswords(address)) mask(password)
  const url = URL.parse(address)
  const from = ofEnvironment === undefined ? `proxy-url of its ${owner}` : 'variable HTTPS_PROXY'
  if (
    url === null ||
    url.hostname === '' ||
    !['http:', 'https:', 'socks5:', 'socks5h:'].includes(url.protocol)
  ) {
    throw invalid(source, `the ${from} is no http://, https:// or socks5:// address of a proxy`)
  }
  return url
}

/**
 * Returns what a plugin is told about the cluster where the kubeconfig says so.
 * Source: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/#client-authentication-k8s-io-v1-Cluster
 */
function infoOf(fields: Fields, server: URL, authorities: readonly X509Certificate[] | undefined): Fields {
  const told = ['tls-server-name', 'insecure-skip-tls-verify', 'proxy-url', 'disable-compression']
  const config = list(fields['extensions'])
    .map(record)
    .find((extension) => text(extension, 'name') === 'client.authentication.k8s.io/exec')
  return {
    server: server.href.replace(/\/$/, ''),
    ...Object.fromEntries(told.filter((key) => fields[key]).map((key) => [key, fields[key]])),
    ...(authorities !== undefined && {
      'certificate-authority-data': Buffer.from(authorities.map(String).join('')).toString('base64'),
    }),
    ...(config !== undefined && { config: config['extension'] }),
  }
}
