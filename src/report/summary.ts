import { posix } from 'node:path'
import type { GateReport } from '../go-live/finding.ts'
import { groupRights, isAmong, type Right, type RightGroup } from '../kubernetes/right.ts'
import type { Failure } from '../lib/failure.ts'
import { count, formatSeconds, sentence, yamlText } from '../lib/text.ts'
import { documents } from '../lib/version.ts'
import type { Effect } from '../provision/effect.ts'
import { nothingChanged, standing, type Outcome, type Row } from '../run/outcome.ts'
import { mountedCa } from '../secrets/formats.ts'
import { gateBody, gateTitle } from './gate-summary.ts'
import { block, code, escape, fold, html, paragraphs, table } from './markdown.ts'

/** Where libraries look for service bindings, each in a folder of its own. */
const bindingRoot = '/bindings'

/** What GitHub takes of one step, in bytes; it drops the whole of a longer one. */
export const longestSummary = 1024 * 1024

/** Returns the job summary as GitHub-flavoured markdown: the heading is the verdict, then what was found and done. */
export function formatSummary(outcome: Outcome): string {
  return short(verdict(outcome))
}

function short(markdown: string): string {
  if (Buffer.byteLength(markdown) <= longestSummary) return markdown
  const rest = '\n\nThe rest is cut off here: GitHub takes 1 MiB.\n'
  const bytes = Buffer.from(markdown).subarray(0, longestSummary - rest.length)
  return `${bytes.subarray(0, bytes.lastIndexOf('\n')).toString()}${rest}`
}

function verdict(outcome: Outcome): string {
  const { failure, goLive, permissions } = outcome
  if (goLive !== undefined && (failure === undefined || failure.code === 'go-live-held-back')) {
    return withGate(outcome, goLive)
  }
  if (failure === undefined) return headed(success(outcome))
  if (failure.code === 'permission-missing' && permissions !== undefined && permissions.missing.length > 0) {
    return preflight(outcome, permissions)
  }
  return formatFailureSummary(failure, outcome)
}

/** Returns the job summary of a run that failed, also of one that did not get as far as an outcome. */
export function formatFailureSummary(failure: Failure, outcome?: Outcome): string {
  const subject = outcome === undefined ? 'pg-app-user' : code(outcome.application)
  const rows = outcome?.rows ?? []
  return paragraphs(
    `### ❌ ${subject}: ${escape(failure.message)}`,
    outcome === undefined ? nothingChanged : standing(outcome),
    failure.hint.length === 0 ? '' : block('text', failure.hint.join('\n')),
    `[What to do about \`${failure.code}\`](${documents}/troubleshooting.md#${failure.code})`,
    rows.length === 0 ? '' : fold('What was looked at', nowTable(rows)),
  )
}

/** A part of the summary whose title is a verdict. */
interface Chapter {
  readonly emoji: string
  readonly title: string
  readonly body: string
}

function chapter(emoji: string, title: string, ...parts: readonly string[]): Chapter {
  return { emoji, title, body: paragraphs(...parts) }
}

function headed({ emoji, title, body }: Chapter): string {
  return paragraphs(`### ${emoji} ${title}`, body)
}

/** A release that is or would be held back comes first; else the gate follows what was provisioned. */
function withGate(outcome: Outcome, report: GateReport): string {
  const gate = { title: gateTitle(report), body: gateBody(outcome, report) }
  const provisioned = outcome.provisioned ? success(outcome) : undefined
  if (provisioned !== undefined && report.verdict === 'met') {
    return paragraphs(headed(provisioned), `#### ${gate.title}`, gate.body)
  }
  const emoji = report.verdict === 'met' ? '✅' : report.enforced ? '⛔' : '⚠️'
  const below = provisioned && fold(html(provisioned.title), provisioned.body)
  return paragraphs(`### ${emoji} ${gate.title}`, gate.body, below ?? '')
}

