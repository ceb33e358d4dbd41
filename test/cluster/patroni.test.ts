import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import { endpointRight, serviceRight } from '../../src/rights/permissions.ts'
import { roleManifests } from '../../src/rights/manifest.ts'
import { until, type KubeObject } from '../contract/admin.ts'
import type { ActionRun, StartedAction } from '../process/action.ts'
import { disturbed, expectConvergence, expectOrderly, type Moment } from './disturbance.ts'
import type { Network } from './network.ts'
import { members, Patroni, patroniImage, putPatroni } from './patroni.ts'
import { accessSecret, cluster, Scene, secretName, serviceAccount, type Values } from './scene.ts'

const amount = Number(process.env['PATRONI_RUNS'] ?? 5)
const numbers = Array.from({ length: amount }, (_, index) => index)

/** So long a run may take: Patroni needs up to half a minute for another primary. */
const seconds = 120
const moments: readonly Moment[] = [
  'the start',
  'the admin session',
  'the database',
  'the proof',
  'the tunnel',
  'the role',
  'the grants',
]
const standing = 'standing'

const describeWithImage = patroniImage === undefined ? describe.skip : describe

describeWithImage('three members under a Patroni', () => {
  let scene: Scene
  let patroni: Patroni
  /** What an application has that was there before anything happened. */
  let values: Values | undefined
  const applications = [standing]
  const figures = new Map<string, ActionRun[]>()

  function note(what: string, run: ActionRun): void {
    const runs = [...(figures.get(what) ?? []), run]
    figures.set(what, runs)
    const [why = ''] = /^✗ .*\]$/m.exec(run.log) ?? []
    print(`${what}, run ${runs.length}: ${endOf(run)} after ${run.seconds.toFixed(1)} s ${why}`.trimEnd())
  }

  beforeAll(async () => {
    scene = await Scene.open({ put: putPatroni })
    patroni = new Patroni(scene)
    await patroni.settled()
    await allowEndpoints(scene)
    await scene.pass(standing)
    values = await scene.secret(standing)
  }, 600_000)
  afterAll(async () => {
    for (const [what, runs] of figures) print(`${what}: ${summary(runs)}`)
    await scene.close()
  }, 120_000)

  /** A first run into which something happens, and all that must be true afterwards. */
  async function trial(
    what: string,
    number: number,
    work: (primary: string, network: Network, started: StartedAction) => unknown,
    moment = moments[number % moments.length] ?? 'the start',
  ): Promise<ActionRun> {
    const name = `${what.replaceAll(/\W+/g, '-')}-${number}`
    applications.push(name)
    // Every other one by the Service that has no selector, as the operator of Zalando makes it.
    const inputs = number % 2 === 0 ? {} : { 'access-service': cluster }
    const primary = await patroni.settled()
    const run = await disturbed(scene, name, moment, (network, started) => work(primary, network, started), {
      seconds,
      inputs,
    })
    const now = await patroni.settled()
    note(what, run)
    expectOrderly(run, seconds)
    await expectConvergence(scene, name, now)
    await expectNothingLost(now)
    return run
  }

  async function expectNothingLost(primary: string): Promise<void> {
    expect(await scene.secret(standing)).toEqual(values)
    await scene.work(values, primary)
    expect(await secretNames()).toEqual(applications.map(secretName).sort())
    for (const pod of members) {
      await until(`nothing of a run is open in ${pod}`, async () => {
        const [left] = await scene.sql<{ n: number }>(
          `select (select count(*) from pg_stat_activity where application_name like 'pg-app-user%')
                + (select count(*) from pg_locks where locktype = 'advisory')
                + (select count(*) from pg_roles where rolname like '%\\_exec\\_%') as n`,
          { pod },
        )
        return Number(left?.n) === 0
      })
    }
  }

  async function secretNames(): Promise<string[]> {
    const label = encodeURIComponent('app.kubernetes.io/managed-by=pg-app-user')
    const path = await scene.admin.path('Secret', scene.namespace)
    const { body } = await scene.admin.call('GET', `${path}?labelSelector=${label}`)
    return (body as { items: KubeObject[] }).items.map(({ metadata }) => metadata.name).sort()
  }

  test('have an application provisioned once, and then nothing to do', async () => {
    const primary = await patroni.settled()
    const before = await scene.state(standing, primary)
    const again = await scene.pass(standing)
    expect(again.log).toMatch(/^Nothing to do: /m)
    expect(await scene.state(standing, primary)).toEqual(before)
    await expectNothingLost(primary)
  }, 120_000)

  test('are reached by the Service whose endpoints Patroni keeps, too', async () => {
    const run = await scene.pass(standing, { 'access-service': cluster })
    expect(run.log).toContain(`svc/${cluster} → Pod ${await patroni.settled()} port 5432`)
    expect(run.log).toMatch(/^Nothing to do: /m)
  }, 120_000)

  test('are judged by the gate as they are', async () => {
    const primary = await patroni.settled()
    const run = await scene.run(standing, {
      provision: 'false',
      'go-live': 'warn',
      'go-live-profile': 'premium',
    })
    const { requirements } = JSON.parse(run.reports['go-live.json'] ?? '{}') as {
      requirements: { id: string; verdict: string; seen: string }[]
    }
    const seen = (id: string): unknown => {
      const { verdict, seen: words } = requirements.find((each) => each.id === id) ?? {}
      return { verdict, seen: words }
    }
    const all = members.map((name) => `${name} (${name === primary ? 'primary' : 'standby'})`).join(', ')
    expect(seen('instances')).toEqual({ verdict: 'met', seen: `3 ready: ${all}; SQL says the same` })
    expect(seen('streaming')).toEqual({ verdict: 'met', seen: '2 streaming' })
    expect(seen('primary')).toMatchObject({ verdict: 'met' })
    expect(seen('spread')).toMatchObject({ verdict: 'not met', seen: expect.stringMatching(/^1 Node: /) })
  }, 120_000)

  test.each(numbers)(
    'a switchover during a run, %i',
    async (number) => {
      await trial('switchover', number, async (primary, network) => {
        // At the start nothing waits for it: the run goes on while Patroni switches.
        if (number % moments.length > 0) network.freeze()
        await patroni.switchover(primary)
        network.thaw()
      })
    },
    300_000,
  )

  test.each(numbers)(
    'a primary that is killed during a run, %i',
    async (number) => {
      await trial('killed primary', number, async (primary, network) => {
        network.freeze()
        // A server that crashed starts again where it is; of a Pod that is gone, another member takes the place.
        await (number % 3 === 1 ? patroni.killServer(primary) : patroni.removePod(primary))
        network.thaw()
      })
    },
    300_000,
  )

  test.each(numbers)(
    'a run while the cluster is paused, %i',
    async (number) => {
      await patroni.settled()
      await patroni.pause(true)
      try {
        await trial('paused', number, async (primary, network, started) => {
          const kind = number % 3
          if (kind === 0) return
          network.freeze()
          if (kind === 1) await patroni.switchover(primary)
          // Nobody starts it again, and nobody takes over, before the pause is over.
          else await patroni.killServer(primary)
          network.thaw()
          if (kind === 1) return
          await waiting(started)
          await patroni.pause(false)
        })
      } finally {
        await patroni.pause(false)
      }
    },
    300_000,
  )

  test('a run while the cluster is paused and has no primary says what it waited for', async () => {
    const primary = await patroni.settled()
    await patroni.pause(true)
    try {
      await patroni.killServer(primary)
      const run = await scene.run(standing, { timeout: '20s' })
      note('paused without a primary', run)
      expect(run.code).not.toBe(0)
      expect(run.log).toMatch(
        /\[(pod-not-ready|port-closed|target-is-standby|server-not-ready|tunnel-lost)\]/,
      )
      expect(run.log).toContain('Nothing was changed.')
    } finally {
      await patroni.pause(false)
    }
    await expectNothingLost(await patroni.settled())
  }, 600_000)

  test.each(numbers)(
    'PostgreSQL is restarted in every member during a run, %i',
    async (number) => {
      await trial('restart', number, async (_, network) => {
        if (number % moments.length > 0) network.freeze()
        await patroni.restart()
        network.thaw()
      })
    },
    300_000,
  )

  test(
    'one Pod after the other is replaced, and runs go on',
    async () => {
      const runs: ActionRun[] = []
      while (runs.length < amount) {
        await patroni.settled()
        await patroni.roll()
        const mark = runs.length
        do {
          const name = `rolling-${runs.length}`
          applications.push(name)
          const run = await scene.run(name, { timeout: `${seconds}s` })
          runs.push(run)
          note('rolling restart', run)
          expectOrderly(run, seconds)
        } while (runs.length < amount && !(await patroni.rolled()))
        await until('the last Pod is replaced', () => patroni.rolled(), 300_000)
        const primary = await patroni.settled()
        for (let number = mark; number < runs.length; number += 1)
          await expectConvergence(scene, `rolling-${number}`, primary)
        await expectNothingLost(primary)
      }
    },
    300_000 * Math.max(1, amount / 5),
  )
})

