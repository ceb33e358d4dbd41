import path from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { expiryOf } from '../kubernetes/identity.ts'
import type { Credentials, Endpoint } from '../kubernetes/endpoint.ts'
import { Failure } from '../lib/failure.ts'
import { readRegularFile } from '../lib/regular-file.ts'
import { utc } from '../lib/text.ts'
import type { Kubeconfig, Mask } from './document.ts'

/** What stands in the place of a kubeconfig where the Pod's own identity is meant. */
export const inCluster = 'in-cluster'

/** Where Kubernetes mounts the identity of a Pod. Source: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ */
const mounted = '/var/run/secrets/kubernetes.io/serviceaccount'

/** Says whether this process is in a Pod that has an identity. */
export function isInPod(root = ''): boolean {
  return process.env['KUBERNETES_SERVICE_HOST'] !== undefined && contentOf(`${root}${mounted}/token`) !== ''
}

/**
 * Returns the ServiceAccount that is mounted into this Pod, as a kubeconfig would name it. Its token is read from its file,
 * which is renewed about every hour, each time that one is needed.
 *
 * @param source what has asked for it
 * @throws Failure `kubeconfig-missing` where there is none
 */
export function podKubeconfig(source: string, mask: Mask, root = ''): Kubeconfig {
  if (process.env['KUBERNETES_SERVICE_HOST'] === undefined) {
    throw missing(source, 'the variable KUBERNETES_SERVICE_HOST is not set, which every Pod has')
  }
  const token = contentOf(`${root}${mounted}/token`)
  if (token === '') throw missing(source, `there is no token in ${mounted}`)
  mask(token)
  const found = new KubeConfig()
  found.loadFromCluster(root)
  const [cluster] = found.clusters
  const [context] = found.contexts
  const entry = { folder: path.sep }
  const fields = {
    server: cluster?.server,
    ...(cluster?.caFile !== undefined && { 'certificate-authority': cluster.caFile }),
  }
  const namespace = context?.namespace?.trim()
  return {
    contexts: new Map([[inCluster, { ...entry, fields: { cluster: inCluster, user: 'Pod', namespace } }]]),
    clusters: new Map([[inCluster, { ...entry, fields }]]),
    users: new Map([['Pod', { ...entry, fields: { tokenFile: `${root}${mounted}/token` } }]]),
    current: inCluster,
  }
}

function contentOf(file: string): string {
  try {
    return readRegularFile(file).toString().trim()
  } catch {
    return ''
  }
}

function missing(source: string, why: string): Failure {
  return new Failure(
    'kubeconfig-missing',
    `${source} is ${inCluster}, and this run is not in a Pod with an identity: ${why}.`,
    [
      'A Pod has one unless it, or its ServiceAccount, says automountServiceAccountToken: false.',
      'The runner, or the container of the job, has to run in a Pod. Elsewhere, use a kubeconfig.',
    ],
  )
}

/** What is different where the identity is that of a Pod. */
export const ofPod: Required<Pick<Endpoint, 'ahead' | 'origin' | 'rejected'>> = {
  ahead: true,
  origin: {
    address: 'KUBERNETES_SERVICE_HOST of this Pod',
    proxies: 'HTTPS_PROXY',
    authority: `${mounted}/ca.crt`,
  },
  rejected: (credentials: Credentials, now: Date): Failure => {
    const expiry = expiryOf(credentials)
    const expired = expiry !== undefined && expiry < now
    return new Failure('token-rejected', 'The API server does not accept the token of this Pod (401).', [
      ...(expired
        ? [`It expired ${utc(expiry)}, and the file that Kubernetes renews holds no later one.`]
        : []),
      'A frequent cause is a ServiceAccount that was deleted or recreated while the Pod ran. Start the Pod again.',
    ])
  },
}
