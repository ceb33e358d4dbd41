import { existsSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { join } from 'node:path'
import { parseRequest, parseValues, type RawInputs } from '../input/parse.ts'
import { titleOf } from '../input/request.ts'
import { inCluster } from '../kubeconfig/pod.ts'
import { asFailure, Failure } from '../lib/failure.ts'
import { writeNewFile } from '../lib/regular-file.ts'
import { speak } from '../lib/spelling.ts'
import { oneLine } from '../lib/text.ts'
import { version } from '../lib/version.ts'
import { gateJson, subjectOf } from '../report/gate-json.ts'
import { formatFailure } from '../report/log.ts'
import { PipelineReporter, type Sink } from '../report/pipeline.ts'
import { paint, PersonReporter, Screen } from '../report/terminal.ts'
import { bindingName } from '../secrets/binding.ts'
import { serviceOf } from '../secrets/service-name.ts'
import { lastLine, nothingChanged, outputsOf, standing, type Outcome } from '../run/outcome.ts'
import { answerWithoutRun, endOf, formatJson } from './answer.ts'
import { environmentOfCaller } from './caller.ts'
import {
  cancellation,
  causesOf,
  formatRunName,
  isPipeline,
  leaveSoon,
  takeKubeconfig,
  takeToken,
  unwritable,
} from './edge.ts'
import { exitCodeOf, exitCodeOfExec } from './exit-code.ts'
import {
  asComponent,
  gitlabAbsenceHint,
  gitlabRelease,
  gitlabRunName,
  gitlabSection,
  variableIssuer,
} from './gitlab.ts'
import { onStrayError, standsUnknown } from './last-resort.ts'
import { asOptions } from './usage.ts'
import { parametersOfCommand, variableOf } from './commands.ts'
import { answerOf, isSet, parseCommandLine, split, type Invocation } from './options.ts'

const oldestNode = 22
const inPipeline = isSet(process.env['CI'])
const pipeline = isPipeline(process.env)
const inGitlab = isSet(process.env['GITLAB_CI'])
/** In a GitLab job people know the parameters as inputs of the component; on a command line they are options. */
speak(inGitlab ? asComponent : asOptions)

let unwritten = false
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', ({ code = '' }: NodeJS.ErrnoException) => {
    // Whoever reads only the beginning of what is said here has no need of the rest. Whoever has a full disk has, and
    // the run goes on to its end all the same: half a change helps nobody.
    if (code === 'EPIPE' || unwritten) return
    unwritten = true
    process.exitCode = exitCodeOf('outputs-unwritable')
    if (stream === process.stdout) process.stderr.write(`✗ The output cannot be written (${code}).\n`)
  })
}

const environment = environmentOfCaller()
const args = process.argv.slice(2)
const { own } = split(args)
const executing = own[0] === 'exec'
const { json, verbose } = answerOf(own, process.env)
// The output of a command is its own.
const log = json || executing ? process.stderr : process.stdout
let commandEnded: number | undefined
const person = process.stdin.isTTY && log.isTTY && !inPipeline
const screen = person ? new Screen(log, verbose) : undefined
let reporter = new PipelineReporter(screen ?? plainSink())
onStrayError((stray) => {
  stop(stray, standsUnknown)
})
try {
  if (Number.parseInt(process.versions.node, 10) < oldestNode) {
    throw new Failure(
      'input-invalid',
      `Node.js ${process.versions.node} is too old: ${oldestNode} or later is needed.`,
      [],
    )
  }
  const invocation = parseCommandLine(args)
  if (invocation?.command === 'rights') await printRights(invocation)
  else if (invocation !== undefined) await runStory(invocation)
} catch (thrown) {
  stop(asFailure(thrown), nothingChanged)
}
screen?.close()
leaveSoon()

