import type { ReleaseContext } from '../input/ref.ts'
import type { Issuer } from '../input/request.ts'
import type { Spelling } from '../lib/spelling.ts'
import { asLog, formatRunName, tokenVariable } from './edge.ts'

/** The variables that GitLab gives a job. */
type Variables = Readonly<Record<string, string | undefined>>

/** Returns the name of a GitLab pipeline, for pg_stat_activity. */
export function gitlabRunName({
  CI_PROJECT_PATH,
  CI_PIPELINE_ID = '',
  CI_COMMIT_REF_NAME,
}: Variables): string {
  return formatRunName([CI_PROJECT_PATH, `pipeline ${CI_PIPELINE_ID}`, CI_COMMIT_REF_NAME])
}

/**
 * Returns what a GitLab pipeline runs for. A variable of a project or of a manual pipeline wins over GitLab's own of the
 * same name, so that one alone is not believed: where they contradict each other, no ref is known, and the gate holds.
 * Source: https://docs.gitlab.com/ci/variables/#cicd-variable-precedence
 */
export function gitlabRelease(variables: Variables): ReleaseContext {
  const { CI_COMMIT_BRANCH, CI_COMMIT_REF_NAME, CI_COMMIT_SHA, CI_COMMIT_TAG, CI_DEFAULT_BRANCH } = variables
  const { CI_MERGE_REQUEST_IID, CI_PIPELINE_SOURCE } = variables
  const [branch, tag, request] = [CI_COMMIT_BRANCH, CI_COMMIT_TAG, CI_MERGE_REQUEST_IID].map(
    (value) => value ?? '',
  )
  const name = CI_COMMIT_REF_NAME ?? ''
  const context = { pullRequest: false, defaultBranch: CI_DEFAULT_BRANCH, commit: CI_COMMIT_SHA }
  if (request !== '' && branch === '' && tag === '') {
    const source = CI_PIPELINE_SOURCE === 'merge_request_event' || CI_PIPELINE_SOURCE === 'parent_pipeline'
    return { ...context, pullRequest: source }
  }
  if (name === '' || request !== '' || (branch !== '' && tag !== '')) return context
  if (tag === name) return { ...context, ref: `refs/tags/${name}` }
  if (branch === name) return { ...context, ref: `refs/heads/${name}` }
  return context
}

/** Says why a kubeconfig may be missing in a GitLab job: there are variables and agents that it does not get. */
export function gitlabAbsenceHint(variables: Variables): readonly string[] {
  const {
    CI_COMMIT_REF_PROTECTED,
    CI_ENVIRONMENT_NAME,
    CI_MERGE_REQUEST_SOURCE_PROJECT_PATH,
    CI_PROJECT_PATH,
  } = variables
  const fork = CI_MERGE_REQUEST_SOURCE_PROJECT_PATH ?? CI_PROJECT_PATH
  const ways =
    'Either give the project a file variable KUBECONFIG, or let it use an agent and name it: input "context".'
  if (fork !== CI_PROJECT_PATH) {
    return [
      `This pipeline was started by a merge request from the fork ${fork ?? ''}, and such pipelines get no protected variables.`,
      'Run this job for branches of this project only: input "rules".',
    ]
  }
  return [
    ...(CI_COMMIT_REF_PROTECTED === 'true'
      ? []
      : ['This branch is not protected, and protected variables reach protected branches only.']),
    ...(CI_ENVIRONMENT_NAME === undefined || CI_ENVIRONMENT_NAME === ''
      ? [
          'A frequent cause is a variable or an agent that is limited to certain environments, while this job names none:',
          'input "environment".',
        ]
      : [
          `A frequent cause is a variable or an agent that is limited to other environments than ${CI_ENVIRONMENT_NAME}.`,
        ]),
    ways,
  ]
}

/** Returns who vouches for a job on a command line: GitLab in its jobs, and anybody else elsewhere. */
export function variableIssuer(token: string | undefined, variables: Variables, inGitlab: boolean): Issuer {
  const given = { asks: false, token: () => Promise.resolve(token) }
  if (!inGitlab) {
    return {
      ...given,
      name: 'The CI',
      claims: {},
      absenceHint: [
        `It is read from the variable ${tokenVariable}: have the CI put a token for this audience there.`,
      ],
    }
  }
  const { CI_PROJECT_ID, CI_SERVER_URL } = variables
  return {
    ...given,
    name: 'GitLab',
    claims: { project_id: CI_PROJECT_ID },
    ...(CI_SERVER_URL && { url: new RegExp(`^${CI_SERVER_URL.replace(/[^\w/:-]/g, '\\$&')}/?$`) }),
    absenceHint: [
      `The component asks for one; a job of your own has to, and GitLab before 15.7 has none:`,
      `  id_tokens: { ${tokenVariable}: { aud: pg-app-user } }`,
    ],
  }
}

/** The spelling of the component: it has no input for a kubeconfig, and a job has no summary. */
export const asComponent: Spelling = {
  ...asLog,
  lacks: ['kubeconfig'],
  debugging: 'with the variable PG_APP_USER_VERBOSE set to true',
  turns: ['In the pipeline, a resource_group avoids the wait.'],
  provisioning: 'the component provision',
}

/**
 * Returns lines as a section of a GitLab job log that is folded until somebody opens it.
 * Source: https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections
 */
export function gitlabSection(id: string, title: string, lines: readonly string[]): readonly string[] {
  const seconds = Math.floor(Date.now() / 1000)
  return [
    `\x1b[0Ksection_start:${seconds}:${id}[collapsed=true]\r\x1b[0K${title}`,
    ...lines,
    `\x1b[0Ksection_end:${seconds}:${id}\r\x1b[0K`,
  ]
}
