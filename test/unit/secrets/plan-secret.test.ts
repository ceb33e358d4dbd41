import { describe, test } from '@jest/globals'
import type { Metadata } from '../../../src/kubernetes/objects.ts'
import { Failure } from '../../../src/lib/failure.ts'
import {
  parseApplicationSecret,
  type ApplicationKey,
  type ApplicationSecret,
  type ApplicationValues,
} from '../../../src/secrets/application-secret.ts'
import type { FormatName } from '../../../src/secrets/formats.ts'
import { notesOn, planSecret, type WantedSecret } from '../../../src/secrets/plan-secret.ts'
import { useTexts } from '../../support/texts.ts'

/** What is found, and what is asked for. */
interface Case {
  /** What the Secret holds beside or in the place of what is wanted, and `undefined` for what it lacks; none: no Secret. */
  readonly found?: Readonly<Record<string, string | undefined>>
  /** What this tool last wrote into it. */
  readonly wrote?: Readonly<Record<string, string>>
  readonly metadata?: Metadata
  readonly immutable?: boolean
  readonly wanted?: ApplicationValues
  readonly explicit?: readonly ApplicationKey[]
  readonly formats?: readonly FormatName[]
  readonly name?: string
}

const login = {
  PGHOST: 'pg.db.svc',
  PGPORT: '5432',
  PGUSER: 'shop',
  PGPASSWORD: 'the-password',
  PGDATABASE: 'shop',
  PGSSLMODE: 'require',
} satisfies ApplicationValues

const url = 'postgresql://shop:the-password@pg.db.svc:5432/shop?sslmode=require'
const ofSpring = {
  SPRING_DATASOURCE_URL: 'jdbc:postgresql://pg.db.svc:5432/shop?sslmode=require',
  SPRING_DATASOURCE_USERNAME: 'shop',
  SPRING_DATASOURCE_PASSWORD: 'the-password',
}
const byHelm: Metadata = { annotations: { 'meta.helm.sh/release-name': 'shop' } }
const dying: Metadata = { deletionTimestamp: '2026-11-22T14:03:11Z' }
const more = { PGHOST_REPLICA: 'pg-ro.db.svc', 'ca.crt': 'pem' }

const base64 = (text: string): string => Buffer.from(text).toString('base64')

function foundIn({
  found,
  wrote,
  metadata = {},
  immutable = false,
  name = 'app',
}: Case): ApplicationSecret | undefined {
  if (found === undefined) return undefined
  const held: Readonly<Record<string, string | undefined>> = { ...login, ...found }
  const data = Object.fromEntries(
    Object.entries(held).flatMap(([key, value]) => (value === undefined ? [] : [[key, base64(value)]])),
  )
  const annotations = {
    ...metadata.annotations,
    ...(wrote !== undefined && { 'pg-app-user.elastisys.io/last-written': JSON.stringify(wrote) }),
  }
  const secret = { metadata: { ...metadata, annotations }, immutable, data }
  return parseApplicationSecret('shop', name, secret, () => undefined)
}

function wantedOf({ wanted = {}, explicit = [], formats = [], name = 'app' }: Case): WantedSecret {
  return {
    namespace: 'shop',
    name,
    values: { ...login, ...wanted },
    explicit: new Set(explicit),
    formats,
  }
}

/** Returns what becomes of a Secret and what is said of it, or the refusal, word for word. */
function told(each: Case): string {
  const wanted = wantedOf(each)
  const plan = planSecret(foundIn(each), wanted)
  if (plan instanceof Failure) {
    return [`  ${plan.code}`, `  ${plan.message}`, ...plan.hint.map((line) => `    ${line}`)].join('\n')
  }
  const lists = {
    ...(plan.kind === 'repair' && {
      missing: plan.missing,
      replaced: plan.replaced,
      beside: plan.beside ?? [],
    }),
    ...(plan.kind !== 'create' && { kept: plan.kept, left: plan.left }),
  }
  return [
    `  ${plan.kind}`,
    ...Object.entries(plan.kind === 'keep' ? {} : plan.values).map(([key, value]) => `    ${key}=${value}`),
    ...Object.entries(lists).flatMap(([what, keys]) =>
      keys.length === 0 ? [] : [`  ${what}: ${keys.join(', ')}`],
    ),
    ...notesOn(plan, wanted).map((note) => `  note: ${note}`),
  ].join('\n')
}

const verified: ApplicationValues = { PGSSLMODE: 'verify-full' }
const verifiedUrl = url.replace('require', 'verify-full')
const named = '&sslrootcert=/etc/pg-app-user/ca.crt'
const withoutCa: Case = {
  found: { ...verified, DATABASE_URL: verifiedUrl },
  wrote: { DATABASE_URL: 'derived' },
  wanted: { ...verified, 'ca.crt': 'pem' },
  formats: ['url'],
}

