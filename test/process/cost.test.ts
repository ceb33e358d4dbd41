import { readdirSync, readFileSync, statSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { crowd } from '../../bench/crowd.ts'
import { openDistance, type Distance } from '../../bench/distance.ts'
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts'
import { inputsFor, leadingTo, runAction, type ActionSetting } from './action.ts'

/** Long against what the runs themselves need, so that no answer is counted twice. */
const roundTripMs = 200
const tries = 4

const figures = readFileSync(new URL('../../docs/performance.md', import.meta.url), 'utf8')

let sandbox: Sandbox
let distance: Distance
let kubeconfig: string

beforeAll(async () => {
  sandbox = await startSandbox()
  distance = await openDistance(
    { host: '127.0.0.1', port: Number(new URL(sandbox.api.url).port) },
    roundTripMs,
  )
  kubeconfig = leadingTo(sandbox.kubeconfig, `https://127.0.0.1:${distance.port}`)
}, 60_000)

afterAll(async () => {
  await (distance as Distance | undefined)?.close()
  await (sandbox as Sandbox | undefined)?.stop()
})

/** Gives what a table of docs/performance.md says a run costs. */
function documented(name: string): Record<string, number> {
  const [, ...cells] = new RegExp(`^\\| ${name} +\\|(.*)\\|(.*)\\|(.*)\\|(.*)\\|$`, 'm').exec(figures) ?? []
  const [requests, connections, statements, roundTrips] = cells.map(Number)
  return { requests, connections, statements, roundTrips } as Record<string, number>
}

/** Counts what a run asks for, and how much of that one thing after the other. */
async function count(name: string, inputs: ActionSetting['inputs'] = {}): Promise<Record<string, number>> {
  const requests = sandbox.api.requests.length
  const mark = await sandbox.postgres.logSize()
  distance.take()
  const run = await runAction({
    sandbox,
    inputs: { ...inputsFor(sandbox, name), kubeconfig, ...inputs },
  })
  if (run.code !== 0) throw new Error(run.log)
  const { connections, roundTrips } = distance.take()
  const log = await sandbox.postgres.logSince(mark)
  return {
    requests: sandbox.api.requests.length - requests,
    connections,
    statements: [...log.matchAll(/LOG: {2}(statement|execute [^:]+): /g)].length,
    roundTrips,
  }
}

/** Gives the least of several counts: a machine that is busy can only make one too high. */
async function least(
  once: (attempt: number) => Promise<Record<string, number>>,
  wanted: Record<string, number>,
) {
  let best = await once(0)
  for (
    let attempt = 1;
    attempt < tries && (best['roundTrips'] ?? 0) > (wanted['roundTrips'] ?? 0);
    attempt++
  ) {
    const next = await once(attempt)
    if ((next['roundTrips'] ?? 0) < (best['roundTrips'] ?? 0)) best = next
  }
  return best
}

test('a first run costs what the documents say', async () => {
  const wanted = documented('first provisioning')
  expect(await least((attempt) => count(`fresh-${attempt}`), wanted)).toEqual(wanted)
}, 60_000)

test('a run that finds nothing to do costs what the documents say', async () => {
  await count('settled')
  const wanted = documented('nothing to do')
  expect(await least(() => count('settled'), wanted)).toEqual(wanted)
}, 60_000)

test('a crowded cluster makes a run ask for nothing more', async () => {
  await count('crowded')
  const before = await count('crowded')
  crowd(sandbox)
  const { requests, statements } = await count('crowded')
  expect({ requests, statements }).toEqual({ requests: before['requests'], statements: before['statements'] })
}, 60_000)

test('dist takes no more than 3 MB', () => {
  const folder = new URL('../../dist/', import.meta.url)
  const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(new URL(name, folder)).size, 0)
  expect(bytes).toBeLessThanOrEqual(3_000_000)
})
