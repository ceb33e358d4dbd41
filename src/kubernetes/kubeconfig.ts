import { X509Certificate } from 'node:crypto'
import type https from 'node:https'
import path from 'node:path'
import tls from 'node:tls'
import { KubeConfig, type Cluster, type User } from '@kubernetes/client-node'
import { getProxyForUrl } from 'proxy-from-env'
import { isScalar, parseDocument, visit, type Document } from 'yaml'
import { Failure } from '../failure.ts'
import { readRegularFile } from '../regular-file.ts'
import type { ClusterRequest, KubeconfigSources } from '../request.ts'
import { oneLine, plainFingerprint, sentence, urlPasswords } from '../text.ts'
import { Api } from './api.ts'
import type { Credentials } from './endpoint.ts'
import { fromBase64, kubeconfigText } from './kubeconfig-text.ts'
import { runPlugin, type Plugin } from './plugin.ts'

/** The cluster of a run, chosen and parsed; nothing has been sent to it yet. */
export interface ClusterAccess {
  /** The API server's URL. */
  readonly server: string
  /** The proxy on the way, without its credential. */
  readonly proxy?: string
  /** The inputs that say which cluster it has to be. They agree. */
  readonly compared: readonly string[]
  readonly context: string
  /** The namespace of the context. */
  readonly namespace?: string
  /** Where the kubeconfig came from, such as `input "kubeconfig"` or `KUBECONFIG`. */
  readonly source: string
  /**
   * Authenticates, by an exec plugin where the kubeconfig names one.
   * @throws Failure `cluster-credential-failed`
   */
  connect(signal: AbortSignal): Promise<Api>
}

type Mask = (credential: string) => void
type Fields = Readonly<Record<string, unknown>>

/** One named entry, and the folder that its relative paths start from. */
interface Entry {
  readonly fields: Fields
  readonly folder: string
}

interface Kubeconfig {
  readonly contexts: Map<string, Entry>
  readonly clusters: Map<string, Entry>
  readonly users: Map<string, Entry>
  current: string | undefined
}

interface Found {
  readonly source: string
  readonly config: Kubeconfig
}

/**
 * As many as the requests that a run begins with. What comes next goes on a connection of an answer that is about to
 * come, rather than on one that is yet to be opened.
 */
const maxSockets = 12

/** How long a plugin or an identity provider may take to give a credential, in milliseconds. */
const credentialWithinMs = 30_000

/**
 * Finds the kubeconfig, chooses the context and checks that it is the expected cluster. Every credential in it is
 * masked before anything else is done with it.
 *
 * @throws Failure `kubeconfig-missing`, `kubeconfig-invalid`, `context-unknown` or `server-unexpected`
 */
export function loadCluster(request: ClusterRequest, mask: Mask): ClusterAccess {
  const { source, config } = find(request.kubeconfig, mask)
  const name = contextName(config, request.context, source)
  const context = config.contexts.get(name)?.fields ?? {}
  const clusterName = text(context, 'cluster')
  const userName = text(context, 'user')
  const clusterEntry = named(config.clusters, clusterName, 'cluster', name, source)
  const userEntry = named(config.users, userName, 'user', name, source)
  const server = serverUrl(clusterEntry, clusterName, source)
  expect(server, request.expectServer, name)

  const found = clusterOf(clusterEntry, clusterName, server, source)
  const cluster = expectAuthority(found, request.expectCa, name)
  if (request.expectServer !== undefined && request.expectCa !== undefined) expectName(found, server, name)
  for (const password of urlPasswords(cluster.proxyUrl)) mask(password)
  const user = userOf(userEntry, userName, cluster, source, mask)
  const tokenFile = text(userEntry.fields, 'tokenFile')
  const namespace = text(context, 'namespace')
  const proxy = cluster.proxyUrl === undefined ? undefined : new URL(cluster.proxyUrl).host
  const endpoint = {
    server,
    user: userName,
    ...(proxy !== undefined && { proxy }),
    renewable: user.exec !== undefined || tokenFile !== '',
    authenticate: async (signal: AbortSignal): Promise<Credentials> => {
      const token = tokenFile === '' ? user.token : tokenFrom(userEntry, tokenFile, userName, source, mask)
      const credentials = await authenticate(
        cluster,
        { ...user, ...(token !== undefined && { token }) },
        mask,
        signal,
      )
      const groups = list(userEntry.fields['as-groups']).filter((group) => typeof group === 'string')
      if (groups.length === 0) return credentials
      return { ...credentials, headers: { ...credentials.headers, 'Impersonate-Group': groups } }
    },
  }
  return {
    server: server.href.replace(/\/$/, ''),
    ...(proxy !== undefined && { proxy }),
    compared: [
      ...(request.expectServer === undefined ? [] : ['expect-server']),
      ...(request.expectCa === undefined ? [] : ['expect-ca']),
    ],
    context: name,
    ...(namespace !== '' && { namespace }),
    source,
    connect: (signal) => Api.open(endpoint, signal),
  }
}