async function runStory(invocation: Invocation): Promise<void> {
  const { inputs, yes, exposed } = invocation
  const { KUBECONFIG, KUBECONFIG_CONTENTS_B64 } = process.env
  const unasked = !pipeline && KUBECONFIG === undefined && KUBECONFIG_CONTENTS_B64 === undefined
  const request = parseRequest(gatedInputs(invocation), {
    issuer: variableIssuer(takeToken(), process.env, inGitlab),
    kubeconfig: {
      input: inputs.kubeconfig,
      ...takeKubeconfig(['PG_APP_USER_KUBECONFIG']),
      ...(person && { homeFile: join(homedir(), '.kube', 'config') }),
      // An empty value is a secret that did not arrive, and no wish to be the Pod.
      orPod: unasked && inputs.kubeconfig === undefined,
      absenceHint: inGitlab
        ? gitlabAbsenceHint(process.env)
        : ['Log in to the cluster to create one, or name one: option --kubeconfig or variable KUBECONFIG.'],
    },
    runName: inGitlab
      ? gitlabRunName(process.env)
      : formatRunName([`by ${process.env['USER'] ?? 'somebody'} on ${hostname()}`]),
    ...(inGitlab && { release: gitlabRelease(process.env) }),
    command: { words: invocation.words, environment, person },
  })
  const { kubeconfig } = inputs
  if (exposed.has('kubeconfig') && kubeconfig && kubeconfig !== inCluster && !existsSync(kubeconfig)) {
    throw new Failure('input-invalid', 'Option --kubeconfig names no file.', [
      'An option takes only a path, because every process on this machine can read options.',
      'Content goes into the variable KUBECONFIG, or base64 of it into KUBECONFIG_CONTENTS_B64.',
    ])
  }
  const changes = request.provision !== false && !request.dryRun
  if (!person && !inPipeline && !yes && changes) {
    throw new Failure(
      'input-invalid',
      'The first change needs a confirmation, and there is no terminal to ask at.',
      ['Add --yes to go on without a question, or --dry-run to see what would be done.'],
    )
  }
  if (screen !== undefined) reporter = new PersonReporter(screen, log, yes)
  reporter.write([`pg-app-user ${version} · ${titleOf(request)}`])
  const cancelled = cancellation(() => {
    const text =
      'the open transaction is rolled back and the lock is released; a second signal ends the run at once'
    reporter.step({ sign: 'attention', subject: 'cancelling', text })
  })
  // Loaded only now: most of the code is of no use to somebody whose inputs are wrong.
  const { run } = await import('../run/run.ts')
  const ended = await run(request, reporter, cancelled.signal, cancelled.release)
  commandEnded = ended.command?.exitCode
  screen?.rest()
  const shown = reporter.clean(ended)
  const folder = shown.goLive && invocation.reportDirectory
  const unwritten = await writeReport(folder, shown)
  const failures = [ended.failure, unwritten, await writeDotenv(invocation.dotenv, ended, folder)]
  const failure = failures.find((each) => each !== undefined)
  // From here on nothing but what may leave, except for names in outputs, which are as they are.
  const outcome = { ...shown, failure: reporter.clean(failure) }
  if (outcome.goLive !== undefined && unwritten === undefined) {
    const { whereItIs } = await import('../report/where.ts')
    for (const step of whereItIs(outcome.goLive, folder)) reporter.step(step)
  }
  if (failure === undefined) {
    reporter.write([lastLine(outcome), ...(inPipeline ? [] : reading(outcome, inputs))])
  } else {
    fail(failure, standing(outcome))
    const manifest = outcome.permissions?.manifest.trimEnd().split('\n') ?? []
    if (failure.code === 'permission-missing') show('Role and RoleBinding for the administrator', manifest)
  }
  if (json) {
    const { seconds, notes, goLive } = outcome
    printJson({
      ...outputsOf(ended, folder, reporter),
      seconds: Number(seconds.toFixed(2)),
      notes,
      'go-live': goLive === undefined ? null : (JSON.parse(gateJson(goLive, subjectOf(outcome))) as object),
      ...endOf(failure && (outcome.failure ?? failure), standing(outcome)),
    })
  }
}

/** The command `go-live` is the gate alone, and holds back unless something else is asked for. */
function gatedInputs({ command, inputs }: Invocation): RawInputs {
  if (command === 'exec') return { ...inputs, provision: 'false', 'go-live': 'off' }
  if (command !== 'go-live') return inputs
  const mode = inputs['go-live'] ?? ''
  if (mode === 'off') {
    throw new Failure('input-invalid', 'Option --go-live is off, so there is nothing to do.', [])
  }
  return { ...inputs, provision: 'false', 'go-live': mode === '' ? 'enforce' : mode }
}

/** Writes the files of the go-live report where somebody wants them, and gives the failure to do so. */
async function writeReport(folder: string | undefined, outcome: Outcome): Promise<Failure | undefined> {
  if (folder === undefined || outcome.goLive === undefined) return undefined
  try {
    const { writeReportsInto } = await import('../report/report-files.ts')
    await writeReportsInto(folder, outcome.goLive, outcome, (text) => reporter.redact(text))
    return undefined
  } catch (error) {
    return unwritable('report-unwritable', `The report cannot be written into ${oneLine(folder)}`, error)
  }
}

