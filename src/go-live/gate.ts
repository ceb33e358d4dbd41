import pg from 'pg'
import type { GoLiveRequest } from '../input/request.ts'
import { rightsOfRoles } from '../kubernetes/right.ts'
import { Failure } from '../lib/failure.ts'
import { input } from '../lib/spelling.ts'
import { count, sentence } from '../lib/text.ts'
import { passingOf } from '../postgres/failure.ts'
import { doubtAbout } from '../postgres/login.ts'
import type { Session } from '../postgres/session.ts'
import { aboutServer } from '../postgres/state.ts'
import { roleManifests } from '../rights/manifest.ts'
import type { Run } from '../run/context.ts'
import { stopwatch } from '../run/journal.ts'
import { readApplicationSecret, type ApplicationSecret } from '../secrets/application-secret.ts'
import { attemptAs, loginEvidence, loginOf } from './application-login.ts'
import { emptyFile, readGoLiveFile, type GoLiveFile } from './file.ts'
import {
  holdingBack,
  notCounting,
  pageOf,
  tally,
  tallyOfOpen,
  type Finding,
  type GateReport,
} from './finding.ts'
import { judge, pictureOf } from './judge.ts'
import { clockNotes } from './judges/clock.ts'
import { closedTo } from './judges/network.ts'
import { durationWords } from './judges/words.ts'
import type { Observations, Rules } from './observations.ts'
import { observeApplication } from './observe-application.ts'
import { observeCluster } from './observe-cluster.ts'
import { observeHealth } from './observe-health.ts'
import { observeInside } from './observe-inside.ts'
import { observeSql, probeRpo, type SqlSight } from './observe-sql.ts'
import { thresholdsOf } from './requirement.ts'

/** The gate of a run, whose go-live file has been read. */
export interface Gate {
  /**
   * Judges whether the database is ready for production, and reports it. Changes nothing, but for the table that the live
   * probe makes and drops where the go-live file asks for it.
   *
   * @param admin a session that is open already
   * @throws Failure `go-live-held-back` where that is enforced; what cannot be read is `unknown`, and no failure
   */
  pass(run: Run, admin: Session | undefined): Promise<void>
}

/**
 * Reads the go-live file.
 *
 * @throws Failure `go-live-file-missing`, `go-live-file-invalid`
 */
export function openGate(goLive: GoLiveRequest): Gate {
  const file = readGoLiveFile(goLive.file, goLive.fileNamed)
  return { pass: (run, admin) => passGate(run, goLive, file, admin) }
}

async function passGate(
  run: Run,
  goLive: GoLiveRequest,
  file: GoLiveFile | undefined,
  admin: Session | undefined,
): Promise<void> {
  const { cluster, sessions, journal, deadline } = run
  deadline.enter('the go-live gate')
  const timer = stopwatch()
  const rules: Rules = {
    profile: goLive.profile,
    thresholds: thresholdsOf(goLive.profile, file?.thresholds),
    file: file ?? emptyFile,
  }
  let earlier = admin
  const look = (): Promise<Observations> => {
    const session = earlier
    earlier = undefined
    return observe(run, rules, session)
  }
  const giveBack = (): Promise<void> => sessions.endAll()
  const seen = await cluster.patience.insist(look, { passing: passingOf, giveBack })
  for (const note of [...clockNotes(seen), ...closedTo(seen)]) journal.note(note)
  const findings = judge(seen, rules)
  const holding = holdingBack(findings)
  const report: GateReport = {
    verdict: holding.length === 0 ? 'met' : 'held-back',
    enforced: goLive.enforcement.enforced,
    why: goLive.enforcement.why,
    profile: goLive.profile,
    file: goLive.file,
    fileRead: file !== undefined,
    at: seen.at,
    commit: goLive.commit,
    identity: 'value' in seen.health.identity ? seen.health.identity.value : undefined,
    findings,
    picture: pictureOf(seen, rules),
    manifest: manifestFor(run, seen),
  }
  journal.goLive = report
  tell(run, report, timer())
  if (report.verdict === 'held-back' && report.enforced) throw heldBack(report)
}

