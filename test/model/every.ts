import type { Claim } from '../../src/postgres/state.ts'
import { literalPassword } from '../../src/provision/change.ts'
import type { Wanted } from '../../src/provision/wanted.ts'
import type { ApplicationSecret } from '../../src/secrets/application-secret.ts'
import type { FormatName } from '../../src/secrets/formats.ts'
import {
  claim,
  made,
  newRole,
  secretValues,
  unavailable,
  untrusted,
  watcher,
  written,
  type Wish,
  type World,
  type WorldDatabase,
  type WorldRole,
} from './world.ts'

/** What every wish has in common. */
export const base: Wanted = {
  username: 'shop',
  database: 'shop',
  admin: 'admin',
  home: 'postgres',
  secret: 'shop/shop-secret',
  databaseOwner: undefined,
  extensions: [],
  connectRoles: [],
  settings: [],
  poolerRoles: [],
  existing: 'refuse',
}
/** What the Secret holds, where it holds a password. */
export const kept = 'kept'

/** The values of everything that one may find, by what they are of; each with those of all others is a world. */
const found = {
  role: [undefined, ...roles()],
  database: [undefined, ...databases()],
  secret: secrets(),
  claims: [
    [],
    [{ role: 'former', secret: base.secret }],
    [{ role: 'other', secret: 'shop/other' }],
    [{ role: 'other', secret: undefined }],
  ] satisfies readonly (readonly Claim[])[],
  admin: [
    { createRole: true, createDatabase: true },
    { createRole: false, createDatabase: true },
    { createRole: true, createDatabase: false },
  ],
} as const

/** The values of everything that one may ask for. */
const asked = {
  databaseOwner: [undefined, 'admin', 'app'],
  extensions: [[], ['citext'], [untrusted], ['citext', unavailable]],
  connectRoles: [[], ['reader'], ['reader', 'nobody of this name']],
  existing: ['refuse', 'adopt'],
  settings: [[], [{ name: 'lock_timeout', value: '5s' }], [{ name: 'transaction_timeout', value: '1min' }]],
  formats: [[], ['url'], ['jdbc', 'dotnet']],
} as const satisfies {
  readonly [Key in keyof (Wanted & Wish)]?: readonly (Wanted & Wish)[Key][]
}

function roles(): readonly WorldRole[] {
  const mark = { secret: base.secret, database: base.database, createdDatabase: true }
  const note = { secret: base.secret, database: base.database }
  const comments: readonly WorldRole['comment'][] = [
    claim(mark),
    claim({ ...mark, createdDatabase: false }),
    claim({ ...mark, database: 'former' }),
    claim({ ...mark, secret: 'shop/other' }),
    claim(mark, { note }),
    claim(undefined, { note }),
    claim(undefined, { note: { ...note, secret: 'shop/other' } }),
    claim(undefined),
    claim(undefined, { kept: { comment: 'made by hand' } }),
    'unreadable',
  ]
  const variants: readonly Partial<WorldRole>[] = [
    {},
    { password: 'set by hand' },
    { password: literalPassword },
    { canLogin: false },
    { expired: true },
    { dangers: ['CREATEDB'] },
    { password: 'set by hand', dangers: ['CREATEDB'] },
    { password: 'set by hand', members: ['kim'] },
    { administered: false },
    { password: 'set by hand', administered: false },
    { settings: { lock_timeout: '5000ms' } },
    { settings: { lock_timeout: '7s' } },
  ]
  return comments.flatMap((comment) => variants.map((variant) => ({ ...newRole(kept), comment, ...variant })))
}

function databases(): readonly WorldDatabase[] {
  const { admin, username } = base
  const closed = { publicConnects: false, publicTemporary: false }
  const access: readonly Partial<WorldDatabase>[] = [
    { ...closed, granted: true, connects: [watcher] },
    { ...closed, granted: true, connects: [admin, watcher, 'reader'] },
    { granted: true },
    { granted: false },
    { ...closed, granted: false },
    { publicConnects: true, publicTemporary: false, granted: true },
  ]
  const insides: readonly Partial<WorldDatabase>[] = [
    { schemaGranted: true },
    { schemaGranted: false },
    { schemaGranted: true, extensions: ['citext', untrusted] },
    { schemaGranted: false, schemaBelongsTo: 'nobody' },
    { schemaGranted: false, schemaBelongsTo: 'admin' },
    { schemaGranted: true, open: false },
  ]
  return [admin, username, 'dba'].flatMap((owner) =>
    access.flatMap((rights) => insides.map((inside) => ({ ...made(base), owner, ...rights, ...inside }))),
  )
}

function secrets(): readonly (ApplicationSecret | undefined)[] {
  const values = secretValues(base, kept)
  const whole = written(undefined, values, base)
  const without = (...keys: readonly string[]): ApplicationSecret =>
    written(
      undefined,
      Object.fromEntries(Object.entries(values).filter(([key]) => !keys.includes(key))),
      base,
    )
  const owner = 'Helm release "shop"'
  return [
    undefined,
    whole,
    without('PGPORT'),
    without('PGPASSWORD'),
    without('PGUSER', 'PGDATABASE', 'PGHOST'),
    { ...whole, values: { ...values, PGSSLMODE: 'disable' } },
    { ...whole, values: { ...values, PGHOST: 'elsewhere' } },
    { ...whole, owner },
    { ...without('PGPORT'), owner },
    { ...whole, immutable: true },
    { ...without('PGPORT'), immutable: true },
  ]
}

/**
 * Returns a world and a wish. What is as it should be comes as often as all that is not, or nearly everything would be
 * refused for one reason or another.
 *
 * @param next gives numbers from 0 to 1
 */
export function anyOf(next: () => number): { readonly world: World; readonly wish: Wish } {
  const choose = <Value>(values: readonly Value[]): Value => {
    const range = next() < 0.75 ? Math.min(2, values.length) : values.length
    return values[Math.floor(next() * range)] as Value
  }
  return {
    world: {
      role: choose(found.role),
      database: choose(found.database),
      secret: choose(found.secret),
      claims: choose(found.claims.slice(0, next() < 0.75 ? 1 : undefined)),
      admin: choose(found.admin.slice(0, next() < 0.75 ? 1 : undefined)),
    },
    wish: {
      wanted: {
        ...base,
        databaseOwner: choose(asked.databaseOwner),
        extensions: choose(asked.extensions),
        connectRoles: choose(asked.connectRoles),
        existing: choose(asked.existing),
        settings: choose(asked.settings),
      },
      formats: choose<readonly FormatName[]>(asked.formats),
    },
  }
}
