import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import type { KubeObject } from './object.ts'
import { builtinResources, type Resource } from './resources.ts'
import type { Attempt } from './status.ts'
import type { Store } from './store.ts'

/** Who makes a request. */
export interface User {
  readonly username: string
  readonly uid?: string
  readonly groups: readonly string[]
}

/** One rule of a Role, in the spelling of the API. */
export interface Rule {
  readonly apiGroups?: readonly string[]
  readonly resources?: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly verbs: readonly string[]
}

/** A token and the moment from which on it is refused, in milliseconds since 1970. */
export interface IssuedToken {
  readonly token: string
  readonly expires: number
}

const admin: User = { username: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] }
const audience = 'https://kubernetes.default.svc.cluster.local'

/** Milliseconds since 1970, by a clock of the server's own: that of who asks may be set to another time meanwhile. */
function clock(): number {
  return performance.timeOrigin + performance.now()
}

/** Bearer tokens: the administrator's, and those of ServiceAccounts, which die with their account. */
export class Tokens {
  /** Belongs to a user who may do everything. */
  readonly admin = randomBytes(24).toString('base64url')
  readonly #store: Store
  readonly #key = randomBytes(32)
  readonly #issued = new Map<string, { namespace: string; name: string; uid: string; expires: number }>()

  constructor(store: Store) {
    this.#store = store
  }

  /** Issues a token for a ServiceAccount, shaped like the API server's: a JWT whose `sub` names the account. */
  issue(namespace: string, name: string, lifetimeSeconds: number): IssuedToken {
    const uid = this.#store.get(serviceAccounts, namespace, name).metadata.uid ?? ''
    const now = Math.floor(clock() / 1000)
    const exp = now + lifetimeSeconds
    const claims = {
      aud: [audience],
      exp,
      iat: now,
      iss: audience,
      jti: randomUUID(),
      'kubernetes.io': { namespace, serviceaccount: { name, uid } },
      nbf: now,
      sub: usernameOf(namespace, name),
    }
    const content = [{ alg: 'HS256', typ: 'JWT' }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    const token = `${content}.${createHmac('sha256', this.#key).update(content).digest('base64url')}`
    const expires = exp * 1000
    this.#issued.set(token, { namespace, name, uid, expires })
    return { token, expires }
  }

  /** Gives whom the token stands for; undefined when it is unknown, expired, or its account is gone. */
  userOf(token: string): User | undefined {
    if (token === this.admin) return admin
    const issued = this.#issued.get(token)
    if (!issued || issued.expires <= clock()) return undefined
    const { namespace, name, uid } = issued
    if (this.#store.find(serviceAccounts, namespace, name)?.metadata.uid !== uid) return undefined
    return {
      username: usernameOf(namespace, name),
      uid,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    }
  }
}

/** Says whether RBAC lets the user do this, by the Roles and bindings in the store at this moment. */
export function isAllowed(store: Store, user: User, attempt: Attempt): boolean {
  return rulesFor(store, user, attempt.namespace).some((rule) => covers(rule, attempt))
}

/** Gives every rule that holds for the user, cluster-wide and in the namespace. */
export function rulesFor(store: Store, user: User, namespace: string | undefined): Rule[] {
  if (user.groups.includes('system:masters')) return [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }]
  const bindings = [
    ...store.list(clusterRoleBindings, undefined),
    ...(namespace === undefined ? [] : store.list(roleBindings, namespace)),
  ]
  return bindings
    .filter((binding) => subjectsOf(binding).some((subject) => isMeant(subject, user, binding)))
    .flatMap((binding) => {
      const { kind, name } = binding['roleRef'] as { kind: string; name: string }
      const role =
        kind === 'ClusterRole'
          ? store.find(clusterRoles, undefined, name)
          : store.find(roles, binding.metadata.namespace, name)
      return (role?.['rules'] ?? []) as Rule[]
    })
}

const roles = builtin('Role')
const clusterRoles = builtin('ClusterRole')
const roleBindings = builtin('RoleBinding')
const clusterRoleBindings = builtin('ClusterRoleBinding')
const serviceAccounts = builtin('ServiceAccount')

function builtin(kind: string): Resource {
  const found = builtinResources.find((resource) => resource.kind === kind)
  if (!found) throw new Error(`${kind} is not among the builtin kinds`)
  return found
}

interface Subject {
  readonly kind: string
  readonly name: string
  readonly namespace?: string
}

function subjectsOf(binding: KubeObject): Subject[] {
  return (binding['subjects'] ?? []) as Subject[]
}

function isMeant(subject: Subject, user: User, binding: KubeObject): boolean {
  switch (subject.kind) {
    case 'User':
      return subject.name === user.username
    case 'Group':
      return user.groups.includes(subject.name)
    case 'ServiceAccount':
      return usernameOf(subject.namespace ?? binding.metadata.namespace ?? '', subject.name) === user.username
    default:
      return false
  }
}

function covers(rule: Rule, attempt: Attempt): boolean {
  const { verb, group, resource, subresource, name } = attempt
  const asked = subresource ? `${resource}/${subresource}` : resource
  const wildcards = subresource ? ['*', `*/${subresource}`] : ['*']
  return (
    holds(rule.verbs, verb, ['*']) &&
    holds(rule.apiGroups, group, ['*']) &&
    holds(rule.resources, asked, wildcards) &&
    (!rule.resourceNames?.length || (name !== undefined && rule.resourceNames.includes(name)))
  )
}

function holds(granted: readonly string[] = [], asked: string, wildcards: readonly string[]): boolean {
  return granted.some((each) => each === asked || wildcards.includes(each))
}

function usernameOf(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`
}
