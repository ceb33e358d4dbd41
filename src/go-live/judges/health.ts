import { count, figure, oneLine, sentence } from '../../lib/text.ts'
import type { Judgement } from '../finding.ts'
import type { Observations, Rules } from '../observations.ts'
import type { Share } from '../observe-health.ts'
import { firstOf, weigh } from './weigh.ts'
import { sqlEvidence } from './words.ts'

/** `connections`: there is room for more sessions. A moment's figure, so that it never holds back. */
export function judgeConnections(observed: Observations, { thresholds }: Rules): Judgement {
  const most = thresholds.maxConnectionsUsed
  const topic = {
    query:
      "select count(*) from pg_stat_activity; select name, setting from pg_settings where name like '%connections'; select rolconnlimit from pg_roles; select datconnlimit from pg_database",
    wanted: `at most ${most} % in use`,
  }
  return weigh(observed, topic, observed.health.connections, ({ server, role, database }) => {
    const own = [
      ...limited(`role "${oneLine(observed.username, 63)}"`, role),
      ...limited(`database "${oneLine(observed.database, 63)}"`, database),
    ]
    const answer = [
      `${shareWords(server)} in use, reserved ones left out`,
      ...own.map(({ words }) => words),
    ].join('; ')
    const reached = own.filter(({ full }) => full).map(({ words }) => words)
    if (reached.length > 0) {
      const remedy =
        'fewer or smaller pools in the application, or a higher CONNECTION LIMIT: the admin may set that of the role, its owner that of the database'
      return { verdict: 'not met', seen: `its own limit is reached: ${sentence(reached)}`, remedy, answer }
    }
    if (server.used * 100 > most * server.limit) {
      const remedy =
        "fewer or smaller pools in the applications, or a pooler; max_connections is the administrator's to raise"
      return { verdict: 'not met', seen: answer, remedy, answer }
    }
    return { verdict: 'met', seen: answer, answer }
  })
}

function limited(
  what: string,
  share: Share | null,
): readonly { readonly words: string; readonly full: boolean }[] {
  return share === null ? [] : [{ words: `${what} ${shareWords(share)}`, full: share.used >= share.limit }]
}

function shareWords({ used, limit }: Share): string {
  return `${used} of ${count(limit, 'connection')}`
}

/** `xid-age`: no database comes near the point at which the whole server stops to take writes. */
export function judgeXidAge(observed: Observations, { thresholds }: Rules): Judgement {
  const most = thresholds.maxXidAge
  const topic = {
    query: 'select datname, age(datfrozenxid), mxid_age(datminmxid) from pg_database',
    wanted: `at most ${figure(most)} transactions and multixacts`,
  }
  return weigh(observed, topic, observed.health.ages, (ages) => {
    const words = ages.map(
      ({ database, xids, multixacts }) =>
        `"${oneLine(database, 63)}" ${figure(xids)} transactions, ${figure(multixacts)} multixacts`,
    )
    const [oldest = 'no database'] = words
    const old = ages.filter(({ xids, multixacts }) => Math.max(xids, multixacts) > most)
    const answer = words.join('; ')
    if (old.length === 0) return { verdict: 'met', seen: `the oldest: ${oldest}`, answer }
    const own = old.every(({ database }) => database === observed.database)
    return {
      verdict: 'not met',
      seen: `the oldest: ${oldest}`,
      remedy: `${own ? 'VACUUM (FREEZE), as the owner of the tables' : 'ask the administrator for VACUUM (FREEZE)'}; first end what holds it up: an old transaction, a prepared one, or a replication slot`,
      answer,
    }
  })
}

/** `autovacuum`: on, for the server and for every table. */
export function judgeAutovacuum(observed: Observations): Judgement {
  const wanted = 'on, and off for no table'
  const query = "select name, setting from pg_settings where name in ('autovacuum', 'track_counts')"
  return weigh(observed, { query, wanted }, observed.health.autovacuum, ({ autovacuum, trackCounts }) => {
    const answer = `autovacuum ${autovacuum}, track_counts ${trackCounts}`
    if (autovacuum !== 'on' || trackCounts !== 'on') {
      const off = [
        ...(autovacuum === 'on' ? [] : ['autovacuum']),
        ...(trackCounts === 'on' ? [] : ['track_counts']),
      ]
      const statements = off.map((name) => `ALTER SYSTEM SET ${name} = on`)
      const remedy = `ask the administrator for ${sentence(statements)}, and a reload`
      return { verdict: 'not met', seen: answer, remedy, answer }
    }
    const tables = observed.inside?.unvacuumed ?? {
      hidden: "only the application's own login shows the tables",
    }
    if ('hidden' in tables) {
      const remedy = 'let the application log in'
      return { verdict: 'unknown', seen: `${answer}; of the tables: ${tables.hidden}`, remedy, answer }
    }
    const { total, wrong, items } = tables.value
    const off = `off for ${firstOf(items, wrong)}`
    const evidence = [
      sqlEvidence(
        observed,
        'select relname, reloptions from pg_class',
        wrong > 0 ? off : `off for none of ${total}`,
      ),
    ]
    if (wrong > 0) {
      const remedy =
        'ALTER TABLE … RESET (autovacuum_enabled, toast.autovacuum_enabled), as the owner of the table'
      return { verdict: 'not met', seen: off, remedy, answer, evidence }
    }
    return { verdict: 'met', seen: `on, and off for none of ${count(total, 'table')}`, answer, evidence }
  })
}

/** `checksums`: what the disk gives back is what was written. */
export function judgeChecksums(observed: Observations): Judgement {
  const topic = {
    query:
      "select current_setting('data_checksums'); select datname, checksum_failures from pg_stat_database",
    wanted: 'on, and no failure counted',
  }
  return weigh(observed, topic, observed.health.checksums, ({ on, failures }) => {
    if (!on) {
      const remedy =
        'ask the administrator: pg_checksums --enable on a server that is stopped, or a new cluster with them'
      return { verdict: 'not met', seen: 'off', remedy, answer: 'off' }
    }
    const words = failures.map(
      ({ database, count: amount }) =>
        `${count(amount, 'failure')} in ${database === null ? 'what all databases share' : `"${oneLine(database, 63)}"`}`,
    )
    const answer = `on; ${words.join(', ') || 'no failure'}`
    if (failures.length === 0) return { verdict: 'met', seen: 'on, no failure counted', answer }
    const remedy =
      'ask the administrator: pages are damaged. A standby or a backup may have them whole; pg_stat_reset() in that database once they are'
    return { verdict: 'not met', seen: sentence(words), remedy, answer }
  })
}

/** `slots`: no slot that nobody reads from keeps WAL until the disk is full. */
export function judgeSlots(observed: Observations): Judgement {
  const topic = {
    query: 'select slot_name, active, wal_status from pg_replication_slots',
    wanted: 'no inactive slot that keeps more WAL than planned, or has lost some',
  }
  return weigh(observed, topic, observed.health.slots, ({ total, idle }) => {
    const words = idle.map(({ name, status }) => `${oneLine(name, 63)} (${status})`)
    const answer = `${count(total, 'slot')}; ${words.join(', ') || 'none of these'}`
    if (idle.length === 0) return { verdict: 'met', seen: `${count(total, 'slot')}, none abandoned`, answer }
    const remedy =
      'start its reader again, or ask the administrator for pg_drop_replication_slot(): a slot that is lost serves nobody'
    return { verdict: 'not met', seen: `inactive: ${firstOf(words, idle.length)}`, remedy, answer }
  })
}
