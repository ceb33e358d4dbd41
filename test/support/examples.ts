import { once } from 'node:events'
import type { IncomingMessage, RequestListener } from 'node:http'
import { jest } from '@jest/globals'
import pg from 'pg'
import { WebSocketServer } from 'ws'
import { notStarted } from '../../src/exec/child.ts'
import { failureOfCommand, refuseCommand } from '../../src/exec/refusals.ts'
import { outputsUnwritable, unwritable } from '../../src/faces/edge.ts'
import { githubIssuer } from '../../src/faces/github.ts'
import { parseGoLiveFile, readGoLiveFile } from '../../src/go-live/file.ts'
import { heldBack } from '../../src/go-live/gate.ts'
import { parseRequest } from '../../src/input/parse.ts'
import type { ClusterRequest, ProvisionRequest, WorkloadRequest } from '../../src/input/request.ts'
import { loadCluster } from '../../src/kubeconfig/kubeconfig.ts'
import { rejection } from '../../src/kubeconfig/workload.ts'
import { connectionFailure, silence } from '../../src/kubernetes/api-failure.ts'
import type { Endpoint } from '../../src/kubernetes/endpoint.ts'
import { openTunnel } from '../../src/kubernetes/tunnel.ts'
import { startDeadline } from '../../src/lib/deadline.ts'
import { asFailure, Failure, type FailureCode } from '../../src/lib/failure.ts'
import { Authentication } from '../../src/postgres/authentication.ts'
import { tlsFailure } from '../../src/postgres/connection.ts'
import { poolerFailure, postgresFailure } from '../../src/postgres/failure.ts'
import { lockHeld } from '../../src/postgres/lock.ts'
import { adminRefusalFailure, refusalFailure, unproven } from '../../src/postgres/refusal.ts'
import type { RoleState, ServerState } from '../../src/postgres/state.ts'
import { tooOld } from '../../src/provision/check-server.ts'
import type { Observed } from '../../src/provision/observed.ts'
import { plan } from '../../src/provision/plan.ts'
import type { Wanted } from '../../src/provision/wanted.ts'
import { permissionFailure } from '../../src/rights/permissions.ts'
import { dialFailure } from '../../src/route/direct.ts'
import { choosePod, choosePort, readService, type Service } from '../../src/route/service.ts'
import { Journal } from '../../src/run/journal.ts'
import { connect } from '../../src/run/target.ts'
import { parseAccessSecret, readAccessSecret } from '../../src/secrets/access-secret.ts'
import { parseApplicationSecret, type ApplicationSecret } from '../../src/secrets/application-secret.ts'
import { planSecret, type WantedSecret } from '../../src/secrets/plan-secret.ts'
import { createApplicationSecret } from '../../src/secrets/write-secret.ts'
import { json, serve, type TestServer } from '../unit/kubernetes/server.ts'
import { lackingRights } from './outcomes.ts'
import * as anything from './provision.ts'
import { Recorder } from './recorder.ts'
import { errorOf } from './said.ts'
import { reportOf, rulesOf } from './sights.ts'

/** What makes a failure: what it gives or throws. */
type Example = () => unknown

const signal = new AbortController().signal

/** Returns the failure that an example gives or throws, at once or later. */
export async function failureOf(example: Example): Promise<Failure> {
  let given: unknown
  try {
    given = await example()
  } catch (thrown) {
    given = thrown
  }
  if (given instanceof Failure) return given
  throw new Error('an example gives a failure', { cause: given })
}

/** Gives the work a small server in the place of the API server. */
async function answering<Result>(
  handler: RequestListener,
  work: (server: TestServer) => Promise<Result>,
): Promise<Result> {
  const server = await serve(handler)
  try {
    return await work(server)
  } finally {
    await server.close()
  }
}

const notFound: RequestListener = (_, response) => {
  json(response, 404, {})
}

const endpoint: Endpoint = {
  server: new URL('https://api.prod.example.com:6443'),
  user: 'ci',
  renewable: false,
  authenticate: () => Promise.reject(new Error('nothing is asked')),
}

/** A kubeconfig as a pipeline has one, with a fault in it. */
function kubeconfig({
  server = endpoint.server.href.slice(0, -1),
  namespace = 'shop',
  contexts = ['prod'],
} = {}): string {
  return JSON.stringify({
    clusters: [{ name: 'prod', cluster: { server } }],
    users: [{ name: 'ci', user: { token: 'a-token' } }],
    contexts: contexts.map((name) => ({
      name,
      context: { cluster: 'prod', user: 'ci', ...(namespace !== '' && { namespace }) },
    })),
    ...(contexts.length === 1 && { 'current-context': contexts[0] }),
  })
}

