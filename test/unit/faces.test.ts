import { describe, expect, it, test } from '@jest/globals'
import type { Option } from 'commander'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments } from 'yaml'
import { changingParameters, createProgram, variableOf } from '../../src/options.ts'
import { meaning, parameters, parametersOf, type Face, type Parameter } from '../../src/parameters.ts'
import { parseRequest } from '../../src/parse.ts'

interface ComponentInput {
  readonly description?: string
  readonly default?: string | boolean
  readonly type?: string
  readonly options?: readonly string[]
  readonly regex?: string
}

interface Job {
  readonly script?: readonly string[]
  readonly variables?: Readonly<Record<string, string>>
  readonly environment?: { readonly name: string; readonly action: string }
}

async function contentOf(path: string): Promise<string> {
  return await readFile(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8')
}

const components = await Promise.all(
  (['provision', 'go-live'] as const).map(async (name) => {
    const [header, body] = parseAllDocuments(await contentOf(`gitlab/templates/${name}.yml`))
    const { spec } = header?.toJS() as { spec: { inputs: Record<string, ComponentInput> } }
    return { name, inputs: spec.inputs, jobs: body?.toJS() as Record<string, Job> }
  }),
)
/** The gate alone has no use for what says what to change. */
function parametersOfComponent(component: string): readonly string[] {
  const names = parametersOf('gitlab').map(({ name }) => name)
  return component === 'provision' ? names : names.filter((name) => !changingParameters.includes(name))
}

const action = parse(await contentOf('action.yml')) as { inputs: Record<string, ComponentInput> }
const commands = createProgram(() => undefined).commands
const all: readonly Parameter[] = parameters

describe.each(all.map((parameter) => [parameter.name, parameter] as const))('%s', (name, parameter) => {
  it('exists on each face, or there is a reason why not', () => {
    const provision = commands.find((command) => command.name() === 'provision')
    const found: Record<Face, boolean> = {
      action: name in action.inputs,
      gitlab: components.some(({ inputs }) => name in inputs),
      cli: provision?.options.some(({ long }) => long === `--${name}`) === true,
    }
    for (const [face, exists] of Object.entries(found)) {
      expect({ face, exists }).toEqual({ face, exists: parameter.absent?.[face as Face] === undefined })
    }
    for (const reason of Object.values(parameter.absent ?? {})) expect(reason).toMatch(/^[a-z].{20,}[^.]$/)
  })

  it('has the same text and default wherever it exists', () => {
    const value = parameter.default
    for (const { inputs, ...face } of [action, ...components]) {
      const input = inputs[name]
      if (input === undefined) continue
      expect(input.description).toBe(parameter.description)
      if (parameter.required) expect(input).not.toHaveProperty('default')
      else if (name === 'go-live' && 'name' in face && face.name === 'go-live') {
        // A gate that is off is no gate.
        expect(input).toMatchObject({ default: 'enforce', options: ['warn', 'enforce', 'auto'] })
      } else expect(String(input.default ?? '')).toBe(value ?? '')
    }
    for (const option of optionsNamed(name)) {
      expect(option.description).toBe(meaning(parameter).replace(/[`*]/g, ''))
      expect(option.envVar).toBe(variableOf(name))
    }
  })
})

function optionsNamed(name: string): readonly Option[] {
  return commands.flatMap(({ options }) => options.filter(({ long }) => long === `--${name}`))
}

describe.each(components)('the component $name', ({ name: component, inputs, jobs }) => {
  const job = jobs['$[[ inputs.job-name ]]']
  const script = job?.script?.join('\n') ?? ''

  it('has nothing but the table and what belongs to the job', () => {
    expect(Object.keys(inputs)).toEqual([
      ...parametersOfComponent(component),
      ...['stage', 'job-name', 'image', 'environment', 'rules'],
    ])
  })

  it('puts into the script only what nobody can write freely, quoted', () => {
    for (const [used, name = ''] of script.matchAll(/\$\[\[ inputs\.([a-z-]+) \]\]/g)) {
      expect(script).toContain(`="${used}"`)
      const { type, options, regex } = inputs[name] ?? {}
      expect(type === 'boolean' || options !== undefined || regex !== undefined).toBe(true)
      if (regex !== undefined) {
        for (const attack of [`'; env; '`, '$(env)', '`env`', 'a\nb', '5m; env', '5m\n', "5m'"]) {
          expect(new RegExp(regex).test(attack)).toBe(false)
        }
      }
    }
  })

  it('passes each parameter once: in the script, where nothing overrides it, or in a variable', () => {
    for (const name of parametersOfComponent(component)) {
      const ways = [
        script.includes(`--${name}="$[[ inputs.${name} ]]"`),
        job?.variables?.[variableOf(name)] === `$[[ inputs.${name} ]]`,
      ]
      expect({ name, ways: ways.filter(Boolean).length }).toEqual({ name, ways: 1 })
    }
  })

  it('says all that the gate depends on in the script', () => {
    for (const name of ['go-live', 'go-live-profile', 'go-live-file', 'release-branches', 'access-secret']) {
      expect(script).toContain(`--${name}=`)
    }
  })

  it('records no deployment', () => {
    const actions = Object.values(jobs).flatMap(({ environment }) => environment?.action ?? [])
    expect(actions).not.toEqual([])
    for (const action of actions) expect(['prepare', 'verify']).toContain(action)
    expect(job).not.toHaveProperty('environment')
  })

  test.each([
    [
      'access-secret',
      ['postgresql1-access', 'a.b', '$SECRET', '${SECRET}'],
      ['', 'A', '-a', 'a-', 'a..b', 'a b'],
    ],
    ['app-namespace', ['', 'shop', '$NAMESPACE'], ['Shop', 'a_b', "a'b"]],
    ['timeout', ['5m', '90s', '1h30m'], ['5', '5 m', 'm5']],
    ['release-branches', ['main, release/**, tag:v*', 'release/{1,2}.*'], []],
  ] as const)('lets GitLab check %s as the tool does', (name, right, wrong) => {
    const pattern = new RegExp(inputs[name]?.regex ?? '(?!)')
    for (const text of right) expect({ text, taken: pattern.test(text) }).toEqual({ text, taken: true })
    for (const text of wrong) expect({ text, taken: pattern.test(text) }).toEqual({ text, taken: false })
    const required = { 'access-secret': 'a', 'access-namespace': 'b', 'app-database': 'c' }
    const surroundings = { kubeconfig: { absenceHint: [] }, runName: 'test' }
    for (const text of right.filter((one) => !one.startsWith('$'))) {
      expect(() => parseRequest({ ...required, [name]: text }, surroundings)).not.toThrow()
    }
    for (const text of wrong.filter((one) => one !== '')) {
      expect(() => parseRequest({ ...required, [name]: text }, surroundings)).toThrow(name)
    }
  })
})

describe.each(['README.md', 'gitlab/README.md'])('the pipelines of %s', (path) => {
  it('use components with inputs that they have, and all that they need', async () => {
    const blocks = [...(await contentOf(path)).matchAll(/^```yaml\n(include:\n[\s\S]*?)^```$/gm)]
    expect(blocks).not.toEqual([])
    for (const [, block = ''] of blocks) {
      const { include } = parse(block) as { include: { component: string; inputs: object }[] }
      for (const { component, inputs } of include) {
        const [, name] = /^\$CI_SERVER_FQDN\/elastisys\/pg-app-user\/([a-z-]+)@1$/.exec(component) ?? []
        const known = components.find((each) => each.name === name)?.inputs ?? {}
        const needed = Object.entries(known).flatMap(([input, { default: value }]) =>
          value === undefined ? [input] : [],
        )
        expect(Object.keys(known)).toEqual(expect.arrayContaining(Object.keys(inputs)))
        expect(Object.keys(inputs)).toEqual(expect.arrayContaining(needed))
      }
    }
  })
})
