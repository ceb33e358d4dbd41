import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Interception, KubeObject } from '../../sandbox/api.ts'
import { createAuthority } from '../../sandbox/certificate.ts'
import { freePort } from '../../sandbox/host.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import type { FailureCode } from '../../src/lib/failure.ts'
import { documents } from '../../src/lib/version.ts'
import {
  changed,
  inputsFor,
  leadingTo,
  runAction,
  watchChanges,
  withUser,
  type ActionRun,
  type ActionSetting,
} from './action.ts'

const plugin = { apiVersion: 'client.authentication.k8s.io/v1', interactiveMode: 'Never' }
let sandbox: Sandbox
beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(async () => {
  await sandbox.stop()
})

type Undo = () => void
type Inputs = NonNullable<ActionSetting['inputs']>

interface Case {
  readonly code: FailureCode
  readonly when: string
  /** Inputs beside those that would work. */
  readonly inputs?: () => Inputs | Promise<Inputs>
  /** Puts the cluster into the state, and gives what puts it right again. */
  readonly arrange?: () => Undo
  /** The line that says what is wrong. */
  readonly says: string | RegExp
  readonly hints: RegExp
}

const database = 'postgres-system'
const access = 'postgresql1-access'
const service = 'postgresql1-user-access'
const pod = 'postgresql1-0'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** Puts another version of an object in the place of one that is there; gone if there is none. */
function instead(
  kind: string,
  namespace: string,
  name: string,
  change: (object: KubeObject) => object | undefined,
): Undo {
  const found = sandbox.api.get(kind, namespace, name)
  if (found === undefined) throw new Error(`the sandbox has no ${kind} ${namespace}/${name}`)
  const original = structuredClone(found)
  delete original.metadata.uid
  delete original.metadata.resourceVersion
  const other = change(structuredClone(original))
  if (other === undefined) sandbox.api.remove(kind, namespace, name)
  else sandbox.api.put(other as KubeObject)
  return () => sandbox.api.put(original)
}

function gone(kind: string, namespace: string, name: string): Undo {
  return instead(kind, namespace, name, () => undefined)
}

function withSpec(kind: string, namespace: string, name: string, spec: object): Undo {
  return instead(kind, namespace, name, (object) => ({
    ...object,
    spec: { ...(object['spec'] as object), ...spec },
  }))
}

function withRules(namespace: string, change: (rules: readonly Rule[]) => readonly Rule[]): Undo {
  const name = namespace === database ? sandbox.accessRole : sandbox.appRole
  return instead('Role', namespace, name, (role) => ({
    ...role,
    rules: change(role['rules'] as readonly Rule[]),
  }))
}

interface Rule {
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

function answering(path: RegExp, interception: Interception): () => Undo {
  return () => sandbox.api.intercept(({ path: asked }) => (path.test(asked) ? interception : undefined))
}

function status(code: number, message: string): Interception {
  return {
    status: code,
    body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, code },
  }
}

function together(...undos: readonly Undo[]): Undo {
  return () => {
    for (const undo of undos) undo()
  }
}

const kubeconfig = (text: () => string | Promise<string>) => async (): Promise<Inputs> => ({
  kubeconfig: await text(),
})

