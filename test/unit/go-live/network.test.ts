import { describe, expect, test } from '@jest/globals'
import { closedTo } from '../../../src/go-live/judges/network.ts'
import type { Workload } from '../../../src/go-live/observe-application.ts'
import type { Entrance } from '../../../src/go-live/observe-cluster.ts'
import type { NetworkPolicyObject } from '../../../src/kubernetes/objects.ts'
import { application, cluster, good, sql, sqlWith, taken, workload } from '../../support/sights.ts'

type Spec = NonNullable<NetworkPolicyObject['spec']>

const pod = {
  metadata: { name: 'postgresql1-0', labels: { application: 'spilo', 'cluster-name': 'postgresql1' } },
  spec: { containers: [{ name: 'postgres', ports: [{ name: 'postgresql', containerPort: 5432 }] }] },
}
const shop = [{ ...workload, labels: { app: 'shop' } }]
const access = { matchLabels: { 'elastisys.io/postgresql1-access': 'allow' } }
const everywhere = {}
const about = { matchLabels: { 'cluster-name': 'postgresql1' } }
const labelled: Spec = {
  podSelector: about,
  ingress: [{ from: [{ namespaceSelector: everywhere, podSelector: access }] }],
}
/** What lets in operator and standbys, and no application. */
const others: Spec = {
  podSelector: {},
  ingress: [
    { from: [{ podSelector: {} }] },
    { from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'operators' } } }] },
  ],
}

/** Gives what is said of these policies and workloads; null is what may not be read. */
function notes(
  specs: readonly Spec[] | null,
  workloads: readonly Workload[] | null = shop,
  more: Partial<Entrance> = {},
  sessions = 0,
): readonly string[] {
  const policies = specs?.map((spec, index) => ({ metadata: { name: `policy-${index + 1}` }, spec }))
  return closedTo({
    ...good,
    sql: sqlWith({ application: sessions }),
    application: { ...application, workloads: workloads ?? undefined },
    cluster: {
      ...cluster,
      entrance: policies && { namespace: 'postgres-system', pod, port: 5432, policies, ...more },
    },
  })
}

const lacks =
  'NetworkPolicy postgres-system/policy-1 lets in only Pods with the label "elastisys.io/postgresql1-access: allow", and Deployment shop does not have it in the Pod template: such Pods do not reach the database'

