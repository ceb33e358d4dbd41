import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { Failure } from '../../../src/failure.ts'
import { emptyFile, parseGoLiveFile, readGoLiveFile } from '../../../src/go-live/file.ts'
import { requirements } from '../../../src/go-live/requirement.ts'

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

function problemsOf(text: string): string {
  try {
    parseGoLiveFile(text, path)
  } catch (error) {
    if (error instanceof Failure) return [error.code, error.message, ...error.hint].join('\n')
    throw error
  }
  return ''
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
    validate = new Ajv2020({ strict: true, allErrors: true }).compile(schema)
  })

  test('takes what the parser takes', () => {
    expect(validate(parse(whole))).toBe(true)
  })

  test.each(wrong.filter(([title]) => !['a key twice', 'broken YAML', 'a day that is none'].includes(title)))(
    'refuses %s as the parser does',
    (_, text) => {
      expect(validate(parse(text))).toBe(false)
    },
  )

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

  test('that is absent is fine, unless an input names it', async () => {
    const absent = join(folder, 'absent.yaml')
    expect(await readGoLiveFile(absent, false)).toBeUndefined()
    await expect(readGoLiveFile(absent, true)).rejects.toMatchObject({
      code: 'go-live-file-missing',
      hint: [expect.stringContaining('Was the repository checked out?'), expect.anything()],
    })
  })

  test('that cannot be read is an error, named or not', async () => {
    await expect(readGoLiveFile(folder, false)).rejects.toMatchObject({ code: 'go-live-file-missing' })
  })

  test('is read', async () => {
    const there = join(folder, 'go-live.yaml')
    await writeFile(there, whole)
    expect((await readGoLiveFile(there, true))?.rpoProbe).toBe(true)
  })
})
