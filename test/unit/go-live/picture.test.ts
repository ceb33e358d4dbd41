import { describe, expect, test } from '@jest/globals'
import { judge, pictureOf } from '../../../src/go-live/judge.ts'
import type { Observations } from '../../../src/go-live/observations.ts'
import { value, withInside } from '../../support/health-rows.ts'
import {
  application,
  archiver,
  cluster,
  good,
  minutesAgo,
  rulesOf,
  sqlWith,
  vouched,
  workload,
} from '../../support/sights.ts'

const day = 24 * 60
const rules = rulesOf('premium')

function picture(seen: Partial<Observations>): ReturnType<typeof pictureOf> {
  return pictureOf({ ...good, ...seen }, rules)
}

describe('the picture of the last days', () => {
  test('begins three days before, and ends half a day after', () => {
    expect(picture({})).toMatchObject({
      from: new Date('2026-11-19T14:03:11Z'),
      to: new Date('2026-11-23T02:03:11Z'),
    })
  })

  test('shows the backup window of each night, once for each way to read it', () => {
    const { windows } = picture({})
    expect(windows.map(({ reading }) => reading)).toEqual(
      rules.thresholds.backupWindow.readings.map(({ name }) => name),
    )
    for (const { spans } of windows) {
      expect(spans).toHaveLength(4)
      for (const span of spans) expect(JSON.stringify(span)).toMatch(/2026-11-2[0-3]T/)
    }
  })

  test('shows the backups of that time alone', () => {
    const run = (what: string, minutes: number): object => ({
      what,
      started: minutesAgo(minutes),
      succeeded: true,
    })
    const backups = [run('old', 3 * day + 1), run('first', 3 * day), run('new', 10)] as never
    const shown = picture({ cluster: { ...cluster, backups } }).backups.map(({ what }) => what)
    expect(shown).toEqual(expect.arrayContaining(['first', 'new']))
    expect(shown).not.toContain('old')
  })

  test.each<[string, Partial<typeof archiver>, boolean | undefined, boolean]>([
    ['goes on', {}, undefined, false],
    ['never failed and never worked', { lastArchivedAt: null }, undefined, false],
    ['failed before it worked', { lastFailedAt: minutesAgo(4) }, undefined, false],
    ['failed in the moment it worked', { lastFailedAt: archiver.lastArchivedAt }, undefined, false],
    ['failed since', { lastFailedAt: minutesAgo(2) }, undefined, true],
    ['only ever failed', { lastArchivedAt: null, lastFailedAt: minutesAgo(2) }, undefined, true],
    ['fails, says the operator', {}, false, true],
    ['works, says the operator, and fails', { lastFailedAt: minutesAgo(2) }, true, true],
    ['works, says the operator', {}, true, false],
  ])('archiving that %s', (_, changes, archives, fails) => {
    const operator =
      archives === undefined
        ? undefined
        : { ...cluster.operator, what: 'clusters.postgresql.cnpg.io pg1', archives }
    const seen = {
      sql: sqlWith({ archiver: { ...archiver, ...changes } }),
      cluster: { ...cluster, operator: operator as never },
    }
    const { lastArchived, archivingFails } = picture(seen)
    expect(archivingFails).toBe(fails)
    expect(lastArchived).toEqual({ ...archiver, ...changes }.lastArchivedAt ?? undefined)
    expect('lastArchived' in picture(seen)).toBe({ ...archiver, ...changes }.lastArchivedAt !== null)
  })
})

describe('the findings', () => {
  test('begin with what holds back, then what would if it counted, then what is settled', () => {
    const seen = {
      ...good,
      ...withInside({
        timeouts: value({ lock_timeout: 0, idle_in_transaction_session_timeout: 0 }),
        sequences: value({ total: 0, read: 0, hidden: 0, furthest: [] }),
        keyless: { hidden: 'the right to read it is missing (42501)' },
      }),
      certificate: undefined,
      sql: sqlWith({ standby: true }),
      cluster: { ...cluster, pods: undefined, operator: undefined },
      application: { ...application, workloads: [{ ...workload, replicas: 1, ready: 1 }] },
    }
    const waivers = [
      { requirement: 'app-replicas', reason: 'comes', owner: 'Alex Lund', validUntil: '2026-12-20' },
    ]
    const found = judge(seen, rulesOf('standard', { ...vouched, waivers } as never))
    const places = found.map(({ verdict, counts }) =>
      counts || (verdict !== 'not met' && verdict !== 'unknown') ? verdict : `${verdict}, does not count`,
    )
    expect(places.filter((place, index) => place !== places[index - 1])).toEqual([
      'not met',
      'unknown',
      'not met, does not count',
      'unknown, does not count',
      'waived',
      'attested',
      'met',
      'not applicable',
    ])
  })

  test('of one kind keep the order of the table', () => {
    const met = judge(good, rules).filter(({ verdict }) => verdict === 'met')
    expect(met.slice(0, 4).map(({ id }) => id)).toEqual(['primary', 'instances', 'streaming', 'spread'])
  })
})
