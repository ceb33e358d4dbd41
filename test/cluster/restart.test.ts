import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from '@jest/globals'
import { until } from '../contract/admin.ts'
import { disturbed, expectConvergence, expectOrderly, type Moment } from './disturbance.ts'
import { cluster, Scene } from './scene.ts'
import { readyPod } from './spilo.ts'

const root = process.env['CLUSTER_ROOT'] ?? ''
const graceMs = 2_000

/** A process of the cluster, as this machine sees it. */
interface Process {
  readonly pid: number
  readonly command: readonly string[]
}

async function processOf(program: string): Promise<Process | undefined> {
  for (const entry of await readdir('/proc')) {
    const text = await readFile(join('/proc', entry, 'cmdline'), 'utf8').catch(() => '')
    const command = text.split('\0').slice(0, -1)
    if (command[0] === join(root, 'bin', program)) return { pid: Number(entry), command }
  }
  return undefined
}

/** Ends the API server and starts it again in the namespaces of its cluster, whose end is then its end too. */
async function restart(signal: NodeJS.Signals): Promise<void> {
  const before = await processOf('kube-apiserver')
  const neighbour = await processOf('kubelet')
  if (before === undefined || neighbour === undefined) throw new Error('the cluster does not run here')
  const ended = async (): Promise<boolean> => (await processOf('kube-apiserver')) === undefined
  process.kill(before.pid, signal)
  // It says goodbye to everybody who watches something, for a minute if need be; nobody grants it that much.
  await until('it has ended', ended, graceMs).catch(() => process.kill(before.pid, 'SIGKILL'))
  await until('it has ended', ended)
  const log = openSync(join(root, 'logs', 'kube-apiserver.log'), 'a')
  const namespaces = ['--target', String(neighbour.pid), '--mount', '--pid']
  spawn('nsenter', [...namespaces, '--', ...before.command], {
    detached: true,
    stdio: ['ignore', log, log],
  }).unref()
  closeSync(log)
}

describe('the API server is restarted', () => {
  let scene: Scene

  async function recovery(): Promise<void> {
    const { admin, database } = scene
    await until('the API server is ready', async () => (await admin.call('GET', '/readyz')).status === 200)
    await readyPod(admin, database, `${cluster}-0`)
  }

  beforeAll(async () => {
    scene = await Scene.open()
  }, 180_000)
  afterAll(() => scene.close())

  test.each<[NodeJS.Signals, Moment]>([
    ['SIGTERM', 'the identity'],
    ['SIGKILL', 'the admin session'],
    ['SIGTERM', 'the database'],
    ['SIGKILL', 'the proof'],
  ])(
    'by %s, at %s',
    async (signal, moment) => {
      const name = moment.replaceAll(' ', '-')
      // Whatever became of the run, the next test needs the cluster.
      const run = await disturbed(scene, name, moment, () => restart(signal)).finally(recovery)
      expectOrderly(run)
      await expectConvergence(scene, name)
    },
    120_000,
  )
})
