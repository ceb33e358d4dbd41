import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Client } from 'pg'
import { WebSocket } from 'ws'
import { startApi, type StandInApi } from '../../sandbox/api.ts'
import { freePort, listenOnLoopback } from '../../sandbox/host.ts'
import { createAdmin, startPostgres, type PostgresServer } from '../../sandbox/postgres.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'

interface Reply {
  readonly status: number
  readonly body: Record<string, unknown>
}

interface Call {
  readonly method?: string
  readonly token?: string | undefined
  readonly body?: unknown
  readonly type?: string
}

function call(api: StandInApi, path: string, options: Call = {}): Promise<Reply> {
  const { method = 'GET', token = api.adminToken, body, type = 'application/json' } = options
  return new Promise((resolve, reject) => {
    const headers = { ...(token ? { authorization: `Bearer ${token}` } : {}), 'content-type': type }
    const outgoing = request(`${api.url}${path}`, { method, ca: api.ca, headers }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({ status: incoming.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(typeof body === 'string' || body === undefined ? body : JSON.stringify(body))
  })
}

function patch(api: StandInApi, path: string, body: unknown): Promise<Reply> {
  return call(api, path, { method: 'PATCH', body, type: 'application/merge-patch+json' })
}

/** The least that carries PostgreSQL: what comes on channel 0 is read, what is written goes to channel 0. */
class MinimalTunnel extends Duplex {
  readonly socket: WebSocket
  errorText = ''
  #headers = 2

  constructor(api: StandInApi, path: string, token: string) {
    super()
    this.socket = new WebSocket(`${api.url}${path}`, ['v4.channel.k8s.io'], {
      ca: api.ca,
      headers: { authorization: `Bearer ${token}` },
    })
    this.socket.on('message', (message: Buffer) => {
      if (this.#headers > 0) this.#headers -= 1
      else if (message[0] === 1) this.errorText += message.subarray(1).toString()
      else this.push(message.subarray(1))
    })
    this.socket.on('open', () => this.emit('connect'))
    this.socket.on('close', () => {
      this.push(null)
      this.destroy()
    })
    this.socket.on('error', (error) => this.destroy(error))
  }

  setNoDelay(): void {}
  connect(): void {}

  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.socket.send(Buffer.concat([Uint8Array.of(0), chunk]), done)
  }
  override _final(done: () => void): void {
    this.socket.close()
    done()
  }
}

const portForward = '/api/v1/namespaces/postgres-system/pods/postgresql1-0/portforward?ports=5432'
const secrets = '/api/v1/namespaces/shop/secrets'

describe('the stand-in API', () => {
  let api: StandInApi
  let ci: string

  beforeAll(async () => {
    api = await startApi()
    api.put({ kind: 'Namespace', metadata: { name: 'shop' } })
    api.put({ kind: 'ServiceAccount', metadata: { name: 'ci', namespace: 'shop' } })
    ci = api.token('shop', 'ci')
  })
  afterAll(() => api.close())

  function grant(name: string, rules: readonly object[]): () => void {
    const metadata = { name, namespace: 'shop' }
    api.put({ kind: 'Role', metadata, rules })
    api.put({
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name: 'ci', namespace: 'shop' }],
    })
    return () => {
      api.remove('RoleBinding', 'shop', name)
    }
  }

  test.each([
    ['no token', () => ''],
    ['an unknown token', () => 'nonsense'],
    ['an expired token', () => api.token('shop', 'ci', -1)],
    [
      'the token of an account that is gone',
      () => {
        api.put({ kind: 'ServiceAccount', metadata: { name: 'gone', namespace: 'shop' } })
        const token = api.token('shop', 'gone')
        api.remove('ServiceAccount', 'shop', 'gone')
        return token
      },
    ],
  ])('answers 401 to %s', async (_, token) => {
    const { status, body } = await call(api, secrets, { token: token() })
    expect(status).toBe(401)
    expect(body).toMatchObject({ kind: 'Status', reason: 'Unauthorized', message: 'Unauthorized' })
  })

  test('issues tokens whose subject is the ServiceAccount', async () => {
    const path = '/api/v1/namespaces/shop/serviceaccounts/ci/token'
    const { status, body } = await call(api, path, {
      method: 'POST',
      body: { spec: { expirationSeconds: 600 } },
    })
    const { token } = body['status'] as { token: string }
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      sub: string
    }
    expect(status).toBe(201)
    expect(claims.sub).toBe('system:serviceaccount:shop:ci')
    expect((await call(api, secrets, { token })).status).toBe(403)
  })

  test.each([
    ['GET', `${secrets}/x`, 'secrets "x"', 'get', 'secrets', '', 'in the namespace "shop"'],
    ['GET', secrets, 'secrets', 'list', 'secrets', '', 'in the namespace "shop"'],
    ['POST', secrets, 'secrets', 'create', 'secrets', '', 'in the namespace "shop"'],
    ['GET', '/api/v1/nodes', 'nodes', 'list', 'nodes', '', 'at the cluster scope'],
    [
      'GET',
      '/apis/apps/v1/namespaces/shop/deployments/x',
      'deployments.apps "x"',
      'get',
      'deployments',
      'apps',
      'in the namespace "shop"',
    ],
    [
      'GET',
      '/api/v1/namespaces/shop/pods/p/portforward',
      'pods "p"',
      'get',
      'pods/portforward',
      '',
      'in the namespace "shop"',
    ],
  ])(
    'denies %s %s in the words of a real server',
    async (method, path, what, verb, resource, group, where) => {
      const { status, body } = await call(api, path, { method, token: ci })
      expect(status).toBe(403)
      expect(body['reason']).toBe('Forbidden')
      expect(body['message']).toBe(
        `${what} is forbidden: User "system:serviceaccount:shop:ci" cannot ${verb} resource "${resource}" in API group "${group}" ${where}`,
      )
    },
  )

  test('grants by name and by verb, and reviews say the same', async () => {
    const withdraw = grant('one', [
      { apiGroups: [''], resources: ['secrets'], resourceNames: ['mine'], verbs: ['get'] },
    ])
    api.put({ kind: 'Secret', metadata: { name: 'mine', namespace: 'shop' } })
    const allowed = async (resourceAttributes: object): Promise<unknown> => {
      const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
      const reply = await call(api, path, {
        method: 'POST',
        token: ci,
        body: { spec: { resourceAttributes } },
      })
      return (reply.body['status'] as { allowed: boolean }).allowed
    }
    const asked = { namespace: 'shop', verb: 'get', resource: 'secrets' }
    expect((await call(api, `${secrets}/mine`, { token: ci })).status).toBe(200)
    expect((await call(api, `${secrets}/other`, { token: ci })).status).toBe(403)
    expect((await call(api, `${secrets}/mine`, { method: 'DELETE', token: ci })).status).toBe(403)
    expect(await allowed({ ...asked, name: 'mine' })).toBe(true)
    expect(await allowed({ ...asked, name: 'other' })).toBe(false)
    expect(await allowed(asked)).toBe(false)
    withdraw()
    expect(await allowed({ ...asked, name: 'mine' })).toBe(false)
  })

  test('says who one is, unless it is an old server', async () => {
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
    const now = await call(api, path, { method: 'POST', token: ci, body: {} })
    expect(now.body).toMatchObject({ status: { userInfo: { username: 'system:serviceaccount:shop:ci' } } })
    const old = await startApi({ whoAmI: false, endpointSlices: 'v1beta1' })
    expect((await call(old, path, { method: 'POST', body: {} })).status).toBe(404)
    expect((await call(old, '/apis/discovery.k8s.io/v1')).status).toBe(404)
    expect((await call(old, '/apis/discovery.k8s.io/v1beta1')).status).toBe(200)
    await old.close()
  })

  test('creates once, and only in a namespace that is there', async () => {
    const body = { metadata: { name: 'once' }, stringData: { PGUSER: 'shop' } }
    const created = await call(api, secrets, { method: 'POST', body })
    expect(created.status).toBe(201)
    expect(created.body).toMatchObject({
      kind: 'Secret',
      type: 'Opaque',
      data: { PGUSER: 'c2hvcA==' },
      metadata: { namespace: 'shop', uid: expect.any(String), creationTimestamp: expect.any(String) },
    })
    expect(created.body).not.toHaveProperty('stringData')
    const again = await call(api, secrets, { method: 'POST', body })
    expect(again.status).toBe(409)
    expect(again.body).toMatchObject({ reason: 'AlreadyExists', message: 'secrets "once" already exists' })
    const elsewhere = await call(api, '/api/v1/namespaces/nowhere/secrets', { method: 'POST', body })
    expect(elsewhere.status).toBe(404)
    expect(elsewhere.body['message']).toBe('namespaces "nowhere" not found')
  })

  test.each([
    ['data that is no base64', { metadata: { name: 's' }, data: { a: '%%%' } }, 400],
    ['no name', { data: {} }, 422],
    ['a name in upper case', { metadata: { name: 'S' } }, 422],
    ['a key with a space', { metadata: { name: 's' }, stringData: { 'a b': '' } }, 422],
    ['another kind', { kind: 'Pod', metadata: { name: 's' } }, 400],
    ['another namespace', { metadata: { name: 's', namespace: 'else' } }, 400],
    ['no JSON', '{', 400],
  ])('refuses a Secret with %s', async (_, body, status) => {
    expect((await call(api, secrets, { method: 'POST', body })).status).toBe(status)
  })

  test('guards a patch by resourceVersion and uid, and leaves the version when nothing changes', async () => {
    const { metadata } = api.put({
      kind: 'Secret',
      metadata: { name: 'guarded', namespace: 'shop' },
      data: { a: 'YQ==', b: 'Yg==' },
    })
    const path = `${secrets}/guarded`
    const { uid, resourceVersion } = metadata
    const stale = await patch(api, path, { metadata: { resourceVersion: '1' }, data: { a: 'Yw==' } })
    expect(stale.status).toBe(409)
    expect(stale.body).toMatchObject({
      reason: 'Conflict',
      message:
        'Operation cannot be fulfilled on secrets "guarded": the object has been modified; please apply your changes to the latest version and try again',
    })
    expect((await patch(api, path, { metadata: { uid: 'other' }, data: { a: 'Yw==' } })).status).toBe(422)
    expect((await patch(api, `${secrets}/absent`, { data: {} })).status).toBe(404)
    const same = await patch(api, path, { metadata: { uid, resourceVersion }, data: { a: 'YQ==' } })
    expect(same.body).toMatchObject({ metadata: { resourceVersion } })
    const changed = await patch(api, path, {
      metadata: { uid, resourceVersion },
      data: { a: 'Yw==', b: null },
    })
    expect(changed.status).toBe(200)
    expect(changed.body['data']).toEqual({ a: 'Yw==' })
    const { resourceVersion: next } = changed.body['metadata'] as { resourceVersion: string }
    expect(Number(next)).toBeGreaterThan(Number(resourceVersion))
    const put = { method: 'PUT', body: { metadata: { name: 'guarded', resourceVersion } } }
    expect((await call(api, path, put)).status).toBe(409)
  })

  test('keeps an immutable Secret as it is, but for its labels', async () => {
    api.put({
      kind: 'Secret',
      metadata: { name: 'fixed', namespace: 'shop' },
      data: { a: 'YQ==' },
      immutable: true,
    })
    const path = `${secrets}/fixed`
    const refused = await patch(api, path, { data: { a: 'Yg==' } })
    expect(refused.status).toBe(422)
    expect(refused.body['message']).toBe(
      'Secret "fixed" is invalid: data: Forbidden: field is immutable when `immutable` is set',
    )
    expect((await patch(api, path, { immutable: false })).status).toBe(422)
    expect((await patch(api, path, { metadata: { labels: { a: 'b' } } })).status).toBe(200)
  })

  test.each([
    ['labelSelector', 'app=shop', ['p1']],
    ['labelSelector', 'app!=shop', ['p2', 'p3']],
    ['labelSelector', 'app in (shop, till),tier', ['p1', 'p2']],
    ['labelSelector', 'app notin (shop,till)', ['p3']],
    ['labelSelector', '!tier', ['p3']],
    ['fieldSelector', 'metadata.name=p2', ['p2']],
    ['fieldSelector', 'status.phase!=Running', ['p2', 'p3']],
  ])('lists by %s %s', async (kind, selector, expected) => {
    const pod = (name: string, labels: Record<string, string>, phase: string): void => {
      api.put({ kind: 'Pod', metadata: { name, namespace: 'shop', labels }, status: { phase } })
    }
    pod('p1', { app: 'shop', tier: 'web' }, 'Running')
    pod('p2', { app: 'till', tier: 'web' }, 'Pending')
    pod('p3', {}, 'Pending')
    const { body } = await call(api, `/api/v1/namespaces/shop/pods?${kind}=${encodeURIComponent(selector)}`)
    const items = body['items'] as { metadata: { name: string } }[]
    expect(items.map((item) => item.metadata.name)).toEqual(expected)
  })

  test('deletes a namespace with everything in it', async () => {
    api.put({ kind: 'Namespace', metadata: { name: 'brief' } })
    api.put({ kind: 'Secret', metadata: { name: 's', namespace: 'brief' } })
    expect((await call(api, '/api/v1/namespaces/brief', { method: 'DELETE' })).status).toBe(200)
    expect(api.get('Secret', 'brief', 's')).toBeUndefined()
  })

  test('answers, hangs and breaks as an interceptor says, and keeps an audit log', async () => {
    const release = [
      api.intercept(({ path }) =>
        path.endsWith('/a') ? { status: 503, body: { reason: 'Busy' } } : undefined,
      ),
      api.intercept(({ path }) => (path.endsWith('/b') ? 'reset' : undefined)),
    ]
    expect(await call(api, `${secrets}/a`)).toEqual({ status: 503, body: { reason: 'Busy' } })
    await expect(call(api, `${secrets}/b`)).rejects.toThrow()
    for (const each of release) each()
    expect((await call(api, `${secrets}/a`)).status).toBe(404)
    expect(api.requests.slice(-3).map(({ status }) => status)).toEqual([503, 0, 404])
    const { length } = api.requests.filter(({ write }) => write)
    await call(api, secrets, { method: 'POST', body: { metadata: { name: 'audited' } } })
    await call(api, '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { method: 'POST', body: {} })
    expect(api.requests.filter(({ write }) => write)).toHaveLength(length + 1)
  })
})

describe('the sandbox', () => {
  let sandbox: Sandbox
  let token: string

  beforeAll(async () => {
    sandbox = await startSandbox()
    token = sandbox.api.token('shop', 'ci')
  }, 60_000)
  afterAll(() => sandbox.stop())

  function connect(tunnel: MinimalTunnel, extra: object = {}): Client {
    return new Client({
      ...sandbox.admin,
      database: 'postgres',
      host: 'postgresql1.postgres-system.svc.cluster.local',
      port: 5432,
      ssl: { ca: sandbox.postgres.ca },
      stream: () => tunnel,
      ...extra,
    })
  }

  test('gives an administrator who is no superuser', async () => {
    const client = new Client({
      ...sandbox.admin,
      host: '127.0.0.1',
      port: sandbox.postgres.port,
      database: 'postgres',
      ssl: { ca: sandbox.postgres.ca },
    })
    await client.connect()
    const { rows } = await client.query(
      'SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user',
    )
    await client.end()
    expect(rows).toEqual([{ rolsuper: false, rolcreatedb: true, rolcreaterole: true }])
    expect(await sandbox.postgres.log()).not.toContain(sandbox.admin.password)
  })

  test('carries a session over TLS through a port-forward, in both directions and in bulk', async () => {
    const client = connect(new MinimalTunnel(sandbox.api, portForward, token))
    await client.connect()
    expect(sandbox.api.tunnels()).toMatchObject([{ pod: 'postgresql1-0', port: 5432 }])
    const bulk = 'x'.repeat(8_000_000)
    const { rows } = await client.query<{ back: string }>('SELECT $1::text AS back', [bulk])
    expect(rows[0]?.back.length).toBe(bulk.length)
    await client.end()
  })

  test('tells on the error channel when nothing listens', async () => {
    const { api, postgres } = sandbox
    api.route('postgres-system', 'postgresql1-0', 5432, { host: '127.0.0.1', port: await freePort() })
    const tunnel = new MinimalTunnel(api, portForward, token)
    const code = await new Promise((resolve) => tunnel.socket.once('close', resolve))
    api.route('postgres-system', 'postgresql1-0', 5432, postgres)
    expect(code).toBe(1000)
    expect(tunnel.errorText).toContain('dial tcp4 127.0.0.1:5432: connect: connection refused')
  })

  test.each([
    ['without rights', '/api/v1/namespaces/shop/pods/p/portforward?ports=5432', 403],
    ['to a Pod that is not there', portForward.replace('-0', '-1'), 404],
    ['to a port that is none', portForward.replace('5432', '99999'), 400],
  ])('refuses a port-forward %s before the upgrade', async (_, path, expected) => {
    const tunnel = new MinimalTunnel(sandbox.api, path, token)
    tunnel.on('error', () => undefined)
    const [status, text] = await new Promise<[number | undefined, string]>((resolve) => {
      tunnel.socket.once('unexpected-response', (_request, response) => {
        response.on('data', (chunk: Buffer) => {
          resolve([response.statusCode, chunk.toString()])
        })
      })
    })
    expect(status).toBe(expected)
    expect(JSON.parse(text)).toMatchObject({ kind: 'Status', code: expected })
  })

  test('can cut a tunnel, freeze it, and end it from the side of the Pod', async () => {
    const opened = async (): Promise<MinimalTunnel> => {
      const tunnel = new MinimalTunnel(sandbox.api, portForward, token)
      await new Promise((resolve) => tunnel.socket.once('open', resolve))
      return tunnel
    }
    const closed = (tunnel: MinimalTunnel): Promise<unknown> =>
      new Promise((resolve) => tunnel.socket.once('close', resolve))

    const cut = await opened()
    const abrupt = closed(cut)
    sandbox.api.tunnels()[0]?.destroy()
    expect(await abrupt).toBe(1006)

    const ended = await opened()
    const orderly = closed(ended)
    sandbox.api.tunnels()[0]?.end()
    expect(await orderly).toBe(1000)

    const frozen = await opened()
    sandbox.api.tunnels()[0]?.freeze()
    let pongs = 0
    frozen.socket.on('pong', () => (pongs += 1))
    frozen.socket.ping()
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(pongs).toBe(0)
    frozen.socket.terminate()
  })

  test('bounds what piles up when the reader does not read', async () => {
    const { api } = sandbox
    let sent = 0
    const flood = createServer((socket) => {
      const chunk = Buffer.alloc(256 * 1024)
      const more = (): void => {
        do sent += chunk.length
        while (socket.write(chunk))
      }
      socket.on('drain', more)
      socket.on('error', () => undefined)
      more()
    })
    const port = await listenOnLoopback(flood)
    api.route('postgres-system', 'postgresql1-0', 5432, { host: '127.0.0.1', port })
    const tunnel = new MinimalTunnel(api, portForward, token)
    await new Promise((resolve) => tunnel.socket.once('open', resolve))
    tunnel.socket.pause()
    // Until it goes up no more: how long that takes is up to the machine.
    for (let before = -1; before !== sent && sent < 500_000_000;) {
      before = sent
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    expect(sent).toBeLessThan(500_000_000)
    tunnel.socket.terminate()
    api.route('postgres-system', 'postgresql1-0', 5432, sandbox.postgres)
    flood.close()
  })

  const kubectl = spawnSync('kubectl', ['version', '--client']).status === 0
  const withKubectl = kubectl ? test : test.skip
  withKubectl(
    `serves a stock kubectl${kubectl ? '' : ' (there is no kubectl on PATH)'}`,
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'sandbox-test-'))
      const pipeline = join(folder, 'ci')
      const administrator = join(folder, 'admin')
      await writeFile(pipeline, sandbox.kubeconfig)
      await writeFile(administrator, sandbox.api.adminKubeconfig())
      const run = async (kubeconfig: string, ...args: string[]): Promise<string> => {
        const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: folder }
        const child = promisify(execFile)('kubectl', args, { env })
        return child.then(
          ({ stdout }) => stdout.trim(),
          (error: unknown) => (error as { stderr: string }).stderr.trim(),
        )
      }
      const access = ['-n', 'postgres-system']
      const jsonpath = ['-o', 'jsonpath={.data.USER_ACCESS}']
      expect(await run(pipeline, ...access, 'get', 'secret', 'postgresql1-access', ...jsonpath)).toBe(
        Buffer.from('postgresql1-user-access').toString('base64'),
      )
      expect(await run(pipeline, ...access, 'auth', 'can-i', 'get', 'secrets/postgresql1-access')).toBe('yes')
      expect(await run(pipeline, 'get', 'secrets')).toContain(
        'Error from server (Forbidden): secrets is forbidden',
      )
      const role = join(folder, 'role.json')
      const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }]
      const kind = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role' }
      await writeFile(role, JSON.stringify({ ...kind, metadata: { name: 'r', namespace: 'shop' }, rules }))
      const apply = ['apply', '--validate=false', '-f', role]
      expect(await run(administrator, ...apply)).toBe('role.rbac.authorization.k8s.io/r created')
      expect(await run(administrator, ...apply)).toBe('role.rbac.authorization.k8s.io/r unchanged')
      expect(await run(administrator, 'get', 'secrets', '-A')).toContain('postgresql1-access')
      await rm(folder, { recursive: true })
    },
    60_000,
  )
})

