import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { leadingTo } from '../process/action.ts'
import { useBench, type Application, type Run } from '../support/bench.ts'
import { budget, chosenPoint, random, replay, report } from './budget.ts'
import { openNetwork, type Network, type Weather } from './network.ts'
import { erase } from './states.ts'

/** A run that meets a silence ends with its own time. */
const timeoutMs = 3_000
/** What the end of a run may take after its time is over: statements get two seconds, a goodbye one. */
const graceMs = 4_000
const troubled = Math.max(4, Math.round(Math.min(budget.sampling, 1_200) / 15))

const bench = useBench()
const next = random(budget.seed)
let network: Network

beforeAll(async () => {
  const { hostname: host, port } = new URL(bench.sandbox.api.url)
  network = await openNetwork({ host, port: Number(port) }, next)
})

afterAll(() => network.close())

function newApplication(): Application {
  const input = leadingTo(bench.sandbox.kubeconfig, `https://${network.host}:${network.port}`)
  return bench.application({ kubeconfig: { input, absenceHint: [] } })
}

async function runIn(weather: Weather, application: Application, ms?: number): Promise<Run> {
  network.passed = 0
  network.weather = weather
  try {
    return await application.run(ms === undefined ? {} : { timeoutMs: ms })
  } finally {
    network.weather = {}
  }
}

test.each<[string, Weather]>([
  ['latency', { latencyMs: 40 }],
  ['jitter', { latencyMs: 5, jitterMs: 80 }],
  ['1-byte pieces', { pieceBytes: 1 }],
  ['7-byte pieces and jitter', { pieceBytes: 7, jitterMs: 10 }],
])('%s: right, and right again', async (name, weather) => {
  const application = newApplication()
  const start = performance.now()
  expect((await runIn(weather, application, 60_000)).code).toBeUndefined()
  expect(await runIn(weather, application, 60_000)).toMatchObject({ code: undefined, done: [] })
  expect(await application.login()).toBe('in')
  await erase(application)
  report(`${name}: two runs in ${((performance.now() - start) / 1000).toFixed(1)} s, both right`)
})

test.each(['stall', 'half close', 'reset'] as const)(
  '%s at any byte: right or a clear error in time, and the next run converges',
  async (kind) => {
    const application = newApplication()
    await runIn({}, application)
    const total = network.passed
    await erase(application)
    const wrong: string[] = []
    const codes = new Map<string, number>()
    const points = Array.from({ length: troubled }, () => Math.floor(next() * total))
    for (const afterBytes of chosenPoint === undefined ? points : [Number(chosenPoint)]) {
      const start = performance.now()
      const { code = 'success' } = await runIn({ trouble: { afterBytes, kind } }, application, timeoutMs)
      const took = performance.now() - start
      codes.set(code, (codes.get(code) ?? 0) + 1)
      const problems: string[] = []
      if (code === 'internal-error') problems.push(code)
      if (took > timeoutMs + graceMs) problems.push(`took ${took.toFixed(0)} ms`)
      const after = await application.run()
      if (after.code !== undefined) problems.push(`next run ${after.code}`)
      if ((await application.login()) !== 'in') problems.push('no login')
      if (problems.length > 0) {
        const again = replay('test:faults', 'faults/network', String(afterBytes), kind)
        wrong.push(`after ${afterBytes} bytes: ${problems.join('; ')}\n${again}`)
      }
      await erase(application)
    }
    expect(wrong).toEqual([])
    const ends = [...codes].map(([code, count]) => `${count} ${code}`).join(', ')
    report(`${kind} at ${troubled} bytes of ${total}: ${ends}; all converged`)
  },
  600_000,
)
