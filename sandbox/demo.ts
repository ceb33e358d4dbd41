import { existsSync } from 'node:fs'
import { request } from 'node:https'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { parse } from 'yaml'
import { filesBelow, findLeaks, isReading, loggedStatements, type Credential } from './evidence.ts'
import { createShelter, SandboxError } from './host.ts'
import { outputFile, runStep, summaryFile, type Inputs, type StepResult } from './runner.ts'
import { startSandbox, type Sandbox } from './sandbox.ts'
import { print, Refuted, show } from './show.ts'

/** Stops the demo unless what it is about to say was seen. */
function claim(holds: boolean, sentence: string, seen: string): asserts holds {
  const text = `The demo was to show "${sentence}". Seen: ${seen.replace(/\.$/, '')}.`
  if (!holds) throw new Refuted(text, reporting)
}

/** What the acts share. */
interface Stage {
  readonly sandbox: Sandbox
  /** The only folder that the action's processes may write to. */
  readonly folder: string
  readonly signal: AbortSignal
  /** Every step that was run. */
  readonly steps: StepResult[]
}

const database = 'shop'
const secretName = 'app-postgresql-secret'
const other = { database: 'billing', secretName: 'billing-postgresql-secret' }

async function introduce({ sandbox, signal }: Stage): Promise<void> {
  const { accessNamespace, accessSecret, admin, api, appNamespace, postgres } = sandbox
  print('pg-app-user demo: a cluster and a PostgreSQL of your own, for half a minute\n')

  // The pipeline may get a Secret by its name; to list them all is a right it was not given.
  const denied = await statusOf(sandbox, `/api/v1/namespaces/${appNamespace}/secrets`, signal)
  claim(denied === 403, 'it denies what RBAC does not allow', `status ${denied} for listing Secrets`)
  print(`  API server    ${api.url} (a stand-in; it denies what RBAC does not allow)`)

  const server = await withClient(postgres, { ...admin, database: 'postgres' }, async (client) => {
    const { rows } = await client.query<{ version: string; tls: boolean; rank: boolean; logs: string }>(
      `select split_part(current_setting('server_version'), ' ', 1) as version,
         (select ssl from pg_stat_ssl where pid = pg_backend_pid()) as tls,
         (select rolsuper from pg_roles where rolname = current_user) as rank,
         current_setting('log_statement') as logs`,
    )
    return rows[0]
  })
  const seen = JSON.stringify(server)
  claim(server?.tls === true && !server.rank, 'TLS, an admin that is no superuser', seen)
  claim(server.logs === 'all', 'log_statement = all', seen)
  print(
    `  PostgreSQL    ${server.version}, TLS, an admin that is no superuser, log_statement = ${server.logs}`,
  )

  const found = api.get('Secret', accessNamespace, accessSecret) !== undefined
  claim(found, 'an access Secret, as an administrator would leave it', 'no such Secret')
  print(`  access Secret ${accessNamespace}/${accessSecret}, as an administrator would leave it`)
}

async function firstRun(stage: Stage): Promise<void> {
  const { accessNamespace, accessSecret, appNamespace } = stage.sandbox
  print('\n1 · First run, started the way a runner starts it')
  const step = await runAction(stage, { 'app-database': database })
  const log = parseLog(step.lines)

  const rights = /^(\d+) of \1 rights$/.test(log.get('permissions')?.text ?? '')
  claim(rights, 'every right is there', log.get('permissions')?.text ?? 'no such line')
  const access = Object.keys(secretData(stage.sandbox, accessNamespace, accessSecret))
  const { listeners } = step
  claim(listeners === 0, 'no port opened here', `${listeners} opened`)
  const created = ['role', 'database', 'grants', 'Secret'].filter((subject) => log.get(subject)?.sign === '+')
  claim(created.length === 4, 'created role, database, grants and Secret', created.join(', '))
  const unexpected = [...log.values()].filter(({ sign }) => sign !== '✓' && sign !== '+')
  claim(unexpected.length === 0, 'nothing needs a look', unexpected.map(({ text }) => text).join('; '))
  const made = secretData(stage.sandbox, appNamespace, secretName)
  claim(made['PGUSER'] === database, 'the Secret is for shop', made['PGUSER'] ?? 'no PGUSER')

  const condensed = {
    'access Secret': access.map((key) => (key === 'PGPASSWORD' ? `${key}=***` : key)).join(' '),
    tunnel: log.get('tunnel')?.text.replace(/ port \d+$/, ', no port opened here'),
    PostgreSQL: log.get('PostgreSQL')?.text.split(' · ').slice(0, 3).join(' · '),
  } as Readonly<Record<string, string | undefined>>
  const triple = ['database', 'grants']
  for (const [subject, { sign, text }] of log) {
    if (subject === 'role') print('  + role, database, grants')
    else if (!triple.includes(subject)) print(`  ${sign} ${subject.padEnd(15)} ${condensed[subject] ?? text}`)
  }
  print(`  ${lastSentence(step)} ${step.seconds.toFixed(1)} s`)
}

