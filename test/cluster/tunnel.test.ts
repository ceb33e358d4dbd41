import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Cargo, Delivery } from './carry.ts'
import { cluster, Scene } from './scene.ts'

const megabyte = 1024 * 1024

/** What V8 keeps for later is no measure of what is needed. */
const smallHeap = ['--max-old-space-size=64', '--max-semi-space-size=4']

describe('the tunnel, on a real cluster', () => {
  let scene: Scene

  beforeAll(async () => {
    scene = await Scene.open()
  }, 180_000)
  afterAll(() => scene.close())

  /** Carries in a process of its own, whose memory is nobody else's, and prints how fast that was. */
  async function carry(tunnels: number, megabytes: number, port?: number): Promise<Delivery> {
    const { database: namespace, kubeconfig, logins } = scene
    const way = port === undefined ? { kubeconfig, namespace, pod: `${cluster}-0` } : { port }
    const cargo: Cargo = { way, ...logins.superuser, tunnels, megabytes }
    const program = fileURLToPath(new URL('carry.ts', import.meta.url))
    const child = spawn(process.execPath, [...smallHeap, program], { stdio: ['pipe', 'pipe', 'inherit'] })
    let printed = ''
    child.stdout.on('data', (data: Buffer) => (printed += data.toString()))
    child.stdin.end(JSON.stringify(cargo))
    expect(await once(child, 'close')).toEqual([0, null])
    const delivery = JSON.parse(printed) as Delivery
    const rate = (bytes: number, seconds: number): string =>
      `${(bytes / megabyte / seconds).toFixed(0)} MiB/s`
    const what = port === undefined ? `${tunnels} tunnel${tunnels === 1 ? '' : 's'}` : 'kubectl port-forward'
    process.stdout.write(
      `${what}, ${megabytes} MiB each way: ` +
        `up ${rate(delivery.bytesUp, delivery.secondsUp)}, down ${rate(delivery.bytesDown, delivery.secondsDown)}, ` +
        `memory +${delivery.grownMegabytes.toFixed(0)} MiB\n`,
    )
    return delivery
  }

  test.each([
    [1, 200],
    [10, 20],
  ])(
    'carries much through %i at once, intact and in little memory',
    async (tunnels, megabytes) => {
      const delivery = await carry(tunnels, megabytes)
      expect(delivery.intact).toBe(true)
      expect(delivery.bytesUp).toBeGreaterThanOrEqual(200 * megabyte)
      expect(delivery.bytesDown).toBeGreaterThanOrEqual(200 * megabyte)
      expect(delivery.grownMegabytes).toBeLessThan(64)
    },
    180_000,
  )

  test('is measured beside kubectl port-forward, for information', async () => {
    const child = spawn(
      'kubectl',
      ['-n', scene.database, 'port-forward', '--address=127.0.0.1', `${cluster}-0`, ':5432'],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const ended = once(child, 'close')
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer]
      const port = /127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1]
      expect((await carry(1, 200, Number(port))).intact).toBe(true)
    } finally {
      child.kill()
      await ended
    }
  }, 180_000)

  test('makes the server wait for a reader that does not read', async () => {
    const before = process.memoryUsage.rss()
    const tunnel = await scene.tunnel()
    const client = await scene.connect(scene.logins.superuser, 'postgres')
    tunnel.destroy()
    const query = client.query('select repeat(md5(n::text), 32768) from generate_series(1, 200) n')
    const stream = (
      client as unknown as { connection: { stream: { pause: () => void; resume: () => void } } }
    ).connection.stream
    stream.pause()
    await sleep(2_000)
    expect((process.memoryUsage.rss() - before) / megabyte).toBeLessThan(60)
    stream.resume()
    expect((await query).rowCount).toBe(200)
  })
})
