import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, expect, it, test } from '@jest/globals'
import { cancellation, formatRunName, takeKubeconfig } from '../../../src/faces/edge.ts'
import { gitlabAbsenceHint, gitlabRelease, gitlabRunName } from '../../../src/faces/gitlab.ts'

describe('cancellation', () => {
  it('is heard once, so that a second signal ends the process as the system does', () => {
    const before = process.listenerCount('SIGINT')
    let told = 0
    const { signal, release } = cancellation(() => told++)
    expect(process.listenerCount('SIGINT')).toBe(before + 1)
    process.emit('SIGINT')
    expect(signal.aborted).toBe(true)
    expect(told).toBe(1)
    expect(process.listenerCount('SIGINT')).toBe(before)
    expect(process.listenerCount('SIGTERM')).toBe(before)
    release()
  })

  it('ends where signals are for somebody else', () => {
    const before = process.listenerCount('SIGINT')
    cancellation().release()
    expect(process.listenerCount('SIGINT')).toBe(before)
  })
})

describe('a kubeconfig in the environment', () => {
  const content = 'apiVersion: v1\nusers: []\n'

  it('is taken out of it, and stays where it is a path', () => {
    process.env['KUBECONFIG'] = content
    process.env['KUBECONFIG_CONTENTS_B64'] = 'encoded'
    process.env['PG_APP_USER_KUBECONFIG'] = content
    expect(takeKubeconfig(['PG_APP_USER_KUBECONFIG'])).toEqual({
      KUBECONFIG: content,
      KUBECONFIG_CONTENTS_B64: 'encoded',
    })
    expect(Object.keys(process.env).filter((name) => name.includes('KUBECONFIG'))).toEqual([])
    process.env['KUBECONFIG'] = import.meta.filename
    takeKubeconfig([])
    expect(process.env['KUBECONFIG']).toBe(import.meta.filename)
    delete process.env['KUBECONFIG']
  })

  it.each([
    ['YAML', content],
    ['JSON', '{"users":[]}'],
    ['base64', Buffer.from(`${content}# and something more`).toString('base64')],
    ['lines that are no kubeconfig', 'token: a\nserver: b'],
  ])('is taken out also where a file is called like its first piece: %s', (_, value) => {
    const folder = mkdtempSync(join(tmpdir(), 'edge-'))
    const before = process.cwd()
    const [piece = ''] = value.split(delimiter)
    writeFileSync(join(folder, piece), '')
    try {
      process.chdir(folder)
      process.env['KUBECONFIG'] = value
      expect(takeKubeconfig([])).toMatchObject({ KUBECONFIG: value })
      expect(process.env['KUBECONFIG']).toBeUndefined()
    } finally {
      process.chdir(before)
      delete process.env['KUBECONFIG']
      rmSync(folder, { recursive: true })
    }
  })
})

describe('the name of a run', () => {
  it('is ASCII, and short enough for pg_stat_activity', () => {
    expect(formatRunName(['acme/köök', undefined, '', 'main'])).toBe('pg-app-user acme/k??k main')
    expect(formatRunName(['x'.repeat(100)])).toHaveLength(63)
  })

  it('names a GitLab pipeline', () => {
    const variables = { CI_PROJECT_PATH: 'acme/shop', CI_PIPELINE_ID: '8123', CI_COMMIT_REF_NAME: 'main' }
    expect(gitlabRunName(variables)).toBe('pg-app-user acme/shop pipeline 8123 main')
  })
})

describe('why a GitLab job has no kubeconfig', () => {
  const project = { CI_PROJECT_PATH: 'acme/shop' }
  test.each([
    ['an unprotected branch', { CI_COMMIT_REF_PROTECTED: 'false' }, 'This branch is not protected'],
    ['a job without environment', { CI_COMMIT_REF_PROTECTED: 'true' }, 'while this job names none'],
    ['another environment', { CI_ENVIRONMENT_NAME: 'staging' }, 'other environments than staging'],
    ['a fork', { CI_MERGE_REQUEST_SOURCE_PROJECT_PATH: 'kim/shop' }, 'from the fork kim/shop'],
  ])('%s', (_, variables, said) => {
    expect(gitlabAbsenceHint({ ...project, ...variables }).join('\n')).toContain(said)
  })

  it('blames no protection where the branch has it', () => {
    const hint = gitlabAbsenceHint({ ...project, CI_COMMIT_REF_PROTECTED: 'true' }).join('\n')
    expect(hint).not.toContain('not protected')
  })
})

describe('what a GitLab pipeline runs for', () => {
  const branch = { CI_COMMIT_REF_NAME: 'main', CI_COMMIT_BRANCH: 'main', CI_PIPELINE_SOURCE: 'push' }
  const request = {
    CI_COMMIT_REF_NAME: 'topic',
    CI_MERGE_REQUEST_IID: '7',
    CI_PIPELINE_SOURCE: 'merge_request_event',
  }
  test.each([
    ['a branch', branch, { ref: 'refs/heads/main', pullRequest: false }],
    ['a tag', { CI_COMMIT_REF_NAME: 'v1', CI_COMMIT_TAG: 'v1' }, { ref: 'refs/tags/v1', pullRequest: false }],
    ['a merge request', request, { ref: undefined, pullRequest: true }],
    ['nothing known', {}, { ref: undefined, pullRequest: false }],
    // What follows is a project or a person who would like to look like something else.
    ['another branch', { ...branch, CI_COMMIT_BRANCH: 'topic' }, { ref: undefined, pullRequest: false }],
    ['another name', { ...branch, CI_COMMIT_REF_NAME: 'topic' }, { ref: undefined, pullRequest: false }],
    ['a tag on a branch', { ...branch, CI_COMMIT_TAG: 'main' }, { ref: undefined, pullRequest: false }],
    [
      'a request on a branch',
      { ...branch, CI_MERGE_REQUEST_IID: '7' },
      { ref: undefined, pullRequest: false },
    ],
    [
      'a request without its branch',
      { ...branch, CI_COMMIT_BRANCH: '', CI_MERGE_REQUEST_IID: '7' },
      { ref: undefined, pullRequest: false },
    ],
  ])('%s', (_, variables, { ref, pullRequest }) => {
    const context = gitlabRelease({ ...variables, CI_DEFAULT_BRANCH: 'main' })
    expect({ ref: context.ref, pullRequest: context.pullRequest }).toEqual({ ref, pullRequest })
    expect(context.defaultBranch).toBe('main')
  })
})
