import { count, oneLine, sentence, utc } from '../../lib/text.ts'
import type { Judgement } from '../finding.ts'
import type { Observations, Rules } from '../observations.ts'
import type { Workload } from '../observe-application.ts'
import { queries, type SqlSight } from '../observe-sql.ts'
import { hiddenRemedy } from './weigh.ts'
import { apiEvidence, hiddenBy, sqlEvidence, zonesTogether } from './words.ts'

type Workloads = readonly Workload[]

/** `app-replicas`: enough of them are ready. */
export function judgeReplicas(observed: Observations, rules: Rules): Judgement {
  const least = rules.thresholds.minAppReplicas
  const wanted = `${least} ready`
  const { sql, username } = observed
  return eachWorkload(observed, wanted, (workloads) => {
    const short = workloads.filter(({ replicas, ready }) => replicas < least || ready < least)
    const seen = workloads
      .map(({ what, replicas, ready }) => `${what}: ${ready} of ${replicas} ready`)
      .join('; ')
    const { sessions } = sql
    const words =
      'hidden' in sessions
        ? sessions.hidden
        : `${count(sessions.value.application, 'session')} of ${oneLine(username, 63)}`
    const evidence = [sqlEvidence(observed, queries.sessions, words)]
    const warnings =
      'value' in sessions && sessions.value.application === 0
        ? [`no session of "${username}" is open: nothing seems to connect with this Secret now`]
        : []
    return short.length === 0
      ? { verdict: 'met', seen, evidence, warnings }
      : { verdict: 'not met', seen, remedy: remedyOf(short, least), evidence, warnings }
  })
}

function remedyOf(short: readonly Workload[], least: number): string {
  const small = short.some(({ replicas }) => replicas < least)
  // What is large enough and short all the same is not ready.
  const waiting = short.some(({ replicas }) => replicas >= least)
  return [
    ...(small ? [`set at least ${least} replicas`] : []),
    ...(waiting ? ['find out why not all replicas are ready'] : []),
  ].join('; ')
}

/** `app-spread`: a Node that fails takes one replica only. */
export function judgeApplicationSpread(observed: Observations, rules: Rules): Judgement {
  const least = rules.thresholds.minAppReplicas
  const wanted = 'replicas on distinct Nodes'
  return eachWorkload(observed, wanted, (workloads) => {
    const hidden = observed.application.unread.filter(({ right }) => right.resource === 'pods')
    const loose = workloads.filter(({ pods, keptApart }) => pods === undefined && !keptApart)
    const nodesOf = ({ pods = [] }: Workload): Set<string> =>
      new Set(pods.map(({ node }) => node).filter((node) => node !== undefined))
    const crowded = workloads.filter(
      (workload) => workload.pods !== undefined && nodesOf(workload).size < Math.min(least, 2),
    )
    const seen = workloads
      .map(
        (workload) =>
          `${workload.what}: ${workload.pods === undefined ? (workload.keptApart ? 'kept apart by a rule' : 'its Pods may not be listed') : placesOf(nodesOf(workload), observed.application.zones)}`,
      )
      .join('; ')
    if (crowded.length > 0)
      return {
        verdict: 'not met',
        seen,
        remedy: 'topologySpreadConstraints over kubernetes.io/hostname',
        evidence: [],
      }
    if (loose.length > 0)
      return {
        verdict: 'unknown',
        seen,
        remedy: hiddenBy(hidden)?.remedy ?? 'an attestation',
        evidence: [],
      }
    const warnings = workloads.flatMap((workload) => {
      const zone = zonesTogether([...nodesOf(workload)], observed.application.zones)
      const shared = nodesOf(workload).size < (workload.pods?.length ?? 0)
      return [
        ...(shared ? [`${workload.what}: some replicas share a Node`] : []),
        ...(zone === undefined ? [] : [`${workload.what}: all of it is in zone ${oneLine(zone, 80)}`]),
      ]
    })
    return { verdict: 'met', seen, evidence: [], warnings }
  })
}

/** Returns on how many Nodes something is, and in which zones where those are known. */
function placesOf(nodes: ReadonlySet<string>, zones: ReadonlyMap<string, string>): string {
  const known = new Set([...nodes].map((node) => zones.get(node)).filter((zone) => zone !== undefined))
  const inZones = known.size > 0 ? ` in ${count(known.size, 'zone')}` : ''
  return `${count(nodes.size, 'Node')}${inZones}`
}

