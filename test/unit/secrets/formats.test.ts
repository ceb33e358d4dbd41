import { describe, expect, test } from '@jest/globals'
import type { SslMode } from '../../../src/postgres/sslmode.ts'
import { formats, mountedCa, type Credential } from '../../../src/secrets/formats.ts'
import { readDotnet } from '../../support/dotnet.ts'

const plain: Credential = {
  host: 'db.example',
  port: '5432',
  user: 'shop',
  password: 'correct-horse',
  database: 'shop',
  sslMode: 'require',
  ca: 'mounted',
}

/** What would end a part of a URL or of a connection string, or be taken for something else there. */
const odd = [
  'a:b@c/d?e#f',
  "it's",
  'say "yes"',
  'a;b=c',
  ' blank at both ends ',
  'plus+and%20percent',
  'über–ñ',
  '\\back\\slash',
  '[1]!(2)*~',
  '==;;""\'\'',
  '&sslmode=disable',
  '💥',
]

/** Reads the URL as libpq does, and as pgjdbc does after its `jdbc:`. */
function readUrl(text: string): Record<string, string> {
  const [, login = '', hosts, name = '', query = ''] =
    /^postgresql:\/\/(?:([^@]*)@)?([^/?#]*)\/([^?#]*)\?([^#]*)$/.exec(text) ?? []
  const [user = '', password = ''] = login.split(':').map(decodeURIComponent)
  return {
    user,
    password,
    hosts: hosts ?? '',
    database: decodeURIComponent(name),
    ...Object.fromEntries(new URLSearchParams(query)),
  }
}

describe.each(odd)('%s comes back as it was', (text) => {
  const credential = { ...plain, user: text, password: text, database: text }

  test('from the URL', () => {
    const { DATABASE_URL = '' } = formats.url.write(credential)
    expect(readUrl(DATABASE_URL)).toEqual({
      user: text,
      password: text,
      hosts: 'db.example:5432',
      database: text,
      sslmode: 'require',
    })
    expect(new URL(DATABASE_URL).hostname).toBe('db.example')
  })

  test('from what pgjdbc reads', () => {
    const written = formats.jdbc.write(credential)
    expect(written).toMatchObject({ SPRING_DATASOURCE_USERNAME: text, SPRING_DATASOURCE_PASSWORD: text })
    const url = written.SPRING_DATASOURCE_URL ?? ''
    expect(readUrl(url.replace(/^jdbc:/, ''))).toMatchObject({ database: text, sslmode: 'require' })
  })

  test('from the connection string of Npgsql', () => {
    const { ConnectionStrings__Default = '' } = formats.dotnet.write(credential)
    expect(readDotnet(ConnectionStrings__Default)).toEqual({
      Host: 'db.example',
      Port: '5432',
      Username: text,
      Password: text,
      Database: text,
      'SSL Mode': 'Require',
    })
  })
})

test.each<[SslMode, Credential['ca'], string, string, string]>([
  ['disable', 'mounted', 'sslmode=disable', 'sslmode=disable', 'SSL Mode=Disable'],
  ['require', 'mounted', 'sslmode=require', 'sslmode=require', 'SSL Mode=Require'],
  ['no-verify', 'mounted', 'sslmode=no-verify', 'sslmode=require', 'SSL Mode=Require'],
  [
    'verify-ca',
    'mounted',
    `sslmode=verify-ca&sslrootcert=${mountedCa}`,
    `sslmode=verify-ca&sslrootcert=${mountedCa}`,
    `SSL Mode=VerifyCA;Root Certificate=${mountedCa}`,
  ],
  [
    'verify-full',
    'system',
    'sslmode=verify-full',
    'sslmode=verify-full&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory',
    'SSL Mode=VerifyFull',
  ],
])('%s with the authority %s is spelled as each client has it', (sslMode, ca, url, jdbc, dotnet) => {
  const credential = { ...plain, sslMode, ca }
  expect(formats.url.write(credential).DATABASE_URL?.split('?')[1]).toBe(url)
  expect(formats.jdbc.write(credential).SPRING_DATASOURCE_URL?.split('?')[1]).toBe(jdbc)
  expect(formats.dotnet.write(credential).ConnectionStrings__Default).toMatch(new RegExp(`${dotnet}$`))
})

test.each([
  ['one.example,two.example', 'one.example:5432,two.example:5432'],
  ['fd00::1', '[fd00::1]:5432'],
])('the hosts %s are each reached at the port', (host, expected) => {
  expect(readUrl(formats.url.write({ ...plain, host }).DATABASE_URL ?? '')['hosts']).toBe(expected)
})
