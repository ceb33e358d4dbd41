import { tallyOf, type GateReport } from '../go-live/finding.ts'
import { version } from '../lib/version.ts'
import type { Outcome } from '../run/outcome.ts'

/** What the reports are about: which database, for whom, in which cluster. */
export interface Subject {
  readonly server: string
  readonly namespace: string
  readonly database: string
  readonly role: string
  readonly secret: string
  readonly postgresql: string
}

/** Returns what a run was about. */
export function subjectOf({ application, cluster, database, secret, serverVersion }: Outcome): Subject {
  return {
    server: cluster?.server ?? '',
    namespace: cluster?.namespace ?? '',
    database,
    role: application,
    secret: `${secret.namespace ?? ''}/${secret.name}`,
    postgresql: serverVersion ?? '',
  }
}

/** Returns go-live.json. Its fields are described in docs/go-live.md; new ones may come, none goes within a major version. */
export function gateJson(report: GateReport, subject: Subject): string {
  const { verdict, enforced, why, profile, file, fileRead, at, findings, picture } = report
  const document = {
    schema: 'pg-app-user/go-live/1',
    tool: { name: 'pg-app-user', version },
    verdict,
    enforced,
    why: why.replaceAll('`', ''),
    profile,
    at,
    file: { path: file, read: fileRead },
    subject,
    tally: tallyOf(findings),
    requirements: findings,
    backups: picture.backups,
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}
