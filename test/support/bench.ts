import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect } from '@jest/globals'
import pg from 'pg'
import type { KubeObject, Target } from '../../sandbox/api.ts'
import type { Login } from '../../sandbox/postgres.ts'
import { startSandbox, type Sandbox, type SandboxOptions } from '../../sandbox/sandbox.ts'
import type { ProvisionRequest } from '../../src/input/request.ts'
import type { FailureCode } from '../../src/lib/failure.ts'
import type { Question, Step } from '../../src/lib/reporter.ts'
import { standing, type Outcome } from '../../src/run/outcome.ts'
import { run } from '../../src/run/run.ts'
import { Canaries } from './canary.ts'
import { expectReport } from './go-live-report.ts'
import { Recorder } from './recorder.ts'

export const identifier = pg.escapeIdentifier
export const literal = pg.escapeLiteral

/** What a run came to and what it said. */
export interface Run {
  readonly outcome: Outcome
  /** What was changed, in words such as `role created`. */
  readonly done: readonly string[]
  readonly code: FailureCode | undefined
  /** As a pipeline shows it. */
  readonly log: string
}

/** What may accompany a run. */
export interface RunOptions {
  readonly signal?: AbortSignal
  readonly onStep?: (step: Step) => void
  /** The answer of a person to the question whether to go on; without, nobody is asked. */
  readonly answer?: (question: Question) => boolean | Promise<boolean>
}

/** What an access Secret of a test has instead of the sandbox's. */
export interface Access {
  readonly admin?: Login
  readonly sslMode?: string
  /** PEM. */
  readonly ca?: string
  readonly host?: string
  readonly port?: number
  readonly replica?: string
  /** Whether it names a Service. Default: true. */
  readonly named?: boolean
  /** Where its Service leads, when that is not the sandbox's server. */
  readonly target?: Target
}

/** One sandbox for the tests of a file, each of which has applications of its own in it. */
export class Bench {
  readonly otherNamespace = 'shop-two'
  readonly #options: SandboxOptions
  readonly #canaries = new Canaries()
  #ofRuns = new Canaries()
  readonly #said: string[] = []
  readonly #shown: string[] = []
  #running = 0
  #logMark = 0
  #count = 0
  #sandbox: Sandbox | undefined
  #superuser: pg.Pool | undefined