async function secondRun(stage: Stage): Promise<void> {
  const { api, appNamespace, postgres } = stage.sandbox
  print('\n2 · Second run, the same command')
  const versionOf = (): string =>
    api.get('Secret', appNamespace, secretName)?.metadata.resourceVersion ?? 'none'
  const before = {
    version: versionOf(),
    transaction: await nextTransaction(stage.sandbox),
    log: await postgres.logSize(),
    requests: api.requests.length,
  }
  const step = await runAction(stage, { 'app-database': database })
  const statements = loggedStatements(await postgres.logSince(before.log))
  const requests = api.requests.slice(before.requests)
  const used = BigInt(await nextTransaction(stage.sandbox)) - BigInt(before.transaction)

  const last = lastSentence(step)
  claim(last.startsWith('Nothing to do:'), 'Nothing to do', last)
  const { changed } = step.outputs
  claim(changed === 'false', 'output changed is false', String(changed))
  print(`  Nothing to do. ${step.seconds.toFixed(1)} s`)

  claim(statements.length > 0, "the statements of this run are in PostgreSQL's log", 'none')
  const changing = statements.filter((statement) => !isReading(statement))
  const commands = changing.map((statement) => statement.split(/\s+/, 2).join(' '))
  claim(changing.length === 0, '0 statements that change anything', commands.join('; '))
  claim(used === 0n, '0 transaction ids used', String(used))
  print(`  PostgreSQL's log: 0 statements that change anything (${statements.length} that read)`)

  claim(requests.length > 0, "the requests of this run are in the API server's log", 'none')
  const writes = requests.filter(({ write }) => write).map(({ method, path }) => `${method} ${path}`)
  claim(writes.length === 0, '0 writes', writes.join(', '))
  const version = versionOf()
  const same = version === before.version && version === step.outputs['secret-resource-version']
  claim(same, `the Secret is still at resourceVersion ${before.version}`, version)
  print(`  API server's log: 0 writes; the Secret is still at resourceVersion ${version}`)
}

async function application(stage: Stage): Promise<void> {
  const { sandbox } = stage
  const { api, appNamespace, postgres } = sandbox
  print('\n3 · The application, with nothing but the Secret')
  const secret = secretData(sandbox, appNamespace, secretName)
  const { PGHOST = '', PGPORT = '', PGUSER = '', PGPASSWORD = '', PGDATABASE = '', PGSSLMODE } = secret
  const login = { user: PGUSER, password: PGPASSWORD, database: PGDATABASE }
  // What DNS and kube-proxy do for a Pod: the name is that of a Service, and the Service leads to the database.
  const [service = '', namespace = ''] = PGHOST.split('.')
  const spec = api.get('Service', namespace, service)?.['spec'] as { ports: { port: number }[] } | undefined
  const leads = spec?.ports.some(({ port }) => String(port) === PGPORT) === true
  claim(leads, 'PGHOST and PGPORT name a Service of the cluster', `${PGHOST}:${PGPORT}`)
  claim(PGSSLMODE === 'require', 'PGSSLMODE asks for TLS, as the access Secret does', String(PGSSLMODE))

  await withClient(postgres, login, async (client) => {
    act(`connect as ${PGUSER}`, 'works')
    await client.query('create table orders (id int primary key, item text)')
    await client.query(`insert into orders values (1, 'bread'), (2, 'salt'), (3, 'wine')`)
    const { rows } = await client.query('select item from orders order by id')
    claim(rows.length === 3, 'select 3', `${rows.length} rows`)
    act('create table orders, insert 3, select 3', 'works')
  })

  const inputs = { 'app-database': other.database, 'app-secret': other.secretName }
  await runAction(stage, inputs)
  const elsewhere = { ...login, database: other.database }
  const answer = await withClient(postgres, elsewhere, () => Promise.resolve('let in')).catch(
    (thrown: unknown) => (thrown as pg.DatabaseError).code ?? String(thrown),
  )
  claim(answer === insufficientPrivilege, `refused (${insufficientPrivilege})`, answer)
  act(`connect as ${PGUSER} to another one's database`, 'refused, as it should be')
}

const insufficientPrivilege = '42501'

