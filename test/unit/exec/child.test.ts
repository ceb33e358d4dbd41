import { execFileSync } from 'node:child_process'
import { describe, expect, test } from '@jest/globals'
import { runChild, shells, Signals } from '../../../src/exec/child.ts'

test('a signal that comes while the command is being started reaches it', async () => {
  const signals = new Signals()
  try {
    const running = runChild(['sleep', '600'], process.env, undefined, signals)
    signals.receiver?.('SIGTERM')
    expect(await running).toEqual({ exitCode: 143, timedOut: false })
  } finally {
    signals.release()
  }
})

describe('the lines of input run', () => {
  const lines = 'npm ci\nnpx prisma migrate deploy'

  test('are run by bash, or else by sh, until the first error', () => {
    expect(shells(lines, 'linux')).toEqual([
      ['bash', '-e', '-c', lines],
      ['sh', '-e', '-c', lines],
    ])
    expect(shells(lines, 'darwin')).toEqual(shells(lines, 'linux'))
    for (const [file, ...args] of shells('false\nexit 3', 'linux')) {
      expect(() => execFileSync(file, args)).toThrow(expect.objectContaining({ status: 1 }))
    }
  })

  // As GitHub's own step does: a cmdlet that fails ends it, and so does the exit code of the last program.
  test('are run by PowerShell on Windows, which hands the exit code on', () => {
    const script = [
      "$ErrorActionPreference = 'stop'",
      lines,
      'if ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }',
    ].join('\n')
    const words = ['-NoProfile', '-NonInteractive', '-Command', script]
    expect(shells(lines, 'win32')).toEqual([
      ['pwsh', ...words],
      ['powershell', ...words],
    ])
  })
})
