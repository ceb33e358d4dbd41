import { describe, expect, test } from '@jest/globals'
import { createAuthority } from '../../../sandbox/certificate.ts'
import type { ParameterName } from '../../../src/input/parameters.ts'
import { parseRequest, type RawInputs } from '../../../src/input/parse.ts'
import type { ProvisionRequest } from '../../../src/input/request.ts'
import { Failure } from '../../../src/lib/failure.ts'
import type { AccessInputs } from '../../../src/secrets/access-form.ts'

const least: RawInputs = {
  'access-secret': 'postgresql1-access',
  'access-namespace': 'postgres-system',
  'app-database': 'shop',
}
const surroundings = { kubeconfig: { absenceHint: [] }, runName: 'a run' }

function parse(inputs: RawInputs): ProvisionRequest {
  return parseRequest({ ...least, ...inputs }, surroundings)
}

function failure(inputs: RawInputs): Failure {
  try {
    parse(inputs)
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('these inputs were taken')
}

/** What is said about one wrong input. */
function problem(name: ParameterName, text: string): string {
  const { code, message, hint } = failure({ [name]: text })
  expect(code).toBe('input-invalid')
  expect(hint).toEqual([])
  expect(message.startsWith(`Input "${name}" `)).toBe(true)
  return message.slice(`Input "${name}" `.length)
}

describe('what is not given', () => {
  test('gets its default, and nothing else does', () => {
    expect(parse({})).toEqual({
      kubeconfig: { absenceHint: [] },
      context: undefined,
      access: {},
      expectServer: undefined,
      accessSecret: 'postgresql1-access',
      accessNamespace: 'postgres-system',
      via: 'port-forward',
      workload: undefined,
      appDatabase: 'shop',
      appUsername: 'shop',
      appSecret: 'app-postgresql-secret',
      appNamespace: undefined,
      appSslMode: undefined,
      sslRootCert: undefined,
      databaseOwner: undefined,
      secretFormats: [],
      extensions: [],
      connectRoles: [],
      roleSettings: [],
      existing: 'refuse',
      unproven: 'refuse',
      dryRun: false,
      provision: true,
      goLive: undefined,
      timeoutMs: 300_000,
      runName: 'a run',
    })
  })

  test.each(['', ' ', '\n\t '])('is the same as what is given as %j', (text) => {
    expect(parse({ context: text, timeout: text, 'app-username': text, extensions: text })).toEqual(parse({}))
  })

  test.each(['access-secret', 'access-namespace', 'app-database'] as const)(
    'is an error where it is required: %s',
    (name) => {
      expect(problem(name, ' ')).toMatch(/^is required: [a-z].*[^.]\.$/)
    },
  )
})

describe('choices and flags', () => {
  test.each<[ParameterName, string, keyof ProvisionRequest, unknown]>([
    ['app-sslmode', 'verify-full', 'appSslMode', 'verify-full'],
    ['app-sslmode', ' no-verify ', 'appSslMode', 'no-verify'],
    ['database-owner', 'app', 'databaseOwner', 'app'],
    ['existing', 'adopt', 'existing', 'adopt'],
    ['unproven', 'accept', 'unproven', 'accept'],
    ['dry-run', 'true', 'dryRun', true],
    ['dry-run', 'TRUE', 'dryRun', true],
    ['dry-run', 'false', 'dryRun', false],
  ])('%s: %j is taken', (name, text, key, value) => {
    expect(parse({ [name]: text })[key]).toBe(value)
  })

  test.each<[ParameterName, string, string]>([
    [
      'app-sslmode',
      'required',
      '"required" is none of disable, allow, prefer, require, verify-ca, verify-full, no-verify (did you mean require?).',
    ],
    ['database-owner', 'application', '"application" is none of admin, app.'],
    ['database-owner', 'x', '"x" is none of admin, app.'],
    ['existing', 'adop', '"adop" is none of refuse, adopt (did you mean adopt?).'],
    ['dry-run', 'yes', '"yes" is none of true, false.'],
    ['dry-run', 'ture', '"ture" is none of true, false (did you mean true?).'],
    ['unproven', 'Accept', '"Accept" is none of refuse, accept (did you mean accept?).'],
  ])('%s: %j is refused', (name, text, says) => {
    expect(problem(name, text)).toBe(says)
  })
})

describe('settings of the role', () => {
  test.each([
    ['lock_timeout=5s', [{ name: 'lock_timeout', value: '5s' }]],
    [
      ' lock_timeout = 5 s ,\nidle_in_transaction_session_timeout=0',
      [
        { name: 'lock_timeout', value: '5 s' },
        { name: 'idle_in_transaction_session_timeout', value: '0' },
      ],
    ],
    [' , ', []],
  ])('%j', (text, settings) => {
    expect(parse({ 'role-settings': text }).roleSettings).toEqual(settings)
  })

  const units = 'Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".'
  test.each([
    ['lock_timeout', '"lock_timeout" is no setting with its value: write lock_timeout=5s.'],
    ['=5s', '"=5s" is no setting with its value: write lock_timeout=5s.'],
    ['lock_timeout=5x', `has an invalid value for parameter "lock_timeout": "5x". ${units}.`],
    ['lock_timeout=', `has an invalid value for parameter "lock_timeout": "". ${units}.`],
    ["lock_timeout=5s'; DROP", `has an invalid value for parameter "lock_timeout": "5s'; DROP". ${units}.`],
    ['transaction_timeout=-1', `has an invalid value for parameter "transaction_timeout": "-1". ${units}.`],
    ['lock_timeout=1s, lock_timeout=2s', 'names "lock_timeout" twice.'],
    [
      'log_statement=none',
      expect.stringMatching(/^"log_statement" is none of lock_timeout, .*, transaction_timeout\.$/),
    ],
    ['lock_timout=5s', expect.stringMatching(/ \(did you mean lock_timeout\?\)\.$/)],
  ])('%j is refused', (text, says) => {
    expect(problem('role-settings', text)).toEqual(says)
  })
})

describe('what stands in for keys of the access Secret', () => {
  test.each<[ParameterName, string, keyof AccessInputs, string]>([
    ['access-host', ' pg.example ', 'host', 'pg.example'],
    ['access-port', '6432', 'port', '6432'],
    ['access-user', 'postgres', 'user', 'postgres'],
    ['access-user', 'pg_admin', 'user', 'pg_admin'],
    ['access-service', 'svc/pg', 'service', 'pg'],
    ['access-sslmode', 'verify-full', 'sslMode', 'verify-full'],
    ['access-database', 'defaultdb', 'database', 'defaultdb'],
  ])('%s: %j is taken', (name, text, part, value) => {
    expect(parse({ [name]: text }).access?.[part]).toBe(value)
  })

  test.each<[ParameterName, string, RegExp]>([
    ['access-host', 'pg.example:5432', /^holds a port/],
    ['access-host', 'postgresql://kim:hunter2-dummy@pg', /^is a URL \(postgresql:/],
    ['access-port', '0', /"0", which is no port/],
    ['access-user', '${PGUSER}', /is a variable/],
    ['access-service', 'pod/pg-0', /neither a Service's name/],
    ['access-sslmode', 'on', /is none of disable/],
    ['access-database', 'template1', /is a template/],
    ['access-database', 'shop', /is the database of the application/],
  ])('%s: %j is refused', (name, text, says) => {
    expect(problem(name, text)).toMatch(says)
    expect(problem(name, text)).not.toContain('hunter2')
  })
})

describe('durations', () => {
  test.each([
    ['1s', 1_000],
    ['90s', 90_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1h30m', 5_400_000],
    ['1m30s', 90_000],
    ['24h', 86_400_000],
  ])('%s', (text, milliseconds) => {
    expect(parse({ timeout: text }).timeoutMs).toBe(milliseconds)
  })

  test.each([
    ['5', '"5" has no unit: write 5m or 300s.'],
    ['0s', '"0s" is out of range: at least 1s, at most 24h.'],
    ['25h', '"25h" is out of range: at least 1s, at most 24h.'],
    ['30s5m', '"30s5m" is no duration: write 90s, 5m or 1h.'],
    ['5 m', '"5 m" is no duration: write 90s, 5m or 1h.'],
    ['5M', '"5M" is no duration: write 90s, 5m or 1h.'],
    ['-5m', '"-5m" is no duration: write 90s, 5m or 1h.'],
    ['1.5h', '"1.5h" is no duration: write 90s, 5m or 1h.'],
    ['soon', '"soon" is no duration: write 90s, 5m or 1h.'],
  ])('%s is refused', (text, says) => {
    expect(problem('timeout', text)).toBe(says)
  })
})

describe('names of PostgreSQL', () => {
  test.each([
    'shop',
    'Shop',
    'my shop',
    `it's "quoted"`,
    '$1 %s \\d',
    'größe',
    '商店',
    '😀'.repeat(15),
    'x'.repeat(63),
    'PG_shop',
    'postgres2',
  ])('%j is taken as it is', (name) => {
    const request = parse({ 'app-database': name, 'app-username': name })
    expect(request).toMatchObject({ appDatabase: name, appUsername: name })
  })

  test.each<[string, string, RegExp]>([
    [
      '64 bytes',
      'x'.repeat(64),
      /^"x+" has 64 bytes in UTF-8; PostgreSQL takes 63 and would cut the rest\.$/,
    ],
    ['63 characters, 64 bytes', `${'x'.repeat(62)}ä`, /has 64 bytes in UTF-8/],
    ['NUL', 'a\0b', /^holds a NUL character, which no PostgreSQL name may\.$/],
    ['a line end', 'a\nb', /^holds a control character, such as a line end\.$/],
    [
      'a blank at its end',
      'shop ',
      /^begins or ends with a blank, or with another character that nobody sees\.$/,
    ],
    ['a no-break space at its beginning', '\u00A0shop', /^begins or ends with a blank/],
    ['a zero-width space at its end', 'shop\u200B', /^begins or ends with a blank/],
    ['bytes that are no UTF-8', 'sh\uFFFDp', /^"sh\uFFFDp" holds U\+FFFD/],
    ['an escape', 'a\u001b[31mb', /^holds a control character/],
    ['a lone surrogate', 'a\ud800', /^holds half a character \(a lone surrogate\)\.$/],
    ...['$APP', '${APP}', '$(APP)', '%APP%'].map((name): [string, string, RegExp] => [
      name,
      name,
      /^".+" is a variable that nothing replaced\.$/,
    ]),
    ['a template', '{{ app }}', /is a template that nothing filled in\.$/],
    ...['postgres', 'template0', 'template1', 'public', 'none', 'pg_shop', 'pg_'].map(
      (name): [string, string, RegExp] => [
        name,
        name,
        new RegExp(`^"${name}" is reserved by PostgreSQL: choose a name of the application's own\\.$`),
      ],
    ),
  ])('%s is refused', (_, name, says) => {
    expect(problem('app-database', name)).toMatch(says)
    expect(problem('app-username', name)).toMatch(says)
  })
})

describe('names of Kubernetes', () => {
  test.each<[ParameterName, string]>([
    ['access-namespace', 'a'],
    ['access-namespace', 'postgres-system'],
    ['app-namespace', '7'],
    ['app-namespace', 'x'.repeat(63)],
    ['app-secret', 'shop.postgresql-secret'],
    ['app-secret', 'x'.repeat(253)],
  ])('%s: %j is taken', (name, text) => {
    expect(() => parse({ [name]: text })).not.toThrow()
  })

  test.each<[ParameterName, string]>([
    ['access-namespace', 'Shop'],
    ['access-namespace', 'a.b'],
    ['access-namespace', '-a'],
    ['app-namespace', 'x'.repeat(64)],
    ['app-secret', 'a_b'],
    ['app-secret', '.a'],
    ['app-secret', 'a..b'],
    ['access-secret', 'a/b'],
    ['access-secret', '../a'],
    ['access-secret', 'x'.repeat(254)],
  ])('%s: %j is refused', (name, text) => {
    expect(problem(name, text)).toMatch(
      name.endsWith('namespace') ? /is no namespace: lower case/ : /is no name of a Secret: lower case/,
    )
  })
})

describe('lists', () => {
  test.each<[string, string[]]>([
    ['citext', ['citext']],
    ['citext, pgcrypto', ['citext', 'pgcrypto']],
    ['citext\npgcrypto\n', ['citext', 'pgcrypto']],
    [' citext ,\n, pgcrypto,citext', ['citext', 'pgcrypto']],
    ['uuid-ossp', ['uuid-ossp']],
    [',\n,', []],
  ])('%j', (text, items) => {
    expect(parse({ extensions: text, 'connect-roles': text })).toMatchObject({
      extensions: items,
      connectRoles: items,
    })
  })

  test('name what is too long in them', () => {
    expect(problem('extensions', `citext, ${'x'.repeat(64)}`)).toMatch(
      /^"x{64}" is no PostgreSQL name: 63 bytes at most, no NUL\.$/,
    )
    expect(problem('connect-roles', 'a\0b')).toContain('is no PostgreSQL name')
  })
})

describe('certificates', () => {
  const authority = createAuthority('one').pem.trim()
  const other = createAuthority('another').pem.trim()

  test.each([
    ['one', authority, authority],
    [
      'two, and what stands around them',
      `# first\n${authority}\n# second\n${other}\n`,
      `${authority}\n${other}`,
    ],
    ['that of the system', ' system ', 'system'],
  ])('%s', (_, text, value) => {
    expect(parse({ 'ssl-root-cert': text }).sslRootCert).toBe(value)
  })

  test.each([
    ['/etc/ssl/ca.pem', /^is neither "system" nor PEM text/],
    [authority.replace('BEGIN CERTIFICATE', 'BEGIN CERT'), /^is neither "system" nor PEM text/],
    [
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
      /^holds a certificate that cannot be read/,
    ],
  ])('%j is refused', (text, says) => {
    expect(problem('ssl-root-cert', text)).toMatch(says)
  })
})

describe('several wrong inputs', () => {
  test('are one error with a line each, aligned', () => {
    const { message, hint } = failure({
      'access-namespace': '',
      'app-sslmode': 'required',
      timeout: '5',
    })
    expect(message).toBe('3 inputs are wrong: access-namespace, app-sslmode and timeout.')
    expect(hint).toEqual([
      'access-namespace   is required: namespace of the access Secret, from the administrator',
      'app-sslmode        "required" is none of disable, allow, prefer, require, verify-ca, verify-full, no-verify (did you mean require?)',
      'timeout            "5" has no unit: write 5m or 300s',
    ])
  })
})

describe('an error', () => {
  test('quotes an input on one line, shortened', () => {
    expect(problem('timeout', `soon\n::error::x${'y'.repeat(200)}`)).toMatch(
      /^"soon ::error::xy+…" is no duration: write 90s, 5m or 1h\.$/,
    )
  })

  test('never quotes the kubeconfig', () => {
    const { message, hint } = failure({ kubeconfig: 'a-credential', timeout: '5' })
    expect([message, ...hint].join('\n')).not.toContain('a-credential')
  })
})

describe('the go-live gate', () => {
  const gate = { 'go-live': 'enforce', 'go-live-profile': 'premium' }

  test.each([
    ['{main,develop}', 'refs/heads/develop'],
    ['{main,develop}, hotfix/{a,b}/*, next', 'refs/heads/hotfix/b/1'],
    ['{main,develop}, hotfix/{a,b}/*, next', 'refs/heads/next'],
    ['main\ntag: v*', 'refs/tags/v1.0.0'],
    ['release-[0-9]*, [[:alpha:]]ain, hotfix-[^a]', 'refs/heads/main'],
    ['!(dev|next)', 'refs/heads/main'],
    ['release-[0-9]*, [[:alpha:]]ain, hotfix-[^a]', 'refs/heads/hotfix-b'],
  ])('release-branches %j contain %s', (patterns, ref) => {
    const raw = { ...gate, 'go-live': 'auto', 'release-branches': patterns }
    const request = parseRequest(
      { ...least, ...raw },
      { ...surroundings, release: { ref, pullRequest: false } },
    )
    expect(request.goLive?.enforcement.enforced).toBe(true)
  })

  test('is off unless it is asked for, and alone where nothing is provisioned', () => {
    expect(parse(gate)).toMatchObject({
      provision: true,
      goLive: {
        enforcement: { enforced: true, why: 'because input "go-live" is enforce' },
        profile: 'premium',
        file: '.pg-app-user/go-live.yaml',
        fileNamed: false,
      },
    })
    expect(parse({ ...gate, provision: 'false', 'go-live-file': 'a.yaml' })).toMatchObject({
      provision: false,
      goLive: { file: 'a.yaml', fileNamed: true },
    })
  })

  test.each([
    [{ provision: 'false' }, 'Input "provision" is false and "go-live" is off'],
    [{ 'go-live': 'auto' }, 'Input "go-live-profile" is required for the go-live gate'],
    [{ 'go-live': 'enforced', 'go-live-profile': 'premium' }, 'did you mean enforce?'],
    [{ ...gate, 'go-live-profile': 'gold' }, '"gold" is none of standard, premium'],
    [{ ...gate, 'release-branches': 'refs/heads/main' }, '"refs/heads/main" is a whole ref: write "main"'],
    [{ ...gate, 'release-branches': 'refs/tags/v*' }, 'write "tag:v*"'],
    [{ ...gate, 'release-branches': ',' }, 'Input "release-branches" holds no pattern'],
    [{ ...gate, 'release-branches': 'main, {a,b' }, '"{a" has a brace without the other one'],
    [{ ...gate, 'release-branches': 'a}, main' }, '"a}" has a brace without the other one'],
    [{ ...gate, 'release-branches': '["main", "release/**"]' }, 'has quotes around it'],
    [{ ...gate, 'release-branches': "'main'" }, 'has quotes around it'],
    [{ ...gate, 'release-branches': '[main, release/**]' }, '"[main" has a bracket without the other one'],
    [{ ...gate, 'release-branches': '- main\n- release/**' }, '"- main" begins with "-"'],
    [{ ...gate, 'release-branches': 'release/**, !release/*-beta' }, '"!release/*-beta" begins with "!"'],
    [{ ...gate, 'release-branches': 'main release/**' }, '"main release/**" holds a blank'],
    [{ ...gate, 'release-branches': 'main, tags:v*' }, '"tags:v*" has another prefix than "tag:"'],
    [{ ...gate, 'release-branches': 'main, tag:' }, '"tag:" is no pattern'],
    [{ ...gate, 'release-branches': 'release/' }, '"release/" begins or ends with a slash'],
  ])('%j is refused', (inputs, message) => {
    expect(() => parse(inputs)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(message) }),
    )
  })
})