function find(sources: KubeconfigSources, mask: Mask): Found {
  const { input, KUBECONFIG, KUBECONFIG_CONTENTS_B64, homeFile } = sources
  const candidates: [source: string, value: string | undefined, isList: boolean][] = [
    ['input "kubeconfig"', input, false],
    ['KUBECONFIG', KUBECONFIG, true],
    ['KUBECONFIG_CONTENTS_B64', KUBECONFIG_CONTENTS_B64, false],
  ]
  for (const [source, value, isList] of candidates) {
    if (value !== undefined && value.trim() !== '') {
      return { source, config: load(value.trim(), source, isList, mask) }
    }
  }
  const home = homeFile === undefined ? undefined : contentOf(homeFile, homeFile)
  if (homeFile !== undefined && home !== undefined) {
    const config = parse(home, homeFile, path.dirname(homeFile), mask)
    if (config === undefined) throw unlike(homeFile, 'it holds', home)
    return { source: homeFile, config }
  }
  const noHome = homeFile === undefined ? '' : `, and there is no ${homeFile}`
  throw new Failure(
    'kubeconfig-missing',
    `No kubeconfig: input "kubeconfig" is empty, and neither KUBECONFIG nor KUBECONFIG_CONTENTS_B64 is set${noHome}.`,
    sources.absenceHint,
  )
}

/** Reads a value that is content, base64 of it, or a path. The value itself is never repeated: it may be a credential. */
function load(value: string, source: string, isList: boolean, mask: Mask): Kubeconfig {
  const direct = parse(value, source, process.cwd(), mask)
  if (direct !== undefined) return direct
  if (kubeconfigText(value) !== undefined || value.includes('\n')) throw unlike(source, 'it is', value)

  const paths = isList ? value.split(path.delimiter).filter((file) => file !== '') : [value]
  const configs: Kubeconfig[] = []
  for (const file of paths) {
    const content = contentOf(file, source)
    if (content === undefined) continue
    const config = parse(content, source, path.dirname(path.resolve(file)), mask)
    if (config === undefined) throw unlike(source, `the file ${oneLine(file)} holds`, content)
    configs.push(config)
  }
  const merged = configs.reduce<Kubeconfig | undefined>(merge, undefined)
  if (merged !== undefined) return merged
  if (paths.length > 1)
    throw invalid(source, `it names ${paths.length} files, and none of them exists`, [
      'Paths count from the folder in which this runs.',
    ])
  throw unlike(source, 'it is', value)
}

/** Merges as kubectl does: what comes first wins. */
function merge(first: Kubeconfig | undefined, next: Kubeconfig): Kubeconfig {
  if (first === undefined) return next
  return {
    contexts: new Map([...next.contexts, ...first.contexts]),
    clusters: new Map([...next.clusters, ...first.clusters]),
    users: new Map([...next.users, ...first.users]),
    current: first.current ?? next.current,
  }
}

/** Gives the content of a file, `undefined` where there is no such file. */
function contentOf(file: string, source: string): string | undefined {
  try {
    return readRegularFile(file).toString()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENAMETOOLONG' || code === 'ENOTDIR') return undefined
    throw invalid(source, `the file ${oneLine(file)} cannot be read (${code ?? 'unknown reason'})`)
  }
}

