import { count, oneLine, sentence } from '../../text.ts'
import type { Judgement } from '../finding.ts'
import type { Observations, Rules } from '../observations.ts'
import type { DatabasePod } from '../observe-cluster.ts'
import { queries, type WalSender } from '../observe-sql.ts'
import { slotWords, sqlEvidence } from './words.ts'

/** `instances`: as many as the plan has, each source beside the others. */
export function judgeInstances(observed: Observations, rules: Rules): Judgement {
  const { cluster, sql } = observed
  const least = rules.thresholds.minInstances
  const wanted = `${least} ready`
  const working = cluster.pods?.filter(isWorking)
  const standbys = standbysInSql(observed, rules)
  const inSql = standbys.certain ? standbys.count + 1 : undefined
  const counts: (readonly [source: string, amount: number])[] = [
    ...(working === undefined ? [] : [['the Pods', working.length] as const]),
    ...(cluster.operator?.readyInstances === undefined
      ? []
      : [[cluster.operator.what, cluster.operator.readyInstances] as const]),
    ...(inSql === undefined ? [] : [['SQL', inSql] as const]),
  ]
  const evidence = [
    ...cluster.evidence.pods,
    ...cluster.evidence.operator,
    sqlEvidence(
      observed,
      queries.replication,
      `${count(sql.senders.length, 'walsender')}, ${slotWords(observed)}`,
    ),
  ]
  const [best, ...others] = counts
  if (best === undefined) {
    return {
      verdict: 'unknown',
      wanted,
      seen: `the Pods of this database cannot be told apart, and what ${count(sql.senders.length, 'walsender')} may be is hidden`,
      remedy: 'ask the administrator for pg_monitor for the admin',
      evidence,
    }
  }
  const [source, amount] = best
  const different = others.filter(([, other]) => other !== amount)
  const warnings = different.map(([other, says]) => `${source} say ${amount}, ${other} says ${says}`)
  const asked = cluster.operator?.wantedInstances
  if (asked !== undefined && asked < least)
    warnings.push(`${cluster.operator?.what ?? ''} asks for ${asked} only`)
  const words = working?.map(shortPod).join(', ')
  const agrees =
    different.length === 0 && others.length > 0
      ? `; ${sentence(others.map(([other]) => other))} ${others.length === 1 ? 'agrees' : 'agree'}`
      : ''
  const found = `${amount} ready${words ? `: ${words}` : ` (${source})`}${agrees}`
  if (amount >= least) return { verdict: 'met', wanted, seen: found, evidence, warnings }
  const planned =
    rules.file.thresholds.minInstances === undefined ? `${least} are in the ${rules.profile} plan: ` : ''
  return {
    verdict: 'not met',
    wanted,
    seen: found,
    remedy: `${planned}ask the administrator`,
    evidence,
    warnings,
  }
}

/** `streaming`: the standbys follow, and are not too far behind. */
export function judgeStreaming(observed: Observations, rules: Rules): Judgement {
  const { cluster, sql } = observed
  const { minStandbys: least, rpoMs } = rules.thresholds
  const wanted = `${count(least, 'standby')} streaming`
  const evidence = [
    sqlEvidence(observed, queries.replication, sql.senders.map(senderWords).join('; ') || 'no row'),
    sqlEvidence(observed, queries.slots, slotWords(observed)),
  ]
  const patroni =
    cluster.pods?.filter((pod) => pod.role === 'standby' && pod.ready && pod.state === 'streaming') ?? []
  if (patroni.length > 0) evidence.push(...cluster.evidence.pods)
  const { count: amount, certain } = standbysInSql(observed, rules)
  const late = sql.senders.filter(({ lagSeconds }) => (lagSeconds ?? 0) * 1000 > rpoMs)
  const warnings = [
    ...late.map(
      ({ name, lagSeconds }) =>
        `${oneLine(name, 60)} is ${Math.round(lagSeconds ?? 0)} s behind, and is not counted`,
    ),
    ...(sql.seesStatistics || least === 0
      ? []
      : ['state and lag are hidden: with pg_monitor the admin would see them']),
  ]
  if (certain && amount >= least)
    return { verdict: 'met', wanted, seen: `${amount} streaming`, evidence, warnings }
  if (patroni.length >= least && !sql.seesStatistics) {
    return { verdict: 'met', wanted, seen: `${patroni.length} streaming, says Patroni`, evidence, warnings }
  }
  if (certain) {
    return {
      verdict: 'not met',
      wanted,
      seen: `${amount} streaming`,
      remedy: 'ask the administrator why the standbys do not stream',
      evidence,
      warnings,
    }
  }
  return {
    verdict: 'unknown',
    wanted,
    seen: `${count(sql.senders.length, 'walsender')}, whose state may not be read`,
    remedy: 'ask the administrator for pg_monitor for the admin',
    evidence,
    warnings,
  }
}

