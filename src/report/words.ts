import { failureCodes } from '../failure.ts'
import { verdicts } from '../go-live/finding.ts'
import { outputs, parameters } from '../parameters.ts'
import { sslModes } from '../postgres/sslmode.ts'
import { changeActions, changeObjects } from '../provision/effect.ts'

/** Words that every run shows, and that other programs read: they are structure, whatever somebody took for a password. */
export const ownWords: readonly string[] = [
  ...failureCodes,
  ...changeObjects,
  ...changeActions,
  ...verdicts,
  ...sslModes,
  ...[...parameters, ...outputs].map(({ name }) => name),
  'pg-app-user postgresql kubernetes kubeconfig',
]
