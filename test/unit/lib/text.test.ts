import { describe, expect, test } from '@jest/globals'
import { codeSpan, count, oneLine, sentence, urlPasswords } from '../../../src/lib/text.ts'

describe('oneLine', () => {
  test.each([
    ['as it is', 'as it is'],
    ['  two\n\nlines\r\n', 'two lines'],
    ['tab\tand\u00a0space', 'tab and space'],
    ['\u2028separators\u2029and\u0085next', 'separators and next'],
    ['escape \u001b[31mred\u0007', 'escape [31mred'],
    ['right\u202eto left', 'right to left'],
    ['zero\u200bwidth', 'zero width'],
    ['emoji 😀 stays', 'emoji 😀 stays'],
    ['', ''],
  ])('%j', (text, line) => {
    expect(oneLine(text)).toBe(line)
  })

  test('cuts off what is longer than the limit, and says that it did', () => {
    expect(oneLine('x'.repeat(300))).toBe('x'.repeat(300))
    expect(oneLine('x'.repeat(301))).toBe(`${'x'.repeat(299)}…`)
    expect(oneLine('abcdef', 4)).toBe('abc…')
  })

  test('cuts no character in two', () => {
    expect(oneLine('ab😀d', 4)).toBe('ab…')
  })
})

test.each([
  [[], ''],
  [['a'], 'a'],
  [['a', 'b'], 'a and b'],
  [['a', 'b', 'c'], 'a, b and c'],
])('sentence(%j)', (items, text) => {
  expect(sentence(items)).toBe(text)
  expect(sentence(items, 'or')).toBe(text.replace(' and ', ' or '))
})

test.each([
  [0, '0 rights'],
  [1, '1 right'],
  [2, '2 rights'],
])('count(%d)', (amount, text) => {
  expect(count(amount, 'right')).toBe(text)
})

test.each([
  ['shop', '`shop`'],
  ['a`b', '``a`b``'],
  ['`a`', '`` `a` ``'],
  ['a``b`c', '```a``b`c```'],
])('codeSpan(%j)', (name, span) => {
  expect(codeSpan(name)).toBe(span)
})

test.each([
  ['https://kim:pw@host:6443/x', ['pw', 'pw']],
  ['kim:pw@host', ['pw', 'pw']],
  ['http://:p%40w@host', ['p%40w', 'p@w']],
  ['http://kim:100%@host', ['100%']],
  ['https://host:6443/a@b', []],
  ['https://kim@host', []],
  ['', []],
  [undefined, []],
])('urlPasswords(%j)', (text, passwords) => {
  expect([...urlPasswords(text)]).toEqual(passwords)
})