/** Writes the outputs as variables, of which none has a line end, and gives the failure to do so. */
async function writeDotenv(
  file: string | undefined,
  outcome: Outcome,
  folder: string | undefined,
): Promise<Failure | undefined> {
  if (file === undefined) return undefined
  const lines = Object.entries(outputsOf(outcome, folder, reporter)).map(
    ([name, value]) => `${variableOf(name)}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  try {
    await writeNewFile(file, `${lines.join('\n')}\n`)
    return undefined
  } catch (error) {
    return unwritable(
      'outputs-unwritable',
      `The file of --dotenv, ${oneLine(file)}, cannot be written`,
      error,
    )
  }
}

/** Returns the way to the credential, which is never shown here: in the cluster of this run, whatever kubectl would use. */
function reading(
  { provisioned, dryRun, secret }: Outcome,
  { kubeconfig, context }: RawInputs,
): readonly string[] {
  const { name, namespace = '', resourceVersion } = secret
  // After a dry run the Secret may be there and hold no password yet.
  if (!provisioned || dryRun || resourceVersion === undefined) return []
  const options = [
    ...(kubeconfig && existsSync(kubeconfig) ? ['--kubeconfig', kubeconfig] : []),
    ...(context ? ['--context', context] : []),
    ...['-n', namespace, 'get', 'secret', name],
  ]
  const template = "go-template='{{.data.PGPASSWORD | base64decode}}'"
  return ['To read the password:', `  kubectl ${options.map(shellWord).join(' ')} -o ${template}`]
}

/** Prints what the administrator has to grant; without a cluster there is nothing to look up. */
async function printRights(invocation: Invocation): Promise<void> {
  const { inputs, gateOnly, goLiveRights: goLive, receiver, service } = invocation
  const values = parseValues(inputs, parametersOfCommand('rights'))
  if (service !== undefined && serviceOf(service) !== service) {
    throw new Failure(
      'input-invalid',
      'Option --service is not the name of a Service, such as postgresql1-user-access.',
      [],
    )
  }
  const { formatRights, receiverOf } = await import('./rights.ts')
  const manifest = formatRights(
    {
      accessNamespace: values['access-namespace'],
      accessSecret: values['access-secret'],
      appNamespace: values['app-namespace'] ?? '',
      appSecret: values['app-secret'],
      bindingSecret: bindingName(values['app-secret'], values['secret-format'] ?? []),
      dryRun: values['dry-run'],
      provision: !gateOnly,
      via: values.via,
    },
    { ...receiverOf(receiver, values['api-server-audience']), service, goLive },
  )
  if (json) {
    const { parseAllDocuments } = await import('yaml')
    const items = parseAllDocuments(manifest).map((document) => document.toJS() as unknown)
    printJson({ apiVersion: 'v1', kind: 'List', items })
  } else process.stdout.write(manifest)
}

/** Says why there is no run to tell about, or no end of it. */
function stop(failure: Failure, stands: string): void {
  fail(failure, stands)
  if (json) printJson(answerWithoutRun(reporter.clean(failure), stands, reporter))
}

function fail(failure: Failure, stands: string): void {
  screen?.rest()
  reporter.write(formatFailure(reporter.clean(failure), stands))
  for (const cause of causesOf(failure)) reporter.debug(cause)
  process.exitCode = executing ? exitCodeOfExec(failure, commandEnded) : exitCodeOf(failure.code)
}

/** Shows details: folded where the log can fold, as they are elsewhere. */
function show(title: string, lines: readonly string[]): void {
  if (inGitlab)
    for (const line of gitlabSection('pg_app_user', reporter.clean(title), reporter.clean(lines))) {
      log.write(`${line}\n`)
    }
  else reporter.write([`${title}:`, ...lines])
}

/** Its texts may leave already: searching the document would break it where a password is a part of JSON. */
function printJson(value: object): void {
  process.stdout.write(formatJson(value))
}

function plainSink(): Sink {
  const line = (text: string): void => {
    log.write(`${paint(text, log)}\n`)
  }
  return {
    line,
    mask: () => undefined,
    group: (title, lines) => {
      if (verbose) [title, ...lines].forEach(line)
    },
    debugging: verbose,
  }
}

/** Returns a text as one word of a shell. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