/** `app-resources`: requests and limits of every container. */
export function judgeResources(observed: Observations): Judgement {
  return eachWorkload(observed, 'CPU and memory requests, a memory limit', (workloads) => {
    const lacking = workloads.flatMap(({ what, unlimited }) => unlimited.map((words) => `${what}: ${words}`))
    return lacking.length === 0
      ? {
          verdict: 'met',
          seen: `${sentence(workloads.map(({ what }) => what))}: every container has them`,
          evidence: [],
        }
      : {
          verdict: 'not met',
          seen: lacking.join('; '),
          remedy: 'set resources in the manifest',
          evidence: [],
        }
  })
}

/** `app-restarted`: no Pod still has an older credential. */
export function judgeRestarted(observed: Observations): Judgement {
  const { secret, secretChangedNow, secretRef } = observed
  const wanted = 'Pods younger than the credential'
  if (secretChangedNow) {
    return {
      verdict: 'not applicable',
      wanted,
      seen: 'this very run wrote the Secret: the rollout that follows brings it to the Pods',
      evidence: [],
    }
  }
  const changed = secret?.credentialChanged
  return eachWorkload(observed, wanted, (workloads) => {
    const evidence = [
      apiEvidence(
        observed,
        `Secret ${secretRef}`,
        changed === undefined ? 'no time' : `credential of ${utc(changed)}`,
      ),
    ]
    if (changed === undefined)
      return {
        verdict: 'unknown',
        seen: 'the Secret does not tell when it was written',
        remedy: 'an attestation',
        evidence,
      }
    const blind = workloads.filter(({ pods }) => pods === undefined)
    const older = workloads
      .flatMap(({ pods = [] }) => pods)
      .filter(({ created }) => created !== undefined && created < changed)
    if (older.length > 0) {
      return {
        verdict: 'not met',
        seen: `older than the credential of ${utc(changed)}: ${sentence(older.slice(0, 5).map(({ name }) => name))}${older.length > 5 ? ` and ${older.length - 5} more` : ''}`,
        remedy: 'kubectl rollout restart',
        evidence,
      }
    }
    if (blind.length > 0)
      return {
        verdict: 'unknown',
        seen: 'the Pods of the application may not be listed',
        remedy: hiddenBy(observed.application.unread)?.remedy ?? 'an attestation',
        evidence,
      }
    return { verdict: 'met', seen: `all younger than ${utc(changed)}`, evidence }
  })
}

/** Says how many sessions are open, or why that is not known; nothing where none is. */
function openWords(sessions: SqlSight['sessions'], username: string): string | undefined {
  if ('hidden' in sessions) return `its sessions are not in sight: ${sessions.hidden}`
  const { application } = sessions.value
  if (application === 0) return undefined
  return `${count(application, 'session')} of "${oneLine(username, 63)}" ${application === 1 ? 'is' : 'are'} open`
}

/** What all that is about the application has in common: there may be none, or none in sight. */
function eachWorkload(
  observed: Observations,
  wanted: string,
  weigh: (workloads: Workloads) => Omit<Judgement, 'wanted'>,
): Judgement {
  const { application, secretRef, sql, username } = observed
  const { evidence, unread, workloads } = application
  const hidden = hiddenBy(unread.filter(({ right }) => right.resource !== 'pods'))
  if (workloads === undefined || (workloads.length === 0 && hidden !== undefined)) {
    return {
      verdict: 'unknown',
      wanted,
      seen: hidden?.seen ?? 'neither Deployments, StatefulSets nor DaemonSets could be listed',
      remedy: hidden?.remedy ?? 'an attestation',
      evidence,
    }
  }
  const open = openWords(sql.sessions, username)
  if (workloads.length === 0 && open !== undefined) {
    return {
      verdict: 'unknown',
      wanted,
      seen: `no Deployment, StatefulSet or DaemonSet uses ${secretRef}, yet ${open}`,
      remedy: `${'hidden' in sql.sessions ? hiddenRemedy : 'end them where no application is behind them'}, or attest it`,
      evidence: [...evidence, sqlEvidence(observed, queries.sessions, open)],
    }
  }
  if (workloads.length === 0) {
    const seen = `no Deployment, StatefulSet or DaemonSet uses ${secretRef} yet`
    return { verdict: 'not applicable', wanted, seen, evidence }
  }
  const judgement = weigh(workloads)
  // What is in sight may be up to date while what is not in sight is otherwise.
  const partly = hidden !== undefined && judgement.verdict === 'met'
  return {
    ...judgement,
    ...(partly && {
      verdict: 'unknown',
      seen: `${judgement.seen}; ${hidden.seen}`,
      remedy: hidden.remedy,
    }),
    wanted,
    evidence: [...evidence, ...judgement.evidence],
  }
}
