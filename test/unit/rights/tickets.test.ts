import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { parseAllDocuments } from 'yaml'
import { formatRights } from '../../../src/faces/rights.ts'
import {
  applicationGateRights,
  databaseGateRights,
  endpointGateRight,
  wayGateRights,
} from '../../../src/go-live/gate-rights.ts'
import { ways } from '../../../src/lib/via.ts'
import { cloudnativepg } from '../../../src/providers/cloudnativepg.ts'
import { zalando } from '../../../src/providers/zalando.ts'
import { authenticationManifest } from '../../../src/rights/authentication.ts'
import { roleManifests } from '../../../src/rights/manifest.ts'
import { endpointRight, runRights } from '../../../src/rights/permissions.ts'
import { bindingName, roleName, type RoleKind } from '../../../src/rights/role-name.ts'
import { prove } from '../../support/property.ts'

interface RbacObject {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly rules?: readonly object[]
  readonly roleRef?: { readonly name: string }
  readonly subjects?: readonly object[]
}

function objectsOf(manifest: string): readonly RbacObject[] {
  return parseAllDocuments(manifest).map((document) => document.toJS() as RbacObject)
}

const keyOf = ({ kind, metadata: { namespace, name } }: RbacObject): string => `${kind} ${namespace}/${name}`

/** A cluster that keeps what was applied to it last under each name, as `kubectl apply` does. */
class Cluster {
  readonly #objects = new Map<string, RbacObject>()

  apply(ticket: readonly RbacObject[]): void {
    for (const object of ticket) {
      const before = this.#objects.get(keyOf(object))
      // An API server refuses a change of roleRef.
      expect(before?.roleRef ?? object.roleRef).toEqual(object.roleRef)
      this.#objects.set(keyOf(object), object)
    }
  }

  /** Returns who has which rule where. */
  rights(): readonly string[] {
    return [...this.#objects.values()].flatMap(({ metadata: { namespace }, roleRef, subjects = [] }) => {
      const role = this.#objects.get(`Role ${namespace}/${roleRef?.name ?? ''}`)
      return subjects.flatMap((subject) =>
        (role?.rules ?? []).map((rule) => JSON.stringify([namespace, subject, rule])),
      )
    })
  }
}

// Names that come out alike where they are just put together.
const secrets = [
  'pg',
  'pg-one',
  'pg-any',
  'pg-read',
  'pg-go-live',
  'pg-any-go-live',
  'any',
  'go-live',
  'pg-endpoints',
  'pg-direct',
  'pg-write',
  'pg-workloads',
]
const hashed = [...secrets, 'pg-go-live-e5b7c9a1', 'x'.repeat(253), `${'x'.repeat(252)}y`]
const secret = fc.constantFrom(...hashed)
const namespace = fc.constantFrom('db', 'one', 'one-two', 'pg')
const user = fc.constantFrom(
  'system:serviceaccount:two:ci',
  'system:serviceaccount:one:two-ci',
  'system:serviceaccount:one-two:ci',
  'system:serviceaccount:one:two.ci',
  'two-ci',
  'two:ci',
  'Kim',
  'kim',
  'kim/%2e',
  'deadbeef',
)

/** What a run, or `rights`, may ask an administrator for. */
const ticket = fc
  .record({
    scope: fc.record({
      accessNamespace: namespace,
      accessSecret: secret,
      appNamespace: namespace,
      appSecret: secret,
      dryRun: fc.boolean(),
      provision: fc.boolean(),
      via: fc.constantFrom(...ways),
    }),
    name: user,
    known: fc.boolean(),
    selector: fc.boolean(),
    goLive: fc.boolean(),
  })
  .map(({ scope, name, known, selector, goLive }) => {
    const service = known ? `${scope.accessSecret}-service` : undefined
    const keeper = known ? { provider: zalando, cluster: scope.accessSecret } : undefined
    const manifest = roleManifests({ name, certain: true }, [
      ...runRights(scope, service),
      ...(selector || scope.via === 'direct' ? [] : [endpointRight(scope, service ?? '')]),
      ...(goLive
        ? [
            ...wayGateRights(scope, service),
            ...(selector || scope.via !== 'direct' ? [] : [endpointGateRight(scope, service ?? '')]),
            ...databaseGateRights(scope, keeper),
            ...applicationGateRights(scope),
          ]
        : []),
    ])
    return objectsOf(manifest)
  })

test.each(['no', 'on', 'y', '1e3', '2024'])(
  'a name such as %s stays a text for kubectl, which reads YAML 1.1',
  (name) => {
    const named = {
      dryRun: false,
      accessNamespace: name,
      accessSecret: name,
      appNamespace: name,
      appSecret: name,
    }
    const texts = [
      roleManifests({ name, certain: true }, runRights(named, name)),
      roleManifests({ name: `system:serviceaccount:${name}:${name}`, certain: true }, runRights(named, name)),
    ]
    for (const document of texts.flatMap((text) => parseAllDocuments(text, { version: '1.1' }))) {
      expect(document.getIn(['metadata', 'namespace'])).toBe(name)
      const others = document.toJS() as {
        subjects?: { name: unknown; namespace?: unknown }[]
        rules?: { resourceNames?: unknown[] }[]
      }
      for (const { name, namespace = '' } of others.subjects ?? []) {
        expect([typeof name, typeof namespace]).toEqual(['string', 'string'])
      }
      for (const { resourceNames = [] } of others.rules ?? []) {
        expect(resourceNames.map((each) => typeof each)).toEqual(resourceNames.map(() => 'string'))
      }
    }
  },
)

