import { minimatch } from 'minimatch'
import { input } from '../lib/spelling.ts'
import { oneLine, sentence } from '../lib/text.ts'

/** The modes that input `go-live` offers. */
export const goLiveModes = ['off', 'warn', 'enforce', 'auto'] as const
export type GoLiveMode = (typeof goLiveModes)[number]

/** What a pipeline says about what it runs for. */
export interface ReleaseContext {
  /** `refs/heads/release/2.4`, `refs/tags/v2.4.0`; absent where nothing is known, as on a laptop. */
  readonly ref?: string | undefined
  /** A pull or merge request, whatever its ref says. */
  readonly pullRequest: boolean
  readonly defaultBranch?: string | undefined
  /** What is released, as Git names it; absent where nothing is known. */
  readonly commit?: string | undefined
}

/** Whether the gate holds back, and why. */
export interface Enforcement {
  readonly enforced: boolean
  /** Part of a sentence, with names as code: ``because `refs/heads/release/2.4` matches `release/**` ``. */
  readonly why: string
}

/** Decides whether the gate holds a release back; nothing where it is off. The only place that does. */
export function decideMode(
  mode: GoLiveMode,
  patterns: readonly string[],
  { ref, pullRequest, defaultBranch }: ReleaseContext,
): Enforcement | undefined {
  if (mode === 'off') return undefined
  if (mode !== 'auto') return { enforced: mode === 'enforce', why: `because ${input('go-live')} is ${mode}` }
  if (pullRequest) return { enforced: false, why: 'because this is a pull or merge request' }
  if (ref === undefined) return { enforced: true, why: 'because no ref is known' }
  const shown = code(ref)
  const pattern = patterns.find((each) => matchesRef(each, ref))
  if (pattern !== undefined) return { enforced: true, why: `because ${shown} matches ${code(pattern)}` }
  const isDefault = defaultBranch !== undefined && ref === `refs/heads/${defaultBranch}`
  const doubt = isDefault ? `, although it is the default branch (${input('release-branches')})` : ''
  return {
    enforced: false,
    why: `because ${shown} matches none of ${sentence(patterns.map(code), 'or')}${doubt}`,
  }
}

/** A pattern is about branches, or with `tag:` in front about tags. `*` stays within a part of the name, `**` does not. */
function matchesRef(pattern: string, ref: string): boolean {
  const tag = pattern.startsWith('tag:')
  const start = tag ? 'refs/tags/' : 'refs/heads/'
  if (!ref.startsWith(start)) return false
  const glob = tag ? pattern.slice('tag:'.length) : pattern
  return minimatch(ref.slice(start.length), glob, { dot: true, nocomment: true, nonegate: true })
}

function code(text: string): string {
  return `\`${oneLine(text, 120).replaceAll('`', "'")}\``
}
