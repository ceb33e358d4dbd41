import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'

const program = fileURLToPath(new URL('../../sandbox/ways.ts', import.meta.url))

async function ways(...args: readonly string[]): Promise<{ readonly code: number; readonly stdout: string }> {
  return await promisify(execFile)(process.execPath, [program, ...args]).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (thrown: unknown) => thrown as { code: number; stdout: string },
  )
}

test('each way of the quick start ends well on a sandbox', async () => {
  const { code, stdout } = await ways()
  const titles = [...stdout.matchAll(/^\d · (GitHub|GitLab|Laptop|In the cluster):/gm)].map(
    ([, name]) => name,
  )
  expect(titles).toEqual(['GitHub', 'GitLab', 'Laptop', 'In the cluster'])
  const done = stdout.match(/Created role, database, grants and Secret for shop\./g)
  expect([code, done?.length, stdout]).toEqual([0, 4, expect.stringContaining('All ended well.')])
  expect(stdout).toContain('deploying with app-postgresql-secret')
})

test.each(['jenkins', 'constructor'])(
  '%s is no way: it is named, with those that there are',
  async (name) => {
    const { code, stdout } = await ways(name)
    const said = new RegExp(`${name}[^]*github, gitlab, laptop, cluster`)
    expect([code, stdout]).toEqual([1, expect.stringMatching(said)])
  },
)
