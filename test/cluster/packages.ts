import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A package of npm, unpacked. */
export interface Package {
  readonly folder: string
  remove(): Promise<void>
}

const run = promisify(execFile)

/** Fetches a package, such as `name@1.2.3`, into a folder that every user of this machine may read. */
export async function fetchPackage(name: string): Promise<Package> {
  const home = await mkdtemp(join(process.env['CLUSTER_RING_FOLDER'] ?? tmpdir(), 'package-'))
  const remove = (): Promise<void> => rm(home, { recursive: true, force: true })
  try {
    await chmod(home, 0o755)
    const { stdout } = await run('npm', ['pack', '--silent', name], { cwd: home })
    await run('tar', ['xzf', stdout.trim().split('\n').at(-1) ?? ''], { cwd: home })
    return { folder: join(home, 'package'), remove }
  } catch (error) {
    await remove()
    throw error
  }
}
