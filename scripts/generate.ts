import { readFile, writeFile } from 'node:fs/promises'
import { format, resolveConfig } from 'prettier'
import { Document, isMap, isScalar, visit } from 'yaml'
import packageJson from '../package.json' with { type: 'json' }
import { exitCodes } from '../src/faces/exit-code.ts'
import { variableOf } from '../src/faces/commands.ts'
import { formatRights } from '../src/faces/rights.ts'
import { outputs } from '../src/input/outputs.ts'
import { meaning, parameters, parametersOf, type Face, type Parameter } from '../src/input/parameters.ts'
import {
  componentInputs,
  componentParameters,
  formatTemplate,
  unmistakable,
  type ComponentName,
} from './gitlab.ts'

/** A file that is made from the table of parameters, in whole or between markers. */
interface Generated {
  readonly path: string
  /** Gives what the file should hold, from what it holds now. */
  readonly content: (current: string) => string
}

/** Everything that is generated, by its path from the root of the repository. */
const generated: readonly Generated[] = [
  { path: 'action.yml', content: formatAction },
  { path: 'gitlab/templates/provision.yml', content: () => formatTemplate('provision') },
  { path: 'gitlab/templates/go-live.yml', content: () => formatTemplate('go-live') },
  { path: 'gitlab/templates/migrate.yml', content: () => formatTemplate('migrate') },
  {
    path: 'gitlab/README.md',
    content: (current) =>
      fillAll(current, {
        'component-inputs': formatComponentInputs('provision'),
        'migrate-inputs': formatMigrateInputs(),
        'component-absent': formatAbsent('gitlab'),
        'component-outputs': formatOutputs('variable', variableOf),
      }),
  },
  {
    path: 'docs/command-line.md',
    content: (current) =>
      fillAll(current, {
        absent: formatAbsent('cli'),
        options: formatOptions(),
        'exit-codes': formatExitCodes(),
      }),
  },
  {
    path: 'README.md',
    content: (current) =>
      fillAll(current, {
        rights: formatRightsExample(),
        inputs: formatInputs(parametersOf('action')),
        outputs: formatOutputs('output', (name) => name),
      }),
  },
]

/** Gives the generated files that hold something else than they should, with what they should hold. */
export async function findStale(): Promise<ReadonlyMap<string, string>> {
  const stale = new Map<string, string>()
  for (const { path, content } of generated) {
    const current = await readFile(fileAt(path), 'utf8').catch(() => '')
    const options = await resolveConfig(fileAt(path).pathname)
    const wanted = await format(content(current), { ...options, filepath: path })
    if (wanted !== current) stale.set(path, wanted)
  }
  return stale
}

/** Gives action.yml: the face of the action for a GitHub runner, and for the marketplace. */
function formatAction(): string {
  const content = {
    name: 'pg-app-user',
    description: packageJson.description,
    author: packageJson.author,
    inputs: Object.fromEntries(parametersOf('action').map(actionInput)),
    outputs: Object.fromEntries(outputs.map(({ name, description }) => [name, { description }])),
    runs: { using: 'node24', main: 'dist/index.js' },
    branding: { icon: 'database', color: 'blue' },
  }
  const document = new Document(content, unmistakable)
  document.commentBefore = ' Made by "npm run generate" from src/input/parameters.ts.'
  visit(document.contents, {
    Pair: (_, pair) => {
      if (isScalar(pair.key) && isMap(pair.value)) pair.key.spaceBefore = true
      return visit.SKIP
    },
  })
  return document.toString({ lineWidth: 0, singleQuote: true })
}

function actionInput({ name, description, required, default: value }: Parameter): [string, object] {
  return [
    name,
    { description, ...(required && { required }), ...(value !== undefined && { default: value }) },
  ]
}

function formatInputs(rows: readonly Parameter[]): string {
  return table(
    ['input', 'meaning'],
    rows.map((parameter) => [`\`${parameter.name}\``, meaning(parameter)]),
  )
}