/** Gives the kubeconfig that a text is, directly or in base64; `undefined` for any other text. */
function parse(content: string, source: string, folder: string, mask: Mask): Kubeconfig | undefined {
  const written = kubeconfigText(content)
  const fields = written === undefined ? undefined : yamlFields(written, source)
  if (fields === undefined) return undefined
  for (const credential of credentials(fields)) mask(credential)
  const entries = (key: string, body: string): Map<string, Entry> =>
    new Map(
      list(fields[key])
        .map(record)
        .filter((entry) => text(entry, 'name') !== '')
        .map((entry) => [text(entry, 'name'), { fields: record(entry[body]), folder }]),
    )
  return {
    contexts: entries('contexts', 'context'),
    clusters: entries('clusters', 'cluster'),
    users: entries('users', 'user'),
    current: text(fields, 'current-context') || undefined,
  }
}

/** Gives the fields of a text that reads as a kubeconfig. */
function yamlFields(content: string, source: string): Fields | undefined {
  const document = parseDocument(content, { logLevel: 'silent' })
  const [problem] = document.errors
  if (problem !== undefined) {
    // The parser's own message repeats the line, which may be a credential.
    const line = problem.linePos?.[0].line
    throw invalid(source, `it is no valid YAML${line === undefined ? '' : ` (line ${line})`}`, [
      'A frequent cause is an indentation that was lost on the way into a variable or a secret: store it in base64.',
    ])
  }
  // kubectl reads a password or a name of digits as text, as it was written.
  visit(document, {
    Scalar: (_, node) => {
      if (isScalar(node) && typeof node.value === 'number') node.value = node.source ?? String(node.value)
    },
  })
  const fields = record(plain(document, source))
  return Array.isArray(fields['clusters']) || Array.isArray(fields['contexts']) ? fields : undefined
}

function plain(document: Document.Parsed, source: string): unknown {
  try {
    return document.toJS() as unknown
  } catch {
    throw invalid(source, 'one of its YAML aliases leads nowhere, or there are far too many of them')
  }
}

/** What else a text may be, and what has probably gone wrong then. The first that fits counts. */
const likenesses = [
  {
    fits: (value: string) => value.trim() === '',
    what: 'nothing',
    cause: 'A frequent cause is a step before this one that was to write it, and failed.',
  },
  {
    fits: (value: string) => /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(value),
    what: 'what looks like a bearer token, not a kubeconfig',
    cause: 'A token does not say which cluster it is for: store the whole kubeconfig that it belongs to.',
  },
  {
    fits: (value: string) => value.includes('-----BEGIN '),
    what: 'what looks like a certificate or a key, not a kubeconfig',
    cause: 'Store the whole kubeconfig that it belongs to.',
  },
  {
    fits: (value: string) => /^\*+$/.test(value),
    what: 'a masked text (only asterisks)',
    cause:
      'It was probably copied from a log or a settings page, which show no credential: store the original.',
  },
  {
    fits: (value: string) => /^\$|^%\w+%$/.test(value),
    what: 'what looks like the name of a variable that nothing has replaced',
    cause:
      'A frequent cause is a variable that this job does not have, or quotes that keep it from being replaced.',
  },
  {
    fits: (value: string) => fromBase64(value) !== '',
    what: 'what looks like base64 of something that is no kubeconfig',
    cause: 'A frequent cause is a text that was encoded twice, or was cut: encode the file once more.',
  },
  {
    fits: (value: string) => /^\s*(apiVersion|kind)\s*:/m.test(value),
    what: 'a YAML text without clusters and contexts',
    cause: 'It is probably another manifest, such as the Secret in which the kubeconfig is kept.',
  },
  {
    fits: (value: string) => !value.includes('\n'),
    what: 'neither a kubeconfig nor base64 of one, and no file has this name',
    cause: 'A path counts from the folder in which this runs.',
  },
]

