import { execFile } from 'node:child_process'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { listenOnLoopback } from '../../sandbox/host.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { leadingTo, tokenOf } from './action.ts'
import { optionsFor, program } from './command.ts'

// A run is over within its time and four seconds, whatever it waits for: each has three seconds here, and is killed after seven,
// counted from its first word: how long a process takes to start is up to the machine.

const timeoutMs = 3_000
const graceMs = 4_000

let sandbox: Sandbox
const sockets = new Set<Socket>()
const servers: Server[] = []

beforeAll(async () => {
  sandbox = await startSandbox()
})
afterAll(async () => {
  for (const server of servers) server.close()
  for (const socket of sockets) socket.destroy()
  await sandbox.stop()
})

async function listen(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    keep(socket)
    serve(socket)
  })
  servers.push(server)
  return await listenOnLoopback(server)
}

function keep(socket: Socket): Socket {
  sockets.add(socket)
  return socket.on('error', () => undefined)
}

interface End {
  readonly killed: boolean
  readonly code: number
  readonly said: string
}

async function run(name: string, kubeconfig: string): Promise<End> {
  const args = ['provision', '--yes', `--timeout=${timeoutMs / 1000}s`, ...optionsFor(sandbox, name)]
  const env = { PATH: process.env['PATH'], KUBECONFIG: kubeconfig, CI: 'true' }
  return await new Promise((resolve) => {
    let killing: NodeJS.Timeout | undefined
    const child = execFile(process.execPath, [program, ...args], { env }, (error, stdout, stderr) => {
      clearTimeout(killing)
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ killed: child.killed, code, said: stdout + stderr })
    })
    child.stdout?.once('data', () => {
      killing = setTimeout(() => child.kill('SIGKILL'), timeoutMs + graceMs)
    })
  })
}

describe('something that never goes on', () => {
  const plugin = (script: string): object => ({
    exec: {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: '/bin/sh',
      args: ['-c', script],
      interactiveMode: 'Never',
    },
  })
  const established = 'HTTP/1.1 200 Connection established\r\n'
  const silent = (socket: Socket): void => void socket.resume()
  const dripping = (socket: Socket): void => {
    socket.once('data', () => {
      socket.write(established)
      const drip = setInterval(() => socket.write('X-More: yes\r\n'), 100)
      socket.once('close', () => {
        clearInterval(drip)
      })
    })
  }
  const opening = (socket: Socket): void => void socket.once('data', () => socket.write(`${established}\r\n`))

  test.each<[string, (socket: Socket) => void, 'server' | 'proxy-url', object?]>([
    ['an API server that accepts the connection', silent, 'server'],
    ['a proxy that accepts the connection', silent, 'proxy-url'],
    ['a proxy whose headers have no end', dripping, 'proxy-url'],
    ['TLS behind a proxy', opening, 'proxy-url'],
    ['a plugin that ignores SIGTERM', silent, 'server', plugin('trap "" TERM; while :; do sleep 1; done')],
    ['a descendant of a plugin that holds its output', silent, 'server', plugin('sleep 30 & exit 0')],
  ])('%s', async (_, serve, where, user = { token: tokenOf(sandbox.kubeconfig) }) => {
    const port = await listen(serve)
    const cluster =
      where === 'server'
        ? { server: `https://127.0.0.1:${port}` }
        : { server: 'https://127.0.0.1:1', 'proxy-url': `http://127.0.0.1:${port}` }
    const kubeconfig = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'one',
      clusters: [{ name: 'one', cluster }],
      users: [{ name: 'one', user }],
      contexts: [{ name: 'one', context: { cluster: 'one', user: 'one', namespace: sandbox.appNamespace } }],
    })
    const end = await run('never', kubeconfig)
    expect(end).toMatchObject({ killed: false, said: expect.stringMatching(/^✗ .*\[[a-z-]+\]$/m) })
    expect(end.code).toBeGreaterThan(0)
    expect(end.said).toContain('Nothing was changed.')
  })
})

test('a conversation with API server and PostgreSQL that stops at any byte', async () => {
  const whole = sandbox.kubeconfig
  const { hostname, port } = new URL(/server: "?(https:[^"\s]+)/.exec(whole)?.[1] ?? '')
  // Up to more than all that is answered in such a run.
  const stops = [0, 1, 5, 500, 1_500, 3_000, 6_000, 9_000, 12_000, 16_000, 20_000, 25_000, 30_000, 40_000]
  const ends: (End & { readonly stop: number })[] = []
  const next = stops.values()
  const worker = async (): Promise<void> => {
    for (const stop of next) {
      let left = stop
      const relay = await listen((client) => {
        const upstream = keep(connect(Number(port), hostname))
        client.on('data', (data) => upstream.write(data)).once('close', () => upstream.destroy())
        upstream.on('data', (data) => {
          client.write(data.subarray(0, left))
          left = Math.max(0, left - data.length)
        })
      })
      ends.push({ stop, ...(await run(`stops-${stop}`, leadingTo(whole, `https://127.0.0.1:${relay}`))) })
    }
  }
  await Promise.all([worker(), worker()])
  expect(ends.filter(({ killed }) => killed)).toEqual([])
  expect(ends.filter(({ code, said }) => code !== 0 && !/^✗ .*\[[a-z-]+\]$/m.test(said))).toEqual([])
  expect(ends.filter(({ code }) => code !== 0).length).toBeGreaterThan(8)
}, 180_000)
