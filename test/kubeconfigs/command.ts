import { spawn, spawnSync } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import type { Corpus, Scene, Seen } from './corpus.ts'

interface Ended {
  readonly code: number | null
  readonly said: string
}

/** The version of the kubectl that is at hand, `undefined` where none is. */
export const kubectlVersion = versionOfKubectl()

function versionOfKubectl(): string | undefined {
  const { stdout, status } = spawnSync('kubectl', ['version', '--client'], { encoding: 'utf8' })
  return status === 0 ? /v\d\S*/.exec(stdout)?.[0] : undefined
}

const program = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

/** Runs the built command in a scene, as a dry run. */
export async function provisioned(corpus: Corpus, sandbox: Sandbox, scene: Scene): Promise<Seen> {
  const { witness } = corpus
  witness.forget()
  const { code, said } = await start(scene, process.execPath, [
    ...[program, 'provision', '--dry-run', '--app-database=shop'],
    ...[`--access-secret=${sandbox.accessSecret}`, `--access-namespace=${sandbox.accessNamespace}`],
    ...(scene.namesNamespace ? [`--app-namespace=${sandbox.appNamespace}`] : []),
  ])
  return {
    works: code === 0 ? whoCame(corpus) : undefined,
    code: /^✗.*\[([a-z-]+)\]\s*$/m.exec(said)?.[1] ?? 'no code',
    sent: witness.log.some(({ credential }) => credential),
    said,
  }
}

/** Asks kubectl who it is, in the words of the column `kubectl`. */
export async function whoami(corpus: Corpus, scene: Scene): Promise<string> {
  corpus.witness.forget()
  const { code, said } = await start(scene, 'kubectl', ['auth', 'whoami', '--request-timeout=5s'])
  const who = whoCame(corpus)
  if (code === 0) return `works ${who}`
  const words = said
    .replaceAll(scene.folder, 'DIR')
    .split('\n')
    .filter((line) => line !== '' && !/^[EWI]\d{4}/.test(line))
    .at(-1)
  // Whom it could not tell, it asks for a name, which sends nothing that says who it is.
  return who === '' || who === 'anonymous' ? `refuses: ${words ?? ''}` : `rejected as ${who}: ${words ?? ''}`
}

/** Returns a text of `whoami` without the words of kubectl, which differ from version to version. */
export function withoutWords(seen: string): string {
  return seen.startsWith('works ') ? seen : (/^(refuses|rejected as [^:]+(?::kim)?)/.exec(seen)?.[0] ?? seen)
}

function whoCame({ witness }: Corpus): string {
  return [...new Set(witness.log.map(({ who }) => who))].join(' + ')
}

async function start(
  { folder, env, options }: Scene,
  command: string,
  args: readonly string[],
): Promise<Ended> {
  const child = spawn(command, [...args, ...options], {
    cwd: `${folder}/..`,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
  })
  const { promise: closed, resolve } = Promise.withResolvers<number | null>()
  child.once('close', resolve)
  const [code, ...said] = await Promise.all([closed, text(child.stdout), text(child.stderr)])
  return { code, said: said.join('') }
}
