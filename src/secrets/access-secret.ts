import type { Api } from '../kubernetes/api.ts'
import { corePath } from '../kubernetes/call.ts'
import type { SecretObject } from '../kubernetes/objects.ts'
import { Failure } from '../lib/failure.ts'
import { looksMadeAtRandom } from '../lib/made-at-random.ts'
import { input, inputs } from '../lib/spelling.ts'
import { capitalized, count, oneLine, sentence } from '../lib/text.ts'
import type { Via } from '../lib/via.ts'
import { isSslMode, type SslMode } from '../postgres/sslmode.ts'
import type { AccessPart } from '../providers/provider.ts'
import { providers, type Keeper } from '../providers/providers.ts'
import {
  complete,
  formsOf,
  hasInput,
  inputOf,
  meantOf,
  missingName,
  partName,
  written,
  type AccessForm,
  type AccessInputs,
} from './access-form.ts'
import { judgeAdmin, type AdminLogin } from './admin-login.ts'
import { certificatesOf } from './pem.ts'
import { decodeData } from './secret-data.ts'
import { serviceOf, unfitService } from './service-name.ts'
import { unseen, type Unfit, unfitPlaceholder } from './unfit.ts'
import { unfitValue } from './value.ts'

/** The administrator's Secret, or the operator's: how to reach PostgreSQL, and the admin to log in as. */
export interface AccessSecret extends Pick<AdminLogin, 'named' | 'doubts'> {
  /** `namespace/name`. */
  readonly ref: string
  /** The name inside the cluster. */
  readonly host: string
  /** 5432 where nothing says another one. */
  readonly port: number
  readonly user: string
  readonly password: string
  readonly sslMode: SslMode
  /** The Service to forward to, without `svc/`. Always there where the run is to be forwarded. */
  readonly service?: string
  /** The database of the admin's sessions that are for no particular one. */
  readonly home: string
  /** The database that the Secret itself names. */
  readonly itsDatabase?: string
  readonly replicaHost?: string
  /** The certificates of `ca.crt`, PEM. */
  readonly ca?: string
  /** How many of the keys that are read are there. */
  readonly keyCount: number
  /** Which operator made it, where one did. */
  readonly maker?: Keeper
  /** What does not stand in it and follows from it, in words. */
  readonly follows?: string
  /** Where an input says something else than the Secret. */
  readonly notes: readonly string[]
}

/** What a way to PostgreSQL needs, whoever says it. */
const required = ['host', 'user', 'password', 'sslMode', 'service'] as const satisfies readonly AccessPart[]

/** Where an admin is at home, unless an input says otherwise: every server has it until somebody drops it. */
const usualHome = 'postgres'

/** Announces a credential, and the names that are shown although they stand beside it. */
type Mask = (credential: string, beside?: readonly string[]) => void

/**
 * Reads the access Secret. Its password is masked at the moment it is decoded.
 *
 * @param said what inputs say instead of it
 * @throws Failure `access-secret-not-found`; `access-secret-invalid`, which names every key that is missing or broken
 */
export async function readAccessSecret(
  api: Api,
  namespace: string,
  name: string,
  mask: Mask,
  via?: Via,
  said?: AccessInputs,
): Promise<AccessSecret> {
  const secret = (await api.get(corePath(namespace, 'secrets', name))) as SecretObject | undefined
  if (secret === undefined) {
    throw new Failure('access-secret-not-found', `The access Secret ${namespace}/${name} does not exist.`, [
      'A frequent cause is a misspelt name, or the namespace of the application instead of the database.',
      `Check ${inputs('access-secret', 'access-namespace')} against what the administrator sent.`,
    ])
  }
  return parseAccessSecret(`${namespace}/${name}`, secret, mask, via, said)
}

/**
 * Parses what `readAccessSecret` has read; `ref` is `namespace/name`. A run that goes to PGHOST itself has no use for a
 * Service, and does without.
 *
 * @throws Failure `access-secret-invalid`
 */
