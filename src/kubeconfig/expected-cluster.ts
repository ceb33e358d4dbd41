import { Failure } from '../lib/failure.ts'
import { named } from '../lib/spelling.ts'
import { oneLine, plainFingerprint } from '../lib/text.ts'
import type { Cluster } from './cluster.ts'

/**
 * Compares the address of the API server with input `expect-server`. A bare host stands for this host on any port; a URL
 * has to agree in everything, and so has a host with a path, behind which several clusters may be.
 *
 * @param who has the address, as the beginning of a sentence
 * @throws Failure `server-unexpected`
 */
export function expectServer(server: URL, expected: string | undefined, who: string): void {
  if (expected === undefined) return
  const trimmed = expected.replace(/\/+$/, '')
  const wanted = URL.parse(trimmed.includes('://') ? trimmed : `https://${trimmed}`)
  const address = (url: URL): string => url.href.replace(/\/+$/, '')
  const same =
    wanted !== null &&
    (trimmed.includes('/')
      ? address(wanted) === address(server)
      : wanted.hostname === server.hostname && (!/:\d+$/.test(trimmed) || wanted.port === server.port))
  if (same) return
  // A password that was not encoded does not stand where one is looked for.
  const shown = expected.includes('@')
    ? 'another, which holds an @ and is not shown'
    : `"${oneLine(expected)}"`
  throw new Failure(
    'server-unexpected',
    `${who} leads to ${address(server)}, and ${named('expect-server')} is ${shown}.`,
    [
      'A frequent cause is a kubeconfig of another cluster, such as staging instead of production.',
      `Check which kubeconfig and which context this job gets. If the server was moved, change ${named('expect-server')}.`,
    ],
  )
}

/**
 * Throws unless the authorities of the cluster are among those of input `expect-ca`. Every authority of the kubeconfig has
 * to be an expected one, because each can vouch for a server.
 *
 * @throws Failure `server-unexpected`
 */
export function expectAuthority(
  { skipTlsVerify, authorities }: Cluster,
  expected: readonly string[] | undefined,
  who: string,
): void {
  if (expected === undefined) return
  const refused = (what: string): Failure =>
    new Failure('server-unexpected', `${who} ${what}, and ${named('expect-ca')} is set.`, [
      'A frequent cause is a kubeconfig of another cluster, or one from before its authority was replaced.',
      `Check which kubeconfig this job gets. If the authority was renewed, change ${named('expect-ca')}; during the change it may list both.`,
    ])
  if (skipTlsVerify) throw refused('does not verify the API server')
  if (authorities === undefined) throw refused('names no certificate authority of its own')
  const other = authorities.find(({ fingerprint256 }) => !expected.includes(plainFingerprint(fingerprint256)))
  if (other !== undefined)
    throw refused(`trusts the authority with the SHA-256 fingerprint ${other.fingerprint256}`)
}

/**
 * An authority may vouch for many servers. Where the address is expected as well, what it has to vouch for is the host of
 * that address: under another name the same authority could lead to another cluster.
 *
 * @throws Failure `server-unexpected`
 */
export function expectName({ tlsServerName }: Cluster, server: URL, who: string): void {
  if (tlsServerName === undefined || tlsServerName.toLowerCase() === server.hostname) return
  throw new Failure(
    'server-unexpected',
    `${who} takes the certificate of "${oneLine(tlsServerName)}" for that of ${server.hostname} (tls-server-name), and ${named('expect-server')} and ${named('expect-ca')} are set.`,
    [
      'With a proxy on the way, that leads to any server which the expected authority vouches for.',
      `Use that name as the server in the kubeconfig, and as ${named('expect-server')}. Or take tls-server-name out.`,
    ],
  )
}
