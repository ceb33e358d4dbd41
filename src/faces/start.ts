import { Failure } from '../lib/failure.ts'
import { sentence } from '../lib/text.ts'
import { formatFailure } from '../report/log.ts'
import { nothingChanged } from '../run/outcome.ts'
import { answerWithoutRun, formatJson, wantsJson } from './answer.ts'
import { withoutVariables } from './caller.ts'
import { exitCodeOf } from './exit-code.ts'

/**
 * What Node.js and its OpenSSL read before the first line of a program, and what could print or write down what is sent, turn
 * off what a certificate is checked for, lead elsewhere, or load code. The image unsets the same names. What adds to the
 * authorities that are trusted where none is given (NODE_EXTRA_CA_CERTS, NODE_USE_SYSTEM_CA) counts nowhere else, and stays.
 * Source: https://nodejs.org/api/cli.html#environment-variables_1
 */
export const readAtStart: readonly string[] = [
  'NODE_COMPILE_CACHE',
  'NODE_DEBUG',
  'NODE_DEBUG_NATIVE',
  'NODE_ICU_DATA',
  'NODE_OPTIONS',
  'NODE_PATH',
  'NODE_PRESERVE_SYMLINKS',
  'NODE_PRESERVE_SYMLINKS_MAIN',
  'NODE_REDIRECT_WARNINGS',
  'NODE_TLS_REJECT_UNAUTHORIZED',
  'NODE_USE_ENV_PROXY',
  'NODE_V8_COVERAGE',
  'OPENSSL_CONF',
  'OPENSSL_CONF_INCLUDE',
  'OPENSSL_ENGINES',
  'OPENSSL_MODULES',
  'SSLKEYLOGFILE',
]

/** What node-postgres reads in place of what it is not told. Source: its connection-parameters.js, and pgpass. */
const readByPostgres = /^PG(?!_)/i

/** Returns the variables that have their say before a program does, and are not to have it. Windows has names in any case. */
export function meddling(variables: NodeJS.ProcessEnv): readonly string[] {
  return Object.keys(variables).filter((name) => readAtStart.includes(name.toUpperCase()))
}

/**
 * Loads a face where nothing of a run is left to the environment. What can no longer be undone in this process makes
 * it begin again without: the same process for everybody outside, with the same streams, signals and exit code. This
 * comes before a credential is read, and before a module is loaded that could read one.
 */
export async function start(face: () => Promise<unknown>): Promise<void> {
  const names = meddling(process.env)
  if (names.length === 0) {
    const read = Object.keys(process.env).filter((name) => readByPostgres.test(name))
    Object.assign(process.env, withoutVariables(process.env, read))
    for (const name of read) Reflect.deleteProperty(process.env, name)
    await face()
    return
  }
  // Not on Windows, nor before Node.js 22.15. A child in its place would not do: with NODE_DEBUG=child_process its
  // environment, which may hold the kubeconfig, is printed.
  if (typeof process.execve === 'function') {
    const rest = withoutVariables(process.env, names)
    const words = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
    process.execve(process.execPath, words, rest)
  }
  const failure = new Failure(
    'input-invalid',
    `What a run does may not depend on ${sentence(names)}, and Node.js ${process.version} cannot begin again without here.`,
    [
      names.length === 1
        ? 'Remove this variable from the environment.'
        : 'Remove these variables from the environment.',
    ],
  )
  process.stderr.write(`${formatFailure(failure, nothingChanged).join('\n')}\n`)
  if (wantsJson(process.argv.slice(2))) process.stdout.write(formatJson(answerWithoutRun(failure)))
  process.exitCode = exitCodeOf(failure.code)
}
