import { Document, isMap, isPair, isScalar, visit } from 'yaml'
import packageJson from '../package.json' with { type: 'json' }
import { tokenVariable } from '../src/faces/edge.ts'
import { parametersOfCommand, variableOf, type CommandName } from '../src/faces/commands.ts'
import { parameters, type Kind, type NamedParameter, type ParameterName } from '../src/input/parameters.ts'
import { goLiveModes } from '../src/input/ref.ts'
import { reportFiles } from '../src/report/report-files.ts'

/** One input as the header of a component declares it. Source: https://docs.gitlab.com/ci/yaml/#specinputs */
interface ComponentInput {
  readonly description: string
  readonly type?: 'boolean' | 'array'
  readonly default?: string | boolean | readonly object[]
  readonly options?: readonly string[]
  readonly regex?: string
}

/** What the components are for, and what the environment is to them. */
export const components = {
  provision: { job: 'pg-app-user:provision', action: 'prepare' },
  'go-live': { job: 'pg-app-user:go-live', action: 'verify' },
  migrate: { job: 'pg-app-user:migrate', action: 'access' },
} as const

/** One of the components, by the name of its file. */
export type ComponentName = keyof typeof components

const label = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?'
const variable = '\\$\\w+|\\$\\{\\w+\\}'

/**
 * What GitLab checks when it makes the pipeline, in the syntax of RE2. A name may also be a CI/CD variable, so that each
 * environment can have its own; the tool checks what the variable holds.
 */
const patterns: Partial<Record<Kind, string>> = {
  name: `(?:${label}(?:\\.${label})*|${variable})`,
  choices: '[a-z, ]+',
  duration: '(?:\\d+h)?(?:\\d+m)?(?:\\d+s)?',
  patterns: '[-\\w.*?/:{}\\[\\],@+ ]*',
}

/**
 * GitLab puts an input into the text of the template before it reads that as YAML: a second line would be read as
 * something else. Source: https://gitlab.com/gitlab-org/gitlab/-/merge_requests/142009
 */
const singleLine = '[^\\r\\n]+'
const unquoted = "^[^'\\r\\n]+$"

/** What a release depends on has to be as constrained as that, text or not. */
const patternsByName: Partial<Record<ParameterName, string>> = {
  'api-server': `(?:https://[-\\w.:/[\\]]+|${variable})`,
  'api-server-audience': '[-\\w.:/]+',
  'expect-server': `(?:[-\\w.:/[\\]]+|${variable})`,
  'expect-ca': `(?:[0-9A-Fa-f:, ]+|${variable})`,
  'go-live-file': '[\\w.][-\\w./]*',
}

/**
 * Whether the texts of a parameter are so constrained that they can stand in a script. There no variable overrides
 * them, while a variable of a job gives way to one of the project or of whoever starts the pipeline.
 */
function isConstrained({ kind, name }: NamedParameter): boolean {
  return (
    ['name', 'choice', 'choices', 'flag', 'duration', 'patterns'].includes(kind) || name in patternsByName
  )
}

/** What a component has beside the parameters: nothing that a job could not be given by reopening it, but for these. */
const jobInputs = (job: string): Readonly<Record<string, ComponentInput>> => ({
  stage: { description: 'Stage of the job.', default: 'deploy', regex: unquoted },
  'job-name': {
    description: 'Name of the job. If you include the component more than once, give each job its own name.',
    default: job,
    regex: unquoted,
  },
  image: {
    description: 'Image with pg-app-user. Set it if you use a copy on a mirror.',
    default: `ghcr.io/elastisys/pg-app-user:${packageJson.version}`,
    regex: unquoted,
  },
  environment: {
    description:
      'Environment of the job. Needed if agents or variables are limited to one. No deployment is recorded.',
    default: '',
    regex: '^[-\\w/${}. ]*$',
  },
  rules: {
    description: 'Rules of the job. Default: branches and tags, as for a job without rules.',
    type: 'array',
    default: [{ if: '$CI_PIPELINE_SOURCE == "merge_request_event"', when: 'never' }, { when: 'on_success' }],
  },
})

