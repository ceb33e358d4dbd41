import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { chown, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The machine does not let the sandbox start. `message` says what is missing, `hint` what to do about it. */
export class SandboxError extends Error {
  readonly hint: string

  constructor(message: string, hint: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'SandboxError'
    this.hint = hint
  }
}

/** An account of the operating system, by its numbers. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

/**
 * Gives the account that PostgreSQL runs as, which must not be root and must have a name: `nobody` where this
 * process is root, else undefined, which stands for whoever runs this process.
 */
export async function unprivilegedAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const accounts = await readFile('/etc/passwd', 'utf8')
  const [, uid, gid] = /^nobody:[^:]*:(-?\d+):(-?\d+):/m.exec(accounts) ?? []
  if (uid === undefined || gid === undefined) {
    throw new SandboxError(
      'PostgreSQL refuses to run as root, and this machine has no account "nobody" to run it as.',
      'Run it again as another user than root. Nothing was started.',
    )
  }
  return { uid: Number(uid), gid: Number(gid) }
}

const networkHint = 'A sandbox or a security policy may forbid it. Run it where 127.0.0.1 can be used.'

/** Makes the server listen on a port of 127.0.0.1, or any free one, and gives it. Throws a SandboxError if it may not. */
export async function listenOnLoopback(server: Server, port = 0): Promise<number> {
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch (cause) {
    throw new SandboxError(
      `A port on 127.0.0.1 is needed and was refused: ${reasonOf(cause)}.`,
      `${networkHint} Nothing was started.`,
      { cause },
    )
  }
  return (server.address() as AddressInfo).port
}

/**
 * Gives a port of 127.0.0.1 that was free a moment ago, and which no system gives to whoever asks for any port: so it is there
 * for a server that is started later, or again.
 */
export async function freePort(): Promise<number> {
  for (let tries = 1; ; tries++) {
    const server = createServer()
    try {
      const port = await listenOnLoopback(server, randomInt(10_000, 32_768))
      server.close()
      await once(server, 'close')
      return port
    } catch (error) {
      if (tries === 50 || codeOf((error as Error).cause) !== 'EADDRINUSE') throw error
    }
  }
}

/** A folder that does not outlive the process that made it. */
export interface Shelter {
  readonly path: string
  /** Names the process that must end with this one; undefined when there is none any more. */
  protect(pid: number | undefined): void
  /** Removes the folder. What was protected must have ended before. */
  remove(): Promise<void>
}

/**
 * Waits until its standard input closes, which is when the process that started it has ended, in whatever way.
 * Each line read names the server to stop, an empty one that there is none.
 */
const keeper = `
server=
while read -r line; do server=$line; done
if [ -n "$server" ] && kill -QUIT "$server" 2>/dev/null; then
  tries=0
  while [ -e "$1/data/postmaster.pid" ] && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
  [ -e "$1/data/postmaster.pid" ] && kill -KILL "$server"
fi
rm -rf "$1"
`

/**
 * Makes an empty folder below the temporary folder, owned by the account. A shell keeps watch over it, so that
 * neither folder nor server stays behind when this process ends without calling remove, be it by SIGKILL.
 * Throws a SandboxError where no folder can be made.
 */
export async function createShelter(account: Account | undefined): Promise<Shelter> {
  const path = await makeFolder()
  if (account) await chown(path, account.uid, account.gid)
  // Its own session, so that Ctrl-C in a terminal does not end the watch before the watched.
  const watch = spawn('/bin/sh', ['-c', keeper, 'keeper', path], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  })
  const watchEnded = once(watch, 'exit')
  // Whoever ends the watch by force gives up its protection, and must not end the sandbox with it.
  watch.stdin.on('error', () => undefined)
  watch.unref()
  return {
    path,
    protect(pid) {
      watch.stdin.write(`${pid ?? ''}\n`)
    },
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: 5 })
      watch.ref()
      watch.stdin.end('\n')
      await watchEnded
    },
  }
}

async function makeFolder(): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), 'pg-app-user-'))
  } catch (cause) {
    throw new SandboxError(
      `A folder to write to is needed; the temporary folder ${tmpdir()} refuses: ${reasonOf(cause)}.`,
      'Set TMPDIR to another one and run it again. Nothing was started.',
      { cause },
    )
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'it is read-only',
  ENOENT: 'it does not exist',
  ENOTDIR: 'it is no folder',
  ENOSPC: 'no space is left',
  EADDRNOTAVAIL: 'the address is not available',
  EMFILE: 'too many files are open',
}

function codeOf(thrown: unknown): string {
  return (thrown as NodeJS.ErrnoException).code ?? ''
}

function reasonOf(thrown: unknown): string {
  const code = codeOf(thrown)
  return reasons[code] ?? (thrown instanceof Error ? thrown.message : String(thrown))
}
