import type { Judgement } from '../finding.ts'

/** The six tests of the checklist: nothing shows them. */
export function judgePeople(): Judgement {
  return {
    verdict: 'unknown',
    wanted: 'done, and written down',
    seen: 'only people can do this, and nobody has attested it',
    remedy: 'do it, then attest it',
    evidence: [],
  }
}
