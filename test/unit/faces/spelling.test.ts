import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { afterEach, expect, test } from '@jest/globals'
import { asComponent } from '../../../src/faces/gitlab.ts'
import { asOptions } from '../../../src/faces/usage.ts'
import { parameters } from '../../../src/input/parameters.ts'
import { parseValues, type RawInputs } from '../../../src/input/parse.ts'
import { asFailure, type Failure } from '../../../src/lib/failure.ts'
import { asInputs, input, inputs, named, setting, speak, spoken } from '../../../src/lib/spelling.ts'

const sources: (readonly [path: string, text: string])[] = []
for await (const path of glob('src/**/*.ts')) sources.push([path, readFileSync(path, 'utf8')])

afterEach(() => {
  speak(asInputs)
})

test.each([
  [
    'the Action',
    asInputs,
    'input "timeout" · inputs "context" and "app-namespace" · existing: adopt · another app-username · with debug logging',
  ],
  [
    'the component',
    asComponent,
    'input "timeout" · inputs "context" and "app-namespace" · existing: adopt · another app-username · with the variable PG_APP_USER_VERBOSE set to true',
  ],
  [
    'the command line',
    asOptions,
    'option --timeout · options --context and --app-namespace · --existing adopt · another --app-username · with --verbose',
  ],
])('%s spells what people set in its own way', (_, face, expected) => {
  speak(face)
  expect(
    [
      input('timeout'),
      inputs('context', 'app-namespace'),
      setting('existing', 'adopt'),
      `another ${named('app-username')}`,
      spoken().debugging,
    ].join(' · '),
  ).toBe(expected)
})

test.each([
  [
    'the Action',
    asInputs,
    'Input "app-secret" ',
    '2 inputs are wrong: app-secret and timeout.',
    'app-secret   ',
  ],
  [
    'the command line',
    asOptions,
    'Option --app-secret ',
    '2 options are wrong: --app-secret and --timeout.',
    '--app-secret   ',
  ],
])('%s names a wrong one alone and several of them as they are set', (_, face, alone, many, row) => {
  speak(face)
  const table = parameters.filter(({ name }) => name === 'app-secret' || name === 'timeout')
  const wrong = (raw: RawInputs): Failure => {
    try {
      parseValues(raw, table)
    } catch (error) {
      return asFailure(error)
    }
    throw new Error('nothing was wrong')
  }
  expect(wrong({ 'app-secret': 'X' }).message).toMatch(new RegExp(`^${alone}`))
  const { message, hint } = wrong({ 'app-secret': 'X', timeout: '5' })
  expect(message).toBe(many)
  expect(hint[0]?.startsWith(row)).toBe(true)
})

test('what is spelled is in the table of parameters', () => {
  const spelled = sources.flatMap(([path, text]) =>
    [...text.matchAll(/\b(?:input|inputs|named|setting|name)\(((?:'[a-z-]+'(?:, )?)+)/g)].flatMap(
      ([call, names = '']) => {
        const all = [...names.matchAll(/'([a-z-]+)'/g)].map(([, name = '']) => name)
        return (call.startsWith('setting') ? all.slice(0, 1) : all).map((name) => ({ path, name }))
      },
    ),
  )
  expect(spelled.length).toBeGreaterThan(30)
  expect(spelled.filter(({ name }) => !parameters.some((parameter) => parameter.name === name))).toEqual([])
})

test('nothing but a face writes the spelling of one face into a text', () => {
  const faces = /^src\/(faces\/|lib\/spelling|input\/parameters)/
  const literal =
    /\b[Ii]nputs? (\\?"[a-z]|[a-z]+-[a-z-]+:)|\b(existing: adopt|unproven: accept|provision: false|debug logging)\b/
  const found = sources
    .filter(([path]) => !faces.test(path))
    .flatMap(([path, text]) =>
      text
        .split('\n')
        .filter((line) => !/^\s*(\*|\/\/|\/\*)/.test(line) && literal.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    )
  expect(found).toEqual([])
})

test('no text but that of a face names what people set as a bare word', () => {
  // The summary is that of the Action, and the outputs are described for all faces at once.
  const faces = /^src\/(faces\/|lib\/spelling|input\/(parameters|outputs)|report\/summary)/
  // The gate is called go-live as well.
  const names = parameters.map(({ name }) => name).filter((name) => name.includes('-') && name !== 'go-live')
  const bare = new RegExp(`(?<![-\\w/.])(?:${names.join('|')})(?![-\\w/])`)
  const found = sources
    .filter(([path]) => !faces.test(path))
    .flatMap(([path, text]) =>
      text
        .split('\n')
        .filter((line) => !/^\s*(\*|\/\/|\/\*)/.test(line))
        .filter((line) => bare.test(line.replaceAll(/\$\{[^}]*\}|'[a-z-]+'/g, '')))
        .map((line) => `${path}: ${line.trim()}`),
    )
  expect(found).toEqual([])
})