/** Lets the pipeline find the Pod behind a Service without a selector. */
async function allowEndpoints({ admin, database, namespace }: Scene): Promise<void> {
  const scope = {
    accessSecret,
    accessNamespace: database,
    appNamespace: namespace,
    appSecret: 'any',
    dryRun: false,
  }
  const identity = { name: `system:serviceaccount:${namespace}:${serviceAccount}`, certain: true }
  const role = 'endpoints'
  const rights = [serviceRight(scope, cluster), endpointRight(scope, cluster)].map((right) => ({
    ...right,
    role,
  }))
  for (const document of parseAllDocuments(roleManifests(identity, rights)))
    await admin.apply(document.toJS() as KubeObject)
}

/** Waits until a run says that it waits. */
async function waiting(started: StartedAction): Promise<void> {
  let over = false
  void started.ended.finally(() => (over = true)).catch(() => undefined)
  await until('the run waits', () => over || /^! waiting/m.test(started.stdout()))
}

function endOf({ code, log }: ActionRun): string {
  return code === 0 ? 'ended right' : (/\[([a-z-]+)\]$/m.exec(log)?.[1] ?? `exit code ${code}`)
}

function print(line: string): void {
  process.stdout.write(`patroni: ${line}\n`)
}

/** How the runs ended, and how long they took. */
function summary(runs: readonly ActionRun[]): string {
  const ends = new Map<string, number>()
  for (const run of runs) {
    const end = endOf(run)
    ends.set(end, (ends.get(end) ?? 0) + 1)
  }
  const took = runs.map((run) => run.seconds).sort((one, other) => one - other)
  const at = (part: number): string => (took[Math.floor(part * (took.length - 1))] ?? 0).toFixed(1)
  const counted = [...ends].map(([end, times]) => `${times} ${end}`).join(', ')
  return `${runs.length} runs: ${counted}; ${at(0)} to ${at(1)} s, half of them within ${at(0.5)} s`
}
