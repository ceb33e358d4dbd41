import { createHash } from 'node:crypto'

/**
 * What a Role gives. For an access Secret: the way to the database, also where its Service is not known (`any`) or has
 * no selector (`endpoints`), or the Secret alone where the run goes there itself (`direct`); what the go-live gate would like
 * to read, also where the operator is not known, and the way to the Pods where the run does not need it. For an application
 * Secret: to write it, to read it, and what the gate would like to read of the application.
 */
export type RoleKind =
  | 'access'
  | 'any'
  | 'endpoints'
  | 'direct'
  | 'go-live'
  | 'any-go-live'
  | 'direct-go-live'
  | 'any-direct-go-live'
  | 'write'
  | 'read'
  | 'workloads-go-live'

/** Whom a RoleBinding gives a Role to. */
export type Subject =
  | { readonly namespace: string; readonly account: string }
  | { readonly user: string }
  | { readonly group: string }

/** The longest name that every tool takes. Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ */
const longest = 253

/** Leaves room for the prefix and the longest kind. */
const longestSecret = 200

/** What a plain name may not end in, because another name could come out the same. */
const ambiguous = /-(any|endpoints|direct|go-live|write|read|workloads|[0-9a-f]{8})$/

/**
 * Returns the name of the Role of this kind for a Secret: `pg-app-user-shop-db`, `pg-app-user-shop-db-go-live`. Two
 * Secrets, or two kinds, never share a name, so that applying one Role never takes away another.
 */
export function roleName(secret: string, kind: RoleKind): string {
  const plain = secret.length <= longestSecret && !ambiguous.test(secret)
  const whose = plain ? secret : `${secret.slice(0, longestSecret - 9)}-${hash(secret)}`
  return `pg-app-user-${whose}${kind === 'access' ? '' : `-${kind}`}`
}

/**
 * Returns the name of the RoleBinding that gives a Role to a subject: `pg-app-user-shop-db-shop-ci`. It ends in a hash
 * where the name alone could be that of another Role and subject, as with a dash in the namespace.
 */
export function bindingName(role: string, subject: Subject): string {
  const whose =
    'user' in subject
      ? [subject.user]
      : 'group' in subject
        ? ['group', subject.group, '']
        : [subject.namespace, subject.account]
  const name = [role, ...whose.filter((part) => part !== '')].join('-')
  const plain = whose.length === 2 && whose.every((part) => isOneWord(part)) && name.length <= longest
  if (plain) return name
  const readable = name.toLowerCase().replace(/[^a-z0-9.]+/g, '-')
  return `${readable.slice(0, longest - 9).replace(/[-.]$/, '')}-${hash(JSON.stringify([role, ...whose]))}`
}

/** A placeholder stays as it is: an API server refuses it as a part of a name. */
function isOneWord(part: string): boolean {
  return part.startsWith('%') || (/^[a-z0-9.]+$/.test(part) && !/^[0-9a-f]{8}$/.test(part))
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
