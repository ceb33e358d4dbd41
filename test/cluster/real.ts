import { readFileSync } from 'node:fs'
import { Admin } from '../contract/admin.ts'

/** Namespaces carry it, so that whatever a run of the ring leaves behind can be found. */
export const ringLabel = 'pg-app-user.elastisys.io/ring'

/** The administrator of the cluster that KUBECONFIG names, which `npm run test:cluster` sets. */
export function realCluster(): Admin {
  const path = process.env['KUBECONFIG']
  if (path === undefined) throw new Error('KUBECONFIG is not set: start this ring by "npm run test:cluster"')
  return new Admin(readFileSync(path, 'utf8'))
}