/** The inputs of the component: those of the table, and those of the job, whose texts are in the template alone. */
function formatComponentInputs(component: ComponentName): string {
  const shared = componentParameters(component)
  const own = Object.entries(componentInputs(component)).filter(
    ([name]) => !shared.some((parameter) => parameter.name === name),
  )
  return table(
    ['input', 'meaning'],
    [
      ...shared.map((parameter) => [`\`${parameter.name}\``, meaning(parameter)]),
      ...own.map(([name, { description, default: value }]) => [
        `\`${name}\``,
        typeof value === 'string' && value !== '' ? `${description} Default: \`${value}\`.` : description,
      ]),
    ],
  )
}

/** What the component for migrations has beside what all of them have. */
function formatMigrateInputs(): string {
  const all = new Set(componentParameters('provision').map(({ name }) => name))
  const shared = componentParameters('migrate').filter(({ name }) => !all.has(name))
  const { image, run, tool } = componentInputs('migrate')
  const own = Object.entries({ image, run, tool }).map(([name, one]) => [
    `\`${name}\``,
    typeof one?.default !== 'string'
      ? `**Required.** ${one?.description}`
      : `${one.description} Default: \`${one.default}\`.`,
  ])
  return table(
    ['input', 'meaning'],
    [...own, ...shared.map((parameter) => [`\`${parameter.name}\``, meaning(parameter)])],
  )
}

function formatAbsent(face: Face): string {
  const all: readonly Parameter[] = parameters
  return all
    .flatMap(({ name, absent }) => (absent?.[face] === undefined ? [] : [`- \`${name}\`: ${absent[face]}.`]))
    .join('\n')
}

function formatOptions(): string {
  return table(
    ['option', 'variable', 'meaning'],
    parametersOf('cli').map((parameter) => [
      `\`--${parameter.name}\``,
      `\`${variableOf(parameter.name)}\``,
      meaning(parameter),
    ]),
  )
}

function formatExitCodes(): string {
  return table(
    ['code', 'meaning'],
    Object.values(exitCodes).map(({ code, meaning: text }) => [String(code), text]),
  )
}

function formatOutputs(title: string, named: (output: string) => string): string {
  return table(
    [title, 'meaning'],
    outputs.map(({ name, description }) => [`\`${named(name)}\``, description]),
  )
}

/** The Roles that a run prints where a right is missing, with the names of the examples. */
function formatRightsExample(): string {
  const manifest = formatRights(
    {
      accessNamespace: 'postgres-system',
      accessSecret: 'postgresql1-access',
      appNamespace: 'shop',
      appSecret: 'app-postgresql-secret',
      dryRun: false,
    },
    { account: { namespace: 'shop', name: 'ci' }, service: 'postgresql1-user-access' },
  )
  return ['```yaml', manifest.trimEnd(), '```'].join('\n')
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Puts each content between the markers of its name. */
function fillAll(text: string, contents: Readonly<Record<string, string>>): string {
  return Object.entries(contents).reduce((filled, [name, content]) => fill(filled, name, content), text)
}

/** Puts the content between `<!-- name -->` and `<!-- /name -->`. */
function fill(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [before, rest] = text.split(start)
  const [, after] = rest?.split(end) ?? []
  if (before === undefined || after === undefined) throw new Error(`There is no ${start} … ${end} to fill.`)
  return `${before}${start}\n\n${content}\n\n${end}${after}`
}

function fileAt(path: string): URL {
  return new URL(`../${path}`, import.meta.url)
}

if (import.meta.main) {
  const stale = await findStale()
  if (process.argv.includes('--check')) {
    for (const path of stale.keys()) {
      process.stdout.write(`✗ ${path} is not what src/input/parameters.ts gives: run "npm run generate".\n`)
    }
    process.exitCode = stale.size === 0 ? 0 : 1
  } else {
    for (const [path, wanted] of stale) {
      await writeFile(fileAt(path), wanted)
      process.stdout.write(`~ ${path} written\n`)
    }
  }
}
