import { describe, expect, test } from '@jest/globals'
import escapeHtml from 'escape-html'
import { create } from 'xmlbuilder2'
import { code, escape } from '../../src/report/markdown.ts'
import { Canaries, escapedSigns } from '../support/canary.ts'

const secret = `Kq7${escapedSigns}9Zt`
const base64 = (text: string): string => Buffer.from(text).toString('base64')

describe('a planted leak is found', () => {
  test.each([
    ['as it is', secret],
    ['in a line', `password=${secret};`],
    ['as base64', base64(secret)],
    ['as base64 after one byte', base64(`x${secret}`)],
    ['as base64 after two bytes', base64(`xy${secret}`)],
    ['as base64 amid other bytes', base64(`{"PGPASSWORD":"${secret}","PGUSER":"shop"}`)],
    ['as base64url', Buffer.from(`..${secret}..`).toString('base64url')],
    ['in a URL', `postgres://shop:${encodeURIComponent(secret)}@host`],
    ['in a form', new URLSearchParams({ password: secret }).toString()],
    ['in JSON', JSON.stringify({ password: secret })],
    ['in SQL', `PASSWORD '${secret.replaceAll("'", "''")}'`],
    ['in SQL with backslashes', `PASSWORD E'${secret.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`],
    ['in hex', Buffer.from(secret).toString('hex')],
    ['in hex, upper case', Buffer.from(secret).toString('hex').toUpperCase()],
    ['in a URL, lower case', encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase())],
    ['in markdown', escape(secret)],
    ['as code in markdown', code(secret)],
    ['in HTML', escapeHtml(secret)],
    ['in the text of XML', create().ele('a').txt(secret).end()],
    ['in an attribute of XML', create().ele('a', { b: secret }).end()],
    ['in an attribute of XML in JSON', JSON.stringify(create().ele('a', { b: secret }).end())],
    ['in the data of a workflow command', secret.replaceAll('%', '%25')],
    ['in a property of one', secret.replaceAll('%', '%25').replaceAll(':', '%3A').replaceAll(',', '%2c')],
    [
      'as hexadecimal references',
      secret.replace(/[^\da-z]/giu, (sign) => `&#x${sign.codePointAt(0)?.toString(16) ?? ''};`),
    ],
    [
      'as ones in upper case',
      secret.replace(/[^]/gu, (sign) => `&#X${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase()};`),
    ],
    [
      'as JSON of ASCII',
      JSON.stringify(secret).replace(
        /[^ -~]|[<>&]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      ),
    ],
  ])('%s', (_, text) => {
    const canaries = new Canaries()
    canaries.plant(secret)
    canaries.plant('another one')
    const leaks = canaries.leaks({ 'a file': 'nothing', 'the log': `before ${text} after` })
    expect(leaks).toHaveLength(1)
    expect(leaks[0]).toMatch(/^the log, after "before /)
    expect(leaks[0]).not.toContain(secret)
  })
})

test('what is no leak is not found', () => {
  const canaries = new Canaries()
  canaries.plant(secret)
  const text = [secret.slice(1), secret.toUpperCase(), base64(secret.slice(0, -1)), '***'].join('\n')
  expect(canaries.leaks({ text })).toEqual([])
})

test('what is to be ignored is ignored', () => {
  const canaries = new Canaries()
  canaries.plant(secret)
  expect(canaries.leaks({ text: secret }, (each) => each === secret)).toEqual([])
})

test('a text that is found by chance is no canary', () => {
  expect(() => {
    new Canaries().plant('abc')
  }).toThrow('at least 6')
})
