import { until, type Admin } from '../contract/admin.ts'

/** A kind of an operator, as little of it as an API server needs to keep such objects. */
export interface OperatorKind {
  readonly group: string
  readonly plural: string
  readonly kind: string
  /** Default: v1. */
  readonly version?: string
}

export const zalando: OperatorKind = { group: 'acid.zalan.do', plural: 'postgresqls', kind: 'postgresql' }
export const cnpgCluster: OperatorKind = { group: 'postgresql.cnpg.io', plural: 'clusters', kind: 'Cluster' }
export const cnpgSchedule: OperatorKind = {
  group: 'postgresql.cnpg.io',
  plural: 'scheduledbackups',
  kind: 'ScheduledBackup',
}
export const cnpgBackup: OperatorKind = { group: 'postgresql.cnpg.io', plural: 'backups', kind: 'Backup' }

export const crunchy: OperatorKind = {
  group: 'postgres-operator.crunchydata.com',
  plural: 'postgresclusters',
  kind: 'PostgresCluster',
  version: 'v1beta1',
}

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

/** Makes the API server keep these kinds, and gives those that it did not before: they are to be removed again. */
export async function define(admin: Admin, kinds: readonly OperatorKind[]): Promise<readonly string[]> {
  const added: string[] = []
  for (const { group, plural, kind, version = 'v1' } of kinds) {
    const name = `${plural}.${group}`
    const { status, body } = await admin.call('POST', definitions, {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name },
      spec: {
        group,
        scope: 'Namespaced',
        names: { plural, singular: kind.toLowerCase(), kind },
        versions: [
          {
            name: version,
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        ],
      },
    })
    if (status === 201) added.push(name)
    else if (status !== 409) throw new Error(JSON.stringify(body))
    await until(
      `${name} is served`,
      async () => (await admin.call('GET', `/apis/${group}/${version}/${plural}`)).status === 200,
    )
  }
  return added
}

/** Removes the definitions, and every object of their kinds. */
export async function undefine(admin: Admin, names: readonly string[]): Promise<void> {
  for (const name of names) await admin.call('DELETE', `${definitions}/${name}`)
}

/** Puts an object of an operator's kind, its status included: nobody is there to write it. */
export async function putResource(
  admin: Admin,
  { group, plural, kind, version = 'v1' }: OperatorKind,
  namespace: string,
  name: string,
  content: object,
): Promise<void> {
  const path = `/apis/${group}/${version}/namespaces/${namespace}/${plural}`
  const object = { apiVersion: `${group}/${version}`, kind, metadata: { name, namespace }, ...content }
  const { status, body } = await admin.call('POST', path, object)
  if (status !== 201) throw new Error(JSON.stringify(body))
}
