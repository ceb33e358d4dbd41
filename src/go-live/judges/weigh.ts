import { spoken } from '../../lib/spelling.ts'
import { oneLine, sentence } from '../../lib/text.ts'
import type { Evidence, Judgement } from '../finding.ts'
import type { Observations } from '../observations.ts'
import type { Inside } from '../observe-inside.ts'
import type { Seen } from '../seen.ts'
import { sqlEvidence } from './words.ts'

/** What is asked for, and what is demanded. */
export interface Topic {
  /** As people see it in the report. */
  readonly query: string
  readonly wanted: string
}

/** What a value means, with the value itself in a few words. */
export interface Weighed extends Pick<Judgement, 'verdict' | 'seen' | 'remedy' | 'warnings'> {
  readonly answer: string
  readonly evidence?: readonly Evidence[]
}

/** What makes known what a statement did not show. */
export const hiddenRemedy = 'ask the administrator to let it be read, or run again'

/** Weighs what a statement showed; unknown where it showed nothing. */
export function weigh<Value>(
  observed: Observations,
  { query, wanted }: Topic,
  seen: Seen<Value>,
  judge: (value: Value) => Weighed,
): Judgement {
  if ('hidden' in seen) {
    const evidence = [sqlEvidence(observed, query, seen.hidden)]
    return { verdict: 'unknown', wanted, seen: seen.hidden, remedy: hiddenRemedy, evidence }
  }
  const { answer, evidence = [], ...judgement } = judge(seen.value)
  return { ...judgement, wanted, evidence: [sqlEvidence(observed, query, answer), ...evidence] }
}

/** Weighs what only the application's own login sees; unknown where there is none. */
export function weighInside<Value>(
  observed: Observations,
  topic: Topic,
  part: (inside: Inside) => Seen<Value>,
  judge: (value: Value) => Weighed,
): Judgement {
  const { inside, login } = observed
  if (inside !== undefined) return weigh(observed, topic, part(inside), judge)
  return {
    verdict: 'unknown',
    wanted: topic.wanted,
    seen: "only the application's own login shows it, and there is none",
    remedy: `let it log in: ${spoken().provisioning}`,
    evidence: [login],
  }
}

/** Returns the first few of what was found, and how many there are beside them. */
export function firstOf(names: readonly string[], total: number): string {
  const shown = names.slice(0, 3).map((name) => oneLine(name, 80))
  const left = total - shown.length
  return left > 0 ? `${shown.join(', ')} and ${left} more` : sentence(shown)
}
