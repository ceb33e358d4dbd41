import * as core from '@actions/core'
import type { ReleaseContext } from '../input/ref.ts'
import type { Issuer } from '../input/request.ts'

const requestToken = 'ACTIONS_ID_TOKEN_REQUEST_TOKEN'
const names = ['ACTIONS_ID_TOKEN_REQUEST_URL', requestToken] as const

/**
 * Returns GitHub as the issuer of this job's identity. What a token is asked for with is a credential itself: it is masked,
 * and taken out of the environment, which every child process would inherit.
 *
 * Source: https://docs.github.com/actions/reference/security/oidc
 */
export function githubIssuer(mask: (credential: string) => void): Issuer {
  const request = taken(names)
  const { [requestToken]: credential } = request
  if (credential !== undefined) mask(credential)
  const { GITHUB_REPOSITORY_ID, GITHUB_SERVER_URL = 'https://github.com' } = process.env
  const server = GITHUB_SERVER_URL.replace(/\/$/, '')
  return {
    name: 'GitHub',
    asks: true,
    absenceHint: [
      'The job, or the workflow, has to allow it:',
      '  permissions: { contents: read, id-token: write }',
      'A reusable workflow gets no more than the job that calls it has, and pull requests from forks get none.',
    ],
    // An enterprise may have a path of its own behind it.
    url:
      server === 'https://github.com'
        ? /^https:\/\/token\.actions\.githubusercontent\.com(\/|$)/
        : new RegExp(`^(${literally(server)}/_services/token|https://token\\.actions\\.[\\w.-]+)(/|$)`),
    claims: { repository_id: GITHUB_REPOSITORY_ID },
    token: (audience) => {
      if (Object.keys(request).length < names.length) return Promise.resolve(undefined)
      Object.assign(process.env, request)
      try {
        // It reads them before it waits for anything, so that nothing else ever sees them.
        return core.getIDToken(audience)
      } finally {
        taken(names)
      }
    },
  }
}

/** What GitHub tells a run about what started it. */
interface Started {
  readonly ref: string
  readonly sha: string
  readonly payload: object
}

/** The parts of an event that matter here; which of them there are depends on its kind. */
interface Event {
  readonly action?: string
  readonly pull_request?: {
    readonly merged?: boolean
    readonly merge_commit_sha?: string | null
    readonly base?: { readonly ref?: string }
  }
  readonly repository?: { readonly default_branch?: string }
}

/**
 * Returns what a run is for, as GitHub tells it. A pull request has a ref of its own, or that of its target; one that was
 * merged is a push to its target, and many workflows deploy on that (`types: [closed]`).
 */
export function githubRelease({ ref, sha, payload }: Started): ReleaseContext {
  const { action, pull_request: request, repository }: Event = payload
  const target = request?.base?.ref
  const merged = action === 'closed' && request?.merged === true && target !== undefined
  return {
    ref: merged ? `refs/heads/${target}` : ref === '' ? undefined : ref,
    pullRequest: request !== undefined && !merged,
    defaultBranch: repository?.default_branch,
    commit: (merged ? request.merge_commit_sha : undefined) ?? (sha === '' ? undefined : sha),
  }
}

/** Takes variables out of the environment, and gives those that hold something. */
function taken(names: readonly string[]): Record<string, string> {
  const found = names.flatMap((name) => {
    const value = process.env[name]
    Reflect.deleteProperty(process.env, name)
    return value ? [[name, value] as const] : []
  })
  return Object.fromEntries(found)
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
