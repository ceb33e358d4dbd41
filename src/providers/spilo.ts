import type { PodObject } from '../kubernetes/objects.ts'

/** What the environment of Pods says about physical backups. */
export interface PhysicalBackups {
  /** When they are taken, in the syntax of cron, UTC: Spilo's cron has no other zone. */
  readonly schedule: string | undefined
  /** How many are kept. */
  readonly kept: number | undefined
}

/**
 * Returns what the variables of Spilo, the image, say about physical backups: it runs with and without its operator.
 * Source: https://github.com/zalando/spilo/blob/master/ENVIRONMENT.rst
 */
export function physicalBackups(pods: readonly PodObject[]): PhysicalBackups {
  const values = new Map(
    pods
      .flatMap(({ spec }) => spec?.containers ?? [])
      .flatMap(({ env = [] }) => env.map(({ name = '', value }) => [name, value] as const)),
  )
  const kept = Number(values.get('BACKUP_NUM_TO_RETAIN'))
  return { schedule: values.get('BACKUP_SCHEDULE') || undefined, kept: kept > 0 ? kept : undefined }
}
