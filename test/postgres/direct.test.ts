import { beforeAll, describe, expect, test } from '@jest/globals'
import { useBench, type Access } from '../support/bench.ts'
import { startPooler } from '../support/pooler.ts'

const bench = useBench({ postgres: { serverNames: ['localhost'] } })

/** What it takes to go there oneself: the access Secret, and none of the Pods. */
let kubeconfig: { readonly input: string; readonly absenceHint: readonly string[] }

beforeAll(() => {
  const { api, accessNamespace, appNamespace } = bench.sandbox
  const [namespace, name] = [accessNamespace, 'secrets-alone']
  api.put({ kind: 'ServiceAccount', metadata: { name, namespace: appNamespace } })
  const bound: readonly [string, readonly string[]][] = [
    [namespace, ['get']],
    [appNamespace, ['get', 'create', 'patch']],
  ]
  for (const [where, verbs] of bound) {
    api.put({
      kind: 'Role',
      metadata: { name, namespace: where },
      rules: [{ apiGroups: [''], resources: ['secrets'], verbs }],
    })
    api.put({
      kind: 'RoleBinding',
      metadata: { name, namespace: where },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: appNamespace }],
    })
  }
  const input = api.kubeconfig({ namespace: appNamespace, serviceAccount: name })
  kubeconfig = { input, absenceHint: [] }
})

function direct(access: Access = {}): { via: 'direct'; accessSecret: string; kubeconfig: typeof kubeconfig } {
  const { port } = bench.postgres
  return { via: 'direct', kubeconfig, accessSecret: bench.access({ host: 'localhost', port, ...access }) }
}

test('goes to PGHOST itself, with rights on Secrets alone and no Service named', async () => {
  const requests = bench.sandbox.api.requests.length
  const application = await bench.established(direct({ named: false }))
  expect(application.secret).toMatchObject({ PGHOST: 'localhost', PGPORT: String(bench.postgres.port) })
  const again = await application.run()
  expect(again).toMatchObject({ code: undefined, done: [] })
  expect(again.log).toMatch(
    /✓ connection +localhost port \d+ at (127\.0\.0\.1|\[::1\]):\d+, without a tunnel/,
  )
  expect(again.log).toContain('the proof includes this way')
  expect(again.log).toMatch(/✓ permissions +4 of 4 rights/)
  const paths = bench.sandbox.api.requests.slice(requests).map(({ path }) => path)
  expect(paths.filter((path) => /\/(pods|services|endpoint)/.test(path))).toEqual([])
})

test('the name in the certificate is that of the host that answered', async () => {
  const ca = bench.postgres.ca ?? ''
  const host = `nowhere.invalid,localhost`
  await bench.established(direct({ sslMode: 'verify-full', ca, host }))
  const application = bench.application(direct({ sslMode: 'verify-full', ca, host: '127.0.0.1' }))
  const { outcome } = await application.refused('tls-failed')
  expect(outcome.failure?.hint.join('\n')).toContain('127.0.0.1')
})

test('without port-forward what is missing is asked for without it', async () => {
  const { appNamespace } = bench.sandbox
  const application = bench.application({ ...direct(), appNamespace: bench.otherNamespace })
  const { outcome } = await application.refused('permission-missing')
  const manifest = outcome.permissions?.manifest ?? ''
  expect(manifest).toContain(`name: secrets-alone\n    namespace: ${appNamespace}`)
  expect(manifest).not.toMatch(/pods|services/)
})

describe('what the Service would have told is told by PostgreSQL', () => {
  test('a standby is refused', async () => {
    const standby = await bench.postgres.standby()
    try {
      const application = bench.application({ ...direct({ port: standby.port }), timeoutMs: 4_000 })
      const { outcome } = await application.refused('target-is-standby')
      expect(outcome.failure?.message).toContain('PGHOST localhost leads to a standby')
    } finally {
      await standby.stop()
    }
  })

  test('something in between that is no PostgreSQL is refused', async () => {
    const between = await startPooler(bench.postgres)
    try {
      await bench.application(direct({ port: between.port, sslMode: 'disable' })).refused('pooler-in-between')
    } finally {
      between.stop()
    }
  })
})

test('a port-forward still needs the Service', async () => {
  const application = bench.application({ ...direct({ named: false }), via: 'port-forward' })
  const { outcome } = await application.refused('access-secret-invalid')
  expect(outcome.failure?.message).toContain('USER_ACCESS is missing')
})
