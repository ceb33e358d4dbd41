import { describe, expect, test } from '@jest/globals'
import type { ProvisionRequest } from '../../src/input/request.ts'
import type { FailureCode } from '../../src/lib/failure.ts'
import { useBench } from '../support/bench.ts'

const bench = useBench()

/** A value in an application Secret that somebody made by hand, or that would be published. */
interface Unfit {
  readonly title: string
  readonly values: Readonly<Record<string, string>>
  readonly inputs?: () => Partial<ProvisionRequest>
  readonly code?: FailureCode
  readonly says: RegExp
  readonly hints?: RegExp
}

describe('what no client could use is not published, whoever wrote it', () => {
  test.each<Unfit>([
    {
      title: 'a URL as PGPORT',
      values: { PGPORT: 'tcp://10.96.14.2:5432' },
      says: /shop\/app\d+-secret cannot be used: PGPORT is a URL \(tcp:\/\/…\), not a port\.$/,
      hints: /PGPORT was set by hand\. Correct or remove what is named: what is missing is filled in/,
    },
    {
      title: 'a word as PGPORT and another as PGSSLMODE',
      values: { PGPORT: '0', PGSSLMODE: 'on' },
      says: /cannot be used: PGPORT is "0", which is no port; PGSSLMODE is "on", which is none of disable, .*no-verify\.$/,
      hints: /PGPORT and PGSSLMODE were set by hand.*app-sslmode/s,
    },
    {
      title: 'a ca.crt that is none',
      values: { 'ca.crt': 'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==' },
      says: /ca\.crt was encoded twice/,
      hints: /stringData/,
    },
    {
      title: 'a PGHOST with a port',
      values: { PGHOST: 'postgresql1.postgres-system.svc.cluster.local:5432' },
      says: /PGHOST holds a port/,
      hints: /remove the named keys: what is missing is filled in/,
    },
    {
      title: 'a URL with a password as PGHOST',
      values: { PGHOST: 'postgres://kim:hunter2-dummy@postgresql1' },
      says: /PGHOST is a URL \(postgres:\/\/…\), not a host/,
    },
    {
      title: 'a PGDATABASE of a template',
      values: { PGDATABASE: '{{ .Values.database }}' },
      says: /PGDATABASE is a template that nothing filled in/,
    },
    {
      title: 'a PGUSER that looks like a password',
      values: { PGUSER: 'hunter2Dummy9xK4' },
      code: 'secret-names-other',
      says: /PGUSER looks like a password and is not shown, this run "app\d+"/,
    },
    {
      title: 'a host that ends with a dot under verify-full',
      values: {},
      inputs: () => ({
        accessSecret: bench.access({ host: 'postgresql1.postgres-system.svc.', ca: bench.postgres.ca ?? '' }),
        appSslMode: 'verify-full',
        appSecret: `${bench.name('new')}-secret`,
      }),
      code: 'access-secret-invalid',
      says: /^The access Secret postgres-system\/access\d+ cannot be used with sslmode verify-full: PGHOST ends with a dot\.$/,
      hints: /verify-ca/,
    },
  ])('$title', async ({ values, inputs, code, says, hints }) => {
    const application = await bench.established()
    if (Object.keys(values).length > 0) application.putSecret(values, 'on top')
    const { outcome, log } = await application.refused(code ?? 'secret-invalid', inputs?.() ?? {})
    expect(outcome.failure?.message).toMatch(says)
    expect(outcome.failure?.hint.join('\n')).toMatch(hints ?? /./)
    expect(log).not.toContain('hunter2')
  })

  test('PGUSER and PGPASSWORD that are swapped', async () => {
    const application = await bench.established()
    const { PGUSER = '', PGPASSWORD = '' } = application.secret
    application.putSecret({ PGUSER: PGPASSWORD }, 'on top')
    // Too short to be searched for, so it is not put by the bench's own means.
    const { api, appNamespace } = bench.sandbox
    const secret = api.get('Secret', appNamespace, application.request.appSecret)
    if (secret === undefined) throw new Error('the application has a Secret')
    const data = secret['data'] as Record<string, string>
    api.put({ ...secret, data: { ...data, PGPASSWORD: Buffer.from(PGUSER).toString('base64') } })
    const { outcome } = await application.refused('secret-invalid')
    expect(outcome.failure?.message).toMatch(/: PGUSER and PGPASSWORD are swapped\.$/)
  })

  test('a PGPASSWORD that is a placeholder, and is no password of the role yet', async () => {
    const application = await bench.established()
    application.putSecret({ PGPASSWORD: '${APP_PASSWORD}' }, 'on top')
    const { outcome } = await application.refused('secret-invalid')
    expect(outcome.failure?.message).toMatch(/: it is a variable that nothing replaced\.$/)
  })
})

describe('what goes on', () => {
  test('a PGHOST_REPLICA that was set by hand and is no host: it stays, and is noted', async () => {
    const application = await bench.established()
    application.putSecret({ PGHOST_REPLICA: 'postgresql1-repl:5432' }, 'on top')
    const { outcome } = await application.run({
      accessSecret: bench.access({ replica: 'postgresql1-repl.postgres-system.svc' }),
    })
    expect(outcome.failure).toBeUndefined()
    expect(application.secret['PGHOST_REPLICA']).toBe('postgresql1-repl:5432')
    expect(outcome.notes.join('\n')).toMatch(
      /PGHOST_REPLICA of shop\/app\d+-secret holds a port; it was set by hand and stays/,
    )
  })

  test('a host that ends with a dot in a mode that compares no name', async () => {
    const application = await bench.established({ accessSecret: bench.access({ host: 'postgresql1.shop.' }) })
    expect(application.secret['PGHOST']).toBe('postgresql1.shop.')
  })

  test('a mode that was set by hand and that an input replaces', async () => {
    const application = await bench.established()
    application.putSecret({ PGSSLMODE: 'on' }, 'on top')
    const { outcome } = await application.run({ appSslMode: 'require' })
    expect(outcome.failure).toBeUndefined()
    expect(application.secret['PGSSLMODE']).toBe('require')
  })
})
