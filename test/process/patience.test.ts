import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { inputsFor, leadingTo, runAction, watchChanges, type ActionRun } from './action.ts'

// These runs wait for ten seconds each, so they wait together.

let sandbox: Sandbox
let silence: { server: Server; port: number; sockets: Set<Socket> }
let apiServer: ActionRun
let postgres: ActionRun
let changes: readonly string[]

beforeAll(async () => {
  sandbox = await startSandbox()
  silence = await startSilence()
  const { port } = silence
  const toSilence = leadingTo(sandbox.kubeconfig, `https://127.0.0.1:${port}`)
  sandbox.api.route('postgres-system', 'postgresql1-0', 5432, { host: '127.0.0.1', port })
  const watched = await watchChanges(sandbox)
  const inputs = inputsFor(sandbox, 'patience')
  ;[apiServer, postgres] = await Promise.all([
    runAction({ sandbox, inputs: { ...inputs, kubeconfig: toSilence } }),
    runAction({ sandbox, inputs }),
  ])
  changes = await watched()
})
afterAll(async () => {
  await sandbox.stop()
  for (const socket of silence.sockets) socket.destroy()
  silence.server.close()
})

/** A server that accepts every connection and never says a word. */
async function startSilence(): Promise<typeof silence> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, sockets, port: (server.address() as AddressInfo).port }
}

test('an API server that accepts the connection and never answers', () => {
  expect(apiServer.code).toBe(1)
  expect(apiServer.seconds).toBeLessThan(14)
  expect(apiServer.log).toMatch(
    /^✗ https:\/\/127\.0\.0\.1:\d+ accepted the connection and did not answer within 10 s\. {2}\[api-server-unreachable\]$/m,
  )
  expect(apiServer.log).toMatch(/^  A frequent cause is /m)
  expect(apiServer.log).toContain('\n  Nothing was changed.\n')
})

test('a PostgreSQL that accepts the connection and never answers', () => {
  expect(postgres.code).toBe(1)
  expect(postgres.seconds).toBeLessThan(14)
  expect(postgres.log).toContain(
    '✗ PostgreSQL did not answer through the tunnel within 10 s.  [tunnel-lost]\n',
  )
  expect(postgres.log).toContain('\n  Nothing was changed.\n')
})

test('neither changes anything', () => {
  expect(changes).toEqual([])
})
