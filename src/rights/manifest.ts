import { Document, isSeq, YAMLMap, visit } from 'yaml'
import type { Identity } from '../kubernetes/identity.ts'
import { byRole, groupRights, type Right } from '../kubernetes/right.ts'
import { bindingName, type Subject } from './role-name.ts'

/** Stands at the top of every ticket: what it takes nothing from, and what it takes the place of. */
const heading = [
  ' Adds to what other applications have, and takes nothing away. An older Role and RoleBinding called just',
  ' pg-app-user keep working; they are no longer needed once every pipeline that uses them has its own.',
].join('\n')

/** kubectl reads YAML 1.1, to which a namespace called no is a truth value. */
const read = { schema: 'yaml-1.1' } as const

/** Who gets the rights: a user, or everybody in a group. */
export type Receiver = Identity & { readonly group?: boolean }

/**
 * Returns the YAML of a Role and a RoleBinding for each Role of the rights. What a Role of one name says follows from
 * that name, so that manifests may be applied in any order, each more than once.
 */
export function roleManifests(identity: Receiver, rights: readonly Right[]): string {
  const documents = byRole(rights).flatMap((same) => [role(same), roleBinding(same, identity)])
  const [first] = documents
  if (first !== undefined) first.commentBefore = [heading, first.commentBefore ?? []].flat().join('\n')
  return documents
    .map((document) => document.toString({ flowCollectionPadding: false, lineWidth: 0 }))
    .join('---\n')
}

function role(rights: readonly Right[]): Document {
  const groups = groupRights(rights)
  const document = new Document(
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: rights[0]?.role, namespace: rights[0]?.namespace },
      rules: groups.map(({ verbs, resource, rights: [right] }) => ({
        apiGroups: [right?.group],
        resources: [resource],
        ...(right?.name !== undefined && { resourceNames: [right.name] }),
        verbs,
      })),
    },
    read,
  )
  const rules = document.get('rules')
  visit(document, {
    Seq: (_, node) => {
      if (node !== rules) node.flow = true
    },
  })
  for (const [
    index,
    {
      rights: [right],
    },
  ] of groups.entries()) {
    const rule = isSeq(rules) ? rules.get(index) : undefined
    if (right?.comment !== undefined && rule instanceof YAMLMap) rule.commentBefore = ` ${right.comment}`
  }
  return document
}

function roleBinding(rights: readonly Right[], identity: Receiver): Document {
  const { role: name = '', namespace = '' } = rights[0] ?? {}
  const subject = subjectOf(identity)
  const document = new Document(
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: bindingName(name, subject), namespace },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [
        'user' in subject
          ? { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: subject.user }
          : 'group' in subject
            ? { apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: subject.group }
            : { kind: 'ServiceAccount', name: subject.account, namespace: subject.namespace },
      ],
    },
    read,
  )
  if (!identity.certain) {
    document.commentBefore = ' Check the subject: the cluster may know this user by another name.'
  }
  return document
}

function subjectOf({ name, group }: Receiver): Subject {
  if (group === true) return { group: name }
  const [, namespace, account] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name) ?? []
  return namespace === undefined || account === undefined ? { user: name } : { namespace, account }
}