/** What a run that provisioned came to. */
function success(outcome: Outcome): Chapter {
  const { application, rows, changes, dryRun } = outcome
  const name = code(application)
  const duration = formatSeconds(outcome.seconds)
  const secret = `${outcome.secret.namespace ?? ''}/${outcome.secret.name}`
  const notes = outcome.notes.map((note) => `> ⚠️ ${escape(note)}`).join('\n>\n')
  if (dryRun && changes.length > 0) {
    return chapter(
      '🔍',
      `${name} would be changed`,
      `Nothing was changed: this was a dry run. ${duration}.`,
      notes,
      doneTable(rows.filter((row) => row.done !== undefined)),
    )
  }
  if (changes.length === 0) {
    const login = outcome.loginUnchecked
      ? 'The login could not be checked.'
      : `The login with ${code(secret)} works.`
    return chapter(
      '✅',
      `${name} is up to date`,
      `Nothing was changed. ${login} ${duration}.`,
      notes,
      fold('What was looked at', nowTable(rows)),
    )
  }
  const created = (noun: Effect['object']): boolean =>
    changes.some(({ object, action }) => object === noun && action === 'created')
  if (created('role') && created('database') && created('secret')) {
    const where = `on ${code(outcome.cluster?.server ?? '')}, namespace ${code(outcome.cluster?.namespace ?? '')}`
    const login = outcome.loginUnchecked ? 'the login could not be proven' : 'the login was proven'
    return chapter(
      '✅',
      `${name} is provisioned`,
      `Role, database, grants and Secret were created, and ${login}. ${duration} ${where}.`,
      notes,
      nowTable(rows),
      deployment(outcome.secret),
    )
  }
  const repaired = rows.filter((row) => row.done !== undefined)
  const right = rows.filter((row) => row.done === undefined)
  const was = repaired.length === 1 ? 'it' : 'they'
  return chapter(
    '🔧',
    `${name} was put right`,
    [
      `${repaired.length} of ${count(rows.length, 'thing')} differed from what ${was} should be.`,
      outcome.loginUnchecked ? 'The login could not be proven.' : 'The login is proven again.',
      podsAdvice(outcome.restart, created('secret')),
      `${duration}.`,
    ]
      .filter((part) => part !== '')
      .join(' '),
    notes,
    doneTable(repaired),
    right.length === 0
      ? ''
      : fold(
          `${count(right.length, 'thing')} ${right.length === 1 ? 'was' : 'were'} already right`,
          nowTable(right),
        ),
  )
}

/** What to do about running Pods: text of the run, of which only the bold beginning is markdown. */
function podsAdvice(restart: string | undefined, newSecret: boolean): string {
  if (restart === undefined) {
    return newSecret ? '' : '**Running Pods need no restart:** the password in the Secret did not change.'
  }
  const [, bold = '', rest = ''] = /^(?:\*\*(.*?)\*\*)?([^]*)$/.exec(restart) ?? []
  return `${bold === '' ? '' : `**${escape(bold)}**`}${escape(rest)}`
}

function preflight(outcome: Outcome, permissions: NonNullable<Outcome['permissions']>): string {
  const { identity, rights, missing, manifest } = permissions
  const namespaces = [...new Set(rights.map(({ namespace }) => namespace))]
  const lacking = namespaces.filter((name) => missing.some(({ namespace }) => namespace === name))
  const tables = lacking.map((namespace) => {
    const rows = groupRights(rights.filter((right) => right.namespace === namespace)).map((group) => {
      const [right] = group.rights
      const verbs = group.verbs.map(code).join(', ')
      const name = right?.name === undefined ? '' : ` ${code(right.name)}`
      return [`${verbs} ${group.resource}${name}`, right?.purpose ?? '', stateOf(group, missing)]
    })
    return paragraphs(
      `${code(identity.name)} needs, in namespace ${code(namespace)}:`,
      table(['right', 'for', ''], rows),
    )
  })
  const whole = namespaces.filter((name) => !lacking.includes(name))
  return paragraphs(
    `### ❌ ${code(outcome.application)}: ${missing.length} of ${count(rights.length, 'right')} ${missing.length === 1 ? 'is' : 'are'} missing`,
    // On one line with the first sentence of the tables.
    `${standing(outcome)} ${tables.join('\n')}`,
    ...whole.map((name) => {
      const here = rights.filter(({ namespace }) => namespace === name)
      const there = here.filter(({ asked }) => asked).length
      const rest =
        there === here.length
          ? ''
          : ` ${here.length - there} more ${here.length - there === 1 ? 'was' : 'were'} not asked about.`
      return `${there === 1 ? 'The one right' : `All ${there} rights`} in namespace ${code(name)} ${there === 1 ? 'is' : 'are'} there.${rest}`
    }),
    outcome.dryRun ? 'A dry run does not ask for the rights to write.' : '',
    '**Send this to your administrator.** It adds to what other applications have, and takes nothing away.',
    block('yaml', manifest),
  )
}