/** Says what a text is that is no kubeconfig, and repeats none of it: it may be a credential. */
function unlike(source: string, where: string, value: string): Failure {
  const { what, cause } = likenesses.find(({ fits }) => fits(value)) ?? {
    what: 'neither a kubeconfig nor base64 of one',
    cause: 'A frequent cause is a file of another kind, or a part of one.',
  }
  return invalid(source, `${where} ${what}`, [
    cause,
    'It may be the text of a kubeconfig, base64 of it, or a path to one.',
  ])
}

const secretName = /token|secret|passw|credential|assertion|(^|[-_])key$/i

/** Every credential of a kubeconfig, leaf by leaf. */
function* credentials(fields: Fields): Generator<string> {
  for (const cluster of list(fields['clusters'])) {
    const endpoint = record(record(cluster)['cluster'])
    for (const address of ['server', 'proxy-url']) yield* urlPasswords(text(endpoint, address))
  }
  for (const entry of list(fields['users'])) {
    const user = record(record(entry)['user'])
    yield text(user, 'token')
    yield text(user, 'password')
    yield Buffer.from(text(user, 'client-key-data'), 'base64').toString()
    const exec = record(user['exec'])
    for (const variable of list(exec['env']).map(record)) {
      yield* likelySecret(text(variable, 'name'), text(variable, 'value'))
    }
    yield* secretArguments(list(exec['args']).map(String))
    const provider = record(record(user['auth-provider'])['config'])
    for (const [name, value] of Object.entries(provider)) yield* likelySecret(name, String(value))
  }
}

/** A short value whose name is harmless stays readable: masking `1` or `prod` would blot out half a log. */
function* likelySecret(name: string, value: string): Generator<string> {
  if (secretName.test(name) || value.length >= 8) yield value
}

function* secretArguments(args: readonly string[]): Generator<string> {
  for (const [index, argument] of args.entries()) {
    const [, name, value] = /^--?([\w-]+)(?:=(.*))?$/s.exec(argument) ?? []
    if (name !== undefined && secretName.test(name)) yield value ?? args[index + 1] ?? ''
  }
}

function contextName(config: Kubeconfig, requested: string | undefined, source: string): string {
  const names = [...config.contexts.keys()]
  const [only, ...others] = names
  if (only === undefined) throw invalid(source, 'it has no context')
  const there = `It has ${sentence(names.map((name) => oneLine(name)))}.`
  const name = requested ?? config.current
  if (name === undefined && others.length === 0) return only
  if (name === undefined) {
    throw new Failure(
      'context-unknown',
      `The kubeconfig from ${source} has ${names.length} contexts and no current one.`,
      [there, 'Choose one: input "context".'],
    )
  }
  if (config.contexts.has(name)) return name
  const wanted = requested === undefined ? 'the current context' : 'context'
  throw new Failure(
    'context-unknown',
    `The kubeconfig from ${source} does not have ${wanted} "${oneLine(name)}".`,
    [there, 'Choose one: input "context".'],
  )
}

function named(
  entries: Map<string, Entry>,
  name: string,
  kind: string,
  context: string,
  source: string,
): Entry {
  const entry = entries.get(name)
  if (entry !== undefined) return entry
  const missing =
    name === '' ? `names no ${kind}` : `names the ${kind} "${oneLine(name)}", which it does not have`
  throw invalid(source, `its context "${oneLine(context)}" ${missing}`)
}

function serverUrl(entry: Entry, name: string, source: string): URL {
  const url = URL.parse(text(entry.fields, 'server'))
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw invalid(source, `the server of its cluster "${oneLine(name)}" is no https:// address`)
  }
  if (url.protocol === 'http:' && entry.fields['insecure-skip-tls-verify'] !== true) {
    throw invalid(
      source,
      `the server of its cluster "${oneLine(name)}" is an http:// address, and insecure-skip-tls-verify is not set`,
    )
  }
  return url
}

