import { expect, test } from '@jest/globals'
import { refuseCommand } from '../../../src/exec/refusals.ts'
import { mark, role, server, wanted } from '../../support/provision.ts'

test.each([
  ['in the same namespace', 'shop/by-another-name', 'set app-secret: by-another-name.'],
  ['in another namespace', 'crm/app', 'set inputs "app-namespace" and "app-secret" to these names.'],
])(
  'a role that belongs to a Secret %s: the command is not started, and what to set is said',
  (_, secret, says) => {
    const refused = refuseCommand({ ...server, role: { ...role, marker: { ...mark, secret } } }, wanted)
    expect(refused?.code).toBe('role-claimed')
    expect(refused?.message).toBe(
      `Role "shop" belongs to ${secret}, and this run names shop/app-postgresql-secret.`,
    )
    // A command takes nothing over, so that nothing is said of it.
    expect(refused?.hint).toEqual([
      `If it is the role of this application: ${says}`,
      'If it belongs to another one: check inputs "app-database" and "app-username".',
    ])
  },
)
