import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { createAuthority } from '../../sandbox/certificate.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { mountedCa } from '../../src/secrets/formats.ts'
import { inputsFor, runAction } from '../process/action.ts'
import { readDotnet } from '../support/dotnet.ts'
import { ask, clients, useClients, type Client } from './clients.ts'
import { deploymentOf, secretOf, startPod, type Pod } from './pod.ts'

// Each client runs with what a container has that is made as the job summary shows it, and nothing else of the run.

/** Who asked, where, and how it was encrypted. */
const query = `select format('%s on %s, %s', current_user, current_database(), case when ssl then 'TLS' else 'clear text' end)
  as answer from pg_stat_ssl where pid = pg_backend_pid()`

const refusedCertificate = /certificate|certification path|SSL error/i

let sandbox: Sandbox
useClients()
beforeAll(async () => {
  sandbox = await startSandbox()
  // A name that leads to the server from here too, with its own port, so that clients take the Secret as it is.
  const { api, accessNamespace, accessSecret, postgres } = sandbox
  const object = api.get('Secret', accessNamespace, accessSecret)
  api.put({
    ...object,
    kind: 'Secret',
    metadata: { name: accessSecret, namespace: accessNamespace },
    stringData: { PGHOST: 'localhost', PGPORT: String(postgres.port), 'ca.crt': postgres.ca ?? '' },
  })
})
afterAll(async () => {
  await sandbox.stop()
})

/** Tests that are skipped, each by its name, where the client is not installed. */
function each(who: readonly Client[]): (name: string, check: (client: Client) => Promise<void>) => void {
  return (name, check) => {
    for (const client of who) {
      const one = client.installed ? test : test.skip
      one(`${client.name}${client.installed ? '' : ', which is not installed'} ${name}`, () => check(client))
    }
  }
}

const ofLibrary = (...libraries: readonly Client['library'][]): readonly Client[] =>
  clients.filter(({ library }) => libraries.includes(library))

describe.each(['verify-full', 'verify-ca', 'require', 'disable', 'no-verify'] as const)(
  'app-sslmode %s',
  (mode) => {
    const name = mode.replace('-', '_')
    const answer = `${name} on ${name}, ${mode === 'disable' ? 'clear text' : 'TLS'}`
    const verifies = mode.startsWith('verify')
    let summary = ''
    let pod: Pod
    beforeAll(async () => {
      const inputs = {
        ...inputsFor(sandbox, name),
        'app-secret': `${mode}-secret`,
        'app-sslmode': mode,
        'secret-format': 'url, jdbc, dotnet, servicebinding',
      }
      const run = await runAction({ sandbox, inputs })
      expect({ code: run.code, stdout: run.code === 0 ? '' : run.stdout }).toEqual({ code: 0, stdout: '' })
      summary = run.summary
      pod = await startPod(sandbox, deploymentOf(summary))
    })
    afterAll(() => pod.remove())

    /** The container, with what the documents add for node-postgres, which reads no `PGSSLROOTCERT`. */
    const containerOf = (client: Client, container = pod): Pod =>
      client.library === 'node-postgres' && client.reads === 'names' && verifies
        ? { ...container, env: { ...container.env, NODE_EXTRA_CA_CERTS: container.path(mountedCa) } }
        : container

    const refused = mode === 'require' ? 'node-postgres' : mode === 'no-verify' ? 'libpq' : undefined
    each(clients.filter(({ library }) => library !== refused))('logs in', async (client) => {
      expect(await ask(client, containerOf(client), query)).toBe(answer)
    })
    if (refused !== undefined) {
      each(ofLibrary(refused))('does not, as the documents say', async (client) => {
        expect(await ask(client, containerOf(client), query)).toMatch(
          refused === 'libpq' ? /no-verify/ : refusedCertificate,
        )
      })
    }

    if (refused === undefined) {
      each(clients.filter(({ reads }) => reads === 'url'))(
        'logs in with uri of the service binding',
        async (client) => {
          const folder = pod.path('/bindings/postgresql')
          const root = verifies ? join(folder, 'certificates') : ''
          const uri = await readFile(join(folder, 'uri'), 'utf8')
          const env = { PGSSLROOTCERT: root, NODE_EXTRA_CA_CERTS: root, DATABASE_URL: uri }
          expect(await ask(client, { ...pod, env }, query)).toBe(answer)
        },
      )
    }

    if (verifies) {
      describe('another authority', () => {
        let other: Pod
        beforeAll(async () => {
          const ca = { 'ca.crt': createAuthority('another one').pem }
          other = await startPod(sandbox, deploymentOf(summary), ca)
        })
        afterAll(() => other.remove())
        each(clients)('refuses it', async (client) => {
          expect(await ask(client, containerOf(client, other), query)).toMatch(refusedCertificate)
        })
      })
    }

    test('Npgsql, by its documented grammar: there is no .NET here', () => {
      const { ConnectionStrings__Default = '', PGPASSWORD } = secretOf(sandbox, `${mode}-secret`)
      expect(readDotnet(ConnectionStrings__Default)).toEqual({
        Host: 'localhost',
        Port: String(sandbox.postgres.port),
        Username: name,
        Password: PGPASSWORD,
        Database: name,
        'SSL Mode': {
          'verify-full': 'VerifyFull',
          'verify-ca': 'VerifyCA',
          require: 'Require',
          disable: 'Disable',
          'no-verify': 'Require',
        }[mode],
        ...(verifies && { 'Root Certificate': mountedCa }),
      })
    })
  },
)

