import type { Api } from '../kubernetes/api.ts'
import type { Identity } from '../kubernetes/identity.ts'
import {
  byNamespace,
  groupRights,
  isAmong,
  rightsOfRoles,
  type Right,
  type RightGroup,
} from '../kubernetes/right.ts'
import { Failure } from '../lib/failure.ts'
import { inputs, spoken } from '../lib/spelling.ts'
import { count, oneLine, sentence } from '../lib/text.ts'
import type { Via } from '../lib/via.ts'
import { roleManifests } from './manifest.ts'
import { roleName } from './role-name.ts'

/** What the inputs say about the rights a run needs. */
export interface PermissionScope {
  readonly accessNamespace: string
  readonly accessSecret: string
  readonly appNamespace: string
  readonly appSecret: string
  /** The service binding beside it, where one is asked for. */
  readonly bindingSecret?: string | undefined
  readonly dryRun: boolean
  /** Default: port-forward. */
  readonly via?: Via | undefined
  /** Default: true. False is the go-live gate alone, which writes nothing. */
  readonly provision?: boolean | undefined
}

/** The outcome of both rounds, for the log, the summary and the administrator. */
export interface PermissionReport {
  readonly identity: Identity
  /** All rights of the run, also those not asked about. */
  readonly rights: readonly Right[]
  readonly missing: readonly Right[]
  /** YAML of every Role that gives a right that is missing, each with its RoleBinding; empty if nothing is. */
  readonly manifest: string
}

/** Says that a Role is not limited to the Service, and why. */
export const anyService =
  'Every Service, because the one under USER_ACCESS of the access Secret is not known here.'

/**
 * Returns the rights of a run.
 *
 * @param service the one that the access Secret names; while it is not known, the right to it is not asked about
 */
export function runRights(scope: PermissionScope, service?: string): readonly Right[] {
  const { accessNamespace, accessSecret, appNamespace, appSecret, bindingSecret, dryRun } = scope
  const { provision = true } = scope
  const direct = scope.via === 'direct'
  const role = roleName(accessSecret, direct ? 'direct' : service === undefined ? 'any' : 'access')
  const database = { namespace: accessNamespace, role, group: '', asked: true }
  const pods = { ...database, resource: 'pods', purpose: 'finding the Pod behind the Service' }
  const forward = {
    ...database,
    resource: 'pods',
    subresource: 'portforward',
    purpose: 'reaching PostgreSQL',
  }
  const writes = provision && !dryRun
  const secrets = { namespace: appNamespace, group: '', resource: 'secrets' }
  const secret = {
    ...secrets,
    name: appSecret,
    input: 'app-secret',
    purpose: 'keeping the application Secret',
  }
  const reader = { verb: 'get', asked: true, role: roleName(appSecret, writes ? 'write' : 'read') }
  const binding =
    bindingSecret === undefined
      ? []
      : [{ ...secret, name: bindingSecret, purpose: 'keeping the service binding' }]
  const writer = writes ? { role: roleName(appSecret, 'write'), asked: true } : { asked: false }
  return [
    {
      ...database,
      verb: 'get',
      resource: 'secrets',
      name: accessSecret,
      input: 'access-secret',
      purpose: 'reading the access Secret',
    },
    ...(direct
      ? []
      : [
          serviceRight(scope, service),
          { ...pods, verb: 'get' },
          { ...pods, verb: 'list' },
          // The upgrade is a GET; from Kubernetes 1.35 on it needs create as well.
          { ...forward, verb: 'get' },
          { ...forward, verb: 'create' },
        ]),
    { ...secret, ...reader },
    ...binding.map((right) => ({ ...right, ...reader })),
    ...(provision
      ? [
          ...[secret, ...binding].map((right) => ({ ...right, verb: 'patch', ...writer })),
          // A create has no name yet when RBAC looks at it, so it cannot be limited to one.
          { ...secrets, verb: 'create', ...writer, purpose: 'creating the application Secret' },
        ]
      : []),
  ]
}

/** Returns the right of the second round. While the Service's name is not known, it is there for the Role alone. */
export function serviceRight({ accessNamespace, accessSecret }: PermissionScope, service?: string): Right {
  const right = {
    namespace: accessNamespace,
    verb: 'get',
    group: '',
    resource: 'services',
    purpose: 'finding the database',
  }
  return service === undefined
    ? { ...right, role: roleName(accessSecret, 'any'), asked: false, comment: anyService }
    : { ...right, role: roleName(accessSecret, 'access'), asked: true, name: service }
}

/** Returns the right that a Service without a selector needs: to list EndpointSlices, or to get its Endpoints. */
export function endpointRight(
  { accessNamespace: namespace, accessSecret }: Pick<PermissionScope, 'accessNamespace' | 'accessSecret'>,
  service: string,
): Right {
  const role = roleName(accessSecret, 'endpoints')
  const right = { namespace, role, purpose: 'finding the Pod behind the Service', asked: true }
  return {
    ...right,
    verb: 'list',
    group: 'discovery.k8s.io',
    resource: 'endpointslices',
    or: { ...right, verb: 'get', group: '', resource: 'endpoints', name: service },
  }
}

/**
 * Returns which of the rights the API server does not give; those that are not to be asked about are left out.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
 *
 * @throws Failure for an answer that is none, as `Api.refusal` has it
 */
export async function missingOf(api: Api, rights: readonly Right[]): Promise<readonly Right[]> {
  const asked = rights.filter((right) => right.asked)
  const there = await Promise.all(
    asked.map(async (right) => {
      const alternatives = right.or === undefined ? [right] : [right, right.or]
      return (await Promise.all(alternatives.map((one) => isAllowed(api, one)))).includes(true)
    }),
  )
  return asked.filter((_, index) => there[index] !== true)
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

/**
 * Returns what was found together with what the administrator has to do about it.
 *
 * @param lacking what is missing of them, perhaps as it was before the Service was known
 */
export function permissionReport(
  identity: Identity,
  rights: readonly Right[],
  lacking: readonly Right[],
): PermissionReport {
  const missing = rights.filter((right) => isAmong(right, lacking))
  return { identity, rights, missing, manifest: roleManifests(identity, rightsOfRoles(rights, missing)) }
}

/** Returns the error for a report that misses something: `permission-missing`. */
export function permissionFailure({ identity, rights, missing }: PermissionReport): Failure {
  const places = [...byNamespace(missing)].map(
    ([namespace, lacking]) => `${groupRights(lacking).map(phrase).join(', ')} in ${namespace}`,
  )
  const [named, ...more] = new Set(missing.flatMap(({ input }) => (input === undefined ? [] : [input])))
  const doubts =
    named === undefined
      ? []
      : [
          'A misspelt name looks the same, because rights on Secrets are given by name.',
          `Check ${inputs(named, ...more)} and the namespace against what the administrator sent.`,
        ]
  return new Failure(
    'permission-missing',
    `${oneLine(identity.name)} lacks ${missing.length} of ${count(rights.length, 'right')}: ${places.join('; ')}.`,
    [...doubts, `Send the administrator the Role ${spoken().missingRole}.`],
  )
}

/** `get and create pods/portforward`, `get secrets "postgresql1-access"`. */
function phrase({ verbs, resource, rights }: RightGroup): string {
  const name = rights[0]?.name
  return `${sentence(verbs)} ${resource}${name === undefined ? '' : ` "${oneLine(name)}"`}`
}
