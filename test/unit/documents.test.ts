import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it, test } from '@jest/globals'
import { parse } from 'yaml'
import { parametersOfCommand } from '../../src/faces/commands.ts'
import { requirements } from '../../src/go-live/requirement.ts'
import { outputs } from '../../src/input/outputs.ts'
import { parameters } from '../../src/input/parameters.ts'
import { failureCodes } from '../../src/lib/failure.ts'
import { changeActions, changeObjects } from '../../src/provision/effect.ts'
import { allRecipes } from '../support/recipes.ts'
import { loadValidator } from '../support/workflow-validator.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

async function contentOf(path: string): Promise<string> {
  return await readFile(join(root, path), 'utf8')
}

describe('generated files', () => {
  it('are what the table of parameters gives', async () => {
    const run = promisify(execFile)(process.execPath, ['scripts/generate.ts', '--check'], { cwd: root })
    await expect(run).resolves.toMatchObject({ stdout: '' })
  })
})

describe('docs/troubleshooting.md', () => {
  it('has one entry for every failure code, and no other', async () => {
    const headings = [...(await contentOf('docs/troubleshooting.md')).matchAll(/^## (.+)$/gm)]
    expect(headings.map(([, heading]) => heading).sort()).toEqual([...failureCodes].sort())
  })
})

test('what package.json says of Node.js is what the command line asks for, and what the README says', async () => {
  const { engines } = JSON.parse(await contentOf('package.json')) as { engines: { node: string } }
  const [, oldest] = /^const oldestNode = (\d+)$/m.exec(await contentOf('src/faces/cli.ts')) ?? []
  expect(engines.node).toBe(`>=${oldest ?? ''}`)
  expect(await contentOf('README.md')).toContain(`command line: ${oldest ?? ''} or newer`)
})

describe('docs/go-live.md', () => {
  it('has a heading for each requirement, which log, summary and report lead to, and one for nothing else', async () => {
    const headings = [...(await contentOf('docs/go-live.md')).matchAll(/^### `([a-z-]+)`$/gm)]
    expect(headings.map(([, id]) => id).sort()).toEqual(requirements.map(({ id }) => id).sort())
  })
})

describe('README.md', () => {
  it('explains every word of the output changes', async () => {
    const rows = [...(await contentOf('README.md')).matchAll(/^\| `([a-z]+)` +\| `([a-z-]+)` +\|/gm)]
    expect(new Set(rows.map(([, object]) => object))).toEqual(new Set(changeObjects))
    expect(new Set(rows.map(([, , action]) => action))).toEqual(new Set(changeActions))
  })

  it('is short enough to be read, its tables and blocks aside', async () => {
    const prose = (await contentOf('README.md'))
      .replace(/^```[\s\S]*?^```$/gm, '')
      .replace(/^\|.*$/gm, '')
      .replace(/<[^>]*>/g, '')
    expect(prose.split(/\s+/).length).toBeLessThan(1800)
  })

  it('uses inputs and outputs that exist', async () => {
    const readme = await contentOf('README.md')
    const [workflow] = workflowsIn(readme)
    const { jobs } = parse(workflow ?? '') as Workflow
    const steps = Object.values(jobs).flatMap((job) => job.steps)
    const step = steps.find(({ uses }) => uses?.startsWith('elastisys/pg-app-user@'))
    const known: readonly string[] = parameters.map(({ name }) => name)
    expect(known).toEqual(expect.arrayContaining(Object.keys(step?.with ?? {})))
    const required = parameters.filter((parameter) => 'required' in parameter)
    expect(Object.keys(step?.with ?? {})).toEqual(expect.arrayContaining(required.map(({ name }) => name)))
    const used = [...readme.matchAll(/steps\.database\.outputs\.([a-z-]+)/g)].map(([, name]) => name)
    expect(outputs.map(({ name }) => name)).toEqual(expect.arrayContaining(used))
  })
})

it.each(['README.md', 'docs/recipes.md'])('%s shows no workflow that nothing starts', async (path) => {
  const blocks = [...(await contentOf(path)).matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(
    ([, yaml = '']) => yaml,
  )
  expect(blocks.filter((yaml) => /^jobs:/m.test(yaml) && !/^on:/m.test(yaml))).toEqual([])
})

describe('what another command or component does not have', () => {
  it('is in docs/command-line.md', async () => {
    const [, listed = ''] = /about changes \(([^)]*)\)/.exec(await contentOf('docs/command-line.md')) ?? []
    const names = parametersOfCommand('go-live').map(({ name }) => name)
    const lacking = parametersOfCommand('provision').filter(({ name }) => !names.includes(name))
    expect(listed.split(', ').toSorted()).toEqual(lacking.map(({ name }) => `\`--${name}\``).toSorted())
  })

  it('is in gitlab/README.md, with the variables that can be overridden', async () => {
    const readme = await contentOf('gitlab/README.md')
    const inputsOf = async (component: string): Promise<readonly string[]> => {
      const [head] = (await contentOf(`gitlab/templates/${component}.yml`)).split('\n---\n')
      return Object.keys((parse(head ?? '') as { spec: { inputs: object } }).spec.inputs)
    }
    const [provision, gate] = [await inputsOf('provision'), await inputsOf('go-live')]
    const [, listed = ''] = /except those about changes: ([^.]*)\./.exec(readme) ?? []
    expect(listed.match(/[a-z-]+(?=`)/g)?.toSorted()).toEqual(
      provision.filter((name) => !gate.includes(name)).toSorted(),
    )
    const template = await contentOf('gitlab/templates/provision.yml')
    const [, passed = ''] = /Free text is passed in variables of the job: ([^.]*)\./.exec(readme) ?? []
    expect(
      passed
        .match(/[A-Z_]+(?=`)/g)
        ?.map((name) => name.replace(/^PG_APP_USER|^(?=_)/, ''))
        .toSorted(),
    ).toEqual([...template.matchAll(/^    PG_APP_USER(_[A-Z_]+): \|-$/gm)].map(([, name]) => name).toSorted())
  })
})

describe.each([
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'RELEASING.md',
  'gitlab/README.md',
  'docs/anywhere.md',
  'docs/clients.md',
  'docs/command-line.md',
  'docs/go-live.md',
  'docs/how-it-works.md',
  'docs/recipes.md',
  'docs/reliability.md',
  'docs/security.md',
  'docs/troubleshooting.md',
])('the links of %s', (path) => {
  it('lead somewhere', async () => {
    const links = [...(await contentOf(path)).matchAll(/\]\((?!https:)([^)#]*)(?:#([^)]*))?\)/g)]
    const broken: string[] = []
    for (const [, file = '', anchor] of links) {
      const target = file === '' ? path : join(path, '..', file)
      const content = await contentOf(target).catch(() => undefined)
      const found = content !== undefined && (anchor === undefined || anchorsOf(content).includes(anchor))
      if (!found) broken.push(`${target}#${anchor ?? ''}`)
    }
    expect(broken).toEqual([])
  })
})

/** What GitHub makes of headings. */
function anchorsOf(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}

interface Workflow {
  readonly jobs: Record<string, { steps: { uses?: string; with?: Record<string, unknown> }[] }>
}

function workflowsIn(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^```yaml\n(on:\n[\s\S]*?)^```$/gm)].map(([, yaml = '']) => yaml)
}

describe('the workflows of this repository', () => {
  const folder = '.github/workflows'

  it('run actions by the SHA of a commit alone, with the version beside it for people and Dependabot', async () => {
    for (const name of await readdir(join(root, folder))) {
      const used = [...(await contentOf(join(folder, name))).matchAll(/uses: (.*)$/gm)].map(
        ([, action]) => action,
      )
      for (const action of used) expect(action).toMatch(/^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
    }
  })

  it('leave no token behind in a checkout, and run no install script that is not allowed', async () => {
    for (const name of await readdir(join(root, folder))) {
      const content = await contentOf(join(folder, name))
      const { jobs } = parse(content) as Workflow
      const steps = Object.values(jobs).flatMap((job) => job.steps)
      for (const { with: inputs } of steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'))) {
        expect(inputs).toMatchObject({ 'persist-credentials': false })
      }
      expect(content).not.toMatch(/npm (?:ci|install)/)
    }
  })

  it('publish only from the environment "release"', async () => {
    const { jobs } = parse(await contentOf(join(folder, 'release.yml'))) as Workflow
    const { check, ...publishing } = jobs
    expect(check).toBeDefined()
    for (const job of Object.values(publishing)) expect(job).toMatchObject({ environment: 'release' })
  })
})

describe('the image', () => {
  it('is made from one that is named by its digest', async () => {
    const bases = [...(await contentOf('Dockerfile')).matchAll(/^FROM (.*)$/gm)].map(([, base]) => base)
    for (const base of bases) expect(base).toMatch(/^\S+:[\w.-]+@sha256:[0-9a-f]{64}$/)
    expect(bases).not.toEqual([])
  })
})

describe('docs/security.md', () => {
  it('names tests that exist', async () => {
    const named = [...(await contentOf('docs/security.md')).matchAll(/`(test\/[\w./-]+\.ts)`: ([^|`]+)/g)]
    expect(named).not.toEqual([])
    for (const [, file = '', titles = ''] of named) {
      const source = await contentOf(file)
      for (const [, title = ''] of titles.matchAll(/“([^”]+)”/g)) {
        expect({ file, title, there: source.includes(title) }).toEqual({ file, title, there: true })
      }
    }
  })
})

describe("GitHub's validator", () => {
  let problemsOf: (path: string, content: string) => Promise<readonly string[]>

  beforeAll(async () => {
    problemsOf = await loadValidator()
  })

  it('finds nothing wrong with action.yml', async () => {
    expect(await problemsOf('action.yml', await contentOf('action.yml'))).toEqual([])
  })

  it('finds nothing wrong with the workflows of this repository and of the README', async () => {
    const folder = '.github/workflows'
    const names = await readdir(join(root, folder))
    const own = await Promise.all(names.map(async (name) => await contentOf(join(folder, name))))
    const shown = workflowsIn(await contentOf('README.md'))
    expect(shown).not.toEqual([])
    for (const [index, content] of [...own, ...shown].entries()) {
      expect(await problemsOf(`${folder}/${index}.yml`, content)).toEqual([])
    }
  })

  it('would find what is wrong', async () => {
    const action = await contentOf('action.yml')
    expect(await problemsOf('wrong/action.yml', action.replace('main:', 'mian:'))).not.toEqual([])
    const workflow = 'on: push\njobs: { a: { runs-on: ubuntu-latest, steps: [{ uses: a/b@v1, wth: {} }] } }\n'
    expect(await problemsOf('.github/workflows/wrong.yml', workflow)).not.toEqual([])
  })
})

describe('docs/migrations.md', () => {
  it('says of each recipe what a test runs of it, and has a project for those that are run', async () => {
    const recipes = await allRecipes()
    const those = (tried: string): string[] =>
      recipes.filter((recipe) => recipe.tried === tried).map(({ tool }) => tool)
    // Few, and the text below the table says why.
    expect(those('no')).toEqual(['Prisma'])
    expect(those('its driver')).toEqual(['Flyway', 'golang-migrate'])
    expect(those('itself')).toHaveLength(recipes.length - 3)
    const projects = await readdir(join(root, 'test/clients/projects'))
    expect(
      those('itself')
        .map((tool) => tool.toLowerCase())
        .sort(),
    ).toEqual(projects.sort())
  })
})