describe('the PostgreSQL', () => {
  let postgres: PostgresServer

  beforeAll(async () => {
    postgres = await startPostgres({ settings: { work_mem: '5MB' } })
  }, 60_000)
  afterAll(() => postgres.stop())

  async function ask(server: PostgresServer, sql: string, ssl = true): Promise<unknown> {
    const { host, port, superuser, ca } = server
    const client = new Client({ ...superuser, host, port, database: 'postgres', ssl: ssl && { ca } })
    await client.connect()
    try {
      const { rows } = await client.query<{ value: unknown }>(`SELECT (${sql})::text AS value`)
      return rows[0]?.value
    } finally {
      await client.end()
    }
  }

  test('keeps settings and data over a restart, and logs what was said', async () => {
    const mark = await postgres.logSize()
    expect(await ask(postgres, `current_setting('work_mem')`)).toBe('5MB')
    const login = await createAdmin(postgres, { name: 'kept', createrole: false })
    await postgres.restart({ archive_mode: 'on', archive_command: '/bin/true' })
    expect(await ask(postgres, `current_setting('work_mem') || current_setting('archive_mode')`)).toBe(
      '5MBon',
    )
    expect(await ask(postgres, `SELECT count(*) FROM pg_roles WHERE rolname = '${login.user}'`)).toBe('1')
    expect(await postgres.logSince(mark)).toContain(`current_setting('work_mem')`)
    expect(await postgres.log()).not.toContain(login.password)
  })

  test('obeys another pg_hba at once, and comes back after a crash', async () => {
    await postgres.setHba(['hostssl all all 127.0.0.1/32 reject', 'hostnossl all all 127.0.0.1/32 trust'])
    await expect(ask(postgres, '1')).rejects.toThrow('pg_hba.conf rejects connection')
    expect(await ask(postgres, '1', false)).toBe('1')
    await postgres.halt('immediate')
    await expect(ask(postgres, '1', false)).rejects.toThrow('ECONNREFUSED')
    await postgres.start()
    expect(await ask(postgres, '1', false)).toBe('1')
  })

  test('has a standby that follows', async () => {
    const standby = await postgres.standby()
    try {
      expect(await ask(standby, 'pg_is_in_recovery()', false)).toBe('true')
      expect(await ask(postgres, `SELECT active FROM pg_replication_slots`, false)).toBe('true')
    } finally {
      await standby.stop()
    }
  }, 60_000)

  test('leaves no process and no file', async () => {
    const server = await startPostgres()
    const home = join(server.dataDirectory, '..')
    const pid = Number(((await ask(server, `pg_read_file('postmaster.pid')`)) as string).split('\n')[0])
    expect(existsSync(home)).toBe(true)
    await server.stop()
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
    expect(existsSync(home)).toBe(false)
  }, 60_000)

  test('says why it cannot start where it may not write', async () => {
    const env = { ...process.env, TMPDIR: '/nonexistent' }
    const start = promisify(execFile)(process.execPath, ['sandbox/start.ts'], { env })
    await expect(start).rejects.toMatchObject({
      code: 1,
      stdout:
        '✗ A folder to write to is needed; the temporary folder /nonexistent refuses: it does not exist.\n' +
        '  Set TMPDIR to another one and run it again. Nothing was started.\n',
    })
  })

  test('tells what its log said when it refuses to start, and leaves nothing', async () => {
    // In a process and a folder of its own, because other tests start servers at the same time.
    const folder = await mkdtemp(join(tmpdir(), 'refused-'))
    // As root, the server runs as somebody else, who has to get through.
    await chmod(folder, 0o711)
    const script = `const { startPostgres } = await import('./sandbox/postgres.ts')
      await startPostgres({ settings: { wal_level: 'nonsense' } })`
    const started = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...process.env, TMPDIR: folder },
    })
    await expect(started).rejects.toMatchObject({ stderr: expect.stringContaining('wal_level') })
    expect(await readdir(folder)).toEqual([])
    await rm(folder, { recursive: true })
  }, 60_000)
})
