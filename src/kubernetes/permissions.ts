import { Failure } from '../failure.ts'
import { count, oneLine, sentence } from '../text.ts'
import type { Api, Identity } from './api.ts'
import { roleManifests } from './manifest.ts'
import { byNamespace, groupRights, type Right, type RightGroup } from './right.ts'

/** What the inputs say about the rights a run needs. */
export interface PermissionScope {
  readonly accessNamespace: string
  readonly accessSecret: string
  readonly appNamespace: string
  readonly appSecret: string
  readonly dryRun: boolean
  /** Default: true. False is the go-live gate alone, which writes nothing. */
  readonly provision?: boolean | undefined
}

/** The outcome of both rounds, for the log, the summary and the administrator. */
export interface PermissionReport {
  readonly identity: Identity
  /** All rights of the run, also those not asked about. */
  readonly rights: readonly Right[]
  readonly missing: readonly Right[]
  /** YAML of a Role and a RoleBinding for each namespace where something is missing; empty if nothing is. */
  readonly manifest: string
}

/** Gives the rights that the inputs name: those of the first round. */
export function namedRights(scope: PermissionScope): readonly Right[] {
  const { accessNamespace, accessSecret, appNamespace, appSecret, dryRun, provision = true } = scope
  const database = { namespace: accessNamespace, group: '', asked: true }
  const access = { ...database, resource: 'secrets', name: accessSecret, input: 'access-secret' }
  const pods = { ...database, resource: 'pods', purpose: 'finding the Pod behind the Service' }
  const forward = {
    ...database,
    resource: 'pods',
    subresource: 'portforward',
    purpose: 'reaching PostgreSQL',
  }
  const secrets = { namespace: appNamespace, group: '', resource: 'secrets' }
  const secret = {
    ...secrets,
    name: appSecret,
    input: 'app-secret',
    purpose: 'keeping the application Secret',
  }
  return [
    { ...access, verb: 'get', purpose: 'reading the access Secret' },
    { ...pods, verb: 'get' },
    { ...pods, verb: 'list' },
    // The upgrade is a GET; from Kubernetes 1.35 on it needs create as well.
    { ...forward, verb: 'get' },
    { ...forward, verb: 'create' },
    { ...secret, verb: 'get', asked: true },
    ...(provision
      ? [
          { ...secret, verb: 'patch', asked: !dryRun },
          // A create has no name yet when RBAC looks at it, so it cannot be limited to one.
          { ...secrets, verb: 'create', asked: !dryRun, purpose: 'creating the application Secret' },
        ]
      : []),
  ]
}

/**
 * Gives the right of the second round. Without the Service's name, because the access Secret could not be read, it is
 * not asked: it is there for the Role alone.
 */
export function serviceRights(namespace: string, name?: string): readonly Right[] {
  return [
    {
      namespace,
      verb: 'get',
      group: '',
      resource: 'services',
      ...(name !== undefined && { name }),
      purpose: 'finding the database',
      asked: name !== undefined,
    },
  ]
}

/** Gives the right that a Service without a selector needs: to list EndpointSlices, or to get its Endpoints. */
export function endpointRights(namespace: string, service: string): readonly Right[] {
  const right = { namespace, purpose: 'finding the Pod behind the Service', asked: true }
  return [
    {
      ...right,
      verb: 'list',
      group: 'discovery.k8s.io',
      resource: 'endpointslices',
      or: { ...right, verb: 'get', group: '', resource: 'endpoints', name: service },
    },
  ]
}

/**
 * Asks the API server about all the rights at once. A later round is given what the earlier one found, and reports both.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
 *
 * @param identity may still be on its way, as may `earlier`, since only the report needs them
 */
export async function reviewRights(
  api: Api,
  identity: Identity | Promise<Identity>,
  rights: readonly Right[],
  earlier?: PermissionReport | Promise<PermissionReport>,
): Promise<PermissionReport> {
  const asked = rights.filter((right) => right.asked)
  const there = await Promise.all(
    asked.map(async (right) => {
      const alternatives = right.or === undefined ? [right] : [right, right.or]
      return (await Promise.all(alternatives.map((one) => isAllowed(api, one)))).includes(true)
    }),
  )
  const before = await earlier
  return permissionReport(
    await identity,
    [...(before?.rights ?? []), ...rights],
    [...(before?.missing ?? []), ...asked.filter((_, index) => there[index] !== true)],
  )
}

async function isAllowed(
  api: Api,
  { namespace, verb, group, resource, subresource, name }: Right,
): Promise<boolean> {
  const answer = await api.request({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { namespace, verb, group, resource, subresource, name } },
    },
  })
  if (answer.status !== 201) throw api.refusal(answer)
  return (answer.body as { status?: { allowed?: boolean } }).status?.allowed === true
}

/** Puts together what was found and what the administrator has to do about it. */
export function permissionReport(
  identity: Identity,
  rights: readonly Right[],
  missing: readonly Right[],
): PermissionReport {
  const lacking = new Set(missing.map(({ namespace }) => namespace))
  const manifest = roleManifests(
    identity,
    rights.filter(({ namespace }) => lacking.has(namespace)),
  )
  return { identity, rights, missing, manifest }
}

/** Gives the error for a report that misses something: `permission-missing`. */
export function permissionFailure({ identity, rights, missing }: PermissionReport): Failure {
  const places = [...byNamespace(missing)].map(
    ([namespace, lacking]) => `${groupRights(lacking).map(phrase).join(', ')} in ${namespace}`,
  )
  const inputs = new Set(missing.flatMap(({ input }) => (input === undefined ? [] : [`"${input}"`])))
  const doubts =
    inputs.size === 0
      ? []
      : [
          'A misspelt name looks the same, because rights on Secrets are given by name.',
          `Check ${inputs.size === 1 ? 'input' : 'inputs'} ${sentence([...inputs])} and the namespace against what the administrator sent.`,
        ]
  return new Failure(
    'permission-missing',
    `${oneLine(identity.name)} lacks ${missing.length} of ${count(rights.length, 'right')}: ${places.join('; ')}.`,
    [...doubts, 'Send the administrator the Role below; it is in the job summary too.'],
  )
}

/** `get and create pods/portforward`, `get secrets "postgresql1-access"`. */
function phrase({ verbs, resource, rights }: RightGroup): string {
  const name = rights[0]?.name
  return `${sentence(verbs)} ${resource}${name === undefined ? '' : ` "${oneLine(name)}"`}`
}