const cases: readonly Case[] = [
  {
    code: 'kubeconfig-invalid',
    when: 'its YAML is broken',
    inputs: kubeconfig(() => `${sandbox.kubeconfig}broken: [`),
    says: /^The kubeconfig from input "kubeconfig" cannot be used: it is no valid YAML \(line \d+\)\.$/,
    hints: /A frequent cause is an indentation that was lost/,
  },
  {
    code: 'kubeconfig-invalid',
    when: 'it is base64 of rubbish',
    inputs: kubeconfig(() => base64('something that is no kubeconfig at all, only long enough')),
    says: 'The kubeconfig from input "kubeconfig" cannot be used: it is what looks like base64 of something that is no kubeconfig.',
    hints:
      /encoded twice, or was cut.*\n.*It may be the text of a kubeconfig, base64 of it, or a path to one\./,
  },
  {
    code: 'kubeconfig-invalid',
    when: 'its context names a cluster that it does not have',
    inputs: kubeconfig(() =>
      changed(sandbox.kubeconfig, (config) => {
        config.clusters = []
      }),
    ),
    says: 'The kubeconfig from input "kubeconfig" cannot be used: its context "sandbox" names the cluster "sandbox", which it does not have.',
    hints: /This prints a complete one: kubectl config view --raw --flatten --minify/,
  },
  {
    code: 'context-unknown',
    when: 'the input names one that is not there',
    inputs: () => ({ context: 'production' }),
    says: 'The kubeconfig from input "kubeconfig" does not have context "production".',
    hints: /It has sandbox\.\n.*input "context"/,
  },
  {
    code: 'context-unknown',
    when: 'there are several and none is current',
    inputs: kubeconfig(() =>
      changed(sandbox.kubeconfig, (config) => {
        config.contexts.push({ name: 'other', context: config.contexts[0]?.context ?? {} })
        delete config['current-context']
      }),
    ),
    says: 'The kubeconfig from input "kubeconfig" has 2 contexts and no current one.',
    hints: /It has sandbox and other\.\n.*input "context"/,
  },
  {
    code: 'namespace-missing',
    when: 'neither context nor input names one',
    inputs: kubeconfig(() =>
      sandbox.api.kubeconfig({ namespace: 'shop', serviceAccount: 'ci', contextNamespace: null }),
    ),
    says: 'Context "sandbox" of the kubeconfig names no namespace, and input "app-namespace" is empty.',
    hints: /app-namespace/,
  },
  {
    code: 'server-unexpected',
    when: 'the kubeconfig is for another cluster',
    inputs: () => ({ 'expect-server': 'https://api.prod.example.com:6443' }),
    says: /^Context "sandbox" leads to https:\/\/127\.0\.0\.1:\d+, and expect-server is "https:\/\/api\.prod\.example\.com:6443"\.$/,
    hints: /A frequent cause is a kubeconfig of another cluster/,
  },
  {
    code: 'cluster-credential-failed',
    when: 'the exec plugin is not installed',
    inputs: kubeconfig(() =>
      withUser(sandbox.kubeconfig, { exec: { ...plugin, command: 'no-such-plugin' } }),
    ),
    says: 'The plugin no-such-plugin, which gives user "ci" its credential for the cluster, is not installed here.',
    hints: /Install it on the runner/,
  },
  {
    code: 'cluster-credential-failed',
    when: 'the exec plugin fails',
    inputs: kubeconfig(() => withUser(sandbox.kubeconfig, { exec: { ...plugin, command: 'false' } })),
    says: 'The plugin false, which gives user "ci" its credential for the cluster, failed with exit code 1.',
    hints: /use a kubeconfig with the token of a ServiceAccount/,
  },
  {
    code: 'api-server-unreachable',
    when: 'nothing listens there',
    inputs: kubeconfig(async () => leadingTo(sandbox.kubeconfig, `https://127.0.0.1:${await freePort()}`)),
    says: /^https:\/\/127\.0\.0\.1:\d+ refused the connection \(ECONNREFUSED\)\.$/,
    hints: /Check the server address in the kubeconfig, and its port\./,
  },
  {
    code: 'api-server-untrusted',
    when: 'another authority signed its certificate',
    inputs: kubeconfig(() =>
      changed(sandbox.kubeconfig, (config) => {
        const pem = createAuthority('another cluster').pem
        for (const { cluster } of config.clusters) cluster['certificate-authority-data'] = base64(pem)
      }),
    ),
    says: /is not trusted: no authority in certificate-authority-data of the kubeconfig has signed its certificate/,
    hints: /Ask the administrator for the current one/,
  },
  {
    code: 'token-rejected',
    when: 'the token is unknown',
    inputs: kubeconfig(() => withUser(sandbox.kubeconfig, { token: 'a-token-of-another-cluster' })),
    says: /does not accept the credential of user "ci" \(401\)\.$/,
    hints: /A frequent cause is a ServiceAccount or token that was deleted/,
  },
  {
    code: 'token-rejected',
    when: 'the token has expired',
    inputs: kubeconfig(() =>
      sandbox.api.kubeconfig({ namespace: 'shop', serviceAccount: 'ci', lifetimeSeconds: -60 }),
    ),
    says: /does not accept the credential of user "ci" \(401\)\.$/,
    hints: /Its token expired \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\./,
  },
  {
    code: 'token-rejected',
    when: 'something in between takes the credential out, and the cluster lets anybody in',
    arrange: answering(/selfsubjectreviews$/, {
      status: 201,
      body: { status: { userInfo: { username: 'system:anonymous', groups: ['system:unauthenticated'] } } },
    }),
    says: /^No credential of user "ci" arrived at https:\/\/127\.0\.0\.1:\d+: it takes this run for system:anonymous\.$/,
    hints: /a proxy in between that opens TLS connections/,
  },
  {
    code: 'api-server-error',
    when: 'nobody may ask for rights',
    arrange: answering(/selfsubjectaccessreviews$/, status(403, 'selfsubjectaccessreviews is forbidden')),
    says: /does not let user "ci" ask for its own rights: 403 "selfsubjectaccessreviews is forbidden"\.$/,
    hints: /system:basic-user/,
  },
  {
    code: 'permission-missing',
    when: 'there is no right at all',
    arrange: () => together(...[database, 'shop'].map((place) => withRules(place, () => []))),
    says: /^system:serviceaccount:shop:ci lacks 8 of 9 rights: get secrets "postgresql1-access", get and list pods, get and create pods\/portforward in postgres-system; get and patch secrets "failures-postgresql-secret", create secrets in shop\.$/,
    hints: /Send the administrator the Role/,
  },
  {
    code: 'permission-missing',
    when: 'one right is missing',
    arrange: () =>
      withRules(database, (rules) => rules.filter(({ resources }) => !resources.includes('services'))),
    says: 'system:serviceaccount:shop:ci lacks 1 of 9 rights: get services "postgresql1-user-access" in postgres-system.',
    hints: /Send the administrator the Role/,
  },
  {
    code: 'permission-missing',
    when: "the access Secret's name is misspelt",
    inputs: () => ({ 'access-secret': 'postgresql-access' }),
    says: 'system:serviceaccount:shop:ci lacks 1 of 9 rights: get secrets "postgresql-access" in postgres-system.',
    hints:
      /A misspelt name looks the same, because rights on Secrets are given by name\.\n.*input "access-secret"/,
  },
  {
    code: 'access-secret-not-found',
    when: 'nothing has that name',
    arrange: () => gone('Secret', database, access),
    says: 'The access Secret postgres-system/postgresql1-access does not exist.',
    hints: /Check inputs "access-secret" and "access-namespace"/,
  },
  {
    code: 'access-secret-invalid',
    when: 'several keys are missing or broken',
    arrange: () =>
      instead('Secret', database, access, (secret) => ({
        ...secret,
        data: {
          PGUSER: base64('two\nlines'),
          PGPASSWORD: base64('a password'),
          PGPORT: base64('abc'),
          PGSSLMODE: base64('required'),
          USER_ACCESS: base64('pods/postgresql1-0'),
        },
      })),
    says: /^The access Secret postgres-system\/postgresql1-access cannot be used: PGHOST is missing; USER_ACCESS is "pods\/postgresql1-0", which is neither a Service's name nor svc\/name; PGSSLMODE is "required", which is none of .*; PGUSER holds a control character; PGPORT is "abc", which is no port\.$/,
    hints: /It needs 5 keys: PGHOST, PGUSER, PGPASSWORD, PGSSLMODE and USER_ACCESS\./,
  },
  {
    code: 'service-not-found',
    when: 'the access Secret is older than the database',
    arrange: () => gone('Service', database, service),
    says: 'Service postgres-system/postgresql1-user-access does not exist.',
    hints: /USER_ACCESS of the access Secret\./,
  },
  {
    code: 'service-port-unknown',
    when: 'none of its ports is known to be PostgreSQL',
    arrange: () =>
      withSpec('Service', database, service, {
        ports: [
          { name: 'one', port: 1111 },
          { name: 'two', port: 2222 },
        ],
      }),
    says: 'Service postgres-system/postgresql1-user-access has no port 5432: it has 1111 (one) and 2222 (two).',
    hints: /PGPORT/,
  },
  {
    code: 'pod-not-ready',
    when: 'there is one, and it is starting',
    inputs: () => ({ timeout: '3s' }),
    arrange: () =>
      instead('Pod', database, pod, (object) => ({
        ...object,
        status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] },
      })),
    says: 'No Pod behind svc/postgresql1-user-access in postgres-system is Ready, of 1 Pod: postgresql1-0 runs and is not Ready.',
    hints: /Run this again when it is up/,
  },
  {
    code: 'pod-not-ready',
    when: 'there is none',
    inputs: () => ({ timeout: '3s' }),
    arrange: () => gone('Pod', database, pod),
    says: 'No Pod is behind svc/postgresql1-user-access in postgres-system.',
    hints: /Ask the administrator whether the database is running\./,
  },
  {
    code: 'port-forward-denied',
    when: 'a policy denies what the review allowed',
    arrange: answering(/\/portforward$/, status(403, 'admission webhook "no-tunnels" denied the request')),
    says: 'The API server denied the port-forward of svc/postgresql1-user-access → Pod postgresql1-0: "admission webhook "no-tunnels" denied the request".',
    hints: /No right is missing: a policy of the cluster refuses it/,
  },
  {
    code: 'port-forward-denied',
    when: 'a policy denies it with the status that webhooks have by default',
    arrange: answering(
      /\/portforward$/,
      status(400, 'admission webhook "no-tunnels" denied the request: closed'),
    ),
    says: 'The API server denied the port-forward of svc/postgresql1-user-access → Pod postgresql1-0: "admission webhook "no-tunnels" denied the request: closed".',
    hints: /No right is missing: a policy of the cluster refuses it/,
  },
  {
    code: 'port-forward-denied',
    when: 'the kubelet does not let the API server in',
    arrange: answering(/\/portforward$/, { status: 401, body: 'Unauthorized' }),
    says: `The kubelet of Pod postgresql1-0's Node denied the API server the port-forward of svc/postgresql1-user-access → Pod postgresql1-0: 401 "Unauthorized".`,
    hints: /This is not about user "ci": the Node does not let the API server itself in/,
  },
  {
    code: 'node-unreachable',
    when: 'the API server has no way to the Node',
    inputs: () => ({ timeout: '3s' }),
    arrange: answering(/\/portforward$/, status(500, 'error dialing backend: No agent available')),
    says: `The API server does not reach Pod postgresql1-0's Node for the port-forward of svc/postgresql1-user-access → Pod postgresql1-0: 500 "error dialing backend: No agent available".`,
    hints: /Otherwise running this again does not help/,
  },
  ...(
    [
      ['it answered 200', { status: 200, body: '' }],
      ['426 "Upgrade Required"', { status: 426, body: 'Upgrade Required' }],
      ['it answered 502', { status: 502, body: '<html><body>Bad Gateway</body></html>' }],
    ] as const
  ).map(([what, interception]): Case => ({
    code: 'upgrade-refused',
    when: `${what} to the upgrade`,
    arrange: answering(/\/portforward$/, interception),
    says: new RegExp(`did not open a WebSocket for the port-forward of .*: ${what}\\.$`),
    hints: /an agent, a proxy or an access gateway such as Teleport or Rancher/,
  })),
  {
    code: 'port-closed',
    when: 'nothing listens in the Pod',
    inputs: () => ({ timeout: '3s' }),
    arrange: () => {
      sandbox.api.route(database, pod, 5432, undefined)
      return () => {
        sandbox.api.route(database, pod, 5432, sandbox.postgres)
      }
    },
    says: 'Nothing listens on port 5432 of Pod postgresql1-0, behind svc/postgresql1-user-access.',
    hints: /A frequent cause is a PostgreSQL that is still starting/,
  },
  {
    code: 'timeout',
    when: 'the API server is too slow',
    inputs: () => ({ timeout: '1s' }),
    arrange: answering(/selfsubjectaccessreviews$/, 'hang'),
    says: /^The run did not end within its 1 s; it was at: .+\.$/,
    hints: /input "timeout"/,
  },
  {
    code: 'input-invalid',
    when: 'one input is wrong',
    inputs: () => ({ timeout: '5' }),
    says: 'Input "timeout" "5" has no unit: write 5m or 300s.',
    hints: /^$/,
  },
  {
    code: 'input-invalid',
    when: 'several inputs are wrong',
    inputs: () => ({ 'access-namespace': '', 'app-sslmode': 'required', timeout: '5' }),
    says: '3 inputs are wrong: access-namespace, app-sslmode and timeout.',
    hints:
      /^access-namespace {3}is required: .*\napp-sslmode {8}"required" is none of .*\(did you mean require\?\)\ntimeout {12}"5" has no unit: write 5m or 300s$/,
  },
]

