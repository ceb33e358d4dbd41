import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { observeApplication, type Workload } from '../../../src/go-live/observe-application.ts'
import { json, serve, type TestServer } from '../kubernetes/server.ts'

const deployments = '/apis/apps/v1/namespaces/shop/deployments'
let server: TestServer
let items: readonly object[] = []

beforeAll(async () => {
  server = await serve(({ url = '' }, response) => {
    json(response, 200, { items: url === deployments ? items : [] })
  })
})

afterAll(async () => {
  await server.close()
})

/** Looks at what there is where one Deployment has this template. */
async function workloadsWith(spec: object): Promise<readonly Workload[] | undefined> {
  items = [{ metadata: { name: 'web' }, spec: { template: { spec } } }]
  return (await observeApplication(await server.api(), 'shop', 'app-postgresql-secret')).workloads
}

const envFrom = [{ secretRef: { name: 'app-postgresql-secret' } }]
const whole = { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '1Gi' } }

describe('what uses the Secret', () => {
  test.each([
    ['the Secret in envFrom', { containers: [{ envFrom }] }, true],
    [
      'its service binding as a projected volume',
      {
        containers: [{}],
        volumes: [{ projected: { sources: [{ secret: { name: 'app-postgresql-secret-binding' } }] } }],
      },
      true,
    ],
    ['another Secret', { containers: [{ envFrom: [{ secretRef: { name: 'app-postgresql' } }] }] }, false],
  ])('%s', async (_, spec, used) => {
    expect(await workloadsWith(spec)).toHaveLength(used ? 1 : 0)
  })
})

describe('what containers lack', () => {
  test.each([
    ['nothing, where all is set', [{ envFrom, resources: whole }], {}, []],
    [
      'nothing, where limits stand for requests',
      [{ envFrom, resources: { limits: { cpu: 1, memory: '1Gi' } } }],
      {},
      [],
    ],
    [
      'a request of CPU that no limit stands for',
      [{ name: 'web', envFrom, resources: { limits: { memory: '1Gi' } } }],
      {},
      ['web has no cpu request'],
    ],
    ['nothing, where the Pod has it', [{ envFrom }, {}], { resources: whole }, []],
    [
      'all, where nothing is set',
      [{ name: 'web', envFrom }],
      {},
      ['web has no cpu request, no memory request, no memory limit'],
    ],
    [
      'all of a sidecar, and nothing of what ends before the others begin',
      [{ envFrom, resources: whole }],
      { initContainers: [{ name: 'proxy', restartPolicy: 'Always' }, { name: 'once' }] },
      ['proxy has no cpu request, no memory request, no memory limit'],
    ],
  ])('%s', async (_, containers, more, lacks) => {
    const [workload] = (await workloadsWith({ containers, ...more })) ?? []
    expect(workload?.unlimited).toEqual(lacks)
  })
})
