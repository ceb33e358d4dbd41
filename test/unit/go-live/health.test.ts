import { describe, expect, test } from '@jest/globals'
import { healthRows, sequences, value, withInside } from '../../support/health-rows.ts'
import { findingOf } from '../../support/sights.ts'

test.each(healthRows)('the evidence for %s with %s has query, answer and time', (id, _, seen, verdict) => {
  const { evidence, remedy } = findingOf(id, seen)
  expect(remedy !== '').toBe(verdict === 'not met' || verdict === 'unknown')
  for (const { query, answer, at } of evidence) {
    expect([query !== '', answer !== '', at instanceof Date]).toEqual([true, true, true])
  }
})

describe('what only warns', () => {
  test.each([
    ['primary-keys', 'standard', false],
    ['primary-keys', 'premium', true],
    ['timeouts', 'standard', false],
    ['timeouts', 'premium', true],
    ['checksums', 'standard', false],
    ['checksums', 'premium', true],
    ['certificate', 'standard', false],
    ['certificate', 'premium', true],
    ['connections', 'standard', false],
    ['connections', 'premium', false],
    ['xid-age', 'standard', true],
    ['indexes', 'standard', true],
    ['load-test', 'standard', false],
  ] as const)('%s in %s counts: %s', (id, profile, counts) => {
    expect(findingOf(id, {}, profile).counts).toBe(counts)
  })
})

test.each([
  ['max-connections-used', 'connections', { maxConnectionsUsed: 10 }],
  ['max-xid-age', 'xid-age', { maxXidAge: 1_000 }],
  ['max-sequence-used', 'sequences', { maxSequenceUsed: 1 }],
  ['min-certificate-left', 'certificate', { minCertificateDays: 90 }],
] as const)('%s of the go-live file takes the place of the default', (_, id, thresholds) => {
  const used = sequences({ furthest: [{ name: 's', last: '2', end: '100', used: 2 }] })
  expect(findingOf(id, used, 'premium').verdict).toBe('met')
  expect(findingOf(id, used, 'premium', { thresholds }).verdict).toBe('not met')
})

test('the remedy for timeouts names the input with what is missing', () => {
  const off = withInside({ timeouts: value({ lock_timeout: 0, idle_in_transaction_session_timeout: 9 }) })
  expect(findingOf('timeouts', off).remedy).toBe('set role-settings: lock_timeout=5s')
})