describe("the system's authorities", () => {
  let pod: Pod
  let authority: string
  beforeAll(async () => {
    authority = join(await mkdtemp(join(tmpdir(), 'system-')), 'ca.pem')
    await writeFile(authority, sandbox.postgres.ca ?? '')
    const inputs = {
      ...inputsFor(sandbox, 'system'),
      'app-sslmode': 'verify-full',
      'ssl-root-cert': 'system',
      'secret-format': 'url, jdbc',
    }
    const run = await runAction({ sandbox, inputs, env: { SSL_CERT_FILE: authority } })
    expect({ code: run.code, stdout: run.code === 0 ? '' : run.stdout }).toEqual({ code: 0, stdout: '' })
    pod = await startPod(sandbox, deploymentOf(run.summary))
  })
  afterAll(async () => {
    await rm(dirname(authority), { recursive: true })
    await pod.remove()
  })

  each(ofLibrary('node-postgres'))('finds them in its surroundings', async (client) => {
    const surroundings = { ...pod, env: { ...pod.env, NODE_EXTRA_CA_CERTS: authority } }
    expect(await ask(client, surroundings, query)).toBe('system on system, TLS')
    expect(await ask(client, pod, query)).toMatch(refusedCertificate)
  })

  each(ofLibrary('pgjdbc'))('finds them in its surroundings', async (client) => {
    const store = join(pod.home, 'authorities')
    const keytool = ['-importcert', '-noprompt', '-alias', 'it', '-file', authority]
    await promisify(execFile)('keytool', [...keytool, '-keystore', store, '-storepass', 'changeit'])
    const options = [`-Djavax.net.ssl.trustStore=${store}`, '-Djavax.net.ssl.trustStorePassword=changeit']
    const env = { ...pod.env, JDK_JAVA_OPTIONS: options.join(' ') }
    expect(await ask(client, { ...pod, env }, query)).toBe('system on system, TLS')
    expect(await ask(client, pod, query)).toMatch(refusedCertificate)
  })

  each(ofLibrary('libpq'))(
    'looks there where its libpq is new enough, and says so where not',
    async (client) => {
      const surroundings = { ...pod, env: { ...pod.env, SSL_CERT_FILE: authority } }
      expect(await ask(client, surroundings, query)).toMatch(
        /^system on system, TLS$|root certificate file "system" does not exist/,
      )
    },
  )
})
