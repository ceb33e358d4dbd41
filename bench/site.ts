import { randomBytes } from 'node:crypto'
import { createAuthority } from '../sandbox/certificate.ts'
import type { Inputs } from '../sandbox/runner.ts'
import { startSandbox } from '../sandbox/sandbox.ts'
import { accessSecret, Scene } from '../test/cluster/scene.ts'
import { leadingTo } from '../test/process/action.ts'

/** Where it is measured: a cluster with a PostgreSQL and an access Secret. */
export interface Site {
  readonly name: string
  readonly server: { readonly host: string; readonly port: number }
  /** The namespace of the applications. */
  readonly namespace: string
  readonly inputs: Inputs
  /** Whether the shell script can run here: kubectl forwards no port through the stand-in. */
  readonly shell: boolean
  /** Gives the name of an application that nobody has used yet. */
  application(): string
  /** A kubeconfig for the API server behind another port of this machine. */
  kubeconfig(port: number): Promise<string>
  close(): Promise<void>
}

/** A kubeconfig of a server that is not there. It has an authority, as most have: else those of the machine are read. */
export const nobody = `
clusters: [{name: none, cluster: {server: 'https://127.0.0.1:1', certificate-authority-data: ${btoa(createAuthority('nobody').pem)}}}]
users: [{name: none, user: {token: of-no-use}}]
contexts: [{name: none, context: {cluster: none, user: none, namespace: none}}]
current-context: none
`

/** Opens a sandbox, or a scene on a real cluster where a kubeconfig is given. */
export async function openSite(kubeconfig: string | undefined): Promise<Site> {
  const id = randomBytes(3).toString('hex')
  let count = 0
  const application = (): string => `app-${id}-${++count}`
  if (kubeconfig === undefined) {
    const sandbox = await startSandbox({ postgres: { logStatement: 'none' } })
    return {
      name: 'sandbox',
      server: { host: '127.0.0.1', port: Number(new URL(sandbox.api.url).port) },
      namespace: sandbox.appNamespace,
      inputs: { 'access-secret': sandbox.accessSecret, 'access-namespace': sandbox.accessNamespace },
      shell: false,
      application,
      kubeconfig: (port) => Promise.resolve(leadingTo(sandbox.kubeconfig, `https://127.0.0.1:${port}`)),
      close: () => sandbox.stop(),
    }
  }
  const scene = await Scene.open()
  const { hostname, port } = scene.admin.server
  return {
    name: 'a real cluster',
    server: { host: hostname, port: Number(port) },
    namespace: scene.namespace,
    inputs: { 'access-secret': accessSecret, 'access-namespace': scene.database },
    shell: true,
    application,
    kubeconfig: (at) => scene.kubeconfigAt(`https://127.0.0.1:${at}`),
    close: () => scene.close(),
  }
}
