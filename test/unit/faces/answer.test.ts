import { expect, test } from '@jest/globals'
import { formatJson } from '../../../src/faces/answer.ts'

test.each([
  '##[error]x',
  '###[x]',
  'The server said "##vso[task.setvariable variable=PATH]/tmp".',
  '\\##teamcity[x]',
  '## x',
])('JSON on stdout says %j, and no pipeline takes it for a command', (message) => {
  const json = formatJson({ failure: { message, hint: [message] } })
  expect(JSON.parse(json)).toEqual({ failure: { message, hint: [message] } })
  expect(json).not.toMatch(/##\w*\[/)
  expect(json).not.toMatch(/^\s*::/m)
})
