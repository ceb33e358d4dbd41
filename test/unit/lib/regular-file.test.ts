import { execFileSync } from 'node:child_process'
import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { readRegularFile, writeNewFile } from '../../../src/lib/regular-file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'regular-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

type Make = (path: string) => void
const pipe: Make = (path) => execFileSync('mkfifo', [path])

describe('is not read', () => {
  test.each<[string, string, Make]>([
    ['a pipe that nobody writes to', 'it is no regular file', pipe],
    [
      'a folder',
      'it is no regular file',
      (path) => {
        mkdirSync(path)
      },
    ],
    [
      'a link to a device that never ends',
      'it is no regular file',
      (path) => {
        symlinkSync('/dev/zero', path)
      },
    ],
    [
      'a large file',
      'it is larger than 4 MiB',
      (path) => {
        writeFileSync(path, Buffer.alloc(4 * 1024 * 1024 + 1))
      },
    ],
    ['nothing', 'ENOENT', () => undefined],
  ])('%s', (_, code, make) => {
    const path = join(folder, 'named')
    make(path)
    expect(() => readRegularFile(path)).toThrow(code)
  })
})

test.each([0, 1, 4 * 1024 * 1024])('a file of %i bytes is read as it is', (size) => {
  const path = join(folder, 'named')
  const content = Buffer.alloc(size, 'x')
  writeFileSync(path, content)
  expect(readRegularFile(path).equals(content)).toBe(true)
})

describe('is not written to', () => {
  test.each<[string, string, Make]>([
    [
      'a link to a file elsewhere',
      'a link is there',
      (path) => {
        symlinkSync(join(folder, 'precious'), path)
      },
    ],
    [
      'a link to nothing',
      'a link is there',
      (path) => {
        symlinkSync(join(folder, 'nowhere'), path)
      },
    ],
    ['a pipe', 'something else than a file is there', pipe],
    [
      'a folder',
      'something else than a file is there',
      (path) => {
        mkdirSync(path)
      },
    ],
  ])('%s', async (_, code, make) => {
    writeFileSync(join(folder, 'precious'), 'precious')
    const path = join(folder, 'named')
    make(path)
    await expect(writeNewFile(path, 'mine')).rejects.toMatchObject({ code })
    expect(readFileSync(join(folder, 'precious'), 'utf8')).toBe('precious')
    expect(() => lstatSync(join(folder, 'nowhere'))).toThrow('ENOENT')
  })
})

test('a file that has another name elsewhere is made anew, and stays as it is there', async () => {
  const [path, precious] = [join(folder, 'named'), join(folder, 'precious')]
  writeFileSync(precious, 'precious')
  linkSync(precious, path)
  await writeNewFile(path, 'mine')
  expect([readFileSync(path, 'utf8'), readFileSync(precious, 'utf8')]).toEqual(['mine', 'precious'])
})