const cases: Readonly<Record<string, Case>> = {
  'no Secret': {},
  'no Secret, and forms of the login': { formats: ['url', 'dotnet', 'servicebinding'] },
  'no Secret, a server that is verified by the CA beside it': {
    wanted: { ...verified, 'ca.crt': 'pem' },
    formats: ['url'],
  },
  'no Secret, a server that is verified by the authorities of the system': {
    wanted: verified,
    formats: ['url'],
  },

  'up to date, with a password of its own and a key of others': {
    found: { PGPASSWORD: 'of old', OTHER: 'x' },
  },
  'up to date, with a form that this tool wrote': {
    found: { DATABASE_URL: url },
    wrote: { DATABASE_URL: 'derived' },
    formats: ['url'],
  },
  'two keys lack': { found: { PGPORT: undefined, PGSSLMODE: '' } },
  'the replica and the CA lack': { found: {}, wanted: more },
  'the password lacks': { found: { PGPASSWORD: undefined } },
  'the password lacks beside keys of others': {
    found: { PGPASSWORD: undefined, username: 'shop', password: 'x', ...ofSpring },
  },
  'the password lacks beside forms that are asked for, were asked for, and never were': {
    found: {
      PGPASSWORD: undefined,
      DATABASE_URL: url,
      ...ofSpring,
      ConnectionStrings__Default: 'Host=elsewhere',
    },
    wrote: { DATABASE_URL: 'derived', ConnectionStrings__Default: 'derived' },
    formats: ['url'],
  },
  'another key lacks beside keys of others': { found: { PGPORT: undefined, password: 'x' } },

  'one key by hand, one that this tool wrote, one that an input asks for': {
    found: { PGPORT: '1', PGHOST_REPLICA: 'old-ro.db.svc', PGSSLMODE: 'prefer' },
    wrote: { PGPORT: '2', PGHOST_REPLICA: 'old-ro.db.svc' },
    wanted: { PGHOST_REPLICA: 'pg-ro.db.svc' },
    explicit: ['PGSSLMODE'],
  },
  'a CA that this tool wrote': {
    found: { 'ca.crt': 'old' },
    wrote: { 'ca.crt': 'sha256:cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4' },
    wanted: { 'ca.crt': 'pem' },
  },
  'a form follows the port that is written with it': {
    found: { PGPORT: '1', DATABASE_URL: url.replace('5432', '1') },
    wrote: { PGPORT: '1', DATABASE_URL: 'derived' },
    formats: ['url'],
  },
  'a form follows the port that stays': { found: { PGPORT: '1' }, formats: ['url'] },
  'no form is made of a mode that is no word': { found: { PGSSLMODE: 'on' }, formats: ['url'] },
  'a form that is asked for is none that is left, whatever the mode': {
    found: { PGSSLMODE: 'on', DATABASE_URL: url },
    wrote: { DATABASE_URL: 'derived' },
    formats: ['url'],
  },
  'the password lacks beside a form that this tool wrote, whatever the mode': {
    found: { PGSSLMODE: 'on', PGPASSWORD: undefined, DATABASE_URL: url },
    wrote: { DATABASE_URL: 'derived' },
    formats: ['url'],
  },
  'a form whose value is empty lacks': { found: { DATABASE_URL: '' }, formats: ['url'] },
  'a form whose value is empty, and that nobody asks for': {
    found: { DATABASE_URL: '', PGPASSWORD: undefined },
    wrote: { DATABASE_URL: 'derived' },
  },
  'a key and a form by hand': { found: { PGPORT: '1', DATABASE_URL: url }, formats: ['url'] },
  'two forms by hand': {
    found: { DATABASE_URL: 'mysql://elsewhere', ...ofSpring, SPRING_DATASOURCE_PASSWORD: 'x' },
    formats: ['url', 'jdbc'],
  },
  'a form that is no longer asked for, and a key that was removed': {
    found: { DATABASE_URL: url },
    wrote: { DATABASE_URL: 'derived', ConnectionStrings__Default: 'derived' },
  },
  'forms that are no longer asked for': {
    found: ofSpring,
    wrote: {
      SPRING_DATASOURCE_URL: 'derived',
      SPRING_DATASOURCE_USERNAME: 'derived',
      SPRING_DATASOURCE_PASSWORD: 'derived',
    },
  },
  'a form of others, which nobody asked for': { found: { DATABASE_URL: 'mysql://elsewhere' } },

  'of Helm, up to date': { found: {}, metadata: byHelm },
  'of Helm, two keys lack': { found: { PGPORT: undefined, PGSSLMODE: undefined }, metadata: byHelm },
  'of Helm, the replica and the CA lack': { found: {}, metadata: byHelm, wanted: more },
  'of Helm, the port, the replica and the CA lack': {
    found: { PGPORT: undefined },
    metadata: byHelm,
    wanted: more,
  },
  'of Helm, the replica lacks and an input asks for another CA': {
    found: { 'ca.crt': 'old' },
    metadata: byHelm,
    wanted: more,
    explicit: ['ca.crt'],
  },
  'of Helm, immutable and being deleted': {
    found: { PGPORT: undefined },
    metadata: { ...byHelm, ...dying },
    immutable: true,
  },
  'of Helm, the CA lacks beside a form that this tool wrote without it': {
    ...withoutCa,
    metadata: byHelm,
  },
  'immutable, the CA lacks beside a form that this tool wrote without it': { ...withoutCa, immutable: true },
  'immutable, a form that this tool wrote names the CA which is there': {
    ...withoutCa,
    found: { ...verified, 'ca.crt': 'of old', DATABASE_URL: `${verifiedUrl}${named}` },
    immutable: true,
  },
  'immutable, the port and the CA lack beside a form that this tool wrote without it': {
    ...withoutCa,
    found: { ...withoutCa.found, PGPORT: undefined },
    immutable: true,
  },
  'being deleted, the CA lacks beside a form that this tool wrote without it': {
    ...withoutCa,
    metadata: dying,
  },
  'the CA lacks beside a form that this tool wrote without it': withoutCa,

  'immutable, up to date': { found: {}, immutable: true },
  'immutable, a form lacks': { found: {}, immutable: true, formats: ['url'] },
  'immutable, the replica and the CA lack': { found: {}, immutable: true, wanted: more },
  'being deleted, up to date': { found: {}, metadata: dying },
  'being deleted, the port and the replica lack': {
    found: { PGPORT: undefined },
    metadata: dying,
    wanted: more,
  },
  'being deleted, the replica and the CA lack': { found: {}, metadata: dying, wanted: more },
  'being deleted and immutable': { found: { PGPORT: undefined }, metadata: dying, immutable: true },

  'the user and the password are swapped': { found: { PGUSER: 'the-password', PGPASSWORD: 'shop' } },
  'the password is the name of the user, which is right': { found: { PGPASSWORD: 'shop' } },
  'the password is the name of the user, and the database is another': {
    found: { PGPASSWORD: 'shop', PGDATABASE: 'billing' },
  },
  'the database stands in quotes': { found: { PGDATABASE: '"shop"' } },
  'the user and the database are blanks': { found: { PGUSER: '<user>', PGDATABASE: '<database>' } },
  'a name and a host that were encoded twice, and another that is none': {
    found: { PGUSER: base64('shop-of-kim'), PGHOST: base64('pg.db.svc'), PGDATABASE: ' shop' },
    wanted: { PGUSER: 'shop-of-kim' },
  },
  'a host in brackets, and another user': { found: { PGHOST: '[fd00::2]', PGUSER: 'billing' } },
  'a host that looks like a connection string': { found: { PGHOST: 'host=pg.db.svc' } },

  'another user': { found: { PGUSER: 'billing' } },
  'another user and another database': { found: { PGUSER: 'billing', PGDATABASE: 'billing' } },
  'another host': { found: { PGHOST: '10.0.0.1' } },
  'another host and another user': { found: { PGHOST: '10.0.0.1', PGUSER: 'billing' } },
  'another user, managed by Helm': { found: { PGUSER: 'billing' }, metadata: byHelm },
  'a password in the place of the user': { found: { PGUSER: 'k9Xw2mQz7Lp4' } },
  'a database with a name like a password': { found: { PGDATABASE: 'k9Xw2mQz7Lp4' } },
  'a long name of a database over two lines': {
    found: { PGDATABASE: `a\u2028${'b'.repeat(90)}` },
  },
  'another user, and a database whose name no Secret can have': {
    found: { PGUSER: 'billing', PGDATABASE: undefined },
    wanted: { PGDATABASE: '__Shop -- of_Kim 42__' },
  },
  'another user, and a database without a letter that a Secret can have': {
    found: { PGUSER: 'billing', PGDATABASE: undefined },
    wanted: { PGDATABASE: '店' },
  },
  'another user, in the Secret that would be suggested': {
    found: { PGUSER: 'billing' },
    name: 'shop-postgresql-secret',
  },
}

describe('plan-secret.txt shows what becomes of a Secret, and what is said of it', () => {
  const compare = useTexts(new URL('plan-secret.txt', import.meta.url))

  test.each(Object.entries(cases))('%s', (title, each) => {
    compare(title, told(each))
  })
})
