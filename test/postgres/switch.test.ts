import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import type { Interceptor, Target } from '../../sandbox/api.ts'
import { useBench, type Application, type RunOptions } from '../support/bench.ts'

const bench = useBench()

const said = Buffer.from(
  'SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0',
)
const head = Buffer.from([0x45, 0, 0, 0, said.length + 4])
const postmasterExit = Buffer.concat([head, said])
/** In the form of old: all there is room for. */
const forkFailure = 'Ecould not fork new process for connection: Resource temporarily unavailable\n\0'

const firstRun = ['role created', 'database created', 'grants granted', 'secret created']

type Standing = 'primary' | 'replica' | 'not Ready' | 'leaving'

/** Two Pods behind a Service that selects the primary, as an operator labels them. */
class Pair {
  readonly accessSecret: string
  readonly old: string
  readonly next: string
  readonly #ip = { old: '10.244.1.1', next: '10.244.1.2' }

  constructor() {
    this.accessSecret = bench.access({ target: bench.postgres })
    this.old = this.accessSecret
    this.next = `${this.accessSecret}-next`
    this.pod(this.next, 'replica')
    this.route(this.next, bench.postgres)
  }

  get application(): Application {
    return bench.application({ accessSecret: this.accessSecret })
  }

  pod(name: string, standing: Standing): void {
    const role = standing === 'replica' ? 'replica' : 'primary'
    bench.sandbox.api.put({
      kind: 'Pod',
      metadata: {
        name,
        namespace: bench.sandbox.accessNamespace,
        labels: { bench: role === 'primary' ? this.accessSecret : `${this.accessSecret} replica` },
        ...(standing === 'leaving' && { deletionTimestamp: '2026-11-22T14:03:11Z' }),
      },
      spec: {
        nodeName: 'node-1',
        containers: [{ name: 'postgres', image: 'postgres', ports: [{ containerPort: 5432 }] }],
      },
      status: {
        phase: 'Running',
        podIP: this.#ip.next,
        conditions: [{ type: 'Ready', status: standing === 'not Ready' ? 'False' : 'True' }],
      },
    })
  }

  route(pod: string, target: Target | undefined): void {
    bench.sandbox.api.route(bench.sandbox.accessNamespace, pod, 5432, target)
  }

  switchOver(): void {
    this.pod(this.old, 'replica')
    this.pod(this.next, 'primary')
  }

  /** Takes the selector away, and leads the Service by Endpoints that somebody keeps: to a Pod, or to nothing. */
  keep(pod: string | undefined): void {
    const { api, accessNamespace: namespace } = bench.sandbox
    const metadata = { name: this.accessSecret, namespace }
    const ports = [{ port: 5432 }]
    api.put({ kind: 'Service', metadata, spec: { ports } })
    const address = pod !== undefined && {
      ip: this.#ip.old,
      targetRef: { kind: 'Pod', name: pod, namespace },
    }
    api.put({ kind: 'Endpoints', metadata, subsets: address ? [{ addresses: [address], ports }] : [] })
  }

  endTunnels(): void {
    for (const tunnel of bench.sandbox.api.tunnels()) if (tunnel.pod === this.old) tunnel.end()
  }
}

/** Does something once, as soon as the run says this. */
function when(subject: string, act: () => unknown): RunOptions & { readonly acted: () => Promise<unknown> } {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  let done = false
  return {
    onStep: (step) => {
      if (done || step.subject !== subject) return
      done = true
      resolve(act())
    },
    acted: () => promise,
  }
}

/** The application works with nothing but its Secret, and the next run finds nothing to do. */
async function expectSettled(application: Application): Promise<void> {
  await application.work('CREATE TABLE public.t ()')
  expect(await application.run()).toMatchObject({ code: undefined, done: [] })
}

function intercepting(path: RegExp, answer: Awaited<ReturnType<Interceptor>>): () => void {
  return bench.sandbox.api.intercept((request) => (path.test(request.path) ? answer : undefined))
}

describe('the primary switches during a run', () => {
  const moments = ['tunnel', 'PostgreSQL', 'role', 'database', 'grants', 'proof'] as const
  const ways: readonly [string, (pair: Pair) => unknown][] = [
    [
      'its tunnels are lost',
      (pair) => {
        pair.endTunnels()
      },
    ],
    [
      'its tunnels are lost and its port is closed',
      (pair) => {
        pair.route(pair.old, undefined)
        pair.endTunnels()
      },
    ],
    [
      'its sessions are ended (57P01)',
      () =>
        bench.sql(
          `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'pg-app-user test%'`,
        ),
    ],
  ]

  test.each(moments.flatMap((moment) => ways.map(([way, act]) => [moment, way, act] as const)))(
    'at "%s": %s',
    async (moment, _, act) => {
      const pair = new Pair()
      const { application } = pair
      const switching = when(moment, () => {
        pair.switchOver()
        return act(pair)
      })
      const run = await application.run({}, switching)
      expect(run).toMatchObject({ code: undefined })
      await switching.acted()
      // What comes behind the proof needs no server.
      if (moment !== 'proof' && act !== ways[2]?.[1])
        expect(run.log).toContain(`→ Pod ${pair.next} port 5432`)
      await expectSettled(application)
    },
  )
})