describe('each of these stops the run, says why, and changes nothing', () => {
  test.each(cases.map((each) => [each.code, each.when, each] as const))('%s: %s', async (_, __, each) => {
    const undo = each.arrange?.()
    try {
      const changes = await watchChanges(sandbox)
      const inputs = { ...inputsFor(sandbox, 'failures'), ...(await each.inputs?.()) }
      // With debug logging, which shows the causes as well: runAction looks for credentials in all of it.
      const run = await runAction({ sandbox, inputs, env: { RUNNER_DEBUG: '1' } })
      expect(await changes()).toEqual([])
      expect(run.code).toBe(1)

      const [, message = '', code = '', below = ''] =
        /^✗ (.*) {2}\[([a-z-]+)\]\n((?: {2}.*\n)*)/m.exec(run.log) ?? []
      expect([code, message]).toEqual([
        each.code,
        typeof each.says === 'string' ? each.says : expect.stringMatching(each.says),
      ])
      const lines = below.trimEnd().split('\n')
      expect(lines.slice(-2)).toEqual([
        '  Nothing was changed.',
        `  ${documents}/troubleshooting.md#${each.code}`,
      ])
      const hints = lines.slice(0, -2).map((line) => line.slice(2))
      expect(hints.join('\n')).toMatch(each.hints)

      expect(run.commands.filter(({ name }) => name === 'error')).toEqual([
        { name: 'error', properties: `title=pg-app-user%3A ${each.code}`, data: message },
      ])
      expect(run.outputs).toMatchObject({ changed: 'false', changes: '[]' })
      expect(run.summary).toMatch(/^### ❌ /)
      expect(run.summary).toContain('Nothing was changed.')
    } finally {
      undo?.()
    }
  })
})

describe('missing rights', () => {
  test('are a table in the summary, with the Role and RoleBinding to hand on', async () => {
    const undo = withRules(database, (rules) =>
      rules.filter(({ resources }) => !resources.includes('pods/portforward')),
    )
    const run = await runAction({ sandbox, inputs: inputsFor(sandbox, 'rights') })
    undo()
    expect(run.summary).toMatch(/^### ❌ `rights`: 2 of 9 rights are missing\n/)
    expect(run.summary).toContain('`system:serviceaccount:shop:ci` needs, in namespace `postgres-system`:')
    expect(run.summary.match(/^\| `.*$/gm)).toEqual([
      '| `get` secrets `postgresql1-access` | reading the access Secret | there |',
      '| `get` services `postgresql1-user-access` | finding the database | there |',
      '| `get`, `list` pods | finding the Pod behind the Service | there |',
      '| `get`, `create` pods/portforward | reaching PostgreSQL | **missing** |',
    ])
    expect(run.summary).toContain(
      '  - apiGroups: [""]\n    resources: [pods/portforward]\n    verbs: [get, create]\n',
    )
    expect(run.summary).toContain('subjects:\n  - kind: ServiceAccount\n    name: ci\n    namespace: shop\n')
    expect(run.log).toContain('    resources: [pods/portforward]')
  })

  test('of which one could not be asked about: nobody says that it is there', async () => {
    const run = await runAction({
      sandbox,
      inputs: { ...inputsFor(sandbox, 'unasked'), 'access-secret': 'another-access' },
    })
    expect(run.summary).toMatch(/^### ❌ `unasked`: 1 of 9 rights is missing\n/)
    expect(run.summary.match(/^\| `.*$/gm)).toEqual([
      '| `get` secrets `another-access` | reading the access Secret | **missing** |',
      '| `get` services | finding the database | not asked |',
      '| `get`, `list` pods | finding the Pod behind the Service | there |',
      '| `get`, `create` pods/portforward | reaching PostgreSQL | there |',
    ])
    expect(run.summary).toContain('name: pg-app-user-another-access-any\n')
  })

  test('are put right by applying what was printed', async () => {
    const undo = together(...[database, 'shop'].map((place) => withRules(place, () => [])))
    const first = await runAction({ sandbox, inputs: inputsFor(sandbox, 'applied') })
    const { parseAllDocuments } = await import('yaml')
    const [, yaml = ''] = /```yaml\n([^]*?)```/.exec(first.summary) ?? []
    const applied = parseAllDocuments(yaml).map((document) => document.toJS() as KubeObject)
    for (const object of applied) sandbox.api.put(object)
    const second = await runAction({ sandbox, inputs: inputsFor(sandbox, 'applied') })
    undo()
    for (const { kind, metadata } of applied) {
      sandbox.api.remove(kind, metadata.namespace ?? '', metadata.name)
    }
    expect(second.code).toBe(0)
  })
})

describe('a Secret that may not be written', () => {
  const refused = status(403, 'secrets "x" is forbidden: exceeded quota: few-secrets')
  const said =
    'did not create Secret shop/quota-postgresql-secret (403): "secrets "x" is forbidden: exceeded quota: few-secrets".  [secret-write-refused]\n'
  const rehearsed = 'POST /api/v1/namespaces/shop/secrets?dryRun=All'
  const written = 'POST /api/v1/namespaces/shop/secrets'

  /** Answers one kind of request for as long as a run lasts. */
  async function runAnswered(request: string, answer: Interception, inputs: Inputs): Promise<ActionRun> {
    const stop = sandbox.api.intercept(({ method, path }) =>
      `${method} ${path}` === request ? answer : undefined,
    )
    try {
      return await runAction({ sandbox, inputs })
    } finally {
      stop()
    }
  }

  test('is found before anything is changed', async () => {
    const changes = await watchChanges(sandbox)
    const run = await runAnswered(rehearsed, refused, inputsFor(sandbox, 'quota'))
    expect(run.code).toBe(1)
    expect(run.log).toContain(said)
    expect(run.log).toContain('  Nothing was changed.\n')
    expect(await changes()).toEqual([])
  })

  test('is found where a key alone is to be filled in', async () => {
    const inputs = inputsFor(sandbox, 'policy')
    expect(await runAction({ sandbox, inputs })).toMatchObject({ code: 0 })
    const secret = 'policy-postgresql-secret'
    const undo = instead('Secret', 'shop', secret, (object) => {
      delete (object['data'] as Record<string, string>)['PGPASSWORD']
      return object
    })
    const changes = await watchChanges(sandbox)
    const path = `PATCH /api/v1/namespaces/shop/secrets/${secret}?dryRun=All`
    const run = await runAnswered(path, status(403, 'admission webhook "p" denied the request'), inputs)
    undo()
    expect(run.log).toContain('✗ The API server did not patch Secret shop/policy-postgresql-secret (403)')
    expect(run.log).toContain('  Nothing was changed.\n')
    expect(await changes()).toEqual([])
  })

  test('that only shows when it is written leaves what was made, and the next run continues', async () => {
    const inputs = inputsFor(sandbox, 'quota')
    const run = await runAnswered(written, refused, inputs)
    expect(run.code).toBe(1)
    expect(run.log).toContain(said)
    expect(run.log).toMatch(
      /^ {2}Role, database and grants were created\. The next run continues from here\.$/m,
    )
    expect(run.log).not.toContain('Nothing was changed.')
    expect(run.outputs).toMatchObject({ changed: 'true', 'secret-resource-version': '' })
    const next = await runAction({ sandbox, inputs })
    expect(next.code).toBe(0)
    expect(next.outputs.changed).toBe('true')
  })

  test('is not held against a policy that cannot be asked beforehand', async () => {
    const cannot = status(400, 'admission webhook "p" does not support dry run')
    const run = await runAnswered(rehearsed, cannot, inputsFor(sandbox, 'unasked'))
    expect(run.code).toBe(0)
    expect(sandbox.api.get('Secret', 'shop', 'unasked-postgresql-secret')).toBeDefined()
  })
})
