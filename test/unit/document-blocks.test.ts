import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { beforeAll, describe, expect, it, test } from '@jest/globals'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parse, parseAllDocuments } from 'yaml'
import { componentInputs, type ComponentName } from '../../scripts/gitlab.ts'
import { parseCommandLine } from '../../src/faces/options.ts'
import { parameters } from '../../src/input/parameters.ts'
import { allBlocks, commandsOf, type Block } from '../support/blocks.ts'
import { loadValidator } from '../support/workflow-validator.ts'

const blocks = await allBlocks()
let problemsOf: (path: string, content: string) => Promise<readonly string[]>
beforeAll(async () => {
  problemsOf = await loadValidator()
})

async function contentOf(path: string): Promise<string> {
  return await readFile(new URL(`../../${path}`, import.meta.url), 'utf8')
}

/** What makes a workflow of a part of one: of steps, of a job, of jobs, and of inputs of the step. */
const wholes: readonly (readonly [RegExp, (part: string) => string])[] = [
  [/^on:/, (part) => part],
  [/^jobs:/, (part) => `on: push\n${part}`],
  [
    /^- (uses|id|run):/,
    (part) => `on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n${indented(part, 6)}`,
  ],
  [
    /^(permissions|concurrency):/,
    (part) =>
      `on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n${indented(part, 4)}${part.includes('steps:') ? '' : '    steps: [{ run: a }]\n'}`,
  ],
  [
    /^go-live: auto/,
    (part) =>
      `on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: elastisys/pg-app-user@v1\n        with:\n${indented(part, 10)}`,
  ],
]

function indented(text: string, by: number): string {
  return text.replaceAll(/^(?=.)/gm, ' '.repeat(by))
}

/** What becomes of a block: how it is seen to hold. None of them is left over. */
function sortOf({ file, language, text, notRun }: Block): string {
  if (notRun !== undefined) return 'marked'
  if (language === 'json') return 'json'
  if (language === 'sql') return 'sql'
  if (language === 'sh') return 'shell'
  // The examples are made by test/unit/troubleshooting.test.ts from what the tool says.
  if (language === 'text' && file === 'docs/troubleshooting.md') return 'made'
  if (language !== 'yaml') return 'none'
  if (/^(include|inputs|rules|pg-app-user:)/.test(text)) return 'gitlab'
  if (text.includes('schema/go-live.json')) return 'go-live'
  if (/^(apiVersion|#.*\n#.*\n\napiVersion|envFrom|containers|volumes)/.test(text)) return 'kubernetes'
  return wholes.some(([part]) => part.test(text)) ? 'workflow' : 'none'
}

const sorted = blocks.map((block) => ({ ...block, sort: sortOf(block), name: `${block.file}:${block.line}` }))
const of = (sort: string): typeof sorted => sorted.filter((block) => block.sort === sort)

test('every block of every document is run, checked, or marked as one that cannot be', () => {
  expect(of('none').map(({ name, text }) => `${name}\n${text}`)).toEqual([])
  for (const sort of ['json', 'sql', 'shell', 'made', 'gitlab', 'go-live', 'kubernetes', 'workflow']) {
    expect(of(sort)).not.toEqual([])
  }
  // Few, each with its reason.
  expect(of('marked').map(({ name, notRun }) => [name.split(':')[0], notRun])).toEqual([
    ['docs/command-line.md', expect.stringContaining('completion.test.ts')],
    ['docs/how-it-works.md', expect.stringContaining('log')],
    ['gitlab/README.md', expect.stringContaining('image')],
  ])
})

describe.each(of('workflow'))('$name', ({ text }) => {
  it('is a workflow, with inputs and outputs that exist', async () => {
    const [, whole] = wholes.find(([part]) => part.test(text)) ?? []
    const workflow = whole?.(text) ?? ''
    expect(await problemsOf('.github/workflows/a.yml', workflow)).toEqual([])
    const { jobs } = parse(workflow) as {
      jobs: Record<string, { steps?: { uses?: string; with?: object | null }[] }>
    }
    const steps = Object.values(jobs).flatMap(({ steps: all = [] }) => all)
    const known: readonly string[] = parameters.map(({ name }) => name)
    for (const step of steps.filter(({ uses }) => uses?.startsWith('elastisys/pg-app-user@') === true)) {
      expect(known).toEqual(expect.arrayContaining(Object.keys(step.with ?? {})))
    }
  })
})

describe.each(of('gitlab'))('$name', ({ text }) => {
  it('names components and inputs that exist, and all that are needed', () => {
    const { include = [], inputs: some } = parse(text, { version: '1.1' }) as {
      include?: { component: string; inputs: object }[]
      inputs?: object
    }
    const known = componentInputs('provision')
    expect(Object.keys(known)).toEqual(expect.arrayContaining(Object.keys(some ?? {})))
    for (const { component, inputs } of include) {
      const [, name] = /\/pg-app-user\/(provision|go-live|migrate)@1$/.exec(component) ?? []
      const all = componentInputs(name as ComponentName)
      const needed = Object.entries(all).flatMap(([input, { default: value }]) =>
        value === undefined ? [input] : [],
      )
      expect(Object.keys(all)).toEqual(expect.arrayContaining(Object.keys(inputs)))
      expect(Object.keys(inputs)).toEqual(expect.arrayContaining(needed))
      for (const [input, value] of Object.entries(inputs) as [string, unknown][]) {
        expect(String(value)).toMatch(new RegExp(all[input]?.regex ?? ''))
      }
    }
  })
})

describe.each(of('kubernetes'))('$name', ({ text }) => {
  it('is YAML, of whole objects or a part of a Pod', () => {
    for (const document of parseAllDocuments(text)) {
      expect(document.errors).toEqual([])
      const object = document.toJS() as { apiVersion?: string }
      if (object.apiVersion !== undefined) {
        expect(object).toMatchObject({ kind: expect.any(String), metadata: { name: expect.any(String) } })
      }
    }
  })
})

describe.each(of('go-live'))('$name', ({ text }) => {
  it('is a go-live file', async () => {
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(
      JSON.parse(await contentOf('schema/go-live.json')) as object,
    )
    expect({ valid: validate(parse(text)), errors: validate.errors }).toEqual({ valid: true, errors: null })
  })
})

describe.each(of('json'))('$name', ({ text }) => {
  it('is JSON', () => {
    expect(() => JSON.parse(text) as unknown).not.toThrow()
  })
})

describe.each(of('shell'))('$name', ({ text }) => {
  it('is shell, with options and scripts that exist', async () => {
    expect(() => execFileSync('bash', ['-n'], { input: text.replaceAll('…', '') })).not.toThrow()
    const { scripts } = JSON.parse(await contentOf('package.json')) as { scripts: Record<string, string> }
    for (const [first = '', ...rest] of commandsOf(text)) {
      const [package_ = '', ...args] = first === 'npx' ? rest : [first, ...rest]
      if (package_ === '@elastisys/pg-app-user' || package_ === 'pg-app-user') {
        expect(args[0]).toMatch(/^(provision|go-live|exec|rights|completion)$/)
        if (!args.includes('…') && !args.includes('--help')) {
          expect(parseCommandLine(args)).toMatchObject({ command: args[0] })
        }
      }
      if (first === 'npm' && rest[0] === 'run') {
        const script = rest.slice(1).find((word) => !word.startsWith('-')) ?? ''
        expect(Object.keys(scripts)).toContain(script)
      }
    }
  })
})
