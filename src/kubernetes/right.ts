/** One right that a run needs, as RBAC knows it. */
export interface Right {
  readonly namespace: string
  readonly verb: string
  /** Empty for the core group. */
  readonly group: string
  readonly resource: string
  readonly subresource?: string
  /** Absent where the right cannot be, or is not, limited to one object. */
  readonly name?: string
  /** The Role in which it is asked of the administrator; absent where it is not. */
  readonly role?: string
  /** What it is for, as in `reaching PostgreSQL`. */
  readonly purpose: string
  /** The input that names the object. */
  readonly input?: string
  /** Whether the API server is asked: not about writes in a dry run, nor about an object whose name is not known. */
  readonly asked: boolean
  /** What the administrator should know about the rule. */
  readonly comment?: string
  /** Another right that does as well. */
  readonly or?: Right
}

/** Rights that differ in their verb only: a row of a table, a rule of a Role. */
export interface RightGroup {
  readonly verbs: readonly string[]
  /** `pods/portforward`. */
  readonly resource: string
  readonly rights: readonly Right[]
}

/** The order in which an administrator reads a Role: what is read first, what is done with it after that. */
const order = ['secrets', 'services', 'endpointslices', 'pods', 'pods/portforward']

/** Groups rights on the same objects. */
export function groupRights(rights: readonly Right[]): readonly RightGroup[] {
  const groups = Map.groupBy(rights, objectOf)
  return [...groups.values()]
    .map((same) => ({ verbs: same.map(({ verb }) => verb), resource: resourceOf(same[0]), rights: same }))
    .sort((one, other) => order.indexOf(one.resource) - order.indexOf(other.resource))
}

/** Returns rights by their namespace. */
export function byNamespace(rights: readonly Right[]): Map<string, Right[]> {
  return Map.groupBy(rights, ({ namespace }) => namespace)
}

function resourceOf(right: Right | undefined): string {
  return [right?.resource, right?.subresource].filter((part) => part !== undefined).join('/')
}

/** Returns the rights of every Role that gives one of those that are missing: a Role is applied as a whole. */
export function rightsOfRoles(rights: readonly Right[], missing: readonly Right[]): readonly Right[] {
  const roles = new Set(missing.map(placeOf))
  return rights.filter((right) => roles.has(placeOf(right)))
}

/** Returns rights by the Role in which they are asked of the administrator. */
export function byRole(rights: readonly Right[]): readonly (readonly Right[])[] {
  return [
    ...Map.groupBy(
      rights.filter(({ role }) => role !== undefined),
      placeOf,
    ).values(),
  ]
}

function placeOf({ namespace, role = '' }: Right): string {
  return `${namespace}/${role}`
}

/** Says whether a right is one of these. */
export function isAmong(right: Right, rights: readonly Right[]): boolean {
  return rights.some((other) => keyOf(other) === keyOf(right))
}

function keyOf(right: Right): string {
  return `${objectOf(right)}|${right.verb}`
}

/** What a right is about, as a key. */
function objectOf({ namespace, group, resource, subresource = '', name = '' }: Right): string {
  return [namespace, group, resource, subresource, name].join('|')
}
