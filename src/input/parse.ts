import { Failure } from '../lib/failure.ts'
import { input, spoken } from '../lib/spelling.ts'
import { capitalized, sentence } from '../lib/text.ts'
import type { Via } from '../lib/via.ts'
import type { RoleSetting } from '../postgres/role-setting.ts'
import type { SslMode } from '../postgres/sslmode.ts'
import type { FormatName } from '../secrets/formats.ts'
import { defaultFile, parameters, type Parameter, type ParameterName } from './parameters.ts'
import { parseText } from './parse-text.ts'
import type { Profile } from './profile.ts'
import { decideMode, type GoLiveMode, type ReleaseContext } from './ref.ts'
import type { GoLiveRequest, Issuer, KubeconfigSources, ProvisionRequest } from './request.ts'

/** Raw texts by parameter name; what was not given is absent or empty. */
export type RawInputs = Readonly<Partial<Record<ParameterName, string>>>

const nobody: Issuer = {
  name: 'Nobody',
  absenceHint: ['Only a CI job has an identity token: elsewhere, use a kubeconfig.'],
  asks: false,
  claims: {},
  token: () => Promise.resolve(undefined),
}

/** How long a command may take where nobody watches it, unless an input says otherwise. */
const execMs = 30 * 60 * 1000

/**
 * Turns raw inputs into the one typed request.
 *
 * @throws Failure `input-invalid` that lists every wrong input, each with what it allows
 */
export function parseRequest(
  inputs: RawInputs,
  surroundings: {
    readonly kubeconfig: KubeconfigSources
    /** Who vouches for this job; absent where nobody does. */
    readonly issuer?: Issuer
    readonly runName: string
    /** What the pipeline runs for; absent where nothing is known about that. */
    readonly release?: ReleaseContext
    /** Of a command: its words, where it is none of the inputs, what its environment is made of, whether a person waits. */
    readonly command?: {
      readonly words?: readonly [string, ...string[]] | undefined
      readonly environment: NodeJS.ProcessEnv
      readonly person: boolean
    }
  },
): ProvisionRequest {
  const { words, environment = {}, person = false } = surroundings.command ?? {}
  const values = parseValues<ParameterName>(inputs, parameters, (given, problems) =>
    contradictions(given, problems, words !== undefined),
  )
  const what = words ?? values.run
  return {
    kubeconfig: surroundings.kubeconfig,
    workload:
      values['api-server'] === undefined
        ? undefined
        : {
            server: values['api-server'],
            authority: values['api-server-ca'],
            audience: values['api-server-audience'],
            issuer: surroundings.issuer ?? nobody,
          },
    context: values.context,
    expectServer: values['expect-server'],
    expectCa: values['expect-ca'],
    accessSecret: values['access-secret'],
    accessNamespace: values['access-namespace'],
    via: values.via,
    access: {
      host: values['access-host'],
      port: values['access-port'],
      user: values['access-user'],
      service: values['access-service'],
      sslMode: values['access-sslmode'],
      database: values['access-database'],
    },
    appDatabase: values['app-database'],
    appUsername: values['app-username'] ?? values['app-database'],
    appSecret: values['app-secret'],
    appNamespace: values['app-namespace'],
    appSslMode: values['app-sslmode'],
    secretFormats: values['secret-format'] ?? [],
    sslRootCert: values['ssl-root-cert'],
    databaseOwner: values['database-owner'],
    extensions: values.extensions ?? [],
    connectRoles: values['connect-roles'] ?? [],
    roleSettings: values['role-settings'] ?? [],
    existing: values.existing,
    unproven: values.unproven,
    dryRun: values['dry-run'],
    provision: values.provision,
    goLive: goLiveRequest(values, surroundings.release ?? { pullRequest: false }),
    command:
      what === undefined
        ? undefined
        : {
            what,
            environment,
            timeoutMs: values['exec-timeout'] ?? (person ? undefined : execMs),
            lockTimeoutMs: values['exec-lock-timeout'],
          },
    timeoutMs: values.timeout,
    runName: surroundings.runName,
  }
}

function goLiveRequest(values: Values, release: ReleaseContext): GoLiveRequest | undefined {
  const enforcement = decideMode(values['go-live'], values['release-branches'], release)
  const profile = values['go-live-profile']
  if (enforcement === undefined || profile === undefined) return undefined
  const file = values['go-live-file']
  // A variable of a job may hold anything.
  const commit = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.exec(release.commit ?? '')?.[0]
  return { enforcement, commit, profile, file: file ?? defaultFile, fileNamed: file !== undefined }
}

/** One thing that is wrong with what was given. */
interface Problem {
  readonly name: ParameterName
  readonly problem: string
}

/** Finds what is right by itself and wrong beside something else. */
function contradictions(
  given: Partial<Values>,
  problems: readonly Problem[],
  commanded: boolean,
): readonly Problem[] {
  const idle = given.run === undefined && !commanded
  const nothing = given.provision === false && given['go-live'] === 'off' && idle
  const gated = given['go-live'] !== undefined && given['go-live'] !== 'off'
  const wrong = problems.some(({ name }) => name === 'go-live-profile')
  const home = given['access-database']
  return [
    ...beside(given, problems),
    ...(home === undefined ? [] : unfitHome(home, given['app-database'])),
    ...(nothing
      ? [
          {
            name: 'provision' as const,
            problem: 'is false and "go-live" is off, so there is nothing to do',
          },
        ]
      : []),
    ...(gated && given['go-live-profile'] === undefined && !wrong
      ? [
          {
            name: 'go-live-profile' as const,
            problem: 'is required for the go-live gate: standard or premium, as it was ordered',
          },
        ]
      : []),
  ]
}

