import { describe, expect, test } from '@jest/globals'
import {
  formatMarker,
  formatNote,
  markerStart,
  parseMarker,
  parseNote,
  type Marker,
} from '../../src/postgres/marker.ts'

const marker: Marker = { secret: 'shop/app-postgresql-secret', database: 'shop', createdDatabase: true }

describe('a marker', () => {
  test.each<Marker>([
    marker,
    { ...marker, createdDatabase: false },
    { ...marker, database: `it's "quoted" \\ ünïcode\nand more` },
  ])('is read as it was written: %j', (each) => {
    const comment = formatMarker(each)
    expect(comment.startsWith(markerStart)).toBe(true)
    expect(parseMarker(comment)).toEqual(each)
  })

  test('is read with the note beside it, and the note alone is no claim', () => {
    const note = { secret: 'shop/x', database: `it's "quoted"` }
    const beside = formatNote(marker, note)
    expect([parseMarker(beside), parseNote(beside)]).toEqual([marker, note])
    const alone = formatNote(undefined, note)
    expect([parseMarker(alone), parseNote(alone)]).toEqual([undefined, note])
    expect(parseNote(formatMarker(marker))).toBeUndefined()
  })

  test.each([
    ['null', 'null'],
    ['a text', '"shop/x"'],
    ['a list', '["shop/x","shop"]'],
    ['one without a database', '{"secret":"shop/x"}'],
    ['one with other types', '{"secret":"shop/x","database":1}'],
  ])('has no note: %s', (_, creating) => {
    expect(parseNote(`${markerStart}"creating":${creating}}`)).toBeUndefined()
  })

  test.each([
    ['no comment', null],
    ['an empty one', ''],
    ['a note of a person', 'the shop, ask Kim'],
    ['JSON of somebody else', '{"owner":"kim"}'],
    ['a marker in the middle', `see ${formatMarker(marker)}`],
    ['another version', formatMarker(marker).replace(':1,', ':2,')],
    ['half of one', formatMarker(marker).slice(0, -5)],
    ['one without a Secret', '{"pg-app-user":1,"database":"shop"}'],
    ['one without a database', '{"pg-app-user":1,"secret":"shop/x"}'],
    ['one with other types', '{"pg-app-user":1,"secret":["shop/x"],"database":"shop"}'],
  ])('is none: %s', (_, comment) => {
    expect(parseMarker(comment)).toBeUndefined()
  })

  test.each(['"true"', '1', 'null', '"yes"'])(
    'says that a run created the database with true alone, not %s',
    (value) => {
      const comment = `${markerStart}"secret":"shop/x","database":"shop","createdDatabase":${value}}`
      expect(parseMarker(comment)?.createdDatabase).toBe(false)
    },
  )
})
