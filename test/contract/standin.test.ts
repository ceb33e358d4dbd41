import { startApi, type ApiOptions } from '../../sandbox/api.ts'
import { startPostgres } from '../../sandbox/postgres.ts'
import { Admin } from './admin.ts'
import { describeContract, type ClusterUnderTest } from './contract.ts'

async function start(options: ApiOptions): Promise<ClusterUnderTest> {
  const postgres = await startPostgres()
  const api = await startApi(options)
  const admin = new Admin(api.adminKubeconfig())
  const pod: ClusterUnderTest['pod'] = (namespace, { name, labels = {}, state = 'ready' }) => {
    const scheduled = state !== 'unscheduled'
    const phase = scheduled ? (state === 'finished' ? 'Succeeded' : 'Running') : 'Pending'
    api.put({
      kind: 'Pod',
      metadata: { name, namespace, labels },
      spec: {
        ...(scheduled && { nodeName: 'node-1' }),
        containers: [{ name: 'postgres', ports: [{ name: 'postgresql', containerPort: 5432 }] }],
      },
      status: { phase, conditions: [{ type: 'Ready', status: state === 'ready' ? 'True' : 'False' }] },
    })
    return Promise.resolve()
  }
  return {
    admin,
    pod,
    async database(namespace, name) {
      await pod(namespace, { name })
      api.route(namespace, name, 5432, postgres)
      return postgres.superuser
    },
    removeNamespace: (name) => admin.remove('Namespace', '', name),
    async stop() {
      admin.close()
      await api.close()
      await postgres.stop()
    },
  }
}

describeContract('the stand-in', () => start({}))
describeContract('the stand-in as an old server', () => start({ endpointSlices: 'v1beta1', whoAmI: false }))