/** A bare host stands for this host on any port; a URL has to agree in everything. */
function expect(server: URL, expected: string | undefined, context: string): void {
  if (expected === undefined) return
  const isUrl = expected.includes('://')
  const wanted = URL.parse(isUrl ? expected : `https://${expected}`)
  const address = (url: URL): string => url.href.replace(/\/+$/, '')
  const same =
    wanted !== null &&
    (isUrl
      ? address(wanted) === address(server)
      : wanted.hostname === server.hostname && (!/:\d+$/.test(expected) || wanted.port === server.port))
  if (same) return
  // A password that was not encoded does not stand where one is looked for.
  const shown = expected.includes('@')
    ? 'another, which holds an @ and is not shown'
    : `"${oneLine(expected)}"`
  throw new Failure(
    'server-unexpected',
    `Context "${oneLine(context)}" leads to ${address(server)}, and expect-server is ${shown}.`,
    [
      'A frequent cause is a kubeconfig of another cluster, such as staging instead of production.',
      'Check which kubeconfig and which context this job gets. If the server was moved, change expect-server.',
    ],
  )
}

/**
 * Every authority of the kubeconfig has to be an expected one, because each can vouch for a server. Only what was
 * compared is trusted then: OpenSSL reads more from a file than certificates under their usual name.
 */
function expectAuthority(
  cluster: Cluster,
  expected: readonly string[] | undefined,
  context: string,
): Cluster {
  if (expected === undefined) return cluster
  const refused = (what: string): Failure =>
    new Failure('server-unexpected', `Context "${oneLine(context)}" ${what}, and expect-ca is set.`, [
      'A frequent cause is a kubeconfig of another cluster, or one from before its authority was made anew.',
      'Check which kubeconfig this job gets. If the authority was renewed, change expect-ca; during the change it may list both.',
    ])
  if (cluster.skipTLSVerify || !cluster.server.startsWith('https:'))
    throw refused('does not verify the API server')
  const authorities = certificatesIn(Buffer.from(cluster.caData ?? '', 'base64').toString())
  if (authorities.length === 0) throw refused('names no certificate authority of its own')
  const other = authorities.find(({ fingerprint256 }) => !expected.includes(plainFingerprint(fingerprint256)))
  if (other !== undefined)
    throw refused(`trusts the authority with the SHA-256 fingerprint ${other.fingerprint256}`)
  const compared = authorities.map((authority) => authority.toString()).join('')
  return { ...cluster, caData: Buffer.from(compared).toString('base64') }
}

/**
 * An authority may vouch for many servers. Where the address is expected as well, what it has to vouch for is the host of
 * that address: under another name the same authority could lead to another cluster.
 */
function expectName({ tlsServerName }: Cluster, server: URL, context: string): void {
  if (tlsServerName === undefined || tlsServerName.toLowerCase() === server.hostname) return
  throw new Failure(
    'server-unexpected',
    `Context "${oneLine(context)}" takes the certificate of "${oneLine(tlsServerName)}" for that of ${server.hostname} (tls-server-name), and expect-server and expect-ca are set.`,
    [
      'With a proxy on the way, that leads to any server which the expected authority vouches for.',
      'Use that name as the server in the kubeconfig, and as expect-server. Or take tls-server-name out.',
    ],
  )
}

/** Gives the certificates of a bundle; what is none, or cannot be read, is left out. */
function certificatesIn(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)]
    } catch {
      return []
    }
  })
}

function clusterOf(entry: Entry, name: string, server: URL, source: string): Cluster {
  const caData = base64Of(entry, 'certificate-authority', `cluster "${oneLine(name)}"`, source)
  const tlsServerName = text(entry.fields, 'tls-server-name')
  const proxyUrl = text(entry.fields, 'proxy-url') || getProxyForUrl(server.href)
  if (proxyUrl !== '' && !/^(https?|socks(4a?|5h?)?):$/.test(URL.parse(proxyUrl)?.protocol ?? '')) {
    throw invalid(
      source,
      'the proxy for its cluster, from proxy-url or HTTPS_PROXY, is no http, https or socks address',
    )
  }
  return {
    name,
    server: server.href.replace(/\/$/, ''),
    skipTLSVerify: entry.fields['insecure-skip-tls-verify'] === true,
    ...(caData !== undefined && { caData }),
    ...(tlsServerName !== '' && { tlsServerName }),
    ...(proxyUrl !== '' && { proxyUrl }),
  }
}

const authProviders = ['azure', 'gcp', 'oidc']