describe('a label that lets Pods in', () => {
  test('is named where the application lacks it', () => {
    expect(notes([labelled])).toEqual([lacks])
    expect(notes([labelled, others])).toEqual([lacks])
  })

  test('is named once for several that lack it', () => {
    const two = [...shop, { ...workload, what: 'StatefulSet jobs' }]
    expect(notes([labelled], two)).toEqual([
      lacks.replace('Deployment shop does', 'Deployment shop and StatefulSet jobs do'),
    ])
  })

  test('is named before there is a Deployment, unless somebody is connected', () => {
    expect(notes([labelled], [])).toEqual([
      'NetworkPolicy postgres-system/policy-1 lets in only Pods with the label "elastisys.io/postgresql1-access: allow": the Pods that will use shop/app-postgresql-secret need it in their template',
    ])
    expect(notes([labelled], [], {}, 1)).toEqual([])
  })

  test('is not named before there is a Deployment where none would help, or its Pods may come in all the same', () => {
    const by = (from: object): Spec => ({ podSelector: {}, ingress: [{ from: [from] }] })
    const shops = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'shop' } } }
    expect(notes([others], [])).toEqual([])
    expect(notes([labelled, by(shops)], [])).toEqual([])
    expect(notes([labelled, by({ ipBlock: { cidr: '192.168.0.0/16' } })], [])).toEqual([])
  })

  test('is not named where it is hidden who is connected', () => {
    const entrance: Entrance = {
      namespace: 'postgres-system',
      pod,
      port: 5432,
      policies: [{ metadata: { name: 'policy-1' }, spec: labelled }],
    }
    const seen = { ...good, cluster: { ...cluster, entrance } }
    const none = { ...application, workloads: [] }
    expect(closedTo({ ...seen, application: none, sql: { ...sql, sessions: taken } })).toEqual([])
  })

  test.each<[string, string, Spec['podSelector']]>([
    [
      'another value',
      'the label "access" set to yes or true',
      { matchExpressions: [{ key: 'access', operator: 'In', values: ['yes', 'true'] }] },
    ],
    ['any value', 'a label "access"', { matchExpressions: [{ key: 'access', operator: 'Exists' }] }],
    ['none', 'no label "app"', { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] }],
    [
      'other values',
      'a label "app" that is not shop',
      { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['shop'] }] },
    ],
    [
      'none of several values',
      'a label "app" that is not shop or shops',
      { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['shop', 'shops'] }] },
    ],
    ['two labels', 'the label "a: 1" and the label "b: 2"', { matchLabels: { a: '1', b: '2', app: 'shop' } }],
    ['signs that nobody sees', 'the label "a b: 1"', { matchLabels: { 'a\u202eb': '1' } }],
  ])('is said where it is wanted with %s', (_, words, podSelector = {}) => {
    const spec = { podSelector: about, ingress: [{ from: [{ namespaceSelector: {}, podSelector }] }] }
    expect(notes([spec]).join()).toContain(`lets in only Pods with ${words}, and Deployment shop`)
  })

  test('is the one that is nearest, and one of several that are as near', () => {
    const far = { matchLabels: { a: '1', b: '2' } }
    const other = { matchLabels: { other: 'one' } }
    const from = [far, access, other].map((podSelector) => ({ namespaceSelector: {}, podSelector }))
    expect(notes([{ podSelector: {}, ingress: [{ from }] }]).join()).toContain(
      'with the label "elastisys.io/postgresql1-access: allow" or the label "other: one", and',
    )
  })

  test('is not asked of Pods by an address that may be theirs', () => {
    const block = (ipBlock: object): Spec => ({ podSelector: {}, ingress: [{ from: [{ ipBlock }] }] })
    const unseen = [{ ...workload, pods: undefined }]
    const pending = [
      { ...workload, pods: [{ name: 'p', node: undefined, created: undefined, address: undefined }] },
    ]
    expect(notes([labelled, block({ cidr: '10.0.0.0/8' })])).toEqual([])
    expect(notes([labelled, block({ cidr: '10.0.0.0/8', except: ['10.0.0.0/16'] })])).toEqual([lacks])
    expect(notes([labelled, block({ cidr: '192.168.0.0/16' })])).toEqual([lacks])
    expect(notes([labelled, block({ cidr: '192.168.0.0/16' })], unseen)).toEqual([])
    expect(notes([labelled, block({ cidr: '192.168.0.0/16' })], pending)).toEqual([])
    for (const cidr of ['', 'nonsense', '10.0.0.0', '10.0.0.0/99', 'fd00::/8']) {
      expect([cidr, notes([labelled, block({ cidr })])]).toEqual([cidr, [lacks]])
    }
  })
})

describe('nothing is said', () => {
  test.each<[string, Parameters<typeof notes>]>([
    ['where there is no policy', [[]]],
    ['where the label is there', [[labelled], [{ ...workload, labels: access.matchLabels }]]],
    ['of a policy for other Pods', [[{ ...labelled, podSelector: { matchLabels: { app: 'other' } } }]]],
    ['of a policy about what goes out', [[{ ...labelled, policyTypes: ['Egress'] }]]],
    ['of one that lets in everybody', [[labelled, { podSelector: {}, ingress: [{}] }]]],
    [
      'of one that lets in a namespace that may be this one',
      [
        [
          labelled,
          { podSelector: {}, ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'a' } } }] }] },
        ],
      ],
    ],
    ['where no label would help', [[others]]],
    [
      'of another port',
      [[{ ...labelled, ingress: [{ ...labelled.ingress?.[0], ports: [{ port: 8008 }] }] }]],
    ],
    [
      'of another protocol',
      [[{ ...labelled, ingress: [{ ...labelled.ingress?.[0], ports: [{ protocol: 'UDP', port: 5432 }] }] }]],
    ],
    ['where the workloads may not be listed', [[labelled], null]],
    ['where the policies may not be read', [null]],
  ])('%s', (_, [specs, ...rest]) => {
    expect(notes(specs, ...rest)).toEqual([])
  })
})

test.each<[string, number | string, number | undefined, boolean]>([
  ['its number', 5432, undefined, true],
  ['its name', 'postgresql', undefined, true],
  ['a range', 5000, 6000, true],
  ['another number', 5433, undefined, false],
  ['a range beside it', 5000, 5431, false],
  ['a name that the Pod does not have', 'metrics', undefined, false],
])('a rule about the port is found by %s', (_, port, endPort, found) => {
  const ports = [{ port, ...(endPort !== undefined && { endPort }) }]
  const spec = { ...labelled, ingress: [{ ...labelled.ingress?.[0], ports }] }
  expect(notes([spec])).toEqual(found ? [lacks] : [])
})

test('a policy of the namespace that both are in needs no selector of namespaces', () => {
  const near: Spec = { podSelector: about, ingress: [{ from: [{ podSelector: access }] }] }
  expect(notes([near])).toEqual([])
  expect(notes([near], shop, { namespace: 'shop' })).toEqual([lacks.replace('postgres-system', 'shop')])
})

