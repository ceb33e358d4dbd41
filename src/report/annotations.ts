import { holdingBack, type GateReport } from '../go-live/finding.ts'
import type { Outcome } from '../run/outcome.ts'

/** One annotation of a pipeline's page. */
export interface Annotation {
  readonly level: 'error' | 'warning'
  readonly title: string
  readonly message: string
}

/** GitHub shows ten of a kind for a step, and drops the rest without a word. */
const most = 10

/** Returns what the page of the job shows without being opened: at most ten, the most important first. */
export function annotationsOf({ failure, goLive, notes }: Outcome): readonly Annotation[] {
  const held = goLive === undefined ? [] : holdingBack(goLive.findings)
  const all: Annotation[] = [
    ...(failure === undefined
      ? []
      : [{ level: 'error', title: `pg-app-user: ${failure.code}`, message: failure.message } as const]),
    ...held.map(({ id, verdict, seen, remedy }) => ({
      level: goLive?.enforced === true ? ('error' as const) : ('warning' as const),
      title: `go-live: ${id} is ${verdict}`,
      message: remedy === '' ? seen : `${seen} → ${remedy}`,
    })),
    ...endingSoon(goLive),
    ...notes.map((message) => ({ level: 'warning', title: 'pg-app-user', message }) as const),
  ]
  if (all.length <= most) return all
  const message = `${all.length - most + 1} more are in the job summary.`
  return [...all.slice(0, most - 1), { level: 'warning', title: 'pg-app-user', message }]
}

/** What is attested or waived, and will soon not be any more. */
function endingSoon(goLive: GateReport | undefined): readonly Annotation[] {
  return (goLive?.findings ?? []).flatMap(({ id, verdict, exception }) => {
    if (exception?.ending === undefined) return []
    const { by, until, text, ending } = exception
    const title = `go-live: ${id} is ${verdict} until ${until}`
    return [{ level: 'warning', title, message: `It ${ending}. By ${by}: ${text}` } as const]
  })
}
