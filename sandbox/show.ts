import { SandboxError } from './host.ts'

/** What a program was about to say, and what it saw does not bear out. */
export class Refuted extends Error {
  /** What to do about it. */
  readonly hint: string

  constructor(message: string, hint = '') {
    super(message)
    this.hint = hint
  }
}

/** Writes lines onto the screen. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/**
 * Runs a program that somebody watches: a signal, or a screen that is closed, ends it early, and with it all that it has
 * started. Sets the exit code of this process: 1 for what went wrong, 128 and the number for a signal.
 *
 * @param perform stops all that it starts, whatever happens
 */
export async function show(perform: (stopped: AbortSignal) => Promise<void>): Promise<void> {
  const stopped = new AbortController()
  for (const [name, number] of [
    ['SIGINT', 2],
    ['SIGHUP', 1],
    ['SIGTERM', 15],
  ] as const) {
    // Not only once: npm passes on a Ctrl-C that the terminal has sent to everybody already.
    process.on(name, () => {
      process.exitCode = 128 + number
      stopped.abort()
    })
  }
  // Whoever reads the screen may leave early, as in "npm run demo | head".
  process.stdout.on('error', () => {
    stopped.abort()
  })
  try {
    await perform(stopped.signal)
  } catch (thrown) {
    process.exitCode ??= 1
    if (stopped.signal.aborted) print('\nStopped early. Nothing is running, nothing is left behind.')
    else if (thrown instanceof SandboxError) print(`✗ ${thrown.message}\n  ${thrown.hint}`)
    else if (thrown instanceof Refuted) {
      const hint = thrown.hint === '' ? '' : `  ${thrown.hint}\n`
      print(`\n✗ ${thrown.message}\n${hint}  Everything is stopped, nothing is left behind.`)
    } else throw thrown
  }
}
