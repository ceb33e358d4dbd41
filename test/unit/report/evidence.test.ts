import { describe, expect, it } from '@jest/globals'
import { findLeaks, isReading, loggedStatements } from '../../../sandbox/evidence.ts'

const prefix = '2026-11-22 14:03:11.123 UTC [17] admin@postgres pg-app-user'

describe('loggedStatements', () => {
  it('gives statements of both protocols with all their lines, and no other entry', () => {
    const log = [
      `${prefix} LOG:  statement: BEGIN`,
      `${prefix} LOG:  execute <unnamed>: `,
      '\tselect 1',
      '\t, 2026',
      `${prefix} DETAIL:  parameters: $1 = 'create'`,
      `${prefix} FATAL:  password authentication failed for user "shop"`,
      `${prefix} LOG:  statement: DROP TABLE orders`,
    ].join('\n')
    expect(loggedStatements(log)).toEqual(['BEGIN', 'select 1\n\t, 2026', 'DROP TABLE orders'])
  })
})

describe('isReading', () => {
  it.each([
    'select 1',
    'WITH a AS (SELECT 1) SELECT * FROM a',
    "select array['CREATE', 'CONNECT']",
    'SHOW port',
    'BEGIN',
    'ROLLBACK',
    "SET search_path = ''",
  ])('lets pass: %s', (statement) => {
    expect(isReading(statement)).toBe(true)
  })

  it.each([
    'CREATE ROLE shop',
    'GRANT ALL ON DATABASE shop TO shop',
    'COMMENT ON ROLE shop IS NULL',
    'WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone',
    'with x as (update orders set id = 1 returning id) select 1',
    'select * into copy from orders',
    'vacuum',
    '',
  ])('finds: %s', (statement) => {
    expect(isReading(statement)).toBe(false)
  })
})

describe('findLeaks', () => {
  const credential = { name: 'the password', value: 'aB3$/x"y\\z+Q9w~E' }

  it.each([
    ['raw', credential.value],
    ['base64', Buffer.from(credential.value).toString('base64')],
    ['base64 after one byte', Buffer.from(`:${credential.value}!`).toString('base64')],
    ['base64 after two bytes', Buffer.from(`u:${credential.value}!`).toString('base64')],
    ['URL', encodeURIComponent(credential.value)],
    ['JSON', JSON.stringify(credential.value)],
  ])('finds a credential: %s', (_, form) => {
    expect(findLeaks([credential], [{ name: 'the log', content: `one ${form} two` }])).toEqual([
      'the password in the log',
    ])
  })

  it('finds nothing where nothing is', () => {
    expect(findLeaks([credential], [{ name: 'the log', content: 'one two' }])).toEqual([])
  })
})
