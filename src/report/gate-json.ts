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
  /** What is released, as Git names it. */
  readonly commit: string
  /** With the oid, what tells the database from every other one. Source: pg_control_system() */
  readonly systemIdentifier: string
  readonly databaseOid: string
}

/** Returns what a run was about; what is not known is empty. */
export function subjectOf({
  application,
  cluster,
  database,
  secret,
  serverVersion,
  goLive,
}: Outcome): Subject {
  return {
    server: cluster?.server ?? '',
    namespace: cluster?.namespace ?? '',
    database,
    role: application,
    secret: `${secret.namespace ?? ''}/${secret.name}`,
    postgresql: serverVersion ?? '',
    commit: goLive?.commit ?? '',
    systemIdentifier: goLive?.identity?.systemIdentifier ?? '',
    databaseOid: String(goLive?.identity?.oid ?? ''),
  }
}

/** Returns go-live.json. Its fields are described in docs/go-live.md; new ones may come, none goes within a major version. */
export function gateJson(report: GateReport, subject: Subject): string {
  const { verdict, enforced, why, profile, file, fileRead, at, findings, picture } = report
  const document = {
    $schema: 'https://raw.githubusercontent.com/elastisys/pg-app-user/v1/schema/go-live-report.json',
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
