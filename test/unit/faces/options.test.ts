import { describe, expect, it, test } from '@jest/globals'
import { exitCodeOf, exitCodes } from '../../../src/faces/exit-code.ts'
import { answerOf, parseCommandLine } from '../../../src/faces/options.ts'
import { Failure, failureCodes } from '../../../src/lib/failure.ts'

function inputsOf(...args: string[]): unknown {
  return parseCommandLine(['provision', ...args])?.inputs
}

describe('a command line', () => {
  it('may repeat a list', () => {
    expect(inputsOf('--extensions', 'citext', '--extensions=pgcrypto,hstore')).toEqual({
      extensions: 'citext\npgcrypto,hstore',
    })
  })

  it('may leave out that a flag is true', () => {
    expect(inputsOf('--dry-run')).toEqual({ 'dry-run': 'true' })
    expect(inputsOf('--dry-run', 'false')).toEqual({ 'dry-run': 'false' })
    expect(inputsOf('--dry-run=false')).toEqual({ 'dry-run': 'false' })
  })

  it('says which values every process of the machine can read', () => {
    process.env['PG_APP_USER_CONTEXT'] = 'quiet'
    try {
      const invocation = parseCommandLine(['provision', '--kubeconfig', 'path'])
      expect(invocation?.inputs).toEqual({ kubeconfig: 'path', context: 'quiet' })
      expect([...(invocation?.exposed ?? [])]).toEqual(['kubeconfig'])
    } finally {
      delete process.env['PG_APP_USER_CONTEXT']
    }
  })

  test.each([
    [['provison'], "Unknown command 'provison'."],
    [['provision', '--appdatabase=x'], "Unknown option '--appdatabase'."],
    [['provision', '--constructor', 'x'], "Unknown option '--constructor'."],
    [['provision', '--__proto__', 'x'], "Unknown option '--__proto__'."],
    [['provision', '--output', 'yaml'], '--output'],
    [['provision', 'shop'], 'Too many arguments'],
    [['provision', '--context'], '--context'],
    [[], 'No command was given.'],
  ])('%j is refused', (args, message) => {
    expect(() => parseCommandLine(args)).toThrow(message)
    expect(() => parseCommandLine(args)).toThrow(Failure)
  })

  test.each([
    [['--app-databas', 'shop'], []],
    [
      ['--app-database', 'shop'],
      ['It is an option of "provision", "go-live" and "exec": put the command first.'],
    ],
    [
      ['--app-database', 'shop', 'provision'],
      ['It is an option of "provision", "go-live" and "exec": put the command first.'],
    ],
    [
      ['-n', 'shop', 'rights'],
      ['It is an option of "provision", "go-live", "exec" and "rights": put the command first.'],
    ],
    [['provision', '--app-databas', 'shop'], ['Did you mean --app-database?']],
    [['provision', '--nothing-like-it', 'shop'], []],
  ])('%j is answered with what may have been meant', (args, meant) => {
    const hint = ((): readonly string[] => {
      try {
        parseCommandLine(args)
        return ['nothing was wrong']
      } catch (error) {
        return (error as Failure).hint
      }
    })()
    expect(hint).toEqual([...meant, expect.stringMatching(/^Every option, with examples: /)])
  })

  test.each([
    [['provision', '--output', 'json'], true],
    [['provision', '--output=json', '--nonsense'], true],
    [['provision', '--output', 'text'], false],
    [['provision', '--output=json', '--output=text'], false],
    [['provision', '--app-database', 'my --output json'], false],
    [['exec', '--', 'kubectl', 'get', 'pods', '-o', 'json'], false],
  ])('%j wants JSON: %s', (args, json) => {
    expect(answerOf(args).json).toBe(json)
  })
})

test.each([
  [['go-live', '--verbose'], {}, true],
  [['go-live'], { PG_APP_USER_VERBOSE: 'true' }, true],
  [['go-live'], { PG_APP_USER_VERBOSE: '' }, false],
  [['go-live'], {}, false],
])('%j with %j shows details: %s', (args, variables, verbose) => {
  expect(answerOf(args, variables).verbose).toBe(verbose)
})

describe('the command go-live', () => {
  it('knows nothing of what says what to change', () => {
    expect(() => parseCommandLine(['go-live', '--existing', 'adopt'])).toThrow("Unknown option '--existing'.")
    expect(parseCommandLine(['go-live', '--go-live-profile', 'premium'])).toMatchObject({
      command: 'go-live',
      inputs: { 'go-live-profile': 'premium' },
    })
  })
})

describe('an exit code', () => {
  it('exists for every failure, and that of the gate for nothing else', () => {
    const known: readonly number[] = Object.values(exitCodes).map(({ code }) => code)
    for (const code of failureCodes) {
      expect(known).toContain(exitCodeOf(code))
      expect(exitCodeOf(code)).not.toBe(exitCodes.done.code)
      expect(exitCodeOf(code) === exitCodes.gate.code).toBe(code === 'go-live-held-back')
    }
  })
})
