import { describe, expect, test } from '@jest/globals'
import { parseAccessSecret, type AccessSecret } from '../../../src/secrets/access-secret.ts'

const good = {
  PGHOST: 'pg.postgres-system.svc.cluster.local',
  PGUSER: 'admin user',
  PGPASSWORD: 'pa ss',
  PGSSLMODE: 'require',
  USER_ACCESS: 'pg-user-access',
}

function parse(values: Record<string, string>, masks: string[] = []): AccessSecret {
  const data = Object.fromEntries(
    Object.entries(values).map(([k, v]) => [k, Buffer.from(v).toString('base64')]),
  )
  return parseAccessSecret('db/access', { data }, (credential) => masks.push(credential))
}

function message(values: Record<string, string>): string {
  try {
    parse(values)
  } catch (error) {
    expect(error).toMatchObject({ code: 'access-secret-invalid' })
    return (error as Error).message
  }
  return 'no failure'
}

test('a Secret as an administrator leaves it', () => {
  const masks: string[] = []
  expect(parse(good, masks)).toEqual({
    ref: 'db/access',
    host: good.PGHOST,
    port: 5432,
    user: 'admin user',
    password: 'pa ss',
    sslMode: 'require',
    service: 'pg-user-access',
    home: 'postgres',
    notes: [],
    // Both have a space in them, so that neither can be told from a credential.
    named: false,
    doubts: [],
    keyCount: 5,
  })
  expect(masks).toContain('pa ss')
})

test('line ends that files leave behind are taken off, and both forms of the password are masked', () => {
  const masks: string[] = []
  const found = parse(
    { ...good, PGHOST: 'h\n', PGUSER: 'u\r\n', PGPASSWORD: 'p\n', PGPORT: '6432\n', USER_ACCESS: 'svc/x\n' },
    masks,
  )
  expect(found).toMatchObject({ host: 'h', user: 'u', password: 'p', port: 6432, service: 'x', keyCount: 6 })
  expect(masks).toEqual(['p\n', 'p'])
})

describe('what is missing or broken is named, all of it', () => {
  test.each<[Record<string, string>, string]>([
    [{ PGHOST: '' }, 'PGHOST is missing'],
    [{ PGHOST: '\n' }, 'PGHOST is missing'],
    [{ PGHOST: '', PGPASSWORD: '\n' }, 'PGHOST and PGPASSWORD are missing'],
    [{ PGHOST: 'a b' }, 'PGHOST holds a space'],
    [{ PGUSER: 'a\nb' }, 'PGUSER holds a control character'],
    [{ PGUSER: 'a\n\n' }, 'PGUSER holds a control character'],
    [{ PGPASSWORD: 'a\0b' }, 'PGPASSWORD holds a NUL character'],
    [{ PGSSLMODE: 'required' }, 'PGSSLMODE is "required", which is none of disable'],
    [{ PGPORT: '0' }, 'PGPORT is "0", which is no port'],
    [{ PGPORT: '65536' }, 'no port'],
    [{ USER_ACCESS: 'pod/x' }, 'USER_ACCESS is "pod/x"'],
    [{ USER_ACCESS: '../secrets' }, 'neither a Service'],
    [{ 'ca.crt': 'no pem' }, 'ca.crt holds no certificate'],
    [
      { 'ca.crt': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' },
      'ca.crt holds no certificate',
    ],
    [{ PGHOST: '', PGPORT: 'x', PGSSLMODE: 'y' }, 'PGHOST is missing; PGSSLMODE is "y"'],
  ])('%p', (changed, words) => {
    expect(message({ ...good, ...changed })).toContain(words)
  })

  test.each(['1pg', 'svc/7-db', 'service/0'])('a Service whose name begins with a digit: %s', (access) => {
    const data = Object.fromEntries(
      Object.entries({ ...good, USER_ACCESS: access }).map(([key, value]) => [
        key,
        Buffer.from(value).toString('base64'),
      ]),
    )
    expect(parseAccessSecret('db/access', { data }, () => undefined).service).toBe(
      access.replace(/^.*\//, ''),
    )
  })

  test('not base64, not UTF-8: masked and named', () => {
    const masks: string[] = []
    const data = { PGHOST: '$$$', PGPASSWORD: Buffer.from([0xff, 0xfe]).toString('base64') }
    expect(() => parseAccessSecret('db/access', { data }, (credential) => masks.push(credential))).toThrow(
      'PGUSER, PGSSLMODE and USER_ACCESS are missing; PGHOST is not base64 of UTF-8 text; PGPASSWORD is not',
    )
    expect(masks).toContain(data.PGPASSWORD)
  })
})