async function heldBack(stage: Stage): Promise<void> {
  print('\n4 · A release is held back')
  const inputs = { 'app-database': database, provision: 'false', 'go-live-profile': 'standard' }
  const step = await runAction(stage, { ...inputs, 'go-live': 'enforce' }, 1)
  const instances = parseLog(step.lines).get('instances')
  const seen = /^not met: 1 ready/.test(instances?.text ?? '')
  claim(instances?.sign === '✗' && seen, '1 ready', instances?.text ?? 'no such line')
  print('  ✗ instances       1 ready, the standard plan has 2')
  const held = step.lines
    .map((line) => /^✗ Release held back: (.*)\.  \[go-live-held-back\]$/.exec(line)?.[1])
    .find(Boolean)
  claim(held !== undefined, 'the release is held back', step.lines.at(-1) ?? 'nothing')
  claim(
    step.outputs['go-live-verdict'] === 'held-back',
    'output go-live-verdict is held-back',
    String(step.outputs['go-live-verdict']),
  )
  claim(step.summary.includes('⛔ Release held back'), 'the summary says so first', step.summary.slice(0, 80))
  const warned = await runAction(stage, { ...inputs, 'go-live': 'warn' })
  claim(
    lastSentence(warned) === `Would be held back: ${held}.`,
    'the same gate with "warn" passes',
    lastSentence(warned),
  )
  print(`  Held back: ${held}. The same gate with "warn" has let it pass.`)
}

async function leaks({ sandbox, folder, steps }: Stage): Promise<void> {
  const { admin, appNamespace, kubeconfig, postgres } = sandbox
  print('\n5 · What leaked')
  const { users } = parse(kubeconfig) as { users: { user: { token: string } }[] }
  const passwordIn = (name: string): string => secretData(sandbox, appNamespace, name)['PGPASSWORD'] ?? ''
  const passwords: readonly Credential[] = [
    { name: `the password of ${admin.user}`, value: admin.password },
    { name: `the password of ${database}`, value: passwordIn(secretName) },
    { name: `the password of ${other.database}`, value: passwordIn(other.secretName) },
  ]
  const tokens = users.map(({ user }) => ({ name: 'the token', value: user.token }))
  const credentials = [...passwords, ...tokens]
  const places = [
    { name: 'the job log', content: steps.flatMap(({ lines }) => lines).join('\n') },
    { name: "PostgreSQL's log", content: await postgres.log() },
    ...(await filesBelow(folder)),
  ]
  for (const name of ['the job log', "PostgreSQL's log", outputFile, summaryFile]) {
    const place = places.find((each) => each.name.endsWith(name))
    claim(place !== undefined && place.content !== '', `${name} was searched`, 'there is nothing in it')
  }
  // A search that finds nothing proves something only if it can find: the runner was told every one of them.
  const told = [{ name: 'what the runner masks', content: steps.flatMap(({ masked }) => masked).join('\n') }]
  const findable = findLeaks(credentials, told).length
  claim(findable === credentials.length, 'the runner masks every credential', `${findable} of them`)

  const found = findLeaks(credentials, places)
  const size = places.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0) / 1000
  const what = `${passwords.length} passwords and ${count(tokens.length, 'token')}`
  claim(found.length === 0, '0 found', found.join(', '))
  print("  Searched the job log, outputs, summary, PostgreSQL's log and the files left behind")
  print(`  for ${what}, raw, base64, URL and JSON form:        0 found in ${size.toFixed(0)} kB`)
}

async function runAction(stage: Stage, inputs: Inputs, exitCode = 0): Promise<StepResult> {
  const { folder, sandbox, signal, steps } = stage
  const { accessNamespace, accessSecret, kubeconfig } = sandbox
  const step = await runStep(
    join(folder, `step-${steps.length + 1}`),
    { kubeconfig, 'access-secret': accessSecret, 'access-namespace': accessNamespace, ...inputs },
    signal,
  )
  steps.push(step)
  if (step.exitCode !== exitCode) {
    throw new Refuted(
      `The action ended with exit code ${step.exitCode}:\n${step.lines.join('\n')}`,
      reporting,
    )
  }
  return step
}

/** Gives the steps of the job log by their subjects: sign and first line, without the duration. */
function parseLog(lines: readonly string[]): ReadonlyMap<string, { sign: string; text: string }> {
  return new Map(
    lines.flatMap((line) => {
      const [, sign, subject, text] = /^([✓+~!✗]) (.{15}) (.*?)(?: +\d+\.\d\d s)?$/.exec(line) ?? []
      if (sign === undefined || subject === undefined || text === undefined) return []
      return [[subject.trim(), { sign, text }] as const]
    }),
  )
}

