import { closest, distance } from 'fastest-levenshtein'
import { Failure } from '../lib/failure.ts'
import { placeholderIn } from '../lib/placeholder.ts'
import { input, spoken } from '../lib/spelling.ts'
import { capitalized, oneLine, plainFingerprint, sentence } from '../lib/text.ts'
import type { Via } from '../lib/via.ts'
import type { RoleSetting } from '../postgres/role-setting.ts'
import type { SslMode } from '../postgres/sslmode.ts'
import type { FormatName } from '../secrets/formats.ts'
import { defaultFile, parameters, type Parameter, type ParameterName } from './parameters.ts'
import { parsePem } from './pem.ts'
import type { Profile } from './profile.ts'
import { decideMode, type GoLiveMode, type ReleaseContext } from './ref.ts'
import type { GoLiveRequest, KubeconfigSources, ProvisionRequest } from './request.ts'
import { parseRoleSettings } from './role-settings.ts'

/** Raw texts by parameter name; what was not given is absent or empty. */
export type RawInputs = Readonly<Partial<Record<ParameterName, string>>>

/** A duration: hours, minutes and seconds in this order, at least one of them. */
const durationPattern = /^(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/
/** Beyond this a timer of Node.js overflows; no pipeline job lives that long anyway. */
const longestMs = 24 * 3600 * 1000

/** Names that PostgreSQL keeps for itself; `pg_` as a beginning is another. */
const reservedNames = ['postgres', 'template0', 'template1', 'public', 'none']

/**
 * Turns raw inputs into the one typed request.
 *
 * @throws Failure `input-invalid` that lists every wrong input, each with what it allows
 */
export function parseRequest(
  inputs: RawInputs,
  surroundings: {
    readonly kubeconfig: KubeconfigSources
    readonly runName: string
    /** What the pipeline runs for; absent where nothing is known about that. */
    readonly release?: ReleaseContext
  },
): ProvisionRequest {
  const values = parseValues<ParameterName>(inputs, parameters, contradictions)
  return {
    kubeconfig: surroundings.kubeconfig,
    context: values.context,
    expectServer: values['expect-server'],
    expectCa: values['expect-ca'],
    accessSecret: values['access-secret'],
    accessNamespace: values['access-namespace'],
    via: values.via,
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
function contradictions(given: Partial<Values>, problems: readonly Problem[]): readonly Problem[] {
  const nothing = given.provision === false && given['go-live'] === 'off'
  const gated = given['go-live'] !== undefined && given['go-live'] !== 'off'
  const wrong = problems.some(({ name }) => name === 'go-live-profile')
  return [
    ...(nothing
      ? [
          {
            name: 'provision' as const,
            problem: 'is false and "go-live" is off, so that there is nothing to do',
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
  readonly context?: string
  readonly 'expect-server'?: string
  readonly 'expect-ca'?: readonly string[]
  readonly 'access-secret': string
  readonly 'access-namespace': string
  readonly via: Via
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
  readonly timeout: number
}

type Parsed = { readonly value: unknown } | { readonly problem: string }

function parseText(parameter: Parameter, text: string): Parsed {
  switch (parameter.kind) {
    case 'text':
      return { value: text.trim() }
    case 'secret':
      return { value: text }
    case 'name':
      return parseName(text.trim(), parameter.name.endsWith('namespace'))
    case 'identifier':
      return parseIdentifier(text)
    case 'list':
      return parseList(text)
    case 'settings':
      return parseRoleSettings(itemsOf(text))
    case 'patterns':
      return parsePatterns(text)
    case 'choice':
      return parseChoice(text.trim(), parameter.options ?? [])
    case 'choices':
      return parseChoices(text, parameter.options ?? [])
    case 'flag':
      return parseChoice(text.trim().toLowerCase(), ['true', 'false'], (word) => word === 'true')
    case 'duration':
      return parseDuration(text.trim())
    case 'fingerprints':
      return parseFingerprints(text)
    case 'pem':
      return parsePem(text.trim())
  }
}

/** Kubernetes names: RFC 1123 labels for namespaces, subdomains for Secrets. */
function parseName(text: string, namespace: boolean): Parsed {
  const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
  const pattern = new RegExp(namespace ? `^${label}$` : `^${label}(\\.${label})*$`)
  if (pattern.test(text) && text.length <= (namespace ? 63 : 253)) return { value: text }
  return {
    problem: `${shown(text)} is no ${namespace ? 'namespace' : 'name of a Secret'}: lower case letters, digits and "-"${
      namespace ? ', 63 characters at most' : ' or ".", 253 characters at most'
    }`,
  }
}

/**
 * PostgreSQL identifiers: 63 bytes (NAMEDATALEN - 1), any characters but NUL. Other control characters are refused too:
 * the name becomes an environment variable of the application, and a line end there is nearly always a mistake.
 */
function parseIdentifier(text: string): Parsed {
  const bytes = Buffer.byteLength(text)
  if (text.includes('\0')) return { problem: 'holds a NUL character, which no PostgreSQL name may' }
  if (/\p{Cc}/u.test(text)) return { problem: 'holds a control character, such as a line end' }
  if (!text.isWellFormed()) return { problem: 'holds half a character (a lone surrogate)' }
  if (bytes > 63) {
    return {
      problem: `${shown(text)} has ${bytes} bytes in UTF-8; PostgreSQL takes 63 and would cut the rest`,
    }
  }
  // Pipelines leave a variable that they do not know as it is written.
  const placeholder = placeholderIn(text)
  if (placeholder !== undefined) return { problem: `${shown(text)} is ${placeholder.what}` }
  if (reservedNames.includes(text) || text.startsWith('pg_')) {
    return { problem: `${shown(text)} is reserved by PostgreSQL: choose a name of the application's own` }
  }
  return { value: text }
}

function parseList(text: string): Parsed {
  const items = itemsOf(text)
  const tooLong = items.find((item) => Buffer.byteLength(item) > 63 || item.includes('\0'))
  if (tooLong !== undefined)
    return { problem: `${shown(tooLong)} is no PostgreSQL name: 63 bytes at most, no NUL` }
  return { value: [...new Set(items)] }
}

/** Patterns of refs. A whole ref is refused, because it would match nothing. */
function parsePatterns(text: string): Parsed {
  const items = itemsOf(text)
  const whole = items.find((item) => item.startsWith('refs/'))
  if (whole !== undefined) {
    const name = whole.replace(/^refs\/(heads|tags)\//, '')
    const short = whole.startsWith('refs/tags/') ? `tag:${name}` : name
    return { problem: `${shown(whole)} is a whole ref: write "${oneLine(short, 80)}"` }
  }
  return { value: [...new Set(items)] }
}

function itemsOf(text: string): string[] {
  return text
    .split(/[\n,]/)
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function parseChoices(text: string, options: readonly string[]): Parsed {
  const items = itemsOf(text)
  const [wrong] = items.map((item) => parseChoice(item, options)).filter((parsed) => 'problem' in parsed)
  return wrong ?? { value: [...new Set(items)] }
}

function parseChoice(
  text: string,
  options: readonly string[],
  convert: (word: string) => unknown = (word) => word,
): Parsed {
  if (options.includes(text)) return { value: convert(text) }
  const nearest = closest(text, options)
  // Every short word is close to every other one, so half of it has to be right.
  const near = distance(text, nearest) <= Math.min(3, nearest.length / 2)
  const hint = near ? ` (did you mean ${nearest}?)` : ''
  return { problem: `${shown(text)} is none of ${options.join(', ')}${hint}` }
}

function parseDuration(text: string): Parsed {
  if (/^\d+$/.test(text))
    return { problem: `${shown(text)} has no unit: write ${text}m or ${Number(text) * 60}s` }
  const [, hours = '0', minutes = '0', seconds = '0'] = durationPattern.exec(text) ?? []
  const milliseconds = 1000 * (3600 * Number(hours) + 60 * Number(minutes) + Number(seconds))
  if (!durationPattern.test(text)) return { problem: `${shown(text)} is no duration: write 90s, 5m or 1h` }
  if (milliseconds < 1000 || milliseconds > longestMs) {
    return { problem: `${shown(text)} is out of range: at least 1s, at most 24h` }
  }
  return { value: milliseconds }
}

function parseFingerprints(text: string): Parsed {
  const fingerprints = itemsOf(text)
  const wrong = fingerprints.find((item) => !/^([0-9a-f]{2}:?){31}[0-9a-f]{2}$/i.test(item))
  if (wrong !== undefined) {
    return { problem: `${shown(wrong)} is no SHA-256 fingerprint: 64 hex digits, with or without colons` }
  }
  return { value: fingerprints.map(plainFingerprint) }
}

function shown(text: string): string {
  return `"${oneLine(text, 80)}"`
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