/**
 * Gives how many standbys stream. With the right to their state that is certain; without it an active physical slot
 * is as good, since only what streams holds one; walsenders alone may be backups as well, unless there are too few.
 */
function standbysInSql(
  observed: Observations,
  rules: Rules,
): { readonly count: number; readonly certain: boolean } {
  const { sql } = observed
  const { rpoMs, minStandbys } = rules.thresholds
  if (sql.standby) return { count: 0, certain: false }
  const standbys = sql.senders.filter(
    ({ name }) => !/^(pg_basebackup|pg_receivewal|pg_recvlogical)$/.test(name),
  )
  if (sql.seesStatistics) {
    const streaming = standbys.filter(
      ({ state, lagSeconds }) => state === 'streaming' && (lagSeconds ?? 0) * 1000 <= rpoMs,
    )
    return { count: streaming.length, certain: true }
  }
  const active = Math.min(sql.slots.filter((slot) => slot.active).length, standbys.length)
  return { count: active, certain: active >= minStandbys || standbys.length === active }
}

/** `spread`: no two instances on one Node, and over zones where that is asked for. */
export function judgeSpread(observed: Observations, rules: Rules): Judgement {
  const { cluster } = observed
  const { minNodes, minZones } = rules.thresholds
  const wanted = `${count(minNodes, 'Node')}${minZones > 1 ? ` in ${minZones} zones` : ''}`
  const evidence = [...cluster.evidence.pods, ...cluster.evidence.zones]
  if (cluster.pods === undefined) {
    return {
      verdict: 'unknown',
      wanted,
      seen: 'the Pods of this database cannot be told apart',
      remedy: 'an attestation',
      evidence,
    }
  }
  const nodes = new Set(
    cluster.pods
      .filter(isWorking)
      .map(({ node }) => node)
      .filter((node) => node !== undefined),
  )
  const zones = new Set(
    [...nodes].map((node) => cluster.zones.get(node)).filter((zone) => zone !== undefined),
  )
  const known = [...nodes].every((node) => cluster.zones.has(node))
  const seen = `${count(nodes.size, 'Node')}: ${sentence([...nodes]) || 'none'}${zones.size > 0 ? `; ${count(zones.size, 'zone')}: ${sentence([...zones])}` : ''}`
  if (nodes.size < minNodes)
    return {
      verdict: 'not met',
      wanted,
      seen,
      remedy: 'ask the administrator to spread the instances',
      evidence,
    }
  if (minZones > 1 && !known) {
    return {
      verdict: 'unknown',
      wanted,
      seen: `${seen}; their zones are hidden`,
      remedy: 'the right to get nodes, or an attestation',
      evidence,
    }
  }
  if (zones.size < minZones && minZones > 1) {
    return {
      verdict: 'not met',
      wanted,
      seen,
      remedy: 'ask the administrator to spread the instances over zones',
      evidence,
    }
  }
  const crowded = nodes.size < cluster.pods.filter(isWorking).length
  return {
    verdict: 'met',
    wanted,
    seen,
    evidence,
    warnings: crowded ? ['some instances share a Node'] : [],
  }
}

/** A Pod that does its work: Ready, and in one of Patroni's good states where there is a Patroni. */
function isWorking({ ready, state }: DatabasePod): boolean {
  return ready && (state === undefined || state === 'running' || state === 'streaming')
}

function shortPod({ name, role }: DatabasePod): string {
  return role === undefined ? name : `${name} (${role})`
}

function senderWords({ name, state, lagSeconds }: WalSender): string {
  const lag = lagSeconds === null ? '' : `, ${lagSeconds.toFixed(1)} s behind`
  return `${oneLine(name, 63)}: ${state ?? 'state hidden'}${lag}`
}