/** Gives the last line of the log without its duration, which leaves out how long the process took to start. */
function lastSentence({ lines }: StepResult): string {
  return (lines.at(-1) ?? '').replace(/ \d+\.\d\d s$/, '')
}

/** Decodes a Secret as the kubelet does for the environment of a Pod. */
function secretData({ api }: Sandbox, namespace: string, name: string): Record<string, string> {
  const data = (api.get('Secret', namespace, name)?.['data'] ?? {}) as Record<string, string>
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  )
}

/** Gives the id that the next transaction would get: it moves on with every one that changes something. */
async function nextTransaction({ admin, postgres }: Sandbox): Promise<string> {
  return await withClient(postgres, { ...admin, database: 'postgres' }, async (client) => {
    const { rows } = await client.query<{ next: string }>(
      'select pg_snapshot_xmax(pg_current_snapshot())::text as next',
    )
    return rows[0]?.next ?? '0'
  })
}

/** Connects with sslmode `require` in libpq's sense: encrypted, whatever the certificate. */
async function withClient<T>(
  { host, port }: { host: string; port: number },
  login: { user: string; password: string; database: string },
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ host, port, ...login, ssl: { rejectUnauthorized: false } })
  // A server that ends with Ctrl-C breaks idle connections; what follows finds that out by itself.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Asks the API server as the pipeline does, with its kubeconfig. */
async function statusOf({ api, kubeconfig }: Sandbox, path: string, signal: AbortSignal): Promise<number> {
  const { users } = parse(kubeconfig) as { users: { user: { token: string } }[] }
  const headers = { authorization: `Bearer ${users[0]?.user.token ?? ''}` }
  return await new Promise((resolve, reject) => {
    request(`${api.url}${path}`, { ca: api.ca, headers, signal }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
      .on('error', (cause) => {
        reject(
          new SandboxError(
            `What listens on 127.0.0.1 cannot be reached from this machine itself: ${cause.message}.`,
            'Run it where connections to 127.0.0.1 are possible. Everything is stopped, nothing is left behind.',
            { cause },
          ),
        )
      })
      .end()
  })
}

async function isListening(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => {
      resolve(false)
    })
  })
}

function act(what: string, outcome: string): void {
  print(`  ${what.padEnd(44)} ${outcome}`)
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`
}

const reporting =
  'This is a defect of pg-app-user or of its sandbox: https://github.com/elastisys/pg-app-user/issues'

/** Longer than this it never takes; something hangs. */
const longestMs = 120_000

/** Performs the acts one after the other and stops everything, whatever happens. */
async function perform(signal: AbortSignal): Promise<void> {
  const traces: { ports: number[]; folders: string[] } = { ports: [], folders: [] }
  const shelter = await createShelter(undefined)
  traces.folders.push(shelter.path)
  try {
    const sandbox = await startSandbox()
    const { api, postgres } = sandbox
    traces.folders.push(dirname(postgres.dataDirectory))
    traces.ports.push(Number(new URL(api.url).port), postgres.port)
    try {
      const stage: Stage = { sandbox, folder: shelter.path, signal, steps: [] }
      const aborted = new Promise<never>((_, reject) => {
        const stop = (): void => {
          reject(signal.reason as Error)
        }
        if (signal.aborted) stop()
        else signal.addEventListener('abort', stop)
      })
      for (const perform of [introduce, firstRun, secondRun, application, heldBack, leaks]) {
        await Promise.race([perform(stage), aborted])
      }
    } finally {
      await sandbox.stop()
    }
  } finally {
    await shelter.remove()
    const listening = (await Promise.all(traces.ports.map(isListening))).filter(Boolean).length
    const folders = traces.folders.filter((path) => existsSync(path))
    const seen = `${count(listening, 'port')} and ${count(folders.length, 'folder')} left`
    claim(listening + folders.length === 0, 'Everything is stopped, nothing is left behind', seen)
  }
}

// node-postgres takes what it is not told from here, and the demo shall not depend on whose machine it runs on.
for (const name of Object.keys(process.env)) {
  if (name.startsWith('PG')) Reflect.deleteProperty(process.env, name)
}

await show(async (stopped) => {
  await perform(AbortSignal.any([stopped, AbortSignal.timeout(longestMs)]))
  const seconds = performance.now() / 1000
  print(`\nDone in ${seconds.toFixed(1)} s. Everything is stopped, nothing is left behind.`)
  print('Yours next: README.md, "Quick start". What you saw, line by line: docs/how-it-works.md')
})
