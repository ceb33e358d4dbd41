import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify, stripVTControlCharacters } from 'node:util'
import { spawn } from '@lydell/node-pty'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { program } from './command.ts'

let folder: string
let PATH: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'completion-'))
  await symlink(program, join(folder, 'pg-app-user'))
  PATH = [folder, dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter)
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

const shells = [
  ['bash', ['--norc', '--noprofile', '-i']],
  ['zsh', ['-f', '-i']],
] as const
const prompt = 'ready> '

/** Types into a shell of one's own on a terminal, and returns the line as it stands after the last key. */
async function typed(shell: string, args: readonly string[], keys: string, wanted: string): Promise<string> {
  const env = { PATH, HOME: folder, PS1: prompt, TERM: 'xterm', BASH_SILENCE_DEPRECATION_WARNING: '1' }
  const terminal = spawn(shell, [...args], { cols: 200, rows: 50, cwd: folder, env })
  const load = shell === 'zsh' ? `PS1='${prompt}'; autoload -Uz compinit && compinit -u; ` : ''
  let shown = ''
  const reached = Promise.withResolvers<undefined>()
  let expecting: { text: string; then: () => void } | undefined = {
    text: prompt,
    then: () => {
      expecting = { text: `loaded\r\n`, then: type }
      terminal.write(`${load}source <(pg-app-user completion ${shell}); echo load"ed"\r`)
    },
  }
  function type(): void {
    shown = ''
    expecting = { text: wanted, then: reached.resolve.bind(undefined, undefined) }
    terminal.write(keys)
  }
  terminal.onData((data) => {
    shown += data
    const step = expecting
    if (step === undefined || !stripVTControlCharacters(shown).includes(step.text)) return
    expecting = undefined
    step.then()
  })
  terminal.onExit(() => {
    reached.reject(new Error(`"${wanted}" was never shown:\n${shown}`))
  })
  try {
    await reached.promise
    return stripVTControlCharacters(shown)
  } finally {
    terminal.kill('SIGKILL')
  }
}

describe.each(shells)('in %s', (shell, args) => {
  const there = spawnSync(shell, ['-c', 'exit 0']).status === 0
  const run = there ? test : test.skip

  run.each([
    ['a command', 'pg-app-user provi\t', 'pg-app-user provision '],
    ['an option', 'pg-app-user provision --app-user\t', 'pg-app-user provision --app-username'],
    ['a value', 'pg-app-user go-live --go-live-profile prem\t', 'go-live --go-live-profile premium'],
    ['a value of a short option', 'pg-app-user provision -o js\t', 'pg-app-user provision -o json'],
    ['a shell', 'pg-app-user completion z\t', 'pg-app-user completion zsh'],
  ])('completes %s', async (_, keys, wanted) => {
    expect(await typed(shell, args, keys, wanted)).toContain(wanted)
  })
})

test('bash completes a value behind an equals sign, which it takes for a word of its own', async () => {
  const script = `source <(pg-app-user completion bash)
    COMP_WORDS=(pg-app-user provision --go-live = en) COMP_CWORD=4
    _pg_app_user; echo "\${COMPREPLY[@]}"
    COMP_WORDS=(pg-app-user exec -- ps) COMP_CWORD=3
    _pg_app_user; echo "\${#COMPREPLY[@]}"`
  const { stdout } = await promisify(execFile)('bash', ['-c', script], { env: { PATH } })
  expect(stdout).toBe('enforce\n0\n')
})

test('a shell that is not known is refused with those that are', async () => {
  const run = promisify(execFile)(process.execPath, [program, 'completion', 'fish'], { env: { PATH } })
  await expect(run).rejects.toMatchObject({
    code: 2,
    stdout: expect.stringContaining('bash, zsh') as unknown,
  })
})