/** Says of rights on the same objects which are missing, and which nobody asked about; only the others are there. */
function stateOf({ rights }: RightGroup, missing: readonly Right[]): string {
  const some = (part: readonly Right[], word: string): readonly string[] =>
    part.length === 0
      ? []
      : [part.length === rights.length ? word : `${sentence(part.map(({ verb }) => verb))} ${word}`]
  const gone = rights.filter((right) => isAmong(right, missing))
  const unasked = rights.filter(({ asked }) => !asked)
  const states = [...some(gone, 'missing').map((text) => `**${text}**`), ...some(unasked, 'not asked')]
  return states.join(', ') || 'there'
}

function deployment({ name, authority, binding }: Outcome['secret']): string {
  const root = authority === 'mounted' ? mountedCa : authority
  const variables = [
    ...(root === undefined ? [] : [['PGSSLROOTCERT', root] as const]),
    ...(binding === undefined ? [] : [['SERVICE_BINDING_ROOT', bindingRoot] as const]),
  ]
  const mounts = [
    ...(authority === 'mounted'
      ? [['pg-app-user', posix.dirname(mountedCa), name, ['ca.crt']] as const]
      : []),
    ...(binding === undefined ? [] : [['postgresql', `${bindingRoot}/postgresql`, binding, []] as const]),
  ]
  const listOf = (key: string, items: readonly (readonly string[])[]): string[] =>
    items.length === 0
      ? []
      : [
          `${key}:`,
          ...items.flatMap(([first = '', ...rest]) => [`  - ${first}`, ...rest.map((line) => `    ${line}`)]),
        ]
  const container = [
    'envFrom:',
    '  - secretRef:',
    `      name: ${yamlText(name)}`,
    ...listOf(
      'env',
      variables.map(([variable, value]) => [`name: ${variable}`, `value: ${value}`]),
    ),
    ...listOf(
      'volumeMounts',
      mounts.map(([volume, path]) => [`name: ${volume}`, `mountPath: ${path}`, 'readOnly: true']),
    ),
  ]
  const volumes = listOf(
    'volumes',
    mounts.map(([volume, , secret, keys]) => [
      `name: ${volume}`,
      'secret:',
      `  secretName: ${yamlText(secret)}`,
      ...(keys.length === 0 ? [] : ['  items:']),
      ...keys.flatMap((key) => [`    - key: ${key}`, `      path: ${key}`]),
    ]),
  )
  const indented = (lines: readonly string[], by: number): string[] =>
    lines.map((line) => `${' '.repeat(by)}${line}`)
  return paragraphs(
    '**Use it in your Deployment**',
    block(
      'yaml',
      [
        'spec:',
        '  template:',
        '    spec:',
        '      containers:',
        '        - name: app',
        ...indented(container, 10),
        ...indented(volumes, 6),
      ].join('\n'),
    ),
    authority === 'mounted'
      ? 'psql and every client built on libpq take the authority from `PGSSLROOTCERT`, and the forms of `secret-format` name its file. node-postgres with the names of libpq takes it from `NODE_EXTRA_CA_CERTS`.'
      : authority === 'system'
        ? 'psql and every client built on libpq need `PGSSLROOTCERT` to look among the authorities of the system, and know that word from libpq 16 on. Other clients trust the authorities of their own surroundings.'
        : 'Works as it is with psql and every client built on libpq. node-postgres reads `PGSSLMODE=require` in another way: set `app-sslmode: no-verify` for it.',
  )
}

function nowTable(rows: readonly Row[]): string {
  const done = rows.some((row) => row.done !== undefined)
  return done
    ? table(
        ['', 'now', 'this run'],
        rows.map((row) => [escape(row.subject), escape(row.now), escape(row.done ?? '')]),
      )
    : table(
        ['', 'now'],
        rows.map((row) => [escape(row.subject), escape(row.now)]),
      )
}

function doneTable(rows: readonly Row[]): string {
  return table(
    ['', 'found', 'done'],
    rows.map((row) => [escape(row.subject), escape(row.found ?? row.now), escape(row.done ?? '')]),
  )
}