  constructor(options: SandboxOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    const binaries = process.env['PG_APP_USER_TEST_POSTGRES']
    const messages = process.env['PG_APP_USER_TEST_MESSAGES']
    const settings = { ...(messages && { lc_messages: messages }), ...this.#options.postgres?.settings }
    const postgres = { ...(binaries && { binaries }), ...this.#options.postgres, settings }
    this.#sandbox = await startSandbox({ ...this.#options, postgres })
    this.#superuser = new pg.Pool(this.#asSuperuser('postgres'))
    this.#superuser.on('error', () => undefined)
    this.#canaries.plant(this.sandbox.admin.password)
    this.#canaries.plant(this.postgres.superuser.password)
    this.#furnish()
  }

  async close(): Promise<void> {
    await this.#superuser?.end()
    await this.#sandbox?.stop()
  }

  get sandbox(): Sandbox {
    if (this.#sandbox === undefined) throw new Error('the bench is open during tests only')
    return this.#sandbox
  }

  get postgres(): Sandbox['postgres'] {
    return this.sandbox.postgres
  }

  get admin(): Login {
    return this.sandbox.admin
  }

  /** Gives a name that no other test of this file has: role, database, Service and Secret may be called so. */
  name(stem = 'app'): string {
    this.#count += 1
    return `${stem}${this.#count}`
  }

  /** Gives an application with names of its own. */
  application(overrides: Partial<ProvisionRequest> = {}): Application {
    const name = this.name()
    return new Application(this, {
      kubeconfig: { input: this.sandbox.kubeconfig, absenceHint: [] },
      accessSecret: this.sandbox.accessSecret,
      accessNamespace: this.sandbox.accessNamespace,
      appDatabase: name,
      appUsername: overrides.appDatabase ?? name,
      appSecret: `${name}-secret`,
      appNamespace: this.sandbox.appNamespace,
      secretFormats: [],
      extensions: [],
      connectRoles: [],
      roleSettings: [],
      existing: 'refuse',
      unproven: 'refuse',
      dryRun: false,
      timeoutMs: 20_000,
      runName: `pg-app-user test ${name}`,
      ...overrides,
    })
  }

  /** Gives an application that a run has provisioned. */
  async established(overrides: Partial<ProvisionRequest> = {}): Promise<Application> {
    const application = this.application(overrides)
    const { outcome } = await application.run()
    if (outcome.failure !== undefined) throw outcome.failure
    return application
  }

  /** Remembers a password that must not show anywhere, and gives it. */
  password(password: string): string {
    this.#canaries.plant(password)
    return password
  }

  /** Puts an access Secret beside the sandbox's own, with a Service if it leads elsewhere, and gives its name. */
  access(access: Access): string {
    const { api, accessNamespace, accessSecret } = this.sandbox
    const name = this.name('access')
    const known = decoded(api.get('Secret', accessNamespace, accessSecret))
    if (access.admin) this.password(access.admin.password)
    if (access.target) this.#route(name, access.target)
    api.put({
      kind: 'Secret',
      metadata: { name, namespace: accessNamespace },
      stringData: {
        ...known,
        ...(access.admin && { PGUSER: access.admin.user, PGPASSWORD: access.admin.password }),
        ...(access.sslMode && { PGSSLMODE: access.sslMode }),
        ...(access.ca && { 'ca.crt': access.ca }),
        ...(access.host && { PGHOST: access.host }),
        ...(access.port && { PGPORT: String(access.port) }),
        ...(access.replica && { PGHOST_REPLICA: access.replica }),
        ...(access.target && { USER_ACCESS: name }),
        ...(access.named === false && { USER_ACCESS: '' }),
      },
    })
    return name
  }

  /** Gives the rows of a superuser's statement, which never shows in the server's log. */
  async sql<Row extends pg.QueryResultRow>(
    text: string,
    values: unknown[] = [],
    database = 'postgres',
  ): Promise<Row[]> {
    if (database === 'postgres' && this.#superuser) {
      return (await this.#superuser.query<Row>(text, values)).rows
    }
    return await this.inDatabase(database, async (client) => (await client.query<Row>(text, values)).rows)
  }

  /** Runs statements as if the role had logged in, out of sight of the server's log. */
  async sqlAs(role: string, statements: readonly string[], database = 'postgres'): Promise<void> {
    await this.inDatabase(database, async (client) => {
      await client.query(`SET SESSION AUTHORIZATION ${identifier(role)}`)
      for (const statement of statements) await client.query(statement)
    })
  }

  /** Gives the work a superuser's session of its own. */
  async inDatabase<Result>(database: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
    const client = new pg.Client(this.#asSuperuser(database))
    client.on('error', () => undefined)
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }

  /** Opens a session as an application or a person would, past the tunnel. */
  async connect(user: string, password: string, database: string): Promise<pg.Client> {
    const { host, port, ca } = this.postgres
    const client = new pg.Client({
      host,
      port,
      user,
      password,
      database,
      ssl: ca === undefined ? false : { ca },
      application_name: 'bench',
    })
    client.on('error', () => undefined)
    await client.connect()
    return client
  }

  /** Says how a login ends: `in`, or the SQLSTATE it is refused with. */
  async login(user: string, password: string, database: string): Promise<string> {
    try {
      const client = await this.connect(user, password, database)
      await client.end()
      return 'in'
    } catch (error) {
      if (error instanceof pg.DatabaseError) return error.code ?? 'no SQLSTATE'
      throw error
    }
  }

  /** Creates a role that may log in, by a superuser, and gives its password. */
  async role(name: string, attributes = 'LOGIN'): Promise<string> {
    const password = this.password(createHash('sha256').update(`password of ${name}`).digest('hex'))
    await this.sql(`CREATE ROLE ${identifier(name)} ${attributes} PASSWORD ${literal(password)}`)
    return password
  }

  /** Puts lines before the usual ones of pg_hba.conf while the work goes on. */
  async withHba<Result>(
    lines: readonly string[],
    usual: readonly string[],
    work: () => Promise<Result>,
  ): Promise<Result> {
    await this.postgres.setHba([...lines, ...usual])
    try {
      return await work()
    } finally {
      await this.postgres.setHba(usual)
    }
  }

  /** Provisions, and sees to it that neither session nor lock nor tunnel is left when it has ended. */
  async run(request: ProvisionRequest, { signal, onStep, answer }: RunOptions = {}): Promise<Run> {
    const recorder = new Recorder(onStep)
    this.#running += 1
    if (answer !== undefined) recorder.confirm = async (question) => await answer(question)
    const outcome = await run(request, recorder, signal ?? new AbortController().signal)
    this.#running -= 1
    recorder.end(outcome)
    for (const credential of recorder.masked) {
      if (credential.length >= 6) this.#ofRuns.plant(credential)
    }
    this.#said.push(recorder.raw)
    this.#shown.push(recorder.log)
    await this.expectNothingOpen(request.runName)
    expectReport(outcome)
    return {
      outcome,
      done: outcome.changes.map(({ object, action }) => `${object} ${action}`),
      code: outcome.failure?.code,
      log: recorder.log,
    }
  }

  /** Waits until the server and the API server have noticed the end of a run, and fails if something stays open. */
  async expectNothingOpen(runName: string): Promise<void> {
    const left = async (): Promise<unknown[]> => [
      ...(await this.sql('select pid, state, query from pg_stat_activity where application_name = $1', [
        runName,
      ])),
      ...this.sandbox.api.tunnels().filter(() => this.#running === 0),
    ]
    let open = await left()
    for (let tries = 0; tries < 500 && open.length > 0; tries++) {
      await sleep(20)
      // Seen once is enough: another run of the same name may go on.
      open = await left()
    }
    expect(open).toEqual([])
  }

  /** Fails if a credential shows in what was said or in the server's log since it was asked last. */
  async expectNoLeak(): Promise<void> {
    const server = await this.postgres.logSince(this.#logMark)
    this.#logMark = await this.postgres.logSize()
    const said = { 'what the core said': this.#said.join('\n'), 'what was shown': this.#shown.join('\n') }
    this.#said.length = 0
    this.#shown.length = 0
    const isVerifier = (secret: string): boolean => secret.startsWith('SCRAM-SHA-256$')
    const leaks = [this.#canaries, this.#ofRuns].flatMap((canaries) => [
      ...canaries.leaks(said),
      ...canaries.leaks({ "the server's log": server }, isVerifier),
    ])
    expect(leaks).toEqual([])
  }

  /**
   * Fails as `expectNoLeak` does, and then forgets the credentials that runs made: nothing is left that has them. A test of
   * thousands of runs would look for each of them in all that they said.
   */
  async forget(): Promise<void> {
    await this.expectNoLeak()
    this.#ofRuns = new Canaries()
  }

  /** Everything that a run could change: roles, passwords, memberships, databases, rights, comments, settings and Secrets. */
  async picture({ request }: Application): Promise<object> {
    const database = request.appDatabase
    const [there] = await this.sql('select 1 from pg_database where datname = $1 and datallowconn', [
      database,
    ])
    const { api, appNamespace } = this.sandbox
    return {
      roles: await this.sql('select * from pg_authid order by rolname'),
      members: await this.sql(
        `select roleid::regrole::text, member::regrole::text, admin_option from pg_auth_members
         order by 1, 2, 3`,
      ),
      databases: await this.sql(
        `select datname, datdba::regrole::text as owner, datacl::text, datallowconn, datconnlimit from pg_database
         order by datname`,
      ),
      comments: await this.sql('select * from pg_shdescription order by classoid, objoid'),
      settings: await this.sql('select * from pg_db_role_setting order by setdatabase, setrole'),
      inside:
        there &&
        (await this.sql(
          `select 'schema ' || nspname as thing, nspowner::regrole::text as owner, nspacl::text as acl from pg_namespace
           union all select 'relation ' || relname, relowner::regrole::text, relacl::text from pg_class
           union all select 'extension ' || extname, extowner::regrole::text, extversion from pg_extension
           order by 1, 2, 3`,
          [],
          database,
        )),
      secrets: [appNamespace, this.otherNamespace].flatMap((namespace) =>
        [request.appSecret, `${request.appSecret}-binding`].map((name) => api.get('Secret', namespace, name)),
      ),
    }
  }

  /** Gives the statements that others than the superuser of this bench have made since a mark. */
  async statementsSince(mark: number): Promise<string[]> {
    const log = await this.postgres.logSince(mark)
    // Told by their SQLSTATE, because the words differ from language to language; the values of parameters follow them.
    return [...log.matchAll(/ 00000 .*?: {2}[^:\n]+: (?!\$1 = )(.*(?:\n\t.*)*)/g)].map(([, statement = '']) =>
      statement.trim(),
    )
  }

  #furnish(): void {
    const { api, accessNamespace, accessRole, appNamespace, appRole } = this.sandbox
    api.put({
      kind: 'Role',
      metadata: { name: accessRole, namespace: accessNamespace },
      rules: [
        { apiGroups: [''], resources: ['secrets', 'services'], verbs: ['get'] },
        { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
        { apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] },
      ],
    })
    api.put({ kind: 'Namespace', metadata: { name: this.otherNamespace } })
    for (const [kind, name] of [
      ['Role', appRole],
      ['RoleBinding', `${appRole}-${appNamespace}-ci`],
    ] as const) {
      const object = api.get(kind, appNamespace, name)
      api.put({ ...object, kind, metadata: { name, namespace: this.otherNamespace } })
    }
  }

  #route(name: string, target: Target): void {
    const { api, accessNamespace: namespace } = this.sandbox
    const labels = { bench: name }
    api.put({
      kind: 'Pod',
      metadata: { name, namespace, labels },
      spec: {
        nodeName: 'node-1',
        containers: [{ name: 'postgres', image: 'postgres', ports: [{ containerPort: 5432 }] }],
      },
      status: { phase: 'Running', podIP: '10.244.0.18', conditions: [{ type: 'Ready', status: 'True' }] },
    })
    api.put({
      kind: 'Service',
      metadata: { name, namespace },
      spec: { selector: labels, ports: [{ port: 5432, targetPort: 5432 }] },
    })
    api.route(namespace, name, 5432, target)
  }

  #asSuperuser(database: string): pg.ClientConfig {
    const { socketDirectory: host, port, superuser } = this.postgres
    return {
      ...superuser,
      host,
      port,
      database,
      ssl: false,
      application_name: 'bench',
      options:
        '-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic -c log_min_messages=fatal',
    }
  }
}

/** One application of a bench. */
export class Application {
  readonly bench: Bench
  readonly request: ProvisionRequest

  constructor(bench: Bench, request: ProvisionRequest) {
    this.bench = bench
    this.request = request
  }

  get role(): string {
    return this.request.appUsername
  }

  get database(): string {
    return this.request.appDatabase
  }

  /** The application Secret as applications see it. */
  get secret(): Record<string, string> {
    return decoded(this.#object)
  }

  get resourceVersion(): string | undefined {
    return this.#object?.metadata.resourceVersion
  }

  /** The comment by which a run knows its role again. */
  get marker(): string {
    const { appNamespace = '', appSecret, appDatabase: database } = this.request
    const secret = `${appNamespace}/${appSecret}`
    return JSON.stringify({ 'pg-app-user': 1, secret, database, createdDatabase: true })
  }

  /** Writes the Secret by hand: these values, or what it has with these on top. */
  putSecret(
    values: Record<string, string>,
    how: 'whole' | 'on top' = 'whole',
    more: Partial<KubeObject> = {},
  ): void {
    const { appNamespace: namespace = '', appSecret: name } = this.request
    const object = this.#object
    if (values['PGPASSWORD']) this.bench.password(values['PGPASSWORD'])
    this.bench.sandbox.api.put({
      kind: 'Secret',
      ...more,
      metadata: { ...(how === 'on top' && object?.metadata), ...more.metadata, name, namespace },
      stringData: { ...(how === 'on top' && this.secret), ...values },
    })
  }

  /** Takes keys out of the Secret, or the whole of it. */
  removeSecret(...keys: readonly string[]): void {
    const { appNamespace = '', appSecret } = this.request
    const rest = Object.entries(this.secret).filter(([key]) => !keys.includes(key))
    const metadata = this.#object?.metadata
    if (keys.length === 0) this.bench.sandbox.api.remove('Secret', appNamespace, appSecret)
    else this.putSecret(Object.fromEntries(rest), 'whole', metadata && { metadata })
  }

  run(overrides: Partial<ProvisionRequest> = {}, options?: RunOptions): Promise<Run> {
    return this.bench.run({ ...this.request, ...overrides }, options)
  }

  /** Runs and expects to be refused: with this code and a hint, in one line, and with nothing changed. */
  async refused(
    code: FailureCode,
    overrides: Partial<ProvisionRequest> = {},
    options?: RunOptions,
  ): Promise<Run> {
    const before = await this.bench.picture(this)
    const requests = this.bench.sandbox.api.requests.length
    const run = await this.run(overrides, options)
    const { failure } = run.outcome
    expect({ code: run.code, message: failure?.message }).toEqual({ code, message: expect.any(String) })
    expect(failure?.message).not.toMatch(/[\r\n]/)
    expect(failure?.hint).not.toEqual([])
    expect(standing(run.outcome)).toBe('Nothing was changed.')
    expect(this.bench.sandbox.api.requests.slice(requests).filter(({ write }) => write)).toEqual([])
    expect(await this.bench.picture(this)).toEqual(before)
    return run
  }

  /** Says how a login with what the Secret says ends: `in`, or the SQLSTATE it is refused with. */
  login(database = this.database): Promise<string> {
    const { PGUSER = '', PGPASSWORD = '' } = this.secret
    return this.bench.login(PGUSER, PGPASSWORD, database)
  }

  /** Runs statements as the application, with nothing but its Secret. */
  async work(...statements: readonly string[]): Promise<void> {
    const { PGUSER = '', PGPASSWORD = '', PGDATABASE = '' } = this.secret
    const client = await this.bench.connect(PGUSER, PGPASSWORD, PGDATABASE)
    try {
      for (const statement of statements) await client.query(statement)
    } finally {
      await client.end()
    }
  }

  get #object(): KubeObject | undefined {
    return this.bench.sandbox.api.get('Secret', this.request.appNamespace ?? '', this.request.appSecret)
  }
}

/** Gives the tests of a file a bench, and looks after each of them for credentials in what was written. */
export function useBench(options: SandboxOptions = {}): Bench {
  const bench = new Bench(options)
  beforeAll(() => bench.open())
  afterEach(() => bench.expectNoLeak())
  afterAll(() => bench.close())
  return bench
}

function decoded(secret: KubeObject | undefined): Record<string, string> {
  const data = (secret?.['data'] ?? {}) as Record<string, string>
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  )
}
