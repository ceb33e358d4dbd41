import { describe, expect, it, test } from '@jest/globals'
import { cancellation, formatRunName, takeKubeconfig } from '../../src/edge.ts'
import { gitlabAbsenceHint, gitlabRunName } from '../../src/gitlab.ts'

describe('cancellation', () => {
  it('is heard once, so that a second signal ends the process as the system does', () => {
    const before = process.listenerCount('SIGINT')
    let told = 0
    const signal = cancellation(() => told++)
    expect(process.listenerCount('SIGINT')).toBe(before + 1)
    process.emit('SIGINT')
    expect(signal.aborted).toBe(true)
    expect(told).toBe(1)
    expect(process.listenerCount('SIGINT')).toBe(before)
    expect(process.listenerCount('SIGTERM')).toBe(before)
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