export function parseAccessSecret(
  ref: string,
  secret: SecretObject,
  mask: Mask,
  via: Via = 'port-forward',
  said: AccessInputs = {},
): AccessSecret {
  const [namespace = '', name = ''] = ref.split('/')
  const forms = formsOf(name, secret)
  const passwordKeys = forms.flatMap(({ keys }) => keys.password ?? [])
  const { values, problems: undecodable } = decodeData(
    secret.data,
    [...new Set(forms.flatMap(({ keys }) => Object.values(keys).flat()))],
    (password) => {
      mask(password, shownNames(forms, secret.data))
      mask(withoutLineEnds(password))
    },
    passwordKeys,
  )
  const { form, value, keyOf } = choose(ref, forms, values, said.user)
  const overruled = (part: AccessPart): boolean => hasInput(part) && said[part] !== undefined
  const parts = (Object.keys(form.keys) as AccessPart[]).filter((part) => !overruled(part))
  const keys = parts.flatMap((part) => form.keys[part] ?? [])
  const problems = undecodable.filter((problem) => keys.some((key) => problem.startsWith(`${key} `)))
  const hints = new Set<string>()
  const broken = (key: string): boolean => problems.some((problem) => problem.startsWith(`${key} `))
  const check = (key: string, unfit: Unfit | undefined): void => {
    if (unfit === undefined || broken(key)) return
    problems.push(`${key} ${unfit.problem}`)
    if (unfit.hint !== undefined) hints.add(unfit.hint)
  }
  for (const part of parts) {
    const [one, other] = form.keys[part] ?? []
    if (one !== undefined && other !== undefined && differ(values.get(one), values.get(other)))
      problems.push(`${one} and ${other} contradict each other`)
  }
  const line = (part: AccessPart, unfit: (text: string) => Unfit | undefined): string => {
    const input = hasInput(part) ? said[part] : undefined
    if (input !== undefined) return input
    const text = value(form, part)
    if (text === '') return ''
    if (/\p{Cc}/u.test(text)) problems.push(`${keyOf(part)} holds a control character`)
    check(keyOf(part), unfit(text))
    return text
  }
  const known = {
    host: line('host', (text) => unfitValue('PGHOST', text)),
    service: line('service', (text) => (via === 'direct' ? undefined : unfitService(text))),
    sslMode: line('sslMode', (text) => unfitValue('PGSSLMODE', text)),
  }
  const user = form.user !== undefined && said.user === undefined ? form.user : line('user', unfitUser)
  const password = withoutLineEnds(values.get(keyOf('password')) ?? '')
  const port = line('port', (text) => unfitValue('PGPORT', text))
  const replicaHost = line('replicaHost', (text) => unfitValue('PGHOST_REPLICA', text))
  const authority = values.get(keyOf('ca')) ?? ''
  if (authority !== '') check(keyOf('ca'), unfitValue('ca.crt', authority))
  const ca = certificatesOf(authority)
  const userName = said.user === undefined ? keyOf('user') : capitalized(input(inputOf.user))
  const { credentials, ...admin } = judgeAdmin(user, password, {
    user: userName,
    password: keyOf('password'),
  })
  for (const credential of credentials) mask(credential)
  const way = complete(known, form, namespace)

  const found = { ...way, user, password }
  const needed = required.filter((part) => via === 'port-forward' || part !== 'service')
  const missing = needed.filter((part) => found[part] === '' && !broken(keyOf(part)))
  if (missing.length > 0) {
    const named = sentence(missing.map((part) => missingName(form, part)))
    problems.unshift(`${named} ${missing.length === 1 ? 'is' : 'are'} missing`)
  }
  const service = serviceOf(way.service)
  const leads = service !== undefined || via === 'direct'
  if (problems.length > 0 || !leads || !isSslMode(way.sslMode)) {
    throw unusable(ref, problems, [
      ...hints,
      ...howToComplete(secret, form, { known: forms.length > 0, needed, missing }),
    ])
  }
  const itsDatabase = value(form, 'database')
  return {
    ref,
    host: way.host,
    port: port === '' ? 5432 : Number(port),
    user,
    password,
    sslMode: way.sslMode,
    ...(service !== undefined && { service }),
    home: said.database ?? usualHome,
    // CloudNativePG writes "*" where any is meant.
    ...(/^[^*\p{Cc}]+$/u.test(itsDatabase) && { itsDatabase }),
    ...(replicaHost !== '' && { replicaHost }),
    ...(ca !== undefined && { ca }),
    ...admin,
    keyCount: Object.values(form.keys)
      .flat()
      .filter((key) => values.has(key)).length,
    ...(form.maker !== undefined && { maker: form.maker }),
    ...(way.follows.length > 0 && { follows: `${sentence(way.follows)}: ${whence(form)}` }),
    notes: notesOn(ref, said, (part) => ({ key: keyOf(part), text: value(form, part) })),
  }
}

/** How to read the Secret, once it is known in which form it is written. */
interface Chosen {
  readonly form: AccessForm
  /** What a form has of a part; empty where it has nothing. */
  readonly value: (form: AccessForm, part: AccessPart) => string
  /** The key that holds a part, or would. */
  readonly keyOf: (part: AccessPart) => string
}

