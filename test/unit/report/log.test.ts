import { expect, test } from '@jest/globals'
import { Failure } from '../../../src/lib/failure.ts'
import type { Step } from '../../../src/lib/reporter.ts'
import { formatFailure, formatStep } from '../../../src/report/log.ts'

const steps: readonly [Step, string][] = [
  [
    { sign: 'right', subject: 'permissions', text: '9 of 9 rights', seconds: 0.06 },
    '✓ permissions     9 of 9 rights                                                             0.06 s',
  ],
  [
    {
      sign: 'created',
      subject: 'role',
      text: 'shop created, SCRAM-SHA-256 verifier, no dangerous attribute',
      seconds: 0.02,
    },
    '+ role            shop created, SCRAM-SHA-256 verifier, no dangerous attribute              0.02 s',
  ],
  [
    {
      sign: 'right',
      subject: 'cluster',
      text: 'https://api.prod.example.com:6443 · context welkin · namespace shop\nas system:serviceaccount:shop:ci · kubeconfig from input "kubeconfig"',
      seconds: 0.09,
    },
    '✓ cluster         https://api.prod.example.com:6443 · context welkin · namespace shop\n' +
      '                  as system:serviceaccount:shop:ci · kubeconfig from input "kubeconfig"     0.09 s',
  ],
  [
    { sign: 'right', subject: 'proof', text: 'slow', seconds: 75.5 },
    `✓ proof           slow${' '.repeat(68)} 75.50 s`,
  ],
  [
    { sign: 'right', subject: 'proof', text: 'x'.repeat(100), seconds: 0.1 },
    `✓ proof           ${'x'.repeat(100)}   0.10 s`,
  ],
  [{ sign: 'repaired', subject: 'role', text: 'no duration' }, '~ role            no duration'],
  [{ sign: 'attention', subject: 'waiting', text: 'for it' }, '! waiting         for it'],
  [{ sign: 'stopped', subject: 'cancelled', text: 'here' }, '✗ cancelled       here'],
]

test.each(steps)('formatStep(%j)', (step, lines) => {
  expect(formatStep(step).join('\n')).toBe(lines)
})

test('formatFailure: what is wrong, the hints, what stands, where to read on', () => {
  const failure = new Failure(
    'api-server-unreachable',
    'https://api.prod.example.com:6443 did not answer within 10 s.',
    [
      "A frequent cause is an IP allowlist in front of the API server: this runner's address is not on it.",
      'Use a runner with an allowed address, or ask the administrator to allow this one.',
    ],
    { cause: new Error('for debugging alone') },
  )
  expect(formatFailure(failure, 'Nothing was changed.')).toEqual([
    '✗ https://api.prod.example.com:6443 did not answer within 10 s.  [api-server-unreachable]',
    "  A frequent cause is an IP allowlist in front of the API server: this runner's address is not on it.",
    '  Use a runner with an allowed address, or ask the administrator to allow this one.',
    '  Nothing was changed.',
    '  https://github.com/elastisys/pg-app-user/blob/v1/docs/troubleshooting.md#api-server-unreachable',
  ])
})
