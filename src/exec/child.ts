import { spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { Failure } from '../lib/failure.ts'
import { endingSignals, type EndingSignal } from '../lib/signals.ts'
import { oneLine } from '../lib/text.ts'

/** How a child ended. */
export interface ChildEnd {
  /** As a shell has it: 128 and its number for a signal. */
  readonly exitCode: number
  readonly timedOut: boolean
}

/** What a command may take, from being asked to end until it is made to. */
const graceMs = 5_000

/**
 * Signals that are somebody's own business for a while. What comes while nobody takes them ends nothing: what is under way
 * then is soon over.
 */
export class Signals {
  receiver: ((signal: EndingSignal) => void) | undefined
  readonly #receive = (signal: EndingSignal): void => {
    this.receiver?.(signal)
  }

  constructor() {
    for (const signal of endingSignals) process.on(signal, this.#receive)
  }

  release(): void {
    for (const signal of endingSignals) process.off(signal, this.#receive)
  }
}

/** What a terminal sends to all that run in it. */
const ofKeys: ReadonlySet<EndingSignal> = new Set(['SIGINT', 'SIGQUIT'])

const windows = process.platform === 'win32'

/**
 * Runs a command with the input, output and signals of this process, and waits for its end.
 *
 * From a terminal Ctrl-C and Ctrl-\ reach it by themselves. Elsewhere a signal is handed on to it and to all that it started,
 * as Ctrl-C would: a shell that waits for a program does not hand it on. The second signal ends it.
 *
 * @throws Failure `command-not-started`
 */
export async function runChild(
  what: readonly [string, ...string[]] | string,
  environment: NodeJS.ProcessEnv,
  timeoutMs: number | undefined,
  taken: Signals,
): Promise<ChildEnd> {
  const terminal = process.stdin.isTTY
  const ownGroup = !terminal && !windows
  let child: ChildProcess | undefined
  let received = 0
  let early: EndingSignal | undefined
  const send = (signal: EndingSignal | 'SIGKILL'): void => {
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    try {
      if (ownGroup) process.kill(-child.pid, signal)
      else child.kill(signal)
    } catch {
      // It has just ended.
    }
  }
  taken.receiver = (signal) => {
    received += 1
    if (received > 1) send('SIGKILL')
    else if (child === undefined) early = signal
    else if (!(terminal && ofKeys.has(signal))) send(signal)
  }
  const timers: NodeJS.Timeout[] = []
  let timedOut = false
  try {
    const started = await start(what, environment, ownGroup)
    child = started.child
    if (early !== undefined) send(received > 1 ? 'SIGKILL' : early)
    if (timeoutMs !== undefined) {
      timers.push(
        setTimeout(() => {
          timedOut = true
          send('SIGTERM')
          timers.push(setTimeout(send, graceMs, 'SIGKILL'))
        }, timeoutMs),
      )
    }
    return { exitCode: await started.exitCode, timedOut }
  } finally {
    for (const timer of timers) clearTimeout(timer)
    taken.receiver = undefined
  }
}

interface Started {
  readonly child: ChildProcess
  readonly exitCode: Promise<number>
}

async function start(
  what: readonly [string, ...string[]] | string,
  environment: NodeJS.ProcessEnv,
  detached: boolean,
): Promise<Started> {
  const ways = typeof what === 'string' ? shells(what, process.platform) : [what]
  let missing: unknown
  for (const [file, ...args] of ways) {
    const child = spawn(file, args, { stdio: 'inherit', env: environment, detached })
    const exitCode = new Promise<number>((resolve) => {
      child.once('exit', (code, signal) => {
        resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL'])
      })
    })
    const problem = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      child.once('spawn', () => {
        resolve(undefined)
      })
      child.once('error', resolve)
    })
    if (problem === undefined) {
      // A signal that could not be sent is nobody's error.
      child.on('error', () => undefined)
      return { child, exitCode }
    }
    missing ??= problem
    if (problem.code !== 'ENOENT') break
  }
  const [[file]] = ways
  throw notStarted(file, missing as NodeJS.ErrnoException)
}

/**
 * Returns how the lines of a script are run: each way, where the program of the one before is not there.
 *
 * As GitHub does with those of a step. Source: "jobs.<job_id>.steps[*].shell" of its workflow syntax.
 */
export function shells(
  script: string,
  platform: NodeJS.Platform,
): readonly [readonly [string, ...string[]], ...(readonly [string, ...string[]])[]] {
  if (platform !== 'win32')
    return [
      ['bash', '-e', '-c', script],
      ['sh', '-e', '-c', script],
    ]
  const lines = [
    "$ErrorActionPreference = 'stop'",
    script,
    'if ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }',
  ].join('\n')
  const args = ['-NoProfile', '-NonInteractive', '-Command', lines] as const
  return [
    ['pwsh', ...args],
    ['powershell', ...args],
  ]
}

/** Returns the error for a program that cannot be started. */
export function notStarted(file: string, error: NodeJS.ErrnoException): Failure {
  const absent = error.code === 'ENOENT'
  const reason = absent ? 'there is no such program' : oneLine(error.message)
  return new Failure(
    'command-not-started',
    `The command "${oneLine(file)}" could not be started: ${reason}.`,
    [
      absent
        ? 'It is looked up in PATH. No shell runs it, so aliases and built-ins do not work.'
        : 'A frequent cause is a file that is not executable.',
    ],
    { cause: error },
  )
}
