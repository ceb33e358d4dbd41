import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { lstat, open, rm } from 'node:fs/promises'

/** More than any kubeconfig, certificate bundle or go-live file, and less than what fills the memory of a runner. */
const longestFile = 4 * 1024 * 1024

/** A file that is there and is not read. Its `code` is for people, beside those of Node.js such as EACCES. */
export class UnfitFile extends Error {
  readonly code: string

  constructor(code: string) {
    super(code)
    this.name = 'UnfitFile'
    this.code = code
  }
}

/**
 * Reads a file that somebody named. Nothing that could keep a run waiting or fill its memory is read: no pipe, no device,
 * no folder, and no file beyond 4 MiB.
 *
 * @throws UnfitFile, or the error of Node.js for a file that is not there or may not be read
 */
export function readRegularFile(path: string): Buffer {
  // Without waiting for whoever might write to a pipe: this is also how a pipe is recognised without being changed.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  try {
    if (!fstatSync(file).isFile()) throw new UnfitFile('it is no regular file')
    // Not by its size, which a file that grows, or one of /proc, does not tell.
    const content = Buffer.allocUnsafe(longestFile + 1)
    let length = 0
    for (;;) {
      const read = readSync(file, content, length, content.length - length, null)
      length += read
      if (length > longestFile) throw new UnfitFile('it is larger than 4 MiB')
      if (read === 0) return Buffer.from(content.subarray(0, length))
    }
  } finally {
    closeSync(file)
  }
}

/**
 * Writes a file in place of the one that is there. A link is not followed: on a shared runner somebody else may have put
 * it where a file was to be. A file is made anew, because it may have another name elsewhere.
 *
 * @param mode who may read it
 * @throws UnfitFile where there is a link, a folder or a device, or the error of Node.js
 */
export async function writeNewFile(path: string, content: string, mode = 0o644): Promise<void> {
  const there = await lstat(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  })
  if (there?.isSymbolicLink()) throw new UnfitFile('a link is there')
  if (there?.isFile() === false) throw new UnfitFile('something else than a file is there')
  if (there !== undefined) await rm(path)
  // Whatever somebody puts there between the look and this: then there is no file.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const file = await open(path, flags, mode)
  try {
    await file.writeFile(content)
  } finally {
    await file.close()
  }
}
