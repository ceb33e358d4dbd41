import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** A command that gives a credential for the cluster. */
export interface Plugin {
  readonly command: string
  readonly args: readonly string[]
  /** On top of the environment of this process. */
  readonly env: Readonly<Record<string, string>>
}

/** What a plugin gives: a token, or a client certificate with its key, both PEM. */
export interface PluginCredential {
  readonly token?: string
  readonly clientCertificateData?: string
  readonly clientKeyData?: string
}

/** More than any credential, and less than what fills the memory of a runner. */
const longestAnswer = 1024 * 1024

/**
 * Runs a plugin and gives what it prints. Not by way of the Kubernetes client, which waits for a plugin for ever, keeps
 * all that it prints, and puts what it says on the second stream, which may be a credential, into its errors.
 *
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 *
 * @throws Error that tells what went wrong and nothing of what the plugin has printed; with the code ENOENT where there
 *   is no such command
 */
export async function runPlugin(plugin: Plugin, signal: AbortSignal): Promise<PluginCredential> {
  signal.throwIfAborted()
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
    await once(child, 'spawn')
    const [printed, [code]] = await Promise.all([
      answerOf(child),
      once(child, 'exit') as Promise<[number | null]>,
    ])
    if (signal.aborted) throw new Error('it gave no answer in time')
    if (code !== 0) throw new Error(`it ended with ${code === null ? 'a signal' : `exit code ${code}`}`)
    return credentialIn(printed)
  } finally {
    signal.removeEventListener('abort', end)
    end()
  }
}

async function answerOf(child: ChildProcess): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of (child.stdout ?? []) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > longestAnswer) {
      endGroup(child)
      throw new Error('it printed more than 1 MiB')
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

function credentialIn(printed: string): PluginCredential {
  let answer: { status?: Partial<Record<string, unknown>> | null } | null
  try {
    answer = JSON.parse(printed) as typeof answer
  } catch {
    throw new Error('what it printed is no JSON')
  }
  const field = (name: keyof PluginCredential): PluginCredential => {
    const value = answer?.status?.[name]
    return typeof value === 'string' && value !== '' ? { [name]: value } : {}
  }
  const credential = { ...field('token'), ...field('clientCertificateData'), ...field('clientKeyData') }
  if (Object.keys(credential).length === 0) throw new Error('what it printed holds no credential')
  return credential
}