function load(input: string | undefined, request: Partial<ClusterRequest> = {}): unknown {
  const absenceHint = [
    'A frequent cause is a secret that is defined in another environment than that of this job, or a misspelt name.',
  ]
  return loadCluster({ ...request, kubeconfig: { input, absenceHint } }, () => undefined)
}

const request: ProvisionRequest = {
  kubeconfig: { input: kubeconfig({ namespace: '' }), absenceHint: [] },
  accessSecret: 'postgresql1-access',
  accessNamespace: 'postgres-system',
  appDatabase: 'shop',
  appUsername: 'shop',
  appSecret: 'app-postgresql-secret',
  secretFormats: [],
  extensions: [],
  connectRoles: [],
  roleSettings: [],
  existing: 'refuse',
  unproven: 'refuse',
  dryRun: false,
  timeoutMs: 300_000,
  runName: 'pg-app-user acme/shop run 8123 main',
}

const service: Service = {
  namespace: 'postgres-system',
  name: 'postgresql1-user-access',
  selector: { 'cluster-name': 'postgresql1' },
  headless: false,
  ports: [
    { name: 'metrics', port: 9187, target: 9187 },
    { name: 'admin', port: 8008, target: 8008 },
  ],
}

const tunnel = { namespace: 'postgres-system', pod: 'postgresql1-0', port: 5432, service: service.name }

/** Asks something that answers so. */
async function answered(handler: RequestListener): Promise<unknown> {
  return await answering(handler, async (server) => {
    const api = await server.api({ headers: { Authorization: 'Bearer a-token' } })
    return await api.get('/version')
  })
}

