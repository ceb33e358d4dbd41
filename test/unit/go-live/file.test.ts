import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { parse, stringify } from 'yaml'
import { emptyFile, parseGoLiveFile, readGoLiveFile } from '../../../src/go-live/file.ts'
import { requirements } from '../../../src/go-live/requirement.ts'
import { Failure } from '../../../src/lib/failure.ts'
import { prove } from '../../support/property.ts'

const path = '.pg-app-user/go-live.yaml'

const whole = `# yaml-language-server: $schema=https://example.com/go-live.json
min-instances: 3
min-standbys: 2
min-nodes: 3
min-zones: 2
min-app-replicas: 4
rpo: 10m
backup-every: 24h
backup-window: 22:00-04:00 Europe/Stockholm
retention: 60d
point-in-time-recovery: 14d
max-connections-used: 70%
max-xid-age: 500000000
max-sequence-used: 100%
min-certificate-left: 14d
minor-release-within: 30d
rpo-probe: true
hold-back-in-backup-window: true
attestations:
  - requirement: load-test
    statement: k6 run of 2026-11-02, ticket 4711
    by: Kim Berg
    valid-until: 2027-02-20
waivers:
  - requirement: spread
    reason: the third Node comes in January
    owner: Alex Lund
    valid-until: 2027-01-31
`

/** Every way to be wrong that has a line. */
const wrong: readonly (readonly [title: string, text: string, problem: string])[] = [
  ['a list', '- a\n', 'line 1: has to be keys and values'],
  [
    'an unknown key',
    'min-instances: 2\nmin-instance: 3\n',
    'line 2: "min-instance" is no key here (did you mean min-instances?)',
  ],
  ['a key twice', 'rpo: 5m\nrpo: 6m\n', 'line 2: Map keys must be unique'],
  ['broken YAML', 'rpo: 5m\nattestations: [\n', 'line 3: '],
  [
    'a number in words',
    'min-instances: two\n',
    'line 1: min-instances has to be a whole number from 1 to 1000',
  ],
  ['no instance', '\nmin-instances: 0\n', 'line 2: min-instances has to be a whole number from 1 to 1000'],
  ['half a Node', 'min-nodes: 1.5\n', 'line 1: min-nodes has to be'],
  ['a duration without unit', 'rpo: 5\n', 'line 1: rpo: "5" is no duration: write 90s, 5m or 24h'],
  ['days without unit', 'retention: 30\n', 'line 1: retention: "30" is no number of days: write 30d'],
  [
    'a share without its sign',
    'max-sequence-used: 80\n',
    'line 1: max-sequence-used: "80" is no percentage: write 80%',
  ],
  ['more than all', 'max-connections-used: 101%\n', 'line 1: max-connections-used: "101%" is no percentage'],
  [
    'an age beyond the end',
    'max-xid-age: 2147483647\n',
    'line 1: max-xid-age has to be a whole number from 1 to 2000000000',
  ],
  [
    'a window without zone',
    'backup-window: 00:00-06:00\n',
    'line 1: backup-window: "00:00-06:00" is no window',
  ],
  ['a word for true', 'rpo-probe: "yes"\n', 'line 1: rpo-probe has to be true or false'],
  ['no list', 'waivers: none\n', 'line 1: waivers has to be a list'],
  [
    'an unknown requirement',
    'waivers:\n  - requirement: spred\n    reason: a\n    owner: b\n    valid-until: 2027-01-01\n',
    'line 2: "spred" is no requirement (did you mean spread?)',
  ],
  [
    'a blank that was left',
    'attestations:\n  - requirement: load-test\n    statement: ""\n    by: Kim\n    valid-until: 2027-02-20\n',
    'line 3: statement is empty: fill it in',
  ],
  [
    'a missing key',
    'waivers:\n  - requirement: spread\n    reason: a\n    valid-until: 2027-01-01\n',
    'line 2: owner is missing',
  ],
  [
    'a day that is none',
    'waivers:\n  - requirement: spread\n    reason: a\n    owner: b\n    valid-until: 2027-02-30\n',
    'line 5: valid-until "2027-02-30" is no date',
  ],
  [
    'an attestation of what can be seen',
    'attestations:\n  - requirement: instances\n    statement: a\n    by: b\n    valid-until: 2027-01-01\n',
    'line 2: instances cannot be attested, because it can be seen; it can be waived',
  ],
]

function asDay(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10)
}

/** Values near the border between right and wrong. A zone that nobody knows is beyond a schema: there is none here. */
const odd = fc.constantFrom<unknown>(null, '', ' ', 0, -1, 1.5, true, 'yes', [], {}, '5', 1e21, 'x')
const amount = fc.constantFrom<unknown>(0, 1, 2, 3.0, 1000, 1001, '3', '2 ', 1.5)
const time = fc.constantFrom(
  '0:00',
  '00:00',
  '6:30',
  '23:59',
  '24:00',
  '24:01',
  '25:00',
  '12:60',
  '1:1',
  '123:00',
)
const backupWindow = fc
  .tuple(
    time,
    fc.constantFrom('-', ' - ', '–', ' ', '--'),
    time,
    fc.constantFrom(' UTC', ' CET', ' UTC+1', '', 'CET'),
  )
  .filter(([start, , end]) => start.padStart(5, '0') !== end.padStart(5, '0').replace('24:00', '00:00'))
  .map((parts) => parts.join(''))
