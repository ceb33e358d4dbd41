import { Document, isMap, isScalar, visit } from 'yaml'
import packageJson from '../package.json' with { type: 'json' }
import { variableOf } from '../src/options.ts'
import { parametersOf, type Kind, type Parameter } from '../src/parameters.ts'

/** One input as the header of a component declares it. Source: https://docs.gitlab.com/ci/yaml/#specinputs */
interface ComponentInput {
  readonly description: string
  readonly type?: 'boolean' | 'array'
  readonly default?: string | boolean | readonly object[]
  readonly options?: readonly string[]
  readonly regex?: string
}

const label = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?'
const variable = '\\$\\w+|\\$\\{\\w+\\}'

/**
 * What GitLab checks when it makes the pipeline, in the syntax of RE2. A name may also be a CI/CD variable, so that each
 * environment can have its own; the tool checks what the variable holds.
 */
const patterns: Partial<Record<Kind, string>> = {
  name: `(?:${label}(?:\\.${label})*|${variable})`,
  duration: '(?:\\d+h)?(?:\\d+m)?(?:\\d+s)?',
}

/**
 * The kinds whose texts are so constrained that they can stand in a script. There nothing overrides them, while a
 * variable of a job gives way to one of the project or of whoever starts the pipeline.
 */
const constrained: readonly Kind[] = ['choice', 'flag', 'duration']

/** What a component has beside the parameters: nothing that a job could not be given by reopening it, but for these. */
const jobInputs = (job: string): Readonly<Record<string, ComponentInput>> => ({
  stage: { description: 'Stage of the job.', default: 'deploy' },
  'job-name': {
    description: 'Name of the job. Give each its own where the component is included more than once.',
    default: job,
  },
  image: {
    description: 'Image that carries pg-app-user. Override it with a copy of your own on a mirror.',
    default: `ghcr.io/elastisys/pg-app-user:${packageJson.version}`,
  },
  environment: {
    description:
      'Environment of the job, where agents or variables are limited to one. It is only prepared or verified: no deployment is recorded.',
    default: '',
    regex: '^[-\\w/${}. ]*$',
  },
  rules: {
    description: 'Rules of the job. Default: branches and tags, as for a job without rules.',
    type: 'array',
    default: [{ if: '$CI_PIPELINE_SOURCE == "merge_request_event"', when: 'never' }, { when: 'on_success' }],
  },
})

/** Gives the inputs of the component: those of the table, then those of the job. */
export function componentInputs(job: string): Readonly<Record<string, ComponentInput>> {
  const table = parametersOf('gitlab').map(
    (parameter) => [parameter.name, componentInput(parameter)] as const,
  )
  return { ...Object.fromEntries(table), ...jobInputs(job) }
}

function componentInput(parameter: Parameter): ComponentInput {
  const { kind, description, required, options, default: value } = parameter
  if (kind === 'flag') return { description, type: 'boolean', default: value === 'true' }
  const optional = required !== true && value === undefined
  const pattern = patterns[kind]
  return {
    description,
    ...(!required && { default: value ?? '' }),
    ...(options && { options: optional ? ['', ...options] : options }),
    ...(pattern !== undefined && { regex: optional ? `^(?:${pattern})?$` : `^${pattern}$` }),
  }
}

/** Gives the file of the component that provisions. */
export function formatProvisionTemplate(): string {
  const job = 'pg-app-user:provision'
  const table = parametersOf('gitlab')
  const command = [
    'pg-app-user provision --yes --dotenv pg-app-user.env',
    ...table
      .filter(({ kind }) => constrained.includes(kind))
      .map(({ name }) => `--${name}='$[[ inputs.${name} ]]'`),
  ].join(' ')
  const variables = table
    .filter(({ kind }) => !constrained.includes(kind))
    .map(({ name }) => [variableOf(name), `$[[ inputs.${name} ]]`])
  const header = new Document({ spec: { inputs: componentInputs(job) } })
  header.commentBefore = ' Made by "npm run generate" from src/parameters.ts.'
  spaceOut(header)
  const body = new Document({
    ...environmentJobs(job, 'prepare'),
    '$[[ inputs.job-name ]]': {
      extends: `.${job}:environment:$[[ inputs.environment ]]`,
      stage: '$[[ inputs.stage ]]',
      image: { name: '$[[ inputs.image ]]', entrypoint: [''] },
      rules: '$[[ inputs.rules ]]',
      resource_group: 'pg-app-user/$[[ inputs.access-namespace ]]/$[[ inputs.access-secret ]]',
      dependencies: [],
      cache: [],
      variables: { GIT_STRATEGY: 'none', ...(Object.fromEntries(variables) as Record<string, string>) },
      before_script: [],
      script: [command],
      after_script: [],
      artifacts: { reports: { dotenv: 'pg-app-user.env' } },
    },
  })
  comment(body, `.${job}:environment:$[[ inputs.environment ]]`, [
    'GitLab knows no job that may or may not have an environment. So the job extends one of these two: with an empty',
    'input both have the same name, and the latter, which has none, takes the place of the first.',
  ])
  comment(body, '$[[ inputs.job-name ]]', [
    'Free text travels in variables and never in the script. What stands in the script is constrained by its type,',
    'options or pattern, and no variable of a project or of a pipeline can override it.',
  ])
  quoteInputs(body)
  const options = { lineWidth: 0, singleQuote: true }
  return `${header.toString(options)}---\n${body.toString(options)}`
}

/** Hidden jobs are not checked as jobs are, so that the first one may have an environment without a name. */
function environmentJobs(job: string, action: 'prepare' | 'verify'): Record<string, object> {
  return {
    [`.${job}:environment:$[[ inputs.environment ]]`]: {
      environment: { name: '$[[ inputs.environment ]]', action },
    },
    [`.${job}:environment:`]: { interruptible: false },
  }
}

/** A text stays a text whatever is put in: in quotes, `yes` is no boolean and `12` no number. */
function quoteInputs(document: Document): void {
  visit(document, {
    Scalar: (_, scalar) => {
      const { value } = scalar
      const typed = value === '$[[ inputs.rules ]]'
      if (typeof value === 'string' && value.includes('$[[') && !typed) scalar.type = 'QUOTE_DOUBLE'
    },
  })
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
