import { afterEach, expect, test } from '@jest/globals'
import { isPipeline } from '../../../src/faces/edge.ts'
import { githubIssuer, githubRelease } from '../../../src/faces/github.ts'

const names = ['ACTIONS_ID_TOKEN_REQUEST_URL', 'ACTIONS_ID_TOKEN_REQUEST_TOKEN'] as const
afterEach(() => {
  for (const name of [...names, 'GITHUB_SERVER_URL']) Reflect.deleteProperty(process.env, name)
})

test('what a token is asked for with is masked, and no child inherits it', async () => {
  const masks: string[] = []
  // Nobody answers there, at once.
  process.env[names[0]] = 'https://127.0.0.1:1/token?api-version=2.0'
  process.env[names[1]] = 'a request token'
  const issuer = githubIssuer((credential) => masks.push(credential))
  expect(masks).toEqual(['a request token'])
  expect(names.filter((name) => name in process.env)).toEqual([])
  const asking = issuer.token('pg-app-user').catch((error: unknown) => String(error))
  expect(names.filter((name) => name in process.env)).toEqual([])
  // It came as far as asking, so that it had both.
  expect(await asking).toContain('ECONNREFUSED')
})

test('a job that may not ask gets none', async () => {
  process.env[names[0]] = ''
  expect(await githubIssuer(() => undefined).token('pg-app-user')).toBeUndefined()
})

test.each([
  [undefined, 'https://token.actions.githubusercontent.com', true],
  [undefined, 'https://token.actions.githubusercontent.com/acme', true],
  [undefined, 'https://token.actions.githubusercontent.com.example.com', false],
  ['https://ghes.example.com', 'https://ghes.example.com/_services/token', true],
  ['https://ghes.example.com', 'https://ghesxexample.com/_services/token', false],
  ['https://acme.ghe.com', 'https://token.actions.acme.ghe.com', true],
])('an instance at %s has the issuer %s: %s', (server, url, own) => {
  if (server !== undefined) process.env['GITHUB_SERVER_URL'] = server
  expect(githubIssuer(() => undefined).url?.test(url)).toBe(own)
})

test.each([
  [{ CI: 'true' }, true],
  [{ CI: 'false' }, false],
  [{ JENKINS_URL: 'https://jenkins.example.com/' }, true],
  [{ TF_BUILD: 'True' }, true],
  [{ HOME: '/root' }, false],
])('%j is a pipeline: %s', (variables, pipeline) => {
  expect(isPipeline(variables)).toBe(pipeline)
})

test.each([
  ['a push', {}, { ref: 'refs/heads/topic', pullRequest: false, commit: 'abc' }],
  ['a pull request', { action: 'opened' }, { ref: 'refs/heads/topic', pullRequest: true, commit: 'abc' }],
  [
    'one that was closed',
    { action: 'closed', merged: false },
    { ref: 'refs/heads/topic', pullRequest: true },
  ],
  ['one that was labelled after its merge', { action: 'labeled', merged: true }, { pullRequest: true }],
  [
    'one that was merged, which is a push to its target',
    { action: 'closed', merged: true },
    { ref: 'refs/heads/release/2', pullRequest: false, commit: 'def' },
  ],
])('what %s is for', (_, { action, merged }: { action?: string; merged?: boolean }, release) => {
  const request = { merged, merge_commit_sha: 'def', base: { ref: 'release/2' } }
  const payload = {
    repository: { default_branch: 'main' },
    ...(action !== undefined && { action, pull_request: request }),
  }
  expect(githubRelease({ ref: 'refs/heads/topic', sha: 'abc', payload })).toMatchObject({
    defaultBranch: 'main',
    ...release,
  })
})

test('nothing that is known is no ref', () => {
  expect(githubRelease({ ref: '', sha: '', payload: {} })).toEqual({
    ref: undefined,
    pullRequest: false,
    defaultBranch: undefined,
    commit: undefined,
  })
})
