import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What one kubectl needs beside its arguments. */
export interface KubectlOptions {
  /** YAML. */
  readonly kubeconfig: string
  /** What comes on standard input. */
  readonly input?: string
  /** Default: the one on PATH. */
  readonly program?: string
}

/** Runs kubectl as a person with nothing but this kubeconfig would, and gives what it prints. */
export async function kubectl(args: readonly string[], options: KubectlOptions): Promise<string> {
  const { kubeconfig, input = '', program = 'kubectl' } = options
  const home = await mkdtemp(join(tmpdir(), 'kubectl-'))
  try {
    const file = join(home, 'config')
    await writeFile(file, kubeconfig, { mode: 0o600 })
    const env = { PATH: process.env['PATH'], HOME: home, KUBECONFIG: file }
    const child = spawn(program, args, { env, stdio: 'pipe' })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
    child.stdin.end(input)
    const [code] = (await once(child, 'close')) as [number]
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`)
    return stdout
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}