/** What the component for a migration has in place of an image of this tool. */
const migration: Readonly<Record<string, ComponentInput>> = {
  image: {
    description: 'Image of the job: the image of your project, with the migration and everything it needs.',
    regex: unquoted,
  },
  run: {
    description: parameters.find(({ name }) => name === 'run')?.description ?? '',
    regex: `^${singleLine}$`,
  },
  tool: {
    description:
      'How the job starts pg-app-user: with npx if the image has Node.js, otherwise with the path of pg-app-user in the image.',
    default: `npx --yes ${packageJson.name}@${packageJson.version}`,
    regex: '^[-\\w@./ ]+$',
  },
}

/** The command of the command line that a component runs. */
function commandOf(component: ComponentName): CommandName {
  return component === 'migrate' ? 'exec' : component
}

/** Gives the parameters that a component has: those of the command it runs, but for what GitLab has no use for. */
export function componentParameters(component: ComponentName): readonly NamedParameter[] {
  return parametersOfCommand(commandOf(component)).filter(({ absent }) => absent?.gitlab === undefined)
}

/** Gives the inputs of a component: those of the table, then those of the job. */
export function componentInputs(component: ComponentName): Readonly<Record<string, ComponentInput>> {
  const table = componentParameters(component).map((one) => [one.name, componentInput(one)] as const)
  const own = component === 'migrate' ? migration : {}
  return { ...Object.fromEntries(table), ...jobInputs(components[component].job), ...own }
}

function componentInput(parameter: NamedParameter): ComponentInput {
  const { name, kind, description, required, options, default: value } = parameter
  if (kind === 'flag') return { description, type: 'boolean', default: value === 'true' }
  const optional = required !== true && value === undefined
  const pattern = patternsByName[name] ?? patterns[kind] ?? (kind === 'choice' ? undefined : singleLine)
  return {
    description,
    ...(!required && { default: value ?? '' }),
    ...(options && kind === 'choice' && { options: optional ? ['', ...options] : options }),
    ...(pattern !== undefined && { regex: optional ? `^(?:${pattern})?$` : `^${pattern}$` }),
  }
}

/** GitLab reads YAML 1.1, in which a bare `off` is no text: such words get quotes. Source: https://yaml.org/type/bool.html */
export const unmistakable = { compat: 'yaml-1.1' } as const

/** Gives the file of a component. */
export function formatTemplate(component: ComponentName): string {
  const { job, action } = components[component]
  const table = componentParameters(component)
  const command = [
    component === 'migrate' ? '$[[ inputs.tool ]] exec' : `${program} ${component}`,
    ...(component === 'provision' ? ['--yes'] : []),
    ...(component === 'migrate' ? [] : [`--dotenv ${dotenv} --report-directory ${reportFolder}`]),
    // In double quotes, because a name may be a variable. None of the patterns has anything else that a shell reads.
    ...table.filter(isConstrained).map(({ name }) => `--${name}="$[[ inputs.${name} ]]"`),
    ...(component === 'migrate' ? ['-- sh -e -c "$PG_APP_USER_RUN"'] : []),
  ].join(' ')
  const variables = table
    .filter((parameter) => !isConstrained(parameter))
    .map(({ name }) => [variableOf(name), `$[[ inputs.${name} ]]`])
  const environment = `.${job}:environment:`
  const identity = `.${job}:identity:`
  const header = new Document({ spec: { inputs: componentInputs(component) } }, unmistakable)
  header.commentBefore = ' Made by "npm run generate" from src/input/parameters.ts.'
  spaceOut(header)
  const jobs = {
    // Hidden jobs are not checked as jobs are, so that the first one may have an environment without a name.
    [`${environment}$[[ inputs.environment ]]`]: {
      environment: { name: '$[[ inputs.environment ]]', action },
    },
    [environment]: { interruptible: false },
    [`${identity}$[[ inputs.api-server ]]`]: {
      id_tokens: { [tokenVariable]: { aud: '$[[ inputs.api-server-audience ]]' } },
    },
    [identity]: { interruptible: false },
    ...(component === 'provision' && modeJobs(job)),
    '$[[ inputs.job-name ]]': {
      extends: [
        ...(component === 'provision' ? [`.${job}:go-live:$[[ inputs.go-live ]]`] : []),
        `${environment}$[[ inputs.environment ]]`,
        `${identity}$[[ inputs.api-server ]]`,
      ],
      stage: '$[[ inputs.stage ]]',
      image: { name: '$[[ inputs.image ]]', entrypoint: [''] },
      rules: '$[[ inputs.rules ]]',
      ...(component !== 'migrate' && {
        resource_group: 'pg-app-user/$[[ inputs.access-namespace ]]/$[[ inputs.access-secret ]]',
        dependencies: [],
        cache: [],
      }),
      variables: {
        ...(component === 'go-live' && gated.variables),
        ...(Object.fromEntries(variables) as Record<string, string>),
        ...(component === 'migrate' && { PG_APP_USER_RUN: { value: '$[[ inputs.run ]]', expand: false } }),
      },
      ...(component !== 'migrate' && { before_script: [] }),
      script: [command],
      ...(component !== 'migrate' && { after_script: [] }),
      ...(component === 'go-live' && { artifacts: gated.artifacts }),
    },
  }
  const body = new Document(jobs, unmistakable)
  comment(body, `${environment}$[[ inputs.environment ]]`, [
    'GitLab knows no job that may or may not have an environment. So the job extends one of these two: with an empty',
    'input both have the same name, and the latter, which has none, takes the place of the first.',
  ])
  comment(body, `${identity}$[[ inputs.api-server ]]`, [
    'In the same way: the job has a token of its own identity only where an API server is named that takes it.',
  ])
  comment(body, `.${job}:go-live:off`, [
    'Only the gate reads a file of the project, and only the gate leaves reports.',
  ])
  comment(body, '$[[ inputs.job-name ]]', [
    'Free text travels in variables and never in the script. What stands in the script is constrained by its type,',
    'options or pattern, and no variable overrides it. That is no protection from whoever sets variables: LD_PRELOAD or',
    'BASH_ENV, for instance, runs code of theirs in this job.',
  ])
  guardInputs(body)
  const options = { lineWidth: 0, singleQuote: true }
  return `${header.toString(options)}---\n${body.toString(options)}`
}