const duration = fc.constantFrom<unknown>(
  '5m',
  '90s',
  '24h',
  '0m',
  '00s',
  '5d',
  '5',
  5,
  '5 m',
  ' 5m',
  '1234567s',
  'm',
)
const days = fc.constantFrom<unknown>('30d', '0d', '000d', '30', 30, '30h', ' 30d', '123456d')
const percent = fc.constantFrom<unknown>(
  '80%',
  '0%',
  '00%',
  '080%',
  '100%',
  '101%',
  '1000%',
  '1.5%',
  80,
  ' 80%',
  '%',
)
const flag = fc.constantFrom<unknown>(true, false, 'true', 1, null)
const day = fc.constantFrom<unknown>(
  '2027-02-20',
  '2027-02-30',
  '2028-02-29',
  '2027-13-01',
  '2027-2-1',
  ' 2027-02-20',
  20270220,
)
const said = fc.constantFrom<unknown>('ticket 4711', '', ' ', 4711, null, 'a\nb')
const name = fc.constantFrom<unknown>(...requirements.map(({ id }) => id), 'spred', ' spread', 'SPREAD', null)
const entry = (first: string, second: string): fc.Arbitrary<unknown> =>
  fc.record(
    { requirement: name, [first]: said, [second]: said, 'valid-until': day, extra: fc.constant(1) },
    { requiredKeys: [] },
  )
const right = (first: string, second: string): fc.Arbitrary<unknown> =>
  fc.record({
    requirement: name,
    [first]: fc.constant('a'),
    [second]: fc.constant('b'),
    'valid-until': fc.constant('2027-02-20'),
  })
const entries = (first: string, second: string): fc.Arbitrary<unknown> =>
  fc.oneof(fc.array(fc.oneof(right(first, second), entry(first, second)), { maxLength: 2 }), odd)
const contents: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 1, arbitrary: odd },
  {
    weight: 30,
    arbitrary: fc
      .record(
        {
          'min-instances': amount,
          'min-standbys': amount,
          'min-nodes': amount,
          'min-zones': amount,
          'min-app-replicas': amount,
          rpo: duration,
          'backup-every': duration,
          'backup-window': fc.oneof(backupWindow, odd),
          retention: days,
          'point-in-time-recovery': days,
          'max-connections-used': percent,
          'max-xid-age': fc.oneof(amount, fc.constantFrom(2_000_000_000, 2_000_000_001)),
          'max-sequence-used': percent,
          'min-certificate-left': days,
          'minor-release-within': days,
          'rpo-probe': flag,
          'hold-back-in-backup-window': flag,
          attestations: entries('statement', 'by'),
          waivers: entries('reason', 'owner'),
          unknown: fc.constant(1),
        },
        { requiredKeys: [] },
      )
      // Few keys at a time: with many, one of them is always wrong.
      .chain((all) => fc.subarray(Object.entries(all), { maxLength: 2 }))
      .map((few) => Object.fromEntries(few)),
  },
)

function problemsOf(text: string): string {
  try {
    parseGoLiveFile(text, path)
  } catch (error) {
    if (error instanceof Failure) return [error.code, error.message, ...error.hint].join('\n')
    throw error
  }
  return ''
}

/** Gives what is thrown. */
function failureOf(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}

