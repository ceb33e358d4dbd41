import { oneLine } from '../lib/text.ts'
import type { BackupRun } from './provider.ts'

/** Returns a backup that was seen: when it ran, as far as that is told, and whether it succeeded. */
export function backupRun(
  kind: string,
  name: string | undefined,
  { started, finished }: { readonly started?: Date | undefined; readonly finished?: Date | undefined },
  succeeded: boolean,
): BackupRun {
  return {
    what: `${kind} ${oneLine(name ?? '', 80)}`,
    ...(started && { started }),
    ...(finished && { finished }),
    succeeded,
  }
}

/** Returns the last few backups in words, for the evidence. */
export function runsWords(runs: readonly BackupRun[]): string {
  if (runs.length === 0) return 'none'
  const words = runs.map(({ what, started, finished, succeeded }) => {
    const at = (date: Date | undefined): string => date?.toISOString().slice(0, 19) ?? '?'
    return `${what}: ${at(started)} to ${at(finished)}, ${succeeded ? 'succeeded' : 'did not succeed'}`
  })
  return words.slice(-5).join('; ')
}

/** Returns the instant that a text of RFC 3339 stands for, absent where it is none. */
export function dateOf(text: string | undefined): Date | undefined {
  const date = new Date(text ?? '')
  return Number.isNaN(date.getTime()) ? undefined : date
}

/** Returns days from `30d`, `4w`, `2m`, or from words such as `30 days` and `1 month`. */
export function daysOf(text: string | undefined): number | undefined {
  const [, amount, unit = ''] = /^(\d+)\s*(d|days?|w|weeks?|m|months?)$/i.exec(text?.trim() ?? '') ?? []
  const days = { d: 1, w: 7, m: 30 }[unit.charAt(0).toLowerCase()]
  return amount === undefined || days === undefined ? undefined : Number(amount) * days
}
