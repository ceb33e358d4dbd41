import { verdicts } from '../go-live/finding.ts'
import { outputs } from '../input/outputs.ts'
import { parameters } from '../input/parameters.ts'
import { failureCodes } from '../lib/failure.ts'
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