describe('the go-live file', () => {
  test('says what it says', () => {
    const file = parseGoLiveFile(whole, path)
    expect(file).toMatchObject({
      thresholds: {
        minInstances: 3,
        minStandbys: 2,
        minNodes: 3,
        minZones: 2,
        minAppReplicas: 4,
        rpoMs: 600_000,
        backupEveryMs: 86_400_000,
        backupWindow: { start: 1320, end: 240 },
        retentionDays: 60,
        recoveryDays: 14,
      },
      rpoProbe: true,
      holdBackInBackupWindow: true,
      attestations: [{ requirement: 'load-test', by: 'Kim Berg', validUntil: '2027-02-20' }],
      waivers: [{ requirement: 'spread', owner: 'Alex Lund', validUntil: '2027-01-31' }],
    })
  })

  test.each(['', '# nothing yet\n', 'attestations:\n'])('%j asks for nothing', (text) => {
    expect(parseGoLiveFile(text, path)).toEqual({ ...emptyFile })
  })

  test.each(wrong)('%s is refused with its line', (_, text, problem) => {
    const said = problemsOf(text)
    expect(said).toContain('go-live-file-invalid')
    expect(said.replaceAll(' at line', '\nline')).toContain(problem)
  })

  test.each<[string, string, string]>([
    ['zero instances', 'min-instances: 0', 'min-instances has to be a whole number from 1 to 1000'],
    ['less than none', 'min-standbys: -1', 'min-standbys has to be a whole number from 0 to 1000'],
    ['very many', 'min-nodes: 1e99', 'min-nodes has to be a whole number'],
    ['no end', 'min-instances: .inf', 'min-instances has to be a whole number'],
    ['no time at all', 'rpo: 0s', 'rpo: "0s" is no duration'],
    ['a time before now', 'backup-every: -5m', 'backup-every: "-5m" is no duration'],
    ['more time than there is', 'rpo: 1000000h', 'rpo: "1000000h" is no duration'],
    ['no day', 'retention: 0d', 'retention: "0d" is no number of days'],
    ['nothing used', 'max-sequence-used: 0%', 'max-sequence-used: "0%" is no percentage'],
    ['no age', 'max-xid-age: 0', 'max-xid-age has to be a whole number from 1'],
    ['a window without a length', 'backup-window: 06:00-06:00 UTC', 'has no length'],
    ['a key of every object', '__proto__: 1', '"__proto__" is no key here'],
    ['a key that is like none', 'a: 1', '"a" is no key here.'],
    ['two documents', 'rpo: 5m\n---\nrpo: 5m', 'a second document begins here: the file has to be one'],
    ['what is nested very deep', '['.repeat(20_000), 'it is nested too deep'],
  ])('%s is refused by name', (_, text, problem) => {
    expect(problemsOf(text)).toContain(problem)
  })

  test.each([
    '2027-02-29',
    '2027-13-01',
    '2027-2-20',
    '27-02-20',
    '20270220',
    '2027/02/20',
    '2027-02-20T00:00:00Z',
    '+2027-02-20',
    '10000-01-01',
    '"２０２７-02-20"',
    'tomorrow',
  ])('valid-until %s is no date, and says how one is written', (day) => {
    const waiver = '  - requirement: spread\n    reason: a\n    owner: b\n'
    expect(problemsOf(`waivers:\n${waiver}    valid-until: ${day}\n`)).toMatch(
      /wrong at line 5: valid-until ".*" is no date: write 2027-02-20\./,
    )
  })

  test('a file that is far too long is refused at once, and of many problems the first are told', () => {
    expect(problemsOf('# x\n'.repeat(262_144))).toContain('has 1,048,576 characters, and 100,000 are taken.')
    const said = problemsOf(Array.from({ length: 3_000 }, (_, line) => `key${line}: 1`).join('\n'))
    expect(said).toContain('is wrong in 3000 places')
    expect(said.split('\n')).toHaveLength(24)
    expect(said).toContain('and 2980 more')
  })

  test('says everything that is wrong at once, in the order of the lines', () => {
    const said = problemsOf('rpo: 5\nmin-instances: 0\n')
    expect(said).toContain('is wrong in 2 places')
    expect(said.indexOf('line 1')).toBeLessThan(said.indexOf('line 2'))
  })
})

describe('its schema for editors', () => {
  let validate: (value: unknown) => boolean

  beforeAll(async () => {
    const schema = JSON.parse(await readFile('schema/go-live.json', 'utf8')) as object
    const ajv = new Ajv2020({ strict: true, allErrors: true })
    ajv.addFormat('date', (text) => !Number.isNaN(Date.parse(text)) && asDay(Date.parse(text)) === text)
    validate = ajv.compile(schema)
  })

  test('takes what the parser takes', () => {
    expect(validate(parse(whole))).toBe(true)
  })

  test.each(wrong.filter(([title]) => !['a key twice', 'broken YAML'].includes(title)))(
    'refuses %s as the parser does',
    (_, text) => {
      expect(validate(parse(text))).toBe(false)
    },
  )

  test('takes exactly what the parser takes', async () => {
    await prove(
      'test',
      fc.property(contents, (content) => {
        // One list in two places would be written as an anchor and an alias, which no file here may hold.
        const text = stringify(content, { aliasDuplicateObjects: false })
        expect([text, problemsOf(text) === '']).toEqual([text, validate(parse(text))])
      }),
      { numRuns: 3000 },
    )
  })

  test('knows every requirement', async () => {
    const schema = await readFile('schema/go-live.json', 'utf8')
    for (const { id } of requirements) expect(schema).toContain(`"${id}"`)
  })
})

describe('a file on disk', () => {
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'go-live-file-'))
  })

  afterAll(async () => {
    await rm(folder, { recursive: true })
  })

  test('that is absent is fine, unless an input names it', () => {
    const absent = join(folder, 'absent.yaml')
    expect(readGoLiveFile(absent, false)).toBeUndefined()
    expect(failureOf(() => readGoLiveFile(absent, true))).toMatchObject({
      code: 'go-live-file-missing',
      hint: [expect.stringContaining('Was the repository checked out?'), expect.anything()],
    })
  })

  test('that cannot be read is an error, named or not', () => {
    expect(failureOf(() => readGoLiveFile(folder, false))).toMatchObject({ code: 'go-live-file-missing' })
  })

  test('is read', async () => {
    const there = join(folder, 'go-live.yaml')
    await writeFile(there, whole)
    expect(readGoLiveFile(there, true)?.rpoProbe).toBe(true)
  })
})
