import { Failure } from '../../src/lib/failure.ts'
import { permissionReport, runRights } from '../../src/rights/permissions.ts'
import type { Outcome } from '../../src/run/outcome.ts'

/** A run that found everything in place. */
export const inPlace: Outcome = {
  failure: undefined,
  dryRun: false,
  provisioned: true,
  gated: false,
  goLive: undefined,
  commanded: false,
  command: undefined,
  application: 'shop',
  seconds: 0.31,
  changes: [],
  list: [],
  doubts: [],
  rows: [
    { subject: 'PostgreSQL', now: '16.6, primary, TLS 1.3' },
    { subject: 'Role `shop`', now: 'login, no dangerous attribute' },
    { subject: 'Database `shop`', now: 'owner `postgresql1_admin`' },
    { subject: 'Grants', now: 'all on the database, `USAGE` and `CREATE` on `public`; not open to `PUBLIC`' },
    { subject: 'Login', now: 'works' },
    { subject: 'Secret `shop/app-postgresql-secret`', now: 'up to date' },
  ],
  notes: [],
  loginUnchecked: false,
  cluster: { server: 'https://api.prod.example.com:6443', namespace: 'shop' },
  permissions: undefined,
  secret: { namespace: 'shop', name: 'app-postgresql-secret', resourceVersion: '1043', authority: undefined },
  database: 'shop',
  serverVersion: '16.6',
  restart: undefined,
}

/** A first run. */
export const provisioned: Outcome = {
  ...inPlace,
  seconds: 0.55,
  changes: [
    { object: 'role', name: 'shop', action: 'created' },
    { object: 'database', name: 'shop', action: 'created' },
    { object: 'grants', name: 'shop', action: 'granted' },
    { object: 'secret', name: 'shop/app-postgresql-secret', action: 'created' },
  ],
  rows: [
    { subject: 'PostgreSQL', now: '16.6, primary, TLS 1.3' },
    { subject: 'Role `shop`', now: 'login, no dangerous attribute', done: 'created' },
    { subject: 'Database `shop`', now: 'owner `postgresql1_admin`', done: 'created' },
    {
      subject: 'Grants',
      now: 'all on the database, `USAGE` and `CREATE` on `public`; not open to `PUBLIC`',
      done: 'granted',
    },
    { subject: 'Login', now: 'proven: table created, row written and read, rolled back' },
    { subject: 'Secret `shop/app-postgresql-secret`', now: '6 keys', done: 'created' },
  ],
}

/** A run that found a wrong password and a missing grant. */
export const repaired: Outcome = {
  ...inPlace,
  changes: [
    { object: 'role', name: 'shop', action: 'password-set' },
    { object: 'grants', name: 'shop', action: 'granted' },
  ],
  rows: [
    { subject: 'PostgreSQL', now: '16.6, primary, TLS 1.3' },
    {
      subject: 'Role `shop`',
      now: 'login, no dangerous attribute',
      found: 'its password was not the one in the Secret',
      done: "set to the Secret's",
    },
    { subject: 'Database `shop`', now: 'owner `postgresql1_admin`' },
    {
      subject: 'Grants',
      now: 'all on the database, `USAGE` and `CREATE` on `public`; not open to `PUBLIC`',
      found: '`CREATE` on schema `public` was missing',
      done: 'granted',
    },
    { subject: 'Login', now: 'proven: table created, row written and read, rolled back' },
    { subject: 'Secret `shop/app-postgresql-secret`', now: 'up to date' },
  ],
}

/** A run that stopped before it changed anything. */
export function failed(failure: Failure): Outcome {
  return { ...inPlace, failure, rows: [] }
}

/** A run that stopped because rights are missing: those on Services and on port-forwards. */
export function lackingRights(identity: string, { dryRun = false } = {}): Outcome {
  const rights = runRights(
    {
      accessNamespace: 'postgres-system',
      accessSecret: 'postgresql1-access',
      appNamespace: 'shop',
      appSecret: 'app-postgresql-secret',
      dryRun,
    },
    'postgresql1-user-access',
  )
  const missing = rights.filter(
    ({ resource, subresource }) => resource === 'services' || subresource === 'portforward',
  )
  return {
    ...failed(new Failure('permission-missing', 'some rights are missing', [])),
    dryRun,
    permissions: permissionReport({ name: identity, certain: true }, rights, missing),
  }
}
