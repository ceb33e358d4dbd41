import type { KubeObject } from '../contract/admin.ts'
import { describeContract, type ClusterUnderTest, type PodWish } from '../contract/contract.ts'
import { realCluster } from './real.ts'
import { mainFlavor, podPhase, pullPolicy, putFiles, readyPod, spiloPod, type Logins } from './spilo.ts'

function idlePod(namespace: string, { name, labels = {}, state }: PodWish): KubeObject {
  return {
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: {
      terminationGracePeriodSeconds: 0,
      restartPolicy: 'Never',
      ...(state === 'unscheduled' && { nodeSelector: { 'pg-app-user.elastisys.io/node': 'none' } }),
      containers: [
        {
          name: 'idle',
          image: mainFlavor.image,
          imagePullPolicy: pullPolicy,
          command: state === 'finished' ? ['true'] : ['sleep', '3600'],
          ports: [{ name: 'postgresql', containerPort: 5432 }],
          ...(state === 'unready' && { readinessProbe: { exec: { command: ['false'] } } }),
        },
      ],
    },
  }
}

async function start(): Promise<ClusterUnderTest> {
  const admin = realCluster()
  const logins = new Map<string, Promise<Logins>>()
  return Promise.resolve({
    admin,
    async pod(namespace, wish) {
      const { name, state = 'ready' } = wish
      await admin.create(idlePod(namespace, wish))
      if (state === 'ready') await readyPod(admin, namespace, name)
      if (state === 'unready') await podPhase(admin, namespace, name, 'Running')
      if (state === 'finished') await podPhase(admin, namespace, name, 'Succeeded')
    },
    async database(namespace, name) {
      const files = logins.get(namespace) ?? putFiles(admin, namespace, 'postgresql1')
      logins.set(namespace, files)
      const { superuser } = await files
      await admin.create(spiloPod(namespace, 'postgresql1', { name, role: 'master' }))
      await readyPod(admin, namespace, name)
      return superuser
    },
    async removeNamespace(name) {
      await admin.call('DELETE', await admin.path('Namespace', '', name))
    },
    stop() {
      admin.close()
      return Promise.resolve()
    },
  })
}

describeContract('a real cluster', start)
