import { existsSync } from 'node:fs'
import { delimiter } from 'node:path'
import type { KubeconfigSources } from '../input/request.ts'
import { kubeconfigText } from '../kubeconfig/text.ts'
import { Failure, type FailureCode } from '../lib/failure.ts'
import { UnfitFile } from '../lib/regular-file.ts'
import { endingSignals } from '../lib/signals.ts'
import { asInputs, type Spelling } from '../lib/spelling.ts'

/**
 * Returns the kubeconfig that came by environment and takes it out of there: every child process (an exec plugin of the
 * kubeconfig) would inherit it.
 *
 * @param carriers further variables that may hold a kubeconfig, such as the one of an input
 */
export function takeKubeconfig(
  carriers: readonly string[],
): Pick<KubeconfigSources, 'KUBECONFIG' | 'KUBECONFIG_CONTENTS_B64'> {
  const { KUBECONFIG, KUBECONFIG_CONTENTS_B64 } = process.env
  for (const name of ['KUBECONFIG_CONTENTS_B64', ...carriers]) Reflect.deleteProperty(process.env, name)
  // A list of paths is no credential, and a plugin may need it. What is neither may be a part of a credential.
  const content =
    KUBECONFIG === undefined || KUBECONFIG.includes('\n') || kubeconfigText(KUBECONFIG) !== undefined
  if (content || !KUBECONFIG.split(delimiter).some((path) => existsSync(path)))
    delete process.env['KUBECONFIG']
  return { KUBECONFIG, KUBECONFIG_CONTENTS_B64 }
}

/** Holds the identity token of a job where somebody has to put it there, as GitLab does. */
export const tokenVariable = 'PG_APP_USER_ID_TOKEN'

/** Returns the identity token that came by environment and takes it out of there. */
export function takeToken(): string | undefined {
  const token = process.env[tokenVariable]
  Reflect.deleteProperty(process.env, tokenVariable)
  return token
}

/** Variables of which every pipeline has one: those of CI systems that do not set CI as well. */
const pipelineVariables = [
  'CI',
  'CONTINUOUS_INTEGRATION',
  'BUILD_NUMBER',
  'JENKINS_URL',
  'TEAMCITY_VERSION',
  'TF_BUILD',
]

/** Says whether this is a pipeline, whose runner may be a Pod of another cluster. */
export function isPipeline(variables: NodeJS.ProcessEnv): boolean {
  return pipelineVariables.some((name) => !['', '0', 'false', undefined].includes(variables[name]))
}

/** Returns how a run shows in pg_stat_activity: ASCII, 63 bytes. */
export function formatRunName(parts: readonly (string | undefined)[]): string {
  const name = ['pg-app-user', ...parts.filter((part) => part !== undefined && part !== '')].join(' ')
  return name.replace(/[^\x20-\x7e]/g, '?').slice(0, 63)
}

/** Tells when a person or the pipeline wants the run to stop. */
export interface Cancellation {
  readonly signal: AbortSignal
  /** Listens no longer: signals are for somebody else. */
  readonly release: () => void
}

/**
 * Returns what is aborted when a person or the pipeline wants the run to stop. It is listened to once, so that asking a
 * second time ends the process at once, as the system does by itself.
 *
 * @param told called when it happens
 */
export function cancellation(told?: () => void): Cancellation {
  const cancelled = new AbortController()
  const release = (): void => {
    for (const each of endingSignals) process.off(each, cancel)
  }
  const cancel = (): void => {
    release()
    told?.()
    cancelled.abort()
  }
  for (const each of endingSignals) process.on(each, cancel)
  return { signal: cancelled.signal, release }
}

/** Returns what led to a failure, for debug output. */
export function* causesOf(failure: Failure): Generator<string> {
  for (let cause: unknown = failure.cause; cause instanceof Error; cause = cause.cause) {
    yield `caused by ${cause.stack ?? cause.message}`
  }
}

/** The spelling where there is no job summary: what that would hold is in the log. */
export const asLog: Spelling = {
  ...asInputs,
  missingRole: 'below',
}

/** How long what a run left open may keep its process, once all is said, in milliseconds. */
const leaveMs = 400

/** Ends the process soon: a connection that is still being made, to a proxy that says nothing, has nobody to end it. */
export function leaveSoon(): void {
  setTimeout(() => process.exit(), leaveMs).unref()
}

/** Returns the error for a file that the end of a run goes into. */
export function unwritable(code: FailureCode, what: string, cause: unknown): Failure {
  const seen = cause instanceof UnfitFile ? `Nothing is written there: ${cause.message}.` : undefined
  const absent = (cause as NodeJS.ErrnoException | null)?.code === 'ENOENT'
  const likely = absent ? 'The folder does not exist.' : 'The folder is not writable, or the disk is full.'
  return new Failure(code, `${what}.`, [seen ?? likely], { cause })
}

/** Returns the error for outputs that a step cannot hand on. */
export function outputsUnwritable(cause: unknown): Failure {
  return new Failure(
    'outputs-unwritable',
    'The outputs of this step cannot be written.',
    ['The file that GITHUB_OUTPUT names is not writable, or the disk of the runner is full.'],
    { cause },
  )
}
