import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { inputsFor, leadingTo, runAction, watchChanges, type ActionRun } from './action.ts'

// These runs wait for ten seconds or more each, so they wait together.

let sandbox: Sandbox
interface Silence {
  readonly server: Server
  readonly port: number
  readonly sockets: Set<Socket>
  /** When somebody came first. */
  readonly met: Promise<number>
}
const silences: Silence[] = []
let apiServer: ActionRun
/** Counted from when it was met: how long a process takes to start is up to the machine. */
let apiServerMs: number
let postgres: ActionRun
let closed: ActionRun
let changes: readonly string[]

beforeAll(async () => {
  sandbox = await startSandbox()
  const silence = await startSilence()
  const toSilence = leadingTo(sandbox.kubeconfig, `https://127.0.0.1:${silence.port}`)
  const { port } = await startSilence()
  sandbox.api.route('postgres-system', 'postgresql1-0', 5432, { host: '127.0.0.1', port })
  const watched = await watchChanges(sandbox)
  const inputs = inputsFor(sandbox, 'patience')
  ;[apiServer, postgres, closed] = await Promise.all([
    runAction({ sandbox, inputs: { ...inputs, kubeconfig: toSilence } }).then(async (run) => {
      apiServerMs = performance.now() - (await silence.met)
      return run
    }),
    runAction({ sandbox, inputs: { ...inputs, timeout: '20s' } }),
    runAction({ sandbox, inputs: { ...inputs, 'access-secret': withoutServer('shut') } }),
  ])
  changes = await watched()
})
afterAll(async () => {
  await sandbox.stop()
  for (const { server, sockets } of silences) {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
})

/** A server that accepts every connection and never says a word. */
async function startSilence(): Promise<Silence> {
  const sockets = new Set<Socket>()
  const { promise: met, resolve: meet } = Promise.withResolvers<number>()
  const server = createServer((socket) => {
    meet(performance.now())
    sockets.add(socket)
    socket.on('error', () => undefined).resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const silence = { server, sockets, met, port: (server.address() as AddressInfo).port }
  silences.push(silence)
  return silence
}

/** Puts an access Secret for a Service whose Pod is Ready, and where nothing listens; gives its name. */
function withoutServer(name: string): string {
  const { api, accessNamespace: namespace, accessSecret, accessRole } = sandbox
  const labels = { app: name }
  const known = api.get('Secret', namespace, accessSecret)?.['data'] as object
  api.put({
    kind: 'Secret',
    metadata: { name, namespace },
    data: { ...known, USER_ACCESS: Buffer.from(name).toString('base64') },
  })
  api.put({
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: labels, ports: [{ port: 5432 }] },
  })
  api.put({
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: { nodeName: 'node-1', containers: [] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  })
  const role = api.get('Role', namespace, accessRole)
  const rules = [
    ...((role?.['rules'] ?? []) as object[]),
    { apiGroups: [''], resources: ['secrets', 'services'], resourceNames: [name], verbs: ['get'] },
  ]
  api.put({ kind: 'Role', metadata: { name: accessRole, namespace }, rules })
  return name
}

test('an API server that accepts the connection and never answers', () => {
  expect(apiServer.code).toBe(1)
  expect(apiServerMs).toBeLessThan(14_000)
  expect(apiServer.log).toMatch(
    /^✗ https:\/\/127\.0\.0\.1:\d+ accepted the connection and did not answer within 10 s\. {2}\[api-server-unreachable\]$/m,
  )
  expect(apiServer.log).toMatch(/^  A frequent cause is /m)
  expect(apiServer.log).toContain('\n  Nothing was changed.\n')
})

test('a PostgreSQL that accepts the connection and never answers', () => {
  const said = 'PostgreSQL did not answer within 10 s'
  expect(postgres.code).toBe(1)
  expect(postgres.log).toMatch(new RegExp(`^! waiting +${said};\\n +this run waits until `, 'm'))
  expect(postgres.log).toMatch(
    new RegExp(`^✗ The run .*; it was at: .*\\. What it waited for last: ${said}\\. {2}\\[timeout\\]$`, 'm'),
  )
  expect(postgres.log).toContain('\n  Nothing was changed.\n')
})

test('a port that is closed from the start ends long before the time is over', () => {
  const said = 'Nothing listens on port 5432 of Pod shut, behind svc/shut'
  expect(closed.code).toBe(1)
  expect(closed.seconds).toBeGreaterThan(15)
  expect(closed.seconds).toBeLessThan(60)
  expect(closed.log).toMatch(new RegExp(`^! waiting +${said};\\n +this run tries for 15 s$`, 'm'))
  expect(closed.log).toContain(`✗ ${said}.  [port-closed]\n`)
  expect(closed.log).toContain('\n  The run tried for 15 s, and saw no sign of a switch of the primary.\n')
  expect(closed.log).toContain('\n  Nothing was changed.\n')
})

test('none of them changes anything', () => {
  expect(changes).toEqual([])
})
