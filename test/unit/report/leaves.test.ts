import { describe, expect, test } from '@jest/globals'
import { Failure } from '../../../src/lib/failure.ts'
import { annotationsOf } from '../../../src/report/annotations.ts'
import { gateHtml } from '../../../src/report/gate-html.ts'
import { gateJson, subjectOf } from '../../../src/report/gate-json.ts'
import { gateJunit } from '../../../src/report/gate-junit.ts'
import { formatFailure } from '../../../src/report/log.ts'
import { PipelineReporter } from '../../../src/report/pipeline.ts'
import { formatSummary } from '../../../src/report/summary.ts'
import { outputsOf, standing, type Outcome } from '../../../src/run/outcome.ts'
import { Canaries, escapedSigns } from '../../support/canary.ts'
import { expectReport } from '../../support/go-live-report.ts'
import { inPlace, lackingRights, provisioned } from '../../support/outcomes.ts'
import { reportOf, rulesOf, sqlWith } from '../../support/sights.ts'

function reporterFor(...credentials: string[]): PipelineReporter {
  const reporter = new PipelineReporter({
    line: () => undefined,
    mask: () => undefined,
    group: () => undefined,
    debugging: false,
  })
  for (const credential of credentials) reporter.mask(credential)
  return reporter
}

/** A run in which everything that somebody else says holds this text. */
function echoing(said: string): Outcome {
  const goLive = reportOf({ loginRefused: said, sql: sqlWith({ version: said }) }, rulesOf('premium'), {
    manifest: `# ${said}`,
    why: `because ${said}`,
  })
  return {
    ...provisioned,
    ...lackingRights(said),
    failure: new Failure('secret-write-refused', `The webhook said "${said}".`, [`It said ${said}.`]),
    goLive: {
      ...goLive,
      findings: goLive.findings.map((finding) => ({
        ...finding,
        seen: said,
        remedy: said,
        warnings: [said],
        evidence: [{ query: said, answer: said, at: goLive.at }],
      })),
    },
    notes: [said],
    rows: [{ subject: said, now: said, found: said, done: said }],
    restart: `**${said}** ${said}`,
    serverVersion: said,
  }
}

/** Every document that is made of an outcome, by its name. */
function documents(outcome: Outcome): Record<string, string> {
  const { failure, goLive } = outcome
  const subject = subjectOf(outcome)
  expectReport(outcome)
  return {
    summary: formatSummary(outcome),
    'summary of the gate': formatSummary({ ...outcome, failure: undefined }),
    log: failure === undefined ? '' : formatFailure(failure, standing(outcome)).join('\n'),
    annotations: JSON.stringify(annotationsOf(outcome)),
    html: goLive === undefined ? '' : gateHtml(goLive, subject),
    json: goLive === undefined ? '' : gateJson(goLive, subject),
    junit: goLive === undefined ? '' : gateJunit(goLive, subject),
  }
}

const secrets = [
  `Kq7${escapedSigns}9Zt`,
  'under_score*star*pipe|x',
  `<b attr="x">it's</b>`,
  '__init__#1~~~',
  'eyJhbGciOiJI_Uz.eyJzdWIi_OiJjaSJ9.EhETCWEA9H2_pkJBSyn0fAuz',
]

describe.each(secrets)('the credential %j that a server echoes', (secret) => {
  const canaries = new Canaries()
  canaries.plant(secret)

  test('would be in every document', () => {
    const leaks = canaries.leaks(documents(echoing(secret)))
    expect(leaks).toHaveLength(Object.keys(documents(inPlace)).length)
  })

  test('is in none whose texts were searched before', () => {
    expect(canaries.leaks(documents(reporterFor(secret).clean(echoing(secret))))).toEqual([])
  })

  test('is in none that was searched when it was finished', () => {
    const reporter = reporterFor(secret)
    const found = Object.entries(documents(echoing(secret))).map(([name, text]) => [
      name,
      reporter.redact(text),
    ])
    expect(canaries.leaks(Object.fromEntries(found) as Record<string, string>)).toEqual([])
  })
})

