import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll } from '@jest/globals'
import type { Finding, GateReport } from '../../src/go-live/finding.ts'
import type { RequirementId } from '../../src/go-live/requirement.ts'
import type { GoLiveRequest, ProvisionRequest } from '../../src/input/request.ts'
import type { Application, Bench, Run } from './bench.ts'

/** The gate at a bench. */
interface GateBench {
  /** Gives a folder of this file's own. */
  readonly folder: () => string
  /** Gives a request for the gate, with a go-live file of this content. */
  readonly gate: (content?: string, more?: Partial<GoLiveRequest>) => Promise<GoLiveRequest>
  /** Judges one application by the gate alone. */
  readonly judged: (
    application: Application,
    content?: string,
    more?: Partial<GoLiveRequest>,
    overrides?: Partial<ProvisionRequest>,
  ) => Promise<Run & { report: GateReport }>
  /** Sets server settings that take effect without a restart. */
  readonly set: (settings: Readonly<Record<string, string>>) => Promise<void>
}

/** Gives the gate at a bench, for the tests of a file. */
export function useGate(bench: Bench): GateBench {
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'go-live-'))
    await chmod(folder, 0o777)
  })

  afterAll(async () => {
    await rm(folder, { recursive: true })
  })

  const gate: GateBench['gate'] = async (content = '', more = {}) => {
    const file = join(folder, `${bench.name('file')}.yaml`)
    await writeFile(file, content)
    return {
      enforcement: { enforced: false, why: 'because a test says so' },
      profile: 'standard',
      file,
      fileNamed: true,
      ...more,
    }
  }

  const judged: GateBench['judged'] = async (application, content = '', more = {}, overrides = {}) => {
    const goLive = await gate(content, more)
    const run = await bench.run({ ...application.request, ...overrides, provision: false, goLive })
    const { goLive: report } = run.outcome
    if (report === undefined) throw run.outcome.failure ?? new Error('there is no report')
    return { ...run, report }
  }

  const set: GateBench['set'] = async (settings) => {
    for (const [name, value] of Object.entries(settings))
      await bench.sql(`ALTER SYSTEM SET ${name} = '${value}'`)
    await bench.sql('select pg_reload_conf()')
    await until(async () => {
      const rows = await bench.sql<{ name: string; setting: string }>(
        'select name, setting from pg_settings where name = any ($1)',
        [Object.keys(settings)],
      )
      return rows.every(({ name, setting }) => setting === settings[name])
    })
  }

  return { folder: () => folder, gate, judged, set }
}

/** Gives the finding about one requirement. */
export function findIn(report: GateReport, id: RequirementId): Finding {
  const found = report.findings.find((finding) => finding.id === id)
  if (found === undefined) throw new Error(`${id} was not judged`)
  return found
}

/** Waits until something holds. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await condition()) return
    await sleep(50)
  }
  throw new Error('it did not come to be')
}
