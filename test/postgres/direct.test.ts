import { beforeAll, describe, expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import type { AccessInputs } from '../../src/secrets/access-form.ts'
import { useBench, type Access } from '../support/bench.ts'
import { findIn, useGate } from '../support/gate.ts'
import { startPooler } from '../support/pooler.ts'

const bench = useBench({ postgres: { serverNames: ['localhost'] } })
const { judged } = useGate(bench)

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
  expect(again.log).toContain('the proof covers this route')
  expect(again.log).toMatch(/✓ permissions +4 of 4 rights/)
  const paths = bench.sandbox.api.requests.slice(requests).map(({ path }) => path)
  expect(paths.filter((path) => /\/(pods|services|endpoint)/.test(path))).toEqual([])
})

describe('inputs say what the Secret does not, or says otherwise', () => {
  test.each<[string, Record<string, string>, AccessInputs, number]>([
    ['a login alone', {}, {}, 0],
    ['a login, and a list of hosts', {}, { host: 'nowhere.invalid,localhost' }, 0],
    ['a server that is gone', { host: 'elsewhere.invalid', port: '1', sslmode: 'verify-full' }, {}, 3],
    ['a Service by input, for which there is no use', {}, { service: 'postgresql1-user-access' }, 0],
    ['a home that is not the usual one', { dbname: 'app' }, { database: 'home' }, 0],
  ])('%s', async (_, values, said, overruled) => {
    const { api, admin, accessNamespace: namespace } = bench.sandbox
    const name = bench.name('login')
    if (said.database !== undefined) await bench.sql('CREATE DATABASE home')
    api.put({
      kind: 'Secret',
      metadata: { name, namespace },
      stringData: { username: admin.user, password: admin.password, ...values },
    })
    const access = { host: '127.0.0.1', port: String(bench.postgres.port), sslMode: 'require', ...said }
    const requests = api.requests.length
    const application = bench.application({ via: 'direct', kubeconfig, accessSecret: name, access })
    const { code, outcome } = await application.run()
    expect(code).toBeUndefined()
    expect(outcome.notes.filter((note) => note.includes('counts, and not'))).toHaveLength(overruled)
    const { host: PGHOST, port: PGPORT, sslMode: PGSSLMODE } = access
    expect(application.secret).toMatchObject({ PGHOST, PGPORT, PGSSLMODE })
    expect(await application.run()).toMatchObject({ code: undefined, done: [] })
    const paths = api.requests.slice(requests).map(({ path }) => path)
    expect(paths.filter((path) => /\/(pods|services|endpoint)/.test(path))).toEqual([])
  })

  test('what is still missing is named, and the Service is none of it', async () => {
    const { api, admin, accessNamespace: namespace } = bench.sandbox
    const name = bench.name('login')
    const stringData = { username: admin.user, password: admin.password }
    api.put({ kind: 'Secret', metadata: { name, namespace }, stringData })
    const application = bench.application({ via: 'direct', kubeconfig, accessSecret: name })
    const { outcome } = await application.refused('access-secret-invalid')
    expect(outcome.failure?.message).toContain('host and sslmode are missing')
    expect(outcome.failure?.hint.join('\n')).toContain('"access-host" and "access-sslmode"')
  })
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

test('the gate asks for what leads to the Pods, and sees more once that is granted', async () => {
  const { api } = bench.sandbox
  const application = await bench.established(direct())
  const { report } = await judged(application)
  expect(findIn(report, 'spread')).toMatchObject({
    verdict: 'unknown',
    seen: 'no permission to read services',
    remedy: expect.stringContaining('ask for the right to get services postgresql1-user-access'),
  })
  for (const document of parseAllDocuments(report.manifest)) {
    api.put(document.toJS() as Parameters<typeof api.put>[0])
  }
  const again = await judged(application)
  // The Pods tell who keeps the database, and with that what else there is to read.
  expect(findIn(again.report, 'spread').seen).toContain('1 Node')
  expect(findIn(again.report, 'retention').remedy).toContain('cronjobs logical-backup-')
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
