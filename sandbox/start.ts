import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createShelter } from './host.ts'
import { startSandbox, type Sandbox } from './sandbox.ts'
import { print, show } from './show.ts'

await show(async (stopped) => {
  const shelter = await createShelter(undefined)
  try {
    const sandbox = await startSandbox()
    try {
      await introduce(sandbox, shelter.path)
      if (!stopped.aborted) await once(stopped, 'abort')
    } finally {
      await sandbox.stop()
    }
  } finally {
    await shelter.remove()
  }
  print('Everything is stopped, nothing is left behind.')
  // To be stopped is how it ends well.
  process.exitCode = 0
})

/** Writes the kubeconfigs into the folder and says what can be done with them. */
async function introduce(sandbox: Sandbox, folder: string): Promise<void> {
  const { accessNamespace, accessSecret, admin, api, appNamespace, postgres } = sandbox
  const pipeline = join(folder, 'ci.kubeconfig')
  const administrator = join(folder, 'admin.kubeconfig')
  await writeFile(pipeline, sandbox.kubeconfig, { mode: 0o600 })
  await writeFile(administrator, api.adminKubeconfig(), { mode: 0o600 })
  print(`pg-app-user sandbox: a cluster and a PostgreSQL of your own, until Ctrl-C

  API server    ${api.url} (a stand-in; it denies what RBAC does not allow)
  PostgreSQL    ${postgres.version} on 127.0.0.1:${postgres.port}, TLS, an admin that is no superuser (${admin.user})
  access Secret ${accessNamespace}/${accessSecret}, as an administrator would leave it

As the pipeline, ServiceAccount ${appNamespace}/ci:
  export KUBECONFIG=${pipeline}
  kubectl -n ${accessNamespace} get secret ${accessSecret} -o jsonpath='{.data.PGUSER}' | base64 -d
  kubectl -n ${accessNamespace} auth can-i get secrets/${accessSecret}
  kubectl get secrets        denied, as it should be

As the administrator (what "npm run --silent cli -- rights" prints goes into "kubectl apply -f -"):
  kubectl --kubeconfig ${administrator} get secrets -A
  kubectl port-forward       does not work here; psql reaches 127.0.0.1:${postgres.port} without it
`)
}
