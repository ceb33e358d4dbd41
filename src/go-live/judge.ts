import { dayMs } from '../lib/units.ts'
import type { Finding, Judgement, Picture, Verdict } from './finding.ts'
import {
  judgeApplicationSpread,
  judgeReplicas,
  judgeResources,
  judgeRestarted,
} from './judges/application.ts'
import { judgeArchiving, judgeRpo } from './judges/archiving.ts'
import {
  backupsSeen,
  judgeBackupSchedule,
  judgeLastBackup,
  judgeOffSite,
  judgeRecovery,
  judgeRetention,
  judgeWindowNow,
  startOf,
} from './judges/backup.ts'
import {
  judgeAutovacuum,
  judgeChecksums,
  judgeConnections,
  judgeSlots,
  judgeXidAge,
} from './judges/health.ts'
import { judgeInstances, judgeSpread, judgeStreaming } from './judges/instances.ts'
import { judgePeople } from './judges/people.ts'
import { judgeApplicationUser, judgePublicConnect, judgeRoleAttributes, judgeTls } from './judges/role.ts'
import { judgeCollation, judgeIndexes, judgePrimaryKeys, judgeSequences } from './judges/schema.ts'
import { judgeMinorVersion, judgePrimary, judgeSupportedVersion } from './judges/server.ts'
import { judgeCertificate, judgeSessionsEncrypted, judgeTimeouts } from './judges/session.ts'
import type { Observations, Rules } from './observations.ts'
import { archiverOf } from './observe-sql.ts'
import { requirements, type RequirementId } from './requirement.ts'
import { settle } from './settle.ts'
import { spansBetween } from './window.ts'

/** Who judges which requirement. Each is pure: from what was seen to what it means. */
const judges: Readonly<Record<RequirementId, (observed: Observations, rules: Rules) => Judgement>> = {
  primary: judgePrimary,
  instances: judgeInstances,
  streaming: judgeStreaming,
  spread: judgeSpread,
  archiving: judgeArchiving,
  rpo: judgeRpo,
  'backup-schedule': judgeBackupSchedule,
  'last-backup': judgeLastBackup,
  retention: judgeRetention,
  pitr: judgeRecovery,
  'off-site': judgeOffSite,
  'app-user': judgeApplicationUser,
  'role-attributes': judgeRoleAttributes,
  'public-connect': judgePublicConnect,
  tls: judgeTls,
  'supported-version': judgeSupportedVersion,
  'minor-version': judgeMinorVersion,
  'xid-age': judgeXidAge,
  autovacuum: judgeAutovacuum,
  slots: judgeSlots,
  sequences: judgeSequences,
  indexes: judgeIndexes,
  collation: judgeCollation,
  'sessions-encrypted': judgeSessionsEncrypted,
  certificate: judgeCertificate,
  checksums: judgeChecksums,
  timeouts: judgeTimeouts,
  'primary-keys': judgePrimaryKeys,
  connections: judgeConnections,
  'app-replicas': judgeReplicas,
  'app-spread': judgeApplicationSpread,
  'app-resources': judgeResources,
  'app-restarted': judgeRestarted,
  'backup-window-now': judgeWindowNow,
  'load-test': judgePeople,
  'load-test-update': judgePeople,
  'load-test-reboot': judgePeople,
  'load-test-zone': judgePeople,
  'recovery-test': judgePeople,
  'redeployment-test': judgePeople,
}

/** Judges every requirement, and weighs in who vouches and who makes exceptions. Gives the most important first. */
export function judge(seen: Observations, rules: Rules): readonly Finding[] {
  return requirements
    .filter((requirement) => !('optional' in requirement) || rules.file.holdBackInBackupWindow)
    .map((requirement) => settle(requirement, judges[requirement.id](seen, rules), rules, seen.at))
    .toSorted((one, other) => rank(one) - rank(other))
}

const order: readonly Verdict[] = ['not met', 'unknown', 'waived', 'attested', 'met', 'not applicable']

/** What holds back comes first, then what would if it counted, then the rest. */
function rank({ verdict, counts }: Finding): number {
  const open = verdict === 'not met' || verdict === 'unknown'
  const group = open ? (counts ? 0 : 1) : 2
  return group * order.length + order.indexOf(verdict)
}

/** Returns what the picture of the last days shows. */
export function pictureOf(seen: Observations, rules: Rules): Picture {
  const { at, cluster, sql } = seen
  const { backupWindow } = rules.thresholds
  const from = new Date(at.getTime() - 3 * dayMs)
  const to = new Date(at.getTime() + dayMs / 2)
  const { lastArchivedAt, lastFailedAt } = archiverOf(sql)
  return {
    from,
    to,
    windows: backupWindow.readings.map((reading) => ({
      reading: reading.name,
      spans: spansBetween(backupWindow, reading, from, to),
    })),
    backups: backupsSeen(seen).filter((run) => startOf(run) >= from.getTime()),
    ...(lastArchivedAt !== null && { lastArchived: lastArchivedAt }),
    archivingFails:
      cluster.operator?.archives === false ||
      (lastFailedAt !== null && (lastArchivedAt === null || lastFailedAt > lastArchivedAt)),
  }
}
