import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { list, record, text, type Fields } from '../kubernetes/fields.ts'
import { oneLine } from '../lib/text.ts'
import type { Cluster } from './cluster.ts'
import { invalid } from './failure.ts'
import { checkTypes, execTypes } from './types.ts'

/** A command that gives a credential for the cluster. */
export interface Plugin {
  readonly command: string
  readonly args: readonly string[]
  /** On top of the environment of this process. */
  readonly env: Readonly<Record<string, string>>
  /** The version that it is asked in and has to answer in. */
  readonly apiVersion: string
  /** Whether it does not work without a person at a terminal. */
  readonly needsPerson: boolean
  /** What the kubeconfig says about how to install it. */
  readonly installHint: string
}

/** What a plugin gives: a token, or a client certificate with its key, both PEM. */
export interface PluginCredential {
  readonly token?: string
  readonly pair?: { readonly certificate: string; readonly key: string }
}

/** Why a plugin gave nothing, in words of our own: safe to be shown. */
export class PluginFailure extends Error {
  /** What to do about it, where that is known. */
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.name = 'PluginFailure'
    this.hint = hint
  }
}

const versions = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1']

/**
 * Returns a plugin as kubectl starts it: a command with a slash is relative to the kubeconfig's folder, and the plugin
 * learns by variable what is wanted of it. It never gets the terminal: what it would ask there, nobody answers in a
 * pipeline.
 *
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 *
 * @throws Failure `kubeconfig-invalid`
 */
export function pluginOf(
  exec: Fields,
  folder: string,
  cluster: Cluster,
  owner: string,
  source: string,
): Plugin {
  const of = `the plugin (exec) of ${owner}`
  checkTypes(exec, execTypes, of, source)
  const command = text(exec, 'command')
  const apiVersion = text(exec, 'apiVersion')
  const mode = text(exec, 'interactiveMode')
  const variables = list(exec['env']).map(record)
  const withHint = (what: string, hint: string) => invalid(source, what, [hint])
  if (command === '') throw invalid(source, `${of} names no command`)
  if (!versions.includes(apiVersion)) {
    throw withHint(
      `${of} has ${apiVersion === '' ? 'no apiVersion' : `the apiVersion ${oneLine(apiVersion, 60)}`}, and kubectl takes v1 and v1beta1 of client.authentication.k8s.io`,
      'A frequent cause is an old kubeconfig: create a new one with the current tool of the cluster.',
    )
  }
  if (!['Never', 'IfAvailable', 'Always'].includes(mode) && (mode !== '' || apiVersion === versions[0])) {
    throw withHint(
      `${of} has ${mode === '' ? 'no interactiveMode' : `the interactiveMode ${oneLine(mode, 60)}`}`,
      'Version v1 asks for one: Never, IfAvailable or Always.',
    )
  }
  if (variables.some((variable) => text(variable, 'name') === '')) {
    throw invalid(source, `${of} has a variable (env) without a name`)
  }
  const info = {
    kind: 'ExecCredential',
    apiVersion,
    spec: {
      interactive: false,
      ...(exec['provideClusterInfo'] === true && { cluster: cluster.info }),
    },
  }
  return {
    command: command.includes('/') || command.includes(path.sep) ? path.resolve(folder, command) : command,
    args: list(exec['args']).map(String),
    env: {
      ...Object.fromEntries(variables.map((variable) => [text(variable, 'name'), text(variable, 'value')])),
      KUBERNETES_EXEC_INFO: JSON.stringify(info),
    },
    apiVersion,
    installHint: oneLine(text(exec, 'installHint')),
    needsPerson: mode === 'Always',
  }
}

/** More than any credential, and less than what fills the memory of a runner. */
const longestAnswer = 1024 * 1024

/**
 * Runs a plugin and gives what it prints. What it says on its second stream, which may be a credential, is not kept.
 *
 * @throws PluginFailure, which holds nothing of what the plugin has printed
 */
export async function runPlugin(plugin: Plugin, signal: AbortSignal): Promise<PluginCredential> {
  signal.throwIfAborted()
  if (plugin.needsPerson) {
    throw new PluginFailure(
      'needs a person at a terminal (interactiveMode: Always)',
      'It may have another way to log in, for pipelines.',
    )
  }
  // A group of its own, so that it can be ended with whatever it has started.
  const child = spawn(plugin.command, plugin.args, {
    env: { ...process.env, ...plugin.env },
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  })
  const end = (): void => {
    endGroup(child)
    // What it has started in a group of its own may hold the stream open for ever.
    child.stdout.destroy()
  }
  signal.addEventListener('abort', end, { once: true })
  try {
    await once(child, 'spawn').catch((error: unknown) => {
      throw notStarted(plugin, error)
    })
    const [printed, [code]] = await Promise.all([
      answerOf(child),
      once(child, 'exit') as Promise<[number | null]>,
    ])
    if (signal.aborted) throw new PluginFailure('gave no answer in time')
    if (code !== 0) {
      throw new PluginFailure(code === null ? 'was ended by a signal' : `failed with exit code ${code}`)
    }
    return credentialIn(printed, plugin.apiVersion)
  } finally {
    signal.removeEventListener('abort', end)
    end()
  }
}

function notStarted({ installHint }: Plugin, error: unknown): PluginFailure {
  const { code = 'unknown reason' } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') {
    const says = installHint === '' ? '' : ` The kubeconfig says: "${installHint}"`
    return new PluginFailure('is not installed here', `Install it on the runner.${says}`)
  }
  if (code === 'EACCES') {
    return new PluginFailure(
      'may not be executed (EACCES)',
      'A frequent cause is a file without the right to execute it: chmod +x.',
    )
  }
  return new PluginFailure(`cannot be started (${code})`)
}

async function answerOf(child: ChildProcess): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of (child.stdout ?? []) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > longestAnswer) {
      endGroup(child)
      throw new PluginFailure('printed more than 1 MiB')
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // All of it has ended already.
  }
}

function credentialIn(printed: string, apiVersion: string): PluginCredential {
  let answer: Fields
  try {
    answer = record(JSON.parse(printed))
  } catch {
    throw new PluginFailure(
      'printed something other than JSON',
      'Only the credential may go to its output; warnings belong to its error stream.',
    )
  }
  if (text(answer, 'kind') !== 'ExecCredential' || text(answer, 'apiVersion') !== apiVersion) {
    throw new PluginFailure(
      `did not answer with an ExecCredential of ${apiVersion}`,
      'The kubeconfig and the plugin have to be of the same version: update both.',
    )
  }
  const status = record(answer['status'])
  const token = text(status, 'token')
  const [certificate, key] = [text(status, 'clientCertificateData'), text(status, 'clientKeyData')]
  if ((certificate === '') !== (key === '')) {
    throw new PluginFailure('gave a certificate without its key, or a key without its certificate')
  }
  if (token === '' && certificate === '') {
    throw new PluginFailure('answered, and gave no credential: neither a token nor a certificate')
  }
  return { ...(token !== '' && { token }), ...(certificate !== '' && { pair: { certificate, key } }) }
}
