import { readFile } from 'node:fs/promises'
import { describe, expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import { parseCommandLine } from '../../src/faces/options.ts'
import { parseRequest } from '../../src/input/parse.ts'

interface PodSpec {
  readonly automountServiceAccountToken: boolean
  readonly restartPolicy: string
  readonly securityContext: object
  readonly containers: readonly {
    readonly image: string
    readonly args: readonly string[]
    readonly resources: { readonly requests: object }
  }[]
}

interface JobObject {
  readonly kind: string
  readonly spec: { readonly template: { readonly spec: PodSpec } }
}

async function jobIn(file: string): Promise<JobObject> {
  const text = await readFile(new URL(`../../deploy/${file}`, import.meta.url), 'utf8')
  const objects = parseAllDocuments(text).map((document) => document.toJS() as { kind: string })
  expect(objects.map(({ kind }) => kind)).toEqual(['ServiceAccount', expect.stringMatching(/^(Cron)?Job$/)])
  const job = objects[1] as JobObject | { kind: string; spec: { jobTemplate: JobObject } }
  return 'jobTemplate' in job.spec ? job.spec.jobTemplate : (job as JobObject)
}

describe.each(['job.yaml', 'cronjob.yaml'])('deploy/%s', (file) => {
  test('is taken where Pod security is restricted, and its Pod has an identity', async () => {
    const { spec } = (await jobIn(file)).spec.template
    expect(spec).toMatchObject({
      automountServiceAccountToken: true,
      restartPolicy: 'Never',
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          resources: { requests: { cpu: expect.any(String), memory: expect.any(String) } },
        },
      ],
    })
  })

  test('asks for what the command line takes', async () => {
    const [container] = (await jobIn(file)).spec.template.spec.containers
    const invocation = parseCommandLine(container?.args ?? [])
    expect(invocation).toMatchObject({ command: 'provision', yes: true })
    const request = parseRequest(invocation?.inputs ?? {}, { kubeconfig: { absenceHint: [] }, runName: '' })
    expect(request).toMatchObject({ via: 'direct', accessSecret: 'postgresql1-access', appDatabase: 'shop' })
  })

  test('names an image by its digest, which is nobody’s before there is a release', async () => {
    const [container] = (await jobIn(file)).spec.template.spec.containers
    expect(container?.image).toMatch(/^ghcr\.io\/elastisys\/pg-app-user@sha256:(%digest%|[0-9a-f]{64})$/)
  })
})
