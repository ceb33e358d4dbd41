/** What a step came to: looked at and right, created, put right, needs a look, stopped here. */
export type Sign = 'right' | 'created' | 'repaired' | 'attention' | 'stopped'

/** One visible line of the job log. */
export interface Step {
  readonly sign: Sign
  /** A short noun, such as `tunnel` or `access Secret`. */
  readonly subject: string
  /** What is, then what was done. Further lines are shown below the first one. */
  readonly text: string
  /** How long the step took, in seconds. */
  readonly seconds?: number
}

/**
 * How the core speaks. Each edge (GitHub, command line) brings its own; an implementation must redact every
 * masked credential from whatever it writes, and must not let foreign text start a workflow command.
 */
export interface Reporter {
  /** Makes names known that are shown by design, before any credential is: see `mask`. */
  publish(names: readonly string[]): void
  /**
   * Announces a credential the moment it is known, before anything could echo it. Empty text is ignored. Gives `false`
   * for one that is not taken out of texts, because the gap would tell it: a short one, or a part of a public name.
   */
  mask(credential: string): boolean
  step(step: Step): void
  /** Says what the run is at now, for those who watch it. */
  enter?(phase: string): void
  /** Leaves the terminal to somebody else. */
  rest?(): void
  /** Details for those who look for them, such as statements: folded away, never shown as steps. */
  detail(title: string, lines: readonly string[]): void
  /** Shown with debug logging only. */
  debug(text: string): void
  /**
   * Asks a person whether what the question lists may be done; gives `false` for a no. Where there is nobody to ask,
   * it is left out, and the run goes on.
   */
  confirm?(question: Question, signal: AbortSignal): Promise<boolean>
}

/** What a person is asked before the first change. */
export interface Question {
  /** The API server's URL. */
  readonly server: string
  readonly namespace: string
  /** What was found and what would be done about it. */
  readonly steps: readonly Step[]
}
