import { existsSync } from 'node:fs'
import { delimiter } from 'node:path'
import * as core from '@actions/core'
import { context } from '@actions/github'
import { asFailure, Failure } from './failure.ts'
import { hasChanged, lastLine, nothingChanged, standing, type Outcome } from './outcome.ts'
import { parameters, type OutputName, type ParameterName } from './parameters.ts'
import { parseRequest } from './parse.ts'
import { provision } from './provision.ts'
import { formatFailure } from './report/log.ts'
import { PipelineReporter } from './report/pipeline.ts'
import { formatFailureSummary, formatSummary } from './report/summary.ts'
import type { KubeconfigSources } from './request.ts'
import { oneLine } from './text.ts'
import { version } from './version.ts'

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

const inputs = Object.fromEntries(parameters.map(({ name }) => [name, core.getInput(name)]))
const kubeconfig = takeKubeconfig(inputs)
let outcome: Outcome | undefined
let failure: Failure | undefined
try {
  const request = parseRequest(inputs, { kubeconfig, runName: runName() })
  const verb = request.dryRun ? 'dry run' : 'provision'
  reporter.write([`pg-app-user ${version} · ${verb} ${request.appUsername}`])
  outcome = await provision(request, reporter, cancellation())
  failure = outcome.failure
} catch (error) {
  failure = asFailure(error)
}
try {
  setOutputs(outcome)
} catch (error) {
  failure ??= new Failure(
    'outputs-unwritable',
    'The outputs of this step cannot be written.',
    ['The file that GITHUB_OUTPUT names is not writable, or the disk of the runner is full.'],
    { cause: error },
  )
}
for (const note of outcome?.notes ?? []) core.warning(reporter.redact(note))
const ended = outcome && { ...outcome, failure }
if (failure !== undefined) {
  await writeSummary(ended === undefined ? formatFailureSummary(failure) : formatSummary(ended))
  fail(failure, ended === undefined ? nothingChanged : standing(ended))
} else if (ended !== undefined) {
  await writeSummary(formatSummary(ended))
  reporter.write([lastLine(ended)])
}

function fail(failure: Failure, stands: string): void {
  reporter.write(formatFailure(failure, stands))
  for (let cause: unknown = failure.cause; cause instanceof Error; cause = cause.cause) {
    reporter.debug(`caused by ${cause.stack ?? cause.message}`)
  }
  core.error(reporter.redact(failure.message), { title: `pg-app-user: ${failure.code}` })
  if (failure.code === 'permission-missing' && outcome?.permissions !== undefined) {
    reporter.detail('Role and RoleBinding for the administrator', outcome.permissions.manifest.split('\n'))
  }
  process.exitCode = 1
}

/** Takes credentials out of the environment, which every child process (an exec plugin) would inherit. */
function takeKubeconfig(inputs: Partial<Record<ParameterName, string>>): KubeconfigSources {
  const { KUBECONFIG, KUBECONFIG_CONTENTS_B64 } = process.env
  delete process.env['INPUT_KUBECONFIG']
  delete process.env['KUBECONFIG_CONTENTS_B64']
  // A list of paths is no credential, and a plugin may need it.
  const paths = KUBECONFIG?.split(delimiter) ?? []
  if (!paths.some((path) => existsSync(path))) delete process.env['KUBECONFIG']
  return { input: inputs.kubeconfig, KUBECONFIG, KUBECONFIG_CONTENTS_B64, absenceHint: absenceHint() }
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

/** How this run shows in pg_stat_activity: ASCII, 63 bytes. */
function runName(): string {
  const { GITHUB_REPOSITORY = '', GITHUB_RUN_ID = '', GITHUB_REF_NAME = '' } = process.env
  const name = `pg-app-user ${GITHUB_REPOSITORY} run ${GITHUB_RUN_ID} ${GITHUB_REF_NAME}`
  return name.replace(/[^\x20-\x7e]/g, '?').slice(0, 63)
}

function cancellation(): AbortSignal {
  const cancelled = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      cancelled.abort()
    })
  }
  return cancelled.signal
}

/** Sets every output, also where the run did not get as far as knowing it. */
function setOutputs(outcome: Outcome | undefined): void {
  const values: Record<OutputName, string> = {
    changed: String(outcome !== undefined && hasChanged(outcome)),
    changes: JSON.stringify(outcome?.changes ?? []),
    'secret-name': outcome?.secret.name ?? '',
    'secret-namespace': outcome?.secret.namespace ?? '',
    'secret-resource-version': outcome?.secret.resourceVersion ?? '',
    database: outcome?.database ?? '',
    'server-version': outcome?.serverVersion ?? '',
  }
  for (const [name, value] of Object.entries(values)) core.setOutput(name, value)
}

/** A summary that cannot be written is no reason to fail a run that did its work. */
async function writeSummary(markdown: string): Promise<void> {
  try {
    await core.summary.addRaw(reporter.redact(markdown)).write()
  } catch (error) {
    reporter.debug(`the job summary could not be written: ${String(error)}`)
  }
}