function userOf(entry: Entry, name: string, cluster: Cluster, source: string, mask: Mask): User {
  const { fields, folder } = entry
  const owner = `user "${oneLine(name)}"`
  const certData = base64Of(entry, 'client-certificate', owner, source)
  const keyData = base64Of(entry, 'client-key', owner, source)
  if (keyData !== undefined) mask(Buffer.from(keyData, 'base64').toString())
  try {
    tls.createSecureContext({
      ...(cluster.caData !== undefined && { ca: Buffer.from(cluster.caData, 'base64') }),
      ...(certData !== undefined && { cert: Buffer.from(certData, 'base64') }),
      ...(keyData !== undefined && { key: Buffer.from(keyData, 'base64') }),
    })
  } catch (error) {
    const reason = oneLine((error as NodeJS.ErrnoException).code ?? '')
    throw invalid(
      source,
      `the certificates and the key of ${owner} and its cluster cannot be used (${reason})`,
    )
  }
  const provider = record(fields['auth-provider'])
  const providerName = text(provider, 'name')
  if (providerName !== '' && !authProviders.includes(providerName)) {
    throw invalid(source, `the auth-provider "${oneLine(providerName)}" of ${owner} is not known here`)
  }
  const token = text(fields, 'token')
  const username = text(fields, 'username')
  const impersonateUser = text(fields, 'as')
  return {
    name,
    ...(certData !== undefined && { certData }),
    ...(keyData !== undefined && { keyData }),
    ...(token !== '' && { token }),
    ...(username !== '' && { username, password: text(fields, 'password') }),
    ...(impersonateUser !== '' && { impersonateUser }),
    ...(providerName !== '' && {
      authProvider: { name: providerName, config: { ...record(provider['config']) } },
    }),
    ...(fields['exec'] !== undefined && { exec: execOf(record(fields['exec']), folder, cluster) }),
  }
}

/**
 * A plugin as kubectl starts it: a command with a slash is relative to the kubeconfig's folder, and the plugin learns
 * by variable what is wanted of it.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
function execOf(exec: Fields, folder: string, cluster: Cluster): Plugin {
  const command = text(exec, 'command')
  const info = {
    kind: 'ExecCredential',
    apiVersion: text(exec, 'apiVersion'),
    spec: {
      interactive: false,
      ...(exec['provideClusterInfo'] === true && {
        cluster: {
          server: cluster.server,
          'tls-server-name': cluster.tlsServerName,
          'insecure-skip-tls-verify': cluster.skipTLSVerify,
          'certificate-authority-data': cluster.caData,
          'proxy-url': cluster.proxyUrl,
        },
      }),
    },
  }
  return {
    command: /[/\\]/.test(command) ? path.resolve(folder, command) : command,
    args: list(exec['args']).map(String),
    env: {
      ...Object.fromEntries(
        list(exec['env'])
          .map(record)
          .map((variable) => [text(variable, 'name'), text(variable, 'value')]),
      ),
      KUBERNETES_EXEC_INFO: JSON.stringify(info),
    },
  }
}

/** Gives what an entry holds in `<key>-data`, else in the file that `<key>` names; the data wins, as with kubectl. */
function base64Of(entry: Entry, key: string, owner: string, source: string): string | undefined {
  const data = text(entry.fields, `${key}-data`)
  if (data !== '') return data
  const file = text(entry.fields, key)
  if (file === '') return undefined
  try {
    return readRegularFile(path.resolve(entry.folder, file)).toString('base64')
  } catch (error) {
    throw unreadable(error, file, key, owner, source)
  }
}

function tokenFrom(entry: Entry, file: string, user: string, source: string, mask: Mask): string {
  try {
    const token = readRegularFile(path.resolve(entry.folder, file)).toString().trim()
    mask(token)
    return token
  } catch (error) {
    throw unreadable(error, file, 'tokenFile', `user "${oneLine(user)}"`, source)
  }
}

function unreadable(error: unknown, file: string, key: string, owner: string, source: string): Failure {
  const { code } = error as NodeJS.ErrnoException
  return invalid(
    source,
    `the ${key} of ${owner}, ${oneLine(file)}, cannot be read (${code ?? 'unknown reason'})`,
  )
}