test('a rule about ports holds where one of them is that of PostgreSQL, of any kind of container', () => {
  const over = (ports: object[], spec = pod.spec): readonly string[] =>
    notes([{ ...labelled, ingress: [{ ...labelled.ingress?.[0], ports }] }], shop, { pod: { ...pod, spec } })
  expect(over([{ port: 8008 }, { port: 5432 }])).toEqual([lacks])
  expect(over([{}])).toEqual([lacks])
  expect(over([{ protocol: 'TCP' }])).toEqual([lacks])
  expect(over([{ protocol: 'SCTP' }])).toEqual([])
  const named = (name: string, protocol?: string): object => ({
    containers: [{ name: 'postgres', ports: [{ name, containerPort: 5432, ...(protocol && { protocol }) }] }],
  })
  expect(over([{ port: 'pg' }], named('pg', 'TCP') as typeof pod.spec)).toEqual([lacks])
  expect(over([{ port: 'pg' }], named('pg', 'UDP') as typeof pod.spec)).toEqual([])
  const init = { initContainers: (named('pg') as { containers: object[] }).containers } as object
  expect(over([{ port: 'pg' }], init as typeof pod.spec)).toEqual([lacks])
})

test.each<[string, string, readonly string[], boolean]>([
  ['10.0.0.7/32', '10.0.0.7', [], true],
  ['10.0.0.7/33', '10.0.0.7', [], false],
  ['0.0.0.0/0', '10.0.0.7', [], true],
  ['10.0.0.0/8', 'fd00::7', [], false],
  ['fd00::/8', 'fd00::7', [], true],
  ['fd00::7/128', 'fd00::7', [], true],
  ['fd00::7/129', 'fd00::7', [], false],
  ['fd00::/8', 'fd00::7', ['fd00::/64'], false],
  ['fd00::/8', 'fd00::7', ['fd01::/16', 'fd00::/64'], false],
  ['10.0.0.0/8x', '10.0.0.7', [], false],
  ['10.0.0.0/x8', '10.0.0.7', [], false],
  ['/8', '10.0.0.7', [], false],
])('an address block %s without %s: lets in %s', (cidr, address, except, inside) => {
  const block: Spec = { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr, except: [...except] } }] }] }
  const [first] = shop
  const pods = [
    { ...workload.pods?.[0], address },
    { ...workload.pods?.[0], address: '192.0.2.1' },
  ] as NonNullable<Workload['pods']>
  const own = { ...workload, ...first, pods }
  expect(notes([labelled, block], [own])).toEqual(inside ? [] : [lacks])
})

test('labels beyond the third are counted, and several policies are named', () => {
  const from = (...labels: readonly string[]): Spec => ({
    podSelector: {},
    ingress: [
      {
        from: labels.map((label) => ({
          namespaceSelector: {},
          podSelector: { matchLabels: { [label]: '1' } },
        })),
      },
    ],
  })
  expect(notes([from('a', 'b', 'c')]).join()).toContain(
    'with the label "a: 1", the label "b: 1" or the label "c: 1", and Deployment shop',
  )
  expect(notes([from('a', 'b', 'c', 'd', 'e')]).join()).toContain('or the label "c: 1", or 2 others, and')
  expect(notes([from('a'), from('b')]).join()).toBe(
    'NetworkPolicies postgres-system/policy-1 and postgres-system/policy-2 let in only Pods with the label "a: 1" or the label "b: 1", and Deployment shop does not have it in the Pod template: such Pods do not reach the database',
  )
  expect(notes([from('a'), from('b'), from('c'), from('d')]).join()).not.toContain('policy-4')
})

test('a namespace that is known by its name is let in by it, and by nothing else', () => {
  const by = (matchLabels: Record<string, string>): readonly string[] => {
    const other = { namespaceSelector: { matchLabels } }
    return notes([labelled, { podSelector: {}, ingress: [{ from: [other] }] }])
  }
  expect(by({ 'kubernetes.io/metadata.name': 'shop' })).toEqual([])
  expect(by({ 'kubernetes.io/metadata.name': 'other' })).toEqual([lacks])
  expect(by({ 'kubernetes.io/metadata.name': 'other', team: 'a' })).toEqual([lacks])
})

test('a rule without peers lets in everybody, and a policy without rules nobody', () => {
  expect(notes([labelled, { podSelector: {}, ingress: [{ from: [] }] }])).toEqual([])
  expect(notes([labelled, { podSelector: {} }])).toEqual([lacks])
  expect(notes([{ podSelector: {} }])).toEqual([])
})
