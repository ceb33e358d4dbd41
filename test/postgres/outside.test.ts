import { readFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '../../sandbox/api.ts'
import { useBench } from '../support/bench.ts'

// A server outside the cluster, as docs/anywhere.md says: behind a Pod that passes bytes on. The Pod of the page's Deployment
// is a relay here, and all else is taken from the page.

const host = 'pg.example.com'
const bench = useBench({ postgres: { serverNames: [host, '127.0.0.1'] } })
let relay: Server
let page: string

beforeAll(async () => {
  const whole = await readFile('docs/anywhere.md', 'utf8')
  page = (whole.split('\n## PostgreSQL outside the cluster\n')[1] ?? '').split('\n## ')[0] ?? ''
  const { host: address, port } = bench.postgres
  relay = createServer((client) => {
    const server = connect({ host: address, port })
    for (const end of [client, server]) end.on('error', () => undefined)
    client.pipe(server).pipe(client)
  })
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
})

afterAll(() => {
  relay.close()
})

function blockOf(language: string): string {
  const [, text = ''] = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(page) ?? []
  return text
}

interface Deployment extends KubeObject {
  readonly spec: { readonly template: { readonly metadata: object; readonly spec: object } }
}

test('the objects and the inputs of the page lead to a green run, and the relay sees no password', async () => {
  const { api, admin, accessNamespace: namespace } = bench.sandbox
  const objects = parseAllDocuments(blockOf('yaml')).map((document) => document.toJS() as KubeObject)
  const deployment = objects.find(({ kind }) => kind === 'Deployment') as Deployment
  const service = objects.find(({ kind }) => kind === 'Service')
  const { template } = deployment.spec
  api.put({
    kind: 'Pod',
    metadata: { ...template.metadata, name: 'pg-relay-1', namespace },
    spec: { nodeName: 'node-1', ...template.spec },
    status: { phase: 'Running', podIP: '10.244.0.19', conditions: [{ type: 'Ready', status: 'True' }] },
  })
  api.put({ ...service, kind: 'Service', metadata: { name: service?.metadata.name ?? '', namespace } })
  const seen: Buffer[] = []
  relay.on('connection', (client) => client.on('data', (data) => seen.push(data)))
  api.route(namespace, 'pg-relay-1', 5432, { host: '127.0.0.1', port: (relay.address() as AddressInfo).port })
  const stringData = { username: admin.user, password: admin.password }
  api.put({ kind: 'Secret', metadata: { name: 'pg-provisioner', namespace }, stringData })

  const [, provision = ''] = blockOf('sh').split(' provision ')
  const said = (name: string): string => new RegExp(`--${name} (\\S+)`).exec(provision)?.[1] ?? ''
  const [accessSecret, sslMode] = [said('access-secret'), said('access-sslmode')]
  const access = { service: said('access-service'), host: said('access-host'), sslMode }
  expect(access).toEqual({ service: 'pg-relay', host, sslMode: 'verify-full' })
  const application = bench.application({ accessSecret, access, sslRootCert: bench.postgres.ca })
  expect(await application.run()).toMatchObject({ code: undefined })
  expect(application.secret).toMatchObject({ PGHOST: host, PGSSLMODE: 'verify-full' })
  expect(await application.login()).toBe('in')
  expect(await application.run()).toMatchObject({ code: undefined, done: [] })
  const bytes = Buffer.concat(seen).toString('latin1')
  expect(bytes).not.toBe('')
  for (const word of [application.role, application.secret['PGPASSWORD'] ?? ''])
    expect(bytes).not.toContain(word)
})
