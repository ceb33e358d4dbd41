import { Document, isSeq, YAMLMap, visit } from 'yaml'
import type { Identity } from './api.ts'
import { byNamespace, groupRights, type Right } from './right.ts'

/**
 * Gives the YAML of a Role and a RoleBinding for each namespace of the rights: the whole of what a run needs there,
 * safe to apply more than once.
 */
export function roleManifests(identity: Identity, rights: readonly Right[]): string {
  return [...byNamespace(rights)]
    .flatMap(([namespace, here]) => [role(namespace, here), roleBinding(namespace, identity)])
    .map((document) => document.toString({ flowCollectionPadding: false, lineWidth: 0 }))
    .join('---\n')
}

const metadata = (namespace: string): object => ({ name: 'pg-app-user', namespace })

function role(namespace: string, rights: readonly Right[]): Document {
  const groups = groupRights(rights)
  const document = new Document({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: metadata(namespace),
    rules: groups.map(({ verbs, resource, rights: [right] }) => ({
      apiGroups: [right?.group],
      resources: [resource],
      ...(right?.name !== undefined && { resourceNames: [right.name] }),
      verbs,
    })),
  })
  const rules = document.get('rules')
  visit(document, {
    Seq: (_, node) => {
      if (node !== rules) node.flow = true
    },
  })
  const nameless = groups.findIndex(
    ({ rights: [right] }) => right?.resource === 'services' && right.name === undefined,
  )
  const rule = isSeq(rules) ? rules.get(nameless) : undefined
  if (rule instanceof YAMLMap) {
    rule.commentBefore =
      ' Add resourceNames with the Service under USER_ACCESS: the Secret that names it was not read.'
  }
  return document
}

function roleBinding(namespace: string, identity: Identity): Document {
  const [, accountNamespace, account] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(identity.name) ?? []
  const document = new Document({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: metadata(namespace),
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'pg-app-user' },
    subjects: [
      account === undefined
        ? { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: identity.name }
        : { kind: 'ServiceAccount', name: account, namespace: accountNamespace },
    ],
  })
  if (!identity.certain) {
    document.commentBefore = ' Check the subject: the cluster may know this user by another name.'
  }
  return document
}