/** Where the image has the tool. By its name alone, a variable PATH would decide which program it is. */
const program = '/usr/local/bin/pg-app-user'

const dotenv = 'pg-app-user.env'
const reportFolder = 'pg-app-user-go-live'

/** A job with the gate: its file has to be there, and its reports are kept also where it holds back. */
const gated = {
  variables: { GIT_STRATEGY: 'fetch', GIT_DEPTH: '1' },
  // Names of tables and Nodes are nobody's business in a public project; who audits a release asks for it months later.
  artifacts: {
    access: 'developer',
    expire_in: '1 year',
    when: 'always',
    expose_as: 'go-live report',
    paths: [`${reportFolder}/`],
    reports: { junit: `${reportFolder}/${reportFiles.junit}`, dotenv },
  },
}

/** What a job that provisions is besides, in each mode of the gate. */
function modeJobs(job: string): Record<string, object> {
  const modes = goLiveModes.map((mode) => [
    `.${job}:go-live:${mode}`,
    mode === 'off'
      ? { variables: { GIT_STRATEGY: 'none' }, artifacts: { access: 'developer', reports: { dotenv } } }
      : { extends: `.${job}:gated` },
  ])
  return { ...(Object.fromEntries(modes) as Record<string, object>), [`.${job}:gated`]: gated }
}

/**
 * A text stays a text whatever is put in: in quotes, `yes` is no boolean and `12` no number, and free text may hold
 * quotes of its own in a block.
 */
function guardInputs(document: Document): void {
  visit(document, {
    Scalar: (_, scalar, path) => {
      const { value } = scalar
      const typed = value === '$[[ inputs.rules ]]'
      if (typeof value !== 'string' || !value.includes('$[[') || typed) return
      const pair = path.at(-1)
      const free = isPair(pair) && isScalar(pair.key) && pair.key !== scalar && isVariable(pair.key.value)
      scalar.type = free ? 'BLOCK_LITERAL' : 'QUOTE_SINGLE'
    },
  })
}

function isVariable(key: unknown): boolean {
  return typeof key === 'string' && (key.startsWith(variableOf('')) || key === 'value')
}

function spaceOut(document: Document): void {
  const inputs = document.getIn(['spec', 'inputs'])
  if (isMap(inputs)) {
    for (const { key } of inputs.items) if (isScalar(key)) key.spaceBefore = true
  }
}

function comment(document: Document, key: string, lines: readonly string[]): void {
  visit(document.contents, {
    Pair: (_, pair) => {
      if (isScalar(pair.key) && pair.key.value === key) {
        const scalar = pair.key
        scalar.spaceBefore = true
        scalar.commentBefore = lines.map((line) => ` ${line}`).join('\n')
      }
      return visit.SKIP
    },
  })
}