describe('a run begins while the primary switches', () => {
  interface Case {
    readonly when: string
    /** Gives what ends the switch. */
    readonly arrange: (pair: Pair, application: Application) => () => unknown
    readonly waits: RegExp
  }

  const cases: readonly Case[] = [
    {
      when: 'the Pod is not Ready yet',
      arrange: (pair) => {
        pair.pod(pair.old, 'not Ready')
        return () => {
          pair.pod(pair.old, 'primary')
        }
      },
      waits:
        /No Pod behind svc\/access\d+ in postgres-system is Ready, of 1 Pod: access\d+ runs and is not Ready;/,
    },
    {
      when: 'no Pod has the label of the primary',
      arrange: (pair) => {
        pair.pod(pair.old, 'replica')
        return () => {
          pair.pod(pair.next, 'primary')
        }
      },
      waits: /No Pod is behind svc\/access\d+ in postgres-system;/,
    },
    {
      when: 'the Pod is being deleted',
      arrange: (pair) => {
        pair.pod(pair.old, 'leaving')
        return () => {
          pair.switchOver()
        }
      },
      waits: /access\d+ is being deleted;/,
    },
    {
      when: 'the port is closed, and the same Pod comes back',
      arrange: (pair) => {
        pair.route(pair.old, undefined)
        return () => {
          pair.route(pair.old, bench.postgres)
        }
      },
      waits:
        /Nothing listens on port 5432 of Pod access\d+, behind svc\/access\d+;\n +this run tries for 15 s/,
    },
    {
      when: 'the port is closed, and another Pod takes over',
      arrange: (pair) => {
        pair.route(pair.old, undefined)
        return () => {
          pair.switchOver()
        }
      },
      waits: /Nothing listens on port 5432 of Pod access\d+/,
    },
    {
      when: 'the Pod is gone from its Node',
      arrange: (pair) => {
        const end = intercepting(new RegExp(`/pods/${pair.old}/portforward`), {
          status: 404,
          body: { kind: 'Status', status: 'Failure', message: `pods "${pair.old}" not found`, code: 404 },
        })
        return () => {
          pair.switchOver()
          end()
        }
      },
      waits: /The tunnel svc\/access\d+ → Pod access\d+ port 5432 could not be opened: the Pod is gone;/,
    },
    {
      when: 'the Node does not answer',
      arrange: (pair) => {
        const end = intercepting(new RegExp(`/pods/${pair.old}/portforward`), {
          status: 500,
          body: { kind: 'Status', status: 'Failure', message: 'error dialing backend', code: 500 },
        })
        return () => {
          pair.switchOver()
          end()
        }
      },
      waits:
        /The API server does not reach Pod access\d+'s Node for the port-forward of .*: 500 "error dialing backend";/,
    },
    {
      when: 'something else keeps the addresses, and there are none',
      arrange: (pair) => {
        pair.keep(undefined)
        return () => {
          pair.keep(pair.next)
        }
      },
      waits: /No ready address is behind svc\/access\d+ in postgres-system;/,
    },
    {
      when: 'something else keeps the addresses, and they lead to a closed port',
      arrange: (pair) => {
        pair.route(pair.old, undefined)
        pair.keep(pair.old)
        return () => {
          pair.keep(pair.next)
        }
      },
      waits: /Nothing listens on port 5432 of Pod access\d+/,
    },
  ]

  test.each(cases)('$when', async ({ arrange, waits }) => {
    bench.sandbox.api.put({
      kind: 'Role',
      metadata: { name: 'endpoints', namespace: bench.sandbox.accessNamespace },
      rules: [
        { apiGroups: [''], resources: ['endpoints'], verbs: ['get'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list'] },
      ],
    })
    bench.sandbox.api.put({
      kind: 'RoleBinding',
      metadata: { name: 'endpoints', namespace: bench.sandbox.accessNamespace },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'endpoints' },
      subjects: [{ kind: 'ServiceAccount', name: 'ci', namespace: bench.sandbox.appNamespace }],
    })
    const pair = new Pair()
    const { application } = pair
    const switching = when('waiting', arrange(pair, application))
    const run = await application.run({}, switching)
    expect(run).toMatchObject({ code: undefined, done: firstRun })
    await switching.acted()
    expect(run.log).toMatch(/^! waiting /m)
    expect(run.log).toMatch(waits)
    expect(run.log).toMatch(/this run (waits until \d\d:\d\d:\d\d UTC \(input "timeout"\)|tries for 15 s)/)
    await expectSettled(application)
  })

  test.each(['and the Service leads to the primary then', 'and it is promoted'])(
    'the Service leads to a standby, %s',
    async (way) => {
      const standby = await bench.postgres.standby()
      try {
        const pair = new Pair()
        const { application } = pair
        pair.route(pair.old, standby)
        const switching = when('waiting', () => {
          if (way.includes('promoted')) return promote(standby)
          pair.switchOver()
          return undefined
        })
        const run = await application.run({}, switching)
        expect(run).toMatchObject({ code: undefined, done: firstRun })
        await switching.acted()
        expect(run.log).toMatch(/^! waiting +svc\/access\d+ leads to a standby, which takes no changes;/m)
        expect(await application.run()).toMatchObject({ code: undefined, done: [] })
      } finally {
        await standby.stop()
      }
    },
  )

  test.each<[string, (socket: Socket) => unknown]>([
    ['ends them at once', (socket) => socket.destroy()],
    // Before TLS, in the clear: what a server says to those who came last when its postmaster is gone.
    ['says that it ends', (socket) => socket.once('data', () => socket.end(postmasterExit))],
    ['has no process for them', (socket) => socket.once('data', () => socket.end(forkFailure))],
  ])('the old primary takes connections and %s', async (_, answer) => {
    const server = createServer((socket) => answer(socket.on('error', () => undefined)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const pair = new Pair()
      const { application } = pair
      pair.route(pair.old, { host: '127.0.0.1', port: (server.address() as AddressInfo).port })
      const run = await application.run(
        {},
        when('waiting', () => {
          pair.switchOver()
        }),
      )
      expect(run).toMatchObject({ code: undefined, done: firstRun })
      await expectSettled(application)
    } finally {
      server.close()
    }
  })

  async function promote(server: {
    readonly superuser: { readonly user: string }
    readonly socketDirectory: string
    readonly port: number
  }): Promise<void> {
    const { default: pg } = await import('pg')
    const client = new pg.Client({
      ...server.superuser,
      host: server.socketDirectory,
      port: server.port,
      database: 'postgres',
    })
    await client.connect()
    await client.query('select pg_promote()')
    await client.end()
  }
})

describe('a switch that does not end', () => {
  test.each<[string, (pair: Pair) => void, 'pod-not-ready' | 'port-closed' | 'tunnel-lost']>([
    [
      'no Pod is Ready',
      (pair) => {
        pair.pod(pair.old, 'not Ready')
      },
      'pod-not-ready',
    ],
    [
      'the port stays closed',
      (pair) => {
        pair.route(pair.old, undefined)
      },
      'port-closed',
    ],
  ])('ends with its own error when the time is over: %s', async (_, arrange, code) => {
    const pair = new Pair()
    arrange(pair)
    const run = await pair.application.refused(code, { timeoutMs: 2_500 })
    expect(run.log).toMatch(/^! waiting /m)
    expect(run.outcome.failure?.hint.join('\n')).toContain(
      'The run waited for that until its time was over. To give it more: input "timeout".',
    )
  })

  test('is the reason of the deadline, too', async () => {
    const pair = new Pair()
    const release = bench.sandbox.api.intercept(({ path }) =>
      path.endsWith(`/services/${pair.old}`) && looks++ > 0 ? 'hang' : undefined,
    )
    let looks = 0
    pair.pod(pair.old, 'not Ready')
    const { outcome } = await pair.application.refused('timeout', { timeoutMs: 2_500 })
    release()
    expect(outcome.failure?.message).toMatch(
      /; it was at: the tunnel\. What it waited for last: No Pod behind svc\/access\d+ in postgres-system is Ready, of 1 Pod: .*\.$/,
    )
  })
})

describe('what no waiting puts right is not waited for', () => {
  test.each<[string, (pair: Pair) => (() => void) | undefined, Parameters<Application['refused']>[0]]>([
    [
      'a wrong password of the admin',
      (pair) => {
        const { api, accessNamespace: namespace } = bench.sandbox
        const secret = api.get('Secret', namespace, pair.accessSecret)
        api.put({
          ...secret,
          kind: 'Secret',
          metadata: { name: pair.accessSecret, namespace },
          stringData: { PGPASSWORD: bench.password('another-password-Xy7') },
        })
        return undefined
      },
      'admin-login-refused',
    ],
    [
      'a port-forward that is denied',
      (pair) =>
        intercepting(new RegExp(`/pods/${pair.old}/portforward`), {
          status: 403,
          body: { kind: 'Status', status: 'Failure', message: 'denied', code: 403 },
        }),
      'port-forward-denied',
    ],
    [
      'addresses that are no Pods',
      (pair) => {
        pair.keep(pair.old)
        bench.sandbox.api.put({
          kind: 'Endpoints',
          metadata: { name: pair.accessSecret, namespace: bench.sandbox.accessNamespace },
          subsets: [{ addresses: [{ ip: '10.9.0.1' }], ports: [{ port: 5432 }] }],
        })
        return undefined
      },
      'service-not-found',
    ],
    [
      'a Service that selects standbys',
      (pair) => {
        const { api, accessNamespace: namespace } = bench.sandbox
        const service = api.get('Service', namespace, pair.accessSecret)
        api.put({
          ...service,
          kind: 'Service',
          metadata: { name: pair.accessSecret, namespace },
          spec: { selector: { 'spilo-role': 'replica' }, ports: [{ port: 5432 }] },
        })
        return undefined
      },
      'target-is-standby',
    ],
  ])('%s', async (_, arrange, code) => {
    const pair = new Pair()
    const release = arrange(pair)
    const run = await pair.application.refused(code)
    release?.()
    expect(run.log).not.toMatch(/^! waiting/m)
  })
})

describe('the gate alone', () => {
  const goLive = {
    enforcement: { enforced: false, why: 'because a test says so' },
    profile: 'standard',
    file: '/nowhere/go-live.yaml',
    fileNamed: false,
  } as const

  test.each<[string, (pair: Pair) => unknown]>([
    [
      'begins while no Pod is Ready',
      (pair) => {
        pair.pod(pair.old, 'not Ready')
      },
    ],
    [
      'begins while the port is closed',
      (pair) => {
        pair.route(pair.old, undefined)
      },
    ],
  ])('%s', async (_, arrange) => {
    const pair = new Pair()
    const { application } = pair
    await application.run()
    arrange(pair)
    const switching = when('waiting', () => {
      pair.switchOver()
    })
    const { outcome, log } = await application.run({ provision: false, goLive }, switching)
    expect(outcome.failure).toBeUndefined()
    expect(outcome.goLive?.picture).toBeDefined()
    expect(log).toContain(`→ Pod ${pair.next} port 5432`)
  })

  test('loses its tunnels', async () => {
    const pair = new Pair()
    const { application } = pair
    await application.run()
    const lost = when('tunnel', () => {
      pair.switchOver()
      pair.endTunnels()
    })
    const { outcome, log } = await application.run({ provision: false, goLive }, lost)
    expect(outcome.failure).toBeUndefined()
    expect(log).toContain(`→ Pod ${pair.next} port 5432`)
  })
})

describe('the primary switches while a command runs', () => {
  const pgModule = import.meta.resolve('pg')

  test.each<[string, (pair: Pair) => void]>([
    [
      'its tunnel is lost',
      (pair) => {
        pair.endTunnels()
      },
    ],
    [
      'its Pod is gone, with its tunnel',
      (pair) => {
        pair.route(pair.old, undefined)
        pair.endTunnels()
      },
    ],
  ])('%s: it is told why, and its next connection goes to the new one', async (_, lose) => {
    const pair = new Pair()
    const { application } = pair
    await application.run()
    const program = `
      import pg from ${JSON.stringify(pgModule)}
      const connect = async () => {
        const client = new pg.Client({ application_name: 'of the command' })
        client.on('error', () => undefined)
        await client.connect()
        return client
      }
      const first = await connect()
      const told = await first.query('select pg_sleep(600)').catch((error) => error)
      const second = await connect()
      const say = [told.code, told.message].join(' ').replaceAll("'", '')
      await second.query("create table told as select '" + say + "' as what")
      await second.end()`
    const run = application.run({
      provision: false,
      command: {
        what: [process.execPath, '--input-type=module', '-e', program],
        environment: process.env,
      },
    })
    const asleep = async (): Promise<boolean> =>
      (
        await bench.sql(
          `select from pg_stat_activity
            where application_name like '% of the command' and state = 'active' and query like '%pg_sleep%'`,
        )
      ).length > 0
    while (!(await asleep())) await sleep(20)
    pair.switchOver()
    const { requests } = bench.sandbox.api
    const before = requests.length
    lose(pair)
    const { code, log } = await run
    expect(code).toBeUndefined()
    expect(log).toMatch(/exit code 0 after .* 2 connections · login \S+ dropped/)
    const [told] = await bench.sql<{ what: string }>('select what from told', [], application.database)
    expect(told?.what).toMatch(/^08006 pg-app-user: ./)
    const pods = requests
      .slice(before)
      .flatMap(({ path }) => /pods\/([^/]+)\/portforward/.exec(path)?.[1] ?? [])
    expect(pods).toContain(pair.next)
    const left = await bench.sql('select from pg_roles where rolname like $1', [
      `${application.role}\\_exec%`,
    ])
    expect(left).toEqual([])
  })
})
