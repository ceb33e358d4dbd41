import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Sandbox } from '../../sandbox/sandbox.ts'

/** What a container of an application has of its Secrets. */
export interface Pod {
  /** A folder of its own, in which what is mounted lies. */
  readonly home: string
  /** Its variables. Where one names a file that is mounted, the path is the one below `home`. */
  readonly env: Readonly<Record<string, string>>
  /** Gives the path below `home` of one in the container. */
  path(inContainer: string): string
  remove(): Promise<void>
}

/** The part of a Deployment that the documents and the job summary show. */
interface Deployment {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly {
          readonly envFrom?: readonly { readonly secretRef: { readonly name: string } }[]
          readonly env?: readonly { readonly name: string; readonly value: string }[]
          readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[]
        }[]
        readonly volumes?: readonly {
          readonly name: string
          readonly secret: {
            readonly secretName: string
            readonly items?: readonly { readonly key: string; readonly path: string }[]
          }
        }[]
      }
    }
  }
}

/** Gives the Deployment of a job summary. */
export function deploymentOf(summary: string): Deployment {
  const [, yaml = ''] = /```yaml\n([^]*?)```/.exec(summary) ?? []
  return parse(yaml) as Deployment
}

/** Gives the data of a Secret of the sandbox, decoded. */
export function secretOf({ api, appNamespace }: Sandbox, name: string): Record<string, string> {
  const data = api.get('Secret', appNamespace, name)?.['data'] as Record<string, string> | undefined
  if (data === undefined) throw new Error(`there is no Secret ${name}`)
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  )
}

/**
 * Makes what the kubelet makes of a Deployment: variables of the keys that may be names of variables, and files.
 *
 * @param changed values that take the place of those in the Secrets
 */
export async function startPod(
  sandbox: Sandbox,
  deployment: Deployment,
  changed: Readonly<Record<string, string>> = {},
): Promise<Pod> {
  const home = await mkdtemp(join(tmpdir(), 'pod-'))
  const { containers, volumes = [] } = deployment.spec.template.spec
  const [{ envFrom = [], env = [], volumeMounts = [] } = {}] = containers
  const path = (inContainer: string): string => join(home, inContainer)
  for (const { name, mountPath } of volumeMounts) {
    await mkdir(path(mountPath), { recursive: true })
    for (const { secret } of volumes.filter((volume) => volume.name === name)) {
      const data = { ...secretOf(sandbox, secret.secretName), ...changed }
      const items = secret.items ?? Object.keys(data).map((key) => ({ key, path: key }))
      for (const item of items) await writeFile(path(join(mountPath, item.path)), data[item.key] ?? '')
    }
  }
  // Paths of files are names of variables' values too: the container's root is not this machine's.
  const below = (value: string): string =>
    volumeMounts.reduce((text, { mountPath }) => text.replaceAll(mountPath, path(mountPath)), value)
  const fromSecrets = envFrom.flatMap(({ secretRef }) => Object.entries(secretOf(sandbox, secretRef.name)))
  const variables = [
    ...fromSecrets.filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)),
    ...env.map(({ name, value }): [string, string] => [name, value]),
  ].map(([name, value]): [string, string] => [name, below(value)])
  return {
    home,
    env: Object.fromEntries(variables),
    path,
    remove: () => rm(home, { recursive: true, force: true }),
  }
}
