import { count, oneLine, sentence } from '../../lib/text.ts'
import type { DatabasePod } from '../database-pod.ts'
import type { Judgement } from '../finding.ts'
import type { Observations, Rules } from '../observations.ts'
import { queries, type WalSender } from '../observe-sql.ts'
import { hiddenRemedy } from './weigh.ts'
import { hiddenBy, monitorRemedy, slotWords, sqlEvidence, zonesTogether } from './words.ts'

/** `instances`: as many as the plan has, each source beside the others. */
export function judgeInstances(observed: Observations, rules: Rules): Judgement {
  const { cluster, sql } = observed
  const { replication } = sql
  const least = rules.thresholds.minInstances
  const wanted = `${least} ready`
  const standbys = standbysInSql(observed, rules)
  const working = instancesIn(observed, rules)?.filter(isWorking)
  const inSql = standbys.least === standbys.most && !sql.standby ? standbys.least + 1 : undefined
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
      'hidden' in replication
        ? replication.hidden
        : `${count(replication.value.senders.length, 'walsender')}, ${slotWords(replication.value)}`,
    ),
  ]
  const [best, ...others] = counts
  if (best === undefined) {
    const pods = hiddenBy(cluster.unread.pods)?.seen ?? 'the Pods of this database cannot be told apart'
    if (sql.standby) {
      const seen = `${pods}, and a standby does not tell`
      return { verdict: 'unknown', wanted, seen, remedy: 'look at the primary', evidence }
    }
    const [fewest, highest] = [standbys.least + 1, standbys.most + 1]
    if (fewest >= least) return { verdict: 'met', wanted, seen: `at least ${fewest} ready (SQL)`, evidence }
    if (highest < least) {
      const seen = `at most ${highest} ready (SQL)`
      return { verdict: 'not met', wanted, seen, remedy: 'ask the administrator', evidence }
    }
    if ('hidden' in replication) {
      const seen = `${pods}, and of SQL ${replication.hidden}`
      return { verdict: 'unknown', wanted, seen, remedy: hiddenRemedy, evidence }
    }
    return {
      verdict: 'unknown',
      wanted,
      seen: `${pods}, and what ${count(replication.value.senders.length, 'walsender')} may be is hidden`,
      remedy: monitorRemedy(observed),
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
      ? `; ${sentence(others.map(([other]) => other))} ${others.length === 1 ? 'says' : 'say'} the same`
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
  const { replication } = sql
  const { minStandbys: wanted, rpoMs } = rules.thresholds
  const patroni =
    cluster.pods?.filter((pod) => pod.role === 'standby' && pod.ready && pod.state === 'streaming') ?? []
  const senders = 'hidden' in replication ? [] : replication.value.senders
  const late = senders.filter(({ lagSeconds }) => (lagSeconds ?? 0) * 1000 > rpoMs)
  const { least, most } = standbysInSql(observed, rules)
  const outcome = (verdict: Judgement['verdict'], seen: string, remedy = ''): Judgement => ({
    verdict,
    wanted: `${count(wanted, 'standby')} streaming`,
    seen,
    remedy,
    evidence: [
      ...('hidden' in replication
        ? [sqlEvidence(observed, queries.replication, replication.hidden)]
        : [
            sqlEvidence(observed, queries.replication, senders.map(senderWords).join('; ') || 'no row'),
            sqlEvidence(observed, queries.slots, slotWords(replication.value)),
          ]),
      ...(patroni.length > 0 ? cluster.evidence.pods : []),
    ],
    warnings: [
      ...late.map(
        ({ name, lagSeconds }) =>
          `${oneLine(name, 60)} is ${Math.round(lagSeconds ?? 0)} s behind, and is not counted`,
      ),
      ...('hidden' in replication || replication.value.seesStatistics || wanted === 0
        ? []
        : [`state and lag are hidden: ${monitorRemedy(observed)}`]),
      ...(!sql.standby && most < wanted && patroni.length >= wanted
        ? [`Patroni says that ${patroni.length} stream: its word may be old`]
        : []),
    ],
  })
  if (sql.standby) return outcome('unknown', 'a standby, which does not show it', 'look at the primary')
  if (least >= wanted) return outcome('met', `${least} streaming`)
  if (most < wanted) {
    const seen = `${least === most ? '' : 'at most '}${most} streaming`
    const pods = cluster.pods?.filter(({ role }) => role === 'standby') ?? []
    const there = Math.max(senders.filter(isStandby).length, pods.length)
    const remedy = there < wanted ? `for ${count(wanted, 'standby')}` : 'why the standbys do not stream'
    return outcome('not met', seen, `ask the administrator ${remedy}`)
  }
  if (patroni.length >= wanted) return outcome('met', `${patroni.length} streaming, says Patroni`)
  if ('hidden' in replication) return outcome('unknown', replication.hidden, hiddenRemedy)
  return outcome(
    'unknown',
    `${count(senders.length, 'walsender')}, whose state is hidden`,
    monitorRemedy(observed),
  )
}

/** Programs that receive WAL and are no standbys, by what they call themselves. */
const receivers = /^(pg_basebackup|pg_receivewal|pg_recvlogical|barman)/

/** Whether a walsender may be one for a standby, by the name of what receives. */
function isStandby({ name }: WalSender): boolean {
  return !receivers.test(name)
}

/**
 * Returns how many standbys stream, at least and at most. With the right to their state both are the same: a standby
 * tells how far it has replayed, and what only receives WAL does not. Without it, only what streams holds an active
 * physical slot, and no more than there are connections can be standbys.
 */
function standbysInSql(
  { sql }: Observations,
  rules: Rules,
): { readonly least: number; readonly most: number } {
  const { rpoMs } = rules.thresholds
  if ('hidden' in sql.replication) return { least: 0, most: Infinity }
  const { seesStatistics, senders } = sql.replication.value
  const standbys = senders.filter(isStandby)
  if (!seesStatistics) {
    return { least: standbys.filter(({ holdsSlot }) => holdsSlot).length, most: standbys.length }
  }
  const streaming = standbys.filter(
    ({ state, replays, lagSeconds }) => state === 'streaming' && replays && (lagSeconds ?? 0) * 1000 <= rpoMs,
  ).length
  return { least: streaming, most: streaming }
}

/**
 * Returns the Pods of the instances. Where more standbys stream than there are Pods, a Service selects the primary alone, as
 * those of many charts do: then the Pods of the others are not known. Where their state is hidden, more may stream: Pods
 * that are too few say nothing then.
 */
function instancesIn(observed: Observations, rules: Rules): readonly DatabasePod[] | undefined {
  const { kept, pods } = observed.cluster
  if (kept || pods === undefined) return pods
  const { least, most } = standbysInSql(observed, rules)
  const few = pods.filter(isWorking).length < rules.thresholds.minInstances
  return (few ? most : least) + 1 > pods.length ? undefined : pods
}

/** `spread`: no two instances on one Node, and over zones where that is asked for. */
export function judgeSpread(observed: Observations, rules: Rules): Judgement {
  const { cluster } = observed
  const { minNodes, minZones } = rules.thresholds
  const wanted = `${count(minNodes, 'Node')}${minZones > 1 ? ` in ${minZones} zones` : ''}`
  const evidence = [...cluster.evidence.pods, ...cluster.evidence.zones]
  const pods = instancesIn(observed, rules)
  if (pods === undefined) {
    const hidden = hiddenBy(cluster.unread.pods)
    const seen = hidden?.seen ?? 'the Pods of this database cannot be told apart'
    return { verdict: 'unknown', wanted, seen, remedy: hidden?.remedy ?? 'an attestation', evidence }
  }
  const working = pods.filter(isWorking)
  const nodes = [...new Set(working.map(({ node }) => node).filter((node) => node !== undefined))]
  const zones = new Set(nodes.map((node) => cluster.zones.get(node)).filter((zone) => zone !== undefined))
  const inZones = zones.size > 0 ? `; ${count(zones.size, 'zone')}: ${sentence([...zones])}` : ''
  const seen = `${count(nodes.length, 'Node')}: ${sentence(nodes) || 'none'}${inZones}`
  if (nodes.length < minNodes) {
    const remedy = 'ask the administrator to spread the instances'
    return { verdict: 'not met', wanted, seen, remedy, evidence }
  }
  if (minZones > 1 && zones.size < minZones) {
    const unnamed = nodes.filter((node) => !cluster.zones.has(node))
    const hidden = hiddenBy(cluster.unread.zones)
    if (unnamed.length > 0) {
      const why =
        hidden?.seen ?? `${sentence(unnamed)} ${unnamed.length === 1 ? 'has' : 'have'} no zone label`
      const remedy = hidden?.remedy ?? 'an attestation'
      return { verdict: 'unknown', wanted, seen: `${seen}; ${why}`, remedy, evidence }
    }
    const remedy = 'ask the administrator to spread the instances over zones'
    return { verdict: 'not met', wanted, seen, remedy, evidence }
  }
  const crowded = nodes.length < working.length
  const together = zonesTogether(nodes, cluster.zones)
  return {
    verdict: 'met',
    wanted,
    seen,
    evidence,
    warnings: [
      ...(crowded ? ['some instances share a Node'] : []),
      ...(together === undefined ? [] : [`all of them are in zone ${together}`]),
    ],
  }
}

/** A Pod that does its work: Ready, and in one of Patroni's good states where there is a Patroni. */
function isWorking({ ready, state }: DatabasePod): boolean {
  return ready && (state === undefined || state === 'running' || state === 'streaming')
}

function shortPod({ name, role }: DatabasePod): string {
  return role === undefined ? name : `${name} (${role})`
}

function senderWords({ name, state, replays, lagSeconds }: WalSender): string {
  const lag = lagSeconds === null ? '' : `, ${lagSeconds.toFixed(1)} s behind`
  const receiver = replays === false ? ', replays nothing' : ''
  return `${oneLine(name, 63)}: ${state ?? 'state hidden'}${receiver}${lag}`
}