/** Looks at everything at once: no look needs another, but for the Secret that the application's login needs. */
async function observe(run: Run, rules: Rules, earlier: Session | undefined): Promise<Observations> {
  const { request, cluster, sessions, journal, wanted } = run
  const { api, namespace } = cluster
  const admin = earlier ?? (await sessions.asAdmin(sessions.home))
  const whereabouts = await cluster.whereTo()
  const [secret, server, sql, health, database, application] = await Promise.all([
    readApplicationSecret(api, namespace, request.appSecret, journal.mask),
    admin.ask(aboutServer(wanted)),
    observeSql(admin, wanted.username),
    observeHealth(admin, wanted.username, wanted.database),
    observeCluster(api, request, whereabouts),
    observeApplication(api, namespace, request.appSecret),
  ])
  const doubt = doubtAbout(admin, server.admin.name)
  if (doubt !== undefined) journal.note(doubt)
  journal.serverVersion ??= server.version
  journal.secretVersion ??= secret?.resourceVersion
  const at = new Date()
  const login = secret && loginOf(run, secret)
  const [attempt, certificate] = await Promise.all([
    login && attemptAs(run, login),
    sql.tls ? certificateOf(run, secret) : undefined,
  ])
  const inside =
    attempt?.session && (await observeInside(attempt.session, sql.versionNumber, run.deadline.remainingMs()))
  const probe = rules.file.rpoProbe ? await probeLive(run, rules, sql, attempt?.session, admin) : undefined
  await sessions.end(attempt?.session)
  return {
    at,
    sql,
    server,
    health,
    inside,
    certificate,
    cluster: database,
    application,
    secret,
    secretRef: wanted.secret,
    secretChangedNow: journal.hasChanged('secret') && !request.dryRun,
    username: wanted.username,
    database: wanted.database,
    host: cluster.access.host,
    login: loginEvidence(secret, attempt, at),
    loginRefused: attempt?.refused,
    probe,
  }
}

/** Looks at the certificate as the application would with `verify-full`, under the name that its Secret holds. */
async function certificateOf(
  { request, cluster, sessions, deadline }: Run,
  secret: ApplicationSecret | undefined,
): Promise<Observations['certificate']> {
  const { access } = cluster
  const host = secret?.values.PGHOST ?? access.host
  try {
    const ca = request.sslRootCert ?? secret?.values['ca.crt'] ?? access.ca
    return { value: await sessions.certificate(host, ca) }
  } catch (error) {
    deadline.signal.throwIfAborted()
    if (!(error instanceof Failure)) throw error
    return { hidden: error.message }
  }
}

/** What is left of a run's time for everything that comes after the probe. */
const reserveMs = 10_000

/** Follows a row until it is archived, for as long as the file allows and the run has time; says so first. */
async function probeLive(
  { request, journal, deadline }: Run,
  { thresholds: { rpoMs } }: Rules,
  { standby }: SqlSight,
  application: Session | undefined,
  admin: Session,
): Promise<Observations['probe']> {
  if (request.dryRun) return { reason: 'this is a dry run' }
  if (standby) return { reason: 'a standby takes no writes' }
  if (application === undefined) return { reason: 'the application could not log in' }
  const patienceMs = Math.min(rpoMs, deadline.remainingMs() - reserveMs)
  if (patienceMs <= 0) return { reason: 'the time of the run is over' }
  const most = durationWords(Math.floor(patienceMs / 1000) * 1000)
  const cut = patienceMs < rpoMs ? `, which is all the time the run has (${input('timeout')})` : ''
  journal.step('attention', 'rpo-probe', `writes a row and waits until it is archived: ${most} at most${cut}`)
  try {
    return await probeRpo(application, admin, patienceMs, deadline.signal)
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error
    return { reason: `the server refused it (${error.code ?? 'no SQLSTATE'})` }
  }
}

/**
 * Tells the log: what it is about, the evidence, how many came out in which way, and last every requirement that holds
 * back, so that what holds back is right before the verdict.
 */