/** Opens a tunnel through an API server that answers the upgrade with this. */
async function refusedUpgrade(status: string, body: string): Promise<unknown> {
  return await answering(notFound, async (server) => {
    server.http.on('upgrade', (_: IncomingMessage, socket) => {
      socket.end(
        `HTTP/1.1 ${status}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      )
    })
    return await openTunnel(await server.api(), tunnel, server.stop.signal)
  })
}

/** Opens a tunnel of which kubelet says this. */
async function brokenTunnel(said: string): Promise<unknown> {
  return await answering(notFound, async (server) => {
    new WebSocketServer({ server: server.http }).on('connection', (socket) => {
      for (const channel of [0, 1]) socket.send(Buffer.from([channel, 5432 & 0xff, 5432 >> 8]))
      socket.send(Buffer.from(`\u0001${said}`))
    })
    const opened = await openTunnel(await server.api(), tunnel, server.stop.signal)
    // It may have been lost before anybody could listen.
    const [error] =
      opened.errored === null
        ? ((await once(opened, 'error').catch((thrown: unknown) => [thrown])) as unknown[])
        : [opened.errored]
    return error
  })
}

const admin = {
  user: 'postgresql1_admin',
  password: 'of the admin',
  database: 'postgres',
  host: 'postgresql1.postgres-system.svc.cluster.local',
  sslMode: 'verify-full',
  ca: undefined,
} as const
const shop = { ...admin, user: 'shop', database: 'shop' } as const

/** A login that the server refuses. */
function refused(refusal: pg.DatabaseError, login: typeof admin | typeof shop): Failure {
  return refusalFailure({ exchange: undefined, refusal }, login)
}

const wanted: Wanted = { ...anything.wanted, admin: admin.user, poolerRoles: [] }
const role: RoleState = { ...anything.role, sessions: 3 }
const server: ServerState = {
  ...anything.server,
  admin: { ...anything.server.admin, name: admin.user },
  role,
  database: { ...anything.database, owner: admin.user },
}
const database = server.database ?? undefined

/** Plans where everything is up to date, but for what is given. */
function planned(
  seen: Partial<ServerState>,
  { want, ...given }: Partial<Omit<Observed, 'server'>> & { want?: Partial<Wanted> } = {},
): unknown {
  return plan(anything.found({ ...given, server: { ...server, ...seen } }), { ...wanted, ...want })
}

const encoded = (values: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  )

const published = {
  PGHOST: admin.host,
  PGPORT: '5432',
  PGUSER: 'shop',
  PGPASSWORD: 'of the application',
  PGDATABASE: 'shop',
  PGSSLMODE: 'require',
}
const toPublish: WantedSecret = {
  namespace: 'shop',
  name: 'app-postgresql-secret',
  values: published,
  explicit: new Set(['PGSSLMODE']),
  formats: [],
}

function held(changed: Record<string, string>, more: Partial<ApplicationSecret> = {}): ApplicationSecret {
  const secret = { data: encoded({ ...published, ...changed }) }
  return { ...parseApplicationSecret('shop', 'app-postgresql-secret', secret, () => undefined), ...more }
}

/** Ends a run by its deadline, or by somebody who cancels it. */
function ended(by: 'time' | 'person'): unknown {
  jest.useFakeTimers()
  try {
    const cancelled = new AbortController()
    const deadline = startDeadline(request.timeoutMs, cancelled.signal)
    deadline.enter('the grants')
    if (by === 'person') cancelled.abort()
    else jest.advanceTimersByTime(request.timeoutMs)
    deadline.stop()
    return deadline.signal.reason
  } finally {
    jest.useRealTimers()
  }
}

/** A job of GitHub in the repository 4711, in which nothing is wrong with a token but what is given. */
const job: WorkloadRequest = {
  server: 'https://api.prod.example.com:6443',
  audience: 'pg-app-user',
  issuer: { ...githubIssuer(() => undefined), claims: { repository_id: '4711' } },
}
const asked = new Date('2026-11-22T14:03:11Z')

function rejectedWith(claims: Readonly<Record<string, unknown>>): Failure {
  const iat = asked.getTime() / 1000
  const right = {
    iss: 'https://token.actions.githubusercontent.com',
    aud: 'pg-app-user',
    sub: 'repo:acme/shop:environment:production',
    repository_id: '4711',
    environment: 'production',
    nbf: iat,
    exp: iat + 300,
  }
  return rejection({ ...right, ...claims }, job, asked)
}

/** A job that gets this for a token. */
function tokenGiven(token: string | undefined): Promise<unknown> {
  const issuer = { ...job.issuer, token: () => Promise.resolve(token) }
  const request = { kubeconfig: { absenceHint: [] }, workload: { ...job, issuer } }
  return loadCluster(request, () => undefined).connect(signal)
}

/** One way to meet each failure. Where a code has several, it is the most frequent one. */
export const examples: Readonly<Record<FailureCode, Example>> = {
  'input-invalid': () =>
    parseRequest(
      {
        'access-secret': 'postgresql1-access',
        'app-database': 'shop',
        'app-secret': 'app-postgresql-secret',
        'app-sslmode': 'required',
        timeout: '5',
      },
      { kubeconfig: { absenceHint: [] }, runName: '' },
    ),
  'kubeconfig-missing': () => load(undefined),
  'kubeconfig-invalid': () => load('apiVersion: v1\nkind: Secret\n'),
  'context-unknown': () => load(kubeconfig({ contexts: ['prod', 'test'] })),
  'namespace-missing': () =>
    connect(request, new Journal(new Recorder()), startDeadlineFor(request.timeoutMs), () => undefined),
  'server-unexpected': () => load(kubeconfig(), { expectServer: 'https://api.test.example.com:6443' }),
  'cluster-credential-failed': () => {
    const config = JSON.parse(kubeconfig()) as { users: { user: object }[] }
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: 'example-login',
      interactiveMode: 'Never',
    }
    config.users = [{ name: 'ci', user: { exec } } as { user: object }]
    const access = loadCluster(
      { kubeconfig: { input: JSON.stringify(config), absenceHint: [] } },
      () => undefined,
    )
    return access.connect(signal)
  },
  'api-server-unreachable': () => silence(endpoint, false),
  'api-server-untrusted': () =>
    connectionFailure(
      endpoint,
      Object.assign(new Error('self-signed'), { code: 'SELF_SIGNED_CERT_IN_CHAIN' }),
    ),
  'api-server-error': () =>
    answered((_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>')
    }),
  'token-rejected': () =>
    answered((_, response) => {
      json(response, 401, { message: 'Unauthorized' }, { 'Audit-Id': 'b7e0' })
    }),
  'identity-token-missing': () => tokenGiven(undefined),
  'identity-token-invalid': () => tokenGiven('Bearer eyJhbGciOiJub25lIn0.e30.'),
  'identity-token-expired': () => rejectedWith({ exp: asked.getTime() / 1000 - 60 }),
  'identity-token-early': () => rejectedWith({ nbf: asked.getTime() / 1000 + 60 }),
  'identity-token-audience': () => rejectedWith({ aud: 'https://github.com/acme' }),
  'identity-token-issuer': () => rejectedWith({ iss: 'https://github.example.com/_services/token' }),
  'identity-token-foreign': () => rejectedWith({ repository_id: '4712' }),
  'identity-not-trusted': () => rejectedWith({}),
  'permission-missing': () => {
    const { permissions } = lackingRights('system:serviceaccount:shop:ci')
    return permissions && permissionFailure(permissions)
  },
  'access-secret-not-found': () =>
    answering(notFound, async (server) =>
      readAccessSecret(await server.api(), 'postgres-system', 'postgresql1-access', () => undefined),
    ),
  'access-secret-invalid': () =>
    parseAccessSecret(
      'postgres-system/postgresql1-access',
      {
        data: encoded({
          PGHOST: `${admin.host}:5432`,
          PGUSER: admin.user,
          PGPASSWORD: admin.password,
          PGSSLMODE: 'on',
        }),
      },
      () => undefined,
    ),
  'service-not-found': () =>
    answering(notFound, async (server) => readService(await server.api(), service.namespace, service.name)),
  'service-port-unknown': () => choosePort(service, 5432),
  'pod-not-ready': () => choosePod(service, []),
  'port-forward-denied': () =>
    refusedUpgrade(
      '403 Forbidden',
      JSON.stringify({
        kind: 'Status',
        message: 'admission webhook "policy.example.com" denied the request',
      }),
    ),
  'node-unreachable': () =>
    refusedUpgrade(
      '500 Internal Server Error',
      JSON.stringify({
        kind: 'Status',
        message: 'error dialing backend: dial tcp 10.0.3.7:10250: connect: connection timed out',
      }),
    ),
  'upgrade-refused': () => refusedUpgrade('200 OK', '<html>'),
  'host-unknown': () => dialFailure('ENOTFOUND', { host: admin.host, port: 5432 }),
  'database-unreachable': () => dialFailure('ETIMEDOUT', { host: admin.host, port: 5432 }),
  'port-closed': () => brokenTunnel('error forwarding port 5432: connect: connection refused'),
  'tunnel-lost': () => brokenTunnel('lost connection to pod'),
  'tls-failed': () => tlsFailure(admin, new Error('self-signed certificate in certificate chain')),
  'cleartext-password-demanded': () => new Authentication(shop, undefined).refuseCleartext(),
  'channel-binding-failed': () =>
    new Authentication(shop, undefined).begin(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']),
  'login-unsupported': () => new Authentication(shop, undefined).begin(['OAUTHBEARER']),
  'admin-login-refused': () =>
    adminRefusalFailure(
      { exchange: undefined, refusal: errorOf('28P01', 'password authentication failed') },
      admin,
      {
        ref: 'postgres-system/postgresql1-access',
        named: true,
        doubts: [],
        home: 'postgres',
      },
    ),
  'access-database-missing': () =>
    adminRefusalFailure(
      { exchange: undefined, refusal: errorOf('3D000', 'database "postgres" does not exist') },
      { ...admin, database: 'postgres' },
      {
        ref: 'postgres-system/postgresql1-access',
        named: true,
        doubts: [],
        home: 'postgres',
        itsDatabase: 'defaultdb',
      },
    ),
  'admin-rights-missing': () =>
    planned({
      database: undefined,
      newDatabase: database,
      admin: { ...server.admin, createDatabase: false },
    }),
  'target-is-standby': () =>
    postgresFailure(errorOf('25006', 'cannot execute CREATE ROLE in a read-only transaction')),
  'pooler-in-between': () =>
    poolerFailure(`A connection pooler answers behind svc/${service.name}, not PostgreSQL itself.`),
  'server-version-unsupported': () => tooOld({ version: '12.22' }),
  'server-not-ready': () => refused(errorOf('57P03', 'the database system is starting up'), admin),
  'connection-limit': () => refused(errorOf('53300', 'sorry, too many clients already'), shop),
  'postgres-error': () => postgresFailure(errorOf('53100', 'could not extend file: No space left on device')),
  'role-not-ours': () =>
    planned({ role: { ...role, marker: undefined } }, { evidence: 'wrong', secretHasPassword: false }),
  'role-claimed': () =>
    planned({
      role: {
        ...role,
        marker: { secret: 'crm/app-postgresql-secret', database: 'shop', createdDatabase: true },
      },
    }),
  'role-privileged': () => planned({ role: { ...role, dangers: ['CREATEROLE'] } }, { evidence: 'wrong' }),
  'role-cannot-login': () => planned({ role: { ...role, canLogin: false } }),
  'admin-option-missing': () => planned({ role: { ...role, alterable: false } }, { evidence: 'wrong' }),
  'database-not-ours': () =>
    planned({ role: undefined, database: database && { ...database, publicConnects: true } }),
  'database-claimed': () =>
    planned({
      claims: [{ role: 'crm', secret: 'crm/app-postgresql-secret' }],
    }),
  'database-foreign-owner': () =>
    planned({
      database: database && {
        ...database,
        owner: 'dba',
        adminOwns: false,
        granted: false,
        grantedOrPublic: false,
      },
    }),
  'database-closed': () => planned({ database: database && { ...database, acceptsConnections: false } }),
  'database-read-only': () =>
    planned({
      database: database && { ...database, granted: false, grantedOrPublic: false },
      readOnly: { admin: 'role', inside: null, application: null },
    }),
  'password-unreadable': () => postgresFailure(errorOf('28000', 'password type is not a plain text')),
  'connect-denied': () => refused(errorOf('42501', 'permission denied for database "shop"'), shop),
  'connect-role-unknown': () => planned({ unknownRoles: ['reporting'] }),
  'grant-ineffective': () =>
    planned(
      {},
      {
        inside: {
          schemaExists: true,
          schemaOwner: 'dba',
          schemaGranted: false,
          schemaGrantors: { admin: false, application: false, owner: false },
          extensions: [],
          otherOwners: [],
        },
      },
    ),
  'extension-not-trusted': () =>
    planned({ untrustedExtensions: ['postgis'] }, { want: { extensions: ['postgis'] } }),
  'extension-unavailable': () =>
    planned({ unavailableExtensions: ['postgres_gis'] }, { want: { extensions: ['postgres_gis'] } }),
  'login-refused': () =>
    refused(
      errorOf('28000', 'no pg_hba.conf entry for host "127.0.0.1", user "shop", database "shop"'),
      shop,
    ),
  'login-unproven': () => unproven(shop),
  'secret-names-other': () => planSecret(held({ PGUSER: 'billing', PGDATABASE: 'billing' }), toPublish),
  'secret-managed-elsewhere': () =>
    planSecret(held({ PGSSLMODE: 'prefer' }, { owner: 'Helm release "shop"' }), toPublish),
  'secret-immutable': () => planSecret(held({ PGSSLMODE: 'prefer' }, { immutable: true }), toPublish),
  'secret-invalid': () => held({ PGUSER: 'shop\n' }),
  'secret-write-refused': () =>
    answering(
      (_, response) => {
        json(response, 403, {
          message: 'exceeded quota: objects, requested: secrets=1, used: secrets=20, limited: secrets=20',
        })
      },
      async (server) =>
        createApplicationSecret(await server.api(), 'shop', 'app-postgresql-secret', published),
    ),
  'role-not-found': () => refuseCommand({ ...server, role: undefined }, wanted),
  'database-not-found': () => refuseCommand({ ...server, database: undefined }, wanted),
  'command-not-started': () => notStarted('prisma', Object.assign(new Error(), { code: 'ENOENT' })),
  'command-failed': () => failureOfCommand({ exitCode: 1, timedOut: false }, {}),
  'command-timeout': () => failureOfCommand({ exitCode: 143, timedOut: true }, { timeoutMs: 1_800_000 }),
  'lock-held': () =>
    lockHeld({
      name: 'shop',
      holder: {
        name: 'pg-app-user acme/shop run 8123 main',
        role: admin.user,
        admins: true,
        seconds: 240,
        pid: 4711,
      },
    }),
  'go-live-file-missing': () => readGoLiveFile('deploy/go-live.yaml', true),
  'go-live-file-invalid': () =>
    parseGoLiveFile(
      'attestations:\n  - requirement: last-backup\n    statement: ""\n',
      '.pg-app-user/go-live.yaml',
    ),
  'go-live-held-back': () => heldBack(reportOf({}, rulesOf('premium'))),
  'outputs-unwritable': () => outputsUnwritable(new Error('ENOSPC')),
  'report-unwritable': () =>
    unwritable('report-unwritable', 'The report cannot be written into reports', new Error('EACCES')),
  timeout: () => ended('time'),
  cancelled: () => ended('person'),
  'internal-error': () => asFailure(new TypeError('undefined is not a function')),
}

function startDeadlineFor(timeoutMs: number): ReturnType<typeof startDeadline> {
  const deadline = startDeadline(timeoutMs, signal)
  deadline.stop()
  return deadline
}
