import { tmpdir } from 'node:os'
import * as core from '@actions/core'
import { context } from '@actions/github'
import { parametersOf } from '../input/parameters.ts'
import { parseRequest } from '../input/parse.ts'
import { titleOf } from '../input/request.ts'
import { asFailure, Failure } from '../lib/failure.ts'
import { oneLine } from '../lib/text.ts'
import { version } from '../lib/version.ts'
import { annotationsOf, type Annotation } from '../report/annotations.ts'
import { formatFailure } from '../report/log.ts'
import { PipelineReporter } from '../report/pipeline.ts'
import { formatFailureSummary, formatSummary } from '../report/summary.ts'
import { lastLine, nothingChanged, outputsOf, standing, type Outcome } from '../run/outcome.ts'
import {
  cancellation,
  causesOf,
  formatRunName,
  leaveSoon,
  outputsUnwritable,
  takeKubeconfig,
} from './edge.ts'
import { environmentOfCaller } from './caller.ts'
import { githubIssuer, githubRelease } from './github.ts'
import { onStrayError, standsUnknown } from './last-resort.ts'

const reporter = new PipelineReporter({
  line: (text) => process.stdout.write(`${text}\n`),
  mask: core.setSecret,
  group: (title, lines) => {
    core.startGroup(title)
    for (const line of lines) process.stdout.write(`${line}\n`)
    core.endGroup()
  },
  debugging: core.isDebug(),
})

onStrayError((stray) => {
  reporter.write(formatFailure(reporter.clean(stray), standsUnknown))
  for (const cause of causesOf(stray)) reporter.debug(cause)
  annotate(startAnnotations(stray))
})

const environment = environmentOfCaller()
const issuer = githubIssuer((token) => void reporter.mask(token))
const inputs = Object.fromEntries(parametersOf('action').map(({ name }) => [name, core.getInput(name)]))
const kubeconfig = {
  input: inputs['kubeconfig'],
  ...takeKubeconfig(['INPUT_KUBECONFIG']),
  absenceHint: absenceHint(),
}
let outcome: Outcome | undefined
let failure: Failure | undefined
try {
  const request = parseRequest(inputs, {
    kubeconfig,
    issuer,
    runName: runName(),
    release: githubRelease(context),
    command: { environment, person: false },
  })
  reporter.write([`pg-app-user ${version} · ${titleOf(request)}`])
  // Loaded only now: most of the code is of no use to somebody whose inputs are wrong.
  const { run } = await import('../run/run.ts')
  const { signal, release } = cancellation()
  outcome = await run(request, reporter, signal, release)
  failure = outcome.failure
} catch (error) {
  failure = asFailure(error)
}
// From here on nothing but what may leave.
const shown = outcome && reporter.clean(outcome)
const reportDirectory = shown && (await writeReportFiles(shown))
try {
  for (const [name, value] of Object.entries(outputsOf(outcome, reportDirectory, reporter))) {
    core.setOutput(name, value)
  }
} catch (error) {
  failure ??= outputsUnwritable(error)
}
const ended = shown && { ...shown, failure: reporter.clean(failure) }
if (shown?.goLive !== undefined) {
  const { whereItIs } = await import('../report/where.ts')
  for (const step of whereItIs(shown.goLive, reportDirectory)) reporter.step(step)
}
if (failure !== undefined) {
  const said = reporter.clean(failure)
  await writeSummary(ended === undefined ? formatFailureSummary(said) : formatSummary(ended))
  fail(failure, ended === undefined ? nothingChanged : standing(ended))
} else if (ended !== undefined) {
  await writeSummary(formatSummary(ended))
  reporter.write([lastLine(ended)])
  annotate(annotationsOf(ended))
}
leaveSoon()

function fail(failure: Failure, stands: string): void {
  reporter.write(formatFailure(reporter.clean(failure), stands))
  for (const cause of causesOf(failure)) reporter.debug(cause)
  annotate(ended === undefined ? startAnnotations(failure) : annotationsOf(ended))
  if (failure.code === 'permission-missing' && shown?.permissions !== undefined) {
    reporter.detail('Role and RoleBinding for the administrator', shown.permissions.manifest.split('\n'))
  }
  process.exitCode = 1
}

function annotate(annotations: readonly Annotation[]): void {
  for (const { level, title, message } of reporter.clean(annotations)) core[level](message, { title })
}

/** The one annotation of a run that did not get as far as an outcome. */
function startAnnotations(failure: Failure): readonly Annotation[] {
  return [{ level: 'error', title: `pg-app-user: ${failure.code}`, message: failure.message }]
}

/** Reports that cannot be written are no reason to fail a run that did its work: the summary says the same. */
async function writeReportFiles(outcome: Outcome): Promise<string | undefined> {
  if (outcome.goLive === undefined) return undefined
  try {
    const { writeReports } = await import('../report/report-files.ts')
    const parent = process.env['RUNNER_TEMP'] ?? tmpdir()
    return await writeReports(outcome.goLive, outcome, parent, (text) => reporter.redact(text))
  } catch (error) {
    core.warning('The files of the go-live report could not be written; the job summary has everything.')
    reporter.debug(`the report could not be written: ${String(error)}`)
    return undefined
  }
}

/** Why a kubeconfig may be missing: GitHub passes an empty text for a secret that this job does not get. */
function absenceHint(): readonly string[] {
  const payload = context.payload as {
    pull_request?: { head?: { repo?: { full_name?: string } | null } }
    repository?: { full_name?: string }
  }
  const head = payload.pull_request?.head?.repo?.full_name
  const fork = payload.pull_request !== undefined && head !== payload.repository?.full_name
  if (fork) {
    return [
      `This run was started by a pull request from the fork ${oneLine(head ?? 'that is deleted')}, and such runs get no secrets.`,
      'Run this step on pushes only, or skip it for forks:',
      '  if: github.event.pull_request.head.repo.full_name == github.repository',
      'Do not change the trigger to pull_request_target to get around this.',
    ]
  }
  if (context.actor === 'dependabot[bot]') {
    return [
      'This run was started by Dependabot, and runs of Dependabot get Dependabot secrets only.',
      'Skip this step for it, or define the secret under Dependabot too:',
      "  if: github.actor != 'dependabot[bot]'",
    ]
  }
  return [
    "A frequent cause is a secret that is defined in another environment than this job's, or a misspelt name:",
    'GitHub passes an empty text for both.',
  ]
}

function runName(): string {
  const { GITHUB_REPOSITORY, GITHUB_RUN_ID = '', GITHUB_REF_NAME } = process.env
  return formatRunName([GITHUB_REPOSITORY, `run ${GITHUB_RUN_ID}`, GITHUB_REF_NAME])
}

/** A summary that cannot be written is no reason to fail a run that did its work. */
async function writeSummary(markdown: string): Promise<void> {
  try {
    await core.summary.addRaw(reporter.redact(markdown)).write()
  } catch (error) {
    reporter.debug(`the job summary could not be written: ${String(error)}`)
  }
}
