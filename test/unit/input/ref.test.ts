import { describe, expect, test } from '@jest/globals'
import { decideMode, type ReleaseContext } from '../../../src/input/ref.ts'

const patterns = ['main', 'release/**', 'tag:v*']
const pushed = (ref: string, more: Partial<ReleaseContext> = {}): ReleaseContext => ({
  ref,
  pullRequest: false,
  ...more,
})

describe('auto', () => {
  test.each([
    ['refs/heads/main', 'main'],
    ['refs/heads/release/2.4', 'release/**'],
    ['refs/heads/release/2.4/rc.1', 'release/**'],
    ['refs/heads/release/.hotfix', 'release/**'],
    ['refs/tags/v2.4.0', 'tag:v*'],
  ])('enforces %s, naming the pattern', (ref, pattern) => {
    expect(decideMode('auto', patterns, pushed(ref))).toEqual({
      enforced: true,
      why: `because \`${ref}\` matches \`${pattern}\``,
    })
  })

  test.each([
    'refs/heads/maintenance',
    'refs/heads/release',
    'refs/heads/feature/main',
    'refs/heads/Main',
    'refs/heads/v2.4.0',
    'refs/tags/main',
    'refs/tags/v2/4',
    'refs/pull/7/merge',
  ])('warns for %s', (ref) => {
    const mode = decideMode('auto', patterns, pushed(ref))
    expect(mode?.enforced).toBe(false)
    expect(mode?.why).toBe(`because \`${ref}\` matches none of \`main\`, \`release/**\` or \`tag:v*\``)
  })

  test('warns for a pull request, whatever its ref: pull_request_target carries that of the target', () => {
    const mode = decideMode('auto', patterns, pushed('refs/heads/main', { pullRequest: true }))
    expect(mode).toEqual({ enforced: false, why: 'because this is a pull or merge request' })
  })

  test('enforces where no ref is known', () => {
    expect(decideMode('auto', patterns, { pullRequest: false })).toEqual({
      enforced: true,
      why: 'because no ref is known',
    })
  })

  test('says so when the default branch is no release branch', () => {
    const mode = decideMode('auto', patterns, pushed('refs/heads/trunk', { defaultBranch: 'trunk' }))
    expect(mode?.enforced).toBe(false)
    expect(mode?.why).toContain('although it is the default branch (input "release-branches")')
  })

  test('a pattern that looks like a comment or a negation is a name', () => {
    expect(decideMode('auto', ['#1'], pushed('refs/heads/#1'))?.enforced).toBe(true)
    expect(decideMode('auto', ['!main'], pushed('refs/heads/dev'))?.enforced).toBe(false)
  })
})

test.each([
  ['enforce', true],
  ['warn', false],
] as const)('%s is enforced: %s, for every ref', (mode, enforced) => {
  expect(decideMode(mode, patterns, pushed('refs/heads/dev', { pullRequest: true }))?.enforced).toBe(enforced)
})

test('off is no gate', () => {
  expect(decideMode('off', patterns, pushed('refs/heads/main'))).toBeUndefined()
})
