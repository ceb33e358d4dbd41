import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, test } from '@jest/globals'
import { parse, parseAllDocuments } from 'yaml'
import { parametersOfCommand, variableOf, type CommandName } from '../../src/faces/commands.ts'
import { createProgram } from '../../src/faces/program.ts'
import { meaning, parameters, type Face, type Parameter } from '../../src/input/parameters.ts'
import { parseRequest } from '../../src/input/parse.ts'

interface ComponentInput {
  readonly description?: string
  readonly default?: string | boolean
  readonly type?: string
  readonly options?: readonly string[]
  readonly regex?: string
}

interface Job {
  readonly script?: readonly string[]
  readonly variables?: Readonly<Record<string, string | object>>
  readonly environment?: { readonly name: string; readonly action: string }
}

async function contentOf(path: string): Promise<string> {
  return await readFile(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8')
}

const components = await Promise.all(
  (['provision', 'go-live', 'migrate'] as const).map(async (name) => {
    const template = await contentOf(`gitlab/templates/${name}.yml`)
    const [header, body] = parseAllDocuments(template)
    const { spec } = header?.toJS() as { spec: { inputs: Record<string, ComponentInput> } }
    return { name, template, inputs: spec.inputs, jobs: body?.toJS() as Record<string, Job> }
  }),
)

/** What a component has of the table is what its command has, but for what would be visible to everyone. */
function parametersOfComponent(component: (typeof components)[number]['name']): readonly string[] {
  return parametersOfCommand(component === 'migrate' ? 'exec' : component)
    .map(({ name }) => name)
    .filter((name) => name !== 'kubeconfig')
}

const action = parse(await contentOf('action.yml')) as { inputs: Record<string, ComponentInput> }
const commands = createProgram(() => undefined).commands
const all: readonly Parameter[] = parameters

describe.each(all.map((parameter) => [parameter.name, parameter] as const))('%s', (name, parameter) => {
  it('exists on each face, or there is a reason why not', () => {
    const provision = commands.find((command) => command.name() === 'provision')
    const exec = commands.find((command) => command.name() === 'exec')
    const found: Record<Face, boolean> = {
      action: name in action.inputs,
      gitlab: components.some(({ inputs }) => name in inputs),
      cli: [provision, exec].some((command) => command?.options.some(({ long }) => long === `--${name}`)),
    }
    for (const [face, exists] of Object.entries(found)) {
      expect({ face, exists }).toEqual({ face, exists: parameter.absent?.[face as Face] === undefined })
    }
    for (const reason of Object.values(parameter.absent ?? {})) expect(reason).toMatch(/^[a-z].{20,}[^.]$/)
  })

  it('has the same text and default wherever it exists, but for what the gate alone and "rights" fix', () => {
    for (const { inputs, ...face } of [{ ...action, name: 'provision' as const }, ...components]) {
      const input = inputs[name]
      const fixed = parametersOfCommand(face.name === 'migrate' ? 'exec' : face.name).find(
        (each) => each.name === name,
      )
      if (input === undefined) continue
      expect(input.description).toBe((fixed ?? parameter).description)
      if ((fixed ?? parameter).required) expect(input).not.toHaveProperty('default')
      else expect(String(input.default ?? '')).toBe((fixed ?? parameter).default ?? '')
    }
    for (const command of commands) {
      // There it is a flag, which asks for the rights of the gate.
      if (command.name() === 'rights' && name === 'go-live') continue
      const option = command.options.find(({ long }) => long === `--${name}`)
      const fixed = parametersOfCommand(command.name() as CommandName).find((each) => each.name === name)
      expect(option === undefined).toBe(fixed === undefined)
      if (option === undefined || fixed === undefined) continue
      expect(option.envVar).toBe(variableOf(name))
      expect(option.description).toBe(
        meaning(fixed).replace('**Required.**', 'Required.').replaceAll('`', ''),
      )
    }
  })
})

test('what a command fixes is little, and is so on the command line and in the component', () => {
  const fixed = commands.flatMap((command) =>
    parametersOfCommand(command.name() as CommandName).flatMap((parameter) => {
      const { description, default: value, options, required } = parameter
      const common = all.find(({ name }) => name === parameter.name)
      return meaning(parameter) === meaning(common ?? parameter)
        ? []
        : [[command.name(), parameter.name, { description, value, options, required }]]
    }),
  )
  const [gate, plan, namespace] = fixed
  expect(fixed).toHaveLength(3)
  expect(gate).toMatchObject([
    'go-live',
    'go-live',
    { value: 'enforce', options: ['warn', 'enforce', 'auto'] },
  ])
  expect(plan).toMatchObject(['go-live', 'go-live-profile', { required: true }])
  expect(namespace).toMatchObject(['rights', 'app-namespace', { required: true }])
})

describe.each(components)('the component $name', ({ name: component, template, inputs, jobs }) => {
  const job = jobs['$[[ inputs.job-name ]]']
  const script = job?.script?.join('\n') ?? ''

  it('has nothing but the table and what belongs to the job', () => {
    expect(Object.keys(inputs)).toEqual([
      ...parametersOfComponent(component),
      ...['stage', 'job-name', 'image', 'environment', 'rules'],
      ...(component === 'migrate' ? ['run', 'tool'] : []),
    ])
  })

  it('reads in YAML 1.1, which is what GitLab reads, as it does in YAML 1.2', () => {
    const read = (version: '1.1' | '1.2'): unknown =>
      parseAllDocuments(template, { version }).map((document) => document.toJS() as unknown)
    expect(read('1.1')).toEqual(read('1.2'))
  })

  test.each([`it's "free" & <odd>: #%d, \\ {x} [y] *z`, 'off', '12', '- a', '? a: b', '', '$[[ '])(
    'takes the text %j as it is where GitLab puts it into the text of the template',
    (free) => {
      const freely = Object.keys(inputs).filter((name) => variableOf(name) in (job?.variables ?? {}))
      const texts = new Map(
        Object.entries(inputs).map(([name, { default: value, options, regex = '' }]) => {
          if (freely.includes(name) && new RegExp(regex).test(free)) return [name, free] as const
          const other = value ?? options?.[0] ?? 'a'
          return [name, typeof other === 'string' ? other : JSON.stringify(other)] as const
        }),
      )
      const [, body = ''] = template.split('\n---\n')
      const text = body.replace(/\$\[\[ inputs\.([a-z-]+) \]\]/g, (_, name: string) => texts.get(name) ?? '')
      const made = parse(text, { version: '1.1', uniqueKeys: false }) as Record<string, Job>
      const { variables = {} } = made[`pg-app-user:${component}`] ?? {}
      expect(freely).toContain('app-database')
      for (const name of freely) {
        const text = name === 'run' || name === 'app-database' ? free || 'a' : free
        const value = name === 'run' ? { value: text, expand: false } : text
        expect(variables[variableOf(name)]).toEqual(value)
      }
    },
  )

  test.each(['context', 'app-database', 'extensions', 'job-name', 'stage', 'image'])(
    'takes no second line for %s, which GitLab would read as YAML',
    (name) => {
      if (!(name in inputs)) return
      const pattern = new RegExp(inputs[name]?.regex ?? '')
      expect(pattern.test('one line')).toBe(true)
      expect(pattern.test('a\nscript: [echo owned]')).toBe(false)
    },
  )

  it('puts into the script only what nobody can write freely, quoted', () => {
    for (const [used, name = ''] of script.matchAll(/\$\[\[ inputs\.([a-z-]+) \]\]/g)) {
      // It is several words, none of which means anything to a shell.
      if (name !== 'tool') expect(script).toContain(`="${used}"`)
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
    const gate = ['go-live', 'go-live-profile', 'go-live-file', 'release-branches']
    for (const name of ['access-secret', ...(component === 'migrate' ? [] : gate)]) {
      expect(script).toContain(`--${name}=`)
    }
  })

  it('records no deployment', () => {
    const actions = Object.values(jobs).flatMap(({ environment }) => environment?.action ?? [])
    expect(actions).not.toEqual([])
    for (const action of actions) expect(['prepare', 'verify', 'access']).toContain(action)
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
    if (!(name in inputs) && component === 'migrate') return
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
