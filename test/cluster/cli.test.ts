import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import { until, type KubeObject } from '../contract/admin.ts'
import { program } from '../process/command.ts'
import { accessSecret, Scene, secretName, serviceAccount } from './scene.ts'

let scene: Scene
let folder: string
beforeAll(async () => {
  scene = await Scene.open({ roles: false })
  folder = await mkdtemp(join(tmpdir(), 'cli-cluster-'))
  await writeFile(join(folder, 'kubeconfig'), scene.kubeconfig, { mode: 0o600 })
}, 180_000)
afterAll(async () => {
  await scene.close()
  await rm(folder, { recursive: true, force: true })
})

/** Runs the built command line as somebody does who has the pipeline's kubeconfig and nothing else. */
async function run(...args: string[]): Promise<{ code: number; stdout: string }> {
  const env = { PATH: process.env['PATH'], HOME: folder, KUBECONFIG: join(folder, 'kubeconfig') }
  const common = [
    `--access-secret=${accessSecret}`,
    `--access-namespace=${scene.database}`,
    `--app-namespace=${scene.namespace}`,
    `--app-secret=${secretName('shop')}`,
  ]
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...args, ...common], { env })
    return { code: 0, stdout }
  } catch (ended) {
    return ended as { code: number; stdout: string }
  }
}

describe('the command line on a real cluster', () => {
  test('needs no right but those that it prints itself, from the names alone', async () => {
    const before = await run('provision', '--app-database=shop', '--yes')
    expect(before).toMatchObject({ code: 4, stdout: expect.stringContaining('[permission-missing]') })

    const rights = await run('rights', `--service-account=${scene.namespace}/${serviceAccount}`)
    expect(rights.code).toBe(0)
    for (const document of parseAllDocuments(rights.stdout)) {
      await scene.admin.create(document.toJS() as KubeObject)
    }
    // The API server needs a moment until it acts on them.
    await until('the rights hold', async () => {
      const { stdout } = await run('provision', '--app-database=shop', '--dry-run')
      return stdout.includes('Dry run for shop, nothing was changed: ')
    })
    expect(await scene.secret('shop')).toBeUndefined()

    const first = await run('provision', '--app-database=shop', '--yes', '--output=json')
    expect(first.code).toBe(0)
    expect(JSON.parse(first.stdout)).toMatchObject({ changed: true, failure: null })
    await scene.work(await scene.secret('shop'))
    const second = await run('provision', '--app-database=shop', '--yes')
    expect(second.stdout).toMatch(/^Nothing to do: /m)

    const gate = await run('go-live', '--app-database=shop', '--go-live-profile=standard')
    expect(gate).toMatchObject({ code: 3, stdout: expect.stringContaining('[go-live-held-back]') })
  })
})
