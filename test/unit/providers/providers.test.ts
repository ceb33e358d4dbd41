import { describe, expect, test } from '@jest/globals'
import { cloudnativepg } from '../../../src/providers/cloudnativepg.ts'
import { crunchy } from '../../../src/providers/crunchy.ts'
import { familyOf, isInstance, isMarkedPrimary, markedRole } from '../../../src/providers/providers.ts'
import { zalando } from '../../../src/providers/zalando.ts'

describe('what carries the labels of a cluster and is no instance', () => {
  test.each([
    [zalando, { application: 'spilo', 'job-name': 'a' }, false],
    [zalando, { application: 'spilo' }, true],
    [cloudnativepg, { 'cnpg.io/cluster': 'a', 'cnpg.io/poolerName': 'a-rw' }, false],
    [cloudnativepg, { 'cnpg.io/cluster': 'a' }, true],
    [crunchy, { 'postgres-operator.crunchydata.com/cluster': 'a' }, false],
    [crunchy, { 'postgres-operator.crunchydata.com/instance': 'a-1' }, true],
  ])('$id, %j: %s', (provider, labels, expected) => {
    expect(isInstance({ keeper: { provider, cluster: 'a' }, selector: {} }, labels)).toBe(expected)
  })

  test.each([
    [{ app: 'db', 'job-name': 'a' }, false],
    [{ app: 'db' }, true],
  ])('no operator, %j: %s', (labels, expected) => {
    expect(isInstance({ selector: { app: 'db' } }, labels)).toBe(expected)
  })
})

describe('which cluster a Pod belongs to', () => {
  test.each([
    [
      { application: 'spilo', 'cluster-name': 'pg1', 'spilo-role': 'master' },
      zalando,
      { application: 'spilo', 'cluster-name': 'pg1' },
    ],
    [
      { 'cnpg.io/cluster': 'pg1', 'cnpg.io/instanceRole': 'primary' },
      cloudnativepg,
      { 'cnpg.io/cluster': 'pg1' },
    ],
    [
      { 'postgres-operator.crunchydata.com/cluster': 'pg1' },
      crunchy,
      { 'postgres-operator.crunchydata.com/cluster': 'pg1' },
    ],
  ])('%j', (labels, provider, selector) => {
    expect(familyOf(labels, undefined)).toEqual({ selector, keeper: { provider, cluster: 'pg1' } })
  })

  test('is told by the selector of the Service where no operator says so', () => {
    const selector = { app: 'db', role: 'master', 'apps.kubernetes.io/pod-index': '0' }
    expect(familyOf({ app: 'db' }, selector)).toEqual({ selector: { app: 'db' } })
  })

  test('is not guessed', () => {
    expect(familyOf({ app: 'db' }, undefined)).toBeUndefined()
    expect(familyOf({ app: 'db' }, { 'spilo-role': 'master' })).toBeUndefined()
  })
})

describe('what an operator marks as the primary', () => {
  test.each([
    [{ 'spilo-role': 'master' }, true],
    [{ 'spilo-role': 'primary' }, true],
    [{ 'spilo-role': 'replica' }, false],
    [{ 'cnpg.io/instanceRole': 'primary' }, true],
    [{ 'postgres-operator.crunchydata.com/role': 'master' }, true],
    [{ role: 'master' }, false],
    [{}, false],
  ])('%j: %s', (labels, expected) => {
    expect(isMarkedPrimary(labels)).toBe(expected)
  })

  test('counts before a label that anybody may use', () => {
    expect(markedRole({ role: 'database', 'cnpg.io/instanceRole': 'primary' })).toBe('primary')
    expect(markedRole({ role: 'master' })).toBe('master')
    expect(markedRole({ app: 'db' })).toBeUndefined()
  })
})
