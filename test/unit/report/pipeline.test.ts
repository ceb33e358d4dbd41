import { beforeEach, describe, expect, test } from '@jest/globals'
import { PipelineReporter } from '../../../src/report/pipeline.ts'

let lines: string[]
let masks: string[]
let groups: [string, readonly string[]][]
let reporter: PipelineReporter

function reporterFor(debugging: boolean): PipelineReporter {
  return new PipelineReporter({
    line: (text) => lines.push(text),
    mask: (credential) => masks.push(credential),
    group: (title, content) => groups.push([title, content]),
    debugging,
  })
}

beforeEach(() => {
  ;[lines, masks, groups] = [[], [], []]
  reporter = reporterFor(false)
})

describe('masks', () => {
  test('go to the pipeline once each, and nothing empty does', () => {
    for (const credential of ['first-one', 'another', 'first-one', '', ' ', '\n']) reporter.mask(credential)
    expect(masks).toEqual(['first-one', 'another'])
  })

  test('of several lines go as a whole and line by line, without the frame of PEM', () => {
    const key = '-----BEGIN KEY-----\nAAAAAA\nBBBBBB\n-----END KEY-----\n'
    reporter.mask(key)
    expect(masks).toEqual([key.trim(), 'AAAAAA', 'BBBBBB'])
  })

  test('reach the pipeline before the line that would have shown them, which does not', () => {
    reporter.mask('kims-own')
    reporter.step({ sign: 'right', subject: 'kims-own', text: 'a kims-own\nand a kims-own' })
    reporter.write(['kims-own'])
    reporter.detail('kims-own', ['kims-own'])
    expect(JSON.stringify([lines, groups])).not.toContain('kims-own')
    expect(reporter.redact('kims-own\nof two lines')).toBe('***\nof two lines')
  })
})

describe('a line', () => {
  const commands = [
    '::add-mask::x',
    '  ::error::x',
    '\t::x',
    '\u00a0::x',
    '\u3000::x',
    '\ufeff::x',
    '##[group]x',
    'before ##[error]x',
    '##[##[x]',
    'before ##vso[task.setvariable variable=PATH]/tmp',
    '###teamcity[setParameter name="env.PATH" value="/tmp"]',
    'two\n::add-mask::x',
    'two\r::add-mask::x',
    'two\r\n##[group]x',
    'two\u2028::x',
    'two\u2029::x',
    'two\u0085::x',
    'two\v::x',
    'two\f::x',
  ]

  test.each(commands)('starts no workflow command: %j', (text) => {
    reporter = reporterFor(true)
    reporter.write([text])
    reporter.step({ sign: 'right', subject: text, text })
    reporter.detail(text, [text])
    reporter.debug(text)
    const written = [...lines, ...groups.flatMap(([title, content]) => [title, ...content])]
    for (const line of written) {
      expect(line).not.toMatch(/[\r\n\u2028\u2029\u0085\v\f]/)
      expect(line.trim()).not.toMatch(/^::/)
      expect(line).not.toMatch(/##\w*\[/)
    }
  })

  test.each(['a::b', 'https://[::1]:6443', 'PGPORT ::', ': :', '# # [', '## x [1]', '✓ role  shop'])(
    'is left as it is otherwise: %j',
    (text) => {
      reporter.write([text])
      expect(lines).toEqual([text])
    },
  )

  test('that a credential is taken out of starts no command either', () => {
    reporter.mask('kims-own')
    reporter.write(['kims-own::add-mask::x', '#kims-own#[group]x'])
    expect(lines).toEqual(['***::add-mask::x', '#***#[group]x'])
    reporter.mask('######')
    reporter.write(['########[group]x'])
    expect(lines.at(-1)).not.toContain('##[')
  })
})

describe('debug text', () => {
  test('is shown with debug logging alone, each line marked', () => {
    reporter.debug('hidden')
    expect(lines).toEqual([])
    const debugging = reporterFor(true)
    debugging.mask('kims-own')
    debugging.debug('caused by kims-own\n::error::x')
    expect(lines).toEqual(['debug: caused by ***', 'debug: ::error::x'])
  })
})

test('details go to a group, not among the steps', () => {
  reporter.detail('Role and RoleBinding', ['apiVersion: v1'])
  expect(groups).toEqual([['Role and RoleBinding', ['apiVersion: v1']]])
  expect(lines).toEqual([])
})
