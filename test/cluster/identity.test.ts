import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { formatRights } from '../../src/faces/rights.ts'
import { ways, type Via } from '../../src/lib/via.ts'
import { until, type KubeObject } from '../contract/admin.ts'
import { runAction, type ActionRun } from '../process/action.ts'
import { startIssuer, type Fault, type TestIssuer } from '../support/issuer.ts'
import { accessSecret, cluster, Scene, secretName } from './scene.ts'
import { mainFlavor, pullPolicy } from './spilo.ts'

/**
 * The file from which the API server takes its issuers, and reads again when it changes: `KC_VERSION=edge` with
 * `KC_AUTH_CONFIG`, on this machine. There Pods reach the API server as well, and see the folders of the machine.
 */
const configuration = process.env['KC_AUTH_CONFIG']
const onEdge = configuration === undefined ? describe.skip : describe

onEdge('an identity that nobody stored, on a current API server', () => {
  let scene: Scene
  let issuer: TestIssuer
  let folder: string
  const before: string[] = []
  beforeAll(async () => {
    scene = await Scene.open()
    issuer = await startIssuer({ repository_id: '4711' }, '/_services/token')
    folder = await mkdtemp(join(tmpdir(), 'identity-cluster-'))
    await writeFile(join(folder, 'ca.crt'), issuer.ca)
    before.push(await readFile(configuration ?? '', 'utf8'))
  }, 180_000)
  afterAll(async () => {
    for (const text of before) await writeFile(configuration ?? '', text)
    await rm(folder, { recursive: true })
    await issuer.stop()
    await scene.close()
  })

  /** Applies what `rights` prints, and gives what is no object of the cluster. */
  async function grant(
    via: Via,
    name: string,
    who: Parameters<typeof formatRights>[1],
  ): Promise<KubeObject[]> {
    const scope = {
      accessNamespace: scene.database,
      accessSecret: via === 'direct' ? 'direct-access' : accessSecret,
      appNamespace: scene.namespace,
      appSecret: secretName(name),
      dryRun: false,
      via,
    }
    const printed = parseAllDocuments(formatRights(scope, who)).map((each) => each.toJS() as KubeObject)
    const [others, roles] = [false, true].map((role) =>
      printed.filter(({ kind }) => kind.startsWith('Role') === role),
    )
    for (const role of roles ?? []) await scene.admin.apply(role)
    return others ?? []
  }

  describe('deploy/job.yaml', () => {
    beforeAll(async () => {
      const { admin, database } = scene
      const pod = (await admin.get('Pod', database, `${cluster}-0`)) as KubeObject & {
        status: { podIP: string }
      }
      const access = (await admin.get('Secret', database, accessSecret)) as KubeObject & {
        data: Record<string, string>
      }
      // Without DNS in the cluster, its address stands for its name.
      const PGHOST = Buffer.from(pod.status.podIP).toString('base64')
      const { USER_ACCESS, ...data } = access.data
      expect(USER_ACCESS).toBeDefined()
      await admin.create({
        kind: 'Secret',
        metadata: { name: 'direct-access', namespace: database },
        ...{ data: { ...data, PGHOST } },
      })
      await admin.serviceAccount(scene.namespace, 'pg-app-user')
    }, 180_000)

    test.each(ways)(
      'provisions by the token that is mounted into its Pod, via %s',
      async (via) => {
        const { admin, namespace } = scene
        const name = `job-${via}`
        await grant(via, name, { account: { namespace, name: 'pg-app-user' } })
        await admin.create(await jobFor(name, via))
        const path = await admin.path('Job', namespace, name)
        let ended: { succeeded?: number; failed?: number } = {}
        await until('the Job has ended', async () => {
          const { status = {} } = (await admin.call('GET', path)).body as { status?: typeof ended }
          ended = status
          return status.succeeded !== undefined || status.failed !== undefined
        })
        const log = await logOf(name)
        expect([ended.succeeded, log]).toEqual([1, expect.stringContaining('Created role, database')])
        expect(log).toContain(
          `as system:serviceaccount:${namespace}:pg-app-user · ServiceAccount of this Pod`,
        )
        await scene.work(await scene.secret(name))
      },
      120_000,
    )
  })

  /** What the repository has ready, with the programs of this machine in the place of the image. */
  async function jobFor(name: string, via: Via): Promise<KubeObject> {
    const text = await readFile(new URL('../../deploy/job.yaml', import.meta.url), 'utf8')
    const job = parseAllDocuments(text).at(-1)?.toJS() as {
      kind: string
      metadata: object
      spec: { template: { spec: { containers: [{ args: string[] }] } } }
    }
    const { spec } = job.spec.template
    const [container] = spec.containers
    const folders = {
      node: dirname(process.execPath),
      dist: fileURLToPath(new URL('../../dist', import.meta.url)),
      libraries: '/usr/lib/x86_64-linux-gnu',
    }
    const own = [
      `--via=${via}`,
      `--access-secret=${via === 'direct' ? 'direct-access' : accessSecret}`,
      `--access-namespace=${scene.database}`,
      `--app-database=${name}`,
      `--app-secret=${secretName(name)}`,
    ]
    return {
      ...job,
      metadata: { name, namespace: scene.namespace },
      spec: {
        ...job.spec,
        template: {
          metadata: { labels: { job: name } },
          spec: {
            ...spec,
            containers: [
              {
                ...container,
                image: mainFlavor.image,
                imagePullPolicy: pullPolicy,
                command: ['/programs/node/node', '/programs/dist/cli.js'],
                args: [...container.args.filter((each) => !/^--(via|access|app)/.test(each)), ...own],
                env: [{ name: 'LD_LIBRARY_PATH', value: '/programs/libraries' }],
                volumeMounts: Object.keys(folders).map((folder) => ({
                  name: folder,
                  mountPath: `/programs/${folder}`,
                  readOnly: true,
                })),
              },
            ],
            volumes: Object.entries(folders).map(([folder, path]) => ({
              name: folder,
              hostPath: { path },
            })),
          },
        },
      },
    }
  }

  async function logOf(job: string): Promise<string> {
    const { admin, namespace } = scene
    const path = await admin.path('Pod', namespace)
    const { body } = await admin.call('GET', `${path}?labelSelector=job%3D${job}`)
    const [pod] = (body as { items: readonly KubeObject[] }).items
    const answer = await admin.call('GET', `${path}/${pod?.metadata.name ?? ''}/log`)
    return typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body)
  }

  describe('a workflow with id-token: write', () => {
    const name = 'workflow'
    beforeAll(async () => {
      const jobs = {
        platform: 'github',
        url: issuer.url,
        id: '4711',
        environment: 'production',
        audience: 'pg-app-user',
      } as const
      const [printed] = await grant('port-forward', name, { jobs })
      const { jwt, ...rest } = printed as KubeObject & { jwt: readonly { issuer: object }[] }
      const trusted = jwt.map((each) => ({
        ...each,
        issuer: { ...each.issuer, certificateAuthority: issuer.ca },
      }))
      await writeFile(configuration ?? '', stringify({ ...rest, jwt: trusted }))
      await until(
        'the API server trusts the issuer',
        async () => (await step({ 'dry-run': 'true' })).code === 0,
      )
    }, 180_000)

    function step(inputs: Readonly<Record<string, string>> = {}): Promise<ActionRun> {
      const { admin } = scene
      const { clusters } = parse(admin.kubeconfigText) as {
        clusters: { cluster: { 'certificate-authority-data': string } }[]
      }
      return runAction({
        secrets: [...issuer.tokens],
        inputs: {
          'api-server': admin.server.origin,
          'api-server-ca': clusters[0]?.cluster['certificate-authority-data'] ?? '',
          'access-secret': accessSecret,
          'access-namespace': scene.database,
          'app-namespace': scene.namespace,
          'app-secret': secretName(name),
          'app-database': name,
          ...inputs,
        },
        env: {
          ...issuer.variables,
          GITHUB_REPOSITORY_ID: '4711',
          GITHUB_SERVER_URL: new URL(issuer.url).origin,
          NODE_EXTRA_CA_CERTS: join(folder, 'ca.crt'),
        },
      })
    }

    test('provisions with what rights prints, and nothing stored', async () => {
      const run = await step()
      expect([run.code, run.log]).toEqual([0, expect.stringContaining('as github:4711:production')])
      await scene.work(await scene.secret(name))
    })

    test.each<[Fault, string]>([
      ['expired', 'identity-token-expired'],
      ['not yet valid', 'identity-token-early'],
      ['another audience', 'identity-token-audience'],
      ['another issuer', 'identity-token-issuer'],
      ['another repository', 'identity-token-foreign'],
      ['another key', 'identity-not-trusted'],
    ])('%s: %s', async (fault, code) => {
      issuer.fault = fault
      const run = await step().finally(() => (issuer.fault = undefined))
      expect(run.log).toContain(`[${code}]`)
    })
  })
})
