import { describe, expect, test } from '@jest/globals'
import { formatComment, mayName, readComment, type Marker } from '../../../src/postgres/marker.ts'

const marker: Marker = { secret: 'shop/app-postgresql-secret', database: 'shop', createdDatabase: true }
const nothing = { marker: undefined, note: undefined, kept: {} }
const written = formatComment({ ...nothing, marker })

describe('a marker', () => {
  test.each<Marker>([
    marker,
    { ...marker, createdDatabase: false },
    { ...marker, database: `it's "quoted" \\ ünïcode\nand more` },
  ])('is read as it was written: %j', (each) => {
    const said = { ...nothing, marker: each }
    expect(readComment(formatComment(said))).toEqual(said)
  })

  test('begins with the version, for whoever looks for it', () => {
    expect(written).toBe(
      '{"pg-app-user":1,"secret":"shop/app-postgresql-secret","database":"shop","createdDatabase":true}',
    )
  })

  test('is read with the note beside it, and the note alone is no claim', () => {
    const note = { secret: 'shop/x', database: `it's "quoted"` }
    const beside = { ...nothing, marker, note }
    expect(readComment(formatComment(beside))).toEqual(beside)
    const alone = { ...nothing, note }
    expect(readComment(formatComment(alone))).toEqual(alone)
  })

  test.each([
    ['indented', JSON.stringify(JSON.parse(written), undefined, 2)],
    ['with blanks everywhere', `\n ${written.replace(/([{:,}])/g, ' $1\t')} \n`],
    [
      'in another order',
      '{"createdDatabase":true,"database":"shop","secret":"shop/app-postgresql-secret","pg-app-user":1}',
    ],
    ['the version as 1.0', written.replace(':1,', ':1.0,')],
    ['with escapes', written.replaceAll('p', String.raw`\u0070`).replaceAll('/', String.raw`\/`)],
  ])('is the same %s', (_, comment) => {
    expect(readComment(comment)).toEqual({ ...nothing, marker })
  })

  test('keeps what others wrote beside it', () => {
    const comment = written.replace('}', ',"ticket":"OPS-12","comment":"ask Kim"}')
    const kept = { ticket: 'OPS-12', comment: 'ask Kim' }
    expect(readComment(comment)).toEqual({ ...nothing, marker, kept })
    expect(formatComment({ ...nothing, marker, kept })).toBe(comment)
  })

  test.each(['"true"', '1', 'null', '"yes"'])(
    'says that a run created the database with true alone, not %s',
    (value) => {
      const said = readComment(written.replace(':true', `:${value}`))
      expect(said).toEqual({ ...nothing, marker: { ...marker, createdDatabase: false } })
    },
  )
})

describe('a comment that has the name of this tool as data has it', () => {
  test.each([
    ['a marker in the middle', `see ${written}`],
    ['words behind it', `${written} and more`],
    ['another version', written.replace(':1,', ':2,')],
    ['another version, with blanks', written.replace(':1,', ' : 2,')],
    ['the version as text', written.replace(':1,', ':"1",')],
    ['the version true', written.replace(':1,', ':true,')],
    ['no version', written.replace(':1,', ':null,')],
    ['a comma too much', written.replace('}', ',}')],
    ['half of one', written.slice(0, -5)],
    ['the beginning of one', '{"pg-app-user'],
    ['no Secret', '{"pg-app-user":1,"database":"shop"}'],
    ['no database', '{"pg-app-user":1,"secret":"shop/x"}'],
    ['other types', '{"pg-app-user":1,"secret":["shop/x"],"database":"shop"}'],
    ['the version alone', '{"pg-app-user":1}'],
    ['a list', `[${written}]`],
    ['within something else', `{"labels":${written}}`],
    ['within something else, escaped', String.raw`{"labels":{"pg\u002dapp-user":1}}`],
    ['as a value', '{"managed-by":"pg-app-user"}'],
    ['a text of JSON', JSON.stringify(written)],
    ['single quotes', written.replaceAll('"', "'")],
    ['typographic quotes', written.replace(/"([^"]*)"/g, '“$1”')],
    ['no quotes', written.replaceAll('"', '')],
    ['capitals', written.toUpperCase()],
    ['a mark of the byte order', `\uFEFF${written}`],
  ])('is unreadable: %s', (_, comment) => {
    expect(readComment(comment)).toBe('unreadable')
  })

  test.each([
    ['null', 'null'],
    ['a text', '"shop/x"'],
    ['a list', '["shop/x","shop"]'],
    ['one without a database', '{"secret":"shop/x"}'],
    ['one with other types', '{"secret":"shop/x","database":1}'],
  ])('is unreadable where the note is none: %s', (_, creating) => {
    expect(readComment(`{"pg-app-user":1,"creating":${creating}}`)).toBe('unreadable')
    expect(readComment(written.replace('}', `,"creating":${creating}}`))).toBe('unreadable')
  })
})

test.each([
  '',
  'a note of a person, ask Kim',
  'made with pg-app-user by Kim',
  '{"owner":"kim"}',
  '{"secret":"shop/x","database":"shop"}',
  '[1]',
  'null',
])('a comment made by hand says nothing, and is kept: %j', (comment) => {
  expect(readComment(comment)).toEqual({ ...nothing, kept: { comment } })
})

test('no comment says nothing', () => {
  expect(readComment(null)).toEqual(nothing)
})

describe('an unreadable comment', () => {
  const named = 'it\'s "ünï" \\ o'
  test.each([
    ['in JSON', JSON.stringify({ 'pg-app-user': 2, db: named }), named],
    ['in ASCII', String.raw`{"pg-app-user":2,"db":"it's \"\u00fcn\u00ef\" \\ o"}`, named],
    ['in a text of JSON', JSON.stringify(JSON.stringify({ 'pg-app-user': 2, db: named })), named],
    ['in half of it', JSON.stringify({ 'pg-app-user': 1, db: named, secret: '' }).slice(0, -2), named],
    ['in single quotes', "{'pg-app-user': 1, 'db': 'shop'}", 'shop'],
    ['in typographic quotes', '{“pg-app-user”:1,“db”:“shop”}', 'shop'],
  ])('names a database %s', (_, comment, database) => {
    expect(mayName(comment, database)).toBe(true)
  })

  test.each(['app', 'user', 'sho', 'shop2', 'shop/x', 'x'])(
    'does not name what is a part of a word: %s',
    (database) => {
      expect(mayName('{"pg-app-user":2,"database":"shop","secret":"shop/x/y"', database)).toBe(false)
    },
  )
})