function tell({ journal }: Run, report: GateReport, seconds: number): void {
  const { findings, profile, file, fileRead } = report
  const mode = report.enforced ? 'enforced' : 'warns only'
  const where = fileRead ? file : `no ${file}`
  journal.step('right', 'go-live', `${profile} · ${mode} ${report.why.replaceAll('`', '')}\n${where}`)
  const holding = holdingBack(findings)
  journal.reporter.detail(
    `Evidence for ${count(findings.length, 'requirement')}`,
    findings.flatMap(({ id, verdict, seen, evidence, warnings }) => [
      `${id}: ${verdict}. ${seen}`,
      ...warnings.map((warning) => `    ! ${warning}`),
      ...evidence.map(({ query, answer }) => `    ${query} → ${answer}`),
    ]),
  )
  for (const { id, verdict, exception } of findings) {
    if (exception === undefined) continue
    const { by, until, text, ending } = exception
    const soon = ending === undefined ? '' : `, which ${ending}`
    journal.step(
      ending === undefined ? 'right' : 'attention',
      id,
      `${verdict} until ${until}${soon}\nby ${by}: ${text}`,
    )
  }
  const idle = notCounting(findings)
  if (idle.length > 0) {
    const lines = [...Map.groupBy(idle, ({ verdict }) => verdict)].map(
      ([verdict, some]) => `${verdict}: ${sentence(some.map(({ id }) => id))}`,
    )
    journal.step('attention', 'do not count', lines.join('\n'))
  }
  const rest = findings.filter((finding) => ![...holding, ...idle].includes(finding))
  journal.step('right', 'the rest', tally(rest) || 'nothing', seconds)
  for (const [first, ...others] of alike(holding)) {
    if (first === undefined) continue
    const { id, verdict, seen, remedy } = first
    const sign = verdict === 'not met' ? 'stopped' : 'attention'
    const lines = [
      `${verdict}: ${seen}`,
      ...(others.length === 0 ? [] : [`the same for ${sentence(others.map((other) => other.id))}`]),
      ...(remedy === '' ? [] : [`→ ${remedy}`]),
      pageOf(id),
    ]
    journal.step(sign, id, lines.join('\n'))
  }
}

/** Groups what came out in the same way for the same reason, so that the log says it once. */
function alike(findings: readonly Finding[]): readonly (readonly Finding[])[] {
  const groups = Map.groupBy(findings, ({ verdict, seen, remedy }) => JSON.stringify([verdict, seen, remedy]))
  return [...groups.values()]
}

/** Returns the error for a release that the gate does not let pass. */
export function heldBack({ findings, file, manifest }: GateReport): Failure {
  const holding = holdingBack(findings)
  const attestable = holding.filter((finding) => finding.attestable)
  const hint = [
    ...[...Map.groupBy(holding, ({ verdict }) => verdict)].map(
      ([verdict, some]) => `${verdict}: ${sentence(some.map(({ id }) => id))}`,
    ),
    'The lines above show what was seen and what to do.',
    ...(manifest === '' ? [] : ['Send rights.yaml to the administrator: with its Roles, the run sees more.']),
    ...(attestable.length > 0
      ? [`What you have checked yourself, attest in ${file}: attest.yaml is ready to paste.`]
      : []),
    ...(attestable.length < holding.length
      ? [`What has to wait, waive in ${file}, with owner, reason and end date.`]
      : []),
  ]
  return new Failure('go-live-held-back', `Release held back: ${tallyOfOpen(findings)}.`, hint)
}

/** Returns the Roles of the gate that are missing something, each with its binding; empty where none is. */
function manifestFor({ journal }: Run, { cluster, application }: Observations): string {
  const { permissions } = journal
  const missing = [...Object.values(cluster.unread).flat(), ...application.unread]
    .filter(({ failed }) => failed === undefined)
    .map(({ right }) => right)
  if (permissions === undefined) return ''
  return roleManifests(
    permissions.identity,
    rightsOfRoles([...cluster.rights, ...application.rights], missing),
  )
}
