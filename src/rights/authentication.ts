import { Document } from 'yaml'

/** A CI whose identity tokens an API server may trust, and what in them says which job it is. */
interface Platform {
  /** The issuer, unless an instance of one's own is named. */
  readonly url: string
  /** The claim that no rename and no takeover of a name changes. */
  readonly claim: 'repository_id' | 'project_id'
  /** The option that says its value. */
  readonly option: 'repository-id' | 'project-id'
}

export const platforms = {
  github: {
    url: 'https://token.actions.githubusercontent.com',
    claim: 'repository_id',
    option: 'repository-id',
  },
  gitlab: { url: 'https://gitlab.com', claim: 'project_id', option: 'project-id' },
} as const satisfies Record<string, Platform>

/** The name of a CI. */
export type PlatformName = keyof typeof platforms

/** Whose jobs are to be let in. */
export interface Jobs {
  readonly platform: PlatformName
  /** The issuer; default: that of the platform. */
  readonly url?: string | undefined
  /** Number of the repository or project. */
  readonly id: string
  readonly environment: string
  readonly audience: string
}

/** Returns the user as whom these jobs are known. Both halves of the pair have it from here. */
export function userOf({ platform, id, environment }: Jobs): string {
  return `${platform}:${id}:${environment}`
}

/**
 * Returns the YAML of the AuthenticationConfiguration that lets these jobs in, and no others of the issuer.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration
 */
export function authenticationManifest(jobs: Jobs): string {
  const { platform, id, environment, audience } = jobs
  const { url, claim } = platforms[platform]
  const document = new Document(
    {
      apiVersion: 'apiserver.config.k8s.io/v1',
      kind: 'AuthenticationConfiguration',
      jwt: [
        {
          issuer: { url: jobs.url ?? url, audiences: [audience] },
          claimValidationRules: [
            { claim, requiredValue: id },
            { claim: 'environment', requiredValue: environment },
          ],
          claimMappings: {
            username: { expression: `"${platform}:" + claims.${claim} + ":" + claims.environment` },
          },
        },
      ],
    },
    { schema: 'yaml-1.1' },
  )
  document.commentBefore = [
    ' A file of the API server (--authentication-config, Kubernetes 1.34 or later; v1beta1 from 1.30), not for kubectl apply.',
    ` These jobs become the user ${userOf(jobs)}, to whom the RoleBindings below give their Roles. An issuer may stand there`,
    ` once: for more of its jobs, put rules such as {expression: 'claims.${claim} in ["${id}", "…"]'} in the place of these.`,
  ].join('\n')
  return document.toString({ lineWidth: 0 })
}
