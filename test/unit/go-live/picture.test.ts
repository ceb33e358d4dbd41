import { describe, expect, test } from '@jest/globals'
import type { Finding } from '../../../src/go-live/finding.ts'
import { judge, pictureOf } from '../../../src/go-live/judge.ts'
import type { Observations } from '../../../src/go-live/observations.ts'
import { value, withInside } from '../../support/health-rows.ts'
import {
  application,
  archiver,
  cluster,
  good,
  minutesAgo,
  now,
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
  const places = (findings: readonly Finding[]): readonly string[] =>
    findings.map(({ verdict, counts }) => `${verdict}${counts ? '' : ', does not count'}`)

  test('begin with what holds back, then what would if it counted, then what is settled', () => {
    const seen = {
      ...good,
      sql: sqlWith({ standby: true, seesStatistics: false }),
      cluster: { ...cluster, pods: undefined, operator: undefined, backups: [] },
    }
    const waived = [{ requirement: 'tls', reason: 'r', expires: new Date(now.getTime() + 1e9), by: 'b' }]
    const found = judge(seen, rulesOf('premium', { ...vouched, waive: waived } as never))
    const order = [
      'not met',
      'unknown',
      'not met, does not count',
      'unknown, does not count',
      'waived',
      'attested',
      'met',
      'not applicable',
    ]
    const seenPlaces = places(found).map((place) =>
      order.indexOf(order.includes(place) ? place : place.replace(', does not count', '')),
    )
    expect(seenPlaces).toEqual([...seenPlaces].toSorted((one, other) => one - other))
    expect(new Set(places(found)).size).toBeGreaterThanOrEqual(5)
  })

  test('that do not count come behind those that do, and before what is met', () => {
    const few = [{ ...workload, replicas: 1, ready: 1 }]
    const seen = {
      ...good,
      ...withInside({ timeouts: value({ lock_timeout: 0, idle_in_transaction_session_timeout: 0 }) }),
      application: { ...application, workloads: few },
    }
    const kinds = judge(seen, rulesOf('standard')).map(({ verdict, counts }) => {
      const open = verdict === 'not met' || verdict === 'unknown'
      return open ? (counts ? 'holds back' : 'would') : 'settled'
    })
    expect(new Set(kinds).size).toBe(3)
    expect(kinds.lastIndexOf('holds back')).toBeLessThan(kinds.indexOf('would'))
    expect(kinds.lastIndexOf('would')).toBeLessThan(kinds.indexOf('settled'))
  })

  test('of one kind keep the order of the table', () => {
    const met = judge(good, rules).filter(({ verdict }) => verdict === 'met')
    expect(met.slice(0, 4).map(({ id }) => id)).toEqual(['primary', 'instances', 'streaming', 'spread'])
  })
})