test('an environment called no stays a text for an API server, which reads YAML 1.1', () => {
  const jobs = { platform: 'github', id: '7', environment: 'no', audience: 'pg-app-user' } as const
  expect(authenticationManifest(jobs)).toContain('requiredValue: "no"')
})

describe('tickets', () => {
  test('add up: none takes anything away, in whatever order they are applied', async () => {
    await prove(
      'test',
      fc.property(fc.array(ticket, { minLength: 2, maxLength: 6 }), (tickets) => {
        const cluster = new Cluster()
        const given = new Set<string>()
        for (const one of tickets) {
          cluster.apply(one)
          const alone = new Cluster()
          alone.apply(one)
          for (const right of alone.rights()) given.add(right)
          expect(new Set(cluster.rights())).toEqual(given)
        }
      }),
      { numRuns: 100 },
    )
  })

  test('never write but where a run provisions', () => {
    const scope = { accessNamespace: 'db', accessSecret: 'pg', appNamespace: 'shop', appSecret: 'app' }
    for (const reading of [{ dryRun: true }, { dryRun: false, provision: false }]) {
      const manifest = formatRights({ ...scope, ...reading }, { goLive: true })
      const verbs = [...manifest.matchAll(/resources: \[(.*)\]\n(?: +resourceNames.*\n)? +verbs: \[(.*)\]/g)]
      expect(verbs.length).toBeGreaterThan(8)
      for (const [, resource, verb] of verbs) {
        if (resource !== 'pods/portforward') expect(verb).toMatch(/^(get|list|get, list)$/)
      }
    }
  })

  test('ask for Secrets alone where the run goes to PGHOST itself', () => {
    const scope = { accessNamespace: 'db', accessSecret: 'pg', appNamespace: 'shop', appSecret: 'app' }
    const manifest = formatRights({ ...scope, dryRun: false, via: 'direct' }, {})
    expect(manifest).toContain('name: pg-app-user-pg-direct\n')
    expect([...manifest.matchAll(/resources: \[(.*)\]/g)].map(([, what]) => what)).toEqual([
      'secrets',
      'secrets',
      'secrets',
    ])
  })

  test('ask for the rights of every operator before one is known, and for those of one after', () => {
    const scope = {
      accessNamespace: 'db',
      accessSecret: 'pg',
      appNamespace: 'shop',
      appSecret: 'app',
      dryRun: false,
    }
    const ticketed = objectsOf(
      formatRights(scope, { goLive: true, account: { namespace: 'shop', name: 'ci' } }),
    )
    expect(ticketed.filter(({ kind }) => kind === 'Role').map(({ metadata }) => metadata.name)).toEqual([
      'pg-app-user-pg-any',
      'pg-app-user-app-write',
      'pg-app-user-pg-any-go-live',
      'pg-app-user-app-workloads-go-live',
    ])
    const whole = JSON.stringify(ticketed)
    for (const resource of [
      'postgresqls',
      'cronjobs',
      'clusters',
      'backups',
      'postgresclusters',
      'deployments',
    ]) {
      expect(whole).toContain(`"${resource}"`)
    }
    const [one, ...others] = databaseGateRights(scope, { provider: cloudnativepg, cluster: 'main' })
    expect(one).toMatchObject({
      verb: 'get',
      resource: 'clusters',
      name: 'main',
      role: 'pg-app-user-pg-go-live',
    })
    expect(others.map(({ resource }) => resource)).toEqual([
      'scheduledbackups',
      'backups',
      'objectstores',
      'networkpolicies',
    ])
  })

  test('without an account cannot be applied: neither its name nor its subject is one', () => {
    const scope = {
      accessNamespace: 'db',
      accessSecret: 'pg',
      appNamespace: 'shop',
      appSecret: 'app',
      dryRun: false,
    }
    for (const { kind, metadata, subjects } of objectsOf(formatRights(scope, {}))) {
      if (kind !== 'RoleBinding') continue
      expect(metadata.name).toMatch(/-%namespace%-%ServiceAccount%$/)
      expect(subjects).toEqual([
        { kind: 'ServiceAccount', name: '%ServiceAccount%', namespace: '%namespace%' },
      ])
    }
  })
})

describe('names of Roles and RoleBindings', () => {
  test.each<[string, RoleKind, RegExp]>([
    ['postgresql1-access', 'access', /^pg-app-user-postgresql1-access$/],
    ['postgresql1-access', 'go-live', /^pg-app-user-postgresql1-access-go-live$/],
    ['pg-go-live', 'access', /^pg-app-user-pg-go-live-[0-9a-f]{8}$/],
    ['x'.repeat(253), 'any-go-live', /^pg-app-user-x{191}-[0-9a-f]{8}-any-go-live$/],
  ])('of %s, %s', (name, kind, wanted) => {
    expect(roleName(name, kind)).toMatch(wanted)
  })

  test.each([
    [{ namespace: 'shop', account: 'ci' }, /^R-shop-ci$/],
    [{ namespace: 'shop-prod', account: 'ci' }, /^R-shop-prod-ci-[0-9a-f]{8}$/],
    [{ namespace: 'shop', account: 'deadbeef' }, /^R-shop-deadbeef-[0-9a-f]{8}$/],
    [{ user: 'Kim@example.com' }, /^R-kim-example\.com-[0-9a-f]{8}$/],
    [{ user: '../%2e/\u202e' }, /^R-\.\.-2e-[0-9a-f]{8}$/],
    [{ namespace: 'n'.repeat(63), account: 'a'.repeat(253) }, /^R-n{63}-a+-[0-9a-f]{8}$/],
  ])('of a subject: %j', (subject, wanted) => {
    const name = bindingName('R', subject)
    expect(name.replace(/^r-/, 'R-')).toMatch(wanted)
    expect(name.length).toBeLessThanOrEqual(253)
  })
})