test('a text leaves without signs that steer how it is shown, line ends aside', () => {
  const reporter = reporterFor()
  const said = 'a\u202eb\u0007c\u200bd\u2028e\u009bf\u2066g\nh'
  expect(reporter.clean({ said, list: [said], at: new Date(0), count: 1, no: null })).toEqual({
    said: 'a b c d e f g\nh',
    list: ['a b c d e f g\nh'],
    at: new Date(0),
    count: 1,
    no: null,
  })
})

test.each([
  ['https://kim:secret@host/x', 'https://***@host/x'],
  ['proxy http://kim:s%65cret@proxy:3128, then', 'proxy http://***@proxy:3128, then'],
  ['socks5h://:pw@proxy', 'socks5h://***@proxy'],
  ['postgresql://a:b@c@host/db?x=y@z', 'postgresql://***@host/db?x=y@z'],
  ['HTTPS://KIM:pw@HOST', 'HTTPS://***@HOST'],
  ['see https://host/path@2 and kim@example.com', 'see https://host/path@2 and kim@example.com'],
])('what stands before the host in %j is a credential, known or not', (text, left) => {
  expect(reporterFor().redact(text)).toBe(left)
})

describe('an output', () => {
  const debugged: string[] = []
  const reporter = reporterFor('16.6.secret-of-the-admin')
  const watched = {
    redact: (text: string) => reporter.redact(text),
    debug: (text: string) => debugged.push(text),
  }
  const outputs = (resourceVersion: string, serverVersion = '16.6', database = 'shop') =>
    outputsOf(
      { ...provisioned, database, serverVersion, secret: { ...provisioned.secret, resourceVersion } },
      undefined,
      watched,
    )

  test.each(['1$(touch x)', '`id`', '1;id', '1\n2', '1 2', '"', "'", 'eyJhbGciOiJIUzI1NiJ9', '\u202e1'])(
    'is empty where the API server gives %j for a version, and debug logging says so',
    (version) => {
      debugged.length = 0
      expect(outputs(version)).toMatchObject({ 'secret-resource-version': '', 'server-version': '16.6' })
      expect(debugged).toEqual([expect.stringContaining('"secret-resource-version" is left out')])
    },
  )

  test.each(['16.6$(id)', '16.6\n', '$(id)', '16.6 (Debian)', '16.6.secret-of-the-admin'])(
    'is empty where PostgreSQL says it is %j',
    (version) => {
      expect(outputs('1043', version)).toMatchObject({ 'server-version': '' })
    },
  )

  test.each(['16.6', '18beta1', '17rc1', '15.4.1', '14.10-yb'])('is %j where PostgreSQL is', (version) => {
    expect(outputs('1043', version)).toMatchObject({ 'server-version': version })
  })

  test.each(['shop', 'my shop', 'a"b', 'größe', '商店'])('is the name %j as it is', (name) => {
    expect(outputs('1043', '16.6', name)).toMatchObject({ database: name })
  })

  test.each(['a\u202eb', 'a\u200bb', 'a\u2028b'])('is empty for a name with hidden signs: %j', (name) => {
    expect(outputs('1043', '16.6', name)).toMatchObject({ database: '' })
  })
})

describe('structure stays whatever the password', () => {
  test.each([
    'true',
    'null',
    '0',
    ':',
    '"',
    '1043',
    'created',
    'database',
    'object',
    'held-back',
    'internal-error',
  ])('%j', (password) => {
    const reporter = reporterFor(password)
    expect(reporter.clean(provisioned)).toEqual(provisioned)
  })

  test.each(['shop', 'eu-shop', 'eu-shop-prod'])('a part %j of a public name', (password) => {
    const masks: string[] = []
    const reporter = new PipelineReporter({
      line: () => undefined,
      mask: (credential) => masks.push(credential),
      group: () => undefined,
      debugging: false,
    })
    reporter.publish(['eu-shop-prod'])
    expect(reporter.mask(password)).toBe(false)
    expect(masks).toEqual([])
    expect(reporter.clean({ database: 'eu-shop-prod' })).toEqual({ database: 'eu-shop-prod' })
  })

  test('a credential that can be hidden is announced, and is no reason to warn', () => {
    expect(reporterFor().mask('p4ssw0rd-of-kim')).toBe(true)
    expect(reporterFor().mask('')).toBe(true)
  })
})
