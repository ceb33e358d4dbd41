import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Severities } from '../../../src/postgres/severity.ts'
import { prove } from '../../support/property.ts'

/** One message of a server (protocol 3). */
function message(type: string, content: string): Buffer {
  const body = Buffer.from(content)
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeUInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

const swedish = message('E', 'SFATALT\0VFATAL\0C57P01\0Mstänger anslutning\0\0')
const error = message('E', 'SFEL\0VERROR\0C42501\0MVFATAL is no field of it\0\0')
const ancient = message('E', 'SFATAL\0C57P01\0Mbye\0\0')
const row = message('D', 'EVFATAL\0 is what somebody wrote')
const all = [row, error, row, ancient, swedish, row]

describe('the severity of what a server says', () => {
  test.each([
    ['in another language', [swedish], ['FATAL']],
    ['in a message that looks like another one', [error], ['ERROR']],
    ['in none but its own language', [ancient], [undefined]],
    ['among other messages', all, ['ERROR', undefined, 'FATAL']],
  ])('%s', (_, messages, severities) => {
    expect(new Severities().read(Buffer.concat(messages))).toEqual(severities)
  })

  test('is found wherever the network cuts', async () => {
    const data = Buffer.concat(all)
    await prove(
      'test',
      fc.property(fc.array(fc.nat(data.length)), (cuts) => {
        const severities = new Severities()
        const ends = [0, ...cuts.sort((one, other) => one - other), data.length]
        const read = ends.slice(1).flatMap((end, index) => severities.read(data.subarray(ends[index], end)))
        expect(read).toEqual(['ERROR', undefined, 'FATAL'])
      }),
    )
  })
})