/** Finds what does not go together with an API server that is named here, or takes one. */
function beside(given: Partial<Values>, problems: readonly Problem[]): readonly Problem[] {
  const named = given['api-server'] !== undefined
  const wrong = problems.some(({ name }) => name === 'api-server')
  const api = spoken().label('api-server')
  const both = (['kubeconfig', 'context'] as const).flatMap((name) =>
    named && given[name] !== undefined
      ? [
          {
            name,
            problem: `does not go with ${api}, which replaces the kubeconfig: leave one of them empty`,
          },
        ]
      : [],
  )
  const alone = given['api-server-ca'] !== undefined && !named && !wrong
  const nowhere =
    named && given['app-namespace'] === undefined && !problems.some(({ name }) => name === 'app-namespace')
  return [
    ...both,
    ...(alone ? [{ name: 'api-server-ca' as const, problem: `is for ${api}, which is empty` }] : []),
    ...(nowhere
      ? [
          {
            name: 'app-namespace' as const,
            problem: `is required with ${api}: there is no context that could name it`,
          },
        ]
      : []),
  ]
}

/** Sessions are open there while the database of the application is made, opened and closed. */
function unfitHome(home: string, appDatabase: string | undefined): readonly Problem[] {
  const problem = /^template[01]$/.test(home)
    ? 'is a template, which has to be free of sessions while a database is made from it'
    : home === appDatabase
      ? 'is the database of the application: it has to be another one, such as "postgres"'
      : undefined
  return problem === undefined ? [] : [{ name: 'access-database', problem }]
}

/**
 * Reads the texts of some parameters.
 *
 * @param contradictions finds what else is wrong once each text was read by itself
 * @throws Failure `input-invalid` that lists every wrong input, each with what it allows
 */
export function parseValues<Name extends ParameterName>(
  inputs: RawInputs,
  table: readonly (Parameter & { readonly name: Name })[],
  contradictions?: (given: Partial<Values>, problems: readonly Problem[]) => readonly Problem[],
): Pick<Values, Name & keyof Values> {
  const problems: Problem[] = []
  const parsed = new Map<ParameterName, unknown>()
  for (const parameter of table) {
    const given = inputs[parameter.name]
    const text = given === undefined || given.trim() === '' ? parameter.default : given
    if (text === undefined) {
      if (parameter.required === true) {
        problems.push({ name: parameter.name, problem: `is required: ${lowerFirst(parameter.description)}` })
      }
      continue
    }
    const result = parseText(parameter, text)
    if ('problem' in result) problems.push({ name: parameter.name, problem: result.problem })
    else parsed.set(parameter.name, result.value)
  }
  problems.push(...(contradictions?.(Object.fromEntries(parsed), problems) ?? []))
  if (problems.length > 0) throw inputFailure(problems)
  return Object.fromEntries(parsed) as unknown as Pick<Values, Name & keyof Values>
}

/** What `parseText` gives for each parameter, once nothing is missing and nothing is wrong. */
interface Values {
  readonly kubeconfig?: string
  readonly context?: string
  readonly 'api-server'?: string
  readonly 'api-server-ca'?: string
  readonly 'api-server-audience': string
  readonly 'expect-server'?: string
  readonly 'expect-ca'?: readonly string[]
  readonly 'access-secret': string
  readonly 'access-namespace': string
  readonly via: Via
  readonly 'access-host'?: string
  readonly 'access-port'?: string
  readonly 'access-user'?: string
  readonly 'access-service'?: string
  readonly 'access-sslmode'?: SslMode
  readonly 'access-database'?: string
  readonly 'app-database': string
  readonly 'app-username'?: string
  readonly 'app-secret': string
  readonly 'app-namespace'?: string
  readonly 'app-sslmode'?: SslMode
  readonly 'secret-format'?: readonly FormatName[]
  readonly 'ssl-root-cert'?: string
  readonly 'database-owner'?: 'admin' | 'app'
  readonly extensions?: readonly string[]
  readonly 'connect-roles'?: readonly string[]
  readonly 'role-settings'?: readonly RoleSetting[]
  readonly existing: 'refuse' | 'adopt'
  readonly unproven: 'refuse' | 'accept'
  readonly 'dry-run': boolean
  readonly provision: boolean
  readonly 'go-live': GoLiveMode
  readonly 'go-live-profile'?: Profile
  readonly 'go-live-file'?: string
  readonly 'release-branches': readonly string[]
  readonly run?: string
  readonly 'exec-timeout'?: number
  readonly 'exec-lock-timeout'?: number
  readonly timeout: number
}

function lowerFirst(text: string): string {
  const first = text.split('. ')[0]?.replace(/\.$/, '') ?? text
  return first.charAt(0).toLowerCase() + first.slice(1)
}

function inputFailure(problems: readonly { name: string; problem: string }[]): Failure {
  const [first] = problems
  if (problems.length === 1 && first !== undefined) {
    return new Failure('input-invalid', `${capitalized(input(first.name))} ${first.problem}.`, [])
  }
  const { noun, label } = spoken()
  const width = Math.max(...problems.map(({ name }) => label(name).length))
  return new Failure(
    'input-invalid',
    `${problems.length} ${noun}s are wrong: ${sentence(problems.map(({ name }) => label(name)))}.`,
    problems.map(({ name, problem }) => `${label(name).padEnd(width)}   ${problem}`),
  )
}
