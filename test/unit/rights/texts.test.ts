import { describe, test } from '@jest/globals'
import { formatRights, type TicketOptions } from '../../../src/faces/rights.ts'
import type { Right } from '../../../src/kubernetes/right.ts'
import { platforms } from '../../../src/rights/authentication.ts'
import {
  endpointRight,
  permissionFailure,
  permissionReport,
  runRights,
  type PermissionScope,
} from '../../../src/rights/permissions.ts'
import { bindingName, roleName, type RoleKind } from '../../../src/rights/role-name.ts'
import { useTexts } from '../../support/texts.ts'

const scope = {
  accessNamespace: 'postgres-system',
  accessSecret: 'postgresql1-access',
  appNamespace: 'shop',
  appSecret: 'app-postgresql-secret',
  dryRun: false,
}
const service = 'postgresql1-user-access'
const scopes: readonly (readonly [string, PermissionScope, string | undefined])[] = [
  ['a run', scope, service],
  ['a run that does not know the Service yet', scope, undefined],
  ['a dry run', { ...scope, dryRun: true }, service],
  ['the gate alone', { ...scope, provision: false }, service],
  ['a run that goes to PGHOST itself', { ...scope, via: 'direct' }, undefined],
  ['a run with a service binding', { ...scope, bindingSecret: 'app-postgresql-secret-binding' }, service],
  ['a dry run with a service binding', { ...scope, bindingSecret: 'other', dryRun: true }, service],
  ['a run in one namespace', { ...scope, appNamespace: 'postgres-system' }, service],
]
const tickets: readonly (readonly [string, TicketOptions])[] = [
  ['nobody named', {}],
  ['an account', { account: { namespace: 'shop', name: 'ci' }, service }],
  ['a user', { subject: { user: 'kim@example.com' }, goLive: true }],
  ['a group', { subject: { group: 'team:shop' }, service }],
  ...Object.keys(platforms).map((platform): readonly [string, TicketOptions] => [
    `jobs of ${platform}`,
    {
      jobs: {
        platform: platform as keyof typeof platforms,
        id: '4711',
        environment: 'production',
        audience: 'https://api',
      },
    },
  ]),
  [
    'jobs of another GitLab',
    {
      jobs: { platform: 'gitlab', url: 'https://git.example.com', id: '1', environment: 'e', audience: 'a' },
      service,
    },
  ],
]
const kinds: readonly RoleKind[] = [
  'access',
  'any',
  'endpoints',
  'direct',
  'go-live',
  'any-go-live',
  'direct-go-live',
  'any-direct-go-live',
  'write',
  'read',
  'workloads-go-live',
]
const secrets = [
  'pg',
  'pg-any-more',
  ...['any', 'endpoints', 'direct', 'go-live', 'write', 'read', 'workloads', '0a1b2c3d'].map(
    (end) => `pg-${end}`,
  ),
  'pg-0a1b2c3g',
  'pg-0a1b2c3',
  'x'.repeat(200),
  'x'.repeat(201),
]
const subjects = [
  { namespace: 'shop', account: 'ci' },
  { namespace: 'shop-prod', account: 'ci' },
  { namespace: 'shop', account: 'c.i' },
  { namespace: 'shop', account: 'deadbeef' },
  { namespace: 'shop', account: 'deadbeef0' },
  { namespace: '%namespace%', account: '%ServiceAccount%' },
  { namespace: 'shop', account: '' },
  { user: 'kim' },
  { user: 'Kim@example.com' },
  { user: `${'k'.repeat(240)}-${'m'.repeat(10)}` },
  { group: 'shop' },
  { group: 'team:shop' },
  { namespace: 'n'.repeat(63), account: 'a'.repeat(187) },
  { namespace: 'n'.repeat(63), account: 'a'.repeat(186) },
]

/** A right in one line, with all that is known of it. */
function line({ namespace, verb, group, resource, subresource, name, or, ...more }: Right): string {
  const what = [resource, ...(subresource === undefined ? [] : [subresource])].join('/')
  const parts = [
    `${verb} ${what}${name === undefined ? '' : ` "${name}"`} (${group}) in ${namespace}`,
    `${more.asked ? 'asked' : 'not asked'}, for ${more.purpose}`,
    ...(more.role === undefined ? [] : [`Role ${more.role}`]),
    ...(more.input === undefined ? [] : [`input ${more.input}`]),
    ...(more.comment === undefined ? [] : [more.comment]),
    ...(or === undefined ? [] : [`or ${line(or).trim()}`]),
  ]
  return `  ${parts.join('; ')}`
}

function indented(text: string): string {
  return text.trimEnd().replaceAll(/\n\n+/g, '\n').replaceAll(/^/gm, '  ')
}

describe('texts.txt shows, word for word', () => {
  const compare = useTexts(new URL('texts.txt', import.meta.url))
  const identity = { name: 'system:serviceaccount:shop:ci', certain: true }

  test.each(scopes)('the rights of %s, and what is said where they are missing', (title, given, known) => {
    const rights = [...runRights(given, known), ...(known === undefined ? [] : [endpointRight(given, known)])]
    const failures = [rights, rights.slice(1), rights.slice(0, 1)].map((missing) =>
      permissionFailure(permissionReport(identity, rights, missing)),
    )
    const said = failures.flatMap(({ message, hint }) => [
      `  ✗ ${message}`,
      ...hint.map((text) => `    ${text}`),
    ])
    compare(`the rights of ${title}`, [...rights.map(line), ...said].join('\n'))
  })

  test('the Roles for one right that is missing, and for an identity that is not certain', () => {
    const rights = runRights(scope, service)
    const missing = rights.filter(({ resource }) => resource === 'services')
    const { manifest } = permissionReport({ name: 'kim', certain: false }, rights, missing)
    compare('the Roles for one right that is missing', indented(manifest))
  })

  test.each(tickets)('the ticket for %s', (title, options) => {
    compare(`the ticket for ${title}`, indented(formatRights(scope, options)))
  })

  test('the names of Roles', () => {
    const names = secrets.flatMap((secret) =>
      kinds.map((kind) => `  ${secret}, ${kind}: ${roleName(secret, kind)}`),
    )
    compare('the names of Roles', names.join('\n'))
  })

  test('the names of RoleBindings', () => {
    const names = subjects.map((subject) => `  ${JSON.stringify(subject)}: ${bindingName('R', subject)}`)
    compare('the names of RoleBindings', names.join('\n'))
  })
})