function choose(
  ref: string,
  forms: readonly AccessForm[],
  values: ReadonlyMap<string, string>,
  wanted: string | undefined,
): Chosen {
  // Files and `echo | base64` leave a line end behind, which $(…) in a shell takes off again.
  const held = (key: string): string => (values.get(key) ?? '').replace(/\r?\n$/, '')
  const value = ({ keys }: AccessForm, part: AccessPart): string =>
    keys[part]?.map(held).find((text) => text !== '') ?? ''
  const meant = meantOf(forms, value, wanted)
  if (meant.length > 1) {
    const keys = meant.map((each) => `"${partName(each, 'password')}"`)
    throw unusable(
      ref,
      [
        `it holds ${count(meant.length, 'password')}, ${sentence(keys)}, and nothing tells which is the admin's`,
      ],
      [
        `Name the admin: ${input(inputOf.user)}.`,
        ...(keys.includes('"postgres-password"')
          ? ['In charts, "postgres-password" is that of postgres, and "password" that of a user of its own.']
          : []),
      ],
    )
  }
  const [form = written] = meant
  const keyOf = (part: AccessPart): string =>
    form.keys[part]?.find((key) => held(key) !== '') ?? partName(form, part)
  return { form, value, keyOf }
}

function differ(one = '', other = ''): boolean {
  return one !== '' && other !== '' && withoutLineEnds(one) !== withoutLineEnds(other)
}

function unusable(ref: string, problems: readonly string[], hints: readonly string[]): Failure {
  return new Failure(
    'access-secret-invalid',
    `The access Secret ${ref} cannot be used: ${problems.join('; ')}.`,
    [
      ...hints,
      `Check that ${inputs('access-secret', 'access-namespace')} name the access Secret, and ask the administrator to put it right.`,
    ],
  )
}

/** Says which inputs win over a Secret that says something else. What it says may be a credential in the wrong place. */
function notesOn(
  ref: string,
  said: AccessInputs,
  held: (part: AccessPart) => { readonly key: string; readonly text: string },
): readonly string[] {
  const parts = Object.keys(inputOf) as (keyof AccessInputs)[]
  return parts.flatMap((part) => {
    const { key, text } = held(part)
    // The database that a Secret names is that of an application, as a rule.
    if (part === 'database' || said[part] === undefined || text === '' || text === said[part]) return []
    return [`${input(inputOf[part])} counts, and not ${key} of ${ref}, which says something else`]
  })
}

function whence({ maker }: AccessForm): string {
  return maker === undefined
    ? 'by the name of the Service'
    : `as ${maker.provider.name} has it for cluster "${oneLine(maker.cluster, 80)}"`
}

/** A role may be called anything, so that only what cannot be meant is refused; a login tells the rest. */
function unfitUser(value: string): Unfit | undefined {
  const placeholder = unfitPlaceholder(value)
  if (placeholder !== undefined) return placeholder
  return /^\p{Cf}|\p{Cf}$/u.test(value) ? { problem: unseen } : undefined
}

/** Another Secret than the one that is meant shows by the names of its keys. */
function howToComplete(
  { data = {} }: SecretObject,
  form: AccessForm,
  {
    known,
    needed,
    missing,
  }: {
    readonly known: boolean
    readonly needed: readonly AccessPart[]
    readonly missing: readonly AccessPart[]
  },
): readonly string[] {
  if (missing.length === 0) return []
  const keys = Object.keys(data).sort()
  const held =
    keys.length === 0 ? 'nothing' : oneLine(sentence(keys.slice(0, 12).map((key) => `"${key}"`)), 200)
  // A Service has a host already.
  const implied = missing.includes('service') && !form.complete ? ['host'] : []
  const [first, ...more] = missing.flatMap((part) =>
    hasInput(part) && !implied.includes(part) ? inputOf[part] : [],
  )
  const makers = sentence(providers.map(({ name }) => name))
  return [
    form.complete
      ? `It needs ${count(needed.length, 'key')}: ${sentence(needed.map((part) => partName(form, part)))}. It holds ${held}.`
      : `It holds ${held}.`,
    ...(first === undefined || !known
      ? []
      : [`What a Secret does not say, you can: ${inputs(first, ...more)}.`]),
    ...(known ? [] : [`Those of ${makers} and of charts are taken as they are: docs/anywhere.md.`]),
  ]
}

/** The names that a run shows; a text of another form may be anything, a credential that got into the wrong key as well. */
function shownNames(forms: readonly AccessForm[], data: SecretObject['data']): readonly string[] {
  const keysOf = (...parts: readonly AccessPart[]): readonly string[] =>
    forms.flatMap(({ keys }) => parts.flatMap((part) => keys[part] ?? []))
  const users = keysOf('user')
  return [...keysOf('host', 'replicaHost', 'service'), ...users].flatMap((key) => {
    const name = Buffer.from(data?.[key] ?? '', 'base64')
      .toString()
      .trim()
    return /^[\w./-]+$/.test(name) && !(users.includes(key) && looksMadeAtRandom(name)) ? [name] : []
  })
}

function withoutLineEnds(text: string): string {
  return text.replace(/[\r\n]+$/, '')
}
