import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
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

test('a signal stops it early, with nothing left behind', async () => {
  const child = spawn(process.execPath, [program, 'laptop'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const said: string[] = []
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    // The first line is about the way, and its sandbox is being started.
    if (said.push(data) === 1) child.kill('SIGTERM')
  })
  const [code] = (await once(child, 'close')) as [number | null]
  expect([code, said.join('')]).toEqual([
    143,
    expect.stringMatching(/\nStopped early\. .*nothing is left behind\.\n$/),
  ])
})