async function authenticate(
  cluster: Cluster,
  user: User,
  mask: Mask,
  signal: AbortSignal,
): Promise<Credentials> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(credentialWithinMs)])
  // Said here, or NODE_TLS_REJECT_UNAUTHORIZED would decide. KubeConfig turns it off where the kubeconfig says so.
  const options: https.RequestOptions = { rejectUnauthorized: true }
  let agent: https.Agent
  try {
    const config = new KubeConfig()
    config.loadFromClusterAndUser(cluster, await withCredential(user, over))
    await within(config.applyToHTTPSOptions(options), over)
    // The agent decides on keeping connections open, whatever kind of agent the proxy made necessary.
    agent = Object.assign(options.agent as https.Agent, { keepAlive: true, maxSockets })
    // Each connection would read the certificates anew.
    agent.options.secureContext = tls.createSecureContext(agent.options)
  } catch (error) {
    signal.throwIfAborted()
    throw credentialFailure(user, error)
  }
  const headers = { ...(options.headers as Record<string, string> | undefined) }
  if (typeof options.auth === 'string') {
    headers['Authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`
  }
  const bearer = /^Bearer (.*)$/s.exec(headers['Authorization'] ?? '')?.[1]
  if (bearer !== undefined) mask(bearer)
  if (typeof options.key === 'string' || Buffer.isBuffer(options.key)) mask(options.key.toString())
  if (user.authProvider !== undefined && headers['Authorization'] === undefined) {
    throw credentialFailure(user, new Error('the provider gave no token'))
  }
  return {
    agent,
    headers,
    ...(options.cert !== undefined && { certificate: String(options.cert) }),
  }
}

/** Gives the user with what its plugin gives, where it has one. */
async function withCredential({ exec, ...user }: User, signal: AbortSignal): Promise<User> {
  if (exec === undefined) return user
  const given = await runPlugin(exec as Plugin, signal)
  const base64 = (pem: string): string => Buffer.from(pem).toString('base64')
  return {
    ...user,
    ...(given.token !== undefined && { token: given.token }),
    ...(given.clientCertificateData !== undefined && { certData: base64(given.clientCertificateData) }),
    ...(given.clientKeyData !== undefined && { keyData: base64(given.clientKeyData) }),
  }
}

async function within(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: over, reject } = Promise.withResolvers<never>()
  const stop = (): void => {
    reject(new Error('there was no answer in time'))
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    await Promise.race([work, over])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function credentialFailure(user: User, error: unknown): Failure {
  const exec = user.exec as Plugin | undefined
  const provider = user.authProvider as { name: string } | undefined
  const giver =
    exec === undefined
      ? `The auth-provider ${oneLine(provider?.name ?? '')}`
      : `The plugin ${oneLine(exec.command)}`
  const absent = (error as NodeJS.ErrnoException).code === 'ENOENT'
  const seen = absent ? 'is not installed here' : 'failed'
  // What an auth-provider throws may repeat what it was told; a plugin's errors are our own.
  const cause = exec === undefined ? undefined : error
  return new Failure(
    'cluster-credential-failed',
    `${giver}, which gives user "${oneLine(user.name)}" its credential for the cluster, ${seen}.`,
    absent
      ? ['Install it on the runner, or use a kubeconfig with the token of a ServiceAccount.']
      : [
          'A frequent cause is a login that a person has to do first, which a pipeline cannot.',
          'For pipelines, use a kubeconfig with the token of a ServiceAccount.',
        ],
    { cause },
  )
}

function invalid(
  source: string,
  what: string,
  hint = [
    'A frequent cause is a kubeconfig that was copied in part, or that refers to files on another machine.',
  ],
): Failure {
  return new Failure('kubeconfig-invalid', `The kubeconfig from ${source} cannot be used: ${what}.`, [
    ...hint,
    'This prints a complete one: kubectl config view --raw --flatten --minify',
  ])
}

function record(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : []
}

/** Gives a field's text, empty where there is none. */
function text(fields: Fields, name: string): string {
  const value = fields[name]
  return typeof value === 'string' ? value : ''
}
